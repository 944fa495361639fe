/*
 * The cloud's own upgrader: never set in observe mode, while paused or held, or beside an upgrade; set to manual only
 * where a pin's policy says so, once what it was is durable; put back as it was, and only when no pin holds it any more.
 */
#include "observer_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void observer_auto_read(struct observer *o, const struct event *ev)
{
	size_t asked = ev->auto_upgrade.ticket % OBSERVER_ASKED;

	if (ev->auto_upgrade.is_known && o->asked[asked].ticket == ev->auto_upgrade.ticket)
		observer_serial(o, o->asked[asked].serial)->autos[o->asked[asked].type] = *ev->auto_upgrade.policy;
}

static bool is_paused(const struct observer *o, const struct target_view *v)
{
	for (size_t i = 0; i < o->n_pauses; i++) {
		const struct seen_pause *p = &o->pauses[i];

		if (p->policy[0] == '\0')
			return true;
		if (v->policy != POLICY_NONE && strcmp(p->policy, o->w->applied->policy_names[v->policy]) == 0 &&
		    (p->version == VERSION_ABSENT || p->version == world_version_rank(v->desired)) && (p->type < 0 || p->type == (int)v->version_type))
			return true;
	}
	return false;
}

static bool is_upgraded(const struct observer *o, const struct target_view *v)
{
	for (size_t i = 0; i < o->n_open; i++)
		if (strcmp(o->open[i]->box->id, v->instance_id) == 0 && o->open[i]->scope == v->scope && !o->open[i]->is_away)
			return true;
	return false;
}

static const struct record *stored_former(const struct observer *o, const struct target_view *v)
{
	for (size_t i = 0; i < o->w->store.n; i++) {
		const struct store_row *row = &o->w->store.rows[i];

		if (row->texts && row->record.kind == RECORD_AUTO_UPGRADE && row->record.number[REC_AUTO_VERSION_TYPE] == v->version_type &&
		    strcmp(row->record.text[REC_AUTO_TEXT_SERIAL], v->serial_number) == 0)
			return &row->record;
	}
	return NULL;
}

__attribute__((format(printf, 3, 4))) static void break_set(const struct observer *o, const struct target_view *v, const char *format, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	world_break(o->w, "upgrader", "of %s %s %s %s", v->instance_id, v->serial_number, version_type_names[v->version_type], text);
}

static void check_now(struct observer *o, const struct target_view *v)
{
	const struct world_settings *s = o->w->applied;

	if (!s->is_enforcing)
		break_set(o, v, "is set %s", "in observe mode");
	if (is_paused(o, v))
		break_set(o, v, "is set %s", "while paused");
	if (!o->is_usable[v->scope] || o->is_paused[v->scope])
		break_set(o, v, "is set %s", "while the account is not usable");
	if (observer_serial(o, v->serial_number)->counts[v->version_type].is_held || (v->pin != PIN_NONE && s->pins[v->pin].is_held))
		break_set(o, v, "is set %s", "while held");
	if (is_upgraded(o, v))
		break_set(o, v, "is set %s", "while its instance is upgraded");
}

void observer_auto_set(struct observer *o, const struct action *a)
{
	const char *to = a->auto_upgrade->upgrade_type, *manual = world_auto_types[WORLD_AUTO_MANUAL];
	const struct auto_upgrade_policy *read;
	const struct record *former;
	struct target_view v;
	bool is_hold;

	if (!reconcile_target(o->w->core, a->target, &v))
		return;
	check_now(o, &v);
	read = &observer_serial(o, v.serial_number)->autos[v.version_type];
	former = stored_former(o, &v);
	is_hold = v.policy != POLICY_NONE && o->w->applied->policies[v.policy].auto_upgrade == AUTO_UPGRADE_HOLD;
	if (!former)
		break_set(o, &v, "is set to %s, and what it was is not stored", to);
	else if (is_hold != (strcmp(to, manual) == 0))
		break_set(o, &v, "is set to %s, which its pin does not say", to);
	else if (is_hold && (strcmp(former->text[REC_AUTO_TEXT_TYPE], read->upgrade_type) != 0 || strcmp(former->text[REC_AUTO_TEXT_CRON], read->cron) != 0))
		break_set(o, &v, "is set to manual, and stored is that it was %s", former->text[REC_AUTO_TEXT_TYPE]);
	else if (!is_hold && (strcmp(former->text[REC_AUTO_TEXT_TYPE], to) != 0 || strcmp(former->text[REC_AUTO_TEXT_CRON], a->auto_upgrade->cron) != 0))
		break_set(o, &v, "is put back to %s, which it was not", to);
	else if (!is_hold && strcmp(read->upgrade_type, manual) != 0)
		break_set(o, &v, "is put back, and was read as %s", read->upgrade_type);
}

/* By the truth: where nobody touched it since we did, it is as before. */
void observer_put_back(struct observer *o, const struct world_device *d, enum version_type type, struct world_auto to)
{
	const struct world_auto *former = &d->formers[type];

	if (d->is_auto_ours[type] && (to.type != former->type || to.cron != former->cron))
		world_break(o->w, "upgrader", "of %s %s was %s, and is put back to %s", d->serial, version_type_names[type], world_auto_types[former->type],
			    world_auto_types[to.type]);
}
