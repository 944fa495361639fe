/*
 * The control plane below /_sim/: what happened, and what shall go wrong next.
 *
 * Unsigned, for loopback only (the server sees to that), and never part of the API: nothing here is
 * written to the journal.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define REQUESTS_PER_ANSWER 10000
#define LIMIT_TALLY 128

struct control {
	struct sim *sim;
	const struct request *request;
	int64_t now_ns;
	struct answer *answer;
	cJSON *body;
	char error[256]; /* "": none */
	bool is_conflict; /* the error is 409: right as a request, and not possible as the fleet is */
};

/* How often which text came; what does not fit is counted under the last one, "other". */
struct tally {
	struct {
		const char *text;
		int64_t n;
	} rows[LIMIT_TALLY];
	size_t n;
};

static void tally_add(struct tally *tally, const char *text)
{
	size_t i;

	for (i = 0; i < tally->n && strcmp(tally->rows[i].text, text) != 0; i++)
		;
	if (i == LIMIT_TALLY)
		tally->rows[--i].text = "other";
	if (i == tally->n)
		tally->rows[tally->n++].text = text;
	tally->rows[i].n++;
}

static void tally_write(const struct tally *tally, struct answer *answer, const char *name)
{
	answer_begin_object(answer, name);
	for (size_t i = 0; i < tally->n; i++)
		answer_number(answer, tally->rows[i].text, tally->rows[i].n);
	answer_end(answer);
}

static void get_fleet_state(struct control *control)
{
	static struct tally statuses, versions, dpi; /* too large for a stack; filled afresh below */
	struct fleet *fleet = &control->sim->fleet;
	int64_t upgrading = 0;

	statuses.n = versions.n = dpi.n = 0;
	memset(&statuses, 0, sizeof(statuses));
	memset(&versions, 0, sizeof(versions));
	memset(&dpi, 0, sizeof(dpi));
	for (size_t i = 0; i < fleet->n_regions; i++) {
		for (size_t j = 0; j < fleet->regions[i].n; j++) {
			struct instance *instance = fleet->regions[i].instances[j];

			tally_add(&statuses, instance_status(instance, 0, control->now_ns));
			for (unsigned int k = 0; k < instance->n_devices; k++) {
				struct device *device = &instance->devices[k];

				upgrading += device_is_upgrading(device, control->now_ns);
				tally_add(&versions, device->versions[VERSION_KIND_DEVICE]);
				tally_add(&dpi, device->versions[VERSION_KIND_DPI]);
			}
		}
	}
	answer_number(control->answer, "instances", (int64_t)fleet_size(fleet));
	answer_number(control->answer, "upgrading", upgrading);
	tally_write(&statuses, control->answer, "statuses");
	tally_write(&versions, control->answer, "versions");
	tally_write(&dpi, control->answer, "dpi_versions");
}

static void get_state(struct control *control)
{
	const struct journal *journal = &control->sim->journal;
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{"requests", journal->n},
		{"refused", journal->n_refused},
		{"lost_replies", journal->n_lost},
		{"upgrade_requests", journal->n_upgrades},
		{"upgrades_accepted", journal->n_accepted},
		{"upgrades_overlapping", journal->n_overlapping},
		{"nonces", control->sim->check.n},
	};

	answer_begin(control->answer, "State");
	get_fleet_state(control);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		answer_number(control->answer, counters[i].name, (int64_t)counters[i].value);
	answer_begin_object(control->answer, "faults_fired");
	for (size_t i = 0; i < FAULT_N; i++)
		if (control->sim->faults.settings[i].fired > 0)
			answer_number(control->answer, fault_texts[i].name,
			              (int64_t)control->sim->faults.settings[i].fired);
	answer_end(control->answer);
	answer_end(control->answer);
}

static void write_entry(struct answer *answer, const struct journal_entry *entry)
{
	answer_begin_object(answer, NULL);
	answer_number(answer, "sequence", (int64_t)entry->sequence);
	answer_number(answer, "wall_ms", entry->wall_ms);
	answer_number(answer, "monotonic_ms", entry->monotonic_ms);
	answer_number(answer, "connection", (int64_t)entry->connection);
	answer_number(answer, "use", entry->use);
	answer_string(answer, "http_version", entry->http_version);
	answer_string(answer, "method", entry->method);
	answer_string(answer, "signature", entry->is_v3 ? "V3" : "V2");
	answer_string(answer, "action", entry->action);
	answer_string(answer, "region", entry->region);
	answer_string(answer, "instance", entry->instance);
	answer_string(answer, "serial", entry->serial);
	answer_string(answer, "version_type", entry->version_type);
	answer_string(answer, "version", entry->version);
	answer_string(answer, "upgrade_type", entry->upgrade_type);
	answer_string(answer, "nonce", entry->nonce);
	answer_string(answer, "access_key_id", entry->access_key_id);
	answer_string(answer, "request_id", entry->request_id);
	answer_string(answer, "code", entry->code);
	answer_number(answer, "http_status", entry->http_status);
	answer_bool(answer, "lost", entry->is_lost);
	answer_bool(answer, "applied", entry->is_applied);
	answer_bool(answer, "was_upgrading", entry->was_upgrading);
	answer_end(answer);
}

/* Those after `since`; "last" is the since of the next call. */
static void get_requests(struct control *control)
{
	const struct journal *journal = &control->sim->journal;
	const char *since = request_param(control->request, "since");
	uint64_t sequence = (since == NULL ? 0 : strtoull(since, NULL, 10)) + 1;
	const struct journal_entry *entry;
	unsigned int n = 0;

	if (sequence < journal_first(journal))
		sequence = journal_first(journal);
	answer_begin(control->answer, "Requests");
	answer_begin_array(control->answer, "requests");
	for (; n < REQUESTS_PER_ANSWER && (entry = journal_get(journal, sequence)) != NULL; n++, sequence++)
		write_entry(control->answer, entry);
	answer_end(control->answer);
	answer_number(control->answer, "first", (int64_t)journal_first(journal));
	answer_number(control->answer, "last", (int64_t)sequence - 1);
	answer_number(control->answer, "total", (int64_t)journal->n);
	answer_end(control->answer);
}

static void get_upgrades(struct control *control)
{
	const struct journal *journal = &control->sim->journal;
	struct answer *answer = control->answer;

	answer_begin(answer, "Upgrades");
	answer_number(answer, "requests", (int64_t)journal->n_upgrades);
	answer_number(answer, "accepted", (int64_t)journal->n_accepted);
	answer_number(answer, "overlapping", (int64_t)journal->n_overlapping);
	answer_number(answer, "uncounted", (int64_t)journal->n_uncounted);
	answer_begin_array(answer, "targets");
	for (size_t i = 0; i < journal->n_counts; i++) {
		const struct upgrade_count *count = journal->order[i];

		answer_begin_object(answer, NULL);
		answer_string(answer, "instance", count->instance);
		answer_string(answer, "serial", count->serial);
		answer_string(answer, "version_type", count->version_type);
		answer_string(answer, "version", count->version);
		answer_number(answer, "requests", (int64_t)count->requests);
		answer_number(answer, "accepted", (int64_t)count->accepted);
		answer_number(answer, "overlapping", (int64_t)count->overlapping);
		answer_end(answer);
	}
	answer_end(answer);
	answer_end(answer);
}

static void get_fleet(struct control *control)
{
	struct fleet *fleet = &control->sim->fleet;

	for (size_t i = 0; i < fleet->n_regions; i++)
		for (size_t j = 0; j < fleet->regions[i].n; j++)
			for (unsigned int k = 0; k < fleet->regions[i].instances[j]->n_devices; k++)
				device_settle(&fleet->regions[i].instances[j]->devices[k], control->now_ns);
	fleetfile_write(fleet, control->answer);
}

static void answer_done(struct control *control)
{
	answer_begin(control->answer, "Done");
	answer_bool(control->answer, "done", true);
	answer_end(control->answer);
}

static int set_fault(struct faults *faults, const cJSON *item)
{
	char number[32];

	if (cJSON_IsBool(item))
		return faults_set(faults, item->string, cJSON_IsTrue(item) ? "always" : "off");
	if (cJSON_IsNumber(item)) {
		/* 0.25 is a share, 3 a count; so 1 is a count, and the share is written "always". */
		snprintf(number, sizeof(number), "%.9g", item->valuedouble);
		return faults_set(faults, item->string, number);
	}
	return cJSON_IsString(item) ? faults_set(faults, item->string, item->valuestring) : -1;
}

/* All or nothing: tried on a copy first. {"clear": true} puts all off before the rest is set. */
static void post_faults(struct control *control)
{
	static struct faults draft;
	const cJSON *item;

	draft = control->sim->faults;
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(control->body, "clear")))
		faults_clear(&draft);
	cJSON_ArrayForEach(item, control->body) {
		if (strcmp(item->string, "clear") == 0 && cJSON_IsTrue(item))
			continue;
		if (set_fault(&draft, item) < 0) {
			snprintf(control->error, sizeof(control->error), "no such fault or setting: %.64s",
			         item->string);
			return;
		}
	}
	control->sim->faults = draft;
	answer_done(control);
}

static void post_instance(struct control *control)
{
	if (fleetfile_instance(&control->sim->fleet, control->body, control->error) == 0) {
		control->error[0] = '\0';
		answer_done(control);
	}
}

static const char *text_of(const struct control *control, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(control->body, key));

	return text == NULL ? "" : text;
}

/* A misspelt key must not be passed over. */
static bool has_only(struct control *control, const char *const *keys)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, control->body) {
		size_t i;

		for (i = 0; keys[i] != NULL && strcmp(keys[i], item->string) != 0; i++)
			;
		if (keys[i] != NULL && cJSON_IsString(item))
			continue;
		snprintf(control->error, sizeof(control->error), "there is no text \"%.64s\" here", item->string);
		return false;
	}
	return true;
}

/* What the cloud's own upgrader does when its time has come. */
static void post_auto_upgrade(struct control *control)
{
	static const char *const keys[] = {"id", "serial", "version", "version_type", NULL};
	struct fleet *fleet = &control->sim->fleet;
	struct instance *instance = fleet_find(fleet, text_of(control, "id"));
	const char *type = text_of(control, "version_type"), *why;
	enum version_kind kind = VERSION_KIND_DEVICE;
	unsigned int i;

	if (!has_only(control, keys))
		return;
	if (type[0] != '\0' && !version_kind_parse(type, &kind)) {
		snprintf(control->error, sizeof(control->error), "\"version_type\" is Device or Dpi");
		return;
	}
	i = instance == NULL ? 0 : find_device(control->sim, instance, text_of(control, "serial"));
	if (instance == NULL || i == instance->n_devices) {
		snprintf(control->error, sizeof(control->error), "there is no such \"id\" with this \"serial\"");
		return;
	}
	why = auto_upgrade(fleet, instance, i, kind, text_of(control, "version"), control->now_ns);
	if (why != NULL) {
		snprintf(control->error, sizeof(control->error), "%s", why);
		control->is_conflict = true;
		return;
	}
	answer_done(control);
}

static struct instance *find_serial(struct fleet *fleet, const char *serial, unsigned int *ret_device)
{
	for (size_t i = 0; i < fleet->n_regions && serial[0] != '\0'; i++) {
		for (size_t j = 0; j < fleet->regions[i].n; j++) {
			struct instance *instance = fleet->regions[i].instances[j];

			for (*ret_device = 0; *ret_device < instance->n_devices; (*ret_device)++)
				if (strcmp(instance->devices[*ret_device].serial, serial) == 0)
					return instance;
		}
	}
	return NULL;
}

/* The instance that a device moves to: one that is there, or a new one that is like the old one. */
static struct instance *move_target(struct fleet *fleet, const struct instance *from, const char *id)
{
	struct instance *to = fleet_find(fleet, id);

	if (to != NULL || id[0] == '\0' || strlen(id) >= FLEET_LIMIT_TEXT)
		return to;
	to = fleet_make(fleet, from->region, id);
	if (to == NULL)
		return NULL;
	to->model = from->model;
	to->status = from->status;
	to->resource_group = from->resource_group;
	to->ccn = from->ccn;
	to->city = from->city;
	to->n_devices = 0;
	return to;
}

/* No read ever sees the device twice, or not at all: requests are served one after the other. */
static void post_move(struct control *control)
{
	static const char *const keys[] = {"serial", "to", NULL};
	struct fleet *fleet = &control->sim->fleet;
	struct instance *from, *to;
	unsigned int i = 0;

	if (!has_only(control, keys))
		return;
	from = find_serial(fleet, text_of(control, "serial"), &i);
	to = from == NULL ? NULL : move_target(fleet, from, text_of(control, "to"));
	if (to == NULL) {
		snprintf(control->error, sizeof(control->error), "there is no such \"serial\", or no room for \"to\"");
		return;
	}
	if (to == from || to->n_devices == 2) {
		snprintf(control->error, sizeof(control->error), "%.64s has two devices, or this one, already", to->id);
		control->is_conflict = true;
		return;
	}
	fleet_move(from, i, to);
	answer_done(control);
}

static void post_catalogue(struct control *control)
{
	if (fleetfile_version(&control->sim->fleet, control->body, control->error) == 0) {
		control->error[0] = '\0';
		answer_done(control);
	}
}

/* False when it is given and cannot be used. */
static bool copy_text(const cJSON *body, const char *name, char *dest, size_t size, bool is_required)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, name);

	dest[0] = '\0';
	if (item == NULL)
		return !is_required;
	if (!cJSON_IsString(item) || item->valuestring[0] == '\0' || strlen(item->valuestring) >= size)
		return false;
	memcpy(dest, item->valuestring, strlen(item->valuestring) + 1);
	return true;
}

/* A second key beside the one of the flags, or in its place: a rotation, with or without a time when both hold. */
static void post_key(struct control *control)
{
	static struct other_key key;

	if (!copy_text(control->body, "id", key.id, sizeof(key.id), true) ||
	    !copy_text(control->body, "secret", key.secret, sizeof(key.secret), true) ||
	    !copy_text(control->body, "token", key.token, sizeof(key.token), false)) {
		snprintf(control->error, sizeof(control->error), "a key has id, secret and perhaps token, all texts");
		return;
	}
	control->sim->check.other = key;
	control->sim->check.is_other_only = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(control->body, "only"));
	answer_done(control);
}

static const struct {
	const char *method, *path;
	void (*serve)(struct control *control);
} routes[] = {
	{"GET", "/_sim/state", get_state},
	{"GET", "/_sim/requests", get_requests},
	{"GET", "/_sim/upgrades", get_upgrades},
	{"GET", "/_sim/fleet", get_fleet},
	{"POST", "/_sim/faults", post_faults},
	{"POST", "/_sim/instance", post_instance},
	{"POST", "/_sim/catalogue", post_catalogue},
	{"POST", "/_sim/auto_upgrade", post_auto_upgrade},
	{"POST", "/_sim/move", post_move},
	{"POST", "/_sim/key", post_key},
};

static void control_route(struct control *control, size_t route)
{
	const struct request *request = control->request;

	if (strcmp(request->method, "POST") == 0) {
		control->body = cJSON_ParseWithLength(request->body, request->body_size);
		if (!cJSON_IsObject(control->body))
			snprintf(control->error, sizeof(control->error), "the body must be a JSON object");
	}
	if (control->error[0] == '\0')
		routes[route].serve(control);
	cJSON_Delete(control->body);
}

void control_serve(struct sim *sim, const struct request *request, int64_t now_ns, struct reply *ret_reply)
{
	struct control control = {.sim = sim, .request = request, .now_ns = now_ns, .answer = &ret_reply->answer};
	size_t i;

	*ret_reply = (struct reply){.http_status = 200};
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, request->path) == 0 && strcmp(routes[i].method, request->method) == 0)
			break;
	if (i == sizeof(routes) / sizeof(routes[0])) {
		snprintf(control.error, sizeof(control.error), "there is no %.8s %.64s", request->method,
		         request->path);
		ret_reply->http_status = 404;
	} else {
		control_route(&control, i);
	}
	if (control.error[0] == '\0')
		return;
	if (ret_reply->http_status == 200)
		ret_reply->http_status = control.is_conflict ? 409 : 400;
	answer_begin(&ret_reply->answer, "Error");
	answer_string(&ret_reply->answer, "error", control.error);
	answer_end(&ret_reply->answer);
}
