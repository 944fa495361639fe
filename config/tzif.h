/*
 * One time zone out of the bytes of its file (RFC 9636). Pure.
 *
 * Files of version 2 and later are read, their 64 bit part and the rule behind it, so that every future year is right.
 * Version 1 is refused (it has no rule and knows nothing after its last change), as are files that count leap seconds.
 * Bytes may be hostile: whatever is wrong gives a text and nothing else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "posix_tz.h"

#define TZIF_BYTES_MAX ((size_t)1024 * 1024)
#define TZIF_TIMES_MAX 8192 /* the largest zone of 2025 has 236 */
#define TZIF_TYPES_MAX 256
#define TZIF_CHARS_MAX 2048
#define TZIF_OFFSET_MAX_S (26 * 3600 - 1) /* of each sign; RFC 9636 section 3.2 */
#define TZIF_TIME_MAX (INT64_C(1) << 55)  /* of each sign: times beyond are taken as this */

enum {
	TZIF_OK = 0,
	TZIF_E_INVALID = 1, /* ret_error goes on after the file's name: "is cut short: …" */
};

struct tzif;

/* 0, TZIF_E_INVALID or -ENOMEM. Bytes are borrowed for the call; the zone is owned by the caller. */
int tzif_new(const void *bytes, size_t len, struct tzif **ret_zone, struct error *ret_error) __attribute__((warn_unused_result));
struct tzif *tzif_free(struct tzif *z);

/* The offset that holds at utc_s, and until when; the next span may have the same offset. */
struct tz_span tzif_span(const struct tzif *z, int64_t utc_s);
/* Seconds east of UTC. */
int32_t tzif_offset(const struct tzif *z, int64_t utc_s);
/* The wall clock at utc_s, a civil time (civil.h). */
int64_t tzif_local(const struct tzif *z, int64_t utc_s);
/*
 * The instant at which the zone's wall clock first shows a civil time; when it first goes beyond it without showing it, the
 * instant that the offset before that gap gives.
 */
int64_t tzif_utc(const struct tzif *z, int64_t civil_s);
