/*
 * The control socket: what operators ask of the daemon, JSON over HTTP/1.1 on a UNIX socket.
 *
 * Who may is a matter of file permissions (0660); who did is what the kernel says of the caller. Like the web server
 * it lives in the loop's one wait, starts no thread and bounds every connection in size and time. An act is answered
 * when it is durable; until then its connection sleeps. Reads are views of the core; those that must look at the whole
 * fleet do so in slices.
 *
 *   POST /v1/acts                             one act, see request.h
 *   GET  /v1/status                           mode, paused or not, targets by phase and reason, in flight
 *   GET  /v1/rollouts, /v1/approvals
 *   GET  /v1/targets?instance=&serial_number= all that is known of the targets that fit what is given
 *   GET  /v1/snapshot                         all that a plan needs, as JSON lines (snapshot.c)
 *
 * An error is {"error": what is wrong, "next": what to do}.
 */
#pragma once

#include "core/reconcile.h"

#define CONTROL_SOCKET_DEFAULT "/run/sagpin/control.sock"
#define CONTROL_VERSION_HEADER "Sagpin-Version" /* of each answer */

struct control;

struct control_options {
	const char *path;
	struct reconcile *core;          /* to look at */
	const struct settings *settings; /* the same that the core has */
	/*
	 * Takes an act: `who` is set, all texts are clean and within their limits, and valid during the call. To be answered
	 * once by control_answer(request), from within or later.
	 */
	void (*take_act)(void *ctx, const struct act *act, uint64_t request);
	void *ctx;
	const char *version;
	const char *config_path, *config_hash; /* what it runs with, for plans; NULL: not told */
};

/* 0, -ENOMEM, or another negative errno with ret_error: -ENOENT when the folder is missing, -EADDRINUSE when another daemon listens. */
int control_new(const struct control_options *options, struct control **ret_control, struct error *ret_error) __attribute__((warn_unused_result));
/* Answers what still waits, removes the socket if it is still ours. NULL is fine. */
struct control *control_free(struct control *c);

/* What became of an act. */
struct control_result {
	bool is_supported; /* false: nobody decided on it, and the rest means nothing */
	enum act_outcome outcome;
	uint32_t count;
	bool is_durable; /* of DONE and ALREADY; false: it holds now and is lost when the daemon ends */
	int64_t until_s; /* wall clock: what it changed lapses then; 0: it does not */
};
/* A request that is gone or was answered already is ignored. */
void control_answer(struct control *c, uint64_t request, const struct control_result *result);

/* As web_fds(), web_timeout_ms() and web_run() of web.h: readable is what to wait for. */
int control_fd(const struct control *c);
int control_timeout_ms(const struct control *c);
void control_run(struct control *c, int64_t now_ns, int64_t wall_s);
const char *control_path(const struct control *c);
