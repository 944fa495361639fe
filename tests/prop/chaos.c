/*
 * A random history: a fleet, settings and faults, chaos for some hours, and a calm in which every target must get to
 * its pin. Everything that happens is drawn from the seed.
 */
#include "chaos.h"

#include <stdio.h>
#include <string.h>

#define CALM_PART (30 * MINUTE)

/* ---- a random fleet ---- */

static struct world_box *draw_box(struct world *w)
{
	unsigned int n = drawn(w, 20) == 0 ? 0 : 1 + (drawn(w, 3) == 0);
	int dpi = drawn(w, 3) ? drawn_version(w, 20) : VERSION_ABSENT;
	struct world_box *box = world_add_box(w, drawn(w, w->draft.n_scopes), n, drawn_version(w, 20), dpi);

	snprintf(box->resource_group, sizeof(box->resource_group), "rg-%u", drawn(w, 4));
	snprintf(box->model, sizeof(box->model), "%s", world_models[drawn(w, 3) == 0]);
	for (unsigned int i = 0; i < n; i++) {
		if (drawn(w, 12) == 0)
			box->devices[i].role = HA_ROLE_UNKNOWN;
		if (drawn(w, 4) == 0)
			box->devices[i].version[VERSION_TYPE_DEVICE] = drawn_version(w, 20);
		for (size_t t = 0; t < VERSION_TYPE_N; t++)
			box->devices[i].autos[t] = (struct world_auto){(uint8_t)drawn(w, WORLD_AUTO_TYPES), (uint8_t)drawn(w, WORLD_AUTO_CRONS)};
		if (drawn(w, 30) == 0)
			box->devices[i].version[VERSION_TYPE_DEVICE] = VERSION_ABSENT;
	}
	if (n == 1 && drawn(w, 25) == 0)
		box->devices[0].serial[0] = '\0';
	return box;
}

/* Some histories are nearly calm, some hit one thing hard, some everything. */
static void draw_faults(struct world *w)
{
	uint32_t level = drawn(w, 4) * 60;
	struct world_faults *f = &w->faults;

	*f = (struct world_faults){.latency_ns = world_between(w, 10, 3000) * NS_PER_MS};
	if (level == 0)
		return;
	f->read = drawn(w, level);
	f->listing = drawn(w, level);
	f->listing_miss = drawn(w, 20);
	f->store = drawn(w, level);
	f->store_slow = drawn(w, level);
	f->not_sent = drawn(w, level);
	f->late_tick = drawn(w, 100);
	f->lost_request = drawn(w, level);
	f->lost_reply = drawn(w, level * 2);
	f->throttled = drawn(w, level * 2);
	f->refused = drawn(w, level);
	f->unknown_code = drawn(w, level);
	f->catalogue_gap = drawn(w, 50);
	f->gate_slow = drawn(w, level);
	f->gate_error = drawn(w, level);
	f->gate_old = drawn(w, level * 2);
	for (enum fate k = FATE_OLD; k < FATE_N; k++)
		f->fate[k] = drawn(w, level / 2);
}

/* ---- chaos: one thing at a time, at random times ---- */

static struct world_box *some_box(struct world *w)
{
	return w->n_boxes ? &w->boxes[drawn(w, w->n_boxes)] : NULL;
}

static struct world_device *some_device(struct world *w)
{
	struct world_box *box = some_box(w);

	return box && box->n_devices ? &box->devices[drawn(w, box->n_devices)] : NULL;
}

static void chaos_flip_online(struct world *w)
{
	struct world_device *d = some_device(w);

	if (!d || d->is_upgrading)
		return;
	d->is_online = !d->is_online;
	world_say(w, "%s goes %s", d->serial, d->is_online ? "online" : "offline");
}

static void chaos_status(struct world *w)
{
	struct world_box *box = some_box(w);

	if (!box)
		return;
	box->status = drawn(w, 2) ? STATUS_ACTIVE : drawn(w, 2) ? STATUS_IN_ARREARS : STATUS_NOT_ACTIVATED;
	box->is_bound = drawn(w, 4) != 0;
	world_say(w, "%s is %s, %s", box->id, status_names[box->status], box->is_bound ? "bound" : "not bound");
}

static void chaos_health(struct world *w)
{
	struct world_device *d = some_device(w);

	if (!d)
		return;
	d->controller = drawn(w, 3) ? HEALTH_NORMAL : HEALTH_ABNORMAL;
	d->vpn = drawn(w, 3) ? HEALTH_NORMAL : HEALTH_ABNORMAL;
}

static void chaos_come_and_go(struct world *w)
{
	struct world_box *box = some_box(w);

	if (w->n_boxes < drawn_shape(w)->most_boxes && drawn(w, 2)) {
		box = draw_box(w);
		world_say(w, "%s appears", box->id);
	} else if (box) {
		box->exists = !box->exists;
		world_say(w, "%s %s", box->id, box->exists ? "returns" : "vanishes");
	}
}

static void chaos_move(struct world *w)
{
	struct world_box *box = some_box(w);

	if (!box)
		return;
	box->scope = drawn(w, w->draft.n_scopes);
	world_say(w, "%s is in scope %u now", box->id, box->scope);
}

static void chaos_attributes(struct world *w)
{
	struct world_box *box = some_box(w);

	if (!box)
		return;
	if (drawn(w, 2))
		snprintf(box->city, sizeof(box->city), "city-%u", drawn(w, 8));
	else
		snprintf(box->resource_group, sizeof(box->resource_group), "rg-%u", drawn(w, 4));
	world_say(w, "%s is in %s, %s", box->id, box->city, box->resource_group);
}

static void chaos_serial(struct world *w)
{
	struct world_device *a = some_device(w), *b = some_device(w);
	char was[WORLD_TEXT];

	if (!a || !b || a == b || a->is_upgrading || b->is_upgrading)
		return;
	memcpy(was, a->serial, sizeof(was));
	a->is_meddled = b->is_meddled = true;
	for (size_t t = 0; t < VERSION_TYPE_N; t++)
		a->is_auto_ours[t] = b->is_auto_ours[t] = false;
	memcpy(a->serial, b->serial, sizeof(was));
	if (drawn(w, 2)) /* swapped; else one serial number is there twice */
		memcpy(b->serial, was, sizeof(was));
	world_say(w, "serial number %s takes the place of %s", a->serial, was);
}

static void chaos_roles(struct world *w)
{
	struct world_box *box = some_box(w);
	enum ha_role role;

	if (!box || box->n_devices < 2)
		return;
	role = box->devices[0].role;
	box->devices[0].role = box->devices[1].role;
	box->devices[1].role = role;
	world_say(w, "%s changes its roles", box->id);
}

static void chaos_external(struct world *w)
{
	struct world_box *box = some_box(w);

	if (box && box->n_devices)
		world_external_change(w, box, drawn(w, box->n_devices), drawn(w, VERSION_TYPE_N), drawn_version(w, 30));
}

static void chaos_wall(struct world *w)
{
	world_wall_jump(w, world_between(w, -200000, 200000));
}

static void chaos_settings(struct world *w)
{
	struct world_settings *s = &w->draft;

	if (drawn(w, 4) == 0)
		s->is_enforcing = !s->is_enforcing;
	if (drawn(w, 3) == 0)
		s->max_in_flight = (1 + drawn(w, 6)) * drawn_scale(w);
	if (drawn(w, 3) == 0)
		draw_policy(w, drawn(w, s->n_policies));
	if (drawn(w, 2) == 0)
		draw_pin(w, drawn(w, s->n_pins));
	if (drawn(w, 3) == 0)
		s->pins[drawn(w, s->n_pins)].is_held = drawn(w, 2);
	if (drawn(w, 6) == 0)
		s->n_pins = 1 + drawn(w, s->n_pins);
	world_say(w, "other settings: %s, %u in flight, %u pins", s->is_enforcing ? "enforce" : "observe", s->max_in_flight, s->n_pins);
	world_apply(w);
}

/* Between an intent and its call, in the last moment, and for some seconds: observe mode. */
static void enforce(struct world *w, int is_enforcing)
{
	w->draft.is_enforcing = is_enforcing;
	world_apply(w);
}

static void storing(struct world *w)
{
	if (!w->draft.is_enforcing || drawn(w, 20) || w->now_ns > drawn_shape(w)->chaos_ns - MINUTE)
		return;
	world_script(w, w->now_ns + world_between(w, 0, w->faults.latency_ns), enforce, false);
	world_script(w, w->now_ns + 5 * NS_PER_S, enforce, true);
}

static void chaos_account(struct world *w)
{
	uint32_t scope = drawn(w, w->draft.n_scopes);

	if (drawn(w, 2)) /* the shell notices, or the core meets it by itself */
		world_tell_account(w, scope, !w->is_usable[scope]);
	else
		world_set_account(w, scope, !w->is_usable[scope]);
}

static void chaos_reader(struct world *w)
{
	world_hold(w, true);
	world_script(w, w->now_ns + world_between(w, MINUTE, HOUR), world_hold, false);
}

/* One word of an operator, about whatever is there. */
static void chaos_act(struct world *w)
{
	static const enum act_kind kinds[] = {ACT_HOLD, ACT_RELEASE, ACT_RETRY, ACT_UPGRADE_NOW};
	const struct world_device *d = some_device(w);
	struct act act = {.kind = kinds[drawn(w, 4)]};

	if (!d || !d->serial[0])
		return;
	act.serial_number = d->serial;
	if (drawn(w, 2))
		act.version_type = version_type_names[drawn(w, VERSION_TYPE_N)];
	world_act(w, &act);
}

/* The vendor offers one more version, takes the newest one back, or thinks better of one. */
static void chaos_catalogue(struct world *w)
{
	uint32_t model = drawn(w, WORLD_MODELS), type = drawn(w, VERSION_TYPE_N), roll = drawn(w, 6);
	struct world_catalogue *c = &w->catalogues[model][type];
	int first = 0;

	while (first < VERSION_RANKED && !(c->hidden >> first & 1u))
		first++;
	if (roll == 0)
		c->beta ^= 1u << drawn(w, VERSION_RANKED);
	else if (roll == 1 && first > 6)
		c->hidden |= 1u << (first - 1);
	else if (first < VERSION_RANKED)
		c->hidden &= ~(1u << first);
	world_say(w, "the catalogue of %s, %s hides %x, of beta are %x", world_models[model], version_type_names[type], c->hidden, c->beta);
}

/* Somebody sets the cloud's own upgrader of a device. */
static void chaos_upgrader(struct world *w)
{
	struct world_device *d = some_device(w);
	uint32_t type = drawn(w, VERSION_TYPE_N);

	if (!d)
		return;
	d->autos[type] = (struct world_auto){(uint8_t)drawn(w, WORLD_AUTO_TYPES), (uint8_t)drawn(w, WORLD_AUTO_CRONS)};
	d->is_auto_ours[type] = false;
	world_say(w, "somebody sets the upgrader of %s %s to %s", d->serial, version_type_names[type], world_auto_types[d->autos[type].type]);
}

static void chaos_pause(struct world *w)
{
	struct act act = {.kind = drawn(w, 3) ? ACT_RESUME : ACT_PAUSE, .is_all = drawn(w, 2)};

	if (!act.is_all)
		act.policy = w->draft.policy_names[drawn(w, w->draft.n_policies)];
	if (!act.is_all && drawn(w, 2)) {
		act.version = world_versions[drawn(w, VERSION_NEWEST)];
		act.version_type = version_type_names[drawn(w, VERSION_TYPE_N)];
	}
	world_act(w, &act);
}

static void chaos_gate(struct world *w)
{
	uint32_t policy = drawn(w, w->draft.n_policies);

	w->is_gate_closed[policy] = drawn(w, 2);
	w->is_gate_dead[policy] = drawn(w, 4) == 0;
	world_say(w, "the gate of policy-%u %s", policy, w->is_gate_dead[policy] ? "is dead" : w->is_gate_closed[policy] ? "closes" : "opens");
}

/* Nothing can be stored for some time. */
static void disk_full(struct world *w, int is_full)
{
	w->is_disk_full = is_full;
	world_say(w, "the disk %s", is_full ? "is full" : "has room again");
}

static void chaos_disk(struct world *w)
{
	disk_full(w, true);
	world_script(w, w->now_ns + world_between(w, MINUTE, HOUR), disk_full, false);
}

/* Who starts anew may find another configuration. */
static void restarting(struct world *w)
{
	if (w->now_ns < drawn_shape(w)->chaos_ns && drawn(w, 6) == 0)
		chaos_settings(w);
}

static void chaos_faults(struct world *w)
{
	draw_faults(w);
	for (uint32_t i = 0; i < w->draft.n_scopes; i++)
		w->is_down[i] = drawn(w, 8) == 0;
}

static void chaos(struct world *w)
{
	static void (*const deeds[])(struct world *w) = {
		chaos_flip_online, chaos_flip_online, chaos_flip_online, chaos_status, chaos_health, chaos_health, chaos_come_and_go,
		chaos_move, chaos_attributes, chaos_serial, chaos_roles, chaos_external, chaos_wall, chaos_settings, chaos_settings,
		chaos_account, chaos_reader, chaos_disk, chaos_faults, chaos_act, chaos_pause, chaos_gate, chaos_catalogue, chaos_upgrader, world_help,
	};

	if (w->now_ns > drawn_shape(w)->chaos_ns)
		return;
	deeds[drawn(w, sizeof(deeds) / sizeof(deeds[0]))](w);
	world_plan_chaos(w, w->now_ns + world_between(w, NS_PER_S, drawn_shape(w)->gap_ns));
}

/* ---- the calm: all is repaired, all pins name a version that nobody had; then everything must get there ---- */

static void repair(struct world *w)
{
	w->faults = (struct world_faults){.latency_ns = NS_PER_S / 5};
	w->crashes = (struct world_crashes){0};
	world_revive(w);
	w->is_disk_full = false;
	for (uint32_t i = 0; i < w->n_boxes; i++) {
		struct world_box *box = &w->boxes[i];

		box->status = STATUS_ACTIVE;
		box->is_bound = true;
		for (unsigned int k = 0; k < box->n_devices; k++) {
			struct world_device *d = &box->devices[k];

			d->controller = d->vpn = HEALTH_NORMAL;
			if (d->serial[0])
				snprintf(d->serial, sizeof(d->serial), "sn%02u%c-r", i, "ab"[k]);
			d->is_auto_ours[0] = d->is_auto_ours[1] = false; /* what it was is known of the old serial number */
			d->upgrade_seq++;
			d->is_upgrading = false;
			d->is_online = true;
			for (size_t t = 0; t < VERSION_TYPE_N; t++)
				if (d->version[t] >= VERSION_RANKED)
					d->version[t] = VERSION_FIRST;
			if (d->version[VERSION_TYPE_DEVICE] < 0)
				d->version[VERSION_TYPE_DEVICE] = VERSION_FIRST;
		}
	}
}

/* All is offered, some of each kind. */
static void settle_catalogues(struct world *w)
{
	for (uint32_t model = 0; model < WORLD_MODELS; model++) {
		for (size_t t = 0; t < VERSION_TYPE_N; t++) {
			w->catalogues[model][t].hidden = 0;
			w->catalogues[model][t].beta |= 1u << (VERSION_NEWEST - 1);
			w->catalogues[model][t].beta &= ~(1u << VERSION_NEWEST);
		}
	}
}

static void settle_settings(struct world *w)
{
	struct world_settings *s = &w->draft;

	s->is_enforcing = true;
	for (uint32_t i = 0; i < s->n_policies; i++) {
		s->policies[i].is_always_open = true;
		w->is_gate_closed[i] = w->is_gate_dead[i] = false;
		if (s->policies[i].max_starts_per_hour < 4 * drawn_scale(w))
			s->policies[i].max_starts_per_hour = 4 * drawn_scale(w);
	}
	for (uint32_t i = 0; i < s->n_pins; i++) {
		s->pins[i].is_held = false;
		s->pins[i].n_never = 0;
		for (size_t t = 0; t < VERSION_TYPE_N; t++)
			if (s->pins[i].version[t] >= 0)
				s->pins[i].version[t] = VERSION_NEWEST;
	}
	world_apply(w);
	for (uint32_t i = 0; i < s->n_scopes; i++) {
		w->is_down[i] = false;
		world_set_account(w, i, true);
		if (w->is_told_bad[i])
			world_tell_account(w, i, true);
	}
}

static bool can_be_upgraded(struct world *w, const struct target_view *v)
{
	const struct world_box *box = world_find_box(w, v->instance_id);

	return v->serial_number[0] && box && box->exists;
}

/* Nothing of what is shown may be left behind. */
static void check_arrived(struct world *w)
{
	struct target_view v;

	for (uint32_t i = 0; i < reconcile_target_slots(w->core) && !w->failure; i++)
		if (reconcile_target(w->core, i, &v) && can_be_upgraded(w, &v) && v.phase != PHASE_IN_SYNC && v.phase != PHASE_AHEAD &&
		    v.phase != PHASE_UNMANAGED)
			world_break(w, "rule 10", "after %d calm hours %s %s %s is %s (%s), %s of %s", (int)(drawn_shape(w)->calm_ns / HOUR), v.instance_id, v.serial_number,
				    version_type_names[v.version_type], phase_names[v.phase], reason_names[v.reason], v.reported, v.desired);
}

static bool has_arrived(struct world *w)
{
	struct target_view v;

	if (!w->core)
		return false;
	for (uint32_t i = 0; i < reconcile_target_slots(w->core); i++)
		if (reconcile_target(w->core, i, &v) && can_be_upgraded(w, &v) && v.phase != PHASE_IN_SYNC && v.phase != PHASE_AHEAD &&
		    v.phase != PHASE_UNMANAGED)
			return false;
	return reconcile_in_flight(w->core) == 0;
}

/* The cloud's own upgrader: first it is to leave all pinned devices alone, then it gets back what was taken from it. */
static void settle_upgraders(struct world *w, enum auto_upgrade wish)
{
	struct world_settings *s = &w->draft;

	for (uint32_t i = 0; i < s->n_policies; i++)
		s->policies[i].auto_upgrade = wish;
	for (uint32_t i = 0; i < s->n_scopes; i++)
		s->scopes[i].auto_upgrade_interval_ns = HOUR;
}

static bool is_left_alone(struct world *w, const struct target_view *v)
{
	const struct world_device *d = world_find_device(w, v->instance_id, v->serial_number);

	return !d || d->autos[v->version_type].type >= WORLD_AUTO_MANUAL;
}

static void check_upgraders_held(struct world *w)
{
	struct target_view v;

	for (uint32_t i = 0; w->core && i < reconcile_target_slots(w->core) && !w->failure; i++)
		if (reconcile_target(w->core, i, &v) && can_be_upgraded(w, &v) && v.policy != POLICY_NONE && !is_left_alone(w, &v))
			world_break(w, "upgrader", "of %s %s %s is not manual after a long calm", v.instance_id, v.serial_number, version_type_names[v.version_type]);
}

/* Of a device that turned out to report no DPI version the core knows no Dpi target, and does not put it back yet. */
static bool is_back(const struct world_device *d, enum version_type type)
{
	return !d->is_auto_ours[type] || d->version[type] == VERSION_ABSENT;
}

static void check_upgraders_back(struct world *w)
{
	for (uint32_t i = 0; i < w->n_boxes; i++) {
		const struct world_box *box = &w->boxes[i];

		for (unsigned int k = 0; box->exists && k < box->n_devices; k++)
			for (enum version_type t = 0; t < VERSION_TYPE_N; t++)
				if (!is_back(&box->devices[k], t))
					world_break(w, "upgrader", "of %s %s %s is not put back after a long calm", box->id, box->devices[k].serial,
						    version_type_names[t]);
	}
}

static void calm(struct world *w)
{
	int64_t began = w->now_ns;
	uint64_t steps = w->steps;

	repair(w);
	settle_catalogues(w);
	settle_upgraders(w, AUTO_UPGRADE_HOLD);
	settle_settings(w);
	for (int64_t t = began; t < began + drawn_shape(w)->calm_ns && !w->failure; t += CALM_PART) {
		world_run(w, t + CALM_PART);
		world_help(w);
		if (drawn_shape(w)->is_whole && t == began + drawn_shape(w)->calm_ns / 2) {
			check_upgraders_held(w);
			settle_upgraders(w, AUTO_UPGRADE_REPORT);
			world_apply(w);
		}
		/* At least until a listing was due twice, so that what is shown is what is there. */
		if (!drawn_shape(w)->is_whole && t > began + 2 * HOUR && has_arrived(w))
			break;
	}
	observer_all(w->observer);
	check_arrived(w);
	if (drawn_shape(w)->is_whole)
		check_upgraders_back(w);
	if (w->steps - steps > (uint64_t)((w->now_ns - began) / NS_PER_S) * 4)
		world_break(w, "rule 10", "%llu steps in %lld calm seconds", (unsigned long long)(w->steps - steps), (long long)((w->now_ns - began) / NS_PER_S));
}

/* Some histories are one life, some are killed now and then, some all the time. */
static void draw_crashes(struct world *w, bool has_reboots)
{
	uint32_t level = (uint32_t)world_draw_of(&w->crash_rng, 4), often = drawn_shape(w)->crashes;

	w->crashes = (struct world_crashes){
		.step = level * level * often, .commit = (level * often + 1) / 2, .lost = 60, .reboot = has_reboots ? 300 : 0};
}

void history_run(struct world *w, const struct shape *shape, uint64_t seed, bool has_wall_jumps, bool is_quiet, FILE *trace)
{
	world_init(w, seed);
	w->is_quiet = is_quiet;
	w->trace = trace;
	w->has_wall_jumps = has_wall_jumps;
	w->checks_all = shape->checks_all;
	w->fresh_has_attributes = drawn(w, 2);
	w->hooks = (struct world_hooks){.chaos = chaos, .storing = storing, .restarting = restarting, .context = shape};
	w->page_size = shape->page_size;
	draw_crashes(w, seed % 4 != 1); /* after a reboot times come from the wall clock */
	draw_settings(w);
	draw_catalogues(w);
	for (uint32_t n = shape->least_boxes + drawn(w, shape->begin_boxes - shape->least_boxes); n > 0; n--)
		draw_box(w);
	world_apply(w);
	draw_faults(w);
	world_plan_chaos(w, w->now_ns + world_between(w, NS_PER_S, HOUR));
	world_run(w, shape->chaos_ns);
	if (!w->failure)
		calm(w);
}
