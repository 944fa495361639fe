/*
 * Virtual time: a fleet of N targets through a full rollout in waves, in the model cloud, without the observer.
 *
 *     virtual [N]
 *
 * Prints how long the rollout took in the world, and how much CPU time here.
 */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void settings(struct world *w, uint32_t n)
{
	struct world_settings *s = &w->draft;
	struct world_policy *more = &s->more[0];

	*s = (struct world_settings){.is_enforcing = true, .max_in_flight = n / 20 + 1, .n_scopes = 1, .n_policies = 1, .n_pins = 1};
	snprintf(s->account_names[0], WORLD_TEXT, "prod");
	snprintf(s->region_names[0], WORLD_TEXT, "cn-shanghai");
	snprintf(s->policy_names[0], WORLD_TEXT, "branches");
	s->scopes[0] = (struct scope){.poll_interval_ns = 15 * MINUTE, .dpi_poll_interval_ns = 24 * HOUR, .calls_per_second = 1000, .blast_radius = 1.0};
	s->policies[0] = (struct policy){.is_always_open = true, .max_in_flight = {.count = n / 20 + 1}, .max_starts_per_hour = n / 5 + 1,
					 .deadline_ns = 30 * MINUTE, .retry = {.attempts = 3, .first_ns = MINUTE, .max_ns = HOUR},
					 .verify = {.soak_ns = 2 * MINUTE}};
	more->n_waves = 2;
	for (uint32_t i = 0; i < 2; i++) {
		more->waves[i] = (struct wave){.percent = i == 0 ? 0.01 : 0.2, .success = 0.98, .soak_ns = 30 * MINUTE};
		snprintf(more->wave_names[i], WORLD_TEXT, "wave-%u", i);
	}
	s->pins[0] = (struct world_pin){.name = "all", .name_glob = "*", .version = {8, VERSION_ABSENT}, .policy = {0, 0}};
}

int main(int argc, char **argv)
{
	static struct world w;
	uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
	double began, took;
	bool is_done;

	world_init(&w, 1);
	w.is_quiet = w.is_unobserved = true;
	w.page_size = LIMIT_PAGE;
	settings(&w, n);
	for (uint32_t i = 0; i < n; i++)
		world_add_box(&w, 0, 1, 3, VERSION_ABSENT);
	began = cpu_s();
	world_apply(&w);
	while (!w.failure && w.now_ns < 72 * HOUR && !world_settled(&w))
		world_run(&w, w.now_ns + 10 * MINUTE);
	took = cpu_s() - began;
	is_done = !w.failure && world_settled(&w);
	printf("%u targets: %s after %.1f h, %" PRIu64 " steps, %.1f s of CPU, %.0f times faster than life\n", n,
	       is_done ? "all in sync" : "not all in sync", (double)w.now_ns / (double)HOUR, w.steps, took, (double)w.now_ns / 1e9 / took);
	if (w.failure)
		world_report(&w, stderr);
	world_deinit(&w);
	return !is_done;
}
