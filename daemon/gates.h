/*
 * Gates: the questions to Prometheus servers that must be answered well before a policy starts anything (rule 6).
 *
 * Each ACTION_GATE is asked over the client's handle and ends in exactly one EVENT_GATE, whatever comes back; whether the
 * answer opens the gate is gate_judge.c's to say. A gate that closes and one that opens again are logged once.
 * The daemon's configuration must stay the same while the gates live.
 */
#pragma once

#include "daemon.h"

int gates_new(struct daemon *d, struct gates **ret_gates) __attribute__((warn_unused_result));
/* Forgets what is under way; after client_free nothing is. NULL is fine. */
struct gates *gates_free(struct gates *g);

enum {
	GATES_OK = 0,
	GATES_E_ANSWERED = 1, /* it could not even be asked: ret_answer is the event, due at once */
};
/*
 * Asks the gate of `a->policy`. The answer comes by daemon_step from inside client_run or client_free, never from in here;
 * errors of that step are left in daemon.error. 0, GATES_E_ANSWERED or -ENOMEM.
 */
int gates_ask(struct gates *g, const struct action *a, struct event *ret_answer) __attribute__((warn_unused_result));
