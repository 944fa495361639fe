/*
 * When a policy may start upgrades: windows minus freezes, as plain intervals of UTC. Pure.
 *
 * A window starts at its wall clock time on each local day that is in its days, and lasts its length in elapsed time; it
 * may cross midnight, the end of the week and a change to or from DST. A start in a DST gap counts with the offset before
 * it, one that comes twice is the first (tzif_utc()). Freezes beat every window, `always` included.
 * All intervals are [from_s, to_s), in seconds of UTC since 1970.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tzif.h"

#define CALENDAR_LENGTH_MAX_S (INT64_C(7) * 86400) /* of a window; longer ones would lie upon themselves */
#define CALENDAR_RANGE_DAYS_MAX 3660
#define CALENDAR_RANGE_MAX_S (INT64_C(86400) * CALENDAR_RANGE_DAYS_MAX)
#define CALENDAR_EVERY_DAY 0x7f
#define CALENDAR_NEVER INT64_MAX

struct calendar_window {
	const struct tzif *zone; /* borrowed */
	uint8_t days;            /* bit 0 is Monday, bit 6 Sunday; 1 to CALENDAR_EVERY_DAY */
	int32_t start_s;         /* on the wall clock of the local day, 0 to 86399 */
	int64_t length_s;        /* 1 to CALENDAR_LENGTH_MAX_S */
};

/* Two civil times (civil.h) on the zone's wall clock; the first is in the freeze, the second is not. */
struct calendar_freeze {
	const struct tzif *zone; /* borrowed */
	int64_t from_civil_s, to_civil_s;
};

/* What a policy is made of; all of it is borrowed. */
struct calendar {
	bool is_always; /* the built-in window `always` is among its windows */
	const struct calendar_window *windows;
	size_t n_windows;
	const struct calendar_freeze *freezes;
	size_t n_freezes;
};

struct calendar_interval {
	int64_t from_s, to_s;
};

/* Ordered, neither empty nor touching each other. Zeroes are an empty one. */
struct calendar_intervals {
	struct calendar_interval *items;
	size_t n, size;
};
void calendar_intervals_deinit(struct calendar_intervals *list);

/* The interval that a freeze means. Not from_s < to_s: it ends before it begins, which a configuration must refuse. */
struct calendar_interval calendar_freeze_interval(const struct calendar_freeze *freeze);

/*
 * Replaces `openings` by the windows without the freezes, and `freezes` by the freezes, both cut to the range, which is at
 * most CALENDAR_RANGE_MAX_S long. What touches is one interval. 0, or -ENOMEM with both as they were.
 */
int calendar_openings(const struct calendar *c, struct calendar_interval range, struct calendar_intervals *openings,
		      struct calendar_intervals *freezes) __attribute__((warn_unused_result));

/*
 * The first opening that is not over at after_s, and so begins at after_s when it is open then; looked for within `days`
 * (at most CALENDAR_RANGE_DAYS_MAX) and cut at their end. Both ends are CALENDAR_NEVER when there is none. 0 or -ENOMEM.
 */
int calendar_next(const struct calendar *c, int64_t after_s, uint32_t days, struct calendar_interval *ret_opening)
	__attribute__((warn_unused_result));

/* How much can be started in openings, when a start needs `takes_s` of its opening before it. */
struct calendar_room {
	int64_t open_s;    /* all of it */
	int64_t usable_s;  /* in which a start leaves enough, the last second that does so included */
	int64_t n_turns;   /* upgrades that fit in when each begins as the one before it is done */
	size_t n_usable;   /* openings that are long enough for one */
};
/* takes_s is at least 1. */
struct calendar_room calendar_room(const struct calendar_intervals *openings, int64_t takes_s);
