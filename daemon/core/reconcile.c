/*
 * The step: one event in, one plan out, and the settings that hold.
 *
 * Order within a step: the event, then the timers that are due, then new starts, then one STORE for all intents
 * made. Nothing is done outside of a step, and after it no timer is due: the next deadline is in the future.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what all files use ---- */

bool grow(struct reconcile *r, void *items, uint32_t n, uint32_t *cap, size_t item_bytes)
{
	if (vec_reserve(items, n, cap, item_bytes) == 0)
		return true;
	r->is_out_of_memory = true;
	return false;
}

struct action *plan_add(struct reconcile *r, enum action_kind kind)
{
	struct action *a = &r->spare;

	if (grow(r, &r->actions, r->n_actions, &r->cap_actions, sizeof(*a)))
		a = &r->actions[r->n_actions++];
	*a = (struct action){ .kind = kind, .scope = NONE, .instance = NONE, .target = NONE };
	return a;
}

void set_timer(struct reconcile *r, struct timer *t, int64_t due_ns)
{
	if (timers_set(&r->timers, t, due_ns) < 0)
		r->is_out_of_memory = true;
}

void earlier_timer(struct reconcile *r, struct timer *t, int64_t due_ns)
{
	if (t->place == 0 || due_ns < t->due_ns)
		set_timer(r, t, due_ns);
}

uint32_t intern(struct reconcile *r, const char *text)
{
	uint32_t id = 0;

	if (strings_intern(&r->strings, text, &id) < 0)
		r->is_out_of_memory = true;
	return id;
}

/* ---- settings ---- */

static uint32_t account_ensure(struct reconcile *r, const char *name)
{
	uint32_t id = intern(r, name);
	struct account_state *a;

	for (uint32_t i = 0; i < r->n_accounts; i++)
		if (r->accounts[i]->name == id)
			return i;
	a = malloc(sizeof(*a));
	if (!a || !grow(r, &r->accounts, r->n_accounts, &r->cap_accounts, sizeof(struct account_state *))) {
		free(a);
		r->is_out_of_memory = true;
		return 0;
	}
	*a = (struct account_state){ .name = id, .probe_ns = NEVER };
	timer_init(&a->timer, TIMER_WAKE, 0);
	r->accounts[r->n_accounts] = a;
	return r->n_accounts++;
}

uint32_t scope_find(const struct reconcile *r, const char *account, const char *region_id)
{
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (strcmp(r->settings->scopes[i].account, account) == 0 && strcmp(r->settings->scopes[i].region_id, region_id) == 0)
			return i;
	return NONE;
}

static struct scope_state *scope_new(struct reconcile *r)
{
	struct scope_state *s = malloc(sizeof(*s));

	if (!s) {
		r->is_out_of_memory = true;
		return NULL;
	}
	*s = (struct scope_state){
		.listing = 1, .list_asked_ns = NEVER, .first_complete_ns = NEVER, .throttled_until_ns = NEVER,
		.dpi_asked_ns = NEVER, .dpi_regular_ns = NEVER,
		.seen = { NONE, NONE }, .dpi_first = { NONE, NONE }, .dpi_regular = { NONE, NONE },
	};
	auto_scope_init(&s->auto_upgrader);
	return s;
}

static void scope_free(struct reconcile *r, struct scope_state *s)
{
	timers_cancel(&r->timers, &s->list_timer);
	timers_cancel(&r->timers, &s->stale_timer);
	timers_cancel(&r->timers, &s->dpi_timer);
	timers_cancel(&r->timers, &s->follow_timer);
	timers_cancel(&r->timers, &s->wake_timer);
	timers_cancel(&r->timers, &s->auto_upgrader.timer);
	free(s);
}

static void timer_own(struct reconcile *r, struct timer *t, enum timer_kind kind, uint32_t owner)
{
	int64_t due_ns = t->place ? t->due_ns : INT64_MAX;

	timers_cancel(&r->timers, t);
	timer_init(t, kind, owner);
	set_timer(r, t, due_ns);
}

static void scope_number(struct reconcile *r, struct scope_state *s, uint32_t scope)
{
	timer_own(r, &s->list_timer, TIMER_SCOPE_LIST, scope);
	timer_own(r, &s->stale_timer, TIMER_SCOPE_STALE, scope);
	timer_own(r, &s->dpi_timer, TIMER_SCOPE_DPI, scope);
	timer_own(r, &s->follow_timer, TIMER_SCOPE_FOLLOW, scope);
	timer_own(r, &s->wake_timer, TIMER_WAKE, scope);
	timer_own(r, &s->auto_upgrader.timer, TIMER_SCOPE_AUTO, scope);
}

/* Scopes keep their state by account and region. ret_moved: the new number of each old one, or NONE. */
static void settings_scopes(struct reconcile *r, const struct settings *settings, uint32_t *moved)
{
	struct scope_state **scopes = calloc(settings->n_scopes + 1u, sizeof(struct scope_state *));

	if (!scopes) {
		r->is_out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < r->n_scopes; i++)
		moved[i] = NONE;
	for (uint32_t i = 0; i < settings->n_scopes && !r->is_out_of_memory; i++) {
		uint32_t account = intern(r, settings->scopes[i].account), region = intern(r, settings->scopes[i].region_id);

		for (uint32_t j = 0; j < r->n_scopes && !scopes[i]; j++)
			if (moved[j] == NONE && r->scopes[j]->account_name == account && r->scopes[j]->region_name == region) {
				scopes[i] = r->scopes[j];
				moved[j] = i;
			}
		if (!scopes[i])
			scopes[i] = scope_new(r);
		if (!scopes[i])
			continue;
		scopes[i]->account_name = account;
		scopes[i]->region_name = region;
		scopes[i]->account = account_ensure(r, settings->scopes[i].account);
		scope_number(r, scopes[i], i);
	}
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (moved[i] == NONE)
			scope_free(r, r->scopes[i]);
	free(r->scopes);
	r->scopes = scopes;
	r->n_scopes = settings->n_scopes;
}

uint32_t policy_ensure(struct reconcile *r, const char *name)
{
	uint32_t id = intern(r, name);
	struct policy_state *p;

	for (uint32_t i = 0; i < r->n_policies; i++)
		if (r->policies[i]->name == id)
			return i;
	p = calloc(1, sizeof(*p));
	if (!p || !grow(r, &r->policies, r->n_policies, &r->cap_policies, sizeof(struct policy_state *))) {
		free(p);
		r->is_out_of_memory = true;
		return 0;
	}
	p->name = id;
	p->index = POLICY_NONE; /* until the settings name it */
	p->gate.asked_ns = NEVER;
	p->known_until_s = INT64_MIN;
	timer_init(&p->timer, TIMER_WAKE, r->n_policies);
	r->policies[r->n_policies] = p;
	return r->n_policies++;
}

static void settings_policies(struct reconcile *r, const struct settings *settings)
{
	uint32_t *policy_of = calloc(settings->n_policies + 1u, sizeof(*policy_of));

	free(r->policy_of);
	r->policy_of = policy_of;
	r->longest_deadline_ns = 0;
	for (uint32_t i = 0; i < r->n_policies; i++) {
		r->policies[i]->index = POLICY_NONE;
		r->policies[i]->gate.asked_ns = NEVER; /* it may be another gate now */
		r->policies[i]->gate.ticket = 0;
		r->policies[i]->known_until_s = INT64_MIN; /* … and other windows: the calendar is told anew */
		r->policies[i]->n_openings = r->policies[i]->n_freezes = 0;
		r->policies[i]->spread_from_s = r->policies[i]->spread_to_s = r->policies[i]->spread_s = 0;
		r->policies[i]->reason_step = 0;
	}
	for (uint32_t i = 0; policy_of && i < settings->n_policies && !r->is_out_of_memory; i++) {
		policy_of[i] = policy_ensure(r, settings->policies[i].name);
		if (r->is_out_of_memory)
			break;
		r->policies[policy_of[i]]->index = i;
		if (settings->policies[i].deadline_ns > r->longest_deadline_ns)
			r->longest_deadline_ns = settings->policies[i].deadline_ns;
	}
	r->is_out_of_memory |= !policy_of;
}

static void settings_pins(struct reconcile *r, const struct settings *settings)
{
	r->pins = pin_index_free(r->pins);
	free(r->pin_versions);
	free(r->pin_vias);
	r->pin_versions = calloc(settings->n_pins + 1u, sizeof(*r->pin_versions));
	r->pin_vias = calloc(settings->n_pins + 1u, sizeof(*r->pin_vias));
	if (!r->pin_versions || !r->pin_vias || pin_index_new(settings, &r->pins) < 0) {
		r->is_out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < settings->n_pins; i++)
		for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
			if (settings->pins[i].version[type])
				r->pin_versions[i][type] = intern(r, settings->pins[i].version[type]);
	for (uint32_t i = 0; i < settings->n_pins; i++)
		for (uint32_t k = 0; k < settings->pins[i].n_via && k < LIMIT_VIA; k++)
			r->pin_vias[i][k] = intern(r, settings->pins[i].via[k]);
}

/* It counts on where the number of waves is the same; in others it is aimed anew before anybody looks at its wave. */
static void target_leave_place(struct reconcile *r, struct target *t)
{
	const struct rollout *ro = t->rollout == NONE ? NULL : r->rollouts[t->rollout];
	const struct rollout *counted = t->counted.rollout == NONE ? NULL : r->rollouts[t->counted.rollout];

	t->place_kind = PLACE_NOWHERE;
	t->place = (struct link){ NONE, NONE };
	if (ro && ro->n_waves != ro->n_waves_next)
		t->rollout = NONE;
	if (counted && counted->n_waves != counted->n_waves_next)
		t->counted = (struct counted){ .rollout = NONE };
}

/* All at once, whatever they left: nothing may stand in a queue whose rollout or scope may be gone. */
static void settings_leave_places(struct reconcile *r, const struct settings *settings)
{
	rollouts_settings_come(r, settings);
	for (uint32_t slot = 0; slot < r->targets.n; slot++)
		if (target_at(r, slot)->born)
			target_leave_place(r, target_at(r, slot));
	for (uint32_t i = 0; i < r->n_catalogues; i++)
		r->catalogues[i]->targets = (struct list){ NONE, NONE };
	for (uint32_t i = 0; i < r->n_changes; i++) {
		r->changes[i].waiting = (struct list){ NONE, NONE };
		r->changes[i].n = 0;
	}
	for (uint32_t i = 0; r->urgent && i < r->n_scopes; i++)
		free(r->urgent[i].slots);
	free(r->urgent);
	r->urgent = NULL;
	r->n_urgent = 0;
	sites_settings(r);
}

/* The new number of each old pin, by its name; owned by the caller, NULL when memory is out. */
static uint32_t *pins_moved(struct reconcile *r, const struct settings *settings)
{
	uint32_t n = r->settings ? r->settings->n_pins : 0, *moved = calloc(n + 1u, sizeof(*moved)), next = 0;

	r->is_out_of_memory |= !moved;
	for (uint32_t i = 0; moved && i < n; i++) {
		moved[i] = PIN_NONE;
		/* from where the one before was found: few pins move, so this is mostly the first look */
		for (uint32_t k = 0; k < settings->n_pins && moved[i] == PIN_NONE; k++)
			if (strcmp(r->settings->pins[i].name, settings->pins[(next + k) % settings->n_pins].name) == 0)
				moved[i] = (next + k) % settings->n_pins;
		next = moved[i] == PIN_NONE ? next : moved[i] + 1;
	}
	return moved;
}

/* What is left of a scope that is gone: only instances with an unsettled intent, until that ends. */
static void instance_move(struct reconcile *r, uint32_t slot, const uint32_t *moved)
{
	struct instance *inst = instance_at(r, slot);

	if (inst->scope == NONE)
		return;
	if (moved[inst->scope] == NONE) {
		precheck_end(r, slot);
		inst->is_stale = true;
		inst->dpi_list = DPI_LIST_NONE;
		inst->seen = inst->dpi = (struct link){ NONE, NONE };
	}
	inst->scope = moved[inst->scope];
}

/* All pins first: a removal looks at other instances. */
static void look_at(struct reconcile *r, uint32_t from, uint32_t to)
{
	for (uint32_t slot = from; slot < to && !r->is_out_of_memory; slot++)
		if (instance_at(r, slot)->born && !instance_at(r, slot)->is_leaving)
			instance_repin(r, slot);
	for (uint32_t slot = from; slot < to && !r->is_out_of_memory; slot++) {
		const struct instance *inst = instance_at(r, slot);

		if (inst->born && !inst->is_leaving && inst->scope == NONE && !instance_has_intent(r, inst))
			instance_remove(r, slot);
	}
	for (uint32_t slot = from; slot < to && !r->is_out_of_memory; slot++)
		instance_update(r, slot);
}

void settings_go_on(struct reconcile *r)
{
	uint32_t from = r->overtaken, n = r->instances.n;

	r->overtaken = n - from > SLICE ? from + SLICE : NONE;
	look_at(r, from, r->overtaken == NONE ? n : r->overtaken);
}

/* What is about to start is looked at in the step of the settings: tighter ones hold at once for what has not left. */
static void look_at_busy(struct reconcile *r)
{
	for (uint32_t slot = 0; slot < r->instances.n; slot++)
		if (instance_at(r, slot)->is_overtaken && instance_at(r, slot)->precheck != NONE)
			instance_update(r, slot);
	for (uint32_t i = intents_storing(r); i < r->n_intents; i++)
		if (target_instance(r, target_at(r, r->intents[i]->target))->is_overtaken)
			instance_update(r, device_at(r, target_at(r, r->intents[i]->target)->device)->instance);
	for (uint32_t i = 0; i < r->n_intents;) {
		uint64_t id = r->intents[i]->id;

		intent_check(r, r->intents[i]);
		i += i < r->n_intents && r->intents[i]->id == id;
	}
}

static void settings_instances(struct reconcile *r, const uint32_t *moved, const uint32_t *pins)
{
	for (uint32_t slot = 0; slot < r->instances.n; slot++) {
		struct instance *inst = instance_at(r, slot);

		if (!inst->born)
			continue;
		instance_move(r, slot, moved);
		inst->pin = inst->pin == PIN_NONE ? PIN_NONE : pins[inst->pin];
		inst->is_overtaken = true;
	}
	for (uint32_t i = 0; i < r->n_intents; i++)
		if (r->intents[i]->scope != NONE)
			r->intents[i]->scope = moved[r->intents[i]->scope];
	r->overtaken = 0;
	settings_go_on(r);
	if (r->overtaken != NONE)
		set_timer(r, &r->sweep_timer, r->now_ns + SLICE_PAUSE_NS);
	look_at_busy(r);
	for (uint32_t slot = 0; slot < r->devices.n && !r->is_out_of_memory; slot++)
		if (device_at(r, slot)->claims == NONE) {
			device_look_up(r, device_at(r, slot));
			device_update(r, slot); /* in no instance, kept for its intent */
		}
}

static void settings_take(struct reconcile *r, const struct settings *settings)
{
	uint32_t *moved = calloc(r->n_scopes + 1u, sizeof(*moved)), *pins = pins_moved(r, settings);

	if (!moved || !pins) {
		r->is_out_of_memory = true;
		free(moved);
		free(pins);
		return;
	}
	settings_leave_places(r, settings);
	settings_scopes(r, settings, moved);
	auto_settings(r, moved);
	settings_policies(r, settings);
	pauses_settings(r);
	settings_pins(r, settings);
	r->settings = settings;
	r->urgent = calloc(r->n_scopes + 1u, sizeof(*r->urgent));
	r->is_out_of_memory |= !r->urgent;
	r->is_change_to_check = true;
	if (!r->is_out_of_memory)
		rollouts_settings(r);
	if (!r->is_out_of_memory)
		settings_instances(r, moved, pins);
	for (uint32_t i = 0; i < r->n_scopes && !r->is_out_of_memory; i++)
		schedule_scope(r, i);
	free(moved);
	free(pins);
}

/* ---- events ---- */

static void on_settings(struct reconcile *r, const struct event *ev)
{
	settings_take(r, ev->settings);
}

static void on_listed(struct reconcile *r, const struct event *ev)
{
	if (ev->read.scope >= r->n_scopes)
		return;
	for (size_t i = 0; i < ev->read.n; i++)
		fleet_observe(r, ev->read.scope, &ev->read.observations[i], ev->read.read_ns, true);
}

static void on_listing_ended(struct reconcile *r, const struct event *ev)
{
	if (ev->listing.scope < r->n_scopes && r->scopes[ev->listing.scope]->is_listing)
		schedule_listed(r, ev);
}

static void on_stored(struct reconcile *r, const struct event *ev)
{
	if (!r->is_storing || ev->stored.ticket != r->store_tickets)
		return;
	memory_stored(r, ev->stored.ticket, ev->kind == EVENT_STORED);
	pacing_store_result(r, ev->kind == EVENT_STORED);
	intent_stored(r, ev->stored.ticket, ev->kind == EVENT_STORED);
}

static void on_account(struct reconcile *r, const struct event *ev)
{
	if (ev->account.scope < r->n_scopes)
		pacing_account_usable(r, ev->account.scope, ev->account.is_usable);
}

static void dispatch(struct reconcile *r, const struct event *ev)
{
	static void (*const handlers[EVENT_N])(struct reconcile *, const struct event *) = {
		[EVENT_SETTINGS] = on_settings,
		[EVENT_LISTED] = on_listed,
		[EVENT_LISTING_ENDED] = on_listing_ended,
		[EVENT_FOLLOWED] = schedule_answer,
		[EVENT_FRESH] = schedule_answer,
		[EVENT_READ_FAILED] = schedule_answer,
		[EVENT_CATALOGUE] = schedule_answer,
		[EVENT_STORED] = on_stored,
		[EVENT_STORE_FAILED] = on_stored,
		[EVENT_RESTORED] = restore_records,
		[EVENT_RESTORE_ENDED] = restore_end,
		[EVENT_CALENDAR] = pacing_calendar,
		[EVENT_GATE] = pacing_gate,
		[EVENT_ACT] = act_take,
		[EVENT_AUTO_UPGRADE] = auto_read,
		[EVENT_AUTO_UPGRADE_SET] = auto_set,
		[EVENT_CALLED] = intent_called,
		[EVENT_ACCOUNT] = on_account,
	};

	if (ev->kind < EVENT_N && handlers[ev->kind] && (r->settings || ev->kind == EVENT_SETTINGS))
		handlers[ev->kind](r, ev);
}

static void target_timer(struct reconcile *r, uint32_t slot)
{
	if (target_at(r, slot)->intent)
		intent_check(r, target_at(r, slot)->intent);
	else
		device_update(r, target_at(r, slot)->device);
}

static void run_timers(struct reconcile *r)
{
	struct timer *t;

	while (!r->is_out_of_memory && (t = timers_pop_due(&r->timers, r->now_ns))) {
		if (timer_kind(t) == TIMER_TARGET)
			target_timer(r, timer_owner(t));
		else if (timer_kind(t) == TIMER_CATALOGUE)
			catalogue_ask(r, timer_owner(t));
		else if (timer_kind(t) == TIMER_ROLLOUT)
			r->rollouts[timer_owner(t)]->is_to_check = r->is_rollout_to_check = true;
		else if (timer_kind(t) == TIMER_SWEEP)
			sweep_go_on(r);
		else if (timer_kind(t) == TIMER_SCOPE_AUTO)
			auto_turn(r, timer_owner(t));
		else if (timer_kind(t) == TIMER_AUTO_HOLD)
			auto_hold_turn(r, timer_owner(t));
		else
			schedule_timer(r, timer_kind(t), timer_owner(t));
	}
}

static void step_begin(struct reconcile *r, const struct event *ev)
{
	r->steps++;
	r->now_ns = ev->now_ns > r->now_ns ? ev->now_ns : r->now_ns;
	r->wall_s = ev->wall_s;
	r->n_actions = 0;
	for (uint32_t i = 0; i < r->n_settled; i++)
		free(r->settled[i]);
	r->n_settled = 0;
	fleet_free_leaving(r);
	rollouts_free_ended(r);
}

/* What was told of a target that went in the same step concerns nobody; an intent speaks for itself. */
static void plan_forget_gone(struct reconcile *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_actions; i++) {
		const struct action *a = &r->actions[i];

		if (a->target == NONE || a->intent || target_at(r, a->target)->born)
			r->actions[n++] = *a;
		else if (a->kind == ACTION_READ)
			schedule_unasked(r, a->ticket);
	}
	r->n_actions = n;
}

int reconcile_step(struct reconcile *r, const struct event *ev, struct plan *ret_plan)
{
	step_begin(r, ev);
	dispatch(r, ev);
	run_timers(r);
	if (!r->is_out_of_memory)
		pacing_pump(r);
	if (!r->is_out_of_memory)
		memory_store(r);
	if (r->is_out_of_memory)
		return -ENOMEM;
	if (r->n_gone > 0)
		plan_forget_gone(r);
	*ret_plan = (struct plan){ r->actions, r->n_actions };
	return 0;
}

int64_t reconcile_deadline_ns(const struct reconcile *r)
{
	return timers_next(&r->timers);
}

/* ---- life ---- */

int reconcile_new(uint64_t seed, struct reconcile **ret_reconcile)
{
	struct reconcile *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->orders = calloc(KNOWN_ORDERS, sizeof(*r->orders));
	if (!r->orders || strings_init(&r->strings) < 0) {
		free(r->orders);
		free(r);
		return -ENOMEM;
	}
	r->seed = seed;
	r->now_ns = NEVER;
	r->store_retry_ns = NEVER;
	r->sweep = r->overtaken = NONE;
	slab_init(&r->instances, sizeof(struct instance));
	slab_init(&r->devices, sizeof(struct device));
	slab_init(&r->targets, sizeof(struct target));
	slab_init(&r->remembered, sizeof(struct remembered));
	site_init(r);
	slab_init(&r->auto_holds, sizeof(struct auto_hold));
	slab_init(&r->auto_policies, sizeof(struct auto_policy));
	timer_init(&r->store_timer, TIMER_WAKE, 0);
	timer_init(&r->sweep_timer, TIMER_SWEEP, 0);
	timer_init(&r->pump_timer, TIMER_WAKE, 0);
	*ret_reconcile = r;
	return 0;
}

struct reconcile *reconcile_free(struct reconcile *r)
{
	if (!r)
		return NULL;
	fleet_deinit(r);
	remember_deinit(r);
	memory_deinit(r);
	rollout_deinit(r);
	approval_deinit(r);
	act_deinit(r);
	site_deinit(r);
	auto_deinit(r);
	for (uint32_t i = 0; r->urgent && i < r->n_scopes; i++)
		free(r->urgent[i].slots);
	free(r->urgent);
	free(r->pin_vias);
	schedule_deinit(r);
	catalogue_deinit(r);
	for (uint32_t i = 0; i < r->n_intents; i++)
		free(r->intents[i]);
	for (uint32_t i = 0; i < r->n_settled; i++)
		free(r->settled[i]);
	for (uint32_t i = 0; i < r->n_scopes; i++)
		free(r->scopes[i]);
	for (uint32_t i = 0; i < r->n_accounts; i++)
		free(r->accounts[i]);
	for (uint32_t i = 0; i < r->n_policies; i++) {
		free(r->policies[i]->starts);
		free(r->policies[i]->openings);
		free(r->policies[i]->freezes);
		free(r->policies[i]);
	}
	free(r->intents);
	free(r->settled);
	free(r->scopes);
	free(r->accounts);
	free(r->policies);
	free(r->policy_of);
	free(r->pin_versions);
	free(r->orders);
	free(r->actions);
	pin_index_free(r->pins);
	timers_deinit(&r->timers);
	strings_deinit(&r->strings);
	free(r);
	return NULL;
}
