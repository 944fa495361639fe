/*
 * Pins: which one an instance falls under.
 *
 * Pins whose id selector is one exact id are found by hash, all others are tried in order; whatever comes
 * first in the settings wins. The index borrows the settings and is never changed after it was made.
 */
#include "pin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pin_index {
	const struct settings *settings;
	uint32_t *general; /* pins without an exact id, in order */
	uint32_t n_general;
	uint32_t *table;   /* first pin of an exact id by hash, open addressing; PIN_NONE is empty */
	uint32_t *next;    /* the next pin of the same exact id, by pin */
	uint32_t mask;
};

const char *const selector_key_names[SELECTOR_N] = {
	[SELECTOR_ACCOUNT] = "account",
	[SELECTOR_REGION] = "region",
	[SELECTOR_ID] = "id",
	[SELECTOR_SERIAL_NUMBER] = "serial_number",
	[SELECTOR_NAME] = "name",
	[SELECTOR_MODEL] = "model",
	[SELECTOR_RESOURCE_GROUP] = "resource_group",
	[SELECTOR_CCN] = "ccn",
	[SELECTOR_CITY] = "city",
};

/* Keeps only the last star to come back to: what an earlier one could take, the last one can take, too. */
bool glob_match(const char *glob, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*glob == '*') {
			star = glob++;
			resume = text;
		} else if (*glob == '?' || *glob == *text) {
			/* one character of UTF-8 is one `?`, not one byte */
			if (*glob == '?')
				while (((unsigned char)text[1] & 0xC0) == 0x80)
					text++;
			glob++;
			text++;
		} else if (star) {
			glob = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

static bool serial_match(const char *glob, const struct pin_subject *subject)
{
	for (unsigned int i = 0; i < LIMIT_DEVICES; i++) {
		const char *serial = subject->serial_numbers[i];

		if (serial && *serial && glob_match(glob, serial))
			return true;
	}
	return false;
}

bool selector_match(const struct selector *s, const struct pin_subject *subject)
{
	for (unsigned int key = 0; key < SELECTOR_N; key++) {
		const char *glob = s->glob[key];
		const char *text = subject->attribute[key];

		if (!glob)
			continue;
		if (key == SELECTOR_SERIAL_NUMBER ? !serial_match(glob, subject) : !glob_match(glob, text ? text : ""))
			return false;
	}
	return true;
}

static const char *exact_id(const struct pin *pin)
{
	const char *id = pin->match.glob[SELECTOR_ID];

	return id && !strpbrk(id, "*?") ? id : NULL;
}

static uint32_t hash_text(const char *text)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h ^ h >> 15;
}

/* The place of the id in the table: of its first pin, or the empty one where it would go. */
static uint32_t *index_place(const struct pin_index *index, const char *id)
{
	uint32_t i = hash_text(id) & index->mask;

	while (index->table[i] != PIN_NONE &&
	       strcmp(index->settings->pins[index->table[i]].match.glob[SELECTOR_ID], id) != 0)
		i = (i + 1) & index->mask;
	return &index->table[i];
}

/* From the last pin to the first, so that each chain is in order. */
static void index_fill(struct pin_index *index)
{
	const struct settings *s = index->settings;

	for (uint32_t i = s->n_pins; i-- > 0;) {
		const char *id = exact_id(&s->pins[i]);

		if (!id)
			continue;
		uint32_t *place = index_place(index, id);
		index->next[i] = *place;
		*place = i;
	}
	for (uint32_t i = 0; i < s->n_pins; i++)
		if (!exact_id(&s->pins[i]))
			index->general[index->n_general++] = i;
}

int pin_index_new(const struct settings *settings, struct pin_index **ret_index)
{
	size_t n = settings->n_pins, size = 2;
	struct pin_index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	while (size < 2 * n)
		size *= 2;
	index->settings = settings;
	index->mask = (uint32_t)(size - 1);
	index->table = malloc(size * sizeof(*index->table));
	index->next = malloc((n + 1) * sizeof(*index->next));
	index->general = malloc((n + 1) * sizeof(*index->general));
	if (!index->table || !index->next || !index->general) {
		pin_index_free(index);
		return -ENOMEM;
	}
	memset(index->table, 0xFF, size * sizeof(*index->table));
	index_fill(index);
	*ret_index = index;
	return 0;
}

struct pin_index *pin_index_free(struct pin_index *index)
{
	if (index) {
		free(index->table);
		free(index->next);
		free(index->general);
		free(index);
	}
	return NULL;
}

uint32_t pin_index_find(const struct pin_index *index, const struct pin_subject *subject)
{
	const struct pin *pins = index->settings->pins;
	const char *id = subject->attribute[SELECTOR_ID];
	uint32_t exact = *index_place(index, id ? id : "");

	while (exact != PIN_NONE && !selector_match(&pins[exact].match, subject))
		exact = index->next[exact];
	for (uint32_t i = 0; i < index->n_general && index->general[i] < exact; i++)
		if (selector_match(&pins[index->general[i]].match, subject))
			return index->general[i];
	return exact;
}
