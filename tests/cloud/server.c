/*
 * The HTTP server. It collects a request, hands it over, and sends the reply when its time has come.
 *
 * One thread: libmicrohttpd's epoll descriptor, the stop descriptor and the replies that wait for their time
 * share one poll(). A late reply suspends its connection and is resumed from that loop.
 */
#include "server.h"
#include "delivery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTION_LIMIT 4096
#define IDLE_TIMEOUT_S 60

struct server {
	struct sim *sim;
	struct MHD_Daemon *daemon;
	uint16_t port;
	uint64_t n_connections;
	struct exchange *waiting; /* suspended, the next one first */
};

struct peer {
	uint64_t id;
	unsigned int n_requests;
};

/* One request and its reply. */
struct exchange {
	char *uri; /* raw, with the query */
	char *body;
	size_t body_size, body_capacity;
	bool is_too_large;
	bool is_served;
	struct reply reply;
	int64_t due_ns;
	struct MHD_Connection *connection;
	struct exchange *next;
};

int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void *on_uri(void *data, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	(void)data;
	(void)connection;
	if (exchange == NULL)
		return NULL;
	if (strlen(uri) > REQUEST_LIMIT_URI)
		exchange->is_too_large = true;
	exchange->uri = strdup(exchange->is_too_large ? "/" : uri);
	return exchange;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *context;

	(void)data;
	(void)connection;
	(void)code;
	if (exchange == NULL)
		return;
	answer_deinit(&exchange->reply.answer);
	free(exchange->uri);
	free(exchange->body);
	free(exchange);
	*context = NULL;
}

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
	struct server *server = data;
	struct peer *peer = *context;

	(void)connection;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		free(peer);
		*context = NULL;
		return;
	}
	peer = calloc(1, sizeof(*peer));
	if (peer != NULL)
		peer->id = ++server->n_connections;
	*context = peer;
}

static void exchange_collect(struct exchange *exchange, const char *data, size_t size)
{
	size_t capacity = exchange->body_capacity == 0 ? 4096 : exchange->body_capacity * 2;
	char *body;

	while (capacity - exchange->body_size < size)
		capacity *= 2;
	if (exchange->is_too_large || exchange->body_size + size > REQUEST_LIMIT_BODY) {
		exchange->is_too_large = true;
		return;
	}
	if (exchange->body_capacity - exchange->body_size < size) {
		body = realloc(exchange->body, capacity);
		if (body == NULL) {
			exchange->is_too_large = true;
			return;
		}
		exchange->body = body;
		exchange->body_capacity = capacity;
	}
	memcpy(exchange->body + exchange->body_size, data, size);
	exchange->body_size += size;
}

static enum MHD_Result on_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct request *request = data;

	(void)kind;
	if (request->n_headers == REQUEST_LIMIT_HEADERS) {
		request->has_too_many_headers = true;
		return MHD_NO;
	}
	request->headers[request->n_headers++] = (struct request_header){name, value == NULL ? "" : value};
	return MHD_YES;
}

static const struct sockaddr *peer_address(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info == NULL ? NULL : info->client_addr;
}

static bool is_loopback(struct MHD_Connection *connection)
{
	const struct sockaddr *address = peer_address(connection);
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (address != NULL && address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
	}
	if (address != NULL && address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
	}
	return false;
}

static void reply_text(struct reply *reply, int http_status, const char *name)
{
	*reply = (struct reply){.http_status = http_status};
	answer_begin(&reply->answer, "Error");
	answer_string(&reply->answer, "error", name);
	answer_end(&reply->answer);
}

static void serve_api(struct server *server, struct MHD_Connection *connection, struct exchange *exchange,
                      const struct request *request, const char *http_version)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct peer *peer = info == NULL ? NULL : info->socket_context;
	struct journal_entry entry = {0};
	int64_t now_ns = clock_ns();
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	entry.wall_ms = wall.tv_sec * INT64_C(1000) + wall.tv_nsec / 1000000;
	entry.monotonic_ms = now_ns / 1000000;
	if (peer != NULL) {
		entry.connection = peer->id;
		entry.use = ++peer->n_requests;
	}
	snprintf(entry.http_version, sizeof(entry.http_version), "%s", http_version);
	snprintf(entry.method, sizeof(entry.method), "%s", request->method);
	api_serve(server->sim, request, &entry, now_ns, wall.tv_sec, &exchange->reply);
}

static void exchange_serve(struct server *server, struct MHD_Connection *connection, struct exchange *exchange,
                           const char *method, const char *http_version)
{
	struct request request = {
		.method = method,
		.path = exchange->uri,
		.query = "",
		.body = exchange->body == NULL ? "" : exchange->body,
		.body_size = exchange->body_size,
	};
	struct refusal refusal = {0};
	char *question = strchr(exchange->uri, '?');

	if (question != NULL) {
		*question = '\0';
		request.query = question + 1;
	}
	MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &request);
	if (exchange->is_too_large || request.has_too_many_headers)
		reply_text(&exchange->reply, 413, "too large");
	else if (!request_parse(&request, &refusal))
		reply_text(&exchange->reply, 400, refusal.message);
	else if (strncmp(request.path, "/_sim/", 6) != 0)
		serve_api(server, connection, exchange, &request, http_version);
	else if (is_loopback(connection))
		control_serve(server->sim, &request, clock_ns(), &exchange->reply);
	else
		reply_text(&exchange->reply, 403, "the control plane is for loopback only");
	request_deinit(&request);
}

/* Keeps the list of late replies in the order of their times. */
static void exchange_wait(struct server *server, struct MHD_Connection *connection, struct exchange *exchange)
{
	struct exchange **place = &server->waiting;

	exchange->connection = connection;
	exchange->due_ns = clock_ns() + exchange->reply.delay_ns;
	while (*place != NULL && (*place)->due_ns <= exchange->due_ns)
		place = &(*place)->next;
	exchange->next = *place;
	*place = exchange;
	MHD_suspend_connection(connection);
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *http_version, const char *upload, size_t *upload_size, void **context)
{
	struct server *server = data;
	struct exchange *exchange = *context;

	(void)url;
	if (exchange == NULL || exchange->uri == NULL)
		return MHD_NO;
	if (exchange->is_served)
		return reply_deliver(connection, &exchange->reply);
	if (exchange->connection == NULL) {
		exchange->connection = connection; /* the first call brings the head alone */
		return MHD_YES;
	}
	if (*upload_size > 0) {
		exchange_collect(exchange, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	exchange_serve(server, connection, exchange, method, http_version);
	exchange->is_served = true;
	if (exchange->reply.delay_ns == 0)
		return reply_deliver(connection, &exchange->reply);
	exchange_wait(server, connection, exchange);
	return MHD_YES;
}

static void resume_due(struct server *server, int64_t now_ns)
{
	while (server->waiting != NULL && server->waiting->due_ns <= now_ns) {
		struct exchange *exchange = server->waiting;

		server->waiting = exchange->next;
		MHD_resume_connection(exchange->connection);
	}
}

/* Milliseconds until something is due, rounded up so that the loop does not spin before it; -1: never. */
static int next_timeout(const struct server *server)
{
	MHD_UNSIGNED_LONG_LONG mhd_ms;
	int64_t timeout_ms = -1;

	if (MHD_get_timeout(server->daemon, &mhd_ms) == MHD_YES)
		timeout_ms = mhd_ms > 60000 ? 60000 : (int64_t)mhd_ms;
	if (server->waiting != NULL) {
		int64_t left_ns = server->waiting->due_ns - clock_ns();
		int64_t left_ms = left_ns <= 0 ? 0 : (left_ns + 999999) / 1000000;

		if (timeout_ms < 0 || left_ms < timeout_ms)
			timeout_ms = left_ms;
	}
	return (int)(timeout_ms > 60000 ? 60000 : timeout_ms);
}

int server_run(struct server *server, int stop_fd)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[2] = {{.fd = stop_fd, .events = POLLIN}, {.fd = info->epoll_fd, .events = POLLIN}};

	while ((fds[0].revents & POLLIN) == 0) {
		if (poll(fds, 2, next_timeout(server)) < 0 && errno != EINTR)
			return -errno;
		resume_due(server, clock_ns());
		if (MHD_run(server->daemon) != MHD_YES)
			return -EIO;
	}
	return 0;
}

/* A listening socket of our own: MHD_OPTION_SOCK_ADDR cannot tell the reason of a failure. */
static int listen_on(const struct server_options *options, uint16_t *ret_port)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
	                               .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);
	struct addrinfo *list;
	char service[8], port[8] = "0";
	int fd, one = 1;

	snprintf(service, sizeof(service), "%u", options->port);
	if (getaddrinfo(options->host, service, &hints, &list) != 0)
		return -EINVAL;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
		int r = -errno;

		freeaddrinfo(list);
		if (fd >= 0)
			close(fd);
		return r;
	}
	freeaddrinfo(list);
	getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
	*ret_port = (uint16_t)strtoul(port, NULL, 10);
	return fd;
}

struct server *server_new(struct sim *sim, const struct server_options *options)
{
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (options->tls_cert == NULL ? 0 : MHD_USE_TLS);
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key},
		{MHD_OPTION_END, 0, NULL},
	};
	struct server *server = calloc(1, sizeof(*server));
	int fd;

	if (server == NULL)
		return NULL;
	server->sim = sim;
	fd = listen_on(options, &server->port);
	if (fd < 0) {
		fprintf(stderr, "sagpin-simulator: cannot listen on %s:%u: %s\n", options->host, options->port,
		        strerror(-fd));
		return server_free(server);
	}
	if (options->tls_cert == NULL)
		tls[0].option = MHD_OPTION_END;
	server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
	                                  MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTION_LIMIT,
	                                  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_TIMEOUT_S,
	                                  MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL, MHD_OPTION_NOTIFY_COMPLETED,
	                                  on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
	                                  MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (server->daemon == NULL) {
		fprintf(stderr, "sagpin-simulator: cannot start the server\n");
		close(fd);
		return server_free(server);
	}
	return server;
}

struct server *server_free(struct server *server)
{
	if (server == NULL)
		return NULL;
	/* A suspended connection must be resumed before the daemon stops. */
	resume_due(server, INT64_MAX);
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon);
	free(server);
	return NULL;
}

uint16_t server_port(const struct server *server)
{
	return server->port;
}
