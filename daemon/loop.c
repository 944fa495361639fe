/*
 * The one wait point. Owns the time: `now` is read once per turn, and nothing below reads a clock but to measure.
 *
 * A turn: replies become steps, complete listings are handed over in slices, the core's deadline is honoured, the
 * web server runs; then the wait. Nothing here may block.
 */
#include "daemon.h"
#include "acts.h"
#include "base/machine.h"
#include "calendars.h"
#include "dispatch.h"
#include "gates.h"
#include "ledger.h"
#include "log.h"
#include "report.h"
#include "view.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "version_info.h"

#define WEB_FDS_MAX 32
#define DELIVER_BUDGET_NS (2 * NS_PER_MS)
#define WAIT_MAX_MS 10000 /* the heartbeat is no older than this */

static int step_once(struct daemon *d, struct event *ev)
{
	struct plan plan;
	int64_t began = machine_clock_ns(CLOCK_BOOTTIME);
	int r;

	ev->now_ns = d->now_ns;
	ev->wall_s = d->wall_s;
	r = reconcile_step(d->core, ev, &plan);
	if (r < 0)
		return r;
	report_step(d->report, machine_clock_ns(CLOCK_BOOTTIME) - began);
	report_plan(d->report, ev, &plan, d->request_id, d->code);
	r = acts_watch(d->acts, ev, &plan);
	if (r >= 0)
		r = ledger_plan(d->ledger, ev, &plan, d->request_id);
	if (r < 0)
		return r;
	return dispatch_plan(d->dispatch, &plan);
}

int daemon_step(struct daemon *d, struct event *ev)
{
	struct event due;
	int r = step_once(d, ev);

	while (r >= 0 && dispatch_take_answer(d->dispatch, &due))
		r = step_once(d, &due);
	return r;
}

static void on_reply(void *ctx, const struct call_reply *reply)
{
	struct daemon *d = ctx;

	d->request_id = reply->envelope->request_id;
	d->code = reply->envelope->code;
	dispatch_reply(d->dispatch, reply);
	d->request_id = d->code = "";
}

/* ---- setting up ---- */

static int new_client(struct daemon *d, struct error *ret_error)
{
	const struct settings *settings = &d->config->settings;
	struct client_scope *scopes = calloc(settings->n_scopes + 1, sizeof(*scopes));
	struct client_options options = {
		.scopes = scopes,
		.n_scopes = settings->n_scopes,
		.on_reply = on_reply,
		.ctx = d,
		.user_agent = "sagpin/" SAGPIN_VERSION,
		.random = machine_random,
	};

	if (!scopes)
		return -ENOMEM;
	d->client_scopes = scopes;
	for (uint32_t i = 0; i < settings->n_scopes; i++) {
		uint32_t n = d->config->scope_account[i];
		const struct config_account *account = &d->config->accounts[n];

		scopes[i] = (struct client_scope){
			.account = account->name,
			.region_id = settings->scopes[i].region_id,
			.endpoint = d->config->scope_endpoint[i],
			.signature = account->signature,
			.credentials = identity_credentials(d->identities[n]),
			.calls_per_second = account->api.calls_per_second,
			.burst = account->api.burst,
			.concurrency = account->api.concurrency,
			.timeout_ns = account->api.timeout_ns,
			.ca_file = account->api.ca_file,
			.proxy = account->api.proxy,
		};
	}
	return client_new(&options, &d->client, ret_error);
}

static void on_news(void *ctx, uint32_t account, enum identity_news news, const char *text, bool is_repeated)
{
	struct daemon *d = ctx;

	report_identity(d->report, account, news, text, is_repeated);
}

static int new_identity(struct daemon *d, uint32_t n)
{
	const struct config_account *account = &d->config->accounts[n];
	struct error error = { .text = "" };
	const struct identity_options options = {
		.settings = &account->credentials,
		.signature = account->signature,
		.ca_file = account->api.ca_file,
		.proxy = account->api.proxy,
		.timeout_ns = account->api.timeout_ns,
		.random = machine_random,
		.on_news = on_news,
		.ctx = d,
		.account = n,
	};
	int r = identity_new(&options, &d->identities[n], &error);

	if (r)
		log_line(LOG_LEVEL_ERROR, "no credentials", { "account", account->name },
			 { "source", credentials_source_names[account->credentials.source] },
			 { "error", error.text[0] ? error.text : strerror(-r) });
	return r;
}

/* All that is wrong is told. Keys that are asked for come later; what is read must be there now. */
static int new_identities(struct daemon *d)
{
	bool is_missing = false;

	d->identities = calloc(d->config->n_accounts ? d->config->n_accounts : 1, sizeof(struct identity *));
	if (!d->identities)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->config->n_accounts; i++)
		is_missing |= new_identity(d, i) != 0;
	return is_missing ? -ENOENT : 0;
}

static bool is_ready(void *ctx)
{
	struct daemon *d = ctx;

	return dispatch_is_warm(d->dispatch);
}

static void before_scrape(void *ctx)
{
	struct daemon *d = ctx;

	report_refresh(d->report);
}

static int new_web(struct daemon *d, const struct daemon_options *options, struct error *ret_error)
{
	struct web_options web = {
		.listen_addresses = options->listen_addresses,
		.n_listen_addresses = options->n_listen_addresses,
		.registry = d->registry,
		.source = view_source(d->view),
		.before_scrape = before_scrape,
		.is_ready = is_ready,
		.ctx = d,
		.version = SAGPIN_VERSION,
		.revision = SAGPIN_REVISION,
	};

	return web_new(&web, &d->web, ret_error);
}

static int new_control(struct daemon *d, const struct daemon_options *options, struct error *ret_error)
{
	const char *path = options->control_socket ? options->control_socket : d->config->control_socket_path;
	struct control_options control = {
		.path = path,
		.core = d->core,
		.settings = &d->config->settings,
		.take_act = acts_take,
		.config_path = options->config_path,
		.config_hash = d->config->hash,
		.version = SAGPIN_VERSION,
	};
	int r = acts_new(d, &d->acts);

	if (r || !control.path[0])
		return r;
	control.ctx = d->acts;
	r = control_new(&control, &d->control, ret_error);
	if (r == -ENOENT && strcmp(path, CONTROL_SOCKET_DEFAULT) == 0) { /* a rehearsal without an installation */
		log_line(LOG_LEVEL_WARN, "there is no control socket, so operators cannot pause or approve", { "error", ret_error->text });
		ret_error->text[0] = '\0';
		r = 0;
	}
	return r;
}

static int daemon_init(struct daemon *d, const struct daemon_options *options)
{
	struct error error = { .text = "" };
	int r;

	d->request_id = d->code = "";
	r = new_identities(d);
	if (r)
		return r;
	r = registry_new(&d->registry);
	if (!r)
		r = reconcile_new(machine_random(NULL), &d->core);
	if (!r)
		r = dispatch_new(d, &d->dispatch);
	if (!r)
		r = new_client(d, &error);
	if (!r)
		r = gates_new(d, &d->gates);
	if (!r)
		r = view_new(d, options->has_target_metrics, &d->view);
	if (!r)
		r = new_web(d, options, &error);
	if (!r)
		r = new_control(d, options, &error);
	if (!r)
		r = report_new(d, &d->report);
	if (!r)
		r = ledger_new(d, d->config->state_path, &d->ledger);
	if (r)
		log_line(LOG_LEVEL_ERROR, "cannot start", { "error", error.text[0] ? error.text : strerror(-r) });
	return r;
}

static void daemon_deinit(struct daemon *d)
{
	d->is_stopping = true;
	d->control = control_free(d->control);
	d->acts = acts_free(d->acts);
	d->web = web_free(d->web);
	d->client = client_free(d->client); /* answers what is under way, so the core must still be there */
	d->gates = gates_free(d->gates);
	d->ledger = ledger_free(d->ledger);
	if (d->report)
		report_stop(d->report);
	d->report = report_free(d->report);
	d->view = view_free(d->view);
	d->dispatch = dispatch_free(d->dispatch);
	d->core = reconcile_free(d->core);
	d->registry = registry_free(d->registry);
	for (uint32_t i = 0; d->identities && i < d->config->n_accounts; i++)
		identity_free(d->identities[i]);
	free(d->client_scopes);
	free(d->identities);
}

/* ---- turning ---- */

static void read_time(struct daemon *d)
{
	int64_t now = machine_clock_ns(CLOCK_BOOTTIME);

	d->now_ns = now > d->now_ns ? now : d->now_ns;
	d->wall_s = machine_clock_ns(CLOCK_REALTIME) / NS_PER_S;
}

static int run_identities(struct daemon *d)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < d->config->n_accounts; i++)
		r = identity_run(d->identities[i], d->client, d->now_ns, d->wall_s);
	return r;
}

static int turn(struct daemon *d)
{
	int r;

	read_time(d);
	r = calendars_run(d); /* before anything may lead to a call: the wall clock may have jumped */
	if (r >= 0)
		r = ledger_run(d->ledger);
	if (r < 0 || !ledger_is_loaded(d->ledger)) { /* nothing may come before what an earlier life knew */
		web_run(d->web, d->now_ns);
		return r;
	}
	r = run_identities(d);
	if (r >= 0)
		r = client_run(d->client, d->now_ns, d->wall_s);
	if (r >= 0)
		r = d->error;
	if (r >= 0)
		r = dispatch_deliver(d->dispatch, DELIVER_BUDGET_NS);
	if (r >= 0 && reconcile_deadline_ns(d->core) <= d->now_ns) {
		struct event tick = { .kind = EVENT_TICK };

		r = daemon_step(d, &tick);
	}
	web_run(d->web, d->now_ns);
	if (r >= 0 && d->control) {
		control_run(d->control, d->now_ns, d->wall_s);
		r = d->error;
	}
	return r;
}

/* Up to the nearest deadline, rounded up to whole milliseconds so that the last one is not spun away. */
static int wait_ms(const struct daemon *d)
{
	int64_t now = machine_clock_ns(CLOCK_BOOTTIME);
	int64_t next = reconcile_deadline_ns(d->core);
	int64_t client = client_deadline_ns(d->client, now);
	int web = web_timeout_ms(d->web);
	int control = d->control ? control_timeout_ms(d->control) : -1;
	int ms = WAIT_MAX_MS;

	if (dispatch_has_deliveries(d->dispatch))
		return 0;
	if (client < next)
		next = client;
	for (uint32_t i = 0; i < d->config->n_accounts; i++) {
		int64_t identity = identity_deadline_ns(d->identities[i], now, d->wall_s);

		if (identity < next)
			next = identity;
	}
	if (next <= now)
		ms = 0;
	else if ((next - now) / NS_PER_MS < WAIT_MAX_MS)
		ms = (int)((next - now + NS_PER_MS - 1) / NS_PER_MS);
	if (web >= 0 && web < ms)
		ms = web;
	return control >= 0 && control < ms ? control : ms;
}

/* Takes one signal, if one came; true when it ends the daemon. */
static bool is_told_to_stop(int signal_fd)
{
	struct signalfd_siginfo signal;

	if (read(signal_fd, &signal, sizeof(signal)) != sizeof(signal))
		return false;
	if (signal.ssi_signo == SIGHUP) {
		log_line(LOG_LEVEL_WARN, "the configuration is not read again while running; restart to take a new one", { "signal", "SIGHUP" });
		return false;
	}
	log_line(LOG_LEVEL_INFO, "stopping", { "signal", signal.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT" });
	return true;
}

static int loop(struct daemon *d, int signal_fd)
{
	struct curl_waitfd fds[WEB_FDS_MAX + 3] = { { .fd = signal_fd, .events = CURL_WAIT_POLLIN } };
	int web_fd[WEB_FDS_MAX];
	size_t n = web_fds(d->web, web_fd, WEB_FDS_MAX);
	int r = 0;

	for (size_t i = 0; i < n; i++)
		fds[i + 1] = (struct curl_waitfd){ .fd = web_fd[i], .events = CURL_WAIT_POLLIN };
	fds[++n] = (struct curl_waitfd){ .fd = ledger_fd(d->ledger), .events = CURL_WAIT_POLLIN };
	if (d->control)
		fds[++n] = (struct curl_waitfd){ .fd = control_fd(d->control), .events = CURL_WAIT_POLLIN };
	while (r >= 0) {
		int64_t woke = machine_clock_ns(CLOCK_BOOTTIME);

		if (is_told_to_stop(signal_fd))
			return 0;
		r = turn(d);
		report_turn(d->report, machine_clock_ns(CLOCK_BOOTTIME) - woke);
		if (r >= 0)
			r = client_wait(d->client, fds, (unsigned int)n + 1, wait_ms(d));
	}
	log_line(LOG_LEVEL_ERROR, "cannot go on", { "error", strerror(-r) });
	return r;
}

static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP); /* from habit, to reload: it must not end upgrades that only this process knows of */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) /* before the first thread exists */
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void tell_start(const struct daemon *d)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", d->config->settings.n_pins);
	log_line(LOG_LEVEL_INFO, "starting", { "version", SAGPIN_VERSION }, { "revision", SAGPIN_REVISION },
		 { "mode", d->config->settings.is_enforcing ? "enforce" : "observe" }, { "pins", text }, { "config_hash", d->config->hash });
	for (size_t i = 0; web_address(d->web, i); i++)
		log_line(LOG_LEVEL_INFO, "listening", { "address", web_address(d->web, i) });
	if (d->control)
		log_line(LOG_LEVEL_INFO, "control socket is open", { "path", control_path(d->control) });
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon d = { .config = options->config };
	struct event settings = { .kind = EVENT_SETTINGS, .settings = &options->config->settings };
	int signal_fd = open_signals();
	int r;

	if (signal_fd < 0) {
		log_line(LOG_LEVEL_ERROR, "cannot watch signals", { "error", strerror(errno) });
		return -errno;
	}
	read_time(&d);
	r = daemon_init(&d, options);
	if (!r) {
		tell_start(&d);
		r = daemon_step(&d, &settings);
		if (!r)
			r = loop(&d, signal_fd);
	}
	daemon_deinit(&d);
	close(signal_fd);
	return r;
}
