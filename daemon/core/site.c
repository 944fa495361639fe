/*
 * Sites: no more than max_in_flight_per_site of one are upgraded at once (rule 5).
 *
 * A site is a name under a policy. Only sites where something is under way, or where somebody waits for that, have
 * an entry. Who finds its site full leaves its queue, so that it keeps nobody else from starting.
 */
#include "internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_LINK offsetof(struct target, place)

/* The first group of the expression, or the whole name. */
static uint32_t name_of_match(struct reconcile *r, const regex_t *regex, const char *name)
{
	char text[LIMIT_NAME + 1];
	regmatch_t match[2];
	size_t length;

	if (!regex || regexec(regex, name, 2, match, 0) != 0 || match[1].rm_so < 0)
		return intern(r, name);
	length = (size_t)(match[1].rm_eo - match[1].rm_so);
	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	memcpy(text, name + match[1].rm_so, length);
	text[length] = '\0';
	return intern(r, text);
}

uint32_t site_name(struct reconcile *r, const struct instance *inst, const struct policy *policy)
{
	switch (policy->site_by) {
	case SITE_BY_CITY:
		return intern(r, instance_text(inst, TEXT_CITY));
	case SITE_BY_RESOURCE_GROUP:
		return intern(r, instance_text(inst, TEXT_RESOURCE_GROUP));
	case SITE_BY_NAME:
		return name_of_match(r, policy->site_regex, instance_text(inst, TEXT_NAME));
	case SITE_BY_INSTANCE:
	case SITE_BY_N:
		break;
	}
	return 0;
}

static struct site *site_at(const struct reconcile *r, uint32_t slot)
{
	return slab_at(&r->sites, slot);
}

static uint32_t site_hash(uint32_t policy, uint32_t name)
{
	uint32_t h = policy * UINT32_C(0x9e3779b1) ^ name * UINT32_C(0x85ebca6b);

	return h ^ h >> 15;
}

static uint32_t site_find(const struct reconcile *r, uint32_t policy, uint32_t name)
{
	uint32_t hash = site_hash(policy, name), cursor = hash, slot;

	while ((slot = map_next(&r->site_map, hash, &cursor)) != NONE)
		if (site_at(r, slot)->policy == policy && site_at(r, slot)->name == name)
			return slot;
	return NONE;
}

bool site_is_full(const struct reconcile *r, uint32_t policy, uint32_t name)
{
	uint32_t slot = name ? site_find(r, policy, name) : NONE, index = r->policies[policy]->index;

	if (slot == NONE || index == POLICY_NONE)
		return false;
	return site_at(r, slot)->in_flight >= r->settings->policies[index].max_in_flight_per_site;
}

bool site_has(const struct reconcile *r, uint32_t site, uint32_t name)
{
	return site_at(r, site)->name == name;
}

uint32_t site_take(struct reconcile *r, uint32_t policy, uint32_t name)
{
	uint32_t slot = name ? site_find(r, policy, name) : NONE;

	if (!name)
		return NONE;
	if (slot == NONE) {
		if (slab_take(&r->sites, &slot) < 0 || map_insert(&r->site_map, site_hash(policy, name), slot) < 0) {
			r->is_out_of_memory = true;
			return NONE;
		}
		*site_at(r, slot) = (struct site){ .is_used = true, .policy = policy, .name = name, .hash = site_hash(policy, name),
						   .waiting = { NONE, NONE } };
	}
	site_at(r, slot)->in_flight++;
	return slot;
}

static void site_drop_if_idle(struct reconcile *r, uint32_t slot)
{
	struct site *s = site_at(r, slot);

	if (!s->is_used || s->in_flight > 0 || s->waiting.head != NONE)
		return;
	map_remove(&r->site_map, s->hash, slot);
	*s = (struct site){ 0 };
	slab_give(&r->sites, slot);
}

/* All that wait go back to their queues: if only one did, and that could not start, the others would wait for ever. */
void site_give(struct reconcile *r, uint32_t slot)
{
	struct site *s = slot == NONE ? NULL : site_at(r, slot);

	if (!s)
		return;
	while (s->waiting.head != NONE && !r->is_out_of_memory) {
		uint32_t waiting = s->waiting.head;

		pacing_leave(r, waiting);
		pacing_enqueue(r, waiting);
	}
	s->in_flight--;
	site_drop_if_idle(r, slot);
}

void site_wait(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	uint32_t policy = target_policy(r, t), site = site_find(r, policy, t->site);

	pacing_leave(r, slot);
	list_append(&r->targets, &site_at(r, site)->waiting, slot, PLACE_LINK);
	t->place_kind = PLACE_SITE;
	t->placed_in = site;
}

void site_leave(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	uint32_t site = t->placed_in;

	list_remove(&r->targets, &site_at(r, site)->waiting, slot, PLACE_LINK);
	t->place_kind = PLACE_NOWHERE;
	site_drop_if_idle(r, site);
}

void site_deinit(struct reconcile *r)
{
	slab_deinit(&r->sites);
	map_deinit(&r->site_map);
}
