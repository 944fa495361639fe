/*
 * What was asked: a ring of the last requests, and the count of upgrade calls per target and version.
 * This is what tests look at, so it counts everything that arrived, refused or not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "map.h"

#define JOURNAL_LIMIT 200000        /* requests, by default */
#define JOURNAL_LIMIT_TARGETS 500000 /* counters of upgrades; what is above is counted together */

struct journal_entry {
	uint64_t sequence; /* from 1 */
	int64_t wall_ms;
	int64_t monotonic_ms;
	uint64_t connection;
	unsigned int use; /* of the connection, from 1 */
	char action[64], region[32], instance[72], serial[72], version_type[8], version[72], nonce[72], access_key_id[72];
	char upgrade_type[16]; /* that a policy was to be set to */
	char request_id[40];
	char code[56]; /* "OK", or the error code */
	char http_version[12];
	char method[8];
	bool is_v3;
	bool is_lost; /* no reply was sent */
	bool is_applied; /* an upgrade or a policy took effect */
	bool was_upgrading; /* an upgrade for an instance that was in the middle of one */
	int http_status;
};

struct upgrade_count {
	char *key; /* serial, version type, version */
	char instance[72], serial[72], version_type[8], version[72];
	uint64_t requests;
	uint64_t accepted; /* took effect, whatever the caller learnt */
	uint64_t overlapping; /* of these, while one was under way on that instance */
};

struct journal {
	struct journal_entry *ring;
	size_t limit;
	uint64_t n; /* requests ever */
	uint64_t n_upgrades, n_accepted, n_overlapping, n_lost, n_refused, n_uncounted;
	struct map counts;
	struct upgrade_count **order; /* counters in the order of their making */
	size_t n_counts, capacity;
};

__attribute__((warn_unused_result)) int journal_init(struct journal *journal, size_t limit);
void journal_deinit(struct journal *journal);
/* Gives the entry its sequence and keeps a copy. */
void journal_add(struct journal *journal, struct journal_entry *entry);
/* The entry, or NULL when it has left the ring or is yet to come. */
const struct journal_entry *journal_get(const struct journal *journal, uint64_t sequence);
uint64_t journal_first(const struct journal *journal);
