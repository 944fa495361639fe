/* The table of keys. Names are the interface of the configuration; see the example in packaging/examples. */
#include "keys.h"

#define DAY (INT64_C(86400) * NS_PER_S)
#define WORDS(names) .words = names, .n_words = sizeof(names) / sizeof((names)[0])
#define KEYS(items, type) { items, sizeof(items) / sizeof((items)[0]), sizeof(type) }

static const char *const mode_names[] = { "observe", "enforce" };
static const char *const auto_upgrade_names[AUTO_UPGRADE_N] = { "report", "hold", "ignore" };
static const char *const gate_open_when_names[GATE_OPEN_WHEN_N] = { "empty", "above", "below" };
static const char *const halt_reason_names[] = { "deadline", "unhealthy", "rejected" }; /* as in validate_policy.c */

#define AT(member) offsetof(struct raw_account, member) - offsetof(struct raw_account, credentials)
static const struct key credentials_items[] = {
	{ "source", KEY_WORD, AT(credentials.source), WORDS(credentials_source_names), .is_required = true, .is_quiet = true },
	{ "path", KEY_TEXT, AT(credentials.path), .min = 1, .max = CONFIG_PATH_MAX, .is_quiet = true },
	{ "profile", KEY_TEXT, AT(credentials.profile), .min = 1, .max = 64, .is_quiet = true },
	{ "role_name", KEY_TEXT, AT(credentials.role_name), .min = 1, .max = CREDENTIALS_ROLE_MAX, .is_quiet = true },
	{ "uri", KEY_TEXT, AT(credentials.uri), .min = 1, .max = 1024, .is_quiet = true },
	{ "role_arn", KEY_TEXT, AT(credentials.role_arn), .min = 1, .max = 256, .is_quiet = true },
	{ "base", KEY_WORD, AT(credentials.base), "env", .words = credentials_source_names, .n_words = CREDENTIALS_OIDC, .is_quiet = true },
	{ "oidc_provider_arn", KEY_TEXT, AT(credentials.oidc_provider_arn), .min = 1, .max = 256, .is_quiet = true },
	{ "oidc_token_file", KEY_TEXT, AT(credentials.oidc_token_file), .min = 1, .max = CONFIG_PATH_MAX, .is_quiet = true },
	{ "session_name", KEY_TEXT, AT(credentials.session_name), .min = 2, .max = 64, .is_quiet = true },
	{ "duration", KEY_DURATION, AT(credentials.duration), "1h", .min = 900 * NS_PER_S, .max = 43200 * NS_PER_S },
	{ "sts_endpoint", KEY_TEXT, AT(credentials.sts_endpoint), .min = 1, .max = 300, .is_quiet = true },
	{ "metadata_endpoint", KEY_TEXT, AT(credentials.metadata_endpoint), .min = 1, .max = 300, .is_quiet = true },
};
static const struct keys credentials_keys = KEYS(credentials_items, ((struct raw_account *)0)->credentials);
#undef AT

#define AT(member) offsetof(struct raw_account, member) - offsetof(struct raw_account, api)
static const struct key api_items[] = {
	{ "calls_per_second", KEY_RATE, AT(api.calls_per_second), "10", .min = 10, .max = 1000000 },
	{ "burst", KEY_COUNT, AT(api.burst), "20", .min = 1, .max = 10000 },
	{ "concurrency", KEY_COUNT, AT(api.concurrency), "8", .min = 1, .max = 256 },
	{ "timeout", KEY_DURATION, AT(api.timeout), "15s", .min = 100 * NS_PER_MS, .max = 600 * NS_PER_S },
	{ "ca_file", KEY_TEXT, AT(api.ca_file), .min = 1, .max = CONFIG_PATH_MAX },
	{ "proxy", KEY_TEXT, AT(api.proxy), .min = 1, .max = 300, .is_quiet = true },
};
static const struct keys api_keys = KEYS(api_items, ((struct raw_account *)0)->api);
#undef AT

#define AT(member) offsetof(struct raw_account, member)
static const struct key account_items[] = {
	{ "name", KEY_TEXT, AT(name), .min = 1, .max = LIMIT_NAME, .is_required = true },
	{ "credentials", KEY_GROUP, AT(credentials), .group = &credentials_keys, .is_required = true },
	{ "regions", KEY_TEXTS, AT(regions), .min = 1, .max = CONFIG_REGION_MAX, .is_required = true },
	{ "endpoint", KEY_TEXT, AT(endpoint), .min = 1, .max = 300, .is_quiet = true },
	{ "signature", KEY_WORD, AT(signature), "v3", WORDS(sign_method_names) },
	{ "poll_interval", KEY_DURATION, AT(poll_interval), "1m", .min = 100 * NS_PER_MS, .max = 7 * DAY },
	{ "dpi_poll_interval", KEY_DURATION, AT(dpi_poll_interval), "1h", .min = 100 * NS_PER_MS, .max = 30 * DAY },
	{ "catalogue_interval", KEY_DURATION, AT(catalogue_interval), "1h", .min = 100 * NS_PER_MS, .max = 30 * DAY },
	{ "auto_upgrade_interval", KEY_DURATION, AT(auto_upgrade_interval), "1d", .min = 100 * NS_PER_MS, .max = 30 * DAY },
	{ "blast_radius", KEY_SHARE, AT(blast_radius), "25%", .min = 0 },
	{ "api", KEY_GROUP, AT(api), .group = &api_keys },
};
static const struct keys account_keys = KEYS(account_items, struct raw_account);
#undef AT

#define AT(member) offsetof(struct raw_window, member)
static const struct key window_items[] = {
	{ "name", KEY_TEXT, AT(name), .min = 1, .max = 63, .is_required = true },
	{ "time_zone", KEY_TEXT, AT(time_zone), .min = 1, .max = ZONES_NAME_BYTES_MAX, .is_required = true },
	{ "days", KEY_TEXTS, AT(days), .min = 1, .max = 16, .is_required = true },
	{ "start", KEY_TIME, AT(start), .is_required = true },
	{ "length", KEY_DURATION, AT(length), .min = NS_PER_S, .max = CALENDAR_LENGTH_MAX_S * NS_PER_S, .is_required = true },
};
static const struct keys window_keys = KEYS(window_items, struct raw_window);
#undef AT

#define AT(member) offsetof(struct raw_freeze, member)
static const struct key freeze_items[] = {
	{ "name", KEY_TEXT, AT(name), .min = 1, .max = 63, .is_required = true },
	{ "time_zone", KEY_TEXT, AT(time_zone), .min = 1, .max = ZONES_NAME_BYTES_MAX, .is_required = true },
	{ "from", KEY_DATETIME, AT(from), .is_required = true },
	{ "to", KEY_DATETIME, AT(to), .is_required = true },
	{ "reason", KEY_TEXT, AT(reason), .min = 1, .max = LIMIT_NAME },
};
static const struct keys freeze_keys = KEYS(freeze_items, struct raw_freeze);
#undef AT

#define GLOB(key, n) { key, KEY_TEXT, offsetof(struct raw_match, glob[n]), .min = 1, .max = LIMIT_NAME }
static const struct key match_items[] = {
	GLOB("account", SELECTOR_ACCOUNT), GLOB("region", SELECTOR_REGION), GLOB("id", SELECTOR_ID),
	GLOB("serial_number", SELECTOR_SERIAL_NUMBER), GLOB("name", SELECTOR_NAME), GLOB("model", SELECTOR_MODEL),
	GLOB("resource_group", SELECTOR_RESOURCE_GROUP), GLOB("ccn", SELECTOR_CCN), GLOB("city", SELECTOR_CITY),
};
_Static_assert(sizeof(match_items) / sizeof(match_items[0]) == SELECTOR_N, "each selector has its key");
static const struct keys match_keys = KEYS(match_items, struct raw_match);

#define AT(member) offsetof(struct raw_wave, member)
static const struct key wave_items[] = {
	{ "name", KEY_TEXT, AT(name), .min = 1, .max = 63, .is_required = true },
	{ "match", KEY_GROUP, AT(match), .group = &match_keys },
	{ "percent", KEY_SHARE, AT(percent), .min = 1 },
	{ "success", KEY_SHARE, AT(success), "100%", .min = 1 },
	{ "soak", KEY_DURATION, AT(soak), "30m", .min = 0, .max = 30 * DAY },
};
static const struct keys wave_keys = KEYS(wave_items, struct raw_wave);
#undef AT

#define AT(member) offsetof(struct raw_halt_reason, member)
static const struct key halt_reason_items[] = {
	{ "reason", KEY_WORD, AT(reason), WORDS(halt_reason_names), .is_required = true },
	{ "failures", KEY_COUNT, AT(failures), .min = 1, .max = 100000, .is_required = true },
};
static const struct keys halt_reason_keys = KEYS(halt_reason_items, struct raw_halt_reason);
#undef AT

#define AT(member) offsetof(struct raw_policy, member) - offsetof(struct raw_policy, halt)
static const struct key halt_items[] = {
	{ "failures", KEY_COUNT, AT(halt.failures), "3", .min = 0, .max = 100000 },
	{ "percent", KEY_SHARE, AT(halt.percent), "20%", .min = 0 },
	{ "min_sample", KEY_COUNT, AT(halt.min_sample), "5", .min = 1, .max = 100000 },
	{ "by_reason", KEY_ITEMS, AT(halt.by_reason), .group = &halt_reason_keys, .max = sizeof(halt_reason_names) / sizeof(halt_reason_names[0]) },
};
static const struct keys halt_keys = KEYS(halt_items, ((struct raw_policy *)0)->halt);
#undef AT

#define AT(member) offsetof(struct raw_policy, member) - offsetof(struct raw_policy, gate)
static const struct key gate_items[] = {
	{ "prometheus", KEY_TEXT, AT(gate.prometheus), .min = 1, .max = 300, .is_required = true, .is_quiet = true },
	{ "query", KEY_TEXT, AT(gate.query), .min = 1, .max = 2048, .is_required = true },
	{ "open_when", KEY_WORD, AT(gate.open_when), WORDS(gate_open_when_names), .is_required = true },
	{ "value", KEY_NUMBER, AT(gate.value), .min = 0 },
	{ "max_age", KEY_DURATION, AT(gate.max_age), "1m", .min = NS_PER_S, .max = DAY },
	{ "timeout", KEY_DURATION, AT(gate.timeout), "5s", .min = 100 * NS_PER_MS, .max = 60 * NS_PER_S },
};
static const struct keys gate_keys = KEYS(gate_items, ((struct raw_policy *)0)->gate);
#undef AT

#define AT(member) offsetof(struct raw_policy, member) - offsetof(struct raw_policy, retry)
static const struct key retry_items[] = {
	{ "attempts", KEY_COUNT, AT(retry.attempts), "3", .min = 1, .max = 1000 },
	{ "first", KEY_DURATION, AT(retry.first), "1m", .min = NS_PER_S, .max = 30 * DAY },
	{ "max", KEY_DURATION, AT(retry.max), "6h", .min = NS_PER_S, .max = 30 * DAY },
};
static const struct keys retry_keys = KEYS(retry_items, ((struct raw_policy *)0)->retry);
#undef AT

#define AT(member) offsetof(struct raw_policy, member) - offsetof(struct raw_policy, verify)
static const struct key verify_items[] = {
	{ "soak", KEY_DURATION, AT(verify.soak), "2m", .min = 0, .max = 30 * DAY },
	{ "vpn", KEY_FLAG, AT(verify.vpn), "true", .min = 0 },
};
static const struct keys verify_keys = KEYS(verify_items, ((struct raw_policy *)0)->verify);
#undef AT

#define AT(member) offsetof(struct raw_policy, member)
static const struct key policy_items[] = {
	{ "name", KEY_TEXT, AT(name), .min = 1, .max = LIMIT_NAME, .is_required = true },
	{ "windows", KEY_TEXTS, AT(windows), .min = 1, .max = 63 },
	{ "freezes", KEY_TEXTS, AT(freezes), .min = 1, .max = 63 },
	{ "upgrade_takes", KEY_DURATION, AT(upgrade_takes), "15m", .min = NS_PER_S, .max = 7 * DAY },
	{ "max_in_flight", KEY_LIMIT, AT(max_in_flight), "1", .min = 1, .max = 100000 },
	{ "max_starts_per_hour", KEY_COUNT, AT(max_starts_per_hour), "60", .min = 1, .max = 1000000 },
	{ "deadline", KEY_DURATION, AT(deadline), "30m", .min = NS_PER_S, .max = 7 * DAY },
	{ "site_by", KEY_TEXT, AT(site_by), "instance", .min = 1, .max = SITE_BY_BYTES_MAX },
	{ "max_in_flight_per_site", KEY_COUNT, AT(max_in_flight_per_site), "1", .min = 1, .max = 100000 },
	{ "waves", KEY_ITEMS, AT(waves), .group = &wave_keys, .max = LIMIT_WAVES },
	{ "halt", KEY_GROUP, AT(halt), .group = &halt_keys },
	{ "retry", KEY_GROUP, AT(retry), .group = &retry_keys },
	{ "verify", KEY_GROUP, AT(verify), .group = &verify_keys },
	{ "gate", KEY_GROUP, AT(gate), .group = &gate_keys },
	{ "auto_upgrade", KEY_WORD, AT(auto_upgrade), "report", WORDS(auto_upgrade_names) },
};
static const struct keys policy_keys = KEYS(policy_items, struct raw_policy);
#undef AT

#define AT(member) offsetof(struct raw_pin, member)
static const struct key pin_items[] = {
	{ "name", KEY_TEXT, AT(name), .min = 1, .max = LIMIT_NAME, .is_required = true },
	{ "match", KEY_GROUP, AT(match), .group = &match_keys },
	{ "device", KEY_TEXT, AT(device), .min = 1, .max = LIMIT_VERSION },
	{ "dpi", KEY_TEXT, AT(dpi), .min = 1, .max = LIMIT_VERSION },
	{ "policy", KEY_TEXT, AT(policy), .min = 1, .max = LIMIT_NAME },
	{ "dpi_policy", KEY_TEXT, AT(dpi_policy), .min = 1, .max = LIMIT_NAME },
	{ "via", KEY_TEXTS, AT(via), .min = 1, .max = LIMIT_VERSION },
	{ "never", KEY_TEXTS, AT(never), .min = 1, .max = LIMIT_VERSION },
	{ "hold", KEY_FLAG, AT(hold), "false", .min = 0 },
};
static const struct keys pin_keys = KEYS(pin_items, struct raw_pin);
#undef AT

#define AT(member) offsetof(struct raw, member)
static const struct key top_items[] = {
	{ "mode", KEY_WORD, AT(mode), "observe", WORDS(mode_names), .is_main_only = true },
	{ "max_in_flight", KEY_COUNT, AT(max_in_flight), "50", .min = 1, .max = 100000, .is_main_only = true },
	{ "include_dir", KEY_TEXT, AT(include_dir), .min = 1, .max = CONFIG_PATH_MAX, .is_main_only = true },
	{ "state", KEY_TEXT, AT(state), "/var/lib/sagpin/state.db", .min = 1, .max = CONFIG_PATH_MAX, .is_main_only = true },
	{ "control_socket", KEY_TEXT, AT(control_socket), "/run/sagpin/control.sock", .min = 1, .max = CONFIG_SOCKET_PATH_MAX, .is_main_only = true },
	{ "accounts", KEY_LIST, AT(accounts), .group = &account_keys },
	{ "windows", KEY_LIST, AT(windows), .group = &window_keys },
	{ "freezes", KEY_LIST, AT(freezes), .group = &freeze_keys },
	{ "policies", KEY_LIST, AT(policies), .group = &policy_keys },
	{ "pins", KEY_LIST, AT(pins), .group = &pin_keys },
};
const struct keys keys_top = KEYS(top_items, struct raw);
