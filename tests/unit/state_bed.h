/* A state file in a folder of its own, records with something in every column, and waiting for messages. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "state/state.h"

struct bed {
	char folder[64], path[96];
};
int bed_setup(void **state);    /* *state is a struct bed */
int bed_teardown(void **state); /* removes the folder with what is in it */

extern const struct record_stamp bed_now;

struct state *bed_new(const char *path);
/* The next message within 20 s, or the test fails. */
struct state_message bed_next(struct state *s);

/* All records, copied, and how the load ended. */
struct bed_load {
	struct record *records;
	size_t n;
	enum state_message_kind end;
	bool is_first_life;
	enum state_failure failure;
	char error[512];
};
struct bed_load bed_load(struct state *s);
void bed_load_free(struct bed_load *load);
/* New, loaded without failure; with the number of records that there were, if ret_n is not NULL. */
struct state *bed_open(const char *path, size_t *ret_n);
/* How a load of the file ends; the state is gone again. */
struct bed_load bed_try(const char *path);

/* Commits and waits for the answer. */
struct state_message bed_commit(struct state *s, const struct record *records, size_t n);
struct state_message bed_commit_rows(struct state *s, const struct record *records, size_t n, const struct state_history_row *rows,
				     size_t n_rows);

/*
 * A record of that kind with other values in every column for every `n`; of equal `n` and different `turn` the key is
 * the same and all else is not. Its texts are static, and hold for the next 64 calls.
 */
struct record bed_record(enum record_kind kind, unsigned int n, unsigned int turn);
bool bed_is_same(const struct record *a, const struct record *b);
bool bed_is_same_key(const struct record *a, const struct record *b);
/* One counter, in a table of its own; a value a test can choose. */
struct record bed_tally(const char *account, int64_t value);
const struct record *bed_find(const struct bed_load *load, const struct record *key);

/* SQL on a file that is not open; the first column of its last row as text into buf, if that is not NULL. */
void bed_sql(const char *path, const char *sql, char *buf, size_t size);
