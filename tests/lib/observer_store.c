/*
 * What is stored is true, and what is true is stored: each record of a STORE against what was seen and counted here,
 * and the store itself against what is unsettled, whenever nothing is on its way there.
 */
#include "observer_priv.h"

#include <string.h>

static bool is_own_text(const struct seen_intent *in, const struct observer *o, const struct record *rec)
{
	return strcmp(rec->text[REC_INTENT_TEXT_INSTANCE], in->box->id) == 0 && strcmp(rec->text[REC_INTENT_TEXT_SERIAL], in->serial) == 0 &&
	       strcmp(rec->text[REC_INTENT_TEXT_ACCOUNT], o->w->applied->account_names[in->scope]) == 0 &&
	       strcmp(rec->text[REC_INTENT_TEXT_REGION], o->w->applied->region_names[in->scope]) == 0 &&
	       strcmp(rec->text[REC_INTENT_TEXT_POLICY], o->w->applied->policy_names[in->policy]) == 0 &&
	       world_version_rank(rec->text[REC_INTENT_TEXT_GOAL]) == in->goal && world_version_rank(rec->text[REC_INTENT_TEXT_FROM]) == in->from && world_version_rank(rec->text[REC_INTENT_TEXT_TO]) == in->to;
}

static void check_intent_state(struct observer *o, const struct seen_intent *in, const struct record *rec)
{
	int64_t state = rec->number[REC_INTENT_STATE], sent = rec->number[REC_INTENT_SENT];
	bool is_sent = in->is_restored || (in->is_called && (in->outcome == CALL_ACCEPTED || in->outcome == CALL_UNCONFIRMED));

	if ((state == RECORD_INTENT_ACCEPTED) != (is_sent && in->outcome == CALL_ACCEPTED) || (state == RECORD_INTENT_REQUESTED) == is_sent)
		break_intent(o, "rule 4", in, "is stored as %s", record_intent_states[state]);
	if (is_sent ? sent + o->w->boot_ns != in->sent_ns : sent != INT64_MIN)
		break_intent(o, "rule 12", in, "is stored as sent at another time");
	if (rec->number[REC_INTENT_CREATED] + o->w->boot_ns != in->created_ns)
		break_intent(o, "rule 12", in, "is stored as made at another time");
	if (rec->number[REC_INTENT_DEADLINE_LENGTH] != in->deadline_ns || rec->number[REC_INTENT_SOAK_LENGTH] != in->soak_ns)
		break_intent(o, "rule 4", in, "is stored with another deadline or soak");
	if (rec->number[REC_INTENT_IS_SEEN] && !in->was_there && !observer_is_shared(o, in->serial))
		break_intent(o, "rule 4", in, "is stored as seen, and no read showed it");
}

static void check_intent(struct observer *o, const struct record *rec, uint64_t ticket)
{
	struct seen_intent *in = observer_intent(o, (uint64_t)rec->number[REC_INTENT_ID]);

	if (!in || in->is_settled != rec->is_removed) {
		world_break(o->w, "rule 4", "intent %lld is %s in the store, and is %s", (long long)rec->number[REC_INTENT_ID],
			    rec->is_removed ? "removed" : "kept", !in ? "unknown" : in->is_settled ? "settled" : "unsettled");
		return;
	}
	if (rec->is_removed)
		return;
	if (in->store == 0)
		in->store = ticket;
	if (!is_own_text(in, o, rec))
		break_intent(o, "rule 4", in, "is stored as another");
	check_intent_state(o, in, rec);
}

static void check_start(const struct observer *o, const struct record *rec)
{
	const struct seen_intent *in = observer_intent(o, (uint64_t)rec->number[REC_START_INTENT]);

	if (!in)
		return; /* of a life whose state is lost */
	if (rec->is_removed && !in->is_withdrawn && in->start_ns > o->w->now_ns - HOUR)
		break_intent(o, "rule 5", in, "its start is forgotten within the hour");
	if (!rec->is_removed && rec->number[REC_START_TIME] + o->w->boot_ns != in->start_ns)
		break_intent(o, "rule 5", in, "its start is stored for another time");
}

static void check_target(struct observer *o, const struct record *rec)
{
	const char *serial = rec->text[REC_TARGET_TEXT_SERIAL];
	const struct seen_counts *c = &observer_serial(o, serial)->counts[rec->number[REC_TARGET_VERSION_TYPE]];

	if (!rec->is_removed &&
	    (rec->number[REC_TARGET_ATTEMPTS] != (int64_t)c->attempts || rec->number[REC_TARGET_FAILURES] != (int64_t)c->failures))
		world_break(o->w, "rule 9", "%s is stored with %lld attempts, %lld failures: there were %llu, %llu", serial,
			    (long long)rec->number[REC_TARGET_ATTEMPTS], (long long)rec->number[REC_TARGET_FAILURES],
			    (unsigned long long)c->attempts, (unsigned long long)c->failures);
}

static void check_attempts(struct observer *o, const struct record *rec)
{
	const char *serial = rec->text[REC_ATTEMPTS_TEXT_SERIAL];
	const struct seen_counts *c = &observer_serial(o, serial)->counts[rec->number[REC_ATTEMPTS_VERSION_TYPE]];
	int version = world_version_rank(rec->text[REC_ATTEMPTS_TEXT_VERSION]);

	if (version < 0 || rec->is_removed)
		return;
	if (rec->number[REC_ATTEMPTS_MADE] != c->made[version] || (rec->number[REC_ATTEMPTS_IS_TERMINAL] != 0) != ((c->terminal >> version) & 1u))
		world_break(o->w, "rule 4", "%s is stored with %lld attempts for %s, terminal %lld: there were %u, %u", serial,
			    (long long)rec->number[REC_ATTEMPTS_MADE], world_versions[version], (long long)rec->number[REC_ATTEMPTS_IS_TERMINAL],
			    c->made[version], (c->terminal >> version) & 1u);
}

static void check_tally(struct observer *o, const struct record *rec)
{
	uint64_t *counted = observer_tally(o, rec);

	if (rec->number[REC_TALLY_KIND] == TALLY_EXTERNAL_CHANGE)
		return;
	if (rec->is_removed || *counted != (uint64_t)rec->number[REC_TALLY_VALUE])
		world_break(o->w, "rule 14", "%s of %s %s %s is stored as %lld: there were %llu", tally_names[rec->number[REC_TALLY_KIND]],
			    rec->text[REC_TALLY_TEXT_ACCOUNT], rec->text[REC_TALLY_TEXT_REGION], rec->text[REC_TALLY_TEXT_POLICY],
			    (long long)rec->number[REC_TALLY_VALUE], (unsigned long long)*counted);
}

static void check_scope(const struct observer *o, const struct record *rec)
{
	for (uint32_t i = 0; i < o->w->applied->n_scopes; i++) {
		if (strcmp(rec->text[REC_SCOPE_TEXT_ACCOUNT], o->w->applied->account_names[i]) != 0 ||
		    strcmp(rec->text[REC_SCOPE_TEXT_REGION], o->w->applied->region_names[i]) != 0)
			continue;
		if (!o->is_settled[i] && (o->first_listing_ns[i] == 0 || o->w->now_ns < o->first_listing_ns[i] + o->shortest_settling_ns))
			world_break(o->w, "rule 11", "scope %u is stored as settled, and is not", i);
	}
}

static void take_shown(struct observer *o, const struct record *rec)
{
	struct seen_counts *c = &observer_serial(o, rec->text[REC_TARGET_TEXT_SERIAL])->counts[rec->number[REC_TARGET_VERSION_TYPE]];

	if (c->written[0].is_stored)
		c->written[1] = c->written[0];
	c->written[0] = (struct seen_written){.made_ns = o->w->now_ns, .next_ns = c->next_ns};
	o->shown = observer_grow(o->shown, &o->shown_size, o->n_shown + 1, sizeof(*o->shown));
	o->shown[o->n_shown++] = (struct seen_shown){
		.of = c,
		.attempts = rec->is_removed ? 0 : (uint64_t)rec->number[REC_TARGET_ATTEMPTS],
		.failures = rec->is_removed ? 0 : (uint64_t)rec->number[REC_TARGET_FAILURES],
	};
}

void observer_store(struct observer *o, const struct action *a)
{
	if (o->storing)
		world_break(o->w, "shape", "STORE %llu while %llu is under way", (unsigned long long)a->ticket, (unsigned long long)o->storing);
	o->storing = a->ticket;
	o->n_shown = 0;
	for (size_t i = 0; i < a->n_records && !o->w->failure; i++) {
		const struct record *rec = &a->records[i];

		if (rec->kind == RECORD_INTENT)
			check_intent(o, rec, a->ticket);
		else if (rec->kind == RECORD_START)
			check_start(o, rec);
		else if (rec->kind == RECORD_ATTEMPTS)
			check_attempts(o, rec);
		else if (rec->kind == RECORD_TALLY)
			check_tally(o, rec);
		else if (rec->kind == RECORD_SCOPE)
			check_scope(o, rec);
		else if (rec->kind == RECORD_ROLLOUT)
			observer_check_rollout_record(o, rec);
		else if (rec->kind == RECORD_CATALOGUE)
			observer_check_catalogue_record(o, rec);
		else if (rec->kind == RECORD_PAUSE)
			observer_check_pause_record(o, rec);
		if (rec->kind != RECORD_TARGET)
			continue;
		check_target(o, rec);
		if (!rec->is_removed)
			observer_check_words(o, rec);
		take_shown(o, rec);
	}
}

void observer_store_ended(struct observer *o, const struct event *ev)
{
	if (o->storing != ev->stored.ticket)
		return;
	o->storing = 0;
	o->is_store_behind = ev->kind == EVENT_STORE_FAILED;
	if (o->is_store_behind)
		return;
	for (size_t i = 0; i < o->n_open; i++)
		o->open[i]->is_stored |= o->open[i]->store == ev->stored.ticket;
	for (size_t i = 0; i < o->n_shown; i++) {
		o->shown[i].of->shown_attempts = o->shown[i].attempts;
		o->shown[i].of->shown_failures = o->shown[i].failures;
		o->shown[i].of->written[0].is_stored = true;
	}
}

void observer_store_all(struct observer *o)
{
	size_t n = 0;

	if (o->storing || o->is_store_behind || !o->w->core)
		return;
	for (size_t i = 0; i < o->w->store.n; i++) {
		const struct store_row *row = &o->w->store.rows[i];

		n += row->texts && row->record.kind == RECORD_INTENT;
	}
	for (size_t i = 0; i < o->n_open; i++)
		if (!store_find_intent(&o->w->store, o->open[i]->id))
			break_intent(o, "rule 2", o->open[i], "unsettled, and not in the store");
	if (n != o->n_open)
		world_break(o->w, "rule 4", "the store holds %zu intents, %zu are unsettled", n, o->n_open);
}
