/*
 * Pins: which one an instance falls under. First match wins.
 *
 * Pins that name one exact instance id are found by hash, so that a configuration with 100,000 of them
 * costs no more per instance than one with ten. Pure.
 */
#pragma once

#include "settings.h"

/* What selectors look at; borrowed. serial_numbers may hold "" or NULL for a device without one. */
struct pin_subject {
	const char *attribute[SELECTOR_N]; /* all but SELECTOR_SERIAL_NUMBER; NULL counts as "" */
	const char *serial_numbers[LIMIT_DEVICES];
};

bool glob_is_plain(const char *glob); /* matches its own text and nothing else */
bool glob_match(const char *glob, const char *text); /* linear time in the product of lengths, no recursion */
bool selector_match(const struct selector *s, const struct pin_subject *subject);

struct pin_index;
/* Borrows the settings for its life. 0 or -ENOMEM. */
int pin_index_new(const struct settings *settings, struct pin_index **ret_index) __attribute__((warn_unused_result));
struct pin_index *pin_index_free(struct pin_index *index);
/* The index of the first pin that matches, or PIN_NONE. */
uint32_t pin_index_find(const struct pin_index *index, const struct pin_subject *subject);
