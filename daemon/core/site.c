/*
 * Sites: no more than max_in_flight_per_site of one are upgraded at once (rule 5).
 *
 * A site is a name under a policy. Only sites where something is under way, or where somebody waits for that, have
 * an entry. Who finds its site full leaves its queue, so that it keeps nobody else from starting, and stands in line
 * there. As long as a site has room, the first of each line is in its queue.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

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

/* Those of one queue of a rollout that wait for the site: the order of their queue is theirs here, too. */
struct line {
	uint32_t rollout, wave, scope;
	struct queue waiting;
};

/* How many are under way at one site, and who waits for it. */
struct site {
	bool is_used;
	uint32_t policy, name; /* state; interned */
	uint32_t hash;
	uint32_t in_flight;    /* prechecks and intents */
	struct line *lines;
	uint32_t n_lines, cap_lines;
};

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

bool site_is_over(const struct reconcile *r, uint32_t slot)
{
	const struct site *s = slot == NONE ? NULL : site_at(r, slot);
	uint32_t index = s ? r->policies[s->policy]->index : POLICY_NONE;

	return index != POLICY_NONE && s->in_flight > r->settings->policies[index].max_in_flight_per_site;
}

uint32_t site_text(const struct reconcile *r, uint32_t slot)
{
	return slot == NONE ? 0 : site_at(r, slot)->name;
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
		*site_at(r, slot) = (struct site){ .is_used = true, .policy = policy, .name = name, .hash = site_hash(policy, name) };
	}
	site_at(r, slot)->in_flight++;
	return slot;
}

static void lines_free(struct site *s)
{
	for (uint32_t i = 0; i < s->n_lines; i++)
		free(s->lines[i].waiting.slots);
	free(s->lines);
}

static void site_drop_if_idle(struct reconcile *r, uint32_t slot)
{
	struct site *s = site_at(r, slot);

	if (!s->is_used || s->in_flight > 0)
		return;
	for (uint32_t i = 0; i < s->n_lines; i++)
		if (s->lines[i].waiting.n > 0)
			return;
	map_remove(&r->site_map, s->hash, slot);
	lines_free(s);
	*s = (struct site){ 0 };
	slab_give(&r->sites, slot);
}

/*
 * The first of a line goes back to its queue, if there is room. One of each line is enough: who comes after it in its queue
 * could not start before it, and when it leaves the queue the next one goes (site_next()). One of each line it must be: what
 * keeps one queue from starting need not keep the others.
 */
static void line_wake(struct reconcile *r, const struct site *s, uint32_t i)
{
	uint32_t first = s->lines[i].waiting.n > 0 ? s->lines[i].waiting.slots[0] : NONE;

	if (first == NONE || site_is_full(r, s->policy, s->name))
		return;
	pacing_leave(r, first); /* the site may go with it */
	pacing_enqueue(r, first);
}

void site_give(struct reconcile *r, uint32_t slot)
{
	struct site *s = slot == NONE ? NULL : site_at(r, slot);

	if (!s)
		return;
	s->in_flight--;
	for (uint32_t i = 0; i < s->n_lines && !r->is_out_of_memory; i++)
		line_wake(r, s, i);
	site_drop_if_idle(r, slot);
}

static uint32_t line_find(const struct site *s, uint32_t rollout, uint32_t wave, uint32_t scope)
{
	for (uint32_t i = 0; i < s->n_lines; i++)
		if (s->lines[i].rollout == rollout && s->lines[i].wave == wave && s->lines[i].scope == scope)
			return i;
	return NONE;
}

void site_next(struct reconcile *r, const struct target *t)
{
	uint32_t slot = site_find(r, r->rollouts[t->placed_in]->policy, t->site);
	uint32_t line = slot == NONE ? NONE : line_find(site_at(r, slot), t->placed_in, t->placed_wave, t->placed_scope);

	if (line != NONE)
		line_wake(r, site_at(r, slot), line);
}

static uint32_t line_ensure(struct reconcile *r, struct site *s, const struct target *t)
{
	uint32_t i = line_find(s, t->placed_in, t->placed_wave, t->placed_scope);

	if (i != NONE || !grow(r, &s->lines, s->n_lines, &s->cap_lines, sizeof(*s->lines)))
		return i;
	s->lines[s->n_lines] = (struct line){ .rollout = t->placed_in, .wave = t->placed_wave, .scope = t->placed_scope };
	return s->n_lines++;
}

void site_wait(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	uint32_t site = site_find(r, target_policy(r, t), t->site);
	struct site *s = site_at(r, site);
	uint32_t line = line_ensure(r, s, t);

	pacing_leave(r, slot);
	if (line == NONE || !queue_add(r, &s->lines[line].waiting, slot))
		return;
	r->rollouts[s->lines[line].rollout]->n_at_sites++;
	t->place.next = line;
	t->place_kind = PLACE_SITE;
	t->placed_in = site;
}

bool site_keeps(const struct reconcile *r, uint32_t slot)
{
	const struct target *t = target_at(r, slot);
	const struct site *s = site_at(r, t->placed_in);
	const struct line *line = &s->lines[t->place.next];

	return s->name == t->site && line->rollout == t->rollout && line->wave == t->wave && line->scope == target_instance(r, t)->scope &&
	       site_is_full(r, s->policy, s->name);
}

void site_leave(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	uint32_t site = t->placed_in;
	struct line *line = &site_at(r, site)->lines[t->place.next];

	queue_remove(r, &line->waiting, t->place.prev);
	r->rollouts[line->rollout]->n_at_sites--;
	t->place = (struct link){ NONE, NONE };
	t->place_kind = PLACE_NOWHERE;
	site_drop_if_idle(r, site);
}

void site_init(struct reconcile *r)
{
	slab_init(&r->sites, sizeof(struct site));
}

void site_deinit(struct reconcile *r)
{
	for (uint32_t slot = 0; slot < r->sites.n; slot++)
		lines_free(site_at(r, slot));
	slab_deinit(&r->sites);
	map_deinit(&r->site_map);
}
