/*
 * What a row of the live families is filled from, and the row functions that are not in view.c. Private to the view.
 *
 * A row function gets a table slot or a cell in row->n, and gives false when there is nothing to show.
 */
#pragma once

#include "view.h"
#include "window_state.h"

#include <string.h>

/* Targets by reported version: cells in a small open table; versions of a fleet are few. */
struct version_cell {
	uint32_t scope;
	enum version_type version_type;
	uint32_t hash;
	char model[64];
	char version[LIMIT_VERSION + 1];
	uint64_t count;
};

/* What one step of the core added up to. Scrapes that begin at the same step share it; the last one frees it. */
struct totals {
	uint32_t n_refs;
	uint64_t step;
	uint32_t n_instances, n_targets; /* slots that are counted so far */
	bool is_complete;
	uint32_t *phases;    /* scope x version type x phase x reason */
	uint32_t *instances; /* of each scope */
	uint32_t *pins;      /* instances under each pin */
	uint32_t *sites;     /* of each instance slot that there was: the target slot whose site is that of the instance, or NONE */
	uint32_t n_sites;
	struct version_cell *versions;
	size_t n_versions, size_versions;
	uint32_t *version_index; /* open hash of cells, plus 1 */
	size_t size_index;
};

struct view {
	struct daemon *d;
	bool has_target_metrics;
	struct expose_source source;
	struct totals *latest;
	struct window_state *windows; /* of each window of the configuration */
	struct calendar_interval *freezes; /* of each freeze */
};

struct row {
	const struct view *v;
	const struct totals *totals;
	uint64_t n;
	struct expose_row *out;
};

static inline const struct settings *settings_of(const struct view *v)
{
	return &v->d->config->settings;
}

static inline struct expose_text text(const char *s)
{
	return (struct expose_text){ s, strlen(s) };
}

/* rollout_view.c */
bool row_approvals_waiting(const struct row *row);
bool row_rollout_info(const struct row *row);
bool row_rollout_targets(const struct row *row); /* slot x wave x phase, see ROLLOUT_CELLS */
bool row_rollout_wave(const struct row *row);
bool row_rollout_halted(const struct row *row);
bool row_rollout_paused(const struct row *row);
bool row_rollout_awaiting(const struct row *row);
bool row_rollout_progress(const struct row *row);
bool row_policy_in_flight(const struct row *row);
bool row_policy_limit(const struct row *row);
bool row_policy_allowed(const struct row *row);
bool row_gate_open(const struct row *row);
bool row_window_open(const struct row *row);
bool row_window_next_open(const struct row *row);
bool row_freeze_active(const struct row *row);

#define ROLLOUT_WAVES_MAX (LIMIT_WAVES + 1)
#define ROLLOUT_CELLS ((uint64_t)ROLLOUT_WAVES_MAX * PHASE_N)
