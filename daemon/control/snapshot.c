/*
 * GET /v1/snapshot: all that a plan needs to look ahead from here, one JSON object a line.
 *
 *   {"snapshot": 1, …}                             first: the time, the mode, the configuration, scopes and gates
 *   {"record": kind, "text": […], "number": […]}   what is durable, as record_formats says; null is never
 *   {"instance": id, "scope": n, …}                what was last read of one
 *   {"wanted": serial number, …}                   what this daemon wants of a target
 *   {"end": true, …}                               last: how many of each there were
 *
 * A walk in slices of time, into memory: a slow reader holds nothing but that. Records come before instances, so that an
 * upgrade that begins or ends between two slices is told as one that runs, or as one that is done.
 */
#include "internal.h"
#include "core/snapshot.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_BYTES_MAX ((size_t)1 << 30)
#define CLOCK_EVERY 32 /* lines between two looks at the clock */

struct snapshot {
	char *text;
	size_t n, size;
	bool is_bad; /* out of memory, or beyond all bounds */
	uint64_t began;
	struct record_cursor cursor;
	bool is_past_records;
	uint32_t instance, n_instance_slots, target, n_target_slots;
	uint32_t n_records, n_instances, n_wanted;
};

/* ---- text ---- */

static char *room(struct snapshot *s, size_t n)
{
	size_t size = s->size ? s->size : 65536;
	char *grown;

	while (size - s->n < n && size < SNAPSHOT_BYTES_MAX)
		size *= 2;
	if (s->is_bad || size - s->n < n) {
		s->is_bad = true;
		return NULL;
	}
	if (size != s->size) {
		grown = realloc(s->text, size);
		if (!grown) {
			s->is_bad = true;
			return NULL;
		}
		s->text = grown;
		s->size = size;
	}
	return s->text + s->n;
}

static void put(struct snapshot *s, const char *text)
{
	size_t len = strlen(text);
	char *at = room(s, len + 1);

	if (!at)
		return;
	memcpy(at, text, len + 1);
	s->n += len;
}

__attribute__((format(printf, 2, 3))) static void put_format(struct snapshot *s, const char *format, ...)
{
	char buf[160];
	va_list args;

	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	put(s, buf);
}

/* Quoted. All that the core shows is clean; configurations may hold more. */
static void put_string(struct snapshot *s, const char *text)
{
	char *at = room(s, 6 * strlen(text) + 3);

	if (!at)
		return;
	*at++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*at++ = '\\';
		if ((unsigned char)*text < 0x20)
			at += sprintf(at, "\\u%04x", (unsigned int)(unsigned char)*text);
		else
			*at++ = *text;
	}
	*at++ = '"';
	*at = '\0';
	s->n = (size_t)(at - s->text);
}

/* `before` is all that comes before the text: ",\"key\":" for one. */
static void put_text(struct snapshot *s, const char *before, const char *text)
{
	put(s, before);
	if (text)
		put_string(s, text);
	else
		put(s, "null");
}

/* ---- lines ---- */

static void put_head(struct snapshot *s, const struct control *c)
{
	const struct reconcile *core = c->options.core;
	const struct settings *settings = c->options.settings;

	put_format(s, "{\"snapshot\":1,\"now_ns\":\"%" PRId64 "\",\"wall_s\":%" PRId64, c->now_ns, c->wall_s);
	put_text(s, ",\"version\":", c->options.version);
	put_text(s, ",\"mode\":", settings->is_enforcing ? "enforce" : "observe");
	put(s, reconcile_is_storing(core) ? ",\"storing\":true" : ",\"storing\":false");
	put_text(s, ",\"config_path\":", c->options.config_path ? c->options.config_path : "");
	put_text(s, ",\"config_hash\":", c->options.config_hash ? c->options.config_hash : "");
	put(s, ",\"scopes\":[");
	for (uint32_t i = 0; i < settings->n_scopes; i++) {
		put_text(s, i ? ",{\"account\":" : "{\"account\":", settings->scopes[i].account);
		put_text(s, ",\"region_id\":", settings->scopes[i].region_id);
		put(s, reconcile_is_usable(core, i) ? ",\"usable\":true}" : ",\"usable\":false}");
	}
	put(s, "],\"gates\":[");
	for (uint32_t i = 0, n = 0; i < settings->n_policies; i++) {
		enum gate_answer answer = reconcile_gate(core, i);

		if (answer == GATE_ANSWER_NONE)
			continue;
		put_text(s, n++ ? ",{\"policy\":" : "{\"policy\":", settings->policies[i].name);
		put_text(s, ",\"answer\":", gate_answer_names[answer]);
		put(s, "}");
	}
	put(s, "]}\n");
}

static void put_record(struct snapshot *s, const struct record *rec)
{
	const struct record_format *format = &record_formats[rec->kind];

	put_text(s, "{\"record\":", format->name);
	put(s, ",\"text\":[");
	for (unsigned int i = 0; i < format->n_texts; i++)
		put_text(s, i ? "," : "", rec->text[i]);
	put(s, "],\"number\":[");
	for (unsigned int i = 0; i < format->n_numbers; i++)
		if (rec->number[i] == INT64_MIN)
			put(s, i ? ",null" : "null");
		else
			put_format(s, "%s%" PRId64, i ? "," : "", rec->number[i]);
	put(s, "]}\n");
	s->n_records++;
}

static void put_device(struct snapshot *s, const struct device_observation *d)
{
	put_text(s, "{\"serial_number\":", d->serial_number);
	put_text(s, ",\"version\":", d->version);
	put_text(s, ",\"dpi_version\":", d->dpi_version);
	put_text(s, ",\"status\":", status_names[d->status]);
	put_text(s, ",\"ha_role\":", ha_role_names[d->ha_role]);
	put(s, "}");
}

static void put_instance(struct snapshot *s, const struct observation *o, uint32_t scope)
{
	put_text(s, "{\"instance\":", o->instance_id);
	put_format(s, ",\"scope\":%u", scope);
	put_text(s, ",\"name\":", o->name);
	put_text(s, ",\"model\":", o->model);
	put_text(s, ",\"resource_group\":", o->resource_group);
	put_text(s, ",\"ccn\":", o->ccn);
	put_text(s, ",\"city\":", o->city);
	put_text(s, ",\"status_text\":", o->status_text);
	put_text(s, ",\"status\":", status_names[o->status]);
	put(s, ",\"devices\":[");
	for (unsigned int k = 0; k < o->n_devices; k++) {
		put(s, k ? "," : "");
		put_device(s, &o->devices[k]);
	}
	put(s, "]}\n");
	s->n_instances++;
}

static void put_wanted(struct snapshot *s, const struct control *c, const struct target_view *v)
{
	const struct settings *settings = c->options.settings;
	struct wave_view wave;

	put_text(s, "{\"wanted\":", v->serial_number);
	put_text(s, ",\"version_type\":", version_type_names[v->version_type]);
	put_text(s, ",\"desired\":", v->desired);
	put_text(s, ",\"policy\":", v->policy == POLICY_NONE ? "" : settings->policies[v->policy].name);
	put_text(s, ",\"pin\":", v->pin == PIN_NONE ? "" : settings->pins[v->pin].name);
	put_text(s, ",\"wave\":", v->rollout != NONE && reconcile_wave(c->options.core, v->rollout, v->wave, &wave) ? wave.name : "");
	put(s, "}\n");
	s->n_wanted++;
}

/* ---- the walk ---- */

struct snapshot *snapshot_new(struct connection *c)
{
	const struct reconcile *core = c->control->options.core;
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->began = reconcile_steps(core);
	s->n_instance_slots = reconcile_instance_slots(core);
	s->n_target_slots = reconcile_target_slots(core);
	put_head(s, c->control);
	return s;
}

struct snapshot *snapshot_free(struct snapshot *s)
{
	if (s)
		free(s->text);
	free(s);
	return NULL;
}

static void look_instance(struct snapshot *s, const struct reconcile *core)
{
	struct instance_view view;
	struct observation o;
	uint32_t slot = s->instance++, scope;

	if (reconcile_instance(core, slot, &view) && view.born <= s->began && reconcile_observation(core, slot, &o, &scope))
		put_instance(s, &o, scope);
}

static void look_target(struct snapshot *s, const struct control *c)
{
	struct target_view view;

	if (reconcile_target_facts(c->options.core, s->target++, &view) && view.born <= s->began)
		put_wanted(s, c, &view);
}

/* One line, or none where there is nothing; true after the last. */
static bool go_on(struct snapshot *s, const struct control *c)
{
	struct record rec;

	if (!s->is_past_records) {
		s->is_past_records = !reconcile_records(c->options.core, &s->cursor, &rec);
		if (!s->is_past_records)
			put_record(s, &rec);
	} else if (s->instance < s->n_instance_slots) {
		look_instance(s, c->options.core);
	} else if (s->target < s->n_target_slots) {
		look_target(s, c);
	} else {
		return true;
	}
	return s->is_bad;
}

bool snapshot_run(struct connection *c, struct snapshot *s, int64_t until_ns)
{
	char *text;

	for (unsigned int n = 1; !go_on(s, c->control); n++)
		if (n % CLOCK_EVERY == 0 && walk_clock_ns() >= until_ns)
			return false;
	put_format(s, "{\"end\":true,\"records\":%u,\"instances\":%u,\"wanted\":%u}\n", s->n_records, s->n_instances, s->n_wanted);
	text = s->is_bad ? NULL : s->text;
	if (text)
		s->text = NULL;
	connection_answer(c, 200, text);
	return true;
}
