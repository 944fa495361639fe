/* Rows stay where they are until the store is cleared; one that is removed and written again takes its old place. */
#include "store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static unsigned int n_texts(const struct record *record)
{
	return record->is_removed ? record_formats[record->kind].n_key_texts : record_formats[record->kind].n_texts;
}

static size_t text_bytes(const struct record *record)
{
	size_t bytes = 1;

	for (unsigned int i = 0; i < n_texts(record); i++)
		bytes += strlen(record->text[i]) + 1;
	return bytes;
}

/* Copies the texts to `at`; returns where they end. */
static char *take_texts(struct record *record, char *at)
{
	for (unsigned int i = 0; i < n_texts(record); i++) {
		size_t bytes = strlen(record->text[i]) + 1;

		memcpy(at, record->text[i], bytes);
		record->text[i] = at;
		at += bytes;
	}
	return at;
}

struct batch *batch_new(const struct record *records, size_t n, const struct record_stamp *made, int64_t made_ns)
{
	struct batch *batch = malloc(sizeof(*batch) + n * sizeof(*records));
	size_t bytes = 1;
	char *at;

	assert(batch);
	batch->made = *made;
	batch->made_ns = made_ns;
	batch->n = n;
	memcpy(batch->records, records, n * sizeof(*records));
	for (size_t i = 0; i < n; i++)
		bytes += text_bytes(&records[i]);
	at = batch->texts = malloc(bytes);
	assert(at);
	for (size_t i = 0; i < n; i++)
		at = take_texts(&batch->records[i], at);
	return batch;
}

struct batch *batch_free(struct batch *batch)
{
	if (batch)
		free(batch->texts);
	free(batch);
	return NULL;
}

uint64_t store_key(const struct record *record)
{
	const struct record_format *f = &record_formats[record->kind];
	uint64_t key = index_mix(0, record->kind);

	for (unsigned int i = 0; i < f->n_key_texts; i++)
		key = index_hash(key, record->text[i]);
	for (unsigned int i = 0; i < f->n_key_numbers; i++)
		key = index_mix(key, (uint64_t)record->number[i]);
	return key;
}

const struct store_row *store_find(const struct store *store, const struct record *key)
{
	uint32_t i = index_get(&store->index, store_key(key));

	return i == INDEX_NONE || !store->rows[i].texts ? NULL : &store->rows[i];
}

const struct store_row *store_find_intent(const struct store *store, uint64_t id)
{
	struct record key = {.kind = RECORD_INTENT};

	key.number[REC_INTENT_ID] = (int64_t)id;
	return store_find(store, &key);
}

static struct store_row *row_for(struct store *store, const struct record *record)
{
	uint64_t key = store_key(record);
	uint32_t i = index_get(&store->index, key);

	if (i != INDEX_NONE)
		return &store->rows[i];
	if (store->n == store->size) {
		store->size = store->size ? store->size * 2 : 64;
		store->rows = realloc(store->rows, store->size * sizeof(*store->rows));
		assert(store->rows);
	}
	index_put(&store->index, key, (uint32_t)store->n);
	store->rows[store->n] = (struct store_row){.texts = NULL};
	return &store->rows[store->n++];
}

void store_commit(struct store *store, const struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct store_row *row = row_for(store, &batch->records[i]);

		store->n_live -= row->texts != NULL;
		free(row->texts);
		row->texts = NULL;
		if (batch->records[i].is_removed)
			continue;
		row->record = batch->records[i];
		row->written = batch->made;
		row->written_ns = batch->made_ns;
		row->texts = malloc(text_bytes(&row->record));
		assert(row->texts);
		take_texts(&row->record, row->texts);
		store->n_live++;
	}
}

void store_clear(struct store *store)
{
	for (size_t i = 0; i < store->n; i++)
		free(store->rows[i].texts);
	store->n = store->n_live = 0;
	index_clear(&store->index);
}

void store_deinit(struct store *store)
{
	store_clear(store);
	free(store->rows);
	index_deinit(&store->index);
}
