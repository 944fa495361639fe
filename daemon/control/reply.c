/*
 * What became of an act, in words: which status, what is wrong, what to do next.
 */
#include "reply.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned int outcome_statuses[ACT_OUTCOME_N] = {
	[ACT_DONE] = 200,
	[ACT_ALREADY] = 200,
	[ACT_NOT_FOUND] = 404,
	[ACT_INCOMPLETE] = 400,
	[ACT_TOO_MANY] = 409,
	[ACT_HELD_BY_CONFIG] = 409,
};

/* By kind of act: what it needs, and where to look for what there is. */
static const struct {
	const char *needs, *look;
} advice[ACT_N] = {
	[ACT_PAUSE] = { "name --all, --policy, or --policy, --version-type and --version for one rollout",
			"sagpin plan --all shows policies and versions; check the spelling" },
	[ACT_RESUME] = { "name --all, --policy, or --policy, --version-type and --version for one rollout",
			 "sagpin plan --all shows policies and versions; check the spelling" },
	[ACT_APPROVE] = { "name --account, --version-type, --version and --count, or --policy, --version-type, --version and --wave",
			  "sagpin plan --all shows what waits with approval; check the spelling" },
	[ACT_HOLD] = { "name --instance or --serial-number", "check the spelling, and the account or policy if one was given" },
	[ACT_RELEASE] = { "name --instance or --serial-number", "check the spelling, and the account or policy if one was given" },
	[ACT_RETRY] = { "name --instance or --serial-number", "check the spelling, and the account or policy if one was given" },
	[ACT_UPGRADE_NOW] = { "name --instance or --serial-number", "check the spelling, and the account or policy if one was given" },
};

static bool is_plain(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-")] == '\0';
}

/* " --option value", quoted for a shell where it must be. */
static void append_option(struct error *text, const char *option, const char *value)
{
	size_t len = strlen(text->text);

	if (value)
		snprintf(text->text + len, sizeof(text->text) - len, is_plain(value) ? " --%s %s" : strchr(value, '\'') ? " --%s …" : " --%s '%s'", option,
			 value);
}

/* The approval that would be enough. */
static void approve_more(const struct act *act, uint32_t count, struct error *ret_next)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", count);
	snprintf(ret_next->text, sizeof(ret_next->text), "see what waits with sagpin plan --all; if it is right: sagpin approve");
	append_option(ret_next, "account", act->account);
	append_option(ret_next, "version-type", act->version_type);
	append_option(ret_next, "version", act->version);
	append_option(ret_next, "count", number);
	append_option(ret_next, "why", "…");
}

static void explain(const struct act *act, const struct control_result *result, const char *known, struct error *what, struct error *next)
{
	switch (result->outcome) {
	case ACT_NOT_FOUND:
		snprintf(what->text, sizeof(what->text), "%s: nothing fits what was named", act_names[act->kind]);
		snprintf(next->text, sizeof(next->text), "%s", known[0] ? known : advice[act->kind].look);
		break;
	case ACT_INCOMPLETE:
		snprintf(what->text, sizeof(what->text), "%s: it is not said what it is about", act_names[act->kind]);
		snprintf(next->text, sizeof(next->text), "%s", advice[act->kind].needs);
		break;
	case ACT_TOO_MANY:
		snprintf(what->text, sizeof(what->text), "%s: %u targets wait, more than the %u that were named", act_names[act->kind], result->count,
			 act->count);
		approve_more(act, result->count, next);
		break;
	case ACT_HELD_BY_CONFIG:
		snprintf(what->text, sizeof(what->text), "%s: the configuration holds it", act_names[act->kind]);
		snprintf(next->text, sizeof(next->text), "take hold out of its pin; a command never undoes it");
		break;
	case ACT_DONE:
	case ACT_ALREADY:
	case ACT_OUTCOME_N:
		break;
	}
}

static char *print(cJSON *object, bool is_whole)
{
	char *text = is_whole ? cJSON_PrintUnformatted(object) : NULL;

	cJSON_Delete(object);
	return text;
}

static bool add_text(cJSON *object, const char *key, const char *text)
{
	return !text[0] || cJSON_AddStringToObject(object, key, text);
}

char *reply_error(const char *what, const char *next)
{
	cJSON *object = cJSON_CreateObject();

	return print(object, cJSON_AddStringToObject(object, "error", what) && cJSON_AddStringToObject(object, "next", next));
}

char *reply_result(const struct act *act, const struct control_result *result, const char *known, unsigned int *ret_status)
{
	struct error what = { .text = "" }, next = { .text = "" };
	bool is_good = result->outcome == ACT_DONE || result->outcome == ACT_ALREADY, is_whole;
	cJSON *object;

	if (!result->is_supported) {
		*ret_status = 501;
		return reply_error("this sagpin does not support that act", "use the command that came with the daemon");
	}
	*ret_status = outcome_statuses[result->outcome];
	explain(act, result, known, &what, &next);
	if (is_good && !result->is_durable) {
		snprintf(what.text, sizeof(what.text), "it holds now, but could not be stored: it is lost when the daemon ends");
		snprintf(next.text, sizeof(next.text), "look at the state store (the log says what is wrong), then say it again");
	}
	object = cJSON_CreateObject();
	is_whole = cJSON_AddStringToObject(object, "act", act_names[act->kind]) &&
		   cJSON_AddStringToObject(object, "outcome", act_outcome_names[result->outcome]) &&
		   cJSON_AddNumberToObject(object, "count", result->count) && cJSON_AddStringToObject(object, "who", act->who) &&
		   (result->until_s == 0 || cJSON_AddNumberToObject(object, "until_s", (double)result->until_s)) &&
		   (!is_good || cJSON_AddBoolToObject(object, "durable", result->is_durable)) &&
		   add_text(object, is_good ? "warning" : "error", what.text) && add_text(object, "next", next.text);
	return print(object, is_whole);
}
