/*
 * How long the longest single step of the core takes, by kind of event, with N targets.
 *
 *     steps [N [SCENE]]
 *
 * Each scene takes a fleet in the model cloud through what touches all of it at once. reconcile_step() is wrapped
 * (-Wl,--wrap), so what the world takes is not counted. Prints the three longest of the kinds that had one above 1 ms.
 */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHOWN_US 1000.0
#define AIM_US 10000.0

int __real_reconcile_step(struct reconcile *r, const struct event *ev, struct plan *ret_plan);
int __wrap_reconcile_step(struct reconcile *r, const struct event *ev, struct plan *ret_plan);

static const char *const event_names[EVENT_N] = {
	[EVENT_TICK] = "tick", [EVENT_SETTINGS] = "settings", [EVENT_LISTED] = "listed", [EVENT_LISTING_ENDED] = "listing_ended",
	[EVENT_FOLLOWED] = "followed", [EVENT_FRESH] = "fresh", [EVENT_READ_FAILED] = "read_failed", [EVENT_CATALOGUE] = "catalogue",
	[EVENT_STORED] = "stored", [EVENT_STORE_FAILED] = "store_failed", [EVENT_RESTORED] = "restored",
	[EVENT_RESTORE_ENDED] = "restore_ended", [EVENT_CALENDAR] = "calendar", [EVENT_GATE] = "gate", [EVENT_ACT] = "act",
	[EVENT_AUTO_UPGRADE] = "auto_upgrade", [EVENT_AUTO_UPGRADE_SET] = "auto_upgrade_set", [EVENT_CALLED] = "called",
	[EVENT_ACCOUNT] = "account",
};

#define KEPT 3

/*
 * A virtual machine loses time that is counted as the process's. The same scene has the same steps, so it is played twice, and
 * of each step the lesser time counts.
 */
static struct {
	float *us;
	size_t n, cap, at;
	bool is_second;
} played;

static struct {
	double longest_us[KEPT], sum_us; /* longest first */
	uint64_t n;
} kinds[EVENT_N];

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double compare(double took)
{
	if (played.is_second)
		return played.at < played.n && played.us[played.at++] < took ? (double)played.us[played.at - 1] : took;
	if (played.n == played.cap) {
		played.cap = played.cap ? played.cap * 2 : 1 << 16;
		played.us = realloc(played.us, played.cap * sizeof(*played.us));
		if (!played.us)
			abort();
	}
	played.us[played.n++] = (float)took;
	return took;
}

static void keep(double longest_us[KEPT], double took)
{
	for (unsigned int i = 0; i < KEPT; i++) {
		double less = longest_us[i];

		if (took <= less)
			continue;
		longest_us[i] = took;
		took = less;
	}
}

int __wrap_reconcile_step(struct reconcile *r, const struct event *ev, struct plan *ret_plan)
{
	double began = cpu_us(), took;
	int result = __real_reconcile_step(r, ev, ret_plan);

	took = compare(cpu_us() - began);
	kinds[ev->kind].n++;
	kinds[ev->kind].sum_us += took;
	keep(kinds[ev->kind].longest_us, took);
	return result;
}

/* What was measured since the last call. */
static void show(const char *what)
{
	for (unsigned int i = 0; i < EVENT_N && played.is_second; i++) {
		const double *us = kinds[i].longest_us;

		if (us[0] > SHOWN_US)
			printf("%-34s %-14s %7.0f %7.0f %7.0f us%s of %" PRIu64 " steps that took %.0f ms\n", what, event_names[i], us[0], us[1], us[2],
			       us[0] > AIM_US ? " (!)" : "", kinds[i].n, kinds[i].sum_us / 1e3);
	}
	fflush(stdout);
	memset(kinds, 0, sizeof(kinds));
}

/* ---- the fleet ---- */

static void settings(struct world *w, uint32_t n)
{
	struct world_settings *s = &w->draft;

	*s = (struct world_settings){.is_enforcing = true, .max_in_flight = n / 20 + 1, .n_scopes = 1, .n_policies = 1, .n_pins = 1};
	snprintf(s->account_names[0], WORLD_TEXT, "prod");
	snprintf(s->region_names[0], WORLD_TEXT, "cn-shanghai");
	snprintf(s->policy_names[0], WORLD_TEXT, "branches");
	s->scopes[0] = (struct scope){.poll_interval_ns = 15 * MINUTE, .dpi_poll_interval_ns = 24 * HOUR, .calls_per_second = 1000, .blast_radius = 1.0};
	s->policies[0] = (struct policy){.is_always_open = true, .max_in_flight = {.count = n / 20 + 1}, .max_starts_per_hour = n / 5 + 1,
					 .deadline_ns = 30 * MINUTE, .retry = {.attempts = 3, .first_ns = MINUTE, .max_ns = HOUR},
					 .verify = {.soak_ns = 2 * MINUTE}};
	s->pins[0] = (struct world_pin){.name = "all", .name_glob = "*", .version = {8, VERSION_ABSENT}, .policy = {0, 0}};
}

static void more(struct world *w, int64_t ns)
{
	world_run(w, w->now_ns + ns);
}

/* ---- scenes ---- */

static void reload(struct world *w)
{
	world_apply(w);
	show("nothing new in the settings");
	more(w, MINUTE);
	show("... the minute after");
	w->draft.pins[0].version[0] = 9;
	world_apply(w);
	show("another version for all");
	more(w, MINUTE);
	show("... the minute after");
}

static void words(struct world *w)
{
	world_act(w, &(struct act){.kind = ACT_PAUSE, .is_all = true});
	more(w, MINUTE);
	world_act(w, &(struct act){.kind = ACT_RESUME, .is_all = true});
	more(w, MINUTE);
	show("pause and resume of everything");
	world_act(w, &(struct act){.kind = ACT_HOLD, .serial_number = w->boxes[7].devices[0].serial});
	show("hold of one target");
}

static void approval(struct world *w)
{
	w->draft.scopes[0].blast_radius = 0.05;
	w->draft.pins[0].version[0] = 9;
	world_apply(w);
	more(w, MINUTE);
	show("a pin that moves all waits");
	world_help(w);
	show("approved");
	more(w, MINUTE);
	show("... the minute after");
}

static void sites(struct world *w)
{
	w->draft.policies[0].site_by = SITE_BY_CITY;
	w->draft.policies[0].max_in_flight_per_site = 1;
	world_apply(w);
	memset(kinds, 0, sizeof(kinds));
	more(w, 2 * HOUR);
	show("eight sites, one at a time in each");
}

static void window(struct world *w)
{
	w->draft.policies[0].is_always_open = false;
	w->draft.more[0].open_from_s = (world_wall_s(w) + 3600) % 86400;
	w->draft.more[0].open_length_s = 6 * 3600;
	world_apply(w);
	show("windows come");
	more(w, 3 * HOUR);
	show("a window opens");
}

static void region_down(struct world *w)
{
	w->is_down[0] = true;
	more(w, 3 * HOUR);
	show("a region is down: all is stale");
	w->is_down[0] = false;
	more(w, HOUR);
	show("it is back");
}

static void restart(struct world *w)
{
	world_kill(w);
	more(w, MINUTE);
	world_revive(w);
	more(w, HOUR);
	show("killed and restarted");
}

static void halt(struct world *w)
{
	w->faults.fate[FATE_UNHEALTHY] = 800;
	w->draft.policies[0].halt.failures = 100;
	world_apply(w);
	memset(kinds, 0, sizeof(kinds));
	more(w, 2 * HOUR);
	show("failures halt the rollout");
	world_help(w);
	show("resumed, all targets retried");
	more(w, MINUTE);
	show("... the minute after");
}

static void disk(struct world *w)
{
	w->is_disk_full = true;
	more(w, 10 * MINUTE);
	show("the disk is full");
	w->is_disk_full = false;
	more(w, 10 * MINUTE);
	show("there is room again");
}

static void account(struct world *w)
{
	world_tell_account(w, 0, false);
	more(w, 10 * MINUTE);
	world_tell_account(w, 0, true);
	more(w, 10 * MINUTE);
	show("credentials refused, and back");
}

static void suspend(struct world *w)
{
	w->now_ns += 3 * HOUR;
	more(w, HOUR);
	show("the machine slept three hours");
}

static void play(uint32_t n, const char *name, void (*scene)(struct world *w))
{
	static struct world w;

	world_init(&w, 1);
	w.is_quiet = w.is_unobserved = true;
	w.page_size = LIMIT_PAGE;
	settings(&w, n);
	for (uint32_t i = 0; i < n; i++)
		world_add_box(&w, 0, 1, 3, VERSION_ABSENT);
	memset(kinds, 0, sizeof(kinds));
	world_apply(&w);
	more(&w, HOUR);
	if (scene)
		memset(kinds, 0, sizeof(kinds)); /* the same for all scenes: shown once */
	if (scene)
		scene(&w);
	else
		show("first listing, and a rollout");
	if (w.failure)
		printf("%s: %s\n", name, w.failure_text); /* the numbers mean nothing then */
	world_deinit(&w);
}

static void play_twice(uint32_t n, const char *name, void (*scene)(struct world *w))
{
	played.n = played.at = 0;
	played.is_second = false;
	play(n, name, scene);
	played.is_second = true;
	play(n, name, scene);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*scene)(struct world *w);
	} scenes[] = {
		{"start", NULL},   {"reload", reload},	   {"words", words},   {"approval", approval}, {"sites", sites},     {"window", window},
		{"down", region_down}, {"restart", restart}, {"halt", halt},	   {"disk", disk},	       {"account", account}, {"suspend", suspend},
	};
	uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		if (argc < 3 || strcmp(argv[2], scenes[i].name) == 0)
			play_twice(n, scenes[i].name, scenes[i].scene);
	free(played.us);
	return 0;
}
