/*
 * What comes to the core from people and from beside the cloud: operators' words, calendars and gates.
 *
 * Calendars follow a plain rule (each day at the same time, and one freeze), so that the observer can tell by itself
 * whether a policy is open, without the stretches that the core was given.
 */
#include "world_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400
#define DAYS 9 /* told ahead */

/* ---- operators ---- */

static char *copy(const char *text)
{
	char *out = text ? strdup(text) : NULL;

	assert(out || !text);
	return out;
}

void world_act(struct world *w, const struct act *act)
{
	struct event ev = {.kind = EVENT_ACT, .act = *act};
	char *strings[] = {copy(act->account), copy(act->policy),	 copy(act->version_type),  copy(act->version),
			   copy(act->wave),    copy(act->instance_id), copy(act->serial_number), copy("ann"), copy("because")};

	ev.act.account = strings[0];
	ev.act.policy = strings[1];
	ev.act.version_type = strings[2];
	ev.act.version = strings[3];
	ev.act.wave = strings[4];
	ev.act.instance_id = strings[5];
	ev.act.serial_number = strings[6];
	ev.act.who = strings[7];
	ev.act.why = strings[8];
	world_say(w, "the operator says %s%s %s %s %s %s", act_names[act->kind], act->is_all ? " --all" : "", act->policy ? act->policy : "",
		  act->version ? act->version : "", act->wave ? act->wave : "", act->serial_number ? act->serial_number : "");
	world_step(w, &ev);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(strings[i]);
}

static void approve_changes(struct world *w)
{
	struct approval_view v;

	for (uint32_t i = 0; w->core && i < reconcile_approvals(w->core); i++) {
		if (!reconcile_approval(w->core, i, &v))
			continue;
		world_act(w, &(struct act){.kind = ACT_APPROVE, .account = v.account, .version_type = version_type_names[v.version_type],
					   .version = v.version, .count = v.count});
	}
}

static void help_rollout(struct world *w, const struct rollout_view *v)
{
	struct act act = {.kind = ACT_RESUME, .policy = v->policy_name, .version = v->version, .version_type = version_type_names[v->version_type]};

	if (v->state == ROLLOUT_STATE_PAUSED)
		act.version = act.version_type = NULL; /* a pause of the whole policy, too */
	if (v->state == ROLLOUT_STATE_HALTED || v->state == ROLLOUT_STATE_PAUSED) {
		world_act(w, &act);
	} else if (v->is_awaiting_approval && v->wave + 1 < v->n_waves) {
		act.kind = ACT_APPROVE;
		act.wave = v->wave_name;
		world_act(w, &act);
	}
}

void world_help(struct world *w)
{
	struct rollout_view v;
	struct target_view t;

	if (w->core && reconcile_is_paused(w->core))
		world_act(w, &(struct act){.kind = ACT_RESUME, .is_all = true});
	approve_changes(w);
	for (uint32_t i = 0; w->core && i < reconcile_rollout_slots(w->core); i++)
		if (reconcile_rollout(w->core, i, &v))
			help_rollout(w, &v);
	for (uint32_t i = 0; w->core && i < reconcile_target_slots(w->core); i++) {
		if (!reconcile_target(w->core, i, &t))
			continue;
		if (t.is_held)
			world_act(w, &(struct act){.kind = ACT_RELEASE, .serial_number = t.serial_number});
		if (w->core && reconcile_target(w->core, i, &t) && t.phase == PHASE_FAILED)
			world_act(w, &(struct act){.kind = ACT_RETRY, .serial_number = t.serial_number});
	}
}

/* ---- calendars ---- */

/* Openings of one day minus the freeze; at most two stretches. */
static size_t add_opening(const struct world_policy *p, struct stretch day, struct stretch *out)
{
	size_t n = 0;

	if (p->freeze.to_s <= day.from_s || p->freeze.from_s >= day.to_s || p->freeze.from_s >= p->freeze.to_s) {
		out[n++] = day;
		return n;
	}
	if (p->freeze.from_s > day.from_s)
		out[n++] = (struct stretch){day.from_s, p->freeze.from_s};
	if (p->freeze.to_s < day.to_s)
		out[n++] = (struct stretch){p->freeze.to_s, day.to_s};
	return n;
}

static void tell_calendar(struct world *w, uint32_t policy)
{
	const struct world_policy *p = &w->applied->more[policy];
	int64_t today_s = world_wall_s(w) / DAY_S * DAY_S;
	struct stretch *openings = malloc(2 * DAYS * sizeof(*openings));
	struct stretch *freeze = malloc(sizeof(*freeze));
	struct event ev = {.kind = EVENT_CALENDAR, .calendar = {.policy = policy, .openings = openings, .freezes = freeze}};

	assert(openings && freeze);
	for (int64_t day = -1; day < DAYS - 1; day++) {
		int64_t from_s = today_s + day * DAY_S + p->open_from_s;

		ev.calendar.n_openings += add_opening(p, (struct stretch){from_s, from_s + p->open_length_s}, openings + ev.calendar.n_openings);
	}
	*freeze = p->freeze;
	ev.calendar.n_freezes = p->freeze.from_s < p->freeze.to_s;
	ev.calendar.from_s = today_s - DAY_S + p->open_from_s;
	ev.calendar.until_s = today_s + (DAYS - 2) * DAY_S + p->open_from_s;
	world_step(w, &ev);
	free(openings);
	free(freeze);
}

void world_tell_calendars(struct world *w)
{
	for (uint32_t i = 0; w->core && i < w->applied->n_policies; i++)
		if (!w->applied->policies[i].is_always_open && w->applied->more[i].open_length_s > 0)
			tell_calendar(w, i);
}

bool world_is_open(const struct world *w, uint32_t policy, bool *ret_is_frozen, int64_t *ret_left_s)
{
	const struct world_policy *p = &w->applied->more[policy];
	int64_t wall_s = world_wall_s(w), into_s = ((wall_s - p->open_from_s) % DAY_S + DAY_S) % DAY_S;

	*ret_is_frozen = wall_s >= p->freeze.from_s && wall_s < p->freeze.to_s;
	*ret_left_s = p->open_length_s - into_s;
	if (p->freeze.from_s > wall_s && p->freeze.from_s - wall_s < *ret_left_s && p->freeze.from_s < p->freeze.to_s)
		*ret_left_s = p->freeze.from_s - wall_s;
	return into_s < p->open_length_s && !*ret_is_frozen;
}
