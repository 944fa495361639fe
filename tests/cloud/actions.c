/*
 * The actions of the API: what each takes, and the views of one instance.
 *
 * The parameters that a request may hold are a table; a name that is not in it is an error, which the
 * real gateway may forgive: a client that passes here passes there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool number_in(const char *text, unsigned long low, unsigned long high)
{
	size_t size = strspn(text, "0123456789");
	unsigned long value;

	if (size == 0 || size > 9 || text[size] != '\0')
		return false;
	value = strtoul(text, NULL, 10);
	return value >= low && value <= high;
}

static bool is_page_number(const char *text)
{
	return number_in(text, 1, 999999999);
}

static bool is_page_size(const char *text)
{
	return number_in(text, 1, 50);
}

static bool is_minutes(const char *text)
{
	return number_in(text, 30, 120);
}

static bool is_jitter(const char *text)
{
	return number_in(text, 0, 1440);
}

static bool is_not_empty(const char *text)
{
	return text[0] != '\0';
}

static bool is_version_kind(const char *text)
{
	enum version_kind kind;

	return version_kind_parse(text, &kind);
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static bool is_instance_type(const char *text)
{
	static const char *const words[] = {"hardware", "software", NULL};

	return is_one_of(text, words);
}

static bool is_upgrade_type(const char *text)
{
	static const char *const words[] = {"scheduled", "boot", "manual", NULL};

	return is_one_of(text, words);
}

static bool is_format(const char *text)
{
	static const char *const words[] = {"JSON", "XML", NULL};

	return is_one_of(text, words);
}

const char *shown_serial(struct sim *sim, const struct instance *instance, unsigned int device)
{
	if (device == 0 && instance->twin_serial[0] != '\0' &&
	    faults_has(&sim->faults, FAULT_DUPLICATE_SERIAL, instance->ordinal, instance->id))
		return instance->twin_serial;
	return instance->devices[device].serial;
}

unsigned int find_device(struct sim *sim, const struct instance *instance, const char *serial)
{
	unsigned int i;

	for (i = 0; i < instance->n_devices; i++)
		if (serial[0] != '\0' && strcmp(shown_serial(sim, instance, i), serial) == 0)
			break;
	return i;
}

struct device *named_device(struct call *call, const char *param, unsigned int *ret_index)
{
	const char *serial = request_param(call->request, param);
	unsigned int i = find_device(call->sim, call->instance, serial);

	if (i == call->instance->n_devices) {
		refuse(&call->refusal, "InvalidParameter", "%s is no device of the instance.", param);
		return NULL;
	}
	if (ret_index != NULL)
		*ret_index = i;
	device_settle(&call->instance->devices[i], call->now_ns);
	return &call->instance->devices[i];
}

static bool is_online(struct call *call, unsigned int device)
{
	return strcmp(instance_status(call->instance, device, call->now_ns), "Active") == 0;
}

static void answer_time(struct call *call, const char *name, int64_t at_ns)
{
	const struct fleet *fleet = &call->sim->fleet;
	time_t at = (time_t)(fleet->born_wall_s + (at_ns - fleet->born_ns) / INT64_C(1000000000));
	char text[32];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	answer_string(&call->answer, name, text);
}

static void answer_devices(struct call *call)
{
	static const char *const roles[] = {"Active", "Standby"};
	struct instance *instance = call->instance;
	struct answer *answer = &call->answer;
	unsigned int master = instance_master(instance, call->now_ns);

	answer_begin_list(answer, "Devices", "Device");
	for (unsigned int i = 0; i < instance->n_devices; i++) {
		struct device *device = &instance->devices[i];

		device_settle(device, call->now_ns);
		answer_begin_item(answer, "Device");
		answer_string(answer, "SerialNumber", shown_serial(call->sim, instance, i));
		answer_string(answer, "SoftwareVersion", device->versions[VERSION_KIND_DEVICE]);
		answer_string(answer, "DpiSignatureDbVersion", device->versions[VERSION_KIND_DPI]);
		answer_string(answer, "HaState", device->ha_state[0] != '\0' ? device->ha_state :
		                                 instance->n_devices == 2     ? roles[i != master] : "Disable");
		answer_string(answer, "HcState", is_online(call, i) ? "Normal" : "Abnormal");
		answer_end(answer);
	}
	answer_end_list(answer);
}

static void describe_attribute(struct call *call)
{
	struct instance *instance = call->instance;
	struct answer *answer = &call->answer;
	unsigned int master = instance_master(instance, call->now_ns);
	bool has_vpn = is_online(call, master) && !instance->is_degraded;
	const char *status = instance_status(instance, 0, call->now_ns);
	char serials[FLEET_LIMIT_TEXT * 2 + 2] = "";

	for (unsigned int i = 0; i < instance->n_devices; i++)
		snprintf(serials + strlen(serials), sizeof(serials) - strlen(serials), "%s%s", i > 0 ? "," : "",
		         shown_serial(call->sim, instance, i));
	if (faults_has(&call->sim->faults, FAULT_UNKNOWN_STATUS, instance->ordinal, instance->id))
		status = "Migrating";
	answer_string(answer, "SmartAGId", instance->id);
	answer_text(answer, "Name", instance->name);
	answer_string(answer, "Status", status);
	answer_string(answer, "InstanceType", instance->model);
	answer_string(answer, "SerialNumber", serials);
	answer_string(answer, "AssociatedCcnId", instance->ccn);
	answer_string(answer, "ResourceGroupId", instance->resource_group);
	answer_text(answer, "City", instance->city);
	answer_string(answer, "VpnStatus", has_vpn ? "up" : "down");
	answer_string(answer, "TrafficMasterSn", instance->traffic_master[0] != '\0' ? instance->traffic_master :
	                                         instance->n_devices > 0 ? instance->devices[master].serial : "");
	if (instance->n_devices > 0)
		answer_devices(call);
}

static void describe_device(struct call *call)
{
	struct answer *answer = &call->answer;
	unsigned int i = 0;
	struct device *device = named_device(call, "SmartAGSn", &i);
	bool is_normal;

	if (device == NULL)
		return;
	is_normal = is_online(call, i) && !call->instance->is_degraded;
	answer_string(answer, "SmartAGType", call->instance->model);
	answer_string(answer, "Version", device->versions[VERSION_KIND_DEVICE]);
	answer_string(answer, "ControllerState", is_normal ? "Normal" : "Abnormal");
	answer_string(answer, "VpnState", is_normal ? "Normal" : "Abnormal");
	answer_string(answer, "SynStatus", is_normal ? "Synchronized" : "Unsynchronized");
	answer_time(call, "StartupTime", device->started_ns);
	answer_time(call, "LastConnectedControllerTime", is_online(call, i) ? call->now_ns : device->started_ns);
}

enum version_kind kind_param(const struct call *call)
{
	const char *text = request_param(call->request, "VersionType");
	enum version_kind kind = VERSION_KIND_DEVICE;

	if (text != NULL)
		(void)version_kind_parse(text, &kind); /* the rules have refused all other words */
	return kind;
}

static void describe_versions(struct call *call)
{
	enum version_kind kind = kind_param(call);
	const struct fleet *fleet = &call->sim->fleet;
	struct answer *answer = &call->answer;
	const char *model = call->instance->model;
	struct device *device = named_device(call, "SmartAGSn", NULL);

	if (device == NULL)
		return;
	if (device->versions[kind][0] == '\0' || !fleet_offers_any(fleet, kind, model)) {
		refuse(&call->refusal, "VersionNotExist", "There is no version of this type for the device.");
		return;
	}
	answer_begin_list(answer, "SmartAGVersions", "SmartAGVersion");
	for (size_t j = 0; j < fleet->n_catalogue; j++) {
		const struct catalogue_entry *entry = &fleet->catalogue[j];

		if (entry->kind != kind || !fleet_offers(fleet, entry, model))
			continue;
		answer_begin_item(answer, "SmartAGVersion");
		answer_string(answer, "VersionCode", entry->code);
		answer_string(answer, "VersionName", entry->code);
		answer_string(answer, "Type", entry->channel);
		answer_number(answer, "CreateTime", entry->created_ms);
		answer_end(answer);
	}
	answer_end_list(answer);
}

static void describe_ha(struct call *call)
{
	const struct instance *instance = call->instance;
	struct answer *answer = &call->answer;
	bool is_pair = instance->n_devices == 2;

	answer_string(answer, "SmartAGId", instance->id);
	answer_string(answer, "DeviceLevelBackupState", is_pair ? "ON" : "OFF");
	answer_string(answer, "DeviceLevelBackupType", is_pair ? "cold_backup" : "no_backup");
	answer_string(answer, "MainDeviceId", instance->devices[0].serial);
	answer_string(answer, "BackupDeviceId", is_pair ? instance->devices[1].serial : "");
}

static void describe_regions(struct call *call)
{
	const struct fleet *fleet = &call->sim->fleet;
	struct answer *answer = &call->answer;
	char endpoint[FLEET_LIMIT_TEXT + 32];

	answer_begin_list(answer, "Regions", "Region");
	for (size_t i = 0; i < fleet->n_regions; i++) {
		const char *id = fleet->regions[i].id;

		snprintf(endpoint, sizeof(endpoint), "smartag.%s.aliyuncs.com", id);
		answer_begin_item(answer, "Region");
		answer_string(answer, "RegionId", id);
		answer_text(answer, "LocalName", id);
		answer_string(answer, "RegionEndpoint", endpoint);
		answer_end(answer);
	}
	answer_end_list(answer);
}

#define REGION {"RegionId", true, is_not_empty}
#define INSTANCE {"SmartAGId", true, is_not_empty}

static const struct action actions[] = {
	{"DescribeSmartAccessGateways",
	 {REGION, {"PageNumber", false, is_page_number}, {"PageSize", false, is_page_size},
	  {"SmartAGId", false, NULL}, {"SmartAGIds.N", false, is_not_empty}, {"Status", false, NULL},
	  {"Name", false, NULL}, {"ResourceGroupId", false, NULL}, {"InstanceType", false, is_instance_type},
	  {"HardwareType", false, NULL}},
	 list_instances},
	{"DescribeSmartAccessGatewayAttribute", {REGION, INSTANCE}, describe_attribute},
	{"DescribeSAGDeviceInfo", {REGION, INSTANCE, {"SmartAGSn", true, is_not_empty}}, describe_device},
	{"DescribeSmartAccessGatewayVersions",
	 {REGION, INSTANCE, {"SmartAGSn", true, is_not_empty}, {"VersionType", true, is_version_kind}},
	 describe_versions},
	{"DescribeSmartAccessGatewayHa", {REGION, INSTANCE}, describe_ha},
	{"DescribeDeviceAutoUpgradePolicy",
	 {REGION, INSTANCE, {"SerialNumber", true, is_not_empty}, {"VersionType", true, is_version_kind}},
	 describe_policy},
	{"ModifyDeviceAutoUpgradePolicy",
	 {REGION, INSTANCE, {"SerialNumber", true, is_not_empty}, {"VersionType", true, is_version_kind},
	  {"UpgradeType", true, is_upgrade_type}, {"CronExpression", false, is_cron}, {"Duration", false, is_minutes},
	  {"TimeZone", false, is_time_zone}, {"Jitter", false, is_jitter}},
	 modify_policy},
	{"DescribeRegions", {{"RegionId", false, is_not_empty}}, describe_regions},
	{"UpdateSmartAccessGatewayVersion",
	 {REGION, INSTANCE, {"VersionCode", true, is_not_empty}, {"SerialNumber", false, is_not_empty},
	  {"VersionType", false, is_version_kind}},
	 upgrade_device},
};

/* What every request of method V2 has beside the parameters of its action. */
static const struct rule common[] = {
	{"Format", false, is_format}, {"Version", true, NULL}, {"AccessKeyId", true, NULL},
	{"SignatureMethod", true, NULL}, {"SignatureVersion", true, NULL}, {"SignatureNonce", true, NULL},
	{"Timestamp", true, NULL}, {"Action", true, NULL}, {"SecurityToken", false, NULL}, {"Signature", true, NULL},
};

const struct action *action_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

static bool rule_is_for(const struct rule *rule, const char *name)
{
	size_t size = strlen(rule->name);

	if (size > 2 && strcmp(rule->name + size - 2, ".N") == 0)
		return strncmp(rule->name, name, size - 1) == 0 && number_in(name + size - 1, 1, 999);
	return strcmp(rule->name, name) == 0;
}

static const struct rule *rule_find(const struct rule *rules, size_t n, const char *name)
{
	for (size_t i = 0; i < n && rules[i].name != NULL; i++)
		if (rule_is_for(&rules[i], name))
			return &rules[i];
	return NULL;
}

static bool check_params(const struct action *action, struct call *call)
{
	static char missing_code[64];
	const struct request *request = call->request;

	for (size_t i = 0; i < ACTION_RULES && action->rules[i].name != NULL; i++) {
		const struct rule *rule = &action->rules[i];

		if (rule->is_required && request_param(request, rule->name) == NULL) {
			snprintf(missing_code, sizeof(missing_code), "Missing%s", rule->name);
			refuse(&call->refusal, missing_code, "The parameter %s is missing.", rule->name);
			return false;
		}
	}
	for (size_t i = 0; i < request->n_params; i++) {
		const struct request_param *param = &request->params[i];
		const struct rule *rule = rule_find(action->rules, ACTION_RULES, param->name);

		if (rule == NULL && !call->claim->is_v3)
			rule = rule_find(common, COUNT_OF(common), param->name);
		if (rule != NULL && (rule->is_valid == NULL || rule->is_valid(param->value)))
			continue;
		refuse(&call->refusal, "InvalidParameter", "The parameter %.64s is %s.", param->name,
		       rule == NULL ? "not one of this action" : "not valid");
		return false;
	}
	return true;
}

/* The region must be one of ours, and the one of the host name where that names one. */
static bool check_region(struct call *call)
{
	const char *region = request_param(call->request, "RegionId");
	const char *host = request_header(call->request, "host");
	char expected[FLEET_LIMIT_TEXT + 32];

	if (region == NULL)
		return true;
	snprintf(expected, sizeof(expected), "smartag.%.*s.aliyuncs.com", FLEET_LIMIT_TEXT, region);
	if (fleet_region(&call->sim->fleet, region) == NULL ||
	    (strncmp(host, "smartag.", 8) == 0 && strcmp(host, expected) != 0)) {
		refuse(&call->refusal, "InvalidParameter", "The region %.64s is not served by this endpoint.", region);
		return false;
	}
	call->region = region;
	return true;
}

static bool check_instance(const struct action *action, struct call *call)
{
	const struct rule *rule = rule_find(action->rules, ACTION_RULES, "SmartAGId");

	if (rule == NULL || !rule->is_required)
		return true;
	call->instance = fleet_find(&call->sim->fleet, request_param(call->request, "SmartAGId"));
	if (call->instance != NULL && strcmp(call->instance->region, call->region) == 0)
		return true;
	refuse(&call->refusal, "InvalidId.SMARTAG", "The specified instance does not exist.");
	return false;
}

void action_run(const struct action *action, struct call *call)
{
	if (check_params(action, call) && check_region(call) && check_instance(action, call))
		action->run(call);
}
