/*
 * The cloud's own upgrader, in the core: what is read when, what is set, and what is put back.
 *
 * A bed of devices that all run what is wanted (but where said) in virtual time; every action is answered at once, from
 * a cloud that is an array of policies. What was asked is counted and kept, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/reconcile.h"

#define DEVICES 12
#define HOUR (3600 * NS_PER_S)
#define DAY (24 * HOUR)
#define INTERVAL (6 * HOUR)
#define MARKS 4096

static const struct auto_upgrade_policy nightly = { "scheduled", "0 0 4 ? * 1", "Europe/Berlin", 90, 7 };
static const struct auto_upgrade_policy weekly = { "scheduled", "0 0 5 ? * 2", "Asia/Shanghai", 60, 0 };

static const struct scope scopes[] = {
	{ .account = "prod", .region_id = "cn", .poll_interval_ns = 600 * NS_PER_S, .dpi_poll_interval_ns = HOUR, .calls_per_second = 10.0,
	  .auto_upgrade_interval_ns = INTERVAL, .blast_radius = 1.0 },
};

#define POLICY(auto_) \
	{ .name = "p", .is_always_open = true, .max_in_flight = { .count = 1 }, .max_starts_per_hour = 100, .deadline_ns = 600 * NS_PER_S, \
	  .retry = { .attempts = 1, .first_ns = 60 * NS_PER_S, .max_ns = HOUR }, .verify = { .vpn = true }, .auto_upgrade = (auto_) }
static const struct policy policies[AUTO_UPGRADE_N] = {
	[AUTO_UPGRADE_REPORT] = POLICY(AUTO_UPGRADE_REPORT),
	[AUTO_UPGRADE_HOLD] = POLICY(AUTO_UPGRADE_HOLD),
	[AUTO_UPGRADE_IGNORE] = POLICY(AUTO_UPGRADE_IGNORE),
};
static const struct pin pins[] = {
	{ .name = "all", .match = { .glob = { [SELECTOR_ID] = "*" } }, .version = { "2.0" } },
	{ .name = "all", .match = { .glob = { [SELECTOR_ID] = "*" } }, .version = { "2.0" }, .is_held = true },
};
#define SETTINGS(enforcing_, auto_, pins_, n_pins_) \
	{ .is_enforcing = (enforcing_), .max_in_flight = 5, .scopes = scopes, .n_scopes = 1, .policies = &policies[auto_], .n_policies = 1, \
	  .pins = (pins_), .n_pins = (n_pins_) }
static const struct settings hold = SETTINGS(true, AUTO_UPGRADE_HOLD, pins, 1), observe = SETTINGS(false, AUTO_UPGRADE_HOLD, pins, 1),
			     report = SETTINGS(true, AUTO_UPGRADE_REPORT, pins, 1), ignore = SETTINGS(true, AUTO_UPGRADE_IGNORE, pins, 1),
			     unpinned = SETTINGS(true, AUTO_UPGRADE_HOLD, NULL, 0), held_pin = SETTINGS(true, AUTO_UPGRADE_HOLD, pins + 1, 1);

/* ---- the bed ---- */

struct device {
	char id[16], serial[16];
	const char *version;
	bool is_offline, is_gone;
	struct auto_upgrade_policy policy;
};

enum mark_kind { MARK_READ, MARK_SET, MARK_STORE, MARK_REMOVE, MARK_TELL };
struct mark { /* something that the core asked for or told */
	enum mark_kind kind;
	int64_t at_ns;
	unsigned int device;
	enum auto_upgrade_change change;
	struct auto_upgrade_policy policy; /* SET, STORE */
	char from[LIMIT_UPGRADE_TYPE + 1], to[LIMIT_UPGRADE_TYPE + 1];
};

static struct bed {
	struct reconcile *r;
	int64_t now_ns;
	int64_t wall_offset_s;
	struct device devices[DEVICES];
	unsigned int n;
	struct mark marks[MARKS];
	size_t n_marks;
	struct event queue[64];
	size_t n_queue;
	struct record kept[DEVICES]; /* the store: of each device */
	char kept_text[DEVICES][REC_AUTO_TEXTS][160];
	bool is_kept[DEVICES];
	bool is_store_failing, is_store_silent, is_cloud_refusing, is_cloud_lying, is_read_failing, is_cloud_silent, is_upgrade_stuck;
	uint64_t silent_ticket;
} bed;

static struct auto_upgrade_policy answers[64];

static unsigned int device_of(const char *serial)
{
	for (unsigned int i = 0; i < bed.n; i++)
		if (strcmp(bed.devices[i].serial, serial) == 0)
			return i;
	fail_msg("nobody has the serial number %s", serial);
	return 0;
}

static struct mark *mark(enum mark_kind kind, unsigned int device)
{
	assert_true(bed.n_marks < MARKS);
	bed.marks[bed.n_marks] = (struct mark){ .kind = kind, .at_ns = bed.now_ns, .device = device };
	return &bed.marks[bed.n_marks++];
}

static size_t count(enum mark_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < bed.n_marks; i++)
		n += bed.marks[i].kind == kind;
	return n;
}

/* The last of its kind. */
static const struct mark *last(enum mark_kind kind)
{
	for (size_t i = bed.n_marks; i-- > 0;)
		if (bed.marks[i].kind == kind)
			return &bed.marks[i];
	fail_msg("there is no mark %d", (int)kind);
	return &bed.marks[0];
}

static bool is_told(enum auto_upgrade_change change, const char *from, const char *to)
{
	for (size_t i = 0; i < bed.n_marks; i++)
		if (bed.marks[i].kind == MARK_TELL && bed.marks[i].change == change && strcmp(bed.marks[i].from, from) == 0 &&
		    strcmp(bed.marks[i].to, to) == 0)
			return true;
	return false;
}

static struct event *later(enum event_kind kind)
{
	assert_true(bed.n_queue < sizeof(bed.queue) / sizeof(bed.queue[0]));
	bed.queue[bed.n_queue] = (struct event){ .kind = kind };
	return &bed.queue[bed.n_queue++];
}

static void see_device(unsigned int i, struct observation *o)
{
	const struct device *d = &bed.devices[i];

	*o = (struct observation){ .instance_id = d->id, .has_attributes = true, .name = "n", .model = "sag-1000", .resource_group = "", .ccn = "ccn-1",
				   .city = "", .status_text = "Active", .is_status_known = true,
				   .status = d->is_offline ? STATUS_OFFLINE : STATUS_ACTIVE, .n_devices = 1 };
	o->devices[0] = (struct device_observation){ .serial_number = d->serial, .version = d->version, .dpi_version = "", .status = o->status,
						     .controller = HEALTH_NORMAL, .vpn = HEALTH_NORMAL };
}

static struct observation seen[DEVICES];

static void do_list(void)
{
	struct event *ev = later(EVENT_LISTED);

	ev->read.read_ns = bed.now_ns;
	ev->read.observations = seen;
	for (unsigned int i = 0; i < bed.n; i++)
		if (!bed.devices[i].is_gone)
			see_device(i, &seen[ev->read.n++]);
	ev = later(EVENT_LISTING_ENDED);
	ev->listing.is_complete = true;
	ev->listing.started_ns = bed.now_ns;
}

static unsigned int target_device(const struct action *a)
{
	struct target_view v;

	assert_true(reconcile_target(bed.r, a->target, &v));
	return device_of(v.serial_number);
}

static void do_read(const struct action *a)
{
	static struct observation fresh;
	struct event *ev;
	unsigned int i;

	if (a->purpose == READ_AUTO_UPGRADE) {
		i = target_device(a);
		mark(MARK_READ, i);
		bed.silent_ticket = a->ticket;
		if (bed.is_cloud_silent)
			return;
		ev = later(EVENT_AUTO_UPGRADE);
		ev->auto_upgrade.ticket = a->ticket;
		ev->auto_upgrade.is_known = !bed.is_read_failing;
		answers[bed.n_queue] = bed.devices[i].policy;
		ev->auto_upgrade.policy = &answers[bed.n_queue];
	} else if (a->purpose == READ_FRESH || a->purpose == READ_VERIFY) {
		see_device(target_device(a), &fresh);
		ev = later(EVENT_FRESH);
		ev->read.ticket = a->ticket;
		ev->read.read_ns = bed.now_ns;
		ev->read.observations = &fresh;
		ev->read.n = 1;
	} else {
		later(EVENT_READ_FAILED)->failure.ticket = a->ticket;
	}
}

static void do_set(const struct action *a)
{
	unsigned int i = target_device(a);
	struct event *ev;

	mark(MARK_SET, i)->policy = *a->auto_upgrade;
	assert_true(a->not_after_ns >= bed.now_ns);
	bed.silent_ticket = a->ticket;
	if (bed.is_cloud_silent)
		return;
	ev = later(EVENT_AUTO_UPGRADE_SET);
	ev->auto_upgrade_set.ticket = a->ticket;
	ev->auto_upgrade_set.is_done = !bed.is_cloud_refusing;
	if (!bed.is_cloud_refusing && !bed.is_cloud_lying)
		bed.devices[i].policy = *a->auto_upgrade;
}

static void keep(const struct record *rec)
{
	unsigned int i = device_of(rec->text[REC_AUTO_TEXT_SERIAL]);

	bed.is_kept[i] = !rec->is_removed;
	bed.kept[i] = *rec;
	for (unsigned int k = 0; k < REC_AUTO_TEXTS && !rec->is_removed; k++) {
		snprintf(bed.kept_text[i][k], sizeof(bed.kept_text[i][k]), "%s", rec->text[k]);
		bed.kept[i].text[k] = bed.kept_text[i][k];
	}
}

static void do_store(const struct action *a)
{
	if (bed.is_store_silent) {
		bed.silent_ticket = a->ticket;
		return;
	}
	for (size_t i = 0; i < a->n_records && !bed.is_store_failing; i++) {
		const struct record *rec = &a->records[i];
		struct mark *m;

		if (rec->kind != RECORD_AUTO_UPGRADE)
			continue;
		m = mark(rec->is_removed ? MARK_REMOVE : MARK_STORE, device_of(rec->text[REC_AUTO_TEXT_SERIAL]));
		keep(rec);
		if (rec->is_removed)
			continue;
		snprintf(m->policy.upgrade_type, sizeof(m->policy.upgrade_type), "%s", rec->text[REC_AUTO_TEXT_TYPE]);
		snprintf(m->policy.cron, sizeof(m->policy.cron), "%s", rec->text[REC_AUTO_TEXT_CRON]);
		snprintf(m->policy.time_zone, sizeof(m->policy.time_zone), "%s", rec->text[REC_AUTO_TEXT_ZONE]);
		m->policy.duration_min = (uint32_t)rec->number[REC_AUTO_DURATION_MIN];
		m->policy.jitter_min = (uint32_t)rec->number[REC_AUTO_JITTER_MIN];
	}
	later(bed.is_store_failing ? EVENT_STORE_FAILED : EVENT_STORED)->stored.ticket = a->ticket;
}

static void do_upgrade(const struct action *a)
{
	struct event *ev = later(EVENT_CALLED);

	ev->called.intent = a->intent;
	ev->called.outcome = CALL_ACCEPTED;
	ev->called.sent_ns = bed.now_ns;
}

static void do_tell(const struct action *a)
{
	struct mark *m = mark(MARK_TELL, target_device(a));
	char line[256];

	m->change = a->auto_upgrade_change;
	snprintf(m->from, sizeof(m->from), "%s", a->from);
	snprintf(m->to, sizeof(m->to), "%s", a->to);
	reconcile_trace(bed.r, a, line, sizeof(line));
	assert_non_null(strstr(line, auto_upgrade_change_names[a->auto_upgrade_change]));
}

static void do_action(const struct action *a)
{
	if (a->kind == ACTION_LIST)
		do_list();
	else if (a->kind == ACTION_READ)
		do_read(a);
	else if (a->kind == ACTION_SET_AUTO_UPGRADE)
		do_set(a);
	else if (a->kind == ACTION_STORE)
		do_store(a);
	else if (a->kind == ACTION_UPGRADE)
		do_upgrade(a);
	else if (a->kind == ACTION_TELL_AUTO_UPGRADE)
		do_tell(a);
	else if (a->kind == ACTION_FOLLOW) /* nothing is seen of it: until the deadline */
		later(EVENT_READ_FAILED)->failure.ticket = a->ticket;
}

static void step_one(const struct event *told)
{
	struct event ev = *told;
	struct plan plan;

	ev.now_ns = bed.now_ns;
	ev.wall_s = 1700000000 + bed.wall_offset_s + bed.now_ns / NS_PER_S;
	assert_int_equal(reconcile_step(bed.r, &ev, &plan), 0);
	assert_true(reconcile_deadline_ns(bed.r) > bed.now_ns); /* rule 10 */
	for (size_t i = 0; i < plan.n_actions; i++)
		do_action(&plan.actions[i]);
}

/* The event, then what came of it. */
static void step(const struct event *ev)
{
	step_one(ev);
	while (bed.n_queue > 0) {
		struct event first = bed.queue[0];

		memmove(bed.queue, bed.queue + 1, --bed.n_queue * sizeof(bed.queue[0]));
		if (first.kind == EVENT_AUTO_UPGRADE && first.auto_upgrade.policy) {
			struct auto_upgrade_policy copy = *first.auto_upgrade.policy; /* gone after the step */

			first.auto_upgrade.policy = &copy;
			step_one(&first);
			memset(&copy, 'x', sizeof(copy));
			continue;
		}
		step_one(&first);
	}
}

static void run_for(int64_t ns)
{
	int64_t until_ns = bed.now_ns + ns;

	while (reconcile_deadline_ns(bed.r) <= until_ns) {
		bed.now_ns = reconcile_deadline_ns(bed.r);
		step(&(struct event){ .kind = EVENT_TICK });
	}
	bed.now_ns = until_ns;
}

static void use(const struct settings *settings)
{
	step(&(struct event){ .kind = EVENT_SETTINGS, .settings = settings });
}

/* A core that begins with what is kept; the bed's clock goes on. */
static void begin(const struct settings *settings)
{
	struct record records[DEVICES + 1];
	struct event ev = { .kind = EVENT_RESTORED };
	size_t n = 0;

	reconcile_free(bed.r);
	bed.n_queue = 0;
	assert_int_equal(reconcile_new(1, &bed.r), 0);
	step_one(&(struct event){ .kind = EVENT_SETTINGS, .settings = settings });
	records[n] = (struct record){ .kind = RECORD_SCOPE };
	records[n].text[REC_SCOPE_TEXT_ACCOUNT] = "prod";
	records[n++].text[REC_SCOPE_TEXT_REGION] = "cn";
	for (unsigned int i = 0; i < bed.n; i++)
		if (bed.is_kept[i])
			records[n++] = bed.kept[i];
	ev.restored.records = records;
	ev.restored.n = n;
	step_one(&ev);
	step(&(struct event){ .kind = EVENT_RESTORE_ENDED });
}

static void open_bed(unsigned int n, const struct auto_upgrade_policy *policy, const struct settings *settings)
{
	memset(&bed, 0, sizeof(bed));
	bed.now_ns = 1000 * NS_PER_S;
	bed.n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct device *d = &bed.devices[i];

		snprintf(d->id, sizeof(d->id), "sag-%u", i);
		snprintf(d->serial, sizeof(d->serial), "s%u", i);
		d->version = "2.0";
		d->policy = *policy;
	}
	begin(settings);
}

static int close_bed(void **state)
{
	(void)state;
	bed.r = reconcile_free(bed.r);
	return 0;
}

static void assert_policy(const struct auto_upgrade_policy *p, const char *type, const char *cron, const char *zone, uint32_t duration, uint32_t jitter)
{
	assert_string_equal(p->upgrade_type, type);
	assert_string_equal(p->cron, cron);
	assert_string_equal(p->time_zone, zone);
	assert_int_equal(p->duration_min, duration);
	assert_int_equal(p->jitter_min, jitter);
}

static bool view(unsigned int device, struct target_view *v)
{
	for (uint32_t slot = 0; slot < reconcile_target_slots(bed.r); slot++)
		if (reconcile_target(bed.r, slot, v) && device_of(v->serial_number) == device)
			return true;
	return false;
}

static void act(enum act_kind kind, bool is_all, const char *policy, const char *serial)
{
	step(&(struct event){ .kind = EVENT_ACT, .act = { .kind = kind, .is_all = is_all, .policy = policy, .serial_number = serial, .who = "w", .why = "y" } });
}

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
	run_for(2 * HOUR);
	assert_int_equal(count(MARK_SET), 0);
	bed.is_store_failing = false;
	run_for(2 * HOUR);
	assert_int_equal(count(MARK_SET), 2);
	close_bed(NULL);
	open_bed(2, &nightly, &ignore);
	bed.is_store_silent = true;
	use(&hold);
	run_for(2 * HOUR);
	assert_int_equal(count(MARK_SET), 0);
	bed.is_store_silent = false;
	step(&(struct event){ .kind = EVENT_STORED, .stored.ticket = bed.silent_ticket });
	run_for(2 * HOUR);
	assert_int_equal(count(MARK_SET), 2);
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
		run_for(HOUR + 600 * NS_PER_S);
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
		run_for(HOUR + 600 * NS_PER_S);
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
