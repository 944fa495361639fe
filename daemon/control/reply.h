/*
 * Answers as JSON text. Pure. Each returns text to be freed with free(), NULL when out of memory.
 */
#pragma once

#include "control.h"

/* {"error": …, "next": …}; both clean. */
char *reply_error(const char *what, const char *next);
/* What became of an act, and the HTTP status that says so. `known`: what there is, for an act that fits nothing; "" for advice. */
char *reply_result(const struct act *act, const struct control_result *result, const char *known, unsigned int *ret_status);
