/*
 * The run: a core of its own, its clock, and what is noted on the way.
 *
 * Nobody needs to look at a fleet again that only changes by what the core does: the intervals of reads lie beyond the
 * horizon, so that a week of virtual time costs no more than the upgrades in it.
 */
#include "forecast_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_NS (60 * NS_PER_S) /* from the beginning to the first look at who has not started yet */
#define PART 1000 /* records in one RESTORED */

const char *const forecast_action_names[FORECAST_ACTION_N] = {
	[FORECAST_NOTHING] = "nothing", [FORECAST_FAILED] = "failed", [FORECAST_WAIT] = "wait",
	[FORECAST_RUNNING] = "running", [FORECAST_UPGRADE] = "upgrade", [FORECAST_LATER] = "later",
};

static int64_t wall_s(const struct run *w, int64_t at_ns)
{
	return w->options->fleet->wall_s + (at_ns - w->options->fleet->now_ns) / NS_PER_S;
}

/* ---- settings ---- */

static int make_settings(struct run *w)
{
	const struct settings *given = w->options->settings;
	int64_t beyond_ns = 2 * (w->end_ns - w->now_ns) + 86400 * NS_PER_S;

	w->settings = *given;
	w->scopes = calloc((size_t)given->n_scopes + 1, sizeof(*w->scopes));
	w->policies = calloc((size_t)given->n_policies + 1, sizeof(*w->policies));
	if (!w->scopes || !w->policies)
		return -ENOMEM;
	for (uint32_t i = 0; i < given->n_scopes; i++) {
		w->scopes[i] = given->scopes[i];
		w->scopes[i].poll_interval_ns = w->scopes[i].catalogue_interval_ns = w->scopes[i].auto_upgrade_interval_ns = beyond_ns;
		w->scopes[i].dpi_poll_interval_ns = 10 * beyond_ns;
	}
	for (uint32_t i = 0; i < given->n_policies; i++) {
		w->policies[i] = given->policies[i];
		w->policies[i].gate.max_age_ns = beyond_ns;
		w->policies[i].auto_upgrade = AUTO_UPGRADE_IGNORE;
	}
	w->settings.is_enforcing = true;
	w->settings.scopes = w->scopes;
	w->settings.policies = w->policies;
	return 0;
}

/* ---- notes ---- */

static int tracks_grow(struct run *w)
{
	uint32_t n = reconcile_target_slots(w->core);
	struct track *grown;

	if (n <= w->n_tracks)
		return 0;
	grown = reallocarray(w->tracks, n, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	for (uint32_t i = w->n_tracks; i < n; i++)
		grown[i] = (struct track){ .row = NONE, .first_call = NONE, .last_call = NONE };
	w->tracks = grown;
	w->n_tracks = n;
	return 0;
}

static int note_call(struct run *w, const struct action *a)
{
	struct track *t = &w->tracks[a->target];
	struct intent_view view;

	if (!reconcile_intent(w->core, a->intent, &view))
		return 0;
	if (w->out->n_calls == w->size_calls) {
		uint32_t size = w->size_calls ? 2 * w->size_calls : 64;
		struct forecast_call *grown = reallocarray(w->out->calls, size, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		w->out->calls = grown;
		w->size_calls = size;
	}
	w->out->calls[w->out->n_calls] = (struct forecast_call){ wall_s(w, w->now_ns), view.to, NONE };
	if (t->last_call == NONE)
		t->first_call = w->out->n_calls;
	else
		w->out->calls[t->last_call].next = w->out->n_calls;
	t->last_call = w->out->n_calls++;
	t->n_calls++;
	return 0;
}

static void note_phase(struct run *w, const struct action *a)
{
	w->tracks[a->target].done_ns = a->phase == PHASE_IN_SYNC || a->phase == PHASE_AHEAD ? w->now_ns : 0;
	if (!w->is_sampled)
		return;
	w->n_phases[a->phase]++;
	if (w->n_phases[a->old_phase])
		w->n_phases[a->old_phase]--;
}

int run_step(struct run *w, struct event *ev)
{
	struct plan plan;
	int r;

	ev->now_ns = w->now_ns;
	ev->wall_s = wall_s(w, w->now_ns);
	w->out->n_steps++;
	r = reconcile_step(w->core, ev, &plan);
	if (!r)
		r = tracks_grow(w);
	for (size_t i = 0; !r && i < plan.n_actions; i++) {
		const struct action *a = &plan.actions[i];

		if (a->kind == ACTION_TELL_PHASE && a->target != NONE)
			note_phase(w, a);
		else if (a->kind == ACTION_UPGRADE && a->target != NONE)
			r = note_call(w, a);
		if (!r)
			r = ideal_take(w, a);
	}
	return r;
}

/* ---- the beginning ---- */

static int begin_restore(struct run *w)
{
	const struct picture *fleet = w->options->fleet;
	struct event ended = { .kind = EVENT_RESTORE_ENDED, .restore.is_first_life = fleet->is_first_life };
	int r = 0;

	for (size_t at = 0; !r && at < fleet->n_records; at += PART) {
		struct event ev = { .kind = EVENT_RESTORED, .restored = { fleet->records + at, fleet->n_records - at < PART ? fleet->n_records - at : PART } };

		r = run_step(w, &ev);
	}
	return r ? r : run_step(w, &ended);
}

static int begin_calendars(struct run *w)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < w->settings.n_policies; i++) {
		const struct forecast_calendar *c = &w->options->calendars[i];
		struct event ev = {
			.kind = EVENT_CALENDAR,
			.calendar = { .policy = i, .openings = c->openings, .freezes = c->freezes, .n_openings = c->n_openings, .n_freezes = c->n_freezes,
				      .until_s = c->until_s },
		};

		if (!w->settings.policies[i].is_always_open)
			r = run_step(w, &ev);
	}
	return r;
}

static int begin_accounts(struct run *w)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < w->settings.n_scopes; i++) {
		struct event ev = { .kind = EVENT_ACCOUNT, .account = { i, false } };

		if (w->fleet_scope[i] != NONE && !w->options->fleet->scopes[w->fleet_scope[i]].is_usable)
			r = run_step(w, &ev);
	}
	return r;
}

static int begin(struct run *w)
{
	struct event ev = { .kind = EVENT_SETTINGS, .settings = &w->settings };
	int r = run_step(w, &ev);

	if (!r)
		r = begin_restore(w);
	if (!r)
		r = begin_calendars(w);
	if (!r)
		r = begin_accounts(w);
	return r ? r : ideal_resume(w);
}

/* ---- the run ---- */

static bool is_done(const struct run *w)
{
	return w->is_sampled && w->n_phases[PHASE_WAITING] + w->n_phases[PHASE_UPGRADING] + w->n_phases[PHASE_VERIFYING] + w->n_phases[PHASE_FAILED] +
					w->n_phases[PHASE_UNKNOWN] == 0;
}

/* Up to `until_ns`, which is then the time. *ret_is_quiet: nothing was left to come. */
static int run_until(struct run *w, int64_t until_ns, bool *ret_is_quiet)
{
	uint64_t steps_max = w->options->steps_max ? w->options->steps_max : FORECAST_STEPS_MAX;
	int r = 0;

	*ret_is_quiet = false;
	while (!r && !is_done(w)) {
		int64_t answer_ns = ideal_due_ns(w), core_ns = reconcile_deadline_ns(w->core);
		int64_t next_ns = answer_ns < core_ns ? answer_ns : core_ns;
		struct event tick = { .kind = EVENT_TICK };

		*ret_is_quiet = next_ns > until_ns;
		w->out->is_cut_short = w->out->n_steps >= steps_max;
		if (next_ns > until_ns || w->out->is_cut_short)
			break;
		w->now_ns = next_ns > w->now_ns ? next_ns : w->now_ns;
		r = answer_ns <= core_ns ? ideal_answer(w) : run_step(w, &tick);
	}
	if (!w->out->is_cut_short && *ret_is_quiet)
		w->now_ns = until_ns;
	return r;
}

/* ---- what is told ---- */

static const char *wave_of(const struct run *w, const struct target_view *v)
{
	struct wave_view wave;

	return v->rollout != NONE && reconcile_wave(w->core, v->rollout, v->wave, &wave) ? wave.name : "";
}

static unsigned int device_of(const struct observation *o, const char *serial)
{
	for (unsigned int k = 0; k < o->n_devices; k++)
		if (strcmp(o->devices[k].serial_number, serial) == 0)
			return k;
	return 0;
}

static int sample_one(struct run *w, uint32_t slot)
{
	struct forecast_row *row = &w->out->rows[w->out->n_rows];
	struct target_view v;
	uint32_t instance;
	int r;

	if (!reconcile_target(w->core, slot, &v))
		return 0;
	r = ideal_instance(w, v.instance, &instance);
	if (r || instance == NONE)
		return r;
	*row = (struct forecast_row){
		.instance = instance,
		.device = device_of(&w->truth[instance], v.serial_number),
		.version_type = v.version_type,
		.from = v.reported,
		.to = v.desired,
		.next = v.next,
		.pin = v.pin,
		.policy = v.policy,
		.wave = wave_of(w, &v),
		.wave_index = v.wave,
		.phase = v.phase,
		.reason = v.reason,
		.why = v.reason,
		.action = v.is_in_progress && !w->tracks[slot].n_calls ? FORECAST_RUNNING : FORECAST_NOTHING,
	};
	row->serial_number = w->truth[instance].devices[row->device].serial_number;
	if (v.is_in_progress && w->tracks[slot].n_calls) { /* it is its call that leaves now */
		row->phase = PHASE_WAITING;
		row->reason = row->why = REASON_NONE;
	}
	w->n_phases[v.phase]++;
	w->tracks[slot].row = (uint32_t)w->out->n_rows++;
	return 0;
}

static int sample_approvals(struct run *w)
{
	uint32_t n = reconcile_approvals(w->core);

	w->out->approvals = calloc((size_t)n + 1, sizeof(*w->out->approvals));
	if (!w->out->approvals)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct approval_view v;

		if (reconcile_approval(w->core, i, &v))
			w->out->approvals[w->out->n_approvals++] =
				(struct forecast_approval){ v.account, v.version, v.version_type, v.count, v.managed };
	}
	return 0;
}

static int sample(struct run *w)
{
	struct event tick = { .kind = EVENT_TICK };
	uint32_t n;
	int r = run_step(w, &tick);

	n = reconcile_target_slots(w->core);
	w->out->rows = calloc((size_t)n + 1, sizeof(*w->out->rows));
	if (!w->out->rows)
		return -ENOMEM;
	for (uint32_t slot = 0; !r && slot < n; slot++)
		r = sample_one(w, slot);
	w->is_sampled = true;
	return r ? r : sample_approvals(w);
}

/* What those that have not started yet wait for by now. */
static void look_again(struct run *w)
{
	struct target_view v;

	for (uint32_t slot = 0; slot < w->n_tracks; slot++)
		if (w->tracks[slot].row != NONE && !w->tracks[slot].n_calls && reconcile_target(w->core, slot, &v) && v.phase == PHASE_WAITING &&
		    v.reason != REASON_PRECHECK) /* that one is about to start */
			w->out->rows[w->tracks[slot].row].why = v.reason;
}

/* Each look is later by a third: few, and none far from the start that it explains. */
static int run_to_end(struct run *w)
{
	int64_t began_ns = w->options->fleet->now_ns, elapsed_ns = LOOK_NS;
	bool is_quiet;
	int r = 0;

	while (!r && !w->out->is_cut_short && !is_done(w) && began_ns + elapsed_ns < w->end_ns) {
		r = run_until(w, began_ns + elapsed_ns, &is_quiet);
		look_again(w);
		elapsed_ns += elapsed_ns / 3;
	}
	return r || w->out->is_cut_short ? r : run_until(w, w->end_ns, &is_quiet);
}

/* Does waiting help against it, as far as anybody can say? */
static bool passes_with_time(enum reason reason)
{
	switch ((int)reason) {
	case REASON_SETTLING:
	case REASON_BACKOFF:
	case REASON_FREEZE:
	case REASON_WINDOW:
	case REASON_WINDOW_TOO_SHORT:
	case REASON_WAVE:
	case REASON_SOAK:
	case REASON_PAIR:
	case REASON_SITE:
	case REASON_MAX_IN_FLIGHT:
	case REASON_RATE:
	case REASON_THROTTLED:
	case REASON_PRECHECK:
		return true;
	default:
		return false;
	}
}

static enum reason block_of(const struct run *w, const struct target_view *v)
{
	static const enum reason reasons[ROLLOUT_STATE_N] = {
		[ROLLOUT_STATE_APPROVAL] = REASON_APPROVAL,
		[ROLLOUT_STATE_PAUSED] = REASON_PAUSED,
		[ROLLOUT_STATE_HALTED] = REASON_HALTED,
	};
	struct rollout_view rollout;

	return v->rollout != NONE && reconcile_rollout(w->core, v->rollout, &rollout) ? reasons[rollout.state] : REASON_NONE;
}

static enum forecast_action judge(const struct forecast_row *row, const struct target_view *v, bool is_quiet)
{
	switch ((int)v->phase) {
	case PHASE_FAILED:
		return FORECAST_FAILED;
	case PHASE_WAITING:
		return !is_quiet && row->blocked_by == REASON_NONE && passes_with_time(v->reason) ? FORECAST_LATER : FORECAST_WAIT;
	default:
		return FORECAST_NOTHING;
	}
}

static void finish_one(struct run *w, uint32_t slot, bool is_quiet)
{
	const struct track *t = &w->tracks[slot];
	struct forecast_row *row = t->row == NONE ? NULL : &w->out->rows[t->row];
	struct target_view v;

	if (!row || !reconcile_target(w->core, slot, &v))
		return;
	row->end_reason = v.reason;
	row->first_call = t->first_call;
	row->n_calls = t->n_calls;
	row->start_s = t->n_calls ? w->out->calls[t->first_call].at_s : 0;
	row->done_s = t->done_ns && (t->n_calls || row->action == FORECAST_RUNNING) ? wall_s(w, t->done_ns) : 0;
	if (v.phase == PHASE_WAITING)
		row->blocked_by = block_of(w, &v);
	if (row->action == FORECAST_NOTHING)
		row->action = t->n_calls ? FORECAST_UPGRADE : judge(row, &v, is_quiet);
}

/* One that waits for another of its instance comes later only if that one does. */
static int finish_pairs(struct run *w)
{
	bool *is_later = calloc((size_t)w->options->fleet->n_instances + 1, sizeof(*is_later));

	if (!is_later)
		return -ENOMEM;
	for (size_t i = 0; i < w->out->n_rows; i++)
		is_later[w->out->rows[i].instance] |= w->out->rows[i].action == FORECAST_UPGRADE ||
						      (w->out->rows[i].action == FORECAST_LATER && w->out->rows[i].end_reason != REASON_PAIR);
	for (size_t i = 0; i < w->out->n_rows; i++)
		if (w->out->rows[i].action == FORECAST_LATER && w->out->rows[i].end_reason == REASON_PAIR && !is_later[w->out->rows[i].instance])
			w->out->rows[i].action = FORECAST_WAIT;
	free(is_later);
	return 0;
}

static int row_order(const void *a, const void *b)
{
	static const int order[FORECAST_ACTION_N] = {
		[FORECAST_RUNNING] = 0, [FORECAST_UPGRADE] = 1, [FORECAST_LATER] = 2, [FORECAST_WAIT] = 3, [FORECAST_FAILED] = 4, [FORECAST_NOTHING] = 5,
	};
	const struct forecast_row *x = a, *y = b;

	if (x->action != y->action)
		return order[x->action] - order[y->action];
	if (x->start_s != y->start_s)
		return x->start_s < y->start_s ? -1 : 1;
	if (x->instance != y->instance)
		return x->instance < y->instance ? -1 : 1;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return (int)x->version_type - (int)y->version_type;
}

static int finish(struct run *w, bool is_quiet)
{
	int r;

	w->out->end_s = wall_s(w, w->now_ns);
	for (uint32_t slot = 0; slot < w->n_tracks; slot++)
		finish_one(w, slot, is_quiet);
	r = finish_pairs(w);
	for (size_t i = 0; i < w->out->n_rows; i++)
		w->out->counts[w->out->rows[i].action]++;
	qsort(w->out->rows, w->out->n_rows, sizeof(*w->out->rows), row_order);
	for (uint32_t i = 0; i < w->settings.n_policies; i++)
		w->out->n_unasked_gates += w->is_gate_unasked[i];
	w->out->n_unknown_catalogues = w->n_unknown;
	return r;
}

static int run_all(struct run *w)
{
	int64_t sample_ns = w->now_ns + FORECAST_SAMPLE_NS;
	bool is_quiet;
	int r = make_settings(w);

	if (!r)
		r = ideal_init(w);
	if (!r)
		r = begin(w);
	if (!r)
		r = run_until(w, sample_ns < w->end_ns ? sample_ns : w->end_ns, &is_quiet);
	if (!r)
		r = sample(w);
	if (!r && !w->out->is_cut_short)
		r = run_to_end(w);
	/* quiet means here: nothing is left to come at all, however far one looks */
	is_quiet = !r && ideal_due_ns(w) > w->end_ns && reconcile_deadline_ns(w->core) > w->end_ns + (w->end_ns - w->options->fleet->now_ns);
	return r ? r : finish(w, is_quiet);
}

int forecast_run(const struct forecast_options *options, struct forecast *ret_forecast)
{
	struct forecast out = { .now_s = options->fleet->wall_s };
	struct run w = { .options = options, .out = &out, .now_ns = options->fleet->now_ns,
			 .end_ns = options->fleet->now_ns + options->horizon_s * NS_PER_S };
	int r = reconcile_new(1, &w.core);

	if (r)
		return r;
	out.core = w.core;
	r = run_all(&w);
	ideal_deinit(&w);
	free(w.scopes);
	free(w.policies);
	free(w.tracks);
	if (r)
		forecast_deinit(&out);
	else
		*ret_forecast = out;
	return r;
}

void forecast_deinit(struct forecast *f)
{
	free(f->rows);
	free(f->calls);
	free(f->approvals);
	reconcile_free(f->core);
	*f = (struct forecast){ 0 };
}

bool forecast_has_changes(const struct forecast *f)
{
	size_t n_held = 0;

	for (size_t i = 0; i < f->n_rows; i++)
		n_held += f->rows[i].action == FORECAST_WAIT && f->rows[i].end_reason == REASON_HELD;
	return f->counts[FORECAST_RUNNING] + f->counts[FORECAST_UPGRADE] + f->counts[FORECAST_LATER] + f->counts[FORECAST_WAIT] > n_held;
}
