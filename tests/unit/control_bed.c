/* See control_bed.h. */
#include "control_bed.h"

#include "core/snapshot.h"
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- the core: `n_targets` targets, two for each instance ---- */

uint32_t n_targets, n_rollouts, n_approvals, in_flight;
bool is_paused;
int holds;
static uint64_t steps;
static unsigned int looks;
int slow_us;

double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double cpu_s(void)
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

struct control *control;
char folder[64], path[96];
int64_t now_ns;
struct act taken;
char taken_who[64], taken_why[64];
uint64_t taken_request;
unsigned int n_taken;
enum act_outcome outcome_at_once = ACT_OUTCOME_N;

static void take_act(void *ctx, const struct act *act, uint64_t request)
{
	const struct control_result result = { true, outcome_at_once, 3, true, 0 };

	assert_ptr_equal(ctx, &taken);
	taken = *act;
	snprintf(taken_who, sizeof(taken_who), "%s", act->who);
	snprintf(taken_why, sizeof(taken_why), "%s", act->why);
	taken_request = request;
	n_taken++;
	if (outcome_at_once != ACT_OUTCOME_N)
		control_answer(control, request, &result);
}

int setup(void **state)
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
	is_paused = false;
	outcome_at_once = ACT_OUTCOME_N;
	return control_new(&options, &control, &error);
}

int teardown(void **state)
{
	(void)state;
	control = control_free(control);
	assert_int_equal(holds, 0);
	return rmdir(folder); /* the socket is gone */
}

/* One turn of the loop: waits for the server, or for `fd` (-1: none). */
void turn(int fd, short events)
{
	struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = control_fd(control), .events = POLLIN } };
	int ms = control_timeout_ms(control);

	poll(p, 2, ms < 0 || ms > 20 ? 20 : ms);
	control_run(control, now_ns, 1700000060);
}

int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void send_all(int fd, const char *data, size_t size)
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

void send_text(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
}

/* Reads up to the end of the connection, or to the end of one answer with a Content-Length. "" when nothing came. */
const char *receive(int fd)
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

void request(int fd, const char *method, const char *url, const char *body)
{
	char header[512];

	snprintf(header, sizeof(header), "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method, url, strlen(body));
	send_all(fd, header, strlen(header));
	send_all(fd, body, strlen(body));
}

void expect(const char *answer, const char *status, const char *part)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0 || !strstr(answer, part))
		fail_msg("%s\nwant %s and: %s", answer, status, part);
	assert_non_null(strstr(answer, "Sagpin-Version: 1.2.3\r\n"));
	assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
}

/* Asks once on a connection of its own. */
const char *ask(const char *method, const char *url, const char *body)
{
	int fd = dial();
	const char *answer;

	request(fd, method, url, body);
	answer = receive(fd);
	close(fd);
	return answer;
}

/* Sends an act and waits until it was taken. */
int begin_act(void)
{
	unsigned int before = n_taken;
	int fd = dial();

	request(fd, "POST", "/v1/acts", PAUSE);
	for (double end = now_s() + PATIENCE_S; n_taken == before && now_s() < end;)
		turn(-1, 0);
	assert_int_equal(n_taken, before + 1);
	return fd;
}

bool is_silent(int fd)
{
	char c;

	for (int i = 0; i < 3; i++)
		turn(-1, 0);
	return recv(fd, &c, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}
