/*
 * The world's state store: records by kind and key, each with the stamp at which it was written. A batch is what one
 * STORE asks for, copied at once; it becomes durable as a whole.
 */
#pragma once

#include "core/record.h"
#include "index.h"

struct store_row {
	struct record record;
	struct record_stamp written;
	int64_t written_ns; /* on the world's clock */
	char *texts; /* owned; NULL: the row is gone */
};

struct store {
	struct store_row *rows;
	size_t n, size, n_live;
	struct index index;
};

struct batch {
	struct record_stamp made;
	int64_t made_ns; /* on the world's clock */
	size_t n;
	char *texts;
	struct record records[];
};

struct batch *batch_new(const struct record *records, size_t n, const struct record_stamp *made, int64_t made_ns);
struct batch *batch_free(struct batch *batch);

uint64_t store_key(const struct record *record);
const struct store_row *store_find(const struct store *store, const struct record *key); /* NULL: not there */
const struct store_row *store_find_intent(const struct store *store, uint64_t id);
void store_commit(struct store *store, const struct batch *batch);
void store_clear(struct store *store); /* the file is lost */
void store_deinit(struct store *store);
