/*
 * The policy of the cloud's own upgrader, for each device and version type: the two actions that show and set it,
 * and the upgrader itself, which moves a device when the control plane says that its time has come.
 *
 * The reference is silent about what a missing schedule means beside boot and manual: here it empties the schedule.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The fields of a Quartz expression: what a number in them may be, and what else may stand there. */
static const struct {
	unsigned long low, high;
	const char *others;
} cron_fields[] = {
	{0, 59, ""},
	{0, 59, ""},
	{0, 23, ""},
	{1, 31, "?LW"},
	{1, 12, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	{1, 7, "?#ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
};

#define DAY_OF_MONTH 3
#define DAY_OF_WEEK 5

/* One field: its signs are known, and every number is in range but the one after a slash, which is a step. */
static bool is_cron_field(const char *text, size_t size, size_t field)
{
	bool is_step = false;

	for (size_t i = 0; i < size;) {
		char *end;
		unsigned long number;

		if (text[i] < '0' || text[i] > '9') {
			if (strchr("*,-/", text[i]) == NULL && strchr(cron_fields[field].others, text[i]) == NULL)
				return false;
			is_step = text[i++] == '/';
			continue;
		}
		number = strtoul(text + i, &end, 10);
		if (is_step ? number == 0 : number < cron_fields[field].low || number > cron_fields[field].high)
			return false;
		i = (size_t)(end - text);
	}
	return size > 0;
}

bool is_cron(const char *text)
{
	unsigned int questions = 0;
	size_t field;

	for (field = 0; field < COUNT_OF(cron_fields); field++) {
		size_t size = strcspn(text, " ");

		if (!is_cron_field(text, size, field))
			return false;
		questions += size == 1 && text[0] == '?';
		text += size;
		if (field + 1 < COUNT_OF(cron_fields) && *text++ != ' ')
			return false;
	}
	/* Quartz wants a day of the month or one of the week, and a question mark for the other. */
	return *text == '\0' && questions == 1;
}

bool is_time_zone(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";

	return text[0] != '\0' && text[0] != '/' && text[strspn(text, letters)] == '\0';
}

void describe_policy(struct call *call)
{
	struct answer *answer = &call->answer;
	const struct auto_policy *policy;
	struct device *device = named_device(call, "SerialNumber", NULL);
	char duration[16];

	if (device == NULL)
		return;
	policy = &device->policies[kind_param(call)];
	answer_string(answer, "SmartAGId", call->instance->id);
	answer_string(answer, "SerialNumber", device->serial);
	answer_string(answer, "UpgradeType", policy->type);
	answer_string(answer, "CronExpression", policy->cron);
	/* The reference shows it both ways, and so do we. */
	snprintf(duration, sizeof(duration), "%u", policy->duration_min);
	if (call->instance->ordinal % 2 == 0)
		answer_string(answer, "Duration", duration);
	else
		answer_number(answer, "Duration", policy->duration_min);
	answer_number(answer, "Jitter", policy->jitter_min);
	answer_string(answer, "TimeZone", policy->time_zone);
}

/* Only a schedule needs all of its parts. */
static bool check_schedule(struct call *call)
{
	static const struct {
		const char *param, *code;
	} needed[] = {
		{"CronExpression", "MissingCronExpression"},
		{"Duration", "MissingDuration"},
		{"TimeZone", "MissingTimeZone"},
	};

	if (strcmp(request_param(call->request, "UpgradeType"), "scheduled") != 0)
		return true;
	for (size_t i = 0; i < COUNT_OF(needed); i++) {
		if (request_param(call->request, needed[i].param) != NULL)
			continue;
		refuse(&call->refusal, needed[i].code, "A schedule needs the parameter %s.", needed[i].param);
		return false;
	}
	return true;
}

static const char *text_param(struct call *call, const char *name)
{
	const char *text = request_param(call->request, name);

	return pool_string(&call->sim->fleet.pool, text == NULL ? "" : text);
}

static unsigned int minutes_param(const struct call *call, const char *name)
{
	const char *text = request_param(call->request, name);

	return text == NULL ? 0 : (unsigned int)strtoul(text, NULL, 10);
}

void modify_policy(struct call *call)
{
	const struct auto_policy policy = {
		.type = text_param(call, "UpgradeType"),
		.cron = text_param(call, "CronExpression"),
		.time_zone = text_param(call, "TimeZone"),
		.duration_min = minutes_param(call, "Duration"),
		.jitter_min = minutes_param(call, "Jitter"),
	};
	struct device *device = named_device(call, "SerialNumber", NULL);

	if (device == NULL || !check_schedule(call))
		return;
	if (call->instance->is_forbidden)
		refuse(&call->refusal, "Forbidden", "The caller is not authorized for the instance.");
	else if (policy.type == NULL || policy.cron == NULL || policy.time_zone == NULL)
		refuse(&call->refusal, "InternalError", "Out of memory.");
	if (call->refusal.code != NULL)
		return;
	device->policies[kind_param(call)] = policy;
	call->entry->is_applied = true;
}

const char *auto_upgrade(struct fleet *fleet, struct instance *instance, unsigned int i, enum version_kind kind,
                         const char *version, int64_t now_ns)
{
	struct device *device = &instance->devices[i];

	if (strcmp(device->policies[kind].type, "manual") == 0)
		return "the policy of the device is manual";
	if (strcmp(instance_status(instance, i, now_ns), "Active") != 0)
		return "the device is not online";
	if (!fleet_has_version(fleet, kind, version, instance->model) || device->versions[kind][0] == '\0' ||
	    version_order(version, device->versions[kind]) <= 0)
		return "the catalogue has no such newer version for the device";
	version = pool_string(&fleet->pool, version);
	if (version == NULL)
		return "out of memory";
	fleet_upgrade(fleet, device, kind, version, OUTCOME_DONE, now_ns);
	return NULL;
}
