/*
 * The observer through restarts (rule 11): what was not durable is forgotten, here as there; what was durable must be
 * taken up, with its times moved as the contract says (rule 12). What really happened in the cloud stays known.
 */
#include "observer_priv.h"
#include "world_priv.h"

#include <string.h>

/* By the contract: nothing in the same boot; else what passed is taken from the wall clock, or nothing did. */
static int64_t moved_ns(const struct observer *o, const struct store_row *row, int64_t time_ns)
{
	struct record_stamp now = world_stamp(o->w);
	int64_t passed_s = now.wall_s - row->written.wall_s;
	int64_t age_ns = row->written.boot_ns - time_ns;

	if (row->written.boot == now.boot)
		return time_ns + o->w->boot_ns;
	return o->w->now_ns - age_ns - (passed_s > 0 ? passed_s * NS_PER_S : 0);
}

/* How far that moves a time that is on the world's clock. */
static int64_t move_ns(const struct observer *o, const struct store_row *row)
{
	struct record_stamp now = world_stamp(o->w);

	return row->written.boot == now.boot ? 0 : moved_ns(o, row, row->written.boot_ns) - row->written_ns;
}

static int64_t moved_or_0(const struct observer *o, const struct store_row *row, int64_t time_ns)
{
	return time_ns == INT64_MIN ? 0 : moved_ns(o, row, time_ns);
}

void observer_crashed(struct observer *o, bool is_lost)
{
	for (size_t i = 0; is_lost && i < o->n_intents; i++)
		if (!o->intents[i]->is_settled || o->intents[i]->start_ns > o->w->now_ns - 2 * HOUR)
			o->intents[i]->is_forgotten = true;
	for (uint32_t i = 0; is_lost && i < o->w->n_boxes; i++)
		for (unsigned int k = 0; k < o->w->boxes[i].n_devices; k++)
			memset(o->w->boxes[i].devices[k].is_auto_ours, 0, sizeof(o->w->boxes[i].devices[k].is_auto_ours));
}

/* ---- what a new process does not know ---- */

static void forget_box(struct seen_box *box)
{
	box->is_live = box->is_in_listing = box->is_named = false;
	box->slot = NONE;
	box->n_slots = 0;
	box->left_step = 0;
	box->read_ns = box->listed_ns = box->fresh_ns = 0;
	box->absences = box->unseen = 0;
	box->n_fresh = 0;
	for (size_t i = 0; i < box->n_devices; i++) {
		box->devices[i].listed_ns = 0;
		memset(box->devices[i].read_ns, 0, sizeof(box->devices[i].read_ns));
	}
}

static void forget_table(struct observer *o)
{
	for (size_t i = 0; i < o->n_known; i++)
		forget_box(o->known[i]);
	if (o->at_slot)
		memset(o->at_slot, 0, o->at_slot_size * sizeof(*o->at_slot));
	if (o->targets)
		memset(o->targets, 0, o->targets_size * sizeof(*o->targets));
	o->n_live = 0;
	memset(o->asked, 0, sizeof(o->asked));
	memset(o->catalogues, 0, sizeof(o->catalogues));
	for (size_t i = 0; i < WORLD_SCOPES; i++) {
		o->first_listing_ns[i] = o->probed_ns[i] = 0;
		o->is_usable[i] = true;
		o->is_paused[i] = o->is_settled[i] = false;
	}
	o->last_store = o->storing = o->last_ticket = o->new_ticket = 0;
	o->is_store_behind = false;
	o->n_shown = 0;
}

static void forget_count(struct seen_counts *c)
{
	struct seen_counts was = *c;

	*c = (struct seen_counts){.written = {was.written[0], was.written[1]}};
}

static void forget_counts(struct observer *o)
{
	for (size_t i = 0; i < o->n_serials; i++)
		for (size_t t = 0; t < VERSION_TYPE_N; t++)
			forget_count(&o->serials[i]->counts[t]);
	for (size_t i = 0; i < o->n_tallies; i++)
		o->tallies[i].value = 0;
}

/* ---- what the store tells ---- */

/* What is not durable never was; if its call left all the same, rule 2 is broken. */
static void lose_intent(const struct observer *o, struct seen_intent *in)
{
	if (in->left_ns && !in->is_forgotten)
		break_intent(o, "rule 2", in, "its call left, and the store does not hold it after the crash");
	in->is_settled = in->is_withdrawn = true;
	in->ended = INTENT_WITHDRAWN;
}

/* Its end was not durable: it is unsettled again, and what ended it is not known. */
static void revive(struct observer *o, struct seen_intent *in)
{
	if (!in->is_settled)
		return;
	in->is_settled = in->is_withdrawn = false;
	observer_open(o, in);
}

static void take_intent(struct observer *o, const struct store_row *row)
{
	const struct record *rec = &row->record;
	struct seen_intent *in = observer_intent(o, (uint64_t)rec->number[REC_INTENT_ID]);
	bool is_accepted = rec->number[REC_INTENT_STATE] == RECORD_INTENT_ACCEPTED;

	if (!in || in->is_forgotten) {
		world_break(o->w, "rule 4", "intent %lld is in the store and was never told", (long long)rec->number[REC_INTENT_ID]);
		return;
	}
	revive(o, in);
	in->is_restored = in->is_away = in->is_stored = true;
	in->is_called = true;
	in->outcome = is_accepted ? CALL_ACCEPTED : CALL_UNCONFIRMED;
	in->class = rec->number[REC_INTENT_IS_CODE_UNKNOWN] ? ERROR_CLASS_TERMINAL : ERROR_CLASS_NONE;
	in->created_ns = moved_ns(o, row, rec->number[REC_INTENT_CREATED]);
	in->sent_ns = rec->number[REC_INTENT_SENT] == INT64_MIN ? in->created_ns : moved_ns(o, row, rec->number[REC_INTENT_SENT]);
	in->was_there = rec->number[REC_INTENT_IS_SEEN] != 0;
	in->there_ns = in->was_there ? moved_ns(o, row, rec->number[REC_INTENT_SEEN]) : 0;
	in->late_ns = in->later_ns = in->overdue_ns = 0;
	in->was_beyond = in->was_healthy = in->was_back = in->was_removed = in->was_late = false;
}

static void take_start(struct observer *o, const struct store_row *row)
{
	struct seen_intent *in = observer_intent(o, (uint64_t)row->record.number[REC_START_INTENT]);

	if (!in)
		return;
	in->start_ns = moved_ns(o, row, row->record.number[REC_START_TIME]);
	in->is_start_stored = true;
}

static void take_counts(struct observer *o, const struct store_row *row)
{
	const struct record *rec = &row->record;
	struct seen_counts *c;
	int version;

	if (rec->kind == RECORD_TARGET) {
		c = &observer_serial(o, rec->text[REC_TARGET_TEXT_SERIAL])->counts[rec->number[REC_TARGET_VERSION_TYPE]];
		c->attempts = c->shown_attempts = (uint64_t)rec->number[REC_TARGET_ATTEMPTS];
		c->failures = c->shown_failures = (uint64_t)rec->number[REC_TARGET_FAILURES];
		c->written[0] = c->written[0].made_ns == row->written_ns ? c->written[0] : c->written[1];
		c->written[0].is_stored = true;
		c->next_ns = c->written[0].next_ns + move_ns(o, row);
		observer_take_words(o, rec, moved_or_0(o, row, rec->number[REC_TARGET_APPROVED_AT]), moved_or_0(o, row, rec->number[REC_TARGET_URGENT_UNTIL]));
		return;
	}
	c = &observer_serial(o, rec->text[REC_ATTEMPTS_TEXT_SERIAL])->counts[rec->number[REC_ATTEMPTS_VERSION_TYPE]];
	version = world_version_rank(rec->text[REC_ATTEMPTS_TEXT_VERSION]);
	if (version < 0)
		return;
	c->made[version] = (uint32_t)rec->number[REC_ATTEMPTS_MADE];
	c->terminal |= rec->number[REC_ATTEMPTS_IS_TERMINAL] ? 1u << version : 0;
}

static void take_scope(struct observer *o, const struct record *rec)
{
	for (uint32_t i = 0; i < o->w->draft.n_scopes; i++)
		if (strcmp(rec->text[REC_SCOPE_TEXT_ACCOUNT], o->w->draft.account_names[i]) == 0 &&
		    strcmp(rec->text[REC_SCOPE_TEXT_REGION], o->w->draft.region_names[i]) == 0)
			o->is_settled[i] = true;
}

static void take_row(struct observer *o, const struct store_row *row)
{
	if (row->record.kind == RECORD_INTENT)
		take_intent(o, row);
	else if (row->record.kind == RECORD_START)
		take_start(o, row);
	else if (row->record.kind == RECORD_TARGET || row->record.kind == RECORD_ATTEMPTS)
		take_counts(o, row);
	else if (row->record.kind == RECORD_ROLLOUT)
		observer_take_rollout(o, &row->record);
	else if (row->record.kind == RECORD_PAUSE)
		observer_take_pause(o, &row->record);
	else if (row->record.kind == RECORD_CATALOGUE)
		observer_take_catalogue(o, &row->record);
	else if (row->record.kind == RECORD_SCOPE)
		take_scope(o, &row->record);
	else if (row->record.kind == RECORD_TALLY)
		*observer_tally(o, &row->record) = (uint64_t)row->record.number[REC_TALLY_VALUE];
}

/* What may have been called before the crash, and was not counted then. */
static void count_unheard(struct observer *o)
{
	for (size_t i = 0; i < o->w->store.n && !o->w->failure; i++) {
		const struct store_row *row = &o->w->store.rows[i];
		const struct seen_intent *in;

		if (!row->texts || row->record.kind != RECORD_INTENT || row->record.number[REC_INTENT_STATE] != RECORD_INTENT_REQUESTED)
			continue;
		in = observer_intent(o, (uint64_t)row->record.number[REC_INTENT_ID]);
		if (in)
			in->serial_of->counts[in->type].attempts++;
	}
}

/* Starts that are not durable: of what never left, or long ago; else the rate is not kept over the restart. */
static void check_starts(struct observer *o)
{
	o->first_recent = 0;
	for (size_t i = 0; i < o->n_intents; i++) {
		struct seen_intent *in = o->intents[i];

		if (in->is_start_stored || in->start_ns <= o->w->now_ns - HOUR)
			continue;
		if (in->is_stored && !in->is_withdrawn && !in->is_forgotten)
			break_intent(o, "rule 5", in, "is durable, and its start is not");
		in->is_withdrawn = true;
	}
}

static void lose_intents(struct observer *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_open; i++) {
		struct seen_intent *in = o->open[i];

		if (!in->is_forgotten && store_find_intent(&o->w->store, in->id))
			o->open[n++] = in;
		else
			lose_intent(o, in);
	}
	o->n_open = n;
}

void observer_begins(struct observer *o)
{
	if (o->w->life == 1)
		return;
	forget_table(o);
	forget_counts(o);
	observer_rollouts_begin(o);
	for (size_t i = 0; i < o->n_intents; i++)
		o->intents[i]->is_start_stored = false;
	lose_intents(o);
	for (size_t i = 0; i < o->w->store.n && !o->w->failure; i++)
		if (o->w->store.rows[i].texts)
			take_row(o, &o->w->store.rows[i]);
	count_unheard(o);
	check_starts(o);
}

/* ---- what the new life takes up ---- */

void observer_taken_up(struct observer *o)
{
	struct intent_view v;

	for (size_t i = 0; i < o->n_open; i++) {
		struct seen_intent *in = o->open[i];

		if (!in->is_away || !reconcile_intent(o->w->core, in->id, &v))
			continue;
		in->is_away = false;
		in->target = v.target;
		if (strcmp(v.instance_id, in->box->id) != 0 || strcmp(v.serial_number, in->serial) != 0 || v.version_type != in->type ||
		    world_version_rank(v.from) != in->from || world_version_rank(v.to) != in->to || v.scope != in->scope)
			break_intent(o, "rule 11", in, "is taken up as another");
	}
}

void observer_begun(struct observer *o)
{
	if (o->w->is_killed || o->w->life == 1)
		return;
	for (size_t i = 0; i < o->n_open; i++)
		if (o->open[i]->is_away)
			break_intent(o, "rule 11", o->open[i], "is in the store and was not taken up");
}
