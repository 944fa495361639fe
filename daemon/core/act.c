/*
 * Operators' words: pause, resume, approve, hold, release, retry, upgrade-now.
 *
 * Each takes effect at once and is durable with the next STORE; the answer names that STORE. A word that fits nothing
 * changes nothing, and says so.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* What came of one: how it ended, and how many targets, rollouts or pauses it changed. */
struct result {
	enum act_outcome outcome;
	uint32_t n;
	int64_t until_ns; /* when the last of it lapses; 0: it does not */
};

static struct result counted(uint32_t n_found, uint32_t n_changed)
{
	return (struct result){ n_found == 0 ? ACT_NOT_FOUND : n_changed == 0 ? ACT_ALREADY : ACT_DONE, n_changed, 0 };
}

/* -1: not given. */
static int type_of(const struct act *act)
{
	for (int type = 0; act->version_type && type < VERSION_TYPE_N; type++)
		if (strcmp(act->version_type, version_type_names[type]) == 0)
			return type;
	return -1;
}

/* ---- pause, resume ---- */

static bool policy_is_known(const struct reconcile *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_policies; i++)
		if (r->policies[i]->index != POLICY_NONE && strcmp(strings_text(&r->strings, r->policies[i]->name), name) == 0)
			return true;
	return false;
}

/* Its policy left the settings, or came back. */
static void pause_judge(struct reconcile *r, struct pause *p)
{
	bool is_orphan = p->policy && !policy_is_known(r, strings_text(&r->strings, p->policy));
	struct action *a;

	if (is_orphan && !p->is_orphan) {
		a = plan_add(r, ACTION_TELL_ODD);
		a->oddity = ODDITY_PAUSE;
		a->from = strings_text(&r->strings, p->policy);
	}
	p->is_orphan = is_orphan;
}

void pauses_settings(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_pauses; i++)
		pause_judge(r, &r->pauses[i]);
}

/* Some pin wants that version under the policy: its rollout may be still to come. */
static bool is_pinned(const struct reconcile *r, const struct act *act, int type)
{
	for (uint32_t i = 0; i < r->settings->n_pins; i++)
		for (int k = 0; k < VERSION_TYPE_N; k++) {
			const struct pin *pin = &r->settings->pins[i];

			if ((type < 0 || type == k) && pin->version[k] && strcmp(pin->version[k], act->version) == 0 &&
			    strcmp(r->settings->policies[pin->policy[k]].name, act->policy) == 0)
				return true;
		}
	return false;
}

/* A word about a policy is about all its rollouts, a word about a version only about that. */
static bool rollout_fits(const struct reconcile *r, const struct rollout *ro, const struct act *act)
{
	int type = type_of(act);

	return ro->is_used && strcmp(strings_text(&r->strings, r->policies[ro->policy]->name), act->policy) == 0 &&
	       (!act->version || strcmp(strings_text(&r->strings, ro->version), act->version) == 0) &&
	       (type < 0 || type == (int)ro->version_type);
}

/* Is there what it names? Whoever mistypes a version at night must not believe that it is paused. */
static bool is_known(const struct reconcile *r, const struct act *act)
{
	if (!policy_is_known(r, act->policy))
		return false;
	for (uint32_t i = 0; i < r->n_rollouts; i++)
		if (rollout_fits(r, r->rollouts[i], act))
			return true;
	return !act->version || is_pinned(r, act, type_of(act));
}

static struct pause *pause_find(const struct reconcile *r, uint32_t policy, uint32_t version, int type)
{
	for (uint32_t i = 0; i < r->n_pauses; i++)
		if (r->pauses[i].policy == policy && r->pauses[i].version == version && r->pauses[i].version_type == type)
			return &r->pauses[i];
	return NULL;
}

static void pause_add(struct reconcile *r, struct pause p, const char *who, const char *why)
{
	p.who = strdup(who);
	p.why = strdup(why);
	if (!p.who || !p.why || !grow(r, &r->pauses, r->n_pauses, &r->cap_pauses, sizeof(*r->pauses))) {
		free(p.who);
		free(p.why);
		r->is_out_of_memory = true;
		return;
	}
	r->pauses[r->n_pauses++] = p;
	pause_judge(r, &r->pauses[r->n_pauses - 1]);
}

static struct result take_pause(struct reconcile *r, const struct act *act)
{
	struct pause p = { .version_type = type_of(act), .since_s = r->wall_s };

	if (!act->is_all && !act->policy)
		return (struct result){ ACT_INCOMPLETE, 0, 0 };
	if (!act->is_all && !is_known(r, act))
		return (struct result){ ACT_NOT_FOUND, 0, 0 };
	if (act->is_all)
		p.version_type = -1;
	else
		p.policy = intern(r, act->policy);
	p.version = !act->is_all && act->version ? intern(r, act->version) : 0;
	if (pause_find(r, p.policy, p.version, p.version_type))
		return (struct result){ ACT_ALREADY, 0, 0 };
	pause_add(r, p, act->who, act->why);
	if (!r->is_out_of_memory)
		memory_pause(r, &r->pauses[r->n_pauses - 1]);
	sweep_begin(r);
	return (struct result){ ACT_DONE, 1, 0 };
}

static void pause_remove(struct reconcile *r, struct pause *p)
{
	memory_pause(r, p);
	free(p->who);
	free(p->why);
	*p = r->pauses[--r->n_pauses];
	sweep_begin(r);
}

static struct result take_resume(struct reconcile *r, const struct act *act)
{
	uint32_t n = 0, n_found = 0;
	struct pause *p;

	if (!act->is_all && !act->policy)
		return (struct result){ ACT_INCOMPLETE, 0, 0 };
	if (act->is_all) {
		p = pause_find(r, 0, 0, -1);
		if (p)
			pause_remove(r, p);
		return (struct result){ p ? ACT_DONE : ACT_ALREADY, p ? 1 : 0, 0 };
	}
	for (uint32_t i = r->n_pauses; i-- > 0;) {
		p = &r->pauses[i];
		if (p->policy == 0 || strcmp(strings_text(&r->strings, p->policy), act->policy) != 0 ||
		    (act->version_type && p->version_type != type_of(act)) || (act->version && strcmp(strings_text(&r->strings, p->version), act->version) != 0))
			continue;
		pause_remove(r, p);
		n++;
	}
	for (uint32_t i = 0; i < r->n_rollouts; i++) {
		if (!rollout_fits(r, r->rollouts[i], act))
			continue;
		n_found++;
		if (!r->rollouts[i]->halt_cause)
			continue;
		rollout_resume(r, i);
		n++;
	}
	return counted(n + n_found + is_known(r, act), n);
}

/* ---- approve ---- */

/* What a match wave catches, nothing included, is as it should be. */
static struct result approve_wave(struct reconcile *r, const struct act *act)
{
	uint32_t n = 0, n_found = 0;

	if (!act->policy)
		return (struct result){ ACT_INCOMPLETE, 0, 0 };
	for (uint32_t i = 0; i < r->n_rollouts; i++) {
		struct rollout *ro = r->rollouts[i];
		uint32_t index = r->policies[ro->policy]->index;

		if (!rollout_fits(r, ro, act) || index == POLICY_NONE)
			continue;
		for (uint32_t w = 0; w < r->settings->policies[index].n_waves; w++) {
			/* a later one is not looked at yet, and must not answer for the ones before it */
			if (strcmp(r->settings->policies[index].waves[w].name, act->wave) != 0 || w > ro->wave)
				continue;
			n_found++;
			if (w < ro->wave || ro->approved == ro->wave_name)
				continue; /* it has passed, or may */
			ro->approved = ro->wave_name;
			ro->is_to_check = r->is_rollout_to_check = true;
			rollout_touch(r, ro);
			n++;
		}
	}
	return counted(n_found, n);
}

static bool account_is_known(const struct reconcile *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (strcmp(r->settings->scopes[i].account, name) == 0)
			return true;
	return false;
}

static struct result take_approve(struct reconcile *r, const struct act *act)
{
	int type = type_of(act);
	uint32_t n = 0, version, account = NONE;

	if ((act->policy && !policy_is_known(r, act->policy)) || (act->account && !account_is_known(r, act->account)))
		return (struct result){ ACT_NOT_FOUND, 0, 0 };
	if (act->wave)
		return approve_wave(r, act);
	if (!act->account || type < 0 || !act->version || act->count == 0)
		return (struct result){ ACT_INCOMPLETE, 0, 0 };
	version = strings_find(&r->strings, act->version);
	for (uint32_t i = 0; i < r->n_accounts; i++)
		if (strcmp(strings_text(&r->strings, r->accounts[i]->name), act->account) == 0)
			account = i;
	if (version != NONE && version != 0 && account != NONE)
		n = approval_grant(r, account, (enum version_type)type, version, act->count);
	return (struct result){ n == 0 ? ACT_NOT_FOUND : n > act->count ? ACT_TOO_MANY : ACT_DONE, n, 0 };
}

/* ---- targets ---- */

static bool policy_fits(const struct reconcile *r, const struct target *t, const char *name)
{
	uint32_t policy = target_policy(r, t);

	return policy != NONE && strcmp(strings_text(&r->strings, r->policies[policy]->name), name) == 0;
}

static bool target_fits(const struct reconcile *r, const struct target *t, const struct act *act)
{
	const struct instance *inst;
	int type = type_of(act);

	if (!t->born || target_is_hidden(r, t) || device_at(r, t->device)->claims == NONE)
		return false;
	inst = target_instance(r, t);
	return (!act->instance_id || strcmp(inst->text, act->instance_id) == 0) &&
	       (!act->serial_number || strcmp(device_at(r, t->device)->serial_number, act->serial_number) == 0) &&
	       (type < 0 || type == (int)t->version_type) &&
	       (!act->account || (inst->scope != NONE && strcmp(r->settings->scopes[inst->scope].account, act->account) == 0)) &&
	       (!act->policy || policy_fits(r, t, act->policy)) &&
	       (!act->version || strcmp(strings_text(&r->strings, target_desired(t)), act->version) == 0);
}

/* Does it to one target; returns whether that changed anything. */
typedef bool (*act_on_target)(struct reconcile *r, uint32_t slot, const struct act *act);

/* Whoever holds or releases a target has taken back that it is to go now. */
static bool urgency_take_back(struct history *h)
{
	bool was_urgent = h && h->urgent;

	if (was_urgent)
		h->urgent = 0;
	return was_urgent;
}

static bool hold_target(struct reconcile *r, uint32_t slot, const struct act *act)
{
	struct history *h = target_history(r, target_at(r, slot));
	bool was_urgent = urgency_take_back(h);

	if (!h || h->held_by)
		return was_urgent;
	h->held_by = strdup(act->who);
	h->held_why = strdup(act->why);
	h->held_since_s = r->wall_s;
	r->is_out_of_memory |= !h->held_by || !h->held_why;
	return true;
}

static bool release_target(struct reconcile *r, uint32_t slot, const struct act *act)
{
	struct history *h = target_at(r, slot)->history;
	bool was_urgent = urgency_take_back(h);

	(void)act;
	if (!h || !h->held_by)
		return was_urgent;
	free(h->held_by);
	free(h->held_why);
	h->held_by = h->held_why = NULL;
	h->held_since_s = 0;
	(void)r;
	return true;
}

static bool retry_target(struct reconcile *r, uint32_t slot, const struct act *act)
{
	struct target *t = target_at(r, slot);
	struct history *h = t->history;
	bool is_changed = t->wait != WAIT_NONE;

	(void)act;
	target_clear_wait(t);
	t->n_waits = 0;
	for (uint32_t i = 0; h && i < h->n_versions; i++)
		memory_forget_attempts(r, slot, h->versions[i].version);
	if (h) {
		is_changed |= h->n_versions > 0 || target_is_flapping(r, t);
		h->n_versions = 0;
		for (unsigned int i = 0; i < FLAPS; i++)
			h->changed_ns[i] = NEVER;
	}
	return is_changed;
}

static bool upgrade_target(struct reconcile *r, uint32_t slot, const struct act *act)
{
	struct target *t = target_at(r, slot);
	struct history *h = target_desired(t) ? target_history(r, t) : NULL;
	enum phase phase = stand_exact(r, slot).phase;
	int64_t until_ns;

	(void)act;
	if (!h || phase == PHASE_IN_SYNC || phase == PHASE_AHEAD)
		return false;
	until_ns = r->now_ns + r->settings->policies[r->policies[target_policy(r, t)]->index].deadline_ns;
	if (h->urgent == target_desired(t) && h->urgent_until_ns == until_ns)
		return false;
	h->urgent = target_desired(t); /* said again, it holds anew */
	h->urgent_until_ns = until_ns;
	return true;
}

static bool is_held_by_config(const struct reconcile *r, const struct target *t)
{
	uint32_t pin = target_pin(r, t);

	return pin != PIN_NONE && r->settings->pins[pin].is_held;
}

static struct result take_targets(struct reconcile *r, const struct act *act, act_on_target on_target)
{
	uint32_t n = 0, n_found = 0, n_held = 0;
	struct result result;
	int64_t until_ns = 0;

	if (!act->instance_id && !act->serial_number)
		return (struct result){ ACT_INCOMPLETE, 0, 0 };
	for (uint32_t slot = 0; slot < r->targets.n && !r->is_out_of_memory; slot++) {
		const struct target *t = target_at(r, slot);
		bool is_held;

		if (!t->born || !target_fits(r, t, act))
			continue;
		n_found++;
		is_held = (act->kind == ACT_RELEASE || act->kind == ACT_UPGRADE_NOW) && is_held_by_config(r, t);
		n_held += is_held;
		if ((is_held && act->kind == ACT_UPGRADE_NOW) || !on_target(r, slot, act))
			continue;
		n++;
		if (act->kind == ACT_UPGRADE_NOW && t->history->urgent_until_ns > until_ns)
			until_ns = t->history->urgent_until_ns;
		memory_target(r, slot);
		device_update(r, t->device);
	}
	if (n == 0 && n_held > 0)
		return (struct result){ ACT_HELD_BY_CONFIG, n_held, 0 };
	result = counted(n_found, n);
	result.until_ns = until_ns;
	return result;
}

static struct result take_target_act(struct reconcile *r, const struct act *act)
{
	static const act_on_target acts[ACT_N] = {
		[ACT_HOLD] = hold_target,
		[ACT_RELEASE] = release_target,
		[ACT_RETRY] = retry_target,
		[ACT_UPGRADE_NOW] = upgrade_target,
	};

	return take_targets(r, act, acts[act->kind]);
}

void act_take(struct reconcile *r, const struct event *ev)
{
	static struct result (*const acts[ACT_N])(struct reconcile *, const struct act *) = {
		[ACT_PAUSE] = take_pause,	 [ACT_RESUME] = take_resume,   [ACT_APPROVE] = take_approve,
		[ACT_HOLD] = take_target_act,	 [ACT_RELEASE] = take_target_act, [ACT_RETRY] = take_target_act,
		[ACT_UPGRADE_NOW] = take_target_act,
	};
	struct result result;
	struct action *a;

	if (ev->act.kind >= ACT_N)
		return;
	result = ev->act.version_type && type_of(&ev->act) < 0 ? (struct result){ ACT_NOT_FOUND, 0, 0 } : acts[ev->act.kind](r, &ev->act);
	a = plan_add(r, ACTION_TELL_ACT);
	a->act = ev->act.kind;
	a->act_outcome = result.outcome;
	a->count = result.n;
	a->until_s = result.until_ns ? r->wall_s + (result.until_ns - r->now_ns) / NS_PER_S : 0;
	a->ticket = result.outcome == ACT_DONE ? memory_next_ticket(r) : 0;
}

/* ---- after a restart ---- */

void pause_restore(struct reconcile *r, const struct record *rec)
{
	struct pause p = { .policy = intern(r, rec->text[REC_PAUSE_TEXT_POLICY]), .version = intern(r, rec->text[REC_PAUSE_TEXT_VERSION]),
			   .version_type = (int)rec->number[REC_PAUSE_VERSION_TYPE], .since_s = rec->number[REC_PAUSE_SINCE] };

	pause_add(r, p, rec->text[REC_PAUSE_TEXT_WHO], rec->text[REC_PAUSE_TEXT_WHY]);
}

bool reconcile_is_paused(const struct reconcile *r)
{
	return pause_find(r, 0, 0, -1) != NULL;
}

void act_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_pauses; i++) {
		free(r->pauses[i].who);
		free(r->pauses[i].why);
	}
	free(r->pauses);
}
