/*
 * A JSON object under construction with cJSON: whoever adds to it need not look whether memory is out before the end.
 * Objects and arrays that are given back belong to the root; NULL, once memory is out, may be added to.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>

struct json {
	cJSON *root;
	bool is_bad; /* memory ran out */
};

void json_text(struct json *j, cJSON *object, const char *key, const char *value); /* NULL: null */
void json_number(struct json *j, cJSON *object, const char *key, double value);
void json_bool(struct json *j, cJSON *object, const char *key, bool value);
cJSON *json_array(struct json *j, cJSON *object, const char *key);
cJSON *json_object(struct json *j, cJSON *object, const char *key);
cJSON *json_append(struct json *j, cJSON *array); /* an object */
/* Ends the root. Text to be freed with free(), NULL when any of it is missing. */
char *json_finish(struct json *j) __attribute__((warn_unused_result));
