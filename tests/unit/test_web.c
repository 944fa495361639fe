/*
 * The web server as its clients see it: a real one on a port that the kernel chose, driven by this program's own
 * wait, with sockets that ask properly, badly, slowly, or in crowds. The clock of deadlines is ours.
 */
#include "web/web.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#define PATIENCE_S 60 /* a test that waits longer has failed; valgrind needs it */
#define OM_ACCEPT "Accept: application/openmetrics-text;version=1.0.0\r\n"

struct world {
	struct web *web;
	struct registry *registry;
	int64_t now_ns;
	uint64_t rows, rendered;
	double row_s; /* how long a row takes at least */
	bool is_ready;
	int holds;
	int refreshed;
	unsigned int slices;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t table_begin(void *ctx)
{
	((struct world *)ctx)->holds++;
	return 0;
}

static void table_end(void *ctx, uint64_t mark)
{
	(void)mark;
	((struct world *)ctx)->holds--;
}

static uint64_t table_rows(void *ctx, uint64_t mark, enum metric_id id)
{
	(void)mark;
	return id == METRIC_INSTANCE_ONLINE ? ((struct world *)ctx)->rows : 0;
}

static bool table_row(void *ctx, uint64_t mark, enum metric_id id, uint64_t row, struct expose_row *ret_row)
{
	struct world *w = ctx;
	double end = w->row_s > 0 ? now_s() + w->row_s : 0;

	(void)mark;
	w->rendered++;
	while (end > 0 && now_s() < end)
		;
	for (size_t i = 0; i < metric_n_labels(id); i++)
		ret_row->labels[i] = (struct expose_text){ "some label value", strlen("some label value") };
	ret_row->value = (double)row;
	return true;
}

static bool table_is_shown(void *ctx, enum metric_id id)
{
	(void)ctx;
	(void)id;
	return true;
}

/* Every second call is the last slice. */
static bool table_prepare(void *ctx, uint64_t mark)
{
	struct world *w = ctx;

	(void)mark;
	return ++w->slices % 2 == 0;
}

static bool world_is_ready(void *ctx)
{
	return ((struct world *)ctx)->is_ready;
}

static void world_refresh(void *ctx)
{
	((struct world *)ctx)->refreshed++;
}

static int try_listen(struct world *w, const char *const *addresses, size_t n, struct error *ret_error)
{
	static struct expose_source source;
	struct web_options options = { .listen_addresses = addresses,
				       .n_listen_addresses = n,
				       .registry = w->registry,
				       .source = &source,
				       .before_scrape = world_refresh,
				       .is_ready = world_is_ready,
				       .ctx = w,
				       .version = "1.2.3",
				       .revision = "abc" };

	source = (struct expose_source){ w, table_begin, table_end, table_rows, table_row, table_is_shown, table_prepare };
	return web_new(&options, &w->web, ret_error);
}

static void world_start(struct world *w, uint64_t rows)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	struct error error;

	*w = (struct world){ .rows = rows, .is_ready = true, .now_ns = NS_PER_S };
	assert_int_equal(registry_new(&w->registry), 0);
	assert_int_equal(try_listen(w, addresses, 1, &error), 0);
}

static void world_stop(struct world *w)
{
	w->web = web_free(w->web);
	assert_int_equal(w->holds, 0);
	w->registry = registry_free(w->registry);
}

/* One turn of the loop: waits for the server, or for `fd` (-1: none); its time-out is at most 100 ms. */
static void turn(struct world *w, int fd, short events)
{
	struct pollfd p[4] = { { .fd = fd, .events = events } };
	int fds[3], ms = web_timeout_ms(w->web);
	size_t n = web_fds(w->web, fds, 3);

	for (size_t i = 0; i < n; i++)
		p[1 + i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	assert_true(poll(p, (nfds_t)(1 + n), ms < 0 || ms > 100 ? 100 : ms) >= 0);
	web_run(w->web, w->now_ns);
}

/* Turns until the server has nothing to do any more without us. */
static void settle(struct world *w)
{
	double end = now_s() + PATIENCE_S;
	struct pollfd p = { .events = POLLIN };
	int n;

	do {
		web_run(w->web, w->now_ns);
		assert_int_equal(web_fds(w->web, &p.fd, 1), 1);
		n = poll(&p, 1, 0);
		assert_true(now_s() < end);
	} while (n > 0 || web_timeout_ms(w->web) == 0);
}

static int dial(const struct world *w)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	sa.sin_port = htons((uint16_t)atoi(strrchr(web_address(w->web, 0), ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

struct reply {
	char *text; /* all bytes, with a terminator */
	size_t len;
	char *body; /* past the empty line, chunks put together */
	size_t body_len;
	int status;
};

static void dechunk(struct reply *r)
{
	char *from = r->body, *to = r->body;
	size_t n;

	while ((n = strtoul(from, &from, 16)) > 0) {
		assert_memory_equal(from, "\r\n", 2);
		assert_true(from + 2 + n <= r->text + r->len);
		memmove(to, from + 2, n);
		to += n;
		from += 2 + n + 2;
	}
	r->body_len = (size_t)(to - r->body);
	*to = '\0';
}

/* Reads until the server closes. */
static struct reply hear(struct world *w, int fd)
{
	struct reply r = { .text = malloc(1) };
	double end = now_s() + PATIENCE_S;

	for (;;) {
		static char buf[1 << 20];
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		assert_true(now_s() < end);
		if (n < 0 && errno == EAGAIN) {
			turn(w, fd, POLLIN);
			continue;
		}
		if (n <= 0)
			break;
		r.text = realloc(r.text, r.len + (size_t)n + 1);
		assert_non_null(r.text);
		memcpy(r.text + r.len, buf, (size_t)n);
		r.len += (size_t)n;
	}
	r.text[r.len] = '\0';
	close(fd);
	r.body = strstr(r.text, "\r\n\r\n");
	if (r.body) {
		r.body[2] = '\0'; /* ends the header */
		r.body += 4;
		r.body_len = r.len - (size_t)(r.body - r.text);
		r.status = atoi(r.text + strlen("HTTP/1.1 "));
		if (strstr(r.text, "Transfer-Encoding: chunked\r\n") && r.body_len > 0)
			dechunk(&r);
	}
	return r;
}

static struct reply ask(struct world *w, const char *method, const char *path, const char *headers)
{
	char request[1024];
	int fd = dial(w);

	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, headers);
	say(fd, request);
	return hear(w, fd);
}

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

/* A scraper that does not read holds up nobody, costs no turns, and gets every byte in the end. */
static void test_slow_reader(void **state)
{
	struct world w;
	struct reply r, whole;
	int fd;

	(void)state;
	world_start(&w, 100000);
	whole = ask(&w, "GET", "/metrics", OM_ACCEPT);
	fd = dial(&w);
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" OM_ACCEPT "\r\n");
	settle(&w);
	assert_int_equal(w.holds, 1);
	assert_true(web_timeout_ms(w.web) > 0);
	r = ask(&w, "GET", "/-/healthy", "");
	assert_int_equal(r.status, 200);
	free(r.text);
	r = hear(&w, fd);
	assert_int_equal(w.holds, 0);
	assert_int_equal(r.body_len, whole.body_len);
	assert_string_equal(r.body + r.body_len - 6, "# EOF\n");
	free(r.text);
	free(whole.text);
	world_stop(&w);
}

#define TURN_S 0.005
#define ROW_S 2e-6
#define CROWD 20
#define BLOCK_ROWS 400 /* of a block that is compressed: 32 KiB of about 95 bytes each */

/*
 * Scrapers that take all they can get: no turn writes more than the budget and a block for each. A row takes a known
 * time at least, so rows are counted, and a slow machine changes nothing.
 */
static void test_turns_are_short(void **state)
{
	struct world w;
	int fds[CROWD];
	uint64_t most = 0;
	double end = now_s() + PATIENCE_S;

	(void)state;
	world_start(&w, 3000);
	w.row_s = ROW_S;
	for (size_t i = 0; i < CROWD; i++) {
		fds[i] = dial(&w);
		say(fds[i], "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n");
	}
	do {
		char buf[65536];
		uint64_t before = w.rendered;

		web_run(w.web, w.now_ns);
		most = w.rendered - before > most ? w.rendered - before : most;
		for (size_t i = 0; i < CROWD; i++)
			while (recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT) > 0)
				;
		assert_true(now_s() < end);
	} while (w.holds > 0 || w.refreshed < CROWD);
	assert_int_equal(w.rendered, 3000 * CROWD);
	assert_in_range(most, CROWD, TURN_S / ROW_S + CROWD * BLOCK_ROWS);
	for (size_t i = 0; i < CROWD; i++)
		close(fds[i]);
	world_stop(&w);
}

/* A client that goes away in the middle of its scrape leaves nothing behind. */
static void test_vanished_client(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_start(&w, 100000);
	fd = dial(&w);
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	settle(&w);
	assert_int_equal(w.holds, 1);
	close(fd);
	settle(&w);
	assert_int_equal(w.holds, 0);
	/* And one that stays while the server ends. */
	fd = dial(&w);
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	settle(&w);
	assert_int_equal(w.holds, 1);
	world_stop(&w);
	close(fd);
}

#define SCRAPES_MAX 40

static void test_scrape_limit(void **state)
{
	struct world w;
	struct reply r;
	int fds[SCRAPES_MAX];

	(void)state;
	world_start(&w, 100000);
	for (size_t i = 0; i < SCRAPES_MAX; i++) {
		fds[i] = dial(&w);
		say(fds[i], "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
		settle(&w);
	}
	assert_int_equal(w.holds, SCRAPES_MAX);
	r = ask(&w, "GET", "/metrics", "");
	assert_int_equal(r.status, 503);
	assert_string_equal(r.body, "Limit of concurrent requests reached (40), try again later.\n");
	free(r.text);
	close(fds[0]);
	settle(&w);
	r = ask(&w, "HEAD", "/metrics", "");
	assert_int_equal(r.status, 200);
	free(r.text);
	for (size_t i = 1; i < SCRAPES_MAX; i++)
		close(fds[i]);
	settle(&w);
	world_stop(&w);
}

/* Whether the server has closed its side. */
static bool is_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

#define PER_IP_MAX 64

static void test_connections_per_ip(void **state)
{
	struct world w;
	int fds[PER_IP_MAX + 1];

	(void)state;
	world_start(&w, 0);
	for (size_t i = 0; i < PER_IP_MAX + 1; i++) {
		fds[i] = dial(&w);
		settle(&w);
		assert_int_equal(is_closed(fds[i]), i == PER_IP_MAX);
	}
	for (size_t i = 0; i < PER_IP_MAX + 1; i++)
		close(fds[i]);
	world_stop(&w);
}

#define REQUEST_S 60

/* A header that drips in is cut off at the deadline, not before; an answered request starts it anew. */
static void test_deadline(void **state)
{
	struct world w;
	int drip, kept;

	(void)state;
	world_start(&w, 0);
	assert_int_equal(web_timeout_ms(w.web), -1);
	drip = dial(&w);
	kept = dial(&w);
	say(drip, "GET / HTTP/1.1\r\nHost: x\r\n");
	settle(&w);
	w.now_ns += (REQUEST_S - 1) * NS_PER_S;
	say(drip, "X-Drip: 1\r\n");
	say(kept, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n");
	settle(&w);
	assert_false(is_closed(drip));
	assert_true(web_timeout_ms(w.web) > 0 && web_timeout_ms(w.web) <= 1000);
	w.now_ns += NS_PER_S - 1;
	settle(&w);
	assert_false(is_closed(drip));
	assert_int_equal(web_timeout_ms(w.web), 1);
	w.now_ns += 1;
	settle(&w);
	assert_true(is_closed(drip));
	assert_false(is_closed(kept));
	close(drip);
	close(kept);
	settle(&w);
	assert_int_equal(web_timeout_ms(w.web), -1);
	world_stop(&w);
}

/* The time of an answer counts from its request, the time of the next request from the answer. */
static void test_deadline_starts_anew(void **state)
{
	struct world w;
	double end = now_s() + PATIENCE_S;
	char buf[65536];
	int fd;

	(void)state;
	world_start(&w, 100000);
	fd = dial(&w);
	settle(&w);
	w.now_ns += (REQUEST_S - 1) * NS_PER_S;
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	settle(&w);
	w.now_ns += 2 * NS_PER_S;
	settle(&w);
	assert_int_equal(w.holds, 1);
	w.now_ns += (REQUEST_S - 4) * NS_PER_S;
	while (w.holds > 0 && now_s() < end) {
		turn(&w, fd, POLLIN);
		while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	w.now_ns += 4 * NS_PER_S;
	settle(&w);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	assert_false(is_closed(fd));
	close(fd);
	world_stop(&w);
}

/* A scrape that is taken too slowly ends at the deadline too. */
static void test_deadline_of_answer(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_start(&w, 100000);
	fd = dial(&w);
	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	settle(&w);
	w.now_ns += REQUEST_S * NS_PER_S;
	settle(&w);
	assert_int_equal(w.holds, 0);
	close(fd);
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
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_turns_are_short),
		cmocka_unit_test(test_vanished_client),
		cmocka_unit_test(test_scrape_limit),
		cmocka_unit_test(test_connections_per_ip),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_deadline_starts_anew),
		cmocka_unit_test(test_deadline_of_answer),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_addresses_refused),
		cmocka_unit_test(test_port_clash),
		cmocka_unit_test(test_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
