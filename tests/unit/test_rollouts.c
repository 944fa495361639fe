/*
 * Rollouts by stories: a small fleet in a small cloud that answers by itself, and what the core tells of it.
 *
 * The stories are in rollouts.stories, see story.h; settings are made as story_settings.h says. Every story begins at
 * second 0 with a store that says that both regions are settled, and is told twice, the second time step by step the
 * same (rule 15). What happens:
 *
 * settings                      what was said of them holds from now on
 * box I[:STATUS] DEVICE…        an instance as the cloud shows it from now on, with city= group= name= model= region=eu
 * gone I                        … and does not any more
 * status SERIAL WORD…           the device: online, offline, standby, active, abnormal, normal
 * version SERIAL V [Dpi]        it runs that version now, and nobody knows why
 * will SERIAL works|silent|nothing|lost|unconfirmed|ill|refused CLASS [REASON]  what becomes of the next calls
 * takes S                       an upgrade takes so long (60)
 * catalogue TYPE V[:beta]…      what the catalogue offers, oldest first; none: it cannot be read
 * run T                         time goes on up to second T
 * wall S                        the wall clock jumps
 * answers LIST|CALL|STORE|GATE yes|no|fail  does the cloud, the store, the gate answer
 * gate open|closed
 * calendar P [open A-B]… [freeze A-B]… [from T] until T   seconds of the wall clock since the start
 * act WORD [KEY=VALUE]…         pause resume approve hold release retry upgrade-now; all, policy= type= version= …
 * restart [committed] [reboot] [wall=S]  the process is killed and begins again with what is stored; committed: a STORE that
 *                               was not answered is in it, too
 * lost                          … and what was stored is lost
 *
 * `>` lines begin with the second: upgrade, settled, rollout, approval, act, gate, account, external_change. `= SERIAL[/Dpi]` is a target,
 * `= rollout P V`, `= dpi_rollout P V`, `= calls SERIAL` and `= approval V` are what they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "store.h"
#include "story.h"
#include "story_cloud.h"
#include "story_settings.h"

#define WALL_START 1700000000
#define QUEUE 4096
#define RESTORE 512

enum service {
	SERVICE_LIST,
	SERVICE_CALL,
	SERVICE_STORE,
	SERVICE_GATE,
	SERVICE_N,
};
enum answer {
	ANSWER_YES,
	ANSWER_NO, /* not before the answer is another one */
	ANSWER_FAIL,
	ANSWER_N,
};

struct play {
	struct story *story;
	struct board *board;
	struct cloud cloud;
	struct store store;
	struct reconcile *r;
	const struct settings *settings;
	int64_t now_ns, boot_ns;  /* of the story; when the machine started */
	int64_t wall_shift_s;
	uint64_t boot;
	struct event queue[QUEUE];
	size_t n_queue;
	struct event kept[SERVICE_N][64]; /* answers that are kept back */
	size_t n_kept[SERVICE_N];
	struct batch *batch; /* of the STORE that is kept back */
	enum answer answers[SERVICE_N];
	bool is_gate_open;
	struct {
		struct stretch open[8], freeze[8];
		struct event ev;
		bool is_told;
	} calendars[4];
	uint32_t trace; /* of all that the core said: rule 15 */
	bool is_restored;
};

/* ---- clocks ---- */

static int64_t boot_clock(const struct play *p)
{
	return p->now_ns - p->boot_ns;
}

static int64_t wall_clock(const struct play *p)
{
	return WALL_START + p->now_ns / NS_PER_S + p->wall_shift_s;
}

static struct record_stamp stamp(const struct play *p)
{
	return (struct record_stamp){ p->boot, boot_clock(p), wall_clock(p) };
}

/* ---- what is told ---- */

static void __attribute__((format(printf, 2, 3))) tell(struct play *p, const char *format, ...)
{
	struct story *s = p->story;
	va_list args;

	if (s->n_told + 512 > sizeof(s->told))
		return;
	s->n_told += (size_t)snprintf(s->told + s->n_told, sizeof(s->told) - s->n_told, "%" PRId64 " ", p->now_ns / NS_PER_S);
	va_start(args, format);
	s->n_told += (size_t)vsnprintf(s->told + s->n_told, sizeof(s->told) - s->n_told, format, args);
	va_end(args);
	s->told[s->n_told++] = '\n';
	s->told[s->n_told] = '\0';
}

static void tell_intent(struct play *p, const struct action *a)
{
	const char *dpi;
	struct intent_view in;

	assert_true(reconcile_intent(p->r, a->intent, &in));
	dpi = in.version_type == VERSION_TYPE_DPI ? " Dpi" : "";
	if (a->kind == ACTION_UPGRADE)
		tell(p, "upgrade %s%s %s->%s", in.serial_number, dpi, in.from, in.to);
	else
		tell(p, "settled %s%s %s%s%s", in.serial_number, dpi, intent_outcome_names[a->outcome], a->reason ? "/" : "", a->reason ? reason_names[a->reason] : "");
}

static void tell_action(struct play *p, const struct action *a)
{
	struct action told = *a;
	char line[512];

	told.ticket = 0;
	reconcile_trace(p->r, &told, line, sizeof(line));
	switch ((int)a->kind) {
	case ACTION_UPGRADE:
	case ACTION_TELL_SETTLED:
		tell_intent(p, a);
		break;
	case ACTION_TELL_ROLLOUT:
	case ACTION_TELL_APPROVAL:
	case ACTION_TELL_ACT:
	case ACTION_GATE:
	case ACTION_TELL_ACCOUNT:
	case ACTION_TELL_EXTERNAL_CHANGE:
		tell(p, "%s", line);
		break;
	default:
		break;
	}
	p->trace = hash_add(p->trace, line);
}

/* ---- answers ---- */

static void enqueue(struct play *p, struct event ev)
{
	assert_true(p->n_queue < QUEUE);
	p->queue[p->n_queue++] = ev;
}

static void answer(struct play *p, enum service service, struct event ev)
{
	if (p->answers[service] != ANSWER_NO) {
		enqueue(p, ev);
		return;
	}
	assert_true(p->n_kept[service] < 64);
	p->kept[service][p->n_kept[service]++] = ev;
}

static struct observation *lend(struct play *p, const struct observation *o)
{
	struct observation *copy = (struct observation *)(void *)board_lend(p->board, sizeof(*o));

	*copy = *o;
	return copy;
}

static void read_event(struct play *p, struct event ev, const struct box *box, bool has_dpi)
{
	struct observation o = cloud_read(box, has_dpi);

	ev.read.read_ns = boot_clock(p);
	ev.read.observations = lend(p, &o);
	ev.read.n = 1;
	enqueue(p, ev);
}

static void answer_list(struct play *p, const struct action *a)
{
	bool is_complete = p->answers[SERVICE_LIST] != ANSWER_FAIL;

	for (size_t i = 0; is_complete && i < p->cloud.n; i++)
		if (p->cloud.boxes[i].scope == a->scope && !p->cloud.boxes[i].is_gone)
			read_event(p, (struct event){ .kind = EVENT_LISTED, .read.scope = a->scope }, &p->cloud.boxes[i], false);
	answer(p, SERVICE_LIST, (struct event){ .kind = EVENT_LISTING_ENDED,
		.listing = { .scope = a->scope, .is_complete = is_complete, .started_ns = boot_clock(p) } });
}

static const struct box *box_of(const struct play *p, uint32_t slot)
{
	struct instance_view v;

	assert_true(reconcile_instance(p->r, slot, &v));
	for (size_t i = 0; i < p->cloud.n; i++)
		if (strcmp(p->cloud.boxes[i].seen.instance_id, v.instance_id) == 0 && !p->cloud.boxes[i].is_gone)
			return &p->cloud.boxes[i];
	return NULL;
}

static void answer_follow(struct play *p, const struct action *a)
{
	struct event ev = { .kind = EVENT_FOLLOWED, .read = { .ticket = a->ticket, .scope = a->scope, .read_ns = boot_clock(p) } };
	struct observation *seen = board_lend(p->board, a->n_instances * sizeof(*seen));

	for (uint32_t i = 0; i < a->n_instances; i++) {
		const struct box *box = box_of(p, a->instances[i]);

		if (box)
			seen[ev.read.n++] = cloud_read(box, false);
	}
	ev.read.observations = seen;
	enqueue(p, ev);
}

static void answer_read(struct play *p, const struct action *a)
{
	const struct box *box = box_of(p, a->instance);
	struct event ev = { .kind = EVENT_FRESH, .read = { .ticket = a->ticket, .scope = a->scope, .read_ns = boot_clock(p) } };
	struct target_view v = { 0 };

	if (a->purpose == READ_CATALOGUE && reconcile_target(p->r, a->target, &v) && p->cloud.n_entries[v.version_type] > 0)
		enqueue(p, (struct event){ .kind = EVENT_CATALOGUE, .catalogue = { a->ticket, p->cloud.entries[v.version_type], p->cloud.n_entries[v.version_type] } });
	else if (a->purpose == READ_CATALOGUE || a->purpose == READ_AUTO_UPGRADE)
		enqueue(p, (struct event){ .kind = EVENT_READ_FAILED, .failure = { a->ticket, ERROR_CLASS_TRANSIENT } });
	else if (box)
		read_event(p, ev, box, true);
	else
		enqueue(p, ev);
}

static void answer_store(struct play *p, const struct action *a)
{
	struct record_stamp now = stamp(p);
	struct event ev = { .kind = EVENT_STORED, .stored.ticket = a->ticket };
	struct batch *batch = batch_new(a->records, a->n_records, &now, p->now_ns);

	if (p->answers[SERVICE_STORE] == ANSWER_FAIL)
		ev.kind = EVENT_STORE_FAILED;
	if (p->answers[SERVICE_STORE] == ANSWER_YES)
		store_commit(&p->store, batch);
	if (p->answers[SERVICE_STORE] == ANSWER_NO)
		p->batch = batch;
	else
		batch_free(batch);
	answer(p, SERVICE_STORE, ev);
}

static void answer_call(struct play *p, const struct action *a)
{
	struct intent_view in;
	struct event ev;

	assert_true(reconcile_intent(p->r, a->intent, &in));
	in.to = board_keep(p->board, in.to);
	ev = cloud_call(&p->cloud, &in, a->intent, p->now_ns);
	ev.called.sent_ns = boot_clock(p);
	answer(p, SERVICE_CALL, ev);
}

static void answer_gate(struct play *p, const struct action *a)
{
	bool is_open = p->is_gate_open && p->answers[SERVICE_GATE] != ANSWER_FAIL;

	answer(p, SERVICE_GATE, (struct event){ .kind = EVENT_GATE, .gate = { a->ticket, is_open, boot_clock(p) } });
}

static void do_action(struct play *p, const struct action *a)
{
	static void (*const answerers[ACTION_KIND_N])(struct play *, const struct action *) = {
		[ACTION_LIST] = answer_list,   [ACTION_FOLLOW] = answer_follow, [ACTION_READ] = answer_read,
		[ACTION_STORE] = answer_store, [ACTION_UPGRADE] = answer_call,	[ACTION_GATE] = answer_gate,
	};

	tell_action(p, a);
	if (answerers[a->kind])
		answerers[a->kind](p, a);
}

/* ---- steps ---- */

/* Everything can be looked at after each step. */
static void look_at_all(const struct play *p)
{
	struct rollout_view rollout;
	struct target_view target;
	struct policy_view policy;
	struct wave_view wave;

	for (uint32_t i = 0; i < reconcile_target_slots(p->r); i++)
		if (reconcile_target(p->r, i, &target) && target.rollout != NONE)
			assert_true(reconcile_rollout(p->r, target.rollout, &rollout));
	for (uint32_t i = 0; i < reconcile_rollout_slots(p->r); i++)
		for (uint32_t w = 0; reconcile_rollout(p->r, i, &rollout) && w < rollout.n_waves; w++)
			assert_true(reconcile_wave(p->r, i, w, &wave));
	for (uint32_t i = 0; i < p->settings->n_policies; i++)
		assert_true(reconcile_policy(p->r, i, &policy));
}

static void step(struct play *p, struct event ev)
{
	struct plan plan = { 0 };

	ev.now_ns = boot_clock(p);
	ev.wall_s = wall_clock(p);
	assert_int_equal(reconcile_step(p->r, &ev, &plan), 0);
	for (size_t i = 0; i < plan.n_actions; i++)
		do_action(p, &plan.actions[i]);
	look_at_all(p);
	if (p->is_restored && reconcile_deadline_ns(p->r) <= boot_clock(p))
		story_fail(p->story, "the deadline is not in the future", "rule 10");
}

static void answer_all(struct play *p)
{
	for (size_t i = 0; i < p->n_queue; i++) {
		if (i > QUEUE - 64)
			story_fail(p->story, "it spins", "rule 10");
		step(p, p->queue[i]);
	}
	p->n_queue = 0;
	board_lent(p->board);
}

static void happen(struct play *p, struct event ev)
{
	enqueue(p, ev);
	answer_all(p);
}

static void run(struct play *p, int64_t until_ns)
{
	for (size_t steps = 0; p->now_ns < until_ns; steps++) {
		int64_t core_ns = reconcile_deadline_ns(p->r), cloud_ns = cloud_next_ns(&p->cloud), next_ns = until_ns;

		if (steps > 200000)
			story_fail(p->story, "it spins", "rule 10");
		if (core_ns != INT64_MAX && core_ns + p->boot_ns < next_ns)
			next_ns = core_ns + p->boot_ns;
		next_ns = cloud_ns < next_ns ? cloud_ns : next_ns;
		p->now_ns = next_ns > p->now_ns ? next_ns : p->now_ns;
		cloud_go_on(&p->cloud, p->now_ns);
		happen(p, (struct event){ .kind = EVENT_TICK });
	}
}

/* ---- lives ---- */

static void tell_calendars(struct play *p)
{
	for (uint32_t i = 0; i < p->settings->n_policies && i < 4; i++)
		if (p->calendars[i].is_told)
			happen(p, p->calendars[i].ev);
}

static struct record on_this_clock(const struct play *p, const struct store_row *row)
{
	const struct record_format *f = &record_formats[row->record.kind];
	struct record_stamp now = stamp(p);
	struct record record = row->record;
	int64_t shift = record_shift(&row->written, &now);

	for (unsigned int i = 0; i < f->n_numbers; i++)
		if (f->numbers[i].type == COLUMN_TIME && record.number[i] != INT64_MIN)
			record.number[i] += shift;
	return record;
}

static void life_begin(struct play *p)
{
	struct record records[RESTORE];
	size_t n = 0;

	assert_int_equal(reconcile_new(1, &p->r), 0);
	p->is_restored = false;
	step(p, (struct event){ .kind = EVENT_SETTINGS, .settings = p->settings }); /* its listings are answered after the rest */
	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++)
		for (size_t i = 0; i < p->store.n; i++) {
			if (!p->store.rows[i].texts || p->store.rows[i].record.kind != kind)
				continue;
			assert_true(n < RESTORE);
			records[n++] = on_this_clock(p, &p->store.rows[i]);
		}
	step(p, (struct event){ .kind = EVENT_RESTORED, .restored = { records, n } });
	p->is_restored = true;
	step(p, (struct event){ .kind = EVENT_RESTORE_ENDED, .restore.is_first_life = p->store.n_live == 0 });
	answer_all(p);
	tell_calendars(p);
}

static void life_end(struct play *p)
{
	p->r = reconcile_free(p->r);
	p->batch = batch_free(p->batch); /* what is not committed is lost */
	memset(p->n_kept, 0, sizeof(p->n_kept));
	p->n_queue = 0;
}

/* ---- what happens ---- */

static void do_settings(struct play *p, char *rest)
{
	(void)rest;
	p->settings = board_settings(p->board);
	if (!p->r) {
		life_begin(p);
		return;
	}
	happen(p, (struct event){ .kind = EVENT_SETTINGS, .settings = p->settings });
	board_drop_old(p->board);
	tell_calendars(p);
}

static void do_run(struct play *p, char *rest)
{
	run(p, strtoll(rest, NULL, 10) * NS_PER_S);
}

static void do_wall(struct play *p, char *rest)
{
	p->wall_shift_s += strtoll(rest, NULL, 10);
}

static void do_answers(struct play *p, char *rest)
{
	static const char *const services[] = { "list", "call", "store", "gate" }, *const answers[] = { "yes", "no", "fail" };
	int service = story_find_name(services, SERVICE_N, story_word(&rest)), how = story_find_name(answers, ANSWER_N, story_word(&rest));

	assert_true(service >= 0 && how >= 0);
	p->answers[service] = (enum answer)how;
	if (how == ANSWER_NO)
		return;
	if (service == SERVICE_STORE && p->batch) {
		if (how == ANSWER_YES)
			store_commit(&p->store, p->batch);
		p->batch = batch_free(p->batch);
	}
	for (size_t i = 0; i < p->n_kept[service]; i++) {
		if (service == SERVICE_STORE && how == ANSWER_FAIL)
			p->kept[service][i].kind = EVENT_STORE_FAILED;
		enqueue(p, p->kept[service][i]);
	}
	p->n_kept[service] = 0;
	answer_all(p);
}

static void do_gate(struct play *p, char *rest)
{
	p->is_gate_open = strcmp(rest, "open") == 0;
}

static uint32_t policy_index(const struct play *p, const char *name)
{
	for (uint32_t i = 0; i < p->settings->n_policies; i++)
		if (strcmp(p->settings->policies[i].name, name) == 0)
			return i;
	story_fail(p->story, "no such policy", name);
	return 0;
}

static void do_calendar(struct play *p, char *rest)
{
	uint32_t policy = policy_index(p, story_word(&rest));
	struct event *ev = &p->calendars[policy].ev;

	*ev = (struct event){ .kind = EVENT_CALENDAR, .calendar = { .policy = policy, .openings = p->calendars[policy].open, .freezes = p->calendars[policy].freeze } };
	p->calendars[policy].is_told = true;
	for (char *word = story_word(&rest); *word; word = story_word(&rest)) {
		char *from = story_word(&rest), *dash = strchr(from, '-');
		struct stretch s = { WALL_START + strtoll(from, NULL, 10), dash ? WALL_START + strtoll(dash + 1, NULL, 10) : 0 };

		if (strcmp(word, "open") == 0)
			p->calendars[policy].open[ev->calendar.n_openings++] = s;
		else if (strcmp(word, "freeze") == 0)
			p->calendars[policy].freeze[ev->calendar.n_freezes++] = s;
		else
			*(strcmp(word, "from") == 0 ? &ev->calendar.from_s : &ev->calendar.until_s) = s.from_s;
	}
	happen(p, *ev);
}

static void act_word(struct act *act, char *word)
{
	const struct {
		const char *key;
		const char **text;
	} texts[] = {
		{ "account", &act->account }, { "policy", &act->policy }, { "type", &act->version_type }, { "version", &act->version },
		{ "wave", &act->wave }, { "instance", &act->instance_id }, { "serial", &act->serial_number }, { "why", &act->why },
	};
	char *equals = strchr(word, '=');

	act->is_all |= strcmp(word, "all") == 0;
	if (!equals)
		return;
	*equals = '\0';
	if (strcmp(word, "count") == 0)
		act->count = (uint32_t)strtoul(equals + 1, NULL, 10);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].key, word) == 0)
			*texts[i].text = equals + 1;
}

static void do_act(struct play *p, char *rest)
{
	struct event ev = { .kind = EVENT_ACT, .act = { .who = "ann", .why = "" } };
	int kind = story_find_name(act_names, ACT_N, story_word(&rest));

	assert_true(kind >= 0);
	ev.act.kind = (enum act_kind)kind;
	for (char *word = story_word(&rest); *word; word = story_word(&rest))
		act_word(&ev.act, word);
	if (ev.act.instance_id)
		ev.act.instance_id = cloud_id(ev.act.instance_id);
	happen(p, ev);
}

static void do_restart(struct play *p, char *rest)
{
	if (strncmp(rest, "committed", 9) == 0 && p->batch)
		store_commit(&p->store, p->batch);
	life_end(p);
	for (char *word = story_word(&rest); *word; word = story_word(&rest)) {
		if (strcmp(word, "committed") == 0) {
			continue;
		} else if (strcmp(word, "reboot") == 0) {
			p->boot++;
			p->boot_ns = p->now_ns - NS_PER_S;
		} else if (strncmp(word, "wall=", 5) == 0) {
			do_wall(p, word + 5);
		} else {
			story_fail(p->story, "no such word", word);
		}
	}
	p->settings = board_settings(p->board); /* the file may be another one by now */
	board_drop_old(p->board);
	life_begin(p);
}

static void do_lost(struct play *p, char *rest)
{
	store_clear(&p->store);
	do_restart(p, rest);
}

static const struct {
	const char *word;
	void (*happens)(struct play *p, char *rest);
} verbs[] = {
	{ "settings", do_settings },   { "run", do_run },     { "wall", do_wall },     { "answers", do_answers },
	{ "gate", do_gate },	     { "calendar", do_calendar }, { "act", do_act }, { "restart", do_restart }, { "lost", do_lost },
};

/* ---- looks ---- */

static void look_target(struct play *p, const char *line, const char *name)
{
	struct target_view v;
	char who[160], seen[256];

	snprintf(seen, sizeof(seen), "%s none", name);
	for (uint32_t i = 0; i < reconcile_target_slots(p->r); i++) {
		if (!reconcile_target(p->r, i, &v))
			continue;
		snprintf(who, sizeof(who), "%s%s", v.serial_number, v.version_type == VERSION_TYPE_DPI ? "/Dpi" : "");
		if (strcmp(who, name) == 0)
			snprintf(seen, sizeof(seen), "%s %s/%s", who, phase_names[v.phase], reason_names[v.reason]);
	}
	story_look(p->story, line, seen);
}

static void look_rollout(struct play *p, const char *line, const char *word, enum version_type type, char *rest)
{
	const char *policy = story_word(&rest), *version = story_word(&rest);
	struct rollout_view v;
	char seen[256];

	snprintf(seen, sizeof(seen), "%s %s %s none", word, policy, version);
	for (uint32_t i = 0; i < reconcile_rollout_slots(p->r); i++) {
		if (!reconcile_rollout(p->r, i, &v) || v.version_type != type || strcmp(v.policy_name, policy) != 0 || strcmp(v.version, version) != 0)
			continue;
		snprintf(seen, sizeof(seen), "%s %s %s %s/%s wave=%s ended=%u failed=%u", word, policy, version, rollout_state_names[v.state], reason_names[v.reason],
			 v.wave_name, v.ended, v.failed);
	}
	story_look(p->story, line, seen);
}

/* Calls and failures for good, as they are shown. */
static void look_calls(struct play *p, const char *line, const char *serial)
{
	struct target_view v;
	char seen[256];

	snprintf(seen, sizeof(seen), "calls %s none", serial);
	for (uint32_t i = 0; i < reconcile_target_slots(p->r); i++)
		if (reconcile_target(p->r, i, &v) && v.version_type == VERSION_TYPE_DEVICE && strcmp(v.serial_number, serial) == 0)
			snprintf(seen, sizeof(seen), "calls %s %" PRIu64 " failed=%" PRIu64, serial, v.attempts, v.failures);
	story_look(p->story, line, seen);
}

static void look_approval(struct play *p, const char *line, const char *version)
{
	struct approval_view v;
	uint32_t n = 0;
	char seen[256];

	for (uint32_t i = 0; i < reconcile_approvals(p->r); i++)
		if (reconcile_approval(p->r, i, &v) && strcmp(v.version, version) == 0)
			n += v.count;
	snprintf(seen, sizeof(seen), "approval %s %u", version, n);
	story_look(p->story, line, seen);
}

static void look(struct play *p, char *rest)
{
	const char *line = board_keep(p->board, rest), *word = story_word(&rest);

	if (strcmp(word, "rollout") == 0)
		look_rollout(p, line, word, VERSION_TYPE_DEVICE, rest);
	else if (strcmp(word, "dpi_rollout") == 0)
		look_rollout(p, line, word, VERSION_TYPE_DPI, rest);
	else if (strcmp(word, "calls") == 0)
		look_calls(p, line, story_word(&rest));
	else if (strcmp(word, "approval") == 0)
		look_approval(p, line, story_word(&rest));
	else
		look_target(p, line, word);
}

/* ---- a story ---- */

static void play_line(void *bed, char *line)
{
	struct play *p = bed;
	char *rest = line, *word = story_word(&rest);

	if (strcmp(word, "=") == 0) {
		look(p, rest);
		return;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].word, word) == 0) {
			verbs[i].happens(p, rest);
			return;
		}
	if (!board_take(p->board, word, rest) && !cloud_take(&p->cloud, p->board, word, rest))
		story_fail(p->story, "no such verb", word);
}

static void store_settled(struct play *p)
{
	const struct record records[] = { { .kind = RECORD_SCOPE, .text = { "prod", "cn" } }, { .kind = RECORD_SCOPE, .text = { "prod", "eu" } } };
	struct record_stamp now = stamp(p);
	struct batch *batch = batch_new(records, 2, &now, 0);

	store_commit(&p->store, batch);
	batch_free(batch);
}

static void play_begin(void *bed, struct story *story)
{
	char policy[] = "p", pin[] = "all device=2.0 policy=p";
	struct play *p = bed;

	*p = (struct play){ .story = story, .board = board_new(), .boot = 1, .boot_ns = -NS_PER_S, .is_gate_open = true, .trace = HASH_START,
			    .cloud.takes_ns = 60 * NS_PER_S };
	board_take(p->board, "policy", policy);
	board_take(p->board, "pin", pin);
	store_settled(p);
}

static uint32_t traces[2][256];
static size_t n_traces, telling;

static void play_end(void *bed)
{
	struct play *p = bed;

	life_end(p);
	assert_true(n_traces < 256);
	traces[telling][n_traces++] = p->trace;
	store_deinit(&p->store);
	p->board = board_free(p->board);
}

static void test_stories(void **state)
{
	static struct play p;

	(void)state;
	for (telling = 0; telling < 2; telling++) {
		n_traces = 0;
		stories_tell("rollouts.stories", &(struct story_teller){ &p, play_begin, play_line, play_end });
	}
	assert_memory_equal(traces[0], traces[1], n_traces * sizeof(traces[0][0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stories) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
