/* See auto_upgrade_bed.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auto_upgrade_bed.h"

const struct auto_upgrade_policy nightly = { "scheduled", "0 0 4 ? * 1", "Europe/Berlin", 90, 7 };
const struct auto_upgrade_policy weekly = { "scheduled", "0 0 5 ? * 2", "Asia/Shanghai", 60, 0 };

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
const struct settings hold = SETTINGS(true, AUTO_UPGRADE_HOLD, pins, 1), observe = SETTINGS(false, AUTO_UPGRADE_HOLD, pins, 1),
			     report = SETTINGS(true, AUTO_UPGRADE_REPORT, pins, 1), ignore = SETTINGS(true, AUTO_UPGRADE_IGNORE, pins, 1),
			     unpinned = SETTINGS(true, AUTO_UPGRADE_HOLD, NULL, 0),
			     observe_unpinned = SETTINGS(false, AUTO_UPGRADE_HOLD, NULL, 0), held_pin = SETTINGS(true, AUTO_UPGRADE_HOLD, pins + 1, 1);

/* ---- the bed ---- */

struct bed bed;

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

size_t count(enum mark_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < bed.n_marks; i++)
		n += bed.marks[i].kind == kind;
	return n;
}

/* The last of its kind. */
const struct mark *last(enum mark_kind kind)
{
	for (size_t i = bed.n_marks; i-- > 0;)
		if (bed.marks[i].kind == kind)
			return &bed.marks[i];
	fail_msg("there is no mark %d", (int)kind);
	return &bed.marks[0];
}

bool is_told(enum auto_upgrade_change change, const char *from, const char *to)
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
	const struct bed_device *d = &bed.devices[i];

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
		bed.store_ticket = a->ticket;
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
void step(const struct event *ev)
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

void run_for(int64_t ns)
{
	int64_t until_ns = bed.now_ns + ns;

	while (reconcile_deadline_ns(bed.r) <= until_ns) {
		bed.now_ns = reconcile_deadline_ns(bed.r);
		step(&(struct event){ .kind = EVENT_TICK });
	}
	bed.now_ns = until_ns;
}

void use(const struct settings *settings)
{
	step(&(struct event){ .kind = EVENT_SETTINGS, .settings = settings });
}

/* A core that begins with what is kept; the bed's clock goes on. */
void begin(const struct settings *settings)
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

void open_bed(unsigned int n, const struct auto_upgrade_policy *policy, const struct settings *settings)
{
	reconcile_free(bed.r);
	memset(&bed, 0, sizeof(bed));
	bed.now_ns = 1000 * NS_PER_S;
	bed.n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct bed_device *d = &bed.devices[i];

		snprintf(d->id, sizeof(d->id), "sag-%u", i);
		snprintf(d->serial, sizeof(d->serial), "s%u", i);
		d->version = "2.0";
		d->policy = *policy;
	}
	begin(settings);
}

int close_bed(void **state)
{
	(void)state;
	bed.r = reconcile_free(bed.r);
	return 0;
}

void assert_policy(const struct auto_upgrade_policy *p, const char *type, const char *cron, const char *zone, uint32_t duration, uint32_t jitter)
{
	assert_string_equal(p->upgrade_type, type);
	assert_string_equal(p->cron, cron);
	assert_string_equal(p->time_zone, zone);
	assert_int_equal(p->duration_min, duration);
	assert_int_equal(p->jitter_min, jitter);
}

bool view(unsigned int device, struct target_view *v)
{
	for (uint32_t slot = 0; slot < reconcile_target_slots(bed.r); slot++)
		if (reconcile_target(bed.r, slot, v) && device_of(v->serial_number) == device)
			return true;
	return false;
}

void act(enum act_kind kind, bool is_all, const char *policy, const char *serial)
{
	step(&(struct event){ .kind = EVENT_ACT, .act = { .kind = kind, .is_all = is_all, .policy = policy, .serial_number = serial, .who = "w", .why = "y" } });
}
