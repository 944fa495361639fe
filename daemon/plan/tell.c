/* What text and JSON share: names, times, and what is another than it was. */
#include "tell.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

void tell_note(struct tell *t, const char *format, ...)
{
	va_list args;

	if (t->n_notes == TELL_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(t->notes[t->n_notes].text, sizeof(t->notes[0].text), format, args);
	va_end(args);
	t->n_notes++;
}

/* ---- rows ---- */

const struct picture_scope *tell_scope(const struct tell *t, const struct forecast_row *row)
{
	return &t->picture->scopes[t->picture->instance_scope[row->instance]];
}

const char *tell_policy(const struct tell *t, const struct forecast_row *row)
{
	return row->policy == POLICY_NONE ? "" : t->settings->policies[row->policy].name;
}

const char *tell_pin(const struct tell *t, const struct forecast_row *row)
{
	return row->pin == PIN_NONE ? "" : t->settings->pins[row->pin].name;
}

bool tell_is_asked_for(const struct tell *t, const struct forecast_row *row)
{
	return (!t->account || strcmp(t->account, tell_scope(t, row)->account) == 0) && (!t->policy || strcmp(t->policy, tell_policy(t, row)) == 0) &&
	       (!t->instance_id || strcmp(t->instance_id, t->picture->instances[row->instance].instance_id) == 0) &&
	       (!t->serial_number || strcmp(t->serial_number, row->serial_number) == 0);
}

unsigned int tell_changes(const struct tell *t, const struct forecast_row *row, const struct picture_wanted **ret_before)
{
	const struct picture_wanted *before = picture_find_wanted(t->picture, row->serial_number, row->version_type);

	*ret_before = before;
	if (!t->picture->is_of_daemon)
		return 0;
	if (!before)
		return row->to[0] ? CHANGE_DESIRED : 0;
	return (strcmp(before->desired, row->to) != 0 ? CHANGE_DESIRED : 0) | (strcmp(before->policy, tell_policy(t, row)) != 0 ? CHANGE_POLICY : 0) |
	       (strcmp(before->wave, row->wave) != 0 ? CHANGE_WAVE : 0);
}

size_t tell_count_changed(const struct tell *t)
{
	const struct picture_wanted *before;
	size_t n = 0;

	for (size_t i = 0; i < t->forecast->n_rows; i++)
		n += tell_changes(t, &t->forecast->rows[i], &before) != 0;
	return n;
}

enum reason tell_reason(const struct forecast_row *row)
{
	switch ((int)row->action) {
	case FORECAST_WAIT:
	case FORECAST_LATER:
	case FORECAST_FAILED:
		return row->end_reason;
	case FORECAST_UPGRADE:
		return row->why;
	default:
		return row->reason;
	}
}

const char *tell_advice(enum forecast_action action, enum reason reason)
{
	static const char *const advice[REASON_N] = {
		[REASON_HELD] = "sagpin release, or take hold out of the pin",
		[REASON_PAUSED] = "sagpin resume",
		[REASON_HALTED] = "see what failed, then sagpin resume for that policy and version",
		[REASON_APPROVAL] = "see what waits, then sagpin approve",
		[REASON_OFFLINE] = "nothing to do: they go when they are online",
		[REASON_DEGRADED] = "bring VPN, controller or the other device back",
		[REASON_CREDENTIALS] = "mend the credentials of the account; the daemon's log says what is wrong",
		[REASON_GATE] = "see why the gate's query keeps it closed",
		[REASON_STATE_STORE] = "mend the state store; the daemon's log says what is wrong",
		[REASON_DUPLICATE] = "one serial number is under two instances: take it out of one",
		[REASON_IN_ARREARS] = "pay the bill of the instance",
		[REASON_NOT_ACTIVATED] = "activate the instance",
		[REASON_NOT_BOUND] = "bind the instance to a CCN",
		[REASON_FORBIDDEN] = "allow the upgrade in RAM, then sagpin retry",
		[REASON_VERSION_TOO_OLD] = "name a version on the way with via",
		[REASON_VERSION_NOT_AVAILABLE] = "pin a version that the catalogue offers",
		[REASON_INCOMPARABLE] = "pin a version that can be compared with the reported one",
		[REASON_FLAPPING] = "find out who else changes the version",
		[REASON_UNHEALTHY] = "look at the devices, then sagpin retry",
		[REASON_DEADLINE] = "look at the devices, then sagpin retry",
		[REASON_NO_EFFECT] = "look at the devices, then sagpin retry",
		[REASON_REJECTED] = "look at the daemon's log, then sagpin retry",
		[REASON_RETRIES] = "look at the daemon's log, then sagpin retry",
	};

	return action == FORECAST_WAIT || action == FORECAST_FAILED ? advice[reason] : NULL;
}

/* ---- times ---- */

struct tell_time tell_local(int64_t wall_s)
{
	time_t at = (time_t)wall_s;
	struct tell_time t = { "" };
	char zone[8] = "";
	struct tm tm;

	if (!localtime_r(&at, &tm) || strftime(zone, sizeof(zone), "%z", &tm) != 5)
		return t;
	strftime(t.text, sizeof(t.text), "%Y-%m-%d %H:%M ", &tm);
	snprintf(t.text + strlen(t.text), sizeof(t.text) - strlen(t.text), "%.3s:%s", zone, zone + 3);
	return t;
}

struct tell_time tell_near(int64_t wall_s, int64_t now_s)
{
	struct tell_time t = tell_local(wall_s), now = tell_local(now_s);

	if (t.text[0] && strncmp(t.text, now.text, 5) == 0)
		memmove(t.text, t.text + 5, strlen(t.text + 5) + 1);
	return t;
}

struct tell_time tell_utc(int64_t wall_s)
{
	time_t at = (time_t)wall_s;
	struct tell_time t = { "" };
	struct tm tm;

	if (gmtime_r(&at, &tm))
		strftime(t.text, sizeof(t.text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return t;
}

/* The two largest units. */
struct tell_time tell_span(int64_t s)
{
	struct tell_time t;

	if (s >= 86400 && s % 86400 >= 3600)
		snprintf(t.text, sizeof(t.text), "%" PRId64 "d%" PRId64 "h", s / 86400, s % 86400 / 3600);
	else if (s >= 86400)
		snprintf(t.text, sizeof(t.text), "%" PRId64 "d", s / 86400);
	else if (s >= 3600 && s % 3600 < 60)
		snprintf(t.text, sizeof(t.text), "%" PRId64 "h", s / 3600);
	else if (s >= 3600)
		snprintf(t.text, sizeof(t.text), "%" PRId64 "h%" PRId64 "m", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(t.text, sizeof(t.text), "%" PRId64 "m", s / 60);
	else
		snprintf(t.text, sizeof(t.text), "%" PRId64 "s", s);
	return t;
}
