/* Signatures: the vendor's own vectors by both methods, the percent-encoding, the calendar, and the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cloud/sign.h"

static struct signer *signer;
static struct signed_request out;

static int setup(void **state)
{
	(void)state;
	return signer_new(&signer);
}

static int teardown(void **state)
{
	(void)state;
	signer = signer_free(signer);
	return 0;
}

static cJSON *read_vectors(void)
{
	char path[4096], *text = malloc(65536);
	snprintf(path, sizeof(path), "%s/signature-vectors.json", getenv("TEST_DATA"));
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(text);
	size_t n = fread(text, 1, 65535, f);
	fclose(f);
	text[n] = '\0';
	cJSON *json = cJSON_Parse(text);
	free(text);
	assert_non_null(json);
	return json;
}

static const char *string_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* The library's own calendar, so that ours is checked against another. */
static int64_t parse_date(const char *text)
{
	struct tm tm = { 0 };
	assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm));
	return timegm(&tm);
}

static const char *header(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < out.n_headers; i++)
		if (strncmp(out.headers[i], name, n) == 0 && strncmp(out.headers[i] + n, ": ", 2) == 0)
			return out.headers[i] + n + 2;
	return NULL;
}

static void check_vector(const cJSON *v)
{
	struct sign_param params[SIGN_PARAMS_MAX];
	size_t n = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(v, "query"))
		params[n++] = (struct sign_param){ item->string, item->valuestring };
	const struct sign_key key = { string_of(v, "access_key_id"), string_of(v, "access_key_secret"),
				      string_of(v, "security_token") };
	const struct sign_request req = {
		.http_method = string_of(v, "method"),
		.host = string_of(v, "host"),
		.path = string_of(v, "path"),
		.action = string_of(v, "action"),
		.version = string_of(v, "version"),
		.params = params,
		.n_params = n,
		.wall_s = parse_date(string_of(v, "date")),
		.nonce = string_of(v, "nonce"),
	};
	assert_int_equal(signer_sign(signer, SIGN_V3, &key, &req, &out), 0);
	assert_string_equal(header("Authorization"), string_of(v, "v3_authorization"));
	assert_string_equal(header("x-acs-date"), string_of(v, "date"));
	assert_string_equal(header("accept"), "application/json");
	assert_null(header("host"));
	if (key.security_token)
		assert_string_equal(header("x-acs-security-token"), key.security_token);
	else
		assert_null(header("x-acs-security-token"));

	assert_int_equal(signer_sign(signer, SIGN_V2, &key, &req, &out), 0);
	assert_string_equal(out.signature, string_of(v, "v2_signature"));
	assert_int_equal(out.n_headers, 0);
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(v, "v2_common_parameters")) {
		char name[64];
		snprintf(name, sizeof(name), "%s=", item->string);
		assert_non_null(strstr(out.target, name));
	}
	assert_non_null(strstr(out.target, "&Signature="));
}

static void test_vectors(void **state)
{
	(void)state;
	cJSON *vectors = read_vectors();
	const cJSON *v;
	int n = 0;
	cJSON_ArrayForEach(v, vectors) {
		check_vector(v);
		n++;
	}
	cJSON_Delete(vectors);
	assert_int_equal(n, 10);
}

static const struct sign_key key = { "id", "secret", NULL };

static struct sign_request request(const struct sign_param *params, size_t n)
{
	return (struct sign_request){ "POST", "h", "/", "A", "1", params, n, 0, "n" };
}

static void test_encoding(void **state)
{
	(void)state;
	static const struct {
		const char *value, *encoded;
	} table[] = {
		{ "", "" },
		{ "AZaz09-_.~", "AZaz09-_.~" },
		{ " ", "%20" },
		{ "*", "%2A" },
		{ "+", "%2B" },
		{ "%", "%25" },
		{ "&=?/#:", "%26%3D%3F%2F%23%3A" },
		{ "!'()[]@", "%21%27%28%29%5B%5D%40" },
		{ "\xe4\xb8\x8a", "%E4%B8%8A" },
		{ "\xf0\x9f\x8c\x8d", "%F0%9F%8C%8D" },
		{ "\x01\x7f\xff", "%01%7F%FF" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sign_param param = { "p", table[i].value };
		struct sign_request req = request(&param, 1);
		char expected[128];
		snprintf(expected, sizeof(expected), "/?p=%s", table[i].encoded);
		assert_int_equal(signer_sign(signer, SIGN_V3, &key, &req, &out), 0);
		assert_string_equal(out.target, expected);
	}
}

static void test_order_is_by_name(void **state)
{
	(void)state;
	const struct sign_param params[] = { { "b", "1" }, { "a.2", "2" }, { "a.10", "3" }, { "B", "4" }, { "a", "5" } };
	struct sign_request req = request(params, 5);
	assert_int_equal(signer_sign(signer, SIGN_V3, &key, &req, &out), 0);
	assert_string_equal(out.target, "/?B=4&a=5&a.10=3&a.2=2&b=1");
	assert_string_equal(params[0].name, "b"); /* the caller's list stays as it is */
}

/* Fifty years day by day, then days across four centuries, each at another second, against the C library. */
static void test_dates(void **state)
{
	(void)state;
	struct sign_request req = request(NULL, 0);
	for (int64_t day = 0; day < 146097; day += day < 18263 ? 1 : 29) {
		char expected[32];
		time_t t = (time_t)(day * 86400 + (day * 7919) % 86400);
		struct tm tm;
		req.wall_s = t;
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
		assert_int_equal(signer_sign(signer, SIGN_V3, &key, &req, &out), 0);
		assert_string_equal(header("x-acs-date"), expected);
	}
}

/* A signature must not depend on what was signed before: the contexts are kept. */
static void test_contexts_are_reset(void **state)
{
	(void)state;
	const struct sign_key keys[] = { { "id", "secret", NULL }, { "id", "other", NULL }, { "id", "", NULL } };
	char first[3][SIGN_METHOD_N][128];
	struct sign_request req = request(NULL, 0);
	for (int round = 0; round < 2; round++) {
		for (size_t k = 0; k < 3; k++) {
			for (enum sign_method m = 0; m < SIGN_METHOD_N; m++) {
				assert_int_equal(signer_sign(signer, m, &keys[k], &req, &out), 0);
				if (round == 0)
					memcpy(first[k][m], out.signature, sizeof(first[k][m]));
				assert_string_equal(out.signature, first[k][m]);
			}
		}
	}
	assert_string_not_equal(first[0][SIGN_V3], first[1][SIGN_V3]);
	assert_string_not_equal(first[1][SIGN_V3], first[2][SIGN_V3]);
	assert_string_not_equal(first[0][SIGN_V2], first[1][SIGN_V2]);
}

static char *repeat(char c, size_t n)
{
	char *s = malloc(n + 1);
	assert_non_null(s);
	memset(s, c, n);
	s[n] = '\0';
	return s;
}

static int sign_value(enum sign_method method, size_t n)
{
	char *value = repeat('x', n);
	struct sign_param param = { "p", value };
	struct sign_request req = request(&param, 1);
	int r = signer_sign(signer, method, &key, &req, &out);
	free(value);
	return r;
}

static int sign_count(enum sign_method method, size_t n)
{
	struct sign_param params[SIGN_PARAMS_MAX + 1];
	for (size_t i = 0; i < n; i++)
		params[i] = (struct sign_param){ "p", "v" };
	struct sign_request req = request(params, n);
	return signer_sign(signer, method, &key, &req, &out);
}

static int sign_key_of(enum sign_method method, size_t n_secret, size_t n_token)
{
	char *secret = repeat('s', n_secret), *token = repeat('t', n_token);
	const struct sign_key k = { "id", secret, token };
	struct sign_request req = request(NULL, 0);
	int r = signer_sign(signer, method, &k, &req, &out);
	free(secret);
	free(token);
	return r;
}

static void test_limits(void **state)
{
	(void)state;
	size_t fits = SIGN_TARGET_MAX - 1 - strlen("/?p=");
	assert_int_equal(sign_value(SIGN_V3, fits), 0);
	assert_int_equal(strlen(out.target), SIGN_TARGET_MAX - 1);
	assert_int_equal(sign_value(SIGN_V3, fits + 1), -E2BIG);

	assert_int_equal(sign_value(SIGN_V2, 1), 0);
	/* The signature itself may need up to 84 bytes when encoded, hence a little room is kept. */
	fits = SIGN_TARGET_MAX - 1 - strlen(out.target) - 60;
	assert_int_equal(sign_value(SIGN_V2, fits), 0);
	assert_int_equal(sign_value(SIGN_V2, fits + 120), -E2BIG);

	assert_int_equal(sign_count(SIGN_V3, SIGN_PARAMS_MAX), 0);
	assert_int_equal(sign_count(SIGN_V3, SIGN_PARAMS_MAX + 1), -E2BIG);
	assert_int_equal(sign_count(SIGN_V2, SIGN_PARAMS_MAX - 8), 0);
	assert_int_equal(sign_count(SIGN_V2, SIGN_PARAMS_MAX - 7), -E2BIG);

	for (enum sign_method m = 0; m < SIGN_METHOD_N; m++) {
		assert_int_equal(sign_key_of(m, 255, 2048), 0);
		assert_int_equal(sign_key_of(m, 256, 1), -E2BIG);
	}
	assert_int_equal(sign_key_of(SIGN_V3, 1, 2400), -E2BIG);

	struct sign_request req = request(NULL, 0);
	req.wall_s = INT64_C(253402300799);
	assert_int_equal(signer_sign(signer, SIGN_V3, &key, &req, &out), 0);
	assert_string_equal(header("x-acs-date"), "9999-12-31T23:59:59Z");
	req.wall_s++;
	assert_int_equal(signer_sign(signer, SIGN_V3, &key, &req, &out), -E2BIG);
	req.wall_s = -1;
	assert_int_equal(signer_sign(signer, SIGN_V3, &key, &req, &out), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_order_is_by_name),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_contexts_are_reset),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
