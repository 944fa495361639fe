/*
 * The reconcile core by stories: what happens, and after each event everything that the core answers.
 *
 * The stories are in reconcile.stories, see story.h. `t N` sets the clock to N seconds. Events: `settings NAME`, `listed INSTANCE DEVICE…`,
 * `ended` and `ended failed`, `fresh TICKET INSTANCE DEVICE…`, `followed TICKET INSTANCE DEVICE…`,
 * `readfailed TICKET`, `catalogue TICKET VERSION:DATE…`, `stored TICKET`, `notstored TICKET`,
 * `called INTENT OUTCOME [CLASS REASON]`, `account usable|unusable`, `tick`. INSTANCE is ID or ID:STATUS, DEVICE is
 * SERIAL:VERSION with any of :offline :standby :active :abnormal :novpn :dpi=VERSION. Lines with `>` are the
 * whole plan of the event before them; `= SERIAL TYPE PHASE/REASON` looks at the live table, `= SERIAL TYPE none`
 * expects nothing there. `#` is a remark.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "story.h"

/* ---- settings ---- */

static const struct scope scopes[] = {
	{ .account = "prod", .region_id = "cn", .poll_interval_ns = 60 * NS_PER_S, .dpi_poll_interval_ns = 3600 * NS_PER_S, .calls_per_second = 10.0, .blast_radius = 1.0 },
	{ .account = "prod", .region_id = "eu", .poll_interval_ns = 60 * NS_PER_S, .dpi_poll_interval_ns = 3600 * NS_PER_S, .calls_per_second = 10.0, .blast_radius = 1.0 },
};

#define POLICY(limit_, starts_, attempts_, soak_)                                                                              \
	{                                                                                                                      \
		.name = "p", .is_always_open = true, .max_in_flight = { .count = (limit_) }, .max_starts_per_hour = (starts_), \
		.deadline_ns = 600 * NS_PER_S,                                                                                 \
		.retry = { .attempts = (attempts_), .first_ns = 60 * NS_PER_S, .max_ns = 3600 * NS_PER_S },                    \
		.verify = { .soak_ns = (soak_) * NS_PER_S, .vpn = true },                                                      \
	}
static const struct policy policies[] = {
	POLICY(10, 100, 2, 0), /* plain */
	POLICY(1, 100, 2, 0),  /* one at a time */
	POLICY(10, 1, 2, 0),   /* one an hour */
	POLICY(10, 100, 2, 120), /* with a soak */
	POLICY(10, 100, 1, 0), /* one attempt */
	POLICY(1, 100, 3, 0),  /* one at a time, three attempts */
};

#define PIN(device_, dpi_, held_)                                                                       \
	{                                                                                               \
		.name = "all", .match = { .glob = { [SELECTOR_ID] = "*" } }, .version = { device_, dpi_ }, \
		.is_held = (held_)                                                                      \
	}
static const struct pin pins[] = {
	PIN("2.0", NULL, false), PIN("2.0", NULL, true), PIN("2.0", "d2", false), PIN("3.0", NULL, false), PIN("two!", NULL, false),
};

static const struct {
	const char *name;
	struct settings settings;
} all_settings[] = {
#define SETTINGS(name_, enforcing_, scopes_, policy_, pin_)                                                                        \
	{                                                                                                                          \
		name_, { .is_enforcing = (enforcing_), .max_in_flight = 5, .scopes = scopes, .n_scopes = (scopes_),                  \
			 .policies = &policies[policy_], .n_policies = 1, .pins = &pins[pin_], .n_pins = 1 }                          \
	}
	SETTINGS("plain", true, 1, 0, 0),	SETTINGS("observe", false, 1, 0, 0), SETTINGS("single", true, 1, 1, 0),
	SETTINGS("hourly", true, 1, 2, 0),	SETTINGS("soak", true, 1, 3, 0),     SETTINGS("once", true, 1, 4, 0),
	SETTINGS("held", true, 1, 0, 1),	SETTINGS("dpi", true, 1, 0, 2),	     SETTINGS("newer", true, 1, 4, 3),
	SETTINGS("odd", true, 1, 0, 4),		SETTINGS("two scopes", true, 2, 0, 0), SETTINGS("thrice", true, 1, 5, 0),
	{ "unpinned", { .is_enforcing = true, .max_in_flight = 5, .scopes = scopes, .n_scopes = 1 } },
};

/* ---- the story's machinery ---- */

#define TICKETS 512

struct script {
	struct story *story;
	uint64_t tickets[TICKETS]; /* of the core, by the number that the story gives them */
	size_t n_tickets;
	struct reconcile *r;
	int64_t now_ns;
	struct observation obs;
	bool is_restored, has_catalogue[VERSION_TYPE_N];
};

/* Does it hold an intent that is about to be called? Then the story answers it, else the machinery does. */
static bool is_told_store(const struct action *a)
{
	for (size_t i = 0; i < a->n_records; i++)
		if (a->records[i].kind == RECORD_INTENT && !a->records[i].is_removed &&
		    a->records[i].number[REC_INTENT_STATE] == RECORD_INTENT_REQUESTED)
			return true;
	return false;
}

/* One line of the plan, with the story's own number for the ticket. */
static void tell(struct script *s, const struct action *a)
{
	struct story *story = s->story;
	struct action told = *a;

	if (a->ticket && s->n_tickets + 1 < TICKETS) {
		s->tickets[++s->n_tickets] = a->ticket;
		told.ticket = s->n_tickets;
	}
	story->n_told += reconcile_trace(s->r, &told, story->told + story->n_told, sizeof(story->told) - story->n_told - 1);
	story->told[story->n_told++] = '\n';
	story->told[story->n_told] = '\0';
}

/* Only stories about versions that cannot be compared tell of catalogues; in all others none can be read. */
static bool is_told(const struct script *s, const struct action *a)
{
	struct target_view v;

	if (a->kind == ACTION_STORE)
		return is_told_store(a);
	if (a->kind != ACTION_READ || a->purpose != READ_CATALOGUE)
		return true;
	return reconcile_target(s->r, a->target, &v) && s->has_catalogue[v.version_type];
}

/* Steps, tells the plan, and then answers what the story is silent about: stores without a new intent, catalogues. */
static void step(struct script *s, struct event *ev)
{
	struct event answers[16];
	size_t n_answers = 1;

	answers[0] = *ev;
	for (size_t k = 0; k < n_answers; k++) {
		struct plan plan = { 0 };

		ev = &answers[k];
		ev->now_ns = s->now_ns;
		ev->wall_s = 1700000000 + s->now_ns / NS_PER_S;
		assert_int_equal(reconcile_step(s->r, ev, &plan), 0);
		for (size_t i = 0; i < plan.n_actions && s->story->n_told + 512 < sizeof(s->story->told); i++) {
			const struct action *a = &plan.actions[i];

			if (a->kind == ACTION_TELL_ROLLOUT)
				continue; /* they have stories of their own */
			if (is_told(s, a)) {
				tell(s, a);
				continue;
			}
			assert_true(n_answers < sizeof(answers) / sizeof(answers[0]));
			answers[n_answers] = (struct event){ .kind = a->kind == ACTION_STORE ? EVENT_STORED : EVENT_READ_FAILED };
			if (a->kind == ACTION_STORE)
				answers[n_answers++].stored.ticket = a->ticket;
			else
				answers[n_answers++].failure.ticket = a->ticket;
		}
	}
	if (reconcile_deadline_ns(s->r) <= s->now_ns)
		story_fail(s->story, "the deadline is not in the future", "rule 10");
}

static uint64_t number(struct script *s, char **rest)
{
	char *end;
	uint64_t n = strtoull(*rest, &end, 10);

	if (end == *rest)
		story_fail(s->story, "no number", *rest);
	*rest = *end == ' ' ? end + 1 : end;
	return n;
}

static uint64_t ticket(struct script *s, char **rest)
{
	uint64_t n = number(s, rest);

	if (n == 0 || n > s->n_tickets)
		return UINT64_MAX; /* one that was never given */
	return s->tickets[n];
}

static void do_settings(struct script *s, struct event *ev, char *rest)
{
	ev->kind = EVENT_SETTINGS;
	for (size_t i = 0; i < sizeof(all_settings) / sizeof(all_settings[0]); i++)
		if (strcmp(all_settings[i].name, rest) == 0)
			ev->settings = &all_settings[i].settings;
	if (!ev->settings)
		story_fail(s->story, "no such settings", rest);
	s->has_catalogue[VERSION_TYPE_DEVICE] = strcmp(rest, "odd") == 0;
	s->has_catalogue[VERSION_TYPE_DPI] = strcmp(rest, "dpi") == 0;
}

static void do_read(struct script *s, struct event *ev, enum event_kind kind, uint64_t of, char *rest)
{
	ev->kind = kind;
	ev->read.ticket = of;
	ev->read.read_ns = s->now_ns;
	ev->read.observations = &s->obs;
	if (*rest) {
		s->obs = story_observation(rest, NULL, NULL);
		ev->read.n = 1;
	}
}

static void do_listed(struct script *s, struct event *ev, char *rest)
{
	do_read(s, ev, EVENT_LISTED, 0, rest);
}

static void do_listed_eu(struct script *s, struct event *ev, char *rest)
{
	do_read(s, ev, EVENT_LISTED, 0, rest);
	ev->read.scope = 1;
}

static void do_ended(struct script *s, struct event *ev, char *rest)
{
	ev->kind = EVENT_LISTING_ENDED;
	ev->listing.is_complete = strcmp(rest, "failed") != 0;
	ev->listing.scope = strcmp(rest, "eu") == 0;
	ev->listing.started_ns = s->now_ns;
}

static void do_fresh(struct script *s, struct event *ev, char *rest)
{
	uint64_t of = ticket(s, &rest);

	do_read(s, ev, EVENT_FRESH, of, rest);
}

static void do_followed(struct script *s, struct event *ev, char *rest)
{
	uint64_t of = ticket(s, &rest);

	do_read(s, ev, EVENT_FOLLOWED, of, rest);
}

static void do_readfailed(struct script *s, struct event *ev, char *rest)
{
	ev->kind = EVENT_READ_FAILED;
	ev->failure.ticket = ticket(s, &rest);
	ev->failure.class = ERROR_CLASS_TRANSIENT;
}

static void do_catalogue(struct script *s, struct event *ev, char *rest)
{
	static struct catalogue_entry entries[4];
	char *save = NULL;

	ev->kind = EVENT_CATALOGUE;
	ev->catalogue.ticket = ticket(s, &rest);
	ev->catalogue.entries = entries;
	for (char *word = strtok_r(rest, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *colon = strchr(word, ':');

		*colon = '\0';
		entries[ev->catalogue.n++] = (struct catalogue_entry){ word, strtoll(colon + 1, NULL, 10), true };
	}
}

static void do_stored(struct script *s, struct event *ev, char *rest)
{
	ev->kind = EVENT_STORED;
	ev->stored.ticket = ticket(s, &rest);
}

static void do_notstored(struct script *s, struct event *ev, char *rest)
{
	do_stored(s, ev, rest);
	ev->kind = EVENT_STORE_FAILED;
}

static void do_called(struct script *s, struct event *ev, char *rest)
{
	static const char *const outcomes[] = { "accepted", "refused", "unconfirmed", "notsent" };
	char *save = NULL, *word, *class, *reason;
	uint64_t intent = number(s, &rest);

	word = strtok_r(rest, " ", &save);
	class = strtok_r(NULL, " ", &save);
	reason = strtok_r(NULL, " ", &save);
	ev->kind = EVENT_CALLED;
	ev->called.intent = intent;
	ev->called.outcome = (enum call_outcome)story_find_name(outcomes, 4, word);
	ev->called.class = class ? (enum error_class)story_find_name(error_class_names, ERROR_CLASS_N, class) : ERROR_CLASS_NONE;
	ev->called.reason = reason ? (enum reason)story_find_name(reason_names, REASON_N, reason) : REASON_NONE;
	ev->called.sent_ns = s->now_ns;
}

static void do_account(struct script *s, struct event *ev, char *rest)
{
	(void)s;
	ev->kind = EVENT_ACCOUNT;
	ev->account.is_usable = strcmp(rest, "usable") == 0;
}

static void do_tick(struct script *s, struct event *ev, char *rest)
{
	(void)s;
	(void)rest;
	ev->kind = EVENT_TICK;
}

static const struct {
	const char *word;
	void (*make)(struct script *s, struct event *ev, char *rest);
} verbs[] = {
	{ "settings", do_settings }, { "listed", do_listed },	    { "listed_eu", do_listed_eu }, { "ended", do_ended },
	{ "fresh", do_fresh },	     { "followed", do_followed },   { "readfailed", do_readfailed }, { "stored", do_stored },
	{ "notstored", do_notstored },{ "called", do_called },	    { "account", do_account },	   { "tick", do_tick },
	{ "catalogue", do_catalogue },
};

static void look(struct script *s, const char *line)
{
	struct target_view v;
	char seen[256];

	for (uint32_t i = 0; i < reconcile_target_slots(s->r); i++) {
		if (!reconcile_target(s->r, i, &v))
			continue;
		snprintf(seen, sizeof(seen), "%s %s %s/%s", v.serial_number, version_type_names[v.version_type], phase_names[v.phase], reason_names[v.reason]);
		if (strncmp(seen, line, (size_t)(strrchr(line, ' ') - line) + 1) == 0) {
			story_look(s->story, line, seen);
			return;
		}
	}
	snprintf(seen, sizeof(seen), "%.*s none", (int)(strrchr(line, ' ') - line), line);
	story_look(s->story, line, seen);
}

static void script_event(struct script *s, struct event *ev)
{
	size_t n_told;

	step(s, ev);
	if (ev->kind != EVENT_SETTINGS || s->is_restored)
		return;
	n_told = s->story->n_told;
	s->is_restored = true;
	step(s, &(struct event){ .kind = EVENT_RESTORE_ENDED, .restore.is_first_life = true });
	assert_int_equal(s->story->n_told, n_told);
}

static void script_line(void *bed, char *line)
{
	struct event ev = { 0 };
	struct script *s = bed;
	char *rest = strchr(line, ' ');

	rest = rest ? (*rest = '\0', rest + 1) : line + strlen(line);
	if (strcmp(line, "=") == 0) {
		look(s, rest);
		return;
	}
	if (strcmp(line, "t") == 0) {
		s->now_ns = (int64_t)(strtod(rest, NULL) * 1e9);
		return;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].word, line) == 0) {
			verbs[i].make(s, &ev, rest);
			script_event(s, &ev);
			return;
		}
	story_fail(s->story, "no such verb", line);
}

static void script_begin(void *bed, struct story *story)
{
	struct script *s = bed;

	*s = (struct script){ .story = story };
	assert_int_equal(reconcile_new(1, &s->r), 0);
}

static void script_end(void *bed)
{
	struct script *s = bed;

	s->r = reconcile_free(s->r);
	assert_null(s->r);
}

static void test_stories(void **state)
{
	static struct script s;

	(void)state;
	stories_tell("reconcile.stories", &(struct story_teller){ &s, script_begin, script_line, script_end });
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stories) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
