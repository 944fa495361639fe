/*
 * Which reads are asked for, and when: listings, DPI versions, follow-ups, fresh and verify reads.
 *
 * Of one instance one read is under way at a time, and of one scope one listing; what is wanted meanwhile waits
 * for the answer. A failed read changes nothing but when it is tried again.
 */
#include "internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_LINK offsetof(struct instance, seen)
#define DPI_LINK offsetof(struct instance, dpi)

/* ---- requests ---- */

static struct request *request_new(struct reconcile *r, uint32_t instance)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q || !grow(r, &r->requests, r->n_requests, &r->cap_requests, sizeof(struct request *))) {
		r->is_out_of_memory = true;
		free(q);
		return NULL;
	}
	q->ticket = ++r->tickets;
	q->target = q->catalogue = NONE;
	if (instance != NONE) {
		q->slots[0] = instance;
		q->born[0] = instance_at(r, instance)->born;
		q->n = 1;
	}
	r->requests[r->n_requests++] = q;
	return q;
}

/* Takes it out; the caller frees it. */
static struct request *request_take(struct reconcile *r, uint64_t ticket)
{
	uint32_t low = 0, high = r->n_requests;
	struct request *q;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (r->requests[middle]->ticket < ticket)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == r->n_requests || r->requests[low]->ticket != ticket)
		return NULL;
	q = r->requests[low];
	r->n_requests--;
	memmove(r->requests + low, r->requests + low + 1, (r->n_requests - low) * sizeof(*r->requests));
	return q;
}

static struct request *read_ask(struct reconcile *r, uint32_t instance, uint32_t target, enum read_purpose purpose)
{
	struct request *q = request_new(r, instance);
	struct action *a;

	if (!q)
		return NULL;
	q->purpose = purpose;
	q->target = target;
	a = plan_add(r, ACTION_READ);
	a->ticket = q->ticket;
	a->scope = instance_at(r, instance)->scope;
	a->instance = instance;
	a->target = target;
	a->purpose = purpose;
	if (purpose != READ_CATALOGUE)
		instance_at(r, instance)->is_reading = true;
	return q;
}

static void precheck_ask(struct reconcile *r, uint32_t instance)
{
	instance_at(r, instance)->is_fresh_wanted = false;
	read_ask(r, instance, instance_at(r, instance)->precheck, READ_FRESH);
}

void schedule_precheck(struct reconcile *r, uint32_t target)
{
	uint32_t instance = device_at(r, target_at(r, target)->device)->instance;

	if (instance_at(r, instance)->is_reading)
		instance_at(r, instance)->is_fresh_wanted = true;
	else
		precheck_ask(r, instance);
}

void schedule_verify(struct reconcile *r, struct intent *in)
{
	uint32_t instance = device_at(r, target_at(r, in->target)->device)->instance;
	struct request *q;

	in->is_verifying = true;
	in->is_verify_wanted = instance_at(r, instance)->is_reading || instance_at(r, instance)->scope == NONE;
	if (in->is_verify_wanted)
		return;
	q = read_ask(r, instance, in->target, READ_VERIFY);
	if (q)
		q->intent = in->id;
}

void schedule_catalogue(struct reconcile *r, uint32_t target, uint32_t catalogue)
{
	struct request *q = read_ask(r, device_at(r, target_at(r, target)->device)->instance, target, READ_CATALOGUE);

	if (q)
		q->catalogue = catalogue;
}

static void verify_wanted(struct reconcile *r, const struct instance *inst)
{
	for (unsigned int k = 0; k < inst->n_devices; k++)
		for (unsigned int type = 0; inst->claims[k].device != NONE && type < VERSION_TYPE_N; type++) {
			uint32_t target = device_at(r, inst->claims[k].device)->targets[type];

			if (target != NONE && target_at(r, target)->intent && target_at(r, target)->intent->is_verify_wanted)
				schedule_verify(r, target_at(r, target)->intent);
		}
}

/* The read of these instances was answered: what waited for it goes now. */
static void request_end(struct reconcile *r, const struct request *q)
{
	for (uint32_t i = 0; i < q->n; i++) {
		struct instance *inst = instance_at(r, q->slots[i]);

		if (inst->born != q->born[i] || inst->is_leaving)
			continue;
		inst->is_reading = false;
		if (inst->is_fresh_wanted)
			precheck_ask(r, q->slots[i]);
		else if (inst->is_watched)
			verify_wanted(r, inst);
	}
}

/* ---- staleness ---- */

static int64_t stale_after_ns(const struct reconcile *r, uint32_t scope)
{
	int64_t interval = r->settings->scopes[scope].poll_interval_ns;

	if (r->scopes[scope]->list_duration_ns > interval)
		interval = r->scopes[scope]->list_duration_ns;
	return interval * STALE_INTERVALS;
}

/* The timer may come too early, for one that was seen since: it then looks for the next. */
static void stale_timer(struct reconcile *r, uint32_t scope)
{
	struct scope_state *s = r->scopes[scope];
	int64_t after_ns = stale_after_ns(r, scope);

	for (uint32_t n = 0; s->seen.head != NONE; n++) {
		uint32_t slot = s->seen.head;
		struct instance *inst = instance_at(r, slot);

		if (inst->read_ns + after_ns > r->now_ns || n == SLICE) {
			set_timer(r, &s->stale_timer, n == SLICE ? r->now_ns + SLICE_PAUSE_NS : inst->read_ns + after_ns);
			return;
		}
		list_remove(&r->instances, &s->seen, slot, SEEN_LINK);
		inst->is_stale = true;
		instance_update(r, slot);
	}
}

void schedule_seen(struct reconcile *r, uint32_t slot)
{
	struct instance *inst = instance_at(r, slot);
	struct scope_state *s = inst->scope == NONE ? NULL : r->scopes[inst->scope];

	if (!s)
		return;
	if (!inst->is_stale)
		list_remove(&r->instances, &s->seen, slot, SEEN_LINK);
	inst->is_stale = false;
	list_append(&r->instances, &s->seen, slot, SEEN_LINK);
	if (s->stale_timer.place == 0)
		set_timer(r, &s->stale_timer, inst->read_ns + stale_after_ns(r, inst->scope));
}

/* ---- listings ---- */

static void list_ask(struct reconcile *r, uint32_t scope)
{
	struct scope_state *s = r->scopes[scope];
	struct action *a = plan_add(r, ACTION_LIST);

	a->scope = scope;
	s->is_listing = true;
	s->list_asked_ns = r->now_ns;
}

void schedule_scope(struct reconcile *r, uint32_t scope)
{
	struct scope_state *s = r->scopes[scope];

	if (!s->is_listing && s->list_timer.place == 0)
		list_ask(r, scope);
	else if (!s->is_listing)
		earlier_timer(r, &s->list_timer, s->list_asked_ns + r->settings->scopes[scope].poll_interval_ns);
	if (s->first_complete_ns != NEVER && !pacing_is_settled(r, s))
		set_timer(r, &s->wake_timer, s->first_complete_ns + r->longest_deadline_ns);
	stale_timer(r, scope); /* the interval may be shorter now */
	auto_scope(r, scope);
}

void schedule_listed(struct reconcile *r, const struct event *ev)
{
	uint32_t scope = ev->listing.scope;
	struct scope_state *s = r->scopes[scope];
	int64_t poll_ns = r->settings->scopes[scope].poll_interval_ns, next_ns;

	s->is_listing = false;
	if (ev->listing.is_complete) {
		s->list_failures = 0;
		s->list_duration_ns = r->now_ns - ev->listing.started_ns;
		if (s->list_duration_ns > LIST_DURATION_MAX_NS)
			s->list_duration_ns = LIST_DURATION_MAX_NS; /* or facts would never be stale again */
		fleet_sweep(r, scope, s->listing, ev->listing.started_ns);
		next_ns = s->list_asked_ns + poll_ns;
		if (s->first_complete_ns == NEVER) {
			s->first_complete_ns = r->now_ns;
			set_timer(r, &s->wake_timer, r->now_ns + r->longest_deadline_ns);
			catalogues_ask(r); /* what an earlier life knew may be old */
		}
	} else {
		next_ns = r->now_ns + backoff_ns(LIST_RETRY_NS, poll_ns, s->list_failures++);
	}
	s->listing++;
	set_timer(r, &s->list_timer, next_ns);
}

void schedule_unlink(struct reconcile *r, uint32_t slot)
{
	struct instance *inst = instance_at(r, slot);
	struct scope_state *s = inst->scope == NONE ? NULL : r->scopes[inst->scope];

	if (!s)
		return;
	if (!inst->is_stale)
		list_remove(&r->instances, &s->seen, slot, SEEN_LINK);
	inst->is_stale = true;
	if (inst->dpi_list != DPI_LIST_NONE) {
		list_remove(&r->instances, inst->dpi_list == DPI_LIST_FIRST ? &s->dpi_first : &s->dpi_regular, slot, DPI_LINK);
		s->n_dpi--;
	}
	inst->dpi_list = DPI_LIST_NONE;
}

/* ---- DPI versions ---- */

static void dpi_move(struct reconcile *r, uint32_t slot, enum dpi_list to)
{
	struct instance *inst = instance_at(r, slot);
	struct scope_state *s = r->scopes[inst->scope];

	if (inst->dpi_list != DPI_LIST_NONE)
		list_remove(&r->instances, inst->dpi_list == DPI_LIST_FIRST ? &s->dpi_first : &s->dpi_regular, slot, DPI_LINK);
	inst->dpi_list = (uint8_t)to;
	if (to != DPI_LIST_NONE)
		list_append(&r->instances, to == DPI_LIST_FIRST ? &s->dpi_first : &s->dpi_regular, slot, DPI_LINK);
}

/* The shortest time between two DPI reads of a scope. */
static int64_t dpi_gentle_ns(const struct reconcile *r, uint32_t scope)
{
	double ns = (double)(DPI_SHARE_OF_CALLS * NS_PER_S) / r->settings->scopes[scope].calls_per_second;

	return ns < 1.0 ? 1 : ns > (double)HOUR_NS ? HOUR_NS : (int64_t)ns;
}

/* The time between two regular ones, so that all are read once in an interval. */
static int64_t dpi_pace_ns(const struct reconcile *r, uint32_t scope)
{
	int64_t n = r->scopes[scope]->n_dpi > 0 ? r->scopes[scope]->n_dpi : 1;
	int64_t pace = (r->settings->scopes[scope].dpi_poll_interval_ns + n - 1) / n, gentle = dpi_gentle_ns(r, scope);

	return pace > gentle ? pace : gentle;
}

static int64_t after(int64_t since_ns, int64_t delay_ns, int64_t now_ns)
{
	return since_ns == NEVER || since_ns + delay_ns < now_ns ? now_ns : since_ns + delay_ns;
}

static int64_t dpi_first_due(const struct reconcile *r, uint32_t scope)
{
	const struct scope_state *s = r->scopes[scope];
	int64_t delay = backoff_ns(dpi_gentle_ns(r, scope), DPI_RETRY_MAX_NS, s->dpi_failures);

	return s->dpi_first.head == NONE ? INT64_MAX : after(s->dpi_asked_ns, delay, r->now_ns);
}

static int64_t dpi_regular_due(const struct reconcile *r, uint32_t scope)
{
	const struct scope_state *s = r->scopes[scope];
	int64_t gently = after(s->dpi_asked_ns, dpi_gentle_ns(r, scope), r->now_ns);

	return s->dpi_regular.head == NONE ? INT64_MAX : after(s->dpi_regular_ns, dpi_pace_ns(r, scope), gently);
}

static void dpi_arm(struct reconcile *r, uint32_t scope)
{
	int64_t first = dpi_first_due(r, scope), regular = dpi_regular_due(r, scope);

	set_timer(r, &r->scopes[scope]->dpi_timer, first < regular ? first : regular);
}

/* An interval is at least what one round takes: a large fleet at few calls a second is slower than its settings. */
int64_t schedule_dpi_round_ns(const struct reconcile *r, uint32_t scope)
{
	int64_t interval = r->settings->scopes[scope].dpi_poll_interval_ns, round = dpi_gentle_ns(r, scope) * r->scopes[scope]->n_dpi;

	return interval > round ? interval : round;
}

int64_t schedule_dpi_stale_ns(const struct reconcile *r, const struct device *d)
{
	const struct instance *inst = instance_at(r, d->instance);

	if (inst->dpi_list == DPI_LIST_NONE || d->dpi_read_ns == NEVER)
		return INT64_MAX;
	return d->dpi_read_ns + schedule_dpi_round_ns(r, inst->scope) * STALE_INTERVALS;
}

/* Has it a device of its own whose DPI version nobody knows, or not any more? */
static bool dpi_is_missing(const struct reconcile *r, uint32_t slot)
{
	const struct instance *inst = instance_at(r, slot);

	for (unsigned int k = 0; k < inst->n_devices; k++) {
		const struct device *d = inst->claims[k].device == NONE ? NULL : device_at(r, inst->claims[k].device);

		if (d && d->instance == slot && (d->dpi_read_ns == NEVER || r->now_ns >= schedule_dpi_stale_ns(r, d)))
			return true;
	}
	return false;
}

void schedule_dpi(struct reconcile *r, uint32_t slot)
{
	struct instance *inst = instance_at(r, slot);
	bool is_wanted = inst->scope != NONE && (inst->claims[0].device != NONE || inst->claims[1].device != NONE) &&
			 inst->pin != PIN_NONE && r->pin_versions[inst->pin][VERSION_TYPE_DPI];

	if (!is_wanted && inst->dpi_list != DPI_LIST_NONE) {
		r->scopes[inst->scope]->n_dpi--;
		dpi_move(r, slot, DPI_LIST_NONE);
	}
	if (!is_wanted)
		return;
	if (inst->dpi_list == DPI_LIST_NONE) {
		r->scopes[inst->scope]->n_dpi++;
		dpi_move(r, slot, DPI_LIST_REGULAR);
	}
	if (inst->dpi_list == DPI_LIST_REGULAR && dpi_is_missing(r, slot))
		dpi_move(r, slot, DPI_LIST_FIRST);
	dpi_arm(r, inst->scope);
}

void schedule_dpi_read(struct reconcile *r, uint32_t slot)
{
	if (instance_at(r, slot)->dpi_list != DPI_LIST_NONE)
		dpi_move(r, slot, DPI_LIST_REGULAR);
}

/* Both lists take turns when both are due, so that neither waits for the other for ever. */
static void dpi_timer(struct reconcile *r, uint32_t scope)
{
	struct scope_state *s = r->scopes[scope];
	bool is_first_due = dpi_first_due(r, scope) <= r->now_ns;
	bool is_regular = dpi_regular_due(r, scope) <= r->now_ns && (!is_first_due || s->is_dpi_turn_regular);
	uint32_t slot = is_regular ? s->dpi_regular.head : is_first_due ? s->dpi_first.head : NONE;

	if (slot != NONE) {
		struct instance *inst = instance_at(r, slot);

		s->is_dpi_turn_regular = !is_regular;
		s->dpi_asked_ns = r->now_ns;
		if (is_regular)
			s->dpi_regular_ns = r->now_ns;
		dpi_move(r, slot, (enum dpi_list)inst->dpi_list); /* to the end of it */
		if (!inst->is_reading && !inst->is_stale)
			read_ask(r, slot, NONE, READ_DPI);
		else if (!is_regular)
			s->dpi_failures++;
	}
	dpi_arm(r, scope);
}

/* Who is still in the first list was not told of: a region that is down is not asked again and again at full pace. */
static void dpi_answered(struct reconcile *r, uint32_t slot)
{
	const struct instance *inst = instance_at(r, slot);
	struct scope_state *s = inst->scope == NONE ? NULL : r->scopes[inst->scope];

	if (!s || inst->dpi_list == DPI_LIST_NONE)
		return;
	s->dpi_failures = inst->dpi_list == DPI_LIST_FIRST ? s->dpi_failures + 1 : 0;
	dpi_arm(r, inst->scope);
}

/* ---- follow-ups ---- */

void schedule_follow(struct reconcile *r, const struct intent *in)
{
	uint32_t scope = target_instance(r, target_at(r, in->target))->scope;

	if (scope != NONE)
		earlier_timer(r, &r->scopes[scope]->follow_timer, in->next_follow_ns);
}

static int by_slot(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static void follow_ask(struct reconcile *r, uint32_t scope, const uint32_t *slots, uint32_t n)
{
	struct request *q = request_new(r, NONE);
	struct action *a;

	if (!q)
		return;
	q->is_follow = true;
	q->n = n;
	memcpy(q->slots, slots, n * sizeof(*slots));
	for (uint32_t i = 0; i < n; i++)
		q->born[i] = instance_at(r, slots[i])->born;
	a = plan_add(r, ACTION_FOLLOW);
	a->ticket = q->ticket;
	a->scope = scope;
	a->instances = q->slots;
	a->n_instances = n;
}

/* By list, with those noted so far, or by itself. */
static uint32_t follow_one(struct reconcile *r, const struct intent *in, uint32_t *slots, uint32_t n)
{
	const struct target *t = target_at(r, in->target);
	uint32_t slot = device_at(r, t->device)->instance;

	if (instance_at(r, slot)->is_reading)
		return n;
	instance_at(r, slot)->is_reading = true;
	if (t->version_type == VERSION_TYPE_DPI)
		read_ask(r, slot, in->target, READ_DPI);
	else
		slots[n++] = slot;
	return n;
}

/* Notes who is to be followed by list, and asks for the others one by one. Returns how many, and when the next are due. */
static uint32_t follow_collect(struct reconcile *r, uint32_t scope, uint32_t *slots, int64_t *ret_next_ns)
{
	uint32_t n = 0;

	*ret_next_ns = INT64_MAX;
	for (uint32_t i = 0; i < r->n_intents; i++) {
		struct intent *in = r->intents[i];

		if (!intent_is_sent(in) || target_instance(r, target_at(r, in->target))->scope != scope)
			continue;
		if (in->next_follow_ns <= r->now_ns + intent_follow_interval(in) / 2) { /* soon enough to go along */
			in->next_follow_ns = r->now_ns + intent_follow_interval(in);
			n = follow_one(r, in, slots, n);
		}
		if (in->next_follow_ns < *ret_next_ns)
			*ret_next_ns = in->next_follow_ns;
	}
	return n;
}

static void follow_timer(struct reconcile *r, uint32_t scope)
{
	uint32_t *slots = malloc((r->n_intents + 1) * sizeof(*slots));
	int64_t next_ns;
	uint32_t n;

	if (!slots) {
		r->is_out_of_memory = true;
		return;
	}
	n = follow_collect(r, scope, slots, &next_ns);
	qsort(slots, n, sizeof(*slots), by_slot);
	for (uint32_t i = 0; i < n; i += LIMIT_PAGE)
		follow_ask(r, scope, slots + i, n - i < LIMIT_PAGE ? n - i : LIMIT_PAGE);
	free(slots);
	set_timer(r, &r->scopes[scope]->follow_timer, next_ns);
}

void schedule_timer(struct reconcile *r, enum timer_kind kind, uint32_t scope)
{
	switch ((int)kind) {
	case TIMER_SCOPE_LIST:
		list_ask(r, scope);
		break;
	case TIMER_SCOPE_STALE:
		stale_timer(r, scope);
		break;
	case TIMER_SCOPE_DPI:
		dpi_timer(r, scope);
		break;
	case TIMER_SCOPE_FOLLOW:
		follow_timer(r, scope);
		break;
	default:
		break;
	}
}

/* ---- answers ---- */

static bool is_alive(const struct reconcile *r, const struct request *q)
{
	const struct instance *inst = instance_at(r, q->slots[0]);

	return inst->born == q->born[0] && !inst->is_leaving;
}

/* What the fresh read says against a start; WAIT_NONE when nothing. */
static enum wait precheck_verdict(const struct reconcile *r, const struct target *t, const struct observation *o, int64_t read_ns)
{
	const char *serial = device_at(r, t->device)->serial_number;
	bool is_there = false, is_healthy = true;

	for (unsigned int i = 0; i < o->n_devices; i++) {
		const struct device_observation *d = &o->devices[i];

		if (strcmp(d->serial_number, serial) == 0) {
			const char *version = t->version_type == VERSION_TYPE_DPI ? d->dpi_version : d->version;

			/* only what this very read shows may be called upon */
			is_there = version && d->status == STATUS_ACTIVE && strcmp(version, strings_text(&r->strings, t->reported)) == 0;
		}
		is_healthy &= d->controller != HEALTH_ABNORMAL && d->vpn != HEALTH_ABNORMAL;
	}
	if (!is_there || o->status != STATUS_ACTIVE || r->now_ns - read_ns > FRESH_MAX_AGE_NS)
		return WAIT_UNSENT;
	return is_healthy ? WAIT_NONE : WAIT_DEGRADED;
}

static void take_roles(struct reconcile *r, uint32_t slot, const struct observation *o)
{
	struct instance *inst = instance_at(r, slot);

	for (unsigned int k = 0; k < inst->n_devices; k++)
		for (unsigned int i = 0; i < o->n_devices && inst->claims[k].device != NONE; i++)
			if (strcmp(o->devices[i].serial_number, device_at(r, inst->claims[k].device)->serial_number) == 0)
				inst->role[k] = (uint8_t)o->devices[i].ha_role;
}

/* What it is to become may have changed since it was looked at: a large fleet is gone through in slices. */
static void look_up_again(struct reconcile *r, uint32_t instance, const struct target *t)
{
	uint32_t desired = t->desired, next = t->next;

	device_look_up(r, device_at(r, t->device));
	if (t->desired != desired || t->next != next)
		instance_update(r, instance);
}

/* Everything is looked at once more with the fresh facts; only then an intent is made. */
static void precheck_fresh(struct reconcile *r, const struct request *q, const struct observation *o, int64_t read_ns)
{
	uint32_t slot = q->slots[0], probe;
	struct instance *inst = instance_at(r, slot);
	struct target *t;
	enum wait verdict;

	fleet_observe_one(r, slot, o, read_ns);
	take_roles(r, slot, o);
	if (inst->precheck != q->target || r->is_out_of_memory)
		return;
	t = target_at(r, q->target);
	verdict = precheck_verdict(r, t, o, read_ns);
	if (verdict == WAIT_NONE && t->wait == WAIT_DEGRADED)
		target_clear_wait(t);
	look_up_again(r, slot, t);
	precheck_end(r, slot);
	if (verdict == WAIT_NONE && stand_of(r, q->target).is_ready && pacing_may_start(r, inst->scope, &probe) &&
	    pacing_allows(r, q->target) && pacing_has_room(r, q->target)) {
		pacing_leave(r, q->target);
		intent_create(r, q->target, read_ns, probe);
		return;
	}
	if (verdict == WAIT_DEGRADED)
		target_wait(r, t, WAIT_DEGRADED, REASON_DEGRADED);
	else if (verdict == WAIT_UNSENT)
		target_wait(r, t, WAIT_UNSENT, REASON_PRECHECK);
	instance_update(r, slot);
}

static void precheck_failed(struct reconcile *r, const struct request *q, bool is_instance_gone)
{
	struct instance *inst = instance_at(r, q->slots[0]);
	struct target *t;

	if (inst->precheck != q->target)
		return;
	t = target_at(r, q->target);
	precheck_end(r, q->slots[0]);
	if (is_instance_gone)
		target_wait(r, t, WAIT_BLOCKED, REASON_INVALID_INSTANCE);
	else
		target_wait(r, t, WAIT_UNSENT, REASON_PRECHECK);
	instance_update(r, q->slots[0]);
}

static void answer_fresh(struct reconcile *r, const struct request *q, const struct event *ev)
{
	const struct observation *o = ev->kind == EVENT_FRESH && ev->read.n > 0 ? ev->read.observations : NULL;
	struct intent *in;

	if (!is_alive(r, q))
		return;
	if (q->purpose == READ_FRESH) {
		if (o)
			precheck_fresh(r, q, o, ev->read.read_ns);
		else
			precheck_failed(r, q, ev->kind == EVENT_FRESH);
		return;
	}
	if (o)
		fleet_observe_one(r, q->slots[0], o, ev->read.read_ns);
	if (q->purpose == READ_DPI)
		dpi_answered(r, q->slots[0]);
	in = q->purpose == READ_VERIFY ? intent_find(r, q->intent) : NULL;
	if (in && o)
		intent_verified(r, in, o);
	else if (in)
		intent_verify_failed(r, in);
}

void schedule_answer(struct reconcile *r, const struct event *ev)
{
	uint64_t ticket = ev->kind == EVENT_READ_FAILED ? ev->failure.ticket :
			  ev->kind == EVENT_CATALOGUE	? ev->catalogue.ticket : ev->read.ticket;
	struct request *q = request_take(r, ticket);

	if (!q) {
		auto_read_failed(r, ticket); /* a read of the cloud's own upgrader has no request */
		return;
	}
	if (q->catalogue != NONE)
		catalogue_answer(r, q->catalogue, ev);
	else if (q->is_follow && ev->kind == EVENT_FOLLOWED && ev->read.scope < r->n_scopes)
		for (size_t i = 0; i < ev->read.n; i++)
			fleet_observe(r, ev->read.scope, &ev->read.observations[i], ev->read.read_ns, false);
	else if (!q->is_follow)
		answer_fresh(r, q, ev);
	if (q->catalogue == NONE)
		request_end(r, q);
	free(q);
}

void schedule_unasked(struct reconcile *r, uint64_t ticket)
{
	struct request *q = request_take(r, ticket);

	if (q && q->catalogue != NONE)
		catalogue_unasked(r, q->catalogue);
	free(q);
}

void schedule_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_requests; i++)
		free(r->requests[i]);
	free(r->requests);
}
