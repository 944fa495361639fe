/*
 * Answers of a Prometheus server to verdicts. Those marked "as 2.42 answers" were taken from one; the rest are what
 * other servers of its API answer, and broken ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "gate_judge.h"

#define WALL_S INT64_C(1795401386)
#define MAX_AGE_NS (60 * NS_PER_S)
#define EMPTY GATE_OPEN_WHEN_EMPTY
#define ABOVE GATE_OPEN_WHEN_ABOVE
#define BELOW GATE_OPEN_WHEN_BELOW
#define DATA(type, result) "{\"status\":\"success\",\"data\":{\"resultType\":\"" type "\",\"result\":" result "}}"
#define AT "1795401386.372"
#define VALUE(value) "{\"metric\":{\"__name__\":\"load\",\"job\":\"x\"},\"value\":[" AT ",\"" value "\"]}"
#define NO_SAMPLE DATA("vector", "[]")

static struct gate_verdict judge(enum gate_open_when open_when, double value, long http_status, const char *body, size_t len)
{
	const struct gate_question q = { .open_when = open_when, .value = value, .max_age_ns = MAX_AGE_NS };
	const struct gate_answer a = { .http_status = http_status, .body = body, .len = len, .wall_s = WALL_S };
	struct gate_verdict v = { .state = GATE_STATE_N };

	gate_judge(&q, &a, &v);
	assert_true(v.state < GATE_STATE_N);
	assert_true(v.why.text[0] != '\0');
	assert_true(utf8_is_clean(v.why.text, strlen(v.why.text)));
	assert_true(strlen(v.why.text) < sizeof(v.why.text) - 1); /* nothing was cut at its end, where the next step is */
	return v;
}

struct row {
	enum gate_open_when open_when;
	double value;
	long http_status;
	enum gate_state state;
	const char *body, *says;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct gate_verdict v = judge(rows[i].open_when, rows[i].value, rows[i].http_status, rows[i].body, strlen(rows[i].body));

		if (v.state != rows[i].state || !strstr(v.why.text, rows[i].says))
			fail_msg("row %zu, %s: %s, \"%s\"", i, rows[i].body, gate_state_names[v.state], v.why.text);
	}
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

/* As 2.42 answers, but for the names. */
static void test_answers(void **state)
{
	static const struct row rows[] = {
		{ EMPTY, 0, 200, GATE_OPEN, NO_SAMPLE, "no sample" },
		{ EMPTY, 0, 200, GATE_CLOSED, DATA("vector", "[" VALUE("0") "]"), "samples (1), the first: load{job=\"x\"}; starts go on when" },
		{ EMPTY, 0, 200, GATE_CLOSED, DATA("vector", "[" VALUE("0") "," VALUE("1") "]"), "samples (2)" },
		{ EMPTY, 0, 200, GATE_CLOSED, DATA("vector", "[{\"metric\":{},\"value\":[" AT ",\"NaN\"]}]"), "the first: {};" },
		{ EMPTY, 0, 200, GATE_CLOSED, DATA("vector", "[{\"metric\":{\"a\":\"\u00fc\\\"\\\\ x\"},\"value\":[" AT ",\"1\"]}]"), "{a=\"\u00fc\"\\ x\"}" },
		{ ABOVE, 0.5, 200, GATE_OPEN, DATA("vector", "[" VALUE("0.51") "," VALUE("1") "]"), "all samples (2) are above" },
		{ ABOVE, 0.5, 200, GATE_CLOSED, DATA("vector", "[" VALUE("0.51") "," VALUE("0.5") "]"), "is 0.5, not above gate.value: load{job=\"x\"}" },
		{ ABOVE, 0.5, 200, GATE_OPEN, DATA("vector", "[" VALUE("+Inf") "]"), "all" },
		{ ABOVE, 0.5, 200, GATE_OPEN, DATA("vector", "[" VALUE("1.5e+300") "]"), "all" },
		{ ABOVE, 0.5, 200, GATE_CLOSED, DATA("vector", "[" VALUE("-Inf") "]"), "is -Inf, not above" },
		{ ABOVE, 0.5, 200, GATE_CLOSED, DATA("vector", "[" VALUE("0.000001") "]"), "is 0.000001, not above" },
		{ ABOVE, -1.5, 200, GATE_OPEN, DATA("vector", "[" VALUE("-1.25") "]"), "all" },
		{ ABOVE, 0.5, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("1") "," VALUE("NaN") "]"), "NaN" },
		{ ABOVE, 0.5, 200, GATE_UNKNOWN, NO_SAMPLE, "absent data is no good news" },
		{ BELOW, 0.5, 200, GATE_OPEN, DATA("vector", "[" VALUE("0.49") "," VALUE("-Inf") "]"), "all samples (2) are below" },
		{ BELOW, 0.5, 200, GATE_CLOSED, DATA("vector", "[" VALUE("0.5") "]"), "is 0.5, not below" },
		{ BELOW, 0.5, 200, GATE_CLOSED, DATA("vector", "[" VALUE("+Inf") "]"), "is +Inf, not below" },
		{ BELOW, 0.5, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("NaN") "]"), "NaN" },
		{ BELOW, 0.5, 200, GATE_UNKNOWN, NO_SAMPLE, "absent data is no good news" },
		{ ABOVE, 0.5, 200, GATE_OPEN, DATA("scalar", "[" AT ",\"1\"]"), "the scalar is above" },
		{ BELOW, 0.5, 200, GATE_CLOSED, DATA("scalar", "[" AT ",\"1\"]"), "is 1, not below" },
		{ BELOW, 0.5, 200, GATE_UNKNOWN, DATA("scalar", "[" AT ",\"NaN\"]"), "NaN" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, DATA("scalar", "[" AT ",\"1\"]"), "never empty; ask an instant vector" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, DATA("string", "[" AT ",\"text\"]"), "type \"string\"; ask an instant vector" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("string", "[" AT ",\"1\"]"), "type \"string\"; ask an instant vector" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, DATA("matrix", "[]"), "ask an instant vector" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("matrix", "[{\"metric\":{},\"values\":[[" AT ",\"1\"]]}]"), "ask an instant vector" },
		{ EMPTY, 0, 400, GATE_UNKNOWN, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"query\\\": 1:4: parse error: unexpected end of input inside braces\"}",
		  "HTTP 400, bad_data: invalid parameter \"query\": 1:4: parse error: unexpected end of input inside braces; check gate.query" },
		{ EMPTY, 0, 422, GATE_UNKNOWN, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"found duplicate series for the match group {job=\\\"self\\\"}\"}",
		  "HTTP 422, execution: found duplicate series for the match group {job=\"self\"}; check gate.query" },
		{ EMPTY, 0, 503, GATE_UNKNOWN, "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed out in expression evaluation\"}",
		  "raise query.timeout" },
		{ EMPTY, 0, 404, GATE_UNKNOWN, "404 page not found\n", "HTTP 404 without an answer of Prometheus; check gate.prometheus" },
		{ EMPTY, 0, 302, GATE_UNKNOWN, "<a href=\"/classic/graph\">Found</a>.\n\n", "redirects are not followed" },
	};

	(void)state;
	CHECK(rows);
}

static void test_other_servers(void **state)
{
	static const struct row rows[] = {
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":[\"store 10.0.0.1 unreachable\"]}",
		  "may lack data: store 10.0.0.1 unreachable; see to that" },
		{ EMPTY, 0, 200, GATE_OPEN, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":[]}", "no sample" },
		{ EMPTY, 0, 200, GATE_OPEN, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":null}", "no sample" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":\"x\"}", "(without a text)" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":[7]}", "(without a text)" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"success\",\"isPartial\":true,\"data\":{\"resultType\":\"vector\",\"result\":[]}}", "may lack data" },
		{ EMPTY, 0, 200, GATE_OPEN, "{\"status\":\"success\",\"isPartial\":false,\"data\":{\"resultType\":\"vector\",\"result\":[]}}", "no sample" },
		{ EMPTY, 0, 200, GATE_OPEN, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"infos\":[\"x might not be a counter\"]}", "no sample" },
		{ ABOVE, 1, 200, GATE_UNKNOWN, DATA("vector", "[{\"metric\":{\"__name__\":\"h\"},\"histogram\":[" AT ",{\"count\":\"5\",\"sum\":\"9\"}]}]"), "is a histogram: h{}" },
		{ EMPTY, 0, 200, GATE_CLOSED, DATA("vector", "[{\"metric\":{\"__name__\":\"h\"},\"histogram\":[" AT ",{}]}]"), "the first: h{}" },
		{ ABOVE, 1, 200, GATE_OPEN, DATA("vector", "[" VALUE("1e+06") "]"), "all" },
		{ ABOVE, 1, 200, GATE_OPEN, DATA("vector", "[" VALUE("Inf") "]"), "all" },
		{ EMPTY, 0, 401, GATE_UNKNOWN, "<html>", "sends no credentials" },
		{ EMPTY, 0, 403, GATE_UNKNOWN, "", "sends no credentials" },
		{ EMPTY, 0, 502, GATE_UNKNOWN, "<html>bad gateway</html>", "HTTP 502" },
		{ EMPTY, 0, 500, GATE_UNKNOWN, NO_SAMPLE, "HTTP 500" },
		{ EMPTY, 0, 204, GATE_UNKNOWN, "", "HTTP 204" },
		{ EMPTY, 0, 206, GATE_UNKNOWN, NO_SAMPLE, "HTTP 206" },
		{ EMPTY, 0, 500, GATE_UNKNOWN, "{\"status\":\"error\"}", "HTTP 500, : ; look at the log" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"a\\nb\\u001b[31m\"}", "internal: a b [31m; look" },
	};

	(void)state;
	CHECK(rows);
}

static void test_broken_answers(void **state)
{
	static char deep[5000];
	const struct row rows[] = {
		{ EMPTY, 0, 200, GATE_UNKNOWN, "", "no JSON, or was cut" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, " \n<!DOCTYPE html><html>", "a web page" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, deep, "no JSON" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "[]", "no JSON" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "null", "no JSON" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, NO_SAMPLE "x", "no JSON" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, NO_SAMPLE NO_SAMPLE, "no JSON" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{}", "JSON, but not of Prometheus" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":7}", "not of Prometheus" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"Status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}", "not of Prometheus" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"success\"}", "no result" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"success\",\"data\":[]}", "no result" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, DATA("vector", "null"), "no result" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, DATA("vector", "{}"), "no result" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, DATA("", "[]"), "type \"\"" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, DATA("Vector", "[]"), "type \"Vector\"" },
		{ EMPTY, 0, 200, GATE_UNKNOWN, "{\"status\":\"success\",\"data\":{\"result\":[]}}", "type \"\"" },
		{ EMPTY, 0, 200, GATE_CLOSED, DATA("vector", "[null]"), "samples (1), the first: {}" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[null]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[{}]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[[" AT ",\"1\"]]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[{\"value\":[" AT "]}]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[{\"value\":[" AT ",\"1\",\"1\"]}]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[{\"value\":{\"a\":" AT ",\"b\":\"1\"}}]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[{\"value\":[" AT ",1]}]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[{\"value\":[\"" AT "\",\"1\"]}]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("scalar", "[]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("1x") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("0x10") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("1,5") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("true") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("[1]") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("infinity") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("nan") "]"), "no time and number" },
		{ ABOVE, 0, 200, GATE_UNKNOWN, DATA("vector", "[" VALUE("1\\u00002") "]"), "no JSON" },
	};

	(void)state;
	memset(deep, '[', sizeof(deep) - 1);
	CHECK(rows);
	assert_int_equal(judge(EMPTY, 0, 200, NO_SAMPLE "\0", strlen(NO_SAMPLE) + 1).state, GATE_UNKNOWN); /* a NUL byte behind it */
}

/* Cut anywhere, it opens nothing. */
static void test_cut(void **state)
{
	static const char *const whole[] = { NO_SAMPLE, DATA("vector", "[" VALUE("15") "]") };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t len = 0; len <= strlen(whole[i]); len++) {
			char *body = strndup(whole[i], len);
			struct gate_verdict v = judge(i ? ABOVE : EMPTY, 0.5, 200, body, len);

			assert_int_equal(v.state, len == strlen(whole[i]) ? GATE_OPEN : GATE_UNKNOWN);
			free(body);
		}
}

/* One byte more than is taken: with spaces behind it, all of it is valid. */
static void test_size(void **state)
{
	char *body = malloc(GATE_BODY_MAX + 2);

	(void)state;
	assert_non_null(body);
	memset(body, ' ', GATE_BODY_MAX + 1);
	memcpy(body, NO_SAMPLE, strlen(NO_SAMPLE));
	body[GATE_BODY_MAX + 1] = '\0';
	assert_int_equal(judge(EMPTY, 0, 200, body, GATE_BODY_MAX + 1).state, GATE_UNKNOWN);
	assert_non_null(strstr(judge(EMPTY, 0, 200, body, GATE_BODY_MAX + 1).why.text, "more than 131072 bytes"));
	assert_non_null(strstr(judge(EMPTY, 0, 502, body, GATE_BODY_MAX + 1).why.text, "HTTP 502"));
	body[GATE_BODY_MAX] = '\0';
	assert_int_equal(judge(EMPTY, 0, 200, body, GATE_BODY_MAX).state, GATE_OPEN);
	free(body);
}

/* max_age is 60 s, and the clock is in whole seconds: what lies within the running one has no age. */
static void test_ages(void **state)
{
	static const struct {
		const char *at;
		enum gate_state state;
	} table[] = {
		{ "1795401386", GATE_OPEN },       { "1795401326", GATE_OPEN },       { "1795401325.999", GATE_UNKNOWN },
		{ "1795401386.999", GATE_OPEN },   { "1795401447", GATE_OPEN },       { "1795401447.001", GATE_UNKNOWN },
		{ "0", GATE_UNKNOWN },             { "-1e308", GATE_UNKNOWN },        { "1e308", GATE_UNKNOWN },
		{ "1e999", GATE_UNKNOWN },         { "1795401386372", GATE_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char body[300];
		struct gate_verdict v;

		for (int n = 0; n < 2; n++) {
			snprintf(body, sizeof(body), n ? DATA("scalar", "[%s,\"1\"]") : DATA("vector", "[{\"metric\":{},\"value\":[%s,\"1\"]}]"), table[i].at);
			v = judge(ABOVE, 0.5, 200, body, strlen(body));
			if (v.state != table[i].state)
				fail_msg("%s: %s, %s", table[i].at, gate_state_names[v.state], v.why.text);
			if (v.state == GATE_UNKNOWN)
				assert_non_null(strstr(v.why.text, "check the clocks of both machines"));
		}
	}
}

static void check_next_step(struct gate_verdict v)
{
	if (v.state != GATE_OPEN && !strchr(v.why.text, ';'))
		fail_msg("no next step: %s", v.why.text);
}

/* Somebody else's text, however long or strange, leaves room for the next step. */
static void test_long_texts(void **state)
{
	static const char *const forms[] = {
		"{\"status\":\"error\",\"errorType\":\"%1$s\",\"error\":\"%1$s\"}",
		"{\"status\":\"success\",\"warnings\":[\"%1$s\"]}",
		DATA("%1$s", "[]"),
		DATA("vector", "[{\"metric\":{\"__name__\":\"%1$s\",\"a\":\"%1$s\",\"%1$s\":\"%1$s\"},\"value\":[" AT ",\"1\"]}]"),
		DATA("vector", "[{\"metric\":{\"__name__\":\"%1$s\"},\"value\":[1e308,\"9\"]}]"),
		DATA("vector", "[{\"metric\":{\"a\":\"%1$s\"},\"histogram\":1}]"),
		DATA("vector", "[{\"metric\":{\"a\":\"%1$s\"},\"value\":[" AT ",\"0.0000000000000000000000000000000000000000000000000000001\"]}]"),
	};
	static const char *const pieces[] = { "x", "\u20ac", "\xff", "a\U0001f600", "\\u0085" };
	static char text[2001], body[12000];

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
			text[0] = '\0';
			while (strlen(text) + strlen(pieces[p]) < sizeof(text))
				strcat(text, pieces[p]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(body, sizeof(body), forms[i], text);
#pragma GCC diagnostic pop
			for (enum gate_open_when w = 0; w < GATE_OPEN_WHEN_N; w++)
				check_next_step(judge(w, 5, 200, body, strlen(body)));
		}
}

/* A decimal comma changes nothing. */
static void test_locale(void **state)
{
	(void)state;
	if (!setlocale(LC_ALL, "de_DE.UTF-8"))
		fail_msg("no locale de_DE.UTF-8 in LOCPATH");
	assert_string_equal(localeconv()->decimal_point, ",");
	test_answers(NULL);
	test_ages(NULL);
	assert_int_equal(judge(ABOVE, 0.5, 200, DATA("vector", "[" VALUE("0,7") "]"), strlen(DATA("vector", "[" VALUE("0,7") "]"))).state, GATE_UNKNOWN);
	setlocale(LC_ALL, "C");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_other_servers), cmocka_unit_test(test_broken_answers),
		cmocka_unit_test(test_cut),     cmocka_unit_test(test_size),	      cmocka_unit_test(test_ages),
		cmocka_unit_test(test_long_texts), cmocka_unit_test(test_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
