/*
 * Simulations: a story of a fleet each, told by the world and by the core's own trace, compared with a golden.
 *
 *     scenarios GOLDEN_DIRECTORY [--update] [NAME]
 *
 * The goldens are meant to be read: what the cloud does is told as "cloud: …", the rest are the core's
 * decisions. Reads are left out. Every rule that the observer knows is checked on the way.
 */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OLD = 3, MIDDLE = 6, PINNED = 8, NEWER = 9 }; /* of world_versions */

/* One account, one region, one policy, one pin over everything. */
static void simple_settings(struct world *w)
{
	struct world_settings *s = &w->draft;

	*s = (struct world_settings){.is_enforcing = true, .max_in_flight = 50, .n_scopes = 1, .n_policies = 1, .n_pins = 1};
	snprintf(s->account_names[0], WORLD_TEXT, "prod");
	snprintf(s->region_names[0], WORLD_TEXT, "cn-shanghai");
	snprintf(s->policy_names[0], WORLD_TEXT, "branches");
	s->scopes[0] = (struct scope){.poll_interval_ns = MINUTE, .dpi_poll_interval_ns = HOUR, .blast_radius = 1.0, .calls_per_second = 10};
	s->policies[0] = (struct policy){
		.is_always_open = true,
		.max_in_flight = {.count = 5},
		.max_starts_per_hour = 60,
		.deadline_ns = 30 * MINUTE,
		.retry = {.attempts = 3, .first_ns = MINUTE, .max_ns = HOUR},
		.verify = {.soak_ns = 2 * MINUTE},
	};
	s->pins[0] = (struct world_pin){.name = "all", .name_glob = "*", .version = {PINNED, VERSION_ABSENT}, .policy = {0, 0}};
}

static void boxes(struct world *w, unsigned int n, int version)
{
	for (unsigned int i = 0; i < n; i++)
		world_add_box(w, 0, 1, version, VERSION_ABSENT);
}

/* ---- scripts: what happens at a time ---- */

static void all_good(struct world *w, int unused)
{
	(void)unused;
	world_say(w, "all is well again");
	w->faults = (struct world_faults){.latency_ns = NS_PER_S / 5};
	w->is_down[0] = false;
}

static void region_down(struct world *w, int unused)
{
	(void)unused;
	world_say(w, "the region answers nothing any more");
	w->is_down[0] = true;
}

static void move_first(struct world *w, int version)
{
	world_external_change(w, &w->boxes[0], 0, VERSION_TYPE_DEVICE, version);
}

static void pin_to(struct world *w, int version)
{
	world_say(w, "the operator pins %s", world_versions[version]);
	w->draft.pins[0].version[VERSION_TYPE_DEVICE] = version;
	world_apply(w);
}

static void enforce(struct world *w, int is_enforcing)
{
	world_say(w, "the operator sets mode %s", is_enforcing ? "enforce" : "observe");
	w->draft.is_enforcing = is_enforcing;
	world_apply(w);
}

static void first_offline(struct world *w, int is_offline)
{
	w->boxes[0].devices[0].is_online = !is_offline;
	world_say(w, "%s goes %s", w->boxes[0].id, is_offline ? "offline" : "online");
}

static void vanish(struct world *w, int box)
{
	w->boxes[box].exists = !w->boxes[box].exists;
	world_say(w, "%s %s", w->boxes[box].id, w->boxes[box].exists ? "is back" : "is gone");
}

static void account(struct world *w, int is_usable)
{
	world_tell_account(w, 0, is_usable);
}

/* ---- stories ---- */

static void quiet_fleet(struct world *w)
{
	boxes(w, 8, PINNED);
}

static void rollout_of_50(struct world *w)
{
	boxes(w, 49, OLD);
	world_add_box(w, 0, 2, OLD, VERSION_ABSENT);
}

static void pair_with_dpi(struct world *w)
{
	w->draft.pins[0].version[VERSION_TYPE_DPI] = PINNED;
	world_add_box(w, 0, 2, OLD, OLD);
}

static void never_returns(struct world *w)
{
	boxes(w, 2, OLD);
	w->draft.max_in_flight = 1;
	w->faults.fate[FATE_STUCK] = 1000;
	world_script(w, 50 * MINUTE, all_good, 0);
}

static void comes_back_old(struct world *w)
{
	boxes(w, 1, OLD);
	w->faults.fate[FATE_OLD] = 1000;
}

static void unhealthy(struct world *w)
{
	boxes(w, 1, OLD);
	w->faults.fate[FATE_UNHEALTHY] = 1000;
}

static void lost_reply(struct world *w)
{
	boxes(w, 1, OLD);
	w->faults.lost_reply = 1000;
}

static void lost_request(struct world *w)
{
	boxes(w, 1, OLD);
	w->faults.lost_request = 1000;
	world_script(w, 45 * MINUTE, all_good, 0);
}

static void unknown_code(struct world *w)
{
	boxes(w, 1, OLD);
	w->faults.unknown_code = 1000;
}

static void throttled_hour(struct world *w)
{
	boxes(w, 2, OLD);
	w->faults.throttled = 1000;
	world_script(w, 90 * MINUTE, all_good, 0);
}

static void region_down_for_an_hour(struct world *w)
{
	boxes(w, 4, OLD);
	w->draft.policies[0].max_in_flight.count = 1;
	world_script(w, 40 * MINUTE, region_down, 0);
	world_script(w, 100 * MINUTE, all_good, 0);
}

static void somebody_else(struct world *w)
{
	boxes(w, 2, PINNED);
	world_script(w, 60 * MINUTE, move_first, NEWER);
	world_script(w, 90 * MINUTE, move_first, MIDDLE);
}

static void typo_older(struct world *w)
{
	boxes(w, 3, PINNED);
	world_script(w, 60 * MINUTE, pin_to, OLD);
}

static void typo_incomparable(struct world *w)
{
	boxes(w, 2, OLD);
	w->draft.pins[0].version[VERSION_TYPE_DEVICE] = VERSION_RANKED;
}

static void observe_first(struct world *w)
{
	boxes(w, 1, OLD);
	w->draft.is_enforcing = false;
	world_script(w, 90 * MINUTE, enforce, true);
}

static void offline_first(struct world *w)
{
	boxes(w, 1, OLD);
	w->boxes[0].devices[0].is_online = false;
	world_script(w, 90 * MINUTE, first_offline, false);
}

static void removed_instance(struct world *w)
{
	boxes(w, 2, PINNED);
	world_script(w, 30 * MINUTE, vanish, 0);
	world_script(w, 40 * MINUTE, vanish, 0);
}

static void credentials_revoked(struct world *w)
{
	boxes(w, 2, OLD);
	w->draft.policies[0].max_in_flight.count = 1;
	world_script(w, 32 * MINUTE, account, false);
	world_script(w, 80 * MINUTE, account, true);
}

/* ---- stories of rollouts, and of restarts ---- */

/* The first two instances are canaries, then a third, then the rest. */
static void waves(struct world *w)
{
	struct world_policy *more = &w->draft.more[0];

	more->n_waves = 2;
	more->waves[0] = (struct wave){.is_match = true, .success = 1.0, .soak_ns = 20 * MINUTE};
	more->waves[1] = (struct wave){.percent = 0.4, .success = 1.0, .soak_ns = 10 * MINUTE};
	snprintf(more->wave_names[0], WORLD_TEXT, "canaries");
	snprintf(more->wave_globs[0], WORLD_TEXT, "shop-0*");
	snprintf(more->wave_names[1], WORLD_TEXT, "early");
}

static void fate_of_all(struct world *w, int fate)
{
	memset(w->faults.fate, 0, sizeof(w->faults.fate));
	if (fate != FATE_GOOD)
		w->faults.fate[fate] = 1000;
}

static void say_resume(struct world *w, int unused)
{
	(void)unused;
	world_act(w, &(struct act){.kind = ACT_RESUME, .policy = "branches", .version = world_versions[PINNED], .version_type = "Device"});
}

static void repair_health(struct world *w, int box)
{
	world_say(w, "somebody repairs %s", w->boxes[box].id);
	w->boxes[box].devices[0].controller = HEALTH_NORMAL;
	world_act(w, &(struct act){.kind = ACT_RETRY, .serial_number = w->boxes[box].devices[0].serial});
}

static void say_all(struct world *w, int kind)
{
	world_act(w, &(struct act){.kind = (enum act_kind)kind, .is_all = true});
}

static void disk_full(struct world *w, int is_full)
{
	world_say(w, "the disk %s", is_full ? "is full" : "has room again");
	w->is_disk_full = is_full;
}

static void say_yes(struct world *w, int unused)
{
	(void)unused;
	world_help(w);
}

static void kill_now(struct world *w, int unused)
{
	(void)unused;
	world_kill(w);
}

static void kill_and_lose(struct world *w, int unused)
{
	(void)unused;
	w->crashes.lost = 1000;
	world_kill(w);
}

static void kill_and_jump(struct world *w, int by_s)
{
	w->crashes.reboot = 1000;
	world_kill(w);
	world_say(w, "the wall clock jumps by %d s", by_s);
	w->wall_offset_s += by_s;
}

static void canary_fails(struct world *w)
{
	boxes(w, 12, OLD);
	waves(w);
	w->draft.policies[0].retry.attempts = 1;
	w->draft.policies[0].halt.failures = 1;
	w->faults.fate[FATE_UNHEALTHY] = 1000;
	world_script(w, 50 * MINUTE, fate_of_all, FATE_GOOD);
	world_script(w, 150 * MINUTE, repair_health, 0);
	world_script(w, 150 * MINUTE, repair_health, 1);
	world_script(w, 150 * MINUTE, repair_health, 3);
	world_script(w, 150 * MINUTE, repair_health, 4);
	world_script(w, 150 * MINUTE, repair_health, 6);
	world_script(w, 150 * MINUTE, repair_health, 7);
	world_script(w, 151 * MINUTE, say_resume, 0);
}

static void window_closes_mid_wave(struct world *w)
{
	struct world_policy *more = &w->draft.more[0];

	boxes(w, 10, OLD);
	w->draft.policies[0].is_always_open = false;
	w->draft.policies[0].max_in_flight.count = 2;
	w->draft.policies[0].upgrade_takes_ns = 20 * MINUTE;
	more->open_from_s = (world_wall_s(w) + 3600) % 86400; /* in an hour */
	more->open_length_s = 3600;
}

static void dying_standby(struct world *w)
{
	world_add_box(w, 0, 2, OLD, VERSION_ABSENT);
	w->faults.fate[FATE_STUCK] = 1000;
	world_script(w, 40 * MINUTE, all_good, 0);
}

static void lost_state_file(struct world *w)
{
	boxes(w, 6, OLD);
	w->draft.policies[0].max_in_flight.count = 2;
	world_script(w, 34 * MINUTE, kill_and_lose, 0);
}

static void typo_for_all(struct world *w)
{
	boxes(w, 40, PINNED);
	w->draft.scopes[0].blast_radius = 0.1;
	world_script(w, 60 * MINUTE, pin_to, NEWER);
	world_script(w, 4 * 60 * MINUTE, pin_to, PINNED);
	world_script(w, 6 * 60 * MINUTE, pin_to, NEWER);
	world_script(w, 7 * 60 * MINUTE, say_yes, 0);
}

static void kill_at_store(struct world *w)
{
	if (w->life == 1 && reconcile_in_flight(w->core) > 0)
		world_script(w, w->now_ns + 5 * NS_PER_S, kill_now, 0);
}

static void crash_after_commit(struct world *w)
{
	boxes(w, 2, OLD);
	w->faults.latency_ns = 3 * NS_PER_S; /* the reply is still on its way */
	w->hooks.storing = kill_at_store;
}

static void reboot_with_jump(struct world *w)
{
	boxes(w, 2, OLD);
	w->upgrade_min_ns = w->upgrade_max_ns = 20 * MINUTE;
	world_script(w, 35 * MINUTE, kill_and_jump, 86400);
}

static void reboot_with_jump_back(struct world *w)
{
	boxes(w, 1, OLD);
	w->faults.fate[FATE_STUCK] = 1000;
	world_script(w, 45 * MINUTE, kill_and_jump, -86400);
}

static void pause_all_on_a_full_disk(struct world *w)
{
	boxes(w, 6, OLD);
	w->draft.policies[0].max_in_flight.count = 1;
	world_script(w, 35 * MINUTE, disk_full, true);
	world_script(w, 36 * MINUTE, say_all, ACT_PAUSE);
	world_script(w, 60 * MINUTE, disk_full, false);
	world_script(w, 120 * MINUTE, say_all, ACT_RESUME);
}

static const struct scenario {
	const char *name;
	void (*setup)(struct world *w);
	int hours;
} scenarios[] = {
	{"quiet-fleet", quiet_fleet, 24},
	{"rollout-of-50", rollout_of_50, 8},
	{"pair-with-dpi", pair_with_dpi, 8},
	{"never-returns", never_returns, 4},
	{"comes-back-old", comes_back_old, 6},
	{"unhealthy", unhealthy, 6},
	{"lost-reply", lost_reply, 2},
	{"lost-request", lost_request, 4},
	{"unknown-code", unknown_code, 6},
	{"throttled-hour", throttled_hour, 4},
	{"region-down-for-an-hour", region_down_for_an_hour, 4},
	{"somebody-else", somebody_else, 4},
	{"typo-older", typo_older, 24},
	{"typo-incomparable", typo_incomparable, 24},
	{"observe-first", observe_first, 3},
	{"offline-first", offline_first, 3},
	{"removed-instance", removed_instance, 1},
	{"credentials-revoked", credentials_revoked, 4},
	{"canary-fails", canary_fails, 6},
	{"window-closes-mid-wave", window_closes_mid_wave, 30},
	{"dying-standby", dying_standby, 4},
	{"lost-state-file", lost_state_file, 4},
	{"typo-for-all", typo_for_all, 9},
	{"crash-after-commit", crash_after_commit, 3},
	{"reboot-with-a-jump", reboot_with_jump, 3},
	{"reboot-with-a-jump-back", reboot_with_jump_back, 4},
	{"pause-all-on-a-full-disk", pause_all_on_a_full_disk, 5},
};

/* ---- telling and comparing ---- */

static void tell_end(struct world *w, FILE *out)
{
	uint32_t n[PHASE_N][REASON_N] = {0};
	unsigned int calls = 0;
	struct target_view v;

	for (uint32_t i = 0; i < reconcile_target_slots(w->core); i++)
		if (reconcile_target(w->core, i, &v))
			n[v.phase][v.reason]++;
	for (uint32_t i = 0; i < w->n_boxes; i++)
		for (unsigned int k = 0; k < w->boxes[i].n_devices; k++)
			calls += w->boxes[i].devices[k].deliveries;
	fprintf(out, "after %d hours: %u upgrade calls reached the cloud\n", (int)(w->now_ns / HOUR), calls);
	for (size_t p = 0; p < PHASE_N; p++)
		for (size_t r = 0; r < REASON_N; r++)
			if (n[p][r])
				fprintf(out, "  %u %s (%s)\n", n[p][r], phase_names[p], reason_names[r]);
}

/* The whole story as text, to be freed; NULL when a rule broke. */
static char *tell(const struct scenario *s)
{
	static struct world w;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool is_broken;

	if (!out)
		return NULL;
	world_init(&w, 7);
	w.trace = out;
	w.hides_reads = true;
	simple_settings(&w);
	s->setup(&w);
	world_apply(&w);
	world_run(&w, s->hours * HOUR);
	tell_end(&w, out);
	fclose(out);
	is_broken = w.failure;
	if (is_broken)
		world_report(&w, stderr);
	world_deinit(&w);
	if (!is_broken)
		return text;
	free(text);
	return NULL;
}

static char *read_all(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = NULL, block[4096];
	size_t len = 0, n;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	while (in && (n = fread(block, 1, sizeof(block), in)) > 0)
		fwrite(block, 1, n, out);
	if (in)
		fclose(in);
	fclose(out);
	return text;
}

static void show_difference(const char *name, const char *want, const char *got)
{
	int line = 1;

	for (; *want && *want == *got; want++, got++)
		line += *want == '\n';
	while (line > 1 && want[-1] != '\n') {
		want--;
		got--;
	}
	fprintf(stderr, "%s: line %d differs\n  golden: %.*s\n  now:    %.*s\n", name, line, (int)strcspn(want, "\n"), want,
		(int)strcspn(got, "\n"), got);
}

static int write_golden(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");
	bool is_written = out && fputs(text, out) >= 0;

	if (!out || fclose(out) != 0 || !is_written) {
		fprintf(stderr, "cannot write %s\n", path);
		return 1;
	}
	return 0;
}

static int run(const struct scenario *s, const char *directory, bool is_update)
{
	char path[4096];
	char *got = tell(s), *want;
	int r = 0;

	if (!got) {
		fprintf(stderr, "%s: broken\n", s->name);
		return 1;
	}
	snprintf(path, sizeof(path), "%s/%s.txt", directory, s->name);
	if (is_update) {
		r = write_golden(path, got);
	} else {
		want = read_all(path);
		if (strcmp(want, got) != 0) {
			show_difference(s->name, want, got);
			r = 1;
		}
		free(want);
	}
	free(got);
	return r;
}

int main(int argc, char **argv)
{
	const char *directory = NULL, *name = NULL;
	bool is_update = false;
	int failures = 0, runs = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--update") == 0)
			is_update = true;
		else if (!directory)
			directory = argv[i];
		else
			name = argv[i];
	}
	for (size_t i = 0; directory && i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (name && strcmp(name, scenarios[i].name) != 0)
			continue;
		runs++;
		failures += run(&scenarios[i], directory, is_update);
	}
	fprintf(stderr, "%d stories, %d differ%s\n", runs, failures, is_update ? ", written anew" : "");
	return runs == 0 || failures > 0;
}
