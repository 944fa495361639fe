/*
 * The order of versions (rule 7).
 *
 * Works on the text in place: no allocation, no number is ever converted, so parts of any length compare
 * without overflow. The order is total over all well-formed versions; what is not well-formed has no place
 * in it and compares with nothing but itself.
 *
 * Pre-release suffixes are compared part by part, and within a part by runs of digits and other characters,
 * so that rc2 comes before rc10.
 */
#include "version.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A piece of a version: [at, end). */
struct span {
	const char *at, *end;
};

struct parsed {
	struct span numbers;
	struct span suffix; /* empty: a release */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_identifier(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* Non-empty parts of allowed characters with single dots between them. */
static bool is_dotted(struct span s, bool (*is_allowed)(char))
{
	bool is_part_empty = true;

	for (const char *p = s.at; p < s.end; p++) {
		if (*p == '.') {
			if (is_part_empty)
				return false;
			is_part_empty = true;
		} else if (is_allowed(*p)) {
			is_part_empty = false;
		} else {
			return false;
		}
	}
	return !is_part_empty;
}

static bool version_parse(const char *text, struct parsed *ret)
{
	const char *end = text + strlen(text);
	const char *plus = strchr(text, '+');
	const char *stop = plus ? plus : end;
	const char *dash = memchr(text, '-', (size_t)(stop - text));

	if (*text == 'v' || *text == 'V')
		text++;
	ret->numbers = (struct span){ text, dash ? dash : stop };
	ret->suffix = (struct span){ dash ? dash + 1 : stop, stop };
	return is_dotted(ret->numbers, is_digit) && (!dash || is_dotted(ret->suffix, is_identifier)) &&
	       (!plus || is_dotted((struct span){ plus + 1, end }, is_identifier));
}

static int span_compare_text(struct span a, struct span b)
{
	size_t n = (size_t)(a.end - a.at), m = (size_t)(b.end - b.at);
	int c = memcmp(a.at, b.at, n < m ? n : m);

	return c ? c : (n > m) - (n < m);
}

/* Digits only; an empty span is 0. */
static int span_compare_number(struct span a, struct span b)
{
	while (a.at < a.end && *a.at == '0')
		a.at++;
	while (b.at < b.end && *b.at == '0')
		b.at++;
	ptrdiff_t n = a.end - a.at, m = b.end - b.at;
	return n != m ? (n > m) - (n < m) : memcmp(a.at, b.at, (size_t)n);
}

/* Cuts the part up to the next dot off the front; an exhausted span gives empty parts. */
static struct span span_next_part(struct span *s)
{
	const char *dot = s->at < s->end ? memchr(s->at, '.', (size_t)(s->end - s->at)) : NULL;
	struct span part = { s->at, dot ? dot : s->end };

	s->at = dot ? dot + 1 : s->end;
	return part;
}

/* Cuts a run of digits, or of other characters, off the front. */
static struct span span_next_run(struct span *s)
{
	struct span run = { s->at, s->at };

	while (run.end < s->end && is_digit(*run.end) == is_digit(*run.at))
		run.end++;
	s->at = run.end;
	return run;
}

static int compare_identifiers(struct span a, struct span b)
{
	while (a.at < a.end && b.at < b.end) {
		struct span x = span_next_run(&a), y = span_next_run(&b);
		bool is_x_number = is_digit(*x.at), is_y_number = is_digit(*y.at);
		int c;

		if (is_x_number != is_y_number)
			return is_x_number ? -1 : 1;
		c = is_x_number ? span_compare_number(x, y) : span_compare_text(x, y);
		if (c)
			return c;
	}
	return (a.at < a.end) - (b.at < b.end);
}

static int compare_numbers(struct span a, struct span b)
{
	while (a.at < a.end || b.at < b.end) {
		int c = span_compare_number(span_next_part(&a), span_next_part(&b));
		if (c)
			return c;
	}
	return 0;
}

static int compare_suffixes(struct span a, struct span b)
{
	if (a.at == a.end || b.at == b.end)
		return (a.at == a.end) - (b.at == b.end);
	while (a.at < a.end && b.at < b.end) {
		int c = compare_identifiers(span_next_part(&a), span_next_part(&b));
		if (c)
			return c;
	}
	return (a.at < a.end) - (b.at < b.end);
}

enum version_order version_compare(const char *a, const char *b)
{
	struct parsed x, y;
	int c;

	if (strcmp(a, b) == 0)
		return VERSION_ORDER_SAME;
	if (!version_parse(a, &x) || !version_parse(b, &y))
		return VERSION_ORDER_INCOMPARABLE;
	c = compare_numbers(x.numbers, y.numbers);
	if (c == 0)
		c = compare_suffixes(x.suffix, y.suffix);
	if (c == 0)
		return VERSION_ORDER_SAME;
	return c < 0 ? VERSION_ORDER_OLDER : VERSION_ORDER_NEWER;
}
