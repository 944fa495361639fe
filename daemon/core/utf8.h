/*
 * Text from outside made safe to show: valid UTF-8 (RFC 3629) without control characters. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* No byte grows to more than this when it is cleaned: a buffer of len * UTF8_CLEAN_GROWTH + 1 always holds all. */
#define UTF8_CLEAN_GROWTH 3

/* Is utf8_clean() of it the text itself? */
bool utf8_is_clean(const char *text, size_t len);

/*
 * Copies `len` bytes of text into buf, with a terminator; returns the length without it. Control characters
 * (U+0000 to U+001F, U+007F to U+009F) become a space each; what is no UTF-8 becomes U+FFFD, one for each
 * maximal part of a sequence as Unicode recommends. Cut before the first character that does not fit.
 * `size` is at least 1; buf and text must not overlap.
 */
size_t utf8_clean(const char *text, size_t len, char *buf, size_t size);
