/*
 * Answers, written straight into a buffer as JSON or as XML.
 *
 * One set of calls describes both forms; the writer can also be told to spoil what it writes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define ANSWER_DEPTH 8

struct answer {
	char *data; /* owned */
	size_t size, capacity;
	bool is_xml;
	bool is_broken; /* memory was short: the answer must not be sent */
	bool has_wrong_types, has_missing_fields, has_invalid_utf8;
	struct random random; /* which fields are spoilt */
	bool needs_comma;
	struct {
		const char *name; /* static; NULL where XML has no element of its own */
		char close;       /* what ends it in JSON; 0: nothing */
	} stack[ANSWER_DEPTH];
	unsigned int depth;
};

void answer_deinit(struct answer *answer);
/* The outermost element; its name shows in XML only. */
void answer_begin(struct answer *answer, const char *name);
/* Lists are wrapped as the API wraps them: {"Things": {"Thing": [{…}]}} and <Things><Thing>…</Thing></Things>. */
void answer_begin_list(struct answer *answer, const char *name, const char *item);
void answer_begin_item(struct answer *answer, const char *item);
/* A plain object or array inside another; answer_end() ends it. A name of NULL is for elements of arrays. */
void answer_begin_object(struct answer *answer, const char *name);
void answer_begin_array(struct answer *answer, const char *name);
void answer_end_list(struct answer *answer);
/* Ends an item, or the outermost element. */
void answer_end(struct answer *answer);

void answer_string(struct answer *answer, const char *name, const char *value);
/* Free text: what invalid_utf8 spoils. */
void answer_text(struct answer *answer, const char *name, const char *value);
void answer_number(struct answer *answer, const char *name, int64_t value);
void answer_bool(struct answer *answer, const char *name, bool value);
