/*
 * sagpin pause, resume, approve, hold, release, retry, upgrade-now: an operator's word to the running daemon.
 *
 * One table says which options each has; what they mean together is the daemon's to say.
 */
#include "commands.h"
#include "config_messages.h"
#include "control_client.h"
#include "control/control.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct act_options {
	char *socket; /* owned */
	bool is_json;
	const char *why;
	cJSON *request;
};

/* ---- options ---- */

static bool put(void *ctx, const char *key, const char *value)
{
	cJSON *request = ((struct act_options *)ctx)->request;

	if (cJSON_GetObjectItemCaseSensitive(request, key))
		cJSON_DeleteItemFromObjectCaseSensitive(request, key); /* the last one holds, as with every option */
	return cJSON_AddStringToObject(request, key, value);
}

static bool take_socket(void *ctx, const char *value)
{
	struct act_options *o = ctx;

	free(o->socket);
	o->socket = strdup(value);
	return o->socket;
}

/* Where the daemon of a configuration listens. */
static const char *socket_of(const struct config *config)
{
	return config->control_socket_path;
}

static bool take_config_file(void *ctx, const char *value)
{
	struct config_messages messages;
	struct config *config;
	int r = config_load(value, &config, &messages);
	bool is_good = r == 0;

	if (r > 0)
		config_messages_print(value, &messages);
	else if (r < 0)
		fprintf(stderr, "sagpin: %s: %s\n", value, strerror(-r));
	else
		is_good = take_socket(ctx, socket_of(config));
	if (!r)
		config_free(config);
	config_messages_deinit(&messages);
	return is_good;
}

static bool take_json(void *ctx, const char *value)
{
	(void)value;
	((struct act_options *)ctx)->is_json = true;
	return true;
}

static bool take_why(void *ctx, const char *value)
{
	((struct act_options *)ctx)->why = value;
	return put(ctx, "why", value);
}

static bool take_all(void *ctx, const char *value)
{
	cJSON *request = ((struct act_options *)ctx)->request;

	(void)value;
	return cJSON_GetObjectItemCaseSensitive(request, "all") || cJSON_AddTrueToObject(request, "all");
}

static bool take_account(void *ctx, const char *value)
{
	return put(ctx, "account", value);
}

static bool take_policy(void *ctx, const char *value)
{
	return put(ctx, "policy", value);
}

static bool take_version_type(void *ctx, const char *value)
{
	return put(ctx, "version_type", value);
}

static bool take_version(void *ctx, const char *value)
{
	return put(ctx, "version", value);
}

static bool take_wave(void *ctx, const char *value)
{
	return put(ctx, "wave", value);
}

static bool take_instance(void *ctx, const char *value)
{
	return put(ctx, "instance", value);
}

static bool take_serial_number(void *ctx, const char *value)
{
	return put(ctx, "serial_number", value);
}

static bool take_count(void *ctx, const char *value)
{
	cJSON *request = ((struct act_options *)ctx)->request;
	size_t len = strlen(value);

	if (len == 0 || len > 9 || strspn(value, "0123456789") != len) {
		fprintf(stderr, "sagpin: --count=%s is no number of targets\n", value);
		return false;
	}
	cJSON_DeleteItemFromObjectCaseSensitive(request, "count");
	return cJSON_AddNumberToObject(request, "count", (double)atol(value));
}

#define ACT(kind) (1U << (kind))
#define OF_ROLLOUTS (ACT(ACT_PAUSE) | ACT(ACT_RESUME))
#define OF_TARGETS (ACT(ACT_HOLD) | ACT(ACT_RELEASE) | ACT(ACT_RETRY) | ACT(ACT_UPGRADE_NOW))
#define OF_APPROVALS ACT(ACT_APPROVE)
#define OF_EVERY (OF_ROLLOUTS | OF_TARGETS | OF_APPROVALS)

static const struct {
	unsigned int acts;
	struct option_spec spec;
} options[] = {
	{ OF_ROLLOUTS, { "all", NULL, "Everything.", take_all } },
	{ OF_TARGETS, { "instance", "ID", "The targets of this instance.", take_instance } },
	{ OF_TARGETS, { "serial-number", "SERIAL", "The targets of this device.", take_serial_number } },
	{ OF_TARGETS | OF_APPROVALS, { "account", "NAME", "Of this account.", take_account } },
	{ OF_EVERY, { "policy", "NAME", "Of this policy.", take_policy } },
	{ OF_EVERY, { "version-type", "TYPE", "Device or Dpi.", take_version_type } },
	{ OF_EVERY, { "version", "VERSION", "Of the rollout to this version.", take_version } },
	{ OF_APPROVALS, { "wave", "NAME", "This wave of the rollout may catch what it does.", take_wave } },
	{ OF_APPROVALS, { "count", "N", "So many targets, as you saw them, and no more.", take_count } },
	{ OF_EVERY, { "why", "TEXT", "Why; kept with the act. Required.", take_why } },
	{ OF_EVERY, { "control.socket", "PATH", "Where the daemon listens (" CONTROL_SOCKET_DEFAULT ").", take_socket } },
	{ OF_EVERY, { "config.file", "FILE", "… or the configuration of that daemon, which says where.", take_config_file } },
	{ OF_EVERY, { "json", NULL, "Show the daemon's answer as it is.", take_json } },
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static const char *const what_it_does[ACT_N] = {
	[ACT_PAUSE] = "Starts no more upgrades: of everything, a policy or a rollout. What runs is followed to its end.",
	[ACT_RESUME] = "Goes on with what was paused or halted; the failures of a rollout are counted anew.",
	[ACT_APPROVE] = "Lets targets of an account, or a wave of a rollout, that wait with approval go on.",
	[ACT_HOLD] = "Leaves targets on their version until they are released.",
	[ACT_RELEASE] = "Undoes a hold; never one of the configuration.",
	[ACT_RETRY] = "Clears attempts and failure of targets, so that they are tried again.",
	[ACT_UPGRADE_NOW] = ("Upgrades targets without window, wave, soak, rate and gate. All else holds, freezes included. Lapses\n"
			    "when it could not be started within one deadline of its policy; hold and release take it back."),
};

/* ---- the command ---- */

static int parse(enum act_kind kind, int argc, char **argv, struct act_options *o)
{
	struct option_spec specs[N_OPTIONS];
	char usage[256];
	size_t n = 0;
	int first;

	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].acts & ACT(kind))
			specs[n++] = options[i].spec;
	snprintf(usage, sizeof(usage), "sagpin %s [OPTIONS]\n\n%s", act_names[kind], what_it_does[kind]);
	first = options_parse(specs, n, usage, argc, argv, o);
	if (first < 0)
		return first;
	if (first != argc) {
		fprintf(stderr, "sagpin: %s takes no argument %s; try --help\n", act_names[kind], argv[first]);
		return -1;
	}
	if (!o->why) {
		fprintf(stderr, "sagpin: --why is missing; say why, it is kept with the act: sagpin %s … --why=TEXT\n", act_names[kind]);
		return -1;
	}
	return 0;
}

/* Ends the line; what lapses says when. */
static void tell_until(const cJSON *until)
{
	time_t at = cJSON_IsNumber(until) ? (time_t)until->valuedouble : 0;
	char text[32] = "";
	struct tm tm;

	if (at > 0 && gmtime_r(&at, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%s%s\n", text[0] ? "; it lapses when nothing could be started by " : "", text);
}

/* The daemon took the act: says so, and whether it will last. */
static int tell_result(enum act_kind kind, const struct control_reply *reply, bool is_quiet)
{
	cJSON *object = cJSON_Parse(reply->body);
	const char *outcome = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "outcome"));
	const char *warning = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "warning"));
	const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "next"));
	const cJSON *count = cJSON_GetObjectItemCaseSensitive(object, "count");
	bool is_durable = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "durable"));

	if (!is_quiet)
		printf("%s: %s", act_names[kind], outcome && strcmp(outcome, act_outcome_names[ACT_ALREADY]) == 0 ? "it was so before" : "done");
	if (!is_quiet && cJSON_IsNumber(count) && count->valuedouble > 0)
		printf(" (%.0f %s)", count->valuedouble, OF_ROLLOUTS & ACT(kind) ? "affected" : count->valuedouble > 1 ? "targets" : "target");
	if (!is_quiet)
		printf("%s", is_durable ? ", stored" : "");
	if (!is_quiet)
		tell_until(cJSON_GetObjectItemCaseSensitive(object, "until_s"));
	if (!is_durable)
		fprintf(stderr, "sagpin: %s: %s\n%s%s%s", act_names[kind], warning ? warning : "it is not known whether it is stored", next ? "next: " : "",
			next ? next : "", next ? "\n" : "");
	cJSON_Delete(object);
	return is_durable ? 0 : 1;
}

static int ask(enum act_kind kind, const struct act_options *o)
{
	char *body = cJSON_PrintUnformatted(o->request);
	struct control_reply reply;
	int r = 1;

	if (!body) {
		fprintf(stderr, "sagpin: out of memory\n");
		return 1;
	}
	if (!control_ask(o->socket, "/v1/acts", body, &reply)) {
		if (o->is_json)
			printf("%s\n", reply.body);
		if (reply.status == 200)
			r = tell_result(kind, &reply, o->is_json);
		else
			control_tell_error(o->socket, &reply);
		control_reply_deinit(&reply);
	}
	free(body);
	return r;
}

int command_act(int argc, char **argv)
{
	struct act_options o = { .socket = strdup(CONTROL_SOCKET_DEFAULT), .request = cJSON_CreateObject() };
	enum act_kind kind = ACT_PAUSE;
	int r;

	while (kind < ACT_N - 1 && strcmp(act_names[kind], argv[0]) != 0)
		kind++;
	if (!o.socket || !cJSON_AddStringToObject(o.request, "act", act_names[kind])) {
		fprintf(stderr, "sagpin: out of memory\n");
		r = 1;
	} else {
		r = parse(kind, argc, argv, &o);
	}
	if (!r)
		r = ask(kind, &o);
	else
		r = r == -2 ? 0 : 1;
	cJSON_Delete(o.request);
	free(o.socket);
	return r;
}
