/* Golden replies of every read, and how to change them field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smartag_bed.h"

struct error bed_error;

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

static const char auto_upgrade_body[] =
	"{\"RequestId\":\"r-1\",\"SmartAGId\":\"sag-a\",\"SerialNumber\":\"sagx1\",\"UpgradeType\":\"scheduled\","
	"\"CronExpression\":\"0 0 4 1/1 * ?\",\"Duration\":\"60\",\"Jitter\":5,\"TimeZone\":\"Asia/Shanghai\"}";

struct api_reply *reply_of(const char *body)
{
	struct api_reply *reply = NULL;

	if (smartag_reply_new(body, strlen(body), &reply, &bed_error))
		fail_msg("%s\n%s", bed_error.text, body);
	return reply;
}

void check_device(const struct device_observation *d, const char *serial_number, const char *version,
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
static int read_page(struct api_reply *reply)
{
	static struct api_page page;

	return smartag_read_page(reply, &page, &bed_error);
}

static int read_attribute(struct api_reply *reply)
{
	struct observation o;

	return smartag_read_attribute(reply, &o, &bed_error);
}

static int read_device_info(struct api_reply *reply)
{
	struct api_device_info info;

	return smartag_read_device_info(reply, &info, &bed_error);
}

static int read_catalogue(struct api_reply *reply)
{
	static struct api_catalogue catalogue;

	return smartag_read_catalogue(reply, &catalogue, &bed_error);
}

static int read_ha(struct api_reply *reply)
{
	struct api_ha ha;

	return smartag_read_ha(reply, &ha, &bed_error);
}

static int read_auto_upgrade(struct api_reply *reply)
{
	struct api_auto_upgrade auto_upgrade;

	return smartag_read_auto_upgrade(reply, &auto_upgrade, &bed_error);
}

const struct golden_read reads[READS_N] = {
	[PAGE] = { page_body, read_page },
	[ATTRIBUTE] = { attribute_body, read_attribute },
	[LONER] = { loner_body, read_attribute },
	[DEVICE_INFO] = { device_info_body, read_device_info },
	[CATALOGUE] = { catalogue_body, read_catalogue },
	[HA] = { ha_body, read_ha },
	[AUTO_UPGRADE] = { auto_upgrade_body, read_auto_upgrade },
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

char *replaced(const struct field *f, const char *value)
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
