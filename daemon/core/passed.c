/*
 * Which waves of a rollout have passed: known by their names, so that one that is put in front, taken out or moved
 * changes nothing for the others.
 *
 * All names are one interned text, a line each, in the order of the settings: what is stored is that text. A name that
 * the settings do not have any more is forgotten, so a wave that comes back is passed anew.
 */
#include "internal.h"

#include <string.h>

/* The waves of the longest settings; a name that did not fit would only be passed once more. */
#define PASSED_BYTES (LIMIT_WAVES * (LIMIT_NAME + 1) + 1)

static bool has_name(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = names; *line; line += strcspn(line, "\n"), line += *line != '\0')
		if (strcspn(line, "\n") == len && memcmp(line, name, len) == 0)
			return true;
	return false;
}

uint32_t passed_names(struct reconcile *r, uint32_t before, const struct policy *policy, uint32_t more)
{
	const char *names = strings_text(&r->strings, before);
	char text[PASSED_BYTES];
	size_t n = 0;

	for (uint32_t w = 0; w < policy->n_waves; w++) {
		size_t len = strlen(policy->waves[w].name);

		if ((w != more && !has_name(names, policy->waves[w].name)) || len + 1 >= sizeof(text) - n)
			continue;
		memcpy(text + n, policy->waves[w].name, len);
		n += len;
		text[n++] = '\n';
	}
	text[n] = '\0';
	return intern(r, text);
}

uint32_t passed_next(const struct reconcile *r, uint32_t passed, const struct policy *policy, uint32_t from)
{
	const char *names = strings_text(&r->strings, passed);

	while (from < policy->n_waves && has_name(names, policy->waves[from].name))
		from++;
	return from;
}
