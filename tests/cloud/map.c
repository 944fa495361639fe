/*
 * The one hash table of the simulator, and the pool of strings on top of it.
 *
 * Removal shifts the followers back, so there are no tombstones and lookups
 * stay short however many nonces come and go.
 */
#include "map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t hash_string(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

static size_t map_home(const struct map *map, const char *key)
{
	return (size_t)hash_string(key) & (map->capacity - 1);
}

/* The slot of the key, or the free one where it belongs; the map has room. */
static size_t map_slot(const struct map *map, const char *key)
{
	size_t i = map_home(map, key);

	while (map->entries[i].key != NULL && strcmp(map->entries[i].key, key) != 0)
		i = (i + 1) & (map->capacity - 1);
	return i;
}

void map_deinit(struct map *map)
{
	free(map->entries);
	*map = (struct map){0};
}

void *map_get(const struct map *map, const char *key)
{
	return map->capacity == 0 ? NULL : map->entries[map_slot(map, key)].value;
}

static int map_grow(struct map *map)
{
	struct map bigger = {.capacity = map->capacity == 0 ? 64 : map->capacity * 2, .n = map->n};

	bigger.entries = calloc(bigger.capacity, sizeof(*bigger.entries));
	if (bigger.entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].key != NULL)
			bigger.entries[map_slot(&bigger, map->entries[i].key)] = map->entries[i];
	free(map->entries);
	*map = bigger;
	return 0;
}

int map_add(struct map *map, const char *key, void *value)
{
	if (map->n * 4 >= map->capacity * 3) {
		int r = map_grow(map);

		if (r < 0)
			return r;
	}
	map->entries[map_slot(map, key)] = (struct map_entry){key, value};
	map->n++;
	return 0;
}

void map_remove(struct map *map, const char *key)
{
	size_t mask = map->capacity - 1, hole, i;

	if (map->capacity == 0)
		return;
	hole = map_slot(map, key);
	if (map->entries[hole].key == NULL)
		return;
	for (i = (hole + 1) & mask; map->entries[i].key != NULL; i = (i + 1) & mask) {
		size_t home = map_home(map, map->entries[i].key);

		/* An entry may fill the hole unless its home lies behind it. */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->entries[hole] = map->entries[i];
			hole = i;
		}
	}
	map->entries[hole] = (struct map_entry){0};
	map->n--;
}

void pool_deinit(struct pool *pool)
{
	for (size_t i = 0; i < pool->map.capacity; i++)
		free(pool->map.entries[i].value);
	map_deinit(&pool->map);
}

const char *pool_string(struct pool *pool, const char *text)
{
	char *copy;

	if (text == NULL)
		return NULL;
	copy = map_get(&pool->map, text);
	if (copy != NULL)
		return copy;
	copy = strdup(text);
	if (copy == NULL || map_add(&pool->map, copy, copy) < 0) {
		free(copy);
		return NULL;
	}
	return copy;
}
