/* Numbers as both exposition formats write them. Pure, and the same in every locale. Private to metrics/. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NUMBER_MAX 32 /* bytes that any of these writes at most, without a terminator */

/* Returns past the last byte written. */
char *number_put_integer(char *p, uint64_t n);
/* Integers plain, others with the fewest digits that read back as the same value; NaN, +Inf, -Inf. */
char *number_put_value(char *p, double value);
/* The canonical form of OpenMetrics for `le`: 0.005, 1.0, 10.0, 1e+06, +Inf. One series in both formats and all servers. */
char *number_put_bound(char *p, double value);
