/*
 * Property tests of the reconcile core: random histories of a random fleet under random settings and faults, killed
 * and begun again in between, each ending in a calm in which every target must reach its pin. The rules of the
 * contract are checked by the observer (tests/lib) after every step.
 *
 *     histories [--runs N | --lives N | --large N] [--seed S] [--jobs J] [--no-crashes] [--trace]
 *
 * --runs: some hours, a dozen instances, everything at once; all that is shown is looked at after each step
 * --lives: three days, up to 40 targets; after each step what it touched is looked at, and at times and in the end all
 * --large: three weeks, thousands of targets
 *
 * Prints its first seed before anything else, and the seed of the history that broke; `--seed S` replays it.
 */
#include "chaos.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct shape shapes[] = {
	{.chaos_ns = 8 * HOUR, .calm_ns = 96 * HOUR, .gap_ns = 10 * MINUTE, .poll_min = 1, .poll_max = 5, .least_boxes = 0,
	 .begin_boxes = 10, .most_boxes = 16, .page_size = 4, .checks_all = true, .crashes = 24},
	{.chaos_ns = 40 * HOUR, .calm_ns = 32 * HOUR, .is_whole = true, .gap_ns = 3 * HOUR, .poll_min = 10, .poll_max = 60, .least_boxes = 1,
	 .begin_boxes = 20, .most_boxes = 24, .page_size = 7, .crashes = 4},
	{.chaos_ns = 336 * HOUR, .calm_ns = 168 * HOUR, .is_whole = true, .gap_ns = 2 * HOUR, .poll_min = 30, .poll_max = 120, .least_boxes = 1000,
	 .begin_boxes = 2000, .most_boxes = 2100, .page_size = LIMIT_PAGE, .crashes = 1},
};
enum { SHAPE_RUN, SHAPE_LIFE, SHAPE_LARGE };

/* What was asked for. */
static struct {
	uint64_t seed, n, jobs;
	int shape;
	bool has_crashes;
	FILE *trace;
} asked = {.seed = 1, .n = 100, .jobs = 1, .has_crashes = true};

struct sum {
	uint64_t steps, hash, hours, lives;
};

static int history(uint64_t seed, bool has_wall_jumps, bool is_quiet, FILE *trace, struct sum *ret)
{
	static struct world w;
	struct shape shape = shapes[asked.shape];
	int r = 0;

	shape.crashes = asked.has_crashes ? shape.crashes : 0;
	history_run(&w, &shape, seed, has_wall_jumps, is_quiet, trace);
	*ret = (struct sum){w.steps, w.trace_hash, (uint64_t)(w.now_ns / HOUR), w.life};
	if (w.failure && !is_quiet)
		world_report(&w, stderr);
	r = w.failure != NULL;
	world_deinit(&w);
	return r;
}

/* The same, and when it breaks once more with all that was said. */
static int first_run(uint64_t seed, bool is_quiet, struct sum *ret)
{
	if (!history(seed, true, is_quiet, asked.trace, ret))
		return 0;
	if (is_quiet && !history(seed, true, false, NULL, ret))
		fprintf(stderr, "seed %" PRIu64 ": rule 15: it broke only when nobody listened\n", seed);
	return 1;
}

/* Twice the same, and once more on a wall clock that never jumps: rules 15 and 12. */
static int twins(uint64_t seed, struct sum *total)
{
	uint64_t every = asked.shape == SHAPE_RUN ? 4 : 32;
	bool is_twice = seed % every == 0 && asked.shape != SHAPE_LARGE, is_still = seed % every == 1 && asked.shape != SHAPE_LARGE;
	struct sum a = {0}, b = {0};

	if (first_run(seed, asked.shape != SHAPE_RUN && !is_twice && !is_still && !asked.trace, &a))
		return 1;
	total->steps += a.steps;
	total->hours += a.hours;
	total->lives += a.lives;
	if (is_twice && (history(seed, true, false, NULL, &b) || a.hash != b.hash || a.steps != b.steps)) {
		fprintf(stderr, "seed %" PRIu64 ": rule 15: the same history gave another trace\n", seed);
		return 1;
	}
	if (is_still && (history(seed, false, false, NULL, &b) || a.hash != b.hash || a.steps != b.steps)) {
		fprintf(stderr, "seed %" PRIu64 ": rule 12: jumps of the wall clock changed the trace\n", seed);
		return 1;
	}
	return 0;
}

/* Every so many'th of the seeds. */
static int share(uint64_t first)
{
	static const char *const options[] = {"", " --lives 1", " --large 1"};
	struct sum total = {0};
	uint64_t n = 0;

	for (uint64_t i = first; i < asked.n; i += asked.jobs, n++) {
		if (twins(asked.seed + i, &total)) {
			fprintf(stderr, "replay: histories --seed %" PRIu64 "%s --trace\n", asked.seed + i, options[asked.shape]);
			return 1;
		}
	}
	fprintf(stderr, "%" PRIu64 " histories, %" PRIu64 " hours, %" PRIu64 " lives of the core, %" PRIu64 " steps\n", n, total.hours, total.lives, total.steps);
	return 0;
}

static int shares(void)
{
	int failures = 0, status;

	for (uint64_t i = 0; i < asked.jobs; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(share(i));
		failures += pid < 0;
	}
	while (wait(&status) > 0)
		failures += status != 0;
	return failures > 0;
}

static bool to_number(const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

static bool take_option(int c)
{
	switch (c) {
	case 't':
		asked.trace = stdout;
		return true;
	case 'c':
		asked.has_crashes = false;
		return true;
	case 's':
		asked.n = 1;
		return to_number(optarg, &asked.seed);
	case 'j':
		return to_number(optarg, &asked.jobs) && asked.jobs > 0 && asked.jobs <= 64;
	case 'n':
	case 'l':
	case 'g':
		asked.shape = c == 'n' ? SHAPE_RUN : c == 'l' ? SHAPE_LIFE : SHAPE_LARGE;
		return to_number(optarg, &asked.n);
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},  {"runs", required_argument, NULL, 'n'},  {"lives", required_argument, NULL, 'l'},
		{"large", required_argument, NULL, 'g'}, {"jobs", required_argument, NULL, 'j'},  {"trace", no_argument, NULL, 't'},
		{"no-crashes", no_argument, NULL, 'c'},  {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(c))
			return 2;
	fprintf(stderr, "seeds %" PRIu64 " to %" PRIu64 "\n", asked.seed, asked.seed + asked.n - 1);
	return asked.jobs > 1 ? shares() : share(0);
}
