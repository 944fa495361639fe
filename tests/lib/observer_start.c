/*
 * Rules at the start of an intent and at its call: one hand on a box, look before you act, never twice, limits, not
 * now, only forwards, and a restart that forgot nothing of it.
 */
#include "observer_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_one_hand(const struct observer *o, const struct seen_intent *in)
{
	if (in->serial[0] == '\0')
		break_intent(o, "rule 1", in, "no serial number");
	for (size_t i = 0; i < o->n_open; i++) {
		const struct seen_intent *other = o->open[i];

		if (other == in)
			continue;
		if (other->box == in->box)
			break_intent(o, "rule 1", in, "intent %llu is unsettled on the same instance", (unsigned long long)other->id);
		if (other->serial_of == in->serial_of)
			break_intent(o, "rule 1", in, "intent %llu is unsettled on the same serial number", (unsigned long long)other->id);
	}
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
	int want = in->goal, have;

	if (box->n_fresh != 2 || !box->fresh_serials[0][0] || !box->fresh_serials[1][0])
		return;
	first = first_of_pair(box);
	have = observer_device(o, in->box, box->fresh_serials[first])->version[in->type];
	if (strcmp(box->fresh_serials[first], in->serial) == 0 || want >= VERSION_RANKED || observer_is_shared(o, box->fresh_serials[first]))
		return; /* of a doubled serial number nobody knows whose version is meant */
	if (have == VERSION_ABSENT && in->type == VERSION_TYPE_DPI)
		return; /* it has no such target */
	if (have < want)
		break_intent(o, "rule 1", in, "%s goes first and is at %d of %d", box->fresh_serials[first], have, want);
}

/* Nobody waits for one that waits for a person's word since this very step. */
static bool is_awaiting(const struct observer *o, const struct target_view *v)
{
	struct rollout_view ro;

	return reconcile_rollout(o->w->core, v->rollout, &ro) && ro.is_awaiting_approval && v->wave >= ro.wave;
}

static void check_device_first(struct observer *o, const struct seen_intent *in)
{
	for (uint32_t i = 0; in->type == VERSION_TYPE_DPI && i < in->box->n_slots; i++) {
		const struct seen_target *t = observer_target(o, in->box->slots[i]);

		if (t->is_live && t->view.instance == in->box->slot && t->view.version_type == VERSION_TYPE_DEVICE && t->view.is_behind &&
		    t->phase == PHASE_WAITING && t->view.policy == in->policy && t->view.reason >= REASON_MAX_IN_FLIGHT && !is_awaiting(o, &t->view))
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
	uint32_t pin = observer_pin_of(o, in->box);

	if (!s->is_enforcing)
		break_intent(o, "rule 6", in, "in observe mode");
	if (!o->is_usable[in->scope])
		break_intent(o, "rule 6", in, "the account is not usable");
	if (o->is_paused[in->scope] && !is_probe(o, in))
		break_intent(o, "rule 6", in, "the account is paused");
	if (!observer_is_pinned(o, in->box, in->type)) {
		break_intent(o, "rule 6", in, "no pin");
		return;
	}
	if (s->pins[pin].is_held)
		break_intent(o, "rule 6", in, "held");
	observer_check_way(o, in);
}

/* Whoever has settled in an earlier life need not again; whoever lost its state waits for what that may have called. */
static void check_settling(const struct observer *o, const struct seen_intent *in)
{
	int64_t listed = o->first_listing_ns[in->scope];

	if (!o->is_settled[in->scope] && (listed == 0 || o->w->now_ns < listed + o->shortest_deadline_ns[in->policy]))
		break_intent(o, "rule 11", in, "still settling: listed at %lld", (long long)listed);
}

/* What was tried before, in whatever life. */
static void check_tried(const struct observer *o, const struct seen_intent *in)
{
	const struct seen_counts *c = &in->serial_of->counts[in->type];
	uint32_t allowed = o->w->applied->policies[in->policy].retry.attempts;

	if (c->made[in->to] >= allowed)
		break_intent(o, "rule 4", in, "tried %u times, %u allowed", c->made[in->to], allowed);
	if (c->terminal & (1u << in->to))
		break_intent(o, "rule 4", in, "that version was refused for good");
	if (o->w->now_ns < c->next_ns - 2 * NS_PER_S)
		break_intent(o, "rule 12", in, "%lld s before its backoff is over", (long long)((c->next_ns - o->w->now_ns) / NS_PER_S));
}

static uint32_t share_of(struct observer *o, uint32_t policy)
{
	const struct limit *limit = &o->w->applied->policies[policy].max_in_flight;
	uint32_t managed = 0, count;

	if (!limit->is_share)
		return limit->count;
	for (size_t i = 0; i < o->targets_size; i++)
		managed += o->targets[i].is_live && o->targets[i].view.policy == policy;
	count = (uint32_t)(limit->share * managed);
	return count > 1 ? count : 1;
}

/* A call holds its place from when it left; what never left holds none. */
static uint32_t starts_in_hour(struct observer *o, uint32_t policy)
{
	uint32_t n = 0;

	while (o->first_recent < o->n_intents && o->intents[o->first_recent]->start_ns <= o->w->now_ns - HOUR)
		o->first_recent++;
	for (size_t i = o->first_recent; i < o->n_intents; i++) {
		const struct seen_intent *in = o->intents[i];

		n += in->policy == policy && !in->is_withdrawn && in->start_ns > o->w->now_ns - HOUR;
	}
	return n;
}

static void check_limits(struct observer *o, const struct seen_intent *in)
{
	uint32_t same = 0, hour = starts_in_hour(o, in->policy), share;

	for (size_t i = 0; i < o->n_open; i++)
		same += o->open[i]->policy == in->policy;
	if (o->n_open > o->w->applied->max_in_flight)
		break_intent(o, "rule 5", in, "%zu in flight, the daemon's limit is %u", o->n_open, o->w->applied->max_in_flight);
	share = share_of(o, in->policy);
	if (same > share)
		break_intent(o, "rule 5", in, "%u in flight, the policy's limit is %u", same, share);
	if (in->serial_of->counts[in->type].urgent != in->goal + 1 && hour > o->w->applied->policies[in->policy].max_starts_per_hour)
		break_intent(o, "rule 5", in, "%u starts in an hour, %u allowed", hour, o->w->applied->policies[in->policy].max_starts_per_hour);
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
	const struct policy *policy = &o->w->applied->policies[v->policy];
	struct seen_intent *in = calloc(1, sizeof(*in));
	struct target_view target;

	assert(in);
	o->intents = observer_grow(o->intents, &o->intents_size, o->n_intents + 1, sizeof(struct seen_intent *));
	index_put(&o->intent_index, a->intent, (uint32_t)o->n_intents);
	o->intents[o->n_intents++] = in;
	observer_open(o, in);
	*in = (struct seen_intent){.id = a->intent, .target = a->target, .scope = a->scope, .policy = v->policy, .type = v->version_type};
	in->box = observer_box(o, v->scope, v->instance_id);
	in->serial_of = observer_serial(o, v->serial_number);
	in->from = world_version_rank(a->from);
	in->to = world_version_rank(a->to);
	in->goal = reconcile_target(o->w->core, a->target, &target) ? world_version_rank(target.desired) : VERSION_ABSENT; /* observer_check_way() judges it */
	in->created_ns = in->start_ns = o->w->now_ns;
	in->deadline_ns = policy->deadline_ns;
	in->soak_ns = policy->verify.soak_ns;
	in->called_life = o->w->life;
	snprintf(in->serial, sizeof(in->serial), "%s", v->serial_number);
	return in;
}

/* Numbers are used again only for what never was durable, or when all is lost. */
static bool is_new(const struct observer *o, uint64_t id)
{
	const struct seen_intent *in = observer_intent(o, id);

	return !in || (in->called_life < o->w->life && in->is_settled);
}

static void count_started(struct observer *o, const struct seen_intent *in)
{
	struct record key = {.kind = RECORD_TALLY};

	key.text[REC_TALLY_TEXT_ACCOUNT] = o->w->applied->account_names[in->scope];
	key.text[REC_TALLY_TEXT_REGION] = o->w->applied->region_names[in->scope];
	key.text[REC_TALLY_TEXT_POLICY] = o->w->applied->policy_names[in->policy];
	key.number[REC_TALLY_KIND] = TALLY_STARTED;
	key.number[REC_TALLY_VERSION_TYPE] = in->type;
	++*observer_tally(o, &key);
}

void observer_started(struct observer *o, const struct action *a)
{
	struct intent_view v;
	struct seen_intent *in;

	if (!is_new(o, a->intent)) {
		world_break(o->w, "rule 4", "intent %llu is told to start twice", (unsigned long long)a->intent);
		return;
	}
	if (!reconcile_intent(o->w->core, a->intent, &v) || v.policy >= o->w->applied->n_policies) {
		world_break(o->w, "shape", "intent %llu cannot be viewed at its start", (unsigned long long)a->intent);
		return;
	}
	in = add_intent(o, a, &v);
	check_one_hand(o, in);
	check_device_first(o, in);
	check_pair(o, in);
	check_now(o, in);
	check_settling(o, in);
	check_tried(o, in);
	check_limits(o, in);
	check_forwards(o, in);
	observer_may_go(o, in, "starts");
	observer_check_site(o, in);
	count_started(o, in);
}

/* ---- rules at the call ---- */

void observer_upgrading(struct observer *o, const struct action *a)
{
	const struct world_settings *s = o->w->applied;
	struct seen_intent *in = observer_intent(o, a->intent);
	int64_t not_after_ns = a->not_after_ns + o->w->boot_ns;
	uint32_t pin;

	if (!in) {
		world_break(o->w, "rule 2", "an UPGRADE of intent %llu, which was never told", (unsigned long long)a->intent);
		return;
	}
	pin = observer_pin_of(o, in->box);
	if (in->is_settled || ++in->n_upgrades > 1)
		break_intent(o, "rule 3", in, "called %u times, settled %d", in->n_upgrades, in->is_settled);
	if (in->is_restored)
		break_intent(o, "rule 3", in, "called, and an earlier life may have called already");
	if (!in->is_stored)
		break_intent(o, "rule 2", in, "not stored");
	if (in->box->fresh_ns == 0 || in->box->fresh_ns < not_after_ns - FRESH_AGE)
		break_intent(o, "rule 2", in, "the fresh read is %lld ms older than not_after", (long long)((not_after_ns - in->box->fresh_ns) / NS_PER_MS));
	if (world_version_rank(a->to) != in->to)
		break_intent(o, "rule 4", in, "its goal changed to %s", a->to);
	observer_may_go(o, in, "called");
	observer_check_leave(o, in);
	if (!observer_is_desired(o, in->box, in->type, in->goal))
		break_intent(o, "rule 6", in, "called on its way to %d, which is not desired any more", in->goal);
	if (!s->is_enforcing)
		break_intent(o, "rule 6", in, "called in observe mode");
	if (!o->is_usable[in->scope])
		break_intent(o, "rule 6", in, "called while the account is not usable");
	if (o->is_paused[in->scope] && !in->is_probe)
		break_intent(o, "rule 6", in, "called while the account is paused");
	if (pin != PIN_NONE && s->pins[pin].is_held)
		break_intent(o, "rule 6", in, "called while held");
}

uint64_t observer_handle(struct observer *o, uint64_t intent)
{
	uint32_t i = index_get(&o->intent_index, intent);

	return i == INDEX_NONE ? 0 : i + 1ull;
}

/* The last moment before nobody can take it back. */
void observer_leaves(struct observer *o, uint64_t handle)
{
	struct seen_intent *in = handle ? o->intents[handle - 1] : NULL;
	const struct store_row *row = in ? store_find_intent(&o->w->store, in->id) : NULL;

	if (!in)
		return;
	in->left_ns = o->w->now_ns;
	if (!row || strcmp(row->record.text[REC_INTENT_TEXT_SERIAL], in->serial) != 0 ||
	    world_version_rank(row->record.text[REC_INTENT_TEXT_TO]) != in->to)
		break_intent(o, "rule 2", in, "its call leaves, and the store does not hold it");
	if (in->is_settled)
		break_intent(o, "rule 3", in, "its call leaves after its end");
	if (o->w->now_ns > in->box->fresh_ns + FRESH_AGE)
		break_intent(o, "rule 2", in, "its call leaves %lld s after the fresh read", (long long)((o->w->now_ns - in->box->fresh_ns) / NS_PER_S));
}

/*
 * By the truth: is that device, or the other of the pair, still busy with an earlier call of ours? Only when that call
 * is over for us, too: its deadline passed, or, when all was forgotten, as long as a new life settles.
 */
static void check_busy(const struct observer *o, const struct seen_intent *in, const struct world_device *d)
{
	const struct seen_intent *other = d->ours ? o->intents[d->ours - 1] : NULL;
	int64_t least;

	if (!d->is_upgrading || !other || d->is_meddled)
		return;
	if (other->is_forgotten) {
		least = other->deadline_ns < o->shortest_settling_ns ? other->deadline_ns : o->shortest_settling_ns;
		if (o->w->now_ns < other->left_ns + least)
			break_intent(o, "rule 11", in, "reached the cloud while %s is busy with a call of a life that is forgotten", d->serial);
	} else if (!other->is_settled) {
		break_intent(o, "rule 3", in, "reached the cloud while intent %llu of %s is unsettled", (unsigned long long)other->id, d->serial);
	} else if (other->ended != INTENT_FAILED && other->ended != INTENT_NO_EFFECT && other->ended != INTENT_GONE) {
		break_intent(o, "rule 3", in, "reached the cloud while %s is busy with intent %llu, which ended as %s", d->serial,
			     (unsigned long long)other->id, intent_outcome_names[other->ended]);
	}
}

void observer_delivered(struct observer *o, uint64_t handle, const struct world_box *box, const struct world_device *device)
{
	struct seen_intent *in = handle ? o->intents[handle - 1] : NULL;

	if (!in)
		return;
	if (in->is_delivered)
		break_intent(o, "rule 3", in, "reached the cloud twice");
	in->is_delivered = true;
	for (unsigned int i = 0; i < box->n_devices; i++)
		check_busy(o, in, &box->devices[i]);
	(void)device;
}
