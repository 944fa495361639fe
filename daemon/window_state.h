/*
 * Whether a window is open and when it opens next, kept until the next of its boundaries: a scrape asks each time. Pure.
 */
#pragma once

#include "calendar.h"

/* Zeroes are one that was never looked at. Times are UNIX seconds. */
struct window_state {
	int64_t from_s, until_s; /* it holds for from_s <= now < until_s */
	bool is_open;
	int64_t next_open_s; /* the first opening that begins after now; 0: none, since it never closes */
};

/* Brings `s` up to date; costs next to nothing between two boundaries. 0, or -ENOMEM with `s` as it was. */
int window_state_look(const struct calendar_window *w, int64_t now_s, struct window_state *s) __attribute__((warn_unused_result));
