/* See json.h. */
#include "json.h"

void json_text(struct json *j, cJSON *object, const char *key, const char *value)
{
	j->is_bad |= !(value ? cJSON_AddStringToObject(object, key, value) : cJSON_AddNullToObject(object, key));
}

void json_number(struct json *j, cJSON *object, const char *key, double value)
{
	j->is_bad |= !cJSON_AddNumberToObject(object, key, value);
}

void json_bool(struct json *j, cJSON *object, const char *key, bool value)
{
	j->is_bad |= !cJSON_AddBoolToObject(object, key, value);
}

cJSON *json_array(struct json *j, cJSON *object, const char *key)
{
	cJSON *array = cJSON_AddArrayToObject(object, key);

	j->is_bad |= !array;
	return array;
}

cJSON *json_object(struct json *j, cJSON *object, const char *key)
{
	cJSON *added = cJSON_AddObjectToObject(object, key);

	j->is_bad |= !added;
	return added;
}

cJSON *json_append(struct json *j, cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddItemToArray(array, object))
		return object;
	j->is_bad = true;
	cJSON_Delete(object);
	return NULL;
}

char *json_finish(struct json *j)
{
	char *text = j->root && !j->is_bad ? cJSON_PrintUnformatted(j->root) : NULL;

	cJSON_Delete(j->root);
	j->root = NULL;
	return text;
}
