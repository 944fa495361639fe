/*
 * The running daemon: the parts and how they hang together.
 *
 *   client -> dispatch (replies become events) -> daemon_step -> core -> plan
 *   plan -> report (metrics, log lines) and dispatch (calls) -> client
 *
 * loop.c owns the time and the one wait point; dispatch.c turns actions into calls and replies into events;
 * report.c and tell.c tell; view.c renders the live table for a scrape; ledger.c stores, acts.c, gates.c and calendars.c
 * bring what operators, Prometheus and the calendar say. Only the files of this folder see all parts.
 */
#pragma once

#include "cloud/client.h"
#include "cloud/identity.h"
#include "cloud/listing.h"
#include "config.h"
#include "control/control.h"
#include "core/reconcile.h"
#include "expose.h"
#include "registry.h"
#include "web/web.h"

struct acts;
struct dispatch;
struct gates;
struct ledger;
struct report;
struct view;

struct daemon {
	const struct config *config;
	struct identity **identities; /* of each account */
	struct client_scope *client_scopes;
	struct reconcile *core;
	struct client *client;
	struct web *web;
	struct control *control; /* NULL: no control socket */
	struct acts *acts;
	struct registry *registry;
	struct dispatch *dispatch;
	struct gates *gates;
	struct ledger *ledger;
	int64_t calendars_s; /* wall clock: when the core was told of windows and freezes; 0: never */
	struct report *report;
	struct view *view;
	int64_t now_ns; /* boot-time clock, set once per turn */
	int64_t wall_s;
	bool is_stopping;
	const char *request_id; /* of the reply that is being handled, "" outside of one; for the log */
	const char *code;
	int error; /* a fatal error inside a callback, negative errno */
};

struct daemon_options {
	const struct config *config;
	const char *const *listen_addresses;
	size_t n_listen_addresses;
	const char *control_socket; /* NULL: the default place, if its folder exists; "": none */
	const char *config_path;    /* absolute, for plans; NULL: not told */
	bool has_target_metrics; /* --metrics.targets=full */
};

/* Runs until SIGTERM or SIGINT. 0, or negative errno after the reason was logged. */
int daemon_run(const struct daemon_options *options) __attribute__((warn_unused_result));

/*
 * Steps the core with one event (its times are set here), tells and carries out the plan, then all answers
 * that were due at once. Not to be called from inside itself.
 */
int daemon_step(struct daemon *d, struct event *ev) __attribute__((warn_unused_result));
