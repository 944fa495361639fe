/*
 * Between the core and the store: what is stored goes out, what was stored comes back, and the history is written.
 *
 * Decides nothing. A row of history goes into the same commit as the records of its step, so that neither tells what
 * the other does not know.
 */
#pragma once

#include "daemon.h"

struct ledger;

/* Starts loading. 0 or a negative errno. */
int ledger_new(struct daemon *d, const char *path, struct ledger **ret_ledger) __attribute__((warn_unused_result));
/* Commits what is still to be committed, a few seconds at most for a store that does not answer. NULL is fine. */
struct ledger *ledger_free(struct ledger *l);

int ledger_fd(const struct ledger *l);
/* Hands what the store has to say to the core. 0, or a negative errno: the daemon must not run with this file (it was logged). */
int ledger_run(struct ledger *l) __attribute__((warn_unused_result));
bool ledger_is_loaded(const struct ledger *l); /* until then nothing but SETTINGS and CALENDAR may be stepped */

/*
 * After each step, with its plan still valid: the STORE, and rows of history from what was told, and of an upgrade call.
 * `request_id` is of the reply that is being handled; only rows about an answered call that changes something get it.
 */
int ledger_plan(struct ledger *l, const struct event *ev, const struct plan *plan, const char *request_id) __attribute__((warn_unused_result));
