/*
 * The world: random numbers, the queue of jobs, devices and settings, and the run in virtual time.
 *
 * Guarantees: same seed, same history. Does not look into the core but through its header.
 */
#include "world_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The last two have no order among all others; the ranked ones would be in another order by strcmp. */
const char *const world_versions[VERSION_COUNT] = {
	"1.9.0", "1.10.0", "2.0.0-rc1", "2.0.0", "2.0.0.1", "2.9.9", "2.10.0", "3.0.0", "3.4.2", "3.4.10", "9.8.0", "10.0.0",
	"blue_moon", "1..2",
};

int world_version_rank(const char *version)
{
	for (int i = 0; i < VERSION_COUNT; i++)
		if (strcmp(version, world_versions[i]) == 0)
			return i;
	return VERSION_ABSENT;
}

const char *const world_models[WORLD_MODELS] = {"sag-1000", "sag-2000"};

int world_model_of(const char *model)
{
	for (int i = 0; i < WORLD_MODELS; i++)
		if (strcmp(model, world_models[i]) == 0)
			return i;
	return -1;
}

/* Of the second model one old version was mended after a newer one was made. */
int64_t world_created_ms(unsigned int model, int version)
{
	return 1000 + (model == 1 && (version == 6 || version == 7) ? 13 - version : version);
}

/* ---- random numbers: splitmix64 ---- */

static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t world_draw_of(uint64_t *state, uint64_t n)
{
	assert(n > 0);
	return draw(state) % n;
}

uint64_t world_draw(struct world *w, uint64_t n)
{
	assert(n > 0);
	return draw(&w->rng) % n;
}

bool world_chance(struct world *w, uint32_t permille)
{
	return permille > 0 && world_draw(w, 1000) < permille;
}

int64_t world_between(struct world *w, int64_t low_ns, int64_t high_ns)
{
	return low_ns + (int64_t)world_draw(w, (uint64_t)(high_ns - low_ns) + 1);
}

/* ---- the queue: a binary heap by time, then by order of planning ---- */

static bool is_before(const struct job *a, const struct job *b)
{
	return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->seq < b->seq);
}

static void swap_jobs(struct world *w, size_t i, size_t k)
{
	struct job *t = w->jobs[i];

	w->jobs[i] = w->jobs[k];
	w->jobs[k] = t;
}

static struct job *take_job(struct world *w)
{
	struct job *job = w->spare_jobs;

	if (job)
		w->spare_jobs = job->next_spare;
	else
		job = malloc(sizeof(*job));
	assert(job);
	return job;
}

struct job *world_plan(struct world *w, int64_t at_ns, enum job_kind kind)
{
	struct job *job = take_job(w);
	size_t i = w->n_jobs;

	if (w->n_jobs == w->jobs_size) {
		w->jobs_size = w->jobs_size ? w->jobs_size * 2 : 64;
		w->jobs = realloc(w->jobs, w->jobs_size * sizeof(*w->jobs));
		assert(w->jobs);
	}
	*job = (struct job){.at_ns = at_ns, .seq = ++w->job_seq, .kind = kind};
	w->jobs[w->n_jobs++] = job;
	while (i > 0 && is_before(w->jobs[i], w->jobs[(i - 1) / 2])) {
		swap_jobs(w, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
	return job;
}

static struct job *pop(struct world *w)
{
	struct job *top = w->jobs[0];
	size_t i = 0, child;

	w->jobs[0] = w->jobs[--w->n_jobs];
	while ((child = 2 * i + 1) < w->n_jobs) {
		if (child + 1 < w->n_jobs && is_before(w->jobs[child + 1], w->jobs[child]))
			child++;
		if (!is_before(w->jobs[child], w->jobs[i]))
			break;
		swap_jobs(w, i, child);
		i = child;
	}
	return top;
}

void world_job_done(struct world *w, struct job *job)
{
	if (job->reading)
		free(job->reading->snapshots);
	free(job->reading);
	free(job->ids);
	batch_free(job->batch);
	job->next_spare = w->spare_jobs;
	w->spare_jobs = job;
}

static int compare_jobs(const void *a, const void *b)
{
	struct job *const *x = a, *const *y = b;

	return is_before(*x, *y) ? -1 : 1;
}

void world_sort_jobs(struct world *w)
{
	if (w->n_jobs > 0)
		qsort(w->jobs, w->n_jobs, sizeof(*w->jobs), compare_jobs);
}

/* ---- life ---- */

void world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){.seed = seed, .rng = seed, .wall_rng = ~seed, .crash_rng = seed * 31 + 7, .now_ns = NS_PER_S, .has_wall_jumps = true};
	w->upgrade_min_ns = 2 * MINUTE;
	w->upgrade_max_ns = 12 * MINUTE;
	w->faults.latency_ns = NS_PER_S / 5;
	w->page_size = 4; /* small, so that a small fleet has listings of several pages */
	w->checks_all = true;
	for (size_t i = 0; i < WORLD_SCOPES; i++)
		w->is_usable[i] = true;
	w->observer = observer_new(w);
	w->trace_hash = 0xcbf29ce484222325u;
}

void world_deinit(struct world *w)
{
	struct job *job;

	w->core = reconcile_free(w->core);
	w->observer = observer_free(w->observer);
	while (w->n_jobs > 0)
		world_job_done(w, w->jobs[--w->n_jobs]);
	while ((job = w->spare_jobs)) {
		w->spare_jobs = job->next_spare;
		free(job);
	}
	store_deinit(&w->store);
	free(w->jobs);
	free(w->boxes);
	free(w->applied);
	*w = (struct world){0};
}

/* ---- the trace ---- */

static void add_line(struct world *w, const char *line, bool is_hidden)
{
	char *slot = w->ring[w->n_lines % (sizeof(w->ring) / sizeof(w->ring[0]))];
	int64_t s = w->now_ns / NS_PER_S;

	w->n_lines++;
	if (w->is_quiet)
		return;
	snprintf(slot, sizeof(w->ring[0]), "%02lld:%02lld:%02lld.%03lld %s", (long long)(s / 3600), (long long)(s / 60 % 60),
		 (long long)(s % 60), (long long)(w->now_ns / NS_PER_MS % 1000), line);
	if (w->trace && !is_hidden)
		fprintf(w->trace, "%s\n", slot);
}

void world_hash_line(struct world *w, const char *line)
{
	w->trace_hash = (w->trace_hash ^ (uint64_t)w->now_ns) * 0x100000001b3u;
	for (const char *c = line; *c; c++)
		w->trace_hash = (w->trace_hash ^ (unsigned char)*c) * 0x100000001b3u;
}

void world_say(struct world *w, const char *format, ...)
{
	char line[256] = "  cloud: ";
	va_list ap;

	if (w->is_quiet)
		return;
	va_start(ap, format);
	vsnprintf(line + strlen(line), sizeof(line) - strlen(line), format, ap);
	va_end(ap);
	add_line(w, line, false);
}

void world_break(struct world *w, const char *rule, const char *format, ...)
{
	char text[400];
	va_list ap;

	if (w->failure)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	w->failure = rule;
	snprintf(w->failure_text, sizeof(w->failure_text), "%s: %s", rule, text);
}

void world_report(const struct world *w, FILE *out)
{
	const size_t size = sizeof(w->ring) / sizeof(w->ring[0]);
	uint64_t first = w->n_lines > size ? w->n_lines - size : 0;

	for (uint64_t i = first; i < w->n_lines; i++)
		fprintf(out, "  %s\n", w->ring[i % size]);
	fprintf(out, "seed %llu, after %.3f s, step %llu: %s\n", (unsigned long long)w->seed,
		(double)w->now_ns / (double)NS_PER_S, (unsigned long long)w->steps, w->failure ? w->failure_text : "nothing broke");
}

/* ---- the way into the core ---- */

/* The strings of one event, in memory that ends with the step. */
struct loan {
	char *block;
	size_t used, size;
};

static const char *lend(struct loan *loan, const char *s)
{
	char *copy = loan->block + loan->used;
	size_t bytes;

	if (!s)
		return NULL;
	bytes = strlen(s) + 1;
	assert(loan->used + bytes <= loan->size);
	memcpy(copy, s, bytes);
	loan->used += bytes;
	return copy;
}

static void lend_observation(struct loan *loan, struct observation *o)
{
	o->instance_id = lend(loan, o->instance_id);
	o->name = lend(loan, o->name);
	o->model = lend(loan, o->model);
	o->resource_group = lend(loan, o->resource_group);
	o->ccn = lend(loan, o->ccn);
	o->city = lend(loan, o->city);
	o->status_text = lend(loan, o->status_text);
	for (unsigned int i = 0; i < o->n_devices; i++) {
		o->devices[i].serial_number = lend(loan, o->devices[i].serial_number);
		o->devices[i].version = lend(loan, o->devices[i].version);
		o->devices[i].dpi_version = lend(loan, o->devices[i].dpi_version);
	}
}

/* Gives the event strings that end with the step. */
static struct observation *lend_read(struct loan *loan, struct event *ev)
{
	struct observation *lent = malloc(ev->read.n * sizeof(*lent));

	loan->size = ev->read.n * (7 + 3 * LIMIT_DEVICES) * WORLD_TEXT;
	loan->block = malloc(loan->size);
	assert(lent && loan->block);
	memcpy(lent, ev->read.observations, ev->read.n * sizeof(*lent));
	for (size_t i = 0; i < ev->read.n; i++)
		lend_observation(loan, &lent[i]);
	ev->read.observations = lent;
	return lent;
}

static void check_deadline(struct world *w)
{
	int64_t deadline = reconcile_deadline_ns(w->core), now_ns = w->now_ns - w->boot_ns;

	if (deadline <= now_ns)
		world_break(w, "rule 10", "after a step at %lld the deadline is %lld", (long long)now_ns, (long long)deadline);
}

static void trace_action(struct world *w, const struct action *a)
{
	char line[256];
	size_t n = reconcile_trace(w->core, a, line, sizeof(line));

	if (n == 0 || n >= sizeof(line) || strlen(line) != n)
		world_break(w, "rule 15", "a trace line of length %zu for action %d", n, (int)a->kind);
	world_hash_line(w, line);
	add_line(w, line, w->hides_reads && a->kind <= ACTION_READ);
}

static void carry_out(struct world *w, const struct plan *plan, size_t n_done)
{
	for (size_t i = 0; i < n_done; i++) {
		if (!w->is_quiet)
			trace_action(w, &plan->actions[i]);
		if (!w->failure)
			shell_do(w, &plan->actions[i]);
	}
}

int64_t world_wall_s(const struct world *w)
{
	return 1800000000 + w->now_ns / NS_PER_S + w->wall_offset_s;
}

struct record_stamp world_stamp(const struct world *w)
{
	return (struct record_stamp){.boot = w->boot, .boot_ns = w->now_ns - w->boot_ns, .wall_s = world_wall_s(w)};
}

/* The event as the core's clock tells it. */
static struct event on_core_clock(const struct world *w, const struct event *ev)
{
	struct event out = *ev;

	out.now_ns -= w->boot_ns;
	if (ev->kind == EVENT_LISTED || ev->kind == EVENT_FOLLOWED || ev->kind == EVENT_FRESH)
		out.read.read_ns -= w->boot_ns;
	else if (ev->kind == EVENT_LISTING_ENDED)
		out.listing.started_ns -= w->boot_ns;
	else if (ev->kind == EVENT_CALLED && ev->called.sent_ns > 0)
		out.called.sent_ns -= w->boot_ns;
	else if (ev->kind == EVENT_GATE)
		out.gate.asked_ns -= w->boot_ns;
	return out;
}

/* One step of the core, with strings that end with it. */
static int step_core(struct world *w, const struct event *ev, struct plan *ret_plan)
{
	struct event core_ev = on_core_clock(w, ev);
	struct loan loan = {.size = 0};
	struct observation *lent = NULL;
	bool is_read = ev->kind == EVENT_LISTED || ev->kind == EVENT_FOLLOWED || ev->kind == EVENT_FRESH;
	int r;

	if (is_read && ev->read.n > 0)
		lent = lend_read(&loan, &core_ev);
	r = reconcile_step(w->core, &core_ev, ret_plan);
	free(loan.block);
	free(lent);
	return r;
}

void world_step(struct world *w, struct event *ev)
{
	struct plan plan = {0};
	int r;

	if (w->failure || !w->core || w->is_killed)
		return;
	w->steps++;
	ev->now_ns = w->now_ns;
	ev->wall_s = world_wall_s(w);
	if (!w->is_unobserved)
		observer_event(w->observer, ev);
	r = step_core(w, ev, &plan);
	if (r < 0) {
		world_break(w, "memory", "a step gave %d", r);
		return;
	}
	if (!w->is_unobserved)
		observer_plan(w->observer, ev, &plan);
	carry_out(w, &plan, life_cut(w, ev, &plan));
	if (!w->is_killed)
		check_deadline(w);
}

/* ---- devices ---- */

struct world_box *world_add_box(struct world *w, uint32_t scope, unsigned int n_devices, int version, int dpi)
{
	struct world_box *box;

	if (w->n_boxes == w->boxes_size) {
		w->boxes_size = w->boxes_size ? w->boxes_size * 2 : 64;
		w->boxes = realloc(w->boxes, w->boxes_size * sizeof(*w->boxes));
		assert(w->boxes);
	}
	box = &w->boxes[w->n_boxes];
	*box = (struct world_box){.exists = true, .is_bound = true, .scope = scope, .n_devices = n_devices};
	snprintf(box->id, sizeof(box->id), "sag-%02u", w->n_boxes);
	snprintf(box->name, sizeof(box->name), "%s-%02u", w->n_boxes % 3 == 2 ? "depot" : "shop", w->n_boxes);
	snprintf(box->city, sizeof(box->city), "city-%u", w->n_boxes / 2 % 8);
	snprintf(box->resource_group, sizeof(box->resource_group), "rg");
	snprintf(box->model, sizeof(box->model), "%s", world_models[0]);
	for (unsigned int i = 0; i < n_devices; i++) {
		struct world_device *d = &box->devices[i];

		*d = (struct world_device){.version = {version, dpi}, .is_online = true, .controller = HEALTH_NORMAL, .vpn = HEALTH_NORMAL};
		snprintf(d->serial, sizeof(d->serial), "sn%02u%c", w->n_boxes, "ab"[i]);
		if (n_devices == 2)
			d->role = i == 0 ? HA_ROLE_ACTIVE : HA_ROLE_STANDBY;
	}
	w->n_boxes++;
	return box;
}

struct world_box *world_find_box(struct world *w, const char *id)
{
	unsigned long i = strlen(id) > 4 ? strtoul(id + 4, NULL, 10) : w->n_boxes; /* after "sag-" */

	return i < w->n_boxes && strcmp(w->boxes[i].id, id) == 0 ? &w->boxes[i] : NULL;
}

struct world_device *world_find_device(struct world *w, const char *id, const char *serial)
{
	struct world_box *box = world_find_box(w, id);

	for (unsigned int i = 0; box && i < box->n_devices; i++)
		if (strcmp(box->devices[i].serial, serial) == 0)
			return &box->devices[i];
	return NULL;
}

/* Which box and device, so that a job finds it again wherever the serial number went. */
static void name_device(struct world *w, const struct world_device *d, struct job *job)
{
	size_t box = (size_t)((const char *)d - (const char *)w->boxes) / sizeof(*w->boxes);

	memcpy(job->id, w->boxes[box].id, sizeof(job->id));
	snprintf(job->serial, sizeof(job->serial), "%s", d->serial);
	job->upgrade_seq = d->upgrade_seq;
}

void world_start_upgrade(struct world *w, struct world_device *d, enum version_type type, int to, enum fate fate)
{
	int64_t takes = world_between(w, w->upgrade_min_ns, w->upgrade_max_ns) * (fate == FATE_SLOW ? 8 : 1);
	struct job *job;

	d->is_upgrading = true;
	d->upgrade_seq++;
	if (type == VERSION_TYPE_DEVICE) {
		job = world_plan(w, w->now_ns + takes / 4, JOB_DEVICE_DROPS);
		name_device(w, d, job);
	}
	job = world_plan(w, w->now_ns + takes, JOB_DEVICE_DONE);
	name_device(w, d, job);
	job->type = type;
	job->version = to;
	job->fate = fate;
}

static void device_done(struct world *w, const struct job *job, struct world_device *d)
{
	if (job->fate == FATE_STUCK) {
		d->is_online = false;
		world_say(w, "%s %s does not come back", job->id, d->serial);
		return;
	}
	d->is_upgrading = false;
	d->is_online = true;
	if (job->fate != FATE_OLD)
		d->version[job->type] = job->version + (job->fate == FATE_BEYOND && job->version + 1 < VERSION_RANKED);
	if (job->fate == FATE_UNHEALTHY)
		d->controller = HEALTH_ABNORMAL;
	world_say(w, "%s %s is back on %s %s%s", job->id, d->serial, version_type_names[job->type],
		  d->version[job->type] < 0 ? "none" : world_versions[d->version[job->type]],
		  d->controller == HEALTH_NORMAL ? "" : ", unhealthy");
}

void world_external_change(struct world *w, struct world_box *box, unsigned int device, enum version_type type, int version)
{
	struct world_device *d = &box->devices[device];

	world_say(w, "somebody else moves %s %s %s to %s", box->id, d->serial, version_type_names[type], world_versions[version]);
	d->version[type] = version;
	d->external_changes++;
	d->is_meddled = true;
}

void world_hold(struct world *w, int is_held)
{
	if (!w->core || is_held == (w->held_step > 0))
		return;
	w->held_step = is_held ? w->steps + 1 : 0;
	if (is_held)
		reconcile_hold(w->core);
	else
		reconcile_unhold(w->core);
}

void world_wall_jump(struct world *w, int64_t by_s)
{
	if (!w->has_wall_jumps)
		return;
	w->wall_offset_s += by_s;
	world_tell_calendars(w);
}

/* ---- the run ---- */

void world_plan_chaos(struct world *w, int64_t at_ns)
{
	world_plan(w, at_ns, JOB_CHAOS);
}

void world_script(struct world *w, int64_t at_ns, void (*script)(struct world *w, int arg), int arg)
{
	struct job *job = world_plan(w, at_ns, JOB_SCRIPT);

	job->script = script;
	job->arg = arg;
}

static void run_job(struct world *w, struct job *job)
{
	struct world_device *d;

	if (shell_run(w, job))
		return;
	if (job->kind == JOB_CHAOS) {
		w->hooks.chaos(w);
		return;
	}
	if (job->kind == JOB_CALENDAR) {
		world_tell_calendars(w);
		world_plan(w, w->now_ns + 24 * HOUR, JOB_CALENDAR);
		return;
	}
	if (job->kind == JOB_RESTART) {
		life_begin(w, job->arg);
		return;
	}
	if (job->kind == JOB_SCRIPT) {
		job->script(w, job->arg);
		return;
	}
	d = world_find_device(w, job->id, job->serial);
	if (!d || d->upgrade_seq != job->upgrade_seq)
		return;
	if (job->kind == JOB_DEVICE_DONE)
		device_done(w, job, d);
	else
		d->is_online = false;
}

/* Wakes the core, sometimes late, as a busy loop would. */
static void tick(struct world *w, int64_t deadline)
{
	struct event ev = {.kind = EVENT_TICK};

	w->now_ns = deadline > w->now_ns ? deadline : w->now_ns;
	if (world_chance(w, w->faults.late_tick))
		w->now_ns += world_between(w, 0, 2 * NS_PER_S);
	world_step(w, &ev);
}

static int64_t core_deadline_ns(const struct world *w)
{
	int64_t deadline = w->core ? reconcile_deadline_ns(w->core) : INT64_MAX;

	return deadline == INT64_MAX ? INT64_MAX : deadline + w->boot_ns;
}

static void turn(struct world *w, int64_t at, int64_t deadline)
{
	struct job *job;

	if (at <= deadline) {
		job = pop(w);
		w->now_ns = at > w->now_ns ? at : w->now_ns;
		run_job(w, job);
		world_job_done(w, job);
	} else {
		tick(w, deadline);
	}
	if (w->is_killed)
		life_crash(w);
}

void world_run(struct world *w, int64_t until_ns)
{
	if (w->is_killed)
		life_crash(w);
	while (!w->failure) {
		int64_t deadline = core_deadline_ns(w), before = w->now_ns;
		int64_t at = w->n_jobs ? w->jobs[0]->at_ns : INT64_MAX;

		if ((at < deadline ? at : deadline) >= until_ns)
			break;
		turn(w, at, deadline);
		w->burst = w->now_ns - before > NS_PER_MS ? 0 : w->burst + 1;
		if (w->burst > 5000 + w->n_boxes)
			world_break(w, "rule 10", "%llu turns without a millisecond going by", (unsigned long long)w->burst);
	}
	if (!w->failure && w->now_ns < until_ns)
		w->now_ns = until_ns;
}

static bool is_settled_box(const struct world *w, const struct world_box *box)
{
	uint32_t pin = world_pin_of(&w->draft, box);

	for (unsigned int i = 0; pin != PIN_NONE && i < box->n_devices; i++) {
		for (size_t t = 0; t < VERSION_TYPE_N; t++) {
			int want = w->draft.pins[pin].version[t], have = box->devices[i].version[t];

			if (want >= 0 && have >= 0 && have < want)
				return false;
		}
	}
	return true;
}

bool world_settled(const struct world *w)
{
	for (uint32_t i = 0; i < w->n_boxes; i++)
		if (w->boxes[i].exists && !is_settled_box(w, &w->boxes[i]))
			return false;
	return w->core && reconcile_in_flight(w->core) == 0;
}
