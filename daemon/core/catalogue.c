/*
 * Catalogues: what the vendor offers for a model, and when each version was made (rule 7).
 *
 * One for each model and version type. It is asked for through a target that needs it: one that is about to start, one
 * whose versions' names do not tell which is newer, one whose pin names a channel; again while any does, and more
 * slowly when the answer is an error. A date that was seen once is kept; what is offered is what the last read says.
 */
#include "internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_LINK offsetof(struct target, place)

const struct catalogue *catalogue_find(const struct reconcile *r, uint32_t model, enum version_type type)
{
	for (uint32_t i = 0; i < r->n_catalogues; i++)
		if (r->catalogues[i]->model == model && r->catalogues[i]->version_type == type)
			return r->catalogues[i];
	return NULL;
}

static int64_t catalogue_interval_ns(const struct reconcile *r, const struct target *t)
{
	uint32_t scope = target_instance(r, t)->scope;
	int64_t interval = scope == NONE ? 0 : r->settings->scopes[scope].catalogue_interval_ns;

	return interval > 0 ? interval : CATALOGUE_AGE_NS;
}

static void catalogue_ask_through(struct reconcile *r, uint32_t index, uint32_t slot)
{
	struct catalogue *c = r->catalogues[index];

	if (c->is_asking || c->next_ask_ns > r->now_ns)
		return;
	c->is_asking = true;
	c->interval_ns = catalogue_interval_ns(r, target_at(r, slot));
	schedule_catalogue(r, slot, index);
}

/* A target whose pin names a channel: what that stands for is looked at again and again. Once an interval for a model. */
static uint32_t channel_target(const struct reconcile *r, const struct catalogue *c)
{
	for (uint32_t slot = 0; slot < r->targets.n; slot++) {
		const struct target *t = target_at(r, slot);
		uint32_t pin;

		if (!t->born || t->version_type != c->version_type || target_is_hidden(r, t) || target_instance(r, t)->model != c->model)
			continue;
		pin = target_pin(r, t);
		if (pin != PIN_NONE && r->settings->pins[pin].channel[c->version_type] != CHANNEL_NONE && target_is_online(r, t))
			return slot;
	}
	return NONE;
}

void catalogue_ask(struct reconcile *r, uint32_t index)
{
	struct catalogue *c = r->catalogues[index];
	uint32_t slot = c->targets.head != NONE ? c->targets.head : channel_target(r, c);

	if (slot != NONE)
		catalogue_ask_through(r, index, slot);
	else
		set_timer(r, &c->timer, r->now_ns + (c->interval_ns > 0 ? c->interval_ns : CATALOGUE_AGE_NS)); /* somebody may be online by then */
}

void catalogues_ask(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_catalogues; i++)
		if (r->catalogues[i]->next_ask_ns <= r->now_ns)
			catalogue_ask(r, i);
}

static uint32_t catalogue_ensure(struct reconcile *r, uint32_t model, enum version_type type)
{
	struct catalogue *c;

	if (!strings_text(&r->strings, model)[0])
		return NONE; /* not known before its instance was read: what is asked through it would be kept as of no model */
	for (uint32_t i = 0; i < r->n_catalogues; i++)
		if (r->catalogues[i]->model == model && r->catalogues[i]->version_type == type)
			return i;
	if (r->n_catalogues >= LIMIT_CATALOGUES ||
	    !grow(r, &r->catalogues, r->n_catalogues, &r->cap_catalogues, sizeof(struct catalogue *)))
		return NONE;
	c = calloc(1, sizeof(*c));
	if (!c) {
		r->is_out_of_memory = true;
		return NONE;
	}
	*c = (struct catalogue){ .model = model, .version_type = type, .next_ask_ns = NEVER, .read_ns = NEVER, .targets = { NONE, NONE } };
	timer_init(&c->timer, TIMER_CATALOGUE, r->n_catalogues);
	r->catalogues[r->n_catalogues] = c;
	return r->n_catalogues++;
}

void catalogue_join(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	const struct instance *inst = target_instance(r, t);
	uint32_t index = catalogue_ensure(r, inst->model, (enum version_type)t->version_type);

	if (t->place_kind == PLACE_CATALOGUE && t->placed_in == index)
		return;
	pacing_leave(r, slot);
	if (index == NONE || inst->scope == NONE)
		return;
	list_append(&r->targets, &r->catalogues[index]->targets, slot, PLACE_LINK);
	t->place_kind = PLACE_CATALOGUE;
	t->placed_in = index;
	if (r->catalogues[index]->next_ask_ns <= r->now_ns)
		catalogue_ask(r, index);
	else
		earlier_timer(r, &r->catalogues[index]->timer, r->catalogues[index]->next_ask_ns);
}

void catalogue_leave(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);

	list_remove(&r->targets, &r->catalogues[t->placed_in]->targets, slot, PLACE_LINK);
	t->place_kind = PLACE_NOWHERE;
}

static struct catalogue_known *catalogue_entry(const struct catalogue *c, uint32_t version)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->entries[i].version == version)
			return &c->entries[i];
	return NULL;
}

/* True when that is news. */
static bool catalogue_put(struct reconcile *r, uint32_t index, struct catalogue_known now)
{
	struct catalogue *c = r->catalogues[index];
	struct catalogue_known *known = catalogue_entry(c, now.version);

	if (known && known->created_ms == now.created_ms && known->is_release == now.is_release && known->is_offered == now.is_offered)
		return false;
	if (!known) {
		if (c->n >= LIMIT_CATALOGUE_ENTRIES || !grow(r, &c->entries, c->n, &c->cap, sizeof(*c->entries)))
			return false;
		known = &c->entries[c->n++];
	}
	*known = now;
	memory_catalogue(r, index, now.version);
	return true;
}

static bool is_told(const struct reconcile *r, const struct event *ev, uint32_t version)
{
	for (size_t i = 0; i < ev->catalogue.n && i < LIMIT_CATALOGUE_ENTRIES; i++)
		if (strcmp(ev->catalogue.entries[i].version, strings_text(&r->strings, version)) == 0)
			return true;
	return false;
}

/* A version that left the catalogue keeps its date: what was ordered by it stays so. True when anything is new. */
static bool catalogue_take(struct reconcile *r, uint32_t index, const struct event *ev)
{
	size_t n = ev->catalogue.n < LIMIT_CATALOGUE_ENTRIES ? ev->catalogue.n : LIMIT_CATALOGUE_ENTRIES;
	struct catalogue *c = r->catalogues[index];
	bool is_news = c->read_ns == NEVER;

	c->read_ns = r->now_ns;
	memory_catalogue(r, index, 0);
	for (uint32_t i = 0; i < c->n; i++) {
		struct catalogue_known gone = { .version = c->entries[i].version, .is_release = c->entries[i].is_release,
						.created_ms = c->entries[i].created_ms };

		if (!is_told(r, ev, gone.version))
			is_news |= catalogue_put(r, index, gone);
	}
	for (size_t i = 0; i < n; i++)
		is_news |= catalogue_put(r, index, (struct catalogue_known){ intern(r, ev->catalogue.entries[i].version),
				ev->catalogue.entries[i].is_release, true, ev->catalogue.entries[i].created_ms });
	return is_news;
}

/* All that wait for it are looked at again; a copy, because the list changes under way. */
static void catalogue_update_targets(struct reconcile *r, const struct catalogue *c)
{
	uint32_t *devices = NULL, n = 0, cap = 0;

	for (uint32_t slot = c->targets.head; slot != NONE; slot = target_at(r, slot)->place.next) {
		if (!grow(r, &devices, n, &cap, sizeof(*devices)))
			break;
		devices[n++] = target_at(r, slot)->device;
	}
	for (uint32_t i = 0; i < n; i++)
		device_update(r, devices[i]);
	free(devices);
}

void catalogue_answer(struct reconcile *r, uint32_t index, const struct event *ev)
{
	struct catalogue *c = r->catalogues[index];
	bool is_news = !c->is_answered;

	c->is_asking = false;
	c->is_answered = true;
	if (ev->kind == EVENT_CATALOGUE) {
		is_news |= catalogue_take(r, index, ev);
		c->failures = 0;
		c->next_ask_ns = r->now_ns + c->interval_ns;
	} else {
		c->next_ask_ns = r->now_ns + backoff_ns(LIST_RETRY_NS, c->interval_ns, c->failures++);
	}
	if (is_news) {
		catalogue_update_targets(r, c);
		sweep_begin(r);
	}
	set_timer(r, &c->timer, c->next_ask_ns);
}

void catalogue_unasked(struct reconcile *r, uint32_t index)
{
	struct catalogue *c = r->catalogues[index];

	c->is_asking = false;
	set_timer(r, &c->timer, r->now_ns + 1);
}

/* ---- what it says ---- */

bool catalogue_lacks(const struct catalogue *c, uint32_t version)
{
	const struct catalogue_known *known = c ? catalogue_entry(c, version) : NULL;

	return c && c->read_ns != NEVER && (!known || !known->is_offered);
}

/* As the order of versions has it: 3.0 is 3.0.0. */
bool version_is_never(const struct reconcile *r, const struct pin *pin, uint32_t version)
{
	for (uint32_t i = 0; i < pin->n_never; i++)
		if (version_compare(pin->never[i], strings_text(&r->strings, version)) == VERSION_ORDER_SAME)
			return true;
	return false;
}

uint32_t catalogue_newest(const struct reconcile *r, const struct catalogue *c, enum channel channel, const struct pin *pin)
{
	const struct catalogue_known *best = NULL;

	for (uint32_t i = 0; c && i < c->n; i++) {
		const struct catalogue_known *known = &c->entries[i];

		if (!known->is_offered || known->is_release != (channel == CHANNEL_RELEASE) || version_is_never(r, pin, known->version))
			continue;
		if (!best || known->created_ms > best->created_ms)
			best = known;
	}
	return best ? best->version : 0;
}

/* An old one does until the next answer; one that cannot be read stands in nobody's way for longer than a try. */
bool catalogue_is_known(struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	uint32_t index = catalogue_ensure(r, target_instance(r, t)->model, (enum version_type)t->version_type);

	if (index == NONE)
		return true; /* there are too many models to know them all */
	catalogue_ask_through(r, index, slot);
	return r->catalogues[index]->is_answered;
}

/* ---- everything is looked at again, some in each step ---- */

void sweep_begin(struct reconcile *r)
{
	r->sweep = 0;
	set_timer(r, &r->sweep_timer, r->now_ns + SLICE_PAUSE_NS);
}

void sweep_go_on(struct reconcile *r)
{
	if (r->overtaken != NONE) {
		settings_go_on(r);
		set_timer(r, &r->sweep_timer, r->now_ns + SLICE_PAUSE_NS);
		return;
	}
	for (uint32_t n = 0; r->sweep < r->devices.n; n++) {
		if (n == SLICE) {
			set_timer(r, &r->sweep_timer, r->now_ns + SLICE_PAUSE_NS);
			return;
		}
		device_update(r, r->sweep++);
	}
	r->sweep = NONE;
}

/* ---- store ---- */

bool catalogue_record(const struct reconcile *r, uint32_t model, enum version_type type, uint32_t version, struct record *rec)
{
	const struct catalogue *c = catalogue_find(r, model, type);
	const struct catalogue_known *known = c && version ? catalogue_entry(c, version) : NULL;

	rec->text[REC_CATALOGUE_TEXT_MODEL] = strings_text(&r->strings, model);
	rec->text[REC_CATALOGUE_TEXT_VERSION] = strings_text(&r->strings, version);
	rec->number[REC_CATALOGUE_VERSION_TYPE] = type;
	if (!c || (version && !known))
		return false;
	rec->number[REC_CATALOGUE_READ] = c->read_ns;
	if (known) {
		rec->number[REC_CATALOGUE_CREATED_MS] = known->created_ms;
		rec->number[REC_CATALOGUE_IS_RELEASE] = known->is_release;
		rec->number[REC_CATALOGUE_IS_OFFERED] = known->is_offered;
	}
	return true;
}

void catalogue_restore(struct reconcile *r, const struct record *rec)
{
	uint32_t index = catalogue_ensure(r, intern(r, rec->text[REC_CATALOGUE_TEXT_MODEL]), (enum version_type)rec->number[REC_CATALOGUE_VERSION_TYPE]);
	struct catalogue *c = index == NONE ? NULL : r->catalogues[index];

	if (!c)
		return;
	if (!rec->text[REC_CATALOGUE_TEXT_VERSION][0]) {
		c->read_ns = rec->number[REC_CATALOGUE_READ];
		c->is_answered = true; /* old, so it is asked for again soon */
		return;
	}
	if (c->n < LIMIT_CATALOGUE_ENTRIES && grow(r, &c->entries, c->n, &c->cap, sizeof(*c->entries)))
		c->entries[c->n++] = (struct catalogue_known){ intern(r, rec->text[REC_CATALOGUE_TEXT_VERSION]),
			rec->number[REC_CATALOGUE_IS_RELEASE] != 0, rec->number[REC_CATALOGUE_IS_OFFERED] != 0, rec->number[REC_CATALOGUE_CREATED_MS] };
}

void catalogue_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_catalogues; i++) {
		free(r->catalogues[i]->entries);
		free(r->catalogues[i]);
	}
	free(r->catalogues);
}
