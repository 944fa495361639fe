/*
 * One open state file: SQLite, held by one process alone from the open on, every commit synced. It blocks; state.c runs
 * it on a worker.
 */
#pragma once

#include "history.h"
#include "schema.h"
#include "state.h"

struct store;

struct store_error {
	enum state_failure failure;
	struct error error;
};
#define STORE_E_FAILED 1 /* and a store_error says why; all functions below give 0 or this */

struct store_options {
	const char *path;
	const char *shown_path; /* in messages; NULL: path */
	struct record_stamp now;
	uint64_t history_max, history_target_max;
	const struct schema *schema; /* NULL: ours */
};
int store_open(const struct store_options *options, struct store **ret_store, struct store_error *ret_error) __attribute__((warn_unused_result));
struct store *store_free(struct store *s); /* folds the log into the file, if all was loaded */

/* The next records: fewer than `max` when their texts fill `text`, none at the end. */
#define STORE_PART_TEXT ((size_t)256 * 1024)
struct store_part {
	struct record *records;
	size_t max, n;
	char *text;
	size_t text_size; /* at least RECORD_TEXTS * (STATE_TEXT_MAX + 1) */
};
int store_load(struct store *s, struct store_part *part, struct store_error *ret_error) __attribute__((warn_unused_result));

int store_commit(struct store *s, const struct state_commit *commit, struct store_error *ret_error) __attribute__((warn_unused_result));
int store_history(struct store *s, const struct state_query *query, struct history_page *page, struct store_error *ret_error)
	__attribute__((warn_unused_result));
