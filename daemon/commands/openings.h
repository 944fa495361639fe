/* When the policies of a configuration are open: what check-config tells beside right and wrong. */
#pragma once

#include "config.h"

#include <stdio.h>

/*
 * For each policy that a pin uses: whether it is open at now_s (UTC), why not, its next openings, and how many starts fit
 * into the days ahead. Where none does, a line on `warnings`. 0 or -ENOMEM.
 */
int openings_print(const struct config *config, int64_t now_s, FILE *out, FILE *warnings) __attribute__((warn_unused_result));
