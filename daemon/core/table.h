/*
 * Containers of the core: slots that never move, a hash of slots, interned strings, timers. Pure.
 * Functions that return int give 0 or -ENOMEM and then left everything as it was.
 */
#pragma once

#include "hash.h"
#include "model.h"

#define MUST_CHECK __attribute__((warn_unused_result))

/* ---- slots: zeroed when handed out, never moved, not reused while held ---- */
struct slab {
	char **chunks;
	size_t item_bytes;
	uint32_t n;        /* slots ever handed out */
	uint32_t n_chunks;
	uint32_t *freed;   /* [0, n_free) may be reused, [n_free, n_freed) only when nobody holds */
	uint32_t n_freed, n_free, freed_cap;
	uint32_t holders;
};
#define SLAB_CHUNK 1024u

void slab_init(struct slab *s, size_t item_bytes);
void slab_deinit(struct slab *s);
int slab_take(struct slab *s, uint32_t *ret_slot) MUST_CHECK;
void slab_give(struct slab *s, uint32_t slot); /* the caller zeroes what tells an empty slot */
void slab_hold(struct slab *s);
void slab_unhold(struct slab *s);
static inline void *slab_at(const struct slab *s, uint32_t slot)
{
	return s->chunks[slot / SLAB_CHUNK] + (size_t)(slot % SLAB_CHUNK) * s->item_bytes;
}

/* ---- hash: many slots may share a hash, the caller compares ---- */
struct map_entry {
	uint32_t hash, slot; /* slot NONE: empty */
};
struct map {
	struct map_entry *entries;
	uint32_t n, mask;
};
void map_deinit(struct map *m);
int map_insert(struct map *m, uint32_t hash, uint32_t slot) MUST_CHECK;
void map_remove(struct map *m, uint32_t hash, uint32_t slot);
/* Walks all slots of a hash: start with *cursor = hash, go on until NONE. */
uint32_t map_next(const struct map *m, uint32_t hash, uint32_t *cursor);

/* ---- interned strings: id 0 is "", texts live as long as the table ---- */
struct strings {
	char **texts;
	uint32_t n, cap;
	struct map map;
};
int strings_init(struct strings *s) MUST_CHECK;
void strings_deinit(struct strings *s);
int strings_intern(struct strings *s, const char *text, uint32_t *ret_id) MUST_CHECK;
uint32_t strings_find(const struct strings *s, const char *text); /* NONE: never interned */
static inline const char *strings_text(const struct strings *s, uint32_t id)
{
	return s->texts[id];
}

/* ---- lists of slots: the links are in the items; NONE at both ends ---- */
struct link {
	uint32_t prev, next;
};
struct list {
	uint32_t head, tail;
};

/* ---- timers: embedded in their owners, each in the heap at most once ---- */
enum timer_kind {
	TIMER_TARGET,
	TIMER_SCOPE_LIST,
	TIMER_SCOPE_STALE,
	TIMER_SCOPE_DPI,
	TIMER_SCOPE_FOLLOW,
	TIMER_WAKE, /* only to have a step at that time: pacing looks at the clock itself */
	TIMER_CATALOGUE,
	TIMER_ROLLOUT,
	TIMER_SWEEP,
	TIMER_SCOPE_AUTO,
	TIMER_AUTO_HOLD,
};
struct timer {
	int64_t due_ns;
	uint32_t place; /* in the heap, from 1; 0: not set */
	uint32_t kind_owner; /* kind in the upper 4 bits, slot or index of the owner below */
};
struct timers {
	struct timer **heap; /* [0] is not used */
	uint32_t n, cap;
};
void timer_init(struct timer *t, enum timer_kind kind, uint32_t owner);
static inline enum timer_kind timer_kind(const struct timer *t)
{
	return (enum timer_kind)(t->kind_owner >> 28);
}
static inline uint32_t timer_owner(const struct timer *t)
{
	return t->kind_owner & 0x0FFFFFFFu;
}
int timers_set(struct timers *h, struct timer *t, int64_t due_ns) MUST_CHECK; /* INT64_MAX: cancels */
void timers_cancel(struct timers *h, struct timer *t);
struct timer *timers_pop_due(struct timers *h, int64_t now_ns); /* NULL: none is due */
int64_t timers_next(const struct timers *h);
void timers_deinit(struct timers *h);

/* Room for one more item in a growing array; `items` points to the pointer to it, and the array may move. */
int vec_reserve(void *items, uint32_t n, uint32_t *cap, size_t item_bytes) MUST_CHECK;
