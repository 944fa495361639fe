/*
 * What reads and answers say about the intents under way, and the rules at their end: ended once, honestly, in time;
 * attempts and failures counted for what they are.
 */
#include "observer_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static unsigned int n_holders(const struct observer *o, const struct seen_serial *s)
{
	unsigned int n = 0;

	(void)o;
	for (size_t i = 0; i < s->n_boxes; i++)
		n += s->boxes[i]->is_live && observer_holds(s->boxes[i], s->serial);
	return n;
}

static void judge(struct observer *o, struct seen_intent *in, const struct seen_box *box, const struct device_observation *d, const struct event *ev)
{
	/* of a device in two instances, only the one that was called must be believed */
	bool is_its_own = box == in->box || (!observer_holds(in->box, in->serial) && n_holders(o, in->serial_of) < 2);
	int version = world_version_rank(in->type == VERSION_TYPE_DEVICE ? d->version : d->dpi_version);

	in->was_there |= version == in->to;
	if (in->was_there && is_its_own && !in->there_ns)
		in->there_ns = ev->now_ns;
	if (!in->was_there && is_its_own && !in->overdue_ns && ev->read.read_ns > in->created_ns + in->deadline_ns + 2 * FRESH_AGE)
		in->overdue_ns = ev->now_ns;
	if (in->there_ns && is_its_own && !in->late_ns && ev->read.read_ns > in->there_ns + in->deadline_ns + in->soak_ns)
		in->late_ns = ev->now_ns;
	/* no read at all is nobody's fault, one a whole round later is */
	if (in->late_ns && is_its_own && !in->later_ns && ev->read.read_ns > in->late_ns + in->deadline_ns + in->soak_ns)
		in->later_ns = ev->now_ns;
	in->was_beyond |= version != in->to && version != in->from;
	in->was_back |= version == in->from && d->status == STATUS_ACTIVE;
	in->was_healthy |= version == in->to && d->status == STATUS_ACTIVE && d->controller == HEALTH_NORMAL;
}

/* A read of the instance after soak and deadline may end it, whether it shows the device or not. */
void observer_read_of(struct observer *o, const struct event *ev, const struct seen_box *box)
{
	for (size_t i = 0; i < o->n_open; i++) {
		struct seen_intent *in = o->open[i];

		in->was_late |= in->box == box && in->there_ns && ev->read.read_ns > in->there_ns + in->deadline_ns + in->soak_ns;
	}
}

/* What this read says about the intents that are under way for that device. */
void observer_reads(struct observer *o, const struct event *ev, const struct seen_box *box, const struct device_observation *d)
{
	for (size_t i = 0; i < o->n_open; i++) {
		struct seen_intent *in = o->open[i];

		if ((in->type == VERSION_TYPE_DEVICE || d->dpi_version) && ev->read.read_ns >= in->created_ns && strcmp(in->serial, d->serial_number) == 0)
			judge(o, in, box, d, ev);
	}
}

void observer_called(struct observer *o, const struct event *ev)
{
	struct seen_intent *in = observer_intent(o, ev->called.intent);
	struct seen_counts *c;

	if (!in)
		return;
	c = &in->serial_of->counts[in->type];
	in->is_called = true;
	in->outcome = ev->called.outcome;
	in->class = ev->called.class;
	if (in->outcome == CALL_NOT_SENT)
		return;
	in->sent_ns = ev->called.sent_ns;
	in->start_ns = in->sent_ns > in->start_ns ? in->sent_ns : in->start_ns;
	c->attempts += in->outcome != CALL_REFUSED || in->class != ERROR_CLASS_THROTTLED;
	c->failures += in->outcome == CALL_REFUSED && in->class != ERROR_CLASS_THROTTLED && in->class != ERROR_CLASS_OFFLINE &&
		       in->class != ERROR_CLASS_ACCOUNT;
	if (in->outcome == CALL_REFUSED && in->class == ERROR_CLASS_TERMINAL)
		c->terminal |= 1u << in->to;
}

/* ---- rules at the end ---- */

/* Is the device in no read of its instance any more? */
static bool has_left(struct observer *o, struct seen_box *box, const char *serial)
{
	return observer_device(o, box, serial)->listed_ns < box->listed_ns;
}

static void check_outcome(struct observer *o, const struct seen_intent *in, const struct action *a)
{
	bool is_late = o->w->now_ns >= in->created_ns + in->deadline_ns;
	bool is_true = false;

	switch (a->outcome) {
	case INTENT_VERIFIED:
		is_true = in->is_stored && ((in->was_there && in->was_healthy) || in->was_beyond);
		break;
	case INTENT_REFUSED:
		is_true = in->is_called && in->outcome == CALL_REFUSED;
		break;
	case INTENT_FAILED:
		is_true = (a->reason == REASON_DEADLINE && is_late && in->is_called && in->outcome != CALL_REFUSED) ||
			  (a->reason == REASON_UNHEALTHY && in->was_there && (in->late_ns || in->was_late || observer_is_shared(o, in->serial))) ||
			  (a->reason == REASON_REJECTED && in->outcome == CALL_UNCONFIRMED && in->class == ERROR_CLASS_TERMINAL &&
			   (!in->there_ns || observer_is_shared(o, in->serial)));
		break;
	case INTENT_NO_EFFECT:
		is_true = is_late && in->is_called && in->outcome == CALL_UNCONFIRMED && in->was_back;
		break;
	case INTENT_GONE:
		is_true = is_late && (in->was_removed || in->box->absences > 0 || has_left(o, in->box, in->serial));
		break;
	case INTENT_WITHDRAWN:
		is_true = !in->is_delivered && !in->is_restored && (in->n_upgrades == 0 || (in->is_called && in->outcome == CALL_NOT_SENT));
		break;
	case INTENT_OUTCOME_N:
		break;
	}
	if (!is_true)
		break_intent(o, "rule 4", in, "ended as %d (%s), which is not what happened (called %d, outcome %d, late %d, seen %d)", (int)a->outcome,
		      reason_names[a->reason], in->is_called, (int)in->outcome, is_late, in->was_there);
}

/* ---- counts (rule 9) ---- */

bool observer_is_attempt(const struct seen_intent *in)
{
	if (in->ended == INTENT_FAILED || in->ended == INTENT_NO_EFFECT)
		return true;
	return in->ended == INTENT_REFUSED &&
	       (in->class == ERROR_CLASS_NONE || in->class == ERROR_CLASS_TRANSIENT || in->class == ERROR_CLASS_UNCONFIRMED);
}

/* At least so long it waits after so many attempts, by the policy that holds for it now. */
static int64_t least_backoff_ns(const struct observer *o, const struct seen_intent *in, uint32_t made)
{
	uint32_t pin = observer_pin_of(o, in->box);
	const struct policy *p;
	int64_t wait;

	if (!observer_is_pinned(o, in->box, in->type))
		return 0;
	p = &o->w->applied->policies[o->w->applied->pins[pin].policy[in->type]];
	wait = p->retry.first_ns;
	for (uint32_t i = 1; i < made && wait < p->retry.max_ns; i++)
		wait *= 2;
	return (wait < p->retry.max_ns ? wait : p->retry.max_ns) * 4 / 5;
}

static void count(struct observer *o, struct seen_intent *in)
{
	struct seen_counts *c = &in->serial_of->counts[in->type];

	if (in->ended == INTENT_FAILED)
		c->failures++;
	if (!observer_is_attempt(in))
		return;
	c->made[in->to]++;
	c->next_ns = o->w->now_ns + least_backoff_ns(o, in, c->made[in->to]);
}

uint64_t *observer_tally(struct observer *o, const struct record *record)
{
	uint64_t key = store_key(record);
	uint32_t i = index_get(&o->tally_index, key);

	if (i == INDEX_NONE) {
		i = (uint32_t)o->n_tallies;
		o->tallies = observer_grow(o->tallies, &o->tallies_size, o->n_tallies + 1, sizeof(*o->tallies));
		o->tallies[o->n_tallies++] = (struct seen_tally){key, 0};
		index_put(&o->tally_index, key, i);
	}
	return &o->tallies[i].value;
}

static void tally(struct observer *o, const struct seen_intent *in, enum reason reason)
{
	struct record key = {.kind = RECORD_TALLY};

	if (in->ended == INTENT_GONE || in->ended == INTENT_WITHDRAWN)
		return;
	key.text[REC_TALLY_TEXT_ACCOUNT] = o->w->applied->account_names[in->scope];
	key.text[REC_TALLY_TEXT_REGION] = o->w->applied->region_names[in->scope];
	key.text[REC_TALLY_TEXT_POLICY] = o->w->applied->policy_names[in->policy];
	key.number[REC_TALLY_KIND] = in->ended == INTENT_VERIFIED ? TALLY_SUCCEEDED : TALLY_FAILED;
	key.number[REC_TALLY_VERSION_TYPE] = in->type;
	key.number[REC_TALLY_REASON] = in->ended == INTENT_VERIFIED ? REASON_NONE : reason;
	++*observer_tally(o, &key);
}

static void close_intent(struct observer *o, const struct seen_intent *in)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_open; i++)
		if (o->open[i] != in)
			o->open[n++] = o->open[i];
	o->n_open = n;
}

/* What was refused for a cause that the target has no part in tried nothing. */
static bool is_try(const struct seen_intent *in, const struct action *a)
{
	if (a->outcome == INTENT_VERIFIED)
		return in->to == in->goal; /* else a hop on the way */
	if (a->outcome == INTENT_REFUSED)
		return a->reason != REASON_THROTTLED && a->reason != REASON_OFFLINE && a->reason != REASON_CREDENTIALS;
	return a->outcome != INTENT_WITHDRAWN;
}

void observer_settled(struct observer *o, const struct action *a)
{
	struct seen_intent *in = observer_intent(o, a->intent);

	if (!in || in->is_settled || in->is_away) {
		world_break(o->w, "rule 4", "intent %llu settled %s", (unsigned long long)a->intent, in ? "twice" : "but never started");
		return;
	}
	in->is_settled = true;
	in->ended = a->outcome;
	in->is_withdrawn = a->outcome == INTENT_WITHDRAWN;
	if (is_try(in, a))
		in->serial_of->counts[in->type].urgent = 0; /* upgrade-now is for one try */
	else if (a->outcome == INTENT_VERIFIED)
		in->serial_of->counts[in->type].urgent_until_ns = o->w->now_ns + in->deadline_ns; /* the next hop has its own time */
	close_intent(o, in);
	check_outcome(o, in, a);
	count(o, in);
	observer_rollout_ended(o, in, a->reason);
	tally(o, in, a->reason);
}

void observer_lifetimes(struct observer *o)
{
	for (size_t i = 0; i < o->n_open; i++) {
		const struct seen_intent *in = o->open[i];

		if (in->overdue_ns && o->w->now_ns > in->overdue_ns + SLACK)
			break_intent(o, "rule 4", in, "unsettled, and seen after its deadline %lld s ago", (long long)((o->w->now_ns - in->overdue_ns) / NS_PER_S));
		if (in->later_ns && o->w->now_ns > in->later_ns + SLACK)
			break_intent(o, "rule 4", in, "verifying since %lld s", (long long)((o->w->now_ns - in->there_ns) / NS_PER_S));
		if (in->store == 0 && in->n_upgrades > 0 && !in->is_restored)
			break_intent(o, "rule 2", in, "called without a STORE");
	}
}
