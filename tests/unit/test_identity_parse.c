/* Answers of the givers of keys, and times: every good form, every bad one, and no message with a part of a body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/identity_parse.h"
#include "cloud/identity_plan.h"

#define SECRET "s3cr3tOfTheTest"
#define FIELDS "\"AccessKeyId\":\"STS.id\",\"AccessKeySecret\":\"" SECRET "\",\"SecurityToken\":\"token+/=\",\"Expiration\":\"2026-09-21T14:13:20Z\""
#define FLAT "{\"Code\":\"Success\"," FIELDS ",\"LastUpdated\":\"x\"}"
#define STS "{\"RequestId\":\"R-1\",\"AssumedRoleUser\":{\"Arn\":\"a\"},\"Credentials\":{" FIELDS "}}"
#define EXPIRES_S 1790000000

static void test_keys(void **state)
{
	(void)state;
	static const char *const good[] = { FLAT, STS };
	for (enum identity_shape shape = IDENTITY_SHAPE_FLAT; shape <= IDENTITY_SHAPE_STS; shape++) {
		struct identity_key key;
		struct error error;
		assert_int_equal(identity_parse_key(good[shape], strlen(good[shape]), shape, &key, &error), 0);
		assert_string_equal(key.credentials.access_key_id, "STS.id");
		assert_string_equal(key.credentials.access_key_secret, SECRET);
		assert_string_equal(key.credentials.security_token, "token+/=");
		assert_int_equal(key.expires_s, EXPIRES_S);
	}
}

static void test_bad_keys(void **state)
{
	(void)state;
	const enum identity_shape flat = IDENTITY_SHAPE_FLAT, sts = IDENTITY_SHAPE_STS;
	static char deep[5000], long_token[4096];
	memset(deep, '[', sizeof(deep) - 1);
	snprintf(long_token, sizeof(long_token), "{\"Code\":\"Success\",\"AccessKeyId\":\"i\",\"AccessKeySecret\":\"s\",\"SecurityToken\":\"%02049d\",\"Expiration\":\"\"}", 0);
	const struct {
		enum identity_shape shape;
		const char *body, *says;
	} table[] = {
		{ flat, "", "no JSON object" },
		{ flat, "  \r\n<html>" SECRET "</html>", "web page" },
		{ flat, "[" FLAT "]", "no JSON object" },
		{ flat, FLAT "x", "no JSON object" },
		{ flat, FLAT FLAT, "no JSON object" },
		{ flat, "\"" SECRET "\"", "no JSON object" },
		{ flat, "null", "no JSON object" },
		{ flat, deep, "no JSON object" },
		{ flat, "{" FIELDS "}", "Code is missing" },
		{ flat, STS, "Code is missing" },
		{ flat, "{\"Code\":1," FIELDS "}", "Code is missing" },
		{ flat, "{\"Code\":\"Failed\"," FIELDS "}", "code Failed; look the code up" },
		{ flat, "{\"Code\":\"success\"," FIELDS "}", "code success" },
		{ flat, "{\"Code\":\"\"," FIELDS "}", "code (none)" },
		{ flat, "{\"Code\":\"\xff" SECRET "\"," FIELDS "}", "code (none)" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\\u0000b\"}", "NUL" },
		{ flat, "{\"Code\":\"Success\"}", "AccessKeyId is missing" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":1}", "AccessKeyId is no string" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":null}", "AccessKeyId is missing" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"\"}", "AccessKeyId in the answer is empty" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a b\"}", "a character that none has" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\\r\\nX: y\"}", "a character that none has" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\"}", "AccessKeySecret is missing" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\",\"AccessKeySecret\":[\"" SECRET "\"]}", "AccessKeySecret is no string" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\",\"AccessKeySecret\":\"" SECRET "\"}", "SecurityToken is missing" },
		{ flat, long_token, "SecurityToken in the answer is longer than 2048" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\",\"AccessKeySecret\":\"s\",\"SecurityToken\":\"t\"}", "Expiration is missing" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\",\"AccessKeySecret\":\"s\",\"SecurityToken\":\"t\",\"Expiration\":\"soon\"}", "Expiration in the answer is no time" },
		{ flat, "{\"Code\":\"Success\",\"AccessKeyId\":\"a\",\"AccessKeySecret\":\"s\",\"SecurityToken\":\"t\",\"Expiration\":1790000000}", "Expiration is no string" },
		{ sts, "{\"RequestId\":\"R-1\"}", "Credentials are missing" },
		{ sts, "{\"Credentials\":[]}", "Credentials are missing" },
		{ sts, "{\"Credentials\":{}}", "AccessKeyId is missing" },
		{ sts, "{\"Code\":\"NoPermission\",\"Message\":\"" SECRET "\",\"RequestId\":\"R-1\"}", "code NoPermission, request id R-1; allow the caller" },
		{ sts, "{\"Code\":\"EntityNotExist.Role\"}", "check role_arn" },
		{ sts, "{\"Code\":\"AuthenticationFail.OIDCToken.Expired\"}", "check oidc_token_file" },
		{ sts, "{\"Code\":\"AuthenticationFail.NoPermission\"}", "check oidc_provider_arn" },
		{ sts, "{\"Code\":\"InvalidTimeStamp.Expired\"}", "clock" },
		{ sts, "{\"Code\":\"Success\",\"Credentials\":{" FIELDS "}}", "code Success" },
	};
	for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++) {
		struct identity_key key = { .expires_s = 7 };
		struct error error = { "" };
		assert_int_equal(identity_parse_key(table[n].body, strlen(table[n].body), table[n].shape, &key, &error), IDENTITY_E_INVALID);
		if (!strstr(error.text, table[n].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", table[n].body, error.text, table[n].says);
		assert_null(strstr(error.text, SECRET));
		assert_int_equal(key.expires_s, 7); /* as it was */
	}
	struct identity_key key;
	struct error error;
	assert_int_equal(identity_parse_key("{}\0{}", 5, flat, &key, &error), IDENTITY_E_INVALID);
	assert_int_equal(identity_parse_key(FLAT, IDENTITY_BODY_MAX + 1, flat, &key, &error), IDENTITY_E_INVALID);
	assert_non_null(strstr(error.text, "bytes"));
}

/* Cut anywhere, it is no key. */
static void test_cut_keys(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(FLAT); n++) {
		char body[] = FLAT;
		struct identity_key key;
		struct error error = { "" };
		body[n] = '\0';
		assert_int_equal(identity_parse_key(body, n, IDENTITY_SHAPE_FLAT, &key, &error), IDENTITY_E_INVALID);
		assert_null(strstr(error.text, "s3c"));
	}
}

static void test_times(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t wall_s; /* -1: none */
	} table[] = {
		{ "1970-01-01T00:00:00Z", 0 }, { "2000-02-29T12:00:00Z", 951825600 }, { "2026-09-21T14:13:20Z", EXPIRES_S },
		{ "2024-12-31T23:59:59Z", 1735689599 }, { "2100-03-01T00:00:00Z", 4107542400 }, { "9999-12-31T23:59:59Z", 253402300799 },
		{ "", -1 }, { "2026-09-21T14:13:20", -1 }, { "2026-09-21T14:13:20Z ", -1 }, { "2026-09-21 14:13:20Z", -1 },
		{ "2026-9-21T14:13:20Z", -1 }, { "2026-02-29T00:00:00Z", -1 }, { "2100-02-29T00:00:00Z", -1 }, { "2026-13-01T00:00:00Z", -1 },
		{ "2026-00-01T00:00:00Z", -1 }, { "2026-04-31T00:00:00Z", -1 }, { "2026-04-00T00:00:00Z", -1 }, { "2026-04-01T24:00:00Z", -1 },
		{ "2026-04-01T00:60:00Z", -1 }, { "2026-04-01T00:00:61Z", -1 }, { "1969-12-31T23:59:59Z", -1 }, { "+026-04-01T00:00:00Z", -1 },
	};
	for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++) {
		int64_t wall_s = -1;
		assert_int_equal(identity_parse_time(table[n].text, &wall_s), table[n].wall_s >= 0);
		if (wall_s != table[n].wall_s)
			fail_msg("%s: %lld", table[n].text, (long long)wall_s);
	}
}

static void test_words(void **state)
{
	(void)state;
	char word[8];
	assert_true(identity_parse_word("abc\r\n", 5, word, sizeof(word)));
	assert_string_equal(word, "abc");
	assert_true(identity_parse_word("1234567", 7, word, sizeof(word)));
	assert_false(identity_parse_word("12345678", 8, word, sizeof(word)));
	assert_false(identity_parse_word("", 0, word, sizeof(word)));
	assert_false(identity_parse_word("\n", 1, word, sizeof(word)));
	assert_false(identity_parse_word("a\nb", 3, word, sizeof(word)));
	assert_false(identity_parse_word("a\0b", 3, word, sizeof(word)));
	assert_false(identity_parse_word("a\xff", 2, word, sizeof(word)));
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a%2f", "a?", "\xc3\xa9",
		"12345678901234567890123456789012345678901234567890123456789012345" };
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
		assert_false(credentials_is_role_name(bad[n]));
	assert_true(credentials_is_role_name("KubernetesWorkerRole-1.a_b"));
	assert_true(credentials_is_role_name(bad[8] + 1));
}

static void test_refresh_times(void **state)
{
	(void)state;
	static const struct {
		int64_t life_s, after_s;
	} table[] = {
		{ 21600, 21600 - 900 }, { 4500, 3600 }, { 3600, 2880 }, { 1500, 1200 }, { 900, 600 }, { 601, 301 }, { 600, 300 },
		{ 100, 50 }, { 6, 3 }, { 2, 1 }, { 1, 1 }, { 0, 1 },
	};
	for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++)
		assert_int_equal(identity_refresh_after_s(table[n].life_s), table[n].after_s);

	const int64_t s = 1000000000, came_ns = 50 * s;
	const struct identity_times t = { .received_ns = came_ns, .received_s = 1000, .expires_s = 4600 };
	assert_int_equal(identity_refresh_ns(&t, came_ns, 1000), came_ns + 2880 * s);
	assert_int_equal(identity_expiry_ns(&t, came_ns, 1000), came_ns + 3600 * s);
	/* later, both clocks agree */
	assert_int_equal(identity_expiry_ns(&t, came_ns + 600 * s, 1600), came_ns + 3600 * s);
	/* the wall clock jumped ahead: its word counts */
	assert_int_equal(identity_expiry_ns(&t, came_ns + 600 * s, 4000), came_ns + 1200 * s);
	assert_int_equal(identity_expiry_ns(&t, came_ns + 600 * s, 4600), came_ns + 600 * s);
	/* it jumped back: what was left at the start still runs out */
	assert_int_equal(identity_expiry_ns(&t, came_ns + 600 * s, 0), came_ns + 3600 * s);
	/* no overflow */
	const struct identity_times far = { .received_ns = came_ns, .received_s = 0, .expires_s = 253402300799 };
	assert_int_equal(identity_expiry_ns(&far, came_ns, 0), came_ns + IDENTITY_LIFE_MAX_S * s);
	assert_true(identity_expiry_ns(&t, came_ns, INT64_C(253402300799)) < came_ns);
	assert_int_equal(identity_expiry_ns(&t, came_ns, -INT64_C(253402300799)), came_ns + 3600 * s);
}

static void test_retries(void **state)
{
	(void)state;
	uint64_t seed = 1;
	const int64_t s = 1000000000;
	for (unsigned int n = 1; n < 100; n++) {
		int64_t middle = n < 6 ? (2 * s) << (n - 1) : 60 * s, pause = identity_retry_ns(&seed, n);
		assert_true(pause >= middle / 5 * 4 && pause <= middle / 5 * 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_cut_keys),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_refresh_times),
		cmocka_unit_test(test_retries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
