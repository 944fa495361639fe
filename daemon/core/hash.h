/*
 * One hash of texts, for tables in memory: FNV-1a. Not for what an attacker may choose. Pure.
 */
#pragma once

#include <stdint.h>

#define HASH_START UINT32_C(2166136261)

/* Goes on from another hash; equal texts in equal order give equal hashes. */
uint32_t hash_add(uint32_t hash, const char *text);
/* Mixed in the end, so that tables may take the low bits. */
uint32_t hash_text(const char *text);
