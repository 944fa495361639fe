/*
 * The parts of a zone file: header, data of version 1 (stepped over), header, data with 64 bit times, rule.
 *
 * Guarantees that nothing is read before it is known to be there, and that what is kept is ordered and in range.
 * What nobody here needs is checked and not kept: names, flags of DST, how the times were once written. Pure.
 */
#include "tzif.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "TZif"
#define HEADER_BYTES 44
#define TYPE_BYTES 6

struct transition {
	int64_t at_s;
	int32_t offset_s; /* from there on */
};

struct tzif {
	bool has_rule;
	struct posix_tz rule; /* from the last transition on */
	int32_t first_offset_s; /* before the first one */
	uint32_t n_transitions;
	struct transition transitions[];
};

struct header {
	unsigned char version;
	uint32_t n_ut_flags, n_standard_flags, n_leaps, n_times, n_types, n_chars;
};

struct input {
	const unsigned char *at;
	size_t left;
	struct error *error;
};

static int refuse(struct input *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct input *in, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(in->error->text, sizeof(in->error->text), format, args);
	va_end(args);
	return TZIF_E_INVALID;
}

static int64_t read_big_endian(const unsigned char *p, size_t n_bytes)
{
	uint64_t value = p[0] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < n_bytes; i++)
		value = value << 8 | p[i];
	return (int64_t)value;
}

static uint32_t read_count(const unsigned char *p)
{
	return (uint32_t)read_big_endian(p, 4);
}

static void step(struct input *in, size_t n)
{
	in->at += n;
	in->left -= n;
}

static int take_header(struct input *in, struct header *ret_header)
{
	const unsigned char *p = in->at;

	if (in->left < sizeof(MAGIC) - 1 || memcmp(p, MAGIC, sizeof(MAGIC) - 1) != 0)
		return refuse(in, "is no time zone file: \"" MAGIC "\" is not where it must be");
	if (in->left < HEADER_BYTES)
		return refuse(in, "is cut short: a header ends after %zu bytes", in->left);
	*ret_header = (struct header){
		.version = p[4],
		.n_ut_flags = read_count(p + 20),
		.n_standard_flags = read_count(p + 24),
		.n_leaps = read_count(p + 28),
		.n_times = read_count(p + 32),
		.n_types = read_count(p + 36),
		.n_chars = read_count(p + 40),
	};
	step(in, HEADER_BYTES);
	return 0;
}

/* The counts have 32 bits each, so that the sum cannot overflow 64. */
static uint64_t data_bytes(const struct header *h, uint64_t time_bytes)
{
	return h->n_times * (time_bytes + 1) + h->n_types * UINT64_C(6) + h->n_chars + h->n_leaps * (time_bytes + 4) + h->n_standard_flags +
	       h->n_ut_flags;
}

static int check_room(struct input *in, const struct header *h, uint64_t time_bytes)
{
	uint64_t need = data_bytes(h, time_bytes);

	if (need > in->left)
		return refuse(in, "is cut short or damaged: its counts say %llu bytes of data, and %zu are left", (unsigned long long)need,
			      in->left);
	return 0;
}

static int check_counts(struct input *in, const struct header *h)
{
	const struct {
		const char *what;
		uint32_t n, min, max;
	} counts[] = {
		{ "changes", h->n_times, 0, TZIF_TIMES_MAX },
		{ "local time types", h->n_types, 1, TZIF_TYPES_MAX },
		{ "bytes of names", h->n_chars, 1, TZIF_CHARS_MAX },
	};

	if (h->n_leaps)
		return refuse(in, "counts leap seconds, as the zones in right/ do; write the same zone's name without right/");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (counts[i].n < counts[i].min || counts[i].n > counts[i].max)
			return refuse(in, "is damaged: %u %s, and it goes from %u to %u", counts[i].n, counts[i].what, counts[i].min, counts[i].max);
	if ((h->n_ut_flags && h->n_ut_flags != h->n_types) || (h->n_standard_flags && h->n_standard_flags != h->n_types))
		return refuse(in, "is damaged: %u and %u flags for %u local time types", h->n_standard_flags, h->n_ut_flags, h->n_types);
	return 0;
}

static int check_types(struct input *in, const struct header *h, const unsigned char *types)
{
	const unsigned char *chars = types + (size_t)h->n_types * TYPE_BYTES;

	for (uint32_t i = 0; i < h->n_types; i++) {
		const unsigned char *type = types + (size_t)i * TYPE_BYTES;
		int64_t offset_s = read_big_endian(type, 4);

		if (offset_s < -TZIF_OFFSET_MAX_S || offset_s > TZIF_OFFSET_MAX_S)
			return refuse(in, "is damaged: an offset of %lld seconds from UTC", (long long)offset_s);
		if (type[4] > 1)
			return refuse(in, "is damaged: a daylight saving flag of %u", type[4]);
		if (type[5] >= h->n_chars || !memchr(chars + type[5], '\0', h->n_chars - type[5]))
			return refuse(in, "is damaged: the name of local time type %u is not in it", i);
	}
	return 0;
}

/* Fills z from the data of the 64 bit part, which is known to be there, and steps behind it. */
static int take_data(struct input *in, const struct header *h, struct tzif *z)
{
	const unsigned char *times = in->at, *indexes = times + (size_t)h->n_times * 8, *types = indexes + h->n_times;
	int r = check_types(in, h, types);

	if (r)
		return r;
	z->first_offset_s = (int32_t)read_big_endian(types, 4);
	for (uint32_t i = 0; i < h->n_times; i++) {
		struct transition *t = &z->transitions[i];

		if (indexes[i] >= h->n_types)
			return refuse(in, "is damaged: change %u is to local time type %u of %u", i, indexes[i], h->n_types);
		t->at_s = read_big_endian(times + (size_t)i * 8, 8);
		t->offset_s = (int32_t)read_big_endian(types + (size_t)indexes[i] * TYPE_BYTES, 4);
		if (i > 0 && t->at_s <= t[-1].at_s)
			return refuse(in, "is damaged: change %u is not after the one before it", i);
	}
	z->n_transitions = h->n_times;
	step(in, (size_t)data_bytes(h, 8));
	return 0;
}

/* A newline, the rule, a newline, and nothing behind. No rule means that the last offset stays. */
static int take_rule(struct input *in, struct tzif *z)
{
	char text[POSIX_TZ_BYTES_MAX + 1] = "";
	size_t len = in->left - 2;

	if (in->left < 2 || in->at[0] != '\n' || in->at[in->left - 1] != '\n')
		return refuse(in, "is cut short or damaged: no rule between two line ends at its end");
	if (len >= sizeof(text))
		return refuse(in, "is damaged: a rule of %zu bytes at its end, and %d are the most", len, POSIX_TZ_BYTES_MAX);
	if (len == 0)
		return 0;
	memcpy(text, in->at + 1, len);
	if (strlen(text) != len || !posix_tz_parse(text, &z->rule))
		return refuse(in, "is damaged: the rule at its end cannot be read");
	z->has_rule = true;
	return 0;
}

/* Steps to the data with 64 bit times. */
static int take_headers(struct input *in, struct header *ret_header)
{
	struct header first = { 0 };
	int r = take_header(in, &first);

	if (r)
		return r;
	if (first.version < '2' || first.version > '9')
		return refuse(in, "is of an old version that says nothing about the future, or of an unknown one; "
				  "files of version 2 and later are read, as the Debian package tzdata has them");
	r = check_room(in, &first, 4);
	if (r)
		return r;
	step(in, (size_t)data_bytes(&first, 4));
	r = take_header(in, ret_header);
	if (r)
		return r;
	if (ret_header->version != first.version)
		return refuse(in, "is damaged: its two headers are of different versions");
	r = check_counts(in, ret_header);
	return r ? r : check_room(in, ret_header, 8);
}

int tzif_new(const void *bytes, size_t len, struct tzif **ret_zone, struct error *ret_error)
{
	struct input in = { bytes, len, ret_error };
	struct header header = { 0 };
	struct tzif *z;
	int r;

	if (len > TZIF_BYTES_MAX)
		return refuse(&in, "is too large for a time zone file: %zu bytes, and %zu are the most", len, TZIF_BYTES_MAX);
	r = take_headers(&in, &header);
	if (r)
		return r;
	z = calloc(1, sizeof(*z) + header.n_times * sizeof(z->transitions[0]));
	if (!z)
		return -ENOMEM;
	r = take_data(&in, &header, z);
	if (!r)
		r = take_rule(&in, z);
	if (r) {
		tzif_free(z);
		return r;
	}
	*ret_zone = z;
	return 0;
}

struct tzif *tzif_free(struct tzif *z)
{
	free(z);
	return NULL;
}

static int64_t clamp(int64_t time_s)
{
	if (time_s > TZIF_TIME_MAX)
		return TZIF_TIME_MAX;
	return time_s < -TZIF_TIME_MAX ? -TZIF_TIME_MAX : time_s;
}

/* How many transitions are not after utc_s. */
static uint32_t count_until(const struct tzif *z, int64_t utc_s)
{
	uint32_t low = 0, high = z->n_transitions;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (z->transitions[middle].at_s <= utc_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct tz_span tzif_span(const struct tzif *z, int64_t utc_s)
{
	int64_t at_s = clamp(utc_s);
	uint32_t n = count_until(z, at_s);
	bool is_last = n == z->n_transitions;

	if (is_last && z->has_rule)
		return posix_tz_span(&z->rule, at_s);
	return (struct tz_span){
		.offset_s = n ? z->transitions[n - 1].offset_s : z->first_offset_s,
		.end_s = is_last ? INT64_MAX : z->transitions[n].at_s,
	};
}

int32_t tzif_offset(const struct tzif *z, int64_t utc_s)
{
	return tzif_span(z, utc_s).offset_s;
}

int64_t tzif_local(const struct tzif *z, int64_t utc_s)
{
	return clamp(utc_s) + tzif_offset(z, utc_s);
}

/* From span to span, starting in one that cannot be too late: the first that reaches the time has it, or the gap before it. */
int64_t tzif_utc(const struct tzif *z, int64_t civil_s)
{
	int64_t local_s = clamp(civil_s);
	struct tz_span span = tzif_span(z, local_s - TZIF_OFFSET_MAX_S);

	while (local_s - span.offset_s >= span.end_s) {
		struct tz_span next = tzif_span(z, span.end_s);

		if (local_s - next.offset_s < span.end_s)
			break;
		span = next;
	}
	return local_s - span.offset_s;
}
