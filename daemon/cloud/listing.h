/*
 * One listing of a scope: pages in, one verdict out. Pure.
 *
 * Page 1 tells how many there are, the others may then be asked for in any order and at once. A listing is
 * complete when every page came, all tell the same total, no instance id stands twice and the entries add up
 * to the total. Else it is inconsistent, and nothing of it is a fact (rule 8): pages shift when instances
 * come and go between two calls, so the caller asks again. One gap remains, see listing.c: when as many come as go
 * between two reads, a complete listing may lack an instance. Memory: one packed copy of what was read.
 */
#pragma once

#include "smartag.h"

struct listing;

#define LISTING_INSTANCES_MAX 2000000

int listing_new(int64_t started_ns, struct listing **ret_listing) __attribute__((warn_unused_result));
struct listing *listing_free(struct listing *l);

/* The next page to ask for, or 0 when none is to be asked for now. Until page 1 came it gives 1 once, then 0. */
uint32_t listing_next_page(struct listing *l);

enum {
	LISTING_MORE = 0,
	LISTING_COMPLETE = 1,
	LISTING_E_INCONSISTENT = 2, /* ret_error says how */
};
/* A page came; copies what it needs. Negative errno is fatal. */
int listing_add(struct listing *l, uint32_t page_number, const struct api_page *page, int64_t read_ns, struct error *ret_error) __attribute__((warn_unused_result));

int64_t listing_started_ns(const struct listing *l);
uint32_t listing_total(const struct listing *l); /* 0 before page 1 */

/*
 * Of a complete listing: the entries from `first` on, at most LIMIT_PAGE of one page (so of one read time).
 * Returns how many; 0 at the end. The observations are valid until the next call.
 */
size_t listing_take(struct listing *l, size_t first, const struct observation **ret_observations, int64_t *ret_read_ns);
