/* FNV-1a over texts, with a mixing end. */
#include "hash.h"

uint32_t hash_add(uint32_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT32_C(16777619);
	return hash;
}

uint32_t hash_text(const char *text)
{
	uint32_t h = hash_add(HASH_START, text);

	h ^= h >> 16;
	h *= UINT32_C(0x7feb352d);
	return h ^ h >> 15;
}
