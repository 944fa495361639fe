/*
 * What happened, told: plans and results become metric updates and log lines.
 *
 * Every counter is made at 0 when the report is made, for all label values that configuration and closed
 * lists give (rule 14). An error that repeats is logged once, its end is logged as "recovered".
 */
#pragma once

#include "daemon.h"

int report_new(struct daemon *d, struct report **ret_report) __attribute__((warn_unused_result));
struct report *report_free(struct report *x);

/* Decisions of one step. `request_id` and `code` belong to the reply that the step was about, or are "". */
void report_plan(struct report *x, const struct event *ev, const struct plan *plan, const char *request_id, const char *code);
/* One reply of the cloud: API metrics, and a log line when something began to fail or recovered. */
void report_reply(struct report *x, const struct call_reply *reply);
/* A listing ended. `why` is "" for a complete one. */
void report_listing(struct report *x, uint32_t scope, bool is_complete, int64_t duration_ns, uint32_t instances, const char *why);
/* Whether the cloud takes the account's credentials; told when it changes. */
void report_credentials(struct report *x, uint32_t scope, bool is_usable, const char *advice);
/* What an account's key went through. */
void report_identity(struct report *x, uint32_t account, enum identity_news news, const char *text, bool is_repeated);
/* One commit of the state store: metrics. */
void report_commit(struct report *x, bool is_stored, int64_t duration_ns);
/* The same, told: the first that failed with the store's own text, and the first good one after it. */
void report_store(struct report *x, bool is_stored, const char *error);
void report_step(struct report *x, int64_t duration_ns);
void report_turn(struct report *x, int64_t stall_ns);
/* Before a scrape: process_*, log counts, what is sampled rather than counted. */
void report_refresh(struct report *x);
/* The last line: what is left unsettled. */
void report_stop(struct report *x);
