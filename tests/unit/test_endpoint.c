/* Endpoints: what is taken, how Host and messages then spell it, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cloud/endpoint.h"

#define LABEL_63 "a123456789a123456789a123456789a123456789a123456789a123456789abc"
#define SCHEME "does not begin with https://"
#define USER "holds a user or password"
#define HOST "has no valid host"
#define PORT "has no valid port"
#define REST "goes on after the host"

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
		{ "HTTPS://Sag.Example:443", "https://sag.example/", "sag.example", true, false },
		{ "https://sag.example:80", "https://sag.example:80/", "sag.example:80", true, false },
		{ "https://10.0.0.1:8443", "https://10.0.0.1:8443/", "10.0.0.1:8443", true, false },
		{ "https://[2001:DB8::1]:65535", "https://[2001:db8::1]:65535/", "[2001:db8::1]:65535", true, false },
		{ "http://127.255.255.254", "http://127.255.255.254/", "127.255.255.254", false, true },
		{ "http://LocalHost", "http://localhost/", "localhost", false, true },
		{ "http://[0:0:0:0:0:0:0:1]/", "http://[::1]/", "[::1]", false, true },
		{ "https://" LABEL_63 ".example/", "https://" LABEL_63 ".example/", LABEL_63 ".example", true, false },
		/* what is connected to is what libcurl made of it, and that is what counts */
		{ "http://127.1/", "http://127.0.0.1/", "127.0.0.1", false, true },
		{ "http://0177.0.0.1/", "http://127.0.0.1/", "127.0.0.1", false, true },
		{ "http://0x7f.0.0.1/", "http://127.0.0.1/", "127.0.0.1", false, true },
		{ "http://2130706433/", "http://127.0.0.1/", "127.0.0.1", false, true },
		{ "http://%31%32%37.0.0.1/", "http://127.0.0.1/", "127.0.0.1", false, true },
		{ "https://h:0443", "https://h/", "h", true, false },
		{ "https://h:/", "https://h/", "h", true, false },
		/* look like loopback, and are not */
		{ "http://127.0.0.1.evil.example/", "http://127.0.0.1.evil.example/", "127.0.0.1.evil.example", false, false },
		{ "http://localhost.evil.example/", "http://localhost.evil.example/", "localhost.evil.example", false, false },
		{ "http://notlocalhost/", "http://notlocalhost/", "notlocalhost", false, false },
		{ "http://128.0.0.1/", "http://128.0.0.1/", "128.0.0.1", false, false },
		{ "http://0.0.0.0/", "http://0.0.0.0/", "0.0.0.0", false, false },
		{ "http://[::2]/", "http://[::2]/", "[::2]", false, false },
		{ "http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]/", "[::ffff:127.0.0.1]", false, false },
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
		{ "", SCHEME }, { "sag.example", SCHEME }, { "localhost:8080", SCHEME }, { "https:/h", SCHEME }, { " https://sag.example", SCHEME },
		{ "ftp://h/", SCHEME }, { "file:///etc/passwd", SCHEME }, { "h://127.0.0.1/", SCHEME },
		{ "https://user:hunter2@h/", USER }, { "https://user@h/", USER }, { "https://:hunter2@h/", USER }, { "https://@h/", USER },
		{ "http://127.0.0.1@evil.example/", USER }, { "http://localhost:1@evil.example", USER },
		{ "http://127.0.0.1\\@evil.example/", USER },
		{ "https://h/?k=hunter2", REST }, { "https://h?k=hunter2", REST }, { "https://h/path", REST }, { "https://h//", REST },
		{ "https://h/%2e", REST }, { "https://h/#f", REST }, { "http://127.0.0.1#@evil.example/", REST },
		{ "https://h:99999/", PORT }, { "https://h:65536", PORT }, { "https://h:0", PORT }, { "https://h:4 3", PORT },
		{ "https://h:443:1", PORT }, { "https://h:+443", PORT }, { "http://[::1]evil.example/", PORT },
		{ "https://", HOST }, { "https:///", HOST }, { "https://:443/", HOST }, { "https://a b/", HOST },
		{ "https://h\xc3\xa9/", HOST }, { "https://sag_x.example", HOST }, { "https://-sag.example", HOST },
		{ "https://sag-.example", HOST }, { "https://sag..example", HOST }, { "https://.example", HOST },
		{ "https://h%2fx/", HOST }, { "https://127.0.0.1%00.x/", HOST }, { "https://" LABEL_63 "a.example/", HOST },
		{ "https://[::1", HOST }, { "https://[]", HOST }, { "https://[::g]", HOST }, { "http://[::1%25lo]/", HOST },
		/* neither address nor name */
		{ "http://127.0.0.256/", HOST }, { "http://127.0.0.999/", HOST }, { "http://127.0.0.08/", HOST },
		{ "http://127.0.0.1./", HOST }, { "http://127.0.0.1.5/", HOST }, { "http://localhost./", HOST },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct endpoint e = { .url = "before" };
		struct error error = { "" };
		if (endpoint_parse(table[i].text, &e, &error) != ENDPOINT_E_INVALID)
			fail_msg("%s was taken", table[i].text);
		if (!strstr(error.text, table[i].says))
			fail_msg("%s: %s", table[i].text, error.text);
		assert_null(strstr(error.text, "hunter2"));
		assert_string_equal(e.url, "before");
	}
}

static void test_limit(void **state)
{
	(void)state;
	for (int n = ENDPOINT_HOST_MAX; n <= ENDPOINT_HOST_MAX + 1; n++) {
		char text[400] = "https://";
		struct endpoint e;
		struct error error;
		for (int k = 0; k < n; k++)
			strcat(text, k % 2 && k < n - 1 ? "." : "a");
		strcat(text, ":65535/");
		assert_int_equal(endpoint_parse(text, &e, &error), n > ENDPOINT_HOST_MAX ? ENDPOINT_E_INVALID : 0);
		if (n == ENDPOINT_HOST_MAX)
			assert_string_equal(e.url, text); /* nothing is cut */
	}
}

/* URLs: the endpoint in front of path and query, and where a secret may go. */
static void test_urls(void **state)
{
	(void)state;
	static const struct {
		const char *text, *url; /* NULL: refused */
		bool is_private, is_metadata;
	} table[] = {
		{ "https://sts.example/a/b?c=d", "https://sts.example/", true, false },
		{ "https://sts.example", "https://sts.example/", true, false },
		{ "http://sts.example/a", "http://sts.example/", false, false },
		{ "http://127.0.0.1:8/a?b", "http://127.0.0.1:8/", true, false },
		{ "http://[::1]:8/a", "http://[::1]:8/", true, false },
		{ "http://100.100.100.200/latest/api/token", "http://100.100.100.200/", true, true },
		{ "http://169.254.169.254/x", "http://169.254.169.254/", true, true },
		{ "http://100.100.100.201/", "http://100.100.100.201/", false, false },
		{ "http://169.253.1.1/", "http://169.253.1.1/", false, false },
		{ "http://169.254.169.254.evil.example/", "http://169.254.169.254.evil.example/", false, false },
		{ "https://user@h/a", NULL, false, false },
		{ "https://:p@h/a", NULL, false, false },
		{ "https://h/a#b", NULL, false, false },
		{ "h/a", NULL, false, false },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct endpoint e;
		struct error error;
		int r = endpoint_parse_url(table[i].text, &e, &error);
		assert_int_equal(r, table[i].url ? 0 : ENDPOINT_E_INVALID);
		if (r)
			continue;
		assert_string_equal(e.url, table[i].url);
		assert_int_equal(endpoint_is_private(&e), table[i].is_private);
		assert_int_equal(e.is_metadata, table[i].is_metadata);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_urls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
