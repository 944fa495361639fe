/* The cloud's own upgrader: how its policy is asked for, set and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smartag_bed.h"

#define SIXTEEN "0123456789abcdef"
#define HUNDRED_28 SIXTY_FOUR SIXTY_FOUR
#define POLICY(...) &(const struct auto_upgrade_policy){ __VA_ARGS__ }
#define DESCRIBE(id_, serial_, type_)                                                                                  \
	{ .action = API_DESCRIBE_DEVICE_AUTO_UPGRADE_POLICY, .region_id = "cn-hangzhou", .instance_id = id_,           \
	  .serial_number = serial_, .version_type = type_ }
#define MODIFY(serial_, type_, ...)                                                                                    \
	{ .action = API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY, .region_id = "cn-hangzhou", .instance_id = "sag-a",         \
	  .serial_number = serial_, .version_type = type_, .auto_upgrade = POLICY(__VA_ARGS__) }
#define OF_DEVICE "RegionId=cn-hangzhou&SmartAGId=sag-a&SerialNumber=sagx1&VersionType=Device"

static void test_requests(void **state)
{
	const struct {
		struct api_request req;
		const char *want; /* joined by &; NULL: see want_r */
		int want_r;
	} cases[] = {
		{ DESCRIBE("sag-a", "sagx1", VERSION_TYPE_DEVICE), OF_DEVICE, 0 },
		{ DESCRIBE("sag-a", "sagx1", VERSION_TYPE_DPI),
		  "RegionId=cn-hangzhou&SmartAGId=sag-a&SerialNumber=sagx1&VersionType=Dpi", 0 },
		{ DESCRIBE("sag-a", NULL, VERSION_TYPE_DEVICE), NULL, -EINVAL },
		{ DESCRIBE("", "sagx1", VERSION_TYPE_DEVICE), NULL, -EINVAL },
		{ DESCRIBE("sag-a", SIXTY_FOUR "x", VERSION_TYPE_DEVICE), NULL, -E2BIG },

		{ MODIFY("sagx1", VERSION_TYPE_DEVICE, .upgrade_type = "manual"), OF_DEVICE "&UpgradeType=manual", 0 },
		{ MODIFY("sagx1", VERSION_TYPE_DEVICE, "scheduled", "0 0 4 1/1 * ?", "Asia/Shanghai", 60, 5),
		  OF_DEVICE "&UpgradeType=scheduled&CronExpression=0 0 4 1/1 * ?&Duration=60&Jitter=5&TimeZone=Asia/Shanghai", 0 },
		{ MODIFY("sagx1", VERSION_TYPE_DEVICE, "boot", "", "Asia/Shanghai", 30, 0),
		  OF_DEVICE "&UpgradeType=boot&Duration=30&TimeZone=Asia/Shanghai", 0 },
		{ MODIFY("sagx1", VERSION_TYPE_DEVICE, SIXTEEN, HUNDRED_28, SIXTY_FOUR, UINT32_MAX, UINT32_MAX),
		  OF_DEVICE "&UpgradeType=" SIXTEEN "&CronExpression=" HUNDRED_28 "&Duration=4294967295&Jitter=4294967295&TimeZone="
			    SIXTY_FOUR, 0 },
		{ MODIFY("", VERSION_TYPE_DEVICE, .upgrade_type = "manual"), NULL, -EINVAL },
		{ MODIFY(NULL, VERSION_TYPE_DEVICE, .upgrade_type = "manual"), NULL, -EINVAL },
		{ MODIFY("sagx1", VERSION_TYPE_DEVICE, "", "0 0 4 1/1 * ?", "Asia/Shanghai", 60, 5), NULL, -EINVAL },
		{ { .action = API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY, .region_id = "cn-hangzhou", .instance_id = "sag-a",
		    .serial_number = "sagx1" }, NULL, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct api_params params = { .n = 4711 };
		char joined[1024] = "";
		size_t len = 0;

		assert_int_equal(smartag_params(&cases[i].req, &params), cases[i].want_r);
		if (cases[i].want_r) {
			assert_int_equal(params.n, 4711); /* untouched */
			continue;
		}
		for (size_t j = 0; j < params.n; j++)
			len += (size_t)snprintf(joined + len, sizeof(joined) - len, "%s%s=%s", j ? "&" : "",
						params.params[j].name, params.params[j].value);
		assert_string_equal(joined, cases[i].want);
	}
}

static struct api_auto_upgrade read_of(const char *body)
{
	struct api_reply *reply = reply_of(body);
	struct api_auto_upgrade told;

	if (smartag_read_auto_upgrade(reply, &told, &bed_error))
		fail_msg("%s\n%s", bed_error.text, body);
	smartag_reply_free(reply);
	return told;
}

static void check_policy(const struct auto_upgrade_policy *policy, const char *upgrade_type, const char *cron,
			 const char *time_zone, uint32_t duration_min, uint32_t jitter_min)
{
	assert_string_equal(policy->upgrade_type, upgrade_type);
	assert_string_equal(policy->cron, cron);
	assert_string_equal(policy->time_zone, time_zone);
	assert_int_equal(policy->duration_min, duration_min);
	assert_int_equal(policy->jitter_min, jitter_min);
}

static void test_golden(void **state)
{
	struct api_auto_upgrade told = read_of(reads[AUTO_UPGRADE].body);

	(void)state;
	assert_int_equal(told.type, AUTO_UPGRADE_TYPE_SCHEDULED);
	check_policy(&told.policy, "scheduled", "0 0 4 1/1 * ?", "Asia/Shanghai", 60, 5);
	told = read_of("{\"RequestId\":\"r-1\"}");
	assert_int_equal(told.type, AUTO_UPGRADE_TYPE_UNKNOWN);
	check_policy(&told.policy, "", "", "", 0, 0);
}

/* Exact words: what is not surely manual is a hand that may move the device. Unknown ones are kept to be put back. */
static void test_types(void **state)
{
	static const struct {
		const char *word;
		enum auto_upgrade_type type;
	} cases[] = {
		{ "scheduled", AUTO_UPGRADE_TYPE_SCHEDULED }, { "boot", AUTO_UPGRADE_TYPE_BOOT },
		{ "manual", AUTO_UPGRADE_TYPE_MANUAL },	      { "Manual", AUTO_UPGRADE_TYPE_UNKNOWN },
		{ "manual ", AUTO_UPGRADE_TYPE_UNKNOWN },     { "unknown", AUTO_UPGRADE_TYPE_UNKNOWN },
		{ "", AUTO_UPGRADE_TYPE_UNKNOWN },	      { "nightly", AUTO_UPGRADE_TYPE_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct api_auto_upgrade told;
		char body[128];

		snprintf(body, sizeof(body), "{\"RequestId\":\"r\",\"UpgradeType\":\"%s\"}", cases[i].word);
		told = read_of(body);
		assert_int_equal(told.type, cases[i].type);
		assert_string_equal(told.policy.upgrade_type, cases[i].word);
	}
	assert_string_equal(auto_upgrade_type_names[AUTO_UPGRADE_TYPE_UNKNOWN], "unknown");
}

/* Each field as number, as text, missing, too long, of the wrong type. "-" for what is invalid. */
static void test_fields(void **state)
{
	static const struct {
		const char *key, *value, *want;
	} cases[] = {
		{ "Duration", "60", "60" },
		{ "Duration", "\"60\"", "60" },
		{ "Duration", NULL, "0" },
		{ "Duration", "null", "0" },
		{ "Duration", "\"\"", "0" },
		{ "Duration", "4294967295", "4294967295" },
		{ "Duration", "4294967296", "-" },
		{ "Duration", "\"4294967296\"", "-" },
		{ "Duration", "-1", "-" },
		{ "Duration", "1.5", "-" },
		{ "Duration", "\"60 min\"", "-" },
		{ "Duration", "true", "-" },
		{ "Jitter", "\"120\"", "120" },
		{ "Jitter", NULL, "0" },
		{ "Jitter", "\"\"", "0" },
		{ "Jitter", "4294967296", "-" },
		{ "Jitter", "{}", "-" },
		{ "UpgradeType", "\"" SIXTEEN "\"", SIXTEEN },
		{ "UpgradeType", "\"" SIXTEEN "x\"", "-" },
		{ "UpgradeType", "\"a\\nb\\u0000\xff\"", "a b \xef\xbf\xbd" },
		{ "UpgradeType", NULL, "" },
		{ "UpgradeType", "7", "-" },
		{ "CronExpression", "\"" HUNDRED_28 "\"", HUNDRED_28 },
		{ "CronExpression", "\"" HUNDRED_28 "x\"", "-" },
		{ "CronExpression", "\"\"", "" },
		{ "CronExpression", NULL, "" },
		{ "CronExpression", "[]", "-" },
		{ "TimeZone", "\"" SIXTY_FOUR "\"", SIXTY_FOUR },
		{ "TimeZone", "\"" SIXTY_FOUR "x\"", "-" },
		{ "TimeZone", NULL, "" },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		const struct field f = { AUTO_UPGRADE, "", cases[i].key, TEXT };
		char *body = replaced(&f, cases[i].value);
		struct api_reply *reply = reply_of(body);
		struct api_auto_upgrade told;
		char got[256] = "-";

		if (!smartag_read_auto_upgrade(reply, &told, &bed_error)) {
			const struct auto_upgrade_policy *p = &told.policy;

			if (*f.key == 'D' || *f.key == 'J')
				snprintf(got, sizeof(got), "%u", *f.key == 'D' ? p->duration_min : p->jitter_min);
			else
				snprintf(got, sizeof(got), "%s", *f.key == 'U' ? p->upgrade_type : *f.key == 'C' ? p->cron : p->time_zone);
		} else if (!strstr(bed_error.text, f.key)) {
			fail_msg("%s: the error names another field: %s", f.key, bed_error.text);
		}
		if (strcmp(got, cases[i].want))
			fail_msg("%s = %s: %s instead of %s", f.key, cases[i].value ? cases[i].value : "(missing)", got, cases[i].want);
		smartag_reply_free(reply);
		free(body);
	}
}

/* What was read can be sent as it stands, and a failed read leaves its result as it was. */
static void test_there_and_back(void **state)
{
	struct api_auto_upgrade told = read_of(reads[AUTO_UPGRADE].body);
	const struct api_request req = { API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY, "cn-hangzhou", .instance_id = "sag-a",
					 .serial_number = "sagx1", .auto_upgrade = &told.policy };
	struct api_reply *reply = reply_of("{\"RequestId\":\"r\",\"UpgradeType\":\"boot\",\"Jitter\":-1}");
	struct api_params params;

	(void)state;
	assert_int_equal(smartag_params(&req, &params), 0);
	assert_int_equal(params.n, 9);
	assert_int_equal(smartag_read_auto_upgrade(reply, &told, &bed_error), SMARTAG_E_INVALID);
	check_policy(&told.policy, "scheduled", "0 0 4 1/1 * ?", "Asia/Shanghai", 60, 5);
	smartag_reply_free(reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_golden),	       cmocka_unit_test(test_types),
		cmocka_unit_test(test_fields),	 cmocka_unit_test(test_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
