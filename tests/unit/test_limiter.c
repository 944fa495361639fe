/* The token bucket: a table of histories, then properties over random ones (seed printed, TEST_SEED repeats it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cloud/limiter.h"
#include "core/model.h"

#define MS NS_PER_MS

static void assert_near(double value, double expected)
{
	if (value < expected - 1e-6 || value > expected + 1e-6)
		fail_msg("%.9f is not %.9f", value, expected);
}

static void test_burst_then_rate(void **state)
{
	(void)state;
	struct limiter l;
	limiter_init(&l, 10, 3, 1000 * MS);
	for (int i = 0; i < 3; i++)
		assert_true(limiter_take(&l, 1000 * MS));
	assert_false(limiter_take(&l, 1000 * MS));
	assert_int_equal(limiter_next_ns(&l, 1000 * MS), 1100 * MS);
	assert_false(limiter_take(&l, 1099 * MS));
	assert_true(limiter_take(&l, 1100 * MS));
	/* a long pause fills no more than the burst */
	for (int i = 0; i < 3; i++)
		assert_true(limiter_take(&l, 100000 * MS));
	assert_false(limiter_take(&l, 100000 * MS));
}

static void test_halves_once_per_second(void **state)
{
	(void)state;
	static const struct {
		int64_t at_ms;
		double rate; /* after a throttling at that time */
	} table[] = {
		{ 10000, 8 },   { 10500, 8 },   { 10999, 8 }, /* the first halves, the others only empty the bucket */
		{ 11000, 4.4 }, /* a second gave back 0.8 before */
		{ 12000, 2.6 }, { 13000, 1.7 }, { 14000, 1.25 }, { 15000, 1.025 }, { 16000, 1 }, { 17000, 1 },
	};
	struct limiter l;
	limiter_init(&l, 16, 4, 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		limiter_throttled(&l, table[i].at_ms * MS);
		assert_near(limiter_rate(&l, table[i].at_ms * MS), table[i].rate);
		assert_false(limiter_take(&l, table[i].at_ms * MS));
	}
}

static void test_recovers_in_steps(void **state)
{
	(void)state;
	struct limiter l;
	limiter_init(&l, 20, 1, 0);
	limiter_throttled(&l, 5000 * MS);
	assert_near(limiter_rate(&l, 5000 * MS), 10);
	assert_near(limiter_rate(&l, 5999 * MS), 10);
	assert_near(limiter_rate(&l, 6000 * MS), 11);
	assert_near(limiter_rate(&l, 14999 * MS), 19);
	assert_near(limiter_rate(&l, 15000 * MS), 20);
	assert_near(limiter_rate(&l, 3600000 * MS), 20);
}

/* At 1/16 a second the first second gives 1/16 of a call, the next 0.05 more, and so on. */
static void test_next_counts_recovery(void **state)
{
	(void)state;
	struct limiter l;
	limiter_init(&l, 1, 1, 0);
	for (int64_t s = 10; s < 40; s++)
		limiter_throttled(&l, s * NS_PER_S);
	double sum = 0, rate = limiter_rate(&l, 39 * NS_PER_S);
	int64_t ns = 39 * NS_PER_S;
	while (sum + rate < 1) {
		sum += rate;
		rate += 0.05;
		ns += NS_PER_S;
	}
	ns += (int64_t)((1 - sum) / rate * 1e9);
	int64_t next_ns = limiter_next_ns(&l, 39 * NS_PER_S);
	assert_true(next_ns >= ns - 1000 && next_ns <= ns + 2000);
}

static void test_clock_going_back_gives_nothing(void **state)
{
	(void)state;
	struct limiter l;
	limiter_init(&l, 1, 1, 100 * NS_PER_S);
	assert_true(limiter_take(&l, 100 * NS_PER_S));
	assert_false(limiter_take(&l, 0));
	assert_int_equal(limiter_next_ns(&l, 0), 101 * NS_PER_S);
	limiter_throttled(&l, 0);
	assert_false(limiter_take(&l, 100 * NS_PER_S));
}

static uint64_t random_state;

static uint64_t random_next(void) /* splitmix64 */
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static double random_unit(void)
{
	return (double)(random_next() >> 11) / 9007199254740992.0;
}

#define STEPS 400

/* No interval between two calls holds more than burst + rate * length; every interval begins and ends at a call. */
static void check_intervals(const int64_t *taken_ns, size_t n, double rate, double burst)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++) {
			double seconds = (double)(taken_ns[j] - taken_ns[i]) / 1e9;
			if ((double)(j - i + 1) > burst + rate * seconds + 1e-6)
				fail_msg("%zu calls in %f s at %f per second, burst %f", j - i + 1, seconds, rate, burst);
		}
}

static void run_history(void)
{
	struct limiter l;
	double rate = 0.05 + random_unit() * random_unit() * 100, burst = 1 + random_unit() * 20;
	double throttle = random_unit() < 0.5 ? 0 : random_unit() * 0.3;
	int64_t now_ns = (int64_t)(random_next() % UINT64_C(1000000000000)), taken_ns[STEPS];
	size_t n = 0;
	limiter_init(&l, rate, burst, now_ns);
	for (int i = 0; i < STEPS; i++) {
		int64_t next_ns = limiter_next_ns(&l, now_ns);
		assert_true(next_ns == now_ns || next_ns >= now_ns + 1000);
		if (random_unit() < 0.5)
			now_ns = next_ns; /* what the loop does: nothing is lost to rounding, so it never spins */
		else
			now_ns += (int64_t)(random_unit() * random_unit() * 2e9);
		bool is_due = now_ns >= next_ns, is_taken = limiter_take(&l, now_ns);
		assert_true(is_taken || !is_due);
		if (is_taken)
			taken_ns[n++] = now_ns;
		if (random_unit() < throttle)
			limiter_throttled(&l, now_ns);
		double allowed = limiter_rate(&l, now_ns);
		assert_true(allowed <= rate && allowed >= rate / 16 - 1e-12);
	}
	check_intervals(taken_ns, n, rate, burst);
	assert_true(limiter_rate(&l, now_ns + 20 * NS_PER_S) >= rate); /* recovers */
}

static void test_random_histories(void **state)
{
	(void)state;
	const char *given = getenv("TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)seed);
	random_state = seed;
	for (int i = 0; i < 300; i++)
		run_history();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_halves_once_per_second),
		cmocka_unit_test(test_recovers_in_steps),
		cmocka_unit_test(test_next_counts_recovery),
		cmocka_unit_test(test_clock_going_back_gives_nothing),
		cmocka_unit_test(test_random_histories),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
