/*
 * A mistake does not spread (rule 13).
 *
 * Each target keeps the desired version that was approved for it last. When a pin, a catalogue or the mode makes that
 * another one, the target waits until the whole inventory of its account was seen. Then few changes are approved by
 * themselves, and many at once wait for an operator's word. What already runs its desired version needs no leave.
 */
#include "internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_LINK offsetof(struct target, place)
#define DAY_NS (24 * HOUR_NS)
#define CHANGES_FREE 10 /* so many a day need no approval, however small the fleet is */

static uint32_t account_of(const struct reconcile *r, const struct target *t)
{
	uint32_t scope = target_instance(r, t)->scope;

	return scope == NONE ? NONE : r->scopes[scope]->account;
}

static uint32_t change_ensure(struct reconcile *r, uint32_t account, enum version_type type, uint32_t version)
{
	uint32_t free_place = NONE;

	for (uint32_t i = 0; i < r->n_changes; i++) {
		const struct change *c = &r->changes[i];

		if (c->version == version && c->account == account && c->version_type == type)
			return i;
		if (c->version == 0 && free_place == NONE)
			free_place = i;
	}
	if (free_place == NONE) {
		if (!grow(r, &r->changes, r->n_changes, &r->cap_changes, sizeof(*r->changes)))
			return NONE;
		free_place = r->n_changes++;
	}
	r->changes[free_place] = (struct change){ .account = account, .version = version, .version_type = type, .waiting = { NONE, NONE } };
	return free_place;
}

static void approve(struct reconcile *r, uint32_t slot, uint32_t version, int64_t at_ns)
{
	struct target *t = target_at(r, slot);

	t->approved = version;
	t->approved_ns = at_ns;
	memory_target(r, slot);
}

void approval_look(struct reconcile *r, uint32_t slot, bool is_behind)
{
	struct target *t = target_at(r, slot);
	uint32_t desired = target_desired(t), account = account_of(r, t);
	uint32_t counted = desired && t->reported ? account : NONE; /* a Dpi target that nobody saw may not be there at all */

	if (t->counted_account != counted) {
		if (t->counted_account != NONE)
			r->accounts[t->counted_account]->managed--;
		t->counted_account = counted;
		if (t->counted_account != NONE)
			r->accounts[t->counted_account]->managed++;
		r->is_change_to_check = true;
	}
	if (desired && t->approved != desired && t->reported == desired)
		approve(r, slot, desired, t->approved_ns); /* there is nothing to do for it */
	if (is_behind && account != NONE && target_needs_approval(r, t)) {
		uint32_t change = change_ensure(r, account, (enum version_type)t->version_type, desired);

		if (change == NONE || (t->place_kind == PLACE_APPROVAL && t->placed_in == change))
			return;
		pacing_leave(r, slot);
		list_append(&r->targets, &r->changes[change].waiting, slot, PLACE_LINK);
		r->changes[change].n++;
		t->place_kind = PLACE_APPROVAL;
		t->placed_in = change;
		r->is_change_to_check = true;
	} else if (t->place_kind == PLACE_APPROVAL) {
		pacing_leave(r, slot);
	}
}

void approval_leave(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);
	struct change *c = &r->changes[t->placed_in];

	list_remove(&r->targets, &c->waiting, slot, PLACE_LINK);
	c->n--;
	t->place_kind = PLACE_NOWHERE;
	r->is_change_to_check = true;
}

/* ---- the budget of a day ---- */

static void changes_note(struct reconcile *r, struct account_state *a, int64_t at_ns)
{
	if (!grow(r, &a->changes, a->n_changes, &a->cap_changes, sizeof(*a->changes)))
		return;
	a->changes[a->n_changes++] = at_ns;
	a->is_changes_sorted = false; /* those of an earlier life come in any order */
}

static int by_time(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* How many there are; after it the oldest is the first. */
static uint32_t changes_recent(const struct reconcile *r, struct account_state *a)
{
	uint32_t old = 0;

	if (!a->is_changes_sorted && a->n_changes > 0)
		qsort(a->changes, a->n_changes, sizeof(*a->changes), by_time);
	a->is_changes_sorted = true;
	while (old < a->n_changes && r->now_ns - a->changes[old] >= DAY_NS)
		old++;
	if (old > 0)
		memmove(a->changes, a->changes + old, (a->n_changes - old) * sizeof(*a->changes));
	a->n_changes -= old;
	return a->n_changes;
}

uint32_t approval_account(const struct reconcile *r, const struct target *t)
{
	uint32_t account = account_of(r, t);

	return account == NONE ? 0 : r->accounts[account]->name;
}

void approval_restored(struct reconcile *r, const struct remembered *m)
{
	for (uint32_t i = 0; i < r->n_accounts; i++)
		if (r->accounts[i]->name == m->account && m->approved_ns != NEVER && r->now_ns - m->approved_ns < DAY_NS)
			changes_note(r, r->accounts[i], m->approved_ns);
}

static double radius_of(const struct reconcile *r, uint32_t account)
{
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (r->scopes[i]->account == account)
			return r->settings->scopes[i].blast_radius;
	return 0.0;
}

static bool is_within_budget(const struct reconcile *r, uint32_t account, uint32_t n)
{
	double share = radius_of(r, account) * (double)r->accounts[account]->managed;

	n += changes_recent(r, r->accounts[account]);
	return n <= CHANGES_FREE || (double)n <= share + 1e-9;
}

/* ---- leave ---- */

static void change_grant(struct reconcile *r, struct change *c, int64_t at_ns)
{
	uint32_t index = (uint32_t)(c - r->changes);

	while (r->changes[index].waiting.head != NONE && !r->is_out_of_memory) {
		uint32_t slot = r->changes[index].waiting.head;

		if (at_ns != NEVER)
			changes_note(r, r->accounts[r->changes[index].account], at_ns);
		approve(r, slot, r->changes[index].version, at_ns);
		pacing_leave(r, slot);
		device_update(r, target_at(r, slot)->device);
	}
}

static void change_tell(struct reconcile *r, struct change *c, bool is_waiting)
{
	struct action *a;

	if (c->is_told == is_waiting)
		return;
	c->is_told = is_waiting;
	a = plan_add(r, ACTION_TELL_APPROVAL);
	a->version_type = c->version_type;
	a->to = strings_text(&r->strings, c->version);
	a->count = is_waiting ? c->n : 0;
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (r->scopes[i]->account == c->account)
			a->scope = i;
}

static bool account_is_seen(const struct reconcile *r, uint32_t account)
{
	for (uint32_t i = 0; i < r->n_scopes; i++)
		if (r->scopes[i]->account == account && !scope_is_seen(r->scopes[i]))
			return false;
	return true;
}

static void account_check(struct reconcile *r, uint32_t account)
{
	struct account_state *a = r->accounts[account];
	uint32_t n = 0;
	bool is_free;

	for (uint32_t i = 0; i < r->n_changes; i++)
		n += r->changes[i].version && r->changes[i].account == account ? r->changes[i].n : 0;
	if (n > 0 && !account_is_seen(r, account)) {
		r->is_change_to_check = true; /* when its listing has ended */
		return;
	}
	is_free = n > 0 && is_within_budget(r, account, n);
	for (uint32_t i = 0; i < r->n_changes && !r->is_out_of_memory; i++) {
		if (!r->changes[i].version || r->changes[i].account != account)
			continue;
		if (is_free)
			change_grant(r, &r->changes[i], r->now_ns);
		change_tell(r, &r->changes[i], r->changes[i].n > 0);
		if (r->changes[i].n == 0)
			r->changes[i].version = 0;
	}
	if (n > 0 && !is_free && a->n_changes > 0)
		earlier_timer(r, &a->timer, a->changes[0] + DAY_NS); /* a change leaves the day */
	r->is_change_to_check |= n > 0 && !is_free && a->n_changes > 0;
}

void approvals_check(struct reconcile *r)
{
	if (!r->is_change_to_check || !r->is_restored || !r->settings->is_enforcing)
		return;
	r->is_change_to_check = false;
	for (uint32_t account = 0; account < r->n_accounts && !r->is_out_of_memory; account++)
		account_check(r, account);
}

uint32_t approval_grant(struct reconcile *r, uint32_t account, enum version_type type, uint32_t version, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_changes; i++)
		if (r->changes[i].version == version && r->changes[i].account == account && r->changes[i].version_type == type)
			n += r->changes[i].n;
	if (n == 0 || n > count)
		return n;
	for (uint32_t i = 0; i < r->n_changes && !r->is_out_of_memory; i++)
		if (r->changes[i].version == version && r->changes[i].account == account && r->changes[i].version_type == type)
			change_grant(r, &r->changes[i], NEVER);
	r->is_change_to_check = true;
	return n;
}

uint32_t reconcile_approvals(const struct reconcile *r)
{
	return r->n_changes;
}

bool reconcile_approval(const struct reconcile *r, uint32_t i, struct approval_view *ret_view)
{
	const struct change *c = i < r->n_changes ? &r->changes[i] : NULL;

	if (!c || !c->version || c->n == 0)
		return false;
	*ret_view = (struct approval_view){
		.account = strings_text(&r->strings, r->accounts[c->account]->name),
		.version = strings_text(&r->strings, c->version),
		.version_type = c->version_type,
		.count = c->n,
		.managed = r->accounts[c->account]->managed,
	};
	return true;
}

void approval_deinit(struct reconcile *r)
{
	free(r->changes);
	for (uint32_t i = 0; i < r->n_accounts; i++)
		free(r->accounts[i]->changes);
}
