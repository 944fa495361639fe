/*
 * Rule 6, gates: who starts has an open answer that is not older than the policy allows; when the fresh read is asked
 * for, and, as old as such a read may be on top of it, when the intent is made and when its call leaves.
 */
#include "observer_priv.h"

void observer_gate(struct observer *o, const struct event *ev)
{
	for (size_t i = 0; i < WORLD_POLICIES; i++)
		if (o->gates[i].ticket == ev->gate.ticket) {
			o->gates[i].is_open = ev->gate.is_open;
			o->gates[i].asked_ns = ev->gate.asked_ns;
		}
}

void observer_check_gate(const struct observer *o, const struct seen_intent *in, const char *what)
{
	const struct policy *p = &o->w->applied->policies[in->policy];

	if (!p->gate.is_set)
		return;
	if (!o->gates[in->policy].is_open)
		break_intent(o, "rule 6", in, "%s while its gate is not open", what);
	if (o->w->now_ns - o->gates[in->policy].asked_ns > p->gate.max_age_ns + FRESH_AGE)
		break_intent(o, "rule 6", in, "%s by an old answer of its gate", what);
}

/* A fresh read before a start. One that had to wait for another read of its instance leaves with that one's answer. */
void observer_check_gate_of_read(const struct observer *o, const struct event *ev, const struct action *a)
{
	bool is_late = ev->kind == EVENT_FRESH || ev->kind == EVENT_FOLLOWED || ev->kind == EVENT_READ_FAILED;
	const struct policy *p;
	struct target_view v;

	if (a->kind != ACTION_READ || a->purpose != READ_FRESH || is_late || !reconcile_target(o->w->core, a->target, &v) ||
	    v.policy == POLICY_NONE || v.is_urgent)
		return;
	p = &o->w->applied->policies[v.policy];
	if (p->gate.is_set && (!o->gates[v.policy].is_open || o->w->now_ns - o->gates[v.policy].asked_ns > p->gate.max_age_ns))
		world_break(o->w, "rule 6", "%s %s is about to start, and the answer of its gate is %s and %lld s old", v.instance_id, v.serial_number,
			    o->gates[v.policy].is_open ? "open" : "closed", (long long)((o->w->now_ns - o->gates[v.policy].asked_ns) / NS_PER_S));
}
