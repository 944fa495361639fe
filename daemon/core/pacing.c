/*
 * How many at once, how many an hour, and who is not to be called at all for now (rules 5 and 9).
 *
 * A start is counted from the moment its fresh read is asked for, so a burst of fresh reads never starts too many,
 * and an intent counts until it is settled. A start holds its place in the sliding hour from the making of its
 * intent, or, once the call left, from then on: whichever is later.
 */
#include "internal.h"

#include <string.h>

/* ---- limits ---- */

uint32_t pacing_limit(const struct reconcile *r, const struct policy_state *p)
{
	const struct limit *limit;
	double share;

	if (p->index == POLICY_NONE)
		return 0;
	limit = &r->settings->policies[p->index].max_in_flight;
	if (!limit->is_share)
		return limit->count;
	share = limit->share * (double)p->managed;
	return share < 1.0 ? 1 : (uint32_t)(share + 1e-9); /* 0.29 * 100 is a little below 29 */
}

uint32_t pacing_starts(const struct reconcile *r, const struct policy_state *p)
{
	uint32_t low = p->n_left_hour, high = p->n_starts;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (r->now_ns - p->starts[middle].time_ns >= HOUR_NS)
			low = middle + 1;
		else
			high = middle;
	}
	return p->n_starts - low;
}

enum reason pacing_policy_reason(const struct reconcile *r, const struct policy_state *p)
{
	if (r->in_flight + r->prechecks >= r->settings->max_in_flight || p->in_flight + p->prechecks >= pacing_limit(r, p))
		return REASON_MAX_IN_FLIGHT;
	if (pacing_starts(r, p) + p->prechecks >= r->settings->policies[p->index].max_starts_per_hour)
		return REASON_RATE;
	return REASON_NONE;
}

/* What holds a ready target back beside the scope and the rollout. */
enum reason pacing_ready_reason(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	uint32_t policy = target_policy(r, t);
	const struct policy_state *p = r->policies[policy];

	if ((t->place_kind == PLACE_SITE || target_is_urgent(t)) && site_is_full(r, policy, t->site))
		return REASON_SITE;
	if (target_is_urgent(t))
		return pacing_has_room(r, slot) ? REASON_NONE : REASON_MAX_IN_FLIGHT;
	if (r->wall_s < opening_due_s(r, p, target_instance(r, t)->hash))
		return REASON_RATE;
	return pacing_policy_reason(r, p);
}

/* Is there room for one more start below all limits? */
bool pacing_has_room(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	uint32_t policy = target_policy(r, t);
	const struct policy_state *p = r->policies[policy];

	if (site_is_full(r, policy, t->site) || r->in_flight + r->prechecks >= r->settings->max_in_flight)
		return false;
	if (target_is_urgent(t))
		return p->in_flight + p->prechecks < pacing_limit(r, p);
	return pacing_policy_reason(r, p) == REASON_NONE;
}

/* All that must be so for a target to be started or called now, once it is ready by itself. */
bool pacing_allows(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	const struct rollout *ro = t->rollout == NONE ? NULL : r->rollouts[t->rollout];

	return ro && rollout_reason(r, ro, t->wave, target_is_urgent(t)) == REASON_NONE &&
	       (target_is_urgent(t) || opening_gate_holds(r, r->policies[ro->policy]));
}

bool pacing_is_settled(const struct reconcile *r, const struct scope_state *s)
{
	return s->is_settled || (s->first_complete_ns != NEVER && r->now_ns - s->first_complete_ns >= r->longest_deadline_ns);
}

static bool account_is_closed(const struct account_state *a)
{
	return a->is_unusable || a->is_paused;
}

enum reason pacing_scope_reason(const struct reconcile *r, uint32_t scope)
{
	const struct scope_state *s = scope == NONE ? NULL : r->scopes[scope];

	if (!s)
		return REASON_NONE;
	if (r->settings->is_enforcing && (r->store_failures > 0 || !r->is_restored))
		return REASON_STATE_STORE;
	if (r->settings->is_enforcing && !pacing_is_settled(r, s))
		return REASON_SETTLING;
	if (account_is_closed(r->accounts[s->account]))
		return REASON_CREDENTIALS;
	return r->now_ns < s->throttled_until_ns ? REASON_THROTTLED : REASON_NONE;
}

/* Like the reason, but a paused account lets one probe through when it is time. */
bool pacing_may_start(const struct reconcile *r, uint32_t scope, uint32_t *ret_probe)
{
	const struct scope_state *s = r->scopes[scope];
	const struct account_state *a = r->accounts[s->account];
	enum reason reason = pacing_scope_reason(r, scope);

	*ret_probe = NONE;
	if (reason != REASON_CREDENTIALS)
		return reason == REASON_NONE;
	if (a->is_unusable || a->probes > 0 || r->now_ns < a->probe_ns || r->now_ns < s->throttled_until_ns)
		return false;
	*ret_probe = s->account;
	return true;
}

/* ---- what counts ---- */

/* Those that left the hour stay in front until they are more than the others: so each is moved once, and not at each start. */
static void starts_expire(struct reconcile *r, struct policy_state *p)
{
	uint32_t n = pacing_starts(r, p);

	for (; p->n_left_hour < p->n_starts - n; p->n_left_hour++)
		memory_start(r, p, p->starts[p->n_left_hour], false);
	if (p->n_left_hour <= n)
		return;
	memmove(p->starts, p->starts + p->n_left_hour, n * sizeof(*p->starts));
	p->n_starts = n;
	p->n_left_hour = 0;
}

static void starts_remove(struct policy_state *p, uint64_t intent)
{
	for (uint32_t i = p->n_starts; i-- > p->n_left_hour;)
		if (p->starts[i].intent == intent) {
			memmove(p->starts + i, p->starts + i + 1, (p->n_starts - i - 1) * sizeof(*p->starts));
			p->n_starts--;
			return;
		}
}

/* Keeps the oldest first. */
static void starts_insert(struct reconcile *r, struct policy_state *p, struct start start)
{
	uint32_t i = p->n_starts;

	if (!grow(r, &p->starts, p->n_starts, &p->cap_starts, sizeof(*p->starts)))
		return;
	for (; i > p->n_left_hour && p->starts[i - 1].time_ns > start.time_ns; i--)
		p->starts[i] = p->starts[i - 1];
	p->starts[i] = start;
	p->n_starts++;
}

static void starts_note(struct reconcile *r, struct policy_state *p, struct start start)
{
	starts_insert(r, p, start);
	memory_start(r, p, start, true);
}

void pacing_count(struct reconcile *r, struct policy_state *p, const struct intent *in)
{
	p->in_flight++;
	r->in_flight++;
	starts_expire(r, p);
	starts_note(r, p, (struct start){ in->created_ns, in->id });
}

void pacing_moved(struct reconcile *r, struct policy_state *p, const struct intent *in)
{
	starts_remove(p, in->id);
	starts_note(r, p, (struct start){ in->sent_ns, in->id });
}

void pacing_uncount(struct reconcile *r, struct policy_state *p, const struct intent *in, bool is_start_returned)
{
	p->in_flight--;
	r->in_flight--;
	if (!is_start_returned)
		return;
	starts_remove(p, in->id);
	memory_start(r, p, (struct start){ .intent = in->id }, false);
}

void pacing_restore_start(struct reconcile *r, const struct record *rec)
{
	uint32_t policy = policy_ensure(r, rec->text[REC_START_TEXT_POLICY]);
	uint64_t id = (uint64_t)rec->number[REC_START_INTENT];

	if (r->is_out_of_memory)
		return;
	if (id > r->intents_made)
		r->intents_made = id; /* its number is not free yet */
	starts_insert(r, r->policies[policy], (struct start){ rec->number[REC_START_TIME], id });
}

void pacing_restore_intent(struct reconcile *r, const struct intent *in)
{
	r->policies[in->policy]->in_flight++;
	r->in_flight++;
}

/* ---- pauses ---- */

void pacing_throttled(struct reconcile *r, uint32_t scope)
{
	struct scope_state *s = scope == NONE ? NULL : r->scopes[scope];

	if (!s || r->now_ns < s->throttled_until_ns)
		return; /* calls that had left before */
	s->throttled_until_ns = r->now_ns + backoff_ns(THROTTLE_NS, THROTTLE_MAX_NS, s->throttles++);
	set_timer(r, &s->wake_timer, s->throttled_until_ns);
}

static void account_tell(struct reconcile *r, uint32_t scope)
{
	struct account_state *a = r->accounts[r->scopes[scope]->account];
	struct action *action;

	if (a->is_told == account_is_closed(a))
		return;
	a->is_told = !a->is_told;
	action = plan_add(r, ACTION_TELL_ACCOUNT);
	action->scope = scope;
	action->is_paused = a->is_told;
	action->reason = REASON_CREDENTIALS;
	if (!a->is_told)
		sweep_begin(r); /* what it kept back need not wait for its next look */
}

/* A refusal of a call that had left before the pause says nothing new. */
static void account_pause(struct reconcile *r, uint32_t scope, bool is_probe)
{
	struct account_state *a = r->accounts[r->scopes[scope]->account];

	if (a->is_paused && !is_probe)
		return;
	a->is_paused = true;
	a->probe_ns = r->now_ns + backoff_ns(PROBE_NS, HOUR_NS, a->pauses++);
	set_timer(r, &a->timer, a->probe_ns);
	account_tell(r, scope);
}

void pacing_refused_account(struct reconcile *r, uint32_t scope, bool is_probe)
{
	if (scope != NONE)
		account_pause(r, scope, is_probe);
}

void pacing_refused_forbidden(struct reconcile *r, uint32_t scope, uint32_t instance, bool is_probe)
{
	struct account_state *a = scope == NONE ? NULL : r->accounts[r->scopes[scope]->account];

	if (!a)
		return;
	for (uint32_t i = 0; i < a->n_forbidden; i++)
		if (a->forbidden[i] == instance && !is_probe)
			return;
	if (a->n_forbidden < FORBIDDEN_IN_A_ROW)
		a->forbidden[a->n_forbidden++] = instance;
	if (a->n_forbidden == FORBIDDEN_IN_A_ROW || is_probe)
		account_pause(r, scope, is_probe);
}

void pacing_call_passed(struct reconcile *r, uint32_t scope, bool is_accepted, bool is_probe)
{
	struct account_state *a = scope == NONE ? NULL : r->accounts[r->scopes[scope]->account];

	if (!a)
		return;
	if (is_accepted) {
		r->scopes[scope]->throttles = 0;
		a->n_forbidden = 0;
	}
	if (a->is_paused && (is_probe || is_accepted)) {
		a->is_paused = false;
		a->pauses = 0;
		a->n_forbidden = 0;
		account_tell(r, scope);
	}
}

/* The next one comes later, also when nobody hears of this one again. */
void pacing_probe_called(struct reconcile *r, uint32_t account)
{
	struct account_state *a = r->accounts[account];

	a->probes++;
	a->probe_ns = r->now_ns + backoff_ns(PROBE_NS, HOUR_NS, a->pauses);
	set_timer(r, &a->timer, a->probe_ns);
}

void pacing_probe_ended(struct reconcile *r, uint32_t account)
{
	if (account != NONE)
		r->accounts[account]->probes--;
}

void pacing_account_usable(struct reconcile *r, uint32_t scope, bool is_usable)
{
	r->accounts[r->scopes[scope]->account]->is_unusable = !is_usable;
	account_tell(r, scope);
}

void pacing_store_result(struct reconcile *r, bool is_stored)
{
	if (is_stored) {
		r->store_failures = 0;
		r->store_retry_ns = NEVER;
		return;
	}
	r->store_retry_ns = r->now_ns + backoff_ns(STORE_RETRY_NS, STORE_RETRY_MAX_NS, r->store_failures++);
	set_timer(r, &r->store_timer, r->store_retry_ns);
}
