/*
 * The journal: a bounded memory of requests, and counters that are never lost.
 */
#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int journal_init(struct journal *journal, size_t limit)
{
	*journal = (struct journal){.limit = limit};
	journal->ring = calloc(limit, sizeof(*journal->ring));
	return journal->ring == NULL ? -ENOMEM : 0;
}

void journal_deinit(struct journal *journal)
{
	for (size_t i = 0; i < journal->n_counts; i++) {
		free(journal->order[i]->key);
		free(journal->order[i]);
	}
	free(journal->order);
	map_deinit(&journal->counts);
	free(journal->ring);
	*journal = (struct journal){0};
}

static bool journal_reserve(struct journal *journal)
{
	size_t capacity = journal->capacity == 0 ? 64 : journal->capacity * 2;
	struct upgrade_count **order;

	if (journal->n_counts == JOURNAL_LIMIT_TARGETS)
		return false;
	if (journal->n_counts < journal->capacity)
		return true;
	order = reallocarray(journal->order, capacity, sizeof(struct upgrade_count *));
	if (order == NULL)
		return false;
	journal->order = order;
	journal->capacity = capacity;
	return true;
}

static struct upgrade_count *journal_make_count(struct journal *journal, const struct journal_entry *entry,
                                                const char *key)
{
	struct upgrade_count *count;

	if (!journal_reserve(journal))
		return NULL;
	count = calloc(1, sizeof(*count));
	if (count == NULL)
		return NULL;
	count->key = strdup(key);
	if (count->key == NULL || map_add(&journal->counts, count->key, count) < 0) {
		free(count->key);
		free(count);
		return NULL;
	}
	memcpy(count->instance, entry->instance, sizeof(count->instance));
	memcpy(count->serial, entry->serial, sizeof(count->serial));
	memcpy(count->version_type, entry->version_type, sizeof(count->version_type));
	memcpy(count->version, entry->version, sizeof(count->version));
	journal->order[journal->n_counts++] = count;
	return count;
}

static void journal_count_upgrade(struct journal *journal, const struct journal_entry *entry)
{
	struct upgrade_count *count;
	char key[256];

	snprintf(key, sizeof(key), "%s\t%s\t%s\t%s", entry->instance, entry->serial, entry->version_type,
	         entry->version);
	journal->n_upgrades++;
	journal->n_accepted += entry->is_applied;
	journal->n_overlapping += entry->is_applied && entry->was_upgrading;
	count = map_get(&journal->counts, key);
	if (count == NULL)
		count = journal_make_count(journal, entry, key);
	if (count == NULL) {
		journal->n_uncounted++;
		return;
	}
	count->requests++;
	count->accepted += entry->is_applied;
	count->overlapping += entry->is_applied && entry->was_upgrading;
}

void journal_add(struct journal *journal, struct journal_entry *entry)
{
	entry->sequence = ++journal->n;
	journal->n_lost += entry->is_lost;
	journal->n_refused += strcmp(entry->code, "OK") != 0;
	journal->ring[(entry->sequence - 1) % journal->limit] = *entry;
	if (strcmp(entry->action, "UpdateSmartAccessGatewayVersion") == 0)
		journal_count_upgrade(journal, entry);
}

uint64_t journal_first(const struct journal *journal)
{
	return journal->n > journal->limit ? journal->n - journal->limit + 1 : 1;
}

const struct journal_entry *journal_get(const struct journal *journal, uint64_t sequence)
{
	if (sequence < journal_first(journal) || sequence > journal->n)
		return NULL;
	return &journal->ring[(sequence - 1) % journal->limit];
}
