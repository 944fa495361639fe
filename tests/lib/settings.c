/*
 * The settings of the world: a value that is edited, and the copy with pointers that the core is given.
 */
#include "world_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *const world_site_regexes[SITE_REGEX_N] = {[SITE_REGEX_KIND] = "^([a-z]+)-", [SITE_REGEX_DIGIT] = "^shop-(.)"};

static const regex_t *compiled(uint32_t i)
{
	static regex_t regexes[SITE_REGEX_N];
	static bool is_made[SITE_REGEX_N];

	if (!is_made[i])
		is_made[i] = regcomp(&regexes[i], world_site_regexes[i], REG_EXTENDED) == 0;
	assert(is_made[i]);
	return &regexes[i];
}

static void wire_policy(struct world_settings *s, uint32_t i)
{
	struct world_policy *more = &s->more[i];
	struct policy *p = &s->policies[i];

	p->name = s->policy_names[i];
	p->site_regex = p->site_by == SITE_BY_NAME ? compiled(more->site_regex) : NULL;
	p->waves = more->waves;
	p->n_waves = more->n_waves;
	p->halt.by_reason = &more->by_reason;
	p->halt.n_by_reason = more->by_reason.failures > 0;
	for (uint32_t k = 0; k < more->n_waves; k++) {
		more->waves[k].name = more->wave_names[k];
		more->waves[k].match.glob[SELECTOR_NAME] = more->wave_globs[k];
	}
}

static void wire_pin(struct world_settings *s, uint32_t i)
{
	static const char *const channels[CHANNEL_N] = {[CHANNEL_RELEASE] = "@release", [CHANNEL_BETA] = "@beta"};
	const struct world_pin *from = &s->pins[i];
	struct pin *to = &s->core_pins[i];

	*to = (struct pin){.name = from->name, .is_held = from->is_held, .via = s->via_texts[i], .n_via = from->n_via, .never = s->never_texts[i], .n_never = from->n_never};
	to->match.glob[SELECTOR_NAME] = from->name_glob;
	for (size_t t = 0; t < VERSION_TYPE_N; t++) {
		to->channel[t] = from->channel[t];
		to->version[t] = from->version[t] < 0 ? NULL : from->channel[t] ? channels[from->channel[t]] : world_versions[from->version[t]];
		to->policy[t] = from->version[t] < 0 ? POLICY_NONE : from->policy[t];
	}
	for (uint32_t k = 0; k < from->n_via; k++)
		s->via_texts[i][k] = world_versions[from->via[k]];
	for (uint32_t k = 0; k < from->n_never; k++)
		s->never_texts[i][k] = world_versions[from->never[k]];
}

static void wire(struct world_settings *s)
{
	for (uint32_t i = 0; i < s->n_scopes; i++) {
		s->scopes[i].account = s->account_names[i];
		s->scopes[i].region_id = s->region_names[i];
	}
	for (uint32_t i = 0; i < s->n_policies; i++)
		wire_policy(s, i);
	for (uint32_t i = 0; i < s->n_pins; i++)
		wire_pin(s, i);
	s->core = (struct settings){
		.is_enforcing = s->is_enforcing,
		.max_in_flight = s->max_in_flight,
		.scopes = s->scopes,
		.n_scopes = s->n_scopes,
		.policies = s->policies,
		.n_policies = s->n_policies,
		.pins = s->core_pins,
		.n_pins = s->n_pins,
	};
}

/* The draft becomes what holds; the former is freed when the core has the next. */
void world_use_settings(struct world *w)
{
	struct world_settings *next = malloc(sizeof(*next)), *old = w->applied;
	struct event ev = {.kind = EVENT_SETTINGS};

	assert(next);
	*next = w->draft;
	wire(next);
	w->applied = next;
	ev.settings = &next->core;
	world_step(w, &ev);
	free(old);
}

void world_apply(struct world *w)
{
	if (!w->applied)
		life_begin(w, false);
	else if (w->core && !w->is_killed)
		world_use_settings(w);
	world_tell_calendars(w);
}

bool world_glob(const char *glob, const char *name)
{
	size_t len = strlen(glob);

	return len > 0 && glob[len - 1] == '*' ? strncmp(glob, name, len - 1) == 0 : strcmp(glob, name) == 0;
}

/* By names only. */
uint32_t world_pin_of(const struct world_settings *s, const struct world_box *box)
{
	for (uint32_t i = 0; i < s->n_pins; i++) {
		if (world_glob(s->pins[i].name_glob, box->name))
			return i;
	}
	return PIN_NONE;
}

static void set_account(const struct world *w, bool *flags, uint32_t scope, bool value)
{
	for (uint32_t i = 0; i < w->draft.n_scopes; i++)
		if (strcmp(w->draft.account_names[i], w->draft.account_names[scope]) == 0)
			flags[i] = value;
}

void world_set_account(struct world *w, uint32_t scope, bool is_usable)
{
	world_say(w, "credentials of %s %s", w->draft.account_names[scope], is_usable ? "work" : "are refused");
	set_account(w, w->is_usable, scope, is_usable);
}

void world_tell_account(struct world *w, uint32_t scope, bool is_usable)
{
	struct event ev = {.kind = EVENT_ACCOUNT, .account = {.scope = scope, .is_usable = is_usable}};

	world_set_account(w, scope, is_usable);
	set_account(w, w->is_told_bad, scope, !is_usable);
	world_step(w, &ev);
}
