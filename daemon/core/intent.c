/*
 * The life of an intent (rules 2, 3 and 4): made, stored, called once, followed, settled once.
 *
 * What it was made with (versions, policy, deadline, soak) holds to its end, whatever the settings become. It is
 * settled by facts that were read after the call left, by a refusal of the closed list, or, when nobody can tell
 * any more, by having left the inventory. A failed read settles nothing.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t intent_place(const struct reconcile *r, uint64_t id)
{
	uint32_t low = 0, high = r->n_intents;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (r->intents[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct intent *intent_find(const struct reconcile *r, uint64_t id)
{
	uint32_t place = intent_place(r, id);

	return place < r->n_intents && r->intents[place]->id == id ? r->intents[place] : NULL;
}

uint32_t intents_storing(const struct reconcile *r)
{
	uint32_t low = 0, high = r->n_intents;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (r->intents[middle]->state != INTENT_STORING)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool intent_is_sent(const struct intent *in)
{
	return in->state == INTENT_ACCEPTED || in->state == INTENT_UNCONFIRMED;
}

int64_t intent_follow_interval(const struct intent *in)
{
	int64_t interval = in->deadline_length_ns / 20;

	return interval < FOLLOW_MIN_NS ? FOLLOW_MIN_NS : interval > FOLLOW_MAX_NS ? FOLLOW_MAX_NS : interval;
}

/* A change to where the call may have sent it, back to where it was, or beyond, is no surprise. */
bool intent_explains(const struct reconcile *r, const struct target *t, uint32_t to)
{
	const struct intent *in = t->intent;

	if (!in || in->state == INTENT_STORING)
		return false;
	return to == in->from || to == in->to || order_of(r, t, to, in->to) == VERSION_ORDER_NEWER;
}

/* ---- beginning ---- */

static struct action *plan_add_intent(struct reconcile *r, enum action_kind kind, const struct intent *in)
{
	struct action *a = plan_add(r, kind);

	a->scope = in->scope;
	a->instance = in->instance;
	a->target = in->target;
	a->intent = in->id;
	a->from = strings_text(&r->strings, in->from);
	a->to = strings_text(&r->strings, in->to);
	return a;
}

static void intent_fill(struct reconcile *r, struct intent *in, uint32_t target, int64_t fresh_ns)
{
	const struct target *t = target_at(r, target);
	const struct device *d = device_at(r, t->device);
	const struct instance *inst = instance_at(r, d->instance);
	uint32_t index = r->settings->pins[inst->pin].policy[t->version_type];
	const struct policy *policy = &r->settings->policies[index];

	*in = (struct intent){
		.id = ++r->intents_made,
		.target = target, .instance = d->instance, .scope = inst->scope,
		.policy = r->policy_of[index], .policy_index = index,
		.from = t->reported, .to = target_next(t), .goal = target_desired(t),
		.is_vpn_verified = policy->verify.vpn,
		.created_ns = r->now_ns, .fresh_ns = fresh_ns,
		.deadline_length_ns = policy->deadline_ns, .soak_ns = policy->verify.soak_ns,
		.soak_start_ns = NEVER, .next_verify_ns = NEVER,
		.version_type = (enum version_type)t->version_type,
	};
	snprintf(in->instance_id, sizeof(in->instance_id), "%s", inst->text);
	snprintf(in->serial_number, sizeof(in->serial_number), "%s", d->serial_number);
}

void intent_create(struct reconcile *r, uint32_t target, int64_t fresh_ns, uint32_t probe)
{
	struct target *t = target_at(r, target);
	struct intent *in = malloc(sizeof(*in));

	if (!in || !grow(r, &r->intents, r->n_intents, &r->cap_intents, sizeof(struct intent *))) {
		r->is_out_of_memory = true;
		free(in);
		return;
	}
	intent_fill(r, in, target, fresh_ns);
	in->probe = probe;
	in->site = site_take(r, in->policy, t->site);
	if (probe != NONE)
		pacing_probe_called(r, probe);
	r->intents[r->n_intents++] = in;
	t->intent = in;
	target_instance(r, t)->intent = in;
	timers_cancel(&r->timers, &t->timer);
	pacing_count(r, r->policies[in->policy], in);
	memory_intent(r, in);
	memory_tally(r, in->scope, TALLY_STARTED, in->version_type, r->policies[in->policy]->name, REASON_NONE);
	plan_add_intent(r, ACTION_TELL_STARTED, in);
	device_update(r, t->device);
}

/* Where it counts follows what a site is now (rule 5). */
void intent_move_site(struct reconcile *r, struct intent *in, uint32_t name)
{
	uint32_t old = in->site;

	if (old == NONE ? name == 0 : site_has(r, old, name))
		return;
	in->site = site_take(r, in->policy, name);
	site_give(r, old);
	memory_intent(r, in);
}

/* What an earlier life left: it may have called, so nobody calls again, and what is seen decides (rules 3 and 11). */
static struct intent *intent_read(struct reconcile *r, const struct record *rec)
{
	struct intent *in = calloc(1, sizeof(*in));
	bool is_sent = rec->number[REC_INTENT_SENT] != NEVER;

	if (!in) {
		r->is_out_of_memory = true;
		return NULL;
	}
	in->id = (uint64_t)rec->number[REC_INTENT_ID];
	in->version_type = (enum version_type)rec->number[REC_INTENT_VERSION_TYPE];
	in->state = rec->number[REC_INTENT_STATE] == RECORD_INTENT_ACCEPTED ? INTENT_ACCEPTED : INTENT_UNCONFIRMED;
	in->scope = scope_find(r, rec->text[REC_INTENT_TEXT_ACCOUNT], rec->text[REC_INTENT_TEXT_REGION]);
	in->policy = policy_ensure(r, rec->text[REC_INTENT_TEXT_POLICY]);
	in->policy_index = r->is_out_of_memory ? POLICY_NONE : r->policies[in->policy]->index;
	in->from = intern(r, rec->text[REC_INTENT_TEXT_FROM]);
	in->to = intern(r, rec->text[REC_INTENT_TEXT_TO]);
	in->goal = intern(r, rec->text[REC_INTENT_TEXT_GOAL]);
	in->probe = NONE;
	in->site = r->is_out_of_memory ? NONE : site_take(r, in->policy, intern(r, rec->text[REC_INTENT_TEXT_SITE]));
	in->is_code_unknown = rec->number[REC_INTENT_IS_CODE_UNKNOWN] != 0;
	in->is_seen = rec->number[REC_INTENT_IS_SEEN] != 0;
	in->is_vpn_verified = rec->number[REC_INTENT_IS_VPN_VERIFIED] != 0;
	in->deadline_length_ns = rec->number[REC_INTENT_DEADLINE_LENGTH];
	in->soak_ns = rec->number[REC_INTENT_SOAK_LENGTH];
	in->created_ns = in->fresh_ns = rec->number[REC_INTENT_CREATED];
	in->sent_ns = is_sent ? rec->number[REC_INTENT_SENT] : in->created_ns;
	in->accepted_ns = in->state == INTENT_ACCEPTED ? rec->number[REC_INTENT_ACCEPTED] : 0;
	in->deadline_ns = in->sent_ns + in->deadline_length_ns;
	in->seen_ns = in->is_seen ? rec->number[REC_INTENT_SEEN] : 0;
	in->soak_start_ns = in->next_verify_ns = NEVER;
	in->next_follow_ns = r->now_ns;
	snprintf(in->instance_id, sizeof(in->instance_id), "%s", rec->text[REC_INTENT_TEXT_INSTANCE]);
	snprintf(in->serial_number, sizeof(in->serial_number), "%s", rec->text[REC_INTENT_TEXT_SERIAL]);
	return in;
}

static void intent_insert(struct reconcile *r, struct intent *in)
{
	uint32_t place = intent_place(r, in->id);

	if (!grow(r, &r->intents, r->n_intents, &r->cap_intents, sizeof(struct intent *))) {
		free(in);
		return;
	}
	memmove(r->intents + place + 1, r->intents + place, (r->n_intents - place) * sizeof(struct intent *));
	r->intents[place] = in;
	r->n_intents++;
	if (in->id > r->intents_made)
		r->intents_made = in->id;
}

/*
 * Nobody heard what became of its call: it may have left, and so it is an attempt. What it is now is stored together
 * with the count, so no later life counts it again.
 */
static void intent_count_unheard(struct reconcile *r, struct intent *in)
{
	struct history *h = target_history(r, target_at(r, in->target));

	if (!h)
		return;
	h->counts.attempts++;
	memory_target(r, in->target);
	memory_intent(r, in);
}

void intent_restore(struct reconcile *r, const struct record *rec)
{
	struct intent *in = intent_read(r, rec);
	unsigned int position = rec->number[REC_INTENT_POSITION] == 1;
	uint32_t device;

	if (!in || r->is_out_of_memory) {
		free(in);
		return;
	}
	in->instance = fleet_restore(r, in->scope, in->instance_id, in->serial_number, position);
	device = device_find(r, in->serial_number);
	in->target = in->instance == NONE || device == NONE ? NONE : target_ensure(r, device, in->version_type);
	if (in->target == NONE || target_at(r, in->target)->intent) {
		free(in); /* rule 1 was kept when they were stored: a second one is a damaged store */
		return;
	}
	intent_insert(r, in);
	if (r->is_out_of_memory)
		return;
	target_at(r, in->target)->intent = in;
	instance_at(r, in->instance)->intent = in;
	if (rec->number[REC_INTENT_STATE] == RECORD_INTENT_REQUESTED)
		intent_count_unheard(r, in);
	pacing_restore_intent(r, in);
	instance_repin(r, in->instance);
	schedule_follow(r, in);
	intent_check(r, in);
	instance_update(r, in->instance);
}

/* ---- end ---- */

static void intent_count_outcome(struct reconcile *r, const struct intent *in, enum intent_outcome outcome)
{
	struct history *h = target_history(r, target_at(r, in->target));

	if (!h)
		return;
	if (outcome == INTENT_VERIFIED)
		h->counts.last_success_s = r->wall_s;
	if (outcome == INTENT_FAILED) {
		h->counts.failures++;
		h->counts.last_failure_s = r->wall_s;
	}
	memory_target(r, in->target);
}

static void intent_tally(struct reconcile *r, const struct intent *in, enum intent_outcome outcome, enum reason reason)
{
	uint32_t policy = r->policies[in->policy]->name;

	if (outcome == INTENT_VERIFIED)
		memory_tally(r, in->scope, TALLY_SUCCEEDED, in->version_type, policy, REASON_NONE);
	else if (outcome == INTENT_FAILED || outcome == INTENT_REFUSED || outcome == INTENT_NO_EFFECT)
		memory_tally(r, in->scope, TALLY_FAILED, in->version_type, policy, reason);
}

/* Instances that were only kept for an intent go with it. */
static void instance_let_go(struct reconcile *r, uint32_t slot)
{
	struct instance *inst = instance_at(r, slot);

	if (inst->born == 0 || inst->is_leaving)
		return;
	if ((inst->absences >= ABSENCES_TO_LEAVE || inst->scope == NONE) && !instance_has_intent(r, inst))
		instance_remove(r, slot);
	else
		instance_update(r, slot);
}

/* Not a hop that was reached, nor what the target has no part in (rule 9). */
static bool is_try(const struct intent *in, enum intent_outcome outcome, enum reason reason)
{
	if (outcome == INTENT_VERIFIED)
		return in->to == in->goal;
	if (outcome == INTENT_REFUSED)
		return reason != REASON_THROTTLED && reason != REASON_OFFLINE && reason != REASON_CREDENTIALS;
	return outcome != INTENT_WITHDRAWN;
}

/* An operator's "now" is for one try; it goes on over hops, and each may take its time. */
static void urgency_settle(const struct reconcile *r, const struct intent *in, enum intent_outcome outcome, enum reason reason)
{
	struct history *h = target_at(r, in->target)->history;

	if (h && is_try(in, outcome, reason))
		h->urgent = 0;
	else if (h && outcome == INTENT_VERIFIED)
		h->urgent_until_ns = r->now_ns + in->deadline_length_ns;
}

static void intent_settle(struct reconcile *r, struct intent *in, enum intent_outcome outcome, enum reason reason)
{
	uint32_t place = intent_place(r, in->id), device = target_at(r, in->target)->device;
	uint32_t owner = device_at(r, device)->instance;
	struct action *a = plan_add_intent(r, ACTION_TELL_SETTLED, in);

	a->outcome = outcome;
	a->reason = reason;
	in->state = INTENT_SETTLED;
	in->settled_ns = r->now_ns;
	intent_count_outcome(r, in, outcome);
	intent_tally(r, in, outcome, reason);
	if (outcome == INTENT_VERIFIED || outcome == INTENT_FAILED)
		rollout_ended(r, in, outcome == INTENT_FAILED, reason);
	urgency_settle(r, in, outcome, reason);
	memory_intent(r, in);
	pacing_uncount(r, r->policies[in->policy], in, outcome == INTENT_WITHDRAWN);
	pacing_probe_ended(r, in->probe);
	site_give(r, in->site);
	in->site = NONE;
	r->n_intents--;
	memmove(r->intents + place, r->intents + place + 1, (r->n_intents - place) * sizeof(struct intent *));
	if (grow(r, &r->settled, r->n_settled, &r->cap_settled, sizeof(struct intent *)))
		r->settled[r->n_settled++] = in;
	timers_cancel(&r->timers, &target_at(r, in->target)->timer);
	target_at(r, in->target)->intent = NULL;
	instance_at(r, in->instance)->intent = NULL;
	instance_let_go(r, in->instance);
	if (owner != in->instance)
		instance_let_go(r, owner);
	device_update(r, device);
}

/* One more attempt on this version; the next one has to wait, and when none is left, `reason` is shown. */
static void intent_attempted(struct reconcile *r, const struct intent *in, enum reason reason)
{
	struct target *t = target_at(r, in->target);
	struct attempts *tried = target_attempts(r, t, in->to);
	uint32_t policy = target_policy(r, t);
	const struct policy *p;

	if (!tried)
		return;
	tried->n++;
	tried->reason = (uint8_t)reason;
	memory_attempts(r, in->target, tried);
	memory_target(r, in->target); /* the wait */
	if (policy == NONE)
		policy = in->policy; /* its instance was restored, and its pin is not known before a read tells its name */
	if (r->policies[policy]->index == POLICY_NONE)
		return;
	p = &r->settings->policies[r->policies[policy]->index];
	target_back_off(t, r->now_ns + backoff_jittered_ns(&r->seed, p->retry.first_ns, p->retry.max_ns, tried->n - 1));
}

static void intent_fail(struct reconcile *r, struct intent *in, enum reason reason)
{
	intent_attempted(r, in, reason);
	intent_settle(r, in, reason == REASON_NO_EFFECT ? INTENT_NO_EFFECT : INTENT_FAILED, reason);
}

/* ---- stored ---- */

static bool intent_may_call(const struct reconcile *r, const struct intent *in)
{
	const struct target *t = target_at(r, in->target);
	const struct device *d = device_at(r, t->device);
	const struct policy_state *p = r->policies[in->policy];
	enum reason reason;

	if (r->now_ns - in->fresh_ns > FRESH_MAX_AGE_NS || d->claims == NONE || d->instance != in->instance ||
	    instance_at(r, in->instance)->scope == NONE || !stand_may_call(r, in->target))
		return false;
	if (t->reported != in->from || target_next(t) != in->to || target_desired(t) != in->goal || target_policy(r, t) != in->policy ||
	    version_is_never(r, &r->settings->pins[target_pin(r, t)], in->to) || !pacing_allows(r, in->target))
		return false;
	reason = pacing_scope_reason(r, instance_at(r, in->instance)->scope);
	if (reason != REASON_NONE && !(reason == REASON_CREDENTIALS && in->probe != NONE && !r->accounts[in->probe]->is_unusable))
		return false;
	/* tighter limits hold at once, for what has not left */
	return !site_is_over(r, in->site) && r->in_flight <= r->settings->max_in_flight && p->in_flight <= pacing_limit(r, p) &&
	       (target_is_urgent(t) || pacing_starts(r, p) <= r->settings->policies[p->index].max_starts_per_hour);
}

static void intent_call(struct reconcile *r, struct intent *in)
{
	struct action *a = plan_add_intent(r, ACTION_UPGRADE, in);

	in->state = INTENT_CALLING;
	a->not_after_ns = in->fresh_ns + FRESH_MAX_AGE_NS;
}

void intent_stored(struct reconcile *r, uint64_t ticket, bool is_stored)
{
	uint32_t next;

	while ((next = intents_storing(r)) < r->n_intents && r->intents[next]->store_ticket == ticket) {
		if (is_stored && intent_may_call(r, r->intents[next]))
			intent_call(r, r->intents[next]);
		else
			intent_settle(r, r->intents[next], INTENT_WITHDRAWN, is_stored ? REASON_NONE : REASON_STATE_STORE);
	}
}

/* ---- called ---- */

/* A failed reason that can be shown; the shell's table gives one, but never none. */
static enum reason refusal_reason(enum reason reason)
{
	return reason_phase(reason) == PHASE_FAILED ? reason : REASON_REJECTED;
}

/* By class (rule 9): what the target does next. Returns the reason that is told. */
static enum reason intent_take_refusal(struct reconcile *r, struct intent *in, enum error_class class, enum reason reason)
{
	struct target *t = target_at(r, in->target);
	struct attempts *tried;
	bool is_probe = in->probe != NONE;

	switch (class) {
	case ERROR_CLASS_THROTTLED:
		pacing_throttled(r, in->scope);
		return REASON_THROTTLED;
	case ERROR_CLASS_OFFLINE:
		target_wait(r, t, WAIT_OFFLINE, REASON_OFFLINE);
		return REASON_OFFLINE;
	case ERROR_CLASS_ACCOUNT:
		pacing_refused_account(r, in->scope, is_probe);
		return REASON_CREDENTIALS;
	case ERROR_CLASS_BLOCKED:
		reason = refusal_reason(reason);
		target_wait(r, t, WAIT_BLOCKED, reason);
		if (reason == REASON_FORBIDDEN)
			pacing_refused_forbidden(r, in->scope, in->instance, is_probe);
		return reason;
	case ERROR_CLASS_TERMINAL:
		tried = target_attempts(r, t, in->to);
		if (tried) {
			tried->is_terminal = true;
			tried->reason = (uint8_t)refusal_reason(reason);
			memory_attempts(r, in->target, tried);
		}
		return refusal_reason(reason);
	case ERROR_CLASS_NONE:
	case ERROR_CLASS_TRANSIENT:
	case ERROR_CLASS_UNCONFIRMED:
	case ERROR_CLASS_N:
		break;
	}
	intent_attempted(r, in, REASON_RETRIES);
	return REASON_RETRIES;
}

static void intent_refused(struct reconcile *r, struct intent *in, enum error_class class, enum reason reason)
{
	struct history *h = target_history(r, target_at(r, in->target));
	bool is_failure = class != ERROR_CLASS_THROTTLED && class != ERROR_CLASS_OFFLINE && class != ERROR_CLASS_ACCOUNT;
	bool is_authorized = class != ERROR_CLASS_ACCOUNT && class != ERROR_CLASS_THROTTLED && reason != REASON_FORBIDDEN;

	if (h && is_failure) {
		h->counts.failures++;
		h->counts.last_failure_s = r->wall_s;
	}
	reason = intent_take_refusal(r, in, class, reason);
	if (is_authorized)
		pacing_call_passed(r, in->scope, false, in->probe != NONE);
	intent_settle(r, in, INTENT_REFUSED, reason);
}

static void intent_sent(struct reconcile *r, struct intent *in, bool is_accepted, bool is_code_unknown)
{
	target_clear_wait(target_at(r, in->target));
	in->state = is_accepted ? INTENT_ACCEPTED : INTENT_UNCONFIRMED;
	in->accepted_ns = is_accepted ? r->now_ns : 0;
	in->is_code_unknown = is_code_unknown;
	in->deadline_ns = in->sent_ns + in->deadline_length_ns;
	in->next_follow_ns = r->now_ns + intent_follow_interval(in);
	memory_intent(r, in);
	memory_target(r, in->target);
	if (is_accepted)
		pacing_call_passed(r, in->scope, true, in->probe != NONE);
	pacing_probe_ended(r, in->probe);
	in->probe = NONE;
	schedule_follow(r, in);
	device_update(r, target_at(r, in->target)->device);
	intent_check(r, in);
}

void intent_called(struct reconcile *r, const struct event *ev)
{
	struct intent *in = intent_find(r, ev->called.intent);
	struct history *h;

	if (!in || in->state != INTENT_CALLING)
		return;
	if (ev->called.outcome == CALL_NOT_SENT) {
		target_wait(r, target_at(r, in->target), WAIT_UNSENT, REASON_PRECHECK);
		intent_settle(r, in, INTENT_WITHDRAWN, REASON_NONE);
		return;
	}
	h = target_history(r, target_at(r, in->target));
	if (h && !(ev->called.outcome == CALL_REFUSED && ev->called.class == ERROR_CLASS_THROTTLED))
		h->counts.attempts++;
	in->sent_ns = ev->called.sent_ns > 0 && ev->called.sent_ns < r->now_ns ? ev->called.sent_ns : r->now_ns;
	pacing_moved(r, r->policies[in->policy], in);
	if (ev->called.outcome == CALL_REFUSED)
		intent_refused(r, in, ev->called.class, ev->called.reason);
	else
		intent_sent(r, in, ev->called.outcome == CALL_ACCEPTED, ev->called.class == ERROR_CLASS_TERMINAL);
}

/* ---- followed ---- */

/* Where the version of the target stands against the goal, by facts read after the call left. */
static bool intent_fact(const struct reconcile *r, const struct intent *in, enum version_order *ret_order)
{
	const struct target *t = target_at(r, in->target);

	if (target_read_ns(r, t) <= in->sent_ns || !t->reported)
		return false;
	*ret_order = order_of(r, t, t->reported, in->to);
	return true;
}

static void intent_arm(struct reconcile *r, struct intent *in)
{
	int64_t due = in->deadline_ns, verify;

	if (in->is_seen) {
		due = in->seen_ns + in->soak_ns + in->deadline_length_ns;
		if (due <= r->now_ns)
			due = INT64_MAX; /* after a restart the soak may begin later than that */
		verify = in->soak_start_ns == NEVER || in->is_verifying ? INT64_MAX : in->soak_start_ns + in->soak_ns;
		if (verify < in->next_verify_ns)
			verify = in->next_verify_ns;
		due = verify < due ? verify : due;
	}
	/* past the deadline only an observation helps, or a listing without it */
	set_timer(r, &target_at(r, in->target)->timer, due > r->now_ns ? due : INT64_MAX);
}

static int64_t verify_limit_ns(const struct intent *in)
{
	return in->seen_ns + in->soak_ns + in->deadline_length_ns;
}

static bool has_left(const struct reconcile *r, const struct target *t)
{
	const struct instance *inst = target_instance(r, t);

	return device_at(r, t->device)->claims == NONE || inst->scope == NONE || inst->absences >= ABSENCES_TO_LEAVE;
}

/* What was read after the limit ends it: neither the cloud's silence nor our own sleep says that a device is ill. */
static void intent_check_soak(struct reconcile *r, struct intent *in, bool is_there)
{
	const struct target *t = target_at(r, in->target);

	if (r->now_ns >= verify_limit_ns(in) && has_left(r, t)) {
		intent_settle(r, in, INTENT_GONE, REASON_NONE);
		return;
	}
	if (target_read_ns(r, t) > verify_limit_ns(in) && (!is_there || !target_is_online(r, t))) {
		intent_fail(r, in, REASON_UNHEALTHY);
		return;
	}
	if (!is_there || !target_is_online(r, t))
		in->soak_start_ns = NEVER;
	else if (in->soak_start_ns == NEVER)
		in->soak_start_ns = r->now_ns;
	if (in->soak_start_ns != NEVER && r->now_ns >= in->soak_start_ns + in->soak_ns && r->now_ns >= in->next_verify_ns &&
	    !in->is_verifying)
		schedule_verify(r, in);
	intent_arm(r, in);
}

/* The first observation read after the deadline decides; without one, only having left does. */
static void intent_check_deadline(struct reconcile *r, struct intent *in)
{
	const struct target *t = target_at(r, in->target);

	if (has_left(r, t))
		intent_settle(r, in, INTENT_GONE, REASON_NONE);
	else if (target_read_ns(r, t) <= in->deadline_ns)
		intent_arm(r, in);
	else if (in->state == INTENT_ACCEPTED || !target_is_online(r, t) || t->reported != in->from)
		intent_fail(r, in, REASON_DEADLINE);
	else
		intent_fail(r, in, in->is_code_unknown ? REASON_REJECTED : REASON_NO_EFFECT);
}

void intent_check(struct reconcile *r, struct intent *in)
{
	enum version_order order = VERSION_ORDER_INCOMPARABLE;
	bool is_fact, is_there;

	if (!intent_is_sent(in) || r->is_out_of_memory)
		return;
	is_fact = intent_fact(r, in, &order);
	is_there = is_fact && order == VERSION_ORDER_SAME;
	if (is_fact && order == VERSION_ORDER_NEWER) {
		intent_settle(r, in, INTENT_VERIFIED, REASON_NONE);
		return;
	}
	if (is_there && !in->is_seen) {
		in->is_seen = true;
		in->seen_ns = r->now_ns;
		memory_intent(r, in);
		target_update(r, in->target);
	}
	if (in->is_seen)
		intent_check_soak(r, in, is_there);
	else if (r->now_ns >= in->deadline_ns)
		intent_check_deadline(r, in);
	else
		intent_arm(r, in);
}

void intents_check_of(struct reconcile *r, uint32_t instance)
{
	for (unsigned int k = 0; k < LIMIT_DEVICES; k++)
		for (unsigned int type = 0; type < VERSION_TYPE_N; type++) {
			uint32_t device = instance_at(r, instance)->claims[k].device;
			uint32_t target = device == NONE ? NONE : device_at(r, device)->targets[type];

			if (target != NONE && target_at(r, target)->intent)
				intent_check(r, target_at(r, target)->intent);
		}
}

/* All of that serial number must be: a read may show it twice. */
static bool is_healthy(const struct intent *in, const struct observation *o)
{
	bool is_there = false;

	if (o->status != STATUS_ACTIVE)
		return false;
	for (unsigned int i = 0; i < o->n_devices; i++) {
		const struct device_observation *d = &o->devices[i];

		if (strcmp(d->serial_number, in->serial_number) != 0)
			continue;
		is_there = true;
		if (d->status != STATUS_ACTIVE || d->controller == HEALTH_ABNORMAL || (d->vpn == HEALTH_ABNORMAL && in->is_vpn_verified))
			return false;
	}
	return is_there;
}

void intent_verify_failed(struct reconcile *r, struct intent *in)
{
	in->is_verifying = in->is_verify_wanted = false;
	in->next_verify_ns = r->now_ns + intent_follow_interval(in);
	intent_check(r, in);
}

/* The facts of the read are applied already; the soak that they may have broken has started again. */
void intent_verified(struct reconcile *r, struct intent *in, const struct observation *o)
{
	enum version_order order = VERSION_ORDER_INCOMPARABLE;
	bool is_soaked = in->is_seen && in->soak_start_ns != NEVER && r->now_ns >= in->soak_start_ns + in->soak_ns;

	if (is_soaked && intent_fact(r, in, &order) && order == VERSION_ORDER_SAME && is_healthy(in, o))
		intent_settle(r, in, INTENT_VERIFIED, REASON_NONE);
	else if (in->is_seen && target_read_ns(r, target_at(r, in->target)) > verify_limit_ns(in))
		intent_fail(r, in, REASON_UNHEALTHY);
	else
		intent_verify_failed(r, in);
}
