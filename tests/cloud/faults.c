/*
 * The faults: one table of what there is, one setting each, and one dice.
 */
#include "faults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"

#define DURATION_LIMIT_S (7 * 86400)

const struct fault_text fault_texts[FAULT_N] = {
	[FAULT_THROTTLING] = {"throttling", "Throttling.User", "refuse with Throttling.User"},
	[FAULT_INTERNAL_ERROR] = {"internal_error", "InternalError", "answer 500, nothing took effect"},
	[FAULT_SERVICE_UNAVAILABLE] = {"service_unavailable", "ServiceUnavailable", "answer 503, nothing took effect"},
	[FAULT_UNKNOWN_CODE] = {"unknown_code", "OperationDenied.Mystery", "a code nobody knows, nothing took effect"},
	[FAULT_VERSION_ERROR] = {"version_error", "GetSmartAccessGatewayVersionError", "refuse an upgrade with it"},
	[FAULT_STATE_ERROR] = {"state_error", "GetSmartAccessGatewayStateError", "refuse an upgrade with it"},
	[FAULT_FORBIDDEN] = {"forbidden", "Forbidden", "refuse: the caller may not"},
	[FAULT_INACTIVE_KEY] = {"inactive_key", "InvalidAccessKeyId.Inactive", "refuse: the access key is disabled"},
	[FAULT_EXPIRED_TOKEN] = {"expired_token", "InvalidSecurityToken.Expired", "refuse: the token is over"},
	[FAULT_UNKNOWN_CODE_APPLIED] = {"unknown_code_applied", "OperationDenied.Mystery",
	                                "a code nobody knows, after it took effect"},
	[FAULT_INTERNAL_ERROR_APPLIED] = {"internal_error_applied", "InternalError", "answer 500 after it took effect"},
	[FAULT_LATENCY] = {"latency", NULL, "answer late, by DURATION (default 1s); it took effect at once"},
	[FAULT_RESET] = {"reset", NULL, "reset the connection, nothing took effect"},
	[FAULT_LOST_REPLY] = {"lost_reply", NULL, "it took effect, then close without a reply"},
	[FAULT_CLOSE_ON_REUSE] = {"close_on_reuse", NULL, "as lost_reply, on connections used before only"},
	[FAULT_CUT_BODY] = {"cut_body", NULL, "half of the promised body, then close"},
	[FAULT_HTML_BODY] = {"html_body", NULL, "a proxy's page, with 200 or 502"},
	[FAULT_EMPTY_BODY] = {"empty_body", NULL, "200 and nothing"},
	[FAULT_HUGE_BODY] = {"huge_body", NULL, "64 MiB of valid JSON"},
	[FAULT_DEEP_JSON] = {"deep_json", NULL, "50,000 lists in lists"},
	[FAULT_WRONG_TYPES] = {"wrong_types", NULL, "one field in four has another type"},
	[FAULT_MISSING_FIELDS] = {"missing_fields", NULL, "one field in four is not there"},
	[FAULT_INVALID_UTF8] = {"invalid_utf8", NULL, "names and cities with broken UTF-8"},
	[FAULT_UNKNOWN_STATUS] = {"unknown_status", NULL, "instances with the status Migrating"},
	[FAULT_STUCK] = {"stuck", NULL, "upgraded devices that never come back"},
	[FAULT_BACK_TO_OLD] = {"back_to_old", NULL, "upgraded devices that come back on the old version"},
	[FAULT_PAGE_SHIFT] = {"page_shift", NULL, "an instance comes or goes between two pages"},
	[FAULT_DUPLICATE_IDS] = {"duplicate_ids", NULL, "a page begins with the last entry of the page before"},
	[FAULT_DUPLICATE_SERIAL] = {"duplicate_serial", NULL, "instances that show the serial number of another"},
	[FAULT_WRONG_CLOCK] = {"wrong_clock", NULL, "the cloud's clock is ahead, by DURATION (default 1h)"},
};

void faults_init(struct faults *faults, uint64_t seed)
{
	*faults = (struct faults){.random = {seed ^ UINT64_C(0xfa17)}};
	faults->settings[FAULT_LATENCY].duration_ns = INT64_C(1000000000);
	faults->settings[FAULT_WRONG_CLOCK].duration_ns = INT64_C(3600) * 1000000000;
}

bool duration_parse(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}};
	char *end;
	double value;

	if (strspn(text, "0123456789.") == 0)
		return false;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0 || value * units[i].seconds > DURATION_LIMIT_S)
			continue;
		*ret_ns = (int64_t)(value * units[i].seconds * 1e9);
		return true;
	}
	return false;
}

static bool rate_parse(const char *text, struct fault_setting *setting)
{
	char *end;
	double value;

	setting->is_share = true;
	setting->share = strcmp(text, "always") == 0 ? 1 : 0;
	if (setting->share > 0 || strcmp(text, "off") == 0)
		return true;
	if (strspn(text, "0123456789.") == 0)
		return false;
	value = strtod(text, &end);
	setting->is_share = strchr(text, '.') != NULL || *end == '%';
	if (*end == '%')
		value /= 100;
	end += *end == '%';
	if (*end != '\0' || (setting->is_share ? value > 1 : value > 1e9))
		return false;
	if (setting->is_share)
		setting->share = value;
	else
		setting->count = (unsigned int)value;
	return true;
}

int faults_set(struct faults *faults, const char *name, const char *text)
{
	struct fault_setting setting;
	char copy[128], *action, *duration;
	size_t i;

	for (i = 0; i < FAULT_N && strcmp(fault_texts[i].name, name) != 0; i++)
		;
	if (i == FAULT_N)
		return -ENOENT;
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	setting = (struct fault_setting){.duration_ns = faults->settings[i].duration_ns,
	                                 .fired = faults->settings[i].fired};
	action = strchr(copy, '@');
	if (action != NULL) {
		*action++ = '\0';
		if (strlen(action) >= sizeof(setting.action))
			return -EINVAL;
		strcpy(setting.action, action);
	}
	duration = strchr(copy, ':');
	if (duration != NULL) {
		*duration++ = '\0';
		if (setting.duration_ns == 0 || !duration_parse(duration, &setting.duration_ns))
			return -EINVAL;
	}
	if (!rate_parse(copy, &setting))
		return -EINVAL;
	faults->settings[i] = setting;
	return 0;
}

void faults_clear(struct faults *faults)
{
	for (size_t i = 0; i < FAULT_N; i++)
		faults->settings[i] = (struct fault_setting){.duration_ns = faults->settings[i].duration_ns,
		                                             .fired = faults->settings[i].fired};
}

static bool setting_is_for(const struct fault_setting *setting, const char *action)
{
	return setting->action[0] == '\0' || strcmp(setting->action, action) == 0;
}

bool faults_roll(struct faults *faults, enum fault fault, const char *action)
{
	struct fault_setting *setting = &faults->settings[fault];
	bool happens;

	if (!setting_is_for(setting, action))
		return false;
	if (setting->is_share)
		happens = setting->share > 0 && random_unit(&faults->random) < setting->share;
	else
		happens = setting->count > 0;
	if (!setting->is_share && happens)
		setting->count--;
	setting->fired += happens;
	return happens;
}

bool faults_has(struct faults *faults, enum fault fault, unsigned int ordinal, const char *key)
{
	const struct fault_setting *setting = &faults->settings[fault];
	uint64_t dice = hash_string(key) ^ ((uint64_t)fault << 32);

	if (!setting->is_share)
		return ordinal < setting->count;
	return setting->share > 0 && random_unit(&(struct random){dice}) < setting->share;
}
