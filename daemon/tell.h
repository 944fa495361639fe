/*
 * Decisions of the core as log lines: each is one line, with the same fields in the same order.
 *
 * What a person must act on says the next step, as a command that can be copied to a shell.
 */
#pragma once

#include "daemon.h"

/* `request_id` and `code` belong to the reply that the step was about, or are "". Actions that are no news give no line. */
void tell_action(const struct daemon *d, const struct action *a, const char *request_id, const char *code);
/* What became of an operator's act; `ev` is it. */
void tell_act(const struct event *ev, const struct action *a);
