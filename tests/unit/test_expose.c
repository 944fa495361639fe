/*
 * The exposition: goldens of both formats, escapes and numbers, and that no block size, compression or change of the
 * registry in the middle makes other bytes.
 */
#include "expose.h"
#include "number.h"
#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>
#include <cmocka.h>

/* A live table: families with so many rows, some of them empty, all labels the same text. */
struct table {
	const char *label;
	uint64_t rows;
	uint64_t gap; /* the first and every so-manieth row after it show nothing; 1: none does */
	bool has_targets;
	int holds;
	unsigned int slices; /* that preparing takes */
	uint64_t looked;     /* rows that were asked for */
};

static uint64_t table_begin(void *ctx)
{
	struct table *t = ctx;

	t->holds++;
	return 42;
}

static void table_end(void *ctx, uint64_t mark)
{
	struct table *t = ctx;

	assert_int_equal(mark, 42);
	t->holds--;
}

static uint64_t table_rows(void *ctx, uint64_t mark, enum metric_id id)
{
	const struct table *t = ctx;

	assert_int_equal(mark, 42);
	return id == METRIC_INSTANCE_ONLINE || id == METRIC_UPGRADE_ATTEMPTS || id == METRIC_UPGRADE_LAST_SUCCESS ? t->rows : 0;
}

static bool table_row(void *ctx, uint64_t mark, enum metric_id id, uint64_t row, struct expose_row *ret_row)
{
	struct table *t = ctx;

	assert_int_equal(mark, 42);
	t->looked++;
	if (row % t->gap == 0)
		return false;
	for (size_t i = 0; i < metric_n_labels(id); i++)
		ret_row->labels[i] = (struct expose_text){ t->label, strlen(t->label) };
	ret_row->value = (double)row;
	return true;
}

static bool table_is_shown(void *ctx, enum metric_id id)
{
	const struct table *t = ctx;

	return t->has_targets || id == METRIC_INSTANCE_ONLINE;
}

static bool table_prepare(void *ctx, uint64_t mark)
{
	struct table *t = ctx;

	assert_int_equal(mark, 42);
	return t->slices == 0 || --t->slices == 0;
}

static struct expose_source source_of(struct table *t)
{
	return (struct expose_source){ t, table_begin, table_end, table_rows, table_row, table_is_shown, table_prepare };
}

static unsigned int random_next(unsigned int *seed)
{
	*seed = *seed * 1103515245U + 12345U;
	return *seed >> 8;
}

/* All of it, in blocks of `block` bytes, or of random sizes from BLOCK_MIN up when seed is not NULL. */
static char *render(enum expose_format format, const struct registry *r, const struct expose_source *source, size_t block,
		    unsigned int *seed, size_t *ret_len)
{
	struct exposition *e;
	size_t len = 0, n;
	char *text = NULL;

	assert_int_equal(exposition_new(format, r, source, &e), 0);
	do {
		size_t size = seed ? EXPOSE_BLOCK_MIN + random_next(seed) % 5000 : block;
		char *buf = malloc(size); /* exact, so that a write past its end is seen */

		assert_non_null(buf);
		n = exposition_write(e, buf, size);
		assert_true(n <= size);
		text = realloc(text, len + n + 1);
		assert_non_null(text);
		memcpy(text + len, buf, n);
		len += n;
		text[len] = '\0';
		free(buf);
	} while (n > 0 || !exposition_is_ended(e));
	assert_null(exposition_free(e));
	if (ret_len)
		*ret_len = len;
	return text;
}

static struct registry *make_registry(void)
{
	struct registry *r;
	struct series *s;

	assert_int_equal(registry_new(&r), 0);
	s = registry_series(r, METRIC_UPGRADE_ERRORS, (const char *const[]){ "prod", "eu-central-1", "other" });
	assert_non_null(s);
	series_add(s, 3);
	s = registry_series(r, METRIC_API_REQUEST_DURATION, (const char *const[]){ "Describe\"X\\" });
	assert_non_null(s);
	series_observe(s, 0.05);
	series_observe(s, 2);
	series_observe(s, 99);
	s = registry_series(r, METRIC_PROCESS_CPU_SECONDS, NULL);
	assert_non_null(s);
	series_set(s, 0.1);
	return r;
}

#define HISTOGRAM                                                                                                      \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"0.05\"} 1\n"                     \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"0.1\"} 1\n"                      \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"0.25\"} 1\n"                     \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"0.5\"} 1\n"                      \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"1.0\"} 1\n"                      \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"2.5\"} 2\n"                      \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"5.0\"} 2\n"                      \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"10.0\"} 2\n"                     \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"20.0\"} 2\n"                     \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"30.0\"} 2\n"                     \
	"sagpin_api_request_duration_seconds_bucket{action=\"Describe\\\"X\\\\\",le=\"+Inf\"} 3\n"                     \
	"sagpin_api_request_duration_seconds_sum{action=\"Describe\\\"X\\\\\"} 101.05\n"                               \
	"sagpin_api_request_duration_seconds_count{action=\"Describe\\\"X\\\\\"} 3\n"

static const char *const goldens[EXPOSE_FORMAT_N] = {
	[EXPOSE_TEXT] =
		"# HELP sag_instance_online Whether the instance is active and connected, as last observed.\n"
		"# TYPE sag_instance_online gauge\n"
		"sag_instance_online{account=\"a\\nb\",region_id=\"a\\nb\",instance_id=\"a\\nb\"} 1\n"
		"sag_instance_online{account=\"a\\nb\",region_id=\"a\\nb\",instance_id=\"a\\nb\"} 3\n"
		"# HELP sagpin_upgrade_errors_total Error codes that upgrade calls were answered with.\n"
		"# TYPE sagpin_upgrade_errors_total counter\n"
		"sagpin_upgrade_errors_total{account=\"prod\",region_id=\"eu-central-1\",code=\"other\"} 3\n"
		"# HELP sagpin_api_request_duration_seconds How long requests to the API took.\n"
		"# TYPE sagpin_api_request_duration_seconds histogram\n" HISTOGRAM
		"# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n"
		"# TYPE process_cpu_seconds_total counter\n"
		"process_cpu_seconds_total 0.1\n",
	[EXPOSE_OPENMETRICS] =
		"# TYPE sag_instance_online gauge\n"
		"# HELP sag_instance_online Whether the instance is active and connected, as last observed.\n"
		"sag_instance_online{account=\"a\\nb\",region_id=\"a\\nb\",instance_id=\"a\\nb\"} 1\n"
		"sag_instance_online{account=\"a\\nb\",region_id=\"a\\nb\",instance_id=\"a\\nb\"} 3\n"
		"# TYPE sagpin_upgrade_errors counter\n"
		"# HELP sagpin_upgrade_errors Error codes that upgrade calls were answered with.\n"
		"sagpin_upgrade_errors_total{account=\"prod\",region_id=\"eu-central-1\",code=\"other\"} 3\n"
		"# TYPE sagpin_api_request_duration_seconds histogram\n"
		"# UNIT sagpin_api_request_duration_seconds seconds\n"
		"# HELP sagpin_api_request_duration_seconds How long requests to the API took.\n" HISTOGRAM
		"# TYPE process_cpu_seconds counter\n"
		"# UNIT process_cpu_seconds seconds\n"
		"# HELP process_cpu_seconds Total user and system CPU time spent in seconds.\n"
		"process_cpu_seconds_total 0.1\n"
		"# EOF\n",
};

/* Families that are not shown, or show no row, leave nothing. */
static void test_goldens(void **state)
{
	struct table t = { "a\nb", 4, 2, false, 0, 0, 0 };
	struct expose_source source = source_of(&t);
	struct registry *r = make_registry();

	(void)state;
	for (int f = 0; f < EXPOSE_FORMAT_N; f++) {
		char *text = render((enum expose_format)f, r, &source, 65536, NULL, NULL);

		assert_string_equal(text, goldens[f]);
		assert_int_equal(t.holds, 0);
		free(text);
	}
	registry_free(r);
}

static void test_empty(void **state)
{
	struct table t = { "x", 1000, 1, true, 0, 0, 0 };
	struct expose_source source = source_of(&t);
	struct registry *r;
	char *text;

	(void)state;
	assert_int_equal(registry_new(&r), 0);
	text = render(EXPOSE_OPENMETRICS, r, &source, EXPOSE_BLOCK_MIN, NULL, NULL);
	assert_string_equal(text, "# EOF\n");
	free(text);
	text = render(EXPOSE_TEXT, r, NULL, EXPOSE_BLOCK_MIN, NULL, NULL);
	assert_string_equal(text, "");
	free(text);
	registry_free(r);
}

static void check_label(const char *label, const char *want)
{
	struct table t = { label, 2, 2, false, 0, 0, 0 };
	struct expose_source source = source_of(&t);
	struct registry *r;
	char *text, *found, expected[4096];

	assert_int_equal(registry_new(&r), 0);
	text = render(EXPOSE_TEXT, r, &source, EXPOSE_BLOCK_MIN, NULL, NULL);
	snprintf(expected, sizeof(expected), "{account=\"%s\",region_id=\"%s\",instance_id=\"%s\"} 1\n", want, want, want);
	found = strchr(text, '{');
	assert_non_null(found);
	assert_string_equal(found, expected);
	free(text);
	registry_free(r);
}

/* Each escape at each place of a value of each length around the eight bytes that are looked at together. */
static void test_label_values(void **state)
{
	static const struct {
		char c;
		const char *want;
	} escapes[] = { { '\\', "\\\\" }, { '"', "\\\"" }, { '\n', "\\n" } };

	(void)state;
	for (size_t n = 1; n < 20; n++) {
		for (size_t at = 0; at < n; at++) {
			for (size_t e = 0; e < 3; e++) {
				char label[32], want[64];

				memset(label, 'x', n);
				label[n] = '\0';
				snprintf(want, sizeof(want), "%.*s%s%s", (int)at, label, escapes[e].want, label + at + 1);
				label[at] = escapes[e].c;
				check_label(label, want);
			}
		}
	}
	check_label("", "");
	check_label("Gr\xc3\xb6\xc3\x9f" "e 8/\xf0\x9f\x90\xa7 {}=,#", "Gr\xc3\xb6\xc3\x9f" "e 8/\xf0\x9f\x90\xa7 {}=,#");
}

/* At the limit whole, one past it cut before the character that does not fit. */
static void test_label_limit(void **state)
{
	char label[EXPOSE_LABEL_MAX + 2], want[EXPOSE_LABEL_MAX + 2];

	(void)state;
	memset(label, 'x', sizeof(label));
	label[EXPOSE_LABEL_MAX] = '\0';
	check_label(label, label);
	memcpy(want, label, sizeof(want));
	label[EXPOSE_LABEL_MAX] = 'y';
	label[EXPOSE_LABEL_MAX + 1] = '\0';
	check_label(label, want);
	memcpy(label + EXPOSE_LABEL_MAX - 1, "\xc3\xb6", 2);
	want[EXPOSE_LABEL_MAX - 1] = '\0';
	check_label(label, want);
}

/* The longest labels that escape to twice their size, in every family at once: no bound is too small. */
static void test_bounds(void **state)
{
	char label[EXPOSE_LABEL_MAX + 1];
	struct table t = { label, 40, 41, true, 0, 0, 0 };
	struct expose_source source = source_of(&t);
	const char *labels[METRIC_LABELS_MAX];
	struct registry *r;

	(void)state;
	memset(label, '"', sizeof(label));
	label[EXPOSE_LABEL_MAX] = '\0';
	for (size_t i = 0; i < METRIC_LABELS_MAX; i++)
		labels[i] = label;
	assert_int_equal(registry_new(&r), 0);
	for (size_t id = 0; id < METRIC_N; id++) {
		struct series *s;

		if (metric_catalogue[id].source != METRIC_SOURCE_REGISTRY)
			continue;
		s = registry_series(r, (enum metric_id)id, labels);
		assert_non_null(s);
		if (metric_catalogue[id].type == METRIC_HISTOGRAM)
			series_observe(s, 1.2345678901234567e-300);
		else
			series_set(s, -1.2345678901234567e-300);
	}
	for (size_t block = EXPOSE_BLOCK_MIN; block < EXPOSE_BLOCK_MIN + 2000; block += 97)
		free(render(EXPOSE_OPENMETRICS, r, &source, block, NULL, NULL));
	registry_free(r);
}

static void test_blocks(void **state)
{
	struct table t = { "some \"label\" value", 500, 3, true, 0, 0, 0 };
	struct expose_source source = source_of(&t);
	struct registry *r = make_registry();
	unsigned int seed = (unsigned int)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	for (int f = 0; f < EXPOSE_FORMAT_N; f++) {
		char *whole = render((enum expose_format)f, r, &source, 1 << 22, NULL, NULL);

		for (int round = 0; round < 10; round++) {
			char *text = render((enum expose_format)f, r, &source, 0, &seed, NULL);

			assert_string_equal(text, whole);
			free(text);
		}
		free(whole);
	}
	registry_free(r);
}

/* Series dropped between two blocks: what is left of the family is left out; nothing stale is read, nothing twice. */
static void test_clear_in_the_middle(void **state)
{
	struct registry *r;
	struct exposition *e;
	char buf[EXPOSE_BLOCK_MIN + 1], name[300];
	size_t n;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[200] = '\0';
	assert_int_equal(registry_new(&r), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, 8, "%06d", i);
		name[6] = 'n';
		assert_non_null(registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ name }));
	}
	assert_int_equal(exposition_new(EXPOSE_OPENMETRICS, r, NULL, &e), 0);
	n = exposition_write(e, buf, sizeof(buf));
	assert_true(n > 0);
	registry_clear(r, METRIC_CONFIG_INFO);
	for (int i = 0; i < 200; i++) {
		snprintf(name, 8, "%06d", i);
		name[6] = 'm';
		assert_non_null(registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ name }));
	}
	n = exposition_write(e, buf, EXPOSE_BLOCK_MIN);
	buf[n] = '\0';
	assert_string_equal(buf, "# EOF\n");
	exposition_free(e);
	registry_free(r);
}

/* No call does more than a slice: neither preparing nor looking at rows that have nothing to show. */
static void test_nothing_to_show(void **state)
{
	struct table t = { "value", 3 * EXPOSE_ROWS_MAX + 1, 1, true, 0, 5, 0 };
	struct expose_source source = source_of(&t);
	char buf[EXPOSE_BLOCK_MIN];
	struct exposition *e;
	struct registry *r;
	unsigned int calls = 0;

	(void)state;
	assert_int_equal(registry_new(&r), 0);
	assert_int_equal(exposition_new(EXPOSE_TEXT, r, &source, &e), 0);
	for (; !exposition_is_ended(e); calls++) {
		uint64_t looked = t.looked;

		assert_true(calls < 100);
		assert_int_equal(exposition_write(e, buf, sizeof(buf)), 0);
		assert_true(t.looked - looked <= EXPOSE_ROWS_MAX);
		assert_true(calls < 4 ? t.slices == 4 - calls && t.looked == 0 : t.slices == 0);
	}
	assert_int_equal(t.looked, 3 * t.rows); /* of three families */
	assert_int_equal(exposition_write(e, buf, sizeof(buf)), 0);
	assert_null(exposition_free(e));
	registry_free(r);
}

static void test_gzip(void **state)
{
	static const size_t sizes[] = { 1, 100, 4096, 1 << 20 };
	struct table t = { "value", 5000, 7, true, 0, 0, 0 };
	struct expose_source source = source_of(&t);
	struct registry *r = make_registry();
	size_t want_len;
	char *want = render(EXPOSE_OPENMETRICS, r, &source, 65536, NULL, &want_len);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *packed = malloc(want_len), *text = malloc(want_len + 1);
		struct exposition *e;
		struct exposition_gzip *g;
		z_stream z = { 0 };
		size_t len = 0;
		ssize_t n;

		assert_non_null(packed);
		assert_non_null(text);
		assert_int_equal(exposition_new(EXPOSE_OPENMETRICS, r, &source, &e), 0);
		t.slices = 3;
		assert_int_equal(exposition_gzip_new(e, &g), 0);
		do {
			n = exposition_gzip_write(g, packed + len, sizes[i] < want_len - len ? sizes[i] : want_len - len);
			len += n > 0 ? (size_t)n : 0;
		} while (n > 0 || n == -EAGAIN);
		assert_int_equal(n, 0);
		assert_null(exposition_gzip_free(g));
		assert_int_equal(t.holds, 0);
		assert_true(len < want_len / 5);
		assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
		z.next_in = (Bytef *)packed;
		z.avail_in = (uInt)len;
		z.next_out = (Bytef *)text;
		z.avail_out = (uInt)want_len + 1;
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.avail_in, 0);
		assert_int_equal(z.total_out, want_len);
		assert_memory_equal(text, want, want_len);
		inflateEnd(&z);
		free(packed);
		free(text);
	}
	free(want);
	registry_free(r);
}

static const struct {
	double value;
	const char *plain, *bound;
} numbers[] = {
	{ 0, "0", "0.0" }, /* as a bound not in use, but the canonical form */
	{ 1, "1", "1.0" },
	{ 10, "10", "10.0" },
	{ 60, "60", "60.0" },
	{ 100000, "100000", "100000.0" },
	{ 1e6, "1000000", "1e+06" },
	{ 1234567, "1234567", "1.234567e+06" },
	{ 0.005, "0.005", "0.005" },
	{ 2.5, "2.5", "2.5" },
	{ 0.0001, "0.0001", "0.0001" },
	{ 0.00001, "1e-05", "1e-05" },
	{ 1795384800, "1795384800", "1.7953848e+09" },
	{ 1795384800.125, "1795384800.125", "1.795384800125e+09" },
	{ 9007199254740991.0, "9007199254740991", "9.007199254740991e+15" },
	{ 1e16, "10000000000000000", "1e+16" },
	{ 1e17, "1e+17", "1e+17" },
	{ -7, "-7", "-7.0" },
	{ -0.1, "-0.1", "-0.1" },
	{ 0.1 + 0.2, "0.30000000000000004", "0.30000000000000004" },
	{ DBL_MAX, "1.7976931348623157e+308", "1.7976931348623157e+308" },
	{ -DBL_TRUE_MIN, "-5e-324", "-5e-324" },
	{ INFINITY, "+Inf", "+Inf" },
	{ -INFINITY, "-Inf", "-Inf" },
	{ NAN, "NaN", "NaN" },
};

static void test_numbers(void **state)
{
	char buf[NUMBER_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		*number_put_value(buf, numbers[i].value) = '\0';
		assert_string_equal(buf, numbers[i].plain);
		*number_put_bound(buf, numbers[i].value) = '\0';
		assert_string_equal(buf, numbers[i].bound);
	}
	*number_put_integer(buf, UINT64_MAX) = '\0';
	assert_string_equal(buf, "18446744073709551615");
}

/* What is written reads back as the same double, whatever its bits, within the bound of its length. */
static void test_round_trip(void **state)
{
	unsigned int seed = (unsigned int)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	for (int i = 0; i < 5000; i++) {
		uint64_t bits = (uint64_t)random_next(&seed) << 40 ^ (uint64_t)random_next(&seed) << 20 ^ random_next(&seed);
		char buf[NUMBER_MAX + 1];
		double value;

		memcpy(&value, &bits, sizeof(value));
		if (isnan(value))
			continue;
		memset(buf, 0, sizeof(buf));
		assert_true(number_put_value(buf, value) <= buf + NUMBER_MAX);
		assert_true(strtod(buf, NULL) == value);
		memset(buf, 0, sizeof(buf));
		assert_true(number_put_bound(buf, value) <= buf + NUMBER_MAX);
		assert_true(strtod(buf, NULL) == value);
	}
}

/* Where printf writes a decimal comma: the layout does not depend on it. */
static void test_locale(void **state)
{
	char text[8];

	(void)state;
	if (!setlocale(LC_ALL, "de_DE.UTF-8"))
		fail_msg("no locale de_DE.UTF-8: meson test makes one and names it in LOCPATH; by hand, set LOCPATH to tests/unit of the build");
	snprintf(text, sizeof(text), "%.1f", 1.5);
	assert_string_equal(text, "1,5");
	test_numbers(NULL);
	setlocale(LC_ALL, "C");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goldens),	     cmocka_unit_test(test_empty),
		cmocka_unit_test(test_label_values), cmocka_unit_test(test_label_limit),
		cmocka_unit_test(test_bounds),	     cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_nothing_to_show), cmocka_unit_test(test_gzip),	     cmocka_unit_test(test_clear_in_the_middle),
		cmocka_unit_test(test_numbers),	     cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
