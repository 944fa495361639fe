/*
 * The exposition writer: text 0.0.4 and OpenMetrics 1.0, block by block, from a cursor that can stop anywhere.
 *
 * Pure: bytes into the caller's buffer. Families in catalogue order, samples in row or creation order, so the same
 * state gives the same bytes. Escapes label values and help as each format asks; label values must be valid UTF-8.
 * No timestamps, no duplicates made here, `# EOF` at the end of OpenMetrics.
 */
#pragma once

#include "registry.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum expose_format {
	EXPOSE_TEXT,        /* text/plain; version=0.0.4; charset=utf-8 */
	EXPOSE_OPENMETRICS, /* application/openmetrics-text; version=1.0.0; charset=utf-8 */
	EXPOSE_FORMAT_N,
};
extern const char *const expose_content_types[EXPOSE_FORMAT_N];

/* Chooses by an Accept header (NULL: none): q-values, wildcards, versions; malformed or unknown: text 0.0.4. RFC 9110 12.5.1. */
enum expose_format expose_negotiate(const char *accept);
/* Whether an Accept-Encoding header (NULL: none) allows gzip with q > 0. RFC 9110 12.5.3. */
bool expose_accepts_gzip(const char *accept_encoding);

struct expose_text {
	const char *data;
	size_t len;
};
/* Longer label values are cut between two characters, so that a sample has a bounded length. */
#define EXPOSE_LABEL_MAX 512
/* One sample of a live family: label values in catalogue order. Borrowed until the next row call. */
struct expose_row {
	struct expose_text labels[METRIC_LABELS_MAX];
	double value;
};
/* What a live family is rendered from. All functions get `ctx`. */
struct expose_source {
	void *ctx;
	/* Begins a scrape: holds the table. Returns a mark that the others get back. */
	uint64_t (*begin)(void *ctx);
	void (*end)(void *ctx, uint64_t mark);
	/* How many rows family `id` has at most; rows are asked for from 0 up. */
	uint64_t (*rows)(void *ctx, uint64_t mark, enum metric_id id);
	/* False: nothing to show in this row (empty slot, metric absent for this target). */
	bool (*row)(void *ctx, uint64_t mark, enum metric_id id, uint64_t row, struct expose_row *ret_row);
	/* Whether a live family is exposed at all (--metrics.targets=none leaves some out). */
	bool (*is_shown)(void *ctx, enum metric_id id);
	/* A slice of what must be done before the first row, such as adding up; true when all is. NULL: nothing. */
	bool (*prepare)(void *ctx, uint64_t mark);
};

struct exposition;
/* Borrows registry and source until exposition_free, which ends the hold on the table. source may be NULL. */
int exposition_new(enum expose_format format, const struct registry *registry, const struct expose_source *source, struct exposition **ret_exposition) __attribute__((warn_unused_result));
struct exposition *exposition_free(struct exposition *e);
/*
 * Writes up to `size` bytes (at least EXPOSE_BLOCK_MIN); returns how many. A histogram is written from one state. One
 * call looks at EXPOSE_ROWS_MAX rows or prepares one slice, so it may write nothing: it is over when
 * exposition_is_ended() says so, else it is to be called again.
 */
#define EXPOSE_BLOCK_MIN 16384
#define EXPOSE_ROWS_MAX 4096
bool exposition_is_ended(const struct exposition *e);
size_t exposition_write(struct exposition *e, char *buf, size_t size);

/*
 * The same as gzip (RFC 1952, zlib level 1): 0 at the end, negative errno on failure. A call compresses one block of
 * text at most; -EAGAIN: that has made no output yet (a fleet packs well, rows may be empty), call again.
 */
struct exposition_gzip;
int exposition_gzip_new(struct exposition *e, struct exposition_gzip **ret_gzip) __attribute__((warn_unused_result)); /* takes e on success */
struct exposition_gzip *exposition_gzip_free(struct exposition_gzip *g);
ssize_t exposition_gzip_write(struct exposition_gzip *g, char *buf, size_t size);
