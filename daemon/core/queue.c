/*
 * Queues: who is ready, in which order they start, and the start of the next ones.
 *
 * Ready targets stand in a queue of their rollout, wave and scope, by the stable hash of their instance: so a rollout
 * spreads over regions and cities, in the same order every time. Rollouts take turns. A wave that may not go yet keeps
 * its queue: nothing is done about its targets until it may. Targets that an operator wants now go first.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- heaps of slots ---- */

static bool is_before(const struct reconcile *r, uint32_t a, uint32_t b)
{
	uint32_t x = target_instance(r, target_at(r, a))->hash, y = target_instance(r, target_at(r, b))->hash;

	return x != y ? x < y : target_at(r, a)->id < target_at(r, b)->id;
}

static void queue_put(const struct reconcile *r, struct queue *q, uint32_t place, uint32_t slot)
{
	q->slots[place] = slot;
	target_at(r, slot)->place.prev = place;
}

static void queue_up(const struct reconcile *r, struct queue *q, uint32_t place, uint32_t slot)
{
	for (; place > 0 && is_before(r, slot, q->slots[(place - 1) / 2]); place = (place - 1) / 2)
		queue_put(r, q, place, q->slots[(place - 1) / 2]);
	queue_put(r, q, place, slot);
}

static void queue_down(const struct reconcile *r, struct queue *q, uint32_t place, uint32_t slot)
{
	for (uint32_t child; (child = 2 * place + 1) < q->n; place = child) {
		if (child + 1 < q->n && is_before(r, q->slots[child + 1], q->slots[child]))
			child++;
		if (is_before(r, slot, q->slots[child]))
			break;
		queue_put(r, q, place, q->slots[child]);
	}
	queue_put(r, q, place, slot);
}

bool queue_add(struct reconcile *r, struct queue *q, uint32_t slot)
{
	if (!grow(r, &q->slots, q->n, &q->cap, sizeof(*q->slots)))
		return false;
	q->n++;
	queue_up(r, q, q->n - 1, slot);
	return true;
}

void queue_remove(const struct reconcile *r, struct queue *q, uint32_t place)
{
	uint32_t last = q->slots[--q->n];

	if (place == q->n)
		return;
	if (place > 0 && is_before(r, last, q->slots[(place - 1) / 2]))
		queue_up(r, q, place, last);
	else
		queue_down(r, q, place, last);
}

/* ---- places ---- */

void pacing_enqueue(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	uint32_t scope = target_instance(r, t)->scope;
	bool is_urgent = target_is_urgent(t);
	struct rollout *ro = t->rollout == NONE ? NULL : r->rollouts[t->rollout];

	if (is_urgent ? t->place_kind == PLACE_URGENT && t->placed_scope == scope :
			t->place_kind == PLACE_QUEUE && t->placed_in == t->rollout && t->placed_wave == t->wave && t->placed_scope == scope)
		return;
	if (t->place_kind == PLACE_SITE && !is_urgent && site_keeps(r, slot))
		return;
	pacing_leave(r, slot);
	if (!ro || scope == NONE || !queue_add(r, is_urgent ? &r->urgent[scope] : &ro->waves[t->wave].queues[scope], slot))
		return;
	t->place_kind = is_urgent ? PLACE_URGENT : PLACE_QUEUE;
	t->placed_in = t->rollout;
	t->placed_wave = t->wave;
	t->placed_scope = scope;
	if (is_urgent) {
		r->n_urgent++;
		return;
	}
	ro->waves[t->wave].n_queued++;
	ro->n_queued++;
}

static void queue_leave(struct reconcile *r, struct target *t)
{
	struct rollout *ro = r->rollouts[t->placed_in];

	queue_remove(r, &ro->waves[t->placed_wave].queues[t->placed_scope], t->place.prev);
	ro->waves[t->placed_wave].n_queued--;
	ro->n_queued--;
	if (t->site)
		site_next(r, t);
}

void pacing_leave(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);

	switch ((enum target_place)t->place_kind) {
	case PLACE_QUEUE:
		queue_leave(r, t);
		break;
	case PLACE_URGENT:
		queue_remove(r, &r->urgent[t->placed_scope], t->place.prev);
		r->n_urgent--;
		break;
	case PLACE_SITE:
		site_leave(r, slot);
		break;
	case PLACE_CATALOGUE:
		catalogue_leave(r, slot);
		break;
	case PLACE_APPROVAL:
		approval_leave(r, slot);
		break;
	case PLACE_NOWHERE:
		break;
	}
	t->place_kind = PLACE_NOWHERE;
}

/* ---- starting ---- */

static void start_precheck(struct reconcile *r, uint32_t slot, uint32_t probe)
{
	struct target *t = target_at(r, slot);
	uint32_t policy = target_policy(r, t), instance = device_at(r, t->device)->instance;
	struct instance *inst = instance_at(r, instance);

	r->pump_left--;
	inst->precheck_site = site_take(r, policy, t->site); /* before it leaves, or another of its site would take its turn */
	pacing_leave(r, slot);
	inst->precheck = slot;
	inst->precheck_policy = policy;
	inst->precheck_probe = probe;
	if (probe != NONE)
		r->accounts[probe]->probes++;
	r->policies[policy]->prechecks++;
	r->prechecks++;
	schedule_precheck(r, slot);
	instance_update(r, instance);
}

void precheck_end(struct reconcile *r, uint32_t instance)
{
	struct instance *inst = instance_at(r, instance);

	if (inst->precheck == NONE)
		return;
	r->policies[inst->precheck_policy]->prechecks--;
	r->prechecks--;
	inst->precheck = NONE;
	inst->is_fresh_wanted = false;
	pacing_probe_ended(r, inst->precheck_probe);
	inst->precheck_probe = NONE;
	site_give(r, inst->precheck_site);
	inst->precheck_site = NONE;
}

/* When the oldest start of a full hour leaves it. */
static void policy_wake(struct reconcile *r, struct policy_state *p)
{
	uint32_t n = pacing_starts(r, p);

	if (n > 0 && pacing_policy_reason(r, p) == REASON_RATE)
		earlier_timer(r, &p->timer, p->starts[p->n_starts - n].time_ns + HOUR_NS);
}

/* The first whose site has room: the others go to stand in line there. */
static uint32_t queue_first(struct reconcile *r, const struct queue *q)
{
	for (; q->n > 0 && r->pump_left > 0; r->pump_left--) {
		const struct target *t = target_at(r, q->slots[0]);

		if (!site_is_full(r, target_policy(r, t), t->site))
			return q->slots[0];
		site_wait(r, q->slots[0]);
	}
	return NONE;
}

/* Of all scopes that may start, the first in order. */
static uint32_t queues_next(struct reconcile *r, struct queue *queues, uint32_t *ret_probe)
{
	uint32_t best = NONE;

	for (uint32_t scope = 0; scope < r->n_scopes; scope++) {
		uint32_t probe, slot;

		if (queues[scope].n == 0 || !pacing_may_start(r, scope, &probe))
			continue;
		slot = queue_first(r, &queues[scope]);
		if (slot == NONE || !catalogue_is_known(r, slot))
			continue;
		if (best == NONE || is_before(r, slot, best)) {
			best = slot;
			*ret_probe = probe;
		}
	}
	return best;
}

static uint32_t rollout_next(struct reconcile *r, struct rollout *ro, uint32_t *ret_probe)
{
	struct policy_state *p = r->policies[ro->policy];
	uint32_t slot = NONE;

	for (uint32_t w = 0; w < ro->n_waves && slot == NONE; w++) {
		if (ro->waves[w].n_queued == 0)
			continue;
		if (rollout_reason_but_gate(r, ro, w, false) != REASON_NONE)
			break;
		slot = queues_next(r, ro->waves[w].queues, ret_probe);
		if (slot != NONE && !opening_is_due(r, p, target_instance(r, target_at(r, slot))->hash))
			slot = NONE;
	}
	return slot != NONE && opening_gate(r, p) ? slot : NONE;
}

static bool is_full(const struct reconcile *r)
{
	return r->is_out_of_memory || r->pump_left == 0 || r->in_flight + r->prechecks >= r->settings->max_in_flight;
}

/* True when one was started. */
static bool pump_rollout(struct reconcile *r, struct rollout *ro)
{
	struct policy_state *p = r->policies[ro->policy];
	uint32_t slot, probe = NONE;

	if (!ro->is_used || ro->n_queued == 0 || p->index == POLICY_NONE)
		return false;
	opening_wake(r, p);
	if (pacing_policy_reason(r, p) != REASON_NONE) {
		policy_wake(r, p);
		return false;
	}
	slot = rollout_next(r, ro, &probe);
	if (slot != NONE)
		start_precheck(r, slot, probe);
	return slot != NONE;
}

/* What an operator wants now skips window, wave, soak, rate and gate, and no other limit. */
static bool pump_urgent(struct reconcile *r)
{
	for (uint32_t scope = 0; scope < r->n_scopes; scope++) {
		struct queue *q = &r->urgent[scope];
		uint32_t probe;

		for (uint32_t i = 0; i < q->n && pacing_may_start(r, scope, &probe); i++) {
			struct target *t = target_at(r, q->slots[i]);
			struct rollout *ro = r->rollouts[t->rollout];
			struct policy_state *p = r->policies[ro->policy];

			opening_wake(r, p); /* when the freeze may be over */
			if (p->in_flight + p->prechecks >= pacing_limit(r, p) || site_is_full(r, ro->policy, t->site) ||
			    rollout_reason(r, ro, t->wave, true) != REASON_NONE || !catalogue_is_known(r, q->slots[i]))
				continue;
			start_precheck(r, q->slots[i], probe);
			return true;
		}
	}
	return false;
}

/* Who has settled once has settled: the next life need not wait (rule 11). */
static void scopes_settle(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (!r->scopes[i]->is_settled && pacing_is_settled(r, r->scopes[i])) {
			r->scopes[i]->is_settled = true;
			memory_scope(r, i);
		}
}

void pacing_pump(struct reconcile *r)
{
	uint32_t idle = 0;

	if (!r->settings)
		return;
	scopes_settle(r);
	approvals_check(r); /* first: who has leave counts in a wave, and an empty wave would be passed over */
	rollouts_check(r);
	if (!r->settings->is_enforcing || !r->is_restored)
		return;
	r->pump_left = SLICE;
	while (r->n_urgent > 0 && !is_full(r) && pump_urgent(r))
		;
	while (idle < r->n_rollouts && !is_full(r)) {
		struct rollout *ro = r->rollouts[r->next_rollout % r->n_rollouts];

		r->next_rollout = (r->next_rollout + 1) % r->n_rollouts;
		idle = pump_rollout(r, ro) ? 0 : idle + 1;
	}
	if (r->pump_left == 0)
		set_timer(r, &r->pump_timer, r->now_ns + 1);
}
