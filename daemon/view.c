/*
 * The live table as metric families.
 *
 * Rows of a family are table slots, or cells of the totals. Each family of the table is one line in `families`: what
 * its rows are, and the function that fills one.
 */
#include "core/hash.h"
#include "view_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t phase_cells(const struct view *v)
{
	return (size_t)settings_of(v)->n_scopes * VERSION_TYPE_N * PHASE_N * REASON_N;
}

/* ---- totals ---- */

static int grow_versions(struct totals *t)
{
	size_t size = t->size_versions ? 2 * t->size_versions : 64;
	struct version_cell *cells = realloc(t->versions, size * sizeof(*cells));
	uint32_t *index;

	if (!cells)
		return -ENOMEM;
	t->versions = cells;
	t->size_versions = size;
	index = calloc(4 * size, sizeof(*index));
	if (!index)
		return -ENOMEM;
	free(t->version_index);
	t->version_index = index;
	t->size_index = 4 * size;
	for (uint32_t i = 0; i < t->n_versions; i++) {
		size_t at = t->versions[i].hash & (t->size_index - 1);

		while (index[at])
			at = (at + 1) & (t->size_index - 1);
		index[at] = i + 1;
	}
	return 0;
}

static int count_version(struct totals *t, const struct target_view *target, const char *model)
{
	char short_model[sizeof(t->versions->model)];
	uint32_t hash = hash_add(HASH_START ^ target->scope ^ ((uint32_t)target->version_type << 16), target->reported);
	struct version_cell *cell;
	size_t at;

	snprintf(short_model, sizeof(short_model), "%s", model);
	hash = hash_add(hash, short_model);
	if (t->n_versions == t->size_versions && grow_versions(t) < 0)
		return -ENOMEM;
	for (at = hash & (t->size_index - 1); t->version_index[at]; at = (at + 1) & (t->size_index - 1)) {
		cell = &t->versions[t->version_index[at] - 1];
		if (cell->hash == hash && cell->scope == target->scope && cell->version_type == target->version_type &&
		    strcmp(cell->version, target->reported) == 0 && strcmp(cell->model, short_model) == 0) {
			cell->count++;
			return 0;
		}
	}
	cell = &t->versions[t->n_versions++];
	*cell = (struct version_cell){ .scope = target->scope, .version_type = target->version_type, .hash = hash, .count = 1 };
	memcpy(cell->model, short_model, sizeof(cell->model));
	snprintf(cell->version, sizeof(cell->version), "%s", target->reported);
	t->version_index[at] = (uint32_t)t->n_versions;
	return 0;
}

static struct totals *totals_unref(struct totals *t)
{
	if (!t || --t->n_refs)
		return NULL;
	free(t->phases);
	free(t->instances);
	free(t->pins);
	free(t->sites);
	free(t->versions);
	free(t->version_index);
	free(t);
	return NULL;
}

static struct totals *totals_new(const struct view *v)
{
	const struct settings *settings = settings_of(v);
	struct totals *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->n_refs = 1;
	t->step = reconcile_steps(v->d->core);
	t->phases = calloc(phase_cells(v) + 1, sizeof(*t->phases));
	t->instances = calloc(settings->n_scopes + 1, sizeof(*t->instances));
	t->pins = calloc(settings->n_pins + 1, sizeof(*t->pins));
	t->n_sites = reconcile_instance_slots(v->d->core);
	t->sites = malloc((t->n_sites + 1) * sizeof(*t->sites));
	if (!t->phases || !t->instances || !t->pins || !t->sites)
		return totals_unref(t);
	memset(t->sites, 0xff, (t->n_sites + 1) * sizeof(*t->sites)); /* NONE */
	return t;
}

/* What has left stays in the table for the plan that says so, up to the next step: that may be a poll interval. */
static bool live_instance(const struct view *v, uint32_t slot, struct instance_view *ret_instance)
{
	return reconcile_instance(v->d->core, slot, ret_instance) && !ret_instance->is_leaving;
}

#define COUNT_SLICE 4096 /* slots that are counted in one go: a millisecond or two */

static void count_instances(const struct view *v, struct totals *t, uint32_t end)
{
	struct instance_view instance;

	for (; t->n_instances < end; t->n_instances++) {
		if (!live_instance(v, t->n_instances, &instance) || instance.born > t->step)
			continue;
		t->instances[instance.scope]++;
		if (instance.pin != PIN_NONE)
			t->pins[instance.pin]++;
	}
}

/* The site is that of the Device version type where this is managed, else of Dpi: as the policy that counts by it. */
static void note_site(struct totals *t, uint32_t slot, const struct target_view *target)
{
	if (target->policy == POLICY_NONE || target->instance >= t->n_sites)
		return;
	if (target->version_type == VERSION_TYPE_DEVICE || t->sites[target->instance] == NONE)
		t->sites[target->instance] = slot;
}

static int count_targets(const struct view *v, struct totals *t, uint32_t end)
{
	struct instance_view instance;
	struct target_view target;
	int r = 0;

	for (; !r && t->n_targets < end; t->n_targets++) {
		if (!reconcile_target(v->d->core, t->n_targets, &target) || target.born > t->step ||
		    !live_instance(v, target.instance, &instance))
			continue;
		t->phases[((target.scope * VERSION_TYPE_N + target.version_type) * PHASE_N + target.phase) * REASON_N + target.reason]++;
		note_site(t, t->n_targets, &target);
		if (target.reported[0])
			r = count_version(t, &target, instance.model);
	}
	return r;
}

static uint32_t slice_end(uint32_t from, uint32_t n)
{
	return n - from < COUNT_SLICE ? n : from + COUNT_SLICE;
}

/* The next slice. Slots are only ever added while a scrape holds the table, so none is missed or counted twice. */
static int count_slice(const struct view *v, struct totals *t)
{
	uint32_t n_instances = reconcile_instance_slots(v->d->core), n_targets = reconcile_target_slots(v->d->core);
	int r = 0;

	if (t->n_instances < n_instances)
		count_instances(v, t, slice_end(t->n_instances, n_instances));
	else
		r = count_targets(v, t, slice_end(t->n_targets, n_targets));
	t->is_complete = t->n_instances == n_instances && t->n_targets == n_targets;
	return r;
}

/* ---- rows ---- */

static void scope_labels(const struct row *row, uint32_t scope)
{
	row->out->labels[0] = text(settings_of(row->v)->scopes[scope].account);
	row->out->labels[1] = text(settings_of(row->v)->scopes[scope].region_id);
}

static bool instance_of_row(const struct row *row, struct instance_view *ret_instance)
{
	if (!live_instance(row->v, (uint32_t)row->n, ret_instance) || ret_instance->born > row->totals->step)
		return false;
	scope_labels(row, ret_instance->scope);
	row->out->labels[2] = text(ret_instance->instance_id);
	row->out->value = 1;
	return true;
}

typedef bool (*look_fn)(const struct reconcile *r, uint32_t slot, struct target_view *ret_view);

static bool look_up(const struct row *row, look_fn look, struct target_view *ret_target)
{
	if (!look(row->v->d->core, (uint32_t)row->n, ret_target) || ret_target->born > row->totals->step)
		return false;
	scope_labels(row, ret_target->scope);
	row->out->labels[2] = text(ret_target->instance_id);
	row->out->labels[3] = text(ret_target->serial_number);
	row->out->labels[4] = text(version_type_names[ret_target->version_type]);
	row->out->value = 1;
	return true;
}

/* Everything about the target of this row. */
static bool target_of_row(const struct row *row, struct target_view *ret_target)
{
	return look_up(row, reconcile_target, ret_target);
}

/* The same without phase, reason and direction, which most families do not show. */
static bool facts_of_row(const struct row *row, struct target_view *ret_target)
{
	return look_up(row, reconcile_target_facts, ret_target);
}

/* The slots are held: what stands at that one is the target that was counted, or nothing any more. */
static struct expose_text site_of_row(const struct row *row, const struct instance_view *instance)
{
	uint32_t slot = row->n < row->totals->n_sites ? row->totals->sites[row->n] : NONE;
	struct target_view t;

	if (slot != NONE && reconcile_target_facts(row->v->d->core, slot, &t) && t.instance == row->n)
		return text(t.site);
	return text(instance->instance_id);
}

static bool row_instance_info(const struct row *row)
{
	struct instance_view i;

	if (!instance_of_row(row, &i))
		return false;
	row->out->labels[3] = text(i.name);
	row->out->labels[4] = text(i.model);
	row->out->labels[5] = text(i.resource_group);
	row->out->labels[6] = site_of_row(row, &i);
	row->out->labels[7] = text(i.policy);
	return true;
}

static bool row_instance_online(const struct row *row)
{
	struct instance_view i;

	if (!instance_of_row(row, &i) || !i.is_observed)
		return false;
	row->out->value = i.is_online;
	return true;
}

static bool row_version_info(const struct row *row)
{
	struct target_view t;

	if (!facts_of_row(row, &t) || !t.reported[0])
		return false;
	row->out->labels[5] = text(t.reported);
	return true;
}

static bool row_desired_version_info(const struct row *row)
{
	struct target_view t;

	if (!facts_of_row(row, &t) || !t.desired[0])
		return false;
	row->out->labels[5] = text(t.desired);
	return true;
}

/* Drift has a direction only where both versions are known and comparable. */
static bool has_direction(const struct target_view *t)
{
	return t->desired[0] && t->reported[0] && t->phase != PHASE_UNKNOWN && t->phase != PHASE_UNMANAGED &&
	       t->reason != REASON_INCOMPARABLE;
}

static bool row_behind(const struct row *row)
{
	struct target_view t;

	if (!target_of_row(row, &t) || !has_direction(&t))
		return false;
	row->out->value = t.is_behind;
	return true;
}

static bool row_ahead(const struct row *row)
{
	struct target_view t;

	if (!target_of_row(row, &t) || !has_direction(&t))
		return false;
	row->out->value = t.is_ahead;
	return true;
}

static bool is_pacing(enum reason reason)
{
	return reason == REASON_WAVE || reason == REASON_SOAK || reason == REASON_MAX_IN_FLIGHT || reason == REASON_RATE ||
	       reason == REASON_SITE || reason == REASON_PAIR || reason == REASON_PRECHECK;
}

static bool row_state(const struct row *row)
{
	struct target_view t;

	if (!target_of_row(row, &t))
		return false;
	row->out->labels[5] = text(phase_names[t.phase]);
	row->out->labels[6] = text(t.phase == PHASE_WAITING && is_pacing(t.reason) ? "queued" : reason_names[t.reason]);
	return true;
}

static bool row_auto_upgrade(const struct row *row)
{
	struct target_view t;

	if (!facts_of_row(row, &t) || !t.auto_upgrade)
		return false;
	row->out->labels[5] = text(t.auto_upgrade->upgrade_type);
	return true;
}

static bool row_in_progress(const struct row *row)
{
	struct target_view t;

	if (!facts_of_row(row, &t))
		return false;
	row->out->value = t.is_in_progress;
	return true;
}

static bool row_attempts(const struct row *row)
{
	struct target_view t;

	if (!facts_of_row(row, &t))
		return false;
	row->out->value = (double)t.attempts;
	return true;
}

static bool row_failures(const struct row *row)
{
	struct target_view t;

	if (!facts_of_row(row, &t))
		return false;
	row->out->value = (double)t.failures;
	return true;
}

/* A timestamp that is absent while it is 0. */
static bool row_time(const struct row *row, size_t offset)
{
	struct target_view t;
	int64_t when;

	if (!facts_of_row(row, &t))
		return false;
	memcpy(&when, (const char *)&t + offset, sizeof(when));
	row->out->value = (double)when;
	return when != 0;
}

static bool row_drift_since(const struct row *row)
{
	return row_time(row, offsetof(struct target_view, drift_since_s));
}

static bool row_state_since(const struct row *row)
{
	return row_time(row, offsetof(struct target_view, phase_since_s));
}

static bool row_last_success(const struct row *row)
{
	return row_time(row, offsetof(struct target_view, last_success_s));
}

static bool row_last_failure(const struct row *row)
{
	return row_time(row, offsetof(struct target_view, last_failure_s));
}

static bool is_legal(enum phase phase, enum reason reason)
{
	if (reason == REASON_NONE)
		return phase == PHASE_IN_SYNC || phase == PHASE_AHEAD;
	if (reason == REASON_SOAK)
		return phase == PHASE_VERIFYING || phase == PHASE_WAITING;
	return reason_phase(reason) == phase;
}

static bool row_targets(const struct row *row)
{
	uint64_t n = row->n;
	enum reason reason = (enum reason)(n % REASON_N);
	enum phase phase = (enum phase)(n / REASON_N % PHASE_N);

	if (!is_legal(phase, reason))
		return false;
	n /= (uint64_t)REASON_N * PHASE_N;
	scope_labels(row, (uint32_t)(n / VERSION_TYPE_N));
	row->out->labels[2] = text(version_type_names[n % VERSION_TYPE_N]);
	row->out->labels[3] = text(phase_names[phase]);
	row->out->labels[4] = text(reason_names[reason]);
	row->out->value = row->totals->phases[row->n];
	return true;
}

static bool row_targets_by_version(const struct row *row)
{
	const struct version_cell *cell = &row->totals->versions[row->n];

	if (row->n >= row->totals->n_versions)
		return false;
	scope_labels(row, cell->scope);
	row->out->labels[2] = text(version_type_names[cell->version_type]);
	row->out->labels[3] = text(cell->model);
	row->out->labels[4] = text(cell->version);
	row->out->value = (double)cell->count;
	return true;
}

static bool row_pin_instances(const struct row *row)
{
	row->out->labels[0] = text(settings_of(row->v)->pins[row->n].name);
	row->out->value = row->totals->pins[row->n];
	return true;
}

static bool row_inventory(const struct row *row)
{
	scope_labels(row, (uint32_t)row->n);
	row->out->value = row->totals->instances[row->n];
	return true;
}

static bool row_limit(const struct row *row)
{
	scope_labels(row, (uint32_t)row->n);
	row->out->value = client_rate(row->v->d->client, (uint32_t)row->n, row->v->d->now_ns);
	return true;
}

static bool row_catalogue_last_success(const struct row *row)
{
	struct catalogue_view c;

	if (!reconcile_catalogue(row->v->d->core, (uint32_t)row->n, &c))
		return false;
	row->out->labels[0] = text(c.model);
	row->out->labels[1] = text(version_type_names[c.version_type]);
	row->out->value = (double)c.read_s;
	return c.read_s != 0;
}

/* ---- families ---- */

enum rows {
	ROWS_NONE,
	ROWS_INSTANCES,
	ROWS_TARGETS,
	ROWS_PHASES,
	ROWS_VERSIONS,
	ROWS_PINS,
	ROWS_POLICIES,
	ROWS_SCOPES,
	ROWS_ROLLOUTS,
	ROWS_ROLLOUT_CELLS,
	ROWS_APPROVALS,
	ROWS_CATALOGUES,
	ROWS_WINDOWS,
	ROWS_FREEZES,
};

static const struct {
	enum rows rows;
	bool (*fill)(const struct row *row);
} families[METRIC_N] = {
	[METRIC_INSTANCE_INFO] = { ROWS_INSTANCES, row_instance_info },
	[METRIC_INSTANCE_ONLINE] = { ROWS_INSTANCES, row_instance_online },
	[METRIC_VERSION_INFO] = { ROWS_TARGETS, row_version_info },
	[METRIC_DESIRED_VERSION_INFO] = { ROWS_TARGETS, row_desired_version_info },
	[METRIC_VERSION_BEHIND] = { ROWS_TARGETS, row_behind },
	[METRIC_VERSION_AHEAD] = { ROWS_TARGETS, row_ahead },
	[METRIC_VERSION_DRIFT_SINCE] = { ROWS_TARGETS, row_drift_since },
	[METRIC_TARGET_STATE] = { ROWS_TARGETS, row_state },
	[METRIC_TARGET_STATE_SINCE] = { ROWS_TARGETS, row_state_since },
	[METRIC_UPGRADE_IN_PROGRESS] = { ROWS_TARGETS, row_in_progress },
	[METRIC_UPGRADE_ATTEMPTS] = { ROWS_TARGETS, row_attempts },
	[METRIC_UPGRADE_FAILURES] = { ROWS_TARGETS, row_failures },
	[METRIC_UPGRADE_LAST_SUCCESS] = { ROWS_TARGETS, row_last_success },
	[METRIC_UPGRADE_LAST_FAILURE] = { ROWS_TARGETS, row_last_failure },
	[METRIC_AUTO_UPGRADE_POLICY_INFO] = { ROWS_TARGETS, row_auto_upgrade },
	[METRIC_TARGETS] = { ROWS_PHASES, row_targets },
	[METRIC_TARGETS_BY_VERSION] = { ROWS_VERSIONS, row_targets_by_version },
	[METRIC_PIN_INSTANCES] = { ROWS_PINS, row_pin_instances },
	[METRIC_APPROVALS_WAITING] = { ROWS_APPROVALS, row_approvals_waiting },
	[METRIC_ROLLOUT_INFO] = { ROWS_ROLLOUTS, row_rollout_info },
	[METRIC_ROLLOUT_TARGETS] = { ROWS_ROLLOUT_CELLS, row_rollout_targets },
	[METRIC_ROLLOUT_CURRENT_WAVE] = { ROWS_ROLLOUTS, row_rollout_wave },
	[METRIC_ROLLOUT_HALTED] = { ROWS_ROLLOUTS, row_rollout_halted },
	[METRIC_ROLLOUT_PAUSED] = { ROWS_ROLLOUTS, row_rollout_paused },
	[METRIC_ROLLOUT_AWAITING_APPROVAL] = { ROWS_ROLLOUTS, row_rollout_awaiting },
	[METRIC_ROLLOUT_LAST_PROGRESS] = { ROWS_ROLLOUTS, row_rollout_progress },
	[METRIC_POLICY_IN_FLIGHT] = { ROWS_POLICIES, row_policy_in_flight },
	[METRIC_POLICY_IN_FLIGHT_LIMIT] = { ROWS_POLICIES, row_policy_limit },
	[METRIC_POLICY_START_ALLOWED] = { ROWS_POLICIES, row_policy_allowed },
	[METRIC_GATE_OPEN] = { ROWS_POLICIES, row_gate_open },
	[METRIC_WINDOW_OPEN] = { ROWS_WINDOWS, row_window_open },
	[METRIC_WINDOW_NEXT_OPEN] = { ROWS_WINDOWS, row_window_next_open },
	[METRIC_FREEZE_ACTIVE] = { ROWS_FREEZES, row_freeze_active },
	[METRIC_INVENTORY_INSTANCES] = { ROWS_SCOPES, row_inventory },
	[METRIC_CATALOGUE_LAST_SUCCESS] = { ROWS_CATALOGUES, row_catalogue_last_success },
	[METRIC_API_LIMIT] = { ROWS_SCOPES, row_limit },
};

/* The mark of a scrape is its totals. */
static struct totals *totals_of(uint64_t mark)
{
	return (struct totals *)(uintptr_t)mark;
}

static uint64_t view_begin(void *ctx)
{
	struct view *v = ctx;

	reconcile_hold(v->d->core);
	if (!v->latest || v->latest->step != reconcile_steps(v->d->core)) {
		struct totals *t = totals_new(v);

		if (!t) {
			v->d->error = -ENOMEM;
			return 0;
		}
		totals_unref(v->latest);
		v->latest = t;
	}
	v->latest->n_refs++;
	return (uintptr_t)v->latest;
}

static bool view_prepare(void *ctx, uint64_t mark)
{
	struct view *v = ctx;
	struct totals *t = totals_of(mark);

	if (t && !t->is_complete && count_slice(v, t) < 0) {
		v->d->error = -ENOMEM;
		return true;
	}
	return !t || t->is_complete;
}

static void view_end(void *ctx, uint64_t mark)
{
	struct view *v = ctx;

	totals_unref(totals_of(mark));
	reconcile_unhold(v->d->core);
}

static uint64_t view_rows(void *ctx, uint64_t mark, enum metric_id id)
{
	const struct view *v = ctx;

	if (!mark)
		return 0;
	switch (families[id].rows) {
	case ROWS_INSTANCES:
		return reconcile_instance_slots(v->d->core);
	case ROWS_TARGETS:
		return reconcile_target_slots(v->d->core);
	case ROWS_PHASES:
		return phase_cells(v);
	case ROWS_VERSIONS:
		return totals_of(mark)->n_versions;
	case ROWS_PINS:
		return settings_of(v)->n_pins;
	case ROWS_POLICIES:
		return settings_of(v)->n_policies;
	case ROWS_SCOPES:
		return settings_of(v)->n_scopes;
	case ROWS_ROLLOUTS:
		return reconcile_rollout_slots(v->d->core);
	case ROWS_ROLLOUT_CELLS:
		return (uint64_t)reconcile_rollout_slots(v->d->core) * ROLLOUT_CELLS;
	case ROWS_APPROVALS:
		return reconcile_approvals(v->d->core);
	case ROWS_CATALOGUES:
		return reconcile_catalogues(v->d->core);
	case ROWS_WINDOWS:
		return v->d->config->n_windows;
	case ROWS_FREEZES:
		return v->d->config->n_freezes;
	case ROWS_NONE:
		break;
	}
	return 0;
}

static bool view_row(void *ctx, uint64_t mark, enum metric_id id, uint64_t n, struct expose_row *ret_row)
{
	const struct row row = { .v = ctx, .totals = totals_of(mark), .n = n, .out = ret_row };

	return families[id].fill(&row);
}

static bool view_is_shown(void *ctx, enum metric_id id)
{
	const struct view *v = ctx;

	return v->has_target_metrics || (families[id].rows != ROWS_INSTANCES && families[id].rows != ROWS_TARGETS);
}

int view_new(struct daemon *d, bool has_target_metrics, struct view **ret_view)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->d = d;
	v->has_target_metrics = has_target_metrics;
	v->source = (struct expose_source){
		.ctx = v, .begin = view_begin, .end = view_end, .rows = view_rows, .row = view_row, .is_shown = view_is_shown,
		.prepare = view_prepare,
	};
	v->windows = calloc(d->config->n_windows + 1, sizeof(*v->windows));
	v->freezes = calloc(d->config->n_freezes + 1, sizeof(*v->freezes));
	if (!v->windows || !v->freezes) {
		view_free(v);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < d->config->n_freezes; i++)
		v->freezes[i] = calendar_freeze_interval(&d->config->freezes[i].rule);
	*ret_view = v;
	return 0;
}

struct view *view_free(struct view *v)
{
	if (!v)
		return NULL;
	totals_unref(v->latest);
	free(v->windows);
	free(v->freezes);
	free(v);
	return NULL;
}

const struct expose_source *view_source(const struct view *v)
{
	return &v->source;
}
