/*
 * The Smartag API: requests as parameter lists, replies as the model. The only user of cJSON. Pure.
 *
 * Everything that leaves this module is clean: valid UTF-8 (bad bytes become U+FFFD), no control characters
 * (they become spaces), no longer than the limits of core/model.h (longer ids, serial numbers and versions make
 * the reply invalid; longer names are cut at a character). A field of the wrong type makes the reply invalid;
 * numbers may come as JSON numbers or strings; empty lists may be missing; null counts as missing. The read
 * functions take successful replies only: one with a code is SMARTAG_E_INVALID to them.
 */
#pragma once

#include "core/model.h"
#include "core/reconcile.h"
#include "sign.h"

#define SMARTAG_VERSION "2018-03-13"

enum api_action {
	API_DESCRIBE_SMART_ACCESS_GATEWAYS,
	API_DESCRIBE_SMART_ACCESS_GATEWAY_ATTRIBUTE,
	API_DESCRIBE_SAG_DEVICE_INFO,
	API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS,
	API_DESCRIBE_SMART_ACCESS_GATEWAY_HA,
	API_UPDATE_SMART_ACCESS_GATEWAY_VERSION,
	API_DESCRIBE_DEVICE_AUTO_UPGRADE_POLICY,
	API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY,
	API_ACTION_N,
};
extern const char *const api_action_names[API_ACTION_N]; /* as the API spells them */

/* The parameters of a call; what a call does not use is NULL or 0. Borrowed. */
struct api_request {
	enum api_action action;
	const char *region_id;
	const char *instance_id;     /* all but the list */
	const char *serial_number;   /* DeviceInfo, Versions, Update, both of the policy */
	const char *version;         /* Update: VersionCode */
	enum version_type version_type; /* Versions, Update, both of the policy */
	uint32_t page_number;        /* list: from 1 */
	uint32_t page_size;          /* list: 1 to 50 */
	const char *const *instance_ids; /* list: SmartAGIds.N, or NULL */
	size_t n_instance_ids;
	/*
	 * Modify. Needs an upgrade type; other text that is "", and numbers that are 0, are not sent. The reference
	 * wants cron, duration (30 to 120) and time zone whatever the type is; not every gateway does.
	 */
	const struct auto_upgrade_policy *auto_upgrade;
};

/* Parameters of one request, self-contained (text is kept inside). */
struct api_params {
	struct sign_param params[SIGN_PARAMS_MAX];
	size_t n;
	char text[4096];
};
/* 0, -E2BIG, or -EINVAL when a parameter that the call needs is NULL, "" or 0: no upgrade without a serial number (rule 1). */
int smartag_params(const struct api_request *req, struct api_params *ret_params) __attribute__((warn_unused_result));

enum smartag_result {
	SMARTAG_OK = 0,
	SMARTAG_E_INVALID = 1, /* not JSON, cut, too deep, wrong types, no RequestId: ret_error says what and where */
};

#define SMARTAG_BODY_MAX (1 << 20) /* bytes of a reply; a longer one is invalid. A page of 50 takes about 50,000 */

/* The envelope of any reply. `code` is "" on success. Copies, cleaned and cut. */
struct api_envelope {
	char request_id[LIMIT_REQUEST_ID + 1];
	char code[LIMIT_CODE + 1];
	char message[LIMIT_MESSAGE + 1]; /* the cloud's own words; cleaned, never holds our access key secret */
};

/*
 * Parses any reply body once. The reply owns all strings that the functions below give out.
 * A body that is no JSON object gives SMARTAG_E_INVALID (HTML from a proxy, say) and no reply; -ENOMEM is fatal.
 */
struct api_reply;
int smartag_reply_new(const char *body, size_t len, struct api_reply **ret_reply, struct error *ret_error) __attribute__((warn_unused_result));
struct api_reply *smartag_reply_free(struct api_reply *reply);
const struct api_envelope *smartag_reply_envelope(const struct api_reply *reply);

struct api_page {
	uint32_t total, page_number, page_size;
	size_t n; /* entries, at most LIMIT_PAGE */
	struct observation observations[LIMIT_PAGE]; /* strings owned by the reply */
};
int smartag_read_page(struct api_reply *reply, struct api_page *ret_page, struct error *ret_error) __attribute__((warn_unused_result));

/*
 * DescribeSmartAccessGatewayAttribute: everything that one instance tells, DPI versions and roles included
 * (HaState, and TrafficMasterSn where HaState is silent). `main,backup` order as SerialNumber gives it.
 */
int smartag_read_attribute(struct api_reply *reply, struct observation *ret_observation, struct error *ret_error) __attribute__((warn_unused_result));

/* DescribeSAGDeviceInfo: adds controller and VPN health (and the version, which must agree) of one device. */
struct api_device_info {
	char version[LIMIT_VERSION + 1];
	enum health controller, vpn;
};
int smartag_read_device_info(struct api_reply *reply, struct api_device_info *ret_info, struct error *ret_error) __attribute__((warn_unused_result));

#define LIMIT_CATALOGUE 256
struct api_catalogue {
	size_t n;
	struct catalogue_entry entries[LIMIT_CATALOGUE]; /* strings owned by the reply */
};
int smartag_read_catalogue(struct api_reply *reply, struct api_catalogue *ret_catalogue, struct error *ret_error) __attribute__((warn_unused_result));

struct api_ha {
	bool is_backup_on;
	bool is_active_active;
	char main_serial[LIMIT_SERIAL_NUMBER + 1], backup_serial[LIMIT_SERIAL_NUMBER + 1];
};
int smartag_read_ha(struct api_reply *reply, struct api_ha *ret_ha, struct error *ret_error) __attribute__((warn_unused_result));

/* DescribeDeviceAutoUpgradePolicy: the cloud's own upgrader of one device and version type. Every field may be missing. */
enum auto_upgrade_type {
	AUTO_UPGRADE_TYPE_UNKNOWN, /* missing, or a word that the reference does not name */
	AUTO_UPGRADE_TYPE_SCHEDULED,
	AUTO_UPGRADE_TYPE_BOOT,
	AUTO_UPGRADE_TYPE_MANUAL, /* the upgrader leaves the device alone */
	AUTO_UPGRADE_TYPE_N,
};
extern const char *const auto_upgrade_type_names[AUTO_UPGRADE_TYPE_N]; /* "unknown", and the others as the API spells them */

struct api_auto_upgrade {
	enum auto_upgrade_type type;
	struct auto_upgrade_policy policy;
};
int smartag_read_auto_upgrade(struct api_reply *reply, struct api_auto_upgrade *ret_auto_upgrade, struct error *ret_error) __attribute__((warn_unused_result));

/* Status text to meaning; false (and STATUS_OFFLINE) for one that the reference does not name. */
bool smartag_status(const char *text, enum status *ret_status);
