/*
 * The answer writer. Knows JSON and XML and nothing of what is said in them.
 */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_bytes(struct answer *answer, const char *bytes, size_t size)
{
	if (answer->capacity - answer->size < size) {
		size_t capacity = (answer->capacity + size) * 2 + 1024;
		char *data = realloc(answer->data, capacity);

		if (data == NULL) {
			answer->is_broken = true;
			return;
		}
		answer->data = data;
		answer->capacity = capacity;
	}
	memcpy(answer->data + answer->size, bytes, size);
	answer->size += size;
}

static void put(struct answer *answer, const char *text)
{
	put_bytes(answer, text, strlen(text));
}

static const char *escape_xml(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	default:
		return NULL;
	}
}

static const char *escape_json(char c, char buffer[static 8])
{
	if (c == '"')
		return "\\\"";
	if (c == '\\')
		return "\\\\";
	if ((unsigned char)c >= ' ')
		return NULL;
	snprintf(buffer, 8, "\\u%04x", (unsigned int)c);
	return buffer;
}

static void put_escaped(struct answer *answer, const char *text)
{
	const char *start = text;

	for (; *text != '\0'; text++) {
		char buffer[8];
		const char *escaped = answer->is_xml ? escape_xml(*text) : escape_json(*text, buffer);

		if (escaped == NULL)
			continue;
		put_bytes(answer, start, (size_t)(text - start));
		put(answer, escaped);
		start = text + 1;
	}
	put_bytes(answer, start, (size_t)(text - start));
}

static void put_tag(struct answer *answer, const char *start, const char *name)
{
	put(answer, start);
	put(answer, name);
	put(answer, ">");
}

static void put_comma(struct answer *answer)
{
	if (answer->needs_comma && !answer->is_xml)
		put(answer, ",");
	answer->needs_comma = true;
}

static void put_name(struct answer *answer, const char *name)
{
	put(answer, "\"");
	put(answer, name);
	put(answer, "\":");
}

static void push(struct answer *answer, const char *name, const char *open, char close)
{
	if (answer->is_xml && name != NULL)
		put_tag(answer, "<", name);
	if (!answer->is_xml)
		put(answer, open);
	answer->needs_comma = false;
	answer->stack[answer->depth].name = name;
	answer->stack[answer->depth].close = close;
	answer->depth++;
}

static void pop(struct answer *answer)
{
	const char *name = answer->stack[--answer->depth].name;
	char close = answer->stack[answer->depth].close;

	if (answer->is_xml && name != NULL)
		put_tag(answer, "</", name);
	if (!answer->is_xml)
		put_bytes(answer, &close, 1);
	answer->needs_comma = true;
}

void answer_deinit(struct answer *answer)
{
	free(answer->data);
	*answer = (struct answer){0};
}

void answer_begin(struct answer *answer, const char *name)
{
	if (answer->is_xml)
		put(answer, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
	push(answer, name, "{", '}');
}

void answer_begin_list(struct answer *answer, const char *name, const char *item)
{
	put_comma(answer);
	if (!answer->is_xml)
		put_name(answer, name);
	push(answer, name, "{", '}');
	if (!answer->is_xml)
		put_name(answer, item);
	push(answer, NULL, "[", ']');
}

static void begin_nested(struct answer *answer, const char *name, const char *open, char close)
{
	put_comma(answer);
	if (!answer->is_xml && name != NULL)
		put_name(answer, name);
	push(answer, name, open, close);
}

void answer_begin_object(struct answer *answer, const char *name)
{
	begin_nested(answer, name, "{", '}');
}

void answer_begin_array(struct answer *answer, const char *name)
{
	begin_nested(answer, name, "[", ']');
}

void answer_begin_item(struct answer *answer, const char *item)
{
	put_comma(answer);
	push(answer, item, "{", '}');
}

void answer_end_list(struct answer *answer)
{
	pop(answer);
	pop(answer);
}

void answer_end(struct answer *answer)
{
	pop(answer);
}

/* One field in four, where a fault asks for it. */
static bool is_spoilt(struct answer *answer, bool is_wanted)
{
	return is_wanted && random_below(&answer->random, 4) == 0;
}

/* Writes the name, and the value too where the type is to be wrong. False: the caller writes nothing more. */
static bool begin_field(struct answer *answer, const char *name)
{
	static const char *const wrong[] = {"42", "[]", "{\"value\":null}", "true", "null", "-1.5e300"};

	if (is_spoilt(answer, answer->has_missing_fields))
		return false;
	put_comma(answer);
	if (answer->is_xml)
		put_tag(answer, "<", name);
	else
		put_name(answer, name);
	if (!is_spoilt(answer, answer->has_wrong_types && !answer->is_xml))
		return true;
	put(answer, wrong[random_below(&answer->random, sizeof(wrong) / sizeof(wrong[0]))]);
	return false;
}

static void end_field(struct answer *answer, const char *name)
{
	if (answer->is_xml)
		put_tag(answer, "</", name);
}

static void put_string(struct answer *answer, const char *name, const char *value, const char *tail)
{
	const char *quote = answer->is_xml ? "" : "\"";

	if (!begin_field(answer, name))
		return;
	put(answer, quote);
	put_escaped(answer, value);
	put(answer, tail);
	put(answer, quote);
	end_field(answer, name);
}

void answer_string(struct answer *answer, const char *name, const char *value)
{
	put_string(answer, name, value, "");
}

void answer_text(struct answer *answer, const char *name, const char *value)
{
	put_string(answer, name, value, answer->has_invalid_utf8 ? "\xc3(\xff\xed\xa0\x80" : "");
}

static void put_plain(struct answer *answer, const char *name, const char *text)
{
	if (!begin_field(answer, name))
		return;
	put(answer, text);
	end_field(answer, name);
}

void answer_number(struct answer *answer, const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	put_plain(answer, name, text);
}

void answer_bool(struct answer *answer, const char *name, bool value)
{
	put_plain(answer, name, value ? "true" : "false");
}
