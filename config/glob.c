/*
 * Globs among themselves. Pure, no recursion, time linear in the product of the lengths.
 *
 * `wide` is matched against `narrow` as if that were text: where only a `*` of `wide` takes up a `*` of `narrow`, and
 * only `*` or `?` its `?`, every text that `narrow` matches is matched by `wide`, too. For a plain `narrow` this is
 * the usual match. Globs that only cover each other in cleverer ways give false.
 */
#include "internal.h"
#include "core/pin.h"

#include <string.h>

/* Behind the character (not byte) at p. */
static const char *after_character(const char *p)
{
	for (p++; ((unsigned char)*p & 0xc0) == 0x80; p++)
		;
	return p;
}

bool glob_covers(const char *wide, const char *narrow)
{
	const char *star = NULL, *resume = NULL;

	while (*narrow) {
		if (*wide == '*') {
			star = ++wide;
			resume = narrow;
		} else if (*wide == '?' && *narrow != '*') {
			wide++;
			narrow = after_character(narrow);
		} else if (*wide == *narrow && *narrow != '*' && *narrow != '?') {
			wide++;
			narrow++;
		} else if (star) {
			wide = star;
			resume = after_character(resume);
			narrow = resume;
		} else {
			return false;
		}
	}
	while (*wide == '*')
		wide++;
	return !*wide;
}

/* How many bytes of the glob are plain before its first wildcard, or behind its last one. */
static size_t plain_head(const char *glob)
{
	return strcspn(glob, "*?");
}

static size_t plain_tail(const char *glob)
{
	size_t len = strlen(glob), n = 0;

	while (n < len && glob[len - n - 1] != '*' && glob[len - n - 1] != '?')
		n++;
	return n;
}

bool glob_excludes(const char *a, const char *b)
{
	size_t head_a = plain_head(a), head_b = plain_head(b), tail_a = plain_tail(a), tail_b = plain_tail(b);
	size_t head = head_a < head_b ? head_a : head_b, tail = tail_a < tail_b ? tail_a : tail_b;

	if (glob_is_plain(a))
		return !glob_match(b, a);
	if (glob_is_plain(b))
		return !glob_match(a, b);
	return memcmp(a, b, head) != 0 || memcmp(a + strlen(a) - tail, b + strlen(b) - tail, tail) != 0;
}
