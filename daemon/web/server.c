/*
 * The server: one libmicrohttpd daemon per listen socket, each an epoll descriptor in the loop's one wait.
 *
 * Guarantees that no connection outlives its deadline, however it drips, and that a turn is short. Must not block or
 * start a thread, and must not ask for a turn when there is nothing to do.
 */
#include "internal.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void list_remove(struct web *w, struct web_connection *c)
{
	*(c->prev ? &c->prev->next : &w->oldest) = c->next;
	*(c->next ? &c->next->prev : &w->newest) = c->prev;
	c->prev = c->next = NULL;
}

static void list_append(struct web *w, struct web_connection *c)
{
	c->since_ns = w->now_ns;
	c->prev = w->newest;
	c->next = NULL;
	*(w->newest ? &w->newest->next : &w->oldest) = c;
	w->newest = c;
}

void web_connection_renew(struct web_connection *c)
{
	if (c->is_overdue)
		return;
	list_remove(c->web, c);
	list_append(c->web, c);
}

static void connection_open(struct web *w, struct MHD_Connection *mhd, void **socket_context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct web_connection *c = info ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		/* No memory for a deadline, so none for the connection. */
		if (info)
			shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	c->web = w;
	c->fd = info->connect_fd;
	list_append(w, c);
	*socket_context = c;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct web_connection *c = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection_open(cls, mhd, socket_context);
	} else if (c) {
		if (!c->is_overdue)
			list_remove(c->web, c);
		free(c);
		*socket_context = NULL;
	}
}

/* An answer has ended: the next request of the connection gets its own time. */
static void on_completed(void *cls, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	(void)cls;
	(void)request;
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && info && info->socket_context)
		web_connection_renew(info->socket_context);
}

static int start_listener(struct web *w, int fd, struct error *ret_error)
{
	struct web_listener *l = &w->listeners[w->n_listeners];
	const union MHD_DaemonInfo *info;

	web_describe_socket(fd, l->address, sizeof(l->address));
	l->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, routes_handle, w,
				     MHD_OPTION_LISTEN_SOCKET, fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)WEB_CONNECTIONS_MAX,
				     MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned int)WEB_CONNECTIONS_PER_IP_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)WEB_IDLE_S,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)WEB_MEMORY_MAX,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1,
				     MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
				     MHD_OPTION_NOTIFY_COMPLETED, on_completed, w, MHD_OPTION_END);
	if (!l->daemon) {
		/* libmicrohttpd may have closed the socket already, so it is not closed here: the caller gives up. */
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot serve on %s: libmicrohttpd refused to start",
			 l->address);
		return -EIO;
	}
	w->n_listeners++;
	info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info) {
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot serve on %s: libmicrohttpd has no epoll", l->address);
		return -ENOTSUP;
	}
	l->epoll_fd = info->epoll_fd;
	return 0;
}

static int start(struct web *w, struct error *ret_error)
{
	int fds[WEB_LISTENERS_MAX], r = 0;
	size_t n = 0, started = 0;

	/* All sockets first: a clash of ports is found before anything is served. */
	for (size_t i = 0; i < w->options.n_listen_addresses && r == 0; i++)
		r = web_listen(w->options.listen_addresses[i], fds, WEB_LISTENERS_MAX, &n, ret_error);
	for (; r == 0 && started < n; started++)
		r = start_listener(w, fds[started], ret_error);
	while (n > started)
		close(fds[--n]);
	return r;
}

int web_new(const struct web_options *options, struct web **ret_web, struct error *ret_error)
{
	struct web *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (w) {
		w->options = *options;
		r = routes_init(w);
	}
	if (r < 0) {
		snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
		free(w);
		return r;
	}
	r = start(w, ret_error);
	if (r < 0) {
		web_free(w);
		return r;
	}
	*ret_web = w;
	return 0;
}

struct web *web_free(struct web *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->n_listeners; i++)
		MHD_stop_daemon(w->listeners[i].daemon);
	free(w);
	return NULL;
}

size_t web_fds(const struct web *w, int *ret_fds, size_t size)
{
	size_t n = 0;

	for (; n < w->n_listeners && n < size; n++)
		ret_fds[n] = w->listeners[n].epoll_fd;
	return n;
}

const char *web_address(const struct web *w, size_t i)
{
	return i < w->n_listeners ? w->listeners[i].address : NULL;
}

int web_timeout_ms(const struct web *w)
{
	int64_t nearest = -1;

	for (size_t i = 0; i < w->n_listeners; i++) {
		MHD_UNSIGNED_LONG_LONG ms;

		if (MHD_get_timeout(w->listeners[i].daemon, &ms) == MHD_YES && (nearest < 0 || ms < (uint64_t)nearest))
			nearest = ms < INT_MAX ? (int64_t)ms : INT_MAX;
	}
	if (w->oldest) {
		/* Rounded up: a wait that ends just before the deadline would only be followed by another. */
		int64_t left_ns = w->oldest->since_ns + WEB_REQUEST_S * NS_PER_S - w->now_ns;
		int64_t left_ms = left_ns > 0 ? (left_ns + NS_PER_MS - 1) / NS_PER_MS : 0;

		if (nearest < 0 || left_ms < nearest)
			nearest = left_ms;
	}
	return (int)nearest;
}

static void end_overdue(struct web *w)
{
	while (w->oldest && w->now_ns - w->oldest->since_ns >= WEB_REQUEST_S * NS_PER_S) {
		struct web_connection *c = w->oldest;

		list_remove(w, c);
		c->is_overdue = true;
		shutdown(c->fd, SHUT_RDWR);
	}
}

void web_run(struct web *w, int64_t now_ns)
{
	w->now_ns = now_ns;
	w->turn++;
	end_overdue(w);
	for (size_t i = 0; i < w->n_listeners; i++)
		MHD_run(w->listeners[i].daemon);
}
