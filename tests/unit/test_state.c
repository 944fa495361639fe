/* The state file when all is well: every kind and column, removal, time, history, schema, offline. */
#include "state_bed.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/sqlite.h"

#define N_EACH 15

/* ---- records ---- */

static void commit_each(struct state *s, unsigned int turn)
{
	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		struct record records[N_EACH];

		for (unsigned int n = 0; n < N_EACH; n++)
			records[n] = bed_record((enum record_kind)kind, n, turn);
		assert_int_equal(bed_commit(s, records, N_EACH).kind, STATE_COMMITTED);
	}
}

/* Some enum keys have fewer names than N_EACH: of an equal key the last one holds. */
static void assert_each(const struct bed_load *load, unsigned int turn)
{
	size_t n_found = 0;

	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		for (unsigned int n = 0; n < N_EACH; n++) {
			struct record r = bed_record((enum record_kind)kind, n, turn);
			const struct record *found = bed_find(load, &r);

			assert_non_null(found);
			if (!bed_is_same(found, &r))
				fail_msg("%s %u came back as something else", record_formats[kind].name, n);
			n_found++;
		}
	}
	assert_int_equal(load->n, n_found);
}

static void test_round_trip(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_new(b->path);
	struct bed_load load = bed_load(s);
	struct stat st;

	assert_int_equal(load.end, STATE_LOAD_ENDED);
	assert_true(load.is_first_life);
	assert_int_equal(load.n, 0);
	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (unsigned int turn = 0; turn < 3; turn++) {
		commit_each(s, turn);
		state_free(s);
		s = bed_new(b->path);
		load = bed_load(s);
		assert_int_equal(load.end, STATE_LOAD_ENDED);
		assert_false(load.is_first_life);
		assert_each(&load, turn);
		bed_load_free(&load);
	}
	state_free(s);
}

static void test_removal(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct bed_load load;

	commit_each(s, 0);
	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		struct record r = bed_record((enum record_kind)kind, 3, 9);

		r.is_removed = true;
		for (unsigned int i = record_formats[kind].n_key_texts; i < record_formats[kind].n_texts; i++)
			r.text[i] = NULL; /* only the key is told */
		assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
		assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED); /* was not there any more */
	}
	state_free(s);
	load = bed_try(b->path);
	assert_int_equal(load.n, RECORD_KIND_N * (N_EACH - 1));
	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		struct record gone = bed_record((enum record_kind)kind, 3, 0), there = bed_record((enum record_kind)kind, 4, 0);

		assert_null(bed_find(&load, &gone));
		assert_non_null(bed_find(&load, &there));
	}
	bed_load_free(&load);
}

static void test_columns(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct record r = bed_record(RECORD_TARGET, 0, 0);
	static const struct {
		const char *sql, *result;
	} table[] = {
		{ "SELECT version_type FROM target", "Dpi" },
		{ "SELECT wait_reason FROM target", "paused" },
		{ "SELECT coalesce(approved_at, 'never') FROM target", "never" },
		{ "SELECT wait_until FROM target", "17" },
		{ "SELECT written_boot FROM target", "-81985529216486896" },
		{ "SELECT written_boot_ns FROM target", "5000000000000" },
		{ "SELECT written_wall_s FROM target", "1800000000" },
		{ "PRAGMA application_id", "1398892400" },
		{ "PRAGMA user_version", "1" },
		{ "PRAGMA journal_mode", "wal" },
		{ "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND sql LIKE '% STRICT%'", "11" }, /* of each kind, and the history */
	};

	r.number[REC_TARGET_VERSION_TYPE] = VERSION_TYPE_DPI;
	r.number[REC_TARGET_WAIT_REASON] = REASON_PAUSED;
	r.number[REC_TARGET_APPROVED_AT] = INT64_MIN;
	r.number[REC_TARGET_WAIT_UNTIL] = 17;
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	state_free(s);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[64];

		bed_sql(b->path, table[i].sql, text, sizeof(text));
		assert_string_equal(text, table[i].result);
	}
}

/* More records than one part, and more text than one part may hold. */
static void test_parts(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct record *records = calloc(2500, sizeof(*records));
	static char keys[2500][16], why[STATE_TEXT_MAX + 1];
	struct state_message m;
	size_t n = 0, n_parts = 0;

	memset(why, 'y', STATE_TEXT_MAX);
	for (int i = 0; i < 2500; i++) {
		snprintf(keys[i], sizeof(keys[i]), "SN%06d", i);
		records[i] = bed_record(RECORD_TARGET, 1, 1);
		records[i].text[REC_TARGET_TEXT_SERIAL] = keys[i];
		if (i >= 2000)
			records[i].text[REC_TARGET_TEXT_HELD_WHY] = why;
	}
	assert_int_equal(bed_commit(s, records, 2500).kind, STATE_COMMITTED);
	state_free(s);
	s = bed_new(b->path);
	while ((m = bed_next(s)).kind == STATE_LOADED) {
		assert_in_range(m.n_records, 1, STATE_PART_MAX);
		for (size_t i = 0; i < m.n_records; i++, n++)
			assert_true(bed_is_same(&m.records[i], &records[n]));
		n_parts++;
	}
	assert_int_equal(m.kind, STATE_LOAD_ENDED);
	assert_int_equal(n, 2500);
	assert_true(n_parts > 9);
	state_free(s);
	free(records);
}

static void test_refused(void **state)
{
	static char longer[STATE_TEXT_MAX + 2];
	struct bed *b = *state;
	struct state *s = bed_new(b->path);
	struct record r[2] = { bed_tally("good", 1), bed_tally("bad", 2) };
	struct state_message m;
	struct bed_load load;

	load = bed_load(s);
	memset(longer, 'x', STATE_TEXT_MAX + 1);
	r[1].text[REC_TALLY_TEXT_REGION] = longer;
	m = bed_commit(s, r, 2);
	assert_int_equal(m.failure, STATE_FAILURE_REFUSED);
	assert_non_null(strstr(m.error, "tally: column region_id is no UTF-8 or longer than 4096"));
	r[1].text[REC_TALLY_TEXT_REGION] = "\xff";
	assert_int_equal(bed_commit(s, r, 2).failure, STATE_FAILURE_REFUSED);
	r[1].text[REC_TALLY_TEXT_REGION] = "";
	r[1].number[REC_TALLY_REASON] = REASON_N;
	m = bed_commit(s, r, 2);
	assert_int_equal(m.failure, STATE_FAILURE_REFUSED);
	assert_non_null(strstr(m.error, "which has no name"));
	r[1].number[REC_TALLY_REASON] = -1;
	assert_int_equal(bed_commit(s, r, 2).failure, STATE_FAILURE_REFUSED);
	r[1].number[REC_TALLY_REASON] = REASON_N - 1;
	longer[STATE_TEXT_MAX] = '\0';
	r[1].text[REC_TALLY_TEXT_REGION] = longer;
	r[0].text[REC_TALLY_TEXT_ACCOUNT] = "other"; /* the failed ones left nothing */
	assert_int_equal(bed_commit(s, r, 2).kind, STATE_COMMITTED);
	bed_load_free(&load);
	state_free(s);
	load = bed_try(b->path);
	assert_int_equal(load.n, 2);
	assert_non_null(bed_find(&load, &r[0]));
	bed_load_free(&load);
}

/* Nothing that was taken is lost when the daemon ends. */
static void test_free_commits(void **state)
{
	static char keys[300][16];
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	size_t n;

	for (uint64_t i = 0; i < 300; i++) {
		struct record r;
		struct state_commit commit = { .ticket = i, .stamp = bed_now, .records = &r, .n_records = 1 };

		snprintf(keys[i], sizeof(keys[i]), "%llu", (unsigned long long)i);
		r = bed_tally(keys[i], 1);
		assert_int_equal(state_commit(s, &commit), 0);
	}
	state_free(s);
	s = bed_open(b->path, &n);
	assert_int_equal(n, 300);
	state_free(s);
	assert_null(state_free(NULL));
}

static void test_too_early(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct record r = bed_tally("a", 1);
	struct state_commit commit = { .ticket = 7, .stamp = bed_now, .records = &r, .n_records = 1 };
	struct state_message m;
	struct record *many = calloc(4000, sizeof(*many));
	static char keys[4000][8];
	int n_ends = 0, n_failed = 0;

	for (int i = 0; i < 4000; i++) { /* more than the parts that are read ahead */
		snprintf(keys[i], sizeof(keys[i]), "%d", i);
		many[i] = bed_tally(keys[i], 1);
	}
	assert_int_equal(bed_commit(s, many, 4000).kind, STATE_COMMITTED);
	free(many);
	state_free(s);
	s = bed_new(b->path);
	assert_int_equal(state_commit(s, &commit), 0);
	while (n_ends + n_failed < 2) {
		m = bed_next(s);
		n_ends += m.kind == STATE_LOAD_ENDED;
		if (m.kind == STATE_FAILED || m.kind == STATE_COMMITTED) {
			n_failed++;
			assert_int_equal(m.ticket, 7);
			assert_int_equal(m.failure, STATE_FAILURE_BUSY);
		}
	}
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	state_free(s);
}

/* ---- time ---- */

static int64_t load_soak_start(const char *path, const struct record_stamp *now)
{
	struct state_options options = { .path = path, .now = *now };
	struct state *s;
	struct bed_load load;
	int64_t value;

	assert_int_equal(state_new(&options, &s), 0);
	load = bed_load(s);
	assert_int_equal(load.end, STATE_LOAD_ENDED);
	assert_int_equal(load.n, 1);
	assert_int_equal(load.records[0].number[REC_ROLLOUT_HALTED_AT], 12345); /* wall time stays */
	value = load.records[0].number[REC_ROLLOUT_SOAK_START];
	bed_load_free(&load);
	state_free(s);
	return value;
}

static void test_boots(void **state)
{
	const int64_t begun = bed_now.boot_ns - 60 * NS_PER_S; /* a minute ago when it was written */
	static const struct {
		bool is_other_boot;
		int64_t boot_s, wall_s;
		int64_t ago_s; /* what it must be then */
	} table[] = {
		{ false, 5000, 1800000000, 60 },
		{ false, 5100, 1800000100, 160 },
		{ false, 5100, 1700000000, 160 },	    /* same boot: the wall clock says nothing */
		{ true, 10, 1800000030, 90 },		    /* half a minute passed */
		{ true, 9000, 1800000030, 90 },
		{ true, 10, 1799999000, 60 },		    /* backwards: nothing passed, the rest runs in full again */
		{ true, 10, 1800000000 + 86400 * 365, 60 + 86400 * 365 },
	};
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct record r = bed_record(RECORD_ROLLOUT, 1, 0);

	r.number[REC_ROLLOUT_SOAK_START] = begun;
	r.number[REC_ROLLOUT_HALTED_AT] = 12345;
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	state_free(s);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct record_stamp now = { .boot = bed_now.boot + table[i].is_other_boot,
					    .boot_ns = table[i].boot_s * NS_PER_S,
					    .wall_s = table[i].wall_s };

		assert_int_equal((now.boot_ns - load_soak_start(b->path, &now)) / NS_PER_S, table[i].ago_s);
	}
	s = bed_open(b->path, NULL);
	r.number[REC_ROLLOUT_SOAK_START] = INT64_MIN;
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	state_free(s);
	assert_true(load_soak_start(b->path, &(struct record_stamp){ .boot = 1, .boot_ns = 5, .wall_s = 1900000000 }) == INT64_MIN);
}

static void test_boot_id(void **state)
{
	uint64_t a = 0, b = 1;

	(void)state;
	assert_int_equal(state_boot(&a), 0);
	assert_int_equal(state_boot(&b), 0);
	assert_int_equal(a, b);
	assert_int_not_equal(a, 0);
}

/* ---- history ---- */

static struct state_history_row row_of(const char *serial, int64_t wall_s)
{
	struct state_history_row r = { .wall_s = wall_s };

	for (unsigned int i = 0; i < HISTORY_TEXTS; i++)
		history_set_text(&r, i, "");
	r.account = "main";
	r.instance_id = serial[0] == 'A' ? "sag-a" : "sag-b";
	r.serial_number = serial;
	r.version_type = "Device";
	return r;
}

static struct state_message ask(struct state *s, const struct state_query *query)
{
	struct state_message m;

	assert_int_equal(state_history(s, query, 99), 0);
	m = bed_next(s);
	assert_int_equal(m.kind, STATE_HISTORY);
	assert_int_equal(m.ticket, 99);
	return m;
}

static void test_history(void **state)
{
	static char texts[HISTORY_TEXTS][16];
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct state_history_row rows[20];
	struct state_query query = { .limit = 0 };
	struct state_message m;
	struct record r = bed_tally("a", 1);

	rows[0].wall_s = -5;
	for (unsigned int i = 0; i < HISTORY_TEXTS; i++) {
		snprintf(texts[i], sizeof(texts[i]), "text %u \xc3\xa4", i);
		history_set_text(&rows[0], i, texts[i]);
	}
	assert_int_equal(bed_commit_rows(s, &r, 1, rows, 1).kind, STATE_COMMITTED);
	m = ask(s, &query);
	assert_int_equal(m.n_rows, 1);
	assert_int_equal(m.rows[0].wall_s, -5);
	for (unsigned int i = 0; i < HISTORY_TEXTS; i++)
		assert_string_equal(history_text(&m.rows[0], i), texts[i]);
	assert_string_equal(m.rows[0].why, texts[14]);
	assert_string_equal(m.rows[0].from_version, texts[6]);

	for (int i = 0; i < 20; i++)
		rows[i] = row_of(i % 2 ? "A1" : i % 4 ? "B1" : "A2", i);
	rows[3].version_type = "Dpi";
	assert_int_equal(bed_commit_rows(s, NULL, 0, rows, 20).kind, STATE_COMMITTED);
	state_free(s);
	s = bed_open(b->path, NULL);
	query = (struct state_query){ .serial_number = "A1", .version_type = "Device" };
	m = ask(s, &query);
	assert_int_equal(m.n_rows, 9);
	assert_int_equal(m.rows[0].wall_s, 19);
	assert_int_equal(m.rows[8].wall_s, 1);
	assert_false(m.has_more);
	query = (struct state_query){ .instance_id = "sag-a", .account = "main" };
	assert_int_equal(ask(s, &query).n_rows, 15);
	query.account = "other";
	assert_int_equal(ask(s, &query).n_rows, 0);
	/* page by page */
	query = (struct state_query){ .limit = 8 };
	for (int page = 0; page < 3; page++) {
		m = ask(s, &query);
		assert_int_equal(m.n_rows, page < 2 ? 8 : 5);
		assert_int_equal(m.has_more, page < 2);
		assert_int_equal(m.rows[0].wall_s, 19 - 8 * page);
		query.before_id = m.rows[m.n_rows - 1].id;
	}
	state_free(s);
}

/* Texts that fill a page before its rows do: it ends early and says so; too long ones are cut. */
static void test_history_size(void **state)
{
	static char why[STATE_TEXT_MAX + 100];
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct state_history_row rows[400];
	struct state_query query = { .limit = 0 };
	struct state_message m;
	size_t n = 0;

	memset(why, 'w', sizeof(why) - 1);
	for (int i = 0; i < 400; i++) {
		rows[i] = row_of("A1", i);
		rows[i].why = why;
	}
	assert_int_equal(bed_commit_rows(s, NULL, 0, rows, 400).kind, STATE_COMMITTED);
	do {
		m = ask(s, &query);
		assert_true(m.n_rows > 0);
		assert_int_equal(strlen(m.rows[0].why), STATE_TEXT_MAX);
		n += m.n_rows;
		query.before_id = m.rows[m.n_rows - 1].id;
	} while (m.has_more);
	assert_int_equal(n, 400);
	state_free(s);
}

static struct state *open_limited(const char *path, uint64_t all, uint64_t target)
{
	struct state_options options = { .path = path, .now = bed_now, .history_max = all, .history_target_max = target };
	struct state *s;
	struct bed_load load;

	assert_int_equal(state_new(&options, &s), 0);
	load = bed_load(s);
	assert_int_equal(load.end, STATE_LOAD_ENDED);
	bed_load_free(&load);
	return s;
}

static void test_history_limits(void **state)
{
	struct bed *b = *state;
	struct state *s = open_limited(b->path, 50, 5);
	struct state_query of_a = { .serial_number = "A1" }, all = { .limit = 0 };
	struct state_message m;
	static char serials[100][8];

	for (int i = 0; i < 20; i++) {
		struct state_history_row rows[2] = { row_of("A1", i), row_of("", i) };

		assert_int_equal(bed_commit_rows(s, NULL, 0, rows, 2).kind, STATE_COMMITTED);
	}
	m = ask(s, &of_a);
	assert_int_equal(m.n_rows, 5);
	assert_int_equal(m.rows[0].wall_s, 19);
	assert_int_equal(m.rows[4].wall_s, 15);
	assert_int_equal(ask(s, &all).n_rows, 25); /* what is about no target has no limit of its own */
	for (int i = 0; i < 100; i++) {
		struct state_history_row row;

		snprintf(serials[i], sizeof(serials[i]), "S%d", i);
		row = row_of(serials[i], 100 + i);
		assert_int_equal(bed_commit_rows(s, NULL, 0, &row, 1).kind, STATE_COMMITTED);
		assert_true(ask(s, &all).n_rows <= 50);
	}
	assert_int_equal(ask(s, &all).rows[49].wall_s, 150);
	assert_int_equal(ask(s, &of_a).n_rows, 0);
	state_free(s);
	/* counted anew at the open; a lower limit is reached at once or in steps */
	s = open_limited(b->path, 10, 5);
	assert_int_equal(bed_commit_rows(s, NULL, 0, &(struct state_history_row[]){ row_of("B1", 500) }[0], 1).kind, STATE_COMMITTED);
	m = ask(s, &all);
	assert_int_equal(m.n_rows, 10);
	assert_int_equal(m.rows[0].wall_s, 500);
	state_free(s);
}

/* ---- schema ---- */

static int step_to_2(sqlite3 *db)
{
	return sqlite3_exec(db, "ALTER TABLE tally RENAME COLUMN amount TO value; UPDATE tally SET value = value * 2", NULL, NULL, NULL);
}

static int step_to_3(sqlite3 *db)
{
	int rc = sqlite3_exec(db, "UPDATE tally SET value = 0", NULL, NULL, NULL);

	return rc == SQLITE_OK ? sqlite3_exec(db, "UPDATE nothing SET value = 0", NULL, NULL, NULL) : rc;
}

static int load_with(const char *path, const struct schema *schema, struct record *ret_record, struct store_error *ret_error)
{
	static char text[STORE_PART_TEXT];
	struct store_options options = { .path = path, .now = bed_now, .schema = schema };
	struct store_part part = { .records = ret_record, .max = 1, .text = text, .text_size = sizeof(text) };
	struct store *store = NULL;
	int r = store_open(&options, &store, ret_error);

	if (!r) {
		r = store_load(store, &part, ret_error);
		assert_int_equal(part.n, 1);
	}
	store_free(store);
	return r;
}

static void test_schema_steps(void **state)
{
	static const struct schema_step steps[] = { { 1, step_to_2 }, { 2, step_to_3 } };
	static const struct schema second = { 2, steps, 1 }, third = { 3, steps, 2 }, fifth = { 5, steps, 1 };
	struct bed *b = *state;
	struct record r = bed_tally("a", 21);
	struct state *s = bed_open(b->path, NULL);
	struct store_error error = { .failure = STATE_FAILURE_NONE };
	char version[16];

	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	state_free(s);
	bed_sql(b->path, "ALTER TABLE tally RENAME COLUMN value TO amount", NULL, 0); /* as the first schema had it */
	assert_int_equal(load_with(b->path, &schema_current, &r, &error), STORE_E_FAILED);
	assert_int_equal(error.failure, STATE_FAILURE_DAMAGED);
	assert_non_null(strstr(error.error.text, "value"));
	/* to 2, and once only */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(load_with(b->path, &second, &r, &error), 0);
		assert_int_equal(r.number[REC_TALLY_VALUE], 42);
		bed_sql(b->path, "PRAGMA user_version", version, sizeof(version));
		assert_string_equal(version, "2");
	}
	/* the step to 3 fails in its middle: nothing of it stays */
	assert_int_equal(load_with(b->path, &third, &r, &error), STORE_E_FAILED);
	assert_non_null(strstr(error.error.text, "nothing"));
	assert_int_equal(load_with(b->path, &second, &r, &error), 0);
	assert_int_equal(r.number[REC_TALLY_VALUE], 42);
	/* no step from 2 in this one */
	assert_int_equal(load_with(b->path, &fifth, &r, &error), STORE_E_FAILED);
	assert_non_null(strstr(error.error.text, "no way leads from its schema 2 to 5"));
	/* and the first does not take the second's */
	assert_int_equal(load_with(b->path, &schema_current, &r, &error), STORE_E_FAILED);
	assert_int_equal(error.failure, STATE_FAILURE_NEWER);
}

/* ---- offline ---- */

static int count_records(void *ctx, const struct record *records, size_t n)
{
	(void)records;
	*(size_t *)ctx += n;
	return *(size_t *)ctx > 1000000 ? -1 : 0;
}

/* Names, sizes and times of all in a folder. */
static void list(const char *folder, char *buf, size_t size)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);
	size_t used = 0;

	buf[0] = '\0';
	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		char path[512];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		assert_int_equal(stat(path, &st), 0);
		if (names[i]->d_name[0] != '.')
			used += (size_t)snprintf(buf + used, size - used, "%s %lld %lld.%09ld\n", names[i]->d_name, (long long)st.st_size,
						 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
		free(names[i]);
	}
	free(names);
}

/* Another process that opens the file, commits each record, and then waits to be killed. */
static pid_t hold(const char *path)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		commit_each(bed_open(path, NULL), 0);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void test_offline(void **state)
{
	struct bed *b = *state;
	size_t n = 0;
	struct state_offline options = { .path = b->path, .now = bed_now, .on_records = count_records, .ctx = &n };
	struct error error = { .text = "" };
	char before[512], after[512], tmp[96];
	pid_t pid;

	snprintf(tmp, sizeof(tmp), "%s/tmp", b->folder);
	assert_int_equal(mkdir(tmp, 0700), 0);
	setenv("TMPDIR", tmp, 1);
	assert_int_equal(state_read_offline(&options, &error), STATE_E_MISSING);
	assert_non_null(strstr(error.text, b->path));
	pid = hold(b->path);
	assert_int_equal(state_read_offline(&options, &error), STATE_E_HELD);
	assert_non_null(strstr(error.text, "held by another sagpin"));
	assert_int_equal(n, 0);
	/* killed: what it committed is in the log only, and the log stays as it is */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	list(b->folder, before, sizeof(before));
	assert_non_null(strstr(before, "state.db-wal"));
	assert_int_equal(state_read_offline(&options, &error), 0);
	assert_int_equal(n, RECORD_KIND_N * N_EACH);
	list(b->folder, after, sizeof(after));
	/* of the folder for copies only the time is another */
	assert_memory_equal(before, after, (size_t)(strstr(before, "tmp ") - before));
	list(tmp, after, sizeof(after));
	assert_string_equal(after, "");
	state_free(bed_open(b->path, NULL)); /* folds the log */
	n = 1000000;
	assert_int_equal(state_read_offline(&options, &error), -1); /* as the callback wants */
	bed_sql(b->path, "UPDATE tally SET kind = 'odd'", NULL, 0);
	n = 0;
	assert_int_equal(state_read_offline(&options, &error), STATE_E_FAILED);
	assert_non_null(strstr(error.text, b->path));
	assert_non_null(strstr(error.text, "which this sagpin does not know"));
	options.path = b->folder;
	assert_int_equal(state_read_offline(&options, &error), STATE_E_FAILED);
	unsetenv("TMPDIR");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip), TEST(test_removal),	TEST(test_columns),	 TEST(test_parts),	TEST(test_refused),
		TEST(test_free_commits), TEST(test_too_early),	TEST(test_boots),	 cmocka_unit_test(test_boot_id), TEST(test_history),
		TEST(test_history_size), TEST(test_history_limits), TEST(test_schema_steps), TEST(test_offline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
