/*
 * One line for one action: the golden of the simulations. Only names and numbers that are the same in every run
 * with the same events; no address, no slot that depends on who held the table.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *const intent_outcome_names[INTENT_OUTCOME_N] = {
	[INTENT_VERIFIED] = "verified",
	[INTENT_REFUSED] = "refused",
	[INTENT_FAILED] = "failed",
	[INTENT_NO_EFFECT] = "no_effect",
	[INTENT_GONE] = "gone",
	[INTENT_WITHDRAWN] = "withdrawn",
};

const char *const auto_upgrade_change_names[AUTO_UPGRADE_CHANGE_N] = {
	[AUTO_UPGRADE_CHANGED] = "changed",
	[AUTO_UPGRADE_HELD] = "held",
	[AUTO_UPGRADE_PUT_BACK] = "put_back",
	[AUTO_UPGRADE_NOT_TAKEN] = "not_taken",
};

static const char *const kind_names[ACTION_KIND_N] = {
	[ACTION_LIST] = "list",
	[ACTION_FOLLOW] = "follow",
	[ACTION_READ] = "read",
	[ACTION_STORE] = "store",
	[ACTION_UPGRADE] = "upgrade",
	[ACTION_TELL_INSTANCE_ADDED] = "instance_added",
	[ACTION_TELL_INSTANCE_REMOVED] = "instance_removed",
	[ACTION_TELL_ODD] = "odd",
	[ACTION_TELL_PHASE] = "phase",
	[ACTION_TELL_STARTED] = "started",
	[ACTION_TELL_SETTLED] = "settled",
	[ACTION_TELL_EXTERNAL_CHANGE] = "external_change",
	[ACTION_TELL_ACCOUNT] = "account",
	[ACTION_GATE] = "gate",
	[ACTION_SET_AUTO_UPGRADE] = "set_auto_upgrade",
	[ACTION_TELL_ACT] = "act",
	[ACTION_TELL_ROLLOUT] = "rollout",
	[ACTION_TELL_APPROVAL] = "approval",
	[ACTION_TELL_AUTO_UPGRADE] = "auto_upgrade",
};
static const char *const purpose_names[READ_PURPOSE_N] = { "fresh", "verify", "dpi", "catalogue", "auto_upgrade" };
static const char *const oddity_names[ODDITY_N] = { "status", "no_serial", "duplicate", "version", "pause" };

struct line {
	char *buf;
	size_t size, length;
};

static void __attribute__((format(printf, 2, 3))) line_add(struct line *l, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(l->buf + l->length, l->size - l->length, format, args);
	va_end(args);
	if (n > 0)
		l->length = (size_t)n < l->size - l->length ? l->length + (size_t)n : l->size - 1;
}

static void line_add_names(struct line *l, const struct reconcile *r, const struct action *a)
{
	const struct target *t = a->target < r->targets.n ? target_at(r, a->target) : NULL;
	struct intent_view in;

	if (a->scope < r->n_scopes)
		line_add(l, " %s/%s", r->settings->scopes[a->scope].account, r->settings->scopes[a->scope].region_id);
	if (a->instance < r->instances.n && instance_at(r, a->instance)->text)
		line_add(l, " %s", instance_at(r, a->instance)->text);
	if (a->intent && reconcile_intent(r, a->intent, &in)) /* its target may be gone */
		line_add(l, " %s %s", in.serial_number, version_type_names[in.version_type]);
	else if (t && t->born)
		line_add(l, " %s %s", device_at(r, t->device)->serial_number, version_type_names[t->version_type]);
	for (uint32_t i = 0; i < a->n_instances; i++)
		line_add(l, " %s", instance_at(r, a->instances[i])->text);
	if (a->intent)
		line_add(l, " intent=%" PRIu64, a->intent);
	if (a->from)
		line_add(l, " %s->%s", a->from, a->to);
}

static void line_add_rollout(struct line *l, const struct reconcile *r, const struct action *a)
{
	struct rollout_view v;

	if (!reconcile_rollout(r, a->rollout, &v))
		return;
	line_add(l, " %s %s %s %s", v.policy_name, version_type_names[v.version_type], v.version, rollout_change_names[a->rollout_change]);
	if (a->rollout_change == ROLLOUT_WAVE_PASSED)
		line_add(l, " next=%s", a->wave);
	if (a->rollout_change == ROLLOUT_AWAITING)
		line_add(l, " wave=%s", a->wave);
	if (a->rollout_change == ROLLOUT_HALTED)
		line_add(l, " by %s", halt_cause_names[v.halt_cause]);
}

size_t reconcile_trace(const struct reconcile *r, const struct action *a, char *buf, size_t size)
{
	struct line l = { buf, size, 0 };

	if (size == 0)
		return 0;
	line_add(&l, "%s", kind_names[a->kind]);
	if (a->kind == ACTION_READ)
		line_add(&l, " %s", purpose_names[a->purpose]);
	if (a->kind == ACTION_TELL_ODD)
		line_add(&l, " %s", oddity_names[a->oddity]);
	line_add_names(&l, r, a);
	if (a->kind == ACTION_TELL_PHASE)
		line_add(&l, " %s/%s->%s/%s", phase_names[a->old_phase], reason_names[a->old_reason], phase_names[a->phase],
			 reason_names[a->reason]);
	if (a->kind == ACTION_TELL_SETTLED)
		line_add(&l, " %s/%s", intent_outcome_names[a->outcome], reason_names[a->reason]);
	if (a->kind == ACTION_TELL_ACCOUNT)
		line_add(&l, " %s", a->is_paused ? "paused" : "goes_on");
	if (a->kind == ACTION_TELL_ROLLOUT)
		line_add_rollout(&l, r, a);
	if (a->kind == ACTION_TELL_ACT)
		line_add(&l, " %s %s %" PRIu32, act_names[a->act], act_outcome_names[a->act_outcome], a->count);
	if (a->kind == ACTION_TELL_APPROVAL)
		line_add(&l, " %s %s %" PRIu32 " wait", version_type_names[a->version_type], a->to, a->count);
	if (a->kind == ACTION_TELL_AUTO_UPGRADE)
		line_add(&l, " %s", auto_upgrade_change_names[a->auto_upgrade_change]);
	if (a->kind == ACTION_SET_AUTO_UPGRADE)
		line_add(&l, " %s '%s' %s %" PRIu32 " %" PRIu32, a->auto_upgrade->upgrade_type, a->auto_upgrade->cron, a->auto_upgrade->time_zone,
			 a->auto_upgrade->duration_min, a->auto_upgrade->jitter_min);
	if (a->kind == ACTION_GATE)
		line_add(&l, " %s", r->settings->policies[a->policy].name);
	if (a->ticket)
		line_add(&l, " ticket=%" PRIu64, a->ticket);
	if (a->kind == ACTION_UPGRADE || a->kind == ACTION_SET_AUTO_UPGRADE)
		line_add(&l, " not_after_ns=%" PRId64, a->not_after_ns);
	return l.length;
}
