/*
 * Rollouts: one policy moving its targets to one version of one version type, in waves.
 *
 * That a wave passed, cannot succeed any more, or catches nothing is known by what is counted of it (counted.c), without
 * a look at the fleet. What holds a whole wave back is looked up when somebody
 * asks, so a wave that passes costs nothing. A rollout is only judged once the whole inventory was seen: half of one
 * may lack the canaries.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY_NS (24 * HOUR_NS) /* how long one without targets is remembered */

/* ---- which one ---- */

static const struct policy *settings_policy(const struct reconcile *r, const struct rollout *ro)
{
	uint32_t index = r->policies[ro->policy]->index;

	return index == POLICY_NONE ? NULL : &r->settings->policies[index];
}

struct rollout *rollout_find(const struct reconcile *r, uint32_t policy, enum version_type type, uint32_t version)
{
	for (uint32_t i = 0; i < r->n_rollouts; i++) {
		struct rollout *ro = r->rollouts[i];

		if (ro->is_used && ro->policy == policy && ro->version == version && ro->version_type == type)
			return ro;
	}
	return NULL;
}

static uint32_t rollout_slot(const struct reconcile *r, const struct rollout *ro)
{
	uint32_t i = 0;

	while (r->rollouts[i] != ro)
		i++;
	return i;
}

void rollout_touch(struct reconcile *r, struct rollout *ro)
{
	if (!ro->is_dirty)
		memory_rollout(r, rollout_slot(r, ro));
	ro->is_dirty = true;
}

void rollout_to_check(struct reconcile *r, struct rollout *ro)
{
	ro->is_to_check = r->is_rollout_to_check = true;
}

static void rollout_tell(struct reconcile *r, const struct rollout *ro, enum rollout_change change)
{
	struct action *a = plan_add(r, ACTION_TELL_ROLLOUT);

	a->rollout = rollout_slot(r, ro);
	a->rollout_change = change;
	a->version_type = ro->version_type;
	a->policy = r->policies[ro->policy]->index;
	a->to = strings_text(&r->strings, ro->version);
	a->wave = ro->wave_name ? strings_text(&r->strings, ro->wave_name) : "last";
}

static void queues_free(struct rollout *ro)
{
	for (uint32_t w = 0; w < ro->n_waves; w++) {
		for (uint32_t i = 0; ro->waves[w].queues && i < ro->waves[w].n_queues; i++)
			free(ro->waves[w].queues[i].slots);
		free(ro->waves[w].queues);
		ro->waves[w].queues = NULL;
		ro->waves[w].n_queues = ro->waves[w].n_queued = 0;
	}
	ro->n_queued = ro->n_at_sites = 0;
}

static void waves_free(struct rollout *ro)
{
	queues_free(ro);
	free(ro->waves);
	ro->waves = NULL;
	ro->n_waves = 0;
}

static void queues_make(struct reconcile *r, struct rollout *ro)
{
	for (uint32_t w = 0; w < ro->n_waves; w++) {
		ro->waves[w].queues = calloc(r->n_scopes + 1u, sizeof(struct queue));
		ro->waves[w].n_queues = r->n_scopes;
		r->is_out_of_memory |= !ro->waves[w].queues;
	}
}

/* Which wave is current. Its soak is its own, so another one begins anew. */
static void wave_set(struct reconcile *r, struct rollout *ro, const struct policy *policy, uint32_t wave)
{
	uint32_t name = wave < policy->n_waves ? intern(r, policy->waves[wave].name) : 0;

	ro->wave = wave;
	if (name == ro->wave_name)
		return;
	ro->wave_name = name;
	ro->soak_start_ns = NEVER;
	rollout_touch(r, ro);
}

static bool has_wave(const struct reconcile *r, const struct policy *policy, uint32_t name)
{
	for (uint32_t w = 0; w < policy->n_waves; w++)
		if (strcmp(policy->waves[w].name, strings_text(&r->strings, name)) == 0)
			return true;
	return false;
}

/* What has passed under these settings. While its policy is gone, nothing is forgotten. */
static void waves_place(struct reconcile *r, struct rollout *ro)
{
	const struct policy *policy = settings_policy(r, ro);
	uint32_t passed;

	ro->wave = 0;
	if (!policy)
		return;
	passed = passed_names(r, ro->passed, policy, NONE);
	if (passed != ro->passed)
		rollout_touch(r, ro);
	ro->passed = passed;
	if (ro->approved && !has_wave(r, policy, ro->approved)) {
		ro->approved = 0; /* as what has passed: a wave that comes back needs another word */
		rollout_touch(r, ro);
	}
	wave_set(r, ro, policy, passed_next(r, passed, policy, 0));
}

static void waves_make(struct reconcile *r, struct rollout *ro)
{
	const struct policy *policy = settings_policy(r, ro);
	uint32_t n = policy ? policy->n_waves + 1 : 1;

	ro->waves = calloc(n, sizeof(*ro->waves));
	ro->n_waves = ro->waves ? n : 0;
	queues_make(r, ro);
	r->is_out_of_memory |= !ro->waves;
	ro->n_targets = ro->n_behind = 0;
	waves_place(r, ro);
}

/* A slot for a new one; NONE when memory is out. */
static uint32_t rollout_new(struct reconcile *r)
{
	struct rollout *ro;

	for (uint32_t i = 0; i < r->n_rollouts; i++)
		if (!r->rollouts[i]->is_used)
			return i;
	ro = calloc(1, sizeof(*ro));
	if (!ro || !grow(r, &r->rollouts, r->n_rollouts, &r->cap_rollouts, sizeof(struct rollout *))) {
		free(ro);
		r->is_out_of_memory = true;
		return NONE;
	}
	timer_init(&ro->timer, TIMER_ROLLOUT, r->n_rollouts);
	r->rollouts[r->n_rollouts] = ro;
	return r->n_rollouts++;
}

static void rollout_init(struct reconcile *r, struct rollout *ro, uint32_t policy, enum version_type type, uint32_t version)
{
	struct timer timer = ro->timer;

	*ro = (struct rollout){ .is_used = true, .policy = policy, .version = version, .version_type = type, .born_ns = r->now_ns,
				.first_seen_s = r->wall_s, .last_progress_s = r->wall_s, .soak_start_ns = NEVER, .empty_since_ns = NEVER, .timer = timer };
}

/* A halted version stays halted under a renamed policy (behaviour.md, waves). */
static void rollout_inherit(struct reconcile *r, struct rollout *ro)
{
	for (uint32_t i = 0; i < r->n_rollouts; i++) {
		const struct rollout *old = r->rollouts[i];

		if (!old->is_used || old == ro || old->version != ro->version || old->version_type != ro->version_type ||
		    !old->halt_cause || settings_policy(r, old))
			continue;
		ro->halt_cause = old->halt_cause;
		ro->halt_reason = old->halt_reason;
		ro->halted_s = old->halted_s;
		ro->passed = old->passed;
		ro->approved = old->approved;
	}
}

static uint32_t rollout_ensure(struct reconcile *r, uint32_t policy, enum version_type type, uint32_t version)
{
	struct rollout *ro = rollout_find(r, policy, type, version);
	uint32_t slot;

	if (ro)
		return rollout_slot(r, ro);
	slot = rollout_new(r);
	if (slot == NONE)
		return NONE;
	ro = r->rollouts[slot];
	rollout_init(r, ro, policy, type, version);
	rollout_inherit(r, ro);
	waves_make(r, ro);
	if (r->is_out_of_memory)
		return NONE;
	rollout_touch(r, ro);
	rollout_to_check(r, ro);
	return slot;
}

/* ---- which wave ---- */

static void subject_of(const struct reconcile *r, const struct instance *inst, struct pin_subject *ret)
{
	*ret = (struct pin_subject){ .attribute = {
		[SELECTOR_ACCOUNT] = r->settings->scopes[inst->scope].account,
		[SELECTOR_REGION] = r->settings->scopes[inst->scope].region_id,
		[SELECTOR_ID] = inst->text,
		[SELECTOR_NAME] = instance_text(inst, TEXT_NAME),
		[SELECTOR_MODEL] = instance_text(inst, TEXT_MODEL),
		[SELECTOR_RESOURCE_GROUP] = instance_text(inst, TEXT_RESOURCE_GROUP),
		[SELECTOR_CCN] = instance_text(inst, TEXT_CCN),
		[SELECTOR_CITY] = instance_text(inst, TEXT_CITY),
	} };
	for (unsigned int k = 0; k < inst->n_devices; k++)
		if (inst->claims[k].device != NONE)
			ret->serial_numbers[k] = device_at(r, inst->claims[k].device)->serial_number;
}

static uint8_t wave_of(const struct reconcile *r, const struct instance *inst, const struct policy *policy)
{
	double place = (double)inst->hash / 4294967296.0;
	struct pin_subject subject;

	if (policy->n_waves > 0)
		subject_of(r, inst, &subject);
	for (uint32_t w = 0; w < policy->n_waves; w++)
		if (policy->waves[w].is_match ? selector_match(&policy->waves[w].match, &subject) : place < policy->waves[w].percent)
			return (uint8_t)w;
	return (uint8_t)policy->n_waves;
}

static void rollout_halt(struct reconcile *r, struct rollout *ro, enum halt_cause cause, enum reason reason)
{
	if (ro->halt_cause)
		return;
	ro->halt_cause = cause;
	ro->halt_reason = reason;
	ro->halted_s = r->wall_s;
	rollout_touch(r, ro);
	rollout_tell(r, ro, ROLLOUT_HALTED);
	sweep_begin(r); /* what waits for its targets need not any more */
}

/* A halt goes along with the targets (behaviour.md, waves): another name in a pin is no resume. */
static void halt_bring(struct reconcile *r, uint32_t slot, uint32_t policy)
{
	struct target *t = target_at(r, slot);
	uint32_t before = t->aimed_policy, name = r->policies[policy]->name;
	struct rollout *to = r->rollouts[t->rollout];

	if (before == name)
		return;
	t->aimed_policy = name;
	memory_target(r, slot);
	for (uint32_t i = 0; before && i < r->n_rollouts; i++) {
		const struct rollout *from = r->rollouts[i];

		if (from->is_used && from->halt_cause && from->version == to->version && from->version_type == to->version_type &&
		    r->policies[from->policy]->name == before)
			rollout_halt(r, to, from->halt_cause, from->halt_reason);
	}
}

/* What is under way is where its instance is now, by its own policy, whatever is desired since (rule 5). */
static void aim_intent(struct reconcile *r, struct intent *in, const struct instance *inst)
{
	uint32_t index = r->policies[in->policy]->index;

	if (index != POLICY_NONE && inst->scope != NONE && inst->read_ns != NEVER) /* else the stored name knows better */
		intent_move_site(r, in, site_name(r, inst, &r->settings->policies[index]));
}

void rollout_aim(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	const struct instance *inst = target_instance(r, t);
	uint32_t desired = target_desired(t), policy = desired ? target_policy(r, t) : NONE;
	const struct rollout *ro = t->rollout == NONE ? NULL : r->rollouts[t->rollout];

	if (t->intent)
		aim_intent(r, t->intent, inst);
	if (policy == NONE || inst->scope == NONE) {
		t->rollout = NONE;
		return;
	}
	if (ro && !(ro->is_used && ro->policy == policy && ro->version == desired && ro->version_type == (enum version_type)t->version_type))
		ro = NULL; /* another one has its slot by now, or it wants another one */
	if (ro && t->aimed_pins == inst->pins)
		return;
	if (!ro)
		t->rollout = rollout_ensure(r, policy, (enum version_type)t->version_type, desired);
	if (r->is_out_of_memory)
		return;
	halt_bring(r, slot, policy);
	if (t->place_kind == PLACE_QUEUE || t->place_kind == PLACE_URGENT || t->place_kind == PLACE_SITE)
		pacing_leave(r, slot); /* its place is by the hash of its instance, and that may be another one */
	t->aimed_pins = inst->pins;
	t->wave = wave_of(r, inst, &r->settings->policies[r->policies[policy]->index]);
	t->site = site_name(r, inst, &r->settings->policies[r->policies[policy]->index]);
}

/* ---- halts ---- */

static const enum reason halt_reasons[HALT_COUNT_N] = {
	[HALT_COUNT_DEADLINE] = REASON_DEADLINE,
	[HALT_COUNT_UNHEALTHY] = REASON_UNHEALTHY,
	[HALT_COUNT_REJECTED] = REASON_REJECTED,
};

static void judge_failures(struct reconcile *r, struct rollout *ro)
{
	const struct policy *p = settings_policy(r, ro);

	if (!p || ro->failed == 0)
		return;
	for (uint32_t i = 0; i < p->halt.n_by_reason; i++)
		for (unsigned int k = 0; k < HALT_COUNT_N; k++)
			if (halt_reasons[k] == p->halt.by_reason[i].reason && ro->failed_by[k] >= p->halt.by_reason[i].failures)
				rollout_halt(r, ro, HALT_BY_REASON, halt_reasons[k]);
	if (p->halt.failures > 0 && ro->failed >= p->halt.failures)
		rollout_halt(r, ro, HALT_FAILURES, REASON_NONE);
	if (p->halt.percent > 0.0 && ro->ended >= p->halt.min_sample && (double)ro->failed >= p->halt.percent * (double)ro->ended - 1e-9)
		rollout_halt(r, ro, HALT_PERCENT, REASON_NONE);
}

/* A failure stays one until the next resume, though a later try was good: the site was down for it. */
void rollout_ended(struct reconcile *r, const struct intent *in, bool is_failed, enum reason reason)
{
	struct rollout *ro = rollout_find(r, in->policy, in->version_type, in->goal);
	struct history *h = ro ? target_history(r, target_at(r, in->target)) : NULL;
	bool is_new;

	if (!h || (!is_failed && in->to != in->goal))
		return;
	is_new = h->ended.policy != r->policies[ro->policy]->name || h->ended.version != ro->version || h->ended.epoch != ro->epoch;
	if (is_new)
		ro->ended++;
	else if (h->ended.reason != REASON_NONE || !is_failed)
		return;
	h->ended.policy = r->policies[ro->policy]->name;
	h->ended.version = ro->version;
	h->ended.epoch = ro->epoch;
	h->ended.reason = is_failed ? reason : REASON_NONE;
	ro->failed += is_failed;
	for (unsigned int k = 0; is_failed && k < HALT_COUNT_N; k++)
		ro->failed_by[k] += halt_reasons[k] == reason;
	if (!is_failed)
		ro->last_progress_s = r->wall_s;
	memory_target(r, in->target);
	rollout_touch(r, ro);
	judge_failures(r, ro);
}

static void halt_clear(struct reconcile *r, struct rollout *ro)
{
	ro->halt_cause = HALT_NONE;
	ro->halt_reason = REASON_NONE;
	ro->halted_s = 0;
	rollout_touch(r, ro);
}

/* The halts that it inherited go with it: else the next name of the policy would have them again. */
static void inherited_clear(struct reconcile *r, const struct rollout *ro)
{
	for (uint32_t i = 0; i < r->n_rollouts; i++) {
		struct rollout *old = r->rollouts[i];

		if (old->is_used && old->halt_cause && old->version == ro->version && old->version_type == ro->version_type && !settings_policy(r, old))
			halt_clear(r, old);
	}
}

void rollout_resume(struct reconcile *r, uint32_t slot)
{
	struct rollout *ro = r->rollouts[slot];

	halt_clear(r, ro);
	inherited_clear(r, ro);
	ro->epoch++;
	ro->ended = ro->failed = 0;
	memset(ro->failed_by, 0, sizeof(ro->failed_by));
	ro->soak_start_ns = NEVER;
	ro->last_progress_s = r->wall_s;
	for (uint32_t i = 0; i < r->targets.n && !r->is_out_of_memory; i++) {
		const struct target *t = target_at(r, i);

		if (t->born && t->counted.rollout == slot && t->history && t->history->ended.policy)
			target_update(r, i); /* how it ended does not count any more */
	}
	rollout_touch(r, ro);
	rollout_to_check(r, ro);
	rollout_tell(r, ro, ROLLOUT_RESUMED);
	sweep_begin(r);
}

/* ---- waves ---- */

bool scope_is_seen(const struct scope_state *s)
{
	return s->first_complete_ns != NEVER || s->list_failures >= SCOPE_GIVEN_UP;
}

bool inventory_is_complete(const struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (!scope_is_seen(r->scopes[i]))
			return false;
	return true;
}

static void wave_advance(struct reconcile *r, struct rollout *ro, const struct policy *policy)
{
	ro->passed = passed_names(r, ro->passed, policy, ro->wave);
	wave_set(r, ro, policy, passed_next(r, ro->passed, policy, ro->wave + 1));
	ro->last_progress_s = r->wall_s;
	rollout_touch(r, ro);
	rollout_tell(r, ro, ROLLOUT_WAVE_PASSED);
}

/* Targets of the wave that must be in sync. */
static uint32_t wave_needs(const struct wave *wave, const struct wave_state *w)
{
	double needed = wave->success * (double)w->countable - 1e-9;
	uint32_t n = needed > 0.0 ? (uint32_t)needed : 0;

	return (double)n < needed ? n + 1 : n;
}

static void soak_set(struct reconcile *r, struct rollout *ro, int64_t start_ns)
{
	if (ro->soak_start_ns == start_ns)
		return;
	ro->soak_start_ns = start_ns;
	rollout_touch(r, ro);
}

/* Until then a version that was never read may be one that the wave catches: Dpi versions are read one by one. */
static int64_t dpi_patience_ns(const struct reconcile *r, const struct rollout *ro)
{
	int64_t longest_ns = 0;

	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (schedule_dpi_round_ns(r, i) > longest_ns)
			longest_ns = schedule_dpi_round_ns(r, i);
	return ro->born_ns + longest_ns * STALE_INTERVALS;
}

/* Nothing of it counts, and others are behind. True when the next wave is current now. */
static bool empty_wave_judge(struct reconcile *r, struct rollout *ro, const struct policy *policy, const struct wave_state *w)
{
	int64_t patience_ns = w->phases[PHASE_UNKNOWN] > 0 && ro->version_type == VERSION_TYPE_DPI ? dpi_patience_ns(r, ro) : NEVER;

	if (r->now_ns < patience_ns) {
		set_timer(r, &ro->timer, patience_ns);
		return false;
	}
	/* what only waits for leave goes before the waves after it */
	ro->is_awaiting = w->unapproved > 0 || (policy->waves[ro->wave].is_match && ro->approved != ro->wave_name);
	if (!ro->is_awaiting) {
		wave_advance(r, ro, policy);
		return true;
	}
	if (w->unapproved == 0 && ro->told_awaiting != ro->wave_name) { /* who waits for leave is told by itself */
		ro->told_awaiting = ro->wave_name;
		rollout_tell(r, ro, ROLLOUT_AWAITING);
	}
	return false;
}

/* True when the next wave is current now. */
static bool wave_judge(struct reconcile *r, struct rollout *ro, const struct policy *policy)
{
	const struct wave *wave = &policy->waves[ro->wave];
	const struct wave_state *w = &ro->waves[ro->wave];
	uint32_t needs = wave_needs(wave, w);

	if (w->countable == 0)
		return ro->n_behind > 0 && empty_wave_judge(r, ro, policy, w);
	if (w->countable - w->lost < needs) {
		rollout_halt(r, ro, HALT_WAVE, REASON_NONE);
		return false;
	}
	if (w->in_sync < needs) {
		soak_set(r, ro, NEVER);
		return false;
	}
	if (ro->soak_start_ns == NEVER)
		soak_set(r, ro, r->now_ns);
	if (r->now_ns - ro->soak_start_ns < wave->soak_ns) {
		set_timer(r, &ro->timer, ro->soak_start_ns + wave->soak_ns);
		return false;
	}
	if (w->in_sync - w->down < needs)
		return false; /* the soak has shown something: until they are online again */
	wave_advance(r, ro, policy);
	return true;
}

uint32_t rollout_unapproved(const struct rollout *ro)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < ro->n_waves; w++)
		n += ro->waves[w].unapproved;
	return n;
}

static bool is_anything_known(const struct rollout *ro)
{
	for (uint32_t w = 0; w < ro->n_waves; w++)
		if (ro->waves[w].countable > 0 || ro->waves[w].unapproved > 0)
			return true;
	return false;
}

static void judge_complete(struct reconcile *r, struct rollout *ro)
{
	bool is_complete = ro->n_behind == 0 && rollout_unapproved(ro) == 0 && ro->n_targets > 0;

	if (!ro->is_judged && !is_anything_known(ro))
		return;
	if (ro->is_of_earlier_life)
		ro->is_of_earlier_life = false; /* that it began, or is complete, was told then */
	else if (ro->is_judged && is_complete != ro->is_complete)
		rollout_tell(r, ro, is_complete ? ROLLOUT_COMPLETED : ROLLOUT_REOPENED);
	else if (!ro->is_judged && !is_complete && ro->n_targets > 0)
		rollout_tell(r, ro, ROLLOUT_BEGAN);
	ro->is_complete = is_complete;
	ro->is_judged = true;
}

static bool has_unsettled(const struct reconcile *r, const struct rollout *ro)
{
	for (uint32_t i = 0; i < r->n_intents; i++)
		if (r->intents[i]->policy == ro->policy && r->intents[i]->goal == ro->version && r->intents[i]->version_type == ro->version_type)
			return true;
	return false;
}

/* Nobody wants its version any more; a halt is remembered until somebody resumes it. */
static bool rollout_end_if_empty(struct reconcile *r, struct rollout *ro)
{
	if (ro->n_targets > 0) {
		ro->empty_since_ns = NEVER;
		return false;
	}
	if (ro->empty_since_ns == NEVER)
		ro->empty_since_ns = r->now_ns;
	set_timer(r, &ro->timer, ro->empty_since_ns + EMPTY_NS > r->now_ns ? ro->empty_since_ns + EMPTY_NS : r->now_ns + EMPTY_NS);
	if (ro->halt_cause || r->now_ns - ro->empty_since_ns < EMPTY_NS || has_unsettled(r, ro))
		return true;
	rollout_tell(r, ro, ROLLOUT_ENDED);
	memory_forget_rollout(r, ro);
	timers_cancel(&r->timers, &ro->timer);
	ro->is_ended = r->is_rollout_ended = true; /* whoever is told may look at it until the next step */
	return true;
}

void rollouts_free_ended(struct reconcile *r)
{
	for (uint32_t i = 0; r->is_rollout_ended && i < r->n_rollouts; i++) {
		struct rollout *ro = r->rollouts[i];

		if (!ro->is_ended)
			continue;
		waves_free(ro);
		ro->is_used = ro->is_ended = false;
	}
	r->is_rollout_ended = false;
}

static void rollout_check(struct reconcile *r, struct rollout *ro)
{
	const struct policy *policy = settings_policy(r, ro);
	bool was_awaiting = ro->is_awaiting;

	if (rollout_end_if_empty(r, ro) || !policy || !r->settings->is_enforcing)
		return;
	judge_complete(r, ro);
	judge_failures(r, ro);
	ro->is_awaiting = false;
	while (!ro->halt_cause && ro->wave + 1 < ro->n_waves)
		if (!wave_judge(r, ro, policy))
			break;
	if (ro->is_awaiting != was_awaiting)
		sweep_begin(r);
}

void rollouts_check(struct reconcile *r)
{
	if (!r->is_rollout_to_check || !r->is_restored || !inventory_is_complete(r))
		return;
	r->is_rollout_to_check = false;
	for (uint32_t i = 0; i < r->n_rollouts && !r->is_out_of_memory; i++) {
		struct rollout *ro = r->rollouts[i];

		if (!ro->is_used || !ro->is_to_check)
			continue;
		ro->is_to_check = false;
		rollout_check(r, ro);
	}
}

/* ---- what holds a wave back ---- */

bool rollout_is_paused(const struct reconcile *r, const struct rollout *ro)
{
	for (uint32_t i = 0; i < r->n_pauses; i++) {
		const struct pause *p = &r->pauses[i];

		if ((p->policy == 0 || p->policy == r->policies[ro->policy]->name || p->is_orphan) && (p->version == 0 || p->version == ro->version) &&
		    (p->version_type < 0 || p->version_type == (int)ro->version_type))
			return true;
	}
	return false;
}

bool rollout_stands_still(const struct reconcile *r, const struct rollout *ro, uint32_t wave)
{
	return ro->halt_cause || (ro->is_awaiting && wave >= ro->wave) || rollout_is_paused(r, ro);
}

/* The gate left out: NONE when only that may stand in the way. */
enum reason rollout_reason_but_gate(const struct reconcile *r, const struct rollout *ro, uint32_t wave, bool is_urgent)
{
	struct policy_state *p = r->policies[ro->policy];
	enum reason calendar;

	if (rollout_is_paused(r, ro))
		return REASON_PAUSED;
	if (ro->halt_cause)
		return REASON_HALTED;
	if (ro->is_awaiting && wave >= ro->wave && !is_urgent)
		return REASON_APPROVAL;
	calendar = pacing_calendar_reason(r, p);
	if (calendar == REASON_FREEZE || (calendar != REASON_NONE && !pacing_calendar_is_known(r, p)))
		return calendar; /* nobody can tell that it is no freeze */
	if (is_urgent)
		return REASON_NONE;
	if (calendar != REASON_NONE)
		return calendar;
	if (wave > ro->wave)
		return ro->soak_start_ns != NEVER ? REASON_SOAK : REASON_WAVE;
	return REASON_NONE;
}

enum reason rollout_reason(const struct reconcile *r, const struct rollout *ro, uint32_t wave, bool is_urgent)
{
	enum reason reason = rollout_reason_but_gate(r, ro, wave, is_urgent);

	if (!is_urgent && (reason == REASON_NONE || reason > REASON_GATE) && opening_gate_is_closed(r, r->policies[ro->policy]))
		return REASON_GATE;
	return reason;
}

/* ---- settings, restart ---- */

void rollouts_settings_come(struct reconcile *r, const struct settings *settings)
{
	for (uint32_t i = 0; i < r->n_rollouts; i++) {
		const char *name = strings_text(&r->strings, r->policies[r->rollouts[i]->policy]->name);

		r->rollouts[i]->n_waves_next = 1;
		for (uint32_t k = 0; k < settings->n_policies; k++)
			if (strcmp(settings->policies[k].name, name) == 0)
				r->rollouts[i]->n_waves_next = settings->policies[k].n_waves + 1;
	}
}

void rollouts_settings(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_rollouts && !r->is_out_of_memory; i++) {
		struct rollout *ro = r->rollouts[i];

		if (!ro->is_used)
			continue;
		if (ro->n_waves == ro->n_waves_next) {
			queues_free(ro);
			queues_make(r, ro);
			waves_place(r, ro);
		} else {
			waves_free(ro);
			waves_make(r, ro);
		}
		rollout_to_check(r, ro);
	}
}

bool rollout_record(const struct reconcile *r, uint32_t slot, struct record *rec)
{
	struct rollout *ro = r->rollouts[slot];

	rec->text[REC_ROLLOUT_TEXT_POLICY] = strings_text(&r->strings, r->policies[ro->policy]->name);
	rec->text[REC_ROLLOUT_TEXT_VERSION] = strings_text(&r->strings, ro->version);
	rec->text[REC_ROLLOUT_TEXT_WAVE] = strings_text(&r->strings, ro->wave_name);
	rec->text[REC_ROLLOUT_TEXT_PASSED] = strings_text(&r->strings, ro->passed);
	rec->text[REC_ROLLOUT_TEXT_APPROVED] = strings_text(&r->strings, ro->approved);
	rec->number[REC_ROLLOUT_VERSION_TYPE] = ro->version_type;
	if (!ro->is_used || ro->is_ended)
		return false;
	ro->is_dirty = false;
	rec->number[REC_ROLLOUT_EPOCH] = ro->epoch;
	rec->number[REC_ROLLOUT_HALT_CAUSE] = ro->halt_cause;
	rec->number[REC_ROLLOUT_HALT_REASON] = ro->halt_reason;
	rec->number[REC_ROLLOUT_HALTED_AT] = ro->halted_s;
	rec->number[REC_ROLLOUT_FIRST_SEEN] = ro->first_seen_s;
	rec->number[REC_ROLLOUT_LAST_PROGRESS] = ro->last_progress_s;
	rec->number[REC_ROLLOUT_SOAK_START] = ro->soak_start_ns;
	rec->number[REC_ROLLOUT_ENDED] = ro->ended;
	rec->number[REC_ROLLOUT_FAILED] = ro->failed;
	for (unsigned int k = 0; k < HALT_COUNT_N; k++)
		rec->number[REC_ROLLOUT_FAILED_DEADLINE + k] = ro->failed_by[k];
	return true;
}

void rollout_restore(struct reconcile *r, const struct record *rec)
{
	uint32_t policy = policy_ensure(r, rec->text[REC_ROLLOUT_TEXT_POLICY]), slot = rollout_new(r);
	struct rollout *ro;

	if (r->is_out_of_memory)
		return;
	ro = r->rollouts[slot];
	rollout_init(r, ro, policy, (enum version_type)rec->number[REC_ROLLOUT_VERSION_TYPE], intern(r, rec->text[REC_ROLLOUT_TEXT_VERSION]));
	ro->wave_name = intern(r, rec->text[REC_ROLLOUT_TEXT_WAVE]);
	ro->passed = intern(r, rec->text[REC_ROLLOUT_TEXT_PASSED]);
	ro->approved = intern(r, rec->text[REC_ROLLOUT_TEXT_APPROVED]);
	ro->epoch = (uint32_t)rec->number[REC_ROLLOUT_EPOCH];
	ro->halt_cause = (enum halt_cause)rec->number[REC_ROLLOUT_HALT_CAUSE];
	ro->halt_reason = (enum reason)rec->number[REC_ROLLOUT_HALT_REASON];
	ro->halted_s = rec->number[REC_ROLLOUT_HALTED_AT];
	ro->first_seen_s = rec->number[REC_ROLLOUT_FIRST_SEEN];
	ro->last_progress_s = rec->number[REC_ROLLOUT_LAST_PROGRESS];
	ro->soak_start_ns = rec->number[REC_ROLLOUT_SOAK_START];
	ro->ended = (uint32_t)rec->number[REC_ROLLOUT_ENDED];
	ro->failed = (uint32_t)rec->number[REC_ROLLOUT_FAILED];
	for (unsigned int k = 0; k < HALT_COUNT_N; k++)
		ro->failed_by[k] = (uint32_t)rec->number[REC_ROLLOUT_FAILED_DEADLINE + k];
	ro->is_of_earlier_life = true;
	waves_make(r, ro);
	rollout_to_check(r, ro);
}

void rollout_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_rollouts; i++) {
		waves_free(r->rollouts[i]);
		free(r->rollouts[i]);
	}
	free(r->rollouts);
}
