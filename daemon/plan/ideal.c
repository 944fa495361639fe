/*
 * The ideal cloud: answers each action of the core, late by next to nothing and always well.
 *
 * It holds the truth about each instance: versions move on when an upgrade lands, nothing else ever changes.
 */
#include "forecast_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TAKES_DEFAULT_NS (600 * NS_PER_S) /* of a policy that is gone */

/* ---- jobs ---- */

static bool is_sooner(const struct job *a, const struct job *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static int jobs_add(struct jobs *j, struct job job)
{
	size_t at = j->n;

	if (j->n == j->size) {
		size_t size = j->size ? 2 * j->size : 64;
		struct job *grown = reallocarray(j->items, size, sizeof(*grown));

		if (!grown) {
			free(job.instances);
			return -ENOMEM;
		}
		j->items = grown;
		j->size = size;
	}
	job.order = j->order++;
	j->n++;
	for (; at > 0 && is_sooner(&job, &j->items[(at - 1) / 2]); at = (at - 1) / 2)
		j->items[at] = j->items[(at - 1) / 2];
	j->items[at] = job;
	return 0;
}

static struct job jobs_take(struct jobs *j)
{
	struct job first = j->items[0], last = j->items[--j->n];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < j->n) {
		if (child + 1 < j->n && is_sooner(&j->items[child + 1], &j->items[child]))
			child++;
		if (!is_sooner(&j->items[child], &last))
			break;
		j->items[at] = j->items[child];
		at = child;
	}
	j->items[at] = last;
	return first;
}

int64_t ideal_due_ns(const struct run *w)
{
	return w->jobs.n ? w->jobs.items[0].due_ns : INT64_MAX;
}

/* ---- life ---- */

static int id_order(const void *a, const void *b, void *ctx)
{
	const struct picture *fleet = ((const struct run *)ctx)->options->fleet;
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	if (fleet->instance_scope[x] != fleet->instance_scope[y])
		return fleet->instance_scope[x] < fleet->instance_scope[y] ? -1 : 1;
	return strcmp(fleet->instances[x].instance_id, fleet->instances[y].instance_id);
}

static uint32_t instance_find(const struct run *w, uint32_t fleet_scope, const char *id)
{
	const struct picture *fleet = w->options->fleet;
	uint32_t low = 0, high = fleet->n_instances;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2, at = w->by_id[middle];
		int order = fleet->instance_scope[at] != fleet_scope ? (fleet->instance_scope[at] < fleet_scope ? -1 : 1) :
								       strcmp(fleet->instances[at].instance_id, id);

		if (order == 0)
			return at;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}

static int serial_order(const void *a, const void *b)
{
	const char *x, *y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return strcmp(x, y);
}

/* Who was not healthy at its last fresh read stays so, like who is offline. */
static int mark_degraded(struct run *w)
{
	const struct picture *fleet = w->options->fleet;
	const char **serials = calloc(fleet->n_records + 1, sizeof(const char *));
	size_t n = 0;

	if (!serials)
		return -ENOMEM;
	for (size_t i = 0; i < fleet->n_records; i++)
		if (fleet->records[i].kind == RECORD_TARGET && fleet->records[i].number[REC_TARGET_WAIT] != 0 &&
		    fleet->records[i].number[REC_TARGET_WAIT_REASON] == REASON_DEGRADED)
			serials[n++] = fleet->records[i].text[REC_TARGET_TEXT_SERIAL];
	if (n)
		qsort(serials, n, sizeof(const char *), serial_order);
	for (uint32_t i = 0; n && i < fleet->n_instances; i++)
		for (unsigned int k = 0; k < w->truth[i].n_devices; k++)
			if (bsearch(&w->truth[i].devices[k].serial_number, serials, n, sizeof(const char *), serial_order))
				w->truth[i].devices[k].controller = HEALTH_ABNORMAL;
	free(serials);
	return 0;
}

/* All healthy, as far as nobody knows better. */
static int make_truth(struct run *w)
{
	const struct picture *fleet = w->options->fleet;

	for (uint32_t i = 0; i < fleet->n_instances; i++) {
		struct observation *o = &w->truth[i];

		*o = fleet->instances[i];
		o->has_attributes = true;
		for (unsigned int k = 0; k < o->n_devices; k++)
			o->devices[k].controller = o->devices[k].vpn = HEALTH_NORMAL;
		w->by_id[i] = i;
	}
	qsort_r(w->by_id, fleet->n_instances, sizeof(*w->by_id), id_order, w);
	return mark_degraded(w);
}

int ideal_init(struct run *w)
{
	const struct picture *fleet = w->options->fleet;
	const struct settings *settings = w->options->settings;

	w->truth = calloc((size_t)fleet->n_instances + 1, sizeof(*w->truth));
	w->by_id = calloc((size_t)fleet->n_instances + 1, sizeof(*w->by_id));
	w->fleet_scope = calloc((size_t)settings->n_scopes + 1, sizeof(*w->fleet_scope));
	w->catalogues = calloc(fleet->n_records + 1, sizeof(struct record *));
	w->is_gate_unasked = calloc((size_t)settings->n_policies + 1, sizeof(*w->is_gate_unasked));
	if (!w->truth || !w->by_id || !w->fleet_scope || !w->catalogues || !w->is_gate_unasked)
		return -ENOMEM;
	for (uint32_t i = 0; i < settings->n_scopes; i++)
		w->fleet_scope[i] = picture_find_scope(fleet, settings->scopes[i].account, settings->scopes[i].region_id);
	for (size_t i = 0; i < fleet->n_records; i++)
		if (fleet->records[i].kind == RECORD_CATALOGUE)
			w->catalogues[w->n_catalogues++] = &fleet->records[i];
	return make_truth(w);
}

void ideal_deinit(struct run *w)
{
	for (size_t i = 0; i < w->jobs.n; i++)
		free(w->jobs.items[i].instances);
	free(w->jobs.items);
	free(w->truth);
	free(w->by_id);
	free(w->slot_instance);
	free(w->fleet_scope);
	free(w->catalogues);
	free(w->is_gate_unasked);
	free(w->unknown);
}

int ideal_instance(struct run *w, uint32_t slot, uint32_t *ret_instance)
{
	struct instance_view view;

	if (slot >= w->n_slots) {
		uint32_t n = reconcile_instance_slots(w->core);
		uint32_t *grown = reallocarray(w->slot_instance, (size_t)n + 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		for (uint32_t i = w->n_slots; i < n; i++)
			grown[i] = NONE;
		w->slot_instance = grown;
		w->n_slots = n;
	}
	if (w->slot_instance[slot] == NONE && reconcile_instance(w->core, slot, &view) && w->fleet_scope[view.scope] != NONE)
		w->slot_instance[slot] = instance_find(w, w->fleet_scope[view.scope], view.instance_id);
	*ret_instance = w->slot_instance[slot];
	return 0;
}

/* ---- upgrades ---- */

static uint32_t policy_find(const struct settings *settings, const char *name)
{
	uint32_t i = 0;

	while (i < settings->n_policies && strcmp(settings->policies[i].name, name) != 0)
		i++;
	return i < settings->n_policies ? i : POLICY_NONE;
}

/* Within its deadline, whatever the settings say. */
static int64_t takes_ns(const struct run *w, uint32_t policy)
{
	int64_t takes = policy == POLICY_NONE ? TAKES_DEFAULT_NS : w->settings.policies[policy].upgrade_takes_ns;
	int64_t deadline = policy == POLICY_NONE ? INT64_MAX : w->settings.policies[policy].deadline_ns;

	return takes < deadline / 10 * 9 ? takes : deadline / 10 * 9;
}

static unsigned int device_find(const struct observation *o, const char *serial)
{
	unsigned int k = 0;

	while (k < o->n_devices && strcmp(o->devices[k].serial_number, serial) != 0)
		k++;
	return k;
}

static int land_later(struct run *w, uint32_t instance, const char *serial, struct job job)
{
	job.kind = JOB_LANDED;
	job.instance = instance;
	job.device = device_find(&w->truth[instance], serial);
	return job.device == w->truth[instance].n_devices ? 0 : jobs_add(&w->jobs, job);
}

static int resume_one(struct run *w, const struct record *rec)
{
	uint32_t scope = picture_find_scope(w->options->fleet, rec->text[REC_INTENT_TEXT_ACCOUNT], rec->text[REC_INTENT_TEXT_REGION]);
	uint32_t instance = scope == NONE ? NONE : instance_find(w, scope, rec->text[REC_INTENT_TEXT_INSTANCE]);
	int64_t sent_ns = rec->number[REC_INTENT_SENT] == FORECAST_NEVER ? w->now_ns : rec->number[REC_INTENT_SENT];
	int64_t due_ns = sent_ns + takes_ns(w, policy_find(&w->settings, rec->text[REC_INTENT_TEXT_POLICY]));
	struct job job = { .due_ns = due_ns > w->now_ns ? due_ns : w->now_ns + NS_PER_S, .version = rec->text[REC_INTENT_TEXT_TO],
			   .version_type = (enum version_type)rec->number[REC_INTENT_VERSION_TYPE] };

	return instance == NONE ? 0 : land_later(w, instance, rec->text[REC_INTENT_TEXT_SERIAL], job);
}

int ideal_resume(struct run *w)
{
	const struct picture *fleet = w->options->fleet;
	int r = 0;

	for (size_t i = 0; r == 0 && i < fleet->n_records; i++)
		if (fleet->records[i].kind == RECORD_INTENT)
			r = resume_one(w, &fleet->records[i]);
	return r;
}

static void landed(struct run *w, const struct job *job)
{
	struct observation *o = &w->truth[job->instance];
	struct device_observation *d = &o->devices[job->device];

	if (job->version_type == VERSION_TYPE_DPI)
		d->dpi_version = job->version;
	else
		d->version = job->version;
	o->status = d->status = STATUS_ACTIVE; /* it was on its way */
}

static int take_upgrade(struct run *w, const struct action *a)
{
	struct job called = { .kind = JOB_CALLED, .due_ns = w->now_ns + FORECAST_LATENCY_NS, .intent = a->intent, .sent_ns = w->now_ns };
	struct intent_view view;
	uint32_t instance;
	int r;

	if (!reconcile_intent(w->core, a->intent, &view))
		return 0;
	r = ideal_instance(w, a->instance, &instance);
	if (!r && instance != NONE)
		r = land_later(w, instance, view.serial_number,
			       (struct job){ .due_ns = w->now_ns + takes_ns(w, view.policy), .version = view.to, .version_type = view.version_type });
	return r ? r : jobs_add(&w->jobs, called);
}

/* ---- actions ---- */

static int take_follow(struct run *w, const struct action *a)
{
	struct job job = { .kind = JOB_FOLLOW, .due_ns = w->now_ns + FORECAST_LATENCY_NS, .ticket = a->ticket, .scope = a->scope };
	int r = 0;

	job.instances = calloc((size_t)a->n_instances + 1, sizeof(*job.instances));
	if (!job.instances)
		return -ENOMEM;
	for (uint32_t i = 0; !r && i < a->n_instances; i++) {
		r = ideal_instance(w, a->instances[i], &job.instances[job.n_instances]);
		job.n_instances += job.instances[job.n_instances] != NONE;
	}
	if (!r)
		return jobs_add(&w->jobs, job);
	free(job.instances);
	return r;
}

static int take_read(struct run *w, const struct action *a)
{
	struct job job = { .kind = a->purpose == READ_AUTO_UPGRADE ? JOB_AUTO_UPGRADE : JOB_READ, .due_ns = w->now_ns + FORECAST_LATENCY_NS,
			   .ticket = a->ticket, .scope = a->scope, .target = a->target, .purpose = a->purpose };
	int r = ideal_instance(w, a->instance, &job.instance);

	return r ? r : jobs_add(&w->jobs, job);
}

int ideal_take(struct run *w, const struct action *a)
{
	struct job job = { .due_ns = w->now_ns, .ticket = a->ticket, .scope = a->scope, .policy = a->policy };

	switch ((int)a->kind) {
	case ACTION_LIST:
		job.kind = JOB_LIST;
		return jobs_add(&w->jobs, job);
	case ACTION_FOLLOW:
		return take_follow(w, a);
	case ACTION_READ:
		return take_read(w, a);
	case ACTION_STORE:
		job.kind = JOB_STORED;
		return jobs_add(&w->jobs, job);
	case ACTION_UPGRADE:
		return take_upgrade(w, a);
	case ACTION_GATE:
		job.kind = JOB_GATE;
		return jobs_add(&w->jobs, job);
	case ACTION_SET_AUTO_UPGRADE:
		job.kind = JOB_AUTO_UPGRADE_SET;
		return jobs_add(&w->jobs, job);
	default:
		return 0;
	}
}

/* ---- answers ---- */

/* A scope that nobody looked into is empty. */
static int answer_list(struct run *w, const struct job *job)
{
	const struct picture *fleet = w->options->fleet;
	uint32_t scope = w->fleet_scope[job->scope], n = 0;
	struct observation page[LIMIT_PAGE];
	struct event listed = { .kind = EVENT_LISTED, .read = { .scope = job->scope, .read_ns = w->now_ns, .observations = page } };
	struct event ended = { .kind = EVENT_LISTING_ENDED, .listing = { .scope = job->scope, .is_complete = true, .started_ns = w->now_ns } };
	int r = 0;

	for (uint32_t i = 0; scope != NONE && i < fleet->n_instances && !r; i++) {
		if (fleet->instance_scope[i] == scope)
			page[n++] = w->truth[i];
		if (n < LIMIT_PAGE && i + 1 < fleet->n_instances)
			continue;
		listed.read.n = n;
		n = 0;
		r = run_step(w, &listed);
	}
	return r ? r : run_step(w, &ended);
}

static int answer_follow(struct run *w, const struct job *job)
{
	struct observation page[LIMIT_PAGE];
	struct event ev = { .kind = EVENT_FOLLOWED, .read = { .ticket = job->ticket, .scope = job->scope, .read_ns = w->now_ns, .observations = page } };

	for (uint32_t i = 0; i < job->n_instances && ev.read.n < LIMIT_PAGE; i++)
		page[ev.read.n++] = w->truth[job->instances[i]];
	return run_step(w, &ev);
}

static int read_failed(struct run *w, const struct job *job)
{
	struct event ev = { .kind = EVENT_READ_FAILED, .failure = { .ticket = job->ticket, .class = ERROR_CLASS_TRANSIENT } };

	return run_step(w, &ev);
}

static int note_unknown(struct run *w, const char *model, enum version_type type)
{
	void *grown;

	for (uint32_t i = 0; i < w->n_unknown; i++)
		if (w->unknown[i].version_type == type && strcmp(w->unknown[i].model, model) == 0)
			return 0;
	grown = reallocarray(w->unknown, (size_t)w->n_unknown + 1, sizeof(*w->unknown));
	if (!grown)
		return -ENOMEM;
	w->unknown = grown;
	w->unknown[w->n_unknown].model = model;
	w->unknown[w->n_unknown++].version_type = type;
	return 0;
}

#define CATALOGUE_MAX 512

static int answer_catalogue(struct run *w, const struct job *job)
{
	const char *model = w->truth[job->instance].model;
	struct catalogue_entry entries[CATALOGUE_MAX];
	struct event ev = { .kind = EVENT_CATALOGUE, .catalogue = { .ticket = job->ticket, .entries = entries } };
	struct target_view target;
	bool is_known = false;
	int r;

	if (!reconcile_target_facts(w->core, job->target, &target))
		return read_failed(w, job);
	for (size_t i = 0; i < w->n_catalogues; i++) {
		const struct record *rec = w->catalogues[i];

		if (rec->number[REC_CATALOGUE_VERSION_TYPE] != target.version_type || strcmp(rec->text[REC_CATALOGUE_TEXT_MODEL], model) != 0)
			continue;
		is_known = true;
		if (rec->text[REC_CATALOGUE_TEXT_VERSION][0] && rec->number[REC_CATALOGUE_IS_OFFERED] && ev.catalogue.n < CATALOGUE_MAX)
			entries[ev.catalogue.n++] = (struct catalogue_entry){ rec->text[REC_CATALOGUE_TEXT_VERSION], rec->number[REC_CATALOGUE_CREATED_MS],
									      rec->number[REC_CATALOGUE_IS_RELEASE] != 0 };
	}
	if (is_known)
		return run_step(w, &ev);
	r = note_unknown(w, model, target.version_type);
	return r ? r : read_failed(w, job);
}

static int answer_read(struct run *w, const struct job *job)
{
	struct event ev = { .kind = EVENT_FRESH, .read = { .ticket = job->ticket, .scope = job->scope, .read_ns = w->now_ns, .n = 1 } };
	bool has_dpi = true;

	if (job->instance == NONE)
		return read_failed(w, job);
	if (job->purpose == READ_CATALOGUE)
		return answer_catalogue(w, job);
	for (unsigned int k = 0; k < w->truth[job->instance].n_devices; k++)
		has_dpi &= w->truth[job->instance].devices[k].dpi_version != NULL;
	if (job->purpose == READ_DPI && !has_dpi)
		return read_failed(w, job); /* nobody has read it yet */
	ev.read.observations = &w->truth[job->instance];
	return run_step(w, &ev);
}

static int answer_gate(struct run *w, const struct job *job)
{
	struct event ev = { .kind = EVENT_GATE, .gate = { .ticket = job->ticket, .is_open = true, .asked_ns = w->now_ns } };
	const struct picture *fleet = w->options->fleet;
	enum gate_answer answer = GATE_ANSWER_NONE;

	for (uint32_t i = 0; i < fleet->n_gates; i++)
		if (strcmp(fleet->gates[i].policy, w->settings.policies[job->policy].name) == 0)
			answer = fleet->gates[i].answer;
	w->is_gate_unasked[job->policy] = answer == GATE_ANSWER_NONE;
	ev.gate.is_open = answer != GATE_ANSWER_CLOSED;
	return run_step(w, &ev);
}

static int answer_called(struct run *w, const struct job *job)
{
	struct event ev = { .kind = EVENT_CALLED, .called = { .intent = job->intent, .outcome = CALL_ACCEPTED, .sent_ns = job->sent_ns } };

	return run_step(w, &ev);
}

static int answer_simply(struct run *w, const struct job *job)
{
	struct event ev = { .kind = EVENT_STORED, .stored.ticket = job->ticket };

	if (job->kind == JOB_AUTO_UPGRADE)
		ev = (struct event){ .kind = EVENT_AUTO_UPGRADE, .auto_upgrade.ticket = job->ticket };
	else if (job->kind == JOB_AUTO_UPGRADE_SET)
		ev = (struct event){ .kind = EVENT_AUTO_UPGRADE_SET, .auto_upgrade_set = { .ticket = job->ticket, .is_done = true } };
	return run_step(w, &ev);
}

int ideal_answer(struct run *w)
{
	static int (*const answers[])(struct run *, const struct job *) = {
		[JOB_LIST] = answer_list, [JOB_FOLLOW] = answer_follow, [JOB_READ] = answer_read, [JOB_STORED] = answer_simply,
		[JOB_CALLED] = answer_called, [JOB_GATE] = answer_gate, [JOB_AUTO_UPGRADE] = answer_simply, [JOB_AUTO_UPGRADE_SET] = answer_simply,
	};
	struct job job = jobs_take(&w->jobs);
	int r = 0;

	if (job.kind == JOB_LANDED)
		landed(w, &job);
	else
		r = answers[job.kind](w, &job);
	free(job.instances);
	return r;
}
