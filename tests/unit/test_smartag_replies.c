/* Golden replies of the Smartag API as the API reference describes them, and what each field of them means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smartag_bed.h"

static void test_page(void **state)
{
	struct api_reply *reply = reply_of(reads[PAGE].body);
	static struct api_page page;
	const struct observation *o = page.observations;

	(void)state;
	assert_int_equal(smartag_read_page(reply, &page, &bed_error), SMARTAG_OK);
	assert_string_equal(smartag_reply_envelope(reply)->request_id, "F7A0FAF2-9D6A-4F62-8D3F-3C94C9F5F0C5");
	assert_string_equal(smartag_reply_envelope(reply)->code, "");
	assert_int_equal(page.total, 103);
	assert_int_equal(page.page_number, 3);
	assert_int_equal(page.page_size, 50);
	assert_int_equal(page.n, 3);

	assert_string_equal(o[0].instance_id, "sag-pair");
	assert_true(o[0].has_attributes);
	assert_string_equal(o[0].name, "Z\xc3\xbcrich");
	assert_string_equal(o[0].model, "sag-1000");
	assert_string_equal(o[0].resource_group, "rg-1");
	assert_string_equal(o[0].ccn, "ccn-1");
	assert_string_equal(o[0].city, "Shanghai");
	assert_string_equal(o[0].status_text, "Active");
	assert_true(o[0].is_status_known);
	assert_int_equal(o[0].status, STATUS_ACTIVE);
	assert_int_equal(o[0].n_devices, 2);
	check_device(&o[0].devices[0], "sagm", "2.10.0", NULL, STATUS_ACTIVE);
	check_device(&o[0].devices[1], "sagb", "2.9.0", NULL, STATUS_OFFLINE);
	assert_int_equal(o[0].devices[0].vpn, HEALTH_UNKNOWN);
	assert_int_equal(o[0].devices[0].ha_role, HA_ROLE_UNKNOWN);

	assert_int_equal(o[1].n_devices, 0);
	assert_int_equal(o[1].status, STATUS_IN_ARREARS);
	assert_string_equal(o[1].ccn, ""); /* missing in a list: not bound */
	assert_int_equal(o[2].n_devices, 1);
	assert_string_equal(o[2].name, "");
	check_device(&o[2].devices[0], "", "", NULL, STATUS_NOT_ACTIVATED);
	smartag_reply_free(reply);
}

static void test_attribute(void **state)
{
	struct api_reply *reply = reply_of(reads[ATTRIBUTE].body);
	struct observation o;

	(void)state;
	assert_int_equal(smartag_read_attribute(reply, &o, &bed_error), SMARTAG_OK);
	assert_string_equal(o.instance_id, "sag-pair");
	assert_true(o.has_attributes);
	assert_string_equal(o.name, "Branch");
	assert_string_equal(o.model, "sag-1000");
	assert_string_equal(o.resource_group, "rg-1");
	assert_string_equal(o.ccn, "ccn-1");
	assert_string_equal(o.city, "Shanghai");
	assert_int_equal(o.status, STATUS_ACTIVE);
	assert_int_equal(o.n_devices, 2);
	check_device(&o.devices[0], "sagm", "2.10.0", "", STATUS_ACTIVE);
	check_device(&o.devices[1], "sagb", "2.9.0", "1.0.7", STATUS_ACTIVE);
	assert_int_equal(o.devices[0].ha_role, HA_ROLE_ACTIVE); /* HaState, though TrafficMasterSn says otherwise */
	assert_int_equal(o.devices[1].ha_role, HA_ROLE_STANDBY);
	assert_int_equal(o.devices[0].vpn, HEALTH_NORMAL);
	assert_int_equal(o.devices[1].vpn, HEALTH_NORMAL);
	smartag_reply_free(reply);
}

static void test_device_info(void **state)
{
	struct api_reply *reply = reply_of(reads[DEVICE_INFO].body);
	struct api_device_info info;

	(void)state;
	assert_int_equal(smartag_read_device_info(reply, &info, &bed_error), SMARTAG_OK);
	assert_string_equal(info.version, "2.10.0");
	assert_int_equal(info.controller, HEALTH_NORMAL);
	assert_int_equal(info.vpn, HEALTH_ABNORMAL);
	smartag_reply_free(reply);
}

static void test_catalogue(void **state)
{
	struct api_reply *reply = reply_of(reads[CATALOGUE].body);
	static struct api_catalogue catalogue;
	static const struct catalogue_entry want[] = {
		{ "2.10.0", 1600000000123, true },
		{ "2.11.0", 1700000000000, false },
		{ "2.12.0", 0, false },
	};

	(void)state;
	assert_int_equal(smartag_read_catalogue(reply, &catalogue, &bed_error), SMARTAG_OK);
	assert_int_equal(catalogue.n, N(want));
	for (size_t i = 0; i < N(want); i++) {
		assert_string_equal(catalogue.entries[i].version, want[i].version);
		assert_int_equal(catalogue.entries[i].created_ms, want[i].created_ms);
		assert_int_equal(catalogue.entries[i].is_release, want[i].is_release);
	}
	smartag_reply_free(reply);
}

static void test_ha(void **state)
{
	struct api_reply *reply = reply_of(reads[HA].body);
	struct api_ha ha;

	(void)state;
	assert_int_equal(smartag_read_ha(reply, &ha, &bed_error), SMARTAG_OK);
	assert_true(ha.is_backup_on);
	assert_true(ha.is_active_active);
	assert_string_equal(ha.main_serial, "sagm");
	assert_string_equal(ha.backup_serial, "sagb");
	smartag_reply_free(reply);
	reply = reply_of("{\"RequestId\":\"r\",\"DeviceLevelBackupState\":\"OFF\",\"DeviceLevelBackupType\":\"cold_backup\"}");
	assert_int_equal(smartag_read_ha(reply, &ha, &bed_error), SMARTAG_OK);
	assert_false(ha.is_backup_on);
	assert_false(ha.is_active_active);
	assert_string_equal(ha.main_serial, "");
	smartag_reply_free(reply);
}

/* ---- serial numbers, versions, statuses, roles ---- */

static const struct {
	const char *serials; /* JSON of SerialNumber */
	int n;               /* -1: invalid */
	const char *want[2];
} serial_cases[] = {
	{ "\"a\"", 1, { "a" } },
	{ "\"a,b\"", 2, { "a", "b" } },
	{ "\"  a ,\\tb \\u0000\"", 2, { "a", "b" } },
	{ "\"a,a\"", 2, { "a", "a" } }, /* the core decides what that means */
	{ "\"a,\"", 1, { "a" } },
	{ "\"a, \"", 1, { "a" } },
	{ "\",b\"", 2, { "", "b" } }, /* the backup's versions go with the second place */
	{ "\",\"", 1, { "" } },
	{ "\" \"", 1, { "" } },
	{ "\"\"", 1, { "" } },
	{ "null", 1, { "" } },
	{ "\"a b\"", 1, { "a b" } },
	{ "\"" SIXTY_FOUR "," SIXTY_FOUR "\"", 2, { SIXTY_FOUR, SIXTY_FOUR } },
	{ "\"a," SIXTY_FOUR "x\"", -1, { NULL } },
	{ "\"a,b,c\"", -1, { NULL } },
	{ "\"a,b,\"", 2, { "a", "b" } },
	{ "\"a,b,,\"", -1, { NULL } },
	{ "\"a\xff\"", 1, { "a\xef\xbf\xbd" } },
};

static void test_serial_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(serial_cases); i++) {
		static struct api_page page;
		struct api_reply *reply;
		char body[512];
		int r;

		snprintf(body, sizeof(body),
			 "{\"RequestId\":\"r\",\"TotalCount\":1,\"PageNumber\":1,\"PageSize\":1,\"SmartAccessGateways\":"
			 "{\"SmartAccessGateway\":[{\"SmartAGId\":\"s\",\"SoftwareVersion\":\"1\",\"BackupSoftwareVersion\":"
			 "\"2\",\"SerialNumber\":%s}]}}",
			 serial_cases[i].serials);
		reply = reply_of(body);
		r = smartag_read_page(reply, &page, &bed_error);
		if (r != (serial_cases[i].n < 0 ? SMARTAG_E_INVALID : SMARTAG_OK))
			fail_msg("%s: %d", serial_cases[i].serials, r);
		if (!r)
			assert_int_equal(page.observations[0].n_devices, serial_cases[i].n);
		for (int j = 0; j < serial_cases[i].n; j++)
			check_device(&page.observations[0].devices[j], serial_cases[i].want[j], j ? "2" : "1", NULL,
				     STATUS_OFFLINE);
		smartag_reply_free(reply);
	}
}

static const struct {
	const char *word;
	enum status status;
	bool is_known;
} status_cases[] = {
	{ "Active", STATUS_ACTIVE, true },
	{ "Offline", STATUS_OFFLINE, true },
	{ "Arrearage", STATUS_IN_ARREARS, true },
	{ "Ordered", STATUS_NOT_ACTIVATED, true },
	{ "Delivered", STATUS_NOT_ACTIVATED, true },
	{ "Received", STATUS_NOT_ACTIVATED, true },
	{ "Unconfirmed", STATUS_NOT_ACTIVATED, true },
	{ "Returning", STATUS_NOT_ACTIVATED, true },
	{ "Init", STATUS_NOT_ACTIVATED, true },
	{ "init", STATUS_NOT_ACTIVATED, true },
	{ "active", STATUS_OFFLINE, false },
	{ "Active ", STATUS_OFFLINE, false },
	{ "Upgrading", STATUS_OFFLINE, false },
	{ "", STATUS_OFFLINE, false },
};

static void check_backup_status(enum status main_status, bool is_known, const char *backup, enum status want,
				const char *want_text)
{
	struct field status = { PAGE, "SmartAccessGateways.SmartAccessGateway.0", "BackupStatus", TEXT };
	static struct api_page page;
	const struct observation *o = page.observations;
	char *body = replaced(&status, backup);
	struct api_reply *reply = reply_of(body);

	assert_int_equal(smartag_read_page(reply, &page, &bed_error), SMARTAG_OK);
	assert_int_equal(o->status, main_status);
	assert_int_equal(o->devices[0].status, main_status);
	assert_int_equal(o->devices[1].status, want);
	assert_int_equal(o->is_status_known, is_known);
	assert_string_equal(o->status_text, want_text);
	smartag_reply_free(reply);
	free(body);
}

static void test_statuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(status_cases); i++) {
		enum status status = STATUS_N;

		assert_int_equal(smartag_status(status_cases[i].word, &status), status_cases[i].is_known);
		assert_int_equal(status, status_cases[i].status);
	}
	check_backup_status(STATUS_ACTIVE, true, NULL, STATUS_ACTIVE, "Active");
	check_backup_status(STATUS_ACTIVE, true, "\"\"", STATUS_ACTIVE, "Active");
	check_backup_status(STATUS_ACTIVE, true, "\"Arrearage\"", STATUS_IN_ARREARS, "Active");
	check_backup_status(STATUS_ACTIVE, false, "\"Odd\"", STATUS_OFFLINE, "Odd");
}

static const struct {
	const char *members; /* beside RequestId and SmartAGId */
	const char *want;    /* serial:version:dpi:role, by spaces; NULL: invalid */
} device_cases[] = {
	{ "", "::-:?" },
	{ "\"SerialNumber\":\"a\"", "a::-:?" },
	{ "\"SerialNumber\":\"a,b\",\"Devices\":{}", "a::-:? b::-:?" },
	{ "\"Devices\":{\"Device\":[{}]}", ":::?" },
	{ "\"Devices\":{\"Device\":[{\"SerialNumber\":\"b\",\"SoftwareVersion\":\"1\"},{\"SerialNumber\":\"a\"}]}", "b:1::? a:::?" },
	{ "\"SerialNumber\":\"a,b\",\"Devices\":{\"Device\":[{\"SerialNumber\":\"b\",\"DpiSignatureDbVersion\":\"7\"},"
	  "{\"SerialNumber\":\"a\"}]}", "a:::? b::7:?" },
	{ "\"SerialNumber\":\"a,b\",\"Devices\":{\"Device\":[{\"SerialNumber\":\"b\"}]}", "a::-:? b:::?" },
	{ "\"SerialNumber\":\"a\",\"Devices\":{\"Device\":[{\"SerialNumber\":\"b\"},{\"SerialNumber\":\"a\"}]}", "a:::? b:::?" },
	{ "\"SerialNumber\":\"a,a\",\"Devices\":{\"Device\":[{\"SerialNumber\":\"a\",\"SoftwareVersion\":\"1\"},"
	  "{\"SerialNumber\":\"a\",\"SoftwareVersion\":\"2\"}]}", "a:1::? a:2::?" },
	{ "\"SerialNumber\":\"a,b\",\"Devices\":{\"Device\":[{\"SerialNumber\":\"c\"}]}", NULL },
	{ "\"Devices\":{\"Device\":[{\"SerialNumber\":\"a,b\"}]}", NULL },
	{ "\"Devices\":{\"Device\":[{},{},{}]}", NULL },
	{ "\"InstanceType\":\"sag-software\",\"Devices\":{\"Device\":[{\"SerialNumber\":\"a\"}]}", "" },
	{ "\"InstanceType\":\"software\"", "" },
	{ "\"InstanceType\":\"sag-vcpe\",\"SerialNumber\":\"v\"", "v::-:?" },

	/* roles: what HaState says; where it is silent, TrafficMasterSn */
	{ "\"Devices\":{\"Device\":[{\"SerialNumber\":\"a\",\"HaState\":\"master\"},{\"SerialNumber\":\"b\",\"HaState\":\"Backup\"}]}",
	  "a:::A b:::S" },
	{ "\"Devices\":{\"Device\":[{\"SerialNumber\":\"a\",\"HaState\":\"STANDBY\"},{\"SerialNumber\":\"b\",\"HaState\":\"odd\"}]},"
	  "\"TrafficMasterSn\":\"a\"", "a:::S b:::?" },
	{ "\"Devices\":{\"Device\":[{\"SerialNumber\":\"a\"},{\"SerialNumber\":\"b\",\"HaState\":\"odd\"}]},\"TrafficMasterSn\":\"b\"",
	  "a:::S b:::A" },
	{ "\"SerialNumber\":\"a,b\",\"TrafficMasterSn\":\"c\"", "a::-:? b::-:?" },
	{ "\"SerialNumber\":\"a,b\",\"TrafficMasterSn\":\"\"", "a::-:? b::-:?" },
	{ "\"SerialNumber\":\"a,a\",\"TrafficMasterSn\":\"a\"", "a::-:? a::-:?" },
	{ "\"SerialNumber\":\",b\",\"TrafficMasterSn\":\"b\"", "::-:S b::-:A" },
};

static void tell_devices(const struct observation *o, char *buf, size_t size)
{
	static const char roles[HA_ROLE_N] = { [HA_ROLE_UNKNOWN] = '?', [HA_ROLE_ACTIVE] = 'A', [HA_ROLE_STANDBY] = 'S' };
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < o->n_devices; i++) {
		const struct device_observation *d = &o->devices[i];

		len += (size_t)snprintf(buf + len, size - len, "%s%s:%s:%s:%c", i ? " " : "", d->serial_number, d->version,
					d->dpi_version ? d->dpi_version : "-", roles[d->ha_role]);
	}
}

static void test_two_odd_statuses(void **state)
{
	struct api_reply *reply = reply_of("{\"RequestId\":\"r\",\"TotalCount\":1,\"PageNumber\":1,\"PageSize\":1,"
					   "\"SmartAccessGateways\":{\"SmartAccessGateway\":[{\"SmartAGId\":\"s\","
					   "\"SerialNumber\":\"a,b\",\"Status\":\"Odd\",\"BackupStatus\":\"Odder\"}]}}");
	static struct api_page page;

	(void)state;
	assert_int_equal(smartag_read_page(reply, &page, &bed_error), SMARTAG_OK);
	assert_false(page.observations[0].is_status_known);
	assert_string_equal(page.observations[0].status_text, "Odd");
	assert_int_equal(page.observations[0].devices[1].status, STATUS_OFFLINE);
	smartag_reply_free(reply);
}

static void test_devices(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(device_cases); i++) {
		struct api_reply *reply;
		struct observation o;
		char body[512], told[256];
		int r;

		snprintf(body, sizeof(body), "{\"RequestId\":\"r\",\"SmartAGId\":\"s\"%s%s}",
			 *device_cases[i].members ? "," : "", device_cases[i].members);
		reply = reply_of(body);
		r = smartag_read_attribute(reply, &o, &bed_error);
		if (r != (device_cases[i].want ? SMARTAG_OK : SMARTAG_E_INVALID))
			fail_msg("%d: %s", r, body);
		if (!r) {
			tell_devices(&o, told, sizeof(told));
			if (strcmp(told, device_cases[i].want))
				fail_msg("%s instead of %s: %s", told, device_cases[i].want, body);
		}
		smartag_reply_free(reply);
	}
}

/* A missing CCN in an attribute read must not pass for an instance that is not bound. */
static void test_attributes_are_all_or_none(void **state)
{
	static const char *const keys[] = { "Name", "InstanceType", "ResourceGroupId", "AssociatedCcnId", "City" };

	(void)state;
	for (size_t i = 0; i < 2 * N(keys); i++) {
		struct field f = { ATTRIBUTE, "", keys[i / 2], TEXT };
		char *body = replaced(&f, i % 2 ? "\"\"" : NULL);
		struct api_reply *reply = reply_of(body);
		struct observation o;

		assert_int_equal(smartag_read_attribute(reply, &o, &bed_error), SMARTAG_OK);
		assert_int_equal(o.has_attributes, i % 2);
		smartag_reply_free(reply);
		free(body);
	}
}

static void test_health_words(void **state)
{
	static const struct {
		const char *word;
		enum health health;
	} cases[] = {
		{ "\"Normal\"", HEALTH_NORMAL },     { "\"up\"", HEALTH_NORMAL },      { "\"UP\"", HEALTH_NORMAL },
		{ "\"Abnormal\"", HEALTH_ABNORMAL }, { "\"down\"", HEALTH_ABNORMAL },  { "\"\"", HEALTH_UNKNOWN },
		{ "\"Normally\"", HEALTH_UNKNOWN },  { "\"Norma\"", HEALTH_UNKNOWN }, { NULL, HEALTH_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct field f = { DEVICE_INFO, "", "ControllerState", TEXT };
		char *body = replaced(&f, cases[i].word);
		struct api_reply *reply = reply_of(body);
		struct api_device_info info;

		assert_int_equal(smartag_read_device_info(reply, &info, &bed_error), SMARTAG_OK);
		assert_int_equal(info.controller, cases[i].health);
		smartag_reply_free(reply);
		free(body);
	}
}

/* ---- text, duplicates, limits ---- */

static void test_text_is_clean(void **state)
{
	struct field f = { PAGE, "SmartAccessGateways.SmartAccessGateway.0", "Name", TEXT };
	static const char *const raw[][2] = {
		{ "\"a\xff\xfe\"", "a\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\"a\\u0000b\\u001f\x7f\n\"", "a b   " },
		{ "\"a\\\\u0000\"", "a\\u0000" },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
	};

	(void)state;
	for (size_t i = 0; i < N(raw); i++) {
		static struct api_page page;
		char *body = replaced(&f, raw[i][0]);
		struct api_reply *reply = reply_of(body);

		assert_int_equal(smartag_read_page(reply, &page, &bed_error), SMARTAG_OK);
		assert_string_equal(page.observations[0].name, raw[i][1]);
		smartag_reply_free(reply);
		free(body);
	}
}

static void test_long_names_are_cut_at_a_character(void **state)
{
	struct field f = { PAGE, "SmartAccessGateways.SmartAccessGateway.0", "Name", TEXT };
	static struct api_page page;
	char value[LIMIT_NAME + 8];
	struct api_reply *reply;
	char *body;

	(void)state;
	memset(value, 'x', sizeof(value));
	value[0] = '"';
	strcpy(value + LIMIT_NAME, "\xc3\xbc\""); /* the last byte within the limit is half a character */
	body = replaced(&f, value);
	reply = reply_of(body);
	assert_int_equal(smartag_read_page(reply, &page, &bed_error), SMARTAG_OK);
	assert_int_equal(strlen(page.observations[0].name), LIMIT_NAME - 1);
	smartag_reply_free(reply);
	free(body);
}

static void test_first_of_duplicate_keys(void **state)
{
	struct api_reply *reply = reply_of("{\"RequestId\":\"r\",\"Version\":\"1\",\"Version\":\"2\",\"version\":\"3\"}");
	struct api_device_info info;

	(void)state;
	assert_int_equal(smartag_read_device_info(reply, &info, &bed_error), SMARTAG_OK);
	assert_string_equal(info.version, "1");
	smartag_reply_free(reply);
}

static const struct {
	const char *total, *page_number, *page_size;
	bool is_valid;
} count_cases[] = {
	{ "0", "1", "50", true },
	{ "4294967295", "4294967295", "1", true },
	{ "4294967296", "1", "50", false },
	{ "\"4294967295\"", "1", "50", true },
	{ "\"4294967296\"", "1", "50", false },
	{ "-1", "1", "50", false },
	{ "1.5", "1", "50", false },
	{ "0", "4294967296", "50", false },
	{ "0", "0", "50", false },
	{ "0", "1", "0", false },
	{ "0", "1", "51", false },
};

static void test_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(count_cases); i++) {
		struct api_reply *reply;
		char body[256];

		snprintf(body, sizeof(body), "{\"RequestId\":\"r\",\"TotalCount\":%s,\"PageNumber\":%s,\"PageSize\":%s}",
			 count_cases[i].total, count_cases[i].page_number, count_cases[i].page_size);
		reply = reply_of(body);
		if (reads[PAGE].read(reply) != (count_cases[i].is_valid ? SMARTAG_OK : SMARTAG_E_INVALID))
			fail_msg("%s", body);
		smartag_reply_free(reply);
	}
}

/* A reply of `head` and then `n` times `entry`. */
static int read_entries(int (*read)(struct api_reply *reply), const char *head, const char *entry, size_t n)
{
	char *body = calloc(1, strlen(head) + n * (strlen(entry) + 1) + 8);
	struct api_reply *reply;
	char *end;
	int r;

	end = stpcpy(body, head);
	for (size_t i = 0; i < n; i++) {
		end = stpcpy(end, i ? "," : "");
		end = stpcpy(end, entry);
	}
	strcpy(end, "]}}");
	reply = reply_of(body);
	r = read(reply);
	smartag_reply_free(reply);
	free(body);
	return r;
}

static void test_too_many_entries(void **state)
{
	static const char page[] = "{\"RequestId\":\"r\",\"TotalCount\":99,\"PageNumber\":1,\"PageSize\":50,"
				   "\"SmartAccessGateways\":{\"SmartAccessGateway\":[";
	static const char catalogue[] = "{\"RequestId\":\"r\",\"SmartAGVersions\":{\"SmartAGVersion\":[";

	(void)state;
	assert_int_equal(read_entries(reads[PAGE].read, page, "{\"SmartAGId\":\"a\"}", LIMIT_PAGE), SMARTAG_OK);
	assert_int_equal(read_entries(reads[PAGE].read, page, "{\"SmartAGId\":\"a\"}", LIMIT_PAGE + 1), SMARTAG_E_INVALID);
	assert_int_equal(read_entries(reads[CATALOGUE].read, catalogue, "{\"VersionCode\":\"1\"}", LIMIT_CATALOGUE), SMARTAG_OK);
	assert_int_equal(read_entries(reads[CATALOGUE].read, catalogue, "{\"VersionCode\":\"1\"}", LIMIT_CATALOGUE + 1),
			 SMARTAG_E_INVALID);
}

/* A failed read leaves its result as it was, and a reply can be read again. */
static void test_failed_read_writes_nothing(void **state)
{
	struct api_reply *reply = reply_of(reads[LONER].body);
	static struct api_page page;
	struct observation o;

	(void)state;
	page.n = 4711;
	assert_int_equal(smartag_read_page(reply, &page, &bed_error), SMARTAG_E_INVALID);
	assert_int_equal(page.n, 4711);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(smartag_read_attribute(reply, &o, &bed_error), SMARTAG_OK);
		assert_string_equal(o.devices[0].serial_number, "sagx1");
	}
	smartag_reply_free(reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_attribute),
		cmocka_unit_test(test_device_info),
		cmocka_unit_test(test_catalogue),
		cmocka_unit_test(test_ha),
		cmocka_unit_test(test_serial_numbers),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_two_odd_statuses),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_attributes_are_all_or_none),
		cmocka_unit_test(test_health_words),
		cmocka_unit_test(test_text_is_clean),
		cmocka_unit_test(test_long_names_are_cut_at_a_character),
		cmocka_unit_test(test_first_of_duplicate_keys),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_too_many_entries),
		cmocka_unit_test(test_failed_read_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
