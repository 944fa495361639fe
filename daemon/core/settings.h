/*
 * What the operator wants: pins, policies and limits, validated and immutable.
 *
 * config/ makes it, the core reads it. Times are nanoseconds. Strings and arrays belong to whoever
 * made the settings and live until the core was given other ones.
 */
#pragma once

#include "model.h"

#include <regex.h>

/* What a selector can look at. */
enum selector_key {
	SELECTOR_ACCOUNT,
	SELECTOR_REGION,
	SELECTOR_ID,
	SELECTOR_SERIAL_NUMBER, /* matches when any device of the instance does */
	SELECTOR_NAME,
	SELECTOR_MODEL,
	SELECTOR_RESOURCE_GROUP,
	SELECTOR_CCN,
	SELECTOR_CITY,
	SELECTOR_N,
};

/* All given globs must match; NULL is not given. `*` is any run, `?` one character, no classes, no escapes. */
struct selector {
	const char *glob[SELECTOR_N];
};

/* A number, or a share of the managed targets: then the limit is max(1, floor(share * countable)). */
struct limit {
	bool is_share;
	uint32_t count;
	double share; /* 0 < share <= 1 */
};

/* A wave catches what `match` matches, or, without it, a cumulative share of a stable hash of the instance id. */
struct wave {
	const char *name;
	bool is_match;
	struct selector match;
	double percent;  /* of waves without match: 0 < percent <= 1, each above the one before */
	double success;  /* 0 < success <= 1: the share of its countable targets that must be in sync */
	int64_t soak_ns; /* how long after that the next wave waits */
};
#define LIMIT_WAVES 15 /* of one policy, without the last wave, which takes what is left */

/* Which instances are one site: no more than max_in_flight_per_site of them are upgraded at once. */
enum site_by {
	SITE_BY_INSTANCE,
	SITE_BY_CITY,
	SITE_BY_RESOURCE_GROUP,
	SITE_BY_NAME, /* what the first group of site_regex captures of the name; the whole name where it does not match */
	SITE_BY_N,
};

/* What to do about the cloud's own upgrader. */
enum auto_upgrade {
	AUTO_UPGRADE_REPORT, /* read it and tell */
	AUTO_UPGRADE_HOLD,   /* … and set it to manual where a pin holds; the former policy is kept and put back later */
	AUTO_UPGRADE_IGNORE,
	AUTO_UPGRADE_N,
};

/* The rollout halts when so many of its targets failed for this reason. */
struct halt_reason {
	enum reason reason; /* deadline, unhealthy or rejected */
	uint32_t failures;  /* at least 1 */
};

struct policy {
	const char *name;
	bool is_always_open; /* the window `always` and no freezes; else its openings come with EVENT_CALENDAR, and until then it is closed */
	int64_t upgrade_takes_ns; /* a start needs so much of an opening left */
	struct limit max_in_flight;
	uint32_t max_starts_per_hour; /* in any sliding hour; at least 1 */
	enum site_by site_by;
	const regex_t *site_regex; /* SITE_BY_NAME: compiled, extended, without back-references */
	uint32_t max_in_flight_per_site; /* at least 1 */
	const struct wave *waves; /* what none catches is the last wave */
	uint32_t n_waves;
	struct {
		uint32_t failures; /* so many failed targets halt the rollout; 0: no such limit */
		double percent;    /* so large a share of the targets that ended halts it; 0: no such limit */
		uint32_t min_sample; /* … once so many ended */
		const struct halt_reason *by_reason;
		uint32_t n_by_reason;
	} halt;
	int64_t deadline_ns;          /* how long an intent may be unsettled */
	struct {
		uint32_t attempts; /* then failed; at least 1 */
		int64_t first_ns;
		int64_t max_ns;
	} retry;
	struct {
		int64_t soak_ns; /* how long the new version must stay healthy; 0 is one healthy look */
		bool vpn;        /* the VPN must be up, too */
	} verify;
	struct {
		bool is_set;        /* the question itself is the shell's */
		int64_t max_age_ns; /* how long an answer holds */
	} gate;
	enum auto_upgrade auto_upgrade;
};

#define POLICY_NONE UINT32_MAX

/* The newest catalogue entry of that kind for the model, in place of a version. */
enum channel {
	CHANNEL_NONE,
	CHANNEL_RELEASE,
	CHANNEL_BETA,
	CHANNEL_N,
};
#define LIMIT_VIA 16
#define LIMIT_NEVER 64

struct pin {
	const char *name;
	struct selector match;
	const char *version[VERSION_TYPE_N]; /* NULL: this version type is not pinned; "@release", "@beta": see channel */
	enum channel channel[VERSION_TYPE_N];
	uint32_t policy[VERSION_TYPE_N];     /* index into policies; POLICY_NONE only where version is NULL */
	const char *const *via;              /* mandatory hops of the Device version, oldest first */
	uint32_t n_via;
	const char *const *never;            /* versions of either type that must not be reached */
	uint32_t n_never;
	bool is_held;                        /* compared and shown, never upgraded */
};

#define PIN_NONE UINT32_MAX

/* One region of one account: what is listed, limited and reported as one. */
struct scope {
	const char *account;
	const char *region_id;
	int64_t poll_interval_ns;
	int64_t dpi_poll_interval_ns;
	int64_t catalogue_interval_ns;
	int64_t auto_upgrade_interval_ns;
	double calls_per_second;
	double blast_radius; /* 0 to 1: the share of the account's managed targets that may change at once without approval */
};

struct settings {
	bool is_enforcing;
	uint32_t max_in_flight; /* for the whole daemon; at least 1 */
	const struct scope *scopes;
	uint32_t n_scopes;
	const struct policy *policies;
	uint32_t n_policies;
	const struct pin *pins; /* first match wins */
	uint32_t n_pins;
};
