/*
 * What the operator wants: pins, policies and limits, validated and immutable.
 *
 * config/ makes it, the core reads it. Times are nanoseconds. Strings and arrays belong to whoever
 * made the settings and live until the core was given other ones.
 */
#pragma once

#include "model.h"

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

struct policy {
	const char *name;
	bool is_always_open; /* has the window `always`; a policy without windows never starts anything */
	struct limit max_in_flight;
	uint32_t max_starts_per_hour; /* in any sliding hour; at least 1 */
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
};

#define POLICY_NONE UINT32_MAX

struct pin {
	const char *name;
	struct selector match;
	const char *version[VERSION_TYPE_N]; /* NULL: this version type is not pinned */
	uint32_t policy[VERSION_TYPE_N];     /* index into policies; POLICY_NONE only where version is NULL */
	bool is_held;                        /* compared and shown, never upgraded */
};

#define PIN_NONE UINT32_MAX

/* One region of one account: what is listed, limited and reported as one. */
struct scope {
	const char *account;
	const char *region_id;
	int64_t poll_interval_ns;
	int64_t dpi_poll_interval_ns;
	double calls_per_second;
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
