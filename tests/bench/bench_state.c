/*
 * How long the state file takes: bench_state FOLDER [targets [history rows]]; default 100,000 and 0.
 * Fills a file with a target and its attempts each, then measures an open with its load, and commits of 50 rows.
 */
#include "state/state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 1000
#define ROWS 50
#define COMMITS 400

static const struct record_stamp now = { .boot = 1, .boot_ns = 1000 * NS_PER_S, .wall_s = 1800000000 };
static char serials[CHUNK][32];

static double clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Of all threads: another process cannot make it longer. */
static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static struct state_message next(struct state *s)
{
	struct pollfd fd = { .fd = state_fd(s), .events = POLLIN };
	struct state_message m;

	while (!state_take(s, &m))
		poll(&fd, 1, -1);
	if (m.error[0]) {
		fprintf(stderr, "%s\n", m.error);
		exit(1);
	}
	return m;
}

static struct state *load(const char *path, size_t *ret_n, double *ret_first_ms)
{
	struct state_options options = { .path = path, .now = now };
	double began = clock_ms();
	struct state *s;
	struct state_message m;

	*ret_n = 0;
	*ret_first_ms = -1;
	if (state_new(&options, &s) != 0)
		exit(1);
	do {
		m = next(s);
		if (*ret_first_ms < 0)
			*ret_first_ms = clock_ms() - began;
		*ret_n += m.kind == STATE_LOADED ? m.n_records : 0;
	} while (m.kind != STATE_LOAD_ENDED);
	return s;
}

static struct record target_of(uint32_t i, int64_t turn)
{
	struct record r = { .kind = RECORD_TARGET };

	for (unsigned int k = 0; k < record_formats[RECORD_TARGET].n_texts; k++)
		r.text[k] = "";
	snprintf(serials[i % CHUNK], sizeof(serials[0]), "sag%08x%05u", i * 2654435761u, i);
	r.text[REC_TARGET_TEXT_SERIAL] = serials[i % CHUNK];
	r.text[REC_TARGET_TEXT_APPROVED] = "3.4.2";
	r.number[REC_TARGET_FIRST_SEEN] = r.number[REC_TARGET_DRIFT_SINCE] = 1790000000 + turn;
	r.number[REC_TARGET_APPROVED_AT] = r.number[REC_TARGET_WAIT_UNTIL] = 900 * NS_PER_S;
	r.number[REC_TARGET_CHANGED_1] = r.number[REC_TARGET_CHANGED_2] = r.number[REC_TARGET_CHANGED_3] = INT64_MIN;
	return r;
}

static double commit(struct state *s, const struct record *records, size_t n, const struct state_history_row *rows, size_t n_rows)
{
	struct state_commit c = { .stamp = now, .records = records, .n_records = n, .rows = rows, .n_rows = n_rows };

	if (state_commit(s, &c) != 0)
		exit(1);
	return (double)next(s).duration_ns / 1e6;
}

static struct state_history_row row_of(uint32_t i)
{
	return (struct state_history_row){ 0, 1800000000 + i, "main", "cn-shanghai", "sag-abcdefgh12345", serials[i % CHUNK], "Device", "settled",
					   "3.3.0", "3.4.2", "verified", "none", "branches", "canary", "7F0D2C8E-1A1A-4B5C-9B3D-0123456789AB", "", "" };
}

static void fill(struct state *s, uint32_t n_targets, uint32_t n_history)
{
	static struct record records[2 * CHUNK];
	static struct state_history_row rows[CHUNK];

	for (uint32_t i = 0; i < n_targets || i < n_history; i += CHUNK) {
		for (uint32_t j = 0; j < CHUNK; j++) {
			struct record *attempts = &records[2 * j + 1];

			records[2 * j] = target_of(i + j, 0);
			*attempts = (struct record){ .kind = RECORD_ATTEMPTS };
			attempts->text[REC_ATTEMPTS_TEXT_SERIAL] = serials[j];
			attempts->text[REC_ATTEMPTS_TEXT_VERSION] = "3.4.2";
			attempts->number[REC_ATTEMPTS_REASON] = REASON_DEADLINE;
			rows[j] = row_of(i + j);
		}
		commit(s, records, i < n_targets ? 2 * CHUNK : 0, rows, i < n_history ? CHUNK : 0);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench_commits(struct state *s, uint32_t n_targets)
{
	static double ms[COMMITS];
	struct record records[ROWS];
	struct state_history_row rows[ROWS];
	uint32_t seed = 1;

	for (int i = 0; i < COMMITS; i++) {
		for (uint32_t j = 0; j < ROWS; j++) {
			uint32_t at;

			seed = seed * 1664525u + 1013904223u;
			at = (seed >> 8) % n_targets;
			records[j] = target_of(at - at % CHUNK + j, i);
			rows[j] = row_of(j);
		}
		ms[i] = commit(s, records, ROWS, rows, ROWS);
	}
	qsort(ms, COMMITS, sizeof(ms[0]), compare);
	printf("commit of %d records and %d history rows: median %.2f ms, 95 %% %.2f ms, most %.2f ms\n", ROWS, ROWS, ms[COMMITS / 2],
	       ms[COMMITS * 95 / 100], ms[COMMITS - 1]);
}

int main(int argc, char **argv)
{
	uint32_t n_targets = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000;
	uint32_t n_history = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	char path[512], wal[520];
	double began, began_cpu, first;
	struct state *s;
	size_t n;

	if (argc < 2 || !n_targets) {
		fprintf(stderr, "usage: bench_state FOLDER [targets [history rows]]\n");
		return 1;
	}
	snprintf(path, sizeof(path), "%s/bench-state.db", argv[1]);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	unlink(path);
	unlink(wal);
	s = load(path, &n, &first);
	fill(s, n_targets, n_history);
	state_free(s);
	for (int i = 0; i < 3; i++) {
		began = clock_ms();
		began_cpu = cpu_ms();
		s = load(path, &n, &first);
		printf("load of %zu records: %.0f ms, %.0f ms of CPU, the first part after %.0f ms\n", n, clock_ms() - began, cpu_ms() - began_cpu, first);
		if (i < 2)
			state_free(s);
	}
	bench_commits(s, n_targets);
	began = clock_ms();
	state_free(s);
	printf("close: %.0f ms\n", clock_ms() - began);
	unlink(path);
	return 0;
}
