/*
 * The observer's memory, and the rules about intents: one hand on a box, look before you act, never twice,
 * an intent ends once, limits, not now, only forwards, failures.
 *
 * Guarantees that each rule is judged by what was delivered and planned, never by what the core thinks.
 */
#include "observer_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SLACK (10 * NS_PER_S) /* ticks and latencies on top of the contract's bounds */
#define FRESH_AGE (30 * NS_PER_S)

struct observer *observer_new(struct world *w)
{
	struct observer *o = calloc(1, sizeof(*o));

	assert(o);
	o->w = w;
	for (size_t i = 0; i < WORLD_SCOPES; i++)
		o->is_usable[i] = true;
	return o;
}

struct observer *observer_free(struct observer *o)
{
	if (!o)
		return NULL;
	free(o->intents);
	free(o);
	return NULL;
}

/* ---- memory ---- */

/* One instance is one id in one scope; one that moves is another, with the same serial numbers. */
struct seen_box *observer_box(struct observer *o, uint32_t scope, const char *id)
{
	struct seen_box *box;

	for (size_t i = 0; i < o->n_boxes; i++)
		if (o->boxes[i].scope == scope && strcmp(o->boxes[i].id, id) == 0)
			return &o->boxes[i];
	assert(o->n_boxes < OBSERVER_BOXES);
	box = &o->boxes[o->n_boxes++];
	snprintf(box->id, sizeof(box->id), "%s", id);
	box->box = world_find_box(o->w, id);
	box->scope = scope;
	box->slot = NONE;
	return box;
}

struct seen_box *observer_box_at(struct observer *o, uint32_t slot)
{
	for (size_t i = 0; i < o->n_boxes; i++)
		if (o->boxes[i].is_live && o->boxes[i].slot == slot)
			return &o->boxes[i];
	return NULL;
}

struct seen_device *observer_device(struct seen_box *box, const char *serial)
{
	for (size_t i = 0; i < box->n_devices; i++)
		if (strcmp(box->devices[i].serial, serial) == 0)
			return &box->devices[i];
	assert(box->n_devices < OBSERVER_DEVICES);
	snprintf(box->devices[box->n_devices].serial, WORLD_TEXT, "%s", serial);
	return &box->devices[box->n_devices++];
}

static struct seen_intent *find_intent(struct observer *o, uint64_t id)
{
	for (size_t i = o->n_intents; i-- > 0;)
		if (o->intents[i].id == id)
			return &o->intents[i];
	return NULL;
}

struct seen_intent *observer_unsettled(struct observer *o, uint32_t target)
{
	for (size_t i = o->first_open; i < o->n_intents; i++)
		if (!o->intents[i].is_settled && o->intents[i].target == target)
			return &o->intents[i];
	return NULL;
}

bool observer_is_shared(const struct observer *o, const char *serial)
{
	unsigned int n = 0;

	for (size_t i = 0; i < o->n_boxes; i++)
		for (size_t k = 0; k < o->boxes[i].n_devices; k++)
			n += strcmp(o->boxes[i].devices[k].serial, serial) == 0;
	return n > 1;
}

bool observer_is_same_account(const struct observer *o, uint32_t a, uint32_t b)
{
	return strcmp(o->w->applied->account_names[a], o->w->applied->account_names[b]) == 0;
}

static void set_account(const struct observer *o, bool *flags, uint32_t scope, bool value)
{
	for (uint32_t i = 0; i < o->w->applied->n_scopes; i++)
		if (observer_is_same_account(o, i, scope))
			flags[i] = value;
}

void observer_asked_fresh(struct observer *o, uint64_t ticket, const char *id, enum read_purpose purpose)
{
	size_t i = ticket % OBSERVER_ASKED;

	o->asked[i].ticket = ticket;
	o->asked[i].purpose = purpose;
	snprintf(o->asked[i].id, WORLD_TEXT, "%s", id);
}

void observer_delivered(struct observer *o, uint64_t intent)
{
	struct seen_intent *in = find_intent(o, intent);

	if (in && in->is_delivered)
		world_break(o->w, "rule 3", "intent %llu reached the cloud twice", (unsigned long long)intent);
	if (in)
		in->is_delivered = true;
}

/* ---- events ---- */

/* Did the newest list or follow show that device in it? Then an intent of the device is one of the instance, too. */
static bool holds(const struct seen_box *box, const char *serial)
{
	for (size_t i = 0; i < box->n_devices; i++)
		if (strcmp(box->devices[i].serial, serial) == 0)
			return box->devices[i].listed_ns == box->listed_ns;
	return false;
}

static unsigned int n_holders(const struct observer *o, const char *serial)
{
	unsigned int n = 0;

	for (size_t i = 0; i < o->n_boxes; i++)
		n += o->boxes[i].is_live && holds(&o->boxes[i], serial);
	return n;
}

/* What this read says about the intents that are under way for that device. */
static void judge_intents(struct observer *o, const struct seen_box *box, const struct device_observation *d, const struct event *ev)
{
	for (size_t i = o->first_open; i < o->n_intents; i++) {
		struct seen_intent *in = &o->intents[i];
		const char *text = in->type == VERSION_TYPE_DEVICE ? d->version : d->dpi_version;
		/* of a device in two instances, only the one that was called must be believed */
		bool is_its_own = box == in->box || (!holds(in->box, in->serial) && n_holders(o, in->serial) < 2);
		int version;

		if (in->is_settled || !text || strcmp(in->serial, d->serial_number) != 0 || ev->read.read_ns < in->created_ns)
			continue;
		version = world_version_rank(text);
		in->was_there |= version == in->to;
		if (in->was_there && is_its_own && !in->there_ns)
			in->there_ns = ev->now_ns;
		if (!in->was_there && is_its_own && !in->overdue_ns && ev->read.read_ns > in->created_ns + in->deadline_ns + 2 * FRESH_AGE)
			in->overdue_ns = ev->now_ns;
		if (in->there_ns && !in->late_ns && ev->read.read_ns > in->there_ns + in->deadline_ns + in->soak_ns)
			in->late_ns = ev->now_ns;
		in->was_beyond |= version != in->to && version != in->from;
		in->was_back |= version == in->from && d->status == STATUS_ACTIVE;
		in->was_healthy |= version == in->to && d->status == STATUS_ACTIVE && d->controller == HEALTH_NORMAL;
	}
}

static void see_device(struct observer *o, struct seen_box *box, const struct device_observation *d, const struct event *ev)
{
	const char *text[VERSION_TYPE_N] = {d->version, d->dpi_version};
	struct seen_device *seen;

	judge_intents(o, box, d, ev);
	if (d->serial_number[0] == '\0')
		return;
	seen = observer_device(box, d->serial_number);
	if (ev->kind != EVENT_FRESH && ev->read.read_ns > seen->listed_ns)
		seen->listed_ns = ev->read.read_ns;
	for (size_t t = 0; t < VERSION_TYPE_N; t++) {
		if (!text[t] || ev->read.read_ns <= seen->read_ns[t])
			continue;
		seen->read_ns[t] = ev->read.read_ns;
		seen->version[t] = world_version_rank(text[t]);
	}
}

static void see_fresh(struct seen_box *box, const struct observation *ob, const struct event *ev)
{
	if (ev->read.read_ns < box->fresh_ns)
		return;
	box->fresh_ns = ev->read.read_ns;
	box->n_fresh = ob->n_devices;
	for (unsigned int i = 0; i < ob->n_devices; i++) {
		const struct device_observation *d = &ob->devices[i];

		snprintf(box->fresh_serials[i], WORLD_TEXT, "%s", d->serial_number);
		box->fresh_roles[i] = d->ha_role;
		box->fresh_versions[i][VERSION_TYPE_DEVICE] = world_version_rank(d->version);
		box->fresh_versions[i][VERSION_TYPE_DPI] = d->dpi_version ? world_version_rank(d->dpi_version) : VERSION_ABSENT;
		box->fresh_statuses[i] = d->status;
		box->fresh_controllers[i] = d->controller;
		box->fresh_vpns[i] = d->vpn;
	}
}

static void see_reads(struct observer *o, const struct event *ev)
{
	size_t asked = ev->read.ticket % OBSERVER_ASKED;

	for (size_t i = 0; i < ev->read.n; i++) {
		const struct observation *ob = &ev->read.observations[i];
		struct seen_box *box = observer_box(o, ev->read.scope, ob->instance_id);

		if (ev->read.read_ns > box->read_ns)
			box->read_ns = ev->read.read_ns;
		if (ev->kind != EVENT_FRESH && ev->read.read_ns > box->listed_ns)
			box->listed_ns = ev->read.read_ns;
		for (unsigned int k = 0; k < ob->n_devices; k++)
			if (k == 0 || strcmp(ob->devices[k].serial_number, ob->devices[0].serial_number) != 0) /* twice: the first counts */
				see_device(o, box, &ob->devices[k], ev);
		box->is_in_listing |= ev->kind == EVENT_LISTED;
		box->unseen = 0;
		if (ev->kind == EVENT_FRESH && o->asked[asked].ticket == ev->read.ticket && o->asked[asked].purpose == READ_FRESH)
			see_fresh(box, ob, ev);
	}
}

static void end_listing(struct observer *o, const struct event *ev)
{
	if (!ev->listing.is_complete)
		return;
	if (o->first_listing_ns[ev->listing.scope] == 0)
		o->first_listing_ns[ev->listing.scope] = ev->now_ns;
	for (size_t i = 0; i < o->n_boxes; i++) {
		struct seen_box *box = &o->boxes[i];

		if (box->scope != ev->listing.scope)
			continue;
		box->absences = box->is_in_listing ? 0 : box->absences + 1;
		box->unseen = box->is_in_listing ? 0 : box->unseen + 1;
		box->is_in_listing = false;
	}
}

static void see_settings(struct observer *o)
{
	for (uint32_t i = 0; i < o->w->applied->n_policies; i++) {
		int64_t deadline = o->w->applied->policies[i].deadline_ns;

		if (o->shortest_deadline_ns[i] == 0 || deadline < o->shortest_deadline_ns[i])
			o->shortest_deadline_ns[i] = deadline;
	}
}

static void see_called(struct observer *o, const struct event *ev)
{
	struct seen_intent *in = find_intent(o, ev->called.intent);

	if (!in)
		return;
	in->is_called = true;
	in->outcome = ev->called.outcome;
	in->class = ev->called.class;
	in->sent_ns = ev->called.sent_ns;
}

static void see_stored(struct observer *o, uint64_t ticket)
{
	for (size_t i = o->first_open; i < o->n_intents; i++)
		if (o->intents[i].store == ticket)
			o->intents[i].is_stored = true;
}

void observer_event(struct observer *o, const struct event *ev)
{
	switch (ev->kind) {
	case EVENT_LISTED:
	case EVENT_FOLLOWED:
	case EVENT_FRESH:
		see_reads(o, ev);
		break;
	case EVENT_LISTING_ENDED:
		end_listing(o, ev);
		break;
	case EVENT_SETTINGS:
		see_settings(o);
		break;
	case EVENT_STORED:
		see_stored(o, ev->stored.ticket);
		break;
	case EVENT_CALLED:
		see_called(o, ev);
		break;
	case EVENT_ACCOUNT:
		set_account(o, o->is_usable, ev->account.scope, ev->account.is_usable);
		break;
	case EVENT_TICK:
	case EVENT_READ_FAILED:
	case EVENT_CATALOGUE:
	case EVENT_STORE_FAILED:
	case EVENT_RESTORED:
	case EVENT_RESTORE_ENDED:
	case EVENT_CALENDAR:
	case EVENT_GATE:
	case EVENT_ACT:
	case EVENT_AUTO_UPGRADE:
	case EVENT_AUTO_UPGRADE_SET:
	case EVENT_N:
		break;
	}
}

/* ---- rules at the start of an intent ---- */

__attribute__((format(printf, 4, 5))) static void break_intent(const struct observer *o, const char *rule, const struct seen_intent *in, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	world_break(o->w, rule, "intent %llu of %s %s %s: %s", (unsigned long long)in->id, in->box->id, in->serial, version_type_names[in->type], text);
}

static void check_one_hand(struct observer *o, const struct seen_intent *in)
{
	if (in->serial[0] == '\0')
		break_intent(o, "rule 1", in, "no serial number");
	for (size_t i = o->first_open; i < o->n_intents; i++) {
		const struct seen_intent *other = &o->intents[i];

		if (other == in || other->is_settled)
			continue;
		if (other->box == in->box)
			break_intent(o, "rule 1", in, "intent %llu is unsettled on the same instance", (unsigned long long)other->id);
		if (strcmp(other->serial, in->serial) == 0)
			break_intent(o, "rule 1", in, "intent %llu is unsettled on the same serial number", (unsigned long long)other->id);
	}
}

static int wanted(const struct observer *o, const struct seen_box *box, enum version_type type)
{
	uint32_t pin = world_pin_of(o->w->applied, box->box);

	return pin == PIN_NONE ? VERSION_ABSENT : o->w->applied->pins[pin].version[type];
}

/* The device that goes first, by the newest fresh read: the standby, or the backup when roles do not tell. */
static unsigned int first_of_pair(const struct seen_box *box)
{
	for (unsigned int i = 0; i < 2; i++)
		if (box->fresh_roles[i] == HA_ROLE_STANDBY && box->fresh_roles[1 - i] != HA_ROLE_STANDBY)
			return i;
	return 1;
}

static void check_pair(struct observer *o, const struct seen_intent *in)
{
	const struct seen_box *box = in->box;
	unsigned int first;
	int want = wanted(o, box, in->type), have;

	if (box->n_fresh != 2 || !box->fresh_serials[0][0] || !box->fresh_serials[1][0])
		return;
	first = first_of_pair(box);
	have = observer_device(in->box, box->fresh_serials[first])->version[in->type];
	if (strcmp(box->fresh_serials[first], in->serial) == 0 || want >= VERSION_RANKED || observer_is_shared(o, box->fresh_serials[first]))
		return; /* of a doubled serial number nobody knows whose version is meant */
	if (have == VERSION_ABSENT && in->type == VERSION_TYPE_DPI)
		return; /* it has no such target */
	if (have < want)
		break_intent(o, "rule 1", in, "%s goes first and is at %d of %d", box->fresh_serials[first], have, want);
}

static void check_device_first(struct observer *o, const struct seen_intent *in)
{
	if (in->type != VERSION_TYPE_DPI)
		return;
	for (size_t i = 0; i < OBSERVER_TARGETS; i++) {
		const struct seen_target *t = &o->targets[i];

		if (t->is_live && t->view.instance == in->box->slot && t->view.version_type == VERSION_TYPE_DEVICE && t->view.is_behind &&
		    t->phase == PHASE_WAITING && t->view.policy == in->policy && t->view.reason >= REASON_MAX_IN_FLIGHT)
			break_intent(o, "rule 1", in, "its device target is behind and %s", reason_names[t->reason]);
	}
}

/* A paused account is probed slowly: one start, a minute or more after the last refusal or probe. */
static bool is_probe(struct observer *o, struct seen_intent *in)
{
	int64_t last = o->probed_ns[in->scope];

	for (uint32_t i = 0; i < o->w->applied->n_scopes; i++)
		if (observer_is_same_account(o, i, in->scope))
			o->probed_ns[i] = o->w->now_ns;
	in->is_probe = o->w->now_ns >= last + MINUTE;
	return in->is_probe;
}

static void check_now(struct observer *o, struct seen_intent *in)
{
	const struct world_settings *s = o->w->applied;
	uint32_t pin = world_pin_of(s, in->box->box);
	int64_t listed = o->first_listing_ns[in->scope];

	if (!s->is_enforcing)
		break_intent(o, "rule 6", in, "in observe mode");
	if (!o->is_usable[in->scope])
		break_intent(o, "rule 6", in, "the account is not usable");
	if (o->is_paused[in->scope] && !is_probe(o, in))
		break_intent(o, "rule 6", in, "the account is paused");
	if (pin == PIN_NONE || s->pins[pin].version[in->type] < 0) {
		break_intent(o, "rule 6", in, "no pin");
		return;
	}
	if (s->pins[pin].is_held)
		break_intent(o, "rule 6", in, "held");
	if (s->pins[pin].version[in->type] != in->to)
		break_intent(o, "rule 6", in, "goes to %d, pinned is %d", in->to, s->pins[pin].version[in->type]);
	if (!s->policies[s->pins[pin].policy[in->type]].is_always_open)
		break_intent(o, "rule 6", in, "its policy has no windows");
	if (listed == 0 || o->w->now_ns < listed + o->shortest_deadline_ns[in->policy])
		break_intent(o, "rule 6", in, "still settling: listed at %lld", (long long)listed);
}

static uint32_t share_of(const struct observer *o, uint32_t policy)
{
	const struct limit *limit = &o->w->applied->policies[policy].max_in_flight;
	uint32_t managed = 0, count;

	if (!limit->is_share)
		return limit->count;
	for (size_t i = 0; i < OBSERVER_TARGETS; i++)
		managed += o->targets[i].is_live && o->targets[i].view.policy == policy;
	count = (uint32_t)(limit->share * managed);
	return count > 1 ? count : 1;
}

static void check_limits(struct observer *o, const struct seen_intent *in)
{
	uint32_t all = 0, same = 0, hour = 0;
	uint32_t policy = in->policy;

	for (size_t i = o->first_open; i < o->n_intents; i++) {
		all += !o->intents[i].is_settled;
		same += !o->intents[i].is_settled && o->intents[i].policy == policy;
	}
	if (all > o->w->applied->max_in_flight)
		break_intent(o, "rule 5", in, "%u in flight, the daemon's limit is %u", all, o->w->applied->max_in_flight);
	if (same > share_of(o, policy))
		break_intent(o, "rule 5", in, "%u in flight, the policy's limit is %u", same, share_of(o, policy));
	/* A call holds its place from when it left; what never left holds none. */
	for (size_t i = 0; i < o->n_intents; i++) {
		const struct seen_intent *other = &o->intents[i];
		int64_t at = other->sent_ns > other->created_ns ? other->sent_ns : other->created_ns;

		hour += other->policy == policy && !other->is_withdrawn && at > o->w->now_ns - HOUR;
	}
	if (hour > o->w->applied->policies[policy].max_starts_per_hour)
		break_intent(o, "rule 5", in, "%u starts in an hour, %u allowed", hour, o->w->applied->policies[policy].max_starts_per_hour);
}

static void check_forwards(struct observer *o, const struct seen_intent *in)
{
	const struct seen_box *box = in->box;

	for (unsigned int i = 0; i < box->n_fresh; i++) {
		int have = box->fresh_versions[i][in->type];

		if (strcmp(box->fresh_serials[i], in->serial) != 0)
			continue;
		if (have < 0 || have >= VERSION_RANKED || in->to >= VERSION_RANKED || in->to <= have)
			break_intent(o, "rule 7", in, "to %d, the fresh read says %d", in->to, have);
		if (box->fresh_statuses[i] != STATUS_ACTIVE)
			break_intent(o, "rule 9", in, "the fresh read says %s", status_names[box->fresh_statuses[i]]);
		if (box->fresh_controllers[i] == HEALTH_ABNORMAL)
			break_intent(o, "rule 6", in, "degraded by its fresh read");
		if (in->from != have)
			break_intent(o, "rule 2", in, "from %d, the fresh read says %d", in->from, have);
		return;
	}
	break_intent(o, "rule 2", in, "its device is in no fresh read");
}

static struct seen_intent *add_intent(struct observer *o, const struct action *a, const struct intent_view *v)
{
	struct seen_intent *in;

	if (o->n_intents == o->intents_size) {
		o->intents_size = o->intents_size * 2 + 64;
		o->intents = realloc(o->intents, o->intents_size * sizeof(*in));
		assert(o->intents);
	}
	in = &o->intents[o->n_intents++];
	*in = (struct seen_intent){.id = a->intent, .target = a->target, .scope = a->scope, .policy = v->policy, .type = v->version_type};
	in->box = observer_box(o, v->scope, v->instance_id);
	in->from = world_version_rank(a->from);
	in->to = world_version_rank(a->to);
	in->created_ns = o->w->now_ns;
	snprintf(in->serial, sizeof(in->serial), "%s", v->serial_number);
	return in;
}

static void started(struct observer *o, const struct action *a)
{
	const struct world_settings *s = o->w->applied;
	struct intent_view v;
	struct seen_intent *in;

	if (find_intent(o, a->intent)) {
		world_break(o->w, "rule 4", "intent %llu is told to start twice", (unsigned long long)a->intent);
		return;
	}
	if (!reconcile_intent(o->w->core, a->intent, &v) || v.policy >= s->n_policies) {
		world_break(o->w, "shape", "intent %llu cannot be viewed at its start", (unsigned long long)a->intent);
		return;
	}
	in = add_intent(o, a, &v);
	in->deadline_ns = s->policies[v.policy].deadline_ns;
	in->soak_ns = s->policies[v.policy].verify.soak_ns;
	if (a->target < OBSERVER_TARGETS && o->targets[a->target].is_live) {
		in->attempts = o->targets[a->target].view.attempts;
		in->failures = o->targets[a->target].view.failures;
	}
	check_one_hand(o, in);
	check_device_first(o, in);
	check_pair(o, in);
	check_now(o, in);
	check_limits(o, in);
	check_forwards(o, in);
}

/* ---- rules at the call ---- */

static void upgrading(struct observer *o, const struct action *a)
{
	const struct world_settings *s = o->w->applied;
	struct seen_intent *in = find_intent(o, a->intent);
	uint32_t pin;

	if (!in) {
		world_break(o->w, "rule 2", "an UPGRADE of intent %llu, which was never told", (unsigned long long)a->intent);
		return;
	}
	pin = world_pin_of(s, in->box->box);
	if (in->is_settled || ++in->n_upgrades > 1)
		break_intent(o, "rule 3", in, "called %u times, settled %d", in->n_upgrades, in->is_settled);
	if (!in->is_stored)
		break_intent(o, "rule 2", in, "not stored");
	if (in->box->fresh_ns == 0 || in->box->fresh_ns < a->not_after_ns - FRESH_AGE)
		break_intent(o, "rule 2", in, "the fresh read is %lld ms older than not_after", (long long)((a->not_after_ns - in->box->fresh_ns) / NS_PER_MS));
	if (world_version_rank(a->to) != in->to)
		break_intent(o, "rule 4", in, "its goal changed to %s", a->to);
	if (!s->is_enforcing)
		break_intent(o, "rule 6", in, "called in observe mode");
	if (!o->is_usable[in->scope])
		break_intent(o, "rule 6", in, "called while the account is not usable");
	if (o->is_paused[in->scope] && !in->is_probe)
		break_intent(o, "rule 6", in, "called while the account is paused");
	if (pin != PIN_NONE && s->pins[pin].is_held)
		break_intent(o, "rule 6", in, "called while held");
}

/* ---- rules at the end ---- */

/* Is the device in no read of its instance any more? */
static bool has_left(struct seen_box *box, const char *serial)
{
	return observer_device(box, serial)->listed_ns < box->listed_ns;
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
			  (a->reason == REASON_UNHEALTHY && in->was_there && (in->late_ns || observer_is_shared(o, in->serial))) ||
			  (a->reason == REASON_REJECTED && in->outcome == CALL_UNCONFIRMED && in->class == ERROR_CLASS_TERMINAL &&
			   (!in->there_ns || observer_is_shared(o, in->serial)));
		break;
	case INTENT_NO_EFFECT:
		is_true = is_late && in->is_called && in->outcome == CALL_UNCONFIRMED && in->was_back;
		break;
	case INTENT_GONE:
		is_true = is_late && (in->was_removed || in->box->absences > 0 || has_left(in->box, in->serial));
		break;
	case INTENT_WITHDRAWN:
		is_true = !in->is_delivered && (in->n_upgrades == 0 || (in->is_called && in->outcome == CALL_NOT_SENT));
		break;
	case INTENT_OUTCOME_N:
		break;
	}
	if (!is_true)
		break_intent(o, "rule 4", in, "ended as %d (%s), which is not what happened (called %d, outcome %d, late %d, seen %d)", (int)a->outcome,
		      reason_names[a->reason], in->is_called, (int)in->outcome, is_late, in->was_there);
}

/* What is shown is what is committed (rule 14), so it may lag, and is never too much. */
static void check_counted(struct observer *o, const struct seen_intent *in, const struct action *a)
{
	bool is_free = a->outcome == INTENT_WITHDRAWN || (a->outcome == INTENT_REFUSED && in->class == ERROR_CLASS_THROTTLED);
	bool is_innocent = is_free || in->class == ERROR_CLASS_ACCOUNT || in->class == ERROR_CLASS_OFFLINE;
	bool is_failure = a->outcome == INTENT_FAILED;
	struct target_view v;
	uint64_t attempts, failures;

	if (!reconcile_target(o->w->core, in->target, &v) || !o->targets[in->target].is_live || o->targets[in->target].view.born != v.born)
		return;
	attempts = v.attempts - in->attempts;
	failures = v.failures - in->failures;
	if (attempts > 1 || (is_free && attempts != 0))
		break_intent(o, "rule 9", in, "%llu attempts counted for outcome %d, class %s", (unsigned long long)attempts, (int)a->outcome, error_class_names[in->class]);
	if (failures > is_failure && (a->outcome != INTENT_REFUSED || is_innocent))
		break_intent(o, "rule 9", in, "%llu failures counted for outcome %d, class %s", (unsigned long long)failures, (int)a->outcome, error_class_names[in->class]);
}

static void settled(struct observer *o, const struct action *a)
{
	struct seen_intent *in = find_intent(o, a->intent);

	if (!in || in->is_settled) {
		world_break(o->w, "rule 4", "intent %llu settled %s", (unsigned long long)a->intent, in ? "twice" : "but never started");
		return;
	}
	in->is_settled = true;
	in->is_withdrawn = a->outcome == INTENT_WITHDRAWN;
	while (o->first_open < o->n_intents && o->intents[o->first_open].is_settled)
		o->first_open++;
	check_outcome(o, in, a);
	check_counted(o, in, a);
}

static void check_lifetimes(struct observer *o)
{
	for (size_t i = o->first_open; i < o->n_intents; i++) {
		const struct seen_intent *in = &o->intents[i];

		if (!in->is_settled && in->overdue_ns && o->w->now_ns > in->overdue_ns + SLACK)
			break_intent(o, "rule 4", in, "unsettled, and seen after its deadline %lld s ago", (long long)((o->w->now_ns - in->overdue_ns) / NS_PER_S));
		if (!in->is_settled && in->late_ns && o->w->now_ns > in->late_ns + in->deadline_ns + in->soak_ns + SLACK)
			break_intent(o, "rule 4", in, "verifying since %lld s", (long long)((o->w->now_ns - in->there_ns) / NS_PER_S));
		if (in->store == 0 && in->n_upgrades > 0)
			break_intent(o, "rule 2", in, "called without a STORE");
	}
}

/* ---- instances and accounts ---- */

static void added(struct observer *o, const struct action *a, const struct event *ev)
{
	struct instance_view v;
	struct seen_box *box;

	if (ev->kind != EVENT_LISTED)
		world_break(o->w, "rule 8", "an instance was added by event %d", (int)ev->kind);
	if (!reconcile_instance(o->w->core, a->instance, &v)) {
		world_break(o->w, "rule 14", "slot %u was added and is empty", a->instance);
		return;
	}
	for (size_t i = 0; i < o->n_boxes && o->w->held_step; i++)
		if (o->boxes[i].slot == a->instance && o->boxes[i].left_step >= o->w->held_step)
			world_break(o->w, "rule 14", "slot %u has a new tenant while a reader holds the table", a->instance);
	box = observer_box(o, v.scope, v.instance_id);
	if (box->is_live || observer_box_at(o, a->instance))
		world_break(o->w, "rule 14", "%s was added twice or into a slot in use", box->id);
	box->is_live = true;
	box->slot = a->instance;
}

static void removed(struct observer *o, const struct action *a, const struct event *ev)
{
	struct seen_box *box = observer_box_at(o, a->instance);

	if (!box) {
		world_break(o->w, "rule 14", "slot %u was removed and never added", a->instance);
		return;
	}
	if (box->absences < 2 && (ev->kind != EVENT_SETTINGS))
		world_break(o->w, "rule 8", "%s was removed after %u complete listings without it", box->id, box->absences);
	box->is_live = false;
	box->left_step = o->w->steps;
	for (size_t i = o->first_open; i < o->n_intents; i++)
		if (!o->intents[i].is_settled && o->intents[i].box == box)
			o->intents[i].was_removed = true;
}

static void check_left(struct observer *o, const struct event *ev)
{
	if (ev->kind != EVENT_LISTING_ENDED || !ev->listing.is_complete)
		return;
	for (size_t i = 0; i < o->n_boxes; i++) {
		const struct seen_box *box = &o->boxes[i];
		bool is_busy = false;

		for (size_t k = o->first_open; k < o->n_intents; k++)
			is_busy |= !o->intents[k].is_settled && (o->intents[k].box == box || holds(box, o->intents[k].serial));
		if (box->is_live && box->scope == ev->listing.scope && !is_busy && box->unseen > 2)
			world_break(o->w, "rule 8", "%s is still there after %u complete listings without it", box->id, box->absences);
	}
}

static void store(struct observer *o, const struct action *a)
{
	for (size_t i = o->first_open; i < o->n_intents; i++)
		if (!o->intents[i].is_settled && o->intents[i].store == 0)
			o->intents[i].store = a->ticket;
}

static void check_ticket(struct observer *o, const struct action *a)
{
	if (a->kind == ACTION_STORE) {
		if (a->ticket != o->last_store + 1)
			world_break(o->w, "shape", "STORE %llu after %llu", (unsigned long long)a->ticket, (unsigned long long)o->last_store);
		o->last_store = a->ticket;
	}
	if (a->kind != ACTION_FOLLOW && a->kind != ACTION_READ)
		return;
	if (a->ticket <= o->last_ticket)
		world_break(o->w, "shape", "ticket %llu after %llu", (unsigned long long)a->ticket, (unsigned long long)o->last_ticket);
	if (a->ticket > o->new_ticket)
		o->new_ticket = a->ticket;
}

static void told_account(struct observer *o, const struct action *a)
{
	set_account(o, o->is_paused, a->scope, a->is_paused);
	for (uint32_t i = 0; i < o->w->applied->n_scopes; i++)
		if (observer_is_same_account(o, i, a->scope))
			o->probed_ns[i] = o->w->now_ns;
}

static void one_action(struct observer *o, const struct event *ev, const struct action *a)
{
	check_ticket(o, a);
	if (a->kind == ACTION_TELL_INSTANCE_ADDED)
		added(o, a, ev);
	else if (a->kind == ACTION_TELL_INSTANCE_REMOVED)
		removed(o, a, ev);
	else if (a->kind == ACTION_TELL_STARTED)
		started(o, a);
	else if (a->kind == ACTION_STORE)
		store(o, a);
	else if (a->kind == ACTION_UPGRADE)
		upgrading(o, a);
	else if (a->kind == ACTION_TELL_SETTLED)
		settled(o, a);
	else if (a->kind == ACTION_TELL_PHASE)
		observer_told_phase(o, a);
	else if (a->kind == ACTION_TELL_ACCOUNT)
		told_account(o, a);
}

void observer_plan(struct observer *o, const struct event *ev, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_actions && !o->w->failure; i++)
		one_action(o, ev, &plan->actions[i]);
	o->last_ticket = o->new_ticket;
	check_lifetimes(o);
	check_left(o, ev);
	observer_views(o, ev);
}
