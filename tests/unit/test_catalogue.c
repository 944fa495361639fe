/* The catalogue against the naming rules: what promtool's linter asks, what OpenMetrics asks, what the writer needs. */
#include "catalogue.h"
#include "core/utf8.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static bool ends_with(const char *s, size_t n, const char *suffix)
{
	size_t m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

static bool is_word(const char *s)
{
	return s[0] >= 'a' && s[0] <= 'z' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0' &&
	       !strstr(s, "__") && s[strlen(s) - 1] != '_';
}

/* Whether one of the parts between underscores is in the list. */
static bool has_part(const char *name, const char *const *list)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", name);
	for (char *part = strtok_r(copy, "_", &save); part; part = strtok_r(NULL, "_", &save))
		for (size_t i = 0; list[i]; i++)
			if (strcmp(part, list[i]) == 0)
				return true;
	return false;
}

/* NULL, or what is wrong. */
static const char *check_name(const struct metric *m)
{
	static const char *const forbidden[] = { "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h",
						 "d", "minutes", "hours", "days", "weeks", "milliseconds", "microseconds",
						 "nanoseconds", "kilobytes", "megabytes", "gigabytes", "bits", "percent",
						 "gauge", "counter", "histogram", "summary", "bucket", "count", "sum", NULL };
	size_t n = strlen(m->name);
	bool is_total = ends_with(m->name, n, "_total");
	size_t base = is_total ? n - strlen("_total") : n;

	if (!is_word(m->name) || n > 64)
		return "name";
	if (is_total != (m->type == METRIC_COUNTER))
		return "_total";
	if (has_part(m->name, forbidden))
		return "part of the name";
	if (m->unit[0] != '\0' && (!ends_with(m->name, base, m->unit) || m->name[base - strlen(m->unit) - 1] != '_'))
		return "unit is no suffix";
	if (m->unit[0] == '\0' && (ends_with(m->name, base, "_seconds") || ends_with(m->name, base, "_bytes")))
		return "unit is missing";
	return NULL;
}

static const char *check_labels(const struct metric *m)
{
	static const char *const reserved[] = { "le", "quantile", "job", "instance", "type", NULL };

	for (size_t i = 0; m->labels[i]; i++) {
		if (!is_word(m->labels[i]) || strlen(m->labels[i]) > 32)
			return "label name";
		for (size_t j = 0; reserved[j]; j++)
			if (strcmp(m->labels[i], reserved[j]) == 0)
				return "reserved label";
		for (size_t j = 0; j < i; j++)
			if (strcmp(m->labels[i], m->labels[j]) == 0)
				return "label twice";
	}
	return NULL;
}

static const char *check_rest(const struct metric *m)
{
	size_t n = strlen(m->help);

	if (n < 10 || n > 200 || m->help[n - 1] != '.' || !utf8_is_clean(m->help, n))
		return "help";
	if ((m->type == METRIC_HISTOGRAM) != (m->n_buckets > 0))
		return "buckets";
	if (m->type == METRIC_HISTOGRAM && m->source != METRIC_SOURCE_REGISTRY)
		return "live histogram";
	for (size_t i = 0; i < m->n_buckets; i++)
		if (!isfinite(m->buckets[i]) || m->buckets[i] <= 0 || (i > 0 && m->buckets[i] <= m->buckets[i - 1]))
			return "order of buckets";
	return NULL;
}

static const char *check(const struct metric *m)
{
	const char *e = check_name(m);

	e = e ? e : check_labels(m);
	return e ? e : check_rest(m);
}

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < METRIC_N; i++) {
		const char *e = check(&metric_catalogue[i]);

		if (e)
			fail_msg("%s: %s", metric_catalogue[i].name, e);
	}
}

static void test_names_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < METRIC_N; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(metric_catalogue[i].name, metric_catalogue[j].name);
}

/* The rules themselves refuse. */
static void test_rules_bite(void **state)
{
	static const double down[] = { 2, 1 };
	static const struct {
		struct metric metric;
		const char *want;
	} rows[] = {
		{ { "sag_x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." }, NULL },
		{ { "sag_X", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." }, "name" },
		{ { "sag:x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." }, "name" },
		{ { "sag_x", METRIC_COUNTER, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." }, "_total" },
		{ { "sag_x_total", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." }, "_total" },
		{ { "sag_x_ms", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." },
		  "part of the name" },
		{ { "sag_x_count", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." },
		  "part of the name" },
		{ { "sag_x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "seconds", { NULL }, NULL, 0, "Some good help." },
		  "unit is no suffix" },
		{ { "sag_seconds", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "Some good help." },
		  "unit is missing" },
		{ { "sag_x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { "le", NULL }, NULL, 0, "Some good help." },
		  "reserved label" },
		{ { "sag_x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { "a-b", NULL }, NULL, 0, "Some good help." },
		  "label name" },
		{ { "sag_x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { "a", "a", NULL }, NULL, 0, "Some good help." },
		  "label twice" },
		{ { "sag_x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, NULL, 0, "" }, "help" },
		{ { "sag_x", METRIC_GAUGE, METRIC_SOURCE_LIVE, "", { NULL }, down, 2, "Some good help." }, "buckets" },
		{ { "sag_x", METRIC_HISTOGRAM, METRIC_SOURCE_REGISTRY, "", { NULL }, down, 2, "Some good help." },
		  "order of buckets" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *e = check(&rows[i].metric);

		if (rows[i].want)
			assert_string_equal(e ? e : "fine", rows[i].want);
		else
			assert_null(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_names_are_unique),
		cmocka_unit_test(test_rules_bite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
