/*
 * Listings: stories by table, and a property over random inventories that change while they are read: what a
 * complete listing promises (head of listing.c) holds, and the one gap that it admits to does exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/listing.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct error error;

/* One observation with the given id and nothing else to tell. */
static struct observation bare(const char *id)
{
	return (struct observation){ .instance_id = id, .name = "", .model = "", .resource_group = "", .ccn = "",
				     .city = "", .status_text = "" };
}

/* ---- stories ---- */

#define STEPS 6

struct step {
	uint32_t asked; /* 0: end of the story */
	uint32_t page_number, total, page_size;
	const char *ids; /* one letter an instance */
	int want;
};

static const struct {
	const char *name;
	struct step steps[STEPS];
} stories[] = {
	{ "empty", { { 1, 1, 0, 2, "", LISTING_COMPLETE } } },
	{ "one page", { { 1, 1, 2, 2, "ab", LISTING_COMPLETE } } },
	{ "in order", { { 1, 1, 5, 2, "ab", LISTING_MORE }, { 2, 2, 5, 2, "cd", LISTING_MORE }, { 3, 3, 5, 2, "e", LISTING_COMPLETE } } },
	{ "out of order", { { 1, 1, 5, 2, "ab", LISTING_MORE }, { 3, 3, 5, 2, "e", LISTING_MORE }, { 2, 2, 5, 2, "cd", LISTING_COMPLETE } } },
	{ "full last page", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 2, 4, 2, "cd", LISTING_COMPLETE } } },
	{ "page 2 first", { { 2, 2, 4, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "total grows", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 2, 5, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "total shrinks", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 2, 3, 2, "d", LISTING_E_INCONSISTENT } } },
	{ "id on two pages", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 2, 4, 2, "bc", LISTING_E_INCONSISTENT } } },
	{ "id twice on a page", { { 1, 1, 2, 2, "aa", LISTING_E_INCONSISTENT } } },
	{ "short page", { { 1, 1, 4, 2, "a", LISTING_E_INCONSISTENT } } },
	{ "short last page", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 2, 4, 2, "c", LISTING_E_INCONSISTENT } } },
	{ "overfull page", { { 1, 1, 4, 2, "abc", LISTING_E_INCONSISTENT } } },
	{ "overfull last page", { { 1, 1, 3, 2, "ab", LISTING_MORE }, { 2, 2, 3, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "total without entries", { { 1, 1, 3, 2, "", LISTING_E_INCONSISTENT } } },
	{ "entries without total", { { 1, 1, 0, 2, "a", LISTING_E_INCONSISTENT } } },
	{ "another page than asked for", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 1, 4, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "another page size", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 2, 4, 3, "cd", LISTING_E_INCONSISTENT } } },
	{ "page twice", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 1, 1, 4, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "page behind the end", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 3, 3, 4, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "page far behind the end", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { UINT32_MAX, 0, 4, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "no way back", { { 1, 1, 4, 2, "ab", LISTING_MORE }, { 2, 2, 5, 2, "cd", LISTING_E_INCONSISTENT },
			   { 2, 2, 4, 2, "cd", LISTING_E_INCONSISTENT } } },
	{ "too many", { { 1, 1, LISTING_INSTANCES_MAX + 1, 2, "ab", LISTING_E_INCONSISTENT } } },
	{ "as many as may be", { { 1, 1, LISTING_INSTANCES_MAX, 2, "ab", LISTING_MORE } } },
};

static int add(struct listing *l, const struct step *step, int64_t read_ns)
{
	static struct api_page page;
	char ids[LIMIT_PAGE][2];

	page = (struct api_page){ .total = step->total, .page_number = step->page_number, .page_size = step->page_size };
	for (; step->ids[page.n]; page.n++) {
		ids[page.n][0] = step->ids[page.n];
		ids[page.n][1] = '\0';
		page.observations[page.n] = bare(ids[page.n]);
	}
	return listing_add(l, step->asked, &page, read_ns, &error);
}

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(stories); i++) {
		const struct observation *observations;
		struct listing *l;
		int64_t read_ns;
		int r = 0;

		assert_int_equal(listing_new(7, &l), 0);
		assert_int_equal(listing_started_ns(l), 7);
		assert_int_equal(listing_total(l), 0);
		for (const struct step *step = stories[i].steps; step->asked; step++) {
			error.text[0] = '\0';
			r = add(l, step, 1);
			if (r != step->want || (r == LISTING_E_INCONSISTENT) != (error.text[0] != '\0'))
				fail_msg("%s, page %u: %d (%s)", stories[i].name, step->asked, r, error.text);
		}
		if (r != LISTING_COMPLETE) /* nothing of it is a fact */
			assert_int_equal(listing_take(l, 0, &observations, &read_ns), 0);
		if (r == LISTING_E_INCONSISTENT)
			assert_int_equal(listing_next_page(l), 0);
		listing_free(l);
	}
	assert_null(listing_free(NULL));
}

static void test_pages_to_ask_for(void **state)
{
	static const struct step first = { 1, 1, 5, 2, "ab", LISTING_MORE };
	static const struct step none = { 0, 0, 5, 2, "cd", LISTING_E_INCONSISTENT };
	struct listing *l;

	(void)state;
	assert_int_equal(listing_new(0, &l), 0);
	assert_int_equal(listing_next_page(l), 1);
	assert_int_equal(listing_next_page(l), 0);
	assert_int_equal(add(l, &first, 1), LISTING_MORE);
	assert_int_equal(listing_total(l), 5);
	assert_int_equal(listing_next_page(l), 2);
	assert_int_equal(listing_next_page(l), 3);
	assert_int_equal(listing_next_page(l), 0);
	assert_int_equal(add(l, &none, 1), LISTING_E_INCONSISTENT);
	listing_free(l);
}

/* Everything that an observation holds comes back, page by page with the page's own time, from copies. */
static void test_round_trip(void **state)
{
	static struct api_page page = { .total = 3, .page_number = 1, .page_size = 2, .n = 2 };
	char id[] = "sag-pair", dpi[] = "1.0.7";
	const struct observation pair = {
		id, true, "name", "sag-1000", "rg", "ccn", "city", "Odd", false, STATUS_OFFLINE, 2,
		{ { "m", "2.10.0", dpi, STATUS_ACTIVE, HA_ROLE_STANDBY, HEALTH_ABNORMAL, HEALTH_NORMAL },
		  { "b", "", NULL, STATUS_IN_ARREARS, HA_ROLE_ACTIVE, HEALTH_NORMAL, HEALTH_ABNORMAL } } };
	const struct observation software = {
		"sag-app", false, "", "", "", "", "", "Active", true, STATUS_ACTIVE, 0, { { 0 }, { 0 } } };
	static const struct step last = { 2, 2, 3, 2, "z", LISTING_COMPLETE };
	const struct observation *o = NULL;
	struct listing *l;
	int64_t read_ns = 0;

	(void)state;
	page.observations[0] = pair;
	page.observations[1] = software;
	assert_int_equal(listing_new(0, &l), 0);
	assert_int_equal(listing_add(l, 1, &page, 100, &error), LISTING_MORE);
	assert_int_equal(add(l, &last, 200), LISTING_COMPLETE);
	memset(id, 'X', sizeof(id) - 1);
	memset(dpi, 'X', sizeof(dpi) - 1);

	assert_int_equal(listing_take(l, 0, &o, &read_ns), 2);
	assert_int_equal(read_ns, 100);
	assert_string_equal(o[0].instance_id, "sag-pair");
	assert_true(o[0].has_attributes);
	assert_string_equal(o[0].name, "name");
	assert_string_equal(o[0].model, "sag-1000");
	assert_string_equal(o[0].resource_group, "rg");
	assert_string_equal(o[0].ccn, "ccn");
	assert_string_equal(o[0].city, "city");
	assert_string_equal(o[0].status_text, "Odd");
	assert_false(o[0].is_status_known);
	assert_int_equal(o[0].status, STATUS_OFFLINE);
	assert_int_equal(o[0].n_devices, 2);
	assert_string_equal(o[0].devices[0].dpi_version, "1.0.7");
	assert_null(o[0].devices[1].dpi_version);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(o[0].devices[i].serial_number, pair.devices[i].serial_number);
		assert_string_equal(o[0].devices[i].version, pair.devices[i].version);
		assert_int_equal(o[0].devices[i].status, pair.devices[i].status);
		assert_int_equal(o[0].devices[i].ha_role, pair.devices[i].ha_role);
		assert_int_equal(o[0].devices[i].controller, pair.devices[i].controller);
		assert_int_equal(o[0].devices[i].vpn, pair.devices[i].vpn);
	}
	assert_string_equal(o[1].instance_id, "sag-app");
	assert_false(o[1].has_attributes);
	assert_int_equal(o[1].n_devices, 0);
	assert_int_equal(listing_take(l, 1, &o, &read_ns), 1); /* from the middle of a page to its end */
	assert_string_equal(o[0].instance_id, "sag-app");
	assert_int_equal(listing_take(l, 2, &o, &read_ns), 1);
	assert_int_equal(read_ns, 200);
	assert_string_equal(o[0].instance_id, "z");
	assert_int_equal(listing_take(l, 3, &o, &read_ns), 0);
	listing_free(l);
}

/* ---- the property ---- */

#define INVENTORY_MAX 40
#define READS_MAX 41

/* A cloud that pages through an inventory; ids are numbers, never used twice. */
struct cloud {
	uint64_t random;
	unsigned int ids[INVENTORY_MAX], n;
	unsigned int next_id;
	unsigned int page_size;
};

static unsigned int roll(struct cloud *c, unsigned int n)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return (unsigned int)(c->random >> 33) % n;
}

static void come(struct cloud *c)
{
	unsigned int at = roll(c, c->n + 1);

	if (c->n == INVENTORY_MAX)
		return;
	memmove(&c->ids[at + 1], &c->ids[at], (c->n - at) * sizeof(c->ids[0]));
	c->ids[at] = c->next_id++;
	c->n++;
}

static void go(struct cloud *c)
{
	unsigned int at;

	if (!c->n)
		return;
	at = roll(c, c->n);
	c->n--;
	memmove(&c->ids[at], &c->ids[at + 1], (c->n - at) * sizeof(c->ids[0]));
}

static void swap(struct cloud *c)
{
	unsigned int a, b, id;

	if (!c->n)
		return;
	a = roll(c, c->n);
	b = roll(c, c->n);
	id = c->ids[a];
	c->ids[a] = c->ids[b];
	c->ids[b] = id;
}

static bool has(const struct cloud *c, unsigned int id)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (c->ids[i] == id)
			return true;
	return false;
}

/* What may happen between two reads of a run. */
enum weather { STILL, GROWS, SHRINKS, REORDERS, EXCHANGES, ANYTHING, WEATHER_N };

static void pass_time(struct cloud *c, enum weather weather)
{
	static void (*const acts[])(struct cloud *c) = { come, go, swap };

	if (weather == STILL || roll(c, 3))
		return;
	if (weather == EXCHANGES) {
		go(c);
		come(c);
		return;
	}
	for (unsigned int i = roll(c, 3) + 1; i > 0; i--)
		acts[weather == ANYTHING ? roll(c, 3) : weather - GROWS](c);
}

/* A page as the cloud gives it now. */
static int read_page(struct cloud *c, struct listing *l, uint32_t page_number)
{
	static struct api_page page;
	static char ids[LIMIT_PAGE][16];
	unsigned int first = (page_number - 1) * c->page_size;

	page = (struct api_page){ .total = c->n, .page_number = page_number, .page_size = c->page_size };
	for (; page.n < c->page_size && first + page.n < c->n; page.n++) {
		snprintf(ids[page.n], sizeof(ids[0]), "sag-%u", c->ids[first + page.n]);
		page.observations[page.n] = bare(ids[page.n]);
	}
	return listing_add(l, page_number, &page, page_number, &error);
}

struct run {
	uint64_t seed;
	enum weather weather;
	struct cloud at[READS_MAX]; /* the inventory at each read, by page number */
	struct cloud first; /* at the first read */
	bool is_always[INVENTORY_MAX * 200]; /* by id: there at every read */
};

/* Reads page 1, then the others in random order, while time passes. */
static int read_all(struct run *run, struct cloud *c, struct listing *l)
{
	uint32_t order[READS_MAX], n = 0;
	int r = LISTING_MORE;

	assert_int_equal(listing_next_page(l), 1);
	order[n++] = 1;
	run->first = *c;
	for (uint32_t i = 0; i < n && r == LISTING_MORE; i++) {
		uint32_t other = i + roll(c, n - i), page_number = order[other];

		order[other] = order[i];
		if (i)
			pass_time(c, run->weather);
		run->at[page_number] = *c;
		r = read_page(c, l, page_number);
		for (uint32_t next; r == LISTING_MORE && (next = listing_next_page(l));)
			order[n++] = next;
		for (unsigned int j = 0; j < run->first.n; j++)
			run->is_always[run->first.ids[j]] &= has(c, run->first.ids[j]);
	}
	assert_int_not_equal(r, LISTING_MORE); /* all pages asked for give a verdict */
	return r;
}

/* Each entry was there when its page was read, none stands twice; returns how many of those always there lack. */
static unsigned int check_complete(const struct run *run, struct listing *l)
{
	bool is_listed[INVENTORY_MAX * 200] = { false };
	const struct observation *o;
	unsigned int n_lacking = 0;
	int64_t read_ns;
	size_t first = 0;

	for (size_t n; (n = listing_take(l, first, &o, &read_ns)) > 0; first += n) {
		for (size_t i = 0; i < n; i++) {
			unsigned int id = (unsigned int)atoi(o[i].instance_id + 4);

			if (is_listed[id] || !has(&run->at[read_ns], id))
				fail_msg("seed %llu: entry %s", (unsigned long long)run->seed, o[i].instance_id);
			is_listed[id] = true;
		}
	}
	assert_int_equal(first, listing_total(l));
	assert_int_equal(first, run->first.n);
	for (unsigned int i = 0; i < run->first.n; i++)
		n_lacking += run->is_always[run->first.ids[i]] && !is_listed[run->first.ids[i]];
	return n_lacking;
}

static void test_property(void **state)
{
	unsigned int n_complete[WEATHER_N] = { 0 }, n_inconsistent[WEATHER_N] = { 0 }, n_lacking[WEATHER_N] = { 0 };
	static struct run run;

	(void)state;
	for (uint64_t seed = 1; seed <= 12000; seed++) {
		struct cloud c = { .random = seed * UINT64_C(0x9e3779b97f4a7c15) };
		struct listing *l;

		memset(run.is_always, true, sizeof(run.is_always));
		run.seed = seed;
		run.weather = (enum weather)(seed % WEATHER_N);
		c.page_size = roll(&c, 7) + 1;
		for (unsigned int n = roll(&c, INVENTORY_MAX / 2); n > 0; n--)
			come(&c);
		assert_int_equal(listing_new(0, &l), 0);
		if (read_all(&run, &c, l) == LISTING_COMPLETE) {
			n_complete[run.weather]++;
			if (check_complete(&run, l)) {
				n_lacking[run.weather]++;
				if (run.weather < EXCHANGES)
					fail_msg("seed %llu: complete, and lacks an instance", (unsigned long long)seed);
			}
		} else {
			n_inconsistent[run.weather]++;
			if (run.weather == STILL)
				fail_msg("seed %llu: inconsistent, and nothing changed", (unsigned long long)seed);
		}
		listing_free(l);
	}
	/* The weathers blew: each was met both ways where it can be, and the gap that remains is a real one. */
	for (int w = GROWS; w < WEATHER_N; w++) {
		assert_true(n_complete[w] > 0);
		assert_true(n_inconsistent[w] > 0);
	}
	assert_true(n_lacking[EXCHANGES] > 0);
}

/* The fleet that the design is for: 100,000 instances in 2,000 pages. */
static void test_large(void **state)
{
	const uint32_t total = 100000;
	const struct observation *o;
	static struct api_page page;
	static char ids[LIMIT_PAGE][32];
	struct listing *l;
	int64_t read_ns;
	int r = 0;

	(void)state;
	assert_int_equal(listing_new(0, &l), 0);
	for (uint32_t number; (number = listing_next_page(l));) {
		page = (struct api_page){ .total = total, .page_number = number, .page_size = LIMIT_PAGE, .n = LIMIT_PAGE };
		for (uint32_t i = 0; i < LIMIT_PAGE; i++) {
			snprintf(ids[i], sizeof(ids[i]), "sag-%020u", (number - 1) * LIMIT_PAGE + i);
			page.observations[i] = bare(ids[i]);
		}
		r = listing_add(l, number, &page, number, &error);
	}
	assert_int_equal(r, LISTING_COMPLETE);
	assert_int_equal(listing_take(l, total - 1, &o, &read_ns), 1);
	assert_int_equal(read_ns, 2000);
	assert_string_equal(o->instance_id, "sag-00000000000000099999");
	listing_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_pages_to_ask_for),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_property),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
