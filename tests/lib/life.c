/*
 * The lives of the core: killed at any step, between any two actions of a plan, before and after any commit; begun
 * again with what the store holds, after seconds or days, in the same boot or another one, on a wall clock that may
 * have jumped meanwhile, or with a state file that is gone.
 *
 * What an end of life loses: requests that have not left, and all answers. What it does not: a call that left
 * arrives, and a commit under way becomes durable or does not, without a word to anybody.
 */
#include "world_priv.h"

#include <assert.h>
#include <stdlib.h>

#define SLICE 50 /* records of one RESTORED at most */

/* ---- the end ---- */

static bool is_about_commit(const struct event *ev, const struct plan *plan)
{
	bool is_about = ev->kind == EVENT_STORED || ev->kind == EVENT_STORE_FAILED || ev->kind == EVENT_CALLED;

	for (size_t i = 0; i < plan->n_actions; i++)
		is_about |= plan->actions[i].kind == ACTION_STORE || plan->actions[i].kind == ACTION_UPGRADE;
	return is_about;
}

size_t life_cut(struct world *w, const struct event *ev, const struct plan *plan)
{
	uint32_t chance = w->crashes.step;

	if (chance + w->crashes.commit == 0)
		return plan->n_actions;
	if (is_about_commit(ev, plan))
		chance += w->crashes.commit * 100;
	if (world_draw_of(&w->crash_rng, 100000) >= chance)
		return plan->n_actions;
	w->is_killed = true;
	return (size_t)world_draw_of(&w->crash_rng, plan->n_actions + 1);
}

void world_kill(struct world *w)
{
	w->is_killed = w->core != NULL;
}

/* Does it happen without the process that asked for it? */
static bool outlives(struct world *w, struct job *job)
{
	switch (job->kind) {
	case JOB_CHAOS:
	case JOB_SCRIPT:
	case JOB_DEVICE_DROPS:
	case JOB_DEVICE_DONE:
	case JOB_RESTART:
	case JOB_CALENDAR:
		return true;
	case JOB_CALL_ARRIVES:
	case JOB_AUTO_ARRIVES:
		job->is_orphan = true;
		return true;
	case JOB_STORE_DONE:
		if (!w->is_disk_full && world_draw_of(&w->crash_rng, 2))
			store_commit(&w->store, job->batch);
		return false;
	case JOB_LIST_PAGE:
	case JOB_PART:
	case JOB_FOLLOW_READ:
	case JOB_ONE_READ:
	case JOB_OBSERVED:
	case JOB_CALL_LEAVES:
	case JOB_AUTO_LEAVES:
	case JOB_GATE_ASKED:
	case JOB_KIND_N:
		break;
	}
	return false;
}

static void lose_jobs(struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_jobs; i++) {
		if (outlives(w, w->jobs[i]))
			w->jobs[n++] = w->jobs[i];
		else
			world_job_done(w, w->jobs[i]);
	}
	w->n_jobs = n;
	world_sort_jobs(w);
}

static int64_t between(struct world *w, int64_t low_ns, int64_t high_ns)
{
	return low_ns + (int64_t)world_draw_of(&w->crash_rng, (uint64_t)(high_ns - low_ns));
}

static int64_t draw_absence(struct world *w)
{
	uint64_t roll = world_draw_of(&w->crash_rng, 100);

	if (roll < 60)
		return between(w, NS_PER_MS, 30 * NS_PER_S);
	if (roll < 85)
		return between(w, NS_PER_S, 15 * MINUTE);
	return roll < 98 ? between(w, MINUTE, 3 * HOUR) : between(w, HOUR, 40 * HOUR);
}

void life_crash(struct world *w)
{
	bool is_lost = world_draw_of(&w->crash_rng, 1000) < w->crashes.lost;
	bool is_reboot = world_draw_of(&w->crash_rng, 1000) < w->crashes.reboot;
	int64_t absence = draw_absence(w);
	struct job *job;

	w->is_killed = false;
	lose_jobs(w);
	if (is_lost)
		store_clear(&w->store);
	w->core = reconcile_free(w->core);
	w->held_step = 0;
	for (size_t i = 0; i < WORLD_SCOPES; i++)
		w->is_told_bad[i] = false;
	world_say(w, "sagpin is killed%s%s", is_lost ? ", its state file is lost" : "", is_reboot ? ", the machine goes down" : "");
	world_hash_line(w, "killed");
	observer_crashed(w->observer, is_lost);
	job = world_plan(w, w->now_ns + absence, JOB_RESTART);
	job->arg = is_reboot;
}

void world_revive(struct world *w)
{
	for (size_t i = 0; i < w->n_jobs; i++)
		if (w->jobs[i]->kind == JOB_RESTART && w->jobs[i]->at_ns > w->now_ns)
			w->jobs[i]->at_ns = w->now_ns;
	world_sort_jobs(w);
}

/* ---- the begin ---- */

static void boot(struct world *w)
{
	static const int64_t most_s = 2 * 86400;
	int64_t uptime = between(w, NS_PER_S, MINUTE), jump_s = between(w, -most_s, most_s);

	w->boot++;
	w->boot_ns = w->now_ns - uptime;
	if (world_draw_of(&w->crash_rng, 2))
		world_wall_jump(w, jump_s);
}

/* The record with its times on the clock of this boot. */
static struct record on_this_clock(const struct world *w, const struct store_row *row)
{
	const struct record_format *f = &record_formats[row->record.kind];
	struct record_stamp now = world_stamp(w);
	struct record record = row->record;
	int64_t shift = record_shift(&row->written, &now);

	for (unsigned int i = 0; i < f->n_numbers; i++)
		if (f->numbers[i].type == COLUMN_TIME && record.number[i] != INT64_MIN)
			record.number[i] += shift;
	return record;
}

static void give_slice(struct world *w, const struct record *records, size_t n)
{
	struct record_stamp now = world_stamp(w);
	struct batch *lent = batch_new(records, n, &now, w->now_ns);
	struct event ev = {.kind = EVENT_RESTORED, .restored = {.records = lent->records, .n = n}};

	world_step(w, &ev);
	batch_free(lent);
}

static void restore(struct world *w)
{
	struct event end = {.kind = EVENT_RESTORE_ENDED, .restore.is_first_life = w->store.n_live == 0};
	struct record slice[SLICE];
	size_t n = 0, size = 1 + (size_t)world_draw_of(&w->crash_rng, SLICE);

	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		for (size_t i = 0; i < w->store.n; i++) {
			if (!w->store.rows[i].texts || w->store.rows[i].record.kind != kind)
				continue;
			slice[n++] = on_this_clock(w, &w->store.rows[i]);
			if (n < size)
				continue;
			give_slice(w, slice, n);
			n = 0;
		}
	}
	if (n > 0)
		give_slice(w, slice, n);
	world_step(w, &end);
}

void life_begin(struct world *w, bool is_reboot)
{
	int r;

	w->life++;
	if (w->life == 1)
		w->boot = 1;
	else if (is_reboot)
		boot(w);
	if (w->life > 1) {
		world_say(w, "sagpin starts again with %zu records", w->store.n_live);
		world_hash_line(w, "started");
	}
	if (w->life > 1 && w->hooks.restarting)
		w->hooks.restarting(w);
	r = reconcile_new(w->seed + w->life - 1, &w->core);
	assert(r == 0);
	if (!w->is_unobserved)
		observer_begins(w->observer);
	world_use_settings(w);
	restore(w);
	world_tell_calendars(w);
	if (!w->is_unobserved)
		observer_begun(w->observer);
}
