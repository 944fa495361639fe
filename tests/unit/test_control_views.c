/* What the control socket shows: small looks, and those at a whole fleet in slices. */
#include "control_bed.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

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

static void expect_known(const char *act, const char *known)
{
	char body[256], next[256];
	const char *answer;

	snprintf(body, sizeof(body), "{%s,\"why\":\"x\"}", act);
	snprintf(next, sizeof(next), "\"next\":\"%s", known);
	answer = ask("POST", "/v1/acts", body);
	expect(answer, "404", "nothing fits what was named");
	expect(answer, "404", next);
	assert_true(strlen(strstr(answer, "\"next\":")) < 600);
}

/* Who names what there is not is told what there is. */
static void test_what_there_is(void **state)
{
	(void)state;
	outcome_at_once = ACT_NOT_FOUND;
	expect_known("\"act\":\"pause\",\"policy\":\"slow\"", "no policy is called \\\"slow\\\"; there are: nightly\"");
	expect_known("\"act\":\"hold\",\"instance\":\"x\",\"policy\":\"slow\"", "no policy is called");
	expect_known("\"act\":\"hold\",\"instance\":\"x\"", "check the spelling");
	expect_known("\"act\":\"hold\",\"instance\":\"x\",\"account\":\"dev\"", "no account is called \\\"dev\\\"; there are: prod\"");
	expect_known("\"act\":\"resume\",\"policy\":\"nightly\",\"version\":\"9\"", "policy nightly has no such rollout; it has: none now");
	n_rollouts = 4;
	expect_known("\"act\":\"pause\",\"policy\":\"nightly\",\"version\":\"9\"",
		     "policy nightly has no such rollout; it has: Device 1.1, Device 1.1, Device 1.1\"");
	expect_known("\"act\":\"approve\",\"policy\":\"nightly\",\"wave\":\"x\"",
		     "no wave of the policy that a rollout came to is called \\\"x\\\"; there are: none, since the policy has no waves\"");
	expect_known("\"act\":\"approve\",\"account\":\"prod\"", "what waits with approval: nothing\"");
	n_approvals = 2;
	expect_known("\"act\":\"approve\",\"account\":\"prod\"",
		     "what waits with approval: 57 targets of prod for Device 1.1, 58 targets of prod for Device 1.1\"");
	n_approvals = 1000;
	expect_known("\"act\":\"approve\",\"account\":\"prod\"", "what waits with approval: 57 targets of prod for Device 1.1, 58");
	assert_non_null(strstr(ask("POST", "/v1/acts", "{\"act\":\"approve\",\"account\":\"prod\",\"why\":\"x\"}"), "Device 1.1, …\""));
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
		TEST(test_status),
		TEST(test_rollouts),
		TEST(test_approvals),
		TEST(test_targets),
		TEST(test_what_there_is),
		TEST(test_large_fleet),
		TEST(test_walk_that_ends_early),
		TEST(test_snapshot),
		TEST(test_large_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
