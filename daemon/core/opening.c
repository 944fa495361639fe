/*
 * Openings: when the calendar and the gate let a policy start (rule 6), and how its starts spread over an opening.
 *
 * The calendar is plain UTC stretches that the shell works out ahead; outside of what is known a policy is closed. It is
 * looked up on the wall clock at each step, so a jump of that clock only starts what is due on the new time (rule 12).
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define WALL_LOOK_NS (60 * NS_PER_S) /* the wall clock may jump: a closed policy is looked at again after so long */

static int copy_stretches(struct stretch **to, uint32_t *ret_n, const struct stretch *from, size_t n)
{
	struct stretch *copy = malloc((n + 1) * sizeof(*copy));

	if (!copy)
		return -1;
	if (n > 0)
		memcpy(copy, from, n * sizeof(*copy));
	free(*to);
	*to = copy;
	*ret_n = (uint32_t)n;
	return 0;
}

void pacing_calendar(struct reconcile *r, const struct event *ev)
{
	struct policy_state *p;

	if (ev->calendar.policy >= r->settings->n_policies)
		return;
	p = r->policies[r->policy_of[ev->calendar.policy]];
	if (copy_stretches(&p->openings, &p->n_openings, ev->calendar.openings, ev->calendar.n_openings) < 0 ||
	    copy_stretches(&p->freezes, &p->n_freezes, ev->calendar.freezes, ev->calendar.n_freezes) < 0)
		r->is_out_of_memory = true;
	p->known_from_s = ev->calendar.from_s;
	p->known_until_s = ev->calendar.until_s;
	p->reason_step = 0;
}

/* The first stretch that ends after `at_s`; NULL: none does. */
static const struct stretch *stretch_after(const struct stretch *s, uint32_t n, int64_t at_s)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s[middle].to_s <= at_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n ? &s[low] : NULL;
}

static const struct stretch *stretch_at(const struct stretch *s, uint32_t n, int64_t at_s)
{
	const struct stretch *found = stretch_after(s, n, at_s);

	return found && found->from_s <= at_s ? found : NULL;
}

static const struct policy *policy_of_state(const struct reconcile *r, const struct policy_state *p)
{
	return &r->settings->policies[p->index];
}

static int64_t takes_s(const struct policy *policy)
{
	return (policy->upgrade_takes_ns + NS_PER_S - 1) / NS_PER_S;
}

static bool is_known(const struct reconcile *r, const struct policy_state *p)
{
	return r->wall_s >= p->known_from_s && r->wall_s < p->known_until_s;
}

static enum reason calendar_reason(const struct reconcile *r, const struct policy_state *p)
{
	const struct policy *policy = policy_of_state(r, p);
	const struct stretch *open;

	if (policy->is_always_open)
		return REASON_NONE;
	if (stretch_at(p->freezes, p->n_freezes, r->wall_s))
		return REASON_FREEZE;
	open = is_known(r, p) ? stretch_at(p->openings, p->n_openings, r->wall_s) : NULL;
	if (!open)
		return REASON_WINDOW;
	return open->to_s - r->wall_s < takes_s(policy) ? REASON_WINDOW_TOO_SHORT : REASON_NONE;
}

/* Asked for each waiting target of a scrape: worked out once a step. */
enum reason pacing_calendar_reason(const struct reconcile *r, struct policy_state *p)
{
	if (p->index == POLICY_NONE)
		return REASON_WINDOW;
	if (p->reason_step != r->steps) {
		p->reason = calendar_reason(r, p);
		p->reason_step = r->steps;
	}
	return p->reason;
}

bool pacing_calendar_is_known(const struct reconcile *r, const struct policy_state *p)
{
	return p->index != POLICY_NONE && (policy_of_state(r, p)->is_always_open || is_known(r, p));
}

int64_t pacing_next_open_s(const struct reconcile *r, const struct policy_state *p)
{
	const struct policy *policy = policy_of_state(r, p);
	const struct stretch *open;
	int64_t at_s = r->wall_s;

	if (policy->is_always_open)
		return at_s;
	while ((open = stretch_after(p->openings, p->n_openings, at_s))) {
		int64_t from_s = open->from_s > r->wall_s ? open->from_s : r->wall_s;

		if (open->to_s - from_s >= takes_s(policy))
			return from_s;
		at_s = open->to_s;
	}
	return 0;
}

void opening_wake(struct reconcile *r, struct policy_state *p)
{
	int64_t due_ns = r->now_ns + WALL_LOOK_NS, open_s;

	if (pacing_calendar_reason(r, p) == REASON_NONE)
		return;
	open_s = pacing_next_open_s(r, p);
	if (open_s > r->wall_s && open_s - r->wall_s < WALL_LOOK_NS / NS_PER_S)
		due_ns = r->now_ns + (open_s - r->wall_s) * NS_PER_S;
	earlier_timer(r, &p->timer, due_ns);
}

int64_t opening_due_s(const struct reconcile *r, const struct policy_state *p, uint32_t hash)
{
	if (policy_of_state(r, p)->is_always_open || p->spread_s == 0)
		return INT64_MIN;
	return p->spread_from_s + (int64_t)((double)hash / 4294967296.0 * (double)p->spread_s);
}

/* All that waited for an opening would start at its first second: they spread over as much of it as the rate needs. */
static void spread(const struct reconcile *r, struct policy_state *p, const struct stretch *open)
{
	const struct policy *policy = policy_of_state(r, p);
	double waiting = 0.0, usable = (double)(open->to_s - open->from_s - takes_s(policy)), needed;

	for (uint32_t i = 0; i < r->n_rollouts; i++)
		if (r->rollouts[i]->is_used && r->policies[r->rollouts[i]->policy] == p)
			waiting += r->rollouts[i]->n_queued + r->rollouts[i]->n_at_sites;
	needed = waiting * 3600.0 / (double)policy->max_starts_per_hour;
	p->spread_from_s = open->from_s;
	p->spread_to_s = open->to_s;
	p->spread_s = (int64_t)(needed < usable ? needed : usable > 0.0 ? usable : 0.0);
}

bool opening_is_due(struct reconcile *r, struct policy_state *p, uint32_t hash)
{
	const struct stretch *open;
	int64_t due_s;

	if (policy_of_state(r, p)->is_always_open)
		return true;
	open = stretch_at(p->openings, p->n_openings, r->wall_s);
	if (!open)
		return false;
	/* told again, an opening may begin later, or end later: it is the same one, and nobody's turn changes */
	if (open->to_s <= p->spread_from_s || open->from_s >= p->spread_to_s)
		spread(r, p, open);
	due_s = opening_due_s(r, p, hash);
	if (r->wall_s >= due_s)
		return true;
	earlier_timer(r, &p->timer, r->now_ns + (due_s - r->wall_s < 60 ? due_s - r->wall_s : 60) * NS_PER_S);
	return false;
}

/* ---- gates ---- */

/* May it start as far as the gate is concerned? Asks, when the last answer is too old. */
bool opening_gate(struct reconcile *r, struct policy_state *p)
{
	const struct policy *policy = policy_of_state(r, p);
	struct action *a;

	if (!policy->gate.is_set)
		return true;
	if (p->gate.asked_ns != NEVER && r->now_ns - p->gate.asked_ns <= policy->gate.max_age_ns) {
		if (!p->gate.is_open)
			earlier_timer(r, &p->timer, p->gate.asked_ns + policy->gate.max_age_ns + 1);
		return p->gate.is_open;
	}
	if (p->gate.ticket)
		return false;
	p->gate.ticket = ++r->tickets;
	a = plan_add(r, ACTION_GATE);
	a->policy = p->index;
	a->ticket = p->gate.ticket;
	return false;
}

bool opening_gate_is_closed(const struct reconcile *r, const struct policy_state *p)
{
	return p->index != POLICY_NONE && policy_of_state(r, p)->gate.is_set && p->gate.asked_ns != NEVER && !p->gate.is_open;
}

/* For a call that is about to leave: the answer was good when its fresh read was asked for. */
bool opening_gate_holds(const struct reconcile *r, const struct policy_state *p)
{
	const struct policy *policy = policy_of_state(r, p);

	return !policy->gate.is_set ||
	       (p->gate.is_open && p->gate.asked_ns != NEVER && r->now_ns - p->gate.asked_ns <= policy->gate.max_age_ns + FRESH_MAX_AGE_NS);
}

void pacing_gate(struct reconcile *r, const struct event *ev)
{
	struct policy_state *p = NULL;

	for (uint32_t i = 0; i < r->n_policies; i++)
		if (r->policies[i]->gate.ticket == ev->gate.ticket && ev->gate.ticket)
			p = r->policies[i];
	if (!p)
		return;
	p->gate.ticket = 0;
	p->gate.is_open = ev->gate.is_open;
	p->gate.asked_ns = ev->gate.asked_ns < r->now_ns ? ev->gate.asked_ns : r->now_ns;
	if (!p->gate.is_open && p->index != POLICY_NONE)
		earlier_timer(r, &p->timer, p->gate.asked_ns + policy_of_state(r, p)->gate.max_age_ns + 1);
}
