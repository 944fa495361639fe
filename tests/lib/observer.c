/*
 * The observer's memory: what was seen and what was planned, and the rules about reads, the table and accounts.
 *
 * Guarantees that each rule is judged by what was delivered and planned, never by what the core thinks. What it
 * remembers is found in constant time, so a step costs what happened in it, whatever the size of the fleet.
 */
#include "observer_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *observer_grow(void *items, size_t *size, size_t wanted, size_t item_bytes)
{
	size_t next = *size ? *size : 16;

	if (wanted <= *size)
		return items;
	while (next < wanted)
		next *= 2;
	items = realloc(items, next * item_bytes);
	assert(items);
	memset((char *)items + *size * item_bytes, 0, (next - *size) * item_bytes);
	*size = next;
	return items;
}

struct observer *observer_new(struct world *w)
{
	struct observer *o = calloc(1, sizeof(*o));

	assert(o);
	o->w = w;
	for (size_t i = 0; i < WORLD_SCOPES; i++)
		o->is_usable[i] = true;
	return o;
}

struct observer *observer_free(struct observer *o)
{
	if (!o)
		return NULL;
	for (size_t i = 0; i < o->n_known; i++) {
		free(o->known[i]->devices);
		free(o->known[i]);
	}
	for (size_t i = 0; i < o->n_serials; i++) {
		free(o->serials[i]->boxes);
		free(o->serials[i]);
	}
	for (size_t i = 0; i < o->n_intents; i++)
		free(o->intents[i]);
	index_deinit(&o->serial_index);
	index_deinit(&o->intent_index);
	index_deinit(&o->tally_index);
	free(o->shown);
	free(o->boxes);
	free(o->known);
	free(o->at_slot);
	free(o->serials);
	free(o->tallies);
	free(o->intents);
	free(o->open);
	free(o->targets);
	free(o->rollouts);
	free(o->pauses);
	free(o->grants);
	free(o->changes);
	free(o);
	return NULL;
}

/* ---- memory ---- */

/* One instance is one id in one scope; one that moves is another, with the same serial numbers. */
struct seen_box *observer_box(struct observer *o, uint32_t scope, const char *id)
{
	const struct world_box *of = world_find_box(o->w, id);
	size_t place = of ? (size_t)(of - o->w->boxes) * WORLD_SCOPES + scope : 0;
	struct seen_box *box;

	assert(of);
	o->boxes = observer_grow(o->boxes, &o->boxes_size, place + 1, sizeof(*o->boxes));
	if (o->boxes[place])
		return o->boxes[place];
	box = calloc(1, sizeof(*box));
	assert(box);
	snprintf(box->id, sizeof(box->id), "%s", id);
	box->index = (uint32_t)(of - o->w->boxes);
	box->scope = scope;
	box->slot = NONE;
	o->boxes[place] = box;
	o->known = observer_grow(o->known, &o->known_size, o->n_known + 1, sizeof(*o->known));
	o->known[o->n_known++] = box;
	return box;
}

struct seen_box *observer_box_at(const struct observer *o, uint32_t slot)
{
	return slot < o->at_slot_size ? o->at_slot[slot] : NULL;
}

struct seen_serial *observer_serial(struct observer *o, const char *serial)
{
	uint64_t key = index_hash(0, serial);
	uint32_t i = index_get(&o->serial_index, key);
	struct seen_serial *s;

	if (i != INDEX_NONE)
		return o->serials[i];
	s = calloc(1, sizeof(*s));
	assert(s);
	snprintf(s->serial, sizeof(s->serial), "%s", serial);
	o->serials = observer_grow(o->serials, &o->serials_size, o->n_serials + 1, sizeof(*o->serials));
	index_put(&o->serial_index, key, (uint32_t)o->n_serials);
	o->serials[o->n_serials++] = s;
	return s;
}

struct seen_device *observer_device(struct observer *o, struct seen_box *box, const char *serial)
{
	struct seen_serial *s;

	for (size_t i = 0; i < box->n_devices; i++)
		if (strcmp(box->devices[i].serial, serial) == 0)
			return &box->devices[i];
	s = observer_serial(o, serial);
	s->boxes = observer_grow(s->boxes, &s->boxes_size, s->n_boxes + 1, sizeof(*s->boxes));
	s->boxes[s->n_boxes++] = box;
	box->devices = observer_grow(box->devices, &box->devices_size, box->n_devices + 1, sizeof(*box->devices));
	snprintf(box->devices[box->n_devices].serial, WORLD_TEXT, "%s", serial);
	return &box->devices[box->n_devices++];
}

struct seen_target *observer_target(struct observer *o, uint32_t slot)
{
	o->targets = observer_grow(o->targets, &o->targets_size, (size_t)slot + 1, sizeof(*o->targets));
	return &o->targets[slot];
}

struct seen_intent *observer_intent(const struct observer *o, uint64_t id)
{
	uint32_t i = index_get(&o->intent_index, id);

	return i == INDEX_NONE ? NULL : o->intents[i];
}

struct seen_intent *observer_unsettled(const struct observer *o, uint32_t target)
{
	for (size_t i = 0; i < o->n_open; i++)
		if (o->open[i]->target == target && !o->open[i]->is_away)
			return o->open[i];
	return NULL;
}

void observer_open(struct observer *o, struct seen_intent *in)
{
	o->open = observer_grow(o->open, &o->open_size, o->n_open + 1, sizeof(struct seen_intent *));
	o->open[o->n_open++] = in;
}

bool observer_is_shared(struct observer *o, const char *serial)
{
	return observer_serial(o, serial)->n_boxes > 1;
}

bool observer_is_same_account(const struct observer *o, uint32_t a, uint32_t b)
{
	return strcmp(o->w->applied->account_names[a], o->w->applied->account_names[b]) == 0;
}

uint32_t observer_pin_of(const struct observer *o, const struct seen_box *box)
{
	return world_pin_of(o->w->applied, &o->w->boxes[box->index]);
}

void break_intent(const struct observer *o, const char *rule, const struct seen_intent *in, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	world_break(o->w, rule, "intent %llu of %s %s %s: %s", (unsigned long long)in->id, in->box->id, in->serial, version_type_names[in->type], text);
}

static void set_account(const struct observer *o, bool *flags, uint32_t scope, bool value)
{
	for (uint32_t i = 0; i < o->w->applied->n_scopes; i++)
		if (observer_is_same_account(o, i, scope))
			flags[i] = value;
}

void observer_asked(struct observer *o, uint64_t ticket, const char *id, enum read_purpose purpose, enum version_type type, const char *serial)
{
	size_t i = ticket % OBSERVER_ASKED;

	o->asked[i].ticket = ticket;
	o->asked[i].purpose = purpose;
	o->asked[i].type = type;
	snprintf(o->asked[i].id, WORLD_TEXT, "%s", id);
	snprintf(o->asked[i].serial, WORLD_TEXT, "%s", serial);
}

/* ---- events ---- */

/* Did the newest list or follow show that device in it? Then an intent of the device is one of the instance, too. */
bool observer_holds(const struct seen_box *box, const char *serial)
{
	for (size_t i = 0; i < box->n_devices; i++)
		if (strcmp(box->devices[i].serial, serial) == 0)
			return box->devices[i].listed_ns == box->listed_ns;
	return false;
}

static void see_device(struct observer *o, struct seen_box *box, const struct device_observation *d, const struct event *ev)
{
	const char *text[VERSION_TYPE_N] = {d->version, d->dpi_version};
	struct seen_device *seen;

	observer_reads(o, ev, box, d);
	if (d->serial_number[0] == '\0')
		return;
	seen = observer_device(o, box, d->serial_number);
	if (ev->kind != EVENT_FRESH && ev->read.read_ns > seen->listed_ns)
		seen->listed_ns = ev->read.read_ns;
	for (size_t t = 0; t < VERSION_TYPE_N; t++) {
		if (!text[t] || ev->read.read_ns <= seen->read_ns[t])
			continue;
		seen->read_ns[t] = ev->read.read_ns;
		seen->version[t] = world_version_rank(text[t]);
	}
}

static void see_fresh(struct seen_box *box, const struct observation *ob, const struct event *ev)
{
	if (ev->read.read_ns < box->fresh_ns)
		return;
	box->fresh_ns = ev->read.read_ns;
	box->n_fresh = ob->n_devices;
	for (unsigned int i = 0; i < ob->n_devices; i++) {
		const struct device_observation *d = &ob->devices[i];

		snprintf(box->fresh_serials[i], WORLD_TEXT, "%s", d->serial_number);
		box->fresh_roles[i] = d->ha_role;
		box->fresh_versions[i][VERSION_TYPE_DEVICE] = world_version_rank(d->version);
		box->fresh_versions[i][VERSION_TYPE_DPI] = d->dpi_version ? world_version_rank(d->dpi_version) : VERSION_ABSENT;
		box->fresh_statuses[i] = d->status;
		box->fresh_controllers[i] = d->controller;
		box->fresh_vpns[i] = d->vpn;
	}
}

static void see_reads(struct observer *o, const struct event *ev)
{
	size_t asked = ev->read.ticket % OBSERVER_ASKED;

	for (size_t i = 0; i < ev->read.n; i++) {
		const struct observation *ob = &ev->read.observations[i];
		struct seen_box *box = observer_box(o, ev->read.scope, ob->instance_id);

		if (ob->has_attributes && ev->read.read_ns > box->read_ns) {
			box->is_named = true;
			snprintf(box->city, sizeof(box->city), "%s", ob->city);
			snprintf(box->resource_group, sizeof(box->resource_group), "%s", ob->resource_group);
		}
		if (ev->read.read_ns > box->read_ns)
			box->read_ns = ev->read.read_ns;
		if (ev->kind != EVENT_FRESH && ev->read.read_ns > box->listed_ns)
			box->listed_ns = ev->read.read_ns;
		for (unsigned int k = 0; k < ob->n_devices; k++)
			if (k == 0 || strcmp(ob->devices[k].serial_number, ob->devices[0].serial_number) != 0) /* twice: the first counts */
				see_device(o, box, &ob->devices[k], ev);
		observer_read_of(o, ev, box);
		box->is_in_listing |= ev->kind == EVENT_LISTED;
		box->unseen = 0;
		if (ev->kind == EVENT_FRESH && o->asked[asked].ticket == ev->read.ticket && o->asked[asked].purpose == READ_FRESH)
			see_fresh(box, ob, ev);
	}
}

static void end_listing(struct observer *o, const struct event *ev)
{
	if (!ev->listing.is_complete)
		return;
	if (o->first_listing_ns[ev->listing.scope] == 0)
		o->first_listing_ns[ev->listing.scope] = ev->now_ns;
	for (size_t i = 0; i < o->n_known; i++) {
		struct seen_box *box = o->known[i];

		if (box->scope != ev->listing.scope)
			continue;
		box->absences = box->is_in_listing ? 0 : box->absences + 1;
		box->unseen = box->is_in_listing ? 0 : box->unseen + 1;
		box->is_in_listing = false;
	}
}

static void see_settings(struct observer *o)
{
	int64_t longest = 0;

	for (uint32_t i = 0; i < o->w->applied->n_policies; i++) {
		int64_t deadline = o->w->applied->policies[i].deadline_ns;

		if (o->shortest_deadline_ns[i] == 0 || deadline < o->shortest_deadline_ns[i])
			o->shortest_deadline_ns[i] = deadline;
		longest = deadline > longest ? deadline : longest;
	}
	if (o->shortest_settling_ns == 0 || longest < o->shortest_settling_ns)
		o->shortest_settling_ns = longest;
}

void observer_event(struct observer *o, const struct event *ev)
{
	o->is_word = ev->kind == EVENT_ACT;
	switch (ev->kind) {
	case EVENT_LISTED:
	case EVENT_FOLLOWED:
	case EVENT_FRESH:
		see_reads(o, ev);
		break;
	case EVENT_LISTING_ENDED:
		end_listing(o, ev);
		break;
	case EVENT_SETTINGS:
		see_settings(o);
		observer_rollout_settings(o);
		break;
	case EVENT_GATE:
		observer_gate(o, ev);
		break;
	case EVENT_STORED:
	case EVENT_STORE_FAILED:
		observer_store_ended(o, ev);
		break;
	case EVENT_CALLED:
		observer_called(o, ev);
		break;
	case EVENT_ACCOUNT:
		set_account(o, o->is_usable, ev->account.scope, ev->account.is_usable);
		break;
	case EVENT_CATALOGUE:
		observer_catalogue(o, ev);
		break;
	case EVENT_AUTO_UPGRADE:
		observer_auto_read(o, ev);
		break;
	case EVENT_TICK:
	case EVENT_READ_FAILED:
	case EVENT_RESTORED:
	case EVENT_RESTORE_ENDED:
	case EVENT_CALENDAR:
	case EVENT_ACT:
	case EVENT_AUTO_UPGRADE_SET:
	case EVENT_N:
		break;
	}
}

/* ---- instances and accounts ---- */

static void added(struct observer *o, const struct action *a, const struct event *ev)
{
	struct instance_view v;
	struct seen_box *box;

	if (ev->kind != EVENT_LISTED && ev->kind != EVENT_RESTORED)
		world_break(o->w, "rule 8", "an instance was added by event %d", (int)ev->kind);
	if (!reconcile_instance(o->w->core, a->instance, &v)) {
		world_break(o->w, "rule 14", "slot %u was added and is empty", a->instance);
		return;
	}
	for (size_t i = 0; i < o->n_known && o->w->held_step; i++)
		if (o->known[i]->slot == a->instance && o->known[i]->left_step >= o->w->held_step)
			world_break(o->w, "rule 14", "slot %u has a new tenant while a reader holds the table", a->instance);
	box = observer_box(o, v.scope, v.instance_id);
	if (box->is_live || observer_box_at(o, a->instance))
		world_break(o->w, "rule 14", "%s was added twice or into a slot in use", box->id);
	box->is_live = true;
	box->is_named |= ev->kind == EVENT_LISTED;
	box->slot = a->instance;
	box->n_slots = 0;
	o->at_slot = observer_grow(o->at_slot, &o->at_slot_size, (size_t)a->instance + 1, sizeof(*o->at_slot));
	o->at_slot[a->instance] = box;
	o->n_live++;
}

static void removed(struct observer *o, const struct action *a, const struct event *ev)
{
	struct seen_box *box = observer_box_at(o, a->instance);

	if (!box) {
		world_break(o->w, "rule 14", "slot %u was removed and never added", a->instance);
		return;
	}
	if (box->absences < 2 && (ev->kind != EVENT_SETTINGS))
		world_break(o->w, "rule 8", "%s was removed after %u complete listings without it", box->id, box->absences);
	box->is_live = false;
	box->left_step = o->w->steps;
	o->at_slot[box->slot] = NULL;
	o->n_live--;
	for (size_t i = 0; i < o->n_open; i++)
		o->open[i]->was_removed |= o->open[i]->box == box;
}

static bool is_busy(const struct observer *o, const struct seen_box *box)
{
	for (size_t i = 0; i < o->n_open; i++)
		if (o->open[i]->box == box || observer_holds(box, o->open[i]->serial))
			return true;
	return false;
}

static void check_left(struct observer *o, const struct event *ev)
{
	if (ev->kind != EVENT_LISTING_ENDED || !ev->listing.is_complete)
		return;
	for (size_t i = 0; i < o->n_known; i++) {
		const struct seen_box *box = o->known[i];

		if (box->is_live && box->unseen > 2 && box->scope == ev->listing.scope && !is_busy(o, box))
			world_break(o->w, "rule 8", "%s is still there after %u complete listings without it", box->id, box->absences);
	}
}

static void check_ticket(struct observer *o, const struct action *a)
{
	if (a->kind == ACTION_STORE) {
		if (a->ticket != o->last_store + 1)
			world_break(o->w, "shape", "STORE %llu after %llu", (unsigned long long)a->ticket, (unsigned long long)o->last_store);
		o->last_store = a->ticket;
	}
	if (a->kind != ACTION_FOLLOW && a->kind != ACTION_READ)
		return;
	if (a->ticket <= o->last_ticket)
		world_break(o->w, "shape", "ticket %llu after %llu", (unsigned long long)a->ticket, (unsigned long long)o->last_ticket);
	if (a->ticket > o->new_ticket)
		o->new_ticket = a->ticket;
}

static void told_account(struct observer *o, const struct action *a)
{
	set_account(o, o->is_paused, a->scope, a->is_paused);
	for (uint32_t i = 0; i < o->w->applied->n_scopes; i++)
		if (observer_is_same_account(o, i, a->scope))
			o->probed_ns[i] = o->w->now_ns;
}

static void one_action(struct observer *o, const struct event *ev, const struct action *a)
{
	check_ticket(o, a);
	observer_check_gate_of_read(o, ev, a);
	if (a->kind == ACTION_TELL_INSTANCE_ADDED)
		added(o, a, ev);
	else if (a->kind == ACTION_TELL_INSTANCE_REMOVED)
		removed(o, a, ev);
	else if (a->kind == ACTION_TELL_STARTED)
		observer_started(o, a);
	else if (a->kind == ACTION_STORE)
		observer_store(o, a);
	else if (a->kind == ACTION_SET_AUTO_UPGRADE)
		observer_auto_set(o, a);
	else if (a->kind == ACTION_UPGRADE)
		observer_upgrading(o, a);
	else if (a->kind == ACTION_TELL_SETTLED)
		observer_settled(o, a);
	else if (a->kind == ACTION_TELL_PHASE)
		observer_told_phase(o, a);
	else if (a->kind == ACTION_TELL_ROLLOUT)
		observer_told_rollout(o, a);
	else if (a->kind == ACTION_TELL_ACT)
		observer_told_act(o, ev, a);
	else if (a->kind == ACTION_GATE && a->policy < WORLD_POLICIES)
		o->gates[a->policy].ticket = a->ticket;
	else if (a->kind == ACTION_TELL_ACCOUNT)
		told_account(o, a);
}

void observer_plan(struct observer *o, const struct event *ev, const struct plan *plan)
{
	if (ev->kind == EVENT_RESTORED)
		observer_taken_up(o);
	if (ev->kind == EVENT_LISTED || ev->kind == EVENT_LISTING_ENDED || ev->kind == EVENT_SETTINGS)
		for (uint32_t i = 0; i < o->w->applied->n_scopes; i++)
			observer_note_managed(o, i);
	for (size_t i = 0; i < plan->n_actions && !o->w->failure; i++)
		one_action(o, ev, &plan->actions[i]);
	o->last_ticket = o->new_ticket;
	observer_lifetimes(o);
	check_left(o, ev);
	observer_views(o, ev, plan);
}
