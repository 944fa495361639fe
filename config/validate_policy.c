/* Policies: their times, sites, waves, halts and gates. */
#include "validate.h"
#include "cloud/endpoint.h"
#include "core/pin.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REACH_BUDGET 1000000 /* comparisons of a wave's and a pin's globs; beyond it a wave without pins may go unnoticed */

/* What is being checked: both records of the policy, and its title for messages. */
struct policy_check {
	struct validate *v;
	const struct raw_policy *raw;
	const char *title;
	struct policy *out;	     /* for the core */
	struct config_policy *shell; /* for the shells */
};

/* Is the i-th text there before? That is an error. */
static bool is_named_twice(const struct policy_check *c, const char *key, const struct raw_texts *texts, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++) {
		if (strcmp(texts->items[k].text, texts->items[i].text) != 0)
			continue;
		ERROR(c->v, &c->raw->head, texts->items[i].line, "%s: %s names \"%s\" twice; remove one", c->title, key,
		      texts->items[i].text);
		return true;
	}
	return false;
}

static bool is_too_many(const struct policy_check *c, const char *key, const struct raw_texts *texts, uint32_t max)
{
	if (texts->n <= max)
		return false;
	ERROR(c->v, &c->raw->head, texts->line, "%s: %s has %u names; at most %u are allowed", c->title, key, texts->n, max);
	return true;
}

static void check_upgrade_takes(const struct policy_check *c, const struct config_window *window, unsigned int line)
{
	int64_t takes_ns = c->raw->upgrade_takes.ns;

	if (window->is_always || !window->rule.length_s || takes_ns <= window->rule.length_s * NS_PER_S)
		return;
	ERROR(
	    c->v, &c->raw->head, c->raw->upgrade_takes.line ? c->raw->upgrade_takes.line : line,
	    "%s: upgrade_takes %s is longer than the window \"%s\", which is open for %s, so nothing could start in it; change one of them",
	    c->title, units_print_duration(takes_ns).text, window->name, units_print_duration(window->rule.length_s * NS_PER_S).text);
}

static void check_windows(const struct policy_check *c)
{
	const struct raw_texts *names = &c->raw->windows;
	const struct reference from = {
		.head = &c->raw->head, .title = c->title, .key = "windows:", .what = "window", .built_in = "always"
	};
	struct calendar_window *rules = take(c->v, names->n, sizeof(*rules));
	uint32_t *indexes = take(c->v, names->n, sizeof(*indexes));

	if (!rules || !indexes || !c->v->config->windows || is_too_many(c, "windows", names, CONFIG_POLICY_WINDOWS_MAX))
		return;
	for (uint32_t i = 0; i < names->n; i++) {
		bool is_always = strcmp(names->items[i].text, "always") == 0;
		uint32_t found;

		if (is_named_twice(c, "windows", names, i))
			continue;
		found = is_always ? 0 : names_resolve(c->v, &c->v->windows, &from, &names->items[i]);
		if (found == UINT32_MAX)
			continue;
		c->shell->calendar.is_always |= is_always;
		if (!is_always) {
			c->v->is_window_used[found++] = true; /* `always` is the first */
			rules[c->shell->calendar.n_windows++] = c->v->config->windows[found].rule;
			check_upgrade_takes(c, &c->v->config->windows[found], names->items[i].line);
		}
		indexes[c->shell->n_windows++] = found;
	}
	c->shell->windows = indexes;
	c->shell->calendar.windows = rules;
	if (!names->n && !names->is_bad)
		WARNING(c->v, &c->raw->head, names->line,
			"%s: has no windows and never starts an upgrade; write windows = [ \"always\" ] if it should", c->title);
}

static void check_freezes(const struct policy_check *c)
{
	const struct raw_texts *names = &c->raw->freezes;
	const struct reference from = { .head = &c->raw->head, .title = c->title, .key = "freezes:", .what = "freeze" };
	struct calendar_freeze *rules = take(c->v, names->n, sizeof(*rules));
	uint32_t *indexes = take(c->v, names->n, sizeof(*indexes));

	if (!rules || !indexes || !c->v->config->freezes || is_too_many(c, "freezes", names, CONFIG_POLICY_FREEZES_MAX))
		return;
	for (uint32_t i = 0; i < names->n; i++) {
		uint32_t found =
		    is_named_twice(c, "freezes", names, i) ? UINT32_MAX : names_resolve(c->v, &c->v->freezes, &from, &names->items[i]);

		if (found == UINT32_MAX)
			continue;
		c->v->is_freeze_used[found] = true;
		rules[c->shell->n_freezes] = c->v->config->freezes[found].rule;
		indexes[c->shell->n_freezes++] = found;
	}
	c->shell->freezes = indexes;
	c->shell->calendar.freezes = rules;
	c->shell->calendar.n_freezes = c->shell->n_freezes;
}

/* Why an expression is not taken, or NULL. */
static const char *refuse_regex(const char *text)
{
	unsigned int n_plus = 0;

	if (strlen(text) > SITE_REGEX_BYTES_MAX)
		return "has more than 128 bytes; write a shorter one";
	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '9')
			return "has a back-reference, which can take forever; write it without";
		if (*p == '{')
			return "has a \"{\", and counts can take all memory; write the part as often as it is meant, or use \"*\"";
		n_plus += *p == '+';
	}
	return n_plus > SITE_REGEX_PLUS_MAX ? "has more than 8 times a \"+\"; use \"*\" for some of them" : NULL;
}

static const regex_t *compile_site(const struct policy_check *c, const char *text)
{
	const char *refused = refuse_regex(text);
	struct held_regex *held = take(c->v, 1, sizeof(*held));
	char why[100];
	int code;

	if (refused)
		ERROR(c->v, &c->raw->head, c->raw->site_by.line, "%s: site_by: the expression %s", c->title, refused);
	if (refused || !held)
		return NULL;
	code = regcomp(&held->regex, text, REG_EXTENDED);
	if (code == REG_ESPACE)
		c->v->report->is_without_memory = true;
	if (code) {
		regerror(code, &held->regex, why, sizeof(why));
		ERROR(c->v, &c->raw->head, c->raw->site_by.line, "%s: site_by: the expression cannot be used: %s", c->title, why);
		return NULL;
	}
	held->next = c->v->held->regexes;
	c->v->held->regexes = held;
	if (!held->regex.re_nsub)
		ERROR(c->v, &c->raw->head, c->raw->site_by.line,
		      "%s: site_by: the expression has no group; put ( ) around the part of the name that is the site, as in "
		      "\"name:^([a-z]+-[0-9]+)\"",
		      c->title);
	return &held->regex;
}

static void check_site(const struct policy_check *c)
{
	static const char *const words[SITE_BY_N] = { "instance", "city", "resource_group", "name:" };
	const char *text = c->raw->site_by.text;
	size_t prefix = strlen(words[SITE_BY_NAME]);

	if (!text)
		return;
	if (strncmp(text, words[SITE_BY_NAME], prefix) == 0) {
		c->out->site_by = SITE_BY_NAME;
		c->out->site_regex = compile_site(c, text + prefix);
		return;
	}
	for (unsigned int i = 0; i < SITE_BY_NAME; i++) {
		if (strcmp(words[i], text) == 0) {
			c->out->site_by = (enum site_by)i;
			return;
		}
	}
	ERROR(c->v, &c->raw->head, c->raw->site_by.line,
	      "%s: site_by \"%.80s\" is unknown; write \"instance\", \"city\", \"resource_group\" or \"name:\" and an expression, as in "
	      "\"name:^([a-z]+-[0-9]+)\"",
	      c->title, text);
}

static void check_wave_name(const struct policy_check *c, const struct raw_wave *waves, uint32_t i)
{
	const struct raw_text *name = &waves[i].name;

	if (!name->text)
		return;
	if (strcmp(name->text, "last") == 0)
		ERROR(c->v, &waves[i].head, name->line,
		      "%s: waves[%u]: the name \"last\" is that of the wave of what is left; choose another", c->title,
		      waves[i].head.index);
	for (uint32_t k = 0; k < i; k++)
		if (waves[k].name.text && strcmp(waves[k].name.text, name->text) == 0)
			ERROR(c->v, &waves[i].head, name->line, "%s: waves[%u]: the name \"%s\" is taken by waves[%u]; give each its own",
			      c->title, waves[i].head.index, name->text, waves[k].head.index);
}

/* `percent` is that of the percent waves before, and becomes this one's. */
static void check_wave(const struct policy_check *c, const struct raw_wave *w, struct wave *out, double *percent)
{
	struct raw_title title = raw_title("waves", &w->head, &w->name);
	bool has_glob = false;

	*out = (struct wave){ .name = w->name.text,
			      .is_match = w->match.head.line != 0,
			      .percent = w->percent.share,
			      .success = w->success.share,
			      .soak_ns = w->soak.ns };
	for (int k = 0; k < SELECTOR_N; k++) {
		out->match.glob[k] = w->match.glob[k].text;
		has_glob |= w->match.glob[k].line != 0;
	}
	if (out->is_match == (w->percent.line != 0))
		ERROR(c->v, &w->head, 0, "%s: %s has %s; write one of them: match for chosen instances, or percent for a share of all",
		      c->title, title.text, out->is_match ? "both match and percent" : "neither match nor percent");
	if (out->is_match && !has_glob)
		ERROR(c->v, &w->head, w->match.head.line,
		      "%s: %s: \"match\" is empty; write what to match, as in match: { name = \"*-canary\"; }", c->title, title.text);
	if (out->is_match && *percent >= 1)
		WARNING(c->v, &w->head, 0, "%s: %s catches nothing: a wave before it has 100%% of all; put it first", c->title, title.text);
	if (w->percent.share <= 0 || out->is_match)
		return;
	if (w->percent.share <= *percent)
		ERROR(c->v, &w->head, w->percent.line,
		      "%s: %s: percent %.10g%% is not above the %.10g%% of the wave before; shares include those of earlier waves",
		      c->title, title.text, w->percent.share * 100, *percent * 100);
	*percent = w->percent.share;
}

static void check_waves(const struct policy_check *c)
{
	const struct raw_wave *raw = c->raw->waves.items;
	uint32_t n = c->raw->waves.n;
	struct wave *waves = take(c->v, n, sizeof(*waves));
	double percent = 0;

	for (uint32_t i = 0; waves && i < n; i++) {
		check_wave_name(c, raw, i);
		check_wave(c, &raw[i], &waves[i], &percent);
	}
	c->out->waves = waves;
	c->out->n_waves = waves ? n : 0;
}

static void check_halt(const struct policy_check *c)
{
	_Static_assert(REASON_N <= 64, "a bit for each reason");
	static const enum reason reasons[] = { REASON_DEADLINE, REASON_UNHEALTHY, REASON_REJECTED }; /* as the words in keys.c */
	const struct raw_halt_reason *raw = c->raw->halt.by_reason.items;
	uint32_t n = c->raw->halt.by_reason.n;
	uint64_t seen = 0; /* a bit for each reason */
	struct halt_reason *by_reason = take(c->v, n, sizeof(*by_reason));

	for (uint32_t i = 0; by_reason && i < n; i++) {
		enum reason reason = reasons[raw[i].reason.value];

		by_reason[i] = (struct halt_reason){ reason, raw[i].failures.n };
		if (!raw[i].reason.is_set)
			continue;
		if (seen >> reason & 1)
			ERROR(c->v, &raw[i].head, raw[i].reason.line, "%s: halt.by_reason names \"%s\" twice; remove one", c->title,
			      reason_names[reason]);
		seen |= UINT64_C(1) << reason;
	}
	c->out->halt.failures = c->raw->halt.failures.n;
	c->out->halt.percent = c->raw->halt.percent.share;
	c->out->halt.min_sample = c->raw->halt.min_sample.n;
	c->out->halt.by_reason = by_reason;
	c->out->halt.n_by_reason = by_reason ? n : 0;
	if (!c->out->halt.failures && c->out->halt.percent <= 0 && !n)
		WARNING(c->v, &c->raw->head, c->raw->halt.head.line,
			"%s: halt is off: however many upgrades fail, the next ones start; set failures or percent", c->title);
}

/* What may stand behind the host: a folder of plain segments, for servers behind a proxy. */
static bool is_plain_path(const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

	return !path[strspn(path, plain)] && !strstr(path, "//") && !strstr(path, "/.");
}

/* "https://host[:port]/[path/]"; NULL after an error, which never shows the text: it may hold a password. */
static const char *check_prometheus(const struct policy_check *c)
{
	const struct raw_text *text = &c->raw->gate.prometheus;
	size_t scheme = strncasecmp(text->text, "https://", 8) == 0 ? 8 : 7, size;
	struct endpoint endpoint;
	struct error error;
	const char *path;
	char *server, *url;

	if (scheme == 7 && strncasecmp(text->text, "http://", 7) != 0) {
		ERROR(c->v, &c->raw->head, text->line,
		      "%s: gate.prometheus does not begin with http:// or https://; write it as in \"http://127.0.0.1:9090\"", c->title);
		return NULL;
	}
	path = text->text + scheme + strcspn(text->text + scheme, "/?#\\");
	server = arena_text(&c->v->raw->arena, text->text, (size_t)(path - text->text));
	c->v->report->is_without_memory |= !server;
	if (!server)
		return NULL;
	if (strchr(server, '@')) {
		ERROR(c->v, &c->raw->head, text->line,
		      "%s: gate.prometheus holds a user or password before \"@\"; sagpin sends none, so write the address alone", c->title);
		return NULL;
	}
	if (!parse_endpoint(c->v, server, &endpoint, &error)) {
		ERROR(c->v, &c->raw->head, text->line, "%s: gate.prometheus %s", c->title, error.text);
		return NULL;
	}
	if (!is_plain_path(path)) {
		ERROR(c->v, &c->raw->head, text->line,
		      "%s: gate.prometheus has something else than a plain path behind the host; write the address of the server only, as "
		      "in \"http://127.0.0.1:9090\"",
		      c->title);
		return NULL;
	}
	size = strlen(endpoint.url) + strlen(path) + 2;
	url = take(c->v, size, 1);
	if (url) /* endpoint.url ends with a slash, path begins with one */
		snprintf(url, size, "%s%s%s", endpoint.url, path[0] ? path + 1 : "",
			 path[0] && path[1] && path[strlen(path) - 1] != '/' ? "/" : "");
	return url;
}

static void check_gate(const struct policy_check *c)
{
	bool wants_value = c->raw->gate.open_when.value != GATE_OPEN_WHEN_EMPTY;

	if (!c->raw->gate.head.line)
		return;
	c->out->gate.is_set = true;
	c->out->gate.max_age_ns = c->raw->gate.max_age.ns;
	c->shell->gate.prometheus = c->raw->gate.prometheus.text ? check_prometheus(c) : NULL;
	c->shell->gate.query = c->raw->gate.query.text;
	c->shell->gate.open_when = (enum gate_open_when)c->raw->gate.open_when.value;
	c->shell->gate.value = c->raw->gate.value.value;
	c->shell->gate.timeout_ns = c->raw->gate.timeout.ns;
	if (!c->raw->gate.open_when.is_set || wants_value == (c->raw->gate.value.line != 0))
		return;
	if (wants_value)
		ERROR(c->v, &c->raw->gate.head, c->raw->gate.open_when.line,
		      "%s: gate.value is missing; write what the samples are compared with, as in value = 0.5", c->title);
	else
		ERROR(c->v, &c->raw->gate.head, c->raw->gate.value.line,
		      "%s: gate.value has no meaning with open_when = \"empty\"; remove it, or write \"above\" or \"below\"", c->title);
}

static void check_policy(struct validate *v, const struct raw_policy *p, struct policy *out, struct config_policy *shell)
{
	struct raw_title title = raw_title("policies", &p->head, &p->name);
	const struct policy_check c = { v, p, title.text, out, shell };

	*out = (struct policy){
		.name = p->name.text,
		.upgrade_takes_ns = p->upgrade_takes.ns,
		.max_in_flight = p->max_in_flight.limit,
		.max_starts_per_hour = p->max_starts_per_hour.n,
		.max_in_flight_per_site = p->max_in_flight_per_site.n,
		.deadline_ns = p->deadline.ns,
		.retry = { .attempts = p->retry.attempts.n, .first_ns = p->retry.first.ns, .max_ns = p->retry.max.ns },
		.verify = { .soak_ns = p->verify.soak.ns, .vpn = p->verify.vpn.is_on },
		.auto_upgrade = (enum auto_upgrade)p->auto_upgrade.value,
	};
	check_windows(&c);
	check_freezes(&c);
	out->is_always_open = shell->calendar.is_always && !shell->n_freezes;
	check_site(&c);
	check_waves(&c);
	check_halt(&c);
	check_gate(&c);
	if (p->retry.first.ns > p->retry.max.ns)
		ERROR(v, &p->head, p->retry.first.line ? p->retry.first.line : p->retry.max.line,
		      "%s: retry.first %s is above retry.max %s; swap or change one", title.text,
		      units_print_duration(p->retry.first.ns).text, units_print_duration(p->retry.max.ns).text);
	if (p->upgrade_takes.line && p->upgrade_takes.ns > p->deadline.ns)
		WARNING(v, &p->head, p->upgrade_takes.line,
			"%s: upgrade_takes %s is longer than the deadline %s, so upgrades would fail before they are done", title.text,
			units_print_duration(p->upgrade_takes.ns).text, units_print_duration(p->deadline.ns).text);
}

void make_policies(struct validate *v)
{
	const struct raw_policy *raw = v->raw->policies.items;
	uint32_t n = v->raw->policies.n;
	struct policy *policies = take(v, n, sizeof(*policies));
	struct config_policy *shells = take(v, n, sizeof(*shells));

	v->policies = names_of(v, "policies", &v->raw->policies, sizeof(*raw));
	for (uint32_t i = 0; policies && shells && i < n; i++)
		check_policy(v, &raw[i], &policies[i], &shells[i]);
	v->config->settings.policies = policies;
	v->config->settings.n_policies = policies && shells ? n : 0;
	v->config->policies = shells;
}

/* Can no instance fall under both? False when that is not certain. */
static bool is_excluded(const struct selector *wave, const struct selector *pin)
{
	for (int k = 0; k < SELECTOR_N; k++)
		if (k != SELECTOR_SERIAL_NUMBER && wave->glob[k] && pin->glob[k] && glob_excludes(wave->glob[k], pin->glob[k]))
			return true; /* an instance has two serial numbers, which may each match one */
	return false;
}

/* Marks the waves of a policy that the pin may have instances for. */
static void reach(const struct policy *policy, const struct pin *pin, uint32_t *reached, uint32_t *budget)
{
	for (uint32_t w = 0; w < policy->n_waves; w++) {
		if (!policy->waves[w].is_match || (*reached >> w & 1))
			continue;
		*budget -= *budget > 0;
		if (!*budget || !is_excluded(&policy->waves[w].match, &pin->match))
			*reached |= UINT32_C(1) << w;
	}
}

void check_waves_reached(struct validate *v)
{
	const struct settings *s = &v->config->settings;
	const struct raw_policy *raw = v->raw->policies.items;
	uint32_t *reached = take(v, s->n_policies, sizeof(*reached)); /* of each policy, bits of its waves */
	uint32_t budget = REACH_BUDGET;

	_Static_assert(LIMIT_WAVES <= 32, "a bit for each wave");
	for (uint32_t i = 0; reached && i < s->n_pins; i++)
		for (int type = 0; type < VERSION_TYPE_N; type++)
			if (s->pins[i].policy[type] != POLICY_NONE)
				reach(&s->policies[s->pins[i].policy[type]], &s->pins[i], &reached[s->pins[i].policy[type]], &budget);
	for (uint32_t i = 0; reached && i < s->n_policies; i++) {
		const struct raw_wave *waves = raw[i].waves.items;

		for (uint32_t w = 0; v->is_policy_used[i] && w < s->policies[i].n_waves; w++)
			if (s->policies[i].waves[w].is_match && !(reached[i] >> w & 1))
				WARNING(v, &waves[w].head, waves[w].match.head.line,
					"%s: %s catches nothing: no pin with this policy matches such instances, and rollouts would wait "
					"for an approval",
					raw_title("policies", &raw[i].head, &raw[i].name).text,
					raw_title("waves", &waves[w].head, &waves[w].name).text);
	}
}
