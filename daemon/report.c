/*
 * What happened, counted and told.
 *
 * Series are made here at start-up and kept as handles in flat arrays indexed by scope, action and so on: counting is one
 * addition. What survives a restart is not counted here but taken over from the core, as committed, before a scrape.
 * Decisions of the core become log lines in tell.c.
 */
#include "report.h"

#include "cloud/errors.h"
#include "ledger.h"
#include "log.h"
#include "process.h"
#include "tell.h"

#include <curl/curl.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "version_info.h"

#define CODE_LABELS_MAX 32 /* the ten documented codes and "other" */

/*
 * The reasons that an upgrade can fail or be refused with: label values of sagpin_upgrades_failed_total. A refusal for the
 * account's or the API's sake (credentials, throttled) or of a device that is offline is none.
 */
static const enum reason failed_reasons[] = {
	REASON_DEADLINE, REASON_UNHEALTHY, REASON_NO_EFFECT, REASON_REJECTED, REASON_RETRIES, REASON_IN_ARREARS, REASON_NOT_ACTIVATED,
	REASON_NOT_BOUND, REASON_INVALID_INSTANCE, REASON_FORBIDDEN, REASON_VERSION_TOO_OLD,
};
#define N_FAILED_REASONS (sizeof(failed_reasons) / sizeof(failed_reasons[0]))

struct scope_series {
	struct series *requests[API_ACTION_N];
	struct series *errors[API_ACTION_N][ERROR_CLASS_N];
	struct series *upgrade_errors[CODE_LABELS_MAX];
	struct series *up, *last_success, *duration;
	bool is_failing[API_ACTION_N]; /* told, and not told as recovered */
	enum { LISTING_NEVER, LISTING_GOOD, LISTING_BAD } listing; /* as it was last told */
};

struct account_series {
	struct series *valid, *expiry; /* expiry is made with the first key that has one */
	bool is_refused;
};

struct report {
	struct daemon *d;
	struct scope_series *scopes;
	struct series *request_duration[API_ACTION_N];
	struct account_series *accounts;
	struct series *upgrade_duration, *steps, *step_duration, *stall, *heartbeat, *in_flight, *paused;
	struct series *commits, *commit_failures, *commit_duration;
	bool is_store_failing; /* told, and not told as recovered */
	bool has_tallies; /* the series of what survives a restart are made */
	struct series *messages[LOG_LEVEL_N], *dropped;
};

static const struct settings *settings_of(const struct report *x)
{
	return &x->d->config->settings;
}

static double wall_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / NS_PER_S;
}

/* ---- making every series at 0 ---- */

/* Makes a series; `x->d->error` remembers when memory ran out, so that the many calls need not check. */
static struct series *make(struct report *x, enum metric_id id, const char *const *labels)
{
	struct series *s = registry_series(x->d->registry, id, labels);

	if (!s)
		x->d->error = -ENOMEM;
	return s;
}

#define MAKE(x, id, ...) make(x, id, (const char *const[]){ __VA_ARGS__, NULL })

static void make_scope(struct report *x, uint32_t scope)
{
	struct scope_series *s = &x->scopes[scope];
	const char *account = settings_of(x)->scopes[scope].account;
	const char *region = settings_of(x)->scopes[scope].region_id;
	size_t n = 0;

	for (int a = 0; a < API_ACTION_N; a++) {
		s->requests[a] = MAKE(x, METRIC_API_REQUESTS, account, region, api_action_names[a]);
		for (int c = ERROR_CLASS_NONE + 1; c < ERROR_CLASS_N; c++)
			s->errors[a][c] = MAKE(x, METRIC_API_ERRORS, account, region, api_action_names[a], error_class_names[c]);
	}
	for (size_t i = 0; i < error_codes_n && n < CODE_LABELS_MAX - 1; i++)
		if (error_codes[i].is_documented)
			s->upgrade_errors[n++] = MAKE(x, METRIC_UPGRADE_ERRORS, account, region, error_codes[i].code);
	s->upgrade_errors[n] = MAKE(x, METRIC_UPGRADE_ERRORS, account, region, "other");
	s->up = MAKE(x, METRIC_UP, account, region);
	s->last_success = MAKE(x, METRIC_INVENTORY_LAST_SUCCESS, account, region);
	s->duration = MAKE(x, METRIC_INVENTORY_DURATION, account, region);
}

static struct series *make_plain(struct report *x, enum metric_id id)
{
	return make(x, id, NULL);
}

static void make_daemon(struct report *x)
{
	const struct config *config = x->d->config;

	series_set(MAKE(x, METRIC_BUILD_INFO, SAGPIN_VERSION, SAGPIN_REVISION, curl_version_info(CURLVERSION_NOW)->version,
			MHD_get_version()), 1);
	series_set(make_plain(x, METRIC_CONFIG_LAST_RELOAD_SUCCESSFUL), 1);
	series_set(make_plain(x, METRIC_CONFIG_LAST_RELOAD_SUCCESS), wall_now());
	series_set(MAKE(x, METRIC_CONFIG_INFO, config->hash), 1);
	series_set(make_plain(x, METRIC_MODE_ENFORCE), config->settings.is_enforcing);
	x->upgrade_duration = make_plain(x, METRIC_UPGRADE_DURATION);
	x->steps = make_plain(x, METRIC_RECONCILE_STEPS);
	x->step_duration = make_plain(x, METRIC_RECONCILE_STEP_DURATION);
	x->stall = make_plain(x, METRIC_LOOP_STALL);
	x->heartbeat = make_plain(x, METRIC_HEARTBEAT);
	x->in_flight = make_plain(x, METRIC_API_IN_FLIGHT);
	x->paused = make_plain(x, METRIC_PAUSED);
	x->commits = make_plain(x, METRIC_STATE_COMMITS);
	x->commit_failures = make_plain(x, METRIC_STATE_COMMIT_FAILURES);
	x->commit_duration = make_plain(x, METRIC_STATE_COMMIT_DURATION);
	x->dropped = make_plain(x, METRIC_LOG_MESSAGES_DROPPED);
	for (int i = 0; i < LOG_LEVEL_N; i++)
		x->messages[i] = MAKE(x, METRIC_LOG_MESSAGES, log_level_names[i]);
	for (int i = 0; i < API_ACTION_N; i++)
		x->request_duration[i] = MAKE(x, METRIC_API_REQUEST_DURATION, api_action_names[i]);
	for (uint32_t i = 0; i < config->n_accounts; i++)
		x->accounts[i].valid = MAKE(x, METRIC_CREDENTIALS_VALID, config->accounts[i].name);
}

int report_new(struct daemon *d, struct report **ret_report)
{
	const struct settings *settings = &d->config->settings;
	struct report *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->d = d;
	x->scopes = calloc(settings->n_scopes + 1, sizeof(*x->scopes));
	x->accounts = calloc(d->config->n_accounts + 1, sizeof(*x->accounts));
	if (!x->scopes || !x->accounts) {
		report_free(x);
		return -ENOMEM;
	}
	for (uint32_t s = 0; s < settings->n_scopes; s++)
		make_scope(x, s);
	make_daemon(x);
	if (d->error) {
		report_free(x);
		return d->error;
	}
	*ret_report = x;
	return 0;
}

struct report *report_free(struct report *x)
{
	if (!x)
		return NULL;
	free(x->scopes);
	free(x->accounts);
	free(x);
	return NULL;
}

/* ---- decisions ---- */

static void observe_upgrade(struct report *x, const struct action *a)
{
	struct intent_view intent;

	if (a->outcome == INTENT_VERIFIED && reconcile_intent(x->d->core, a->intent, &intent) && intent.sent_ns)
		series_observe(x->upgrade_duration, (double)(x->d->now_ns - intent.sent_ns) / NS_PER_S);
}

void report_plan(struct report *x, const struct event *ev, const struct plan *plan, const char *request_id, const char *code)
{
	bool is_about_call = ev->kind == EVENT_CALLED;

	for (size_t i = 0; i < plan->n_actions; i++) {
		const struct action *a = &plan->actions[i];

		if (a->kind == ACTION_TELL_ACT && ev->kind == EVENT_ACT)
			tell_act(ev, a);
		if (a->kind == ACTION_TELL_SETTLED)
			observe_upgrade(x, a);
		tell_action(x->d, a, is_about_call ? request_id : "", is_about_call ? code : "");
	}
}

/* ---- the cloud's replies ---- */

static void count_upgrade_error(struct report *x, const struct call_reply *reply)
{
	size_t n = 0;

	for (size_t i = 0; i < error_codes_n && n < CODE_LABELS_MAX - 1; i++) {
		if (!error_codes[i].is_documented)
			continue;
		if (reply->code == &error_codes[i])
			break;
		n++;
	}
	series_add(x->scopes[reply->scope].upgrade_errors[n], 1);
}

/* The first failure of an action is a warning, further ones are noise until it recovers. */
static void tell_reply(struct report *x, const struct call_reply *reply, bool is_failed)
{
	const struct scope *scope = &settings_of(x)->scopes[reply->scope];
	bool *is_failing = &x->scopes[reply->scope].is_failing[reply->action];
	bool is_news = is_failed != *is_failing || reply->action == API_UPDATE_SMART_ACCESS_GATEWAY_VERSION;
	enum log_level level = is_failed ? (is_news ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG) : (*is_failing ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG);
	char http[16];

	if (!is_failed && !*is_failing)
		return;
	*is_failing = is_failed;
	snprintf(http, sizeof(http), "%ld", reply->http_status);
	log_line(level, is_failed ? "API call failed" : "API calls recovered", { "account", scope->account },
		 { "region_id", scope->region_id }, { "action", api_action_names[reply->action] },
		 { "class", is_failed ? error_class_names[reply->class] : "" }, { "code", reply->envelope->code },
		 { "http_status", reply->http_status ? http : "" }, { "error", reply->advice }, { "message", reply->envelope->message },
		 { "request_id", reply->envelope->request_id });
}

void report_reply(struct report *x, const struct call_reply *reply)
{
	bool is_failed = reply->result != CALL_RESULT_OK;

	series_add(x->scopes[reply->scope].errors[reply->action][ERROR_CLASS_THROTTLED], reply->n_throttled);
	if (reply->sent_ns) {
		series_add(x->scopes[reply->scope].requests[reply->action], 1 + reply->n_throttled);
		series_observe(x->request_duration[reply->action], (double)(reply->done_ns - reply->sent_ns) / NS_PER_S);
	}
	if (is_failed && reply->class != ERROR_CLASS_NONE)
		series_add(x->scopes[reply->scope].errors[reply->action][reply->class], 1);
	if (reply->action == API_UPDATE_SMART_ACCESS_GATEWAY_VERSION && reply->result == CALL_RESULT_ERROR)
		count_upgrade_error(x, reply);
	if (!x->d->is_stopping)
		tell_reply(x, reply, is_failed);
}

void report_listing(struct report *x, uint32_t scope, bool is_complete, int64_t duration_ns, uint32_t instances, const char *why)
{
	struct scope_series *s = &x->scopes[scope];
	const char *account = settings_of(x)->scopes[scope].account, *region = settings_of(x)->scopes[scope].region_id;
	bool is_news = s->listing != (is_complete ? LISTING_GOOD : LISTING_BAD);
	enum log_level level = !is_news ? LOG_LEVEL_DEBUG : is_complete ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
	const char *message = !is_complete ? "listing failed; what is known stays as it is" :
			      s->listing == LISTING_BAD ? "listing recovered" : "listing complete";
	char count[16], ms[24];

	if (x->d->is_stopping)
		return;
	series_set(s->up, is_complete);
	if (is_complete) {
		series_set(s->last_success, wall_now());
		series_set(s->duration, (double)duration_ns / NS_PER_S);
	}
	snprintf(count, sizeof(count), "%u", instances);
	snprintf(ms, sizeof(ms), "%lld", (long long)(duration_ns / NS_PER_MS));
	log_line(level, message, { "account", account }, { "region_id", region }, { "instances", count }, { "duration_ms", ms }, { "error", why });
	s->listing = is_complete ? LISTING_GOOD : LISTING_BAD;
}

void report_credentials(struct report *x, uint32_t scope, bool is_usable, const char *advice)
{
	x->accounts[x->d->config->scope_account[scope]].is_refused = !is_usable;
	log_line(is_usable ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, is_usable ? "the account is accepted again" : "the account is refused",
		 { "account", settings_of(x)->scopes[scope].account }, { "region_id", settings_of(x)->scopes[scope].region_id },
		 { "error", is_usable ? "" : advice });
}

void report_identity(struct report *x, uint32_t account, enum identity_news news, const char *text, bool is_repeated)
{
	static const struct {
		enum log_level level;
		const char *message, *field; /* that the text goes into */
	} table[IDENTITY_NEWS_N] = {
		[IDENTITY_NEWS_READ] = { LOG_LEVEL_INFO, "the credentials file has changed; its new key is used from now on", "path" },
		[IDENTITY_NEWS_REFRESHED] = { LOG_LEVEL_INFO, "new temporary credentials", "from" },
		[IDENTITY_NEWS_FAILED] = { LOG_LEVEL_WARN, "no new credentials", "error" },
		[IDENTITY_NEWS_RECOVERED] = { LOG_LEVEL_INFO, "credentials recovered", "from" },
		[IDENTITY_NEWS_EXPIRED] = { LOG_LEVEL_ERROR, "the credentials have expired; no calls are made until there are new ones", "error" },
	};
	const struct identity *identity = x->d->identities[account];
	int64_t expires_s = identity_expires_s(identity);
	char expires[SIGN_DATE_SIZE] = "";

	if (x->d->is_stopping)
		return;
	if (expires_s)
		sign_date(expires_s, expires);
	log_line(is_repeated ? LOG_LEVEL_DEBUG : table[news].level, table[news].message, { "account", x->d->config->accounts[account].name },
		 { "source", credentials_source_names[x->d->config->accounts[account].credentials.source] }, { table[news].field, text },
		 { "in_use", identity_is_valid(identity) ? "yes" : "no" }, { "expires", expires });
}

/* ---- the state store ---- */

void report_commit(struct report *x, bool is_stored, int64_t duration_ns)
{
	series_add(is_stored ? x->commits : x->commit_failures, 1);
	series_observe(x->commit_duration, (double)duration_ns / NS_PER_S);
}

void report_store(struct report *x, bool is_stored, const char *error)
{
	if (is_stored == !x->is_store_failing)
		return;
	x->is_store_failing = !is_stored;
	if (is_stored)
		log_write(LOG_LEVEL_INFO, "the state store recovered", NULL, 0);
	else
		log_line(LOG_LEVEL_ERROR, "the state store takes nothing; no upgrade starts until it does", { "error", error });
}

/* ---- what survives a restart ---- */

static void make_upgrades(struct report *x, uint32_t scope, enum version_type type, uint32_t policy)
{
	const char *account = settings_of(x)->scopes[scope].account;
	const char *region = settings_of(x)->scopes[scope].region_id;
	const char *name = settings_of(x)->policies[policy].name;

	MAKE(x, METRIC_UPGRADES_STARTED, account, region, version_type_names[type], name);
	MAKE(x, METRIC_UPGRADES_SUCCEEDED, account, region, version_type_names[type], name);
	for (size_t i = 0; i < N_FAILED_REASONS; i++)
		MAKE(x, METRIC_UPGRADES_FAILED, account, region, version_type_names[type], name, reason_names[failed_reasons[i]]);
}

static void make_tallies(struct report *x)
{
	for (uint32_t s = 0; s < settings_of(x)->n_scopes; s++)
		for (int t = 0; t < VERSION_TYPE_N; t++) {
			for (uint32_t p = 0; p < settings_of(x)->n_policies; p++)
				make_upgrades(x, s, (enum version_type)t, p);
			MAKE(x, METRIC_EXTERNAL_VERSION_CHANGES, settings_of(x)->scopes[s].account, settings_of(x)->scopes[s].region_id,
			     version_type_names[t]);
		}
}

static bool is_failed_reason(enum reason reason)
{
	for (size_t i = 0; i < N_FAILED_REASONS; i++)
		if (failed_reasons[i] == reason)
			return true;
	return false;
}

static bool is_configured(const struct report *x, const char *account, const char *region_id)
{
	for (uint32_t i = 0; i < settings_of(x)->n_scopes; i++)
		if (strcmp(settings_of(x)->scopes[i].region_id, region_id) == 0 && strcmp(settings_of(x)->scopes[i].account, account) == 0)
			return true;
	return false;
}

/* What is committed, of earlier lives and of policies that are gone, too; nothing of regions that are gone. */
static void refresh_tally(struct report *x, const struct tally_view *t)
{
	static const enum metric_id ids[TALLY_KIND_N] = {
		[TALLY_STARTED] = METRIC_UPGRADES_STARTED, [TALLY_SUCCEEDED] = METRIC_UPGRADES_SUCCEEDED,
		[TALLY_FAILED] = METRIC_UPGRADES_FAILED, [TALLY_EXTERNAL_CHANGE] = METRIC_EXTERNAL_VERSION_CHANGES,
	};
	struct series *s;

	if (!is_configured(x, t->account, t->region_id) || (t->kind == TALLY_FAILED && !is_failed_reason(t->reason)))
		return;
	/* in the order of all four; those with fewer labels end earlier */
	s = MAKE(x, ids[t->kind], t->account, t->region_id, version_type_names[t->version_type], t->policy, reason_names[t->reason]);
	if (s)
		series_set(s, (double)t->value);
}

/*
 * They are not shown before the state was read: a counter that stood at N in the last life, is scraped as 0 in this one and
 * then stands at N again, has grown by N for everybody who asks.
 */
static void refresh_tallies(struct report *x)
{
	struct tally_view t;

	if (!x->has_tallies && !ledger_is_loaded(x->d->ledger))
		return;
	if (!x->has_tallies)
		make_tallies(x);
	x->has_tallies = true;
	for (uint32_t i = 0; i < reconcile_tallies(x->d->core); i++)
		if (reconcile_tally(x->d->core, i, &t))
			refresh_tally(x, &t);
}

/* ---- the daemon itself ---- */

void report_step(struct report *x, int64_t duration_ns)
{
	series_add(x->steps, 1);
	series_observe(x->step_duration, (double)duration_ns / NS_PER_S);
}

void report_turn(struct report *x, int64_t stall_ns)
{
	series_observe(x->stall, (double)stall_ns / NS_PER_S);
	series_set(x->heartbeat, (double)x->d->wall_s);
}

static void refresh_account(struct report *x, uint32_t account)
{
	struct account_series *s = &x->accounts[account];
	int64_t expires_s = identity_expires_s(x->d->identities[account]);

	series_set(s->valid, identity_is_valid(x->d->identities[account]) && !s->is_refused);
	if (expires_s && !s->expiry)
		s->expiry = MAKE(x, METRIC_CREDENTIALS_EXPIRY, x->d->config->accounts[account].name);
	if (s->expiry)
		series_set(s->expiry, (double)expires_s);
}

void report_refresh(struct report *x)
{
	refresh_tallies(x);
	series_set(x->paused, reconcile_is_paused(x->d->core));
	process_update(x->d->registry);
	for (uint32_t i = 0; i < x->d->config->n_accounts; i++)
		refresh_account(x, i);
	series_set(x->in_flight, client_in_flight(x->d->client));
	for (int i = 0; i < LOG_LEVEL_N; i++)
		series_set(x->messages[i], (double)log_count((enum log_level)i));
	series_set(x->dropped, (double)log_dropped());
}

void report_stop(struct report *x)
{
	uint32_t n = reconcile_in_flight(x->d->core);
	char count[16];

	snprintf(count, sizeof(count), "%u", n);
	if (n)
		log_line(LOG_LEVEL_WARN, "stopped while upgrades are unsettled; they go on in the cloud", { "upgrades", count });
	else
		log_write(LOG_LEVEL_INFO, "stopped", NULL, 0);
}
