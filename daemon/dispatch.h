/*
 * Between the core and the cloud: actions become calls, replies become events. Decides nothing.
 */
#pragma once

#include "daemon.h"

int dispatch_new(struct daemon *d, struct dispatch **ret_dispatch) __attribute__((warn_unused_result));
struct dispatch *dispatch_free(struct dispatch *x);

/* Carries out the actions of a plan in order. Must not step the core: answers that are due at once are queued. */
int dispatch_plan(struct dispatch *x, const struct plan *plan) __attribute__((warn_unused_result));
/* The next queued answer; false when there is none. The event holds no pointers. */
bool dispatch_take_answer(struct dispatch *x, struct event *ret_event);

/* client_reply_fn; `ctx` is the dispatch. Fatal errors are left in daemon.error. */
void dispatch_reply(void *ctx, const struct call_reply *reply);

/* Hands complete listings to the core, a slice of time per turn. */
int dispatch_deliver(struct dispatch *x, int64_t budget_ns) __attribute__((warn_unused_result));
bool dispatch_has_deliveries(const struct dispatch *x);
/* True once each scope's first listing came to an end, good or bad. */
bool dispatch_is_warm(const struct dispatch *x);
