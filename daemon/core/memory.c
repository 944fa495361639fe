/*
 * What is to be stored, and what is stored.
 *
 * Whoever changes something durable says so here. At the end of a step all of it becomes one STORE: all or nothing,
 * one at a time, so what changes meanwhile goes together with the next. A record tells how things are when the STORE
 * is made, not when they changed, so nothing is written twice. What could not be stored is to be stored again.
 * Counters are shown to others as committed (rule 14).
 */
#include "internal.h"
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

static void dirty_add(struct reconcile *r, struct dirty d)
{
	if (grow(r, &r->dirty, r->n_dirty, &r->cap_dirty, sizeof(*r->dirty)))
		r->dirty[r->n_dirty++] = d;
	else
		free(d.serial_number);
}

void memory_target(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);

	if (t->is_dirty)
		return;
	t->is_dirty = true;
	dirty_add(r, (struct dirty){ .kind = RECORD_TARGET, .slot = slot, .id = t->id, .version_type = (enum version_type)t->version_type });
}

void memory_attempts(struct reconcile *r, uint32_t slot, struct attempts *tried)
{
	const struct target *t = target_at(r, slot);

	if (tried->is_dirty)
		return;
	tried->is_dirty = true;
	dirty_add(r, (struct dirty){ .kind = RECORD_ATTEMPTS, .slot = slot, .id = t->id, .version = tried->version,
				     .version_type = (enum version_type)t->version_type });
}

/* Without a target it is about what is gone. */
static void dirty_gone(struct reconcile *r, enum record_kind kind, const char *serial, enum version_type type, uint32_t version)
{
	char *copy = strdup(serial);

	r->is_out_of_memory |= !copy;
	dirty_add(r, (struct dirty){ .kind = kind, .slot = NONE, .version = version, .version_type = type, .serial_number = copy });
}

void memory_forget_attempts(struct reconcile *r, uint32_t slot, uint32_t version)
{
	const struct target *t = target_at(r, slot);

	dirty_gone(r, RECORD_ATTEMPTS, device_at(r, t->device)->serial_number, (enum version_type)t->version_type, version);
}

void memory_remembered(struct reconcile *r, const struct remembered *m)
{
	dirty_gone(r, RECORD_TARGET, m->serial_number, (enum version_type)m->version_type, 0);
}

void memory_forget_remembered(struct reconcile *r, const struct remembered *m)
{
	for (uint32_t i = 0; m->history && i < m->history->n_versions; i++)
		dirty_gone(r, RECORD_ATTEMPTS, m->serial_number, (enum version_type)m->version_type, m->history->versions[i].version);
	memory_remembered(r, m); /* by then it is found no more, and so removed */
}

void memory_intent(struct reconcile *r, struct intent *in)
{
	if (!in->is_dirty)
		dirty_add(r, (struct dirty){ .kind = RECORD_INTENT, .slot = NONE, .id = in->id });
	in->is_dirty = true;
}

void memory_start(struct reconcile *r, const struct policy_state *p, struct start start, bool is_there)
{
	dirty_add(r, (struct dirty){ .kind = RECORD_START, .slot = NONE, .id = start.intent, .name = is_there ? p->name : 0, .time_ns = start.time_ns });
}

void memory_scope(struct reconcile *r, uint32_t scope)
{
	const struct scope_state *s = r->scopes[scope];

	dirty_add(r, (struct dirty){ .kind = RECORD_SCOPE, .slot = NONE, .name = s->account_name, .version = s->region_name });
}

void memory_rollout(struct reconcile *r, uint32_t slot)
{
	dirty_add(r, (struct dirty){ .kind = RECORD_ROLLOUT, .slot = slot });
}

void memory_forget_rollout(struct reconcile *r, const struct rollout *ro)
{
	dirty_add(r, (struct dirty){ .kind = RECORD_ROLLOUT, .slot = NONE, .name = r->policies[ro->policy]->name, .version = ro->version,
				     .version_type = ro->version_type });
}

void memory_pause(struct reconcile *r, const struct pause *p)
{
	dirty_add(r, (struct dirty){ .kind = RECORD_PAUSE, .slot = NONE, .name = p->policy, .version = p->version,
				     .id = (uint64_t)(p->version_type + 1) });
}

void memory_catalogue(struct reconcile *r, uint32_t index, uint32_t version)
{
	dirty_add(r, (struct dirty){ .kind = RECORD_CATALOGUE, .slot = NONE, .name = r->catalogues[index]->model, .version = version,
				     .version_type = r->catalogues[index]->version_type });
}

void memory_auto(struct reconcile *r, const struct auto_hold *h)
{
	dirty_gone(r, RECORD_AUTO_UPGRADE, h->serial_number, (enum version_type)h->version_type, 0);
}

void memory_tally(struct reconcile *r, uint32_t scope, enum tally_kind kind, enum version_type type, uint32_t policy_name, enum reason reason)
{
	struct tally t = { .kind = kind, .version_type = type, .reason = reason, .policy = policy_name };
	uint32_t i = 0;

	if (scope == NONE)
		return; /* its scope left the settings, and the counter with it */
	t.account = r->scopes[scope]->account_name;
	t.region = r->scopes[scope]->region_name;
	while (i < r->n_tallies && !(r->tallies[i].kind == kind && r->tallies[i].version_type == type && r->tallies[i].reason == reason &&
				     r->tallies[i].policy == policy_name && r->tallies[i].account == t.account && r->tallies[i].region == t.region))
		i++;
	if (i == r->n_tallies) {
		if (!grow(r, &r->tallies, r->n_tallies, &r->cap_tallies, sizeof(*r->tallies)))
			return;
		r->tallies[r->n_tallies++] = t;
	}
	r->tallies[i].value++;
	if (!r->tallies[i].is_dirty)
		dirty_add(r, (struct dirty){ .kind = RECORD_TALLY, .slot = i });
	r->tallies[i].is_dirty = true;
}

/* ---- records ---- */

static const char *text(const struct reconcile *r, uint32_t id)
{
	return strings_text(&r->strings, id);
}

/* The target that it is about; NULL: it is gone, or another took its slot. */
static struct target *dirty_target(const struct reconcile *r, const struct dirty *d)
{
	struct target *t = d->slot == NONE ? NULL : target_at(r, d->slot);

	return t && t->born && t->id == d->id ? t : NULL;
}

static struct target *target_of(const struct reconcile *r, const char *serial, enum version_type type)
{
	uint32_t device = device_find(r, serial), slot = device == NONE ? NONE : device_at(r, device)->targets[type];

	return slot == NONE ? NULL : target_at(r, slot);
}

static void record_history(const struct reconcile *r, const struct history *h, struct record *rec)
{
	static const struct history none = { .changed_ns = { NEVER, NEVER, NEVER } };

	h = h ? h : &none;
	rec->text[REC_TARGET_TEXT_HELD_BY] = h->held_by ? h->held_by : "";
	rec->text[REC_TARGET_TEXT_HELD_WHY] = h->held_why ? h->held_why : "";
	rec->text[REC_TARGET_TEXT_URGENT] = text(r, h->urgent);
	rec->text[REC_TARGET_TEXT_ENDED_POLICY] = text(r, h->ended.policy);
	rec->text[REC_TARGET_TEXT_ENDED_VERSION] = text(r, h->ended.version);
	rec->number[REC_TARGET_URGENT_UNTIL] = h->urgent ? h->urgent_until_ns : NEVER;
	rec->number[REC_TARGET_HELD_SINCE] = h->held_since_s;
	rec->number[REC_TARGET_ATTEMPTS] = (int64_t)h->counts.attempts;
	rec->number[REC_TARGET_FAILURES] = (int64_t)h->counts.failures;
	rec->number[REC_TARGET_LAST_SUCCESS] = h->counts.last_success_s;
	rec->number[REC_TARGET_LAST_FAILURE] = h->counts.last_failure_s;
	rec->number[REC_TARGET_CHANGED_1] = h->changed_ns[0];
	rec->number[REC_TARGET_CHANGED_2] = h->changed_ns[1];
	rec->number[REC_TARGET_CHANGED_3] = h->changed_ns[2];
	rec->number[REC_TARGET_ENDED_EPOCH] = h->ended.epoch;
	rec->number[REC_TARGET_ENDED_REASON] = h->ended.reason;
}

static bool record_remembered(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	const struct remembered *m = remember_find(r, d->serial_number, d->version_type);

	rec->text[REC_TARGET_TEXT_SERIAL] = d->serial_number;
	rec->number[REC_TARGET_VERSION_TYPE] = d->version_type;
	if (!m)
		return false;
	record_history(r, m->history, rec);
	if (m->history)
		d->counts = m->history->counts;
	rec->text[REC_TARGET_TEXT_APPROVED] = text(r, m->approved);
	rec->text[REC_TARGET_TEXT_ACCOUNT] = text(r, m->account);
	rec->text[REC_TARGET_TEXT_POLICY] = text(r, m->aimed_policy);
	rec->number[REC_TARGET_FIRST_SEEN] = m->first_seen_s;
	rec->number[REC_TARGET_DRIFT_SINCE] = m->drift_since_s;
	rec->number[REC_TARGET_LEFT] = m->left_ns;
	rec->number[REC_TARGET_APPROVED_AT] = m->approved_ns;
	rec->number[REC_TARGET_WAIT] = m->wait;
	rec->number[REC_TARGET_WAIT_REASON] = m->wait_reason;
	rec->number[REC_TARGET_N_WAITS] = m->n_waits;
	rec->number[REC_TARGET_WAIT_UNTIL] = m->wait_ns;
	return true;
}

static bool record_target(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	struct target *t = dirty_target(r, d);

	if (!t && d->serial_number) { /* it left; or it is back by now */
		t = target_of(r, d->serial_number, d->version_type);
		if (!t)
			return record_remembered(r, d, rec);
	}
	if (!t) {
		rec->text[REC_TARGET_TEXT_SERIAL] = NULL; /* what takes its place is another entry */
		return false;
	}
	t->is_dirty = false;
	record_history(r, t->history, rec);
	if (t->history)
		d->counts = t->history->counts;
	rec->text[REC_TARGET_TEXT_SERIAL] = device_at(r, t->device)->serial_number;
	rec->text[REC_TARGET_TEXT_APPROVED] = text(r, t->approved);
	rec->text[REC_TARGET_TEXT_ACCOUNT] = text(r, approval_account(r, t));
	rec->text[REC_TARGET_TEXT_POLICY] = text(r, t->aimed_policy);
	rec->number[REC_TARGET_VERSION_TYPE] = t->version_type;
	rec->number[REC_TARGET_FIRST_SEEN] = t->first_seen_s;
	rec->number[REC_TARGET_DRIFT_SINCE] = t->drift_since_s;
	rec->number[REC_TARGET_LEFT] = NEVER;
	rec->number[REC_TARGET_APPROVED_AT] = t->approved_ns;
	rec->number[REC_TARGET_WAIT] = t->wait;
	rec->number[REC_TARGET_WAIT_REASON] = t->wait_reason;
	rec->number[REC_TARGET_N_WAITS] = t->n_waits;
	rec->number[REC_TARGET_WAIT_UNTIL] = t->wait_ns;
	return true;
}

static bool record_attempts(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	const struct target *t = d->serial_number ? target_of(r, d->serial_number, d->version_type) : dirty_target(r, d);
	struct history *h = t ? t->history : NULL;
	struct attempts *tried = NULL;

	rec->text[REC_ATTEMPTS_TEXT_SERIAL] = t ? device_at(r, t->device)->serial_number : d->serial_number;
	rec->text[REC_ATTEMPTS_TEXT_VERSION] = text(r, d->version);
	rec->number[REC_ATTEMPTS_VERSION_TYPE] = d->version_type;
	for (uint32_t i = 0; h && i < h->n_versions; i++)
		if (h->versions[i].version == d->version)
			tried = &h->versions[i];
	if (!tried)
		return false;
	tried->is_dirty = false;
	rec->number[REC_ATTEMPTS_MADE] = tried->n;
	rec->number[REC_ATTEMPTS_REASON] = tried->reason;
	rec->number[REC_ATTEMPTS_IS_TERMINAL] = tried->is_terminal;
	return true;
}

static bool record_intent(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	struct intent *in = intent_find(r, d->id);
	const struct instance *inst;

	rec->number[REC_INTENT_ID] = (int64_t)d->id;
	if (!in)
		return false;
	inst = instance_at(r, in->instance);
	in->is_dirty = false;
	rec->text[REC_INTENT_TEXT_ACCOUNT] = in->scope == NONE ? "" : text(r, r->scopes[in->scope]->account_name);
	rec->text[REC_INTENT_TEXT_REGION] = in->scope == NONE ? "" : text(r, r->scopes[in->scope]->region_name);
	rec->text[REC_INTENT_TEXT_INSTANCE] = in->instance_id;
	rec->text[REC_INTENT_TEXT_SERIAL] = in->serial_number;
	rec->text[REC_INTENT_TEXT_FROM] = text(r, in->from);
	rec->text[REC_INTENT_TEXT_TO] = text(r, in->to);
	rec->text[REC_INTENT_TEXT_GOAL] = text(r, in->goal);
	rec->text[REC_INTENT_TEXT_POLICY] = text(r, r->policies[in->policy]->name);
	rec->text[REC_INTENT_TEXT_SITE] = text(r, site_text(r, in->site));
	rec->number[REC_INTENT_VERSION_TYPE] = in->version_type;
	rec->number[REC_INTENT_STATE] = in->state == INTENT_ACCEPTED ? RECORD_INTENT_ACCEPTED :
					in->state == INTENT_UNCONFIRMED ? RECORD_INTENT_UNCONFIRMED : RECORD_INTENT_REQUESTED;
	rec->number[REC_INTENT_POSITION] = inst->n_devices > 1 && inst->claims[1].device == target_at(r, in->target)->device;
	rec->number[REC_INTENT_IS_CODE_UNKNOWN] = in->is_code_unknown;
	rec->number[REC_INTENT_IS_SEEN] = in->is_seen;
	rec->number[REC_INTENT_IS_VPN_VERIFIED] = in->is_vpn_verified;
	rec->number[REC_INTENT_DEADLINE_LENGTH] = in->deadline_length_ns;
	rec->number[REC_INTENT_SOAK_LENGTH] = in->soak_ns;
	rec->number[REC_INTENT_CREATED] = in->created_ns;
	rec->number[REC_INTENT_SENT] = intent_is_sent(in) ? in->sent_ns : NEVER;
	rec->number[REC_INTENT_ACCEPTED] = in->state == INTENT_ACCEPTED ? in->accepted_ns : NEVER;
	rec->number[REC_INTENT_SEEN] = in->is_seen ? in->seen_ns : NEVER;
	return true;
}

static bool record_start(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	rec->number[REC_START_INTENT] = (int64_t)d->id;
	if (!d->name)
		return false;
	rec->text[REC_START_TEXT_POLICY] = text(r, d->name);
	rec->number[REC_START_TIME] = d->time_ns;
	return true;
}

static bool record_scope(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	rec->text[REC_SCOPE_TEXT_ACCOUNT] = text(r, d->name);
	rec->text[REC_SCOPE_TEXT_REGION] = text(r, d->version);
	rec->number[REC_SCOPE_SETTLED_AT] = r->wall_s;
	return true;
}

static bool record_tally(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	struct tally *t = &r->tallies[d->slot];

	t->is_dirty = false;
	d->value = t->value;
	rec->text[REC_TALLY_TEXT_ACCOUNT] = text(r, t->account);
	rec->text[REC_TALLY_TEXT_REGION] = text(r, t->region);
	rec->text[REC_TALLY_TEXT_POLICY] = text(r, t->policy);
	rec->number[REC_TALLY_KIND] = t->kind;
	rec->number[REC_TALLY_VERSION_TYPE] = t->version_type;
	rec->number[REC_TALLY_REASON] = t->reason;
	rec->number[REC_TALLY_VALUE] = (int64_t)t->value;
	return true;
}

static bool record_rollout(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	if (d->slot != NONE)
		return rollout_record(r, d->slot, rec);
	for (uint32_t i = 0; i < r->n_rollouts; i++)
		if (r->rollouts[i]->is_used && !r->rollouts[i]->is_ended && r->rollouts[i]->version == d->version && r->rollouts[i]->version_type == d->version_type &&
		    r->policies[r->rollouts[i]->policy]->name == d->name)
			return rollout_record(r, i, rec); /* it is back by now */
	rec->text[REC_ROLLOUT_TEXT_POLICY] = text(r, d->name);
	rec->text[REC_ROLLOUT_TEXT_VERSION] = text(r, d->version);
	rec->number[REC_ROLLOUT_VERSION_TYPE] = d->version_type;
	return false;
}

static bool record_pause(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	rec->text[REC_PAUSE_TEXT_POLICY] = text(r, d->name);
	rec->text[REC_PAUSE_TEXT_VERSION] = text(r, d->version);
	rec->number[REC_PAUSE_VERSION_TYPE] = (int64_t)d->id - 1;
	for (uint32_t i = 0; i < r->n_pauses; i++) {
		const struct pause *p = &r->pauses[i];

		if (p->policy != d->name || p->version != d->version || p->version_type + 1 != (int)d->id)
			continue;
		rec->text[REC_PAUSE_TEXT_WHO] = p->who;
		rec->text[REC_PAUSE_TEXT_WHY] = p->why;
		rec->number[REC_PAUSE_SINCE] = p->since_s;
		return true;
	}
	return false;
}

static bool record_catalogue(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	return catalogue_record(r, d->name, d->version_type, d->version, rec);
}

static bool record_auto(const struct reconcile *r, struct dirty *d, struct record *rec)
{
	return auto_record(r, d->serial_number, d->version_type, rec);
}

/* False: it is gone, and its key is told. */
static bool (*const writers[RECORD_KIND_N])(const struct reconcile *r, struct dirty *d, struct record *rec) = {
	[RECORD_TARGET] = record_target,
	[RECORD_ATTEMPTS] = record_attempts,
	[RECORD_ROLLOUT] = record_rollout,
	[RECORD_START] = record_start,
	[RECORD_PAUSE] = record_pause,
	[RECORD_CATALOGUE] = record_catalogue,
	[RECORD_SCOPE] = record_scope,
	[RECORD_TALLY] = record_tally,
	[RECORD_AUTO_UPGRADE] = record_auto,
	[RECORD_INTENT] = record_intent,
};

/* ---- STORE ---- */

static bool is_keyed(const struct record *rec)
{
	const struct record_format *f = &record_formats[rec->kind];

	for (unsigned int i = 0; i < f->n_key_texts; i++)
		if (!rec->text[i])
			return false;
	return true;
}

uint64_t memory_next_ticket(const struct reconcile *r)
{
	return r->store_tickets + 1;
}

void memory_store(struct reconcile *r)
{
	struct action *a;

	if (!r->is_restored || r->is_storing || r->n_dirty == 0 || r->now_ns < r->store_retry_ns)
		return;
	r->n_records = 0;
	for (uint32_t i = 0; i < r->n_dirty; i++) {
		struct record rec = { .kind = r->dirty[i].kind };

		rec.is_removed = !writers[rec.kind](r, &r->dirty[i], &rec);
		if (is_keyed(&rec) && grow(r, &r->records, r->n_records, &r->cap_records, sizeof(*r->records)))
			r->records[r->n_records++] = rec;
	}
	for (uint32_t i = intents_storing(r); i < r->n_intents; i++)
		if (!r->intents[i]->store_ticket)
			r->intents[i]->store_ticket = memory_next_ticket(r);
	struct dirty *empty = r->storing;
	uint32_t cap = r->cap_storing;
	r->storing = r->dirty;
	r->n_storing = r->n_dirty;
	r->cap_storing = r->cap_dirty;
	r->dirty = empty;
	r->cap_dirty = cap;
	r->n_dirty = 0;
	r->is_storing = true;
	a = plan_add(r, ACTION_STORE);
	a->ticket = ++r->store_tickets;
	a->records = r->records;
	a->n_records = r->n_records;
}

/* Of the target, wherever it is now: it may have left, or come back, since it was written down. */
static struct history *dirty_history(const struct reconcile *r, const struct dirty *d)
{
	struct target *t = dirty_target(r, d);
	struct remembered *m;

	if (!t && d->serial_number)
		t = target_of(r, d->serial_number, d->version_type);
	if (t || !d->serial_number)
		return t ? t->history : NULL;
	m = remember_find(r, d->serial_number, d->version_type);
	return m ? m->history : NULL;
}

static void show_committed(struct reconcile *r, const struct dirty *d)
{
	struct history *h;

	if (d->kind == RECORD_AUTO_UPGRADE)
		auto_stored(r, d->serial_number, d->version_type);
	if (d->kind == RECORD_TALLY)
		r->tallies[d->slot].committed = d->value;
	if (d->kind != RECORD_TARGET)
		return;
	h = dirty_history(r, d);
	if (h)
		h->committed = d->counts;
}

/* It was not stored: so it is dirty still, if nothing made it so meanwhile. */
static void dirty_again(struct reconcile *r, struct dirty d)
{
	struct target *t = d.kind == RECORD_TARGET ? dirty_target(r, &d) : NULL;
	struct intent *in = d.kind == RECORD_INTENT ? intent_find(r, d.id) : NULL;
	struct tally *tally = d.kind == RECORD_TALLY ? &r->tallies[d.slot] : NULL;

	if (d.kind == RECORD_AUTO_UPGRADE && !auto_dirty_again(r, d.serial_number, d.version_type)) {
		free(d.serial_number);
		return;
	}
	if ((t && t->is_dirty) || (in && in->is_dirty) || (tally && tally->is_dirty))
		return;
	if (t)
		t->is_dirty = true;
	if (in)
		in->is_dirty = true;
	if (tally)
		tally->is_dirty = true;
	dirty_add(r, d);
}

void memory_stored(struct reconcile *r, uint64_t ticket, bool is_stored)
{
	if (!r->is_storing || ticket != r->store_tickets)
		return;
	r->is_storing = false;
	for (uint32_t i = 0; i < r->n_storing; i++) {
		if (is_stored) {
			show_committed(r, &r->storing[i]);
			free(r->storing[i].serial_number);
		} else {
			dirty_again(r, r->storing[i]);
		}
	}
	r->n_storing = 0;
}

void memory_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_dirty; i++)
		free(r->dirty[i].serial_number);
	for (uint32_t i = 0; i < r->n_storing; i++)
		free(r->storing[i].serial_number);
	free(r->dirty);
	free(r->storing);
	free(r->records);
	free(r->tallies);
}

/* ---- all of it, for another core ---- */

/* A record as the writers make it, with what it tells of still as dirty as it was. False: there is none at this place. */
static bool look_target(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	struct target *t = target_at(r, c->index);
	struct dirty d = { .slot = c->index++, .id = t->id, .version_type = (enum version_type)t->version_type };
	bool was_dirty = t->is_dirty, is_there = t->born && record_target(r, &d, rec);

	t->is_dirty = was_dirty;
	return is_there;
}

static bool look_attempts(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	const struct target *t = target_at(r, c->index);
	struct attempts *tried = t->born && t->history && c->part < t->history->n_versions ? &t->history->versions[c->part] : NULL;
	struct dirty d = { .slot = c->index, .id = t->id, .version_type = (enum version_type)t->version_type };
	bool was_dirty, is_there;

	if (!tried) {
		c->index++;
		c->part = 0;
		return false;
	}
	c->part++;
	d.version = tried->version;
	was_dirty = tried->is_dirty;
	is_there = record_attempts(r, &d, rec);
	tried->is_dirty = was_dirty;
	return is_there;
}

static bool look_rollout(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	struct rollout *ro = r->rollouts[c->index];
	bool was_dirty = ro->is_dirty, is_there = rollout_record(r, c->index++, rec);

	ro->is_dirty = was_dirty;
	return is_there;
}

static bool look_start(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	const struct policy_state *p = r->policies[c->index];

	if (c->part < p->n_left_hour)
		c->part = p->n_left_hour;
	if (c->part >= p->n_starts) {
		c->index++;
		c->part = 0;
		return false;
	}
	rec->text[REC_START_TEXT_POLICY] = text(r, p->name);
	rec->number[REC_START_INTENT] = (int64_t)p->starts[c->part].intent;
	rec->number[REC_START_TIME] = p->starts[c->part++].time_ns;
	return true;
}

static bool look_pause(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	const struct pause *p = &r->pauses[c->index++];
	struct dirty d = { .name = p->policy, .version = p->version, .id = (uint64_t)(p->version_type + 1) };

	return record_pause(r, &d, rec);
}

static bool look_scope(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	const struct scope_state *s = r->scopes[c->index++];
	struct dirty d = { .name = s->account_name, .version = s->region_name };

	return s->is_settled && record_scope(r, &d, rec);
}

/* Part 0 is the read itself. */
static bool look_catalogue(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	const struct catalogue *cat = r->catalogues[c->index];
	uint32_t part = c->part++;

	if (part > cat->n || cat->read_ns == NEVER) {
		c->index++;
		c->part = 0;
		return false;
	}
	return catalogue_record(r, cat->model, cat->version_type, part ? cat->entries[part - 1].version : 0, rec);
}

static bool look_tally(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	bool was_dirty = r->tallies[c->index].is_dirty, is_there;
	struct dirty d = { .slot = c->index };

	is_there = record_tally(r, &d, rec);
	r->tallies[c->index++].is_dirty = was_dirty;
	return is_there;
}

static bool look_intent(const struct reconcile *r, struct record_cursor *c, struct record *rec)
{
	struct intent *in = r->intents[c->index++];
	struct dirty d = { .id = in->id };
	bool was_dirty = in->is_dirty, is_there = record_intent(r, &d, rec);

	in->is_dirty = was_dirty;
	return is_there;
}

bool reconcile_records(const struct reconcile *r, struct record_cursor *cursor, struct record *ret_record)
{
	const struct {
		bool (*look)(const struct reconcile *r, struct record_cursor *c, struct record *rec);
		uint32_t n;
	} kinds[RECORD_KIND_N] = {
		[RECORD_TARGET] = { look_target, r->targets.n },
		[RECORD_ATTEMPTS] = { look_attempts, r->targets.n },
		[RECORD_ROLLOUT] = { look_rollout, r->n_rollouts },
		[RECORD_START] = { look_start, r->n_policies },
		[RECORD_PAUSE] = { look_pause, r->n_pauses },
		[RECORD_SCOPE] = { look_scope, r->n_scopes },
		[RECORD_CATALOGUE] = { look_catalogue, r->n_catalogues },
		[RECORD_TALLY] = { look_tally, r->n_tallies },
		[RECORD_INTENT] = { look_intent, r->n_intents },
	};

	for (; cursor->kind < RECORD_KIND_N; *cursor = (struct record_cursor){ .kind = cursor->kind + 1 })
		while (cursor->index < kinds[cursor->kind].n) {
			*ret_record = (struct record){ .kind = (enum record_kind)cursor->kind };
			if (kinds[cursor->kind].look(r, cursor, ret_record))
				return true;
		}
	return false;
}
