/*
 * Containers of the core. Nothing here knows what it holds.
 *
 * Slots never move and interned texts live as long as their table, because views and plans lend both out.
 * Equal sequences of calls give equal slots and equal orders (rule 15): nothing depends on addresses.
 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_SLOT UINT32_MAX

int vec_reserve(void *items, uint32_t n, uint32_t *cap, size_t item_bytes)
{
	uint32_t wanted = *cap ? *cap * 2 : 16;
	void *grown;

	if (n < *cap)
		return 0;
	memcpy(&grown, items, sizeof(grown)); /* a pointer of any type */
	grown = realloc(grown, wanted * item_bytes);
	if (!grown)
		return -ENOMEM;
	memcpy(items, &grown, sizeof(grown));
	*cap = wanted;
	return 0;
}

void slab_init(struct slab *s, size_t item_bytes)
{
	*s = (struct slab){ .item_bytes = item_bytes };
}

void slab_deinit(struct slab *s)
{
	for (uint32_t i = 0; i < s->n_chunks; i++)
		free(s->chunks[i]);
	free(s->chunks);
	free(s->freed);
	*s = (struct slab){ 0 };
}

static int slab_grow(struct slab *s)
{
	char **chunks = realloc(s->chunks, (s->n_chunks + 1) * sizeof(*chunks));

	if (!chunks)
		return -ENOMEM;
	s->chunks = chunks;
	chunks[s->n_chunks] = malloc(SLAB_CHUNK * s->item_bytes);
	if (!chunks[s->n_chunks])
		return -ENOMEM;
	/* room to give every slot back: giving must not fail */
	uint32_t *freed = realloc(s->freed, (size_t)(s->n_chunks + 1) * SLAB_CHUNK * sizeof(*freed));
	if (!freed) {
		free(chunks[s->n_chunks]);
		return -ENOMEM;
	}
	s->freed = freed;
	s->n_chunks++;
	return 0;
}

int slab_take(struct slab *s, uint32_t *ret_slot)
{
	uint32_t slot;

	if (s->n_free > 0) {
		slot = s->freed[--s->n_free];
		/* what is held back moves down over the gap */
		s->freed[s->n_free] = s->freed[--s->n_freed];
	} else {
		if (s->n == s->n_chunks * SLAB_CHUNK && slab_grow(s) < 0)
			return -ENOMEM;
		slot = s->n++;
	}
	memset(slab_at(s, slot), 0, s->item_bytes);
	*ret_slot = slot;
	return 0;
}

void slab_give(struct slab *s, uint32_t slot)
{
	s->freed[s->n_freed++] = slot;
	if (s->holders == 0)
		s->n_free = s->n_freed;
}

void slab_hold(struct slab *s)
{
	s->holders++;
}

void slab_unhold(struct slab *s)
{
	if (s->holders > 0 && --s->holders == 0)
		s->n_free = s->n_freed;
}

uint32_t hash_text(const char *text)
{
	uint32_t h = 2166136261u; /* FNV-1a, then mixed: the table takes the low bits */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	h ^= h >> 16;
	h *= 0x7feb352du;
	return h ^ h >> 15;
}

void map_deinit(struct map *m)
{
	free(m->entries);
	*m = (struct map){ 0 };
}

static void map_put(struct map *m, struct map_entry e)
{
	uint32_t i = e.hash & m->mask;

	while (m->entries[i].slot != NO_SLOT)
		i = (i + 1) & m->mask;
	m->entries[i] = e;
}

int map_insert(struct map *m, uint32_t hash, uint32_t slot)
{
	if (!m->entries || m->n >= m->mask / 4 * 3) {
		uint32_t size = m->entries ? (m->mask + 1) * 2 : 16;
		struct map grown = { malloc(size * sizeof(*grown.entries)), m->n, size - 1 };

		if (!grown.entries)
			return -ENOMEM;
		memset(grown.entries, 0xFF, size * sizeof(*grown.entries));
		for (uint32_t i = 0; m->entries && i <= m->mask; i++)
			if (m->entries[i].slot != NO_SLOT)
				map_put(&grown, m->entries[i]);
		free(m->entries);
		*m = grown;
	}
	map_put(m, (struct map_entry){ hash, slot });
	m->n++;
	return 0;
}

/* Closes the gap instead of leaving a tombstone: what stands behind it and may move up does. */
static void map_close_gap(struct map *m, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & m->mask; m->entries[i].slot != NO_SLOT; i = (i + 1) & m->mask) {
		uint32_t home = m->entries[i].hash & m->mask;

		if (((i - home) & m->mask) >= ((i - gap) & m->mask)) {
			m->entries[gap] = m->entries[i];
			gap = i;
		}
	}
	m->entries[gap].slot = NO_SLOT;
}

void map_remove(struct map *m, uint32_t hash, uint32_t slot)
{
	if (!m->entries)
		return;
	for (uint32_t i = hash & m->mask; m->entries[i].slot != NO_SLOT; i = (i + 1) & m->mask)
		if (m->entries[i].slot == slot && m->entries[i].hash == hash) {
			map_close_gap(m, i);
			m->n--;
			return;
		}
}

uint32_t map_next(const struct map *m, uint32_t hash, uint32_t *cursor)
{
	if (!m->entries)
		return NO_SLOT;
	for (uint32_t i = *cursor & m->mask; m->entries[i].slot != NO_SLOT; i = (i + 1) & m->mask)
		if (m->entries[i].hash == hash) {
			*cursor = i + 1;
			return m->entries[i].slot;
		}
	return NO_SLOT;
}

int strings_init(struct strings *s)
{
	uint32_t id;

	*s = (struct strings){ 0 };
	return strings_intern(s, "", &id);
}

void strings_deinit(struct strings *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->texts[i]);
	free(s->texts);
	map_deinit(&s->map);
	*s = (struct strings){ 0 };
}

uint32_t strings_find(const struct strings *s, const char *text)
{
	uint32_t hash = hash_text(text), cursor = hash, id;

	while ((id = map_next(&s->map, hash, &cursor)) != NO_SLOT)
		if (strcmp(s->texts[id], text) == 0)
			return id;
	return NO_SLOT;
}

int strings_intern(struct strings *s, const char *text, uint32_t *ret_id)
{
	uint32_t id = strings_find(s, text);
	char *copy;

	if (id != NO_SLOT) {
		*ret_id = id;
		return 0;
	}
	if (vec_reserve(&s->texts, s->n, &s->cap, sizeof(*s->texts)) < 0)
		return -ENOMEM;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	if (map_insert(&s->map, hash_text(text), s->n) < 0) {
		free(copy);
		return -ENOMEM;
	}
	s->texts[s->n] = copy;
	*ret_id = s->n++;
	return 0;
}

void timer_init(struct timer *t, enum timer_kind kind, uint32_t owner)
{
	*t = (struct timer){ .due_ns = INT64_MAX, .kind_owner = (uint32_t)kind << 28 | owner };
}

/* Equal times go by kind and owner, so that the order does not depend on the history of the heap. */
static bool timer_before(const struct timer *a, const struct timer *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->kind_owner < b->kind_owner;
}

static void timers_place(struct timers *h, uint32_t place, struct timer *t)
{
	h->heap[place] = t;
	t->place = place;
}

static void timers_up(struct timers *h, struct timer *t, uint32_t place)
{
	for (; place > 1 && timer_before(t, h->heap[place / 2]); place /= 2)
		timers_place(h, place, h->heap[place / 2]);
	timers_place(h, place, t);
}

static void timers_down(struct timers *h, struct timer *t, uint32_t place)
{
	for (uint32_t child; (child = place * 2) <= h->n; place = child) {
		if (child < h->n && timer_before(h->heap[child + 1], h->heap[child]))
			child++;
		if (!timer_before(h->heap[child], t))
			break;
		timers_place(h, place, h->heap[child]);
	}
	timers_place(h, place, t);
}

void timers_cancel(struct timers *h, struct timer *t)
{
	uint32_t place = t->place;
	struct timer *last;

	if (place == 0)
		return;
	t->place = 0;
	t->due_ns = INT64_MAX;
	last = h->heap[h->n--];
	if (last == t)
		return;
	if (place > 1 && timer_before(last, h->heap[place / 2]))
		timers_up(h, last, place);
	else
		timers_down(h, last, place);
}

int timers_set(struct timers *h, struct timer *t, int64_t due_ns)
{
	if (t->place && t->due_ns == due_ns)
		return 0;
	timers_cancel(h, t);
	if (due_ns == INT64_MAX)
		return 0;
	if (vec_reserve(&h->heap, h->n + 1, &h->cap, sizeof(struct timer *)) < 0)
		return -ENOMEM;
	t->due_ns = due_ns;
	h->n++;
	timers_up(h, t, h->n);
	return 0;
}

struct timer *timers_pop_due(struct timers *h, int64_t now_ns)
{
	struct timer *t = h->n ? h->heap[1] : NULL;

	if (!t || t->due_ns > now_ns)
		return NULL;
	timers_cancel(h, t);
	return t;
}

int64_t timers_next(const struct timers *h)
{
	return h->n ? h->heap[1]->due_ns : INT64_MAX;
}

void timers_deinit(struct timers *h)
{
	free(h->heap);
	*h = (struct timers){ 0 };
}
