#include "story_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MOST 4 /* policies, and waves of one */
#define MOST_PINS 8

/* All that a settings points to, in one piece. */
struct sheet {
	struct settings settings;
	struct scope scopes[2];
	struct policy policies[MOST];
	struct wave waves[MOST][MOST];
	struct halt_reason by_reason[MOST][3];
	struct pin pins[MOST_PINS];
	const char *via[MOST_PINS][MOST], *never[MOST_PINS][MOST];
};

struct board {
	struct sheet sheet;
	regex_t regex; /* up to the first dash of a name */
	void *kept[4096];
	size_t n_kept;
	struct sheet *given, *old;
	void *lent[1024];
	size_t n_lent;
};

static void *keep(struct board *b, void *p)
{
	assert_non_null(p);
	assert_true(b->n_kept < sizeof(b->kept) / sizeof(b->kept[0]));
	b->kept[b->n_kept++] = p;
	return p;
}

char *board_keep(struct board *b, const char *text)
{
	return keep(b, strdup(text));
}

void *board_lend(struct board *b, size_t size)
{
	assert_true(b->n_lent < sizeof(b->lent) / sizeof(b->lent[0]));
	b->lent[b->n_lent] = calloc(1, size);
	assert_non_null(b->lent[b->n_lent]);
	return b->lent[b->n_lent++];
}

void board_lent(struct board *b)
{
	while (b->n_lent > 0)
		free(b->lent[--b->n_lent]);
}

struct board *board_new(void)
{
	struct board *b = calloc(1, sizeof(*b));
	struct sheet *s;

	assert_non_null(b);
	s = &b->sheet;
	assert_int_equal(regcomp(&b->regex, "^([^-]*)-", REG_EXTENDED), 0);
	for (size_t i = 0; i < 2; i++)
		s->scopes[i] = (struct scope){ .account = "prod", .region_id = i ? "eu" : "cn", .poll_interval_ns = 60 * NS_PER_S,
					       .dpi_poll_interval_ns = 600 * NS_PER_S, .catalogue_interval_ns = 3600 * NS_PER_S,
					       .calls_per_second = 10.0, .blast_radius = 1.0 };
	s->settings = (struct settings){ .is_enforcing = true, .max_in_flight = 20, .n_scopes = 1 };
	return b;
}

struct board *board_free(struct board *b)
{
	if (!b)
		return NULL;
	for (size_t i = 0; i < b->n_kept; i++)
		free(b->kept[i]);
	board_lent(b);
	regfree(&b->regex);
	free(b->given);
	free(b->old);
	free(b);
	return NULL;
}

/* ---- words ---- */

static bool is_yes(const char *value)
{
	return strcmp(value, "yes") == 0;
}

static int64_t seconds(const char *value)
{
	return strtoll(value, NULL, 10) * NS_PER_S;
}

static uint32_t count(const char *value)
{
	return (uint32_t)strtoul(value, NULL, 10);
}

static double share(const char *value)
{
	return strtod(value, NULL) / 100.0;
}

/* KEY=VALUE… to the function, which knows the keys. */
static void each_word(struct board *b, char *words, void (*take)(struct board *b, size_t item, const char *key, const char *value), size_t item)
{
	char *save = NULL;

	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(word, '=');

		if (!equals)
			fail_msg("not KEY=VALUE: %s", word);
		*equals = '\0';
		take(b, item, word, board_keep(b, equals + 1));
	}
}

/* The first word is a name. */
static const char *first_word(struct board *b, char **rest)
{
	char *word = *rest, *space = strchr(word, ' ');

	if (space)
		*space = '\0';
	*rest = space ? space + 1 : word + strlen(word);
	return board_keep(b, word);
}

static void take_daemon(struct board *b, size_t item, const char *key, const char *value)
{
	struct sheet *s = &b->sheet;

	(void)item;
	if (strcmp(key, "max") == 0)
		s->settings.max_in_flight = count(value);
	else if (strcmp(key, "mode") == 0)
		s->settings.is_enforcing = strcmp(value, "enforce") == 0;
	else if (strcmp(key, "scopes") == 0)
		s->settings.n_scopes = count(value);
	else if (strcmp(key, "calls") == 0)
		s->scopes[0].calls_per_second = s->scopes[1].calls_per_second = strtod(value, NULL);
	else if (strcmp(key, "blast") == 0)
		s->scopes[0].blast_radius = s->scopes[1].blast_radius = share(value);
	else
		fail_msg("no such word: %s", key);
}

static uint32_t policy_find(struct board *b, const char *name)
{
	struct sheet *s = &b->sheet;
	uint32_t i = 0;

	while (i < s->settings.n_policies && strcmp(s->policies[i].name, name) != 0)
		i++;
	assert_true(i < MOST);
	if (i < s->settings.n_policies)
		return i;
	s->settings.n_policies++;
	s->policies[i] = (struct policy){ .name = board_keep(b, name), .is_always_open = true, .upgrade_takes_ns = 300 * NS_PER_S,
					  .max_in_flight = { .count = 10 }, .max_starts_per_hour = 1000, .max_in_flight_per_site = 1,
					  .deadline_ns = 600 * NS_PER_S,
					  .retry = { .attempts = 2, .first_ns = 60 * NS_PER_S, .max_ns = 3600 * NS_PER_S } };
	return i;
}

static void set_site(struct board *b, struct policy *p, const char *value)
{
	static const enum site_by by[] = { SITE_BY_INSTANCE, SITE_BY_CITY, SITE_BY_RESOURCE_GROUP, SITE_BY_NAME };
	static const char *const names[] = { "instance", "city", "group", "name" };

	for (size_t i = 0; i < 4; i++)
		if (strcmp(names[i], value) == 0)
			p->site_by = by[i];
	p->site_regex = p->site_by == SITE_BY_NAME ? &b->regex : NULL;
}

static void set_halt_reason(struct board *b, size_t item, enum reason reason, const char *value)
{
	struct policy *p = &b->sheet.policies[item];

	b->sheet.by_reason[item][p->halt.n_by_reason++] = (struct halt_reason){ reason, count(value) };
}

static bool take_policy_time(struct policy *p, const char *key, const char *value)
{
	const struct {
		const char *key;
		int64_t *ns;
	} times[] = {
		{ "first", &p->retry.first_ns }, { "max", &p->retry.max_ns }, { "deadline", &p->deadline_ns },
		{ "takes", &p->upgrade_takes_ns }, { "soak", &p->verify.soak_ns }, { "gate", &p->gate.max_age_ns },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (strcmp(times[i].key, key) == 0) {
			*times[i].ns = seconds(value);
			p->gate.is_set = p->gate.max_age_ns > 0;
			return true;
		}
	return false;
}

static bool take_policy_count(struct policy *p, const char *key, const char *value)
{
	const struct {
		const char *key;
		uint32_t *n;
	} counts[] = {
		{ "rate", &p->max_starts_per_hour }, { "attempts", &p->retry.attempts }, { "per_site", &p->max_in_flight_per_site },
		{ "failures", &p->halt.failures }, { "min_sample", &p->halt.min_sample },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (strcmp(counts[i].key, key) == 0) {
			*counts[i].n = count(value);
			return true;
		}
	return false;
}

static void take_policy(struct board *b, size_t item, const char *key, const char *value)
{
	struct policy *p = &b->sheet.policies[item];

	if (take_policy_time(p, key, value) || take_policy_count(p, key, value))
		return;
	if (strcmp(key, "limit") == 0)
		p->max_in_flight = (struct limit){ strchr(value, '%') != NULL, count(value), share(value) };
	else if (strcmp(key, "percent") == 0)
		p->halt.percent = share(value);
	else if (strcmp(key, "windows") == 0)
		p->is_always_open = !is_yes(value);
	else if (strcmp(key, "name") == 0)
		p->name = value;
	else if (strcmp(key, "waves") == 0)
		p->n_waves = 0;
	else if (strcmp(key, "site") == 0)
		set_site(b, p, value);
	else if (strcmp(key, "unhealthy") == 0)
		set_halt_reason(b, item, REASON_UNHEALTHY, value);
	else if (strcmp(key, "rejected") == 0)
		set_halt_reason(b, item, REASON_REJECTED, value);
	else if (strcmp(key, "silent") == 0)
		set_halt_reason(b, item, REASON_DEADLINE, value);
	else
		fail_msg("no such word: %s", key);
}

static void take_wave(struct board *b, size_t item, const char *key, const char *value)
{
	struct wave *w = &b->sheet.waves[item][b->sheet.policies[item].n_waves - 1];

	w->is_match |= strcmp(key, "match") == 0;
	if (strcmp(key, "match") == 0)
		w->match.glob[SELECTOR_ID] = value;
	else if (strcmp(key, "percent") == 0)
		w->percent = share(value);
	else if (strcmp(key, "success") == 0)
		w->success = share(value);
	else if (strcmp(key, "soak") == 0)
		w->soak_ns = seconds(value);
	else
		fail_msg("no such word: %s", key);
}

static uint32_t pin_find(struct board *b, const char *name)
{
	struct sheet *s = &b->sheet;
	uint32_t i = 0;

	while (i < s->settings.n_pins && strcmp(s->pins[i].name, name) != 0)
		i++;
	assert_true(i < MOST_PINS);
	if (i < s->settings.n_pins)
		return i;
	s->settings.n_pins++;
	s->pins[i] = (struct pin){ .name = board_keep(b, name), .match = { .glob = { [SELECTOR_ID] = "*" } }, .policy = { 0, POLICY_NONE } };
	return i;
}

static void set_version(struct pin *p, enum version_type type, const char *value)
{
	p->version[type] = strcmp(value, "none") == 0 ? NULL : value;
	p->channel[type] = strcmp(value, "@release") == 0 ? CHANNEL_RELEASE : strcmp(value, "@beta") == 0 ? CHANNEL_BETA : CHANNEL_NONE;
	if (type == VERSION_TYPE_DPI)
		p->policy[type] = p->version[type] ? p->policy[VERSION_TYPE_DEVICE] : POLICY_NONE;
}

static uint32_t set_list(struct board *b, const char **list, const char *value)
{
	char *save = NULL, *words = board_keep(b, value);
	uint32_t n = 0;

	for (char *word = strtok_r(words, ",", &save); word && n < MOST; word = strtok_r(NULL, ",", &save))
		list[n++] = word;
	return n;
}

static void take_pin(struct board *b, size_t item, const char *key, const char *value)
{
	struct pin *p = &b->sheet.pins[item];

	if (strcmp(key, "match") == 0)
		p->match.glob[SELECTOR_ID] = value;
	else if (strcmp(key, "device") == 0)
		set_version(p, VERSION_TYPE_DEVICE, value);
	else if (strcmp(key, "dpi") == 0)
		set_version(p, VERSION_TYPE_DPI, value);
	else if (strcmp(key, "policy") == 0)
		p->policy[VERSION_TYPE_DEVICE] = policy_find(b, value);
	else if (strcmp(key, "dpi_policy") == 0)
		p->policy[VERSION_TYPE_DPI] = policy_find(b, value);
	else if (strcmp(key, "via") == 0)
		p->n_via = set_list(b, b->sheet.via[item], value);
	else if (strcmp(key, "never") == 0)
		p->n_never = set_list(b, b->sheet.never[item], value);
	else if (strcmp(key, "held") == 0)
		p->is_held = is_yes(value);
	else if (strcmp(key, "gone") == 0)
		p->match.glob[SELECTOR_ID] = "no such instance";
	else
		fail_msg("no such word: %s", key);
}

bool board_take(struct board *b, const char *verb, char *rest)
{
	if (strcmp(verb, "daemon") == 0) {
		each_word(b, rest, take_daemon, 0);
	} else if (strcmp(verb, "policy") == 0) {
		uint32_t item = policy_find(b, first_word(b, &rest));

		each_word(b, rest, take_policy, item);
	} else if (strcmp(verb, "wave") == 0) {
		uint32_t item = policy_find(b, first_word(b, &rest)), n = b->sheet.policies[item].n_waves++;

		assert_true(n < MOST);
		b->sheet.waves[item][n] = (struct wave){ .name = first_word(b, &rest), .success = 1.0 };
		each_word(b, rest, take_wave, item);
	} else if (strcmp(verb, "pin") == 0) {
		uint32_t item = pin_find(b, first_word(b, &rest));

		each_word(b, rest, take_pin, item);
	} else {
		return false;
	}
	return true;
}

void board_drop_old(struct board *b)
{
	free(b->old);
	b->old = NULL;
}

const struct settings *board_settings(struct board *b)
{
	struct sheet *s = malloc(sizeof(*s));

	assert_non_null(s);
	board_drop_old(b);
	b->old = b->given;
	b->given = s;
	*s = b->sheet;
	s->settings.scopes = s->scopes;
	s->settings.policies = s->policies;
	s->settings.pins = s->pins;
	for (size_t i = 0; i < MOST; i++) {
		s->policies[i].waves = s->waves[i];
		s->policies[i].halt.by_reason = s->by_reason[i];
	}
	for (size_t i = 0; i < MOST_PINS; i++) {
		s->pins[i].via = s->via[i];
		s->pins[i].never = s->never[i];
	}
	return &s->settings;
}
