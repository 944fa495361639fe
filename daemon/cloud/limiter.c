/*
 * The token bucket. What it guarantees: in any interval no more than burst + configured rate * length calls,
 * whatever happens, and the full rate again within 20 s after the last throttling. Pure.
 *
 * `rate` is the rate just after the last slowdown; what is allowed now follows from the time since, in steps of
 * a second. The bucket is filled step by step, so that no time is counted at a rate that came later.
 */
#include "cloud/limiter.h"

#include <assert.h>
#include <math.h>

#include "core/model.h"

#define RATE_FLOOR (1.0 / 16)
#define RATE_STEP (1.0 / 20)
#define TOKEN_EPSILON 1e-9 /* what doubles may lose between limiter_next_ns and limiter_take */

void limiter_init(struct limiter *l, double calls_per_second, double burst, int64_t now_ns)
{
	assert(calls_per_second > 0 && burst >= 1);
	*l = (struct limiter){
		.configured = calls_per_second,
		.burst = burst,
		.rate = calls_per_second,
		.tokens = burst,
		.updated_ns = now_ns,
	};
}

static int64_t seconds_since_slowdown(const struct limiter *l, int64_t now_ns)
{
	return now_ns > l->throttled_ns ? (now_ns - l->throttled_ns) / NS_PER_S : 0;
}

double limiter_rate(const struct limiter *l, int64_t now_ns)
{
	if (l->rate >= l->configured)
		return l->configured;
	double rate = l->rate + (double)seconds_since_slowdown(l, now_ns) * RATE_STEP * l->configured;
	return rate < l->configured ? rate : l->configured;
}

/* Until when the rate of now_ns holds. */
static int64_t rate_holds_until_ns(const struct limiter *l, int64_t now_ns)
{
	if (limiter_rate(l, now_ns) >= l->configured)
		return INT64_MAX;
	return l->throttled_ns + (seconds_since_slowdown(l, now_ns) + 1) * NS_PER_S;
}

/* Fills the bucket up to now; a clock that went back fills nothing. At most 20 turns: then the rate is whole. */
static void fill(struct limiter *l, int64_t now_ns)
{
	while (l->updated_ns < now_ns) {
		int64_t until_ns = rate_holds_until_ns(l, l->updated_ns);
		if (until_ns > now_ns)
			until_ns = now_ns;
		double seconds = (double)(until_ns - l->updated_ns) / (double)NS_PER_S;
		l->tokens = fmin(l->burst, l->tokens + seconds * limiter_rate(l, l->updated_ns));
		l->updated_ns = until_ns;
	}
}

bool limiter_take(struct limiter *l, int64_t now_ns)
{
	fill(l, now_ns);
	if (l->tokens < 1 - TOKEN_EPSILON)
		return false;
	l->tokens = fmax(0, l->tokens - 1);
	return true;
}

int64_t limiter_next_ns(const struct limiter *l, int64_t now_ns)
{
	struct limiter copy = *l;
	fill(&copy, now_ns);
	int64_t at_ns = copy.updated_ns; /* later than now_ns when the clock went back */
	while (copy.tokens < 1 - TOKEN_EPSILON) {
		double rate = limiter_rate(&copy, at_ns);
		int64_t until_ns = rate_holds_until_ns(&copy, at_ns);
		double wait_us = ceil((1 - copy.tokens) / rate * 1e6);
		if (until_ns == INT64_MAX || wait_us * 1e3 < (double)(until_ns - at_ns))
			return at_ns + (int64_t)wait_us * 1000;
		fill(&copy, until_ns);
		at_ns = until_ns;
	}
	return at_ns;
}

void limiter_throttled(struct limiter *l, int64_t now_ns)
{
	fill(l, now_ns);
	l->tokens = 0;
	if (l->throttled_ns != 0 && seconds_since_slowdown(l, now_ns) < 1)
		return;
	l->rate = fmax(l->configured * RATE_FLOOR, limiter_rate(l, now_ns) / 2);
	l->throttled_ns = now_ns;
}
