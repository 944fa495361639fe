/*
 * Fleets as JSON: what --fleet reads, --print-fleet writes, and POST /_sim/instance takes, in one format.
 *
 * Strict: a key that is not known is an error, and a wrong object changes nothing.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim.h"

#define LIMIT_FILE_BYTES (256u << 20)

/* Texts of an instance, and of its devices in the short form without "devices". */
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"name", offsetof(struct instance, name)},
	{"model", offsetof(struct instance, model)},
	{"status", offsetof(struct instance, status)},
	{"resource_group", offsetof(struct instance, resource_group)},
	{"ccn", offsetof(struct instance, ccn)},
	{"city", offsetof(struct instance, city)},
	{"traffic_master", offsetof(struct instance, traffic_master)},
};

static const struct {
	const char *key;
	size_t offset;
} flags[] = {
	{"forbidden", offsetof(struct instance, is_forbidden)},
	{"permission_error", offsetof(struct instance, is_not_permitted)},
	{"degraded", offsetof(struct instance, is_degraded)},
};

static const struct {
	const char *key;
	unsigned int device;
	const char *field;
} shorts[] = {
	{"serial", 0, "serial"},        {"version", 0, "version"},        {"dpi", 0, "dpi"},
	{"backup_serial", 1, "serial"}, {"backup_version", 1, "version"}, {"backup_dpi", 1, "dpi"},
	{"ha_state", 0, "ha_state"},    {"backup_ha_state", 1, "ha_state"},
};

/* Policies of the cloud's own upgrader: of a device, or of an instance for all its devices. */
static const char *const policy_keys[VERSION_KIND_N] = {
	[VERSION_KIND_DEVICE] = "auto_upgrade",
	[VERSION_KIND_DPI] = "dpi_auto_upgrade",
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

__attribute__((format(printf, 2, 3))) static int fail(char *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, 256, format, args);
	va_end(args);
	return -EINVAL;
}

static int read_text(struct fleet *fleet, const cJSON *value, const char **ret_text, char *error)
{
	const char *text = cJSON_GetStringValue(value);

	if (text == NULL || strlen(text) >= FLEET_LIMIT_TEXT)
		return fail(error, "\"%.64s\" must be a text of less than %d bytes", value->string, FLEET_LIMIT_TEXT);
	text = pool_string(&fleet->pool, text);
	if (text == NULL)
		return -ENOMEM;
	*ret_text = text;
	return 0;
}

static int read_policy(struct fleet *fleet, struct auto_policy *policy, const cJSON *object, char *error)
{
	const cJSON *field;

	if (!cJSON_IsObject(object))
		return fail(error, "\"%s\" must be an object", object->string);
	cJSON_ArrayForEach(field, object) {
		double number = cJSON_IsNumber(field) && field->valuedouble >= 0 && field->valuedouble < 1e6
		                        ? field->valuedouble : -1;
		int r = 0;

		if (strcmp(field->string, "type") == 0)
			r = read_text(fleet, field, &policy->type, error);
		else if (strcmp(field->string, "cron") == 0)
			r = read_text(fleet, field, &policy->cron, error);
		else if (strcmp(field->string, "time_zone") == 0)
			r = read_text(fleet, field, &policy->time_zone, error);
		else if (strcmp(field->string, "duration") == 0 && number >= 0)
			policy->duration_min = (unsigned int)number;
		else if (strcmp(field->string, "jitter") == 0 && number >= 0)
			policy->jitter_min = (unsigned int)number;
		else
			return fail(error, "\"%s\" has no such \"%.64s\"", object->string, field->string);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_device_field(struct fleet *fleet, struct device *device, const char *field, const cJSON *value,
                             char *error)
{
	enum version_kind kind = strcmp(field, "dpi") == 0 ? VERSION_KIND_DPI : VERSION_KIND_DEVICE;

	if (strcmp(field, "serial") == 0)
		return read_text(fleet, value, &device->serial, error);
	if (strcmp(field, "ha_state") == 0)
		return read_text(fleet, value, &device->ha_state, error);
	for (size_t i = 0; i < VERSION_KIND_N; i++)
		if (strcmp(field, policy_keys[i]) == 0)
			return read_policy(fleet, &device->policies[i], value, error);
	if (strcmp(field, "dpi") != 0 && strcmp(field, "version") != 0)
		return fail(error, "a device has no \"%.64s\"", field);
	device->upgrades[kind].to = NULL; /* what was under way is overruled */
	return read_text(fleet, value, &device->versions[kind], error);
}

static int read_devices(struct fleet *fleet, struct instance *draft, const cJSON *list, char *error)
{
	const cJSON *item, *field;
	unsigned int n = 0;

	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > 2)
		return fail(error, "\"devices\" must be a list of at most two");
	cJSON_ArrayForEach(item, list) {
		struct device *device = &draft->devices[n++];

		device_reset(device, fleet->born_ns);
		if (!cJSON_IsObject(item))
			return fail(error, "a device must be an object");
		cJSON_ArrayForEach(field, item) {
			int r = read_device_field(fleet, device, field->string, field, error);

			if (r < 0)
				return r;
		}
	}
	draft->n_devices = n;
	return 0;
}

static int read_field(struct fleet *fleet, struct instance *draft, const cJSON *field, char *error)
{
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (strcmp(texts[i].key, field->string) == 0)
			return read_text(fleet, field, (const char **)((char *)draft + texts[i].offset), error);
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		if (strcmp(flags[i].key, field->string) != 0)
			continue;
		if (!cJSON_IsBool(field))
			return fail(error, "\"%s\" must be true or false", flags[i].key);
		*(bool *)((char *)draft + flags[i].offset) = cJSON_IsTrue(field);
		return 0;
	}
	for (size_t i = 0; i < COUNT_OF(shorts); i++) {
		if (strcmp(shorts[i].key, field->string) != 0)
			continue;
		if (draft->n_devices < shorts[i].device + 1)
			draft->n_devices = shorts[i].device + 1;
		return read_device_field(fleet, &draft->devices[shorts[i].device], shorts[i].field, field, error);
	}
	if (strcmp(field->string, "devices") == 0)
		return read_devices(fleet, draft, field, error);
	return fail(error, "an instance has no \"%.64s\"", field->string);
}

/* Policies for all devices of the instance: after the devices, wherever they stand. */
static int read_policies(struct fleet *fleet, struct instance *draft, const cJSON *object, char *error)
{
	for (size_t i = 0; i < VERSION_KIND_N; i++) {
		const cJSON *field = cJSON_GetObjectItemCaseSensitive(object, policy_keys[i]);

		for (unsigned int j = 0; field != NULL && j < COUNT_OF(draft->devices); j++) {
			int r = read_policy(fleet, &draft->devices[j].policies[i], field, error);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int read_fields(struct fleet *fleet, struct instance *draft, const cJSON *object, char *error)
{
	static const char *const handled[] = {"id", "region", "remove", "auto_upgrade", "dpi_auto_upgrade"};
	const cJSON *field;

	cJSON_ArrayForEach(field, object) {
		bool is_handled = false;
		int r;

		for (size_t i = 0; i < COUNT_OF(handled); i++)
			is_handled |= strcmp(handled[i], field->string) == 0;
		r = is_handled ? 0 : read_field(fleet, draft, field, error);
		if (r < 0)
			return r;
	}
	return read_policies(fleet, draft, object, error);
}

/* The region of a new instance: the one given, or the first. */
static const char *new_region(struct fleet *fleet, const cJSON *object)
{
	const char *region = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "region"));

	if (region == NULL)
		return fleet->regions[0].id;
	return fleet_add_region(fleet, region) < 0 ? NULL : region;
}

int fleetfile_instance(struct fleet *fleet, const cJSON *object, char ret_error[static 256])
{
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "id")), *region;
	struct instance *instance, draft;
	bool is_new;
	int r;

	snprintf(ret_error, 256, "out of memory");
	if (id == NULL || id[0] == '\0' || strlen(id) >= FLEET_LIMIT_TEXT)
		return fail(ret_error, "an instance needs an \"id\"");
	instance = fleet_find(fleet, id);
	is_new = instance == NULL;
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "remove"))) {
		if (is_new)
			return fail(ret_error, "there is no instance %.64s", id);
		fleet_remove(fleet, instance);
		return 0;
	}
	if (is_new) {
		region = new_region(fleet, object);
		instance = region == NULL ? NULL : fleet_make(fleet, region, id);
		if (instance == NULL)
			return fail(ret_error, "no room for %.64s", id);
	}
	draft = *instance;
	r = read_fields(fleet, &draft, object, ret_error);
	if (r == 0)
		*instance = draft;
	else if (is_new)
		fleet_remove(fleet, instance);
	if (r == 0 && is_new && draft.devices[0].serial[0] != '\0')
		fleet->last_serial = draft.devices[0].serial;
	return r;
}

int fleetfile_version(struct fleet *fleet, const cJSON *object, char ret_error[static 256])
{
	const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "code"));
	const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "type"));
	const char *channel = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "channel"));
	const char *model = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "model"));
	const cJSON *created = cJSON_GetObjectItemCaseSensitive(object, "created_ms");
	struct catalogue_entry entry = {
		.kind = VERSION_KIND_DEVICE,
		.code = code,
		.channel = channel == NULL ? "release" : channel,
		.model = model == NULL ? "" : model,
		.created_ms = cJSON_IsNumber(created) ? (int64_t)created->valuedouble : fleet->born_wall_s * 1000,
	};

	if (code == NULL || strlen(code) >= FLEET_LIMIT_TEXT || (type != NULL && !version_kind_parse(type, &entry.kind)))
		return fail(ret_error, "a version needs a \"code\", and its \"type\" is Device or Dpi");
	if (strlen(entry.model) >= FLEET_LIMIT_TEXT || (strcmp(entry.channel, "release") != 0 && strcmp(entry.channel, "beta") != 0))
		return fail(ret_error, "the \"channel\" of %.64s is release or beta, and its \"model\" is short", code);
	if (fleet_add_version(fleet, &entry) < 0)
		return fail(ret_error, "no room for the version %.64s", code);
	return 0;
}

static int read_list(struct fleet *fleet, const cJSON *root, const char *key,
                     int (*read)(struct fleet *, const cJSON *, char[static 256]), char *error)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, key), *item;

	cJSON_ArrayForEach(item, list) {
		int r = read(fleet, item, error);

		if (r < 0)
			return r;
	}
	return list == NULL ? -ENOENT : 0;
}

static char *read_whole(const char *path, size_t *ret_size)
{
	FILE *stream = fopen(path, "re");
	struct stat stat;
	char *data = NULL;

	if (stream == NULL)
		return NULL;
	if (fstat(fileno(stream), &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size <= LIMIT_FILE_BYTES)
		data = malloc((size_t)stat.st_size + 1);
	if (data != NULL)
		*ret_size = fread(data, 1, (size_t)stat.st_size, stream);
	fclose(stream);
	return data;
}

int fleetfile_read(struct fleet *fleet, const char *path, char ret_error[static 256])
{
	size_t size = 0;
	char *data = read_whole(path, &size);
	cJSON *root = data == NULL ? NULL : cJSON_ParseWithLength(data, size);
	int r;

	free(data);
	if (!cJSON_IsObject(root)) {
		cJSON_Delete(root);
		return fail(ret_error, "%.200s: not a readable file with a JSON object", path);
	}
	r = read_list(fleet, root, "catalogue", fleetfile_version, ret_error);
	if (r == -ENOENT)
		r = fleet_generate_catalogue(fleet);
	if (r == 0)
		r = read_list(fleet, root, "instances", fleetfile_instance, ret_error);
	if (r == -ENOENT)
		r = fail(ret_error, "%.200s: there is no \"instances\"", path);
	cJSON_Delete(root);
	return r;
}

static void write_policy(struct answer *answer, const char *key, const struct auto_policy *policy)
{
	if (strcmp(policy->type, "manual") == 0 && policy->cron[0] == '\0')
		return;
	answer_begin_object(answer, key);
	answer_string(answer, "type", policy->type);
	answer_string(answer, "cron", policy->cron);
	answer_number(answer, "duration", policy->duration_min);
	answer_number(answer, "jitter", policy->jitter_min);
	answer_string(answer, "time_zone", policy->time_zone);
	answer_end(answer);
}

static void write_device(struct answer *answer, const struct device *device)
{
	answer_begin_object(answer, NULL);
	answer_string(answer, "serial", device->serial);
	answer_string(answer, "version", device->versions[VERSION_KIND_DEVICE]);
	answer_string(answer, "dpi", device->versions[VERSION_KIND_DPI]);
	if (device->ha_state[0] != '\0')
		answer_string(answer, "ha_state", device->ha_state);
	for (size_t i = 0; i < VERSION_KIND_N; i++)
		write_policy(answer, policy_keys[i], &device->policies[i]);
	answer_end(answer);
}

static void write_instance(struct answer *answer, const struct instance *instance)
{
	answer_begin_object(answer, NULL);
	answer_string(answer, "id", instance->id);
	answer_string(answer, "region", instance->region);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		answer_string(answer, texts[i].key, *(const char *const *)((const char *)instance + texts[i].offset));
	for (size_t i = 0; i < COUNT_OF(flags); i++)
		if (*(const bool *)((const char *)instance + flags[i].offset))
			answer_bool(answer, flags[i].key, true);
	answer_begin_array(answer, "devices");
	for (unsigned int i = 0; i < instance->n_devices; i++)
		write_device(answer, &instance->devices[i]);
	answer_end(answer);
	answer_end(answer);
}

void fleetfile_write(struct fleet *fleet, struct answer *answer)
{
	answer_begin(answer, "Fleet");
	answer_begin_array(answer, "catalogue");
	for (size_t i = 0; i < fleet->n_catalogue; i++) {
		answer_begin_object(answer, NULL);
		answer_string(answer, "type", version_kind_names[fleet->catalogue[i].kind]);
		answer_string(answer, "code", fleet->catalogue[i].code);
		answer_string(answer, "channel", fleet->catalogue[i].channel);
		if (fleet->catalogue[i].model[0] != '\0')
			answer_string(answer, "model", fleet->catalogue[i].model);
		answer_number(answer, "created_ms", fleet->catalogue[i].created_ms);
		answer_end(answer);
	}
	answer_end(answer);
	answer_begin_array(answer, "instances");
	for (size_t i = 0; i < fleet->n_regions; i++)
		for (size_t j = 0; j < fleet->regions[i].n; j++)
			write_instance(answer, fleet->regions[i].instances[j]);
	answer_end(answer);
	answer_end(answer);
}
