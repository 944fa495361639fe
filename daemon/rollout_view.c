/* Rows of rollouts, and of what rollouts wait for: policies, gates, windows, freezes, approvals. They are few. */
#include "view_rows.h"

#include <errno.h>

/* ---- rollouts ---- */

static bool rollout_of_row(const struct row *row, uint64_t slot, struct rollout_view *ret_rollout)
{
	if (!reconcile_rollout(row->v->d->core, (uint32_t)slot, ret_rollout))
		return false;
	row->out->labels[0] = text(ret_rollout->policy_name);
	row->out->labels[1] = text(version_type_names[ret_rollout->version_type]);
	row->out->labels[2] = text(ret_rollout->version);
	row->out->value = 1;
	return true;
}

bool row_rollout_info(const struct row *row)
{
	struct rollout_view r;

	if (!rollout_of_row(row, row->n, &r))
		return false;
	row->out->labels[3] = text(rollout_state_names[r.state]);
	return true;
}

bool row_rollout_targets(const struct row *row)
{
	enum phase phase = (enum phase)(row->n % PHASE_N);
	uint32_t wave = (uint32_t)(row->n / PHASE_N % ROLLOUT_WAVES_MAX), slot = (uint32_t)(row->n / ROLLOUT_CELLS);
	struct rollout_view r;
	struct wave_view w;

	/* an unmanaged target is in no rollout */
	if (phase == PHASE_UNMANAGED || !rollout_of_row(row, slot, &r) || !reconcile_wave(row->v->d->core, slot, wave, &w))
		return false;
	row->out->labels[3] = text(w.name);
	row->out->labels[4] = text(phase_names[phase]);
	row->out->value = w.phases[phase];
	return true;
}

bool row_rollout_wave(const struct row *row)
{
	struct rollout_view r;

	if (!rollout_of_row(row, row->n, &r))
		return false;
	row->out->labels[3] = text(r.wave_name);
	row->out->value = r.wave + 1;
	return true;
}

bool row_rollout_halted(const struct row *row)
{
	struct rollout_view r;

	if (!rollout_of_row(row, row->n, &r))
		return false;
	row->out->value = r.halt_cause != HALT_NONE;
	return true;
}

/* Of a rollout that is halted, too, which its state does not tell. */
bool row_rollout_paused(const struct row *row)
{
	struct rollout_view r;

	if (!rollout_of_row(row, row->n, &r))
		return false;
	row->out->value = r.reason == REASON_PAUSED;
	return true;
}

bool row_rollout_awaiting(const struct row *row)
{
	struct rollout_view r;

	if (!rollout_of_row(row, row->n, &r))
		return false;
	row->out->value = r.is_awaiting_approval;
	return true;
}

bool row_rollout_progress(const struct row *row)
{
	struct rollout_view r;

	if (!rollout_of_row(row, row->n, &r))
		return false;
	row->out->value = (double)r.last_progress_s;
	return r.last_progress_s != 0;
}

bool row_approvals_waiting(const struct row *row)
{
	struct approval_view a;

	if (!reconcile_approval(row->v->d->core, (uint32_t)row->n, &a))
		return false;
	row->out->labels[0] = text(a.account);
	row->out->labels[1] = text(version_type_names[a.version_type]);
	row->out->labels[2] = text(a.version);
	row->out->value = a.count;
	return true;
}

/* ---- policies ---- */

static bool policy_of_row(const struct row *row, struct policy_view *ret_policy)
{
	row->out->labels[0] = text(settings_of(row->v)->policies[row->n].name);
	return reconcile_policy(row->v->d->core, (uint32_t)row->n, ret_policy);
}

bool row_policy_in_flight(const struct row *row)
{
	struct policy_view p;

	if (!policy_of_row(row, &p))
		return false;
	row->out->value = p.in_flight;
	return true;
}

bool row_policy_limit(const struct row *row)
{
	struct policy_view p;

	if (!policy_of_row(row, &p))
		return false;
	row->out->value = p.limit;
	return true;
}

bool row_policy_allowed(const struct row *row)
{
	struct policy_view p;

	if (!policy_of_row(row, &p))
		return false;
	row->out->value = p.may_start;
	return true;
}

bool row_gate_open(const struct row *row)
{
	struct policy_view p;

	if (!settings_of(row->v)->policies[row->n].gate.is_set || !policy_of_row(row, &p))
		return false;
	row->out->value = p.is_gate_open;
	return true;
}

/* ---- windows and freezes, by the wall clock ---- */

/* NULL for `always`, which has no rule, and when memory is out. */
static const struct window_state *window_of_row(const struct row *row)
{
	const struct config_window *window = &row->v->d->config->windows[row->n];

	if (window->is_always)
		return NULL;
	if (window_state_look(&window->rule, row->v->d->wall_s, &row->v->windows[row->n]) < 0) {
		row->v->d->error = -ENOMEM;
		return NULL;
	}
	return &row->v->windows[row->n];
}

bool row_window_open(const struct row *row)
{
	const struct window_state *state = window_of_row(row);

	row->out->labels[0] = text(row->v->d->config->windows[row->n].name);
	row->out->value = state ? state->is_open : row->v->d->config->windows[row->n].is_always;
	return true;
}

bool row_window_next_open(const struct row *row)
{
	const struct window_state *state = window_of_row(row);

	if (!state || !state->next_open_s)
		return false;
	row->out->labels[0] = text(row->v->d->config->windows[row->n].name);
	row->out->value = (double)state->next_open_s;
	return true;
}

bool row_freeze_active(const struct row *row)
{
	const struct calendar_interval *freeze = &row->v->freezes[row->n];

	row->out->labels[0] = text(row->v->d->config->freezes[row->n].name);
	row->out->value = row->v->d->wall_s >= freeze->from_s && row->v->d->wall_s < freeze->to_s;
	return true;
}
