/*
 * The Smartag API: requests by table, golden replies as the API reference describes them, and every way of
 * being wrong that a reply can have: by field and type, by cutting at each byte, by size, depth and encoding.
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

#include "cloud/smartag.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define TEN "0123456789"
#define SIXTY_FOUR TEN TEN TEN TEN TEN TEN "0123"

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
}

/* ---- golden replies ---- */

static const char page_body[] =
	"{\"RequestId\":\"F7A0FAF2-9D6A-4F62-8D3F-3C94C9F5F0C5\",\"TotalCount\":103,\"PageNumber\":3,\"PageSize\":\"50\","
	"\"SmartAccessGateways\":{\"SmartAccessGateway\":["
	"{\"SmartAGId\":\"sag-pair\",\"Name\":\"Z\xc3\xbcrich\",\"Status\":\"Active\",\"SerialNumber\":\"sagm, sagb\","
	"\"SoftwareVersion\":\"2.10.0\",\"BackupSoftwareVersion\":\"2.9.0\",\"BackupStatus\":\"Offline\","
	"\"HardwareVersion\":\"sag-1000\",\"AssociatedCcnId\":\"ccn-1\",\"ResourceGroupId\":\"rg-1\",\"City\":\"Shanghai\","
	"\"EndTime\":1893456000000,\"More\":[{\"x\":null}]},"
	"{\"SmartAGId\":\"sag-app\",\"Name\":\"\",\"Status\":\"Arrearage\",\"HardwareVersion\":\"sag-software\"},"
	"{\"SmartAGId\":\"sag-bare\",\"Name\":null,\"Status\":\"Delivered\",\"HardwareVersion\":\"sag-100wm\",\"SerialNumber\":\"\"}"
	"]}}";

static const char attribute_body[] =
	"{\"RequestId\":\"r-1\",\"SmartAGId\":\"sag-pair\",\"Name\":\"Branch\",\"Status\":\"Active\",\"InstanceType\":\"sag-1000\","
	"\"SerialNumber\":\"sagm,sagb\",\"VpnStatus\":\"up\",\"TrafficMasterSn\":\"sagb\",\"AssociatedCcnId\":\"ccn-1\","
	"\"ResourceGroupId\":\"rg-1\",\"City\":\"Shanghai\",\"Devices\":{\"Device\":["
	"{\"SerialNumber\":\"sagb\",\"SoftwareVersion\":\"2.9.0\",\"DpiSignatureDbVersion\":\"1.0.7\",\"HaState\":\"Standby\",\"HcState\":\"ok\"},"
	"{\"SerialNumber\":\"sagm\",\"SoftwareVersion\":\"2.10.0\",\"HaState\":\"ACTIVE\"}]}}";

static const char loner_body[] = "{\"RequestId\":\"r-1\",\"SmartAGId\":\"sag-a\",\"SerialNumber\":\"\",\"Devices\":{\"Device\":["
				 "{\"SerialNumber\":\"sagx1\",\"SoftwareVersion\":\"2.9.0\"}]}}";

static const char device_info_body[] =
	"{\"RequestId\":\"r-1\",\"Version\":\"2.10.0\",\"ControllerState\":\"Normal\",\"VpnState\":\"Abnormal\",\"SynStatus\":\"ok\","
	"\"SmartAGType\":\"sag-1000\",\"StartupTime\":\"2026-01-02 03:04:05\"}";

static const char catalogue_body[] =
	"{\"RequestId\":\"r-1\",\"SmartAGVersions\":{\"SmartAGVersion\":["
	"{\"VersionCode\":\"2.10.0\",\"VersionName\":\"n\",\"Type\":\"release\",\"CreateTime\":1600000000123},"
	"{\"VersionCode\":\"2.11.0\",\"Type\":\"beta\",\"CreateTime\":\"1700000000000\"},"
	"{\"VersionCode\":\"2.12.0\"}]}}";

static const char ha_body[] =
	"{\"RequestId\":\"r-1\",\"DeviceLevelBackupState\":\"ON\",\"DeviceLevelBackupType\":\"warm_backup\","
	"\"MainDeviceId\":\"sagm\",\"BackupDeviceId\":\"sagb\"}";

static struct error error;

static struct api_reply *reply_of(const char *body)
{
	struct api_reply *reply = NULL;

	if (smartag_reply_new(body, strlen(body), &reply, &error))
		fail_msg("%s\n%s", error.text, body);
	return reply;
}

static void check_device(const struct device_observation *d, const char *serial_number, const char *version,
			 const char *dpi_version, enum status status)
{
	assert_string_equal(d->serial_number, serial_number);
	assert_string_equal(d->version, version);
	if (dpi_version)
		assert_string_equal(d->dpi_version, dpi_version);
	else
		assert_null(d->dpi_version);
	assert_int_equal(d->status, status);
	assert_int_equal(d->controller, HEALTH_UNKNOWN);
}

static void test_page(void **state)
{
	struct api_reply *reply = reply_of(page_body);
	static struct api_page page;
	const struct observation *o = page.observations;

	(void)state;
	assert_int_equal(smartag_read_page(reply, &page, &error), SMARTAG_OK);
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
	struct api_reply *reply = reply_of(attribute_body);
	struct observation o;

	(void)state;
	assert_int_equal(smartag_read_attribute(reply, &o, &error), SMARTAG_OK);
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
	struct api_reply *reply = reply_of(device_info_body);
	struct api_device_info info;

	(void)state;
	assert_int_equal(smartag_read_device_info(reply, &info, &error), SMARTAG_OK);
	assert_string_equal(info.version, "2.10.0");
	assert_int_equal(info.controller, HEALTH_NORMAL);
	assert_int_equal(info.vpn, HEALTH_ABNORMAL);
	smartag_reply_free(reply);
}

static void test_catalogue(void **state)
{
	struct api_reply *reply = reply_of(catalogue_body);
	static struct api_catalogue catalogue;
	static const struct catalogue_entry want[] = {
		{ "2.10.0", 1600000000123, true },
		{ "2.11.0", 1700000000000, false },
		{ "2.12.0", 0, false },
	};

	(void)state;
	assert_int_equal(smartag_read_catalogue(reply, &catalogue, &error), SMARTAG_OK);
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
	struct api_reply *reply = reply_of(ha_body);
	struct api_ha ha;

	(void)state;
	assert_int_equal(smartag_read_ha(reply, &ha, &error), SMARTAG_OK);
	assert_true(ha.is_backup_on);
	assert_true(ha.is_active_active);
	assert_string_equal(ha.main_serial, "sagm");
	assert_string_equal(ha.backup_serial, "sagb");
	smartag_reply_free(reply);
	reply = reply_of("{\"RequestId\":\"r\",\"DeviceLevelBackupState\":\"OFF\",\"DeviceLevelBackupType\":\"cold_backup\"}");
	assert_int_equal(smartag_read_ha(reply, &ha, &error), SMARTAG_OK);
	assert_false(ha.is_backup_on);
	assert_false(ha.is_active_active);
	assert_string_equal(ha.main_serial, "");
	smartag_reply_free(reply);
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
		int r = smartag_reply_new(envelopes[i].body, strlen(envelopes[i].body), &reply, &error);

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
	assert_int_equal(smartag_reply_new(html, strlen(html), &reply, &error), SMARTAG_E_INVALID);
	assert_non_null(strstr(error.text, "<html> <title>502 Bad Gateway</title>\xef\xbf\xbd"));
	assert_int_equal(smartag_reply_new("[1]", 3, &reply, &error), SMARTAG_E_INVALID);
	assert_string_equal(error.text, "no JSON object: byte 0 of 3; it starts with: [1]");
}

/* ---- the five reads, behind one shape ---- */

static int read_page(struct api_reply *reply)
{
	static struct api_page page;

	return smartag_read_page(reply, &page, &error);
}

static int read_attribute(struct api_reply *reply)
{
	struct observation o;

	return smartag_read_attribute(reply, &o, &error);
}

static int read_device_info(struct api_reply *reply)
{
	struct api_device_info info;

	return smartag_read_device_info(reply, &info, &error);
}

static int read_catalogue(struct api_reply *reply)
{
	static struct api_catalogue catalogue;

	return smartag_read_catalogue(reply, &catalogue, &error);
}

static int read_ha(struct api_reply *reply)
{
	struct api_ha ha;

	return smartag_read_ha(reply, &ha, &error);
}

enum { PAGE, ATTRIBUTE, LONER, DEVICE_INFO, CATALOGUE, HA };

static const struct {
	const char *body;
	int (*read)(struct api_reply *reply);
} reads[] = {
	[PAGE] = { page_body, read_page },
	[ATTRIBUTE] = { attribute_body, read_attribute },
	[LONER] = { loner_body, read_attribute },
	[DEVICE_INFO] = { device_info_body, read_device_info },
	[CATALOGUE] = { catalogue_body, read_catalogue },
	[HA] = { ha_body, read_ha },
};

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
			assert_int_equal(smartag_reply_new(body, cut, &reply, &error), SMARTAG_E_INVALID);
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
			r = smartag_reply_new(body, len, &reply, &error);
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

enum kind {
	TEXT,   /* only shown: cut when too long */
	WORD,   /* an id, serial number or version: 64 bytes, else invalid */
	NUMBER, /* a whole number from 0 */
	COUNT,  /* a number that must be there */
	ID,     /* a word that must be there */
	GROUP,  /* an object that may be missing */
	LIST,   /* an array that may be missing */
};

static const struct field {
	int read;
	const char *path; /* from the root, by dots; a digit is an index */
	const char *key;
	enum kind kind;
} fields[] = {
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

static cJSON *walk(cJSON *root, const char *path)
{
	char *copy = strdup(path), *rest = copy, *part;

	while (*path && (part = strsep(&rest, ".")))
		root = *part <= '9' ? cJSON_GetArrayItem(root, atoi(part)) :
				      cJSON_GetObjectItemCaseSensitive(root, part);
	free(copy);
	return root;
}

static char *replaced(const struct field *f, const char *value)
{
	cJSON *root = cJSON_Parse(reads[f->read].body), *object = walk(root, f->path);
	char *body;

	assert_non_null(object);
	cJSON_DeleteItemFromObjectCaseSensitive(object, f->key);
	if (value)
		cJSON_AddRawToObject(object, f->key, value); /* as it stands */
	body = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return body;
}

static void test_every_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(fields) * N(replacements); i++) {
		const struct field *f = &fields[i % N(fields)];
		const char *value = replacements[i / N(fields)].value;
		char *body = replaced(f, value);
		struct api_reply *reply = reply_of(body);
		bool is_invalid = replacements[i / N(fields)].invalid_for & BIT(f->kind);

		error.text[0] = '\0';
		if (reads[f->read].read(reply) != (is_invalid ? SMARTAG_E_INVALID : SMARTAG_OK))
			fail_msg("%s.%s = %s: %s", f->path, f->key, value ? value : "(missing)", error.text);
		if (is_invalid && !strstr(error.text, f->key))
			fail_msg("%s.%s = %s: the error names another field: %s", f->path, f->key, value, error.text);
		smartag_reply_free(reply);
		free(body);
	}
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
		r = smartag_read_page(reply, &page, &error);
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

	assert_int_equal(smartag_read_page(reply, &page, &error), SMARTAG_OK);
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
	assert_int_equal(smartag_read_page(reply, &page, &error), SMARTAG_OK);
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
		r = smartag_read_attribute(reply, &o, &error);
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

		assert_int_equal(smartag_read_attribute(reply, &o, &error), SMARTAG_OK);
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

		assert_int_equal(smartag_read_device_info(reply, &info, &error), SMARTAG_OK);
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

		assert_int_equal(smartag_read_page(reply, &page, &error), SMARTAG_OK);
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
	assert_int_equal(smartag_read_page(reply, &page, &error), SMARTAG_OK);
	assert_int_equal(strlen(page.observations[0].name), LIMIT_NAME - 1);
	smartag_reply_free(reply);
	free(body);
}

static void test_first_of_duplicate_keys(void **state)
{
	struct api_reply *reply = reply_of("{\"RequestId\":\"r\",\"Version\":\"1\",\"Version\":\"2\",\"version\":\"3\"}");
	struct api_device_info info;

	(void)state;
	assert_int_equal(smartag_read_device_info(reply, &info, &error), SMARTAG_OK);
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
		if (read_page(reply) != (count_cases[i].is_valid ? SMARTAG_OK : SMARTAG_E_INVALID))
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
	assert_int_equal(read_entries(read_page, page, "{\"SmartAGId\":\"a\"}", LIMIT_PAGE), SMARTAG_OK);
	assert_int_equal(read_entries(read_page, page, "{\"SmartAGId\":\"a\"}", LIMIT_PAGE + 1), SMARTAG_E_INVALID);
	assert_int_equal(read_entries(read_catalogue, catalogue, "{\"VersionCode\":\"1\"}", LIMIT_CATALOGUE), SMARTAG_OK);
	assert_int_equal(read_entries(read_catalogue, catalogue, "{\"VersionCode\":\"1\"}", LIMIT_CATALOGUE + 1),
			 SMARTAG_E_INVALID);
}

static int parse_padded(size_t size)
{
	struct api_reply *reply = NULL;
	char *body = malloc(size);
	int r;

	memset(body, ' ', size);
	memcpy(body, "{\"RequestId\":\"r\"}", 17);
	r = smartag_reply_new(body, size, &reply, &error);
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
	r = smartag_reply_new(body, size, &reply, &error);
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

/* A failed read leaves its result as it was, and a reply can be read again. */
static void test_failed_read_writes_nothing(void **state)
{
	struct api_reply *reply = reply_of(loner_body);
	static struct api_page page;
	struct observation o;

	(void)state;
	page.n = 4711;
	assert_int_equal(smartag_read_page(reply, &page, &error), SMARTAG_E_INVALID);
	assert_int_equal(page.n, 4711);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(smartag_read_attribute(reply, &o, &error), SMARTAG_OK);
		assert_string_equal(o.devices[0].serial_number, "sagx1");
	}
	smartag_reply_free(reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_largest_request),
		cmocka_unit_test(test_action_names),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_attribute),
		cmocka_unit_test(test_device_info),
		cmocka_unit_test(test_catalogue),
		cmocka_unit_test(test_ha),
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_error_text),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_damage_everywhere),
		cmocka_unit_test(test_reads_of_an_error),
		cmocka_unit_test(test_every_field),
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
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_failed_read_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
