/*
 * What is durable: records and history, kept through any crash.
 *
 * Everything goes by messages, so that another store, shared by several daemons, can take the place of the file: what is
 * asked for is queued and answered by state_take() when state_fd() is readable. Nothing here blocks but state_free().
 *
 * The order: state_new(); LOADED parts, then LOAD_ENDED; or OPEN_FAILED. Then state_commit(), each answered by COMMITTED
 * or FAILED in that order. After OPEN_FAILED, and before LOAD_ENDED, every commit fails and says why.
 *
 * COMMITTED: all of it is on the disk, synced. FAILED: none of it holds; the next commit may succeed when the cause is
 * gone. (One exception, which is on the safe side: when the sync itself failed and the process dies before the next
 * commit, the failed one may be found afterwards: an intent whose call never left.)
 */
#pragma once

#include "core/record.h"

struct state;

/* Why the state cannot be had. A fatal one means that the daemon must not run with this file. */
enum state_failure {
	STATE_FAILURE_NONE,
	STATE_FAILURE_LOCKED,     /* fatal: another sagpin holds it */
	STATE_FAILURE_NEWER,      /* fatal: a newer sagpin wrote it */
	STATE_FAILURE_FOREIGN,    /* fatal: a file of another program */
	STATE_FAILURE_NO_FOLDER,  /* the folder is not there */
	STATE_FAILURE_DAMAGED,
	STATE_FAILURE_UNREADABLE, /* no permission, no file at all, an error of the disk */
	STATE_FAILURE_READ_ONLY,
	STATE_FAILURE_FULL,
	STATE_FAILURE_MOVED,      /* commits: deleted, or another file is in its place */
	STATE_FAILURE_BUSY,       /* commits: not loaded yet, or too much is waiting */
	STATE_FAILURE_REFUSED,    /* commits: a record that cannot be one */
	STATE_FAILURE_MEMORY,
	STATE_FAILURE_N,
};
extern const char *const state_failure_names[STATE_FAILURE_N]; /* "none", "locked", … */
bool state_failure_is_fatal(enum state_failure failure);

#define STATE_PART_MAX 1000         /* records in one LOADED, rows in one HISTORY */
#define STATE_TEXT_MAX 4096         /* bytes of one text of a record; what is longer, or no UTF-8, is refused */
#define STATE_HISTORY_MAX 1000000   /* rows kept in all */
#define STATE_HISTORY_TARGET_MAX 1000 /* rows kept of one target */

struct state_options {
	const char *path;        /* copied */
	struct record_stamp now; /* the times of what is loaded are moved to this clock */
	uint64_t history_max, history_target_max; /* 0: as above */
};

/* One row of history. Texts are never NULL, "" where there is nothing to say; borrowed. */
struct state_history_row {
	int64_t id; /* grows with time; set when read */
	int64_t wall_s;
	const char *account, *region_id, *instance_id, *serial_number, *version_type;
	const char *what, *from_version, *to_version, *outcome, *reason;
	const char *policy, *wave, *request_id, *who, *why;
};

/* Of what is given (not NULL) all must fit. Newest first. */
struct state_query {
	const char *account, *instance_id, *serial_number, *version_type;
	int64_t before_id; /* only rows with a smaller id: the last one of the page before; 0: from the newest */
	uint32_t limit;    /* 1 to STATE_PART_MAX, 0 for that */
};

enum state_message_kind {
	STATE_LOADED,      /* .records */
	STATE_LOAD_ENDED,  /* .is_first_life: the file was new, or held no record */
	STATE_OPEN_FAILED, /* .failure, .error; what was LOADED before is true, and not all */
	STATE_COMMITTED,   /* .ticket, .duration_ns */
	STATE_FAILED,      /* .ticket, .duration_ns, .failure, .error */
	STATE_HISTORY,     /* .ticket, .rows; .failure and .error when it could not be read */
	STATE_MESSAGE_N,
};

/* What it points to is valid until the next state_take(). */
struct state_message {
	enum state_message_kind kind;
	uint64_t ticket;
	int64_t duration_ns;
	const struct record *records;
	size_t n_records;
	const struct state_history_row *rows;
	size_t n_rows;
	bool is_first_life;
	bool has_more; /* HISTORY: older rows fit, too */
	enum state_failure failure;
	const char *error; /* what happened to which file, and what to do; "" when nothing did */
};

/*
 * Starts the worker, which opens the file (made when it is missing, its folder is not) and loads it. The process must
 * have blocked its signals if it wants them on a descriptor; SIGXFSZ is ignored from here on, so that a limit on the
 * size of files is an error and not the end. 0 or a negative errno: no memory, no thread.
 */
int state_new(const struct state_options *options, struct state **ret_state) __attribute__((warn_unused_result));
struct state *state_free(struct state *s); /* after all that was queued is done; the file is then whole in itself */

int state_fd(const struct state *s);
bool state_take(struct state *s, struct state_message *ret_message); /* false: nothing to tell now */

/*
 * One transaction, all or nothing: records that are removed are deleted by key, others put in place of what was under
 * their key; rows are added to the history. Everything is copied. Answered with `ticket`. 0 or -ENOMEM.
 */
struct state_commit {
	uint64_t ticket;
	struct record_stamp stamp;
	const struct record *records;
	size_t n_records;
	const struct state_history_row *rows;
	size_t n_rows;
};
int state_commit(struct state *s, const struct state_commit *commit) __attribute__((warn_unused_result));

/* Answered by HISTORY with `ticket`. 0 or -ENOMEM. */
int state_history(struct state *s, const struct state_query *query, uint64_t ticket) __attribute__((warn_unused_result));

/* Names this boot of the machine, for struct record_stamp. 0 or a negative errno. */
int state_boot(uint64_t *ret_boot) __attribute__((warn_unused_result));

#define STATE_E_HELD 1    /* a daemon holds the file: ask that */
#define STATE_E_MISSING 2 /* there is no such file */
#define STATE_E_FAILED 3  /* it cannot be read: ret_error says why */
/*
 * Reads all records of a file that no daemon holds, in parts, and writes nothing: neither to the file nor beside it
 * (a copy goes to TMPDIR). `on_records` borrows them. 0, a positive value above (ret_error has the text), or what
 * `on_records` returned if that was negative, which ends the reading.
 */
struct state_offline {
	const char *path;
	struct record_stamp now;
	int (*on_records)(void *ctx, const struct record *records, size_t n);
	void *ctx;
};
int state_read_offline(const struct state_offline *options, struct error *ret_error) __attribute__((warn_unused_result));
