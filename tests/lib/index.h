/* A map from 64-bit keys to numbers, for the world and its observer: what they look up at each step. Never shrinks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE UINT32_MAX

struct index {
	struct index_slot {
		uint64_t key; /* 0: empty */
		uint32_t value;
	} *slots;
	size_t n, size;
};

uint64_t index_hash(uint64_t hash, const char *text); /* begin with 0; chains */
uint64_t index_mix(uint64_t hash, uint64_t number);
uint32_t index_get(const struct index *index, uint64_t key); /* INDEX_NONE: not there */
void index_put(struct index *index, uint64_t key, uint32_t value);
void index_clear(struct index *index);
void index_deinit(struct index *index);
