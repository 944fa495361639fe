/* Zone files made by hand (RFC 9636), so that tests do not hang on which tzdata is installed. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "tzif.h"

#define ZONE_TYPES 4
#define ZONE_CHANGES 8
#define ZONE_HEADER_BYTES 44

struct zone_plan {
	int32_t offsets[ZONE_TYPES]; /* the first holds before every change */
	size_t n_offsets;
	struct {
		int64_t at_s;
		unsigned char to; /* an index into offsets */
	} changes[ZONE_CHANGES];
	size_t n_changes;
	const char *rule;
};

struct zone_bytes {
	unsigned char data[1024];
	size_t len;
};

static inline void zone_put(struct zone_bytes *b, uint64_t value, size_t n_bytes)
{
	for (size_t i = n_bytes; i-- > 0;)
		b->data[b->len++] = (unsigned char)(value >> (8 * i));
}

static inline void zone_put_text(struct zone_bytes *b, const char *text, size_t len)
{
	memcpy(b->data + b->len, text, len);
	b->len += len;
}

/* Header and data with times of 4 (but 0 of them) or 8 bytes. */
static inline void zone_put_part(struct zone_bytes *b, const struct zone_plan *plan, size_t n_changes)
{
	const uint64_t counts[] = { 0, plan->n_offsets, 0, n_changes, plan->n_offsets, 4 };

	zone_put_text(b, "TZif3", 5);
	zone_put(b, 0, 8);
	zone_put(b, 0, 7);
	for (size_t i = 0; i < 6; i++)
		zone_put(b, counts[i], 4);
	for (size_t i = 0; i < n_changes; i++)
		zone_put(b, (uint64_t)plan->changes[i].at_s, 8);
	for (size_t i = 0; i < n_changes; i++)
		zone_put(b, plan->changes[i].to, 1);
	for (size_t i = 0; i < plan->n_offsets; i++) {
		zone_put(b, (uint32_t)plan->offsets[i], 4);
		zone_put(b, i % 2, 1);
		zone_put(b, 0, 1);
	}
	zone_put_text(b, "XYZ", 4);
	zone_put(b, 0, plan->n_offsets);
}

static inline struct zone_bytes zone_make(const struct zone_plan *plan)
{
	struct zone_bytes b = { .len = 0 };

	zone_put_part(&b, plan, 0);
	zone_put_part(&b, plan, plan->n_changes);
	zone_put_text(&b, "\n", 1);
	zone_put_text(&b, plan->rule, strlen(plan->rule));
	zone_put_text(&b, "\n", 1);
	return b;
}

#define RULE_BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define RULE_NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define RULE_LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0" /* half an hour of DST */
#define RULE_DUBLIN "IST-1GMT0,M10.5.0,M3.5.0/1"           /* the winter is the exception */
#define RULE_NUUK "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"       /* changes on the eve */
#define RULE_SHANGHAI "CST-8"

/* Pacific/Apia went over the date line: its 30 December 2011 never was. */
#define PLAN_APIA                                                                                                                          \
	{                                                                                                                                  \
		.offsets = { -11 * 3600, -10 * 3600, 14 * 3600, 13 * 3600 }, .n_offsets = 4,                                               \
		.changes = { { 1316872800, 1 }, { 1325239200, 2 }, { 1333202400, 3 } }, .n_changes = 3, .rule = "<+13>-13"                 \
	}
