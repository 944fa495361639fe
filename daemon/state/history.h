/*
 * The history table: rows are added in the transaction of what they tell, and the oldest go, in all and of each target,
 * a few with every commit, so that neither the file nor a commit grows without end.
 */
#pragma once

#include <sqlite3.h>

#include "state.h"

extern const char history_create_sql[];

struct history {
	sqlite3_stmt *insert, *prune_target, *prune_all;
	uint64_t max, target_max;
	uint64_t n_rows; /* in the table */
};

/* All give a SQLite result code. */
int history_init(struct history *h, sqlite3 *db, uint64_t max, uint64_t target_max);
void history_deinit(struct history *h);
/* Inside a transaction; the caller puts n_rows back when that is rolled back. */
int history_add(struct history *h, sqlite3 *db, const struct state_history_row *rows, size_t n);
/* Into at most STATE_PART_MAX rows and `size` bytes for their texts, at least HISTORY_ROW_TEXT. */
#define HISTORY_TEXTS 15
#define HISTORY_ROW_TEXT ((size_t)HISTORY_TEXTS * (STATE_TEXT_MAX + 1))
struct history_page {
	struct state_history_row *rows;
	char *text;
	size_t size, n_rows;
	bool has_more;
};
int history_read(sqlite3 *db, const struct state_query *query, struct history_page *page);

/* The texts of a row by number, so that they can be copied and checked in a loop. */
const char *history_text(const struct state_history_row *row, unsigned int i);
void history_set_text(struct state_history_row *row, unsigned int i, const char *text);
