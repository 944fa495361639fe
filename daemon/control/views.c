/*
 * Looks at the core as JSON. Whatever needs the whole fleet is a walk over its slots, a slice of time a turn; it holds
 * the table meanwhile, so that each target is met once, and shows each as it is when it is met.
 */
#include "internal.h"

#include "base/json.h"
#include "base/machine.h"

#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 200 /* targets in one answer: far more than two devices have */
#define CLOCK_EVERY 64 /* slots between two looks at the clock */

struct walk {
	uint32_t slot, n_slots;
	uint64_t began; /* what was born later is left out */
	/* status */
	uint32_t counts[PHASE_N][REASON_N], n_targets;
	/* targets; "": not given */
	bool is_list;
	char instance_id[LIMIT_INSTANCE_ID + 1], serial_number[LIMIT_SERIAL_NUMBER + 1];
	struct json json;
	cJSON *list;
	uint32_t n_listed;
	struct snapshot *snapshot; /* NULL: another walk */
};

int64_t walk_clock_ns(void)
{
	return machine_clock_ns(CLOCK_MONOTONIC);
}

/* A time on the boot-time clock, as UNIX seconds; 0 stays 0. */
static double wall_of(const struct control *c, int64_t boot_ns)
{
	int64_t from_now_s = (boot_ns - c->now_ns) / NS_PER_S;

	return boot_ns ? (double)(c->wall_s + from_now_s) : 0;
}

/* ---- rollouts ---- */

static void put_phases(struct json *j, cJSON *object, const uint32_t *counts)
{
	cJSON *phases = json_object(j, object, "phases");

	for (int i = 0; i < PHASE_N; i++)
		if (counts[i])
			json_number(j, phases, phase_names[i], counts[i]);
}

static void put_waves(struct connection *c, struct json *j, cJSON *object, uint32_t slot, uint32_t n)
{
	cJSON *waves = json_array(j, object, "waves");
	struct wave_view v;

	for (uint32_t i = 0; i < n && reconcile_wave(c->control->options.core, slot, i, &v); i++) {
		cJSON *wave = json_append(j, waves);

		json_text(j, wave, "name", v.name);
		json_number(j, wave, "countable", v.countable);
		put_phases(j, wave, v.phases);
	}
}

static void put_rollout(struct connection *c, struct json *j, cJSON *object, uint32_t slot, const struct rollout_view *v)
{
	json_text(j, object, "policy", v->policy_name);
	json_text(j, object, "version_type", version_type_names[v->version_type]);
	json_text(j, object, "version", v->version);
	json_text(j, object, "state", rollout_state_names[v->state]);
	json_text(j, object, "reason", reason_names[v->reason]);
	json_text(j, object, "halt_cause", halt_cause_names[v->halt_cause]);
	json_text(j, object, "halt_reason", reason_names[v->halt_reason]);
	json_number(j, object, "halted_s", (double)v->halted_s);
	json_number(j, object, "first_seen_s", (double)v->first_seen_s);
	json_number(j, object, "last_progress_s", (double)v->last_progress_s);
	json_text(j, object, "wave", v->wave_name);
	json_number(j, object, "soak_until_s", wall_of(c->control, v->soak_until_ns));
	json_number(j, object, "failed", v->failed);
	json_number(j, object, "ended", v->ended);
	json_bool(j, object, "awaiting_approval", v->is_awaiting_approval);
	put_waves(c, j, object, slot, v->n_waves);
}

void view_rollouts(struct connection *c)
{
	const struct reconcile *core = c->control->options.core;
	struct json j = { .root = cJSON_CreateObject() };
	cJSON *list = json_array(&j, j.root, "rollouts");
	struct rollout_view v;

	for (uint32_t i = 0; i < reconcile_rollout_slots(core); i++)
		if (reconcile_rollout(core, i, &v))
			put_rollout(c, &j, json_append(&j, list), i, &v);
	connection_answer(c, 200, json_finish(&j));
}

void view_approvals(struct connection *c)
{
	const struct reconcile *core = c->control->options.core;
	struct json j = { .root = cJSON_CreateObject() };
	cJSON *list = json_array(&j, j.root, "approvals");
	struct approval_view v;

	for (uint32_t i = 0; i < reconcile_approvals(core) && reconcile_approval(core, i, &v); i++) {
		cJSON *object = json_append(&j, list);

		json_text(&j, object, "account", v.account);
		json_text(&j, object, "version_type", version_type_names[v.version_type]);
		json_text(&j, object, "version", v.version);
		json_number(&j, object, "count", v.count);
		json_number(&j, object, "managed", v.managed);
	}
	connection_answer(c, 200, json_finish(&j));
}

/* ---- walks ---- */

static struct walk *walk_new(struct connection *c)
{
	struct reconcile *core = c->control->options.core;
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->n_slots = reconcile_target_slots(core);
	w->began = reconcile_steps(core);
	reconcile_hold(core);
	c->walk = w;
	return w;
}

struct walk *walk_free(struct connection *c)
{
	if (!c->walk)
		return NULL;
	reconcile_unhold(c->control->options.core);
	cJSON_Delete(c->walk->json.root);
	snapshot_free(c->walk->snapshot);
	free(c->walk);
	c->walk = NULL;
	return NULL;
}

void view_status(struct connection *c)
{
	walk_new(c);
}

void view_snapshot(struct connection *c)
{
	struct walk *w = walk_new(c);

	if (w)
		w->snapshot = snapshot_new(c);
	if (w && !w->snapshot)
		walk_free(c);
}

/* Copies what was asked for; false when no identifier is as long. */
static bool copy_query(struct connection *c, const char *key, char *buf, size_t size)
{
	const char *value = MHD_lookup_connection_value(c->mhd, MHD_GET_ARGUMENT_KIND, key);
	size_t len = value ? strlen(value) : 0;

	if (len >= size)
		return false;
	memcpy(buf, value ? value : "", len + 1);
	return true;
}

static enum MHD_Result find_unknown(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	(void)value;
	if (strcmp(key, "instance") != 0 && strcmp(key, "serial_number") != 0)
		*(bool *)cls = true;
	return MHD_YES;
}

void view_targets(struct connection *c)
{
	bool is_unknown = false;
	struct walk *w = walk_new(c);

	if (!w)
		return;
	w->is_list = true;
	MHD_get_connection_values(c->mhd, MHD_GET_ARGUMENT_KIND, find_unknown, &is_unknown);
	if (!copy_query(c, "instance", w->instance_id, sizeof(w->instance_id)) ||
	    !copy_query(c, "serial_number", w->serial_number, sizeof(w->serial_number)) || is_unknown ||
	    (!w->instance_id[0] && !w->serial_number[0])) {
		walk_free(c);
		connection_answer_error(c, 400, "it is not said which targets", "ask with ?instance=ID or ?serial_number=SERIAL, or both");
		return;
	}
	w->json.root = cJSON_CreateObject();
	w->list = json_array(&w->json, w->json.root, "targets");
}

static void put_auto_upgrade(struct json *j, cJSON *object, const struct auto_upgrade_policy *v)
{
	cJSON *policy = v ? json_object(j, object, "auto_upgrade") : NULL;

	if (!v)
		return;
	json_text(j, policy, "upgrade_type", v->upgrade_type);
	json_text(j, policy, "cron", v->cron);
	json_text(j, policy, "time_zone", v->time_zone);
	json_number(j, policy, "duration_min", v->duration_min);
	json_number(j, policy, "jitter_min", v->jitter_min);
}

static void put_rollout_of(struct connection *c, struct json *j, cJSON *object, const struct target_view *v)
{
	struct rollout_view rollout;
	struct wave_view wave;

	if (v->rollout == NONE || !reconcile_rollout(c->control->options.core, v->rollout, &rollout))
		return;
	json_text(j, object, "rollout_version", rollout.version);
	json_text(j, object, "rollout_state", rollout_state_names[rollout.state]);
	if (reconcile_wave(c->control->options.core, v->rollout, v->wave, &wave))
		json_text(j, object, "wave", wave.name);
}

/* What identifies it, and what is wanted of it. */
static void put_wanted(struct connection *c, struct json *j, cJSON *object, const struct target_view *v)
{
	const struct settings *settings = c->control->options.settings;

	json_text(j, object, "account", settings->scopes[v->scope].account);
	json_text(j, object, "region_id", settings->scopes[v->scope].region_id);
	json_text(j, object, "instance_id", v->instance_id);
	json_text(j, object, "serial_number", v->serial_number);
	json_text(j, object, "version_type", version_type_names[v->version_type]);
	json_text(j, object, "reported", v->reported);
	json_text(j, object, "desired", v->desired);
	json_text(j, object, "next_version", v->next);
	json_text(j, object, "approved", v->approved);
	json_text(j, object, "policy", v->policy == POLICY_NONE ? NULL : settings->policies[v->policy].name);
	json_text(j, object, "pin", v->pin == PIN_NONE ? NULL : settings->pins[v->pin].name);
	json_text(j, object, "site", v->site);
}

static void put_target(struct connection *c, struct json *j, cJSON *object, const struct target_view *v)
{
	put_wanted(c, j, object, v);
	json_text(j, object, "phase", phase_names[v->phase]);
	json_text(j, object, "reason", reason_names[v->reason]);
	json_bool(j, object, "in_progress", v->is_in_progress);
	json_bool(j, object, "behind", v->is_behind);
	json_bool(j, object, "ahead", v->is_ahead);
	json_bool(j, object, "held", v->is_held);
	json_text(j, object, "held_by", v->held_by);
	json_text(j, object, "held_why", v->held_why);
	json_bool(j, object, "urgent", v->is_urgent);
	put_rollout_of(c, j, object, v);
	json_number(j, object, "attempts", (double)v->attempts);
	json_number(j, object, "failures", (double)v->failures);
	json_number(j, object, "first_seen_s", (double)v->first_seen_s);
	json_number(j, object, "phase_since_s", (double)v->phase_since_s);
	json_number(j, object, "drift_since_s", (double)v->drift_since_s);
	json_number(j, object, "last_success_s", (double)v->last_success_s);
	json_number(j, object, "last_failure_s", (double)v->last_failure_s);
	json_number(j, object, "next_try_s", wall_of(c->control, v->next_try_ns));
	put_auto_upgrade(j, object, v->auto_upgrade);
}

static bool is_asked_for(const struct walk *w, const struct target_view *v)
{
	return (!w->instance_id[0] || strcmp(w->instance_id, v->instance_id) == 0) &&
	       (!w->serial_number[0] || strcmp(w->serial_number, v->serial_number) == 0);
}

static void walk_slot(struct connection *c, struct walk *w)
{
	const struct reconcile *core = c->control->options.core;
	struct target_view v;

	if (!reconcile_target_facts(core, w->slot, &v) || v.born > w->began)
		return;
	if (w->is_list && (!is_asked_for(w, &v) || w->n_listed == LISTED_MAX))
		return;
	if (!reconcile_target(core, w->slot, &v))
		return;
	if (w->is_list) {
		w->n_listed++;
		put_target(c, &w->json, json_append(&w->json, w->list), &v);
	} else {
		w->n_targets++;
		w->counts[v.phase][v.reason]++;
	}
}

static char *finish_status(struct connection *c, const struct walk *w)
{
	const struct control *control = c->control;
	struct json j = { .root = cJSON_CreateObject() };
	cJSON *phases;

	json_text(&j, j.root, "version", control->options.version);
	json_text(&j, j.root, "mode", control->options.settings->is_enforcing ? "enforce" : "observe");
	json_bool(&j, j.root, "paused", reconcile_is_paused(control->options.core));
	json_number(&j, j.root, "in_flight", reconcile_in_flight(control->options.core));
	json_number(&j, j.root, "targets", w->n_targets);
	phases = json_array(&j, j.root, "phases");
	for (int p = 0; p < PHASE_N; p++) {
		for (int r = 0; r < REASON_N; r++) {
			cJSON *object = w->counts[p][r] ? json_append(&j, phases) : NULL;

			if (!w->counts[p][r])
				continue;
			json_text(&j, object, "phase", phase_names[p]);
			json_text(&j, object, "reason", reason_names[r]);
			json_number(&j, object, "targets", w->counts[p][r]);
		}
	}
	return json_finish(&j);
}

bool walk_run(struct connection *c, int64_t until_ns)
{
	struct walk *w = c->walk;

	if (w->snapshot)
		return snapshot_run(c, w->snapshot, until_ns);
	for (; w->slot < w->n_slots; w->slot++) {
		walk_slot(c, w);
		if (w->slot % CLOCK_EVERY == CLOCK_EVERY - 1 && walk_clock_ns() >= until_ns) {
			w->slot++;
			return false;
		}
	}
	if (w->is_list && w->n_listed == 0)
		connection_answer_error(c, 404, "no such target is in the inventory", "check the spelling, and that a listing has come");
	else
		connection_answer(c, 200, w->is_list ? json_finish(&w->json) : finish_status(c, w));
	return true;
}
