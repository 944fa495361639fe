/* Zone files: what they say about times, at both ends of every kind of change, and that no damage goes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "civil.h"
#include "zone_bytes.h"

static struct error error;

static struct tzif *make(const struct zone_plan *plan)
{
	struct zone_bytes b = zone_make(plan);
	struct tzif *z = NULL;
	int r = tzif_new(b.data, b.len, &z, &error);

	if (r)
		print_error("%s: %s\n", plan->rule, error.text);
	assert_int_equal(r, 0);
	return z;
}

static struct tzif *make_rule(const char *rule)
{
	return make(&(struct zone_plan){ .n_offsets = 1, .rule = rule });
}

static int64_t at(const char *text)
{
	int64_t s = 0;

	assert_true(civil_parse_datetime(text, &s));
	return s;
}

/* The wall clock at a time in UTC, in the second before it and at it. */
static const struct {
	const char *rule, *utc;
	const char *before, *then;
} changes[] = {
	{ RULE_BERLIN, "2026-03-29 01:00", "Sun 2026-03-29 01:59:59", "Sun 2026-03-29 03:00" },
	{ RULE_BERLIN, "2026-10-25 01:00", "Sun 2026-10-25 02:59:59", "Sun 2026-10-25 02:00" },
	{ RULE_BERLIN, "2400-03-26 01:00", "Sun 2400-03-26 01:59:59", "Sun 2400-03-26 03:00" },
	{ RULE_BERLIN, "2027-01-01 00:00", "Fri 2027-01-01 00:59:59", "Fri 2027-01-01 01:00" },
	{ RULE_NEW_YORK, "2026-03-08 07:00", "Sun 2026-03-08 01:59:59", "Sun 2026-03-08 03:00" },
	{ RULE_NEW_YORK, "2026-11-01 06:00", "Sun 2026-11-01 01:59:59", "Sun 2026-11-01 01:00" },
	{ RULE_LORD_HOWE, "2026-04-04 15:00", "Sun 2026-04-05 01:59:59", "Sun 2026-04-05 01:30" },
	{ RULE_LORD_HOWE, "2026-10-03 15:30", "Sun 2026-10-04 01:59:59", "Sun 2026-10-04 02:30" },
	{ RULE_DUBLIN, "2026-03-29 01:00", "Sun 2026-03-29 00:59:59", "Sun 2026-03-29 02:00" },
	{ RULE_DUBLIN, "2026-10-25 01:00", "Sun 2026-10-25 01:59:59", "Sun 2026-10-25 01:00" },
	{ RULE_NUUK, "2026-03-29 01:00", "Sat 2026-03-28 22:59:59", "Sun 2026-03-29 00:00" },
	{ RULE_NUUK, "2026-10-25 01:00", "Sat 2026-10-24 23:59:59", "Sat 2026-10-24 23:00" },
	{ RULE_SHANGHAI, "2026-03-29 01:00", "Sun 2026-03-29 08:59:59", "Sun 2026-03-29 09:00" },
	{ "<-0330>3:30", "2026-03-29 01:00", "Sat 2026-03-28 21:29:59", "Sat 2026-03-28 21:30" },
	{ "AAA-1BBB-3:00:01,J60/0,300", "2028-02-29 23:00", "Tue 2028-02-29 23:59:59", "Wed 2028-03-01 02:00:01" }, /* J60 is always 1 March */
	{ "AAA-1BBB,60/0,300", "2028-02-29 23:00", "Tue 2028-02-29 23:59:59", "Wed 2028-03-01 01:00" },             /* 60 in a leap year */
	{ "AAA-1BBB,60/0,300", "2027-03-01 23:00", "Mon 2027-03-01 23:59:59", "Tue 2027-03-02 01:00" },             /* and in others */
	{ "AAA-1BBB,J59/0,J300", "2028-02-27 23:00", "Sun 2028-02-27 23:59:59", "Mon 2028-02-28 01:00" },
	{ "AAA0BBB,M12.5.0/167,M6.1.0", "2027-01-02 23:00", "Sat 2027-01-02 22:59:59", "Sun 2027-01-03 00:00" }, /* from last year's date */
	{ "AAA0BBB,M1.1.0/-167,M6.1.0", "2026-12-27 01:00", "Sun 2026-12-27 00:59:59", "Sun 2026-12-27 02:00" }, /* from next year's date */
	{ "XXX3EDT4,0/0,J365/23", "2027-01-01 03:00", "Thu 2026-12-31 22:59:59", "Thu 2026-12-31 23:00" }, /* all-year DST, of RFC 9636 */
};

static void test_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct tzif *z = make_rule(changes[i].rule);
		int64_t utc = at(changes[i].utc);

		assert_string_equal(civil_print(tzif_local(z, utc - 1)).text, changes[i].before);
		assert_string_equal(civil_print(tzif_local(z, utc)).text, changes[i].then);
		tzif_free(z);
	}
}

static const struct {
	const char *rule, *civil, *utc;
} instants[] = {
	{ RULE_BERLIN, "2026-03-29 01:59:59", "Sun 2026-03-29 00:59:59" },
	{ RULE_BERLIN, "2026-03-29 02:00", "Sun 2026-03-29 01:00" }, /* the gap, with the offset before it */
	{ RULE_BERLIN, "2026-03-29 02:59:59", "Sun 2026-03-29 01:59:59" },
	{ RULE_BERLIN, "2026-03-29 03:00", "Sun 2026-03-29 01:00" },
	{ RULE_BERLIN, "2026-10-25 01:59:59", "Sat 2026-10-24 23:59:59" },
	{ RULE_BERLIN, "2026-10-25 02:00", "Sun 2026-10-25 00:00" }, /* comes twice: the first */
	{ RULE_BERLIN, "2026-10-25 02:59:59", "Sun 2026-10-25 00:59:59" },
	{ RULE_BERLIN, "2026-10-25 03:00", "Sun 2026-10-25 02:00" },
	{ RULE_NEW_YORK, "2026-03-08 02:30", "Sun 2026-03-08 07:30" },
	{ RULE_NEW_YORK, "2026-11-01 01:30", "Sun 2026-11-01 05:30" },
	{ RULE_LORD_HOWE, "2026-10-04 02:15", "Sat 2026-10-03 15:45" },
	{ RULE_LORD_HOWE, "2026-04-05 01:45", "Sat 2026-04-04 14:45" },
	{ RULE_DUBLIN, "2026-03-29 01:30", "Sun 2026-03-29 01:30" },
	{ RULE_DUBLIN, "2026-10-25 01:30", "Sun 2026-10-25 00:30" },
	{ RULE_SHANGHAI, "2026-11-09 00:00", "Sun 2026-11-08 16:00" },
	{ RULE_SHANGHAI, "9999-12-31 23:59:59", "Fri 9999-12-31 15:59:59" },
};

static void test_instants(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
		struct tzif *z = make_rule(instants[i].rule);

		assert_string_equal(civil_print(tzif_utc(z, at(instants[i].civil))).text, instants[i].utc);
		tzif_free(z);
	}
}

static void test_date_line(void **state)
{
	struct tzif *z = make(&(struct zone_plan)PLAN_APIA);
	int64_t change = at("2011-12-30 10:00");

	(void)state;
	assert_string_equal(civil_print(tzif_local(z, change - 1)).text, "Thu 2011-12-29 23:59:59");
	assert_string_equal(civil_print(tzif_local(z, change)).text, "Sat 2011-12-31 00:00");
	assert_int_equal(tzif_utc(z, at("2011-12-29 23:00")), change - 3600);
	assert_int_equal(tzif_utc(z, at("2011-12-30 12:00")), change + 12 * 3600); /* in the gap of a day */
	assert_int_equal(tzif_utc(z, at("2011-12-31 00:00")), change);
	assert_int_equal(tzif_offset(z, at("2011-01-01")), -11 * 3600);
	assert_int_equal(tzif_offset(z, at("2040-01-01")), 13 * 3600);
	tzif_free(z);
}

static void test_table_then_rule(void **state)
{
	struct zone_plan plan = { .offsets = { 60, 120, 180 }, .n_offsets = 3, .changes = { { 100000, 1 }, { 200000, 2 } }, .n_changes = 2, .rule = "" };
	struct tzif *z = make(&plan);

	(void)state;
	assert_int_equal(tzif_offset(z, INT64_MIN), 60);
	assert_int_equal(tzif_offset(z, 99999), 60);
	assert_int_equal(tzif_span(z, 99999).end_s, 100000);
	assert_int_equal(tzif_offset(z, 100000), 120);
	assert_int_equal(tzif_offset(z, 199999), 120);
	assert_int_equal(tzif_offset(z, 200000), 180);
	assert_int_equal(tzif_offset(z, INT64_MAX), 180); /* no rule: the last one stays */
	assert_int_equal(tzif_span(z, 200000).end_s, INT64_MAX);
	tzif_free(z);
	plan.rule = RULE_BERLIN;
	z = make(&plan);
	assert_int_equal(tzif_offset(z, 199999), 120);
	assert_int_equal(tzif_offset(z, 200000), 3600);
	assert_true(abs(tzif_offset(z, INT64_MAX)) <= 7200);
	tzif_free(z);
}

static const char *const bad_rules[] = {
	"CET", "CE-1", "-1", "<CET-1", "<CE>-1", "<C,T>-1", "CET-25", "CET-1:60", "CET-1:00:60", "CET-1:", "CET--1", "C1T-1",
	"CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,", "CET-1CEST,M3.5.0,M10.5.0/3,", "CET-1CEST,M3.5.0,M10.5.0/3 ",
	"CET-1CEST,M0.5.0,M10.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.0.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
	"CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J365", "CET-1CEST,J1,J366", "CET-1CEST,0,366", "CET-1CEST,0/168,1", "CET-1CEST,0/-168,1",
	"CET-1CEST,M3.5,M10.5.0", "CET-1CEST,M3.5.0/,M10.5.0", "CET-1CEST,0000,1", "CET-1CEST-26,0,1", ":Europe/Berlin", " CET-1", "CET-1 ",
	"CET-99999999999999999999", "CET-1CEST,M3.5.0;M10.5.0",
};

static const char *const good_rules[] = {
	"CET-1", "CET+1", "CET1", "CET-24:59:59", "<+01>-1", "<-00>0", "LongNameOfAZone-1", "CET-1CEST,J1,J365/167:59:59", "CET-1CEST-2,0,365/-167",
	"CET-1<+02>-2:00:00,M3.5.0/2:00,M10.5.6/+3",
};

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good_rules) / sizeof(good_rules[0]); i++)
		tzif_free(make_rule(good_rules[i]));
	for (size_t i = 0; i < sizeof(bad_rules) / sizeof(bad_rules[0]); i++) {
		struct zone_bytes b = zone_make(&(struct zone_plan){ .n_offsets = 1, .rule = bad_rules[i] });
		struct tzif *z;
		int r = tzif_new(b.data, b.len, &z, &error);

		if (r != TZIF_E_INVALID)
			print_error("taken: %s\n", bad_rules[i]);
		assert_int_equal(r, TZIF_E_INVALID);
		assert_string_equal(error.text, "is damaged: the rule at its end cannot be read");
	}
}

static const struct zone_plan victim = {
	.offsets = { 0, 3600 }, .n_offsets = 2, .changes = { { 1000, 1 }, { 2000, 0 }, { 3000, 1 } }, .n_changes = 3, .rule = RULE_BERLIN
};
#define VICTIM_PART_BYTES (ZONE_HEADER_BYTES + 2 * 6 + 4 + 2) /* of version 1, without times */
#define VICTIM_TIMES (VICTIM_PART_BYTES + ZONE_HEADER_BYTES)
#define VICTIM_INDEXES (VICTIM_TIMES + 3 * 8)
#define VICTIM_TYPES (VICTIM_INDEXES + 3)
#define VICTIM_CHARS (VICTIM_TYPES + 2 * 6)

/* In memory of its very size, so that a sanitizer or valgrind sees each byte too far. */
static int try_bytes(const unsigned char *bytes, size_t len)
{
	unsigned char *copy = malloc(len ? len : 1);
	struct tzif *z = NULL;
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	strcpy(error.text, "");
	r = tzif_new(copy, len, &z, &error);
	free(copy);
	tzif_free(z);
	assert_true(r == 0 || (r == TZIF_E_INVALID && !z && strncmp(error.text, "is ", 3) == 0) ||
		    (r == TZIF_E_INVALID && !z && strncmp(error.text, "counts ", 7) == 0));
	return r;
}

static void test_cut_at_every_byte(void **state)
{
	struct zone_bytes b = zone_make(&victim);

	(void)state;
	assert_int_equal(try_bytes(b.data, b.len), 0);
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(try_bytes(b.data, len), TZIF_E_INVALID);
	zone_put_text(&b, "\n", 1); /* nor may it go on */
	assert_int_equal(try_bytes(b.data, b.len), TZIF_E_INVALID);
}

static void test_every_count_wrong(void **state)
{
	static const uint32_t values[] = { 0x7fffffff, 0x80000000, 0xffffffff, 0x10000, 0x15555556, 7 };

	(void)state;
	for (size_t header = 0; header < 2; header++)
		for (size_t field = 0; field < 6; field++)
			for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
				struct zone_bytes b = zone_make(&victim), count = { .len = 0 };

				zone_put(&count, values[i], 4);
				memcpy(b.data + header * VICTIM_PART_BYTES + 20 + field * 4, count.data, 4);
				assert_int_equal(try_bytes(b.data, b.len), TZIF_E_INVALID);
			}
}

static void test_every_byte_wrong(void **state)
{
	(void)state;
	for (int value = 0; value < 256; value += 5) {
		struct zone_bytes b = zone_make(&victim);

		for (size_t i = 0; i < b.len; i++) {
			unsigned char kept = b.data[i];

			b.data[i] = (unsigned char)value;
			try_bytes(b.data, b.len);
			b.data[i] = kept;
		}
	}
}

/* One place of a good file changed, and what is said then. */
static const struct {
	size_t place, len;
	const char *bytes, *want;
} damages[] = {
	{ 0, 1, "t", "is no time zone file: \"TZif\" is not where it must be" },
	{ VICTIM_PART_BYTES, 1, "t", "is no time zone file: \"TZif\"" },
	{ 4, 1, "\0", "is of an old version" },
	{ 4, 1, "1", "is of an old version" },
	{ 4, 1, ":", "is of an old version" },
	{ 4, 1, "2", "is damaged: its two headers are of different versions" },
	{ VICTIM_PART_BYTES + 28, 4, "\0\0\0\1", "counts leap seconds, as the zones in right/ do; write the same zone's name without right/" },
	{ VICTIM_PART_BYTES + 36, 4, "\0\0\0\0", "is damaged: 0 local time types, and it goes from 1 to 256" },
	{ VICTIM_PART_BYTES + 40, 4, "\0\0\0\0", "is damaged: 0 bytes of names" },
	{ VICTIM_PART_BYTES + 20, 4, "\0\0\0\1", "is damaged: 2 and 1 flags for 2 local time types" },
	{ VICTIM_PART_BYTES + 24, 4, "\0\0\0\3", "is damaged: 3 and 0 flags for 2 local time types" },
	{ VICTIM_TIMES + 8 + 6, 2, "\3\350", "is damaged: change 1 is not after the one before it" },     /* 1000 again */
	{ VICTIM_TIMES + 16, 1, "\200", "is damaged: change 2 is not after the one before it" },
	{ VICTIM_INDEXES + 1, 1, "\2", "is damaged: change 1 is to local time type 2 of 2" },
	{ VICTIM_TYPES, 4, "\200\0\0\0", "is damaged: an offset of -2147483648 seconds from UTC" },
	{ VICTIM_TYPES, 4, "\0\1\155\240", "is damaged: an offset of 93600 seconds from UTC" },
	{ VICTIM_TYPES + 6, 4, "\377\376\222\140", "is damaged: an offset of -93600 seconds from UTC" },
	{ VICTIM_TYPES + 4, 1, "\2", "is damaged: a daylight saving flag of 2" },
	{ VICTIM_TYPES + 5, 1, "\4", "is damaged: the name of local time type 0 is not in it" },
	{ VICTIM_CHARS + 3, 1, "X", "is damaged: the name of local time type 0 is not in it" },
	{ VICTIM_CHARS + 6, 1, "x", "is cut short or damaged: no rule between two line ends" },
	{ VICTIM_CHARS + 6 + 6, 1, "\0", "is damaged: the rule at its end cannot be read" }, /* behind what is a rule by itself */
	{ VICTIM_CHARS + 6 + 4, 1, "\n", "is damaged: the rule at its end cannot be read" },
};

static void test_damages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct zone_bytes b = zone_make(&victim);

		memcpy(b.data + damages[i].place, damages[i].bytes, damages[i].len);
		if (damages[i].place == 4 && damages[i].bytes[0] != '2')
			b.data[VICTIM_PART_BYTES + 4] = (unsigned char)damages[i].bytes[0];
		assert_int_equal(try_bytes(b.data, b.len), TZIF_E_INVALID);
		if (strncmp(error.text, damages[i].want, strlen(damages[i].want)) != 0)
			print_error("%s\n  instead of: %s\n", error.text, damages[i].want);
		assert_memory_equal(error.text, damages[i].want, strlen(damages[i].want));
	}
}

/* A whole file with so many changes, types and bytes of names and of its rule. */
static int try_sizes(uint32_t n_changes, uint32_t n_types, uint32_t n_chars, uint32_t n_rule)
{
	const uint32_t counts[] = { 0, 0, 0, n_changes, n_types, n_chars };
	size_t room = 2 * ZONE_HEADER_BYTES + n_changes * 9 + n_types * 6 + n_chars + n_rule + 2, len;
	unsigned char *bytes = calloc(1, room);
	struct zone_bytes b = { .len = 0 };
	int r;

	assert_non_null(bytes);
	memcpy(bytes, "TZif2", 5);
	memcpy(bytes + ZONE_HEADER_BYTES, "TZif2", 5);
	for (size_t i = 0; i < 6; i++)
		zone_put(&b, counts[i], 4);
	memcpy(bytes + ZONE_HEADER_BYTES + 20, b.data, b.len);
	len = 2 * ZONE_HEADER_BYTES;
	for (uint32_t i = 0; i < n_changes; i++, len += 8) {
		b.len = 0;
		zone_put(&b, i, 8);
		memcpy(bytes + len, b.data, 8);
	}
	memset(bytes + room - n_rule - 1, 'X', n_rule);
	memcpy(bytes + room - 3, "-1", n_rule ? 2 : 0);
	bytes[room - n_rule - 2] = bytes[room - 1] = '\n';
	r = try_bytes(bytes, room);
	free(bytes);
	return r;
}

static void test_limits(void **state)
{
	unsigned char *large = calloc(1, TZIF_BYTES_MAX + 1);

	(void)state;
	assert_non_null(large);
	assert_int_equal(try_sizes(0, 1, 1, 0), 0);
	assert_int_equal(try_sizes(TZIF_TIMES_MAX, 1, 1, 0), 0);
	assert_int_equal(try_sizes(TZIF_TIMES_MAX + 1, 1, 1, 0), TZIF_E_INVALID);
	assert_string_equal(error.text, "is damaged: 8193 changes, and it goes from 0 to 8192");
	assert_int_equal(try_sizes(0, TZIF_TYPES_MAX, 1, 0), 0);
	assert_int_equal(try_sizes(0, TZIF_TYPES_MAX + 1, 1, 0), TZIF_E_INVALID);
	assert_int_equal(try_sizes(0, 1, TZIF_CHARS_MAX, 0), 0);
	assert_int_equal(try_sizes(0, 1, TZIF_CHARS_MAX + 1, 0), TZIF_E_INVALID);
	assert_int_equal(try_sizes(0, 1, 1, POSIX_TZ_BYTES_MAX), 0);
	assert_int_equal(try_sizes(0, 1, 1, POSIX_TZ_BYTES_MAX + 1), TZIF_E_INVALID);
	assert_string_equal(error.text, "is damaged: a rule of 128 bytes at its end, and 127 are the most");
	assert_int_equal(try_bytes(large, TZIF_BYTES_MAX), TZIF_E_INVALID);
	assert_true(strncmp(error.text, "is no time zone file", 20) == 0);
	assert_int_equal(try_bytes(large, TZIF_BYTES_MAX + 1), TZIF_E_INVALID);
	assert_string_equal(error.text, "is too large for a time zone file: 1048577 bytes, and 1048576 are the most");
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_instants),
		cmocka_unit_test(test_date_line),
		cmocka_unit_test(test_table_then_rule),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_count_wrong),
		cmocka_unit_test(test_every_byte_wrong),
		cmocka_unit_test(test_damages),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
