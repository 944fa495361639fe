/* See web_bed.h. */
#include "web_bed.h"

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
#include <cmocka.h>

double now_s(void)
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

int try_listen(struct world *w, const char *const *addresses, size_t n, struct error *ret_error)
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

void world_start(struct world *w, uint64_t rows)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	struct error error;

	*w = (struct world){ .rows = rows, .is_ready = true, .now_ns = NS_PER_S };
	assert_int_equal(registry_new(&w->registry), 0);
	assert_int_equal(try_listen(w, addresses, 1, &error), 0);
}

void world_stop(struct world *w)
{
	w->web = web_free(w->web);
	assert_int_equal(w->holds, 0);
	w->registry = registry_free(w->registry);
}

/* One turn of the loop: waits for the server, or for `fd` (-1: none); its time-out is at most 100 ms. */
void turn(struct world *w, int fd, short events)
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
void settle(struct world *w)
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

int dial(const struct world *w)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	sa.sin_port = htons((uint16_t)atoi(strrchr(web_address(w->web, 0), ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

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
struct reply hear(struct world *w, int fd)
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

struct reply ask(struct world *w, const char *method, const char *path, const char *headers)
{
	char request[1024];
	int fd = dial(w);

	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, headers);
	say(fd, request);
	return hear(w, fd);
}
