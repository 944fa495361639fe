/* A table of keys, and one function for each type of value. */
#include "request.h"

#include "core/utf8.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_type {
	KEY_ACT,
	KEY_ALL,
	KEY_COUNT,
	KEY_TEXT,
};

#define TEXT_KEY(name, field, pointer)                                                                                                     \
	{ name, KEY_TEXT, offsetof(struct act_request, field), sizeof(((struct act_request *)0)->field) - 1,                               \
	  offsetof(struct act_request, act.pointer) }

static const struct key {
	const char *name;
	enum key_type type;
	size_t text, limit; /* KEY_TEXT: where it is kept */
	size_t pointer;     /* … and where the act points to it */
} keys[] = {
	{ "act", KEY_ACT, 0, 0, 0 },
	{ "all", KEY_ALL, 0, 0, 0 },
	{ "count", KEY_COUNT, 0, 0, 0 },
	TEXT_KEY("account", account, account),
	TEXT_KEY("policy", policy, policy),
	TEXT_KEY("version_type", version_type, version_type),
	TEXT_KEY("version", version, version),
	TEXT_KEY("wave", wave, wave),
	TEXT_KEY("instance", instance, instance_id),
	TEXT_KEY("serial_number", serial_number, serial_number),
	TEXT_KEY("why", why, why),
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static int invalid(struct control_error *ret_error, const char *next)
{
	snprintf(ret_error->next.text, sizeof(ret_error->next.text), "%s", next);
	return ACT_REQUEST_E_INVALID;
}

/* A list of names, as many as fit. */
static void append_names(struct error *text, const char *const *names, size_t n)
{
	size_t len = strlen(text->text);

	for (size_t i = 0; i < n && len < sizeof(text->text) - 1; i++)
		len += (size_t)snprintf(text->text + len, sizeof(text->text) - len, "%s%s", i ? ", " : "", names[i]);
}

static int unknown_key(const char *key, struct control_error *ret_error)
{
	const char *names[N_KEYS];
	char clean[64];

	utf8_clean(key, strlen(key), clean, sizeof(clean));
	for (size_t i = 0; i < N_KEYS; i++)
		names[i] = keys[i].name;
	snprintf(ret_error->what.text, sizeof(ret_error->what.text), "there is no key \"%s\"", clean);
	invalid(ret_error, "there are: ");
	append_names(&ret_error->next, names, N_KEYS);
	return ACT_REQUEST_E_INVALID;
}

static int wrong_type(const struct key *key, const char *wanted, struct control_error *ret_error)
{
	snprintf(ret_error->what.text, sizeof(ret_error->what.text), "\"%s\" is not %s", key->name, wanted);
	return invalid(ret_error, "correct the value, or leave the key out");
}

static int no_act(const char *what, struct control_error *ret_error)
{
	snprintf(ret_error->what.text, sizeof(ret_error->what.text), "\"act\" is %s", what);
	invalid(ret_error, "there are: ");
	append_names(&ret_error->next, act_names, ACT_N);
	return ACT_REQUEST_E_INVALID;
}

static int read_act(const cJSON *value, struct act_request *request, struct control_error *ret_error)
{
	for (int i = 0; cJSON_IsString(value) && i < ACT_N; i++) {
		if (strcmp(value->valuestring, act_names[i]) == 0) {
			request->act.kind = (enum act_kind)i;
			return 0;
		}
	}
	return no_act("none that there is", ret_error);
}

static int read_count(const struct key *key, const cJSON *value, struct act_request *request, struct control_error *ret_error)
{
	double number = cJSON_IsNumber(value) ? value->valuedouble : 0;

	if (!(number >= 1 && number <= UINT32_MAX) || number != (double)(uint32_t)number)
		return wrong_type(key, "a whole number from 1 to 4294967295", ret_error);
	request->act.count = (uint32_t)number;
	return 0;
}

static int read_text(const struct key *key, const cJSON *value, struct act_request *request, struct control_error *ret_error)
{
	char *text = (char *)request + key->text;
	const char *pointer = text;
	size_t len;

	if (!cJSON_IsString(value))
		return wrong_type(key, "a text", ret_error);
	len = strlen(value->valuestring);
	if (len == 0)
		return wrong_type(key, "more than an empty text", ret_error);
	if (!utf8_is_clean(value->valuestring, len))
		return wrong_type(key, "text of one line in UTF-8", ret_error);
	if (len > key->limit) {
		snprintf(ret_error->what.text, sizeof(ret_error->what.text), "\"%s\" has %zu bytes, and may have %zu", key->name, len, key->limit);
		return invalid(ret_error, "shorten it");
	}
	memcpy(text, value->valuestring, len + 1);
	memcpy((char *)request + key->pointer, &pointer, sizeof(pointer));
	return 0;
}

static int read_value(const struct key *key, const cJSON *value, struct act_request *request, struct control_error *ret_error)
{
	switch (key->type) {
	case KEY_ACT:
		return read_act(value, request, ret_error);
	case KEY_ALL:
		if (!cJSON_IsBool(value))
			return wrong_type(key, "true or false", ret_error);
		request->act.is_all = cJSON_IsTrue(value);
		return 0;
	case KEY_COUNT:
		return read_count(key, value, request, ret_error);
	case KEY_TEXT:
		return read_text(key, value, request, ret_error);
	}
	return ACT_REQUEST_E_INVALID;
}

static int read_object(const cJSON *object, struct act_request *request, struct control_error *ret_error)
{
	bool is_given[N_KEYS] = { false };
	const cJSON *value;

	cJSON_ArrayForEach(value, object) {
		size_t i = 0;
		int r;

		while (i < N_KEYS && strcmp(keys[i].name, value->string) != 0)
			i++;
		if (i == N_KEYS)
			return unknown_key(value->string, ret_error);
		if (is_given[i]) {
			snprintf(ret_error->what.text, sizeof(ret_error->what.text), "\"%s\" is given twice", keys[i].name);
			return invalid(ret_error, "give it once");
		}
		is_given[i] = true;
		r = read_value(&keys[i], value, request, ret_error);
		if (r)
			return r;
	}
	if (!is_given[0])
		return no_act("missing", ret_error);
	if (!request->act.why) {
		snprintf(ret_error->what.text, sizeof(ret_error->what.text), "\"why\" is missing");
		return invalid(ret_error, "say why: it is kept with the act, for whoever finds it at night");
	}
	return 0;
}

static int check_version_type(const struct act *act, struct control_error *ret_error)
{
	if (!act->version_type)
		return 0;
	for (int i = 0; i < VERSION_TYPE_N; i++)
		if (strcmp(act->version_type, version_type_names[i]) == 0)
			return 0;
	snprintf(ret_error->what.text, sizeof(ret_error->what.text), "\"version_type\" is none that there is");
	invalid(ret_error, "there are: ");
	append_names(&ret_error->next, version_type_names, VERSION_TYPE_N);
	return ACT_REQUEST_E_INVALID;
}

/* cJSON ends a text at an escaped NUL and says nothing. */
static bool has_nul(const char *body, size_t len)
{
	if (memchr(body, '\0', len))
		return true;
	for (size_t i = 0; i + 1 < len; i++) {
		if (body[i] != '\\')
			continue;
		if (len - i >= 6 && memcmp(body + i, "\\u0000", 6) == 0)
			return true;
		i++;
	}
	return false;
}

int act_request_parse(const char *body, size_t len, struct act_request *ret_request, struct control_error *ret_error)
{
	struct act_request request = { .act.kind = ACT_N };
	cJSON *object;
	char *text;
	int r;

	*ret_error = (struct control_error){ 0 };
	if (len > CONTROL_BODY_MAX || has_nul(body, len)) {
		snprintf(ret_error->what.text, sizeof(ret_error->what.text), len > CONTROL_BODY_MAX ? "the body is too large" : "the body has a NUL");
		return invalid(ret_error, "send one JSON object");
	}
	text = strndup(body, len); /* with the NUL that marks the end that is demanded */
	if (!text)
		return -ENOMEM;
	object = cJSON_ParseWithLengthOpts(text, len + 1, NULL, true);
	free(text);
	if (!cJSON_IsObject(object)) {
		cJSON_Delete(object);
		snprintf(ret_error->what.text, sizeof(ret_error->what.text), "the body is no JSON object");
		return invalid(ret_error, "send one JSON object, as in {\"act\": \"pause\", \"all\": true, \"why\": \"…\"}");
	}
	*ret_request = request;
	r = read_object(object, ret_request, ret_error);
	cJSON_Delete(object);
	return r ? r : check_version_type(&ret_request->act, ret_error);
}
