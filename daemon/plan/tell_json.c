/*
 * The plan as one JSON object. Targets are written as they come, so that a large fleet needs no tree of its own.
 * Times are UNIX seconds (_s) and RFC 3339; null where there is none.
 */
#include "tell.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_FORMAT 1

/* An object under construction: `is_bad` once memory ran out. */
struct json {
	cJSON *root;
	bool is_bad;
};

static void put_text(struct json *j, cJSON *object, const char *key, const char *value)
{
	j->is_bad |= !(value ? cJSON_AddStringToObject(object, key, value) : cJSON_AddNullToObject(object, key));
}

static void put_number(struct json *j, cJSON *object, const char *key, double value)
{
	j->is_bad |= !cJSON_AddNumberToObject(object, key, value);
}

static void put_bool(struct json *j, cJSON *object, const char *key, bool value)
{
	j->is_bad |= !cJSON_AddBoolToObject(object, key, value);
}

static void put_time(struct json *j, cJSON *object, const char *key, int64_t wall_s)
{
	char number[32];

	snprintf(number, sizeof(number), "%s_s", key);
	if (wall_s)
		put_number(j, object, number, (double)wall_s);
	else
		put_text(j, object, number, NULL);
	put_text(j, object, key, wall_s ? tell_utc(wall_s).text : NULL);
}

static cJSON *put_array(struct json *j, cJSON *object, const char *key)
{
	cJSON *array = cJSON_AddArrayToObject(object, key);

	j->is_bad |= !array;
	return array;
}

static cJSON *put_object(struct json *j, cJSON *object, const char *key)
{
	cJSON *added = cJSON_AddObjectToObject(object, key);

	j->is_bad |= !added;
	return added;
}

static cJSON *append_object(struct json *j, cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	if (cJSON_AddItemToArray(array, object))
		return object;
	j->is_bad = true;
	cJSON_Delete(object);
	return NULL;
}

/* ---- the head ---- */

static void put_config(const struct tell *t, struct json *j)
{
	cJSON *config = put_object(j, j->root, "config");

	put_text(j, config, "file", t->config_path);
	put_text(j, config, "hash", t->config_hash);
	put_text(j, config, "daemon_file", t->picture->is_of_daemon ? t->picture->config_path : NULL);
	put_text(j, config, "daemon_hash", t->picture->is_of_daemon ? t->picture->config_hash : NULL);
}

static void put_lists(const struct tell *t, struct json *j)
{
	cJSON *summary = put_object(j, j->root, "summary"), *list;

	put_number(j, summary, "targets", (double)t->forecast->n_rows);
	for (int i = 0; i < FORECAST_ACTION_N; i++)
		put_number(j, summary, forecast_action_names[i], (double)t->forecast->counts[i]);
	put_number(j, summary, "changed", (double)tell_count_changed(t));
	list = put_array(j, j->root, "approvals");
	for (uint32_t i = 0; i < t->forecast->n_approvals; i++) {
		const struct forecast_approval *a = &t->forecast->approvals[i];
		cJSON *object = append_object(j, list);

		put_text(j, object, "account", a->account);
		put_text(j, object, "version_type", version_type_names[a->version_type]);
		put_text(j, object, "version", a->version);
		put_number(j, object, "count", a->count);
		put_number(j, object, "managed", a->managed);
	}
	list = put_array(j, j->root, "notes");
	for (size_t i = 0; i < t->n_notes; i++)
		j->is_bad |= !cJSON_AddItemToArray(list, cJSON_CreateString(t->notes[i].text));
}

static void put_head(const struct tell *t, int exit_status, struct json *j)
{
	j->root = cJSON_CreateObject();
	put_number(j, j->root, "plan", PLAN_FORMAT);
	put_text(j, j->root, "version", SAGPIN_VERSION);
	put_text(j, j->root, "source", t->picture->is_of_daemon ? "daemon" : "cloud");
	put_text(j, j->root, "mode", t->settings->is_enforcing ? "enforce" : "observe");
	put_time(j, j->root, "now", t->forecast->now_s);
	put_time(j, j->root, "horizon", t->forecast->end_s);
	put_bool(j, j->root, "cut_short", t->forecast->is_cut_short);
	put_number(j, j->root, "exit_status", exit_status);
	put_config(t, j);
	put_lists(t, j);
}

/* ---- targets ---- */

static void put_identity(const struct tell *t, struct json *j, const struct forecast_row *row)
{
	const struct picture_scope *scope = tell_scope(t, row);
	const struct observation *o = &t->picture->instances[row->instance];

	put_text(j, j->root, "account", scope->account);
	put_text(j, j->root, "region_id", scope->region_id);
	put_text(j, j->root, "instance_id", o->instance_id);
	put_text(j, j->root, "name", o->name);
	put_text(j, j->root, "serial_number", row->serial_number);
	put_text(j, j->root, "version_type", version_type_names[row->version_type]);
}

static void put_calls(const struct tell *t, struct json *j, const struct forecast_row *row)
{
	cJSON *list = put_array(j, j->root, "calls");

	for (uint32_t i = row->first_call; row->n_calls && i != NONE; i = t->forecast->calls[i].next) {
		cJSON *object = append_object(j, list);

		put_text(j, object, "to", t->forecast->calls[i].to);
		put_time(j, object, "at", t->forecast->calls[i].at_s);
	}
}

static void put_change(const struct tell *t, struct json *j, const struct forecast_row *row)
{
	const struct picture_wanted *before;
	unsigned int changes = tell_changes(t, row, &before);
	cJSON *object;

	put_bool(j, j->root, "changed", changes != 0);
	if (!changes)
		return;
	object = put_object(j, j->root, "before");
	put_text(j, object, "desired", before ? before->desired : NULL);
	put_text(j, object, "policy", before ? before->policy : NULL);
	put_text(j, object, "pin", before ? before->pin : NULL);
	put_text(j, object, "wave", before ? before->wave : NULL);
}

static char *row_text(const struct tell *t, const struct forecast_row *row)
{
	struct json j = { .root = cJSON_CreateObject() };
	char *text;

	put_identity(t, &j, row);
	put_text(&j, j.root, "from", row->from);
	put_text(&j, j.root, "desired", row->to);
	put_text(&j, j.root, "policy", row->policy == POLICY_NONE ? NULL : tell_policy(t, row));
	put_text(&j, j.root, "pin", row->pin == PIN_NONE ? NULL : tell_pin(t, row));
	put_text(&j, j.root, "wave", row->policy == POLICY_NONE ? NULL : row->wave);
	put_text(&j, j.root, "phase", phase_names[row->phase]);
	put_text(&j, j.root, "reason", reason_names[row->reason]);
	put_text(&j, j.root, "action", forecast_action_names[row->action]);
	put_text(&j, j.root, "waits_for", row->action == FORECAST_NOTHING || row->action == FORECAST_RUNNING ? NULL : reason_names[tell_reason(row)]);
	put_text(&j, j.root, "rollout_blocked_by", row->blocked_by == REASON_NONE ? NULL : reason_names[row->blocked_by]);
	put_time(&j, j.root, "start", row->start_s);
	put_time(&j, j.root, "done", row->done_s);
	put_calls(t, &j, row);
	put_change(t, &j, row);
	text = j.is_bad ? NULL : cJSON_PrintUnformatted(j.root);
	cJSON_Delete(j.root);
	return text;
}

/* The head without its last brace: the targets come in there. */
static int print_head(const struct tell *t, int exit_status, FILE *out)
{
	struct json j = { 0 };
	char *text;

	put_head(t, exit_status, &j);
	text = j.is_bad ? NULL : cJSON_PrintUnformatted(j.root);
	cJSON_Delete(j.root);
	if (!text)
		return -ENOMEM;
	fprintf(out, "%.*s,\"targets\":[", (int)strlen(text) - 1, text);
	free(text);
	return 0;
}

int tell_json(const struct tell *t, int exit_status, FILE *out)
{
	int r = print_head(t, exit_status, out);
	bool is_first = true;

	for (size_t i = 0; r == 0 && i < t->forecast->n_rows; i++) {
		char *text;

		if (!tell_is_asked_for(t, &t->forecast->rows[i]))
			continue;
		text = row_text(t, &t->forecast->rows[i]);
		fprintf(out, is_first ? "\n%s" : ",\n%s", text ? text : "");
		is_first = false;
		r = text ? 0 : -ENOMEM;
		free(text);
	}
	fprintf(out, "\n]}\n");
	return r ? r : fflush(out) || ferror(out) ? -EIO : 0;
}
