/*
 * The cloud's own upgrader in the model cloud: what each device's policy says, read and set by calls that may be lost.
 *
 * It moves no device here: what it could do is what somebody else does (world_external_change()).
 */
#include "world_priv.h"

#include <stdio.h>
#include <string.h>

const char *const world_auto_types[WORLD_AUTO_TYPES] = {"scheduled", "boot", "manual", ""};
const char *const world_auto_crons[WORLD_AUTO_CRONS] = {"0 0 2 1/1 * ?", "0 30 4 1/1 * ?"};

static struct auto_upgrade_policy in_words(struct world_auto a)
{
	struct auto_upgrade_policy p = {.duration_min = 60, .jitter_min = 5};

	snprintf(p.upgrade_type, sizeof(p.upgrade_type), "%s", world_auto_types[a.type]);
	snprintf(p.cron, sizeof(p.cron), "%s", world_auto_crons[a.cron]);
	snprintf(p.time_zone, sizeof(p.time_zone), "Asia/Shanghai");
	return p;
}

void upgrader_read(struct world *w, struct job *job)
{
	const struct world_box *box = world_find_box(w, job->id);
	const struct world_device *d = world_find_device(w, job->id, job->serial);
	bool is_there = d && box->exists && box->scope == job->scope;
	struct job *out = world_plan(w, shell_soon(w), JOB_OBSERVED);

	out->ev = (struct event){.kind = EVENT_AUTO_UPGRADE, .auto_upgrade = {.ticket = job->ev.read.ticket, .is_known = is_there}};
	if (is_there)
		out->auto_policy = d->autos[job->type];
}

void upgrader_deliver(struct world *w, struct job *job)
{
	struct auto_upgrade_policy policy = in_words(job->auto_policy);

	job->ev.auto_upgrade.policy = job->ev.auto_upgrade.is_known ? &policy : NULL;
	world_step(w, &job->ev);
}

static uint8_t index_of(const char *const *words, uint8_t n, const char *word)
{
	uint8_t i = 0;

	while (i + 1 < n && strcmp(words[i], word) != 0)
		i++;
	return i;
}

void upgrader_set(struct world *w, const struct action *a)
{
	struct job *job = world_plan(w, shell_soon(w), JOB_AUTO_LEAVES);
	struct target_view v;

	if (!reconcile_target(w->core, a->target, &v)) {
		world_break(w, "rule 14", "a SET_AUTO_UPGRADE of the empty slot %u", a->target);
		return;
	}
	snprintf(job->id, sizeof(job->id), "%s", v.instance_id);
	snprintf(job->serial, sizeof(job->serial), "%s", v.serial_number);
	job->type = v.version_type;
	job->scope = a->scope;
	job->not_after_ns = a->not_after_ns + w->boot_ns;
	job->ev.auto_upgrade_set.ticket = a->ticket;
	job->auto_policy.type = index_of(world_auto_types, WORLD_AUTO_TYPES, a->auto_upgrade->upgrade_type);
	job->auto_policy.cron = index_of(world_auto_crons, WORLD_AUTO_CRONS, a->auto_upgrade->cron);
}

static void answer_set(struct world *w, uint64_t ticket, bool is_done)
{
	struct job *out = world_plan(w, shell_soon(w), JOB_PART);

	out->ev = (struct event){.kind = EVENT_AUTO_UPGRADE_SET, .auto_upgrade_set = {.ticket = ticket, .is_done = is_done}};
}

void upgrader_leaves(struct world *w, struct job *job)
{
	struct job *next;

	if (w->now_ns > job->not_after_ns || world_chance(w, w->faults.not_sent)) {
		answer_set(w, job->ev.auto_upgrade_set.ticket, false);
		return;
	}
	next = world_plan(w, shell_soon(w), JOB_AUTO_ARRIVES);
	memcpy(next->id, job->id, sizeof(next->id));
	memcpy(next->serial, job->serial, sizeof(next->serial));
	next->type = job->type;
	next->scope = job->scope;
	next->auto_policy = job->auto_policy;
	next->ev.auto_upgrade_set = job->ev.auto_upgrade_set;
}

static void take(struct world *w, const struct job *job, struct world_device *d)
{
	bool is_manual = job->auto_policy.type == WORLD_AUTO_MANUAL;

	if (is_manual && d->autos[job->type].type != WORLD_AUTO_MANUAL) {
		d->formers[job->type] = d->autos[job->type];
		d->is_auto_ours[job->type] = true;
	} else if (!is_manual) {
		observer_put_back(w->observer, d, job->type, job->auto_policy);
		d->is_auto_ours[job->type] = false;
	}
	d->autos[job->type] = job->auto_policy;
	world_say(w, "the upgrader of %s %s %s is %s now", job->id, job->serial, version_type_names[job->type], world_auto_types[job->auto_policy.type]);
}

void upgrader_arrives(struct world *w, struct job *job)
{
	struct world_box *box = world_find_box(w, job->id);
	struct world_device *d = world_find_device(w, job->id, job->serial);
	bool is_taken = d && box->exists && box->scope == job->scope && d->is_online && w->is_usable[job->scope] && !w->is_down[job->scope] &&
			!world_chance(w, w->faults.lost_request);

	if (is_taken)
		take(w, job, d);
	if (!job->is_orphan)
		answer_set(w, job->ev.auto_upgrade_set.ticket, is_taken && !world_chance(w, w->faults.lost_reply));
}
