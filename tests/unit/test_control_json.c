/*
 * What comes over the control socket and what goes back: every key, every limit and one past it, and the words of
 * each outcome.
 */
#include "control/reply.h"
#include "control/request.h"
#include "core/utf8.h"
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct act_request request;
static struct control_error error;

static int parse(const char *body)
{
	return act_request_parse(body, strlen(body), &request, &error);
}

static void expect_refused(const char *body, const char *what)
{
	if (parse(body) != ACT_REQUEST_E_INVALID || !strstr(error.what.text, what))
		fail_msg("%s: \"%s\", want \"%s\"", body, error.what.text, what);
	assert_true(error.next.text[0]);
	assert_true(utf8_is_clean(error.what.text, strlen(error.what.text)));
	assert_true(utf8_is_clean(error.next.text, strlen(error.next.text)));
}

static void test_every_key(void **state)
{
	(void)state;
	assert_int_equal(parse(" {\"act\":\"approve\",\"all\":true,\"account\":\"a\",\"policy\":\"p\",\"version_type\":\"Dpi\",\"version\":\"1.2\","
			       "\"wave\":\"canary\",\"instance\":\"sag-1\",\"serial_number\":\"sn1\",\"count\":57,\"why\":\"caf\\u00e9 \\\\u0000\"}\n"),
			 0);
	assert_int_equal(request.act.kind, ACT_APPROVE);
	assert_true(request.act.is_all);
	assert_string_equal(request.act.account, "a");
	assert_string_equal(request.act.policy, "p");
	assert_string_equal(request.act.version_type, "Dpi");
	assert_string_equal(request.act.version, "1.2");
	assert_string_equal(request.act.wave, "canary");
	assert_string_equal(request.act.instance_id, "sag-1");
	assert_string_equal(request.act.serial_number, "sn1");
	assert_string_equal(request.act.why, "caf\xc3\xa9 \\u0000");
	assert_int_equal(request.act.count, 57);
	assert_null(request.act.who);
}

static void test_what_is_not_given(void **state)
{
	(void)state;
	for (int i = 0; i < ACT_N; i++) {
		char body[64];

		snprintf(body, sizeof(body), "{\"act\":\"%s\",\"why\":\"x\"}", act_names[i]);
		assert_int_equal(parse(body), 0);
		assert_int_equal(request.act.kind, i);
		assert_false(request.act.is_all);
		assert_int_equal(request.act.count, 0);
		assert_null(request.act.account);
		assert_null(request.act.policy);
		assert_null(request.act.version_type);
		assert_null(request.act.version);
		assert_null(request.act.wave);
		assert_null(request.act.instance_id);
		assert_null(request.act.serial_number);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *body, *what;
	} cases[] = {
		{ "", "no JSON object" },
		{ "{", "no JSON object" },
		{ "[]", "no JSON object" },
		{ "null", "no JSON object" },
		{ "\"pause\"", "no JSON object" },
		{ "{\"act\":\"pause\",\"why\":\"x\"} x", "no JSON object" },
		{ "{\"act\":\"pause\",\"why\":\"x\"}{}", "no JSON object" },
		{ "{\"act\":\"pause\",\"why\":\"x\",}", "no JSON object" },
		{ "{}", "\"act\" is missing" },
		{ "{\"why\":\"x\"}", "\"act\" is missing" },
		{ "{\"act\":\"pause\"}", "\"why\" is missing" },
		{ "{\"act\":\"Pause\",\"why\":\"x\"}", "\"act\" is none" },
		{ "{\"act\":1,\"why\":\"x\"}", "\"act\" is none" },
		{ "{\"act\":null,\"why\":\"x\"}", "\"act\" is none" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"act\":\"resume\"}", "\"act\" is given twice" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"why\":\"y\"}", "\"why\" is given twice" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"who\":\"root\"}", "no key \"who\"" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"\":1}", "no key \"\"" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"a\\nb\xff\":1}", "no key \"a b\xef\xbf\xbd\"" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"Policy\":\"p\"}", "no key \"Policy\"" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"all\":1}", "\"all\" is not true or false" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"all\":\"true\"}", "\"all\" is not true or false" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"policy\":true}", "\"policy\" is not a text" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"policy\":{\"a\":1}}", "\"policy\" is not a text" },
		{ "{\"act\":\"pause\",\"why\":\"x\",\"policy\":\"\"}", "\"policy\" is not more than an empty text" },
		{ "{\"act\":\"pause\",\"why\":\"\"}", "\"why\" is not more than an empty text" },
		{ "{\"act\":\"pause\",\"why\":\"a\\nb\"}", "\"why\" is not text of one line" },
		{ "{\"act\":\"pause\",\"why\":\"a\\u001bb\"}", "\"why\" is not text of one line" },
		{ "{\"act\":\"pause\",\"why\":\"a\\u0085b\"}", "\"why\" is not text of one line" },
		{ "{\"act\":\"pause\",\"why\":\"a\xff\"}", "\"why\" is not text of one line" },
		{ "{\"act\":\"pause\",\"why\":\"a\xed\xa0\x80\"}", "\"why\" is not text of one line" },
		{ "{\"act\":\"pause\",\"why\":\"a\\u0000b\"}", "the body has a NUL" },
		{ "{\"act\":\"pause\\u0000\",\"why\":\"x\"}", "the body has a NUL" },
		{ "{\"act\":\"approve\",\"why\":\"x\",\"count\":0}", "\"count\" is not a whole number" },
		{ "{\"act\":\"approve\",\"why\":\"x\",\"count\":-1}", "\"count\" is not a whole number" },
		{ "{\"act\":\"approve\",\"why\":\"x\",\"count\":1.5}", "\"count\" is not a whole number" },
		{ "{\"act\":\"approve\",\"why\":\"x\",\"count\":4294967296}", "\"count\" is not a whole number" },
		{ "{\"act\":\"approve\",\"why\":\"x\",\"count\":1e999}", "\"count\" is not a whole number" },
		{ "{\"act\":\"approve\",\"why\":\"x\",\"count\":\"57\"}", "\"count\" is not a whole number" },
		{ "{\"act\":\"approve\",\"why\":\"x\",\"version_type\":\"device\"}", "\"version_type\" is none" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refused(cases[i].body, cases[i].what);
	assert_int_equal(act_request_parse("{\"act\":\"pause\",\"why\":\"x\"}\0x", 27, &request, &error), ACT_REQUEST_E_INVALID);
}

/* At the limit, and one past it. */
static void test_limits(void **state)
{
	static const struct {
		const char *key;
		size_t limit;
	} cases[] = {
		{ "why", 500 }, { "account", LIMIT_NAME }, { "policy", LIMIT_NAME }, { "wave", LIMIT_NAME }, { "version", LIMIT_VERSION },
		{ "instance", LIMIT_INSTANCE_ID }, { "serial_number", LIMIT_SERIAL_NUMBER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024], body[2048];

		memset(text, 'a', cases[i].limit + 1);
		text[cases[i].limit + 1] = '\0';
		snprintf(body, sizeof(body), "{\"act\":\"pause\",\"%s\":\"%s\"%s}", cases[i].key, text, i ? ",\"why\":\"x\"" : "");
		expect_refused(body, "and may have");
		snprintf(body, sizeof(body), "{\"act\":\"pause\",\"%s\":\"%s\"%s}", cases[i].key, text + 1, i ? ",\"why\":\"x\"" : "");
		assert_int_equal(parse(body), 0);
	}
	assert_int_equal(parse("{\"act\":\"approve\",\"why\":\"x\",\"count\":4294967295}"), 0);
	assert_int_equal(request.act.count, UINT32_MAX);
}

static void test_body_limit(void **state)
{
	static const char act[] = "{\"act\":\"pause\",\"why\":\"x\"}";
	static char body[CONTROL_BODY_MAX + 2];

	(void)state;
	memset(body, ' ', sizeof(body));
	memcpy(body, act, sizeof(act) - 1);
	assert_int_equal(act_request_parse(body, CONTROL_BODY_MAX, &request, &error), 0);
	assert_int_equal(act_request_parse(body, CONTROL_BODY_MAX + 1, &request, &error), ACT_REQUEST_E_INVALID);
	assert_non_null(strstr(error.what.text, "too large"));
	memset(body, '[', sizeof(body));
	assert_int_equal(act_request_parse(body, CONTROL_BODY_MAX, &request, &error), ACT_REQUEST_E_INVALID);
}

/* ---- answers ---- */

static unsigned int status;

/* The answer must hold these, in this order. */
static void expect_answer(const struct act *act, const struct control_result *result, unsigned int want, const char *const *parts)
{
	char *text = reply_result(act, result, "", &status), *at = text;
	cJSON *object = cJSON_Parse(text);

	assert_non_null(object);
	for (; *parts; parts++) {
		at = strstr(at, *parts);
		if (!at)
			fail_msg("%s: no \"%s\"", text, *parts);
	}
	assert_int_equal(status, want);
	cJSON_Delete(object);
	free(text);
}
#define PARTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_outcomes(void **state)
{
	const struct act pause = { .kind = ACT_PAUSE, .who = "root", .why = "x" };
	const struct act hold = { .kind = ACT_HOLD, .who = "uid 1", .why = "x" };
	const struct act now = { .kind = ACT_UPGRADE_NOW, .who = "root", .why = "x" };

	(void)state;
	expect_answer(&now, &(struct control_result){ true, ACT_DONE, 1, true, 1700000600 }, 200, PARTS("\"until_s\":1700000600", "\"durable\":true}"));
	expect_answer(&pause, &(struct control_result){ true, ACT_DONE, 3, true, 0 }, 200,
		      PARTS("{\"act\":\"pause\"", "\"outcome\":\"done\"", "\"count\":3", "\"who\":\"root\"", "\"durable\":true}"));
	expect_answer(&pause, &(struct control_result){ true, ACT_ALREADY, 0, true, 0 }, 200, PARTS("\"already\"", "\"durable\":true}"));
	expect_answer(&pause, &(struct control_result){ true, ACT_DONE, 3, false, 0 }, 200,
		      PARTS("\"durable\":false", "\"warning\":\"it holds now", "lost when the daemon ends", "\"next\":"));
	expect_answer(&pause, &(struct control_result){ true, ACT_NOT_FOUND, 0, true, 0 }, 404,
		      PARTS("\"not_found\"", "\"error\":\"pause: nothing fits", "\"next\":\"sagpin plan --all shows"));
	expect_answer(&pause, &(struct control_result){ true, ACT_INCOMPLETE, 0, true, 0 }, 400, PARTS("\"incomplete\"", "\"error\":", "--all"));
	expect_answer(&hold, &(struct control_result){ true, ACT_INCOMPLETE, 0, true, 0 }, 400, PARTS("uid 1", "--instance or --serial-number"));
	expect_answer(&hold, &(struct control_result){ true, ACT_HELD_BY_CONFIG, 0, true, 0 }, 409, PARTS("held_by_config", "configuration holds", "its pin"));
	expect_answer(&hold, &(struct control_result){ .is_supported = false }, 501, PARTS("{\"error\":\"this sagpin does not support", "\"next\":"));
}

static void test_too_many(void **state)
{
	struct act act = { .kind = ACT_APPROVE, .account = "prod", .version_type = "Device", .version = "3.4.2", .count = 50, .who = "root", .why = "x" };
	const struct control_result result = { true, ACT_TOO_MANY, 57, true, 0 };

	(void)state;
	expect_answer(&act, &result, 409,
		      PARTS("57 targets wait, more than the 50", "sagpin approve --account prod --version-type Device --version 3.4.2 --count 57 --why '…'"));
	act.account = "our prod; rm -rf";
	expect_answer(&act, &result, 409, PARTS("--account 'our prod; rm -rf' --version-type"));
	act.account = "it's";
	expect_answer(&act, &result, 409, PARTS("--account … --version-type"));
}

/* Every refusal says what to do. */
static void test_every_refusal_has_a_next_step(void **state)
{
	(void)state;
	for (int kind = 0; kind < ACT_N; kind++) {
		const struct act act = { .kind = (enum act_kind)kind, .who = "root", .why = "x" };

		for (int outcome = ACT_NOT_FOUND; outcome < ACT_OUTCOME_N; outcome++) {
			char *text = reply_result(&act, &(struct control_result){ true, (enum act_outcome)outcome, 1, true, 0 }, "", &status);
			cJSON *object = cJSON_Parse(text);

			assert_true(status >= 400 && status < 500);
			assert_true(cJSON_GetStringValue(cJSON_GetObjectItem(object, "error"))[0]);
			assert_true(cJSON_GetStringValue(cJSON_GetObjectItem(object, "next"))[0]);
			assert_null(cJSON_GetObjectItem(object, "durable"));
			cJSON_Delete(object);
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_what_is_not_given),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_every_refusal_has_a_next_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
