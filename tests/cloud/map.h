/*
 * A map from strings to pointers: open addressing, linear probing, no order.
 * Keys are borrowed and must live as long as their entry; values are never touched.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct map_entry {
	const char *key; /* NULL: free */
	void *value;
};

struct map {
	struct map_entry *entries;
	size_t capacity; /* a power of two, or 0 */
	size_t n;
};

void map_deinit(struct map *map);
void *map_get(const struct map *map, const char *key);
/* The key must not be in the map. Returns 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int map_add(struct map *map, const char *key, void *value);
void map_remove(struct map *map, const char *key);

/* FNV-1a, mixed: for tables and for choices that must come out the same on every run. */
uint64_t hash_string(const char *text);

/* Strings that are kept once each and live until the pool goes. */
struct pool {
	struct map map;
};

void pool_deinit(struct pool *pool);
/* NULL stays NULL; returns NULL when memory is short, too, so check only what was not NULL. */
const char *pool_string(struct pool *pool, const char *text);
