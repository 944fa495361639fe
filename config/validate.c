/*
 * Raw records to one struct config: names resolved, values checked against each other, everything in one arena.
 *
 * Goes on after each error, so that all of them are seen at once. Where a file could not be read, what may be in it is
 * not missed.
 */
#include "validate.h"
#include "cloud/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *take(struct validate *v, size_t n, size_t size)
{
	void *memory = arena_alloc(&v->raw->arena, n * size + 1);

	v->report->is_without_memory |= !memory;
	return memory;
}

_Static_assert(offsetof(struct raw_account, name) == offsetof(struct raw_named, name), "");
_Static_assert(offsetof(struct raw_policy, name) == offsetof(struct raw_named, name), "");
_Static_assert(offsetof(struct raw_pin, name) == offsetof(struct raw_named, name), "");
_Static_assert(offsetof(struct raw_window, name) == offsetof(struct raw_named, name), "");
_Static_assert(offsetof(struct raw_freeze, name) == offsetof(struct raw_named, name), "");

static const struct raw_named *named_at(const struct raw_list *list, size_t size, uint32_t i)
{
	return (const void *)((const char *)list->items + size * i);
}

struct names names_of(struct validate *v, const char *title, const struct raw_list *list, size_t size)
{
	struct name_entry *entries = calloc((size_t)list->n + 1, sizeof(*entries));
	uint32_t n = 0, n_kept = 0;

	v->report->is_without_memory |= !entries;
	if (!entries)
		return (struct names){ 0 };
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
	return (struct names){ entries, n_kept };
}

uint32_t names_resolve(struct validate *v, const struct names *names, const struct reference *from, const struct raw_text *name)
{
	enum { GUESSES_MAX = 100 }; /* 200,000 wrong names must not each be compared with 200,000 right ones */
	const struct name_entry *found = names_find(names->entries, names->n, name->text);
	const char *guesses[GUESSES_MAX + 1], *nearest = NULL;
	size_t n = 0;

	if (found)
		return found->index;
	if (v->raw->is_incomplete)
		return UINT32_MAX; /* it may be in the file that could not be read */
	for (uint32_t i = 0; names->n <= GUESSES_MAX && i < names->n; i++)
		guesses[n++] = names->entries[i].name;
	if (from->built_in)
		guesses[n++] = from->built_in;
	nearest = words_nearest(name->text, guesses, n);
	ERROR(v, from->head, name->line, "%s: %s \"%s\" names no %s of this configuration%s%s%s", from->title, from->key, name->text, from->what,
	      nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return UINT32_MAX;
}

void warn_unused(struct validate *v, const char *list_name, const struct raw_list *list, size_t size, const bool *is_used, const char *by)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const struct raw_named *item = named_at(list, size, i);

		if (!is_used[i])
			WARNING(v, &item->head, 0, "%s: no %s uses it; it has no effect", raw_title(list_name, &item->head, &item->name).text, by);
	}
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

bool parse_endpoint(struct validate *v, const char *text, struct endpoint *ret_endpoint, struct error *ret_error)
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

	*ret_is_loopback = false;
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
	bool is_loopback;

	check_credentials(v, a, title.text, out);
	check_regions(v, a, title.text);
	check_proxy(v, a, title.text);
	check_interval(v, a, title.text, "poll_interval", &a->poll_interval);
	check_interval(v, a, title.text, "dpi_poll_interval", &a->dpi_poll_interval);
	check_interval(v, a, title.text, "catalogue_interval", &a->catalogue_interval);
	check_interval(v, a, title.text, "auto_upgrade_interval", &a->auto_upgrade_interval);
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
				.catalogue_interval_ns = raw[a].catalogue_interval.ns, .auto_upgrade_interval_ns = raw[a].auto_upgrade_interval.ns,
				.calls_per_second = raw[a].api.calls_per_second.value, .blast_radius = raw[a].blast_radius.share };
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
	uint32_t n = v->raw->accounts.n;
	struct config_account *accounts = take(v, n, sizeof(*accounts));

	free(names_of(v, "accounts", &v->raw->accounts, sizeof(*raw)).entries);
	if (!n && !v->raw->is_incomplete)
		report_add(v->report, CONFIG_ERROR, v->raw->head.file, 0, "accounts: there is none; write at least one, with name, credentials and regions");
	for (uint32_t i = 0; accounts && i < n; i++)
		check_account(v, &raw[i], &accounts[i]);
	v->config->accounts = accounts;
	v->config->n_accounts = n;
	if (accounts)
		make_scopes(v, raw, accounts, n);
}

/* Where the daemon keeps its state and listens for commands. */
static void make_paths(struct validate *v)
{
	const struct raw *raw = v->raw;

	v->config->state_path = resolve_path(v, raw->state.text);
	v->config->control_socket_path = resolve_path(v, raw->control_socket.text);
	if (!v->config->state_path || !v->config->control_socket_path)
		return;
	if (strlen(v->config->control_socket_path) > CONFIG_SOCKET_PATH_MAX)
		ERROR(v, &raw->head, raw->control_socket.line, "control_socket: \"%s\" is too long for a socket, %d bytes are the most; write a shorter path",
		      v->config->control_socket_path, CONFIG_SOCKET_PATH_MAX);
	if (strcmp(v->config->state_path, v->config->control_socket_path) == 0)
		ERROR(v, &raw->head, raw->control_socket.line, "control_socket: is the same path as state; give each its own");
}

/* What is defined and not used: only said of a configuration that is right, or it would follow from each error. */
static void check_use(struct validate *v)
{
	const struct raw *raw = v->raw;

	if (v->report->messages.n_errors || v->report->is_without_memory)
		return;
	if (raw->pins.n)
		warn_unused(v, "policies", &raw->policies, sizeof(struct raw_policy), v->is_policy_used, "pin");
	warn_unused(v, "windows", &raw->windows, sizeof(struct raw_window), v->is_window_used, "policy");
	warn_unused(v, "freezes", &raw->freezes, sizeof(struct raw_freeze), v->is_freeze_used, "policy");
	check_waves_reached(v);
}

static void regexes_free(struct held_regex *first)
{
	for (; first; first = first->next)
		regfree(&first->regex);
}

static void validate_all(struct validate *v)
{
	v->is_window_used = take(v, v->raw->windows.n, sizeof(bool));
	v->is_freeze_used = take(v, v->raw->freezes.n, sizeof(bool));
	v->is_policy_used = take(v, v->raw->policies.n, sizeof(bool));
	if (v->report->is_without_memory)
		return;
	make_paths(v);
	make_accounts(v);
	make_windows(v);
	make_freezes(v);
	make_policies(v);
	make_pins(v);
	check_use(v);
	free(v->windows.entries);
	free(v->freezes.entries);
	free(v->policies.entries);
}

int validate(struct raw *raw, struct config **ret_config)
{
	struct held_config *held = arena_alloc(&raw->arena, sizeof(*held));
	struct validate v = { .raw = raw, .report = raw->report, .held = held };

	if (!held)
		return -ENOMEM;
	v.config = &held->config;
	held->config.settings.is_enforcing = raw->mode.value == 1;
	held->config.settings.max_in_flight = raw->max_in_flight.n;
	validate_all(&v);
	if (raw->report->is_without_memory || raw->report->messages.n_errors) {
		regexes_free(held->regexes);
		return raw->report->is_without_memory ? -ENOMEM : CONFIG_E_INVALID;
	}
	held->arena = raw->arena;
	held->zones = raw->zones;
	raw->arena = (struct arena){ 0 };
	raw->zones = NULL;
	*ret_config = &held->config;
	return 0;
}

struct config *config_free(struct config *c)
{
	struct held_config *held = (struct held_config *)c;
	struct arena arena;

	if (!c)
		return NULL;
	regexes_free(held->regexes);
	zones_free(held->zones);
	arena = held->arena; /* it lives in its own memory */
	arena_deinit(&arena);
	return NULL;
}
