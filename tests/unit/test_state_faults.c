/* The state file when things go wrong: crashes, full and failing disks, other programs, damage, a file that vanishes. */
#include "state_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/sqlite.h"

/* ---- the disk's syncs: SQLite's calls come here, because a program's own functions go before the library's ---- */

static atomic_int n_syncs, sync_error;

int fdatasync(int fd)
{
	n_syncs++;
	if (sync_error) {
		errno = sync_error;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	n_syncs++;
	if (sync_error) {
		errno = sync_error;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

/* ---- helpers ---- */

static void assert_load_fails(const char *path, enum state_failure failure, const char *words)
{
	struct bed_load load = bed_try(path);

	if (load.end != STATE_OPEN_FAILED || load.failure != failure || !strstr(load.error, words) || !strstr(load.error, path))
		fail_msg("%s: %s, wanted %s with \"%s\"", state_failure_names[load.failure], load.error, state_failure_names[failure], words);
	bed_load_free(&load);
}

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static void patch_file(const char *path, long at, const void *data, size_t size)
{
	FILE *f = fopen(path, "r+b");

	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

/* A closed file with some of everything in it. */
static void make_file(const char *path)
{
	struct state *s = bed_open(path, NULL);

	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		struct record records[40];

		for (unsigned int n = 0; n < 40; n++)
			records[n] = bed_record((enum record_kind)kind, n, 0);
		assert_int_equal(bed_commit(s, records, 40).kind, STATE_COMMITTED);
	}
	state_free(s);
}

static size_t count_loaded(const char *path)
{
	size_t n;

	state_free(bed_open(path, &n));
	return n;
}

/* ---- all or nothing ---- */

static void test_failure_in_the_middle(void **state)
{
	struct bed *b = *state;
	struct record r[3] = { bed_tally("a", 1), bed_tally("b", 13), bed_tally("c", 1) };
	struct record target = bed_record(RECORD_TARGET, 1, 0);
	struct state_history_row row = { .wall_s = 1 };
	struct state_query query = { .limit = 0 };
	struct state_message m;
	struct state *s;
	char sql[2048], create[1024];

	for (unsigned int i = 0; i < HISTORY_TEXTS; i++)
		history_set_text(&row, i, "x");
	state_free(bed_open(b->path, NULL));
	bed_sql(b->path, "SELECT sql FROM sqlite_schema WHERE name = 'tally'", create, sizeof(create));
	*strstr(create, ", PRIMARY KEY") = '\0';
	snprintf(sql, sizeof(sql),
		 "DROP TABLE tally; %s, CHECK (value <> 13), PRIMARY KEY (account, region_id, policy, kind, version_type, reason))"
		 " STRICT, WITHOUT ROWID",
		 create);
	bed_sql(b->path, sql, NULL, 0);
	s = bed_open(b->path, NULL);
	assert_int_equal(bed_commit(s, &target, 1).kind, STATE_COMMITTED);
	target = bed_record(RECORD_TARGET, 1, 4);
	{
		struct record all[4] = { target, r[0], r[1], r[2] };

		m = bed_commit_rows(s, all, 4, &row, 1);
		assert_int_equal(m.kind, STATE_FAILED);
		assert_non_null(strstr(m.error, "CHECK"));
	}
	assert_int_equal(state_history(s, &query, 1), 0);
	assert_int_equal(bed_next(s).n_rows, 0);
	assert_int_equal(bed_commit(s, &r[2], 1).kind, STATE_COMMITTED); /* the store goes on */
	state_free(s);
	{
		struct bed_load load = bed_try(b->path);
		struct record before = bed_record(RECORD_TARGET, 1, 0);

		assert_int_equal(load.n, 2);
		assert_true(bed_is_same(bed_find(&load, &before), &before));
		assert_non_null(bed_find(&load, &r[2]));
		bed_load_free(&load);
	}
}

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No room, at many sizes: what fails leaves nothing; with room again, the same file takes all. */
static void test_full(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct record big[200];
	static char keys[200][16];
	int n_failed = 0, n_good = 0;
	size_t n;

	for (int i = 0; i < 200; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		big[i] = bed_tally(keys[i], 0);
	}
	assert_int_equal(bed_commit(s, big, 200).kind, STATE_COMMITTED);
	for (rlim_t limit = 0; limit < 400000; limit += 20011) {
		struct state_message m;
		char key[16];

		snprintf(key, sizeof(key), "l%d", (int)limit);
		for (int i = 0; i < 200; i++)
			big[i].number[REC_TALLY_VALUE] = (int64_t)limit + 1;
		big[199].text[REC_TALLY_TEXT_ACCOUNT] = key;
		limit_file_size(limit);
		m = bed_commit(s, big, 200);
		limit_file_size(RLIM_INFINITY);
		n_failed += m.kind == STATE_FAILED;
		n_good += m.kind == STATE_COMMITTED;
		if (m.kind == STATE_FAILED) {
			assert_int_equal(m.failure, STATE_FAILURE_FULL);
			assert_non_null(strstr(m.error, "make room"));
		}
		big[0].number[REC_TALLY_VALUE] = (int64_t)limit + 1;
		big[199].number[REC_TALLY_VALUE] = (int64_t)limit + 2;
		assert_int_equal(bed_commit(s, &big[199], 1).kind, STATE_COMMITTED);
	}
	assert_true(n_failed > 2);
	assert_true(n_good > 0);
	state_free(s);
	n = count_loaded(b->path);
	assert_int_equal(n, 200 + n_failed + n_good);
}

static void test_full_at_open(void **state)
{
	struct bed *b = *state;

	limit_file_size(0);
	assert_load_fails(b->path, STATE_FAILURE_FULL, "make room");
	limit_file_size(20000);
	assert_load_fails(b->path, STATE_FAILURE_FULL, "make room");
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(count_loaded(b->path), 0);
}

/* One sync a commit; one that fails is a commit that fails, and the next one is good again. */
static void test_syncs(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct record r = bed_tally("a", 1);
	struct state_message m;

	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	for (int i = 2; i < 50; i++) {
		n_syncs = 0;
		r.number[REC_TALLY_VALUE] = i;
		assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
		assert_int_equal(n_syncs, 1);
	}
	sync_error = EIO;
	r.number[REC_TALLY_VALUE] = -1;
	m = bed_commit(s, &r, 1);
	sync_error = 0;
	assert_int_equal(m.failure, STATE_FAILURE_UNREADABLE);
	assert_non_null(strstr(m.error, "Input/output error"));
	r = bed_tally("b", 2);
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	state_free(s);
	{
		struct bed_load load = bed_try(b->path);
		struct record key = bed_tally("a", 0);

		assert_int_equal(load.n, 2);
		assert_int_equal(bed_find(&load, &key)->number[REC_TALLY_VALUE], 49);
		bed_load_free(&load);
	}
}

/* ---- kill -9 ---- */

/* Counts in two records that must always agree, and tells each number that was committed. */
__attribute__((noreturn)) static void count_for_ever(const char *path, int64_t from, int told)
{
	struct state *s = bed_open(path, NULL);

	for (int64_t i = from;; i++) {
		struct record r[2] = { bed_tally("left", i), bed_tally("right", i) };
		struct record attempts = bed_record(RECORD_ATTEMPTS, (unsigned int)(i % 500), (unsigned int)(i % 3));

		if (bed_commit(s, (struct record[]){ r[0], attempts, r[1] }, 3).kind != STATE_COMMITTED || write(told, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

/* What was told is there; what was committed and not told may be. */
static int64_t assert_whole(const char *path, int64_t told)
{
	struct bed_load load = bed_try(path);
	struct record key = bed_tally("left", 0);
	const struct record *left, *right;
	int64_t value;

	if (load.end != STATE_LOAD_ENDED)
		fail_msg("%s", load.error);
	left = bed_find(&load, &key);
	key = bed_tally("right", 0);
	right = bed_find(&load, &key);
	assert_int_equal(left != NULL, right != NULL);
	if (!left || !right) {
		assert_int_equal(told, 0);
		bed_load_free(&load);
		return 0;
	}
	value = left->number[REC_TALLY_VALUE];
	assert_int_equal(value, right->number[REC_TALLY_VALUE]);
	assert_true(value == told || value == told + 1);
	bed_load_free(&load);
	return value;
}

/* Kills it some time after its start, or after its first commit: a slow machine gets somewhere, too. */
static int64_t count_and_kill(const char *path, int64_t from, unsigned int after_us, bool is_first_awaited)
{
	int64_t told = from, i;
	int pipe_fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pipe_fds[0]);
		count_for_ever(path, from + 1, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	if (is_first_awaited && read(pipe_fds[0], &i, sizeof(i)) == sizeof(i))
		told = i;
	usleep(after_us);
	kill(pid, SIGKILL);
	while (read(pipe_fds[0], &i, sizeof(i)) == sizeof(i))
		told = i;
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return told;
}

static void test_kill(void **state)
{
	struct bed *b = *state;
	const char *seed_text = getenv("TEST_SEED");
	unsigned int seed = seed_text ? (unsigned int)atoi(seed_text) : (unsigned int)getpid();
	int64_t value = 0;

	print_message("TEST_SEED=%u\n", seed);
	srand(seed);
	for (int i = 0; i < 60; i++) {
		int64_t told = count_and_kill(b->path, value, (unsigned int)(rand() % 60000), i % 2 == 1);

		value = assert_whole(b->path, told);
	}
	assert_true(value >= 30);
}

/* ---- who else ---- */

static void test_two_openers(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	struct record r = bed_tally("a", 1);
	struct bed_load load;

	assert_load_fails(b->path, STATE_FAILURE_LOCKED, "held by another sagpin: stop that one");
	assert_true(state_failure_is_fatal(STATE_FAILURE_LOCKED));
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	state_free(s);
	load = bed_try(b->path);
	assert_int_equal(load.n, 1);
	bed_load_free(&load);
}

/* Several at once, on a file that is not there yet: one has it. */
static void test_race(void **state)
{
	struct bed *b = *state;
	int end[2], won[2], n_won = 0;
	pid_t pids[6];
	char c;

	assert_int_equal(pipe(end), 0);
	assert_int_equal(pipe(won), 0);
	for (int i = 0; i < 6; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i]) {
			struct state *s = bed_new(b->path);
			struct bed_load load = bed_load(s);

			close(end[1]);
			c = load.end == STATE_LOAD_ENDED ? 'w' : load.failure == STATE_FAILURE_LOCKED ? 'l' : '?';
			if (write(won[1], &c, 1) != 1 || read(end[0], &c, 1) != 0)
				_exit(1);
			_exit(0); /* and not before all have tried */
		}
	}
	for (int i = 0; i < 6; i++) {
		assert_int_equal(read(won[0], &c, 1), 1);
		assert_int_not_equal(c, '?');
		n_won += c == 'w';
	}
	assert_int_equal(n_won, 1);
	close(end[1]);
	for (int i = 0; i < 6; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	close(end[0]);
	close(won[0]);
	close(won[1]);
}

static void test_foreign(void **state)
{
	static const char text[] = "listen = \":9464\";\nthis is a configuration file, surely not a database, and long enough to be one\n";
	struct bed *b = *state;
	unsigned char random[8192], before[8192];
	char wal[128];
	FILE *f;

	write_file(b->path, text, sizeof(text));
	assert_load_fails(b->path, STATE_FAILURE_FOREIGN, "no SQLite database");
	write_file(b->path, "xy", 2); /* SQLite takes a single byte for nothing */
	assert_load_fails(b->path, STATE_FAILURE_FOREIGN, "no SQLite database");
	srand(1);
	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (unsigned char)rand();
	write_file(b->path, random, sizeof(random));
	assert_load_fails(b->path, STATE_FAILURE_FOREIGN, "no SQLite database");
	f = fopen(b->path, "rb");
	assert_int_equal(fread(before, 1, sizeof(before), f), sizeof(before));
	fclose(f);
	assert_memory_equal(before, random, sizeof(random)); /* left as it was */
	/* databases of others: with an id, and without one */
	assert_int_equal(unlink(b->path), 0);
	bed_sql(b->path, "PRAGMA application_id = 252006674; CREATE TABLE target (x)", NULL, 0);
	bed_sql(b->path, "PRAGMA journal_mode = WAL", NULL, 0);
	assert_load_fails(b->path, STATE_FAILURE_FOREIGN, "0x0f055112");
	snprintf(wal, sizeof(wal), "%s-wal", b->path);
	assert_int_equal(access(wal, F_OK), -1); /* nothing was made beside it either */
	assert_int_equal(unlink(b->path), 0);
	bed_sql(b->path, "PRAGMA journal_mode = WAL; CREATE TABLE history (x)", NULL, 0);
	assert_load_fails(b->path, STATE_FAILURE_FOREIGN, "another program");
	/* an empty file, and an empty database, are new ones */
	assert_int_equal(unlink(b->path), 0);
	write_file(b->path, "", 0);
	assert_int_equal(count_loaded(b->path), 0);
	assert_int_equal(unlink(b->path), 0);
	bed_sql(b->path, "PRAGMA journal_mode = WAL; VACUUM", NULL, 0);
	assert_int_equal(count_loaded(b->path), 0);
}

static void test_newer(void **state)
{
	struct bed *b = *state;

	make_file(b->path);
	bed_sql(b->path, "PRAGMA user_version = 2", NULL, 0);
	assert_load_fails(b->path, STATE_FAILURE_NEWER, "schema 2, this one knows 1");
	assert_true(state_failure_is_fatal(STATE_FAILURE_NEWER));
	bed_sql(b->path, "PRAGMA user_version = 0", NULL, 0);
	assert_load_fails(b->path, STATE_FAILURE_DAMAGED, "no way leads from its schema 0 to 1");
}

/* ---- damage ---- */

/* Not fatal; but then every commit fails with the same words. */
static void test_open_failed_goes_on(void **state)
{
	struct bed *b = *state;
	struct record r = bed_tally("a", 1);
	struct state_query query = { .limit = 1 };
	struct state_message m;
	struct bed_load load;
	struct state *s;

	make_file(b->path);
	bed_sql(b->path, "UPDATE attempts SET reason = 'sunspots' WHERE serial_number LIKE '%7%'", NULL, 0);
	s = bed_new(b->path);
	load = bed_load(s);
	assert_int_equal(load.end, STATE_OPEN_FAILED);
	assert_int_equal(load.failure, STATE_FAILURE_DAMAGED);
	assert_false(state_failure_is_fatal(load.failure));
	if (!strstr(load.error, "table attempts, key serial_number") || !strstr(load.error, "column reason is sunspots, which this sagpin does not know"))
		fail_msg("%s", load.error);
	for (int i = 0; i < 3; i++) {
		m = bed_commit(s, &r, 1);
		assert_int_equal(m.failure, STATE_FAILURE_DAMAGED);
		assert_string_equal(m.error, load.error);
	}
	assert_int_equal(state_history(s, &query, 5), 0);
	m = bed_next(s);
	assert_int_equal(m.kind, STATE_HISTORY);
	assert_int_equal(m.failure, STATE_FAILURE_DAMAGED);
	bed_load_free(&load);
	state_free(s);
}

static void test_damaged_rows(void **state)
{
	static const struct {
		const char *sql, *words;
	} table[] = {
		{ "UPDATE target SET version_type = 'Toaster' WHERE serial_number LIKE '%12%'", "table target, key serial_number12" },
		{ "UPDATE target SET written_wall_s = -1", "column written_wall_s is -1" },
		{ "UPDATE target SET written_wall_s = 9223372036854775807", "column written_wall_s is 9223372036854775807" },
		{ "UPDATE rollout SET written_boot_ns = -9223372036854775808", "column written_boot_ns" },
		{ "UPDATE rollout SET written_boot = 1, soak_start = 9223372036854775807, written_boot_ns = 0", "column soak_start" },
		{ "UPDATE scope SET account = CAST(zeroblob(3) AS TEXT) WHERE account = (SELECT max(account) FROM scope)", "which is no UTF-8 or too long" },
		{ "UPDATE scope SET account = CAST(x'c328' AS TEXT) WHERE account = (SELECT max(account) FROM scope)", "no UTF-8" },
		{ "UPDATE pause SET why = printf('%.*c', 5000, 'y')", "too long" },
		{ "ALTER TABLE auto_upgrade DROP COLUMN cron", "cron" },
		{ "DROP TABLE start", "start" },
		{ "DROP TABLE history", "history" },
		{ "DROP INDEX history_target; DROP TABLE intent; CREATE TABLE intent (id)", "account" },
	};
	struct bed *b = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		unlink(b->path);
		make_file(b->path);
		bed_sql(b->path, table[i].sql, NULL, 0);
		assert_load_fails(b->path, STATE_FAILURE_DAMAGED, table[i].words);
	}
}

static void test_damaged_bytes(void **state)
{
	struct bed *b = *state;
	static const unsigned char zeroes[4096], ones[4096] = { 0xff, 0xff, 0xff };
	char wal[128], *good;
	struct stat st;
	FILE *f;

	snprintf(wal, sizeof(wal), "%s-wal", b->path);
	make_file(b->path);
	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(truncate(b->path, st.st_size / 2), 0);
	assert_load_fails(b->path, STATE_FAILURE_DAMAGED, "is damaged");
	assert_int_equal(truncate(b->path, 50), 0);
	assert_load_fails(b->path, STATE_FAILURE_DAMAGED, "ends within its header");
	unlink(b->path);
	make_file(b->path);
	patch_file(b->path, 0, zeroes, sizeof(zeroes));
	assert_load_fails(b->path, STATE_FAILURE_DAMAGED, "begins with zeroes");
	unlink(b->path);
	make_file(b->path);
	good = malloc((size_t)st.st_size);
	f = fopen(b->path, "rb");
	assert_true(good && f && fread(good, 1, (size_t)st.st_size, f) == (size_t)st.st_size);
	fclose(f);
	/* each page in turn: never a crash, and never a load that looks good but lacks what was there */
	for (off_t at = 4096, turn = 0; turn < 2; at + 4096 < st.st_size ? (at += 4096) : (at = 4096, turn++)) {
		struct bed_load load;

		write_file(b->path, good, (size_t)st.st_size);
		if (turn)
			patch_file(b->path, at + 3, zeroes, 2); /* the number of cells: the rest looks like an empty page */
		else
			patch_file(b->path, at, ones, sizeof(ones));
		load = bed_try(b->path);
		if (load.end == STATE_LOAD_ENDED)
			assert_int_equal(load.n, 40 * RECORD_KIND_N); /* a page of the history, or a free one */
		else
			assert_int_equal(load.failure, STATE_FAILURE_DAMAGED);
		bed_load_free(&load);
		unlink(wal);
	}
	free(good);
}

/* ---- the place of the file ---- */

static void test_moved(void **state)
{
	struct bed *b = *state;
	struct record r = bed_tally("a", 1);
	char other[128], wal[128];
	struct state_message m;
	struct state *s;

	snprintf(other, sizeof(other), "%s/other.db", b->folder);
	snprintf(wal, sizeof(wal), "%s-wal", b->path);
	make_file(other);
	s = bed_open(b->path, NULL);
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	/* replaced */
	r.number[REC_TALLY_VALUE] = 2;
	assert_int_equal(rename(b->path, "/tmp/sagpin-state-moved"), 0);
	assert_int_equal(link(other, b->path), 0);
	m = bed_commit(s, &r, 1);
	assert_int_equal(m.failure, STATE_FAILURE_MOVED);
	assert_non_null(strstr(m.error, "deleted, moved or replaced"));
	/* gone; then back */
	assert_int_equal(unlink(b->path), 0);
	assert_int_equal(bed_commit(s, &r, 1).failure, STATE_FAILURE_MOVED);
	assert_int_equal(rename("/tmp/sagpin-state-moved", b->path), 0);
	assert_int_equal(bed_commit(s, &r, 1).kind, STATE_COMMITTED);
	/* its log: what is committed to nowhere would be lost */
	r.number[REC_TALLY_VALUE] = 3;
	assert_int_equal(unlink(wal), 0);
	m = bed_commit(s, &r, 1);
	assert_int_equal(m.failure, STATE_FAILURE_MOVED);
	assert_non_null(strstr(m.error, "-wal"));
	write_file(wal, "", 0); /* another one in its place */
	assert_int_equal(bed_commit(s, &r, 1).failure, STATE_FAILURE_MOVED);
	assert_int_equal(unlink(wal), 0);
	/* for good */
	assert_int_equal(unlink(b->path), 0);
	assert_int_equal(bed_commit(s, &r, 1).failure, STATE_FAILURE_MOVED);
	state_free(s);
	assert_int_equal(access(b->path, F_OK), -1);
	assert_int_equal(count_loaded(other), 40 * RECORD_KIND_N);
}

static void test_places(void **state)
{
	struct bed *b = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/no/such/state.db", b->folder);
	assert_load_fails(path, STATE_FAILURE_NO_FOLDER, "make the folder");
	assert_load_fails(b->folder, STATE_FAILURE_UNREADABLE, "no regular file");
	assert_load_fails("/dev/full", STATE_FAILURE_UNREADABLE, "no regular file");
	snprintf(path, sizeof(path), "%s/file/state.db", b->folder);
	path[strlen(path) - strlen("/state.db")] = '\0';
	write_file(path, "", 0);
	strcat(path, "/state.db");
	assert_load_fails(path, STATE_FAILURE_UNREADABLE, "Not a directory");
	/* names that SQLite would take for something else; relative to where we are */
	assert_int_equal(chdir(b->folder), 0);
	state_free(bed_open(":memory:", NULL));
	assert_int_equal(access(":memory:", F_OK), 0);
	state_free(bed_open("file:x?mode=memory", NULL));
	assert_int_equal(access("file:x?mode=memory", F_OK), 0);
	assert_int_equal(chdir("/"), 0);
}

/* Runs as a user without rights, since permissions bind no root. */
static void run_as_nobody(void (*run)(const struct bed *b), const struct bed *b)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		run(b);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void demand_failure(const char *path, enum state_failure failure, const char *words)
{
	struct bed_load load = bed_try(path);

	if (load.end != STATE_OPEN_FAILED || load.failure != failure || !strstr(load.error, words)) {
		fprintf(stderr, "%s: %s, wanted %s with \"%s\"\n", state_failure_names[load.failure], load.error, state_failure_names[failure], words);
		_exit(1);
	}
	bed_load_free(&load);
}

static void expect_read_only(const struct bed *b)
{
	demand_failure(b->path, STATE_FAILURE_READ_ONLY, "make it and its folder writable");
}

static void expect_unreadable(const struct bed *b)
{
	demand_failure(b->path, STATE_FAILURE_UNREADABLE, "Permission denied");
}

static void test_permissions(void **state)
{
	struct bed *b = *state;

	/* a folder in which nothing can be made */
	assert_int_equal(chmod(b->folder, 0555), 0);
	run_as_nobody(expect_unreadable, b);
	/* a file that can be read, not written */
	assert_int_equal(chmod(b->folder, 0755), 0);
	make_file(b->path);
	assert_int_equal(chmod(b->path, 0444), 0);
	run_as_nobody(expect_read_only, b);
	/* a file that can be written in a folder that cannot: no place for the log */
	assert_int_equal(chmod(b->path, 0666), 0);
	assert_int_equal(chmod(b->folder, 0555), 0);
	run_as_nobody(expect_read_only, b);
	/* a file that cannot be read */
	assert_int_equal(chmod(b->path, 0), 0);
	run_as_nobody(expect_unreadable, b);
	assert_int_equal(chmod(b->folder, 0755), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_failure_in_the_middle), TEST(test_full),	TEST(test_full_at_open), TEST(test_syncs),
		TEST(test_kill),		  TEST(test_two_openers), TEST(test_race),	 TEST(test_foreign),
		TEST(test_newer),		  TEST(test_open_failed_goes_on), TEST(test_damaged_rows), TEST(test_damaged_bytes),
		TEST(test_moved),		  TEST(test_places),	TEST(test_permissions),
	};

	signal(SIGXFSZ, SIG_DFL); /* who started us may have ignored it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
