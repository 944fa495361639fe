/*
 * Raw records to one struct config: names resolved, values checked against each other, everything in one arena.
 *
 * Goes on after each error, so that all of them are seen at once. Where a file could not be read, what may be in it is
 * not missed.
 */
#include "internal.h"
#include "cloud/endpoint.h"
#include "core/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct held_config {
	struct config config; /* first: config_free gets its address */
	struct arena arena;
};

struct validate {
	struct raw *raw;
	struct report *report;
	struct config *config;
	struct name_entry *policy_names; /* sorted */
	uint32_t n_policy_names;
};

static void *take(struct validate *v, size_t n, size_t size)
{
	void *memory = arena_alloc(&v->raw->arena, n * size + 1);

	v->report->is_without_memory |= !memory;
	return memory;
}

#define ERROR(v, head, at_line, ...) report_add((v)->report, CONFIG_ERROR, (head)->file, (at_line) ? (at_line) : (head)->line, __VA_ARGS__)
#define WARNING(v, head, at_line, ...) report_add((v)->report, CONFIG_WARNING, (head)->file, (at_line) ? (at_line) : (head)->line, __VA_ARGS__)

/* What accounts, policies and pins have in common: a head, then a name. */
struct raw_named {
	struct raw_head head;
	struct raw_text name;
};
_Static_assert(offsetof(struct raw_account, name) == offsetof(struct raw_named, name), "");
_Static_assert(offsetof(struct raw_policy, name) == offsetof(struct raw_named, name), "");
_Static_assert(offsetof(struct raw_pin, name) == offsetof(struct raw_named, name), "");

static const struct raw_named *named_at(const struct raw_list *list, size_t size, uint32_t i)
{
	return (const void *)((const char *)list->items + size * i);
}

/* The names of a list, sorted, each of them once; twice is an error. ret_n is 0 without memory. */
static struct name_entry *check_names(struct validate *v, const char *title, const struct raw_list *list, size_t size, uint32_t *ret_n)
{
	struct name_entry *entries = calloc((size_t)list->n + 1, sizeof(*entries));
	uint32_t n = 0, n_kept = 0;

	*ret_n = 0;
	v->report->is_without_memory |= !entries;
	if (!entries)
		return NULL;
	for (uint32_t i = 0; i < list->n; i++)
		if (named_at(list, size, i)->name.text)
			entries[n++] = (struct name_entry){ named_at(list, size, i)->name.text, i };
	names_sort(entries, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct raw_named *first, *second = named_at(list, size, entries[i].index);

		if (!n_kept || strcmp(entries[n_kept - 1].name, entries[i].name) != 0) {
			entries[n_kept++] = entries[i];
			continue;
		}
		first = named_at(list, size, entries[n_kept - 1].index);
		ERROR(v, &second->head, second->name.line, "%s[%u].name: \"%s\" is taken by %s:%u; give each its own name", title,
		      second->head.index, second->name.text, first->head.file, first->name.line);
	}
	*ret_n = n_kept;
	return entries;
}

/* Relative paths start from the folder of the main file, wherever the daemon was started. */
static const char *resolve_path(struct validate *v, const char *path)
{
	size_t size;
	char *joined;

	if (!path || path[0] == '/' || !v->raw->folder)
		return path;
	size = strlen(v->raw->folder) + strlen(path) + 2;
	joined = take(v, size, 1);
	if (joined)
		snprintf(joined, size, "%s/%s", v->raw->folder, path);
	return joined;
}

static void check_credentials(struct validate *v, const struct raw_account *a, const char *title, struct config_account *out)
{
	out->credentials.path = resolve_path(v, a->credentials.path.text);
	out->credentials.oidc_token_file = resolve_path(v, a->credentials.oidc_token_file.text);
	v->report->is_without_memory |= !credentials_check(v->report, a, title, &out->credentials);
}

/* False with an error to show, which is empty without memory: then all ends soon. */
static bool parse_endpoint(struct validate *v, const char *text, struct endpoint *ret_endpoint, struct error *ret_error)
{
	int r = endpoint_parse(text, ret_endpoint, ret_error);

	if (r < 0)
		ret_error->text[0] = '\0';
	v->report->is_without_memory |= r < 0;
	return r == 0;
}

static void check_proxy(struct validate *v, const struct raw_account *a, const char *title)
{
	struct endpoint proxy;
	struct error error;

	if (a->api.proxy.text && !parse_endpoint(v, a->api.proxy.text, &proxy, &error))
		ERROR(v, &a->head, a->api.proxy.line, "%s: api.proxy %s (a proxy that needs a password can be set in the environment, as https_proxy)",
		      title, error.text);
}

static const char *check_endpoint(struct validate *v, const struct raw_account *a, const char *title, bool *ret_is_loopback)
{
	struct endpoint endpoint;
	struct error error;
	char *url;

	*ret_is_loopback = a->endpoint.line != 0; /* after an error that one is enough */
	if (!a->endpoint.text)
		return NULL;
	if (!parse_endpoint(v, a->endpoint.text, &endpoint, &error)) {
		ERROR(v, &a->head, a->endpoint.line, "%s: endpoint %s", title, error.text);
		return NULL;
	}
	*ret_is_loopback = endpoint.is_loopback;
	if (!endpoint.is_https && !endpoint.is_loopback)
		ERROR(v, &a->head, a->endpoint.line, "%s: endpoint %s would send signed requests in the clear; use https:// (http:// is for loopback only)",
		      title, endpoint.url);
	url = arena_text(&v->raw->arena, endpoint.url, strlen(endpoint.url));
	v->report->is_without_memory |= !url;
	return url;
}

/* One page of the list and one follow-up must fit into each interval of each region. */
static void check_interval(struct validate *v, const struct raw_account *a, const char *title, const char *key, const struct raw_duration *interval)
{
	double calls = (double)interval->ns / (double)NS_PER_S * a->api.calls_per_second.value;

	if (calls >= 2)
		return;
	ERROR(v, &a->head, interval->line ? interval->line : a->api.calls_per_second.line,
	      "%s: %s is too short for api.calls_per_second: %s x %.10g per second = %.3g calls, and 2 are the least; raise one of them",
	      title, key, units_print_duration(interval->ns).text, a->api.calls_per_second.value, calls);
}

static void check_regions(struct validate *v, const struct raw_account *a, const char *title)
{
	static const char *const known[] = { "cn-shanghai", "cn-shanghai-finance-1", "cn-hongkong", "cn-hangzhou", "ap-southeast-1",
		"ap-southeast-2", "ap-southeast-3", "ap-southeast-5", "ap-northeast-1", "eu-central-1" };
	const size_t n_known = sizeof(known) / sizeof(known[0]);

	if (!a->regions.n && a->regions.line && !a->regions.is_bad)
		ERROR(v, &a->head, a->regions.line, "%s: regions is empty; write at least one, as in [ \"cn-shanghai\" ]", title);
	for (uint32_t i = 0; i < a->regions.n && i <= CONFIG_SCOPES_MAX; i++) {
		const struct raw_text *region = &a->regions.items[i];
		bool is_known = a->endpoint.text; /* private clouds have their own */

		for (uint32_t j = 0; j < i; j++)
			if (strcmp(a->regions.items[j].text, region->text) == 0)
				ERROR(v, &a->head, region->line, "%s: regions names \"%s\" twice; remove one", title, region->text);
		for (size_t j = 0; j < n_known; j++)
			is_known |= strcmp(known[j], region->text) == 0;
		if (!endpoint_is_label(region->text, strlen(region->text))) {
			ERROR(v, &a->head, region->line, "%s: \"%s\" cannot be a region; ids are letters, digits and hyphens, as in \"cn-shanghai\"",
			      title, region->text);
		} else if (!is_known) {
			const char *nearest = words_nearest(region->text, known, n_known);

			WARNING(v, &a->head, region->line, "%s: region \"%s\" is not known to have Smart Access Gateways%s%s%s", title,
				region->text, nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
		}
	}
}

static void check_account(struct validate *v, const struct raw_account *a, struct config_account *out)
{
	struct raw_title title = raw_title("accounts", &a->head, &a->name);
	const struct raw_head *top = &v->raw->head;
	bool is_loopback;

	check_credentials(v, a, title.text, out);
	check_regions(v, a, title.text);
	check_proxy(v, a, title.text);
	check_interval(v, a, title.text, "poll_interval", &a->poll_interval);
	check_interval(v, a, title.text, "dpi_poll_interval", &a->dpi_poll_interval);
	out->name = a->name.text;
	out->endpoint = check_endpoint(v, a, title.text, &is_loopback);
	out->signature = (enum sign_method)a->signature.value;
	out->api.calls_per_second = a->api.calls_per_second.value;
	out->api.burst = a->api.burst.n;
	out->api.concurrency = a->api.concurrency.n;
	out->api.timeout_ns = a->api.timeout.ns;
	out->api.ca_file = resolve_path(v, a->api.ca_file.text);
	out->api.proxy = a->api.proxy.text;
	if (out->endpoint && is_loopback && a->api.proxy.text)
		ERROR(v, &a->head, a->api.proxy.line, "%s: api.proxy would carry what is meant for loopback to another machine; remove it, or change endpoint",
		      title.text);
	if (v->config->settings.is_enforcing && !is_loopback)
		ERROR(v, top, v->raw->mode.line,
		      "mode: \"enforce\" is refused: %s has an endpoint that is not loopback. sagpin does not store its state yet and would forget running upgrades on a restart; write mode = \"observe\", or set endpoint to the simulator's address",
		      title.text);
}

/* Scopes are accounts x regions, in order of the files. */
static void make_scopes(struct validate *v, const struct raw_account *raw, const struct config_account *accounts, uint32_t n)
{
	const char **endpoints = take(v, CONFIG_SCOPES_MAX, sizeof(*endpoints));
	struct scope *scopes = take(v, CONFIG_SCOPES_MAX, sizeof(*scopes));
	uint32_t *account_of = take(v, CONFIG_SCOPES_MAX, sizeof(*account_of));
	uint32_t n_scopes = 0;
	char url[CONFIG_REGION_MAX + 40];

	for (uint32_t a = 0; a < n && !v->report->is_without_memory; a++) {
		for (uint32_t r = 0; r < raw[a].regions.n; r++) {
			const char *region = raw[a].regions.items[r].text;

			if (n_scopes == CONFIG_SCOPES_MAX) {
				ERROR(v, &raw[a].head, raw[a].regions.line, "%s: more than %d regions of all accounts together",
				      raw_title("accounts", &raw[a].head, &raw[a].name).text, CONFIG_SCOPES_MAX);
				return;
			}
			snprintf(url, sizeof(url), "https://smartag.%s.aliyuncs.com/", region);
			endpoints[n_scopes] = accounts[a].endpoint ? accounts[a].endpoint : arena_text(&v->raw->arena, url, strlen(url));
			v->report->is_without_memory |= !endpoints[n_scopes];
			account_of[n_scopes] = a;
			scopes[n_scopes++] = (struct scope){ .account = accounts[a].name, .region_id = region,
				.poll_interval_ns = raw[a].poll_interval.ns, .dpi_poll_interval_ns = raw[a].dpi_poll_interval.ns,
				.calls_per_second = raw[a].api.calls_per_second.value };
		}
	}
	v->config->settings.scopes = scopes;
	v->config->settings.n_scopes = n_scopes;
	v->config->scope_account = account_of;
	v->config->scope_endpoint = endpoints;
}

static void make_accounts(struct validate *v)
{
	const struct raw_account *raw = v->raw->accounts.items;
	uint32_t n = v->raw->accounts.n, n_names;
	struct config_account *accounts = take(v, n, sizeof(*accounts));

	free(check_names(v, "accounts", &v->raw->accounts, sizeof(*raw), &n_names));
	if (!n && !v->raw->is_incomplete)
		report_add(v->report, CONFIG_ERROR, v->raw->head.file, 0, "accounts: there is none; write at least one, with name, credentials and regions");
	for (uint32_t i = 0; accounts && i < n; i++)
		check_account(v, &raw[i], &accounts[i]);
	v->config->accounts = accounts;
	v->config->n_accounts = n;
	if (accounts)
		make_scopes(v, raw, accounts, n);
}

static void check_policy(struct validate *v, const struct raw_policy *p, struct policy *out)
{
	struct raw_title title = raw_title("policies", &p->head, &p->name);

	*out = (struct policy){
		.name = p->name.text, .max_in_flight = p->max_in_flight.limit, .max_starts_per_hour = p->max_starts_per_hour.n,
		.deadline_ns = p->deadline.ns,
		.retry = { .attempts = p->retry.attempts.n, .first_ns = p->retry.first.ns, .max_ns = p->retry.max.ns },
		.verify = { .soak_ns = p->verify.soak.ns, .vpn = p->verify.vpn.is_on },
	};
	for (uint32_t i = 0; i < p->windows.n; i++) {
		if (strcmp(p->windows.items[i].text, "always") == 0)
			out->is_always_open = true;
		else
			ERROR(v, &p->head, p->windows.items[i].line, "%s: windows names \"%s\", which does not exist; this version knows \"always\" only",
			      title.text, p->windows.items[i].text);
	}
	if (!p->windows.n && !p->windows.is_bad)
		WARNING(v, &p->head, p->windows.line, "%s: has no windows and never starts an upgrade; write windows = [ \"always\" ] if it should", title.text);
	if (p->retry.first.ns > p->retry.max.ns)
		ERROR(v, &p->head, p->retry.first.line ? p->retry.first.line : p->retry.max.line, "%s: retry.first %s is above retry.max %s; swap or change one",
		      title.text, units_print_duration(p->retry.first.ns).text, units_print_duration(p->retry.max.ns).text);
}

static void make_policies(struct validate *v)
{
	const struct raw_policy *raw = v->raw->policies.items;
	uint32_t n = v->raw->policies.n;
	struct policy *policies = take(v, n, sizeof(*policies));

	v->policy_names = check_names(v, "policies", &v->raw->policies, sizeof(*raw), &v->n_policy_names);
	for (uint32_t i = 0; policies && i < n; i++)
		check_policy(v, &raw[i], &policies[i]);
	v->config->settings.policies = policies;
	v->config->settings.n_policies = n;
}

static void check_version(struct validate *v, const struct raw_pin *p, const char *key, const struct raw_text *version)
{
	const char *text = version->text;
	struct raw_title title;

	if (!text || version_is_comparable(text))
		return;
	title = raw_title("pins", &p->head, &p->name);
	if (text[0] == '@')
		ERROR(v, &p->head, version->line, "%s: %s = \"%s\" is not supported yet; pin an exact version, as in \"3.4.2\"", title.text, key, text);
	else
		ERROR(v, &p->head, version->line, "%s: %s = \"%s\" is no version that can be compared; write numbers and dots, as in \"3.4.2\"", title.text, key, text);
}

static uint32_t find_policy(struct validate *v, const struct raw_pin *p, const char *key, const struct raw_text *policy)
{
	enum { GUESSES_MAX = 100 }; /* 200,000 wrong names must not each be compared with 200,000 right ones */
	const struct name_entry *found = names_find(v->policy_names, v->n_policy_names, policy->text);
	const char *names[GUESSES_MAX], *nearest = NULL;

	if (found)
		return found->index;
	if (v->raw->is_incomplete)
		return POLICY_NONE; /* it may be in the file that could not be read */
	for (uint32_t i = 0; v->n_policy_names <= GUESSES_MAX && i < v->n_policy_names; i++)
		names[i] = v->policy_names[i].name;
	if (v->n_policy_names <= GUESSES_MAX)
		nearest = words_nearest(policy->text, names, v->n_policy_names);
	ERROR(v, &p->head, policy->line, "%s: %s = \"%s\" names no policy of this configuration%s%s%s",
	      raw_title("pins", &p->head, &p->name).text, key, policy->text, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
	      nearest ? "\"?" : "");
	return POLICY_NONE;
}

static void check_pin_policies(struct validate *v, const struct raw_pin *p, struct pin *out)
{
	uint32_t policy = p->policy.text ? find_policy(v, p, "policy", &p->policy) : POLICY_NONE;
	uint32_t dpi_policy = p->dpi_policy.text ? find_policy(v, p, "dpi_policy", &p->dpi_policy) : policy;

	if (p->device.text && !p->policy.line)
		ERROR(v, &p->head, 0, "%s: \"policy\" is missing; write the name of the policy that device upgrades follow", raw_title("pins", &p->head, &p->name).text);
	else if (p->dpi.text && !p->policy.line && !p->dpi_policy.line)
		ERROR(v, &p->head, 0, "%s: \"policy\" is missing; write the name of the policy that DPI upgrades follow", raw_title("pins", &p->head, &p->name).text);
	if (p->dpi_policy.line && !p->dpi.line)
		WARNING(v, &p->head, p->dpi_policy.line, "%s: dpi_policy has no effect without dpi", raw_title("pins", &p->head, &p->name).text);
	out->policy[VERSION_TYPE_DEVICE] = p->device.text ? policy : POLICY_NONE;
	out->policy[VERSION_TYPE_DPI] = p->dpi.text ? dpi_policy : POLICY_NONE;
}

static void check_pin(struct validate *v, const struct raw_pin *p, struct pin *out)
{
	bool has_glob = false;

	*out = (struct pin){ .name = p->name.text, .is_held = p->hold.is_on };
	for (int k = 0; k < SELECTOR_N; k++) {
		out->match.glob[k] = p->match.glob[k].text;
		has_glob |= p->match.glob[k].line != 0;
	}
	if (!has_glob)
		ERROR(v, &p->head, p->match.head.line, "%s: \"match\" %s; write what to match, or match: { id = \"*\"; } for every instance",
		      raw_title("pins", &p->head, &p->name).text, p->match.head.line ? "is empty" : "is missing");
	if (!p->device.line && !p->dpi.line)
		ERROR(v, &p->head, 0, "%s: pins nothing; write device, dpi or both, as in device = \"3.4.2\"",
		      raw_title("pins", &p->head, &p->name).text);
	out->version[VERSION_TYPE_DEVICE] = p->device.text;
	out->version[VERSION_TYPE_DPI] = p->dpi.text;
	check_version(v, p, "device", &p->device);
	check_version(v, p, "dpi", &p->dpi);
	check_pin_policies(v, p, out);
}

static void make_pins(struct validate *v)
{
	const struct raw_pin *raw = v->raw->pins.items;
	uint32_t n = v->raw->pins.n, n_main = v->raw->n_main_pins, n_names;
	const struct raw_pin **order = calloc((size_t)n + 1, sizeof(*order));
	struct pin *pins = take(v, n, sizeof(*pins));

	free(check_names(v, "pins", &v->raw->pins, sizeof(*raw), &n_names));
	v->report->is_without_memory |= !order;
	v->config->settings.pins = pins;
	v->config->settings.n_pins = n;
	for (uint32_t i = 0; order && pins && i < n; i++) {
		order[i] = &raw[i < n - n_main ? i + n_main : i - (n - n_main)];
		check_pin(v, order[i], &pins[i]);
	}
	if (order && pins && shadow_check(v->report, &v->config->settings, order) < 0)
		v->report->is_without_memory = true;
	free(order);
}

int validate(struct raw *raw, struct config **ret_config)
{
	struct held_config *held = arena_alloc(&raw->arena, sizeof(*held));
	struct validate v = { .raw = raw, .report = raw->report };

	if (!held)
		return -ENOMEM;
	v.config = &held->config;
	held->config.settings.is_enforcing = raw->mode.value == 1;
	held->config.settings.max_in_flight = raw->max_in_flight.n;
	make_accounts(&v);
	make_policies(&v);
	make_pins(&v);
	free(v.policy_names);
	if (raw->report->is_without_memory)
		return -ENOMEM;
	if (raw->report->messages.n_errors)
		return CONFIG_E_INVALID;
	held->arena = raw->arena;
	raw->arena = (struct arena){ 0 };
	*ret_config = &held->config;
	return 0;
}

struct config *config_free(struct config *c)
{
	struct arena arena;

	if (!c)
		return NULL;
	arena = ((struct held_config *)c)->arena; /* it lives in its own memory */
	arena_deinit(&arena);
	return NULL;
}
