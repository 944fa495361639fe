/*
 * Globs among themselves. Pure, no recursion, time linear in the product of the lengths.
 *
 * `wide` is matched against `narrow` as if that were text: where only a `*` of `wide` takes up a `*` of `narrow`, and
 * only `*` or `?` its `?`, every text that `narrow` matches is matched by `wide`, too. For a plain `narrow` this is
 * the usual match. Globs that only cover each other in cleverer ways give false.
 */
#include "internal.h"

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
