/* Each target counts in one wave of one rollout, by where it stands: what is judged of a wave is added up as things move. */
#include "internal.h"

static void count(struct reconcile *r, const struct counted *c, uint32_t by)
{
	struct rollout *ro;
	struct wave_state *w;

	if (c->rollout == NONE)
		return;
	ro = r->rollouts[c->rollout];
	w = &ro->waves[c->wave];
	w->phases[c->phase] += by; /* by is 1, or all ones: -1 */
	w->countable += c->is_countable ? by : 0;
	w->in_sync += c->is_in_sync ? by : 0;
	w->down += c->is_down ? by : 0;
	w->lost += c->is_lost ? by : 0;
	w->unapproved += c->is_unapproved ? by : 0;
	ro->n_targets += by;
	ro->n_behind += c->is_countable && c->phase != PHASE_IN_SYNC ? by : 0;
	rollout_to_check(r, ro);
}

void rollout_uncount(struct reconcile *r, uint32_t slot)
{
	struct target *t = target_at(r, slot);

	count(r, &t->counted, UINT32_MAX);
	t->counted = (struct counted){ .rollout = NONE };
}

/* Cannot be compared as long as the catalogue cannot be read: that is no fact (rule 8), and gives nothing up. */
static bool is_undecided(const struct reconcile *r, const struct target *t, struct stand s)
{
	const struct catalogue *c = catalogue_find(r, target_instance(r, t)->model, (enum version_type)t->version_type);

	return s.reason == REASON_INCOMPARABLE && c && c->read_ns == NEVER;
}

/* How it ended in its rollout since the last resume; NULL: it did not, or is under way again. */
static const struct ended *ended_here(const struct reconcile *r, const struct target *t)
{
	const struct rollout *ro = t->rollout == NONE ? NULL : r->rollouts[t->rollout];
	const struct ended *e = t->history ? &t->history->ended : NULL;

	return ro && e && !t->intent && e->version == ro->version && e->policy == r->policies[ro->policy]->name && e->epoch == ro->epoch
		   ? e
		   : NULL;
}

static bool is_same_count(const struct counted *a, const struct counted *b)
{
	return a->rollout == b->rollout && a->wave == b->wave && a->phase == b->phase && a->is_countable == b->is_countable &&
	       a->is_in_sync == b->is_in_sync && a->is_down == b->is_down && a->is_lost == b->is_lost &&
	       a->is_unapproved == b->is_unapproved;
}

void rollout_count(struct reconcile *r, uint32_t slot, struct stand s, bool is_countable)
{
	struct target *t = target_at(r, slot);
	const struct ended *ended = ended_here(r, t);
	struct counted now = { .rollout = t->rollout, .wave = t->wave, .phase = (uint8_t)s.phase };
	/* it has the version, and was unhealthy with it until its intent ended: no success before a resume */
	bool is_ill = ended && ended->reason == REASON_UNHEALTHY;

	/* offline after a call of ours is no excuse, as it is before one: a site that the upgrade killed holds its wave (rule 9) */
	if (ended && ended->reason != REASON_NONE && (s.phase == PHASE_UNKNOWN || (s.phase == PHASE_WAITING && s.reason == REASON_OFFLINE)))
		is_countable = true;
	is_countable = is_countable && s.phase != PHASE_AHEAD; /* it will never be in sync, and needs nothing */
	now.is_countable = is_countable;
	now.is_in_sync = is_countable && s.phase == PHASE_IN_SYNC && !is_ill;
	now.is_down = now.is_in_sync && ended && !target_is_online(r, t) && !target_is_held(r, t);
	now.is_lost = is_countable && ((s.phase == PHASE_FAILED && !is_undecided(r, t, s)) || is_ill);
	now.is_unapproved = s.phase == PHASE_WAITING && s.reason == REASON_APPROVAL;
	if (is_same_count(&now, &t->counted))
		return;
	rollout_uncount(r, slot);
	count(r, &now, 1);
	t->counted = now;
}
