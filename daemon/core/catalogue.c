/*
 * Catalogues: the vendor's dates, for versions whose names do not tell which is newer (rule 7).
 *
 * One for each model and version type that a target needs, asked for through one of the targets that wait for it,
 * again while any does, and more slowly when the answer is an error. A date that was seen once is kept.
 */
#include "internal.h"

#include <stddef.h>
#include <stdlib.h>

#define PLACE_LINK offsetof(struct target, place)

const struct catalogue *catalogue_find(const struct reconcile *r, uint32_t model, enum version_type type)
{
	for (uint32_t i = 0; i < r->n_catalogues; i++)
		if (r->catalogues[i]->model == model && r->catalogues[i]->version_type == type)
			return r->catalogues[i];
	return NULL;
}

void catalogue_ask(struct reconcile *r, uint32_t index)
{
	struct catalogue *c = r->catalogues[index];

	if (c->is_asking || c->targets.head == NONE)
		return;
	c->is_asking = true;
	schedule_catalogue(r, c->targets.head, index);
}

static uint32_t catalogue_ensure(struct reconcile *r, const char *model, enum version_type type)
{
	uint32_t known = strings_find(&r->strings, model);
	struct catalogue *c;

	for (uint32_t i = 0; known != NONE && i < r->n_catalogues; i++)
		if (r->catalogues[i]->model == known && r->catalogues[i]->version_type == type)
			return i;
	if (r->n_catalogues >= LIMIT_CATALOGUES ||
	    !grow(r, &r->catalogues, r->n_catalogues, &r->cap_catalogues, sizeof(struct catalogue *)))
		return NONE;
	c = calloc(1, sizeof(*c));
	if (!c) {
		r->is_out_of_memory = true;
		return NONE;
	}
	*c = (struct catalogue){ .model = intern(r, model), .version_type = type, .next_ask_ns = NEVER, .targets = { NONE, NONE } };
	timer_init(&c->timer, TIMER_CATALOGUE, r->n_catalogues);
	r->catalogues[r->n_catalogues] = c;
	return r->n_catalogues++;
}

void catalogue_join(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	const struct instance *inst = target_instance(r, t);
	uint32_t index = catalogue_ensure(r, instance_text(inst, TEXT_MODEL), (enum version_type)t->version_type);

	if (t->place_kind == PLACE_CATALOGUE && t->placed_in == index)
		return;
	if (t->place_kind == PLACE_CATALOGUE)
		catalogue_leave(r, slot);
	else if (t->place_kind == PLACE_QUEUE)
		pacing_dequeue(r, slot);
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

static void catalogue_put(struct reconcile *r, struct catalogue *c, uint32_t version, int64_t created_ms)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->entries[i].version == version) {
			c->entries[i].created_ms = created_ms;
			return;
		}
	if (c->n >= LIMIT_CATALOGUE_ENTRIES || !grow(r, &c->entries, c->n, &c->cap, sizeof(*c->entries)))
		return;
	c->entries[c->n].version = version;
	c->entries[c->n++].created_ms = created_ms;
}

/* A version that left the catalogue keeps its date: what was ordered by it stays so. */
static void catalogue_take(struct reconcile *r, struct catalogue *c, const struct event *ev)
{
	size_t n = ev->catalogue.n < LIMIT_CATALOGUE_ENTRIES ? ev->catalogue.n : LIMIT_CATALOGUE_ENTRIES;

	for (size_t i = 0; i < n; i++)
		catalogue_put(r, c, intern(r, ev->catalogue.entries[i].version), ev->catalogue.entries[i].created_ms);
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
	bool is_first = !c->is_answered;

	c->is_asking = false;
	c->is_answered = true;
	if (ev->kind == EVENT_CATALOGUE) {
		catalogue_take(r, c, ev);
		c->failures = 0;
		c->next_ask_ns = r->now_ns + CATALOGUE_AGE_NS;
	} else {
		c->next_ask_ns = r->now_ns + backoff_ns(LIST_RETRY_NS, CATALOGUE_AGE_NS, c->failures++);
	}
	if (is_first || ev->kind == EVENT_CATALOGUE)
		catalogue_update_targets(r, c);
	if (c->targets.head != NONE)
		set_timer(r, &c->timer, c->next_ask_ns);
}

void catalogue_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_catalogues; i++) {
		free(r->catalogues[i]->entries);
		free(r->catalogues[i]);
	}
	free(r->catalogues);
}
