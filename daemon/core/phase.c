/*
 * The one phase and the one reason of a target (behaviour.md, precedence).
 *
 * Only looks: every function here derives its answer from the facts, the settings and the clock of the step.
 * What stands in the way of many targets at once (the store, settling, credentials, limits) is not kept per
 * target but looked up when somebody asks, so that 100,000 waiting targets cost nothing.
 */
#include "internal.h"

#include <string.h>

struct instance *target_instance(const struct reconcile *r, const struct target *t)
{
	return instance_at(r, device_at(r, t->device)->instance);
}

bool target_is_hidden(const struct reconcile *r, const struct target *t)
{
	return !t->intent && (t->is_absent || device_at(r, t->device)->claims == NONE);
}

uint32_t target_pin(const struct reconcile *r, const struct target *t)
{
	uint32_t pin = target_instance(r, t)->pin;

	return pin != PIN_NONE && r->pin_versions[pin][t->version_type] ? pin : PIN_NONE;
}

bool target_is_held(const struct reconcile *r, const struct target *t)
{
	uint32_t pin = target_pin(r, t);

	return target_is_operator_held(t) || (pin != PIN_NONE && r->settings->pins[pin].is_held);
}

static const struct catalogue *catalogue_of(const struct reconcile *r, const struct target *t)
{
	return catalogue_find(r, target_instance(r, t)->model, (enum version_type)t->version_type);
}

static uint32_t desired_of(const struct reconcile *r, const struct target *t, uint32_t pin)
{
	enum channel channel = pin == PIN_NONE ? CHANNEL_NONE : r->settings->pins[pin].channel[t->version_type];

	if (channel != CHANNEL_NONE)
		return catalogue_newest(r, catalogue_of(r, t), channel, &r->settings->pins[pin]);
	return pin == PIN_NONE ? 0 : r->pin_versions[pin][t->version_type];
}

static bool is_over(enum version_order order)
{
	return order == VERSION_ORDER_SAME || order == VERSION_ORDER_NEWER;
}

/*
 * The first hop that it has not reached, else where it is to go. A hop of which nobody can tell whether it is on the
 * way is one, and the way is unknown: a mandatory hop is passed over only when it is certain that it may be.
 */
static uint32_t next_of(const struct reconcile *r, const struct target *t, uint32_t pin, bool *ret_is_known)
{
	*ret_is_known = true;
	if (!t->desired || t->version_type != VERSION_TYPE_DEVICE || !t->reported)
		return t->desired;
	for (uint32_t i = 0; i < r->settings->pins[pin].n_via; i++) {
		uint32_t hop = r->pin_vias[pin][i];
		enum version_order before = order_of(r, t, t->reported, hop), after = order_of(r, t, hop, t->desired);

		if (is_over(before) || is_over(after))
			continue;
		*ret_is_known = before == VERSION_ORDER_OLDER && after == VERSION_ORDER_OLDER;
		return hop;
	}
	return t->desired;
}

void target_look_up(const struct reconcile *r, struct target *t)
{
	uint32_t pin = target_pin(r, t);
	bool is_way_known;

	t->desired = desired_of(r, t, pin);
	t->next = next_of(r, t, pin, &is_way_known);
	t->is_way_unknown = !is_way_known;
	t->is_lacking = is_way_known && t->next && t->next != t->reported &&
			(catalogue_lacks(catalogue_of(r, t), t->next) || version_is_never(r, &r->settings->pins[pin], t->next));
}

enum version_order target_order(const struct reconcile *r, const struct target *t)
{
	enum version_order order = order_of(r, t, t->reported, t->desired);

	return order == VERSION_ORDER_OLDER && t->is_way_unknown ? VERSION_ORDER_INCOMPARABLE : order;
}

uint32_t target_desired(const struct target *t)
{
	return t->desired;
}

uint32_t target_next(const struct target *t)
{
	return t->next;
}

bool target_is_operator_held(const struct target *t)
{
	return t->history && t->history->held_by;
}

bool target_is_urgent(const struct target *t)
{
	return t->history && t->history->urgent && t->history->urgent == target_desired(t);
}

/* Each time by itself, within a week (behaviour.md, reasons). */
bool target_is_flapping(const struct reconcile *r, const struct target *t)
{
	return t->history && t->history->changed_ns[0] != NEVER && r->now_ns - t->history->changed_ns[0] < FLAP_NS;
}

bool target_needs_approval(const struct reconcile *r, const struct target *t)
{
	uint32_t desired = target_desired(t);

	return r->settings->is_enforcing && desired && t->approved != desired && t->reported != desired && !target_is_held(r, t);
}

uint32_t target_policy(const struct reconcile *r, const struct target *t)
{
	uint32_t pin = target_pin(r, t);
	uint32_t policy = pin == PIN_NONE ? POLICY_NONE : r->settings->pins[pin].policy[t->version_type];

	return policy == POLICY_NONE ? NONE : r->policy_of[policy];
}

bool reason_is_pacing(enum reason reason)
{
	switch ((int)reason) {
	case REASON_WAVE:
	case REASON_SOAK:
	case REASON_SITE:
	case REASON_PAIR:
	case REASON_MAX_IN_FLIGHT:
	case REASON_RATE:
	case REASON_THROTTLED:
	case REASON_PRECHECK:
		return true;
	default:
		return false;
	}
}

static enum version_order order_by_date(const struct catalogue *c, uint32_t a, uint32_t b)
{
	bool has_a = false, has_b = false;
	int64_t a_ms = 0, b_ms = 0;

	for (uint32_t i = 0; c && i < c->n; i++) {
		if (c->entries[i].version == a) {
			has_a = true;
			a_ms = c->entries[i].created_ms;
		}
		if (c->entries[i].version == b) {
			has_b = true;
			b_ms = c->entries[i].created_ms;
		}
	}
	if (!has_a || !has_b || a_ms == b_ms)
		return VERSION_ORDER_INCOMPARABLE;
	return a_ms < b_ms ? VERSION_ORDER_OLDER : VERSION_ORDER_NEWER;
}

static enum version_order order_by_text(const struct reconcile *r, uint32_t a, uint32_t b)
{
	struct known_order *known = &r->orders[(a * 31 + b) % KNOWN_ORDERS];

	if (known->a != a || known->b != b)
		*known = (struct known_order){ a, b, version_compare(strings_text(&r->strings, a), strings_text(&r->strings, b)) };
	return known->order;
}

enum version_order order_of(const struct reconcile *r, const struct target *t, uint32_t a, uint32_t b)
{
	enum version_order order = a == b ? VERSION_ORDER_SAME : order_by_text(r, a, b);

	return order == VERSION_ORDER_INCOMPARABLE ? order_by_date(catalogue_of(r, t), a, b) : order;
}

/* Where the device of the target sits in its instance. */
static unsigned int target_position(const struct instance *inst, const struct target *t)
{
	return inst->n_devices > 1 && inst->claims[1].device == t->device ? 1 : 0;
}

/* Of instance and device whichever says no. */
static enum status target_status(const struct reconcile *r, const struct target *t)
{
	const struct instance *inst = target_instance(r, t);

	if (inst->status == STATUS_ACTIVE)
		return (enum status)inst->device_status[target_position(inst, t)];
	return (enum status)inst->status;
}

bool target_is_online(const struct reconcile *r, const struct target *t)
{
	return target_status(r, t) == STATUS_ACTIVE;
}

int64_t target_read_ns(const struct reconcile *r, const struct target *t)
{
	const struct instance *inst = target_instance(r, t);

	if (device_at(r, t->device)->claims == NONE)
		return NEVER;
	return t->version_type == VERSION_TYPE_DPI ? device_at(r, t->device)->dpi_read_ns : inst->read_ns;
}

/* The reason that comes first; REASON_NONE is no reason. */
static enum reason first_of(enum reason a, enum reason b)
{
	if (a == REASON_NONE || b == REASON_NONE)
		return a == REASON_NONE ? b : a;
	return a < b ? a : b;
}

static enum reason reason_of_status(enum status status)
{
	static const enum reason reasons[STATUS_N] = {
		[STATUS_IN_ARREARS] = REASON_IN_ARREARS,
		[STATUS_NOT_ACTIVATED] = REASON_NOT_ACTIVATED,
	};
	return reasons[status];
}

static const struct policy *policy_of_target(const struct reconcile *r, const struct target *t)
{
	return &r->settings->policies[r->policies[target_policy(r, t)]->index];
}

static enum reason failed_reason(const struct reconcile *r, const struct target *t)
{
	uint32_t next = target_next(t);
	const struct attempts *tried = target_attempts_of(t, next);
	enum reason reason = reason_of_status(target_status(r, t));

	if (t->is_lacking)
		reason = first_of(reason, REASON_VERSION_NOT_AVAILABLE);
	if (target_is_flapping(r, t))
		reason = first_of(reason, REASON_FLAPPING);
	if (device_at(r, t->device)->n_claims > 1)
		reason = first_of(reason, REASON_DUPLICATE);
	if (!target_instance(r, t)->is_bound)
		reason = first_of(reason, REASON_NOT_BOUND);
	if (tried && (tried->is_terminal || tried->n >= policy_of_target(r, t)->retry.attempts))
		reason = first_of(reason, (enum reason)tried->reason);
	return reason;
}

static bool is_partner_offline(const struct instance *inst, const struct target *t)
{
	unsigned int other = 1 - target_position(inst, t);

	return inst->n_devices == LIMIT_DEVICES && inst->claims[other].device != NONE &&
	       inst->device_status[other] != STATUS_ACTIVE;
}

/* REASON_NONE: nothing of its own but a wait is in the way. */
static enum reason waiting_reason(const struct reconcile *r, const struct target *t, enum version_order order)
{
	const struct instance *inst = target_instance(r, t);

	if (target_is_held(r, t))
		return REASON_HELD;
	if (order == VERSION_ORDER_OLDER && target_needs_approval(r, t)) /* else it is not known to be a change */
		return REASON_APPROVAL;
	if (!target_is_online(r, t))
		return REASON_OFFLINE;
	if (is_partner_offline(inst, t))
		return REASON_DEGRADED;
	return REASON_NONE;
}

static struct stand stand_of_intent(const struct intent *in)
{
	if (in->is_seen)
		return (struct stand){ PHASE_VERIFYING, REASON_SOAK, false };
	if (in->state == INTENT_ACCEPTED)
		return (struct stand){ PHASE_UPGRADING, REASON_ACCEPTED, false };
	if (in->state == INTENT_UNCONFIRMED)
		return (struct stand){ PHASE_UPGRADING, REASON_UNCONFIRMED, false };
	return (struct stand){ PHASE_UPGRADING, REASON_REQUESTED, false };
}

/* Behind, or not to be compared: what is in the way, and what is shown of it; a wait that is over is only shown. */
static struct stand stand_behind(const struct reconcile *r, const struct target *t, enum version_order order)
{
	enum reason failed = failed_reason(r, t), waiting = waiting_reason(r, t, order);
	struct stand s = { .is_ready = t->wait == WAIT_NONE || t->is_wait_over };

	if (order == VERSION_ORDER_INCOMPARABLE) {
		const struct catalogue *c = catalogue_of(r, t);

		s.is_ready = false;
		if (c ? c->is_answered : r->n_catalogues >= LIMIT_CATALOGUES)
			failed = first_of(failed, REASON_INCOMPARABLE);
	}
	s.is_ready = s.is_ready && failed == REASON_NONE && waiting == REASON_NONE;
	if (t->wait == WAIT_BLOCKED)
		failed = first_of(failed, (enum reason)t->wait_reason);
	else if (t->wait != WAIT_NONE)
		waiting = first_of(waiting, (enum reason)t->wait_reason);
	s.phase = failed != REASON_NONE ? PHASE_FAILED : PHASE_WAITING;
	s.reason = failed != REASON_NONE ? failed : first_of(waiting, REASON_PRECHECK);
	return s;
}

static bool is_dpi_stale(const struct device *d)
{
	return d->is_dpi_stale || d->dpi_read_ns == NEVER;
}

/* Without its intent, and as if it were alone in its instance. */
static struct stand stand_alone(const struct reconcile *r, const struct target *t)
{
	const struct instance *inst = target_instance(r, t);
	uint32_t desired = target_desired(t);
	enum version_order order;

	if (target_pin(r, t) == PIN_NONE)
		return (struct stand){ PHASE_UNMANAGED, REASON_NO_PIN, false };
	if (!t->reported || !desired) /* also while nobody knows what a channel stands for */
		return (struct stand){ PHASE_UNKNOWN, REASON_NEVER_OBSERVED, false };
	if (inst->is_stale || (t->version_type == VERSION_TYPE_DPI && is_dpi_stale(device_at(r, t->device))))
		return (struct stand){ PHASE_UNKNOWN, REASON_STALE, false };
	order = target_order(r, t);
	if (order == VERSION_ORDER_SAME)
		return (struct stand){ PHASE_IN_SYNC, REASON_NONE, false };
	if (order == VERSION_ORDER_NEWER)
		return (struct stand){ PHASE_AHEAD, REASON_NONE, false };
	return stand_behind(r, t, order);
}

/* The other device's target of the same type; NULL when there is none. */
static const struct target *partner_of(const struct reconcile *r, const struct instance *inst, const struct target *t,
				       enum version_type type)
{
	uint32_t device = inst->n_devices == LIMIT_DEVICES ? inst->claims[1 - target_position(inst, t)].device : NONE;
	uint32_t slot = device == NONE || device == t->device ? NONE : device_at(r, device)->targets[type];

	return slot == NONE || target_at(r, slot)->is_absent ? NULL : target_at(r, slot);
}

/* Rule 1: the standby goes first; when that is unknown, or both are active, the backup. */
static unsigned int first_of_pair(const struct instance *inst)
{
	return inst->role[0] == HA_ROLE_STANDBY && inst->role[1] != HA_ROLE_STANDBY ? 0 : 1;
}

/* Must the target let its partner go first? */
static bool is_second(const struct reconcile *r, const struct instance *inst, const struct target *t)
{
	uint32_t other = inst->n_devices == LIMIT_DEVICES ? inst->claims[1 - target_position(inst, t)].device : NONE;
	const struct target *partner;
	struct stand s;

	if (other == NONE || target_position(inst, t) == first_of_pair(inst))
		return false;
	if (device_at(r, other)->instance != device_at(r, t->device)->instance)
		return true; /* a duplicate: what it stands for is not known */
	partner = partner_of(r, inst, t, (enum version_type)t->version_type);
	if (!partner)
		return false;
	s = stand_alone(r, partner);
	return partner->intent || (s.phase != PHASE_IN_SYNC && s.phase != PHASE_AHEAD);
}

/* Ready, or about to be looked at again because its last fresh read brought nothing. */
static bool is_due(const struct reconcile *r, const struct target *t)
{
	struct stand s = stand_alone(r, t);

	return s.is_ready || (t->wait == WAIT_UNSENT && s.phase == PHASE_WAITING && s.reason == REASON_PRECHECK);
}

/* Is a Device target of the instance about to go? Then no Dpi target does. */
static bool is_device_due(const struct reconcile *r, const struct instance *inst)
{
	for (unsigned int k = 0; k < inst->n_devices; k++) {
		const struct target *t, *partner;
		uint32_t slot = inst->claims[k].device == NONE ? NONE : device_at(r, inst->claims[k].device)->targets[VERSION_TYPE_DEVICE];

		if (slot == NONE || target_instance(r, target_at(r, slot)) != inst || !is_due(r, target_at(r, slot)))
			continue;
		t = target_at(r, slot);
		if (t->rollout != NONE && rollout_stands_still(r, r->rollouts[t->rollout], t->wave))
			continue; /* rule 10: nobody waits for what waits for a person */
		partner = partner_of(r, inst, t, VERSION_TYPE_DEVICE);
		/* behind a partner that stands still it is not about to go */
		if (!is_second(r, inst, t) || (partner && is_due(r, partner)))
			return true;
	}
	return false;
}

static bool must_wait_for_others(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	const struct instance *inst = target_instance(r, t);

	if (instance_has_intent(r, inst) || (inst->precheck != NONE && inst->precheck != slot))
		return true;
	if (is_second(r, inst, t))
		return true;
	return t->version_type == VERSION_TYPE_DPI && is_device_due(r, inst);
}

struct stand stand_of(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	struct stand s;

	if (t->intent)
		return stand_of_intent(t->intent);
	s = stand_alone(r, t);
	if (s.is_ready && must_wait_for_others(r, slot)) {
		s.is_ready = false;
		s.reason = s.phase == PHASE_WAITING ? first_of(s.reason, REASON_PAIR) : s.reason;
	} else if (s.is_ready && !r->settings->is_enforcing) {
		s.is_ready = false;
		s.reason = s.reason == REASON_PRECHECK ? REASON_OBSERVE_MODE : s.reason;
	}
	return s;
}

bool stand_may_call(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);

	return r->settings->is_enforcing && stand_alone(r, t).is_ready && !is_second(r, target_instance(r, t), t);
}

struct stand stand_exact(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	const struct instance *inst = target_instance(r, t);
	struct stand s = stand_of(r, slot);
	enum reason shared;

	if (s.phase != PHASE_WAITING)
		return s;
	shared = pacing_scope_reason(r, inst->scope);
	if (t->rollout != NONE)
		s.reason = first_of(s.reason, rollout_reason(r, r->rollouts[t->rollout], t->wave, target_is_urgent(t)));
	if (s.is_ready && inst->precheck != slot)
		shared = first_of(shared, pacing_ready_reason(r, slot));
	if (shared == REASON_THROTTLED && !s.is_ready)
		return s;
	s.reason = first_of(s.reason, shared);
	return s;
}
