/*
 * One decoder step, and cleaning on top of it. Guarantees that what leaves is valid UTF-8 without control
 * characters and that a second cleaning changes nothing. Must not depend on the locale.
 */
#include "utf8.h"

#include <string.h>

/* Well-formed sequences by first byte (Unicode, table 3-7): the range of the second byte carries all exceptions. */
struct lead {
	unsigned char first, last;
	unsigned char len;
	unsigned char second_min, second_max;
};

static const struct lead leads[] = {
	{ 0xc2, 0xdf, 2, 0x80, 0xbf },
	{ 0xe0, 0xe0, 3, 0xa0, 0xbf }, /* not overlong */
	{ 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f }, /* no surrogates */
	{ 0xee, 0xef, 3, 0x80, 0xbf },
	{ 0xf0, 0xf0, 4, 0x90, 0xbf }, /* not overlong */
	{ 0xf1, 0xf3, 4, 0x80, 0xbf },
	{ 0xf4, 0xf4, 4, 0x80, 0x8f }, /* not above U+10FFFF */
};

enum kind {
	KIND_KEEP,
	KIND_CONTROL,
	KIND_INVALID,
};

static const struct lead *find_lead(unsigned char c)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (c >= leads[i].first && c <= leads[i].last)
			return &leads[i];
	return NULL;
}

/* How many bytes the next character, or the next invalid part, takes; len is at least 1. */
static size_t next(const char *text, size_t len, enum kind *ret_kind)
{
	const unsigned char *s = (const unsigned char *)text;
	const struct lead *lead;
	size_t n = 1;

	if (s[0] < 0x80) {
		*ret_kind = s[0] < 0x20 || s[0] == 0x7f ? KIND_CONTROL : KIND_KEEP;
		return 1;
	}
	*ret_kind = KIND_INVALID;
	lead = find_lead(s[0]);
	if (!lead)
		return 1;
	while (n < lead->len && n < len) {
		unsigned char min = n == 1 ? lead->second_min : 0x80;
		unsigned char max = n == 1 ? lead->second_max : 0xbf;

		if (s[n] < min || s[n] > max)
			return n;
		n++;
	}
	if (n == lead->len)
		*ret_kind = s[0] == 0xc2 && s[1] < 0xa0 ? KIND_CONTROL : KIND_KEEP;
	return n;
}

bool utf8_is_clean(const char *text, size_t len)
{
	enum kind kind;

	for (size_t i = 0; i < len;) {
		i += next(text + i, len - i, &kind);
		if (kind != KIND_KEEP)
			return false;
	}
	return true;
}

size_t utf8_clean(const char *text, size_t len, char *buf, size_t size)
{
	static const char *const instead[] = { [KIND_CONTROL] = " ", [KIND_INVALID] = "\xef\xbf\xbd" };
	size_t out = 0;
	enum kind kind;

	for (size_t i = 0; i < len;) {
		const char *from = text + i;
		size_t n = next(from, len - i, &kind);

		i += n;
		if (kind != KIND_KEEP) {
			from = instead[kind];
			n = strlen(from);
		}
		if (n >= size - out)
			break;
		memcpy(buf + out, from, n);
		out += n;
	}
	buf[out] = '\0';
	return out;
}
