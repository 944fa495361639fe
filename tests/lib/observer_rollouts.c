/*
 * Rules about rollouts: waves in order and with their soak, halts, pauses, holds, approvals, windows and freezes
 * (rules 6, 9, 11 and 13), at each start and at each call, and again after a restart.
 *
 * Failures, waves and words are counted here, from what ended and what was said; whether a policy is open is worked
 * out from the world's plain rule.
 */
#include "observer_priv.h"

#include "core/hash.h"

#include <stdlib.h>
#include <string.h>

#define DAY (24 * HOUR)
#define CHANGES_FREE 10

struct seen_rollout *observer_rollout(struct observer *o, uint32_t policy, enum version_type type, int version)
{
	for (size_t i = 0; i < o->n_rollouts; i++) {
		struct seen_rollout *ro = &o->rollouts[i];

		if (ro->policy == policy && ro->type == type && ro->version == version)
			return ro;
	}
	o->rollouts = observer_grow(o->rollouts, &o->rollouts_size, o->n_rollouts + 1, sizeof(*o->rollouts));
	o->rollouts[o->n_rollouts] = (struct seen_rollout){.policy = policy, .type = type, .version = version, .approved_wave = -1};
	return &o->rollouts[o->n_rollouts++];
}

/* ---- waves ---- */

static uint32_t wave_of(const struct observer *o, const struct seen_box *box, uint32_t policy)
{
	const struct world_policy *more = &o->w->applied->more[policy];
	const struct world_box *of = &o->w->boxes[box->index];

	for (uint32_t i = 0; i < more->n_waves; i++) {
		const struct wave *wave = &more->waves[i];

		if (wave->is_match ? world_glob(more->wave_globs[i], of->name) : hash_text(of->id) / 4294967296.0 < wave->percent)
			return i;
	}
	return more->n_waves;
}

/* Is the target one of that rollout, and of its current wave? */
static bool is_in_wave(const struct observer *o, const struct seen_rollout *ro, const struct target_view *v)
{
	const struct seen_box *box = observer_box_at(o, v->instance);

	if (v->policy != ro->policy || v->version_type != ro->type || world_version_rank(v->desired) != ro->version)
		return false;
	if (!box || !box->is_named || (v->is_in_progress && !observer_holds(box, v->serial_number)))
		return false; /* its wave is not known, or it is nowhere now */
	return wave_of(o, box, ro->policy) == ro->wave;
}

/* What could be upgraded now whatever the policy says (rule 9). */
static bool is_countable(const struct target_view *v)
{
	if (v->phase == PHASE_UNMANAGED || v->phase == PHASE_UNKNOWN || v->phase == PHASE_AHEAD)
		return false;
	if (v->phase == PHASE_WAITING && v->reason < REASON_APPROVAL)
		return false; /* that is shown before offline and unapproved: nobody can tell */
	if (v->phase == PHASE_WAITING)
		return v->reason != REASON_OFFLINE && v->reason != REASON_HELD && v->reason != REASON_APPROVAL;
	return v->phase != PHASE_FAILED || v->reason < REASON_DUPLICATE || v->reason > REASON_FORBIDDEN;
}

/* Offline, or not seen any more, since a call of ours in this rollout failed: that is no excuse. */
static bool is_hurt(struct observer *o, const struct seen_rollout *ro, const struct target_view *v)
{
	const struct seen_counts *c = &observer_serial(o, v->serial_number)->counts[v->version_type];

	return c->ended_failed && c->ended_policy == ro->policy + 1 && c->ended_version == ro->version && c->ended_epoch == ro->epoch &&
	       (v->phase == PHASE_UNKNOWN || (v->phase == PHASE_WAITING && v->reason == REASON_OFFLINE));
}

static void check_passed(struct observer *o, const struct seen_rollout *ro)
{
	const struct world_policy *more = &o->w->applied->more[ro->policy];
	uint32_t countable = 0, in_sync = 0;
	struct target_view v;

	if (ro->wave >= more->n_waves) {
		world_break(o->w, "rule 6", "a rollout of policy %u passes its last wave", ro->policy);
		return;
	}
	for (uint32_t slot = 0; slot < reconcile_target_slots(o->w->core); slot++) {
		if (!reconcile_target(o->w->core, slot, &v) || !is_in_wave(o, ro, &v))
			continue;
		countable += is_countable(&v) || is_hurt(o, ro, &v);
		in_sync += v.phase == PHASE_IN_SYNC;
	}
	if (in_sync < more->waves[ro->wave].success * countable - 1e-6)
		world_break(o->w, "rule 6", "wave %u of policy %u is passed with %u of %u in sync", ro->wave, ro->policy, in_sync, countable);
	if (countable == 0 && more->waves[ro->wave].is_match && ro->approved_wave < (int)ro->wave)
		world_break(o->w, "rule 6", "wave %u of policy %u caught nothing, and nobody approved that", ro->wave, ro->policy);
	if (more->waves[ro->wave].success >= 1.0 && ro->verified_boot[ro->wave] == o->w->boot && countable > 0 &&
	    o->w->now_ns < ro->verified_ns[ro->wave] + more->waves[ro->wave].soak_ns)
		world_break(o->w, "rule 6", "wave %u of policy %u is passed %lld s into its soak", ro->wave, ro->policy,
			    (long long)((o->w->now_ns - ro->verified_ns[ro->wave]) / NS_PER_S));
}

void observer_told_rollout(struct observer *o, const struct action *a)
{
	struct seen_rollout *ro;

	if (a->policy >= o->w->applied->n_policies)
		return;
	ro = observer_rollout(o, a->policy, a->version_type, world_version_rank(a->to));
	if (a->rollout_change == ROLLOUT_HALTED) {
		ro->is_halted = true;
	} else if (a->rollout_change == ROLLOUT_RESUMED) {
		ro->is_halted = false;
		ro->failed = ro->ended = ro->unhealthy = 0;
		ro->epoch++;
	} else if (a->rollout_change == ROLLOUT_ENDED) {
		*ro = (struct seen_rollout){.policy = ro->policy, .type = ro->type, .version = ro->version, .approved_wave = -1};
	} else if (a->rollout_change == ROLLOUT_WAVE_PASSED) {
		check_passed(o, ro);
		ro->wave++;
	}
}

/* Fewer waves than before. */
void observer_rollout_settings(struct observer *o)
{
	for (size_t i = 0; i < o->n_rollouts; i++) {
		struct seen_rollout *ro = &o->rollouts[i];

		if (ro->policy < o->w->applied->n_policies && ro->wave > o->w->applied->more[ro->policy].n_waves)
			ro->wave = o->w->applied->more[ro->policy].n_waves;
	}
}

/* ---- failures ---- */

/* Each target counts once until the next resume; a failure after a success makes it one that failed. */
void observer_rollout_ended(struct observer *o, const struct seen_intent *in, enum reason reason)
{
	struct seen_rollout *ro = observer_rollout(o, in->policy, in->type, in->goal);
	struct seen_counts *c = &in->serial_of->counts[in->type];
	uint32_t wave = wave_of(o, in->box, in->policy);
	bool is_failed = in->ended == INTENT_FAILED;
	bool is_same = c->ended_policy == in->policy + 1 && c->ended_version == in->goal && c->ended_epoch == ro->epoch;

	if (in->ended == INTENT_VERIFIED && in->to != in->goal)
		return; /* a hop on the way */
	if (in->ended == INTENT_VERIFIED) {
		ro->verified_ns[wave] = o->w->now_ns;
		ro->verified_boot[wave] = o->w->boot;
	}
	if ((in->ended != INTENT_VERIFIED && !is_failed) || (is_same && (c->ended_failed || !is_failed)))
		return;
	ro->ended += !is_same;
	ro->failed += is_failed;
	ro->unhealthy += is_failed && reason == REASON_UNHEALTHY;
	c->ended_policy = in->policy + 1;
	c->ended_version = in->goal;
	c->ended_epoch = ro->epoch;
	c->ended_failed = is_failed;
}

static void check_halts(const struct observer *o, const struct seen_intent *in, const struct seen_rollout *ro, const char *what)
{
	const struct policy *p = &o->w->applied->policies[in->policy];
	const struct halt_reason *by = &o->w->applied->more[in->policy].by_reason;

	if (ro->is_halted)
		break_intent(o, "rule 6", in, "%s while its rollout is halted", what);
	if (p->halt.failures > 0 && ro->failed >= p->halt.failures)
		break_intent(o, "rule 6", in, "%s after %u failures of its rollout, and no halt", what, ro->failed);
	if (p->halt.percent > 0 && ro->failed > 0 && ro->ended >= p->halt.min_sample && ro->failed >= p->halt.percent * ro->ended)
		break_intent(o, "rule 6", in, "%s after %u of %u failed, and no halt", what, ro->failed, ro->ended);
	if (by->failures > 0 && ro->unhealthy >= by->failures)
		break_intent(o, "rule 6", in, "%s after %u were unhealthy, and no halt", what, ro->unhealthy);
}

/* ---- words ---- */

/* Its policy left the settings: it may be about any that took its place. */
static bool is_orphan(const struct observer *o, const struct seen_pause *p)
{
	for (uint32_t i = 0; i < o->w->applied->n_policies; i++)
		if (strcmp(o->w->applied->policy_names[i], p->policy) == 0)
			return false;
	return true;
}

static bool is_paused(const struct observer *o, const struct seen_intent *in)
{
	for (size_t i = 0; i < o->n_pauses; i++) {
		const struct seen_pause *p = &o->pauses[i];

		if ((p->policy[0] == '\0' || is_orphan(o, p) || strcmp(p->policy, o->w->applied->policy_names[in->policy]) == 0) &&
		    (p->version == VERSION_ABSENT || p->version == in->goal) && (p->type < 0 || p->type == (int)in->type))
			return true;
	}
	return false;
}

void observer_pause(struct observer *o, const char *policy, int version, int type)
{
	struct seen_pause *p;

	o->pauses = observer_grow(o->pauses, &o->pauses_size, o->n_pauses + 1, sizeof(*o->pauses));
	p = &o->pauses[o->n_pauses++];
	*p = (struct seen_pause){.version = version, .type = type};
	snprintf(p->policy, sizeof(p->policy), "%s", policy);
}

static int type_of(const char *name)
{
	return !name ? -1 : strcmp(name, version_type_names[VERSION_TYPE_DPI]) == 0;
}

static void resume(struct observer *o, const struct act *act)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_pauses; i++) {
		const struct seen_pause *p = &o->pauses[i];
		bool is_gone = act->is_all ? p->policy[0] == '\0' : act->policy && strcmp(p->policy, act->policy) == 0 &&
				(!act->version || p->version == world_version_rank(act->version));

		if (!is_gone)
			o->pauses[n++] = *p;
	}
	o->n_pauses = n;
}

static void approve_wave(struct observer *o, const struct act *act)
{
	for (size_t i = 0; i < o->n_rollouts; i++) {
		struct seen_rollout *ro = &o->rollouts[i];
		const struct world_policy *more = &o->w->applied->more[ro->policy];

		if (strcmp(o->w->applied->policy_names[ro->policy], act->policy) != 0 || (act->version && world_version_rank(act->version) != ro->version))
			continue;
		for (uint32_t k = 0; k < more->n_waves; k++)
			if (strcmp(more->wave_names[k], act->wave) == 0 && ro->approved_wave < (int)k)
				ro->approved_wave = (int)k;
	}
}

static void approve(struct observer *o, const struct act *act)
{
	if (act->wave) {
		approve_wave(o, act);
		return;
	}
	o->grants = observer_grow(o->grants, &o->grants_size, o->n_grants + 1, sizeof(*o->grants));
	o->grants[o->n_grants++] = index_mix(index_hash(index_hash(0, act->account), act->version), (uint64_t)type_of(act->version_type));
}

static void take_word(const struct observer *o, struct seen_counts *c, const struct target_view *v, enum act_kind kind)
{
	int64_t next_ns = 0;

	if (kind == ACT_HOLD || kind == ACT_RELEASE)
		c->urgent = 0; /* that takes it back */
	if (kind == ACT_HOLD) {
		c->is_held = true;
	} else if (kind == ACT_RELEASE) {
		c->is_held = false;
	} else if (kind == ACT_RETRY) {
		memset(c->made, 0, sizeof(c->made));
		c->terminal = 0;
		c->next_ns = next_ns;
	} else if (kind == ACT_UPGRADE_NOW && v->desired[0] && v->phase != PHASE_IN_SYNC && v->phase != PHASE_AHEAD) {
		c->urgent = world_version_rank(v->desired) + 1;
		c->urgent_until_ns = o->w->now_ns + o->w->applied->policies[v->policy].deadline_ns;
	}
}

static void on_targets(struct observer *o, const struct act *act)
{
	struct target_view v;

	for (uint32_t slot = 0; slot < reconcile_target_slots(o->w->core); slot++) {
		if (!reconcile_target(o->w->core, slot, &v) || !act->serial_number || strcmp(v.serial_number, act->serial_number) != 0 ||
		    (act->version_type && (int)v.version_type != type_of(act->version_type)))
			continue;
		take_word(o, &observer_serial(o, v.serial_number)->counts[v.version_type], &v, act->kind);
	}
}

void observer_told_act(struct observer *o, const struct event *ev, const struct action *a)
{
	const struct act *act = &ev->act;

	if (ev->kind != EVENT_ACT || a->act_outcome != ACT_DONE)
		return;
	if (act->kind == ACT_PAUSE)
		observer_pause(o, act->is_all ? "" : act->policy, act->is_all || !act->version ? VERSION_ABSENT : world_version_rank(act->version),
			       act->is_all ? -1 : type_of(act->version_type));
	else if (act->kind == ACT_RESUME)
		resume(o, act);
	else if (act->kind == ACT_APPROVE)
		approve(o, act);
	else
		on_targets(o, act);
}

/* ---- at a start, and again at the call ---- */

static void check_calendar(const struct observer *o, const struct seen_intent *in, bool is_urgent, const char *what)
{
	const struct policy *p = &o->w->applied->policies[in->policy];
	bool is_frozen = false, is_open;
	int64_t left_s = 0;

	if (p->is_always_open)
		return;
	is_open = world_is_open(o->w, in->policy, &is_frozen, &left_s);
	if (is_frozen)
		break_intent(o, "rule 6", in, "%s in a freeze", what);
	if (!is_urgent && !is_open)
		break_intent(o, "rule 6", in, "%s outside of its window", what);
	if (!is_urgent && left_s * NS_PER_S < p->upgrade_takes_ns)
		break_intent(o, "rule 6", in, "%s with %lld s left of the window", what, (long long)left_s);
}

void observer_may_go(struct observer *o, const struct seen_intent *in, const char *what)
{
	const struct seen_counts *c = &in->serial_of->counts[in->type];
	const struct seen_rollout *ro = observer_rollout(o, in->policy, in->type, in->goal);
	bool is_urgent = c->urgent == in->goal + 1 && in->created_ns <= c->urgent_until_ns + SLACK;

	check_halts(o, in, ro, what);
	check_calendar(o, in, is_urgent, what);
	if (is_paused(o, in))
		break_intent(o, "rule 6", in, "%s while paused", what);
	if (c->is_held)
		break_intent(o, "rule 6", in, "%s while an operator holds it", what);
	if (is_urgent)
		return;
	observer_check_gate(o, in, what);
	if (wave_of(o, in->box, in->policy) > ro->wave)
		break_intent(o, "rule 6", in, "%s in wave %u, the rollout is at %u", what, wave_of(o, in->box, in->policy), ro->wave);
}

/* By then its leave was stored, with its intent or before (rule 13). */
void observer_check_leave(const struct observer *o, const struct seen_intent *in)
{
	if (in->serial_of->counts[in->type].approved != in->goal + 1)
		break_intent(o, "rule 13", in, "called for %s, which is not approved for it", world_versions[in->goal]);
}

/* ---- what is stored of it ---- */

static uint32_t n_managed(struct observer *o, uint32_t scope)
{
	struct target_view v;
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < reconcile_target_slots(o->w->core); slot++)
		n += reconcile_target_facts(o->w->core, slot, &v) && v.policy != POLICY_NONE && v.reported[0] && observer_is_same_account(o, v.scope, scope);
	return n;
}

/* Who was managed when leave was given may have left when that is stored. */
void observer_note_managed(struct observer *o, uint32_t scope)
{
	uint32_t n = n_managed(o, scope);

	if (n < o->most_managed[scope].n && o->w->now_ns - o->most_managed[scope].at_ns < HOUR)
		return;
	o->most_managed[scope].n = n;
	o->most_managed[scope].at_ns = o->w->now_ns;
}

static uint32_t scope_of(const struct seen_serial *s)
{
	for (size_t i = 0; i < s->n_boxes; i++)
		if (s->boxes[i]->is_live && observer_holds(s->boxes[i], s->serial))
			return s->boxes[i]->scope;
	return NONE;
}

static void add_change(struct observer *o, struct seen_serial *s, enum version_type type, uint32_t scope, int64_t at_ns)
{
	s->counts[type].changed_ns = at_ns;
	o->changes = observer_grow(o->changes, &o->changes_size, o->n_changes + 1, sizeof(*o->changes));
	o->changes[o->n_changes++] = (struct seen_change){s, type, scope, at_ns};
}

/* So many a day without a word of an operator, and no more; of each target that is there the last one. */
static void check_budget(struct observer *o, uint32_t scope, int64_t at_ns)
{
	double radius = o->w->applied->scopes[scope].blast_radius;
	uint32_t n = 0, n_before = 0, managed;

	observer_note_managed(o, scope);
	managed = o->most_managed[scope].n;

	for (size_t i = o->n_changes; i-- > 0 && o->n_changes - i < 20000;) {
		const struct seen_change *c = &o->changes[i];
		uint32_t of = c->of->counts[c->type].changed_ns == c->at_ns && c->at_ns > at_ns - DAY ? scope_of(c->of) : NONE;

		n += of != NONE && observer_is_same_account(o, of, scope) && (c->scope == NONE || observer_is_same_account(o, c->scope, scope));
		n_before += of != NONE && c->scope == NONE;
	}
	/* of what an earlier life let through, some may have been of another account then */
	if (n > CHANGES_FREE + (n_before > 0 ? 3 : 0) && n > radius * managed + 3)
		world_break(o->w, "rule 13", "%u changes in a day without a word, of %u managed targets, radius %.2f", n, managed, radius);
}

static bool is_granted(const struct observer *o, uint32_t scope, const struct record *rec)
{
	uint64_t key = index_hash(index_hash(0, o->w->applied->account_names[scope]), rec->text[REC_TARGET_TEXT_APPROVED]);

	key = index_mix(key, (uint64_t)rec->number[REC_TARGET_VERSION_TYPE]);
	for (size_t i = 0; i < o->n_grants; i++)
		if (o->grants[i] == key)
			return true;
	return false;
}

static void check_change(struct observer *o, struct seen_serial *s, const struct record *rec)
{
	enum version_type type = (enum version_type)rec->number[REC_TARGET_VERSION_TYPE];
	int64_t at_ns = rec->number[REC_TARGET_APPROVED_AT];
	uint32_t scope = scope_of(s);
	int version = world_version_rank(rec->text[REC_TARGET_TEXT_APPROVED]);
	bool is_there = false;

	for (size_t i = 0; i < s->n_boxes; i++)
		for (size_t k = 0; k < s->boxes[i]->n_devices; k++)
			is_there |= strcmp(s->boxes[i]->devices[k].serial, s->serial) == 0 && s->boxes[i]->devices[k].version[type] == version;
	if (scope == NONE || version < 0)
		return;
	if (at_ns != INT64_MIN && at_ns + o->w->boot_ns != s->counts[type].changed_ns) {
		add_change(o, s, type, scope, at_ns + o->w->boot_ns);
		check_budget(o, scope, at_ns + o->w->boot_ns);
	} else if (!is_there && !is_granted(o, scope, rec)) {
		world_break(o->w, "rule 13", "%s is approved for %s without a word, and without counting", s->serial, rec->text[REC_TARGET_TEXT_APPROVED]);
	}
}

/* It waits no more for the version that was to come now: it has it, a newer one, or another is desired. Of one that left, nobody knows. */
static bool is_urgency_over(const struct observer *o, const char *serial, enum version_type type, const struct seen_counts *c)
{
	struct target_view v;
	int urgent = c->urgent;

	if (o->w->now_ns + SLACK >= c->urgent_until_ns)
		return true; /* it lapsed */
	for (uint32_t slot = 0; slot < reconcile_target_slots(o->w->core); slot++)
		if (reconcile_target(o->w->core, slot, &v) && v.version_type == type && strcmp(v.serial_number, serial) == 0)
			return v.phase == PHASE_IN_SYNC || v.phase == PHASE_AHEAD || (v.desired[0] && world_version_rank(v.desired) + 1 != urgent);
	return true;
}

/* The words and leaves that a record of a target holds are those that were given. */
void observer_check_words(struct observer *o, const struct record *rec)
{
	struct seen_serial *s = observer_serial(o, rec->text[REC_TARGET_TEXT_SERIAL]);
	struct seen_counts *c = &s->counts[rec->number[REC_TARGET_VERSION_TYPE]];
	int approved = world_version_rank(rec->text[REC_TARGET_TEXT_APPROVED]) + 1;

	if ((rec->text[REC_TARGET_TEXT_HELD_BY][0] != '\0') != c->is_held)
		world_break(o->w, "rule 11", "%s is stored as %s, and is not", s->serial, c->is_held ? "not held" : "held");
	if (c->urgent && !rec->text[REC_TARGET_TEXT_URGENT][0] && is_urgency_over(o, s->serial, (enum version_type)rec->number[REC_TARGET_VERSION_TYPE], c))
		c->urgent = 0;
	if (world_version_rank(rec->text[REC_TARGET_TEXT_URGENT]) + 1 != c->urgent)
		world_break(o->w, "rule 11", "%s %s is stored as urgent for \"%s\", %d", s->serial, version_type_names[rec->number[REC_TARGET_VERSION_TYPE]], rec->text[REC_TARGET_TEXT_URGENT], c->urgent);
	if (c->urgent && llabs(rec->number[REC_TARGET_URGENT_UNTIL] + o->w->boot_ns - c->urgent_until_ns) > SLACK)
		world_break(o->w, "rule 11", "%s is stored as urgent until %lld s, it should be %lld s", s->serial,
			    (long long)((rec->number[REC_TARGET_URGENT_UNTIL] + o->w->boot_ns) / NS_PER_S), (long long)(c->urgent_until_ns / NS_PER_S));
	if (approved != c->approved)
		check_change(o, s, rec);
	c->approved = approved;
}

static bool names_policy(const struct observer *o, const char *name, uint32_t *ret_policy)
{
	for (uint32_t i = 0; i < o->w->draft.n_policies; i++)
		if (strcmp(o->w->draft.policy_names[i], name) == 0) {
			*ret_policy = i;
			return true;
		}
	return false;
}

/* The place of the wave of that name; `otherwise` when the policy has none such. */
static uint32_t wave_named(const struct observer *o, uint32_t policy, const char *name, uint32_t otherwise)
{
	const struct world_policy *more = &o->w->applied->more[policy];

	for (uint32_t k = 0; k < more->n_waves; k++)
		if (strcmp(more->wave_names[k], name) == 0)
			return k;
	return otherwise;
}

/* The settings may be other ones than when it was stored; the names are of one length here. */
static uint32_t first_unpassed(const struct observer *o, uint32_t policy, const char *passed)
{
	const struct world_policy *more = &o->w->applied->more[policy];
	uint32_t k = 0;

	while (k < more->n_waves && strstr(passed, more->wave_names[k]))
		k++;
	return k;
}

void observer_check_rollout_record(struct observer *o, const struct record *rec)
{
	const struct seen_rollout *ro;
	uint32_t policy, wave;

	if (rec->is_removed || !names_policy(o, rec->text[REC_ROLLOUT_TEXT_POLICY], &policy))
		return;
	ro = observer_rollout(o, policy, (enum version_type)rec->number[REC_ROLLOUT_VERSION_TYPE], world_version_rank(rec->text[REC_ROLLOUT_TEXT_VERSION]));
	wave = wave_named(o, policy, rec->text[REC_ROLLOUT_TEXT_WAVE], o->w->applied->more[policy].n_waves);
	if ((rec->number[REC_ROLLOUT_HALT_CAUSE] != HALT_NONE) != ro->is_halted || wave != ro->wave)
		world_break(o->w, "rule 11", "a rollout of policy %u is stored at wave \"%s\", halted %lld; it is at %u, %d", policy,
			    rec->text[REC_ROLLOUT_TEXT_WAVE], (long long)rec->number[REC_ROLLOUT_HALT_CAUSE], ro->wave, ro->is_halted);
	if (rec->number[REC_ROLLOUT_FAILED] != ro->failed || rec->number[REC_ROLLOUT_ENDED] != ro->ended ||
	    rec->number[REC_ROLLOUT_FAILED_UNHEALTHY] != ro->unhealthy)
		world_break(o->w, "rule 9", "a rollout of policy %u is stored with %lld failed of %lld, %lld unhealthy; there were %u of %u, %u", policy,
			    (long long)rec->number[REC_ROLLOUT_FAILED], (long long)rec->number[REC_ROLLOUT_ENDED],
			    (long long)rec->number[REC_ROLLOUT_FAILED_UNHEALTHY], ro->failed, ro->ended, ro->unhealthy);
}

void observer_check_pause_record(struct observer *o, const struct record *rec)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_pauses; i++) {
		const struct seen_pause *p = &o->pauses[i];

		n += strcmp(p->policy, rec->text[REC_PAUSE_TEXT_POLICY]) == 0 && p->version == world_version_rank(rec->text[REC_PAUSE_TEXT_VERSION]) &&
		     p->type == rec->number[REC_PAUSE_VERSION_TYPE];
	}
	if ((n > 0) == rec->is_removed)
		world_break(o->w, "rule 11", "a pause of \"%s\" is %s, and %s", rec->text[REC_PAUSE_TEXT_POLICY], rec->is_removed ? "removed" : "stored",
			    n > 0 ? "holds" : "does not hold");
}

/* ---- after a restart ---- */

void observer_rollouts_begin(struct observer *o)
{
	o->n_rollouts = o->n_pauses = o->n_changes = 0;
	memset(o->gates, 0, sizeof(o->gates));
}

void observer_take_rollout(struct observer *o, const struct record *rec)
{
	struct seen_rollout *ro;
	uint32_t policy;

	if (!names_policy(o, rec->text[REC_ROLLOUT_TEXT_POLICY], &policy))
		return;
	ro = observer_rollout(o, policy, (enum version_type)rec->number[REC_ROLLOUT_VERSION_TYPE], world_version_rank(rec->text[REC_ROLLOUT_TEXT_VERSION]));
	ro->is_halted = rec->number[REC_ROLLOUT_HALT_CAUSE] != HALT_NONE;
	ro->wave = first_unpassed(o, policy, rec->text[REC_ROLLOUT_TEXT_PASSED]);
	ro->failed = (uint32_t)rec->number[REC_ROLLOUT_FAILED];
	ro->ended = (uint32_t)rec->number[REC_ROLLOUT_ENDED];
	ro->unhealthy = (uint32_t)rec->number[REC_ROLLOUT_FAILED_UNHEALTHY];
	ro->epoch = (uint32_t)rec->number[REC_ROLLOUT_EPOCH];
	ro->approved_wave = (int)wave_named(o, policy, rec->text[REC_ROLLOUT_TEXT_APPROVED], NONE);
}

void observer_take_pause(struct observer *o, const struct record *rec)
{
	observer_pause(o, rec->text[REC_PAUSE_TEXT_POLICY], world_version_rank(rec->text[REC_PAUSE_TEXT_VERSION]), (int)rec->number[REC_PAUSE_VERSION_TYPE]);
}

void observer_take_words(struct observer *o, const struct record *rec, int64_t approved_ns, int64_t urgent_until_ns)
{
	struct seen_serial *s = observer_serial(o, rec->text[REC_TARGET_TEXT_SERIAL]);
	struct seen_counts *c = &s->counts[rec->number[REC_TARGET_VERSION_TYPE]];
	uint32_t policy = 0;

	if (rec->number[REC_TARGET_APPROVED_AT] != INT64_MIN)
		add_change(o, s, (enum version_type)rec->number[REC_TARGET_VERSION_TYPE], NONE, approved_ns);
	c->is_held = rec->text[REC_TARGET_TEXT_HELD_BY][0] != '\0';
	c->urgent = world_version_rank(rec->text[REC_TARGET_TEXT_URGENT]) + 1;
	c->urgent_until_ns = urgent_until_ns;
	c->approved = world_version_rank(rec->text[REC_TARGET_TEXT_APPROVED]) + 1;
	c->ended_policy = names_policy(o, rec->text[REC_TARGET_TEXT_ENDED_POLICY], &policy) ? policy + 1 : 0;
	c->ended_version = world_version_rank(rec->text[REC_TARGET_TEXT_ENDED_VERSION]);
	c->ended_epoch = (uint32_t)rec->number[REC_TARGET_ENDED_EPOCH];
	c->ended_failed = rec->number[REC_TARGET_ENDED_REASON] != REASON_NONE;
}
