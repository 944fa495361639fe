/* Open addressing, at most half full. Keys are hashes of 64 bits, taken for what they stand for. */
#include "index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint64_t index_mix(uint64_t hash, uint64_t number)
{
	uint64_t z = (hash ^ number) + 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t index_hash(uint64_t hash, const char *text)
{
	hash ^= 0xcbf29ce484222325u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return index_mix(hash, 1);
}

static struct index_slot *find(const struct index *index, uint64_t key)
{
	size_t i = (size_t)index_mix(0, key) & (index->size - 1);

	while (index->slots[i].key && index->slots[i].key != key)
		i = (i + 1) & (index->size - 1);
	return &index->slots[i];
}

uint32_t index_get(const struct index *index, uint64_t key)
{
	const struct index_slot *slot = index->size ? find(index, key ? key : 1) : NULL;

	return slot && slot->key ? slot->value : INDEX_NONE;
}

static void grow(struct index *index)
{
	struct index old = *index;

	index->size = old.size ? old.size * 2 : 64;
	index->slots = calloc(index->size, sizeof(*index->slots));
	assert(index->slots);
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].key)
			*find(index, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

void index_put(struct index *index, uint64_t key, uint32_t value)
{
	struct index_slot *slot;

	key = key ? key : 1;
	if (index->n * 2 >= index->size)
		grow(index);
	slot = find(index, key);
	index->n += slot->key == 0;
	*slot = (struct index_slot){key, value};
}

void index_clear(struct index *index)
{
	if (index->size)
		memset(index->slots, 0, index->size * sizeof(*index->slots));
	index->n = 0;
}

void index_deinit(struct index *index)
{
	free(index->slots);
	*index = (struct index){0};
}
