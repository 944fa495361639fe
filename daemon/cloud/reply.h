/*
 * Typed access to a parsed reply; private to smartag.c, like cJSON itself.
 *
 * A reader has a sticky error: the first bad field decides and is named in the error text, what is read after it
 * gives "", 0 or NULL. Member names are case-sensitive; of one that stands twice the first counts; null counts
 * as missing. Strings are clean (core/utf8.h) and live as long as the reply.
 */
#pragma once

#include <cjson/cJSON.h>

#include "smartag.h"

struct reader {
	struct api_reply *reply;
	const cJSON *root;
	const char *list; /* for errors: the list that is being read, and where in it */
	size_t index;
	int r; /* 0, SMARTAG_E_INVALID or -ENOMEM */
	struct error *error;
};

/* Starts on a successful reply; one with a code is invalid. */
void reader_begin(struct reader *rd, struct api_reply *reply, struct error *error);
void reader_invalid(struct reader *rd, const char *key, const char *what);
/* A buffer that lives as long as the reply, or NULL. */
char *reader_reserve(struct reader *rd, size_t size);

/* The member, or NULL when it is missing. */
const cJSON *reader_member(const cJSON *object, const char *key);
/* An id, a serial number, a version: exact or invalid. "" when missing. */
const char *reader_word(struct reader *rd, const cJSON *object, const char *key, size_t limit);
/* What is only shown and matched on: cut at LIMIT_NAME. "" when missing. */
const char *reader_name(struct reader *rd, const cJSON *object, const char *key);
/* A whole number from 0 to max, as a number or as at most 15 digits; 0 when missing. */
int64_t reader_number(struct reader *rd, const cJSON *object, const char *key, int64_t max);
/* The first object of the list object[outer][inner], NULL when missing or empty. Moves the reader into the list. */
const cJSON *reader_list(struct reader *rd, const cJSON *object, const char *outer, const char *inner, size_t max);
