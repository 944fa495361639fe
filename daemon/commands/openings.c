/*
 * The calendar of each policy in words. The clock is the caller's.
 *
 * How many starts fit is told without the fleet's size, which a configuration does not know: what the rate allows in the
 * time that leaves an upgrade enough, and no more than so many in flight can do one after the other.
 */
#include "openings.h"
#include "civil.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define DAY_S INT64_C(86400)
#define SHOWN_MAX 3
#define LOOK_DAYS 400 /* for the next openings */
#define ROOM_DAYS 32  /* for what fits: longer than any month */

/* One policy, and the time to tell of it. */
struct telling {
	const struct config *config;
	const struct policy *policy;
	const struct config_policy *shell;
	int64_t now_s;
	FILE *out, *warnings;
};

/* A name and a zone of a wall clock to show times on; no name: UTC only. */
struct clock {
	const char *name;
	const struct tzif *zone;
};

static void print_duration(FILE *out, int64_t s)
{
	static const struct {
		const char *name;
		int64_t s;
	} units[] = { { "d", DAY_S }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (s >= units[i].s)
			fprintf(out, "%" PRId64 "%s", s / units[i].s, units[i].name);
		s %= units[i].s;
	}
}

/* The first window that is open when the opening begins; of `always` with freezes, the first freeze's clock. */
static int find_clock(const struct telling *t, struct calendar_interval opening, struct clock *ret_clock)
{
	*ret_clock = (struct clock){ 0 };
	for (uint32_t i = 0; i < t->shell->n_windows; i++) {
		const struct config_window *window = &t->config->windows[t->shell->windows[i]];
		const struct calendar one = { .windows = &window->rule, .n_windows = 1 };
		struct calendar_interval first;

		if (window->is_always)
			continue;
		if (calendar_next(&one, opening.from_s, 1, &first) < 0)
			return -ENOMEM;
		if (first.from_s == opening.from_s) {
			*ret_clock = (struct clock){ window->time_zone, window->rule.zone };
			return 0;
		}
	}
	if (t->shell->n_freezes) {
		const struct config_freeze *freeze = &t->config->freezes[t->shell->freezes[0]];

		*ret_clock = (struct clock){ freeze->time_zone, freeze->rule.zone };
	}
	return 0;
}

static bool has_end(const struct telling *t, struct calendar_interval opening)
{
	return opening.to_s < t->now_s + LOOK_DAYS * DAY_S;
}

/* "now to Tue 2026-11-24 05:00", on that clock; NULL is UTC. */
static void print_span(const struct telling *t, struct calendar_interval opening, const struct tzif *zone)
{
	int64_t from_s = zone ? tzif_local(zone, opening.from_s) : opening.from_s,
		to_s = zone ? tzif_local(zone, opening.to_s) : opening.to_s;

	fprintf(t->out, "%s", opening.from_s == t->now_s ? "now" : civil_print(from_s).text);
	if (has_end(t, opening))
		fprintf(t->out, " to %s", civil_print(to_s).text);
}

static int print_openings(const struct telling *t, const struct calendar_intervals *openings)
{
	for (size_t i = 0; i < openings->n && i < SHOWN_MAX; i++) {
		struct clock clock;

		if (find_clock(t, openings->items[i], &clock) < 0)
			return -ENOMEM;
		fprintf(t->out, "  open ");
		if (clock.name) {
			print_span(t, openings->items[i], clock.zone);
			fprintf(t->out, " %s (", clock.name);
		}
		print_span(t, openings->items[i], NULL);
		fprintf(t->out, " UTC%s%s\n", clock.name ? ")" : "", has_end(t, openings->items[i]) ? "" : ", with no end in sight");
	}
	if (!openings->n)
		fprintf(t->out, "  no opening in the next %d days\n", LOOK_DAYS);
	return 0;
}

/* The freeze that holds now and ends last, or NULL. */
static const struct config_freeze *find_freeze(const struct telling *t, int64_t *ret_to_s)
{
	const struct config_freeze *last = NULL;

	for (uint32_t i = 0; i < t->shell->n_freezes; i++) {
		const struct config_freeze *freeze = &t->config->freezes[t->shell->freezes[i]];
		struct calendar_interval interval = calendar_freeze_interval(&freeze->rule);

		if (interval.from_s > t->now_s || interval.to_s <= t->now_s || (last && interval.to_s <= *ret_to_s))
			continue;
		last = freeze;
		*ret_to_s = interval.to_s;
	}
	return last;
}

static void print_state(const struct telling *t, const struct calendar_intervals *openings)
{
	bool is_open = openings->n && openings->items[0].from_s == t->now_s;
	int64_t takes_s = t->policy->upgrade_takes_ns / NS_PER_S, to_s = 0;
	const struct config_freeze *freeze = is_open ? NULL : find_freeze(t, &to_s);

	fprintf(t->out, "policy \"%s\": ", t->policy->name);
	if (t->policy->is_always_open) {
		fprintf(t->out, "always open\n");
	} else if (is_open && openings->items[0].to_s - t->now_s < takes_s) {
		fprintf(t->out, "open, but nothing starts (%s): less than upgrade_takes ", reason_names[REASON_WINDOW_TOO_SHORT]);
		print_duration(t->out, takes_s);
		fprintf(t->out, " is left\n");
	} else if (is_open) {
		fprintf(t->out, "open\n");
	} else if (freeze) {
		fprintf(t->out, "closed (%s): \"%s\" until %s %s (%s UTC)%s%s\n", reason_names[REASON_FREEZE], freeze->name,
			civil_print(tzif_local(freeze->rule.zone, to_s)).text, freeze->time_zone, civil_print(to_s).text,
			*freeze->reason ? ": " : "", freeze->reason);
	} else {
		fprintf(t->out, "closed (%s): %s\n", reason_names[REASON_WINDOW],
			t->shell->n_windows ? "outside of its windows" : "it has no windows");
	}
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* About how many upgrades can start. */
static uint64_t count_starts(const struct telling *t, const struct calendar_room *room)
{
	uint64_t by_rate = (uint64_t)room->usable_s * t->policy->max_starts_per_hour / 3600, in_flight = t->config->settings.max_in_flight;

	if (by_rate < room->n_usable)
		by_rate = room->n_usable; /* one can start at once in each */
	if (!t->policy->max_in_flight.is_share)
		in_flight = least(in_flight, t->policy->max_in_flight.count);
	return least(by_rate, (uint64_t)room->n_turns * in_flight);
}

static void print_room(const struct telling *t, const struct calendar_room *room, int64_t takes_s)
{
	FILE *out = room->n_usable ? t->out : t->warnings;

	if (!t->shell->n_windows)
		return; /* said before */
	if (room->n_usable)
		fprintf(out, "  at most about %" PRIu64 " starts fit into the next %d days, which are open for ", count_starts(t, room),
			ROOM_DAYS);
	else
		fprintf(out,
			"warning: policy \"%s\": no upgrade can start in the next %d days: its windows without its freezes never leave "
			"upgrade_takes ",
			t->policy->name, ROOM_DAYS);
	print_duration(out, room->n_usable ? room->open_s : takes_s);
	fprintf(out, "%s\n", room->n_usable ? "" : "; widen windows or shorten freezes");
}

static int print_policy(const struct telling *t)
{
	const struct calendar_interval look = { t->now_s, t->now_s + LOOK_DAYS * DAY_S },
				       ahead = { t->now_s, t->now_s + ROOM_DAYS * DAY_S };
	int64_t takes_s = (t->policy->upgrade_takes_ns + NS_PER_S - 1) / NS_PER_S;
	struct calendar_intervals openings = { 0 }, freezes = { 0 };
	struct calendar_room room;
	int r = calendar_openings(&t->shell->calendar, look, &openings, &freezes);

	if (r == 0) {
		print_state(t, &openings);
		if (!t->policy->is_always_open)
			r = print_openings(t, &openings);
	}
	if (r == 0)
		r = calendar_openings(&t->shell->calendar, ahead, &openings, &freezes);
	if (r == 0) {
		room = calendar_room(&openings, takes_s);
		print_room(t, &room, takes_s);
	}
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
	return r;
}

int openings_print(const struct config *config, int64_t now_s, FILE *out, FILE *warnings)
{
	const struct settings *s = &config->settings;
	bool *is_used = calloc((size_t)s->n_policies + 1, sizeof(*is_used));
	int r = is_used ? 0 : -ENOMEM;

	for (uint32_t i = 0; is_used && i < s->n_pins; i++)
		for (int type = 0; type < VERSION_TYPE_N; type++)
			if (s->pins[i].policy[type] != POLICY_NONE)
				is_used[s->pins[i].policy[type]] = true;
	for (uint32_t i = 0; r == 0 && i < s->n_policies; i++) {
		const struct telling t = { config, &s->policies[i], &config->policies[i], now_s, out, warnings };

		if (is_used[i])
			r = print_policy(&t);
	}
	free(is_used);
	return r;
}
