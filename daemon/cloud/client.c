/*
 * Queues, limits and answers: which call leaves when, and what is said about it.
 *
 * It guarantees that a call handed over is answered exactly once, that an upgrade leaves at most once (transfer.c
 * stops a second departure), that it counts as not sent only when it surely was not, and that no secret is in an
 * answer. Time comes in by client_run and nowhere else. One thread; the callback may call client_call.
 */
#include "cloud/client.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "cloud/advice.h"
#include "cloud/endpoint.h"
#include "cloud/fetch.h"
#include "cloud/transfer.h"

#define THROTTLED_READS_MAX 5 /* times that a read is put back before its caller is told */
#define NONCE_RETRIES_MAX 1   /* a read whose nonce was taken: libcurl sent it again by itself */
#define RETRY_AFTER_MAX_S 60
#define HTTP_TOO_MANY_REQUESTS 429
#define ROUNDS_MAX 4 /* of starting and moving on, in one client_run */
#define FETCH_CONNECTIONS_MAX 4 /* kept for what is no call of the API */
#define ANSWERS_MAX 6 /* told in one client_run: a page of 50 takes up to half a millisecond, and others wait */

const char *const call_result_names[CALL_RESULT_N] = {
	[CALL_RESULT_OK] = "ok",
	[CALL_RESULT_ERROR] = "error",
	[CALL_RESULT_INVALID] = "invalid",
	[CALL_RESULT_TRANSPORT] = "transport",
	[CALL_RESULT_NOT_SENT] = "not_sent",
};

/* A call that waits or is under way: its parameters as text, packed behind it. */
struct job {
	TAILQ_ENTRY(job) entry;
	uint32_t scope;
	enum call_priority priority;
	enum api_action action;
	int64_t not_after_ns, sent_ns;
	uint64_t tag;
	void *userdata;
	unsigned int n_put_back, nonce_retries; /* times that it was throttled and queued again */
	size_t n_params;
	struct sign_param params[];
};

TAILQ_HEAD(job_list, job);
LIST_HEAD(transfer_list, transfer);

struct queue {
	struct job_list jobs;
	int64_t first_not_after_ns; /* no job's time passes before; INT64_MAX for none */
};

struct scope_state {
	const struct client_scope *settings;
	struct endpoint endpoint;
	struct limiter limiter;
	int64_t resume_ns; /* Retry-After */
	struct queue queues[CALL_PRIORITY_N];
	size_t n_queued;
	uint32_t n_active;
	struct transfer_list idle[2]; /* reads, upgrades */
};

struct client {
	CURLM *multi;
	struct fetcher *fetcher;
	struct signer *signer;
	client_reply_fn on_reply;
	void *ctx;
	char *user_agent;
	uint64_t (*random)(void *ctx);
	int64_t now_ns, wall_s;
	struct transfer_list active;
	uint32_t n_active;
	bool is_closing;
	bool has_answers; /* that are not told yet: there was no room for them in the last run */
	int fatal; /* negative errno met while answering; client_run gives it back */
	uint32_t n_scopes;
	struct scope_state scopes[];
};

/* What became of a transfer, before it is told. */
struct outcome {
	enum call_result result;
	enum error_class class;
	const struct error_code *code;
	struct api_reply *reply;
	long http_status;
	struct error advice;
};

static bool is_upgrade(const struct job *job)
{
	return job->action == API_UPDATE_SMART_ACCESS_GATEWAY_VERSION;
}

static enum error_class unknown_class(const struct job *job)
{
	return is_upgrade(job) ? ERROR_CLASS_UNCONFIRMED : ERROR_CLASS_TRANSIENT;
}

/* Tells the outcome and ends the job. Nothing of the client may be half-changed here: the callback may call. */
static void answer(struct client *c, struct job *job, const struct outcome *o)
{
	static const struct api_envelope no_envelope;
	const struct call_reply reply = {
		.userdata = job->userdata,
		.tag = job->tag,
		.scope = job->scope,
		.action = job->action,
		.result = o->result,
		.class = o->class,
		.code = o->code,
		.envelope = o->reply ? smartag_reply_envelope(o->reply) : &no_envelope,
		.reply = o->result == CALL_RESULT_OK ? o->reply : NULL,
		.http_status = o->http_status,
		.sent_ns = job->sent_ns,
		.done_ns = c->now_ns,
		.n_throttled = job->n_put_back,
		.advice = o->advice.text,
	};
	c->on_reply(c->ctx, &reply);
	free(job);
}

static void answer_not_sent(struct client *c, struct job *job, enum error_class class, const char *advice)
{
	struct outcome o = { .result = CALL_RESULT_NOT_SENT, .class = class };
	snprintf(o.advice.text, sizeof(o.advice.text), "%s: %s", c->scopes[job->scope].endpoint.url, advice);
	job->sent_ns = 0;
	answer(c, job, &o);
}

/* Queues. */

static void queue_put(struct scope_state *s, struct job *job, bool is_first)
{
	struct queue *q = &s->queues[job->priority];
	if (is_first)
		TAILQ_INSERT_HEAD(&q->jobs, job, entry);
	else
		TAILQ_INSERT_TAIL(&q->jobs, job, entry);
	if (job->not_after_ns != 0 && job->not_after_ns < q->first_not_after_ns)
		q->first_not_after_ns = job->not_after_ns;
	s->n_queued++;
}

static void queue_remove(struct scope_state *s, struct job *job)
{
	TAILQ_REMOVE(&s->queues[job->priority].jobs, job, entry);
	s->n_queued--;
}

static struct job *queue_first(const struct scope_state *s)
{
	for (size_t i = 0; i < CALL_PRIORITY_N; i++)
		if (!TAILQ_EMPTY(&s->queues[i].jobs))
			return TAILQ_FIRST(&s->queues[i].jobs);
	return NULL;
}

/* Answers what is too old. A scan only when something is: the expired are collected before the first answer. */
static void expire_queue(struct client *c, struct scope_state *s, struct queue *q)
{
	struct job_list expired = TAILQ_HEAD_INITIALIZER(expired);
	struct job *job, *next;
	if (q->first_not_after_ns >= c->now_ns)
		return;
	q->first_not_after_ns = INT64_MAX;
	for (job = TAILQ_FIRST(&q->jobs); job; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (job->not_after_ns == 0)
			continue;
		if (job->not_after_ns < c->now_ns) {
			queue_remove(s, job);
			TAILQ_INSERT_TAIL(&expired, job, entry);
		} else if (job->not_after_ns < q->first_not_after_ns) {
			q->first_not_after_ns = job->not_after_ns;
		}
	}
	while ((job = TAILQ_FIRST(&expired))) {
		TAILQ_REMOVE(&expired, job, entry);
		answer_not_sent(c, job, ERROR_CLASS_TRANSIENT,
				"the call waited too long for its turn; raise calls_per_second or concurrency if this lasts");
	}
}

static void expire(struct client *c)
{
	for (uint32_t i = 0; i < c->n_scopes; i++)
		for (size_t p = 0; p < CALL_PRIORITY_N; p++)
			expire_queue(c, &c->scopes[i], &c->scopes[i].queues[p]);
}

/* One block: the job, its parameter table, their text. */
static struct job *job_new(const struct call *call, const struct api_params *params)
{
	size_t size = sizeof(struct job) + params->n * sizeof(struct sign_param);
	for (size_t i = 0; i < params->n; i++)
		size += strlen(params->params[i].name) + strlen(params->params[i].value) + 2;
	struct job *job = malloc(size);
	if (!job)
		return NULL;
	*job = (struct job){
		.scope = call->scope,
		.priority = call->priority,
		.action = call->request.action,
		.not_after_ns = call->not_after_ns,
		.tag = call->tag,
		.userdata = call->userdata,
		.n_params = params->n,
	};
	char *text = (char *)&job->params[params->n];
	for (size_t i = 0; i < params->n; i++) {
		job->params[i].name = text;
		text = stpcpy(text, params->params[i].name) + 1;
		job->params[i].value = text;
		text = stpcpy(text, params->params[i].value) + 1;
	}
	return job;
}

int client_call(struct client *c, const struct call *call)
{
	struct api_params params;
	assert(call->scope < c->n_scopes && call->priority < CALL_PRIORITY_N && call->request.action < API_ACTION_N);
	if (c->is_closing)
		return -ECANCELED;
	int r = smartag_params(&call->request, &params);
	if (r < 0)
		return r;
	struct job *job = job_new(call, &params);
	if (!job)
		return -ENOMEM;
	queue_put(&c->scopes[call->scope], job, false);
	return 0;
}

/* Leaving. */

static int make_transfer(struct client *c, struct scope_state *s, bool for_upgrade, struct transfer **ret_transfer,
			 struct error *ret_error)
{
	const struct transfer_options options = {
		.scope = s->settings,
		.endpoint = &s->endpoint,
		.user_agent = c->user_agent,
		.now_ns = &c->now_ns,
		.is_upgrade = for_upgrade,
	};
	return transfer_new(&options, ret_transfer, ret_error);
}

static int take_transfer(struct client *c, struct scope_state *s, bool for_upgrade, struct transfer **ret_transfer)
{
	struct error error; /* client_new has made one of each kind: only memory can be missing now */
	struct transfer *t = LIST_FIRST(&s->idle[for_upgrade]);
	if (!t)
		return make_transfer(c, s, for_upgrade, ret_transfer, &error);
	LIST_REMOVE(t, entry);
	*ret_transfer = t;
	return 0;
}

static int sign_job(struct client *c, const struct scope_state *s, const struct job *job, struct signed_request *ret_signed)
{
	char nonce[33];
	uint64_t high = c->random(c->ctx), low = c->random(c->ctx);
	snprintf(nonce, sizeof(nonce), "%016llx%016llx", (unsigned long long)high, (unsigned long long)low);
	const struct sign_key key = credentials_key(s->settings->credentials);
	const struct sign_request request = {
		.http_method = "POST",
		.host = s->endpoint.host,
		.path = "/",
		.action = api_action_names[job->action],
		.version = SMARTAG_VERSION,
		.params = job->params,
		.n_params = job->n_params,
		.wall_s = c->wall_s,
		.nonce = nonce,
	};
	return signer_sign(c->signer, s->settings->signature, &key, &request, ret_signed);
}

static void put_idle(struct scope_state *s, struct transfer *t)
{
	t->job = NULL;
	LIST_INSERT_HEAD(&s->idle[t->is_upgrade], t, entry);
}

/* The job was taken from its queue: it leaves or is answered. Negative errno is fatal, the job is then queued again. */
static int start(struct client *c, struct scope_state *s, struct job *job)
{
	struct transfer *t;
	const struct credentials *credentials = s->settings->credentials;
	if (!credentials || !credentials->access_key_id[0]) {
		answer_not_sent(c, job, ERROR_CLASS_ACCOUNT, "there is no access key; see the error about credentials");
		return 0;
	}
	int r = take_transfer(c, s, is_upgrade(job), &t);
	if (r < 0) {
		queue_put(s, job, true);
		return r;
	}
	if (sign_job(c, s, job, &t->request) < 0) {
		put_idle(s, t);
		answer_not_sent(c, job, ERROR_CLASS_ACCOUNT,
				"the request cannot be signed; check the access key, the clock and the crypto library");
		return 0;
	}
	r = transfer_start(t, c->multi, job->not_after_ns);
	if (r < 0) {
		put_idle(s, t);
		queue_put(s, job, true);
		return r;
	}
	t->job = job;
	job->sent_ns = c->now_ns;
	LIST_INSERT_HEAD(&c->active, t, entry);
	s->n_active++;
	c->n_active++;
	return 0;
}

/* Its first key is on the way: calls that would fail for want of one rather wait. */
static bool is_key_awaited(const struct scope_state *s)
{
	return s->settings->credentials && s->settings->credentials->is_awaited;
}

/* How many left, or negative errno. */
static int start_scope(struct client *c, struct scope_state *s)
{
	int n = 0;
	struct job *job;
	while (!is_key_awaited(s) && s->n_active < s->settings->concurrency && c->now_ns >= s->resume_ns && (job = queue_first(s)) &&
	       limiter_take(&s->limiter, c->now_ns)) {
		queue_remove(s, job);
		int r = start(c, s, job);
		if (r < 0)
			return r;
		n++;
	}
	return n;
}

static int start_all(struct client *c)
{
	int n = 0;
	for (uint32_t i = 0; i < c->n_scopes; i++) {
		int r = start_scope(c, &c->scopes[i]);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

/* Answers. */

/* No whole answer came. Not sent is only what libcurl never was about to send. */
static void judge_failure(struct client *c, const struct transfer *t, CURLcode code, struct outcome *ret_outcome)
{
	const struct job *job = t->job;
	const char *url = c->scopes[job->scope].endpoint.url;
	struct outcome o = { .result = advice_result(code), .class = unknown_class(job) };
	struct transfer_failure failure;
	transfer_failure(t, code, &failure);
	advice_transport(url, &failure, &o.advice);
	if (t->is_out_of_memory) {
		o.result = CALL_RESULT_TRANSPORT;
		c->fatal = -ENOMEM;
		snprintf(o.advice.text, sizeof(o.advice.text), "%s: out of memory", url);
	}
	if (t->is_late && t->departures == 0)
		snprintf(o.advice.text, sizeof(o.advice.text),
			 "%s: connecting took until the call was too late; check route, firewall and proxy", url);
	if (t->departures == 0 && (is_upgrade(job) || t->is_late)) {
		o.result = CALL_RESULT_NOT_SENT;
		o.class = ERROR_CLASS_TRANSIENT;
	} else {
		o.http_status = transfer_http_status(t);
	}
	*ret_outcome = o;
}

static void judge_code(const struct job *job, const char *url, struct outcome *o)
{
	o->result = CALL_RESULT_ERROR;
	o->code = error_code_find(smartag_reply_envelope(o->reply)->code);
	if (o->code)
		o->class = is_upgrade(job) ? o->code->on_upgrade : o->code->on_read;
	snprintf(o->advice.text, sizeof(o->advice.text), "%s: %s", url,
		 o->code ? o->code->advice : "an error code that this version does not know; look it up in the API reference");
}

/* A whole answer came: the code decides, not the HTTP status; an answer without code is only a success on 200. */
static void judge_answer(struct client *c, const struct transfer *t, struct outcome *ret_outcome)
{
	const struct job *job = t->job;
	const char *url = c->scopes[job->scope].endpoint.url;
	struct outcome o = { .result = CALL_RESULT_INVALID, .class = unknown_class(job), .http_status = transfer_http_status(t) };
	struct error error = { "no error code and no success" };
	int r = smartag_reply_new(t->body_len > 0 ? t->body : "", t->body_len, &o.reply, &error);
	if (r < 0) {
		c->fatal = r;
		o.result = CALL_RESULT_TRANSPORT;
		snprintf(o.advice.text, sizeof(o.advice.text), "%s: out of memory", url);
	} else if (r == SMARTAG_OK && smartag_reply_envelope(o.reply)->code[0]) {
		judge_code(job, url, &o);
	} else if (r == SMARTAG_OK && o.http_status == 200) {
		o.result = CALL_RESULT_OK;
		o.class = ERROR_CLASS_NONE;
	} else {
		snprintf(o.advice.text, sizeof(o.advice.text),
			 "%s: HTTP %ld and no answer of the API (%.200s); look for a proxy or a load balancer in between", url,
			 o.http_status, error.text);
	}
	*ret_outcome = o;
}

/* Slows the scope down when it was told to. */
static void heed_throttling(struct client *c, struct scope_state *s, const struct transfer *t, const struct outcome *o)
{
	if (o->class != ERROR_CLASS_THROTTLED && o->http_status != HTTP_TOO_MANY_REQUESTS)
		return;
	int64_t wait_s = transfer_retry_after_s(t);
	if (wait_s > RETRY_AFTER_MAX_S)
		wait_s = RETRY_AFTER_MAX_S;
	limiter_throttled(&s->limiter, c->now_ns);
	if (c->now_ns + wait_s * NS_PER_S > s->resume_ns)
		s->resume_ns = c->now_ns + wait_s * NS_PER_S;
}

/* Reads only: an upgrade is always reported, whoever sends it again decides so with the outcome in hand. */
static bool goes_again(struct job *job, const struct outcome *o)
{
	if (is_upgrade(job) || o->result != CALL_RESULT_ERROR)
		return false;
	if (o->class == ERROR_CLASS_THROTTLED)
		return job->n_put_back < THROTTLED_READS_MAX && ++job->n_put_back;
	return strcmp(smartag_reply_envelope(o->reply)->code, "SignatureNonceUsed") == 0 &&
	       job->nonce_retries++ < NONCE_RETRIES_MAX;
}

static void finish(struct client *c, struct transfer *t, CURLcode code)
{
	struct outcome o;
	struct job *job = t->job;
	struct scope_state *s = &c->scopes[job->scope];
	if (code == CURLE_OK)
		judge_answer(c, t, &o);
	else
		judge_failure(c, t, code, &o);
	heed_throttling(c, s, t, &o);
	transfer_stop(t, c->multi);
	LIST_REMOVE(t, entry);
	put_idle(s, t);
	s->n_active--;
	c->n_active--;
	if (goes_again(job, &o))
		queue_put(s, job, true);
	else
		answer(c, job, &o);
	smartag_reply_free(o.reply);
}

/* Tells what is over, `room` answers at most; gives how many that were. */
static int collect(struct client *c, int room)
{
	struct CURLMsg *message;
	int n = 0, left = 0;
	while (n < room && (message = curl_multi_info_read(c->multi, &left))) {
		struct transfer *t = NULL;
		CURLcode code = message->data.result;
		if (!fetcher_finish(c->fetcher, message->easy_handle, code)) {
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
			finish(c, t, code);
		}
		n++;
	}
	c->has_answers = left > 0;
	return n;
}

static int multi_error(CURLMcode code)
{
	return code == CURLM_OK ? 0 : code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

/* An answer frees a place, so the next may leave in the same run; bounded, so that the loop's other work is done too. */
int client_run(struct client *c, int64_t now_ns, int64_t wall_s)
{
	c->now_ns = now_ns;
	c->wall_s = wall_s;
	expire(c);
	for (int i = 0, room = ANSWERS_MAX; i < ROUNDS_MAX && room > 0; i++) {
		int running, n = start_all(c);
		if (n < 0)
			return n;
		if (n == 0 && i > 0)
			break;
		int r = multi_error(curl_multi_perform(c->multi, &running));
		if (r < 0)
			return r;
		room -= collect(c, room);
	}
	int fatal = c->fatal;
	c->fatal = 0;
	return fatal;
}

int client_wait(struct client *c, struct curl_waitfd *extra, unsigned int n_extra, int timeout_ms)
{
	return multi_error(curl_multi_poll(c->multi, extra, n_extra, timeout_ms < 0 ? INT_MAX : timeout_ms, NULL));
}

static int64_t scope_deadline_ns(const struct scope_state *s, int64_t now_ns)
{
	int64_t at_ns = INT64_MAX;
	if (s->n_queued == 0)
		return at_ns;
	for (size_t i = 0; i < CALL_PRIORITY_N; i++)
		if (s->queues[i].first_not_after_ns < at_ns)
			at_ns = s->queues[i].first_not_after_ns + 1; /* its time has passed when it is later */
	if (s->n_active < s->settings->concurrency && !is_key_awaited(s)) {
		int64_t next_ns = limiter_next_ns(&s->limiter, now_ns);
		if (next_ns < s->resume_ns)
			next_ns = s->resume_ns;
		if (next_ns < at_ns)
			at_ns = next_ns;
	}
	return at_ns;
}

int64_t client_deadline_ns(const struct client *c, int64_t now_ns)
{
	int64_t at_ns = INT64_MAX;
	long timeout_ms = -1;
	if (c->has_answers)
		return now_ns;
	for (uint32_t i = 0; i < c->n_scopes; i++) {
		int64_t scope_ns = scope_deadline_ns(&c->scopes[i], now_ns);
		if (scope_ns < at_ns)
			at_ns = scope_ns;
	}
	if (curl_multi_timeout(c->multi, &timeout_ms) == CURLM_OK && timeout_ms >= 0 &&
	    now_ns + timeout_ms * NS_PER_MS < at_ns)
		at_ns = now_ns + timeout_ms * NS_PER_MS;
	return at_ns;
}

struct fetcher *client_fetcher(struct client *c)
{
	return c->fetcher;
}

uint32_t client_in_flight(const struct client *c)
{
	return c->n_active;
}

size_t client_queued(const struct client *c, uint32_t scope)
{
	return c->scopes[scope].n_queued;
}

double client_rate(const struct client *c, uint32_t scope, int64_t now_ns)
{
	return limiter_rate(&c->scopes[scope].limiter, now_ns);
}

/* Beginning and end. */

static int check_scope(const struct client_scope *settings, uint32_t i, struct error *ret_error)
{
	if (settings->calls_per_second > 0 && settings->burst >= 1 && settings->concurrency >= 1 && settings->timeout_ns > 0)
		return 0;
	snprintf(ret_error->text, sizeof(ret_error->text),
		 "scope %u: calls_per_second, burst, concurrency and timeout must be above zero (burst at least 1)", i);
	return -EINVAL;
}

/* Also makes a transfer of each kind, so that what libcurl lacks shows at the start. */
static int init_scope(struct client *c, uint32_t i, struct error *ret_error)
{
	struct scope_state *s = &c->scopes[i];
	struct error why;
	int r = check_scope(s->settings, i, ret_error);
	if (r < 0)
		return r;
	r = endpoint_parse(s->settings->endpoint, &s->endpoint, &why);
	if (r == ENDPOINT_E_INVALID) {
		snprintf(ret_error->text, sizeof(ret_error->text), "scope %u: endpoint %.400s", i, why.text);
		return -EINVAL;
	}
	if (r < 0)
		return r;
	limiter_init(&s->limiter, s->settings->calls_per_second, s->settings->burst, 0);
	for (int kind = 0; kind < 2; kind++) {
		struct transfer *t;
		r = make_transfer(c, s, kind == 1, &t, ret_error);
		if (r < 0)
			return r;
		put_idle(s, t);
	}
	return 0;
}

static int init_client(struct client *c, const struct client_options *options, struct error *ret_error)
{
	long connections = 0;
	c->user_agent = strdup(options->user_agent);
	c->multi = curl_multi_init();
	if (!c->user_agent || !c->multi)
		return -ENOMEM;
	int r = fetcher_new(c->multi, c->user_agent, &c->fetcher);
	if (r == 0)
		r = signer_new(&c->signer);
	if (r == -EIO)
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "OpenSSL offers no HMAC with SHA-1 and SHA-256: check its configuration");
	for (uint32_t i = 0; r == 0 && i < c->n_scopes; i++) {
		connections += (long)options->scopes[i].concurrency;
		r = init_scope(c, i, ret_error);
	}
	if (r == 0)
		r = multi_error(curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, connections + FETCH_CONNECTIONS_MAX));
	return r == -EIO ? -EINVAL : r;
}

/* libcurl counts its initialisations; none is undone, as a detached resolver thread may outlive a client. */
static int init_library(void)
{
	static bool is_done;
	if (!is_done && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	is_done = true;
	return 0;
}

int client_new(const struct client_options *options, struct client **ret_client, struct error *ret_error)
{
	struct client *c = calloc(1, sizeof(*c) + options->n_scopes * sizeof(c->scopes[0]));
	if (!c)
		return -ENOMEM;
	c->on_reply = options->on_reply;
	c->ctx = options->ctx;
	c->random = options->random;
	c->n_scopes = options->n_scopes;
	LIST_INIT(&c->active);
	for (uint32_t i = 0; i < c->n_scopes; i++) {
		struct scope_state *s = &c->scopes[i];
		s->settings = &options->scopes[i];
		for (size_t p = 0; p < CALL_PRIORITY_N; p++) {
			TAILQ_INIT(&s->queues[p].jobs);
			s->queues[p].first_not_after_ns = INT64_MAX;
		}
	}
	int r = init_library();
	if (r == 0)
		r = init_client(c, options, ret_error);
	if (r < 0) {
		client_free(c);
		return r;
	}
	*ret_client = c;
	return 0;
}

static void end_active(struct client *c)
{
	struct transfer *t;
	while ((t = LIST_FIRST(&c->active))) {
		struct job *job = t->job;
		struct outcome o = { .result = CALL_RESULT_TRANSPORT, .class = unknown_class(job) };
		bool has_left = t->departures > 0;
		transfer_stop(t, c->multi);
		LIST_REMOVE(t, entry);
		transfer_free(t);
		c->n_active--;
		c->scopes[job->scope].n_active--;
		snprintf(o.advice.text, sizeof(o.advice.text), "%s: the client was closed before the answer; ask again",
			 c->scopes[job->scope].endpoint.url);
		if (has_left)
			answer(c, job, &o);
		else
			answer_not_sent(c, job, ERROR_CLASS_TRANSIENT, "the client was closed before the call left; ask again");
	}
}

static void end_scope(struct client *c, struct scope_state *s)
{
	struct job *job;
	struct transfer *t;
	while ((job = queue_first(s))) {
		queue_remove(s, job);
		answer_not_sent(c, job, ERROR_CLASS_TRANSIENT, "the client was closed before the call left; ask again");
	}
	for (int kind = 0; kind < 2; kind++)
		while ((t = LIST_FIRST(&s->idle[kind]))) {
			LIST_REMOVE(t, entry);
			transfer_free(t);
		}
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	c->is_closing = true;
	end_active(c);
	for (uint32_t i = 0; i < c->n_scopes; i++)
		end_scope(c, &c->scopes[i]);
	c->fetcher = fetcher_free(c->fetcher);
	curl_multi_cleanup(c->multi);
	signer_free(c->signer);
	free(c->user_agent);
	free(c);
	return NULL;
}
