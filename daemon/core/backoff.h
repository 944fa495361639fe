/* Retry times from a seeded generator. Pure. */
#pragma once

#include <stdint.h>

/* first * 2^step, at most max, give or take a fifth; *seed moves on. Never below 1. */
int64_t backoff_jittered_ns(uint64_t *seed, int64_t first_ns, int64_t max_ns, uint32_t step);
/* The same without jitter. */
int64_t backoff_ns(int64_t first_ns, int64_t max_ns, uint32_t step);
