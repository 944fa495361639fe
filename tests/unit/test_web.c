/* The web server as its clients see it, who ask properly or badly; and where it listens. */
#include "web_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>
#include <cmocka.h>

static const struct {
	const char *method, *path, *headers;
	int status;
	const char *want_header, *want_body; /* NULL: any */
} routes[] = {
	{ "GET", "/-/healthy", "", 200, "Content-Type: text/plain; charset=utf-8\r\n", "sagpin is Healthy.\n" },
	{ "GET", "/-/ready", "", 200, "X-Content-Type-Options: nosniff\r\n", "sagpin is Ready.\n" },
	{ "GET", "/metrics?x=1", "", 200, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", NULL },
	{ "GET", "/metrics", OM_ACCEPT, 200, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n", NULL },
	{ "GET", "/metrics", "", 200, "Vary: Accept, Accept-Encoding\r\n", NULL },
	{ "GET", "/metrics", "Accept-Encoding: gzip\r\n", 200, "Content-Encoding: gzip\r\n", NULL },
	{ "GET", "/", "", 200, "Content-Type: text/html; charset=utf-8\r\n", NULL },
	{ "GET", "/", "", 200, "Content-Security-Policy: default-src 'none';", NULL },
	{ "GET", "/index.html", "", 404, "Content-Type: text/plain; charset=utf-8\r\n", "404 page not found\n" },
	{ "GET", "//", "", 404, NULL, NULL },
	{ "GET", "/metrics/", "", 404, NULL, NULL },
	{ "GET", "/-/healthyx", "", 404, NULL, NULL },
	{ "GET", "/../metrics", "", 404, NULL, NULL },
	{ "POST", "/nowhere", "Content-Length: 0\r\n", 404, NULL, NULL },
	{ "POST", "/metrics", "Content-Length: 0\r\n", 405, "Allow: GET, HEAD\r\n", NULL },
	{ "POST", "/metrics", "Content-Length: 1000000\r\n", 405, "Allow: GET, HEAD\r\n", NULL },
	{ "PUT", "/-/ready", "Content-Length: 0\r\n", 405, "Allow: GET, HEAD\r\n", NULL },
	{ "DELETE", "/", "", 405, "Allow: GET, HEAD\r\n", NULL },
	{ "OPTIONS", "/", "", 405, NULL, NULL },
	{ "BREW", "/-/healthy", "", 405, NULL, NULL },
	{ "get", "/-/healthy", "", 405, NULL, NULL },
};

static void test_routes(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, 3);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		struct reply r = ask(&w, routes[i].method, routes[i].path, routes[i].headers);

		if (r.status != routes[i].status || (routes[i].want_header && !strstr(r.text, routes[i].want_header)))
			fail_msg("%s %s: %s", routes[i].method, routes[i].path, r.text);
		if (routes[i].want_body)
			assert_string_equal(r.body, routes[i].want_body);
		free(r.text);
	}
	assert_int_equal(w.refreshed, 4);
	world_stop(&w);
}

static void test_landing_page(void **state)
{
	struct world w;
	struct reply r;

	(void)state;
	world_start(&w, 0);
	r = ask(&w, "GET", "/", "");
	assert_non_null(strstr(r.body, "<title>sagpin</title>"));
	assert_non_null(strstr(r.body, "Version: 1.2.3 (revision abc)"));
	assert_non_null(strstr(r.body, "href=\"/metrics\""));
	assert_string_equal(r.body + r.body_len - strlen("</html>\n"), "</html>\n");
	free(r.text);
	world_stop(&w);
}

static void test_not_ready(void **state)
{
	struct world w;
	struct reply r;

	(void)state;
	world_start(&w, 0);
	w.is_ready = false;
	r = ask(&w, "GET", "/-/ready", "");
	assert_int_equal(r.status, 503);
	assert_memory_equal(r.body, "sagpin is not Ready: ", strlen("sagpin is not Ready: "));
	free(r.text);
	r = ask(&w, "GET", "/-/healthy", "");
	assert_int_equal(r.status, 200);
	free(r.text);
	world_stop(&w);
}

static void cut_date(char *header)
{
	char *date = strstr(header, "Date: ");

	assert_non_null(date);
	memset(date, ' ', strcspn(date, "\r"));
}

/* The same header, and nothing after it. */
static void test_head(void **state)
{
	static const char *const paths[] = { "/", "/metrics", "/-/healthy", "/-/ready", "/nowhere" };
	struct world w;

	(void)state;
	world_start(&w, 3);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct reply get = ask(&w, "GET", paths[i], "Accept-Encoding: gzip\r\n");
		struct reply head = ask(&w, "HEAD", paths[i], "Accept-Encoding: gzip\r\n");

		cut_date(get.text);
		cut_date(head.text);
		assert_string_equal(head.text, get.text);
		assert_true(get.body_len > 0);
		assert_int_equal(head.body_len, 0);
		free(get.text);
		free(head.text);
	}
	world_stop(&w);
}

static void test_gzip(void **state)
{
	struct world w;
	struct reply plain, packed;
	z_stream z = { 0 };
	char *text;

	(void)state;
	world_start(&w, 20000);
	plain = ask(&w, "GET", "/metrics", OM_ACCEPT);
	packed = ask(&w, "GET", "/metrics", OM_ACCEPT "Accept-Encoding: gzip\r\n");
	assert_string_equal(plain.body + plain.body_len - 6, "# EOF\n");
	assert_true(packed.body_len < plain.body_len / 5);
	text = malloc(plain.body_len + 1000);
	assert_non_null(text);
	assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
	z.next_in = (Bytef *)packed.body;
	z.avail_in = (uInt)packed.body_len;
	z.next_out = (Bytef *)text;
	z.avail_out = (uInt)plain.body_len + 1000;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	/* Only the counter of requests has moved in between. */
	assert_int_equal(z.total_out, plain.body_len);
	assert_memory_equal(text, plain.body, plain.body_len / 2);
	inflateEnd(&z);
	free(text);
	free(plain.text);
	free(packed.text);
	world_stop(&w);
}

/* No chunks for HTTP/1.0; the end is the end of the connection. */
static void test_http_1_0(void **state)
{
	struct world w;
	struct reply r, modern;
	int fd;

	(void)state;
	world_start(&w, 5000);
	modern = ask(&w, "GET", "/metrics", "");
	fd = dial(&w);
	say(fd, "GET /metrics HTTP/1.0\r\n\r\n");
	r = hear(&w, fd);
	assert_int_equal(r.status, 200);
	assert_null(strstr(r.text, "chunked"));
	assert_int_equal(r.body_len, modern.body_len);
	assert_memory_equal(r.body, "# HELP sag_instance_online ", 27);
	free(r.text);
	free(modern.text);
	world_stop(&w);
}

static void test_pipelined(void **state)
{
	struct world w;
	struct reply r;
	int fd;
	char *second, *third;

	(void)state;
	world_start(&w, 0);
	fd = dial(&w);
	say(fd, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	r = hear(&w, fd);
	assert_int_equal(r.status, 200);
	second = strstr(r.body, "sagpin is Healthy.\nHTTP/1.1 404");
	assert_non_null(second);
	third = strstr(second, "404 page not found\nHTTP/1.1 200");
	assert_non_null(third);
	assert_non_null(strstr(third, "\r\n\r\nsagpin is Ready.\n"));
	free(r.text);
	world_stop(&w);
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *request;
		int status;
	} rows[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 400 }, /* no Host */
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400 },
	};
	struct world w;

	(void)state;
	world_start(&w, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = dial(&w);
		struct reply r;

		say(fd, rows[i].request);
		shutdown(fd, SHUT_WR);
		r = hear(&w, fd);
		assert_int_equal(r.status, rows[i].status);
		free(r.text);
	}
	world_stop(&w);
}

/* Below the limit fine, past it refused, and the server lives on. */
static void test_header_limit(void **state)
{
	static const struct {
		size_t len;
		int status;
	} rows[] = { { 20000, 200 }, { 40000, 431 } };
	struct world w;

	(void)state;
	world_start(&w, 0);
	for (size_t i = 0; i < 2; i++) {
		char *filler = malloc(rows[i].len + 1);
		struct reply r;
		int fd = dial(&w);

		assert_non_null(filler);
		memset(filler, 'x', rows[i].len);
		filler[rows[i].len] = '\0';
		say(fd, "GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Filler: ");
		say(fd, filler);
		say(fd, "\r\n\r\n");
		r = hear(&w, fd);
		assert_int_equal(r.status, rows[i].status);
		free(r.text);
		free(filler);
	}
	world_stop(&w);
}

static void test_counters(void **state)
{
	struct world w;
	struct reply r;

	(void)state;
	world_start(&w, 0);
	free(ask(&w, "GET", "/nowhere", "").text);
	free(ask(&w, "POST", "/-/ready", "Content-Length: 0\r\n").text);
	free(ask(&w, "GET", "/-/healthy", "").text);
	free(ask(&w, "HEAD", "/-/healthy", "").text);
	r = ask(&w, "GET", "/metrics", "");
	assert_non_null(strstr(r.body, "sagpin_http_requests_total{handler=\"/\",code=\"200\"} 0\n"));
	assert_non_null(strstr(r.body, "sagpin_http_requests_total{handler=\"/metrics\",code=\"503\"} 0\n"));
	assert_non_null(strstr(r.body, "sagpin_http_requests_total{handler=\"/-/healthy\",code=\"200\"} 2\n"));
	assert_non_null(strstr(r.body, "sagpin_http_requests_total{handler=\"/-/ready\",code=\"405\"} 1\n"));
	assert_non_null(strstr(r.body, "sagpin_http_requests_total{handler=\"other\",code=\"404\"} 1\n"));
	free(r.text);
	world_stop(&w);
}

static const struct {
	const char *address, *want;
} refused[] = {
	{ "10917", "want host:port" },
	{ "", "want host:port" },
	{ "localhost:", "want host:port" },
	{ "localhost:65536", "want host:port" },
	{ "localhost:1x", "want host:port" },
	{ "localhost:-1", "want host:port" },
	{ "::1:10917", "want host:port" },
	{ "[::1:10917", "want host:port" },
	{ "[]:10917", "want host:port" },
	{ "256.0.0.1.invalid:0", "256.0.0.1.invalid" },
	{ "192.0.2.1:0", "cannot listen on 192.0.2.1:0: " },
};

static void test_addresses_refused(void **state)
{
	struct world w = { 0 };

	(void)state;
	assert_int_equal(registry_new(&w.registry), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct error error = { "" };
		int r = try_listen(&w, &refused[i].address, 1, &error);

		if (r >= 0 || !strstr(error.text, refused[i].want))
			fail_msg("%s: %d %s", refused[i].address, r, error.text);
	}
	registry_free(w.registry);
	assert_null(web_free(NULL));
}

static void test_port_clash(void **state)
{
	struct world w, other = { 0 };
	struct error error = { "" };
	const char *addresses[2] = { "127.0.0.1:0" };
	char want[256];

	(void)state;
	world_start(&w, 0);
	other.registry = w.registry;
	addresses[1] = web_address(w.web, 0);
	assert_int_equal(try_listen(&other, addresses, 2, &error), -EADDRINUSE);
	snprintf(want, sizeof(want), "cannot listen on %s: Address already in use: another sagpin? choose --web.listen-address",
		 addresses[1]);
	assert_string_equal(error.text, want);
	world_stop(&w);
}

/* Every interface: where the machine has both families, they share the port that the kernel chose. */
static void test_both_families(void **state)
{
	static const char *const addresses[] = { ":0" };
	struct world w = { 0 };
	struct error error;
	const char *first, *second;

	(void)state;
	assert_int_equal(registry_new(&w.registry), 0);
	assert_int_equal(try_listen(&w, addresses, 1, &error), 0);
	first = web_address(w.web, 0);
	second = web_address(w.web, 1);
	assert_non_null(first);
	assert_true(atoi(strrchr(first, ':') + 1) > 0);
	if (second)
		assert_string_equal(strrchr(first, ':'), strrchr(second, ':'));
	else
		print_message("one family only here: %s\n", first);
	assert_null(web_address(w.web, 2));
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_landing_page),
		cmocka_unit_test(test_not_ready),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_http_1_0),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_header_limit),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_addresses_refused),
		cmocka_unit_test(test_port_clash),
		cmocka_unit_test(test_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
