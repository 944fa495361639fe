/*
 * Pins among themselves: two with the same selector (an error), one that can never match because an earlier one takes
 * all that it matches, and one that no account and region fits (warnings).
 *
 * Pins for one exact id are only compared within their id, by sorting. Wildcard pins are compared one by one up to a
 * budget; beyond it a shadowed pin may go unnoticed, which costs a warning and nothing else.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMPARISONS_MAX 10000000

struct shadow {
	struct report *report;
	const struct settings *settings;
	const struct raw_pin *const *raw;
	struct name_entry *by_id;  /* pins of one exact id, sorted by id, then order */
	uint32_t *wild;            /* the others, in order */
	uint32_t n_by_id, n_wild;
	uint32_t budget;
};

static const struct selector *match_of(const struct shadow *s, uint32_t pin)
{
	return &s->settings->pins[pin].match;
}

static bool is_exact(const char *glob)
{
	return glob && !strpbrk(glob, "*?");
}

static bool is_same(const struct selector *a, const struct selector *b)
{
	for (int k = 0; k < SELECTOR_N; k++)
		if (strcmp(a->glob[k] ? a->glob[k] : "", b->glob[k] ? b->glob[k] : "") != 0)
			return false;
	return true; /* a glob that is given has at least one byte */
}

/* Does `wide` match all that `narrow` does? False when that is not certain. */
static bool covers(const struct selector *wide, const struct selector *narrow)
{
	for (int k = 0; k < SELECTOR_N; k++)
		if (wide->glob[k] && !glob_covers(wide->glob[k], narrow->glob[k] ? narrow->glob[k] : "*"))
			return false;
	return true;
}

/* True when the earlier pin hides the later one, which is then reported. */
static bool compare(struct shadow *s, uint32_t earlier, uint32_t later)
{
	const struct raw_pin *a = s->raw[earlier], *b = s->raw[later];

	s->budget -= s->budget > 0;
	if (!covers(match_of(s, earlier), match_of(s, later)))
		return false;
	if (is_same(match_of(s, earlier), match_of(s, later)))
		report_add(s->report, CONFIG_ERROR, b->head.file, b->match.head.line, "%s: identical pins: %s (%s:%u) has the same match; remove one",
			   raw_title("pins", &b->head, &b->name).text, raw_title("pins", &a->head, &a->name).text, a->head.file, a->head.line);
	else
		report_add(s->report, CONFIG_WARNING, b->head.file, b->match.head.line,
			   "%s: has no effect: %s (%s:%u) comes first and matches all that it does; the first match wins, so put the narrower pin first",
			   raw_title("pins", &b->head, &b->name).text, raw_title("pins", &a->head, &a->name).text, a->head.file, a->head.line);
	return true;
}

/* An exact id against the earlier pins of that id, then against earlier wildcards. */
static void check_exact(struct shadow *s, uint32_t position)
{
	const struct name_entry *entry = &s->by_id[position];

	for (uint32_t i = position; i-- > 0 && s->budget && strcmp(s->by_id[i].name, entry->name) == 0;)
		if (compare(s, s->by_id[i].index, entry->index))
			return;
	for (uint32_t i = 0; i < s->n_wild && s->wild[i] < entry->index && s->budget; i++)
		if (compare(s, s->wild[i], entry->index))
			return;
}

static void check_wild(struct shadow *s, uint32_t position)
{
	for (uint32_t i = 0; i < position && s->budget; i++)
		if (compare(s, s->wild[i], s->wild[position]))
			return;
}

static int by_match(const void *a, const void *b, void *context)
{
	const uint32_t *x = a, *y = b;
	const struct selector *m = match_of(context, *x), *n = match_of(context, *y);

	for (int k = 0; k < SELECTOR_N; k++) {
		int order = strcmp(m->glob[k] ? m->glob[k] : "", n->glob[k] ? n->glob[k] : "");

		if (order)
			return order;
	}
	return (*x > *y) - (*x < *y);
}

static void check_scopes(struct shadow *s, uint32_t pin)
{
	const char *account = match_of(s, pin)->glob[SELECTOR_ACCOUNT], *region = match_of(s, pin)->glob[SELECTOR_REGION];
	const struct raw_pin *raw = s->raw[pin];

	if ((!account && !region) || !s->settings->n_scopes)
		return;
	for (uint32_t i = 0; i < s->settings->n_scopes; i++) {
		const struct scope *scope = &s->settings->scopes[i];

		if ((!account || !scope->account || glob_covers(account, scope->account)) && (!region || glob_covers(region, scope->region_id)))
			return;
	}
	report_add(s->report, CONFIG_WARNING, raw->head.file, raw->match.head.line,
		   "%s: can never match: no account of this configuration has that account and region", raw_title("pins", &raw->head, &raw->name).text);
}

/* Equal selectors are errors and are found whatever the budget: by sorting. The later ones are left out of all else. */
static void find_identical(struct shadow *s, uint32_t *order, bool *ret_is_done)
{
	uint32_t n = s->settings->n_pins, first = 0;

	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), by_match, s);
	for (uint32_t i = 0; i < n; i++) {
		static const struct selector nothing;

		if (is_same(match_of(s, order[i]), &nothing)) {
			ret_is_done[order[i]] = true; /* an error already */
			first = i + 1;
		} else if (i > first && is_same(match_of(s, order[first]), match_of(s, order[i]))) {
			ret_is_done[order[i]] = compare(s, order[first], order[i]);
		} else {
			first = i;
		}
	}
}

static void check_all(struct shadow *s, const bool *is_done)
{
	for (uint32_t i = 0; i < s->settings->n_pins; i++) {
		const char *id = match_of(s, i)->glob[SELECTOR_ID];

		if (is_done[i])
			continue;
		if (is_exact(id))
			s->by_id[s->n_by_id++] = (struct name_entry){ id, i };
		else
			s->wild[s->n_wild++] = i;
		check_scopes(s, i);
	}
	names_sort(s->by_id, s->n_by_id);
	for (uint32_t i = 0; i < s->n_by_id; i++)
		check_exact(s, i);
	for (uint32_t i = 0; i < s->n_wild; i++)
		check_wild(s, i);
}

int shadow_check(struct report *report, const struct settings *settings, const struct raw_pin *const *raw_pins)
{
	struct shadow s = { .report = report, .settings = settings, .raw = raw_pins, .budget = COMPARISONS_MAX };
	size_t n = (size_t)settings->n_pins + 1; /* calloc of nothing may give NULL */
	uint32_t *order = calloc(n, sizeof(*order));
	bool *is_done = calloc(n, sizeof(*is_done));
	int r = -ENOMEM;

	s.by_id = calloc(n, sizeof(*s.by_id));
	s.wild = calloc(n, sizeof(*s.wild));
	if (order && is_done && s.by_id && s.wild) {
		find_identical(&s, order, is_done);
		check_all(&s, is_done);
		r = 0;
	}
	free(order);
	free(is_done);
	free(s.by_id);
	free(s.wild);
	return r;
}
