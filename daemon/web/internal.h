/*
 * What the files of the web server share. Private to daemon/web/.
 */
#pragma once

#include "web.h"
#include <microhttpd.h>

/* Enough for every Prometheus and every person; what is above waits or is refused, and the loop stays responsive. */
#define WEB_LISTENERS_MAX 16
#define WEB_CONNECTIONS_MAX 128
#define WEB_CONNECTIONS_PER_IP_MAX 64
#define WEB_IDLE_S 30
#define WEB_MEMORY_MAX 32768 /* of a connection: bounds the request's header, and is the size of a chunk */
#define WEB_REQUEST_S 60     /* from the connection or the last answer to the request, and from there to the answer's end */
#define WEB_SCRAPES_MAX 40
#define WEB_TURN_NS (3 * NS_PER_MS) /* how long one turn may write expositions, all of them together */

enum web_handler {
	WEB_HANDLER_LANDING,
	WEB_HANDLER_METRICS,
	WEB_HANDLER_HEALTHY,
	WEB_HANDLER_READY,
	WEB_HANDLER_OTHER,
	WEB_HANDLER_N,
};

enum web_code {
	WEB_CODE_200,
	WEB_CODE_404,
	WEB_CODE_405,
	WEB_CODE_500,
	WEB_CODE_503,
	WEB_CODE_N,
};

/* A connection, from its accept to its end, in a list ordered by `since_ns`. */
struct web_connection {
	struct web *web;
	struct web_connection *prev, *next;
	int fd;
	int64_t since_ns;
	bool is_overdue; /* shut down; no longer in the list */
};

struct web_listener {
	struct MHD_Daemon *daemon;
	int epoll_fd;
	char address[64];
};

struct web {
	struct web_options options;
	struct web_listener listeners[WEB_LISTENERS_MAX];
	size_t n_listeners;
	struct web_connection *oldest, *newest;
	int64_t now_ns;
	uint64_t turn;
	size_t n_scrapes;
	struct series *requests[WEB_HANDLER_N][WEB_CODE_N];
	char landing[2048];
};

/* listen.c: opens what an address stands for and appends to fds; 0 or a negative errno with ret_error. */
int web_listen(const char *address, int *fds, size_t size, size_t *n, struct error *ret_error) __attribute__((warn_unused_result));
void web_describe_socket(int fd, char *buf, size_t size);

/* routes.c */
int routes_init(struct web *w) __attribute__((warn_unused_result));
enum MHD_Result routes_handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
			      const char *version, const char *upload_data, size_t *upload_data_size, void **request);

/* scrape.c: the body of /metrics. NULL: out of memory. */
struct MHD_Response *scrape_response(struct web *w, enum expose_format format, bool is_gzip);

/* server.c: the request has arrived; its answer gets a deadline of its own. */
void web_connection_renew(struct web_connection *c);
