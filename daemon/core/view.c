/* The live table as others see it. Only looks, and never lends what does not outlive the step. */
#include "internal.h"

#include <string.h>

uint32_t reconcile_instance_slots(const struct reconcile *r)
{
	return r->instances.n;
}

uint32_t reconcile_target_slots(const struct reconcile *r)
{
	return r->targets.n;
}

uint64_t reconcile_steps(const struct reconcile *r)
{
	return r->steps;
}

void reconcile_hold(struct reconcile *r)
{
	slab_hold(&r->instances);
	slab_hold(&r->devices);
	slab_hold(&r->targets);
}

void reconcile_unhold(struct reconcile *r)
{
	slab_unhold(&r->instances);
	slab_unhold(&r->devices);
	slab_unhold(&r->targets);
}

static const char *policy_name(const struct reconcile *r, uint32_t pin)
{
	for (unsigned int type = 0; pin != PIN_NONE && type < VERSION_TYPE_N; type++)
		if (r->settings->pins[pin].policy[type] != POLICY_NONE && r->pin_versions[pin][type])
			return r->settings->policies[r->settings->pins[pin].policy[type]].name;
	return "";
}

bool reconcile_instance(const struct reconcile *r, uint32_t slot, struct instance_view *ret_view)
{
	const struct instance *inst = slot < r->instances.n ? instance_at(r, slot) : NULL;
	struct instance_view v;

	if (!inst || inst->born == 0 || inst->scope == NONE)
		return false;
	v = (struct instance_view){
		.born = inst->born,
		.scope = inst->scope,
		.instance_id = inst->text,
		.policy = policy_name(r, inst->pin),
		.pin = inst->pin,
		.is_online = inst->status == STATUS_ACTIVE,
		.is_observed = !inst->is_stale,
		.is_leaving = inst->is_leaving,
	};
	v.name = v.instance_id + strlen(v.instance_id) + 1;
	v.model = v.name + strlen(v.name) + 1;
	v.resource_group = v.model + strlen(v.model) + 1;
	v.ccn = v.resource_group + strlen(v.resource_group) + 1;
	v.city = v.ccn + strlen(v.ccn) + 1;
	v.status_text = v.city + strlen(v.city) + 1;
	for (unsigned int k = 0; k < LIMIT_DEVICES; k++)
		if (inst->claims[k].device != NONE)
			v.serial_numbers[k] = device_at(r, inst->claims[k].device)->serial_number;
	*ret_view = v;
	return true;
}

/* When a wait ends, or the soonest that anything of an intent does. */
static int64_t next_try(const struct reconcile *r, const struct target *t)
{
	return !t->intent && t->wait != WAIT_NONE && t->wait_ns > r->now_ns ? t->wait_ns : 0;
}

static void view_direction(const struct reconcile *r, const struct target *t, struct target_view *v)
{
	uint32_t desired = target_desired(t);
	enum version_order order;

	if (!desired || !t->reported || v->phase == PHASE_UNKNOWN)
		return;
	order = order_of(r, t, t->reported, desired);
	v->is_behind = order == VERSION_ORDER_OLDER;
	v->is_ahead = order == VERSION_ORDER_NEWER;
}

/* All that is looked up; NULL for a slot without a target. */
static const struct target *view_facts(const struct reconcile *r, uint32_t slot, struct target_view *ret_view)
{
	const struct target *t = slot < r->targets.n ? target_at(r, slot) : NULL;
	const struct device *device;
	const struct instance *inst;
	uint32_t pin, desired;

	if (!t || t->born == 0 || target_is_hidden(r, t))
		return NULL;
	device = device_at(r, t->device);
	inst = instance_at(r, device->instance);
	if (inst->scope == NONE)
		return NULL;
	pin = target_pin(r, t);
	desired = target_desired(t);
	*ret_view = (struct target_view){
		.born = t->born,
		.instance = device->instance,
		.scope = inst->scope,
		.version_type = (enum version_type)t->version_type,
		.instance_id = inst->text,
		.serial_number = device->serial_number,
		.reported = strings_text(&r->strings, t->reported),
		.desired = strings_text(&r->strings, desired),
		.policy = pin == PIN_NONE ? POLICY_NONE : r->settings->pins[pin].policy[t->version_type],
		.pin = pin,
		.is_in_progress = t->intent != NULL,
		.phase_since_s = t->phase_since_s,
		.drift_since_s = t->drift_since_s,
		.next_try_ns = next_try(r, t),
		.rollout = t->rollout,
		.wave = t->wave,
		.next = strings_text(&r->strings, t->reported == desired || t->is_way_unknown ? 0 : target_next(t)),
		.site = t->site ? strings_text(&r->strings, t->site) : inst->text,
		.is_held = target_is_operator_held(t),
		.is_urgent = desired && target_is_urgent(t),
		.held_by = target_is_operator_held(t) ? t->history->held_by : "",
		.held_why = target_is_operator_held(t) ? t->history->held_why : "",
		.first_seen_s = t->first_seen_s,
		.approved = strings_text(&r->strings, t->approved),
		.auto_upgrade = auto_policy_of(r, t),
	};
	if (t->history) {
		ret_view->last_success_s = t->history->committed.last_success_s;
		ret_view->last_failure_s = t->history->committed.last_failure_s;
		ret_view->attempts = t->history->committed.attempts;
		ret_view->failures = t->history->committed.failures;
	}
	return t;
}

bool reconcile_target_facts(const struct reconcile *r, uint32_t slot, struct target_view *ret_view)
{
	return view_facts(r, slot, ret_view) != NULL;
}

bool reconcile_target(const struct reconcile *r, uint32_t slot, struct target_view *ret_view)
{
	const struct target *t = view_facts(r, slot, ret_view);
	struct stand s;

	if (!t)
		return false;
	s = stand_exact(r, slot);
	ret_view->phase = s.phase;
	ret_view->reason = s.reason;
	view_direction(r, t, ret_view);
	return true;
}

static const struct intent *intent_find_any(const struct reconcile *r, uint64_t id)
{
	const struct intent *in = intent_find(r, id);

	for (uint32_t i = 0; i < r->n_settled && !in; i++)
		if (r->settled[i]->id == id)
			in = r->settled[i];
	return in;
}

bool reconcile_intent(const struct reconcile *r, uint64_t intent, struct intent_view *ret_view)
{
	const struct intent *in = intent_find_any(r, intent);

	if (!in)
		return false;
	*ret_view = (struct intent_view){
		.target = in->target,
		.scope = in->scope,
		.instance_id = in->instance_id,
		.serial_number = in->serial_number,
		.from = strings_text(&r->strings, in->from),
		.to = strings_text(&r->strings, in->to),
		.version_type = in->version_type,
		.policy = in->policy_index,
		.policy_name = strings_text(&r->strings, r->policies[in->policy]->name),
		.created_ns = in->created_ns,
		.sent_ns = in->sent_ns,
		.accepted_ns = in->accepted_ns,
		.settled_ns = in->settled_ns,
	};
	return true;
}

/* ---- rollouts ---- */

uint32_t reconcile_rollout_slots(const struct reconcile *r)
{
	return r->n_rollouts;
}

static const char *wave_name(const struct reconcile *r, const struct rollout *ro, uint32_t wave)
{
	uint32_t index = r->policies[ro->policy]->index;

	return index == POLICY_NONE || wave >= r->settings->policies[index].n_waves ? "last" : r->settings->policies[index].waves[wave].name;
}

static enum rollout_state rollout_state(const struct reconcile *r, const struct rollout *ro)
{
	if (ro->halt_cause)
		return ROLLOUT_STATE_HALTED;
	if (rollout_is_paused(r, ro))
		return ROLLOUT_STATE_PAUSED;
	if (ro->n_behind == 0)
		return rollout_unapproved(ro) > 0 ? ROLLOUT_STATE_APPROVAL : ROLLOUT_STATE_COMPLETE;
	return ro->is_awaiting ? ROLLOUT_STATE_APPROVAL : ROLLOUT_STATE_RUNNING;
}

bool reconcile_rollout(const struct reconcile *r, uint32_t slot, struct rollout_view *ret_view)
{
	const struct rollout *ro = slot < r->n_rollouts ? r->rollouts[slot] : NULL;
	uint32_t index;

	if (!ro || !ro->is_used || !r->settings)
		return false;
	index = r->policies[ro->policy]->index;
	*ret_view = (struct rollout_view){
		.policy_name = strings_text(&r->strings, r->policies[ro->policy]->name),
		.version = strings_text(&r->strings, ro->version),
		.policy = index,
		.version_type = ro->version_type,
		.state = rollout_state(r, ro),
		.reason = rollout_reason(r, ro, ro->wave, false),
		.halt_cause = ro->halt_cause,
		.halt_reason = ro->halt_reason,
		.halted_s = ro->halted_s,
		.first_seen_s = ro->first_seen_s,
		.last_progress_s = ro->last_progress_s,
		.wave = ro->wave,
		.n_waves = ro->n_waves,
		.wave_name = wave_name(r, ro, ro->wave),
		.failed = ro->failed,
		.ended = ro->ended,
		.is_awaiting_approval = ro->is_awaiting,
	};
	if (ro->soak_start_ns != NEVER && index != POLICY_NONE && ro->wave < r->settings->policies[index].n_waves)
		ret_view->soak_until_ns = ro->soak_start_ns + r->settings->policies[index].waves[ro->wave].soak_ns;
	return true;
}

bool reconcile_wave(const struct reconcile *r, uint32_t rollout, uint32_t wave, struct wave_view *ret_view)
{
	const struct rollout *ro = rollout < r->n_rollouts ? r->rollouts[rollout] : NULL;

	if (!ro || !ro->is_used || wave >= ro->n_waves)
		return false;
	*ret_view = (struct wave_view){ .name = wave_name(r, ro, wave), .countable = ro->waves[wave].countable };
	memcpy(ret_view->phases, ro->waves[wave].phases, sizeof(ret_view->phases));
	return true;
}

uint32_t reconcile_tallies(const struct reconcile *r)
{
	return r->n_tallies;
}

bool reconcile_tally(const struct reconcile *r, uint32_t i, struct tally_view *ret_view)
{
	const struct tally *t = i < r->n_tallies ? &r->tallies[i] : NULL;

	if (!t)
		return false;
	*ret_view = (struct tally_view){
		.kind = t->kind,
		.account = strings_text(&r->strings, t->account),
		.region_id = strings_text(&r->strings, t->region),
		.policy = strings_text(&r->strings, t->policy),
		.version_type = t->version_type,
		.reason = t->reason,
		.value = t->committed,
	};
	return true;
}

static enum reason policy_reason(const struct reconcile *r, struct policy_state *p, uint32_t policy)
{
	const struct policy *settings = &r->settings->policies[policy];
	enum reason reason = pacing_calendar_reason(r, p);

	for (uint32_t i = 0; i < r->n_pauses; i++)
		if (r->pauses[i].policy == 0 || ((r->pauses[i].policy == p->name || r->pauses[i].is_orphan) && r->pauses[i].version == 0 && r->pauses[i].version_type < 0))
			return REASON_PAUSED;
	if (reason != REASON_NONE)
		return reason;
	if (opening_gate_is_closed(r, p))
		return REASON_GATE;
	if (p->in_flight >= pacing_limit(r, p))
		return REASON_MAX_IN_FLIGHT;
	if (pacing_starts(r, p) >= settings->max_starts_per_hour)
		return REASON_RATE;
	return r->settings->is_enforcing ? REASON_NONE : REASON_OBSERVE_MODE;
}

bool reconcile_policy(const struct reconcile *r, uint32_t policy, struct policy_view *ret_view)
{
	struct policy_state *p;

	if (!r->settings || policy >= r->settings->n_policies)
		return false;
	p = r->policies[r->policy_of[policy]];
	*ret_view = (struct policy_view){
		.in_flight = p->in_flight,
		.limit = pacing_limit(r, p),
		.managed = p->managed,
		.starts_last_hour = pacing_starts(r, p),
		.reason = policy_reason(r, p, policy),
		.is_gate_open = r->settings->policies[policy].gate.is_set && p->gate.asked_ns != NEVER && p->gate.is_open &&
				r->now_ns - p->gate.asked_ns <= r->settings->policies[policy].gate.max_age_ns,
		.next_open_s = pacing_next_open_s(r, p),
	};
	ret_view->may_start = ret_view->reason == REASON_NONE;
	return true;
}

uint32_t reconcile_catalogues(const struct reconcile *r)
{
	return r->n_catalogues;
}

bool reconcile_catalogue(const struct reconcile *r, uint32_t i, struct catalogue_view *ret_view)
{
	const struct catalogue *c = i < r->n_catalogues ? r->catalogues[i] : NULL;

	if (!c)
		return false;
	*ret_view = (struct catalogue_view){
		.model = strings_text(&r->strings, c->model),
		.version_type = c->version_type,
		.read_s = c->read_ns == NEVER ? 0 : r->wall_s - (r->now_ns - c->read_ns) / NS_PER_S,
	};
	return true;
}

uint32_t reconcile_in_flight(const struct reconcile *r)
{
	return r->in_flight;
}

bool reconcile_is_looking(const struct reconcile *r)
{
	return r->overtaken != NONE;
}
