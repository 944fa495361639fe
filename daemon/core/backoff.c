/*
 * Retry times: doubling up to a limit, spread by a seeded generator (rule 15).
 * Nothing overflows, whatever the step is.
 */
#include "backoff.h"

int64_t backoff_ns(int64_t first_ns, int64_t max_ns, uint32_t step)
{
	int64_t delay = first_ns > 0 ? first_ns : 1;

	for (; step > 0 && delay < max_ns; step--)
		delay = delay > max_ns / 2 ? max_ns : delay * 2;
	return delay < max_ns ? delay : max_ns > 0 ? max_ns : 1;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

int64_t backoff_jittered_ns(uint64_t *seed, int64_t first_ns, int64_t max_ns, uint32_t step)
{
	int64_t delay = backoff_ns(first_ns, max_ns, step);
	int64_t fifth = delay / 5;

	return delay - fifth + (int64_t)(next_random(seed) % ((uint64_t)fifth * 2 + 1));
}
