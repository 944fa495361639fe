/* See state_bed.h. */
#include "state_bed.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <unistd.h>

#define WAIT_MS 20000

const struct record_stamp bed_now = { .boot = UINT64_C(0xfedcba9876543210), .boot_ns = 5000 * NS_PER_S, .wall_s = 1800000000 };

int bed_setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	snprintf(b->folder, sizeof(b->folder), "/tmp/sagpin-state-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/state.db", b->folder);
	*state = b;
	return 0;
}

int bed_teardown(void **state)
{
	struct bed *b = *state;
	char command[128];
	int r;

	snprintf(command, sizeof(command), "rm -rf %s", b->folder);
	r = system(command); /* NOLINT(cert-env33-c) */
	free(b);
	return r;
}

struct state *bed_new(const char *path)
{
	struct state_options options = { .path = path, .now = bed_now };
	struct state *s = NULL;

	assert_int_equal(state_new(&options, &s), 0);
	return s;
}

struct state_message bed_next(struct state *s)
{
	struct pollfd fd = { .fd = state_fd(s), .events = POLLIN };
	struct state_message m;

	while (!state_take(s, &m))
		assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
	return m;
}

static void keep(struct bed_load *load, const struct record *records, size_t n)
{
	load->records = realloc(load->records, (load->n + n) * sizeof(*records));
	assert_non_null(load->records);
	for (size_t i = 0; i < n; i++) {
		struct record *copy = &load->records[load->n++];

		*copy = records[i];
		for (unsigned int j = 0; j < record_formats[copy->kind].n_texts; j++)
			copy->text[j] = strdup(records[i].text[j]);
	}
}

struct bed_load bed_load(struct state *s)
{
	struct bed_load load = { .n = 0 };
	struct state_message m;

	while ((m = bed_next(s)).kind == STATE_LOADED) {
		assert_in_range(m.n_records, 1, STATE_PART_MAX);
		keep(&load, m.records, m.n_records);
	}
	load.end = m.kind;
	load.is_first_life = m.is_first_life;
	load.failure = m.failure;
	snprintf(load.error, sizeof(load.error), "%s", m.error);
	return load;
}

void bed_load_free(struct bed_load *load)
{
	for (size_t i = 0; i < load->n; i++) {
		for (unsigned int j = 0; j < record_formats[load->records[i].kind].n_texts; j++)
			free((void *)(uintptr_t)load->records[i].text[j]);
	}
	free(load->records);
}

struct state *bed_open(const char *path, size_t *ret_n)
{
	struct state *s = bed_new(path);
	struct bed_load load = bed_load(s);

	if (load.end != STATE_LOAD_ENDED)
		fail_msg("%s", load.error);
	if (ret_n)
		*ret_n = load.n;
	bed_load_free(&load);
	return s;
}

struct bed_load bed_try(const char *path)
{
	struct state *s = bed_new(path);
	struct bed_load load = bed_load(s);

	state_free(s);
	return load;
}

struct state_message bed_commit_rows(struct state *s, const struct record *records, size_t n, const struct state_history_row *rows,
				     size_t n_rows)
{
	static uint64_t ticket;
	struct state_commit commit = { .ticket = ++ticket, .stamp = bed_now, .records = records, .n_records = n, .rows = rows, .n_rows = n_rows };
	struct state_message m;

	assert_int_equal(state_commit(s, &commit), 0);
	m = bed_next(s);
	assert_true(m.kind == STATE_COMMITTED || m.kind == STATE_FAILED);
	assert_int_equal(m.ticket, ticket);
	assert_int_equal(m.kind == STATE_FAILED, m.failure != STATE_FAILURE_NONE);
	assert_int_equal(m.kind == STATE_FAILED, m.error[0] != '\0');
	return m;
}

struct state_message bed_commit(struct state *s, const struct record *records, size_t n)
{
	return bed_commit_rows(s, records, n, NULL, 0);
}

static int64_t number_of(const struct record_column *column, bool is_key, unsigned int seed)
{
	static const int64_t numbers[] = { 0, 1, -1, INT64_MAX, INT64_MIN, INT64_C(1) << 53, 42 };
	static const int64_t times[] = { INT64_MIN, 0, 1, -NS_PER_S, INT64_C(9000) * NS_PER_S };

	if (column->type == COLUMN_NAME)
		return seed % column->n_names;
	if (is_key)
		return (int64_t)seed * 1000003 - 7;
	return column->type == COLUMN_TIME ? times[seed % 5] : numbers[seed % 7];
}

struct record bed_record(enum record_kind kind, unsigned int n, unsigned int turn)
{
	static const char *const spice[] = { "", "o'\"%;--", "größe\n\t\xe2\x82\xac", "a b" };
	static char pool[64][RECORD_TEXTS][64];
	static unsigned int used;
	const struct record_format *f = &record_formats[kind];
	char(*texts)[64] = pool[used++ % 64];
	struct record r = { .kind = kind };

	for (unsigned int i = 0; i < f->n_texts; i++) {
		unsigned int seed = i < f->n_key_texts ? n : n + 7 * turn;

		snprintf(texts[i], sizeof(texts[i]), "%s%u%s", f->texts[i], seed, spice[(seed + i) % 4]);
		if (i >= f->n_key_texts && seed % 5 == 0)
			texts[i][0] = '\0';
		r.text[i] = texts[i];
	}
	for (unsigned int i = 0; i < f->n_numbers; i++) {
		bool is_key = i < f->n_key_numbers;

		r.number[i] = number_of(&f->numbers[i], is_key, is_key ? n : n + 3 * turn + i);
	}
	return r;
}

bool bed_is_same_key(const struct record *a, const struct record *b)
{
	const struct record_format *f = &record_formats[a->kind];

	if (a->kind != b->kind)
		return false;
	for (unsigned int i = 0; i < f->n_key_texts; i++) {
		if (strcmp(a->text[i], b->text[i]) != 0)
			return false;
	}
	return memcmp(a->number, b->number, f->n_key_numbers * sizeof(a->number[0])) == 0;
}

bool bed_is_same(const struct record *a, const struct record *b)
{
	const struct record_format *f = &record_formats[a->kind];

	if (a->kind != b->kind || a->is_removed != b->is_removed)
		return false;
	for (unsigned int i = 0; i < f->n_texts; i++) {
		if (strcmp(a->text[i], b->text[i]) != 0)
			return false;
	}
	return memcmp(a->number, b->number, sizeof(a->number)) == 0;
}

struct record bed_tally(const char *account, int64_t value)
{
	struct record r = { .kind = RECORD_TALLY };

	r.text[REC_TALLY_TEXT_ACCOUNT] = account;
	r.text[REC_TALLY_TEXT_REGION] = r.text[REC_TALLY_TEXT_POLICY] = "";
	r.number[REC_TALLY_VALUE] = value;
	return r;
}

const struct record *bed_find(const struct bed_load *load, const struct record *key)
{
	for (size_t i = 0; i < load->n; i++) {
		if (bed_is_same_key(&load->records[i], key))
			return &load->records[i];
	}
	return NULL;
}

void bed_sql(const char *path, const char *sql, char *buf, size_t size)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	const char *next = sql;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	while (*next) {
		int rc;

		if (sqlite3_prepare_v2(db, next, -1, &stmt, &next) != SQLITE_OK)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			const char *text = (const char *)sqlite3_column_text(stmt, 0);

			if (buf)
				snprintf(buf, size, "%s", text ? text : "NULL");
		}
		if (rc != SQLITE_DONE)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		sqlite3_finalize(stmt);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
