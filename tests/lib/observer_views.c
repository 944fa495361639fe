/*
 * The rules about what the live table shows: phases and reasons, facts and their age, nothing that outlives
 * its object, counters that only grow.
 */
#include "observer_priv.h"

#include <stdarg.h>
#include <string.h>

static bool is_legal(enum phase phase, enum reason reason)
{
	if (phase >= PHASE_N || reason >= REASON_N)
		return false;
	if (reason == REASON_NONE)
		return phase == PHASE_IN_SYNC || phase == PHASE_AHEAD;
	if (reason == REASON_SOAK)
		return phase == PHASE_VERIFYING || phase == PHASE_WAITING;
	return reason_phase(reason) == phase;
}

/* Between these nobody is told of each move. */
static bool is_pacing(enum reason reason)
{
	return reason == REASON_WAVE || reason == REASON_SOAK || reason == REASON_PAIR || reason == REASON_SITE || reason == REASON_MAX_IN_FLIGHT || reason == REASON_RATE ||
	       reason == REASON_THROTTLED || reason == REASON_PRECHECK;
}

static bool is_same_reason(enum reason a, enum reason b)
{
	return a == b || (is_pacing(a) && is_pacing(b));
}

/* What the newest fresh read told of a target shows until another tells otherwise: no back and forth in the log. */
static void check_facts_stay(struct observer *o, const struct action *a, const struct target_view *was)
{
	const struct seen_box *box = observer_box_at(o, was->instance);
	bool is_abnormal = false;

	/* an operator's word (retry) takes it back, too; of a pair the partner's being offline is a cause, too */
	if (box && box->n_fresh == 1)
		is_abnormal = box->fresh_controllers[0] == HEALTH_ABNORMAL || box->fresh_vpns[0] == HEALTH_ABNORMAL;
	if (is_abnormal && !o->is_word && o->w->applied->is_enforcing && a->old_phase == PHASE_WAITING && a->phase == PHASE_WAITING && a->old_reason == REASON_DEGRADED && is_pacing(a->reason))
		world_break(o->w, "phases", "target %u is told as %s, and was degraded at its last fresh read", a->target, reason_names[a->reason]);
}

void observer_told_phase(struct observer *o, const struct action *a)
{
	struct seen_target *t;
	struct target_view v;

	t = observer_target(o, a->target);
	if (reconcile_target(o->w->core, a->target, &v) && v.born != t->view.born)
		*t = (struct seen_target){0}; /* the slot has a new tenant */
	if (!is_legal(a->phase, a->reason))
		world_break(o->w, "phases", "target %u told as %d, %d", a->target, (int)a->phase, (int)a->reason);
	if (t->is_live && t->is_told && (a->old_phase != t->phase || !is_same_reason(a->old_reason, t->reason)))
		world_break(o->w, "phases", "target %u moved from %s %s, but was last told as %s %s", a->target, phase_names[a->old_phase],
			    reason_names[a->old_reason], phase_names[t->phase], reason_names[t->reason]);
	if (t->is_live && t->is_told)
		check_facts_stay(o, a, &t->view);
	t->phase = a->phase;
	t->reason = a->reason;
	t->is_told = true;
}

__attribute__((format(printf, 4, 5))) static void break_target(const struct observer *o, const char *rule, const struct target_view *v, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	world_break(o->w, rule, "target %s %s %s (%s, %s): %s", v->instance_id, v->serial_number, version_type_names[v->version_type], phase_names[v->phase],
		    reason_names[v->reason], text);
}

#define LATE (120 * NS_PER_S)

/* A round of reads, one an instance at a quarter of the calls, can take longer than the interval that is asked for. */
static int64_t dpi_interval_ns(const struct observer *o, const struct scope *scope)
{
	int64_t round_ns = (int64_t)((double)(4 * NS_PER_S) / scope->calls_per_second * (double)o->n_live);

	return scope->dpi_poll_interval_ns > round_ns ? scope->dpi_poll_interval_ns : round_ns;
}

/* An instance that is not seen any more makes both stale; a DPI version becomes so by itself, too. */
static void check_stale(struct observer *o, const struct seen_box *box, const struct target_view *v, const struct seen_device *d)
{
	const struct scope *scope = &o->w->applied->scopes[v->scope];
	int64_t age = o->w->now_ns - box->read_ns, dpi_age = o->w->now_ns - d->read_ns[VERSION_TYPE_DPI];
	bool has_left = d->listed_ns < box->listed_ns, is_dpi = v->version_type == VERSION_TYPE_DPI;

	if (v->reason == REASON_STALE && !has_left && age < 3 * scope->poll_interval_ns && (!is_dpi || dpi_age < 3 * scope->dpi_poll_interval_ns))
		break_target(o, "rule 8", v, "read %lld s ago, DPI %lld s ago", (long long)(age / NS_PER_S), (long long)(dpi_age / NS_PER_S));
	/* late ticks, and the time of a listing: who is looked at is in the order of arrival, and its pages come with its end */
	if (v->phase > PHASE_UNKNOWN && (age > 3 * scope->poll_interval_ns + LATE ||
					 (is_dpi && dpi_age > 3 * dpi_interval_ns(o, scope) + LATE)))
		break_target(o, "rule 8", v, "not stale, read %lld s ago, DPI %lld s ago", (long long)(age / NS_PER_S), (long long)(dpi_age / NS_PER_S));
}

/* Reported is what the newest read said, whatever order the answers came in. */
static void check_reported(struct observer *o, struct seen_box *box, const struct target_view *v)
{
	const struct seen_device *d = observer_device(o, box, v->serial_number);
	int reported = world_version_rank(v->reported);

	if (observer_is_shared(o, v->serial_number) || v->reported[0] == '\0')
		return; /* of which instance its facts are is the core's choice */
	check_stale(o, box, v, d);
	if (d->version[v->version_type] != reported)
		break_target(o, "rule 8", v, "reported is %s, the newest read says %d", v->reported, d->version[v->version_type]);
}

static void check_order(struct observer *o, const struct target_view *v)
{
	int have = world_version_rank(v->reported), want = world_version_rank(v->desired);
	bool is_ranked = have >= 0 && want >= 0 && have < VERSION_RANKED && want < VERSION_RANKED;

	if (v->phase == PHASE_IN_SYNC && have != want)
		break_target(o, "phases", v, "%s is not %s", v->reported, v->desired);
	if (v->phase == PHASE_AHEAD && !(is_ranked && have > want))
		break_target(o, "phases", v, "%s is not ahead of %s", v->reported, v->desired);
	if (v->phase == PHASE_WAITING && is_ranked && have >= want)
		break_target(o, "phases", v, "%s is not behind %s", v->reported, v->desired);
	if (v->is_behind != (is_ranked && have < want && v->phase != PHASE_UNKNOWN))
		break_target(o, "phases", v, "behind %d, %s of %s", v->is_behind, v->reported, v->desired);
	if (v->is_ahead != (is_ranked && have > want && v->phase != PHASE_UNKNOWN))
		break_target(o, "phases", v, "ahead %d, %s of %s", v->is_ahead, v->reported, v->desired);
}

static void check_precedence(struct observer *o, const struct target_view *v, const struct seen_box *box)
{
	const struct world_settings *s = o->w->applied;
	uint32_t pin = observer_pin_of(o, box);
	bool is_managed = observer_is_pinned(o, box, v->version_type);
	bool is_held = is_managed && (s->pins[pin].is_held || observer_serial(o, v->serial_number)->counts[v->version_type].is_held);

	if (v->phase > PHASE_VERIFYING && (v->phase == PHASE_UNMANAGED) == is_managed && box->is_named)
		break_target(o, "phases", v, "managed %d", is_managed);
	if (v->reason == REASON_SETTLING && o->is_settled[v->scope])
		break_target(o, "rule 11", v, "settles, and an earlier life had settled");
	if (!box->is_named || (v->is_in_progress && !observer_holds(box, v->serial_number)))
		return; /* an earlier life tells of it, and its name is not known yet; or it is nowhere, and only followed */
	if (is_managed && (v->pin != pin || !observer_is_desired(o, box, v->version_type, world_version_rank(v->desired))))
		break_target(o, "phases", v, "pin %u, desired %s; it should be pin %u", v->pin, v->desired, pin);
	if (v->phase != PHASE_WAITING)
		return;
	if (world_version_rank(v->next) != observer_next(o, box, v->version_type, world_version_rank(v->reported), world_version_rank(v->desired)))
		break_target(o, "phases", v, "next is %s", v->next);
	if (is_held ? v->reason > REASON_HELD : v->reason == REASON_HELD)
		break_target(o, "phases", v, "held %d", is_held);
	if (s->is_enforcing ? v->reason == REASON_OBSERVE_MODE : v->reason == REASON_MAX_IN_FLIGHT || v->reason == REASON_RATE)
		break_target(o, "phases", v, "enforcing %d", s->is_enforcing);
	if (v->reason == REASON_WINDOW && s->policies[v->policy].is_always_open)
		break_target(o, "phases", v, "its policy is always open");
}

/* Counters that outlive the process: as committed, no more and no less (rule 14). */
static void check_shown(struct observer *o, const struct target_view *v)
{
	const struct seen_counts *c = &observer_serial(o, v->serial_number)->counts[v->version_type];

	if (v->attempts != c->shown_attempts || v->failures != c->shown_failures)
		break_target(o, "rule 14", v, "shows %llu attempts, %llu failures; %llu, %llu are committed", (unsigned long long)v->attempts,
			     (unsigned long long)v->failures, (unsigned long long)c->shown_attempts, (unsigned long long)c->shown_failures);
}

static void note_slot(struct seen_box *box, uint32_t slot)
{
	for (uint32_t i = 0; i < box->n_slots; i++)
		if (box->slots[i] == slot)
			return;
	if (box->n_slots < BOX_SLOTS)
		box->slots[box->n_slots++] = slot;
	else
		box->slots[slot % BOX_SLOTS] = slot; /* devices came and went; a full look finds the rest */
}

static void check_target(struct observer *o, uint32_t slot, const struct target_view *v)
{
	struct seen_target *t = observer_target(o, slot);
	struct seen_box *box = observer_box_at(o, v->instance);

	if (!box || strcmp(box->id, v->instance_id) != 0) {
		break_target(o, "rule 14", v, "its instance is not in the table");
		return;
	}
	note_slot(box, slot);
	if (!is_legal(v->phase, v->reason))
		break_target(o, "phases", v, "a pair that does not exist");
	if (v->is_in_progress != (observer_unsettled(o, slot) != NULL) || v->is_in_progress != (v->phase <= PHASE_VERIFYING))
		break_target(o, "phases", v, "in progress %d", v->is_in_progress);
	/* Causes that many targets share are looked up when somebody looks, and told when the target moves. */
	if (t->is_told && v->phase != t->phase)
		break_target(o, "phases", v, "last told as %s, %s", phase_names[t->phase], reason_names[t->reason]);
	check_shown(o, v);
	check_reported(o, box, v);
	check_order(o, v);
	check_precedence(o, v, box);
}

static void look_at_target(struct observer *o, uint32_t slot)
{
	struct seen_target *t = observer_target(o, slot);
	struct target_view v;

	if (!reconcile_target(o->w->core, slot, &v)) {
		*t = (struct seen_target){0};
		return;
	}
	if (t->is_live && t->view.born != v.born)
		*t = (struct seen_target){0};
	if (!reconcile_is_looking(o->w->core))
		check_target(o, slot, &v);
	t->is_live = true;
	t->view = v;
}

/* Who was removed in this step can still be looked at, for the last time. */
static bool has_just_left(const struct observer *o, const struct instance_view *v, uint32_t slot)
{
	for (size_t i = 0; i < o->n_known && v->is_leaving; i++)
		if (o->known[i]->slot == slot && o->known[i]->left_step == o->w->steps)
			return true;
	return false;
}

static void look_at_instance(struct observer *o, uint32_t slot)
{
	const struct seen_box *box = observer_box_at(o, slot);
	struct instance_view v;
	bool is_shown = reconcile_instance(o->w->core, slot, &v);

	if (is_shown && !has_just_left(o, &v, slot) && (!box || strcmp(box->id, v.instance_id) != 0))
		world_break(o->w, "rule 14", "slot %u shows %s, which is not what was added", slot, v.instance_id);
	if (!is_shown && box)
		world_break(o->w, "rule 14", "slot %u is empty, and %s was not removed", slot, box->id);
	for (uint32_t i = 0; box && i < box->n_slots && !o->w->failure; i++)
		look_at_target(o, box->slots[i]);
}

static void check_pacing(struct observer *o)
{
	uint32_t all = 0, by_policy[WORLD_POLICIES] = {0};
	struct policy_view v;

	for (size_t i = 0; i < o->n_open; i++) {
		all += !o->open[i]->is_away;
		by_policy[o->open[i]->policy] += !o->open[i]->is_away;
	}
	if (reconcile_in_flight(o->w->core) != all)
		world_break(o->w, "rule 5", "%u in flight are shown, %u are unsettled", reconcile_in_flight(o->w->core), all);
	for (uint32_t i = 0; i < o->w->applied->n_policies; i++)
		if (!reconcile_policy(o->w->core, i, &v) || v.in_flight != by_policy[i])
			world_break(o->w, "rule 5", "policy %u shows %u in flight, %u are unsettled", i, v.in_flight, by_policy[i]);
}

static void look_at_all(struct observer *o)
{
	for (uint32_t i = 0; i < reconcile_instance_slots(o->w->core) && !o->w->failure; i++)
		look_at_instance(o, i);
	for (uint32_t i = 0; i < reconcile_target_slots(o->w->core) && !o->w->failure; i++)
		look_at_target(o, i);
}

void observer_all(struct observer *o)
{
	if (!o->w->core || o->w->failure)
		return;
	look_at_all(o);
	observer_store_all(o);
}

static void look_at_reads(struct observer *o, const struct event *ev)
{
	for (size_t i = 0; i < ev->read.n && !o->w->failure; i++) {
		const struct seen_box *box = observer_box(o, ev->read.scope, ev->read.observations[i].instance_id);

		if (box->is_live)
			look_at_instance(o, box->slot);
	}
}

static void look_at_actions(struct observer *o, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_actions && !o->w->failure; i++) {
		const struct action *a = &plan->actions[i];

		if (a->target != NONE)
			look_at_target(o, a->target);
		if (a->instance != NONE)
			look_at_instance(o, a->instance);
	}
}

/* What this step was about; one more target in turn; and sometimes all, the larger the fleet the less often. */
void observer_views(struct observer *o, const struct event *ev, const struct plan *plan)
{
	uint32_t slots = reconcile_target_slots(o->w->core);

	check_pacing(o);
	if (o->w->checks_all || o->countdown == 0 || ev->kind == EVENT_SETTINGS) {
		o->countdown = 64 + (uint64_t)slots * 4;
		if (reconcile_is_looking(o->w->core))
			o->countdown = 0; /* all of it once that is over */
		look_at_all(o);
		observer_store_all(o);
		return;
	}
	o->countdown--;
	if (ev->kind == EVENT_LISTED || ev->kind == EVENT_FOLLOWED || ev->kind == EVENT_FRESH)
		look_at_reads(o, ev);
	look_at_actions(o, plan);
	if (slots > 0)
		look_at_target(o, o->turn++ % slots);
}
