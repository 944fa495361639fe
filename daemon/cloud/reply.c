/*
 * Bytes to a parsed reply, and typed access to it. Guarantees that a body which is cut, too long, too deep, no
 * object, or followed by anything is no reply, and that no string with invalid UTF-8, control characters or a
 * hidden NUL gets out. Must not know what any field but the envelope's means.
 */
#include "reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

struct copy {
	struct copy *next;
	char text[];
};

struct api_reply {
	cJSON *root;
	struct api_envelope envelope;
	struct copy *copies; /* what could not be given out as it stands in the tree */
};

void reader_invalid(struct reader *rd, const char *key, const char *what)
{
	if (rd->r)
		return;
	rd->r = SMARTAG_E_INVALID;
	if (rd->list)
		snprintf(rd->error->text, sizeof(rd->error->text), "%s[%zu].%s: %s", rd->list, rd->index, key, what);
	else
		snprintf(rd->error->text, sizeof(rd->error->text), "%s: %s", key, what);
}

char *reader_reserve(struct reader *rd, size_t size)
{
	struct copy *copy = malloc(sizeof(*copy) + size);

	if (!copy) {
		if (!rd->r)
			rd->r = -ENOMEM;
		return NULL;
	}
	copy->next = rd->reply->copies;
	rd->reply->copies = copy;
	return copy->text;
}

const cJSON *reader_member(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNull(item) ? NULL : item;
}

/* As it came, or NULL when it is missing. */
static const char *raw_text(struct reader *rd, const cJSON *object, const char *key)
{
	const cJSON *item = reader_member(object, key);

	if (item && !cJSON_IsString(item))
		reader_invalid(rd, key, "is no string");
	return rd->r || !item ? NULL : item->valuestring;
}

/* Clean; "" when missing. One that is longer than the limit is cut, or makes the reply invalid. */
static const char *text(struct reader *rd, const cJSON *object, const char *key, size_t limit, bool may_cut)
{
	const char *raw = raw_text(rd, object, key);
	size_t len, size;
	char *clean;

	if (!raw)
		return "";
	len = strlen(raw);
	if (len <= limit && utf8_is_clean(raw, len))
		return raw;
	size = may_cut ? limit + 1 : len * UTF8_CLEAN_GROWTH + 1;
	clean = reader_reserve(rd, size);
	if (!clean)
		return "";
	if (utf8_clean(raw, len, clean, size) > limit) {
		reader_invalid(rd, key, "is too long");
		return "";
	}
	return clean;
}

const char *reader_word(struct reader *rd, const cJSON *object, const char *key, size_t limit)
{
	return text(rd, object, key, limit, false);
}

const char *reader_name(struct reader *rd, const cJSON *object, const char *key)
{
	return text(rd, object, key, LIMIT_NAME, true);
}

/* Digits to a number; false for anything else, and for more than the 15 digits that a double keeps, too. */
static bool parse_digits(const char *digits, int64_t *ret_number)
{
	int64_t number = 0;
	size_t n = 0;

	for (; digits[n] >= '0' && digits[n] <= '9' && n < 15; n++)
		number = number * 10 + (digits[n] - '0');
	if (!n || digits[n])
		return false;
	*ret_number = number;
	return true;
}

int64_t reader_number(struct reader *rd, const cJSON *object, const char *key, int64_t max)
{
	const cJSON *item = reader_member(object, key);
	int64_t value = -1;

	if (!item || rd->r)
		return 0;
	if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= (double)max) {
		value = (int64_t)item->valuedouble;
		if ((double)value < item->valuedouble)
			value = -1;
	} else if (cJSON_IsString(item) && !parse_digits(item->valuestring, &value)) {
		value = -1;
	}
	if (value >= 0 && value <= max)
		return value;
	reader_invalid(rd, key, "is no whole number within its limits");
	return 0;
}

const cJSON *reader_list(struct reader *rd, const cJSON *object, const char *outer, const char *inner, size_t max)
{
	const cJSON *group = reader_member(object, outer), *array, *item;
	size_t n = 0;

	if (group && !cJSON_IsObject(group))
		reader_invalid(rd, outer, "is no object");
	array = reader_member(group, inner);
	if (array && !cJSON_IsArray(array))
		reader_invalid(rd, inner, "is no list");
	if (rd->r || !array)
		return NULL;
	cJSON_ArrayForEach(item, array) {
		if (!cJSON_IsObject(item))
			reader_invalid(rd, inner, "holds something that is no object");
		if (++n > max)
			reader_invalid(rd, inner, "has too many entries");
	}
	rd->list = inner;
	return rd->r ? NULL : array->child;
}

void reader_begin(struct reader *rd, struct api_reply *reply, struct error *error)
{
	*rd = (struct reader){ .reply = reply, .root = reply->root, .error = error };
	if (*reply->envelope.code)
		reader_invalid(rd, "Code", "is there: the reply is an error");
}

static void copy_out(const char *from, char *buf, size_t size)
{
	utf8_clean(from ? from : "", from ? strlen(from) : 0, buf, size);
}

static void read_envelope(struct reader *rd)
{
	struct api_envelope *e = &rd->reply->envelope;
	const cJSON *root = rd->root;

	copy_out(raw_text(rd, root, "RequestId"), e->request_id, sizeof(e->request_id));
	copy_out(raw_text(rd, root, "Code"), e->code, sizeof(e->code));
	copy_out(raw_text(rd, root, "Message"), e->message, sizeof(e->message));
	if (!*e->code && !*e->request_id)
		reader_invalid(rd, "RequestId", "is missing, and there is no Code either");
}

/*
 * cJSON ends a string at an escaped NUL, which would make `Forbidden` of `Forbidden\u0000Not`: the escape
 * is turned into that of a space, which is what becomes of control characters here.
 */
static void defuse_nuls(char *body)
{
	for (char *s = strchr(body, '\\'); s && s[1]; s = strchr(s + 2, '\\'))
		if (!strncmp(s + 1, "u0000", 5))
			s[4] = '2';
}

static void not_json(const char *body, size_t len, size_t at, struct error *ret_error)
{
	char start[80];

	utf8_clean(body, len, start, sizeof(start));
	snprintf(ret_error->text, sizeof(ret_error->text), "no JSON object: byte %zu of %zu; it starts with: %s", at, len,
		 start);
}

/* `body` has `len` bytes and a NUL behind them. NULL and a text when it is no JSON object. */
static cJSON *parse(const char *body, size_t len, struct error *ret_error)
{
	const char *end = body;
	cJSON *root;

	root = cJSON_ParseWithLengthOpts(body, len + 1, &end, true);
	if (root && cJSON_IsObject(root))
		return root;
	not_json(body, len, root ? 0 : (size_t)(end - body), ret_error);
	cJSON_Delete(root);
	return NULL;
}

static cJSON *parse_copy(const char *body, size_t len, int *ret_r, struct error *ret_error)
{
	char *copy;
	cJSON *root;

	if (len > SMARTAG_BODY_MAX) {
		snprintf(ret_error->text, sizeof(ret_error->text), "reply of %zu bytes: more than %d", len,
			 SMARTAG_BODY_MAX);
		*ret_r = SMARTAG_E_INVALID;
		return NULL;
	}
	copy = malloc(len + 1);
	if (!copy) {
		*ret_r = -ENOMEM;
		return NULL;
	}
	if (len)
		memcpy(copy, body, len);
	copy[len] = '\0';
	root = NULL;
	*ret_r = SMARTAG_E_INVALID;
	if (strlen(copy) < len) {
		not_json(copy, len, strlen(copy), ret_error); /* cJSON takes a NUL for white space */
	} else {
		defuse_nuls(copy);
		root = parse(copy, len, ret_error);
	}
	free(copy);
	return root;
}

int smartag_reply_new(const char *body, size_t len, struct api_reply **ret_reply, struct error *ret_error)
{
	struct reader rd = { .error = ret_error };

	rd.reply = calloc(1, sizeof(*rd.reply));
	if (!rd.reply)
		return -ENOMEM;
	rd.reply->root = parse_copy(body, len, &rd.r, ret_error);
	if (rd.reply->root) {
		rd.r = 0;
		rd.root = rd.reply->root;
		read_envelope(&rd);
	}
	if (rd.r) {
		smartag_reply_free(rd.reply);
		return rd.r;
	}
	*ret_reply = rd.reply;
	return SMARTAG_OK;
}

struct api_reply *smartag_reply_free(struct api_reply *reply)
{
	struct copy *next;

	if (!reply)
		return NULL;
	for (struct copy *copy = reply->copies; copy; copy = next) {
		next = copy->next;
		free(copy);
	}
	cJSON_Delete(reply->root);
	free(reply);
	return NULL;
}

const struct api_envelope *smartag_reply_envelope(const struct api_reply *reply)
{
	return &reply->envelope;
}
