/*
 * What outlives the inventory, and the process.
 *
 * A target whose device leaves all instances is remembered for thirty days: what was tried on it, who holds it, what
 * it may be upgraded to. It finds all of that again when it comes back. After a restart everything is remembered
 * first, and the listings bring the targets back; only unsettled intents make their instance at once, since they
 * are followed whether it is listed or not (rules 3 and 11).
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t remember_hash(const char *serial, enum version_type type)
{
	return hash_text(serial) ^ (uint32_t)type;
}

struct remembered *remember_find(const struct reconcile *r, const char *serial, enum version_type type)
{
	uint32_t hash = remember_hash(serial, type), cursor = hash, slot;

	while ((slot = map_next(&r->remembered_map, hash, &cursor)) != NONE) {
		struct remembered *m = slab_at(&r->remembered, slot);

		if (m->version_type == type && strcmp(m->serial_number, serial) == 0)
			return m;
	}
	return NULL;
}

static struct remembered *remember_ensure(struct reconcile *r, const char *serial, enum version_type type)
{
	struct remembered *m = remember_find(r, serial, type);
	uint32_t slot;

	if (m)
		return m;
	if (slab_take(&r->remembered, &slot) < 0)
		goto out_of_memory;
	m = slab_at(&r->remembered, slot);
	*m = (struct remembered){ .serial_number = strdup(serial), .hash = remember_hash(serial, type), .version_type = (uint8_t)type,
				  .approved_ns = NEVER, .wait_ns = NEVER };
	if (m->serial_number && map_insert(&r->remembered_map, m->hash, slot) == 0)
		return m;
out_of_memory:
	r->is_out_of_memory = true;
	return NULL;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	free(h->versions);
	free(h->held_by);
	free(h->held_why);
	free(h);
}

static void remember_drop(struct reconcile *r, struct remembered *m)
{
	uint32_t hash = m->hash, cursor = hash, slot;

	while ((slot = map_next(&r->remembered_map, hash, &cursor)) != NONE && slab_at(&r->remembered, slot) != m)
		;
	map_remove(&r->remembered_map, hash, slot);
	free(m->serial_number);
	history_free(m->history);
	*m = (struct remembered){ 0 };
	slab_give(&r->remembered, slot);
}

void remember_give(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	struct remembered *m = remember_find(r, device_at(r, t->device)->serial_number, (enum version_type)t->version_type);

	if (!m)
		return;
	t->first_seen_s = m->first_seen_s;
	t->drift_since_s = m->drift_since_s;
	t->approved = m->approved;
	t->approved_ns = m->approved_ns;
	t->aimed_policy = m->aimed_policy;
	t->wait = m->wait;
	t->wait_reason = m->wait_reason;
	t->n_waits = m->n_waits;
	t->wait_ns = m->wait_ns;
	t->history = m->history;
	m->history = NULL;
	remember_drop(r, m);
}

void remember_take(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	struct remembered *m = remember_ensure(r, device_at(r, t->device)->serial_number, (enum version_type)t->version_type);

	if (!m)
		return;
	m->first_seen_s = t->first_seen_s;
	m->drift_since_s = t->drift_since_s;
	m->left_ns = r->now_ns;
	m->approved = t->approved;
	m->account = approval_account(r, t);
	m->approved_ns = t->approved_ns;
	m->aimed_policy = t->aimed_policy;
	m->wait = t->wait;
	m->wait_reason = t->wait_reason;
	m->n_waits = t->n_waits;
	m->wait_ns = t->wait_ns;
	m->history = t->history;
	t->history = NULL;
	memory_remembered(r, m);
}

void remember_forget(struct reconcile *r)
{
	if (r->now_ns < r->forget_ns)
		return;
	r->forget_ns = r->now_ns + 24 * HOUR_NS;
	auto_forget(r);
	for (uint32_t i = 0; i < r->remembered.n; i++) {
		struct remembered *m = slab_at(&r->remembered, i);

		if (!m->serial_number || r->now_ns - m->left_ns < REMEMBER_NS)
			continue;
		memory_forget_remembered(r, m);
		remember_drop(r, m);
	}
}

void remember_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->remembered.n; i++) {
		struct remembered *m = slab_at(&r->remembered, i);

		free(m->serial_number);
		history_free(m->history);
	}
	slab_deinit(&r->remembered);
	map_deinit(&r->remembered_map);
}

/* ---- after a restart ---- */

static char *text_or_null(struct reconcile *r, const char *text)
{
	char *copy = text[0] ? strdup(text) : NULL;

	r->is_out_of_memory |= text[0] && !copy;
	return copy;
}

static struct history *history_restored(struct reconcile *r, struct remembered *m)
{
	if (!m->history) {
		m->history = calloc(1, sizeof(*m->history));
		r->is_out_of_memory |= !m->history;
		for (unsigned int i = 0; m->history && i < FLAPS; i++)
			m->history->changed_ns[i] = NEVER;
	}
	return m->history;
}

static bool has_history(const struct record *rec)
{
	return rec->text[REC_TARGET_TEXT_HELD_BY][0] || rec->text[REC_TARGET_TEXT_URGENT][0] || rec->text[REC_TARGET_TEXT_ENDED_VERSION][0] ||
	       rec->number[REC_TARGET_ATTEMPTS] || rec->number[REC_TARGET_FAILURES] || rec->number[REC_TARGET_LAST_SUCCESS] ||
	       rec->number[REC_TARGET_CHANGED_3] != NEVER;
}

static void restore_history(struct reconcile *r, const struct record *rec, struct history *h)
{
	h->held_by = text_or_null(r, rec->text[REC_TARGET_TEXT_HELD_BY]);
	h->held_why = text_or_null(r, rec->text[REC_TARGET_TEXT_HELD_WHY]);
	h->held_since_s = rec->number[REC_TARGET_HELD_SINCE];
	h->urgent = intern(r, rec->text[REC_TARGET_TEXT_URGENT]);
	h->urgent_until_ns = rec->number[REC_TARGET_URGENT_UNTIL];
	h->counts = (struct counts){ .last_success_s = rec->number[REC_TARGET_LAST_SUCCESS], .last_failure_s = rec->number[REC_TARGET_LAST_FAILURE],
				     .attempts = (uint64_t)rec->number[REC_TARGET_ATTEMPTS], .failures = (uint64_t)rec->number[REC_TARGET_FAILURES] };
	h->committed = h->counts;
	for (unsigned int i = 0; i < FLAPS; i++)
		h->changed_ns[i] = rec->number[REC_TARGET_CHANGED_1 + i];
	h->ended.policy = intern(r, rec->text[REC_TARGET_TEXT_ENDED_POLICY]);
	h->ended.version = intern(r, rec->text[REC_TARGET_TEXT_ENDED_VERSION]);
	h->ended.epoch = (uint32_t)rec->number[REC_TARGET_ENDED_EPOCH];
	h->ended.reason = (enum reason)rec->number[REC_TARGET_ENDED_REASON];
}

static void restore_target(struct reconcile *r, const struct record *rec)
{
	struct remembered *m = remember_ensure(r, rec->text[REC_TARGET_TEXT_SERIAL], (enum version_type)rec->number[REC_TARGET_VERSION_TYPE]);

	if (!m)
		return;
	m->first_seen_s = rec->number[REC_TARGET_FIRST_SEEN];
	m->drift_since_s = rec->number[REC_TARGET_DRIFT_SINCE];
	m->left_ns = rec->number[REC_TARGET_LEFT] == NEVER ? r->now_ns : rec->number[REC_TARGET_LEFT];
	m->approved = intern(r, rec->text[REC_TARGET_TEXT_APPROVED]);
	m->account = intern(r, rec->text[REC_TARGET_TEXT_ACCOUNT]);
	m->aimed_policy = intern(r, rec->text[REC_TARGET_TEXT_POLICY]);
	m->approved_ns = rec->number[REC_TARGET_APPROVED_AT];
	m->wait = rec->number[REC_TARGET_WAIT] < WAIT_N ? (uint8_t)rec->number[REC_TARGET_WAIT] : WAIT_NONE;
	m->wait_reason = (uint8_t)rec->number[REC_TARGET_WAIT_REASON];
	m->n_waits = (uint8_t)rec->number[REC_TARGET_N_WAITS];
	m->wait_ns = rec->number[REC_TARGET_WAIT_UNTIL];
	if (has_history(rec) && history_restored(r, m))
		restore_history(r, rec, m->history);
	approval_restored(r, m);
}

static void restore_attempts(struct reconcile *r, const struct record *rec)
{
	struct remembered *m = remember_ensure(r, rec->text[REC_ATTEMPTS_TEXT_SERIAL], (enum version_type)rec->number[REC_ATTEMPTS_VERSION_TYPE]);
	struct history *h = m ? history_restored(r, m) : NULL;

	if (!h || !grow(r, &h->versions, h->n_versions, &h->cap_versions, sizeof(*h->versions)))
		return;
	h->versions[h->n_versions++] = (struct attempts){
		.version = intern(r, rec->text[REC_ATTEMPTS_TEXT_VERSION]),
		.n = (uint32_t)rec->number[REC_ATTEMPTS_MADE],
		.reason = (uint8_t)rec->number[REC_ATTEMPTS_REASON],
		.is_terminal = rec->number[REC_ATTEMPTS_IS_TERMINAL] != 0,
	};
}

static void restore_scope(struct reconcile *r, const struct record *rec)
{
	uint32_t scope = scope_find(r, rec->text[REC_SCOPE_TEXT_ACCOUNT], rec->text[REC_SCOPE_TEXT_REGION]);

	if (scope != NONE)
		r->scopes[scope]->is_settled = true;
}

static void restore_tally(struct reconcile *r, const struct record *rec)
{
	uint64_t value = (uint64_t)rec->number[REC_TALLY_VALUE];

	if (!grow(r, &r->tallies, r->n_tallies, &r->cap_tallies, sizeof(*r->tallies)))
		return;
	r->tallies[r->n_tallies++] = (struct tally){
		.kind = (enum tally_kind)rec->number[REC_TALLY_KIND],
		.version_type = (enum version_type)rec->number[REC_TALLY_VERSION_TYPE],
		.reason = (enum reason)rec->number[REC_TALLY_REASON],
		.account = intern(r, rec->text[REC_TALLY_TEXT_ACCOUNT]),
		.region = intern(r, rec->text[REC_TALLY_TEXT_REGION]),
		.policy = intern(r, rec->text[REC_TALLY_TEXT_POLICY]),
		.value = value, .committed = value,
	};
}

void restore_records(struct reconcile *r, const struct event *ev)
{
	static void (*const readers[RECORD_KIND_N])(struct reconcile *, const struct record *) = {
		[RECORD_TARGET] = restore_target,
		[RECORD_ATTEMPTS] = restore_attempts,
		[RECORD_ROLLOUT] = rollout_restore,
		[RECORD_START] = pacing_restore_start,
		[RECORD_PAUSE] = pause_restore,
		[RECORD_CATALOGUE] = catalogue_restore,
		[RECORD_SCOPE] = restore_scope,
		[RECORD_TALLY] = restore_tally,
		[RECORD_AUTO_UPGRADE] = auto_restore,
		[RECORD_INTENT] = intent_restore,
	};

	if (r->is_restored)
		return;
	for (size_t i = 0; i < ev->restored.n && !r->is_out_of_memory; i++)
		if (readers[ev->restored.records[i].kind])
			readers[ev->restored.records[i].kind](r, &ev->restored.records[i]);
}

void restore_end(struct reconcile *r, const struct event *ev)
{
	(void)ev;
	r->is_restored = true;
	r->forget_ns = r->now_ns + 24 * HOUR_NS;
}
