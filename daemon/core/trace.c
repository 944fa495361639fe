/*
 * One line for one action: the golden of the simulations. Only names and numbers that are the same in every run
 * with the same events; no address, no slot that depends on who held the table.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

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
};
static const char *const purpose_names[READ_PURPOSE_N] = { "fresh", "verify", "dpi", "catalogue" };
static const char *const outcome_names[INTENT_OUTCOME_N] = { "verified", "refused", "failed", "no_effect", "gone", "withdrawn" };
static const char *const oddity_names[ODDITY_N] = { "status", "no_serial", "duplicate", "version" };

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
		line_add(&l, " %s/%s", outcome_names[a->outcome], reason_names[a->reason]);
	if (a->kind == ACTION_TELL_ACCOUNT)
		line_add(&l, " %s", a->is_paused ? "paused" : "goes_on");
	if (a->ticket)
		line_add(&l, " ticket=%" PRIu64, a->ticket);
	if (a->kind == ACTION_UPGRADE)
		line_add(&l, " not_after_ns=%" PRId64, a->not_after_ns);
	return l.length;
}
