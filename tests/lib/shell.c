/*
 * The shell's duties towards the core, done against the model cloud: each request leaves, is read or takes
 * effect at a time of its own, and its one answer comes later, or says that it failed.
 *
 * Guarantees one answer for every LIST, FOLLOW, READ, STORE and UPGRADE. Decides nothing.
 */
#include "world_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int64_t shell_soon(struct world *w)
{
	return w->now_ns + world_between(w, NS_PER_MS, w->faults.latency_ns);
}

/* ---- what a read shows ---- */

static const char *const status_texts[STATUS_N] = {"Active", "Offline", "Arrearage", "Ordered"};

static enum status device_status(const struct world_box *box, unsigned int i)
{
	if (box->status != STATUS_ACTIVE)
		return box->status;
	return i < box->n_devices && !box->devices[i].is_online ? STATUS_OFFLINE : STATUS_ACTIVE;
}

static const char *version_text(int version)
{
	return version < 0 ? "" : world_versions[version];
}

enum detail {
	DETAIL_LIST, /* no DPI version, no role, no health */
	DETAIL_ATTRIBUTE,
};

/* `serial`: the device whose health is told, or NULL. */
static void take(const struct world *w, struct reading *reading, const struct world_box *box, enum detail detail, const char *serial)
{
	struct snapshot *s;

	if (reading->n == reading->size) {
		reading->size = reading->size ? reading->size * 2 : 4;
		reading->snapshots = realloc(reading->snapshots, reading->size * sizeof(*s));
		assert(reading->snapshots);
	}
	s = &reading->snapshots[reading->n++];
	*s = (struct snapshot){.read_ns = w->now_ns, .o = {.is_status_known = true, .status = device_status(box, 0), .n_devices = box->n_devices}};
	s->box = (uint32_t)(box - w->boxes);
	memcpy(s->id, box->id, sizeof(s->id));
	memcpy(s->name, box->name, sizeof(s->name));
	memcpy(s->model, box->model, sizeof(s->model));
	memcpy(s->city, box->city, sizeof(s->city));
	memcpy(s->resource_group, box->resource_group, sizeof(s->resource_group));
	s->o.has_attributes = detail == DETAIL_LIST || w->fresh_has_attributes;
	s->o.status_text = status_texts[s->o.status];
	s->o.ccn = box->is_bound ? "ccn" : "";
	for (unsigned int i = 0; i < box->n_devices; i++) {
		const struct world_device *d = &box->devices[i];
		struct device_observation *o = &s->o.devices[i];

		memcpy(s->serials[i], d->serial, sizeof(d->serial));
		o->version = version_text(d->version[VERSION_TYPE_DEVICE]);
		o->status = device_status(box, i);
		if (detail == DETAIL_LIST)
			continue;
		o->dpi_version = version_text(d->version[VERSION_TYPE_DPI]);
		o->ha_role = d->role;
		if (serial && strcmp(serial, d->serial) == 0) {
			o->controller = d->controller;
			o->vpn = d->vpn;
		}
	}
}

/* Points the observations at their snapshots' text, which may have moved; gives an array that the caller frees. */
static struct observation *spread(const struct reading *reading)
{
	struct observation *all = malloc((reading->n + 1) * sizeof(*all));

	assert(all);
	for (size_t i = 0; i < reading->n; i++) {
		struct snapshot *s = &reading->snapshots[i];

		all[i] = s->o;
		all[i].instance_id = s->id;
		all[i].name = s->name;
		all[i].model = s->model;
		all[i].city = s->city;
		all[i].resource_group = s->resource_group;
		for (unsigned int k = 0; k < all[i].n_devices; k++)
			all[i].devices[k].serial_number = s->serials[k];
	}
	return all;
}

static struct reading *reading_new(void)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	assert(reading);
	return reading;
}

/* ---- listings: pages at different times; complete only when all told the same total ---- */

static void end_listing(struct world *w, const struct job *from, int64_t at_ns, bool is_complete)
{
	struct job *end = world_plan(w, at_ns, JOB_PART);

	end->ev = (struct event){.kind = EVENT_LISTING_ENDED, .listing = {.scope = from->scope, .is_complete = is_complete, .started_ns = from->started_ns}};
}

/* Reads one page into the job's reading; gives the total that the page tells. */
static uint32_t read_page(struct world *w, struct job *job)
{
	uint32_t total = 0, first = job->page * w->page_size;

	if (w->is_unobserved) {
		for (uint32_t i = first; i < w->n_boxes && i < first + w->page_size; i++)
			take(w, job->reading, &w->boxes[i], DETAIL_LIST, NULL);
		return w->n_boxes;
	}
	for (uint32_t i = 0; i < w->n_boxes; i++) {
		const struct world_box *box = &w->boxes[i];

		if (!box->exists || box->scope != job->scope || world_chance(w, w->faults.listing_miss))
			continue;
		if (total >= first && total < first + w->page_size)
			take(w, job->reading, box, DETAIL_LIST, NULL);
		total++;
	}
	return total;
}

static bool has_twice(const struct world *w, const struct reading *reading)
{
	bool *is_in = calloc(w->n_boxes + 1, sizeof(*is_in)), is_twice = false;

	assert(is_in);
	for (size_t i = 0; i < reading->n; i++) {
		is_twice |= is_in[reading->snapshots[i].box];
		is_in[reading->snapshots[i].box] = true;
	}
	free(is_in);
	return is_twice;
}

static void deliver_listing(struct world *w, struct job *job)
{
	int64_t at_ns = shell_soon(w);

	if (has_twice(w, job->reading)) { /* pages shifted under it */
		end_listing(w, job, at_ns, false);
		return;
	}

	for (size_t i = 0; i < job->reading->n; i += w->page_size, at_ns += NS_PER_MS) {
		size_t n = job->reading->n - i < w->page_size ? job->reading->n - i : w->page_size;
		struct job *out = world_plan(w, at_ns, JOB_OBSERVED);

		out->ev = (struct event){.kind = EVENT_LISTED, .read = {.scope = job->scope, .read_ns = job->reading->snapshots[i].read_ns}};
		out->is_ok = true;
		out->reading = reading_new();
		out->reading->n = n;
		out->reading->snapshots = malloc(n * sizeof(*out->reading->snapshots));
		assert(out->reading->snapshots);
		memcpy(out->reading->snapshots, job->reading->snapshots + i, n * sizeof(*out->reading->snapshots));
	}
	end_listing(w, job, at_ns, true);
}

static void list_page(struct world *w, struct job *job)
{
	uint32_t total;
	struct job *next;

	if (!job->reading)
		job->reading = reading_new();
	total = read_page(w, job);
	if (job->page == 0)
		job->total = total;
	if (world_chance(w, w->faults.listing) || w->is_down[job->scope] || !w->is_usable[job->scope] || total != job->total) {
		end_listing(w, job, shell_soon(w), false);
	} else if ((job->page + 1) * w->page_size >= total) {
		deliver_listing(w, job);
	} else {
		next = world_plan(w, shell_soon(w), JOB_LIST_PAGE);
		next->scope = job->scope;
		next->total = job->total;
		next->started_ns = job->started_ns;
		next->page = job->page + 1;
		next->reading = job->reading;
		job->reading = NULL;
	}
}

/* ---- follow and single reads: they leave, are read, and answer or fail ---- */

static void fail_read(struct world *w, uint32_t scope, uint64_t ticket)
{
	static const enum error_class classes[] = {ERROR_CLASS_TRANSIENT, ERROR_CLASS_THROTTLED, ERROR_CLASS_ACCOUNT, ERROR_CLASS_BLOCKED};
	struct job *job = world_plan(w, shell_soon(w), JOB_PART);

	job->ev = (struct event){.kind = EVENT_READ_FAILED, .failure = {.ticket = ticket}};
	job->ev.failure.class = classes[world_draw(w, 8) < 5 ? 0 : world_draw(w, 4)];
	if (!w->is_usable[scope])
		job->ev.failure.class = ERROR_CLASS_ACCOUNT;
}

static bool is_read_lost(struct world *w, uint32_t scope)
{
	return w->is_down[scope] || !w->is_usable[scope] || world_chance(w, w->faults.read);
}

static struct job *plan_answer(struct world *w, struct job *from, enum event_kind kind)
{
	struct job *out = world_plan(w, shell_soon(w), JOB_OBSERVED);

	out->ev = (struct event){.kind = kind, .read = {.ticket = from->ev.read.ticket, .scope = from->scope, .read_ns = w->now_ns}};
	out->reading = reading_new();
	return out;
}

static void follow_read(struct world *w, struct job *job)
{
	struct job *out;

	if (is_read_lost(w, job->scope)) {
		fail_read(w, job->scope, job->ev.read.ticket);
		return;
	}
	out = plan_answer(w, job, EVENT_FOLLOWED);
	for (uint32_t i = 0; i < job->n_ids; i++) {
		const struct world_box *box = world_find_box(w, job->ids[i]);

		if (box && box->exists && box->scope == job->scope)
			take(w, out->reading, box, DETAIL_LIST, NULL);
	}
}

static void one_read(struct world *w, struct job *job)
{
	const struct world_box *box = world_find_box(w, job->id);
	struct job *out;

	if (is_read_lost(w, job->scope)) {
		fail_read(w, job->scope, job->ev.read.ticket);
		return;
	}
	if (job->purpose == READ_AUTO_UPGRADE) {
		upgrader_read(w, job);
		return;
	}
	out = plan_answer(w, job, job->purpose == READ_CATALOGUE ? EVENT_CATALOGUE : EVENT_FRESH);
	snprintf(out->id, sizeof(out->id), "%s", job->id);
	out->purpose = job->purpose;
	out->type = job->type;
	if (job->purpose != READ_CATALOGUE && box && box->exists && box->scope == job->scope)
		take(w, out->reading, box, DETAIL_ATTRIBUTE, job->purpose == READ_DPI ? NULL : job->serial);
}

static void deliver_catalogue(struct world *w, struct job *job)
{
	const struct world_box *box = world_find_box(w, job->id);
	unsigned int model = box && world_model_of(box->model) > 0 ? (unsigned int)world_model_of(box->model) : 0;
	const struct world_catalogue *c = &w->catalogues[model][job->type];
	struct catalogue_entry entries[VERSION_RANKED];
	uint64_t ticket = job->ev.read.ticket;
	size_t n = 0;

	for (int i = 0; i < VERSION_RANKED; i++)
		if (!world_chance(w, w->faults.catalogue_gap) && !(c->hidden >> i & 1u))
			entries[n++] = (struct catalogue_entry){.version = world_versions[i], .created_ms = world_created_ms(model, i), .is_release = !(c->beta >> i & 1u)};
	job->ev = (struct event){.kind = EVENT_CATALOGUE, .catalogue = {.ticket = ticket, .entries = entries, .n = n}};
	world_step(w, &job->ev);
}

static void deliver_observed(struct world *w, struct job *job)
{
	struct observation *all;

	if (job->ev.kind == EVENT_CATALOGUE) {
		deliver_catalogue(w, job);
		return;
	}
	if (job->ev.kind == EVENT_AUTO_UPGRADE) {
		upgrader_deliver(w, job);
		return;
	}
	all = spread(job->reading);
	job->ev.read.observations = all;
	job->ev.read.n = job->reading->n;
	world_step(w, &job->ev);
	free(all);
}

/* ---- the upgrade call ---- */

static void answer_call(struct world *w, uint64_t intent, int64_t sent_ns, enum call_outcome outcome, enum error_class class, enum reason reason)
{
	struct job *job = world_plan(w, shell_soon(w), JOB_PART);

	job->ev = (struct event){.kind = EVENT_CALLED, .called = {.intent = intent, .outcome = outcome, .class = class, .reason = reason, .sent_ns = sent_ns}};
}

static void call_leaves(struct world *w, struct job *job)
{
	int64_t sent = w->now_ns;
	uint64_t intent = job->ev.called.intent;
	struct job *next;

	if (w->now_ns > job->not_after_ns || world_chance(w, w->faults.not_sent)) {
		answer_call(w, intent, 0, CALL_NOT_SENT, ERROR_CLASS_NONE, REASON_NONE);
		return;
	}
	observer_leaves(w->observer, job->handle);
	next = world_plan(w, shell_soon(w), JOB_CALL_ARRIVES);
	next->handle = job->handle;
	next->ev.called.intent = intent;
	next->ev.called.sent_ns = sent;
	memcpy(next->id, job->id, sizeof(next->id));
	memcpy(next->serial, job->serial, sizeof(next->serial));
	next->scope = job->scope;
	next->type = job->type;
	next->version = job->version;
}

struct verdict {
	enum call_outcome outcome;
	enum error_class class;
	enum reason reason;
};

/* What the cloud itself would answer for a call that is in order or not. */
static struct verdict judge(const struct world *w, const struct job *job, const struct world_box *box, const struct world_device *d)
{
	if (!w->is_usable[job->scope])
		return (struct verdict){CALL_REFUSED, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS};
	if (!d || !box->exists || box->scope != job->scope)
		return (struct verdict){CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_INVALID_INSTANCE};
	if (box->status == STATUS_IN_ARREARS)
		return (struct verdict){CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_IN_ARREARS};
	if (box->status == STATUS_NOT_ACTIVATED)
		return (struct verdict){CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_NOT_ACTIVATED};
	if (!box->is_bound)
		return (struct verdict){CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_NOT_BOUND};
	if (d->is_upgrading)
		return (struct verdict){CALL_UNCONFIRMED, ERROR_CLASS_TERMINAL, REASON_NONE};
	if (!d->is_online)
		return (struct verdict){CALL_REFUSED, ERROR_CLASS_OFFLINE, REASON_OFFLINE};
	if (job->version <= d->version[job->type])
		return (struct verdict){CALL_REFUSED, ERROR_CLASS_TERMINAL, REASON_VERSION_TOO_OLD};
	return (struct verdict){CALL_ACCEPTED, ERROR_CLASS_NONE, REASON_NONE};
}

static struct verdict any_refusal(struct world *w)
{
	static const struct verdict refusals[] = {
		{CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_FORBIDDEN},
		{CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_IN_ARREARS},
		{CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_INVALID_INSTANCE},
		{CALL_REFUSED, ERROR_CLASS_BLOCKED, REASON_NOT_BOUND},
		{CALL_REFUSED, ERROR_CLASS_OFFLINE, REASON_OFFLINE},
		{CALL_REFUSED, ERROR_CLASS_TRANSIENT, REASON_NONE},
		{CALL_REFUSED, ERROR_CLASS_TERMINAL, REASON_VERSION_TOO_OLD},
		{CALL_REFUSED, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS},
	};

	return refusals[world_draw(w, sizeof(refusals) / sizeof(refusals[0]))];
}

/* How often the cloud hands out each fate; the rest is good. */
static enum fate draw_fate(struct world *w)
{
	uint64_t roll = world_draw(w, 1000);

	for (enum fate f = FATE_OLD; f < FATE_N; f++) {
		if (roll < w->faults.fate[f])
			return f;
		roll -= w->faults.fate[f];
	}
	return FATE_GOOD;
}

static void call_arrives(struct world *w, struct job *job)
{
	struct world_box *box = world_find_box(w, job->id);
	struct world_device *d = world_find_device(w, job->id, job->serial);
	struct verdict v = judge(w, job, box, d);
	bool is_lost = world_chance(w, w->faults.lost_request) || w->is_down[job->scope];

	if (is_lost)
		v = (struct verdict){CALL_UNCONFIRMED, ERROR_CLASS_NONE, REASON_NONE};
	else if (world_chance(w, w->faults.throttled))
		v = (struct verdict){CALL_REFUSED, ERROR_CLASS_THROTTLED, REASON_NONE};
	else if (world_chance(w, w->faults.refused))
		v = any_refusal(w);
	else if (world_chance(w, w->faults.unknown_code))
		v = (struct verdict){CALL_UNCONFIRMED, ERROR_CLASS_TERMINAL, REASON_NONE};
	if (!is_lost && d)
		d->deliveries++;
	if (v.outcome == CALL_ACCEPTED) {
		enum fate fate = draw_fate(w);

		if (fate == FATE_OLD)
			world_say(w, "%s %s will come back unchanged", job->id, job->serial);
		observer_delivered(w->observer, job->handle, box, d);
		d->ours = job->handle;
		d->is_meddled = false;
		world_start_upgrade(w, d, job->type, job->version, fate);
		if (world_chance(w, w->faults.lost_reply)) {
			world_say(w, "the reply for %s %s is lost", job->id, job->serial);
			v = (struct verdict){CALL_UNCONFIRMED, ERROR_CLASS_NONE, REASON_NONE};
		}
	}
	if (!job->is_orphan)
		answer_call(w, job->ev.called.intent, job->ev.called.sent_ns, v.outcome, v.class, v.reason);
}

/* ---- from action to job ---- */

static void do_follow(struct world *w, const struct action *a)
{
	struct job *job = world_plan(w, shell_soon(w), JOB_FOLLOW_READ);
	struct instance_view view;

	job->ev.read.ticket = a->ticket;
	job->scope = a->scope;
	job->ids = calloc(a->n_instances + 1, sizeof(*job->ids));
	assert(job->ids);
	if (a->n_instances == 0 || a->n_instances > LIMIT_PAGE)
		world_break(w, "shape", "a FOLLOW of %u instances", a->n_instances);
	for (uint32_t i = 0; i < a->n_instances && i < LIMIT_PAGE; i++) {
		if (!reconcile_instance(w->core, a->instances[i], &view) || view.scope != a->scope) {
			world_break(w, "rule 14", "a FOLLOW of slot %u, which is empty or of another scope", a->instances[i]);
			continue;
		}
		snprintf(job->ids[job->n_ids++], WORLD_TEXT, "%s", view.instance_id);
	}
}

static void do_read(struct world *w, const struct action *a)
{
	struct instance_view instance;
	struct target_view target;
	struct job *job;

	if (!reconcile_instance(w->core, a->instance, &instance)) {
		world_break(w, "rule 14", "a READ of the empty slot %u", a->instance);
		return;
	}
	job = world_plan(w, shell_soon(w), JOB_ONE_READ);
	job->ev.read.ticket = a->ticket;
	job->scope = a->scope;
	job->purpose = a->purpose;
	snprintf(job->id, sizeof(job->id), "%s", instance.instance_id);
	if (a->target != NONE && reconcile_target(w->core, a->target, &target)) {
		snprintf(job->serial, sizeof(job->serial), "%s", target.serial_number);
		job->type = target.version_type;
	}
	observer_asked(w->observer, a->ticket, job->id, a->purpose, job->type, job->serial);
}

static void do_upgrade(struct world *w, const struct action *a)
{
	struct intent_view intent;
	struct job *job;
	/* Mostly at once; sometimes the limiter keeps it back until it is too old. */
	int64_t wait = world_draw(w, 20) ? world_between(w, 0, NS_PER_S) : world_between(w, 0, 40 * NS_PER_S);

	if (!reconcile_intent(w->core, a->intent, &intent)) {
		world_break(w, "shape", "an UPGRADE of intent %llu, which cannot be viewed", (unsigned long long)a->intent);
		return;
	}
	job = world_plan(w, w->now_ns + wait, JOB_CALL_LEAVES);
	job->ev.called.intent = a->intent;
	job->handle = observer_handle(w->observer, a->intent);
	job->not_after_ns = a->not_after_ns + w->boot_ns;
	job->scope = a->scope;
	job->type = intent.version_type;
	job->version = world_version_rank(intent.to);
	snprintf(job->id, sizeof(job->id), "%s", intent.instance_id);
	snprintf(job->serial, sizeof(job->serial), "%s", intent.serial_number);
}

static void do_list(struct world *w, const struct action *a)
{
	struct job *job = world_plan(w, shell_soon(w), JOB_LIST_PAGE);

	job->scope = a->scope;
	job->started_ns = job->at_ns;
}

static void do_store(struct world *w, const struct action *a)
{
	int64_t at_ns = shell_soon(w) + (world_chance(w, w->faults.store_slow) ? world_between(w, NS_PER_S, 40 * NS_PER_S) : 0);
	struct job *job = world_plan(w, at_ns, JOB_STORE_DONE);
	struct record_stamp now = world_stamp(w);

	job->ev.stored.ticket = a->ticket;
	job->batch = batch_new(a->records, a->n_records, &now, w->now_ns);
	if (w->hooks.storing)
		w->hooks.storing(w);
}

static void do_gate(struct world *w, const struct action *a)
{
	struct job *job = world_plan(w, shell_soon(w), JOB_GATE_ASKED);

	job->ev = (struct event){.kind = EVENT_GATE, .gate = {.ticket = a->ticket, .asked_ns = w->now_ns}};
	job->page = a->policy;
}

static void gate_asked(struct world *w, struct job *job)
{
	int64_t late_ns = world_chance(w, w->faults.gate_slow) ? world_between(w, NS_PER_S, 25 * MINUTE) : 0;
	struct job *out = world_plan(w, shell_soon(w) + late_ns, JOB_PART);
	bool is_dead = w->is_gate_dead[job->page] || world_chance(w, w->faults.gate_error);

	out->ev = job->ev;
	out->ev.gate.is_open = !is_dead && !w->is_gate_closed[job->page];
	if (world_chance(w, w->faults.gate_old) && !is_dead)
		out->ev.gate.asked_ns -= world_between(w, NS_PER_S, 20 * MINUTE);
}

/* What is only told needs no duty. */
void shell_do(struct world *w, const struct action *a)
{
	static void (*const duties[ACTION_KIND_N])(struct world *w, const struct action *a) = {
		[ACTION_LIST] = do_list,
		[ACTION_FOLLOW] = do_follow,
		[ACTION_READ] = do_read,
		[ACTION_STORE] = do_store,
		[ACTION_UPGRADE] = do_upgrade,
		[ACTION_GATE] = do_gate,
		[ACTION_SET_AUTO_UPGRADE] = upgrader_set,
	};

	if (a->kind < ACTION_KIND_N && duties[a->kind])
		duties[a->kind](w, a);
}

static void store_done(struct world *w, struct job *job)
{
	bool is_failed = world_chance(w, w->faults.store) || w->is_disk_full;

	job->ev.kind = is_failed ? EVENT_STORE_FAILED : EVENT_STORED;
	if (!is_failed)
		store_commit(&w->store, job->batch);
	world_step(w, &job->ev);
}

static void deliver_part(struct world *w, struct job *job)
{
	world_step(w, &job->ev);
}

bool shell_run(struct world *w, struct job *job)
{
	static void (*const parts[JOB_KIND_N])(struct world *w, struct job *job) = {
		[JOB_LIST_PAGE] = list_page,
		[JOB_PART] = deliver_part,
		[JOB_FOLLOW_READ] = follow_read,
		[JOB_ONE_READ] = one_read,
		[JOB_OBSERVED] = deliver_observed,
		[JOB_STORE_DONE] = store_done,
		[JOB_GATE_ASKED] = gate_asked,
		[JOB_CALL_LEAVES] = call_leaves,
		[JOB_AUTO_LEAVES] = upgrader_leaves,
		[JOB_AUTO_ARRIVES] = upgrader_arrives,
		[JOB_CALL_ARRIVES] = call_arrives,
	};

	if (!parts[job->kind])
		return false;
	parts[job->kind](w, job);
	return true;
}
