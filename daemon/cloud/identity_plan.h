/*
 * When a temporary key is asked for again, and when it is used no more. Private to cloud/. Pure.
 *
 * An expiry is a wall time of another machine, and this one's clock may be wrong or jump: what was left when the key
 * came also runs down on the boot-time clock, and the earlier of the two counts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_LIFE_MAX_S (INT64_C(7) * 86400) /* one that says it lives longer is asked for again all the same */

struct identity_times {
	int64_t received_ns; /* boot-time clock */
	int64_t received_s;  /* wall */
	int64_t expires_s;   /* wall, above received_s */
};

/* How long after it came it is asked for again: a fifth before its end, 5 to 15 minutes, but at most half of its life. */
int64_t identity_refresh_after_s(int64_t life_s);
/* On the boot-time clock, as the clocks stand now. */
int64_t identity_refresh_ns(const struct identity_times *t, int64_t now_ns, int64_t wall_s);
int64_t identity_expiry_ns(const struct identity_times *t, int64_t now_ns, int64_t wall_s);
/* The pause after the n-th failure in a row (from 1), with jitter; *seed moves on. */
int64_t identity_retry_ns(uint64_t *seed, unsigned int n_failures);
