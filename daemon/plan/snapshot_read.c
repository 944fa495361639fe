/* A function for each kind of line; whatever is missing or of the wrong type makes the whole of it invalid. */
#include "snapshot_read.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BEYOND 9.2e18 /* what a number of 64 bits cannot hold */

/* How many of each came, to be compared with what the last line says. */
struct counts {
	double records, instances, wanted;
	bool has_ended;
};

/* ---- values ---- */

static const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static bool is_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key)) != 0;
}

static double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : -1.0;
}

/* The index of a name, or n. */
static unsigned int index_of(const char *name, const char *const *names, unsigned int n)
{
	unsigned int i = 0;

	while (i < n && (!name || strcmp(name, names[i]) != 0))
		i++;
	return i;
}

static int64_t to_int64(double value)
{
	if (!(value > -RECORD_BEYOND))
		return INT64_MIN;
	return value < RECORD_BEYOND ? (int64_t)value : INT64_MAX;
}

/* ---- lines ---- */

static int read_scopes(const cJSON *head, struct picture *p)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(head, "scopes"), *item;
	int r = 0;

	cJSON_ArrayForEach(item, list) {
		struct picture_scope scope = { text_of(item, "account"), text_of(item, "region_id"), is_true(item, "usable") };

		if (!scope.account || !scope.region_id)
			return SNAPSHOT_E_INVALID;
		r = picture_add_scope(p, &scope);
		if (r)
			return r;
	}
	return r;
}

static int read_gates(const cJSON *head, struct picture *p)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(head, "gates"), *item;

	cJSON_ArrayForEach(item, list) {
		unsigned int answer = index_of(text_of(item, "answer"), gate_answer_names, GATE_ANSWER_N);
		struct picture_gate gate = { text_of(item, "policy"), (enum gate_answer)answer };
		int r = gate.policy && answer < GATE_ANSWER_N ? picture_add_gate(p, &gate) : SNAPSHOT_E_INVALID;

		if (r)
			return r;
	}
	return 0;
}

static int read_head(const cJSON *line, struct picture *p)
{
	const char *version = text_of(line, "version"), *mode = text_of(line, "mode"), *now = text_of(line, "now_ns");
	const char *path = text_of(line, "config_path"), *hash = text_of(line, "config_hash");
	char *end;
	int r;

	if (!version || !mode || !now || !path || !hash || number_of(line, "snapshot") < 1.0)
		return SNAPSHOT_E_INVALID;
	p->is_of_daemon = true;
	p->now_ns = strtoll(now, &end, 10);
	p->wall_s = to_int64(number_of(line, "wall_s"));
	p->is_enforcing = strcmp(mode, "enforce") == 0;
	p->is_storing = is_true(line, "storing");
	if (*end || p->now_ns < 0 || p->wall_s < 0)
		return SNAPSHOT_E_INVALID;
	r = picture_text(p, version, &p->version);
	if (!r)
		r = picture_text(p, path, &p->config_path);
	if (!r)
		r = picture_text(p, hash, &p->config_hash);
	if (!r)
		r = read_scopes(line, p);
	return r ? r : read_gates(line, p);
}

static bool read_texts(const cJSON *list, unsigned int n, const char **ret_texts)
{
	const cJSON *item;
	unsigned int i = 0;

	cJSON_ArrayForEach(item, list) {
		if (i == n || !cJSON_IsString(item))
			return false;
		ret_texts[i++] = item->valuestring;
	}
	return i == n;
}

static bool read_numbers(const cJSON *list, const struct record_format *format, int64_t *ret_numbers)
{
	const cJSON *item;
	unsigned int i = 0;

	cJSON_ArrayForEach(item, list) {
		const struct record_column *column = &format->numbers[i];

		if (i == format->n_numbers || (!cJSON_IsNumber(item) && !cJSON_IsNull(item)))
			return false;
		ret_numbers[i] = cJSON_IsNull(item) ? INT64_MIN : to_int64(item->valuedouble);
		if (column->type == COLUMN_NAME && (ret_numbers[i] < 0 || ret_numbers[i] >= column->n_names))
			return false;
		i++;
	}
	return i == format->n_numbers;
}

static int read_record(const cJSON *line, struct picture *p)
{
	const char *name = text_of(line, "record");
	struct record rec = { .kind = RECORD_TARGET };
	unsigned int kind = 0;

	while (kind < RECORD_KIND_N && (!name || strcmp(name, record_formats[kind].name) != 0))
		kind++;
	if (kind == RECORD_KIND_N)
		return SNAPSHOT_E_INVALID;
	rec.kind = (enum record_kind)kind;
	if (!read_texts(cJSON_GetObjectItemCaseSensitive(line, "text"), record_formats[kind].n_texts, rec.text) ||
	    !read_numbers(cJSON_GetObjectItemCaseSensitive(line, "number"), &record_formats[kind], rec.number))
		return SNAPSHOT_E_INVALID;
	return picture_add_record(p, &rec);
}

static bool read_device(const cJSON *item, struct device_observation *ret_device)
{
	unsigned int status = index_of(text_of(item, "status"), status_names, STATUS_N);
	unsigned int role = index_of(text_of(item, "ha_role"), ha_role_names, HA_ROLE_N);

	*ret_device = (struct device_observation){
		.serial_number = text_of(item, "serial_number"),
		.version = text_of(item, "version"),
		.dpi_version = text_of(item, "dpi_version"),
		.status = (enum status)status,
		.ha_role = (enum ha_role)role,
	};
	return ret_device->serial_number && ret_device->version && status < STATUS_N && role < HA_ROLE_N;
}

static int read_instance(const cJSON *line, struct picture *p)
{
	unsigned int status = index_of(text_of(line, "status"), status_names, STATUS_N);
	double scope = number_of(line, "scope");
	struct observation o = {
		.instance_id = text_of(line, "instance"), .has_attributes = true, .name = text_of(line, "name"), .model = text_of(line, "model"),
		.resource_group = text_of(line, "resource_group"), .ccn = text_of(line, "ccn"), .city = text_of(line, "city"),
		.status_text = text_of(line, "status_text"), .is_status_known = true, .status = (enum status)status,
	};
	const cJSON *item;

	if (!o.instance_id || !o.name || !o.model || !o.resource_group || !o.ccn || !o.city || !o.status_text || status == STATUS_N ||
	    !(scope >= 0.0 && scope < (double)p->n_scopes))
		return SNAPSHOT_E_INVALID;
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(line, "devices"))
		if (o.n_devices == LIMIT_DEVICES || !read_device(item, &o.devices[o.n_devices++]))
			return SNAPSHOT_E_INVALID;
	return picture_add_instance(p, (uint32_t)scope, &o);
}

static int read_wanted(const cJSON *line, struct picture *p)
{
	unsigned int type = index_of(text_of(line, "version_type"), version_type_names, VERSION_TYPE_N);
	struct picture_wanted w = { text_of(line, "wanted"), (enum version_type)type, text_of(line, "desired"), text_of(line, "policy"), text_of(line, "pin"),
				    text_of(line, "wave") };

	if (!w.serial_number || type == VERSION_TYPE_N || !w.desired || !w.policy || !w.pin || !w.wave)
		return SNAPSHOT_E_INVALID;
	return picture_add_wanted(p, &w);
}

static int read_part(const cJSON *line, struct picture *p, struct counts *counts)
{
	if (cJSON_HasObjectItem(line, "record")) {
		counts->records++;
		return read_record(line, p);
	}
	if (cJSON_HasObjectItem(line, "instance")) {
		counts->instances++;
		return read_instance(line, p);
	}
	counts->wanted++;
	return read_wanted(line, p);
}

static int read_line(const cJSON *line, struct picture *p, struct counts *counts)
{
	if (!p->is_of_daemon)
		return read_head(line, p);
	if (counts->has_ended)
		return SNAPSHOT_E_INVALID;
	if (!is_true(line, "end"))
		return read_part(line, p, counts);
	counts->has_ended = number_of(line, "records") == counts->records && number_of(line, "instances") == counts->instances &&
			    number_of(line, "wanted") == counts->wanted;
	return counts->has_ended ? 0 : SNAPSHOT_E_INVALID;
}

int snapshot_read(const char *body, struct picture *picture, struct error *ret_error)
{
	struct counts counts = { 0 };
	unsigned int n = 0;
	int r = 0;

	for (const char *at = body, *end; r == 0 && *at; at = end) {
		cJSON *line;

		end = strchrnul(at, '\n');
		line = cJSON_ParseWithLength(at, (size_t)(end - at));
		n++;
		r = cJSON_IsObject(line) ? read_line(line, picture, &counts) : SNAPSHOT_E_INVALID;
		cJSON_Delete(line);
		end += *end == '\n';
	}
	if (r == 0 && !counts.has_ended)
		r = SNAPSHOT_E_INVALID;
	if (r > 0)
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "the daemon's snapshot makes no sense from line %u on; use the command that came with the daemon", n);
	if (r == 0)
		picture_sort(picture);
	return r;
}
