/* The forecast: small fleets whose plan can be worked out by hand. */
#include "plan/forecast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MINUTE 60
#define HOUR 3600
#define DAY 86400
#define NOW_S INT64_C(1790000000)
#define NOW_NS (INT64_C(5000) * NS_PER_S)

/* A configuration and a fleet that tests change before they look ahead. */
struct bed {
	struct settings settings;
	struct scope scope;
	struct policy policies[2];
	struct wave waves[3];
	struct pin pins[3];
	const char *via[2];
	struct forecast_calendar calendars[2];
	struct picture fleet;
	struct forecast out;
	uint64_t steps_max;
	int64_t horizon_s;
};

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->scope = (struct scope){ .account = "a", .region_id = "cn-x", .poll_interval_ns = 60 * NS_PER_S, .dpi_poll_interval_ns = HOUR * NS_PER_S,
				   .catalogue_interval_ns = HOUR * NS_PER_S, .calls_per_second = 10, .blast_radius = 0.1 };
	b->policies[0] = (struct policy){
		.name = "slow", .is_always_open = true, .upgrade_takes_ns = 10 * MINUTE * NS_PER_S,
		.max_in_flight = { .count = 100 }, .max_starts_per_hour = 1000, .max_in_flight_per_site = 1,
		.deadline_ns = 30 * MINUTE * NS_PER_S, .retry = { 3, 60 * NS_PER_S, 600 * NS_PER_S }, .verify.soak_ns = 5 * MINUTE * NS_PER_S,
	};
	b->policies[1] = b->policies[0];
	b->policies[1].name = "other";
	b->pins[0] = (struct pin){ .name = "all", .version = { "2.0.0", NULL }, .policy = { 0, POLICY_NONE } };
	b->settings = (struct settings){ .is_enforcing = true, .max_in_flight = 100, .scopes = &b->scope, .n_scopes = 1,
					 .policies = b->policies, .n_policies = 2, .pins = b->pins, .n_pins = 1 };
	picture_init(&b->fleet);
	b->fleet.now_ns = NOW_NS;
	b->fleet.wall_s = NOW_S;
	b->horizon_s = 14 * DAY;
	assert_int_equal(picture_add_scope(&b->fleet, &(struct picture_scope){ "a", "cn-x", true }), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	forecast_deinit(&b->out);
	picture_deinit(&b->fleet);
	free(b);
	return 0;
}

/* ---- the fleet ---- */

static struct observation *add(struct bed *b, const char *id, const char *version, unsigned int n_devices)
{
	char serials[2][80];
	struct observation o = { .instance_id = id, .has_attributes = true, .name = id, .model = "sag-1000", .resource_group = "", .ccn = "ccn-1",
				 .city = "", .status_text = "Active", .is_status_known = true, .status = STATUS_ACTIVE, .n_devices = n_devices };

	for (unsigned int k = 0; k < n_devices; k++) {
		snprintf(serials[k], sizeof(serials[k]), "%s-%u", id, k);
		o.devices[k] = (struct device_observation){ .serial_number = serials[k], .version = version, .dpi_version = "", .status = STATUS_ACTIVE };
	}
	assert_int_equal(picture_add_instance(&b->fleet, 0, &o), 0);
	return &b->fleet.instances[b->fleet.n_instances - 1];
}

static void add_many(struct bed *b, unsigned int n, const char *version)
{
	char id[32];

	for (unsigned int i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "sag-%05u", i);
		add(b, id, version, 1);
	}
}

static void add_record(struct bed *b, const struct record *rec)
{
	assert_int_equal(picture_add_record(&b->fleet, rec), 0);
}

static void settle(struct bed *b)
{
	add_record(b, &(struct record){ .kind = RECORD_SCOPE, .text = { "a", "cn-x" } });
}

/* An operator said yes to that version for all. */
static void approve(struct bed *b, const char *version)
{
	for (uint32_t i = 0; i < b->fleet.n_instances; i++)
		for (unsigned int k = 0; k < b->fleet.instances[i].n_devices; k++) {
			struct record rec = { .kind = RECORD_TARGET };

			for (unsigned int t = 0; t < REC_TARGET_TEXTS; t++)
				rec.text[t] = "";
			rec.text[REC_TARGET_TEXT_SERIAL] = b->fleet.instances[i].devices[k].serial_number;
			rec.text[REC_TARGET_TEXT_APPROVED] = version;
			rec.number[REC_TARGET_LEFT] = rec.number[REC_TARGET_APPROVED_AT] = rec.number[REC_TARGET_WAIT_UNTIL] = INT64_MIN;
			rec.number[REC_TARGET_CHANGED_1] = rec.number[REC_TARGET_CHANGED_2] = rec.number[REC_TARGET_CHANGED_3] = INT64_MIN;
			add_record(b, &rec);
		}
}

static const struct forecast *look(struct bed *b)
{
	const struct forecast_options options = { .settings = &b->settings, .calendars = b->calendars, .fleet = &b->fleet, .horizon_s = b->horizon_s,
						  .steps_max = b->steps_max };

	picture_sort(&b->fleet);
	forecast_deinit(&b->out);
	assert_int_equal(forecast_run(&options, &b->out), 0);
	return &b->out;
}

static const struct forecast_row *row_of(const struct bed *b, const char *serial, enum version_type type)
{
	for (size_t i = 0; i < b->out.n_rows; i++)
		if (strcmp(b->out.rows[i].serial_number, serial) == 0 && b->out.rows[i].version_type == type)
			return &b->out.rows[i];
	fail_msg("no row for %s", serial);
	abort(); // what fail_msg() does not tell the compiler
}

/* Seconds from now on until it starts. */
static int64_t start_of(const struct bed *b, const char *serial)
{
	const struct forecast_row *row = row_of(b, serial, VERSION_TYPE_DEVICE);

	assert_int_equal(row->action, FORECAST_UPGRADE);
	return row->start_s - NOW_S;
}

#define assert_about(value, wanted, slack)                                                                                                  \
	do {                                                                                                                                 \
		int64_t is_ = (value), at_ = (wanted);                                                                                       \
		if (is_ < at_ || is_ > at_ + (slack))                                                                                        \
			fail_msg("%s is %lld, not %lld to %lld", #value, (long long)is_, (long long)at_, (long long)(at_ + (slack)));          \
	} while (0)

/* ---- tests ---- */

static void test_nothing_to_do(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "2.0.0", 1);
	add(b, "sag-2", "2.1.0", 1);
	look(b);
	assert_int_equal(b->out.counts[FORECAST_NOTHING], 2);
	assert_false(forecast_has_changes(&b->out));
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->phase, PHASE_IN_SYNC);
	assert_int_equal(row_of(b, "sag-2-0", VERSION_TYPE_DEVICE)->phase, PHASE_AHEAD);
}

static void test_starts_now(void **state)
{
	struct bed *b = *state;
	const struct forecast_row *row;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	look(b);
	assert_true(forecast_has_changes(&b->out));
	assert_about(start_of(b, "sag-1-0"), 0, 1);
	row = row_of(b, "sag-1-0", VERSION_TYPE_DEVICE);
	assert_string_equal(row->from, "1.0.0");
	assert_string_equal(row->to, "2.0.0");
	assert_int_equal(row->n_calls, 1);
	assert_string_equal(b->out.calls[row->first_call].to, "2.0.0");
	assert_int_equal(row->reason, REASON_NONE);
	assert_about(row->done_s - NOW_S, 15 * MINUTE, MINUTE); /* ten to upgrade, five of soak */
}

/* An upgrade that takes longer than its deadline would only fail: that is not planned. */
static void test_takes_and_deadline(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->policies[0].upgrade_takes_ns = 25 * MINUTE * NS_PER_S;
	look(b);
	assert_about(b->out.rows[0].done_s - NOW_S, 30 * MINUTE, MINUTE);
	b->policies[0].upgrade_takes_ns = HOUR * NS_PER_S;
	look(b);
	assert_about(b->out.rows[0].done_s - NOW_S, 32 * MINUTE, MINUTE);
}

static void test_settles_without_state(void **state)
{
	struct bed *b = *state;

	add(b, "sag-1", "1.0.0", 1);
	b->fleet.is_first_life = true;
	look(b);
	assert_about(start_of(b, "sag-1-0"), 30 * MINUTE, MINUTE);
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->reason, REASON_SETTLING);
}

/* Two canaries by name, then half, then the rest; an hour of soak between them. */
static void test_waves_and_soak(void **state)
{
	struct bed *b = *state;
	int64_t second = 0, last = 0;

	settle(b);
	add_many(b, 20, "1.0.0");
	approve(b, "2.0.0");
	b->waves[0] = (struct wave){ .name = "canary", .is_match = true, .match.glob[SELECTOR_ID] = "sag-0000[01]", .success = 1, .soak_ns = HOUR * NS_PER_S };
	b->waves[0].match.glob[SELECTOR_ID] = "sag-00000";
	b->waves[1] = (struct wave){ .name = "half", .percent = 0.5, .success = 1, .soak_ns = 2 * HOUR * NS_PER_S };
	b->policies[0].waves = b->waves;
	b->policies[0].n_waves = 2;
	look(b);
	assert_int_equal(b->out.counts[FORECAST_UPGRADE], 20);
	assert_about(start_of(b, "sag-00000-0"), 0, 1);
	for (size_t i = 0; i < b->out.n_rows; i++) {
		const struct forecast_row *row = &b->out.rows[i];

		if (strcmp(row->wave, "half") == 0) {
			assert_about(row->start_s - NOW_S, 15 * MINUTE + HOUR, 2 * MINUTE);
			assert_int_equal(row->reason, REASON_WAVE);
			assert_int_equal(row->why, REASON_SOAK);
			second++;
		} else if (strcmp(row->wave, "last") == 0) {
			assert_about(row->start_s - NOW_S, 30 * MINUTE + 3 * HOUR, 4 * MINUTE);
			last++;
		}
	}
	assert_true(second > 0 && last > 0);
	assert_int_equal(second + last, 19);
}

static void test_window_and_freeze(void **state)
{
	struct bed *b = *state;
	/* as if cut by a freeze until the third hour */
	static const struct stretch openings[] = { { NOW_S + 3 * HOUR, NOW_S + 5 * HOUR }, { NOW_S + 27 * HOUR, NOW_S + 29 * HOUR } };
	static const struct stretch freezes[] = { { NOW_S - HOUR, NOW_S + 3 * HOUR } };

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->policies[0].is_always_open = false;
	b->calendars[0] = (struct forecast_calendar){ openings, freezes, 2, 1, NOW_S + 30 * DAY };
	look(b);
	assert_about(start_of(b, "sag-1-0"), 3 * HOUR, 2 * MINUTE);
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->reason, REASON_FREEZE);
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->why, REASON_FREEZE);
	b->calendars[0].n_freezes = 0;
	look(b);
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->reason, REASON_WINDOW);
	b->calendars[0].openings++; /* only the next day */
	b->calendars[0].n_openings = 1;
	look(b);
	assert_about(start_of(b, "sag-1-0"), 27 * HOUR, 2 * MINUTE);
}

static void test_never_opens(void **state)
{
	struct bed *b = *state;
	const struct forecast_row *row;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->policies[0].is_always_open = false;
	b->calendars[0].until_s = NOW_S + 30 * DAY;
	look(b);
	row = row_of(b, "sag-1-0", VERSION_TYPE_DEVICE);
	assert_int_equal(row->action, FORECAST_LATER);
	assert_int_equal(row->end_reason, REASON_WINDOW);
	assert_int_equal(b->out.end_s, NOW_S + 14 * DAY);
}

/* Twelve changes are more than ten, and more than a tenth of them. */
static void test_blast_radius(void **state)
{
	struct bed *b = *state;

	settle(b);
	add_many(b, 12, "1.0.0");
	approve(b, "1.0.0");
	look(b);
	assert_int_equal(b->out.n_approvals, 1);
	assert_int_equal(b->out.approvals[0].count, 12);
	assert_int_equal(b->out.approvals[0].managed, 12);
	assert_string_equal(b->out.approvals[0].version, "2.0.0");
	assert_int_equal(b->out.counts[FORECAST_WAIT], 12);
	assert_int_equal(b->out.rows[0].end_reason, REASON_APPROVAL);
	assert_true(forecast_has_changes(&b->out));
	b->scope.blast_radius = 1.0;
	look(b);
	assert_int_equal(b->out.n_approvals, 0);
	assert_int_equal(b->out.counts[FORECAST_UPGRADE], 12);
}

static void test_hops(void **state)
{
	struct bed *b = *state;
	const struct forecast_row *row;
	const struct forecast_call *first, *second, *third;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->via[0] = "1.3.0";
	b->via[1] = "1.7.0";
	b->pins[0].via = b->via;
	b->pins[0].n_via = 2;
	look(b);
	row = row_of(b, "sag-1-0", VERSION_TYPE_DEVICE);
	assert_int_equal(row->n_calls, 3);
	first = &b->out.calls[row->first_call];
	second = &b->out.calls[first->next];
	third = &b->out.calls[second->next];
	assert_string_equal(first->to, "1.3.0");
	assert_string_equal(second->to, "1.7.0");
	assert_string_equal(third->to, "2.0.0");
	assert_int_equal(third->next, NONE);
	assert_about(third->at_s - NOW_S, 30 * MINUTE, 2 * MINUTE);
	assert_about(row->done_s - NOW_S, 45 * MINUTE, 3 * MINUTE);
}

static void test_pair_goes_one_by_one(void **state)
{
	struct bed *b = *state;
	struct observation *o;

	settle(b);
	o = add(b, "sag-1", "1.0.0", 2);
	o->devices[0].ha_role = HA_ROLE_STANDBY; /* known only to a fresh read */
	o->devices[1].ha_role = HA_ROLE_ACTIVE;
	add(b, "sag-2", "1.0.0", 2);
	look(b);
	assert_about(start_of(b, "sag-2-1"), 0, 1); /* the backup, as nobody knows better */
	assert_about(start_of(b, "sag-2-0"), 15 * MINUTE, MINUTE);
	assert_int_equal(row_of(b, "sag-2-0", VERSION_TYPE_DEVICE)->reason, REASON_PAIR);
	assert_about(start_of(b, "sag-1-0"), 0, MINUTE); /* the standby */
	assert_about(start_of(b, "sag-1-1"), 15 * MINUTE, 2 * MINUTE);
}

static void test_device_before_dpi(void **state)
{
	struct bed *b = *state;
	struct observation *o;

	settle(b);
	o = add(b, "sag-1", "1.0.0", 1);
	o->devices[0].dpi_version = "5.0";
	b->pins[0].version[VERSION_TYPE_DPI] = "6.0";
	b->pins[0].policy[VERSION_TYPE_DPI] = 1;
	look(b);
	assert_about(start_of(b, "sag-1-0"), 0, 1);
	assert_about(row_of(b, "sag-1-0", VERSION_TYPE_DPI)->start_s - NOW_S, 15 * MINUTE, MINUTE);
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DPI)->action, FORECAST_UPGRADE);
}

/* Seven one by one: the last starts after six others took a quarter of an hour each. */
static void test_max_in_flight(void **state)
{
	struct bed *b = *state;

	settle(b);
	add_many(b, 7, "1.0.0");
	b->policies[0].max_in_flight.count = 1;
	look(b);
	assert_int_equal(b->out.counts[FORECAST_UPGRADE], 7);
	for (unsigned int i = 0; i < 7; i++)
		assert_about(b->out.rows[i].start_s - NOW_S, i * 15 * MINUTE, (i + 1) * MINUTE);
	assert_int_equal(b->out.rows[6].reason, REASON_MAX_IN_FLIGHT);
}

static void test_rate(void **state)
{
	struct bed *b = *state;

	settle(b);
	add_many(b, 9, "1.0.0");
	b->policies[0].max_starts_per_hour = 4;
	look(b);
	for (unsigned int i = 0; i < 9; i++)
		assert_about(b->out.rows[i].start_s - NOW_S, i / 4 * HOUR, MINUTE);
	assert_int_equal(b->out.rows[8].reason, REASON_RATE);
	assert_int_equal(b->out.rows[8].why, REASON_RATE);
}

static void test_offline_stays_so(void **state)
{
	struct bed *b = *state;
	struct observation *o;
	const struct forecast_row *row;

	settle(b);
	o = add(b, "sag-1", "1.0.0", 1);
	o->status = o->devices[0].status = STATUS_OFFLINE;
	look(b);
	row = row_of(b, "sag-1-0", VERSION_TYPE_DEVICE);
	assert_int_equal(row->action, FORECAST_WAIT);
	assert_int_equal(row->end_reason, REASON_OFFLINE);
	assert_true(forecast_has_changes(&b->out));
}

/* One that was not healthy at its last fresh read. */
static void test_degraded_stays_so(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	add(b, "sag-2", "1.0.0", 1);
	approve(b, "2.0.0");
	b->fleet.records[1].number[REC_TARGET_WAIT] = 4;
	b->fleet.records[1].number[REC_TARGET_WAIT_REASON] = REASON_DEGRADED;
	b->fleet.records[1].number[REC_TARGET_WAIT_UNTIL] = NOW_NS + 60 * NS_PER_S;
	look(b);
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->action, FORECAST_WAIT);
	assert_int_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->end_reason, REASON_DEGRADED);
	assert_about(start_of(b, "sag-2-0"), 0, 1);
}

static void test_canaries_that_are_offline_block(void **state)
{
	struct bed *b = *state;
	struct observation *o;
	const struct forecast_row *row;

	settle(b);
	o = add(b, "sag-1", "1.0.0", 1);
	o->status = o->devices[0].status = STATUS_OFFLINE;
	add(b, "sag-2", "1.0.0", 1);
	b->waves[0] = (struct wave){ .name = "canary", .is_match = true, .match.glob[SELECTOR_ID] = "sag-1", .success = 1 };
	b->policies[0].waves = b->waves;
	b->policies[0].n_waves = 1;
	look(b);
	row = row_of(b, "sag-2-0", VERSION_TYPE_DEVICE);
	assert_int_equal(row->action, FORECAST_WAIT);
	assert_int_equal(row->blocked_by, REASON_APPROVAL);
}

static void test_held_is_no_change(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->pins[0].is_held = true;
	look(b);
	assert_int_equal(b->out.counts[FORECAST_WAIT], 1);
	assert_int_equal(b->out.rows[0].end_reason, REASON_HELD);
	assert_false(forecast_has_changes(&b->out));
}

static void test_paused(void **state)
{
	struct bed *b = *state;
	struct record rec = { .kind = RECORD_PAUSE, .text = { "slow", "", "root", "a test" } };

	rec.number[REC_PAUSE_VERSION_TYPE] = -1;
	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	add_record(b, &rec);
	look(b);
	assert_int_equal(b->out.rows[0].action, FORECAST_WAIT);
	assert_int_equal(b->out.rows[0].end_reason, REASON_PAUSED);
}

static void test_observe_mode_is_planned_as_enforce(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->settings.is_enforcing = false;
	look(b);
	assert_about(start_of(b, "sag-1-0"), 0, 1);
}

static void test_gate(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->policies[0].gate.is_set = true;
	b->policies[0].gate.max_age_ns = 60 * NS_PER_S;
	look(b);
	assert_about(start_of(b, "sag-1-0"), 0, 1);
	assert_int_equal(b->out.n_unasked_gates, 1);
	assert_int_equal(picture_add_gate(&b->fleet, &(struct picture_gate){ "slow", GATE_ANSWER_CLOSED }), 0);
	look(b);
	assert_int_equal(b->out.rows[0].action, FORECAST_WAIT);
	assert_int_equal(b->out.rows[0].end_reason, REASON_GATE);
	assert_int_equal(b->out.n_unasked_gates, 0);
	b->fleet.gates[0].answer = GATE_ANSWER_OPEN;
	look(b);
	assert_about(start_of(b, "sag-1-0"), 0, 1);
}

static void test_bad_credentials(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->fleet.scopes[0].is_usable = false;
	look(b);
	assert_int_equal(b->out.rows[0].action, FORECAST_WAIT);
	assert_int_equal(b->out.rows[0].end_reason, REASON_CREDENTIALS);
}

/* One that was called eight minutes ago, and takes ten. */
static void test_one_that_runs(void **state)
{
	struct bed *b = *state;
	struct record rec = { .kind = RECORD_INTENT, .text = { "a", "cn-x", "sag-1", "sag-1-0", "1.0.0", "2.0.0", "2.0.0", "slow", "" } };
	struct observation *o;

	rec.number[REC_INTENT_ID] = 7;
	rec.number[REC_INTENT_STATE] = RECORD_INTENT_ACCEPTED;
	rec.number[REC_INTENT_DEADLINE_LENGTH] = 30 * MINUTE * NS_PER_S;
	rec.number[REC_INTENT_SOAK_LENGTH] = 5 * MINUTE * NS_PER_S;
	rec.number[REC_INTENT_CREATED] = rec.number[REC_INTENT_SENT] = rec.number[REC_INTENT_ACCEPTED] = NOW_NS - 8 * MINUTE * NS_PER_S;
	rec.number[REC_INTENT_SEEN] = INT64_MIN;
	settle(b);
	o = add(b, "sag-1", "1.0.0", 1);
	o->status = o->devices[0].status = STATUS_OFFLINE;
	add(b, "sag-2", "1.0.0", 1);
	approve(b, "2.0.0");
	add_record(b, &rec);
	b->policies[0].max_in_flight.count = 1;
	look(b);
	assert_int_equal(b->out.rows[0].action, FORECAST_RUNNING);
	assert_string_equal(b->out.rows[0].serial_number, "sag-1-0");
	assert_about(b->out.rows[0].done_s - NOW_S, 7 * MINUTE, MINUTE);
	assert_about(start_of(b, "sag-2-0"), 7 * MINUTE, 2 * MINUTE);
}

static void test_catalogue_lacks_it(void **state)
{
	struct bed *b = *state;

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	add_record(b, &(struct record){ .kind = RECORD_CATALOGUE, .text = { "sag-1000", "" } });
	add_record(b, &(struct record){ .kind = RECORD_CATALOGUE, .text = { "sag-1000", "1.0.0" },
					.number = { [REC_CATALOGUE_IS_OFFERED] = 1, [REC_CATALOGUE_IS_RELEASE] = 1 } });
	look(b);
	assert_int_equal(b->out.rows[0].action, FORECAST_FAILED);
	assert_int_equal(b->out.rows[0].end_reason, REASON_VERSION_NOT_AVAILABLE);
	assert_false(forecast_has_changes(&b->out));
	assert_int_equal(b->out.n_unknown_catalogues, 0);
	add_record(b, &(struct record){ .kind = RECORD_CATALOGUE, .text = { "sag-1000", "2.0.0" } }); /* it was offered once */
	look(b);
	assert_int_equal(b->out.rows[0].action, FORECAST_FAILED);
}

static void test_channel(void **state)
{
	struct bed *b = *state;
	struct record rec = { .kind = RECORD_CATALOGUE, .text = { "sag-1000", "" } };

	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	b->pins[0].version[VERSION_TYPE_DEVICE] = "@release";
	b->pins[0].channel[VERSION_TYPE_DEVICE] = CHANNEL_RELEASE;
	look(b);
	assert_int_equal(b->out.rows[0].phase, PHASE_UNKNOWN);
	assert_int_equal(b->out.n_unknown_catalogues, 1);
	add_record(b, &rec);
	rec.text[REC_CATALOGUE_TEXT_VERSION] = "3.1.0";
	rec.number[REC_CATALOGUE_IS_OFFERED] = rec.number[REC_CATALOGUE_IS_RELEASE] = 1;
	rec.number[REC_CATALOGUE_CREATED_MS] = 5;
	add_record(b, &rec);
	look(b);
	assert_string_equal(row_of(b, "sag-1-0", VERSION_TYPE_DEVICE)->to, "3.1.0");
	assert_about(start_of(b, "sag-1-0"), 0, 1);
}

static void test_limit_on_steps(void **state)
{
	struct bed *b = *state;

	settle(b);
	add_many(b, 9, "1.0.0");
	b->policies[0].max_in_flight.count = 1;
	b->steps_max = 60;
	look(b);
	assert_true(b->out.is_cut_short);
	assert_true(b->out.n_steps <= 70);
	assert_true(b->out.end_s < NOW_S + DAY);
	assert_true(b->out.counts[FORECAST_LATER] > 0);
}

static void test_horizon(void **state)
{
	struct bed *b = *state;

	settle(b);
	add_many(b, 9, "1.0.0");
	b->policies[0].max_in_flight.count = 1;
	b->horizon_s = HOUR;
	look(b);
	assert_int_equal(b->out.counts[FORECAST_UPGRADE], 4);
	assert_int_equal(b->out.counts[FORECAST_LATER], 5);
	assert_int_equal(b->out.end_s, NOW_S + HOUR);
}

/* A region that the configuration has and nobody looked into is empty, and stops nothing. */
static void test_unknown_scope(void **state)
{
	struct bed *b = *state;
	struct scope scopes[2] = { b->scope, b->scope };

	scopes[1].region_id = "cn-y";
	b->settings.scopes = scopes;
	b->settings.n_scopes = 2;
	settle(b);
	add(b, "sag-1", "1.0.0", 1);
	look(b);
	assert_about(start_of(b, "sag-1-0"), 0, 1);
}

static void test_ten_thousand(void **state)
{
	struct bed *b = *state;
	struct timespec began, ended;

	settle(b);
	add_many(b, 10000, "1.0.0");
	approve(b, "2.0.0");
	b->waves[0] = (struct wave){ .name = "ten", .percent = 0.1, .success = 1, .soak_ns = DAY * NS_PER_S };
	b->policies[0].waves = b->waves;
	b->policies[0].n_waves = 1;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
	look(b);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
	assert_int_equal(b->out.counts[FORECAST_UPGRADE], 10000);
	fprintf(stderr, "10,000 targets: %llu steps, %.2f s\n", (unsigned long long)b->out.n_steps,
		(double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_do), TEST(test_starts_now), TEST(test_takes_and_deadline), TEST(test_settles_without_state), TEST(test_waves_and_soak), TEST(test_window_and_freeze),
		TEST(test_never_opens), TEST(test_blast_radius), TEST(test_hops), TEST(test_pair_goes_one_by_one), TEST(test_device_before_dpi),
		TEST(test_max_in_flight), TEST(test_rate), TEST(test_offline_stays_so), TEST(test_degraded_stays_so), TEST(test_canaries_that_are_offline_block),
		TEST(test_held_is_no_change), TEST(test_paused), TEST(test_observe_mode_is_planned_as_enforce), TEST(test_gate),
		TEST(test_bad_credentials), TEST(test_one_that_runs), TEST(test_catalogue_lacks_it), TEST(test_channel), TEST(test_limit_on_steps),
		TEST(test_horizon), TEST(test_unknown_scope), TEST(test_ten_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
