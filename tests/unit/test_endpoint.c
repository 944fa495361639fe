/* Endpoints: what is taken, how Host and messages then spell it, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cloud/endpoint.h"

static void test_taken(void **state)
{
	(void)state;
	static const struct {
		const char *text, *url, *host;
		bool is_https, is_loopback;
	} table[] = {
		{ "https://smartag.cn-shanghai.aliyuncs.com/", "https://smartag.cn-shanghai.aliyuncs.com/",
		  "smartag.cn-shanghai.aliyuncs.com", true, false },
		{ "https://SmartAG.CN-Shanghai.aliyuncs.com", "https://smartag.cn-shanghai.aliyuncs.com/",
		  "smartag.cn-shanghai.aliyuncs.com", true, false },
		{ "https://h:443/", "https://h/", "h", true, false },
		{ "https://h:8443/", "https://h:8443/", "h:8443", true, false },
		{ "http://h:80/", "http://h/", "h", false, false },
		{ "http://h:443/", "http://h:443/", "h:443", false, false },
		{ "http://localhost:1/", "http://localhost:1/", "localhost:1", false, true },
		{ "http://127.0.0.1:1/", "http://127.0.0.1:1/", "127.0.0.1:1", false, true },
		{ "http://127.9.9.9/", "http://127.9.9.9/", "127.9.9.9", false, true },
		{ "https://[::1]:9/", "https://[::1]:9/", "[::1]:9", true, true },
		{ "https://127.0.0.1.example/", "https://127.0.0.1.example/", "127.0.0.1.example", true, false },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct endpoint e;
		struct error error = { "" };
		if (endpoint_parse(table[i].text, &e, &error) != 0)
			fail_msg("%s: %s", table[i].text, error.text);
		assert_string_equal(e.url, table[i].url);
		assert_string_equal(e.host, table[i].host);
		assert_int_equal(e.is_https, table[i].is_https);
		assert_int_equal(e.is_loopback, table[i].is_loopback);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} table[] = {
		{ "", "no URL" },
		{ "smartag.aliyuncs.com", "no URL" },
		{ "ftp://h/", "neither https nor http" },
		{ "file:///etc/passwd", "" },
		{ "https://user:hunter2@h/", "user name or a password" },
		{ "https://user@h/", "user name or a password" },
		{ "https://h/?k=hunter2", "goes on after the host" },
		{ "https://h/path", "goes on after the host" },
		{ "https://h/#f", "goes on after the host" },
		{ "https://h:99999/", "no URL" },
		{ "https://h\xc3\xa9/", "" },
		{ "https://a b/", "" },
		{ "https:///", "" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct endpoint e = { .url = "before" };
		struct error error = { "" };
		if (endpoint_parse(table[i].text, &e, &error) != ENDPOINT_E_INVALID)
			fail_msg("%s was taken", table[i].text);
		if (!strstr(error.text, table[i].says))
			fail_msg("%s: %s", table[i].text, error.text);
		assert_non_null(strstr(error.text, "https://host/"));
		assert_null(strstr(error.text, "hunter2"));
		assert_string_equal(e.url, "before");
	}
}

static void test_limit(void **state)
{
	(void)state;
	for (int n = ENDPOINT_HOST_MAX; n <= ENDPOINT_HOST_MAX + 1; n++) {
		char text[400];
		struct endpoint e;
		struct error error;
		snprintf(text, sizeof(text), "https://%0*d.x:65535/", n - 2, 0);
		assert_int_equal(endpoint_parse(text, &e, &error), n > ENDPOINT_HOST_MAX ? ENDPOINT_E_INVALID : 0);
		if (n == ENDPOINT_HOST_MAX)
			assert_string_equal(e.url, text); /* nothing is cut */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
