/*
 * Between the core and the cloud.
 *
 * Each LIST, FOLLOW, READ, UPGRADE and SET_AUTO_UPGRADE becomes a job with one or more calls; a job ends in exactly one event
 * (a listing: slices, then its end). Steps are only made from replies and from daemon_step's own loop, never from
 * inside a plan, since a plan is valid until the next step.
 */
#include "dispatch.h"

#include "gates.h"
#include "log.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Pages of one listing that wait or run at once, tries of one page, and tries of a listing that shifted. */
#define LIST_CALLS_MAX 16
#define LIST_PAGE_TRIES 3
#define LIST_TRIES 3

enum job_kind {
	JOB_LIST,
	JOB_FOLLOW,
	JOB_READ,
	JOB_UPGRADE,
	JOB_SET_AUTO_UPGRADE,
};

struct job {
	enum job_kind kind;
	uint32_t scope;
	uint64_t ticket;
	uint64_t intent;
	enum read_purpose purpose;
	enum version_type version_type;
	char instance_id[LIMIT_INSTANCE_ID + 1];
	char serial_number[LIMIT_SERIAL_NUMBER + 1];
	/* JOB_READ */
	bool has_device_info;
	struct api_device_info device_info;
	int64_t read_ns; /* when its first request left: the age of the fact */
	/* JOB_LIST */
	struct listing *listing;
	uint32_t calls;  /* not answered yet */
	uint32_t failures; /* of pages, in this try */
	uint32_t tries;
	int64_t started_ns;
	size_t delivered;
	bool is_spoilt; /* this try came to nothing */
	bool may_try_again;
	char why[256];
	struct job *next_delivery;
};

struct dispatch {
	struct daemon *d;
	struct job *deliveries; /* complete listings on their way into the core */
	struct event *answers;
	size_t n_answers, first_answer, size_answers;
	bool *was_listed; /* of each scope */
	bool *is_unusable; /* credentials, of each scope */
};

static int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int dispatch_new(struct daemon *d, struct dispatch **ret_dispatch)
{
	struct dispatch *x = calloc(1, sizeof(*x));
	size_t n = d->config->settings.n_scopes;

	if (!x)
		return -ENOMEM;
	x->d = d;
	x->was_listed = calloc(n ? n : 1, sizeof(*x->was_listed));
	x->is_unusable = calloc(n ? n : 1, sizeof(*x->is_unusable));
	if (!x->was_listed || !x->is_unusable) {
		dispatch_free(x);
		return -ENOMEM;
	}
	*ret_dispatch = x;
	return 0;
}

static struct job *job_free(struct job *job)
{
	if (job)
		listing_free(job->listing);
	free(job);
	return NULL;
}

struct dispatch *dispatch_free(struct dispatch *x)
{
	if (!x)
		return NULL;
	while (x->deliveries) {
		struct job *job = x->deliveries;

		x->deliveries = job->next_delivery;
		job_free(job);
	}
	free(x->answers);
	free(x->was_listed);
	free(x->is_unusable);
	free(x);
	return NULL;
}

/* ---- answers that are due at once ---- */

static int answer(struct dispatch *x, const struct event *ev)
{
	if (x->first_answer == x->n_answers)
		x->first_answer = x->n_answers = 0;
	if (x->n_answers == x->size_answers) {
		size_t size = x->size_answers ? 2 * x->size_answers : 16;
		struct event *grown = realloc(x->answers, size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		x->answers = grown;
		x->size_answers = size;
	}
	x->answers[x->n_answers++] = *ev;
	return 0;
}

bool dispatch_take_answer(struct dispatch *x, struct event *ret_event)
{
	if (x->first_answer == x->n_answers)
		return false;
	*ret_event = x->answers[x->first_answer++];
	return true;
}

/* ---- actions to calls ---- */

static const enum call_priority read_priority[READ_PURPOSE_N] = {
	[READ_FRESH] = CALL_PRIORITY_FRESH,
	[READ_VERIFY] = CALL_PRIORITY_FOLLOW,
	[READ_DPI] = CALL_PRIORITY_DPI,
	[READ_CATALOGUE] = CALL_PRIORITY_CATALOGUE,
	[READ_AUTO_UPGRADE] = CALL_PRIORITY_AUTO_UPGRADE,
};

static int call(struct dispatch *x, struct job *job, enum call_priority priority, const struct api_request *request, int64_t not_after_ns, uint64_t tag)
{
	struct call c = {
		.scope = job->scope,
		.priority = priority,
		.request = *request,
		.not_after_ns = not_after_ns,
		.tag = tag,
		.userdata = job,
	};

	c.request.region_id = x->d->config->settings.scopes[job->scope].region_id;
	return client_call(x->d->client, &c);
}

static int read_call(struct dispatch *x, struct job *job)
{
	struct api_request request = {
		.action = API_DESCRIBE_SMART_ACCESS_GATEWAY_ATTRIBUTE,
		.instance_id = job->instance_id,
	};

	/* Device info first: it is small and kept in the job while the attributes are read. */
	if (!job->has_device_info && (job->purpose == READ_FRESH || job->purpose == READ_VERIFY)) {
		request.action = API_DESCRIBE_SAG_DEVICE_INFO;
		request.serial_number = job->serial_number;
	} else if (job->purpose == READ_CATALOGUE || job->purpose == READ_AUTO_UPGRADE) {
		request.action = job->purpose == READ_CATALOGUE ? API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS : API_DESCRIBE_DEVICE_AUTO_UPGRADE_POLICY;
		request.serial_number = job->serial_number;
		request.version_type = job->version_type;
	}
	return call(x, job, read_priority[job->purpose], &request, 0, 0);
}

static int list_calls(struct dispatch *x, struct job *job)
{
	while (job->calls < LIST_CALLS_MAX) {
		struct api_request request = {
			.action = API_DESCRIBE_SMART_ACCESS_GATEWAYS,
			.page_size = LIMIT_PAGE,
			.page_number = listing_next_page(job->listing),
		};
		int r;

		if (!request.page_number)
			return 0;
		r = call(x, job, CALL_PRIORITY_LIST, &request, 0, request.page_number);
		if (r < 0)
			return r;
		job->calls++;
	}
	return 0;
}

static int follow_call(struct dispatch *x, struct job *job, const struct action *a)
{
	const char *ids[LIMIT_PAGE];
	struct api_request request = {
		.action = API_DESCRIBE_SMART_ACCESS_GATEWAYS,
		.page_number = 1,
		.page_size = LIMIT_PAGE,
		.instance_ids = ids,
	};
	struct instance_view view;

	for (uint32_t i = 0; i < a->n_instances && request.n_instance_ids < LIMIT_PAGE; i++)
		if (reconcile_instance(x->d->core, a->instances[i], &view))
			ids[request.n_instance_ids++] = view.instance_id;
	return call(x, job, CALL_PRIORITY_FOLLOW, &request, 0, 0);
}

static int upgrade_call(struct dispatch *x, struct job *job, const struct action *a)
{
	struct api_request request = { .action = API_UPDATE_SMART_ACCESS_GATEWAY_VERSION };
	struct intent_view view;

	if (!reconcile_intent(x->d->core, a->intent, &view))
		return -EINVAL;
	request.instance_id = view.instance_id;
	request.serial_number = view.serial_number;
	request.version = view.to;
	request.version_type = view.version_type;
	return call(x, job, CALL_PRIORITY_UPGRADE, &request, a->not_after_ns, 0);
}

static int auto_upgrade_call(struct dispatch *x, struct job *job, const struct action *a)
{
	struct api_request request = {
		.action = API_MODIFY_DEVICE_AUTO_UPGRADE_POLICY, .instance_id = job->instance_id, .serial_number = job->serial_number,
		.version_type = job->version_type, .auto_upgrade = a->auto_upgrade,
	};

	return call(x, job, CALL_PRIORITY_AUTO_UPGRADE, &request, a->not_after_ns, 0);
}

static int job_new(struct dispatch *x, const struct action *a, enum job_kind kind, struct job **ret_job)
{
	struct job *job = calloc(1, sizeof(*job));
	struct instance_view instance;
	struct target_view target;

	if (!job)
		return -ENOMEM;
	*job = (struct job){
		.kind = kind,
		.scope = a->scope,
		.ticket = a->ticket,
		.intent = a->intent,
		.purpose = a->purpose,
		.started_ns = x->d->now_ns,
	};
	if (a->instance != NONE && reconcile_instance(x->d->core, a->instance, &instance))
		snprintf(job->instance_id, sizeof(job->instance_id), "%s", instance.instance_id);
	if (a->target != NONE && reconcile_target(x->d->core, a->target, &target)) {
		snprintf(job->serial_number, sizeof(job->serial_number), "%s", target.serial_number);
		job->version_type = target.version_type;
	}
	*ret_job = job;
	return 0;
}

static int start_listing(struct dispatch *x, struct job *job)
{
	int r;

	listing_free(job->listing);
	job->listing = NULL;
	job->failures = 0;
	job->is_spoilt = false;
	job->tries++;
	r = listing_new(x->d->now_ns, &job->listing);
	return r < 0 ? r : list_calls(x, job);
}

/* A call that cannot even be queued (E2BIG: an id beyond every limit) is answered as one that failed. */
static int answer_unqueued(struct dispatch *x, const struct job *job)
{
	struct event ev = { .kind = EVENT_READ_FAILED };

	if (job->kind == JOB_UPGRADE) {
		ev.kind = EVENT_CALLED;
		ev.called.intent = job->intent;
		ev.called.outcome = CALL_NOT_SENT;
	} else if (job->kind == JOB_SET_AUTO_UPGRADE) {
		ev.kind = EVENT_AUTO_UPGRADE_SET;
		ev.auto_upgrade_set.ticket = job->ticket;
	} else if (job->kind == JOB_READ && job->purpose == READ_AUTO_UPGRADE) {
		ev.kind = EVENT_AUTO_UPGRADE;
		ev.auto_upgrade.ticket = job->ticket;
	} else if (job->kind == JOB_LIST) {
		ev.kind = EVENT_LISTING_ENDED;
		ev.listing.scope = job->scope;
		ev.listing.started_ns = job->started_ns;
	} else {
		ev.failure.ticket = job->ticket;
		ev.failure.class = ERROR_CLASS_TERMINAL;
	}
	return answer(x, &ev);
}

static int start_job(struct dispatch *x, const struct action *a, enum job_kind kind)
{
	struct job *job;
	int r = job_new(x, a, kind, &job);

	if (r < 0)
		return r;
	switch (kind) {
	case JOB_LIST:
		r = start_listing(x, job);
		break;
	case JOB_FOLLOW:
		r = follow_call(x, job, a);
		break;
	case JOB_READ:
		r = read_call(x, job);
		break;
	case JOB_UPGRADE:
		r = upgrade_call(x, job, a);
		break;
	case JOB_SET_AUTO_UPGRADE:
		r = auto_upgrade_call(x, job, a);
		break;
	}
	if (r == -ENOMEM)
		return r; /* fatal; calls that were queued before still point to the job */
	if (r < 0) {
		r = answer_unqueued(x, job);
		job_free(job);
	}
	return r;
}

int dispatch_plan(struct dispatch *x, const struct plan *plan)
{
	static const struct {
		bool is_job;
		enum job_kind kind;
	} jobs[ACTION_KIND_N] = {
		[ACTION_LIST] = { true, JOB_LIST },
		[ACTION_FOLLOW] = { true, JOB_FOLLOW },
		[ACTION_READ] = { true, JOB_READ },
		[ACTION_UPGRADE] = { true, JOB_UPGRADE },
		[ACTION_SET_AUTO_UPGRADE] = { true, JOB_SET_AUTO_UPGRADE },
	};

	for (size_t i = 0; i < plan->n_actions; i++) {
		const struct action *a = &plan->actions[i];
		int r = 0;

		if (x->d->is_stopping) {
			continue; /* nothing leaves any more */
		} else if (jobs[a->kind].is_job) {
			r = start_job(x, a, jobs[a->kind].kind);
		} else if (a->kind == ACTION_GATE) {
			struct event ev;

			r = gates_ask(x->d->gates, a, &ev);
			if (r == GATES_E_ANSWERED)
				r = answer(x, &ev);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- replies to events ---- */

static int step_read_failed(struct dispatch *x, const struct job *job, enum error_class class)
{
	struct event ev = { .kind = EVENT_READ_FAILED, .failure = { .ticket = job->ticket, .class = class } };

	return daemon_step(x->d, &ev);
}

static int step_read(struct dispatch *x, const struct job *job, enum event_kind kind, const struct observation *o, size_t n, int64_t read_ns)
{
	struct event ev = {
		.kind = kind,
		.read = { .ticket = job->ticket, .scope = job->scope, .read_ns = read_ns, .observations = o, .n = n },
	};

	return daemon_step(x->d, &ev);
}

/* A reply that parsed as JSON but does not say what it must: told like any other failed call. */
static void tell_invalid(struct dispatch *x, const struct call_reply *reply, const struct error *error)
{
	struct call_reply told = *reply;

	told.result = CALL_RESULT_INVALID;
	told.class = ERROR_CLASS_TRANSIENT;
	told.advice = error->text;
	report_reply(x->d->report, &told);
}

static int listing_ended(struct dispatch *x, struct job *job, bool is_complete, const char *why)
{
	struct event ev = {
		.kind = EVENT_LISTING_ENDED,
		.listing = { .scope = job->scope, .is_complete = is_complete, .started_ns = listing_started_ns(job->listing) },
	};

	x->was_listed[job->scope] = true;
	report_listing(x->d->report, job->scope, is_complete, x->d->now_ns - ev.listing.started_ns, listing_total(job->listing), why);
	return daemon_step(x->d, &ev);
}

static int reply_page(struct dispatch *x, struct job *job, const struct call_reply *reply, struct error *ret_error)
{
	struct api_page page;
	int r = smartag_read_page(reply->reply, &page, ret_error);

	if (r == SMARTAG_E_INVALID)
		tell_invalid(x, reply, ret_error);
	else
		report_reply(x->d->report, reply);
	if (r)
		return r < 0 ? r : LISTING_E_INCONSISTENT;
	return listing_add(job->listing, (uint32_t)reply->tag, &page, reply->sent_ns, ret_error);
}

static int retry_page(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	struct api_request request = {
		.action = API_DESCRIBE_SMART_ACCESS_GATEWAYS,
		.page_size = LIMIT_PAGE,
		.page_number = (uint32_t)reply->tag,
	};
	int r = call(x, job, CALL_PRIORITY_LIST, &request, 0, reply->tag);

	if (r >= 0)
		job->calls++;
	return r;
}

/* This try came to nothing; the pages that are still under way are awaited, so that none gets into the next try. */
static void spoil(struct job *job, bool may_try_again, const char *why)
{
	job->is_spoilt = true;
	job->may_try_again = may_try_again;
	snprintf(job->why, sizeof(job->why), "%s", why);
}

static int end_spoilt(struct dispatch *x, struct job *job)
{
	int r;

	if (job->may_try_again && job->tries < LIST_TRIES)
		return start_listing(x, job);
	r = listing_ended(x, job, false, job->why);
	job_free(job);
	return r;
}

static int take_page(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	struct error error = { .text = "" };
	int r;

	if (reply->result != CALL_RESULT_OK) {
		/* A client that closes takes no page again: the job must end here. */
		bool is_passing = reply->class == ERROR_CLASS_TRANSIENT && reply->result != CALL_RESULT_NOT_SENT && !x->d->is_stopping;

		report_reply(x->d->report, reply);
		if (is_passing && ++job->failures < LIST_PAGE_TRIES)
			return retry_page(x, job, reply);
		spoil(job, false, reply->advice);
		return 0;
	}
	r = reply_page(x, job, reply, &error);
	if (r < 0)
		return r;
	if (r == LISTING_E_INCONSISTENT)
		spoil(job, true, error.text);
	if (r == LISTING_MORE)
		return list_calls(x, job);
	if (r == LISTING_COMPLETE) {
		job->next_delivery = x->deliveries;
		x->deliveries = job;
	}
	return 0;
}

static int reply_list(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	int r = 0;

	job->calls--;
	if (job->is_spoilt) {
		report_reply(x->d->report, reply);
		if (reply->result == CALL_RESULT_NOT_SENT)
			job->may_try_again = false;
	} else {
		r = take_page(x, job, reply);
	}
	if (!r && job->is_spoilt && !job->calls)
		r = end_spoilt(x, job);
	return r;
}

static int reply_follow(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	struct api_page page;
	struct error error;
	int r = 0;

	if (reply->result == CALL_RESULT_OK) {
		r = smartag_read_page(reply->reply, &page, &error);
		if (r == SMARTAG_E_INVALID)
			tell_invalid(x, reply, &error);
	}
	if (!r)
		report_reply(x->d->report, reply);
	if (r > 0)
		r = step_read_failed(x, job, ERROR_CLASS_TRANSIENT);
	else if (!r && reply->result != CALL_RESULT_OK)
		r = step_read_failed(x, job, reply->class);
	else if (!r)
		r = step_read(x, job, EVENT_FOLLOWED, page.observations, page.n, reply->sent_ns);
	job_free(job);
	return r;
}

static bool is_no_such_instance(const struct call_reply *reply)
{
	return reply->result == CALL_RESULT_ERROR && reply->code && reply->code->reason == REASON_INVALID_INSTANCE;
}

/* Adds what the device info told to the device that it was asked for; false when the two reads disagree. */
static bool merge_device_info(const struct job *job, struct observation *o)
{
	for (unsigned int i = 0; i < o->n_devices; i++) {
		struct device_observation *device = &o->devices[i];

		if (strcmp(device->serial_number, job->serial_number) != 0)
			continue;
		if (job->device_info.version[0] && device->version[0] && strcmp(job->device_info.version, device->version) != 0)
			return false;
		if (job->device_info.controller != HEALTH_UNKNOWN)
			device->controller = job->device_info.controller;
		if (job->device_info.vpn == HEALTH_ABNORMAL || device->vpn == HEALTH_UNKNOWN)
			device->vpn = job->device_info.vpn;
	}
	return true;
}

static int read_catalogue(struct dispatch *x, const struct job *job, const struct call_reply *reply, struct error *ret_error)
{
	struct api_catalogue *catalogue = malloc(sizeof(*catalogue));
	struct event ev = { .kind = EVENT_CATALOGUE, .catalogue.ticket = job->ticket };
	int r;

	if (!catalogue)
		return -ENOMEM;
	r = smartag_read_catalogue(reply->reply, catalogue, ret_error);
	if (!r) {
		ev.catalogue.entries = catalogue->entries;
		ev.catalogue.n = catalogue->n;
		r = daemon_step(x->d, &ev);
	}
	free(catalogue);
	return r;
}

/* What one good reply meant for a READ. */
enum {
	READ_DONE,
	READ_GOES_ON, /* with another call */
	READ_USELESS, /* it does not say what it must */
};

static int read_ok(struct dispatch *x, struct job *job, const struct call_reply *reply, struct error *ret_error)
{
	struct observation o;
	int r;

	if (!job->read_ns)
		job->read_ns = reply->sent_ns;
	if (reply->action == API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS) {
		r = read_catalogue(x, job, reply, ret_error);
		return r > 0 ? READ_USELESS : r;
	}
	if (reply->action == API_DESCRIBE_SAG_DEVICE_INFO) {
		r = smartag_read_device_info(reply->reply, &job->device_info, ret_error);
		if (r)
			return r > 0 ? READ_USELESS : r;
		job->has_device_info = true;
		r = read_call(x, job);
		return r < 0 ? r : READ_GOES_ON;
	}
	r = smartag_read_attribute(reply->reply, &o, ret_error);
	if (r)
		return r > 0 ? READ_USELESS : r;
	if (strcmp(o.instance_id, job->instance_id) != 0 || (job->has_device_info && !merge_device_info(job, &o))) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "the attributes of %s and its device info do not fit together; the device is read again", job->instance_id);
		return READ_USELESS;
	}
	r = step_read(x, job, EVENT_FRESH, &o, 1, job->read_ns);
	return r < 0 ? r : READ_DONE;
}

/* A failed read tells nothing: the core keeps what it knew. */
static int reply_auto_upgrade(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	struct event ev = { .kind = EVENT_AUTO_UPGRADE, .auto_upgrade.ticket = job->ticket };
	struct api_auto_upgrade told;
	struct error error;
	int r = 0;

	if (reply->result == CALL_RESULT_OK)
		r = smartag_read_auto_upgrade(reply->reply, &told, &error);
	if (r == SMARTAG_E_INVALID)
		tell_invalid(x, reply, &error);
	else if (!r)
		report_reply(x->d->report, reply);
	if (!r && reply->result == CALL_RESULT_OK) {
		ev.auto_upgrade.is_known = true;
		ev.auto_upgrade.policy = &told.policy;
	}
	if (r >= 0)
		r = daemon_step(x->d, &ev);
	job_free(job);
	return r;
}

static int reply_set_auto_upgrade(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	struct event ev = {
		.kind = EVENT_AUTO_UPGRADE_SET,
		.auto_upgrade_set = { .ticket = job->ticket, .is_done = reply->result == CALL_RESULT_OK },
	};
	int r;

	report_reply(x->d->report, reply);
	r = daemon_step(x->d, &ev);
	job_free(job);
	return r;
}

static int reply_read(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	struct error error = { .text = "" };
	int r;

	if (job->purpose == READ_AUTO_UPGRADE)
		return reply_auto_upgrade(x, job, reply);
	if (reply->result == CALL_RESULT_OK) {
		r = read_ok(x, job, reply, &error);
		if (r == READ_USELESS)
			tell_invalid(x, reply, &error);
		else
			report_reply(x->d->report, reply);
		if (r == READ_GOES_ON)
			return 0;
		if (r == READ_USELESS)
			r = step_read_failed(x, job, ERROR_CLASS_TRANSIENT);
	} else {
		report_reply(x->d->report, reply);
		r = is_no_such_instance(reply) && job->purpose != READ_CATALOGUE ? step_read(x, job, EVENT_FRESH, NULL, 0, reply->sent_ns)
										 : step_read_failed(x, job, reply->class);
	}
	job_free(job);
	return r;
}

static int reply_upgrade(struct dispatch *x, struct job *job, const struct call_reply *reply)
{
	struct event ev = {
		.kind = EVENT_CALLED,
		.called = { .intent = job->intent, .outcome = CALL_UNCONFIRMED, .sent_ns = reply->sent_ns },
	};
	int r;

	report_reply(x->d->report, reply);
	if (reply->result == CALL_RESULT_OK) {
		ev.called.outcome = CALL_ACCEPTED;
	} else if (reply->result == CALL_RESULT_NOT_SENT) {
		ev.called.outcome = CALL_NOT_SENT;
		ev.called.sent_ns = 0;
	} else if (reply->result == CALL_RESULT_ERROR && reply->code && reply->code->on_upgrade != ERROR_CLASS_UNCONFIRMED) {
		ev.called.outcome = CALL_REFUSED;
		ev.called.class = reply->code->on_upgrade;
		ev.called.reason = reply->code->reason;
	} else if (reply->result == CALL_RESULT_ERROR && !reply->code) {
		ev.called.class = ERROR_CLASS_TERMINAL; /* a code that we do not know */
	}
	r = daemon_step(x->d, &ev);
	job_free(job);
	return r;
}

/* An account is usable while none of its regions refuses it. */
static bool is_account_usable(const struct dispatch *x, uint32_t account)
{
	for (uint32_t i = 0; i < x->d->config->settings.n_scopes; i++)
		if (x->d->config->scope_account[i] == account && x->is_unusable[i])
			return false;
	return true;
}

/* Credentials and clock are of the account: the core pauses it, and good answers of all its regions let it go on. */
static int watch_credentials(struct dispatch *x, const struct call_reply *reply)
{
	uint32_t account = x->d->config->scope_account[reply->scope];
	bool was_usable = is_account_usable(x, account), is_usable;
	struct event ev = { .kind = EVENT_ACCOUNT, .account.scope = reply->scope };

	if (reply->action == API_UPDATE_SMART_ACCESS_GATEWAY_VERSION)
		return 0; /* the core judges those itself */
	if (reply->class == ERROR_CLASS_ACCOUNT)
		x->is_unusable[reply->scope] = true;
	else if (reply->result == CALL_RESULT_OK)
		x->is_unusable[reply->scope] = false;
	is_usable = is_account_usable(x, account);
	if (is_usable == was_usable)
		return 0;
	ev.account.is_usable = is_usable;
	report_credentials(x->d->report, reply->scope, is_usable, reply->advice);
	return daemon_step(x->d, &ev);
}

void dispatch_reply(void *ctx, const struct call_reply *reply)
{
	static int (*const handlers[])(struct dispatch *, struct job *, const struct call_reply *) = {
		[JOB_LIST] = reply_list,
		[JOB_FOLLOW] = reply_follow,
		[JOB_READ] = reply_read,
		[JOB_UPGRADE] = reply_upgrade,
		[JOB_SET_AUTO_UPGRADE] = reply_set_auto_upgrade,
	};
	struct dispatch *x = ctx;
	struct job *job = reply->userdata;
	int r = watch_credentials(x, reply);

	if (!r)
		r = handlers[job->kind](x, job, reply);
	if (r < 0 && !x->d->error)
		x->d->error = r;
}

/* ---- complete listings into the core ---- */

bool dispatch_has_deliveries(const struct dispatch *x)
{
	return x->deliveries != NULL;
}

bool dispatch_is_warm(const struct dispatch *x)
{
	for (uint32_t i = 0; i < x->d->config->settings.n_scopes; i++)
		if (!x->was_listed[i])
			return false;
	return true;
}

int dispatch_deliver(struct dispatch *x, int64_t budget_ns)
{
	int64_t until = clock_ns() + budget_ns;

	while (x->deliveries) {
		struct job *job = x->deliveries;
		const struct observation *observations;
		struct job listed = { .scope = job->scope };
		int64_t read_ns;
		size_t n = listing_take(job->listing, job->delivered, &observations, &read_ns);
		int r;

		job->delivered += n;
		if (n) {
			r = step_read(x, &listed, EVENT_LISTED, observations, n, read_ns);
		} else {
			x->deliveries = job->next_delivery;
			r = listing_ended(x, job, true, "");
			job_free(job);
		}
		if (r < 0)
			return r;
		if (clock_ns() >= until)
			break;
	}
	return 0;
}
