/*
 * The order of versions (rule 7: only forwards).
 *
 * A version is compared numerically by dotted part: 2.10.0 after 2.9.0, any number of parts, missing
 * parts are 0, a pre-release suffix (after '-', as in 3.4.0-rc1) before its release, '+build' ignored for
 * order, one leading 'v' or 'V' ignored. Parts of any length are compared without overflow. Anything else
 * (empty, other characters, an empty part) is not comparable with anything but a byte-identical string.
 */
#pragma once

#include <stdbool.h>

enum version_order {
	VERSION_ORDER_OLDER, /* a is older than b */
	VERSION_ORDER_SAME,
	VERSION_ORDER_NEWER,
	VERSION_ORDER_INCOMPARABLE,
};

/* Has it a place in that order? */
bool version_is_comparable(const char *text);
enum version_order version_compare(const char *a, const char *b);
