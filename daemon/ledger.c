/*
 * Between the core and the store.
 *
 * The core has one STORE under way at a time. Rows of history are kept here until they were committed: a commit that
 * fails keeps them for the next one, up to a limit, beyond which the oldest are let go and counted in the log.
 */
#include "ledger.h"

#include "log.h"
#include "report.h"
#include "state/state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 10000
#define ROW_TEXTS 15
#define ROW_BYTES 2048
#define FLUSH_MS 5000 /* what a store that does not answer may delay the end by */

/* A row with texts of its own. */
struct row {
	int64_t wall_s;
	uint16_t at[ROW_TEXTS]; /* in text */
	char *text;
};

struct ledger {
	struct daemon *d;
	struct state *state;
	struct record_stamp now; /* boot is fixed, the times are set for each commit */
	struct row *rows;        /* the first n_sent are in the commit that is under way */
	size_t n_rows, size_rows, n_sent, n_lost;
	bool is_loaded, is_storing;
};

int ledger_new(struct daemon *d, const char *path, struct ledger **ret_ledger)
{
	struct ledger *l = calloc(1, sizeof(*l));
	struct state_options options = { .path = path };
	int r;

	if (!l)
		return -ENOMEM;
	l->d = d;
	r = state_boot(&l->now.boot);
	l->now.boot_ns = d->now_ns;
	l->now.wall_s = d->wall_s;
	options.now = l->now;
	if (!r)
		r = state_new(&options, &l->state);
	if (r) {
		free(l);
		return r;
	}
	*ret_ledger = l;
	return 0;
}

int ledger_fd(const struct ledger *l)
{
	return state_fd(l->state);
}

bool ledger_is_loaded(const struct ledger *l)
{
	return l->is_loaded;
}

static void rows_drop(struct ledger *l, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		free(l->rows[i].text);
	if (n > 0)
		memmove(l->rows + first, l->rows + first + n, (l->n_rows - first - n) * sizeof(*l->rows));
	l->n_rows -= n;
}

struct ledger *ledger_free(struct ledger *l)
{
	struct pollfd wait;

	if (!l)
		return NULL;
	wait = (struct pollfd){ .fd = state_fd(l->state), .events = POLLIN };
	while (l->is_storing && poll(&wait, 1, FLUSH_MS) > 0)
		if (ledger_run(l) < 0)
			break;
	l->state = state_free(l->state);
	rows_drop(l, 0, l->n_rows);
	free(l->rows);
	free(l);
	return NULL;
}

/* ---- from the store ---- */

static int restore(struct ledger *l, const struct state_message *m)
{
	struct event ev = { .kind = EVENT_RESTORED, .restored = { m->records, m->n_records } };

	return daemon_step(l->d, &ev);
}

static int end_restore(struct ledger *l, bool is_first_life)
{
	struct event ev = { .kind = EVENT_RESTORE_ENDED, .restore.is_first_life = is_first_life };

	l->is_loaded = true;
	if (is_first_life)
		log_line(LOG_LEVEL_INFO, "there is no earlier state: nothing starts until one deadline after the first complete listing",
			 { "state", l->d->config->state_path });
	return daemon_step(l->d, &ev);
}

static int open_failed(struct ledger *l, const struct state_message *m)
{
	if (state_failure_is_fatal(m->failure)) {
		log_line(LOG_LEVEL_ERROR, "cannot use the state file", { "cause", state_failure_names[m->failure] }, { "error", m->error });
		return -EBUSY;
	}
	log_line(LOG_LEVEL_ERROR, "the state cannot be read: metrics are served, nothing is upgraded", { "cause", state_failure_names[m->failure] },
		 { "error", m->error });
	return end_restore(l, true);
}

static void tell_lost(struct ledger *l)
{
	char text[32];

	if (l->n_lost == 0)
		return;
	snprintf(text, sizeof(text), "%zu", l->n_lost);
	log_line(LOG_LEVEL_WARN, "the history is written again; some of its rows were let go", { "rows", text }, { "state", l->d->config->state_path });
	l->n_lost = 0;
}

static int stored(struct ledger *l, const struct state_message *m, bool is_stored)
{
	struct event ev = { .kind = is_stored ? EVENT_STORED : EVENT_STORE_FAILED, .stored.ticket = m->ticket };

	l->is_storing = false;
	if (is_stored) {
		rows_drop(l, 0, l->n_sent);
		tell_lost(l);
	}
	l->n_sent = 0;
	report_commit(l->d->report, is_stored, m->duration_ns);
	report_store(l->d->report, is_stored, m->error);
	return daemon_step(l->d, &ev);
}

static int take(struct ledger *l, const struct state_message *m)
{
	switch (m->kind) {
	case STATE_LOADED:
		return restore(l, m);
	case STATE_LOAD_ENDED:
		return end_restore(l, m->is_first_life);
	case STATE_OPEN_FAILED:
		return open_failed(l, m);
	case STATE_COMMITTED:
		return stored(l, m, true);
	case STATE_FAILED:
		return stored(l, m, false);
	case STATE_HISTORY:
	case STATE_MESSAGE_N:
		break;
	}
	return 0;
}

int ledger_run(struct ledger *l)
{
	struct state_message m;
	int r = 0;

	while (r >= 0 && state_take(l->state, &m))
		r = take(l, &m);
	return r;
}

/* ---- history ---- */

/* In the order of struct state_history_row. */
enum {
	ROW_ACCOUNT, ROW_REGION, ROW_INSTANCE, ROW_SERIAL, ROW_TYPE, ROW_WHAT, ROW_FROM, ROW_TO, ROW_OUTCOME, ROW_REASON, ROW_POLICY,
	ROW_WAVE, ROW_REQUEST, ROW_WHO, ROW_WHY,
};

/* Texts of a row while it is made: NULL is "". */
struct draft {
	const char *text[ROW_TEXTS];
};

/* For one more. What is in a commit that is under way is not touched, and is at most as much again. */
static void rows_make_room(struct ledger *l)
{
	size_t n_waiting = l->n_rows - l->n_sent;
	size_t n = n_waiting >= ROWS_MAX ? n_waiting - ROWS_MAX + 1 : 0;

	if (n == 0)
		return;
	rows_drop(l, l->n_sent, n);
	if (l->n_lost == 0)
		log_line(LOG_LEVEL_WARN, "the history cannot be written for so long that its oldest rows are let go",
			 { "state", l->d->config->state_path });
	l->n_lost += n;
}

static int row_add(struct ledger *l, const struct draft *draft)
{
	char text[ROW_BYTES];
	struct row row = { .wall_s = l->d->wall_s };
	size_t used = 0;

	for (size_t i = 0; i < ROW_TEXTS; i++) {
		const char *t = draft->text[i] ? draft->text[i] : "";
		size_t length = strlen(t);

		if (used + length + ROW_TEXTS > sizeof(text))
			length = 0; /* limits of what comes in keep all of them below this */
		row.at[i] = (uint16_t)used;
		memcpy(text + used, t, length);
		used += length;
		text[used++] = '\0';
	}
	rows_make_room(l);
	if (l->n_rows == l->size_rows) {
		size_t size = l->size_rows ? 2 * l->size_rows : 64;
		struct row *grown = realloc(l->rows, size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->rows = grown;
		l->size_rows = size;
	}
	row.text = malloc(used);
	if (!row.text)
		return -ENOMEM;
	memcpy(row.text, text, used);
	l->rows[l->n_rows++] = row;
	return 0;
}

static void draft_scope(const struct ledger *l, struct draft *draft, uint32_t scope)
{
	if (scope >= l->d->config->settings.n_scopes)
		return;
	draft->text[ROW_ACCOUNT] = l->d->config->settings.scopes[scope].account;
	draft->text[ROW_REGION] = l->d->config->settings.scopes[scope].region_id;
}

static bool draft_intent(const struct ledger *l, struct draft *draft, uint64_t intent)
{
	struct intent_view in;

	if (!reconcile_intent(l->d->core, intent, &in))
		return false;
	draft_scope(l, draft, in.scope);
	draft->text[ROW_INSTANCE] = in.instance_id;
	draft->text[ROW_SERIAL] = in.serial_number;
	draft->text[ROW_TYPE] = version_type_names[in.version_type];
	draft->text[ROW_FROM] = in.from;
	draft->text[ROW_TO] = in.to;
	draft->text[ROW_POLICY] = in.policy_name;
	return true;
}

static void draft_target(const struct ledger *l, struct draft *draft, const struct action *a)
{
	struct target_view v;

	if (a->target == NONE || !reconcile_target_facts(l->d->core, a->target, &v))
		return;
	draft->text[ROW_INSTANCE] = v.instance_id;
	draft->text[ROW_SERIAL] = v.serial_number;
	draft->text[ROW_TYPE] = version_type_names[v.version_type];
	draft->text[ROW_FROM] = a->from;
	draft->text[ROW_TO] = a->to;
}

static void draft_rollout(const struct ledger *l, struct draft *draft, const struct action *a)
{
	struct rollout_view v;

	if (!reconcile_rollout(l->d->core, a->rollout, &v))
		return;
	draft->text[ROW_TYPE] = version_type_names[v.version_type];
	draft->text[ROW_TO] = v.version;
	draft->text[ROW_POLICY] = v.policy_name;
	draft->text[ROW_WAVE] = a->wave;
	draft->text[ROW_OUTCOME] = rollout_change_names[a->rollout_change];
	draft->text[ROW_REASON] = a->rollout_change == ROLLOUT_HALTED ? halt_cause_names[v.halt_cause] : "";
}

static void draft_act(struct draft *draft, const struct event *ev, const struct action *a)
{
	draft->text[ROW_WHAT] = act_names[a->act];
	draft->text[ROW_ACCOUNT] = ev->act.account;
	draft->text[ROW_INSTANCE] = ev->act.instance_id;
	draft->text[ROW_SERIAL] = ev->act.serial_number;
	draft->text[ROW_TYPE] = ev->act.version_type;
	draft->text[ROW_TO] = ev->act.version;
	draft->text[ROW_POLICY] = ev->act.is_all ? "all" : ev->act.policy;
	draft->text[ROW_WAVE] = ev->act.wave;
	draft->text[ROW_OUTCOME] = act_outcome_names[a->act_outcome];
	draft->text[ROW_WHO] = ev->act.who;
	draft->text[ROW_WHY] = ev->act.why;
}

/* The upgrade call itself, and what it was answered. */
static int row_of_call(struct ledger *l, const struct event *ev, const char *request_id)
{
	static const char *const outcomes[CALL_OUTCOME_N] = {
		[CALL_ACCEPTED] = "accepted",
		[CALL_REFUSED] = "refused",
		[CALL_UNCONFIRMED] = "unconfirmed",
	};
	struct draft draft = { .text = { [ROW_WHAT] = "called", [ROW_OUTCOME] = outcomes[ev->called.outcome], [ROW_REQUEST] = request_id } };

	if (!draft.text[ROW_OUTCOME] || !draft_intent(l, &draft, ev->called.intent)) /* it never left, or nobody knows of it */
		return 0;
	if (ev->called.outcome == CALL_REFUSED && ev->called.reason != REASON_NONE)
		draft.text[ROW_REASON] = reason_names[ev->called.reason];
	return row_add(l, &draft);
}

/* The id is that of an answered call that changes something; a row that a mere read led to has none. */
static bool is_about_reply(const struct event *ev, const struct action *a)
{
	if (ev->kind == EVENT_AUTO_UPGRADE_SET)
		return a->kind == ACTION_TELL_AUTO_UPGRADE;
	return ev->kind == EVENT_CALLED && ev->called.outcome != CALL_NOT_SENT && a->intent == ev->called.intent;
}

static int row_of(struct ledger *l, const struct event *ev, const struct action *a, const char *request_id)
{
	struct draft draft = { 0 };

	draft_scope(l, &draft, a->scope);
	draft.text[ROW_REQUEST] = is_about_reply(ev, a) ? request_id : "";
	switch ((int)a->kind) {
	case ACTION_TELL_STARTED:
		draft.text[ROW_WHAT] = "started";
		draft_intent(l, &draft, a->intent);
		break;
	case ACTION_TELL_SETTLED:
		draft.text[ROW_WHAT] = "settled";
		draft_intent(l, &draft, a->intent);
		draft.text[ROW_OUTCOME] = intent_outcome_names[a->outcome];
		draft.text[ROW_REASON] = a->reason != REASON_NONE ? reason_names[a->reason] : "";
		break;
	case ACTION_TELL_EXTERNAL_CHANGE:
		draft.text[ROW_WHAT] = "external_change";
		draft_target(l, &draft, a);
		break;
	case ACTION_TELL_AUTO_UPGRADE:
		draft.text[ROW_WHAT] = "auto_upgrade";
		draft_target(l, &draft, a);
		draft.text[ROW_OUTCOME] = auto_upgrade_change_names[a->auto_upgrade_change];
		break;
	case ACTION_TELL_ROLLOUT:
		draft.text[ROW_WHAT] = "rollout";
		draft_rollout(l, &draft, a);
		break;
	case ACTION_TELL_ACT:
		if (a->act_outcome != ACT_DONE)
			return 0;
		draft_act(&draft, ev, a);
		break;
	default:
		return 0;
	}
	return row_add(l, &draft);
}

/* ---- to the store ---- */

static int commit(struct ledger *l, const struct action *a)
{
	struct state_history_row *rows = calloc(l->n_rows + 1, sizeof(*rows));
	struct state_commit c = { .ticket = a->ticket, .records = a->records, .n_records = a->n_records, .rows = rows, .n_rows = l->n_rows };
	int r;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_rows; i++) {
		const struct row *row = &l->rows[i];
		const char *t = row->text;

		rows[i] = (struct state_history_row){
			.wall_s = row->wall_s,
			.account = t + row->at[ROW_ACCOUNT], .region_id = t + row->at[ROW_REGION], .instance_id = t + row->at[ROW_INSTANCE],
			.serial_number = t + row->at[ROW_SERIAL], .version_type = t + row->at[ROW_TYPE], .what = t + row->at[ROW_WHAT],
			.from_version = t + row->at[ROW_FROM], .to_version = t + row->at[ROW_TO], .outcome = t + row->at[ROW_OUTCOME],
			.reason = t + row->at[ROW_REASON], .policy = t + row->at[ROW_POLICY], .wave = t + row->at[ROW_WAVE],
			.request_id = t + row->at[ROW_REQUEST], .who = t + row->at[ROW_WHO], .why = t + row->at[ROW_WHY],
		};
	}
	l->n_sent = l->n_rows;
	l->is_storing = true;
	c.stamp = l->now;
	c.stamp.boot_ns = l->d->now_ns;
	c.stamp.wall_s = l->d->wall_s;
	r = state_commit(l->state, &c);
	free(rows);
	return r;
}

int ledger_plan(struct ledger *l, const struct event *ev, const struct plan *plan, const char *request_id)
{
	int r = ev->kind == EVENT_CALLED ? row_of_call(l, ev, request_id) : 0;

	for (size_t i = 0; i < plan->n_actions && r >= 0; i++)
		r = plan->actions[i].kind == ACTION_STORE ? commit(l, &plan->actions[i]) : row_of(l, ev, &plan->actions[i], request_id);
	return r;
}
