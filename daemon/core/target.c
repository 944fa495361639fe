/*
 * Targets: what has a version, what was tried on it, and the bookkeeping of every change of its phase.
 *
 * A target lives as long as its device, also while the device reports no version of its type: what was tried
 * is not forgotten. target_update() is the only place that changes phase, place in a queue, and the count of
 * managed targets; it derives all three from the facts, so calling it once too often does no harm.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct history *target_history(struct reconcile *r, struct target *t)
{
	if (!t->history) {
		t->history = calloc(1, sizeof(*t->history));
		r->is_out_of_memory |= !t->history;
		for (unsigned int i = 0; t->history && i < FLAPS; i++)
			t->history->changed_ns[i] = NEVER;
	}
	return t->history;
}

const struct attempts *target_attempts_of(const struct target *t, uint32_t version)
{
	for (uint32_t i = 0; t->history && i < t->history->n_versions; i++)
		if (t->history->versions[i].version == version)
			return &t->history->versions[i];
	return NULL;
}

struct attempts *target_attempts(struct reconcile *r, struct target *t, uint32_t version)
{
	struct history *h = target_history(r, t);

	if (!h)
		return NULL;
	for (uint32_t i = 0; i < h->n_versions; i++)
		if (h->versions[i].version == version)
			return &h->versions[i];
	if (!grow(r, &h->versions, h->n_versions, &h->cap_versions, sizeof(*h->versions)))
		return NULL;
	h->versions[h->n_versions] = (struct attempts){ .version = version, .reason = REASON_RETRIES };
	return &h->versions[h->n_versions++];
}

uint32_t target_ensure(struct reconcile *r, uint32_t device, enum version_type type)
{
	struct device *d = device_at(r, device);
	struct target *t;
	uint32_t slot = d->targets[type];

	if (slot != NONE)
		return slot;
	if (slab_take(&r->targets, &slot) < 0) {
		r->is_out_of_memory = true;
		return NONE;
	}
	t = target_at(r, slot);
	*t = (struct target){ .born = r->steps, .id = ++r->targets_made, .device = device, .first_seen_s = r->wall_s, .approved_ns = NEVER, .version_type = (uint8_t)type,
			      .phase = PHASE_UNKNOWN, .reason = REASON_NEVER_OBSERVED, .phase_since_s = r->wall_s,
			      .place = { NONE, NONE }, .placed_in = NONE, .counted_policy = NONE,
			      .counted_account = NONE, .counted = { .rollout = NONE }, .rollout = NONE };
	timer_init(&t->timer, TIMER_TARGET, slot);
	d->targets[type] = slot;
	remember_give(r, slot);
	auto_give(r, slot);
	memory_target(r, slot);
	return slot;
}

static void tell_external_change(struct reconcile *r, uint32_t slot, uint32_t from, uint32_t to)
{
	struct action *a = plan_add(r, ACTION_TELL_EXTERNAL_CHANGE);
	struct target *t = target_at(r, slot);
	struct history *h = target_history(r, t);

	a->target = slot;
	a->instance = device_at(r, t->device)->instance;
	a->scope = target_instance(r, t)->scope;
	a->from = strings_text(&r->strings, from);
	a->to = strings_text(&r->strings, to);
	if (!h)
		return;
	memmove(h->changed_ns, h->changed_ns + 1, (FLAPS - 1) * sizeof(h->changed_ns[0]));
	h->changed_ns[FLAPS - 1] = r->now_ns;
	memory_target(r, slot);
	memory_tally(r, target_instance(r, t)->scope, TALLY_EXTERNAL_CHANGE, (enum version_type)t->version_type, 0, REASON_NONE);
}

bool target_report(struct reconcile *r, uint32_t slot, const char *version)
{
	struct target *t = target_at(r, slot);
	bool is_absent = t->version_type == VERSION_TYPE_DPI && version[0] == '\0' && !t->intent;
	uint32_t id;

	if (is_absent == t->is_absent && strcmp(strings_text(&r->strings, t->reported), version) == 0)
		return false;
	id = intern(r, version);
	if (t->is_absent && !is_absent)
		t->born = r->steps;
	t->is_absent = is_absent;
	if (t->reported && id && t->reported != id && !intent_explains(r, t, id))
		tell_external_change(r, slot, t->reported, id);
	t->reported = id;
	t->is_version_odd = false;
	return true;
}

/* ---- waits ---- */

static void wait_set(struct target *t, enum wait wait, int64_t until_ns, enum reason reason)
{
	t->n_waits = t->wait != wait ? 0 : t->n_waits < UINT8_MAX ? (uint8_t)(t->n_waits + 1) : t->n_waits;
	t->wait = (uint8_t)wait;
	t->wait_ns = until_ns;
	t->wait_reason = (uint8_t)reason;
	t->is_wait_over = false;
}

static bool wait_is_fact(enum wait wait)
{
	return wait >= WAIT_OFFLINE;
}

void target_wait(const struct reconcile *r, struct target *t, enum wait wait, enum reason reason)
{
	static const struct {
		int64_t first_ns, max_ns;
	} pauses[WAIT_N] = {
		[WAIT_UNSENT] = { 5 * NS_PER_S, 5 * NS_PER_S },
		[WAIT_OFFLINE] = { 60 * NS_PER_S, 900 * NS_PER_S },
		[WAIT_DEGRADED] = { 60 * NS_PER_S, 900 * NS_PER_S },
		[WAIT_BLOCKED] = { HOUR_NS, HOUR_NS },
	};

	/* a look that brought nothing takes nothing back */
	if (wait == WAIT_UNSENT && wait_is_fact((enum wait)t->wait)) {
		t->wait_ns = r->now_ns + pauses[WAIT_UNSENT].first_ns;
		t->is_wait_over = false;
		return;
	}
	wait_set(t, wait, NEVER, reason);
	t->wait_ns = r->now_ns + backoff_ns(pauses[wait].first_ns, pauses[wait].max_ns, t->n_waits);
}

void target_back_off(struct target *t, int64_t until_ns)
{
	wait_set(t, WAIT_BACKOFF, until_ns, REASON_BACKOFF);
}

void target_clear_wait(struct target *t)
{
	t->wait = WAIT_NONE;
	t->is_wait_over = false;
}

void target_end_wait(const struct reconcile *r, struct target *t)
{
	/* a look that says offline itself knows better than a refusal before it, also when that is over */
	if (t->wait == WAIT_OFFLINE && !target_is_online(r, t))
		target_clear_wait(t);
	if (t->wait == WAIT_NONE || r->now_ns < t->wait_ns)
		return;
	if (wait_is_fact((enum wait)t->wait) && r->settings->is_enforcing) /* else nobody will look again */
		t->is_wait_over = true;
	else
		target_clear_wait(t);
}

/* ---- what follows from where it stands ---- */

/* Not in the denominator of shares: what could not be upgraded now whatever the policy says (rule 9). */
static bool is_countable(struct stand s)
{
	if (s.phase == PHASE_UNMANAGED || s.phase == PHASE_UNKNOWN)
		return false;
	if (s.phase == PHASE_WAITING)
		return s.reason != REASON_OFFLINE && s.reason != REASON_HELD && s.reason != REASON_APPROVAL;
	return s.phase != PHASE_FAILED || s.reason < REASON_DUPLICATE || s.reason > REASON_FORBIDDEN;
}

static void target_count(struct reconcile *r, struct target *t, uint32_t policy)
{
	if (t->counted_policy == policy)
		return;
	if (t->counted_policy != NONE)
		r->policies[t->counted_policy]->managed--;
	if (policy != NONE)
		r->policies[policy]->managed++;
	t->counted_policy = policy;
}

/* It stands nowhere, and counts for nothing. */
static void target_leave(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);

	pacing_leave(r, slot);
	auto_leave(r, slot);
	target_count(r, t, NONE);
	rollout_uncount(r, slot);
	if (t->counted_account != NONE)
		r->accounts[t->counted_account]->managed--;
	t->counted_account = NONE;
}

static void target_find_place(struct reconcile *r, uint32_t slot, struct stand s, bool needs_catalogue)
{
	const struct instance *inst = target_instance(r, target_at(r, slot));

	approval_look(r, slot, !target_at(r, slot)->intent && !needs_catalogue && (s.phase == PHASE_WAITING || s.phase == PHASE_FAILED));
	if (target_at(r, slot)->place_kind == PLACE_APPROVAL)
		return;
	if (s.is_ready && inst->precheck != slot)
		pacing_enqueue(r, slot);
	else if (needs_catalogue)
		catalogue_join(r, slot);
	else
		pacing_leave(r, slot);
}

static void target_drift(struct reconcile *r, uint32_t slot, uint32_t desired, enum version_order order)
{
	struct target *t = target_at(r, slot);
	int64_t since_s = t->drift_since_s;

	if (!desired || (t->reported && order == VERSION_ORDER_SAME))
		since_s = 0;
	else if (t->reported && order != VERSION_ORDER_INCOMPARABLE && since_s == 0)
		since_s = r->wall_s;
	if (since_s == t->drift_since_s)
		return;
	t->drift_since_s = since_s;
	memory_target(r, slot);
}

static void tell_incomparable(struct reconcile *r, uint32_t slot, struct stand s)
{
	struct target *t = target_at(r, slot);
	struct action *a;

	if (s.phase != PHASE_FAILED || s.reason != REASON_INCOMPARABLE || t->is_version_odd)
		return;
	t->is_version_odd = true;
	a = plan_add(r, ACTION_TELL_ODD);
	a->oddity = ODDITY_VERSION;
	a->target = slot;
	a->instance = device_at(r, t->device)->instance;
	a->scope = target_instance(r, t)->scope;
	a->from = strings_text(&r->strings, t->reported);
	a->to = strings_text(&r->strings, t->is_way_unknown ? target_next(t) : target_desired(t));
}

static void target_tell(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	struct stand s = stand_exact(r, slot);
	enum phase old_phase = (enum phase)t->phase;
	enum reason old_reason = (enum reason)t->reason;
	struct action *a;

	if (s.phase == old_phase && s.reason == old_reason)
		return;
	t->phase = (uint8_t)s.phase;
	t->reason = (uint8_t)s.reason;
	if (s.phase != old_phase)
		t->phase_since_s = r->wall_s;
	else if (reason_is_pacing(s.reason) && reason_is_pacing(old_reason))
		return; /* whoever looks sees the exact one; nobody is told of each */
	a = plan_add(r, ACTION_TELL_PHASE);
	a->target = slot;
	a->instance = device_at(r, t->device)->instance;
	a->scope = target_instance(r, t)->scope;
	a->intent = t->intent ? t->intent->id : 0;
	a->phase = s.phase;
	a->reason = s.reason;
	a->old_phase = old_phase;
	a->old_reason = old_reason;
}

/* When something of it changes by time alone: its wait is over, or its DPI version is stale. */
static int64_t target_due_ns(const struct reconcile *r, const struct target *t)
{
	int64_t due = t->wait != WAIT_NONE && t->wait_ns > r->now_ns ? t->wait_ns : INT64_MAX, stale;

	if (target_is_flapping(r, t) && t->history->changed_ns[0] + FLAP_NS < due)
		due = t->history->changed_ns[0] + FLAP_NS;
	if (t->history && t->history->urgent && t->history->urgent_until_ns < due)
		due = t->history->urgent_until_ns;
	if (t->version_type != VERSION_TYPE_DPI)
		return due;
	stale = schedule_dpi_stale_ns(r, device_at(r, t->device));
	return stale > r->now_ns && stale < due ? stale : due;
}

/* Only the catalogue can help it: to compare, hops included, to know what a channel stands for, or when it offers the version again. */
static bool needs_catalogue(const struct reconcile *r, const struct target *t, enum version_order order, struct stand s)
{
	if (t->intent || !t->reported || target_pin(r, t) == PIN_NONE)
		return false;
	return order == VERSION_ORDER_INCOMPARABLE || (order == VERSION_ORDER_OLDER && t->is_way_unknown) || (s.phase == PHASE_FAILED && s.reason == REASON_VERSION_NOT_AVAILABLE);
}

/*
 * An operator's "now" is about the way to one version: there is none any more, or another version is desired. And it is
 * about now: whoever said it for a device that was offline does not expect it days later.
 */
static void urgency_end(struct reconcile *r, uint32_t slot, uint32_t desired, enum phase phase)
{
	struct target *t = target_at(r, slot);
	bool is_there = phase == PHASE_IN_SYNC || phase == PHASE_AHEAD;

	if (!t->history || !t->history->urgent || t->intent)
		return;
	if (!is_there && (!desired || t->history->urgent == desired) && r->now_ns < t->history->urgent_until_ns)
		return;
	t->history->urgent = 0;
	memory_target(r, slot);
}

void target_update(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	enum version_order order = VERSION_ORDER_INCOMPARABLE; /* of reported and desired */
	struct stand s;
	uint32_t desired;

	if (target_is_hidden(r, t)) {
		target_leave(r, slot);
		timers_cancel(&r->timers, &t->timer);
		return;
	}
	desired = target_desired(t);
	if (desired && t->reported)
		order = order_of(r, t, t->reported, desired);
	target_drift(r, slot, desired, order);
	rollout_aim(r, slot);
	s = stand_of(r, slot);
	urgency_end(r, slot, desired, s.phase);
	if (t->is_wait_over && s.phase != PHASE_FAILED && s.phase != PHASE_WAITING && s.phase != PHASE_UNKNOWN && !t->intent)
		target_clear_wait(t); /* it came to where nobody tries any more */
	target_count(r, t, is_countable(s) ? target_policy(r, t) : NONE);
	rollout_count(r, slot, s, is_countable(s));
	target_find_place(r, slot, s, needs_catalogue(r, t, order, s));
	auto_look(r, slot);
	if (!t->intent) /* else the timer is the intent's */
		set_timer(r, &t->timer, target_due_ns(r, t));
	tell_incomparable(r, slot, s);
	target_tell(r, slot);
}

void target_remove(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);

	target_leave(r, slot);
	timers_cancel(&r->timers, &t->timer);
	remember_take(r, slot);
	auto_gone(r, slot);
	*t = (struct target){ 0 };
	if (grow(r, &r->gone, r->n_gone, &r->cap_gone, sizeof(*r->gone)))
		r->gone[r->n_gone++] = slot;
}
