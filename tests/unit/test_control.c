/*
 * The control socket as its clients see it, who ask properly, badly, slowly, or in crowds: acts, and what is refused.
 */
#include "control_bed.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- acts ---- */

static void test_act_at_once(void **state)
{
	(void)state;
	outcome_at_once = ACT_DONE;
	expect(ask("POST", "/v1/acts", PAUSE), "200", "{\"act\":\"pause\",\"outcome\":\"done\",\"count\":3,");
	assert_int_equal(taken.kind, ACT_PAUSE);
	assert_true(taken.is_all);
	assert_string_equal(taken_why, "because");
	assert_string_equal(taken_who, geteuid() == 0 ? "root" : taken_who);
	assert_true(taken_who[0]);
}

static void test_act_that_waits(void **state)
{
	const struct control_result stored = { true, ACT_DONE, 3, true, 0 }, failed = { true, ACT_DONE, 3, false, 0 };
	uint64_t first;
	int a, b;

	(void)state;
	a = begin_act();
	first = taken_request;
	b = begin_act();
	assert_true(is_silent(a) && is_silent(b));
	assert_true(control_timeout_ms(control) > 1000); /* waiting costs nothing */
	expect(ask("GET", "/v1/status", ""), "200", "\"mode\":\"enforce\""); /* and keeps nobody */
	control_answer(control, 12345, &stored);
	assert_true(is_silent(a) && is_silent(b));
	control_answer(control, taken_request, &failed);
	expect(receive(b), "200", "\"durable\":false,\"warning\":\"it holds now");
	assert_true(is_silent(a));
	control_answer(control, first, &stored);
	expect(receive(a), "200", "\"durable\":true");
	control_answer(control, first, &failed); /* once is enough */
	assert_true(is_silent(a));
	close(a);
	close(b);
}

static void test_one_connection_many_acts(void **state)
{
	const struct control_result stored = { true, ACT_ALREADY, 0, true, 0 };
	int fd;

	(void)state;
	fd = begin_act();
	for (unsigned int i = 0; i < 20; i++) {
		unsigned int n = n_taken;

		control_answer(control, taken_request, &stored);
		expect(receive(fd), "200", "\"already\"");
		request(fd, "POST", "/v1/acts", PAUSE);
		for (double end = now_s() + PATIENCE_S; n_taken == n && now_s() < end;)
			turn(-1, 0);
	}
	assert_int_equal(n_taken, 21);
	close(fd);
}

/* The result never comes: the client hears that, and the next one is served. */
static void test_act_without_result(void **state)
{
	const struct control_result stored = { true, ACT_DONE, 3, true, 0 };
	int fd;

	(void)state;
	fd = begin_act();
	now_ns += 29 * NS_PER_S;
	assert_true(is_silent(fd));
	now_ns += 2 * NS_PER_S;
	expect(receive(fd), "504", "it is not known whether it is stored");
	control_answer(control, taken_request, &stored);
	assert_true(is_silent(fd));
	request(fd, "GET", "/v1/status", "");
	expect(receive(fd), "200", "phases");
	close(fd);
}

static void test_client_that_left(void **state)
{
	const struct control_result stored = { true, ACT_DONE, 3, true, 0 };
	int fd;

	(void)state;
	fd = begin_act();
	close(fd);
	is_silent(-1);
	control_answer(control, taken_request, &stored);
	is_silent(-1);
	expect(ask("GET", "/v1/status", ""), "200", "phases");
	fd = begin_act();
	close(fd); /* the server ends while it sleeps: see teardown */
}

static void test_ending(void **state)
{
	int fd;

	(void)state;
	fd = begin_act();
	control = control_free(control);
	expect(receive(fd), "503", "the daemon ends");
	close(fd);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_unsupported(void **state)
{
	const struct control_result unsupported = { .is_supported = false };
	int fd;

	(void)state;
	fd = begin_act();
	control_answer(control, taken_request, &unsupported);
	expect(receive(fd), "501", "does not support");
	close(fd);
}

/* Who it was is what the kernel says. */
static void test_who(void **state)
{
	const struct control_result stored = { true, ACT_DONE, 3, true, 0 };
	pid_t child;
	int status = -1;

	(void)state;
	if (geteuid() != 0)
		return; /* only root can be somebody else */
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	child = fork();
	if (child == 0) {
		char c, text[256];
		int fd;

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		fd = dial();
		snprintf(text, sizeof(text), "POST /v1/acts HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", strlen(PAUSE), PAUSE);
		send(fd, text, strlen(text), 0);
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PATIENCE_S * 1000);
		_exit(recv(fd, &c, 1, 0) != 1);
	}
	for (double end = now_s() + PATIENCE_S; waitpid(child, &status, WNOHANG) == 0 && now_s() < end;) {
		turn(-1, 0);
		if (n_taken)
			control_answer(control, taken_request, &stored);
	}
	assert_int_equal(status, 0);
	assert_int_equal(n_taken, 1);
	assert_string_equal(taken_who, "nobody");
}

/* ---- what is refused ---- */

static void test_refused(void **state)
{
	(void)state;
	expect(ask("POST", "/v1/acts", "{}"), "400", "{\"error\":\"\\\"act\\\" is missing\",\"next\":");
	expect(ask("POST", "/v1/acts", ""), "400", "no JSON object");
	expect(ask("POST", "/v1/acts", "{\"act\":\"pause\",\"why\":\"x\",\"who\":\"me\"}"), "400", "no key \\\"who\\\"");
	expect(ask("GET", "/v1/acts", ""), "405", "Allow: POST\r\n");
	expect(ask("DELETE", "/v1/status", ""), "405", "Allow: GET\r\n");
	expect(ask("POST", "/v1/status", PAUSE), "405", "Allow: GET\r\n");
	expect(ask("GET", "/", ""), "404", "/v1/acts, /v1/status");
	expect(ask("POST", "/v1/act", PAUSE), "404", "no such path");
	expect(ask("GET", "/v1/targets", ""), "400", "?instance=");
	expect(ask("GET", "/v1/targets?instance=", ""), "400", "?instance=");
	expect(ask("GET", "/v1/targets?instance=a&serial=b", ""), "400", "?instance=");
	expect(ask("GET", "/v1/targets?instance=sag-1", ""), "404", "no such target");
	assert_int_equal(n_taken, 0);
}

static void test_oversize(void **state)
{
	static char body[70000];
	const char *answer;
	int fd;

	(void)state;
	memset(body, ' ', sizeof(body) - 1);
	expect(ask("POST", "/v1/acts", body), "413", "too large");
	/* What is far too large is refused before it is sent. */
	fd = dial();
	send_text(fd, "POST /v1/acts HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
	expect(receive(fd), "413", "too large");
	close(fd);
	/* A length that is not told. */
	fd = dial();
	send_text(fd, "POST /v1/acts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1116f\r\n");
	send_all(fd, body, sizeof(body) - 1);
	send_text(fd, "\r\n0\r\n\r\n");
	expect(receive(fd), "413", "too large");
	close(fd);
	/* A header without end. */
	fd = dial();
	send_text(fd, "GET /v1/status HTTP/1.1\r\nX: ");
	send_all(fd, body, 40000);
	answer = receive(fd);
	assert_true(answer[0] == '\0' || strncmp(answer, "HTTP/1.1 431", 12) == 0 || strncmp(answer, "HTTP/1.1 4", 10) == 0);
	close(fd);
	/* At the limit it is only no act. */
	memcpy(body, "{}", 2);
	body[65536] = '\0';
	expect(ask("POST", "/v1/acts", body), "400", "\\\"act\\\" is missing");
	assert_int_equal(n_taken, 0);
}

/* A large answer that is not taken ends with its connection. */
static void test_answer_that_is_not_taken(void **state)
{
	const char *answer;
	int fd;

	(void)state;
	n_rollouts = 5000;
	fd = dial();
	request(fd, "GET", "/v1/rollouts", "");
	for (int i = 0; i < 5; i++)
		turn(-1, 0);
	now_ns += 11 * NS_PER_S;
	for (int i = 0; i < 3; i++)
		turn(-1, 0);
	assert_int_equal(control_timeout_ms(control), -1); /* nobody is connected any more */
	answer = receive(fd);
	assert_true(strncmp(answer, "HTTP/1.1 200", 12) == 0 && !strstr(answer, "]}]}"));
	close(fd);
}

/* Drips a byte a second: ended after ten, whatever it does. */
static void test_slow(void **state)
{
	int fd, seconds;

	(void)state;
	fd = dial();
	for (seconds = 0; seconds < 30; seconds++) {
		char c;

		send(fd, &"POST /v1/acts HTTP/1.1\r\nHost: x\r\n"[seconds], 1, MSG_NOSIGNAL);
		turn(-1, 0);
		now_ns += NS_PER_S;
		turn(-1, 0);
		turn(-1, 0);
		if (recv(fd, &c, 1, 0) == 0)
			break;
	}
	assert_in_range(seconds, 8, 11);
	close(fd);
}

static void test_crowd(void **state)
{
	const struct control_result stored = { true, ACT_DONE, 3, true, 0 };
	int fds[32], late;

	(void)state;
	for (int i = 0; i < 32; i++)
		fds[i] = begin_act();
	late = dial();
	request(late, "GET", "/v1/status", "");
	assert_true(is_silent(late)); /* waits its turn */
	control_answer(control, taken_request, &stored);
	expect(receive(fds[31]), "200", "done");
	close(fds[31]);
	expect(receive(late), "200", "phases");
	close(late);
	/* All others time out; none of them was asked for long. */
	now_ns += 31 * NS_PER_S;
	for (int i = 0; i < 31; i++) {
		expect(receive(fds[i]), "504", "too long");
		close(fds[i]);
	}
}

static void test_idle(void **state)
{
	int fd;

	(void)state;
	fd = dial();
	assert_true(is_silent(fd));
	assert_in_range(control_timeout_ms(control), 5000, 10000);
	now_ns += 10 * NS_PER_S;
	assert_string_equal(receive(fd), "");
	close(fd);
	is_silent(-1);
	assert_int_equal(control_timeout_ms(control), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_act_at_once),
		TEST(test_act_that_waits),
		TEST(test_one_connection_many_acts),
		TEST(test_act_without_result),
		TEST(test_client_that_left),
		TEST(test_ending),
		TEST(test_unsupported),
		TEST(test_who),
		TEST(test_refused),
		TEST(test_oversize),
		TEST(test_answer_that_is_not_taken),
		TEST(test_slow),
		TEST(test_crowd),
		TEST(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
