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
	uint32_t desired = target_desired(r, t);
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
	desired = inst->pin == PIN_NONE ? 0 : r->pin_versions[inst->pin][t->version_type];
	pin = desired ? inst->pin : PIN_NONE;
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

bool reconcile_policy(const struct reconcile *r, uint32_t policy, struct policy_view *ret_view)
{
	const struct policy_state *p;

	if (!r->settings || policy >= r->settings->n_policies)
		return false;
	p = r->policies[r->policy_of[policy]];
	*ret_view = (struct policy_view){
		.in_flight = p->in_flight,
		.limit = pacing_limit(r, p),
		.managed = p->managed,
		.starts_last_hour = pacing_starts(r, p),
		.may_start = r->settings->is_enforcing && r->settings->policies[policy].is_always_open &&
			     p->in_flight < pacing_limit(r, p) &&
			     pacing_starts(r, p) < r->settings->policies[policy].max_starts_per_hour,
	};
	return true;
}

uint32_t reconcile_in_flight(const struct reconcile *r)
{
	return r->in_flight;
}
