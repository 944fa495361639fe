/*
 * The rule at the end of a zone file, which holds for all times behind its table: the TZ string of POSIX with the
 * extensions of RFC 9636, section 3.3.2 (hours of -167 to 167, names in < >). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define POSIX_TZ_BYTES_MAX 127

enum posix_tz_form {
	POSIX_TZ_FORM_JULIAN, /* Jn: day 1 to 365, 29 February is never counted */
	POSIX_TZ_FORM_DAY,    /* n: day 0 to 365, 29 February is counted */
	POSIX_TZ_FORM_WEEK,   /* Mm.w.d: the w-th d-day of month m, 5 is the last */
};

struct posix_tz_date {
	enum posix_tz_form form;
	int month, week;
	int day;        /* of the year; or of the week, where 0 is Sunday */
	int32_t time_s; /* after 00:00 of that day */
};

struct posix_tz {
	int32_t standard_s; /* seconds east of UTC */
	bool has_dst;
	int32_t dst_s; /* may be less than standard_s: Europe/Dublin */
	struct posix_tz_date dst_start, dst_end;
};

/* A stretch of time with one offset from UTC. */
struct tz_span {
	int32_t offset_s; /* seconds east of UTC */
	int64_t end_s;    /* UTC, exclusive; INT64_MAX: for ever */
};

/* False when it is no such rule, or names DST without saying when it is. */
bool posix_tz_parse(const char *text, struct posix_tz *ret_rule);
/* The span that utc_s is in, from there on; utc_s is within +-2^56. The next span may have the same offset. */
struct tz_span posix_tz_span(const struct posix_tz *rule, int64_t utc_s);
