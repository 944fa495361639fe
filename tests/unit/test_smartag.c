/*
 * The Smartag API: requests by table, envelopes, and every way of being wrong that a reply can have: by field and
 * type, by cutting at each byte, by size, depth and encoding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smartag_bed.h"

/* ---- requests ---- */

static const char *const two_ids[] = { "sag-a", "sag-b" };

#define READ(action_, id_, serial_)                                                                                    \
	{ .action = action_, .region_id = "cn-hangzhou", .instance_id = id_, .serial_number = serial_ }
#define UPGRADE(region_, id_, serial_, version_, type_)                                                                \
	{ .action = API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, .region_id = region_, .instance_id = id_,                 \
	  .serial_number = serial_, .version = version_, .version_type = type_ }

static const struct {
	struct api_request req;
	const char *want; /* joined by &; NULL: see want_r */
	int want_r;
} requests[] = {
	{ { API_DESCRIBE_SMART_ACCESS_GATEWAYS, "cn-hangzhou", .page_number = 3, .page_size = 50 },
	  "RegionId=cn-hangzhou&PageNumber=3&PageSize=50", 0 },
	{ { API_DESCRIBE_SMART_ACCESS_GATEWAYS, "eu-central-1", .page_number = 1, .page_size = 2,
	    .instance_ids = two_ids, .n_instance_ids = 2 },
	  "RegionId=eu-central-1&PageNumber=1&PageSize=2&SmartAGIds.1=sag-a&SmartAGIds.2=sag-b", 0 },
	{ READ(API_DESCRIBE_SMART_ACCESS_GATEWAY_ATTRIBUTE, "sag-a", NULL),
	  "RegionId=cn-hangzhou&SmartAGId=sag-a", 0 },
	{ READ(API_DESCRIBE_SAG_DEVICE_INFO, "sag-a", "sagx1"),
	  "RegionId=cn-hangzhou&SmartAGId=sag-a&SmartAGSn=sagx1", 0 },
	{ { API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS, "cn-hangzhou", .instance_id = "sag-a", .serial_number = "sagx1", .version_type = VERSION_TYPE_DPI },
	  "RegionId=cn-hangzhou&SmartAGId=sag-a&SmartAGSn=sagx1&VersionType=Dpi", 0 },
	{ READ(API_DESCRIBE_SMART_ACCESS_GATEWAY_HA, "sag-a", NULL), "RegionId=cn-hangzhou&SmartAGId=sag-a", 0 },
	{ UPGRADE("cn-hangzhou", "sag-a", "sagx1", "2.10.0", VERSION_TYPE_DEVICE),
	  "RegionId=cn-hangzhou&SmartAGId=sag-a&VersionCode=2.10.0&SerialNumber=sagx1&VersionType=Device", 0 },
	{ UPGRADE("cn-hangzhou", SIXTY_FOUR, SIXTY_FOUR, SIXTY_FOUR, VERSION_TYPE_DPI),
	  "RegionId=cn-hangzhou&SmartAGId=" SIXTY_FOUR "&VersionCode=" SIXTY_FOUR "&SerialNumber=" SIXTY_FOUR
	  "&VersionType=Dpi", 0 },

	/* An upgrade that does not name all of its device, version and place is never built (rule 1). */
	{ UPGRADE("cn-hangzhou", "sag-a", NULL, "2.10.0", VERSION_TYPE_DEVICE), NULL, -EINVAL },
	{ UPGRADE("cn-hangzhou", "sag-a", "", "2.10.0", VERSION_TYPE_DEVICE), NULL, -EINVAL },
	{ UPGRADE("cn-hangzhou", "", "sagx1", "2.10.0", VERSION_TYPE_DEVICE), NULL, -EINVAL },
	{ UPGRADE("cn-hangzhou", "sag-a", "sagx1", "", VERSION_TYPE_DEVICE), NULL, -EINVAL },
	{ UPGRADE(NULL, "sag-a", "sagx1", "2.10.0", VERSION_TYPE_DEVICE), NULL, -EINVAL },
	{ { API_DESCRIBE_SMART_ACCESS_GATEWAYS, "cn-hangzhou", .page_number = 0, .page_size = 50 }, NULL, -EINVAL },
	{ { API_DESCRIBE_SMART_ACCESS_GATEWAYS, "cn-hangzhou", .page_number = 1, .page_size = 0 }, NULL, -EINVAL },

	{ { API_DESCRIBE_SMART_ACCESS_GATEWAYS, "cn-hangzhou", .page_number = 1, .page_size = 51 }, NULL, -E2BIG },
	{ { API_DESCRIBE_SMART_ACCESS_GATEWAYS, SIXTY_FOUR "x", .page_number = 1, .page_size = 1 }, NULL, -E2BIG },
	{ READ(API_DESCRIBE_SMART_ACCESS_GATEWAY_HA, SIXTY_FOUR "x", NULL), NULL, -E2BIG },
	{ READ(API_DESCRIBE_SAG_DEVICE_INFO, "sag-a", SIXTY_FOUR "x"), NULL, -E2BIG },
	{ UPGRADE("cn-hangzhou", "sag-a", "sagx1", SIXTY_FOUR "x", VERSION_TYPE_DEVICE), NULL, -E2BIG },
};

static void test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(requests); i++) {
		struct api_params params = { .n = 4711 };
		char joined[1024] = "";
		size_t len = 0;

		assert_int_equal(smartag_params(&requests[i].req, &params), requests[i].want_r);
		if (requests[i].want_r) {
			assert_int_equal(params.n, 4711); /* untouched */
			continue;
		}
		for (size_t j = 0; j < params.n; j++)
			len += (size_t)snprintf(joined + len, sizeof(joined) - len, "%s%s=%s", j ? "&" : "",
						params.params[j].name, params.params[j].value);
		assert_string_equal(joined, requests[i].want);
	}
}

/* The largest request fits, each value its own; one id more, or one byte more in an id, does not. */
static void test_largest_request(void **state)
{
	char ids[LIMIT_PAGE + 1][LIMIT_INSTANCE_ID + 2];
	const char *pointers[LIMIT_PAGE + 1];
	struct api_request req = { API_DESCRIBE_SMART_ACCESS_GATEWAYS, SIXTY_FOUR, .page_number = UINT32_MAX,
				   .page_size = LIMIT_PAGE, .instance_ids = pointers, .n_instance_ids = LIMIT_PAGE };
	struct api_params params;

	(void)state;
	for (unsigned int i = 0; i <= LIMIT_PAGE; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%0*u", LIMIT_INSTANCE_ID, i + 1);
		pointers[i] = ids[i];
	}
	assert_int_equal(smartag_params(&req, &params), 0);
	assert_int_equal(params.n, 3 + LIMIT_PAGE);
	assert_string_equal(params.params[0].value, SIXTY_FOUR);
	assert_string_equal(params.params[1].value, "4294967295");
	assert_string_equal(params.params[2 + LIMIT_PAGE].name, "SmartAGIds.50");
	for (size_t i = 0; i < LIMIT_PAGE; i++)
		assert_string_equal(params.params[3 + i].value, ids[i]);

	strcat(ids[49], "x");
	assert_int_equal(smartag_params(&req, &params), -E2BIG);
	for (size_t i = 0; i <= LIMIT_PAGE; i++)
		pointers[i] = "a"; /* the number of ids is a limit of its own */
	assert_int_equal(smartag_params(&req, &params), 0);
	req.n_instance_ids = LIMIT_PAGE + 1;
	assert_int_equal(smartag_params(&req, &params), -E2BIG);
}

static void test_action_names(void **state)
{
	(void)state;
	assert_string_equal(api_action_names[API_DESCRIBE_SMART_ACCESS_GATEWAYS], "DescribeSmartAccessGateways");
	assert_string_equal(api_action_names[API_DESCRIBE_SMART_ACCESS_GATEWAY_ATTRIBUTE],
			    "DescribeSmartAccessGatewayAttribute");
	assert_string_equal(api_action_names[API_DESCRIBE_SAG_DEVICE_INFO], "DescribeSAGDeviceInfo");
	assert_string_equal(api_action_names[API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS],
			    "DescribeSmartAccessGatewayVersions");
	assert_string_equal(api_action_names[API_DESCRIBE_SMART_ACCESS_GATEWAY_HA], "DescribeSmartAccessGatewayHa");
	assert_string_equal(api_action_names[API_UPDATE_SMART_ACCESS_GATEWAY_VERSION],
			    "UpdateSmartAccessGatewayVersion");
	assert_string_equal(api_action_names[API_DESCRIBE_DEVICE_AUTO_UPGRADE_POLICY], "DescribeDeviceAutoUpgradePolicy");
	assert_string_equal(api_action_names[API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY], "ModifyDeviceAutoUpgradePolicy");
}

/* ---- envelopes ---- */

static const struct {
	const char *body;
	const char *request_id, *code, *message; /* NULL: no reply */
} envelopes[] = {
	{ "{\"RequestId\":\"r-1\"}", "r-1", "", "" },
	{ " \r\n{\"RequestId\":\"r-1\"}\n", "r-1", "", "" },
	{ "{\"RequestId\":\"r-1\",\"HostId\":\"h\",\"Code\":\"VersionTooOld\",\"Message\":\"too old\",\"Recommend\":\"u\"}", "r-1",
	  "VersionTooOld", "too old" },
	{ "{\"Code\":\"Throttling.User\"}", "", "Throttling.User", "" },
	{ "{\"RequestId\":\"r-1\",\"Code\":null,\"Message\":null}", "r-1", "", "" },
	{ "{\"RequestId\":\"a\",\"RequestId\":\"b\"}", "a", "", "" },
	{ "{\"Code\":\"Forbidden\\u0000x\",\"Message\":\"line\\nforged\\tm\xff\"}", "", "Forbidden x", "line forged m\xef\xbf\xbd" },
	{ "{\"Code\":\"a\\\\u0000\",\"Message\":\"\\\\\\u0000|\"}", "", "a\\u0000", "\\ |" }, /* an escaped backslash is none of NUL */
	{ "{\"Code\":\"" SIXTY_FOUR "x\"}", "", SIXTY_FOUR, "" },
	{ "{\"RequestId\":\"" SIXTY_FOUR "x\"}", SIXTY_FOUR, "", "" },

	{ "", NULL, NULL, NULL },
	{ "   ", NULL, NULL, NULL },
	{ "{}", NULL, NULL, NULL },
	{ "{\"requestid\":\"r-1\"}", NULL, NULL, NULL },
	{ "{\"RequestId\":\"\"}", NULL, NULL, NULL },
	{ "{\"RequestId\":null}", NULL, NULL, NULL },
	{ "{\"RequestId\":1}", NULL, NULL, NULL },
	{ "{\"RequestId\":\"r\",\"Code\":200}", NULL, NULL, NULL },
	{ "{\"RequestId\":\"r\",\"Code\":\"c\",\"Message\":{}}", NULL, NULL, NULL },
	{ "null", NULL, NULL, NULL },
	{ "[{\"RequestId\":\"r-1\"}]", NULL, NULL, NULL },
	{ "\"RequestId\"", NULL, NULL, NULL },
	{ "{\"RequestId\":\"r-1\"}x", NULL, NULL, NULL },
	{ "{\"RequestId\":\"r-1\"}{}", NULL, NULL, NULL },
	{ "{'RequestId':'r-1'}", NULL, NULL, NULL },
	{ "{\"RequestId\":\"\\uD800\"}", NULL, NULL, NULL },
	{ "<html><head><title>502 Bad Gateway</title></head></html>", NULL, NULL, NULL },
	{ "<Error><Code>Throttling</Code></Error>", NULL, NULL, NULL },
};

static void test_envelopes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(envelopes); i++) {
		struct api_reply *reply = NULL;
		int r = smartag_reply_new(envelopes[i].body, strlen(envelopes[i].body), &reply, &bed_error);

		if (r != (envelopes[i].request_id ? SMARTAG_OK : SMARTAG_E_INVALID))
			fail_msg("%d from %s", r, envelopes[i].body);
		if (r) {
			assert_null(reply);
			continue;
		}
		assert_string_equal(smartag_reply_envelope(reply)->request_id, envelopes[i].request_id);
		assert_string_equal(smartag_reply_envelope(reply)->code, envelopes[i].code);
		assert_string_equal(smartag_reply_envelope(reply)->message, envelopes[i].message);
		smartag_reply_free(reply);
	}
	assert_null(smartag_reply_free(NULL));
}

/* The error of a proxy's page shows what it was, on one line. */
static void test_error_text(void **state)
{
	static const char html[] = "<html>\n<title>502 Bad Gateway</title>\xff";
	struct api_reply *reply;

	(void)state;
	assert_int_equal(smartag_reply_new(html, strlen(html), &reply, &bed_error), SMARTAG_E_INVALID);
	assert_non_null(strstr(bed_error.text, "<html> <title>502 Bad Gateway</title>\xef\xbf\xbd"));
	assert_int_equal(smartag_reply_new("[1]", 3, &reply, &bed_error), SMARTAG_E_INVALID);
	assert_string_equal(bed_error.text, "no JSON object: byte 0 of 3; it starts with: [1]");
}

/* Cut at every byte: never a reply, and never a read behind the end (the copy has no terminator). */
static void test_cut_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(reads); i++) {
		size_t len = strlen(reads[i].body);

		for (size_t cut = 0; cut < len; cut++) {
			char *body = malloc(cut + !cut);
			struct api_reply *reply = NULL;

			memcpy(body, reads[i].body, cut);
			assert_int_equal(smartag_reply_new(body, cut, &reply, &bed_error), SMARTAG_E_INVALID);
			free(body);
		}
	}
}

/* Every byte replaced by each of a few: whatever comes out, it is not memory damage; a NUL is never a reply. */
static void test_damage_everywhere(void **state)
{
	static const char damage[] = { '\0', '"', '\\', ',', '}', '[', '9', '\xff' };

	(void)state;
	for (size_t i = 0; i < N(reads); i++) {
		size_t len = strlen(reads[i].body);
		char *body = strdup(reads[i].body);

		for (size_t at = 0; at < len * sizeof(damage); at++) {
			char saved = body[at % len];
			struct api_reply *reply = NULL;
			int r;

			body[at % len] = damage[at / len];
			r = smartag_reply_new(body, len, &reply, &bed_error);
			if (!damage[at / len])
				assert_int_equal(r, SMARTAG_E_INVALID);
			if (!r)
				assert_in_range(reads[i].read(reply), SMARTAG_OK, SMARTAG_E_INVALID);
			smartag_reply_free(reply);
			body[at % len] = saved;
		}
		free(body);
	}
}

/* An error reply is no success to any read, and no RequestId is none either. */
static void test_reads_of_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(reads); i++) {
		cJSON *root = cJSON_Parse(reads[i].body);
		struct api_reply *reply;
		char *body;

		cJSON_AddStringToObject(root, "Code", "InternalError");
		body = cJSON_PrintUnformatted(root);
		reply = reply_of(body);
		assert_int_equal(reads[i].read(reply), SMARTAG_E_INVALID);
		smartag_reply_free(reply);
		free(body);
		cJSON_Delete(root);
	}
}

/* ---- every field, by table ---- */

static const struct field fields[] = {
	{ PAGE, "", "TotalCount", COUNT },
	{ PAGE, "", "PageNumber", COUNT },
	{ PAGE, "", "PageSize", COUNT },
	{ PAGE, "", "SmartAccessGateways", GROUP },
	{ PAGE, "SmartAccessGateways", "SmartAccessGateway", LIST },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "SmartAGId", ID },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "Name", TEXT },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "Status", TEXT },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "SerialNumber", WORD },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "SoftwareVersion", WORD },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "BackupSoftwareVersion", WORD },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "BackupStatus", TEXT },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "HardwareVersion", TEXT },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "AssociatedCcnId", TEXT },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "ResourceGroupId", TEXT },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.0", "City", TEXT },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.2", "SmartAGId", ID },
	{ PAGE, "SmartAccessGateways.SmartAccessGateway.2", "SerialNumber", WORD },
	{ ATTRIBUTE, "", "SmartAGId", ID },
	{ ATTRIBUTE, "", "Name", TEXT },
	{ ATTRIBUTE, "", "Status", TEXT },
	{ ATTRIBUTE, "", "InstanceType", TEXT },
	{ ATTRIBUTE, "", "VpnStatus", TEXT },
	{ ATTRIBUTE, "", "TrafficMasterSn", WORD },
	{ LONER, "", "SerialNumber", WORD },
	{ ATTRIBUTE, "", "AssociatedCcnId", TEXT },
	{ ATTRIBUTE, "", "ResourceGroupId", TEXT },
	{ ATTRIBUTE, "", "City", TEXT },
	{ ATTRIBUTE, "", "Devices", GROUP },
	{ ATTRIBUTE, "Devices", "Device", LIST },
	{ LONER, "Devices", "Device", LIST },
	{ LONER, "Devices.Device.0", "SerialNumber", WORD },
	{ ATTRIBUTE, "Devices.Device.1", "SoftwareVersion", WORD },
	{ ATTRIBUTE, "Devices.Device.0", "DpiSignatureDbVersion", WORD },
	{ ATTRIBUTE, "Devices.Device.0", "HaState", TEXT },
	{ DEVICE_INFO, "", "Version", WORD },
	{ DEVICE_INFO, "", "ControllerState", TEXT },
	{ DEVICE_INFO, "", "VpnState", TEXT },
	{ CATALOGUE, "", "SmartAGVersions", GROUP },
	{ CATALOGUE, "SmartAGVersions", "SmartAGVersion", LIST },
	{ CATALOGUE, "SmartAGVersions.SmartAGVersion.2", "VersionCode", ID },
	{ CATALOGUE, "SmartAGVersions.SmartAGVersion.0", "Type", TEXT },
	{ CATALOGUE, "SmartAGVersions.SmartAGVersion.0", "CreateTime", NUMBER },
	{ HA, "", "DeviceLevelBackupState", TEXT },
	{ HA, "", "DeviceLevelBackupType", TEXT },
	{ HA, "", "MainDeviceId", WORD },
	{ HA, "", "BackupDeviceId", WORD },
	{ AUTO_UPGRADE, "", "TimeZone", WORD },
};

#define BIT(kind) (1u << (kind))
#define TEXTS (BIT(TEXT) | BIT(WORD) | BIT(ID))
#define NUMBERS (BIT(NUMBER) | BIT(COUNT))
#define ALL (TEXTS | NUMBERS | BIT(GROUP) | BIT(LIST))
#define REQUIRED (BIT(ID) | BIT(COUNT))

/* What a field is replaced by, and the kinds of fields that may not be that. NULL: taken away. */
static const struct {
	const char *value;
	unsigned int invalid_for;
} replacements[] = {
	{ NULL, REQUIRED },
	{ "null", REQUIRED },
	{ "true", ALL },
	{ "false", ALL },
	{ "\"\"", ALL & ~(BIT(TEXT) | BIT(WORD)) },
	{ "\"word\"", ALL & ~TEXTS },
	{ "7", ALL & ~NUMBERS },
	{ "7e0", ALL & ~NUMBERS },
	{ "\"7\"", ALL & ~(TEXTS | NUMBERS) },
	{ "-1", ALL },
	{ "-0.5", ALL },
	{ "7.5", ALL },
	{ "1e999", ALL },
	{ "1e15", ALL },
	{ "1000000000000000", ALL },
	{ "\"1000000000000000\"", ALL & ~TEXTS },
	{ "\"18446744073709551617\"", ALL & ~TEXTS },
	{ "\"-1\"", ALL & ~TEXTS },
	{ "\" 7\"", ALL & ~TEXTS },
	{ "\"7.0\"", ALL & ~TEXTS },
	{ "{}", ALL & ~BIT(GROUP) },
	{ "[]", ALL & ~BIT(LIST) },
	{ "[1]", ALL },
	{ "[null]", ALL },
	{ "[[]]", ALL },
	{ "\"" SIXTY_FOUR "x\"", ALL & ~BIT(TEXT) },
	{ "\"" SIXTY_FOUR "\"", ALL & ~TEXTS },
	{ "\"\xff" TEN TEN TEN TEN TEN TEN "123\"", ALL & ~BIT(TEXT) }, /* 64 bytes that are 66 when clean */
};

static void test_every_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(fields) * N(replacements); i++) {
		const struct field *f = &fields[i % N(fields)];
		const char *value = replacements[i / N(fields)].value;
		char *body = replaced(f, value);
		struct api_reply *reply = reply_of(body);
		bool is_invalid = replacements[i / N(fields)].invalid_for & BIT(f->kind);

		bed_error.text[0] = '\0';
		if (reads[f->read].read(reply) != (is_invalid ? SMARTAG_E_INVALID : SMARTAG_OK))
			fail_msg("%s.%s = %s: %s", f->path, f->key, value ? value : "(missing)", bed_error.text);
		if (is_invalid && !strstr(bed_error.text, f->key))
			fail_msg("%s.%s = %s: the error names another field: %s", f->path, f->key, value, bed_error.text);
		smartag_reply_free(reply);
		free(body);
	}
}

static int parse_padded(size_t size)
{
	struct api_reply *reply = NULL;
	char *body = malloc(size);
	int r;

	memset(body, ' ', size);
	memcpy(body, "{\"RequestId\":\"r\"}", 17);
	r = smartag_reply_new(body, size, &reply, &bed_error);
	smartag_reply_free(reply);
	free(body);
	return r;
}

static void test_huge(void **state)
{
	(void)state;
	assert_int_equal(parse_padded(SMARTAG_BODY_MAX), SMARTAG_OK);
	assert_int_equal(parse_padded(SMARTAG_BODY_MAX + 1), SMARTAG_E_INVALID);
}

static int parse_nested(size_t depth)
{
	static const char head[] = "{\"RequestId\":\"r\",\"x\":";
	size_t size = strlen(head) + 2 * depth + 1;
	struct api_reply *reply = NULL;
	char *body = malloc(size);
	int r;

	memcpy(body, head, strlen(head));
	memset(body + strlen(head), '[', depth);
	memset(body + strlen(head) + depth, ']', depth);
	body[size - 1] = '}';
	r = smartag_reply_new(body, size, &reply, &bed_error);
	smartag_reply_free(reply);
	free(body);
	return r;
}

static void test_deep(void **state)
{
	(void)state;
	assert_int_equal(parse_nested(CJSON_NESTING_LIMIT - 1), SMARTAG_OK); /* the root is a level, too */
	assert_int_equal(parse_nested(CJSON_NESTING_LIMIT), SMARTAG_E_INVALID);
	assert_int_equal(parse_nested(SMARTAG_BODY_MAX / 3), SMARTAG_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_largest_request),
		cmocka_unit_test(test_action_names),
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_error_text),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_damage_everywhere),
		cmocka_unit_test(test_reads_of_an_error),
		cmocka_unit_test(test_every_field),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
