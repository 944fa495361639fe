/*
 * A token bucket for one region of one account: it slows down on throttling and recovers. Pure: time comes in.
 *
 * The rate starts at the configured calls per second. Throttling halves it (once per second at most, never below
 * 1/16 of the configured rate) and empties the bucket; each full second without throttling gives back 1/20 of the
 * configured rate.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct limiter {
	double configured; /* calls per second, > 0 */
	double burst;      /* >= 1 */
	double rate;       /* what is allowed now */
	double tokens;
	int64_t updated_ns;
	int64_t throttled_ns; /* when it was last slowed down; 0 never */
};

void limiter_init(struct limiter *l, double calls_per_second, double burst, int64_t now_ns);
bool limiter_take(struct limiter *l, int64_t now_ns);             /* true: one call may leave */
int64_t limiter_next_ns(const struct limiter *l, int64_t now_ns); /* when the next call may leave; now_ns if at once. Never so near that it would spin: rounded up to a microsecond */
void limiter_throttled(struct limiter *l, int64_t now_ns);
double limiter_rate(const struct limiter *l, int64_t now_ns);
