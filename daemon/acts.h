/*
 * Between the control socket and the core: an act becomes a step, and is answered when it is durable.
 *
 * The core answers an EVENT_ACT with one TELL_ACT in the same plan; its ticket names the STORE that makes it durable, 0
 * when there is nothing to store. A plan without it means that the core does not support acts. Decides nothing.
 */
#pragma once

#include "control/control.h"
#include "daemon.h"

struct acts;

/* `control` may be set later, and NULL: then nothing is answered. */
int acts_new(struct daemon *d, struct acts **ret_acts) __attribute__((warn_unused_result));
struct acts *acts_free(struct acts *a);

/* control_options.take_act; `ctx` is the acts. Fatal errors are left in daemon.error. */
void acts_take(void *ctx, const struct act *act, uint64_t request);
/* After each step, with its plan still valid. NULL is fine. */
int acts_watch(struct acts *a, const struct event *ev, const struct plan *plan) __attribute__((warn_unused_result));
