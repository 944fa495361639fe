/*
 * The server of the control socket: one libmicrohttpd daemon, an epoll descriptor in the loop's one wait.
 *
 * Connections whose request waits for its result are suspended; libmicrohttpd then does not see that a client went
 * away, so their deadline answers and wakes them. No connection outlives its deadlines. Must not block.
 */
#include "internal.h"

#include "known.h"
#include "reply.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- connections ---- */

static void set_deadline(struct connection *c, int64_t seconds)
{
	c->until_ns = c->control->now_ns + seconds * NS_PER_S;
}

static void request_reset(struct connection *c)
{
	walk_free(c);
	free(c->body);
	free(c->act);
	free(c->answer);
	c->body = c->answer = NULL;
	c->act = NULL;
	c->n_body = 0;
	c->request = 0;
	c->is_begun = false;
	c->allow = NULL;
}

static void connection_open(struct control *control, struct MHD_Connection *mhd, void **socket_context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = info ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		/* No memory for a deadline, so none for the connection. */
		if (info)
			shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	c->control = control;
	c->mhd = mhd;
	c->fd = info->connect_fd;
	set_deadline(c, CONTROL_REQUEST_S);
	c->next = control->connections;
	if (c->next)
		c->next->prev = c;
	control->connections = c;
	*socket_context = c;
}

static void connection_close(struct connection *c)
{
	request_reset(c);
	*(c->prev ? &c->prev->next : &c->control->connections) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection_open(cls, mhd, socket_context);
	} else if (*socket_context) {
		connection_close(*socket_context);
		*socket_context = NULL;
	}
}

/* A request has ended, well or badly: the next one of the connection gets its own time. */
static void on_completed(void *cls, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code)
{
	struct connection *c = *request;

	(void)cls;
	(void)mhd;
	if (!c)
		return;
	request_reset(c);
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		set_deadline(c, CONTROL_REQUEST_S);
	*request = NULL;
}

void connection_answer(struct connection *c, unsigned int status, char *text)
{
	free(c->answer);
	c->answer = text;
	c->status = status;
	set_deadline(c, CONTROL_REQUEST_S);
	if (!text)
		shutdown(c->fd, SHUT_RDWR);
	if (!c->is_suspended)
		return;
	c->is_suspended = false;
	MHD_resume_connection(c->mhd);
}

void connection_answer_error(struct connection *c, unsigned int status, const char *what, const char *next)
{
	connection_answer(c, status, reply_error(what, next));
}

void control_answer(struct control *control, uint64_t request, const struct control_result *result)
{
	for (struct connection *c = control->connections; c; c = c->next) {
		struct error known = { .text = "" };
		unsigned int status;
		char *text;

		if (c->request != request || !c->act)
			continue;
		if (result->outcome == ACT_NOT_FOUND)
			known_text(control->options.core, control->options.settings, &c->act->act, &known);
		text = reply_result(&c->act->act, result, known.text, &status);
		c->request = 0;
		connection_answer(c, status, text);
		return;
	}
}

/* ---- life ---- */

static int start(struct control *c, struct error *ret_error)
{
	const union MHD_DaemonInfo *info;

	c->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, control_handle, c,
				     MHD_OPTION_LISTEN_SOCKET, c->socket.fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONTROL_CONNECTIONS_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)CONTROL_REQUEST_S,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONTROL_MEMORY_MAX,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1,
				     MHD_OPTION_NOTIFY_CONNECTION, on_connection, c,
				     MHD_OPTION_NOTIFY_COMPLETED, on_completed, c, MHD_OPTION_END);
	info = c->daemon ? MHD_get_daemon_info(c->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		snprintf(ret_error->text, sizeof(ret_error->text), "control socket %s: libmicrohttpd refused to start", c->socket.path);
		return -EIO;
	}
	c->epoll_fd = info->epoll_fd;
	return 0;
}

int control_new(const struct control_options *options, struct control **ret_control, struct error *ret_error)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
		return -ENOMEM;
	}
	c->options = *options;
	r = control_socket_open(options->path, &c->socket, ret_error);
	if (r < 0) {
		free(c);
		return r;
	}
	r = start(c, ret_error);
	if (r < 0) {
		control_free(c);
		return r;
	}
	*ret_control = c;
	return 0;
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	control_socket_remove(&c->socket);
	c->is_ending = true;
	for (struct connection *i = c->connections; i; i = i->next) {
		if (i->is_suspended)
			connection_answer_error(i, 503, "the daemon ends, and it is not known whether that was stored",
						"say it again when the daemon runs again");
	}
	if (c->daemon) {
		MHD_run(c->daemon); /* what was answered leaves now or never */
		MHD_stop_daemon(c->daemon);
	}
	free(c);
	return NULL;
}

int control_fd(const struct control *c)
{
	return c->epoll_fd;
}

const char *control_path(const struct control *c)
{
	return c->socket.path;
}

/* ---- turning ---- */

int control_timeout_ms(const struct control *c)
{
	MHD_UNSIGNED_LONG_LONG ms;
	int64_t nearest = -1;

	if (MHD_get_timeout(c->daemon, &ms) == MHD_YES)
		nearest = ms < INT_MAX ? (int64_t)ms : INT_MAX;
	for (const struct connection *i = c->connections; i; i = i->next) {
		int64_t left_ns = i->until_ns - c->now_ns;
		int64_t left_ms = left_ns > 0 ? (left_ns + NS_PER_MS - 1) / NS_PER_MS : 0; /* rounded up, or the last one is spun away */

		if (i->walk)
			return 0;
		if (!i->is_overdue && (nearest < 0 || left_ms < nearest))
			nearest = left_ms;
	}
	return (int)nearest;
}

static void end_overdue(struct connection *c)
{
	if (c->is_overdue || c->control->now_ns < c->until_ns)
		return;
	if (c->is_suspended) {
		c->request = 0;
		walk_free(c);
		if (c->act)
			connection_answer_error(c, 504, "it took too long: it holds now, and it is not known whether it is stored",
						"look at the state store (the log says what is wrong), then say it again");
		else
			connection_answer_error(c, 504, "it took too long to look at the whole fleet", "ask again; the daemon is busy");
		return;
	}
	c->is_overdue = true;
	shutdown(c->fd, SHUT_RDWR);
}

void control_run(struct control *c, int64_t now_ns, int64_t wall_s)
{
	int64_t until_ns = 0;

	c->now_ns = now_ns;
	c->wall_s = wall_s;
	for (struct connection *i = c->connections; i; i = i->next) {
		if (i->walk && until_ns == 0)
			until_ns = walk_clock_ns() + CONTROL_TURN_NS;
		if (i->walk && walk_run(i, until_ns))
			walk_free(i);
		end_overdue(i);
	}
	MHD_run(c->daemon);
}
