/* The daemon's snapshot as the plan reads it: what it means, and everything that it must not believe. */
#include "plan/snapshot_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                                                                                                \
	"{\"snapshot\":1,\"now_ns\":\"9007199254740993\",\"wall_s\":1790000000,\"version\":\"0.1.0\",\"mode\":\"observe\",\"storing\":true,"   \
	"\"config_path\":\"/etc/a.cfg\",\"config_hash\":\"abc\",\"scopes\":[{\"account\":\"a\",\"region_id\":\"r\",\"usable\":false}],"       \
	"\"gates\":[{\"policy\":\"p\",\"answer\":\"closed\"}]}\n"
#define START "{\"record\":\"start\",\"text\":[\"slow\"],\"number\":[7,null]}\n"
#define SCOPE "{\"record\":\"scope\",\"text\":[\"a\",\"r\"],\"number\":[5]}\n"
#define INSTANCE                                                                                                                            \
	"{\"instance\":\"sag-1\",\"scope\":0,\"name\":\"n \\\"q\\\"\",\"model\":\"m\",\"resource_group\":\"\",\"ccn\":\"c\",\"city\":\"\","   \
	"\"status_text\":\"Active\",\"status\":\"active\",\"devices\":[{\"serial_number\":\"s1\",\"version\":\"1.0\",\"dpi_version\":null,"  \
	"\"status\":\"active\",\"ha_role\":\"standby\"}]}\n"
#define WANTED "{\"wanted\":\"s1\",\"version_type\":\"Device\",\"desired\":\"2.0\",\"policy\":\"p\",\"pin\":\"x\",\"wave\":\"last\"}\n"
#define END "{\"end\":true,\"records\":2,\"instances\":1,\"wanted\":1}\n"
#define GOOD HEAD START SCOPE INSTANCE WANTED END

static int read_text(const char *text, struct picture *p, struct error *ret_error)
{
	picture_init(p);
	*ret_error = (struct error){ .text = "" };
	return snapshot_read(text, p, ret_error);
}

static void test_good(void **state)
{
	const struct picture_wanted *wanted;
	struct picture p;
	struct error error;

	(void)state;
	assert_int_equal(read_text(GOOD, &p, &error), 0);
	assert_true(p.is_of_daemon);
	assert_false(p.is_enforcing);
	assert_true(p.now_ns == INT64_C(9007199254740993)); /* more than a double holds */
	assert_int_equal(p.wall_s, 1790000000);
	assert_string_equal(p.config_path, "/etc/a.cfg");
	assert_int_equal(p.n_scopes, 1);
	assert_false(p.scopes[0].is_usable);
	assert_int_equal(p.gates[0].answer, GATE_ANSWER_CLOSED);
	assert_int_equal(p.n_records, 2);
	assert_int_equal(p.records[0].kind, RECORD_START);
	assert_true(p.records[0].number[REC_START_TIME] == INT64_MIN);
	assert_int_equal(p.records[0].number[REC_START_INTENT], 7);
	assert_int_equal(p.n_instances, 1);
	assert_string_equal(p.instances[0].name, "n \"q\"");
	assert_null(p.instances[0].devices[0].dpi_version);
	assert_int_equal(p.instances[0].devices[0].ha_role, HA_ROLE_STANDBY);
	wanted = picture_find_wanted(&p, "s1", VERSION_TYPE_DEVICE);
	assert_non_null(wanted);
	assert_string_equal(wanted->desired, "2.0");
	assert_null(picture_find_wanted(&p, "s1", VERSION_TYPE_DPI));
	picture_deinit(&p);
}

static void test_records_come_in_order_of_kind(void **state)
{
	struct picture p;
	struct error error;

	(void)state;
	assert_int_equal(read_text(HEAD SCOPE START INSTANCE WANTED END, &p, &error), 0);
	assert_int_equal(p.records[0].kind, RECORD_START);
	assert_int_equal(p.records[1].kind, RECORD_SCOPE);
	picture_deinit(&p);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *line;
	} cases[] = {
		{ "", "line 0" },
		{ "\n", "line 1" },
		{ "nonsense\n", "line 1" },
		{ "[]\n", "line 1" },
		{ "{}\n", "line 1" },
		{ END, "line 1" },
		{ HEAD, "line 1" }, /* no end */
		{ HEAD START SCOPE INSTANCE WANTED, "line 5" },
		{ HEAD START SCOPE INSTANCE END, "line 5" },          /* one is missing */
		{ HEAD START SCOPE WANTED END, "line 5" },            /* an instance is */
		{ HEAD START START SCOPE INSTANCE WANTED END, "line 7" }, /* one is too many */
		{ GOOD START, "line 7" },
		{ HEAD "{\"record\":\"nothing\",\"text\":[],\"number\":[]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"start\",\"text\":[],\"number\":[7,null]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"start\",\"text\":[\"a\",\"b\"],\"number\":[7,null]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"start\",\"text\":[1],\"number\":[7,null]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"start\",\"text\":[\"a\"],\"number\":[7]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"start\",\"text\":[\"a\"],\"number\":[7,8,9]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"start\",\"text\":[\"a\"],\"number\":[7,\"x\"]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"start\",\"text\":[\"a\"]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"attempts\",\"text\":[\"a\",\"b\"],\"number\":[2,1,0,0]}\n" END, "line 2" },    /* no such version type */
		{ HEAD "{\"record\":\"attempts\",\"text\":[\"a\",\"b\"],\"number\":[-1,1,0,0]}\n" END, "line 2" },
		{ HEAD "{\"record\":\"attempts\",\"text\":[\"a\",\"b\"],\"number\":[0,1,99999,0]}\n" END, "line 2" }, /* no such reason */
		{ HEAD "{\"instance\":\"sag-1\",\"scope\":1}\n" END, "line 2" },
		{ HEAD "{\"wanted\":\"s1\",\"version_type\":\"Other\",\"desired\":\"\",\"policy\":\"\",\"pin\":\"\",\"wave\":\"\"}\n" END, "line 2" },
		{ HEAD "{\"something\":1}\n" END, "line 2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct picture p;
		struct error error;

		if (read_text(cases[i].text, &p, &error) != SNAPSHOT_E_INVALID)
			fail_msg("case %zu was taken", i);
		if (!strstr(error.text, cases[i].line))
			fail_msg("case %zu: \"%s\" does not name %s", i, error.text, cases[i].line);
		picture_deinit(&p);
	}
}

static char *replaced(const char *text, const char *what, const char *by)
{
	const char *at = strstr(text, what);
	char *out;

	assert_non_null(at);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, by, at + strlen(what)) > 0);
	return out;
}

/* A good one with one thing wrong in the head or an instance. */
static void test_bad_values(void **state)
{
	static const char *const cases[][2] = {
		{ "\"now_ns\":\"9007199254740993\"", "\"now_ns\":\"12x\"" },
		{ "\"now_ns\":\"9007199254740993\"", "\"now_ns\":12" },
		{ "\"now_ns\":\"9007199254740993\"", "\"now_ns\":\"-5\"" },
		{ "\"wall_s\":1790000000", "\"wall_s\":\"x\"" },
		{ "\"account\":\"a\"", "\"account\":1" },
		{ "\"answer\":\"closed\"", "\"answer\":\"ajar\"" },
		{ "\"mode\":\"observe\",", "" },
		{ "\"scope\":0", "\"scope\":1" },
		{ "\"scope\":0", "\"scope\":-1" },
		{ "\"scope\":0", "\"scope\":1e300" },
		{ "\"model\":\"m\"", "\"model\":null" },
		{ "\"status\":\"active\",\"devices\"", "\"status\":\"asleep\",\"devices\"" },
		{ "\"ha_role\":\"standby\"", "\"ha_role\":\"boss\"" },
		{ "\"version\":\"1.0\"", "\"version\":1" },
		{ "\"devices\":[", "\"devices\":[{},{}," },
		{ "\"devices\":[", "\"devices\":[{\"serial_number\":\"a\",\"version\":\"\",\"status\":\"active\",\"ha_role\":\"active\"},{\"serial_number\":\"b\","
				   "\"version\":\"\",\"status\":\"active\",\"ha_role\":\"active\"}," },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = replaced(GOOD, cases[i][0], cases[i][1]);
		struct picture p;
		struct error error;

		if (read_text(text, &p, &error) != SNAPSHOT_E_INVALID)
			fail_msg("case %zu was taken: %s", i, cases[i][1]);
		picture_deinit(&p);
		free(text);
	}
}

/* Cut anywhere it is invalid, and nothing is read beyond its end. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n + 1 < strlen(GOOD); n++) {
		char *text = strndup(GOOD, n);
		struct picture p;
		struct error error;

		assert_non_null(text);
		if (read_text(text, &p, &error) == 0)
			fail_msg("%zu bytes are taken for all", n);
		picture_deinit(&p);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_records_come_in_order_of_kind), cmocka_unit_test(test_bad), cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
