/* The cloud's own upgrader, in the core: what is read when, what is set, and what is put back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "auto_upgrade_bed.h"
#include "core/internal.h"

/* ---- reads ---- */

static void test_reads_all_once_an_interval(void **state)
{
	size_t first_pass;

	(void)state;
	open_bed(10, &nightly, &report);
	run_for(10 * NS_PER_S);
	assert_int_equal(count(MARK_READ), 10);
	for (size_t i = 1; i < 10; i++) /* a quarter of ten calls a second */
		assert_true(bed.marks[i].at_ns - bed.marks[i - 1].at_ns >= 400 * NS_PER_MS);
	first_pass = bed.n_marks;
	run_for(INTERVAL);
	assert_in_range(count(MARK_READ), 19, 20);
	for (size_t i = first_pass; i < bed.n_marks; i++) {
		assert_int_equal(bed.marks[i].device, bed.marks[i - 10].device);
		if (i > first_pass)
			assert_true(bed.marks[i].at_ns - bed.marks[i - 1].at_ns >= INTERVAL / 10);
	}
	run_for(10 * INTERVAL);
	assert_in_range(count(MARK_READ), 118, 120);
	assert_int_equal(count(MARK_SET) + count(MARK_STORE), 0);
}

static void test_order_outlives_settings(void **state)
{
	unsigned int n[DEVICES] = { 0 };

	(void)state;
	open_bed(DEVICES, &nightly, &report);
	for (int i = 0; i < 24; i++) {
		run_for(HOUR);
		use(&report);
	}
	for (size_t i = 0; i < bed.n_marks; i++)
		n[bed.marks[i].device]++;
	for (unsigned int i = 0; i < DEVICES; i++)
		assert_in_range(n[i], 4, 5);
}

static void test_view(void **state)
{
	struct target_view v;

	(void)state;
	open_bed(2, &nightly, &ignore);
	assert_true(view(0, &v));
	assert_null(v.auto_upgrade);
	use(&report);
	run_for(10 * NS_PER_S);
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(view(i, &v));
		assert_non_null(v.auto_upgrade);
		assert_policy(v.auto_upgrade, "scheduled", "0 0 4 ? * 1", "Europe/Berlin", 90, 7);
	}
	bed.devices[1].policy = weekly;
	run_for(2 * INTERVAL);
	assert_true(view(0, &v));
	assert_policy(v.auto_upgrade, "scheduled", "0 0 4 ? * 1", "Europe/Berlin", 90, 7);
	assert_true(view(1, &v));
	assert_policy(v.auto_upgrade, "scheduled", "0 0 5 ? * 2", "Asia/Shanghai", 60, 0);
	assert_int_equal(count(MARK_TELL), 0); /* of the same type */
	strcpy(bed.devices[1].policy.upgrade_type, "boot");
	bed.is_read_failing = true;
	run_for(2 * INTERVAL);
	assert_true(view(1, &v));
	assert_string_equal(v.auto_upgrade->upgrade_type, "scheduled"); /* a failed read is no fact */
	bed.is_read_failing = false;
	run_for(2 * INTERVAL);
	assert_true(view(1, &v));
	assert_string_equal(v.auto_upgrade->upgrade_type, "boot");
	assert_true(is_told(AUTO_UPGRADE_CHANGED, "scheduled", "boot"));
	use(&ignore);
	assert_true(view(1, &v));
	assert_null(v.auto_upgrade);
	assert_int_equal(bed.r->auto_policy_map.n, 0);
	use(&report);
	run_for(HOUR);
	assert_int_equal(bed.r->auto_policy_map.n, 2);
	bed.devices[0].is_gone = bed.devices[1].is_gone = true;
	run_for(HOUR);
	assert_int_equal(bed.r->auto_policy_map.n, 0);
}

static void test_who_is_not_read(void **state)
{
	size_t n = 0;

	(void)state;
	open_bed(3, &nightly, &ignore);
	run_for(3 * INTERVAL);
	assert_int_equal(count(MARK_READ), 0);
	use(&unpinned);
	run_for(3 * INTERVAL);
	assert_int_equal(count(MARK_READ), 0);
	bed.devices[0].is_offline = true;
	run_for(HOUR);
	use(&report);
	run_for(3 * INTERVAL);
	for (size_t i = 0; i < bed.n_marks; i++)
		assert_int_not_equal(bed.marks[i].device, 0);
	bed.devices[0].is_offline = false;
	bed.n_marks = 0;
	run_for(HOUR);
	for (size_t i = 0; i < bed.n_marks; i++)
		n += bed.marks[i].device == 0;
	assert_int_equal(n, 1); /* at once */
}

static void test_one_at_a_time(void **state)
{
	(void)state;
	open_bed(5, &nightly, &ignore);
	bed.is_cloud_silent = true;
	use(&hold);
	run_for(DAY);
	assert_int_equal(count(MARK_READ), 1);
	bed.is_cloud_silent = false;
	step(&(struct event){ .kind = EVENT_AUTO_UPGRADE, .auto_upgrade.ticket = bed.silent_ticket + 1000 }); /* nobody's */
	run_for(HOUR);
	assert_int_equal(count(MARK_READ), 1);
	step(&(struct event){ .kind = EVENT_READ_FAILED, .failure.ticket = bed.silent_ticket });
	run_for(HOUR);
	assert_int_equal(count(MARK_SET), 5);
}

static void test_failing_reads_slow_down(void **state)
{
	(void)state;
	open_bed(5, &nightly, &report);
	bed.is_read_failing = true;
	run_for(INTERVAL);
	assert_in_range(count(MARK_READ), 15, 25); /* three tries each, then at the regular pace */
	bed.is_read_failing = false;
	run_for(2 * INTERVAL);
	assert_true(count(MARK_READ) < 45);
}

/* ---- hold ---- */

static void test_hold(void **state)
{
	size_t read = 0, stored = 0, set = 0, seen_again = 0;

	(void)state;
	open_bed(1, &nightly, &hold);
	run_for(60 * NS_PER_S);
	for (size_t i = 0; i < bed.n_marks; i++) {
		read = bed.marks[i].kind == MARK_READ && !read ? i + 1 : read;
		stored = bed.marks[i].kind == MARK_STORE && !stored ? i + 1 : stored;
		set = bed.marks[i].kind == MARK_SET ? i + 1 : set;
		seen_again = bed.marks[i].kind == MARK_READ ? i + 1 : seen_again;
	}
	assert_true(read > 0 && read < stored && stored < set && set < seen_again);
	assert_int_equal(count(MARK_STORE), 2); /* again when it was seen */
	assert_policy(&last(MARK_STORE)->policy, "scheduled", "0 0 4 ? * 1", "Europe/Berlin", 90, 7);
	assert_int_equal(count(MARK_SET), 1);
	assert_policy(&last(MARK_SET)->policy, "manual", "0 0 4 ? * 1", "Europe/Berlin", 90, 7);
	assert_true(is_told(AUTO_UPGRADE_HELD, "scheduled", "manual"));
	run_for(3 * DAY);
	assert_int_equal(count(MARK_SET), 1);
	assert_int_equal(count(MARK_STORE), 2);
	assert_int_equal(count(MARK_TELL), 1);
	assert_true(bed.is_kept[0]);
	assert_int_equal(bed.kept[0].number[REC_AUTO_HELD_SINCE], 1700000000 + last(MARK_SET)->at_ns / NS_PER_S);
	assert_string_equal(bed.kept[0].text[REC_AUTO_TEXT_INSTANCE], "sag-0");
}

static void test_what_is_manual_or_unknown_is_left_alone(void **state)
{
	static const struct auto_upgrade_policy off = { "manual", "", "", 0, 0 }, nothing = { 0 }, boot = { "boot", "", "", 0, 0 };

	(void)state;
	open_bed(3, &off, &hold);
	bed.devices[1].policy = nothing;
	bed.devices[2].policy = boot;
	run_for(3 * DAY);
	assert_int_equal(count(MARK_SET), 1);
	assert_int_equal(last(MARK_SET)->device, 2);
	assert_policy(&last(MARK_SET)->policy, "manual", "0 0 4 1/1 * ?", "Asia/Shanghai", 60, 0);
	assert_policy(&last(MARK_STORE)->policy, "boot", "", "", 0, 0);
	use(&report);
	run_for(60 * NS_PER_S);
	assert_policy(&last(MARK_SET)->policy, "boot", "0 0 4 1/1 * ?", "Asia/Shanghai", 60, 0);
	assert_int_equal(count(MARK_REMOVE), 1);
	assert_false(bed.is_kept[2]);
	assert_true(is_told(AUTO_UPGRADE_PUT_BACK, "manual", "boot"));
}

static void test_nothing_is_set_before_it_is_stored(void **state)
{
	(void)state;
	open_bed(2, &nightly, &ignore);
	bed.is_store_failing = true;
	use(&hold);
	run_for(2 * INTERVAL);
	assert_int_equal(count(MARK_SET), 0);
	assert_in_range(count(MARK_READ), 2, 8); /* that changes nothing by being read again */
	bed.is_store_failing = false;
	run_for(2 * HOUR);
	assert_int_equal(count(MARK_SET), 2);
	close_bed(NULL);
	open_bed(2, &nightly, &ignore);
	bed.is_store_silent = true;
	use(&hold);
	run_for(2 * INTERVAL);
	assert_int_equal(count(MARK_SET), 0);
	assert_in_range(count(MARK_READ), 2, 8);
	bed.is_store_silent = false;
	step(&(struct event){ .kind = EVENT_STORED, .stored.ticket = bed.store_ticket });
	run_for(2 * HOUR);
	assert_int_equal(count(MARK_SET), 2);
}

/* What was stored before it changed is not what will be put back. */
static void test_what_changes_while_it_is_stored(void **state)
{
	(void)state;
	open_bed(1, &nightly, &ignore);
	bed.is_store_silent = true;
	use(&hold);
	run_for(5 * NS_PER_S);
	use(&report); /* another wish: looked at anew */
	run_for(NS_PER_S);
	bed.devices[0].policy = weekly;
	use(&hold);
	run_for(5 * NS_PER_S);
	assert_int_equal(count(MARK_READ), 2);
	assert_int_equal(count(MARK_SET), 0);
	step(&(struct event){ .kind = EVENT_STORED, .stored.ticket = bed.store_ticket });
	run_for(5 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 0);
	bed.is_store_silent = false;
	step(&(struct event){ .kind = EVENT_STORED, .stored.ticket = bed.store_ticket });
	run_for(60 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 1);
	use(&unpinned);
	run_for(60 * NS_PER_S);
	assert_memory_equal(&bed.devices[0].policy, &weekly, sizeof(weekly));
}

/* What stands in the way, how it comes, and how it goes. */
static void stop_everything(bool is_on) { act(is_on ? ACT_PAUSE : ACT_RESUME, true, NULL, NULL); }
static void stop_policy(bool is_on) { act(is_on ? ACT_PAUSE : ACT_RESUME, false, "p", NULL); }
static void stop_target(bool is_on) { act(is_on ? ACT_HOLD : ACT_RELEASE, false, NULL, "s0"); }
static void stop_by_mode(bool is_on) { use(is_on ? &observe : &hold); }
static void stop_by_pin(bool is_on) { use(is_on ? &held_pin : &hold); }
static void stop_account(bool is_on) { step(&(struct event){ .kind = EVENT_ACCOUNT, .account = { 0, !is_on } }); }
static void stop_device(bool is_on)
{
	bed.devices[0].is_offline = is_on;
	run_for(601 * NS_PER_S);
}

static void (*const stops[])(bool) = { stop_everything, stop_policy, stop_target, stop_by_mode, stop_by_pin, stop_account, stop_device };

static void test_not_now_means_not_now(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		open_bed(1, &nightly, &ignore); /* seen, and not read */
		run_for(NS_PER_S);
		stops[i](true);
		if (stops[i] != stop_by_mode && stops[i] != stop_by_pin)
			use(&hold);
		run_for(DAY);
		if (count(MARK_SET) != 0)
			fail_msg("stop %zu did not stop", i);
		stops[i](false);
		run_for(60 * NS_PER_S); /* it does not wait for the end of its own pause */
		if (count(MARK_SET) != 1)
			fail_msg("after stop %zu it was set %zu times", i, count(MARK_SET));
		assert_true(is_told(AUTO_UPGRADE_HELD, "scheduled", "manual"));
		close_bed(NULL);
	}
}

static void test_nothing_is_put_back_meanwhile(void **state)
{
	static void (*const all[])(bool) = { stop_everything, stop_target, stop_account, stop_device };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		open_bed(1, &nightly, &hold);
		run_for(60 * NS_PER_S);
		all[i](true);
		use(&unpinned);
		run_for(DAY);
		if (count(MARK_SET) != 1 || !bed.is_kept[0])
			fail_msg("stop %zu did not stop", i);
		all[i](false);
		run_for(60 * NS_PER_S);
		if (count(MARK_SET) != 2 || bed.is_kept[0])
			fail_msg("after stop %zu it was not put back", i);
		assert_policy(&last(MARK_SET)->policy, "scheduled", "0 0 4 ? * 1", "Europe/Berlin", 90, 7);
		close_bed(NULL);
	}
}

static void test_observe_mode_stores_nothing(void **state)
{
	(void)state;
	open_bed(3, &nightly, &observe);
	run_for(3 * DAY);
	assert_int_equal(count(MARK_SET) + count(MARK_STORE), 0);
	assert_true(count(MARK_READ) >= 3);
	use(&hold);
	run_for(60 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 3);
	use(&observe);
	bed.devices[0].policy = weekly;
	run_for(3 * DAY);
	assert_int_equal(count(MARK_SET), 3);
	assert_true(is_told(AUTO_UPGRADE_CHANGED, "manual", "scheduled"));
	use(&observe_unpinned);
	run_for(3 * DAY);
	assert_int_equal(count(MARK_SET), 3);
	use(&unpinned);
	run_for(2 * HOUR);
	assert_int_equal(count(MARK_SET), 5); /* and one was set back by hand */
}

static void test_not_while_it_is_upgraded(void **state)
{
	struct target_view v;

	(void)state;
	open_bed(1, &nightly, &ignore);
	bed.devices[0].version = "1.0";
	bed.is_cloud_silent = true;
	use(&hold);
	run_for(601 * NS_PER_S);
	for (int i = 0; i < 100 && !(view(0, &v) && v.is_in_progress); i++) {
		act(ACT_APPROVE, false, NULL, NULL);
		step(&(struct event){ .kind = EVENT_ACT, .act = { .kind = ACT_APPROVE, .account = "prod", .version_type = "Device", .version = "2.0",
								 .count = 5, .who = "w", .why = "y" } });
		run_for(NS_PER_S);
	}
	assert_true(v.is_in_progress);
	bed.is_cloud_silent = false;
	step(&(struct event){ .kind = EVENT_READ_FAILED, .failure.ticket = bed.silent_ticket });
	run_for(60 * NS_PER_S);
	assert_true(count(MARK_STORE) == 1);
	while (view(0, &v) && v.is_in_progress) {
		assert_int_equal(count(MARK_SET), 0);
		run_for(NS_PER_S);
	}
	run_for(HOUR);
	assert_int_equal(count(MARK_SET), 1);
}

/* ---- put back, changed, refused ---- */

static void check_put_back(const struct settings *settings)
{
	open_bed(2, &nightly, &hold);
	bed.devices[1].policy = weekly;
	run_for(60 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 2);
	bed.n_marks = 0;
	use(settings);
	run_for(60 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 2);
	assert_int_equal(count(MARK_REMOVE), 2);
	assert_true(is_told(AUTO_UPGRADE_PUT_BACK, "manual", "scheduled"));
	assert_memory_equal(&bed.devices[0].policy, &nightly, sizeof(nightly));
	assert_memory_equal(&bed.devices[1].policy, &weekly, sizeof(weekly));
	for (size_t i = 0; i < bed.n_marks; i++) /* only once it was seen is it forgotten */
		if (bed.marks[i].kind == MARK_REMOVE)
			assert_true(i > 0 && bed.marks[i].device == last(MARK_REMOVE)->device ? count(MARK_READ) >= 2 : true);
	run_for(3 * DAY);
	assert_int_equal(count(MARK_SET), 2);
	close_bed(NULL);
}

static void test_put_back(void **state)
{
	(void)state;
	check_put_back(&unpinned);
	check_put_back(&report);
	check_put_back(&ignore);
	open_bed(1, &nightly, &hold);
	run_for(60 * NS_PER_S);
	use(&held_pin); /* the pin is there */
	run_for(3 * DAY);
	assert_int_equal(count(MARK_SET), 1);
}

static void test_who_knew_better_is_left_alone(void **state)
{
	(void)state;
	open_bed(1, &nightly, &hold);
	run_for(60 * NS_PER_S);
	bed.devices[0].policy = weekly;
	use(&report);
	run_for(60 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 1);
	assert_false(bed.is_kept[0]);
	assert_memory_equal(&bed.devices[0].policy, &weekly, sizeof(weekly));
}

static void test_set_back_by_hand(void **state)
{
	int64_t first_ns;

	(void)state;
	open_bed(1, &nightly, &hold);
	run_for(60 * NS_PER_S);
	first_ns = last(MARK_SET)->at_ns;
	bed.devices[0].policy = weekly;
	run_for(INTERVAL);
	assert_true(is_told(AUTO_UPGRADE_CHANGED, "manual", "scheduled"));
	assert_int_equal(count(MARK_SET), 1);
	assert_policy(&last(MARK_STORE)->policy, "scheduled", "0 0 5 ? * 2", "Asia/Shanghai", 60, 0); /* what will be put back */
	run_for(DAY);
	assert_int_equal(count(MARK_SET), 2);
	assert_true(last(MARK_SET)->at_ns - first_ns >= DAY);
	for (int i = 0; i < 5 * 24; i++) { /* again and again */
		if (strcmp(bed.devices[0].policy.upgrade_type, "manual") == 0)
			bed.devices[0].policy = nightly;
		run_for(HOUR);
	}
	assert_in_range(count(MARK_SET), 5, 7);
	use(&report);
	run_for(HOUR);
	assert_memory_equal(&bed.devices[0].policy, &nightly, sizeof(nightly));
}

static void test_refusals_back_off(void **state)
{
	int64_t before_ns = 0;
	size_t n = 0;

	(void)state;
	open_bed(1, &nightly, &hold);
	bed.is_cloud_refusing = true;
	run_for(DAY);
	for (size_t i = 0; i < bed.n_marks; i++) {
		if (bed.marks[i].kind != MARK_SET)
			continue;
		if (n > 0)
			assert_true(bed.marks[i].at_ns - before_ns >= (n < 7 ? 60 * NS_PER_S << (n - 1) : HOUR));
		before_ns = bed.marks[i].at_ns;
		n++;
	}
	assert_in_range(n, 24, 30);
	assert_int_equal(count(MARK_TELL), 1);
	assert_true(is_told(AUTO_UPGRADE_NOT_TAKEN, "scheduled", "manual"));
	bed.is_cloud_refusing = false;
	run_for(2 * HOUR);
	assert_true(is_told(AUTO_UPGRADE_HELD, "scheduled", "manual"));
	open_bed(1, &nightly, &hold);
	bed.is_cloud_lying = true;
	run_for(DAY);
	assert_in_range(count(MARK_SET), 24, 30);
	assert_true(is_told(AUTO_UPGRADE_NOT_TAKEN, "scheduled", "manual"));
}

/* ---- lives ---- */

static void test_restart(void **state)
{
	(void)state;
	open_bed(2, &nightly, &hold);
	bed.is_cloud_refusing = true; /* the store has it, the cloud has not */
	run_for(30 * NS_PER_S);
	bed.is_cloud_refusing = false;
	bed.n_marks = 0;
	begin(&hold);
	run_for(60 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 2);
	assert_int_equal(count(MARK_STORE), 2);
	assert_true(is_told(AUTO_UPGRADE_HELD, "scheduled", "manual"));
	bed.n_marks = 0;
	begin(&hold);
	run_for(DAY);
	assert_int_equal(count(MARK_SET) + count(MARK_STORE) + count(MARK_REMOVE) + count(MARK_TELL), 0);
	begin(&unpinned);
	run_for(60 * NS_PER_S);
	assert_int_equal(count(MARK_SET), 2);
	assert_int_equal(count(MARK_REMOVE), 2);
	assert_memory_equal(&bed.devices[0].policy, &nightly, sizeof(nightly));
	bed.n_marks = 0;
	begin(&unpinned);
	run_for(DAY);
	assert_int_equal(bed.n_marks, 0);
}

static void test_once_a_day_over_restarts(void **state)
{
	(void)state;
	open_bed(1, &nightly, &hold);
	run_for(60 * NS_PER_S);
	for (int i = 0; i < 40; i++) {
		if (strcmp(bed.devices[0].policy.upgrade_type, "manual") == 0)
			bed.devices[0].policy = i % 2 ? nightly : weekly;
		begin(&hold);
		run_for(HOUR);
	}
	assert_in_range(count(MARK_SET), 2, 3);
}

static void test_a_hold_outlives_its_target(void **state)
{
	(void)state;
	open_bed(2, &nightly, &hold);
	run_for(60 * NS_PER_S);
	bed.devices[0].is_gone = true;
	run_for(DAY);
	use(&report);
	run_for(DAY);
	assert_true(bed.is_kept[0] && !bed.is_kept[1]);
	bed.devices[0].is_gone = false;
	run_for(HOUR);
	assert_memory_equal(&bed.devices[0].policy, &nightly, sizeof(nightly));
	assert_false(bed.is_kept[0]);
	use(&hold);
	run_for(HOUR);
	bed.devices[0].is_gone = true;
	run_for(29 * DAY);
	assert_true(bed.is_kept[0]);
	run_for(4 * DAY);
	assert_false(bed.is_kept[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_reads_all_once_an_interval, close_bed),
		cmocka_unit_test_teardown(test_order_outlives_settings, close_bed),
		cmocka_unit_test_teardown(test_view, close_bed),
		cmocka_unit_test_teardown(test_who_is_not_read, close_bed),
		cmocka_unit_test_teardown(test_one_at_a_time, close_bed),
		cmocka_unit_test_teardown(test_failing_reads_slow_down, close_bed),
		cmocka_unit_test_teardown(test_hold, close_bed),
		cmocka_unit_test_teardown(test_what_is_manual_or_unknown_is_left_alone, close_bed),
		cmocka_unit_test_teardown(test_nothing_is_set_before_it_is_stored, close_bed),
		cmocka_unit_test_teardown(test_what_changes_while_it_is_stored, close_bed),
		cmocka_unit_test_teardown(test_not_now_means_not_now, close_bed),
		cmocka_unit_test_teardown(test_nothing_is_put_back_meanwhile, close_bed),
		cmocka_unit_test_teardown(test_observe_mode_stores_nothing, close_bed),
		cmocka_unit_test_teardown(test_not_while_it_is_upgraded, close_bed),
		cmocka_unit_test_teardown(test_put_back, close_bed),
		cmocka_unit_test_teardown(test_who_knew_better_is_left_alone, close_bed),
		cmocka_unit_test_teardown(test_set_back_by_hand, close_bed),
		cmocka_unit_test_teardown(test_refusals_back_off, close_bed),
		cmocka_unit_test_teardown(test_restart, close_bed),
		cmocka_unit_test_teardown(test_once_a_day_over_restarts, close_bed),
		cmocka_unit_test_teardown(test_a_hold_outlives_its_target, close_bed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
