/*
 * The cloud's own upgrader: it moves devices by a policy of its own, one for each device and version type.
 *
 * What each managed target's policy says is read at a slow pace: never read ones first, then all once in an interval.
 * Where the configuration says so, a policy that would move a pinned device is set to manual: first what it was is made
 * durable, then it is set, then it is read again. When the pin goes, what it was is put back. Both leave room for
 * everything else: of a scope one such call is under way at a time. Nothing is decided by anything but a read, so
 * after a restart, or a call of which nobody knows what became, the next read decides anew.
 */
#include "internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AUTO_LINK offsetof(struct target, auto_link)
#define AUTO_SHARE_OF_CALLS 4 /* reads and sets take at most a quarter of the calls */
#define AUTO_RETRY_MAX_NS (60 * NS_PER_S)
#define AUTO_TRIES 3 /* failed reads of a target in a row, before it waits for its turn like all others */
#define AUTO_WAIT_NS (60 * NS_PER_S)
#define AUTO_WAIT_MAX_NS HOUR_NS

static const char manual[] = "manual";
/* What the API wants with every policy, for one that was told without: every day at four, as in the vendor's own example. */
static const struct auto_upgrade_policy defaults = { .cron = "0 0 4 1/1 * ?", .time_zone = "Asia/Shanghai", .duration_min = 60 };

/* ---- what a policy means ---- */

static bool is_manual(const struct auto_upgrade_policy *p)
{
	return strcmp(p->upgrade_type, manual) == 0;
}

/* May it move a device? One without a type cannot be put back, so it is left alone. */
static bool is_against_pins(const struct auto_upgrade_policy *p)
{
	return p->upgrade_type[0] != '\0' && !is_manual(p);
}

/* Is it what `former` says, as far as that says anything? */
static bool is_put_back(const struct auto_upgrade_policy *p, const struct auto_upgrade_policy *former)
{
	return strcmp(p->upgrade_type, former->upgrade_type) == 0 && (!former->cron[0] || strcmp(p->cron, former->cron) == 0) &&
	       (!former->time_zone[0] || strcmp(p->time_zone, former->time_zone) == 0) &&
	       (!former->duration_min || p->duration_min == former->duration_min) && p->jitter_min == former->jitter_min;
}

/* ---- holds ---- */

/* It cannot be set for now: another look, later and later. */
static void hold_wait(struct reconcile *r, struct auto_hold *h)
{
	set_timer(r, &h->timer, r->now_ns + backoff_ns(AUTO_WAIT_NS, AUTO_WAIT_MAX_NS, h->n_waits++));
}

/* ---- what is wanted ---- */

static const struct policy *policy_wanted(const struct reconcile *r, const struct target *t)
{
	uint32_t policy = target_policy(r, t);

	return policy == NONE ? NULL : &r->settings->policies[r->policies[policy]->index];
}

static enum auto_wish wish_of(const struct reconcile *r, const struct target *t)
{
	const struct policy *policy = policy_wanted(r, t);

	/* a Dpi target that nobody saw may not be there at all, and could not be put back */
	if (policy && policy->auto_upgrade == AUTO_UPGRADE_HOLD && (t->reported || t->auto_hold))
		return AUTO_WISH_MANUAL;
	return t->auto_hold ? AUTO_WISH_FORMER : AUTO_WISH_NONE;
}

static bool is_wanted(const struct reconcile *r, const struct target *t)
{
	uint32_t scope = target_instance(r, t)->scope;
	const struct policy *policy = policy_wanted(r, t);

	return scope != NONE && r->settings->scopes[scope].auto_upgrade_interval_ns > 0 &&
	       (t->auto_hold || (policy && policy->auto_upgrade != AUTO_UPGRADE_IGNORE));
}

static bool is_paused(const struct reconcile *r, const struct target *t)
{
	uint32_t policy = target_policy(r, t);

	for (uint32_t i = 0; i < r->n_pauses; i++) {
		const struct pause *p = &r->pauses[i];

		if (p->policy == 0)
			return true;
		if (policy != NONE && p->policy == r->policies[policy]->name && (p->version == 0 || p->version == target_desired(t)) &&
		    (p->version_type < 0 || p->version_type == (int)t->version_type))
			return true;
	}
	return false;
}

static bool is_held(const struct reconcile *r, const struct target *t)
{
	uint32_t pin = target_pin(r, t);

	return target_is_operator_held(t) || (pin != PIN_NONE && r->settings->pins[pin].is_held);
}

/* May nothing be set now, whatever is wished? */
static bool is_blocked(const struct reconcile *r, const struct target *t)
{
	const struct instance *inst = target_instance(r, t);

	return !r->settings->is_enforcing || pacing_scope_reason(r, inst->scope) != REASON_NONE || is_paused(r, t) || is_held(r, t) ||
	       instance_has_intent(r, inst) || device_at(r, t->device)->n_claims != 1;
}

/* ---- pace ---- */

/* The shortest time between two calls of a scope. */
static int64_t gentle_ns(const struct reconcile *r, uint32_t scope)
{
	double ns = (double)(AUTO_SHARE_OF_CALLS * NS_PER_S) / r->settings->scopes[scope].calls_per_second;

	return ns < 1.0 ? 1 : ns > (double)HOUR_NS ? HOUR_NS : (int64_t)ns;
}

static int64_t after(int64_t since_ns, int64_t delay_ns, int64_t now_ns)
{
	return since_ns == NEVER || since_ns + delay_ns < now_ns ? now_ns : since_ns + delay_ns;
}

/* A region that is down is not asked again and again at full pace. */
static int64_t any_due(const struct reconcile *r, uint32_t scope)
{
	const struct auto_upgrader *s = &r->scopes[scope]->auto_upgrader;
	int64_t gentle = gentle_ns(r, scope), slow = backoff_ns(gentle, AUTO_RETRY_MAX_NS, s->failures);

	return after(s->asked_ns, slow > gentle ? slow : gentle, r->now_ns);
}

static int64_t regular_due(const struct reconcile *r, uint32_t scope)
{
	const struct auto_upgrader *s = &r->scopes[scope]->auto_upgrader;
	int64_t n = s->n > 0 ? s->n : 1;

	return after(s->regular_ns, (r->settings->scopes[scope].auto_upgrade_interval_ns + n - 1) / n, any_due(r, scope));
}

static void arm(struct reconcile *r, uint32_t scope)
{
	struct auto_upgrader *s = &r->scopes[scope]->auto_upgrader;
	int64_t due = INT64_MAX;

	if (s->ticket != 0)
		due = INT64_MAX; /* the answer arms it */
	else if (s->lists[AUTO_LIST_SET].head != NONE || s->lists[AUTO_LIST_ACT].head != NONE || s->lists[AUTO_LIST_FIRST].head != NONE)
		due = any_due(r, scope);
	else if (s->lists[AUTO_LIST_REGULAR].head != NONE)
		due = regular_due(r, scope);
	set_timer(r, &s->timer, due > r->now_ns ? due : r->now_ns + 1); /* the timers of this step may have run (rule 10) */
}

/* ---- lists ---- */

/* To the end of that list. */
static void move(struct reconcile *r, uint32_t slot, enum auto_list to)
{
	struct target *t = target_at(r, slot);
	struct auto_upgrader *s = &r->scopes[t->auto_scope]->auto_upgrader;

	if (t->auto_list != AUTO_LIST_NONE)
		list_remove(&r->targets, &s->lists[t->auto_list], slot, AUTO_LINK);
	t->auto_list = (uint8_t)to;
	if (to != AUTO_LIST_NONE)
		list_append(&r->targets, &s->lists[to], slot, AUTO_LINK);
	arm(r, t->auto_scope);
}

static void lists_leave(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);

	if (t->auto_list == AUTO_LIST_NONE)
		return;
	r->scopes[t->auto_scope]->auto_upgrader.n--;
	move(r, slot, AUTO_LIST_NONE);
}

/* The wish is another than the one that was worked for: nothing that went before counts. */
static bool is_wish_new(struct reconcile *r, const struct target *t)
{
	struct auto_hold *h = auto_hold_of(r, t);
	enum auto_wish wish = wish_of(r, t);

	if (!h || h->wish == wish)
		return false;
	if (h->wish != AUTO_WISH_NONE || wish != AUTO_WISH_MANUAL) /* else as an earlier life left it */
		h->not_before_ns = NEVER;
	h->wish = (uint8_t)wish;
	h->n_sets = h->n_waits = 0;
	h->is_kept_back = false;
	timers_cancel(&r->timers, &h->timer);
	return true;
}

/* What stood in its way is gone: it need not wait for its timer. */
static bool is_free_again(struct reconcile *r, const struct target *t)
{
	struct auto_hold *h = auto_hold_of(r, t);

	if (!h || !h->is_kept_back || !target_is_online(r, t) || is_blocked(r, t))
		return false;
	h->is_kept_back = false;
	h->n_waits = 0;
	timers_cancel(&r->timers, &h->timer);
	return true;
}

static enum auto_list list_for(struct reconcile *r, const struct target *t)
{
	const struct auto_upgrade_policy *policy = auto_policy_of(r, t);

	if (t->auto_list == AUTO_LIST_SET)
		return AUTO_LIST_SET;
	if (t->auto_list == AUTO_LIST_ACT || is_wish_new(r, t) || is_free_again(r, t))
		return AUTO_LIST_ACT;
	if (!target_is_online(r, t))
		return AUTO_LIST_REGULAR;
	if (!policy)
		return t->auto_failures < AUTO_TRIES ? AUTO_LIST_FIRST : AUTO_LIST_REGULAR;
	/* it was read when it was not to be held */
	if (!t->auto_hold && r->settings->is_enforcing && wish_of(r, t) == AUTO_WISH_MANUAL && is_against_pins(policy))
		return AUTO_LIST_ACT;
	return AUTO_LIST_REGULAR;
}

void auto_look(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	uint32_t scope = target_instance(r, t)->scope;
	bool is_in = is_wanted(r, t);
	enum auto_list to;

	if (t->auto_list != AUTO_LIST_NONE && (!is_in || t->auto_scope != scope))
		lists_leave(r, slot);
	if (!is_in) {
		auto_policy_release(r, &t->auto_policy);
		return;
	}
	if (t->auto_list == AUTO_LIST_NONE) {
		t->auto_scope = scope;
		r->scopes[scope]->auto_upgrader.n++;
	}
	to = list_for(r, t);
	if (to != (enum auto_list)t->auto_list)
		move(r, slot, to);
}

void auto_leave(struct reconcile *r, uint32_t slot)
{
	lists_leave(r, slot);
	auto_policy_release(r, &target_at(r, slot)->auto_policy);
}

void auto_give(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	uint32_t hold = auto_hold_find(r, device_at(r, t->device)->serial_number, (enum version_type)t->version_type);

	if (hold == NONE)
		return;
	t->auto_hold = hold + 1;
	auto_hold_at(r, hold)->target = slot;
}

void auto_gone(struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	struct auto_hold *h = auto_hold_of(r, t);

	if (h) {
		h->target = NONE;
		h->left_ns = r->now_ns;
		timers_cancel(&r->timers, &h->timer);
	}
	/* what was asked for in this very step is taken out of the plan with it, and answered by nobody */
	for (uint32_t i = 0; i < r->n_scopes; i++) {
		struct auto_upgrader *s = &r->scopes[i]->auto_upgrader;

		if (s->ticket == 0 || s->asked_step != r->steps || s->target_id != t->id)
			continue;
		s->ticket = 0;
		arm(r, i);
	}
}

void auto_scope_init(struct auto_upgrader *s)
{
	*s = (struct auto_upgrader){ .asked_ns = NEVER, .regular_ns = NEVER };
	for (unsigned int i = 0; i < AUTO_LIST_N; i++)
		s->lists[i] = (struct list){ NONE, NONE };
}

void auto_scope(struct reconcile *r, uint32_t scope)
{
	arm(r, scope);
}

/* The order of the lists stays, or with often other settings the last ones would never have their turn. */
void auto_settings(struct reconcile *r, const uint32_t *moved)
{
	for (uint32_t slot = 0; slot < r->targets.n; slot++) {
		struct target *t = target_at(r, slot);

		if (t->auto_list == AUTO_LIST_NONE)
			continue;
		t->auto_scope = moved[t->auto_scope];
		if (t->auto_scope != NONE)
			continue;
		t->auto_list = AUTO_LIST_NONE;
		t->auto_link = (struct link){ NONE, NONE };
	}
}

/* ---- calls ---- */

static struct action *ask(struct reconcile *r, uint32_t slot, enum action_kind kind)
{
	const struct target *t = target_at(r, slot);
	struct auto_upgrader *s = &r->scopes[t->auto_scope]->auto_upgrader;
	struct action *a = plan_add(r, kind);

	s->ticket = ++r->tickets;
	s->target = slot;
	s->target_id = t->id;
	s->asked_step = r->steps;
	s->is_setting = kind == ACTION_SET_AUTO_UPGRADE;
	a->ticket = s->ticket;
	a->scope = t->auto_scope;
	a->instance = device_at(r, t->device)->instance;
	a->target = slot;
	a->purpose = READ_AUTO_UPGRADE;
	return a;
}

/* The reference wants all of it, whatever the type is. */
static void fill(struct auto_upgrade_policy *p)
{
	if (!p->cron[0])
		strcpy(p->cron, defaults.cron);
	if (!p->time_zone[0])
		strcpy(p->time_zone, defaults.time_zone);
	if (p->duration_min == 0)
		p->duration_min = defaults.duration_min;
}

static void ask_set(struct reconcile *r, uint32_t slot, struct auto_hold *h)
{
	struct auto_upgrader *s = &r->scopes[target_at(r, slot)->auto_scope]->auto_upgrader;
	struct action *a = ask(r, slot, ACTION_SET_AUTO_UPGRADE);

	s->policy = *auto_policy_text(r, h->former);
	if (h->wish == AUTO_WISH_MANUAL)
		strcpy(s->policy.upgrade_type, manual);
	fill(&s->policy);
	a->auto_upgrade = &s->policy;
	a->not_after_ns = r->now_ns + FRESH_MAX_AGE_NS;
	h->is_sent |= h->wish == AUTO_WISH_MANUAL;
	h->is_confirming = true;
	h->set_ns = r->now_ns;
	h->not_before_ns = r->now_ns + backoff_ns(AUTO_WAIT_NS, AUTO_WAIT_MAX_NS, h->n_sets++);
	h->n_waits = 0;
}

/* Was it read so short a time ago that it may be acted upon? At a slow pace that is a little longer. */
static bool is_fresh(const struct reconcile *r, const struct auto_hold *h, uint32_t scope)
{
	int64_t gentle = 2 * gentle_ns(r, scope);

	return h->read_ns != NEVER && r->now_ns - h->read_ns <= (gentle > FRESH_MAX_AGE_NS ? gentle : FRESH_MAX_AGE_NS);
}

/* Is what was read last not what is wished, and in our hands? */
static bool is_to_set(const struct reconcile *r, const struct target *t, const struct auto_hold *h)
{
	const struct auto_upgrade_policy *policy = auto_policy_of(r, t);

	return h->wish == AUTO_WISH_MANUAL ? is_against_pins(policy) : is_manual(policy);
}

static void act(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	struct auto_hold *h = auto_hold_of(r, t);

	move(r, slot, AUTO_LIST_REGULAR);
	if (h && t->auto_policy && is_fresh(r, h, t->auto_scope) && !is_to_set(r, t, h))
		return;
	if (h)
		h->is_kept_back = !target_is_online(r, t) || (t->auto_policy && is_blocked(r, t));
	if (h && h->is_kept_back)
		hold_wait(r, h);
	else if (!h || !h->is_stored || !is_fresh(r, h, t->auto_scope) || !t->auto_policy)
		ask(r, slot, ACTION_READ);
	else if (r->now_ns < h->not_before_ns)
		set_timer(r, &h->timer, h->not_before_ns);
	else
		ask_set(r, slot, h);
}

static enum auto_list whose_turn(const struct auto_upgrader *s)
{
	enum auto_list list = AUTO_LIST_SET;

	while (list < AUTO_LIST_REGULAR && s->lists[list].head == NONE)
		list++;
	return list;
}

void auto_turn(struct reconcile *r, uint32_t scope)
{
	struct auto_upgrader *s = &r->scopes[scope]->auto_upgrader;
	enum auto_list from = whose_turn(s);
	uint32_t slot = s->lists[from].head;

	if (slot == NONE || r->now_ns < (from == AUTO_LIST_REGULAR ? regular_due(r, scope) : any_due(r, scope))) {
		arm(r, scope);
		return;
	}
	s->asked_ns = r->now_ns;
	if (from >= AUTO_LIST_FIRST)
		s->regular_ns = r->now_ns;
	if (from < AUTO_LIST_FIRST) {
		act(r, slot);
	} else {
		move(r, slot, from);
		if (target_is_online(r, target_at(r, slot)))
			ask(r, slot, ACTION_READ);
	}
	arm(r, scope);
}

void auto_hold_turn(struct reconcile *r, uint32_t hold)
{
	const struct auto_hold *h = auto_hold_at(r, hold);
	uint32_t slot = h->target;

	/* behind many others what was read would not be fresh any more when it is its turn, again and again */
	if (slot != NONE && target_at(r, slot)->auto_list != AUTO_LIST_NONE)
		move(r, slot, is_fresh(r, h, target_at(r, slot)->auto_scope) ? AUTO_LIST_SET : AUTO_LIST_ACT);
}

/* ---- what was read ---- */

static void tell(struct reconcile *r, uint32_t slot, enum auto_upgrade_change change, const char *from, const char *to)
{
	struct action *a = plan_add(r, ACTION_TELL_AUTO_UPGRADE);
	const struct target *t = target_at(r, slot);

	a->target = slot;
	a->instance = device_at(r, t->device)->instance;
	a->scope = target_instance(r, t)->scope;
	a->auto_upgrade_change = change;
	a->from = strings_text(&r->strings, intern(r, from));
	a->to = strings_text(&r->strings, intern(r, to));
}

/* It is to be set: at its turn, but not before it may be. */
static void go(struct reconcile *r, uint32_t slot, struct auto_hold *h)
{
	if (h->is_confirming && h->n_sets == 1)
		tell(r, slot, AUTO_UPGRADE_NOT_TAKEN, auto_policy_of(r, target_at(r, slot))->upgrade_type,
		     h->wish == AUTO_WISH_MANUAL ? manual : auto_policy_text(r, h->former)->upgrade_type);
	if (r->now_ns < h->not_before_ns)
		set_timer(r, &h->timer, h->not_before_ns);
	else
		move(r, slot, AUTO_LIST_SET);
}

/* A new hold, or an old one of which somebody thought better: nothing is set before this is durable. */
static void hold_keep(struct reconcile *r, uint32_t slot, const struct auto_upgrade_policy *policy)
{
	struct target *t = target_at(r, slot);
	struct auto_hold *h = auto_hold_of(r, t);

	if (!h) {
		uint32_t hold = auto_hold_new(r, device_at(r, t->device)->serial_number, (enum version_type)t->version_type, target_instance(r, t)->text, policy);

		if (hold == NONE)
			return;
		t->auto_hold = hold + 1;
		h = auto_hold_at(r, hold);
		h->target = slot;
		h->read_ns = r->now_ns;
		h->wish = AUTO_WISH_MANUAL;
	}
	auto_policy_set(r, &h->former, policy);
	h->is_taken = false;
	h->n_sets = 0;
	auto_hold_touch(r, h);
}

static void hold_fulfilled(struct reconcile *r, uint32_t slot, struct auto_hold *h)
{
	if (h->set_ns == NEVER) /* in an earlier life */
		h->set_ns = r->now_ns;
	if (!h->is_taken) {
		tell(r, slot, AUTO_UPGRADE_HELD, auto_policy_text(r, h->former)->upgrade_type, manual);
		h->is_taken = true;
		h->held_since_s = r->wall_s - (r->now_ns - h->set_ns) / NS_PER_S;
		auto_hold_touch(r, h);
	}
	h->n_sets = h->n_waits = 0;
	h->not_before_ns = h->set_ns + AUTO_AGAIN_NS;
}

static void wish_manual(struct reconcile *r, uint32_t slot, const struct auto_upgrade_policy *policy)
{
	struct target *t = target_at(r, slot);
	struct auto_hold *h = auto_hold_of(r, t);

	if (is_manual(policy)) {
		if (h && h->is_sent)
			hold_fulfilled(r, slot, h);
		else if (h)
			auto_hold_drop(r, t->auto_hold - 1); /* somebody else did it */
		return;
	}
	if (!is_against_pins(policy) || !r->settings->is_enforcing)
		return;
	if (!h || h->is_taken || h->former != t->auto_policy)
		hold_keep(r, slot, policy);
	else if (h->is_stored)
		go(r, slot, h);
}

static void wish_former(struct reconcile *r, uint32_t slot, const struct auto_upgrade_policy *policy)
{
	uint32_t hold = target_at(r, slot)->auto_hold - 1;
	struct auto_hold *h = auto_hold_at(r, hold);

	if (is_manual(policy) && h->is_sent) {
		h->is_stored ? go(r, slot, h) : hold_wait(r, h);
		return;
	}
	/* it is as it was, or somebody else knew better */
	if (h->is_confirming && is_put_back(policy, auto_policy_text(r, h->former)))
		tell(r, slot, AUTO_UPGRADE_PUT_BACK, manual, policy->upgrade_type);
	auto_hold_drop(r, hold);
}

static void take(struct reconcile *r, uint32_t slot, const struct auto_upgrade_policy *policy)
{
	struct target *t = target_at(r, slot);
	struct auto_hold *h = auto_hold_of(r, t);
	const struct auto_upgrade_policy *old = auto_policy_of(r, t);

	if (old && strcmp(old->upgrade_type, policy->upgrade_type) != 0 && !(h && h->is_confirming))
		tell(r, slot, AUTO_UPGRADE_CHANGED, old->upgrade_type, policy->upgrade_type);
	auto_policy_set(r, &t->auto_policy, policy);
	t->auto_failures = 0;
	if (r->is_out_of_memory)
		return;
	if (h)
		h->read_ns = r->now_ns;
	policy = auto_policy_of(r, t);
	if (wish_of(r, t) == AUTO_WISH_MANUAL)
		wish_manual(r, slot, policy);
	else if (h)
		wish_former(r, slot, policy);
	h = auto_hold_of(r, t);
	if (h)
		h->is_confirming = false;
	if (target_is_hidden(r, t))
		target_update(r, slot); /* it leaves */
	else
		auto_look(r, slot);
}

/* Takes the question out; NONE: it is not asked any more, or its target is read no more. */
static uint32_t answered(struct reconcile *r, uint64_t ticket, bool is_setting, bool is_good)
{
	for (uint32_t i = 0; ticket != 0 && i < r->n_scopes; i++) {
		struct auto_upgrader *s = &r->scopes[i]->auto_upgrader;
		const struct target *t;

		if (s->ticket != ticket || s->is_setting != is_setting)
			continue;
		t = target_at(r, s->target);
		s->ticket = 0;
		s->failures = is_good ? 0 : s->failures + 1;
		arm(r, i);
		return t->born && t->id == s->target_id && t->auto_list != AUTO_LIST_NONE ? s->target : NONE;
	}
	return NONE;
}

void auto_read(struct reconcile *r, const struct event *ev)
{
	uint32_t slot;

	if (!ev->auto_upgrade.is_known || !ev->auto_upgrade.policy) {
		auto_read_failed(r, ev->auto_upgrade.ticket);
		return;
	}
	slot = answered(r, ev->auto_upgrade.ticket, false, true);
	if (slot == NONE)
		return;
	move(r, slot, AUTO_LIST_REGULAR);
	take(r, slot, ev->auto_upgrade.policy);
}

/* What was read before still holds. */
void auto_read_failed(struct reconcile *r, uint64_t ticket)
{
	uint32_t slot = answered(r, ticket, false, false);
	struct target *t = slot == NONE ? NULL : target_at(r, slot);
	struct auto_hold *h = t ? auto_hold_of(r, t) : NULL;

	if (!t)
		return;
	t->auto_failures = t->auto_failures < AUTO_TRIES ? (uint8_t)(t->auto_failures + 1) : AUTO_TRIES;
	move(r, slot, AUTO_LIST_REGULAR);
	if (h)
		hold_wait(r, h);
	auto_look(r, slot);
}

/* Whether it did or not, the next read tells: at once, or when it may be tried again. */
void auto_set(struct reconcile *r, const struct event *ev)
{
	uint32_t slot = answered(r, ev->auto_upgrade_set.ticket, true, ev->auto_upgrade_set.is_done);
	struct auto_hold *h = slot == NONE ? NULL : auto_hold_of(r, target_at(r, slot));

	if (!h)
		return;
	h->read_ns = NEVER;
	if (ev->auto_upgrade_set.is_done)
		move(r, slot, AUTO_LIST_ACT);
	else
		set_timer(r, &h->timer, h->not_before_ns);
}
