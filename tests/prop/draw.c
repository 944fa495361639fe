/*
 * Random settings: scopes, policies and pins, as an operator may write them and the configuration would take them.
 */
#include "chaos.h"

#include <stdio.h>

const struct shape *drawn_shape(const struct world *w)
{
	return w->hooks.context;
}

uint32_t drawn(struct world *w, uint32_t n)
{
	return (uint32_t)world_draw(w, n);
}

/* Limits grow with the fleet, or it would never get there. */
uint32_t drawn_scale(const struct world *w)
{
	return 1 + drawn_shape(w)->begin_boxes / 50;
}

static struct limit draw_limit(struct world *w)
{
	struct limit limit = {.count = (1 + drawn(w, 4)) * drawn_scale(w)};

	if (drawn(w, 3) == 0)
		limit = (struct limit){.is_share = true, .share = (double)(5 + drawn(w, 60)) / 100};
	return limit;
}

static void draw_wave(struct world *w, uint32_t i, uint32_t k)
{
	static const char *const globs[] = {"shop-0*", "depot-*", "shop-0", "nothing-*"};
	struct wave *wave = &w->draft.more[i].waves[k];

	*wave = (struct wave){.is_match = drawn(w, 2), .percent = k == 0 ? 0.2 : 0.5, .success = 1.0};
	wave->soak_ns = drawn(w, 2) ? world_between(w, 0, 40) * MINUTE : 0;
	if (drawn(w, 3) == 0)
		wave->success = (double)(30 + drawn(w, 60)) / 100;
	snprintf(w->draft.more[i].wave_names[k], WORLD_TEXT, "wave-%u", k);
	snprintf(w->draft.more[i].wave_globs[k], WORLD_TEXT, "%s", globs[drawn(w, 4)]);
}

/* Waves, halts, windows and freezes. */
static void draw_more(struct world *w, uint32_t i)
{
	struct world_policy *more = &w->draft.more[i];
	struct policy *p = &w->draft.policies[i];

	*more = (struct world_policy){.n_waves = drawn(w, 2) ? drawn(w, WORLD_WAVES + 1) : 0, .by_reason.reason = REASON_UNHEALTHY};
	for (uint32_t k = 0; k < more->n_waves; k++)
		draw_wave(w, i, k);
	more->site_regex = drawn(w, SITE_REGEX_N);
	more->by_reason.failures = drawn(w, 3) == 0;
	p->halt.failures = drawn(w, 2) ? drawn(w, 4) : 0;
	p->halt.percent = drawn(w, 3) ? 0.0 : 0.25;
	p->halt.min_sample = 1 + drawn(w, 4);
	more->open_from_s = drawn(w, 86400);
	more->open_length_s = drawn(w, 4) ? 3600 + drawn(w, 80000) : 0;
	if (drawn(w, 3) == 0) {
		more->freeze.from_s = world_wall_s(w) + drawn(w, 8 * 3600);
		more->freeze.to_s = more->freeze.from_s + 60 + drawn(w, 6 * 3600);
	}
}

void draw_policy(struct world *w, uint32_t i)
{
	struct policy *p = &w->draft.policies[i];

	*p = (struct policy){.is_always_open = drawn(w, 2) || w->seed % 4 == 1, /* no windows where the wall clock must not matter */ .max_in_flight = draw_limit(w)};
	snprintf(w->draft.policy_names[i], WORLD_TEXT, "policy-%u", i);
	p->max_starts_per_hour = (1 + drawn(w, 20)) * drawn_scale(w);
	p->deadline_ns = world_between(w, 15, 40) * MINUTE;
	p->retry.attempts = 1 + drawn(w, 4);
	p->retry.first_ns = world_between(w, 10, 300) * NS_PER_S;
	p->retry.max_ns = p->retry.first_ns * world_between(w, 1, 16);
	p->verify.soak_ns = drawn(w, 2) ? world_between(w, 0, 10) * MINUTE : 0;
	p->verify.vpn = drawn(w, 3) == 0;
	p->auto_upgrade = drawn(w, AUTO_UPGRADE_N);
	p->site_by = drawn(w, SITE_BY_N);
	p->max_in_flight_per_site = 1 + drawn(w, 2);
	p->upgrade_takes_ns = world_between(w, 0, 40) * MINUTE;
	p->gate.is_set = drawn(w, 4) == 0;
	p->gate.max_age_ns = world_between(w, 1, 15) * MINUTE;
	draw_more(w, i);
}

int drawn_version(struct world *w, uint32_t odd_permille)
{
	if (world_chance(w, odd_permille))
		return VERSION_RANKED + (int)drawn(w, VERSION_COUNT - VERSION_RANKED);
	return (int)drawn(w, VERSION_NEWEST - 1);
}

/* Hops below where the pin leads, oldest first. */
static void draw_via(struct world *w, struct world_pin *p)
{
	int goal = p->channel[VERSION_TYPE_DEVICE] ? VERSION_NEWEST : p->version[VERSION_TYPE_DEVICE];

	if (goal <= 0 || drawn(w, 3))
		return;
	for (int version = 0; version < goal && version < VERSION_NEWEST && p->n_via < WORLD_VIAS; version++)
		if (drawn(w, 3) == 0)
			p->via[p->n_via++] = version;
}

static bool is_on_the_way(const struct world_pin *p, int version)
{
	bool is_hop = false;

	for (size_t t = 0; t < VERSION_TYPE_N; t++)
		is_hop |= p->channel[t] == CHANNEL_NONE && version == p->version[t];

	for (uint32_t i = 0; i < p->n_via; i++)
		is_hop |= p->via[i] == version;
	return is_hop;
}

static void draw_never(struct world *w, struct world_pin *p)
{
	if (drawn(w, 2))
		return;
	for (int version = 0; version < VERSION_NEWEST && p->n_never < WORLD_NEVERS; version++)
		if (drawn(w, 4) == 0 && !is_on_the_way(p, version))
			p->never[p->n_never++] = version;
}

void draw_pin(struct world *w, uint32_t i)
{
	static const char *const globs[] = {"shop-0*", "depot-*", "shop-*", "shop-11", "*"};
	struct world_pin *p = &w->draft.pins[i];

	*p = (struct world_pin){.is_held = drawn(w, 6) == 0};
	snprintf(p->name, sizeof(p->name), "pin-%u", i);
	snprintf(p->name_glob, sizeof(p->name_glob), "%s", globs[drawn(w, 5)]);
	for (size_t t = 0; t < VERSION_TYPE_N; t++) {
		p->version[t] = drawn(w, 5) ? drawn_version(w, 30) : VERSION_ABSENT;
		p->policy[t] = drawn(w, w->draft.n_policies);
		if (p->version[t] >= 0 && drawn(w, 4) == 0)
			p->channel[t] = drawn(w, 4) ? CHANNEL_RELEASE : CHANNEL_BETA;
	}
	draw_via(w, p);
	draw_never(w, p);
}

void draw_catalogues(struct world *w)
{
	for (uint32_t model = 0; model < WORLD_MODELS; model++)
		for (size_t t = 0; t < VERSION_TYPE_N; t++)
			w->catalogues[model][t] = (struct world_catalogue){.hidden = drawn(w, 2) ? ~0u << (6 + drawn(w, 6)) : 0, .beta = (uint32_t)(world_draw(w, 1u << 12) & world_draw(w, 1u << 12))};
}

void draw_settings(struct world *w)
{
	struct world_settings *s = &w->draft;

	s->is_enforcing = drawn(w, 8) != 0;
	s->max_in_flight = (1 + drawn(w, 6)) * drawn_scale(w);
	s->n_scopes = 1 + drawn(w, WORLD_SCOPES);
	s->n_policies = 1 + drawn(w, WORLD_POLICIES);
	s->n_pins = 1 + drawn(w, 5);
	for (uint32_t i = 0; i < s->n_scopes; i++) {
		/* the first two scopes are regions of one account */
		snprintf(s->account_names[i], WORLD_TEXT, "account-%u", i / 2);
		snprintf(s->region_names[i], WORLD_TEXT, "region-%u", i);
		s->scopes[i] = (struct scope){.poll_interval_ns = world_between(w, drawn_shape(w)->poll_min, drawn_shape(w)->poll_max) * MINUTE, .blast_radius = (double)(5 + drawn(w, 96)) / 100, .calls_per_second = 10};
		if (i == 1)
			s->scopes[i].blast_radius = s->scopes[0].blast_radius;
		s->scopes[i].auto_upgrade_interval_ns = drawn(w, 4) ? world_between(w, HOUR / 2, 6 * HOUR) : 0;
		s->scopes[i].catalogue_interval_ns = world_between(w, 1, 12) * HOUR;
		s->scopes[i].dpi_poll_interval_ns = s->scopes[i].poll_interval_ns * world_between(w, 4, 30);
	}
	for (uint32_t i = 0; i < s->n_policies; i++)
		draw_policy(w, i);
	for (uint32_t i = 0; i < s->n_pins; i++)
		draw_pin(w, i);
}
