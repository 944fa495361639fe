/*
 * How fast an exposition of a large fleet is written: bench_expose [targets]; default 100,000.
 * bench_expose --dump text|openmetrics targets: the exposition itself, for tests/integration/exposition_check.py.
 */
#include "expose.h"
#include "process.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LABEL_MAX 32

struct target {
	char instance_id[LABEL_MAX], serial_number[LABEL_MAX];
	uint8_t instance_len, serial_len;
	bool is_behind;
	double since;
};

struct fleet {
	struct target *targets;
	uint64_t n;
};

static const enum metric_id families[] = { METRIC_VERSION_INFO, METRIC_DESIRED_VERSION_INFO, METRIC_VERSION_BEHIND,
					   METRIC_VERSION_AHEAD, METRIC_VERSION_DRIFT_SINCE, METRIC_TARGET_STATE,
					   METRIC_TARGET_STATE_SINCE, METRIC_UPGRADE_IN_PROGRESS, METRIC_UPGRADE_ATTEMPTS,
					   METRIC_UPGRADE_FAILURES };

static uint64_t fleet_begin(void *ctx)
{
	(void)ctx;
	return 0;
}

static void fleet_end(void *ctx, uint64_t mark)
{
	(void)ctx;
	(void)mark;
}

static uint64_t fleet_rows(void *ctx, uint64_t mark, enum metric_id id)
{
	(void)mark;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (families[i] == id)
			return ((struct fleet *)ctx)->n;
	}
	return 0;
}

static struct expose_text text(const char *s)
{
	return (struct expose_text){ s, strlen(s) };
}

static bool fleet_row(void *ctx, uint64_t mark, enum metric_id id, uint64_t row, struct expose_row *ret_row)
{
	const struct target *t = &((struct fleet *)ctx)->targets[row];

	(void)mark;
	ret_row->labels[0] = text("production");
	ret_row->labels[1] = text("cn-shanghai");
	ret_row->labels[2] = (struct expose_text){ t->instance_id, t->instance_len };
	ret_row->labels[3] = (struct expose_text){ t->serial_number, t->serial_len };
	ret_row->labels[4] = text("Device");
	ret_row->labels[5] = id == METRIC_TARGET_STATE ? text("in_sync") : text("3.4.2");
	ret_row->labels[6] = text("none");
	ret_row->value = id == METRIC_TARGET_STATE_SINCE || id == METRIC_VERSION_DRIFT_SINCE ? t->since : t->is_behind;
	return true;
}

static bool fleet_is_shown(void *ctx, enum metric_id id)
{
	(void)ctx;
	(void)id;
	return true;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(bool ok)
{
	if (!ok) {
		fputs("bench_expose: out of memory\n", stderr);
		exit(1);
	}
}

static void report(const char *what, double seconds, size_t bytes, size_t lines)
{
	printf("%-14s %8zu lines %10zu bytes %7.3f s CPU %12.0f lines/s\n", what, lines, bytes, seconds,
	       (double)lines / seconds);
}

/* Returns the lines; dump: where the text goes, or NULL. */
static size_t run_plain(enum expose_format format, const struct registry *r, const struct expose_source *source, FILE *dump)
{
	static const char *const names[EXPOSE_FORMAT_N] = { "text", "openmetrics" };
	static char buf[4 * EXPOSE_BLOCK_MIN];
	size_t n, bytes = 0, lines = 0;
	double start = cpu_seconds(), spent;
	struct exposition *e;

	must(exposition_new(format, r, source, &e) == 0);
	while (!exposition_is_ended(e)) {
		n = exposition_write(e, buf, sizeof(buf));
		bytes += n;
		if (dump)
			fwrite(buf, 1, n, dump);
	}
	spent = cpu_seconds() - start;
	exposition_free(e);
	must(exposition_new(format, r, source, &e) == 0);
	while (!exposition_is_ended(e)) {
		n = exposition_write(e, buf, sizeof(buf));
		for (const char *p = buf; (p = memchr(p, '\n', (size_t)(buf + n - p))); p++)
			lines++;
	}
	exposition_free(e);
	if (!dump)
		report(names[format], spent, bytes, lines);
	return lines;
}

static void run_gzip(const struct registry *r, const struct expose_source *source, size_t lines)
{
	static char buf[4 * EXPOSE_BLOCK_MIN];
	struct exposition_gzip *g;
	struct exposition *e;
	size_t bytes = 0;
	double start = cpu_seconds();
	ssize_t n;

	must(exposition_new(EXPOSE_OPENMETRICS, r, source, &e) == 0);
	must(exposition_gzip_new(e, &g) == 0);
	do {
		n = exposition_gzip_write(g, buf, sizeof(buf));
		bytes += n > 0 ? (size_t)n : 0;
	} while (n > 0 || n == -EAGAIN);
	report("gzip", cpu_seconds() - start, bytes, lines);
	exposition_gzip_free(g);
}

static void fleet_fill(struct fleet *f, uint64_t n)
{
	f->targets = calloc(n, sizeof(struct target));
	f->n = n;
	must(f->targets != NULL);
	for (uint64_t i = 0; i < n; i++) {
		struct target *t = &f->targets[i];

		t->instance_len = (uint8_t)snprintf(t->instance_id, LABEL_MAX, "sag-%016llx", (unsigned long long)i * 2654435761U);
		t->serial_len = (uint8_t)snprintf(t->serial_number, LABEL_MAX, "sag32a%07llu", (unsigned long long)i);
		t->is_behind = i % 9 == 0;
		t->since = 1795384800.0 + (double)(i % 100000);
	}
}

static void registry_fill(struct registry *r)
{
	static const char *const labels[METRIC_LABELS_MAX] = { "prod", "b \"quoted\"", "c\\d", "e\nf", "g", "", "h", "i", "j" };

	for (size_t id = 0; id < METRIC_N; id++) {
		struct series *s;

		if (metric_catalogue[id].source != METRIC_SOURCE_REGISTRY)
			continue;
		s = registry_series(r, (enum metric_id)id, labels);
		must(s != NULL);
		if (metric_catalogue[id].type == METRIC_HISTOGRAM)
			series_observe(s, 0.25);
		else
			series_set(s, 0.1);
	}
	process_update(r);
}

int main(int argc, char **argv)
{
	bool is_dump = argc == 4 && strcmp(argv[1], "--dump") == 0;
	struct fleet fleet;
	struct expose_source source = { &fleet, fleet_begin, fleet_end, fleet_rows, fleet_row, fleet_is_shown, NULL };
	struct registry *r;
	size_t lines;

	fleet_fill(&fleet, argc > 1 ? strtoull(argv[argc - 1], NULL, 10) : 100000);
	must(registry_new(&r) == 0);
	registry_fill(r);
	if (is_dump) {
		run_plain(strcmp(argv[2], "text") == 0 ? EXPOSE_TEXT : EXPOSE_OPENMETRICS, r, &source, stdout);
	} else {
		lines = run_plain(EXPOSE_TEXT, r, &source, NULL);
		run_plain(EXPOSE_OPENMETRICS, r, &source, NULL);
		run_gzip(r, &source, lines);
	}
	registry_free(r);
	free(fleet.targets);
	return 0;
}
