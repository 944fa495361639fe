/*
 * The control socket as its clients see it: a real one, driven by this program's own wait, with clients that ask
 * properly, badly, slowly, or in crowds. The clock of deadlines is ours, and so is the core: a fleet of any size in a
 * few lines.
 */
#include "control/control.h"
#include "core/snapshot.h"
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_S 60 /* a test that waits longer has failed; valgrind needs it */

/* ---- the core: `n_targets` targets, two for each instance ---- */

static uint32_t n_targets, n_rollouts, n_approvals, in_flight;
static bool is_paused;
static int holds;
static uint64_t steps;
static unsigned int looks;
static int slow_us; /* how long a look takes */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

uint32_t reconcile_target_slots(const struct reconcile *r)
{
	(void)r;
	return n_targets;
}

uint64_t reconcile_steps(const struct reconcile *r)
{
	(void)r;
	return steps;
}

void reconcile_hold(struct reconcile *r)
{
	(void)r;
	holds++;
}

void reconcile_unhold(struct reconcile *r)
{
	(void)r;
	holds--;
}

bool reconcile_target_facts(const struct reconcile *r, uint32_t slot, struct target_view *ret_view)
{
	static char instance_id[32], serial_number[32];
	static const struct auto_upgrade_policy policy = { "scheduled", "0 0 2 * * ?", "GMT+08:00", 60, 5 };
	double until = slow_us ? now_s() + slow_us * 1e-6 : 0;

	(void)r;
	assert_true(holds > 0);
	while (until > 0 && now_s() < until)
		;
	looks++;
	if (slot % 10 == 9)
		return false; /* an empty slot */
	snprintf(instance_id, sizeof(instance_id), "sag-%u", slot / 2);
	snprintf(serial_number, sizeof(serial_number), "sn%u", slot / 2);
	*ret_view = (struct target_view){
		.born = slot == 8 ? steps + 1 : 1, .instance_id = instance_id, .serial_number = serial_number,
		.version_type = slot % 2 ? VERSION_TYPE_DPI : VERSION_TYPE_DEVICE, .reported = "1.0", .desired = "1.1", .next = "1.0.5",
		.policy = slot < 2 ? 0 : POLICY_NONE, .pin = slot < 2 ? 0 : PIN_NONE, .site = "here", .approved = "1.1", .rollout = slot < 2 ? 0 : NONE, .wave = 1,
		.is_held = slot == 0, .held_by = slot == 0 ? "root" : "", .held_why = slot == 0 ? "\"broken\"" : "", .attempts = 3,
		.first_seen_s = 1700000000, .next_try_ns = slot == 0 ? 100 * NS_PER_S : 0, .auto_upgrade = slot == 0 ? &policy : NULL,
	};
	return true;
}

bool reconcile_target(const struct reconcile *r, uint32_t slot, struct target_view *ret_view)
{
	if (!reconcile_target_facts(r, slot, ret_view))
		return false;
	ret_view->phase = slot % 2 ? PHASE_IN_SYNC : PHASE_WAITING;
	ret_view->reason = slot % 2 ? REASON_NONE : REASON_WINDOW;
	return true;
}

uint32_t reconcile_rollout_slots(const struct reconcile *r)
{
	(void)r;
	return n_rollouts;
}

bool reconcile_rollout(const struct reconcile *r, uint32_t slot, struct rollout_view *ret_view)
{
	(void)r;
	if (slot == 1)
		return false;
	*ret_view = (struct rollout_view){
		.policy_name = "nightly", .version = "1.1", .state = ROLLOUT_STATE_HALTED, .reason = REASON_HALTED, .halt_cause = HALT_BY_REASON,
		.halt_reason = REASON_UNHEALTHY, .halted_s = 1700000001, .wave = 1, .n_waves = 2, .wave_name = "last", .soak_until_ns = 61 * NS_PER_S,
		.failed = 2, .ended = 5, .is_awaiting_approval = true,
	};
	return true;
}

bool reconcile_wave(const struct reconcile *r, uint32_t rollout, uint32_t wave, struct wave_view *ret_view)
{
	(void)r;
	(void)rollout;
	*ret_view = (struct wave_view){ .name = wave ? "last" : "canary", .countable = 7 };
	ret_view->phases[PHASE_FAILED] = 2;
	return true;
}

uint32_t reconcile_approvals(const struct reconcile *r)
{
	(void)r;
	return n_approvals;
}

bool reconcile_approval(const struct reconcile *r, uint32_t i, struct approval_view *ret_view)
{
	(void)r;
	*ret_view = (struct approval_view){ "prod", "1.1", VERSION_TYPE_DEVICE, 57 + i, 100 };
	return true;
}

bool reconcile_is_paused(const struct reconcile *r)
{
	(void)r;
	return is_paused;
}

uint32_t reconcile_in_flight(const struct reconcile *r)
{
	(void)r;
	return in_flight;
}

/* What snapshots ask, too: an instance for each two targets, one record for each. */
const char *const ha_role_names[HA_ROLE_N] = { "unknown", "active", "standby" };
const char *const gate_answer_names[GATE_ANSWER_N] = { "none", "closed", "open" };

uint32_t reconcile_instance_slots(const struct reconcile *r)
{
	(void)r;
	return n_targets / 2;
}

bool reconcile_instance(const struct reconcile *r, uint32_t slot, struct instance_view *ret_view)
{
	(void)r;
	*ret_view = (struct instance_view){ .born = slot == 1 ? steps + 1 : 1 };
	return slot != 2;
}

bool reconcile_observation(const struct reconcile *r, uint32_t slot, struct observation *ret_observation, uint32_t *ret_scope)
{
	static char id[32];

	(void)r;
	assert_true(holds > 0);
	snprintf(id, sizeof(id), "sag-%u", slot);
	*ret_observation = (struct observation){ .instance_id = id, .name = "a \"b\" \\ c", .model = "sag-1000", .resource_group = "", .ccn = "", .city = "",
						 .status_text = "Active", .n_devices = 1 };
	ret_observation->devices[0] = (struct device_observation){ .serial_number = "sn", .version = "1.0" };
	*ret_scope = 0;
	return true;
}

bool reconcile_records(const struct reconcile *r, struct record_cursor *cursor, struct record *ret_record)
{
	(void)r;
	if (cursor->index == n_targets)
		return false;
	cursor->index++;
	*ret_record = (struct record){ .kind = RECORD_START, .text = { "nightly" }, .number = { cursor->index, INT64_MIN } };
	return true;
}

enum gate_answer reconcile_gate(const struct reconcile *r, uint32_t policy)
{
	(void)r;
	(void)policy;
	return GATE_ANSWER_CLOSED;
}

bool reconcile_is_usable(const struct reconcile *r, uint32_t scope)
{
	(void)r;
	(void)scope;
	return false;
}

bool reconcile_is_storing(const struct reconcile *r)
{
	(void)r;
	return true;
}

/* ---- a world ---- */

static struct control *control;
static char folder[64], path[96];
static int64_t now_ns;
static struct act taken; /* the last act: only what outlives the call is looked at later */
static char taken_who[64], taken_why[64];
static uint64_t taken_request;
static unsigned int n_taken;
static bool answers_at_once;

static void take_act(void *ctx, const struct act *act, uint64_t request)
{
	const struct control_result result = { true, ACT_DONE, 3, true };

	assert_ptr_equal(ctx, &taken);
	taken = *act;
	snprintf(taken_who, sizeof(taken_who), "%s", act->who);
	snprintf(taken_why, sizeof(taken_why), "%s", act->why);
	taken_request = request;
	n_taken++;
	if (answers_at_once)
		control_answer(control, request, &result);
}

static int setup(void **state)
{
	static const struct scope scopes[] = { { .account = "prod", .region_id = "cn-shanghai" } };
	static const struct policy policies[] = { { .name = "nightly" } };
	static const struct pin pins[] = { { .name = "all" } };
	static const struct settings settings = { .is_enforcing = true, .scopes = scopes, .n_scopes = 1, .policies = policies, .n_policies = 1, .pins = pins, .n_pins = 1 };
	struct control_options options = { .path = path, .settings = &settings, .take_act = take_act, .ctx = &taken, .version = "1.2.3",
					   .config_path = "/etc/s.cfg", .config_hash = "abc" };
	struct error error;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/sagpin-control-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/s", folder);
	now_ns = 60 * NS_PER_S;
	n_targets = n_rollouts = n_approvals = in_flight = n_taken = looks = 0;
	slow_us = holds = 0;
	steps = 5;
	is_paused = answers_at_once = false;
	return control_new(&options, &control, &error);
}

static int teardown(void **state)
{
	(void)state;
	control = control_free(control);
	assert_int_equal(holds, 0);
	return rmdir(folder); /* the socket is gone */
}

/* One turn of the loop: waits for the server, or for `fd` (-1: none). */
static void turn(int fd, short events)
{
	struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = control_fd(control), .events = POLLIN } };
	int ms = control_timeout_ms(control);

	poll(p, 2, ms < 0 || ms > 20 ? 20 : ms);
	control_run(control, now_ns, 1700000060);
}

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
	double end = now_s() + PATIENCE_S;

	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return; /* refused before all of it was sent */
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		} else {
			turn(fd, POLLOUT);
		}
		assert_true(now_s() < end);
	}
}

static void send_text(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
}

/* Reads up to the end of the connection, or to the end of one answer with a Content-Length. "" when nothing came. */
static const char *receive(int fd)
{
	static char buf[1 << 20];
	size_t len = 0;
	double end = now_s() + PATIENCE_S;

	buf[0] = '\0';
	while (now_s() < end) {
		const char *body = strstr(buf, "\r\n\r\n"), *length = strstr(buf, "Content-Length: ");
		ssize_t n;

		if (body && length && strlen(body + 4) >= strtoul(length + 16, NULL, 10))
			return buf;
		n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return buf;
		if (n > 0)
			buf[len += (size_t)n] = '\0';
		else
			turn(fd, POLLIN);
	}
	fail_msg("no answer");
	return buf;
}

static void request(int fd, const char *method, const char *url, const char *body)
{
	char header[512];

	snprintf(header, sizeof(header), "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method, url, strlen(body));
	send_all(fd, header, strlen(header));
	send_all(fd, body, strlen(body));
}

static void expect(const char *answer, const char *status, const char *part)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0 || !strstr(answer, part))
		fail_msg("%s\nwant %s and: %s", answer, status, part);
	assert_non_null(strstr(answer, "Sagpin-Version: 1.2.3\r\n"));
	assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
}

/* Asks once on a connection of its own. */
static const char *ask(const char *method, const char *url, const char *body)
{
	int fd = dial();
	const char *answer;

	request(fd, method, url, body);
	answer = receive(fd);
	close(fd);
	return answer;
}

#define PAUSE "{\"act\":\"pause\",\"all\":true,\"why\":\"because\"}"

/* Sends an act and waits until it was taken. */
static int begin_act(void)
{
	unsigned int before = n_taken;
	int fd = dial();

	request(fd, "POST", "/v1/acts", PAUSE);
	for (double end = now_s() + PATIENCE_S; n_taken == before && now_s() < end;)
		turn(-1, 0);
	assert_int_equal(n_taken, before + 1);
	return fd;
}

static bool is_silent(int fd)
{
	char c;

	for (int i = 0; i < 3; i++)
		turn(-1, 0);
	return recv(fd, &c, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* ---- acts ---- */

static void test_act_at_once(void **state)
{
	(void)state;
	answers_at_once = true;
	expect(ask("POST", "/v1/acts", PAUSE), "200", "{\"act\":\"pause\",\"outcome\":\"done\",\"count\":3,");
	assert_int_equal(taken.kind, ACT_PAUSE);
	assert_true(taken.is_all);
	assert_string_equal(taken_why, "because");
	assert_string_equal(taken_who, geteuid() == 0 ? "root" : taken_who);
	assert_true(taken_who[0]);
}

static void test_act_that_waits(void **state)
{
	const struct control_result stored = { true, ACT_DONE, 3, true }, failed = { true, ACT_DONE, 3, false };
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
	const struct control_result stored = { true, ACT_ALREADY, 0, true };
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
	const struct control_result stored = { true, ACT_DONE, 3, true };
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
	const struct control_result stored = { true, ACT_DONE, 3, true };
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
	const struct control_result stored = { true, ACT_DONE, 3, true };
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
	const struct control_result stored = { true, ACT_DONE, 3, true };
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

/* ---- looks ---- */

static void test_status(void **state)
{
	(void)state;
	n_targets = 20;
	in_flight = 4;
	is_paused = true;
	expect(ask("GET", "/v1/status", ""), "200",
	       "{\"version\":\"1.2.3\",\"mode\":\"enforce\",\"paused\":true,\"in_flight\":4,\"targets\":17,\"phases\":["
	       "{\"phase\":\"in_sync\",\"reason\":\"none\",\"targets\":8},{\"phase\":\"waiting\",\"reason\":\"window\",\"targets\":9}]}");
	assert_int_equal(holds, 0);
}

static void test_rollouts(void **state)
{
	(void)state;
	expect(ask("GET", "/v1/rollouts", ""), "200", "{\"rollouts\":[]}");
	n_rollouts = 2;
	expect(ask("GET", "/v1/rollouts", ""), "200",
	       "{\"rollouts\":[{\"policy\":\"nightly\",\"version_type\":\"Device\",\"version\":\"1.1\",\"state\":\"halted\",\"reason\":\"halted\","
	       "\"halt_cause\":\"by_reason\",\"halt_reason\":\"unhealthy\",\"halted_s\":1700000001,\"first_seen_s\":0,\"last_progress_s\":0,\"wave\":\"last\","
	       "\"soak_until_s\":1700000061,\"failed\":2,\"ended\":5,\"awaiting_approval\":true,\"waves\":["
	       "{\"name\":\"canary\",\"countable\":7,\"phases\":{\"failed\":2}},{\"name\":\"last\",\"countable\":7,\"phases\":{\"failed\":2}}]}]}");
}

static void test_approvals(void **state)
{
	(void)state;
	expect(ask("GET", "/v1/approvals", ""), "200", "{\"approvals\":[]}");
	n_approvals = 2;
	expect(ask("GET", "/v1/approvals", ""), "200",
	       "{\"account\":\"prod\",\"version_type\":\"Device\",\"version\":\"1.1\",\"count\":58,\"managed\":100}]}");
}

static void test_targets(void **state)
{
	const char *answer;

	(void)state;
	n_targets = 20;
	answer = ask("GET", "/v1/targets?instance=sag-0", "");
	expect(answer, "200",
	       "{\"targets\":[{\"account\":\"prod\",\"region_id\":\"cn-shanghai\",\"instance_id\":\"sag-0\",\"serial_number\":\"sn0\",\"version_type\":\"Device\","
	       "\"reported\":\"1.0\",\"desired\":\"1.1\",\"next_version\":\"1.0.5\",\"approved\":\"1.1\",\"policy\":\"nightly\",\"pin\":\"all\",\"site\":\"here\","
	       "\"phase\":\"waiting\",\"reason\":\"window\",");
	expect(answer, "200", "\"held\":true,\"held_by\":\"root\",\"held_why\":\"\\\"broken\\\"\",");
	expect(answer, "200", "\"rollout_version\":\"1.1\",\"rollout_state\":\"halted\",\"wave\":\"last\",\"attempts\":3,");
	expect(answer, "200", "\"next_try_s\":1700000100,\"auto_upgrade\":{\"upgrade_type\":\"scheduled\",\"cron\":\"0 0 2 * * ?\",");
	expect(answer, "200", "\"version_type\":\"Dpi\"");
	answer = ask("GET", "/v1/targets?serial_number=sn3&instance=sag-3", "");
	expect(answer, "200", "\"policy\":null,\"pin\":null");
	assert_null(strstr(answer, "sag-0"));
	expect(ask("GET", "/v1/targets?serial_number=sn3&instance=sag-1", ""), "404", "no such target");
	expect(ask("GET", "/v1/targets?instance=sag-4", ""), "404", "no such target"); /* born later, and an empty slot */
}

/* A large fleet is looked at in slices: no turn is long, others are served meanwhile, and each target is met once. */
static void test_large_fleet(void **state)
{
	double longest = 0;
	int fds[3];

	(void)state;
	n_targets = 20000;
	slow_us = 5;
	for (int i = 0; i < 3; i++) {
		fds[i] = dial();
		request(fds[i], "GET", i ? "/v1/status" : "/v1/targets?instance=sag-9998", "");
	}
	for (double end = now_s() + PATIENCE_S; holds < 3 && now_s() < end;)
		turn(-1, 0);
	assert_int_equal(holds, 3);
	for (int turns = 0; holds > 0; turns++) {
		double began;
		int ms = control_timeout_ms(control);

		assert_true(holds == 0 || ms == 0); /* the loop must come back at once */
		poll(&(struct pollfd){ .fd = control_fd(control), .events = POLLIN }, 1, ms < 0 || ms > 20 ? 20 : ms);
		began = cpu_s();
		control_run(control, now_ns, 0);
		longest = cpu_s() - began > longest ? cpu_s() - began : longest;
		assert_true(turns < 100000);
	}
	expect(receive(fds[0]), "200", "\"instance_id\":\"sag-9998\"");
	for (int i = 1; i < 3; i++)
		expect(receive(fds[i]), "200", "\"targets\":17999,");
	assert_true(longest < 0.05); /* of CPU: 64 looks of 5 us and 2 ms; valgrind needs the rest */
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/* The client of a walk leaves, or the server ends: the table is let go. */
static void test_walk_that_ends_early(void **state)
{
	int fd;

	(void)state;
	n_targets = 1000000;
	slow_us = 50;
	fd = dial();
	request(fd, "GET", "/v1/status", "");
	for (double end = now_s() + PATIENCE_S; !holds && now_s() < end;)
		turn(-1, 0);
	assert_int_equal(holds, 1);
	now_ns += 31 * NS_PER_S;
	expect(receive(fd), "504", "too long");
	assert_int_equal(holds, 0);
	request(fd, "GET", "/v1/status", "");
	for (double end = now_s() + PATIENCE_S; !holds && now_s() < end;)
		turn(-1, 0);
	control = control_free(control);
	assert_int_equal(holds, 0);
	close(fd);
}

/* Empty slots, and what was born after the beginning, are left out. */
static void test_snapshot(void **state)
{
	const char *answer;

	(void)state;
	n_targets = 12;
	answer = ask("GET", "/v1/snapshot", "");
	expect(answer, "200", "{\"snapshot\":1,\"now_ns\":\"60000000000\",\"wall_s\":1700000060,\"version\":\"1.2.3\",\"mode\":\"enforce\",\"storing\":true,"
			      "\"config_path\":\"/etc/s.cfg\",\"config_hash\":\"abc\",\"scopes\":[{\"account\":\"prod\",\"region_id\":\"cn-shanghai\","
			      "\"usable\":false}],\"gates\":[{\"policy\":\"nightly\",\"answer\":\"closed\"}]}\n");
	expect(answer, "200", "\n{\"record\":\"start\",\"text\":[\"nightly\"],\"number\":[12,null]}\n");
	expect(answer, "200", "\n{\"instance\":\"sag-0\",\"scope\":0,\"name\":\"a \\\"b\\\" \\\\ c\",\"model\":\"sag-1000\",");
	expect(answer, "200", "\"devices\":[{\"serial_number\":\"sn\",\"version\":\"1.0\",\"dpi_version\":null,\"status\":\"active\",\"ha_role\":\"unknown\"}]}\n");
	expect(answer, "200", "\n{\"wanted\":\"sn0\",\"version_type\":\"Device\",\"desired\":\"1.1\",\"policy\":\"nightly\",\"pin\":\"all\",\"wave\":\"last\"}\n");
	expect(answer, "200", "\n{\"end\":true,\"records\":12,\"instances\":4,\"wanted\":10}\n");
	assert_null(strstr(answer, "sag-1\""));
	assert_null(strstr(answer, "sag-2\""));
}

/* It is made in slices, too. */
static void test_large_snapshot(void **state)
{
	double longest = 0;
	unsigned int turns = 0;
	int fd;

	(void)state;
	n_targets = 3000;
	slow_us = 20;
	fd = dial();
	request(fd, "GET", "/v1/snapshot", "");
	for (double end = now_s() + PATIENCE_S; !holds && now_s() < end;)
		turn(-1, 0);
	for (; holds > 0; turns++) {
		double began = now_s();

		assert_int_equal(control_timeout_ms(control), 0);
		control_run(control, now_ns, 0);
		longest = now_s() - began > longest ? now_s() - began : longest;
	}
	expect(receive(fd), "200", "\n{\"end\":true,\"records\":3000,\"instances\":1498,\"wanted\":2699}\n");
	assert_true(turns > 10); /* 60 ms of looks, 2 ms a turn */
	assert_true(longest < 0.05);
	close(fd);
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
		TEST(test_status),
		TEST(test_rollouts),
		TEST(test_approvals),
		TEST(test_targets),
		TEST(test_large_fleet),
		TEST(test_walk_that_ends_early),
		TEST(test_snapshot),
		TEST(test_large_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
