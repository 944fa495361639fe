/*
 * Requests and replies of the Smartag API, version 2018-03-13, after the public API reference: which parameters
 * a call takes, and what the fields of a reply mean. Guarantees that nothing reaches the caller's object unless
 * the whole reply was well-formed. Must not trust a length, a type or a count that a reply states; the typed
 * access that sees to that is in reply.c.
 */
#include "smartag.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reply.h"

#define REGION_ID_MAX 64
#define CREATED_MS_MAX INT64_C(999999999999999) /* what 15 digits hold; the year 33658 */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

const char *const api_action_names[API_ACTION_N] = {
	[API_DESCRIBE_SMART_ACCESS_GATEWAYS] = "DescribeSmartAccessGateways",
	[API_DESCRIBE_SMART_ACCESS_GATEWAY_ATTRIBUTE] = "DescribeSmartAccessGatewayAttribute",
	[API_DESCRIBE_SAG_DEVICE_INFO] = "DescribeSAGDeviceInfo",
	[API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS] = "DescribeSmartAccessGatewayVersions",
	[API_DESCRIBE_SMART_ACCESS_GATEWAY_HA] = "DescribeSmartAccessGatewayHa",
	[API_UPDATE_SMART_ACCESS_GATEWAY_VERSION] = "UpdateSmartAccessGatewayVersion",
	[API_DESCRIBE_DEVICE_AUTO_UPGRADE_POLICY] = "DescribeDeviceAutoUpgradePolicy",
	[API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY] = "ModifyDeviceAutoUpgradePolicy",
};

const char *const auto_upgrade_type_names[AUTO_UPGRADE_TYPE_N] = {
	[AUTO_UPGRADE_TYPE_UNKNOWN] = "unknown",
	[AUTO_UPGRADE_TYPE_SCHEDULED] = "scheduled",
	[AUTO_UPGRADE_TYPE_BOOT] = "boot",
	[AUTO_UPGRADE_TYPE_MANUAL] = "manual",
};

/* ---- requests ---- */

enum use {
	USE_INSTANCE = 1 << 0,  /* SmartAGId */
	USE_DEVICE = 1 << 1,    /* the serial number, under the name below */
	USE_VERSION = 1 << 2,   /* VersionCode */
	USE_TYPE = 1 << 3,      /* VersionType */
	USE_LIST = 1 << 4,      /* PageNumber, PageSize, SmartAGIds.N */
	USE_AUTO_UPGRADE = 1 << 5, /* UpgradeType, CronExpression, Duration, Jitter, TimeZone */
};

static const struct {
	unsigned int uses;
	const char *serial_name;
} uses_of[API_ACTION_N] = {
	[API_DESCRIBE_SMART_ACCESS_GATEWAYS] = { USE_LIST, NULL },
	[API_DESCRIBE_SMART_ACCESS_GATEWAY_ATTRIBUTE] = { USE_INSTANCE, NULL },
	[API_DESCRIBE_SAG_DEVICE_INFO] = { USE_INSTANCE | USE_DEVICE, "SmartAGSn" },
	[API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS] = { USE_INSTANCE | USE_DEVICE | USE_TYPE, "SmartAGSn" },
	[API_DESCRIBE_SMART_ACCESS_GATEWAY_HA] = { USE_INSTANCE, NULL },
	[API_UPDATE_SMART_ACCESS_GATEWAY_VERSION] = { USE_INSTANCE | USE_DEVICE | USE_VERSION | USE_TYPE,
						      "SerialNumber" },
	[API_DESCRIBE_DEVICE_AUTO_UPGRADE_POLICY] = { USE_INSTANCE | USE_DEVICE | USE_TYPE, "SerialNumber" },
	[API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY] = { USE_INSTANCE | USE_DEVICE | USE_TYPE | USE_AUTO_UPGRADE,
						    "SerialNumber" },
};

/* Sticky like the reader: params are only handed out when error stayed 0. */
struct writer {
	struct api_params *params;
	size_t used;
	int error;
};

static const char *keep(struct writer *w, const char *text)
{
	size_t size = strlen(text) + 1;
	char *kept = w->params->text + w->used;

	if (size > sizeof(w->params->text) - w->used) {
		w->error = -E2BIG;
		return "";
	}
	memcpy(kept, text, size);
	w->used += size;
	return kept;
}

/* `name` lives on; the value is copied. A parameter without value is a bug of the caller, see smartag_params(). */
static void add(struct writer *w, const char *name, const char *value, size_t limit)
{
	struct api_params *params = w->params;

	if (w->error)
		return;
	if (!value || !*value) {
		w->error = -EINVAL;
		return;
	}
	if (strlen(value) > limit || params->n == SIGN_PARAMS_MAX) {
		w->error = -E2BIG;
		return;
	}
	params->params[params->n++] = (struct sign_param){ .name = name, .value = keep(w, value) };
}

static void add_number(struct writer *w, const char *name, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	add(w, name, text, sizeof(text));
}

static void add_list(struct writer *w, const struct api_request *req)
{
	char name[32];

	if (!req->page_number || !req->page_size)
		w->error = -EINVAL;
	if (req->page_size > LIMIT_PAGE || req->n_instance_ids > LIMIT_PAGE)
		w->error = -E2BIG;
	add_number(w, "PageNumber", req->page_number);
	add_number(w, "PageSize", req->page_size);
	for (size_t i = 0; i < req->n_instance_ids && !w->error; i++) {
		snprintf(name, sizeof(name), "SmartAGIds.%zu", i + 1);
		add(w, keep(w, name), req->instance_ids[i], LIMIT_INSTANCE_ID);
	}
}

static void add_auto_upgrade(struct writer *w, const struct auto_upgrade_policy *policy)
{
	if (!policy) {
		w->error = -EINVAL;
		return;
	}
	add(w, "UpgradeType", policy->upgrade_type, LIMIT_UPGRADE_TYPE);
	if (*policy->cron)
		add(w, "CronExpression", policy->cron, LIMIT_CRON);
	if (policy->duration_min)
		add_number(w, "Duration", policy->duration_min);
	if (policy->jitter_min)
		add_number(w, "Jitter", policy->jitter_min);
	if (*policy->time_zone)
		add(w, "TimeZone", policy->time_zone, LIMIT_TIME_ZONE);
}

static int build(const struct api_request *req, struct api_params *params)
{
	unsigned int uses = uses_of[req->action].uses;
	struct writer w = { .params = params };

	params->n = 0;
	add(&w, "RegionId", req->region_id, REGION_ID_MAX);
	if (uses & USE_INSTANCE)
		add(&w, "SmartAGId", req->instance_id, LIMIT_INSTANCE_ID);
	if (uses & USE_VERSION)
		add(&w, "VersionCode", req->version, LIMIT_VERSION);
	if (uses & USE_DEVICE)
		add(&w, uses_of[req->action].serial_name, req->serial_number, LIMIT_SERIAL_NUMBER);
	if (uses & USE_TYPE)
		add(&w, "VersionType", version_type_names[req->version_type], LIMIT_VERSION);
	if (uses & USE_LIST)
		add_list(&w, req);
	if (uses & USE_AUTO_UPGRADE)
		add_auto_upgrade(&w, req->auto_upgrade);
	return w.error;
}

/* Twice, because the parameters point into their own text: they cannot be copied over, and an error must not show. */
int smartag_params(const struct api_request *req, struct api_params *ret_params)
{
	struct api_params trial;
	int r;

	r = build(req, &trial);
	if (r)
		return r;
	return build(req, ret_params);
}

/* ---- words of the reference ---- */

struct meaning {
	const char *word;
	int value;
};

/* ASCII only: strcasecmp() asks the locale. */
static bool is_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		int x = *a >= 'A' && *a <= 'Z' ? *a + 32 : *a;
		int y = *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;

		if (x != y)
			return false;
	}
	return *a == *b;
}

static int mean(const struct meaning *meanings, size_t n, const char *said, int otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (is_word(meanings[i].word, said))
			return meanings[i].value;
	return otherwise;
}

/* Exact words: one that is spelt otherwise is one that we do not know. */
static const struct meaning statuses[] = {
	{ "Active", STATUS_ACTIVE },
	{ "Offline", STATUS_OFFLINE },
	{ "Arrearage", STATUS_IN_ARREARS },
	{ "Ordered", STATUS_NOT_ACTIVATED },
	{ "Delivered", STATUS_NOT_ACTIVATED },
	{ "Received", STATUS_NOT_ACTIVATED },
	{ "Unconfirmed", STATUS_NOT_ACTIVATED },
	{ "Returning", STATUS_NOT_ACTIVATED },
	{ "Init", STATUS_NOT_ACTIVATED },
	{ "init", STATUS_NOT_ACTIVATED },
};

static const struct meaning healths[] = {
	{ "normal", HEALTH_NORMAL },
	{ "up", HEALTH_NORMAL },
	{ "abnormal", HEALTH_ABNORMAL },
	{ "down", HEALTH_ABNORMAL },
};

static const struct meaning roles[] = {
	{ "active", HA_ROLE_ACTIVE },
	{ "master", HA_ROLE_ACTIVE },
	{ "standby", HA_ROLE_STANDBY },
	{ "backup", HA_ROLE_STANDBY },
};

bool smartag_status(const char *said, enum status *ret_status)
{
	*ret_status = STATUS_OFFLINE;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (!strcmp(statuses[i].word, said)) {
			*ret_status = (enum status)statuses[i].value;
			return true;
		}
	}
	return false;
}

static enum health health(struct reader *rd, const cJSON *object, const char *key)
{
	return (enum health)mean(healths, ARRAY_SIZE(healths), reader_name(rd, object, key), HEALTH_UNKNOWN);
}

/* Instances of the SAG app have no device. */
static bool is_software(const char *model)
{
	return is_word(model, "sag-software") || is_word(model, "software");
}

/* ---- one instance ---- */

struct serials {
	unsigned int n;
	const char *of[LIMIT_DEVICES];
};

/*
 * `main,backup`, each trimmed. An empty part keeps its place, since the versions go by place; at the end it
 * is none. So "a,": one device; ",b": two, the main one without serial number.
 */
static void read_serials(struct reader *rd, const cJSON *object, struct serials *ret_serials)
{
	const char *joined = reader_word(rd, object, "SerialNumber", (size_t)LIMIT_DEVICES * (LIMIT_SERIAL_NUMBER + 8));
	char *rest, *part;

	ret_serials->n = 0;
	if (!strchr(joined, ',') && !strchr(joined, ' ') && strlen(joined) <= LIMIT_SERIAL_NUMBER) {
		ret_serials->of[0] = joined;
		ret_serials->n = *joined ? 1 : 0;
		return;
	}
	rest = reader_reserve(rd, strlen(joined) + 1);
	if (!rest)
		return;
	strcpy(rest, joined);
	while ((part = strsep(&rest, ","))) {
		size_t len;

		part += strspn(part, " ");
		for (len = strlen(part); len && part[len - 1] == ' '; len--)
			part[len - 1] = '\0';
		if (!len && !rest)
			break;
		if (len > LIMIT_SERIAL_NUMBER)
			reader_invalid(rd, "SerialNumber", "is too long");
		if (ret_serials->n == LIMIT_DEVICES) {
			reader_invalid(rd, "SerialNumber", "names more than two devices");
			break;
		}
		ret_serials->of[ret_serials->n++] = part;
	}
}

static void read_status(struct reader *rd, const cJSON *object, struct observation *o)
{
	o->status_text = reader_name(rd, object, "Status");
	o->is_status_known = smartag_status(o->status_text, &o->status);
}

/* The backup's own status where it is told; an odd one is the one to show. */
static enum status read_backup_status(struct reader *rd, const cJSON *object, struct observation *o)
{
	const char *said = reader_name(rd, object, "BackupStatus");
	enum status status;

	if (!*said)
		return o->status;
	if (!smartag_status(said, &status) && o->is_status_known) {
		o->status_text = said;
		o->is_status_known = false;
	}
	return status;
}

static void read_entry(struct reader *rd, const cJSON *object, struct observation *o)
{
	static const char *const versions[LIMIT_DEVICES] = { "SoftwareVersion", "BackupSoftwareVersion" };
	struct serials serials = { .n = 0 };

	o->instance_id = reader_word(rd, object, "SmartAGId", LIMIT_INSTANCE_ID);
	if (!*o->instance_id)
		reader_invalid(rd, "SmartAGId", "is missing");
	o->has_attributes = true;
	o->name = reader_name(rd, object, "Name");
	o->model = reader_name(rd, object, "HardwareVersion");
	o->resource_group = reader_name(rd, object, "ResourceGroupId");
	o->ccn = reader_name(rd, object, "AssociatedCcnId");
	o->city = reader_name(rd, object, "City");
	read_status(rd, object, o);
	read_serials(rd, object, &serials);
	o->n_devices = is_software(o->model) ? 0 : serials.n ? serials.n : 1;
	for (unsigned int i = 0; i < o->n_devices && i < LIMIT_DEVICES; i++) {
		o->devices[i] = (struct device_observation){
			.serial_number = i < serials.n ? serials.of[i] : "",
			.version = reader_word(rd, object, versions[i], LIMIT_VERSION),
			.status = i ? read_backup_status(rd, object, o) : o->status,
		};
	}
}

/* A count that must be there, at least `min`. */
static uint32_t count(struct reader *rd, const char *key, int64_t min, int64_t max)
{
	int64_t value = reader_number(rd, rd->root, key, max);

	if (!reader_member(rd->root, key))
		reader_invalid(rd, key, "is missing");
	if (value < min)
		reader_invalid(rd, key, "is too small");
	return (uint32_t)value;
}

int smartag_read_page(struct api_reply *reply, struct api_page *ret_page, struct error *ret_error)
{
	struct api_page page = { .n = 0 };
	struct reader rd;
	const cJSON *item;

	reader_begin(&rd, reply, ret_error);
	page.total = count(&rd, "TotalCount", 0, UINT32_MAX);
	page.page_number = count(&rd, "PageNumber", 1, UINT32_MAX);
	page.page_size = count(&rd, "PageSize", 1, LIMIT_PAGE);
	item = reader_list(&rd, rd.root, "SmartAccessGateways", "SmartAccessGateway", LIMIT_PAGE);
	for (; item && !rd.r; item = item->next) {
		rd.index = page.n;
		read_entry(&rd, item, &page.observations[page.n++]);
	}
	if (!rd.r)
		*ret_page = page;
	return rd.r;
}

/* ---- one instance in full ---- */

/* Only a read that tells all of them tells attributes: a missing CCN must not pass for one that is not bound. */
static void read_attributes(struct reader *rd, const cJSON *object, struct observation *o)
{
	static const char *const keys[] = { "Name", "InstanceType", "ResourceGroupId", "AssociatedCcnId", "City" };
	const char **const values[] = { &o->name, &o->model, &o->resource_group, &o->ccn, &o->city };

	o->has_attributes = true;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		*values[i] = reader_name(rd, object, keys[i]);
		if (!reader_member(object, keys[i]))
			o->has_attributes = false;
	}
}

static void read_device(struct reader *rd, const cJSON *object, struct device_observation *d)
{
	struct serials serials = { .n = 0 };

	read_serials(rd, object, &serials);
	if (serials.n > 1)
		reader_invalid(rd, "SerialNumber", "names more than one device");
	d->serial_number = serials.n ? serials.of[0] : "";
	d->version = reader_word(rd, object, "SoftwareVersion", LIMIT_VERSION);
	d->dpi_version = reader_word(rd, object, "DpiSignatureDbVersion", LIMIT_VERSION);
	d->ha_role = (enum ha_role)mean(roles, ARRAY_SIZE(roles), reader_name(rd, object, "HaState"), HA_ROLE_UNKNOWN);
}

/*
 * The devices that the instance's SerialNumber names come first and in its order, told in full or not; those that
 * it does not name follow. Together no more than a pair.
 */
static void order_devices(struct reader *rd, const struct serials *serials, const struct device_observation *told,
			  size_t n_told, struct observation *o)
{
	bool is_taken[LIMIT_DEVICES] = { false };
	size_t n = 0;

	for (; n < serials->n; n++) {
		o->devices[n] = (struct device_observation){ .serial_number = serials->of[n], .version = "" };
		for (size_t i = 0; i < n_told; i++) {
			if (is_taken[i] || strcmp(told[i].serial_number, serials->of[n]) != 0)
				continue;
			is_taken[i] = true;
			o->devices[n] = told[i];
			break;
		}
	}
	for (size_t i = 0; i < n_told; i++) {
		if (is_taken[i])
			continue;
		if (n == LIMIT_DEVICES) {
			reader_invalid(rd, "SerialNumber", "is none that the instance names");
			return;
		}
		o->devices[n++] = told[i];
	}
	if (!n)
		o->devices[n++] = (struct device_observation){ .serial_number = "", .version = "" };
	o->n_devices = (unsigned int)n;
}

/* Where no HaState tells, the device that carries the traffic is the active one, if exactly one is named. */
static void fill_roles(const char *master, struct observation *o)
{
	unsigned int n_named = 0;

	for (unsigned int i = 0; i < o->n_devices; i++) {
		if (o->devices[i].ha_role != HA_ROLE_UNKNOWN)
			return;
		if (*master && !strcmp(o->devices[i].serial_number, master))
			n_named++;
	}
	if (n_named != 1)
		return;
	for (unsigned int i = 0; i < o->n_devices; i++)
		o->devices[i].ha_role =
			strcmp(o->devices[i].serial_number, master) ? HA_ROLE_STANDBY : HA_ROLE_ACTIVE;
}

static void read_devices(struct reader *rd, const cJSON *root, struct observation *o)
{
	struct device_observation told[LIMIT_DEVICES] = { 0 };
	struct serials serials = { .n = 0 };
	const cJSON *item;
	size_t n_told = 0;

	read_serials(rd, root, &serials);
	item = reader_list(rd, root, "Devices", "Device", LIMIT_DEVICES);
	for (; item && !rd->r; item = item->next) {
		rd->index = n_told;
		read_device(rd, item, &told[n_told++]);
	}
	if (!rd->r)
		order_devices(rd, &serials, told, n_told, o);
}

int smartag_read_attribute(struct api_reply *reply, struct observation *ret_observation, struct error *ret_error)
{
	struct observation o = { 0 };
	const char *master;
	enum health vpn;
	struct reader rd;

	reader_begin(&rd, reply, ret_error);
	o.instance_id = reader_word(&rd, rd.root, "SmartAGId", LIMIT_INSTANCE_ID);
	if (!*o.instance_id)
		reader_invalid(&rd, "SmartAGId", "is missing");
	read_attributes(&rd, rd.root, &o);
	read_status(&rd, rd.root, &o);
	vpn = health(&rd, rd.root, "VpnStatus");
	master = reader_word(&rd, rd.root, "TrafficMasterSn", LIMIT_SERIAL_NUMBER);
	read_devices(&rd, rd.root, &o);
	if (rd.r)
		return rd.r;

	if (is_software(o.model))
		o.n_devices = 0;
	for (unsigned int i = 0; i < o.n_devices; i++) {
		o.devices[i].status = o.status;
		o.devices[i].vpn = vpn;
	}
	fill_roles(master, &o);
	*ret_observation = o;
	return SMARTAG_OK;
}

/* ---- the smaller reads ---- */

int smartag_read_device_info(struct api_reply *reply, struct api_device_info *ret_info, struct error *ret_error)
{
	enum health controller, vpn;
	const char *version;
	struct reader rd;

	reader_begin(&rd, reply, ret_error);
	version = reader_word(&rd, rd.root, "Version", LIMIT_VERSION);
	controller = health(&rd, rd.root, "ControllerState");
	vpn = health(&rd, rd.root, "VpnState");
	if (rd.r)
		return rd.r;
	*ret_info = (struct api_device_info){ .controller = controller, .vpn = vpn };
	strcpy(ret_info->version, version);
	return SMARTAG_OK;
}

int smartag_read_catalogue(struct api_reply *reply, struct api_catalogue *ret_catalogue, struct error *ret_error)
{
	struct api_catalogue catalogue = { .n = 0 };
	struct reader rd;
	const cJSON *item;

	reader_begin(&rd, reply, ret_error);
	item = reader_list(&rd, rd.root, "SmartAGVersions", "SmartAGVersion", LIMIT_CATALOGUE);
	for (; item && !rd.r; item = item->next) {
		struct catalogue_entry *entry = &catalogue.entries[catalogue.n];

		rd.index = catalogue.n++;
		entry->version = reader_word(&rd, item, "VersionCode", LIMIT_VERSION);
		if (!*entry->version)
			reader_invalid(&rd, "VersionCode", "is missing");
		entry->created_ms = reader_number(&rd, item, "CreateTime", CREATED_MS_MAX);
		entry->is_release = is_word(reader_name(&rd, item, "Type"), "release");
	}
	if (!rd.r)
		*ret_catalogue = catalogue;
	return rd.r;
}

int smartag_read_ha(struct api_reply *reply, struct api_ha *ret_ha, struct error *ret_error)
{
	const char *state, *type, *main_serial, *backup_serial;
	struct reader rd;

	reader_begin(&rd, reply, ret_error);
	state = reader_name(&rd, rd.root, "DeviceLevelBackupState");
	type = reader_name(&rd, rd.root, "DeviceLevelBackupType");
	main_serial = reader_word(&rd, rd.root, "MainDeviceId", LIMIT_SERIAL_NUMBER);
	backup_serial = reader_word(&rd, rd.root, "BackupDeviceId", LIMIT_SERIAL_NUMBER);
	if (rd.r)
		return rd.r;
	*ret_ha = (struct api_ha){
		.is_backup_on = is_word(state, "ON"),
		.is_active_active = is_word(type, "warm_backup"),
	};
	strcpy(ret_ha->main_serial, main_serial);
	strcpy(ret_ha->backup_serial, backup_serial);
	return SMARTAG_OK;
}

/* The type by its exact word: one that is spelt otherwise must not pass for manual. */
static enum auto_upgrade_type auto_upgrade_type(const char *said)
{
	for (int i = AUTO_UPGRADE_TYPE_UNKNOWN + 1; i < AUTO_UPGRADE_TYPE_N; i++)
		if (!strcmp(auto_upgrade_type_names[i], said))
			return (enum auto_upgrade_type)i;
	return AUTO_UPGRADE_TYPE_UNKNOWN;
}

/* A number that may be an empty text, too: the reference shows both of them as texts, and without a schedule there is none. */
static uint32_t minutes(struct reader *rd, const char *key)
{
	const char *text = cJSON_GetStringValue(reader_member(rd->root, key));

	return text && !*text ? 0 : (uint32_t)reader_number(rd, rd->root, key, UINT32_MAX);
}

/* The texts are exact or invalid: one that was cut could not be put back as it was. */
int smartag_read_auto_upgrade(struct api_reply *reply, struct api_auto_upgrade *ret_auto_upgrade, struct error *ret_error)
{
	const char *type, *cron, *time_zone;
	uint32_t duration_min, jitter_min;
	struct reader rd;

	reader_begin(&rd, reply, ret_error);
	type = reader_word(&rd, rd.root, "UpgradeType", LIMIT_UPGRADE_TYPE);
	cron = reader_word(&rd, rd.root, "CronExpression", LIMIT_CRON);
	time_zone = reader_word(&rd, rd.root, "TimeZone", LIMIT_TIME_ZONE);
	duration_min = minutes(&rd, "Duration");
	jitter_min = minutes(&rd, "Jitter");
	if (rd.r)
		return rd.r;
	*ret_auto_upgrade = (struct api_auto_upgrade){
		.type = auto_upgrade_type(type),
		.policy = { .duration_min = duration_min, .jitter_min = jitter_min },
	};
	strcpy(ret_auto_upgrade->policy.upgrade_type, type);
	strcpy(ret_auto_upgrade->policy.cron, cron);
	strcpy(ret_auto_upgrade->policy.time_zone, time_zone);
	return SMARTAG_OK;
}
