/* The web server under clients that are slow, silent, gone, or many. */
#include "web_bed.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_turns_are_short),
		cmocka_unit_test(test_vanished_client),
		cmocka_unit_test(test_scrape_limit),
		cmocka_unit_test(test_connections_per_ip),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_deadline_starts_anew),
		cmocka_unit_test(test_deadline_of_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
