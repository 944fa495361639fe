/*
 * The plan as one JSON object. Targets are written as they come, so that a large fleet needs no tree of its own.
 * Times are UNIX seconds (_s) and RFC 3339; null where there is none.
 */
#include "tell.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_FORMAT 1

static void put_time(struct json *j, cJSON *object, const char *key, int64_t wall_s)
{
	char number[32];

	snprintf(number, sizeof(number), "%s_s", key);
	if (wall_s)
		json_number(j, object, number, (double)wall_s);
	else
		json_text(j, object, number, NULL);
	json_text(j, object, key, wall_s ? tell_utc(wall_s).text : NULL);
}

/* ---- the head ---- */

static void put_config(const struct tell *t, struct json *j)
{
	cJSON *config = json_object(j, j->root, "config");

	json_text(j, config, "file", t->config_path);
	json_text(j, config, "hash", t->config_hash);
	json_text(j, config, "daemon_file", t->picture->is_of_daemon ? t->picture->config_path : NULL);
	json_text(j, config, "daemon_hash", t->picture->is_of_daemon ? t->picture->config_hash : NULL);
}

static void put_lists(const struct tell *t, struct json *j)
{
	cJSON *summary = json_object(j, j->root, "summary"), *list;

	json_number(j, summary, "targets", (double)t->forecast->n_rows);
	for (int i = 0; i < FORECAST_ACTION_N; i++)
		json_number(j, summary, forecast_action_names[i], (double)t->forecast->counts[i]);
	json_number(j, summary, "changed", (double)tell_count_changed(t));
	list = json_array(j, j->root, "approvals");
	for (uint32_t i = 0; i < t->forecast->n_approvals; i++) {
		const struct forecast_approval *a = &t->forecast->approvals[i];
		cJSON *object = json_append(j, list);

		json_text(j, object, "account", a->account);
		json_text(j, object, "version_type", version_type_names[a->version_type]);
		json_text(j, object, "version", a->version);
		json_number(j, object, "count", a->count);
		json_number(j, object, "managed", a->managed);
	}
	list = json_array(j, j->root, "notes");
	for (size_t i = 0; i < t->n_notes; i++)
		j->is_bad |= !cJSON_AddItemToArray(list, cJSON_CreateString(t->notes[i].text));
}

static void put_head(const struct tell *t, int exit_status, struct json *j)
{
	j->root = cJSON_CreateObject();
	json_number(j, j->root, "plan", PLAN_FORMAT);
	json_text(j, j->root, "version", SAGPIN_VERSION);
	json_text(j, j->root, "source", t->picture->is_of_daemon ? "daemon" : "cloud");
	json_text(j, j->root, "mode", t->settings->is_enforcing ? "enforce" : "observe");
	put_time(j, j->root, "now", t->forecast->now_s);
	put_time(j, j->root, "horizon", t->forecast->end_s);
	json_bool(j, j->root, "cut_short", t->forecast->is_cut_short);
	json_number(j, j->root, "exit_status", exit_status);
	put_config(t, j);
	put_lists(t, j);
}

/* ---- targets ---- */

static void put_identity(const struct tell *t, struct json *j, const struct forecast_row *row)
{
	const struct picture_scope *scope = tell_scope(t, row);
	const struct observation *o = &t->picture->instances[row->instance];

	json_text(j, j->root, "account", scope->account);
	json_text(j, j->root, "region_id", scope->region_id);
	json_text(j, j->root, "instance_id", o->instance_id);
	json_text(j, j->root, "name", o->name);
	json_text(j, j->root, "serial_number", row->serial_number);
	json_text(j, j->root, "version_type", version_type_names[row->version_type]);
}

static void put_calls(const struct tell *t, struct json *j, const struct forecast_row *row)
{
	cJSON *list = json_array(j, j->root, "calls");

	for (uint32_t i = row->first_call; row->n_calls && i != NONE; i = t->forecast->calls[i].next) {
		cJSON *object = json_append(j, list);

		json_text(j, object, "to", t->forecast->calls[i].to);
		put_time(j, object, "at", t->forecast->calls[i].at_s);
	}
}

static void put_change(const struct tell *t, struct json *j, const struct forecast_row *row)
{
	const struct picture_wanted *before;
	unsigned int changes = tell_changes(t, row, &before);
	cJSON *object;

	json_bool(j, j->root, "changed", changes != 0);
	if (!changes)
		return;
	object = json_object(j, j->root, "before");
	json_text(j, object, "desired", before ? before->desired : NULL);
	json_text(j, object, "policy", before ? before->policy : NULL);
	json_text(j, object, "pin", before ? before->pin : NULL);
	json_text(j, object, "wave", before ? before->wave : NULL);
}

static char *row_text(const struct tell *t, const struct forecast_row *row)
{
	struct json j = { .root = cJSON_CreateObject() };

	put_identity(t, &j, row);
	json_text(&j, j.root, "from", row->from);
	json_text(&j, j.root, "desired", row->to);
	json_text(&j, j.root, "policy", row->policy == POLICY_NONE ? NULL : tell_policy(t, row));
	json_text(&j, j.root, "pin", row->pin == PIN_NONE ? NULL : tell_pin(t, row));
	json_text(&j, j.root, "wave", row->policy == POLICY_NONE ? NULL : row->wave);
	json_text(&j, j.root, "phase", phase_names[row->phase]);
	json_text(&j, j.root, "reason", reason_names[row->reason]);
	json_text(&j, j.root, "action", forecast_action_names[row->action]);
	json_text(&j, j.root, "waits_for", row->action == FORECAST_NOTHING || row->action == FORECAST_RUNNING ? NULL : reason_names[tell_reason(row)]);
	json_text(&j, j.root, "rollout_blocked_by", row->blocked_by == REASON_NONE ? NULL : reason_names[row->blocked_by]);
	put_time(&j, j.root, "start", row->start_s);
	put_time(&j, j.root, "done", row->done_s);
	put_calls(t, &j, row);
	put_change(t, &j, row);
	return json_finish(&j);
}

/* The head without its last brace: the targets come in there. */
static int print_head(const struct tell *t, int exit_status, FILE *out)
{
	struct json j = { 0 };
	char *text;

	put_head(t, exit_status, &j);
	text = json_finish(&j);
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
