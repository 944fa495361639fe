/*
 * What goes wrong, how often, and for which action.
 *
 * A setting is text: RATE[:DURATION][@ACTION]. RATE is a count ("3": the next three), a share with a point or a
 * percent sign ("0.25", "25%", "1.0"), "always" or "off". DURATION is for faults that have one ("2s", "500ms").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

enum fault {
	/* in place of the action, with a code */
	FAULT_THROTTLING,
	FAULT_INTERNAL_ERROR,
	FAULT_SERVICE_UNAVAILABLE,
	FAULT_UNKNOWN_CODE,
	FAULT_VERSION_ERROR,
	FAULT_STATE_ERROR,
	FAULT_FORBIDDEN,
	FAULT_INACTIVE_KEY,
	FAULT_EXPIRED_TOKEN,
	/* after the action took effect, with a code */
	FAULT_UNKNOWN_CODE_APPLIED,
	FAULT_INTERNAL_ERROR_APPLIED,
	/* the connection */
	FAULT_LATENCY,
	FAULT_RESET,
	FAULT_LOST_REPLY,
	FAULT_CLOSE_ON_REUSE,
	/* the body */
	FAULT_CUT_BODY,
	FAULT_HTML_BODY,
	FAULT_EMPTY_BODY,
	FAULT_HUGE_BODY,
	FAULT_DEEP_JSON,
	FAULT_WRONG_TYPES,
	FAULT_MISSING_FIELDS,
	FAULT_INVALID_UTF8,
	/* the fleet */
	FAULT_UNKNOWN_STATUS,
	FAULT_STUCK,
	FAULT_BACK_TO_OLD,
	FAULT_PAGE_SHIFT,
	FAULT_DUPLICATE_IDS,
	FAULT_DUPLICATE_SERIAL,
	FAULT_WRONG_CLOCK,
	FAULT_N,
};

struct fault_text {
	const char *name;
	const char *code; /* the error code that it answers, or NULL */
	const char *help;
};

extern const struct fault_text fault_texts[FAULT_N];

struct fault_setting {
	bool is_share;
	double share;       /* of the requests */
	unsigned int count; /* that are left */
	int64_t duration_ns;
	char action[64]; /* "": every action */
	uint64_t fired;
};

struct faults {
	struct fault_setting settings[FAULT_N];
	struct random random;
};

void faults_init(struct faults *faults, uint64_t seed);
/* -ENOENT: no such fault; -EINVAL: not a setting. Nothing is changed then. */
__attribute__((warn_unused_result)) int faults_set(struct faults *faults, const char *name, const char *setting);
void faults_clear(struct faults *faults);
/* Does it happen now? Uses up one of a count. */
bool faults_roll(struct faults *faults, enum fault fault, const char *action);
/* Is this object one of those that have it? The same answer at every call: a count takes the first ones. */
bool faults_has(struct faults *faults, enum fault fault, unsigned int ordinal, const char *key);

/* "1500ms", "5s", "2m", "1h", "0.5s". False: not a duration, negative, or above a week. */
bool duration_parse(const char *text, int64_t *ret_ns);
