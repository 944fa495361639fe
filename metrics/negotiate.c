/*
 * Which format, and whether compressed: the Accept headers of RFC 9110, 12.5. Pure.
 *
 * An element that is malformed counts as absent, an unknown one as not for us: the answer is then text, uncompressed,
 * which every client can read. Must never refuse: a scrape in the lesser format beats none.
 */
#include "expose.h"
#include <string.h>
#include <strings.h>

#define QUALITY_MAX 1000

struct span {
	const char *data;
	size_t len;
};

/* One element of a list: a media range or a coding, and the parameters that we look at. */
struct element {
	struct span name;
	struct span version, charset; /* data NULL: absent */
	unsigned int quality;         /* in thousandths */
	bool is_valid;
};

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

static bool span_is(const struct span *s, const char *text)
{
	return s->len == strlen(text) && strncasecmp(s->data, text, s->len) == 0;
}

/* Both return past what they read; an empty span is an error. */
static const char *read_token(const char *p, const char *more, struct span *ret_span)
{
	const char *start = p;

	while (is_token_char(*p) || (*p != '\0' && strchr(more, *p)))
		p++;
	*ret_span = (struct span){ start, (size_t)(p - start) };
	return p;
}

/* A token or a quoted string; escapes inside quotes stay as they are, for no value of ours has one. */
static const char *read_value(const char *p, struct span *ret_span)
{
	const char *start;

	if (*p != '"')
		return read_token(p, "", ret_span);
	start = ++p;
	while (*p != '\0' && *p != '"')
		p += p[0] == '\\' && p[1] != '\0' ? 2 : 1;
	*ret_span = (struct span){ start, *p == '"' ? (size_t)(p - start) : 0 };
	return *p == '"' ? p + 1 : p;
}

/* "0", "1", and up to three decimals. */
static bool read_quality(const struct span *s, unsigned int *ret_quality)
{
	unsigned int quality, scale = QUALITY_MAX;

	if (s->len == 0 || s->len > 5 || (s->data[0] != '0' && s->data[0] != '1') || (s->len > 1 && s->data[1] != '.'))
		return false;
	quality = (unsigned int)(s->data[0] - '0') * scale;
	for (size_t i = 2; i < s->len; i++) {
		if (s->data[i] < '0' || s->data[i] > '9')
			return false;
		scale /= 10;
		quality += (unsigned int)(s->data[i] - '0') * scale;
	}
	if (quality > QUALITY_MAX)
		return false;
	*ret_quality = quality;
	return true;
}

static bool element_set(struct element *e, const struct span *key, const struct span *value)
{
	if (span_is(key, "q"))
		return read_quality(value, &e->quality);
	if (span_is(key, "version"))
		e->version = *value;
	else if (span_is(key, "charset"))
		e->charset = *value;
	return true;
}

/* To the comma that ends the element, past quoted strings. */
static const char *skip_element(const char *p)
{
	struct span ignored;

	while (*p != '\0' && *p != ',') {
		if (*p == '"')
			p = read_value(p, &ignored);
		else
			p++;
	}
	return p;
}

static const char *read_parameter(const char *p, struct element *e)
{
	struct span key, value;

	p = read_token(skip_space(p), "", &key);
	if (key.len == 0 && (*p == ';' || *p == ',' || *p == '\0'))
		return p; /* RFC 9110 5.6.6 allows empty ones */
	if (key.len == 0 || *p != '=')
		goto malformed;
	p = read_value(p + 1, &value);
	if ((value.len == 0 && p[-1] != '"') || !element_set(e, &key, &value))
		goto malformed;
	return p;
malformed:
	e->is_valid = false;
	return p;
}

/* False at the end of the list; *p moves on. */
static bool read_element(const char **p, struct element *ret_element)
{
	struct element e = { .quality = QUALITY_MAX, .is_valid = true };
	const char *s = *p;

	s += strspn(s, " \t,");
	if (*s == '\0')
		return false;
	s = skip_space(read_token(s, "/", &e.name));
	if (e.name.len == 0)
		e.is_valid = false;
	while (e.is_valid && *s == ';')
		s = skip_space(read_parameter(s + 1, &e));
	if (*s != '\0' && *s != ',')
		e.is_valid = false;
	*p = skip_element(s);
	*ret_element = e;
	return true;
}

/* How exactly an element names a format: 0 not at all, 1 any type, 2 its type, 3 itself. */
static unsigned int match(const struct element *e, enum expose_format format)
{
	static const struct {
		const char *media, *type, *version;
	} ours[EXPOSE_FORMAT_N] = {
		[EXPOSE_TEXT] = { "text/plain", "text/*", "0.0.4" },
		[EXPOSE_OPENMETRICS] = { "application/openmetrics-text", "application/*", "1.0.0" },
	};

	if (e->version.data && !span_is(&e->version, ours[format].version))
		return 0;
	if (e->charset.data && !span_is(&e->charset, "utf-8"))
		return 0;
	if (span_is(&e->name, ours[format].media))
		return 3;
	return span_is(&e->name, ours[format].type) ? 2 : span_is(&e->name, "*/*") ? 1 : 0;
}

/* What a client thinks of a format: by the element that names it most exactly, the best of them. */
struct opinion {
	unsigned int exactness, quality;
	size_t position;
};

static void opinion_update(struct opinion *o, const struct element *e, unsigned int exactness, size_t position)
{
	if (exactness < o->exactness || exactness == 0)
		return;
	if (exactness == o->exactness && e->quality <= o->quality)
		return;
	*o = (struct opinion){ exactness, e->quality, position };
}

/* Strictly: where all is equal, or nothing is wanted, text stays. */
static bool is_better(const struct opinion *a, const struct opinion *b)
{
	if (a->quality == 0)
		return false;
	if (a->quality != b->quality)
		return a->quality > b->quality;
	if (a->exactness != b->exactness)
		return a->exactness > b->exactness;
	return a->position < b->position;
}

enum expose_format expose_negotiate(const char *accept)
{
	struct opinion opinions[EXPOSE_FORMAT_N] = { 0 };
	struct element e;

	for (size_t i = 0; accept && read_element(&accept, &e); i++) {
		for (int f = 0; f < EXPOSE_FORMAT_N && e.is_valid; f++)
			opinion_update(&opinions[f], &e, match(&e, (enum expose_format)f), i);
	}
	if (is_better(&opinions[EXPOSE_OPENMETRICS], &opinions[EXPOSE_TEXT]))
		return EXPOSE_OPENMETRICS;
	return EXPOSE_TEXT;
}

bool expose_accepts_gzip(const char *accept_encoding)
{
	bool is_named = false, is_accepted = false;
	struct element e;

	while (accept_encoding && read_element(&accept_encoding, &e)) {
		bool is_gzip = span_is(&e.name, "gzip") || span_is(&e.name, "x-gzip");

		if (!e.is_valid || (!is_gzip && !span_is(&e.name, "*")) || (is_named && !is_gzip))
			continue;
		is_accepted = e.quality > 0;
		is_named = is_gzip;
	}
	return is_accepted;
}
