/*
 * The vocabulary that code, metrics, logs, commands and documentation share.
 *
 * Every part of the project may include this header; it depends on nothing.
 * Each enum has one table of names in model.c; the names are the interface
 * (label values, log fields, JSON), the numbers are not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* What a version is a version of: the device's operating system, or its signature database. */
enum version_type {
	VERSION_TYPE_DEVICE,
	VERSION_TYPE_DPI,
	VERSION_TYPE_N,
};

/* The one state of a target, in order of precedence: an earlier one hides a later one. */
enum phase {
	PHASE_UPGRADING, /* an intent is unsettled, the new version not yet seen */
	PHASE_VERIFYING, /* an intent is unsettled, the version is there, the soak runs */
	PHASE_UNMANAGED, /* no pin matches */
	PHASE_UNKNOWN,   /* no usable observation */
	PHASE_IN_SYNC,   /* reported equals desired */
	PHASE_AHEAD,     /* reported is newer than desired */
	PHASE_FAILED,    /* given up, the reason says until when */
	PHASE_WAITING,   /* behind, and the reason says why not now */
	PHASE_N,
};

/* The one cause of a phase: a closed list, in order of precedence within each phase. */
enum reason {
	REASON_NONE, /* in_sync, ahead */
	/* upgrading */
	REASON_REQUESTED,   /* the call is on its way */
	REASON_ACCEPTED,    /* the cloud said yes */
	REASON_UNCONFIRMED, /* nobody knows whether it took effect */
	/* unmanaged */
	REASON_NO_PIN,
	/* unknown */
	REASON_NEVER_OBSERVED,
	REASON_STALE,
	/* failed */
	REASON_DUPLICATE, /* one serial number under two instances */
	REASON_INVALID_INSTANCE,
	REASON_IN_ARREARS,
	REASON_NOT_ACTIVATED,
	REASON_NOT_BOUND,
	REASON_FORBIDDEN,
	REASON_VERSION_TOO_OLD,
	REASON_VERSION_NOT_AVAILABLE,
	REASON_INCOMPARABLE,
	REASON_FLAPPING,
	REASON_UNHEALTHY,
	REASON_DEADLINE,
	REASON_NO_EFFECT,
	REASON_REJECTED,
	REASON_RETRIES,
	/* waiting */
	REASON_STATE_STORE,
	REASON_SETTLING,
	REASON_CREDENTIALS,
	REASON_HELD,
	REASON_PAUSED,
	REASON_HALTED,
	REASON_APPROVAL,
	REASON_OFFLINE,
	REASON_DEGRADED,
	REASON_BACKOFF,
	REASON_FREEZE,
	REASON_WINDOW,
	REASON_WINDOW_TOO_SHORT,
	REASON_GATE,
	REASON_WAVE,
	REASON_SOAK, /* waiting: between waves; verifying: the soak after an upgrade */
	REASON_PAIR,
	REASON_SITE,
	REASON_MAX_IN_FLIGHT,
	REASON_RATE,
	REASON_THROTTLED,
	REASON_PRECHECK,
	REASON_OBSERVE_MODE,
	REASON_N,
};

/* What a status of the API means for an upgrade (the mapping is in daemon/cloud/smartag.c). */
enum status {
	STATUS_ACTIVE,        /* go */
	STATUS_OFFLINE,       /* also every status that we do not know */
	STATUS_IN_ARREARS,
	STATUS_NOT_ACTIVATED, /* ordered, delivered, received, unconfirmed, returning, init */
	STATUS_N,
};

enum health {
	HEALTH_UNKNOWN, /* this read does not tell */
	HEALTH_NORMAL,
	HEALTH_ABNORMAL,
	HEALTH_N,
};

enum ha_role {
	HA_ROLE_UNKNOWN,
	HA_ROLE_ACTIVE,
	HA_ROLE_STANDBY,
	HA_ROLE_N,
};

/* How a failed call is to be taken, whatever the HTTP status was. */
enum error_class {
	ERROR_CLASS_NONE,        /* no error */
	ERROR_CLASS_TRANSIENT,   /* backoff, bounded retries */
	ERROR_CLASS_THROTTLED,   /* slow the account's region down, no attempt is counted */
	ERROR_CLASS_OFFLINE,     /* wait for the device */
	ERROR_CLASS_ACCOUNT,     /* credentials, clock: pause the account's upgrade calls */
	ERROR_CLASS_BLOCKED,     /* failed until a human acts, looked at again at a slow pace */
	ERROR_CLASS_TERMINAL,    /* failed until the pin changes */
	ERROR_CLASS_UNCONFIRMED, /* nobody knows whether the call took effect */
	ERROR_CLASS_N,
};

extern const char *const version_type_names[VERSION_TYPE_N]; /* "Device", "Dpi": as the API spells them */
extern const char *const phase_names[PHASE_N];
extern const char *const reason_names[REASON_N];
extern const char *const status_names[STATUS_N];
extern const char *const error_class_names[ERROR_CLASS_N]; /* "none", "transient", … */

/* The phase that a reason belongs to; REASON_NONE and REASON_SOAK belong to two and give PHASE_N. */
enum phase reason_phase(enum reason reason);

/* Text for a person, of fixed size: built where the knowledge is, never holds a secret. */
struct error {
	char text[512];
};

/* Limits on what comes from outside, in bytes without the terminator unless said. */
#define LIMIT_INSTANCE_ID 64
#define LIMIT_SERIAL_NUMBER 64
#define LIMIT_VERSION 64
#define LIMIT_NAME 256 /* name, model, resource group, CCN, city */
#define LIMIT_CODE 64
#define LIMIT_MESSAGE 256
#define LIMIT_REQUEST_ID 64
#define LIMIT_DEVICES 2 /* of one instance: a pair */
#define LIMIT_PAGE 50   /* entries of one list call, API reference */
#define LIMIT_UPGRADE_TYPE 16
#define LIMIT_CRON 128
#define LIMIT_TIME_ZONE 64

/*
 * When the cloud's own upgrader moves one device and version type off its pin, in the cloud's own words: kept as it
 * was told, so that it can be put back. What was not told is "" or 0. Text is valid UTF-8 without control characters.
 */
struct auto_upgrade_policy {
	char upgrade_type[LIMIT_UPGRADE_TYPE + 1]; /* scheduled, boot, manual; other words are kept, too */
	char cron[LIMIT_CRON + 1];                 /* Quartz, six fields */
	char time_zone[LIMIT_TIME_ZONE + 1];
	uint32_t duration_min, jitter_min;
};

/*
 * One device as one read showed it. Strings are never NULL but where said, are valid UTF-8 without
 * control characters, within the limits above, and borrowed.
 */
struct device_observation {
	const char *serial_number; /* "" when the read shows none */
	const char *version;       /* operating system; "" when the device reports none */
	const char *dpi_version;   /* NULL: this read does not tell; "": the device reports none */
	enum status status;
	enum ha_role ha_role;
	enum health controller;
	enum health vpn;
};

/*
 * One instance as one read showed it. The main device is first, the backup second.
 */
struct observation {
	const char *instance_id;
	bool has_attributes; /* name to city are told by this read; else they keep their last values */
	const char *name;
	const char *model;
	const char *resource_group;
	const char *ccn; /* "" means not bound; told only when has_attributes */
	const char *city;
	const char *status_text; /* as the API spelt it, for the log */
	bool is_status_known;    /* false: status_text is none that the reference names */
	enum status status;
	unsigned int n_devices; /* 0 to LIMIT_DEVICES */
	struct device_observation devices[LIMIT_DEVICES];
};
