/*
 * What the files of the control socket share. Private to daemon/control/.
 */
#pragma once

#include "control.h"
#include "request.h"
#include "socket.h"

#include <microhttpd.h>

/* A few operators and scripts; what is above waits. */
#define CONTROL_CONNECTIONS_MAX 32
#define CONTROL_MEMORY_MAX 16384 /* of a connection: bounds the request's header */
#define CONTROL_BODY_TAKEN_MAX 1048576 /* what is too large is taken and left, so that its sender hears why; beyond that not even that */
#define CONTROL_REQUEST_S 10     /* for a request to arrive, and again for its answer to be taken */
#define CONTROL_RESULT_S 30      /* for an act to become durable, or a look at the fleet to end */
#define CONTROL_WHO_MAX 256
#define CONTROL_TURN_NS (2 * NS_PER_MS) /* of looking at the fleet in one turn, all requests together */

struct walk;
struct snapshot;

/* A connection and the one request that it is at. */
struct connection {
	struct control *control;
	struct connection *prev, *next;
	struct MHD_Connection *mhd;
	int fd;
	int64_t until_ns; /* then it is ended, one way or the other */
	bool is_overdue;  /* shut down */
	/* the request */
	char *body;
	size_t n_body;
	bool is_begun; /* handed to who answers it; is_suspended unless the answer came at once */
	bool is_suspended;
	uint64_t request;         /* of an act; 0: none */
	struct act_request *act;
	char who[CONTROL_WHO_MAX];
	struct walk *walk;        /* of a look at the fleet */
	char *answer;             /* JSON; NULL: none yet */
	unsigned int status;
	const char *allow;        /* 405: what would be right */
};

struct control {
	struct control_options options;
	struct control_socket socket;
	struct MHD_Daemon *daemon;
	int epoll_fd;
	struct connection *connections;
	uint64_t last_request;
	int64_t now_ns, wall_s;
	bool is_ending;
};

/* server.c: gives the request its answer (taken; NULL: out of memory, the connection is ended) and wakes it. */
void connection_answer(struct connection *c, unsigned int status, char *text);
void connection_answer_error(struct connection *c, unsigned int status, const char *what, const char *next);

/* routes.c */
enum MHD_Result control_handle(void *cls, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
			       const char *upload_data, size_t *upload_data_size, void **request);

/* views.c */
void view_rollouts(struct connection *c);
void view_approvals(struct connection *c);
/* Begin a walk over the fleet, or answer at once. */
void view_status(struct connection *c);
void view_targets(struct connection *c);
/* Goes on until the time is up; true when it has answered and is over. */
bool walk_run(struct connection *c, int64_t until_ns);
struct walk *walk_free(struct connection *c);
/* A snapshot is a walk, too. */
void view_snapshot(struct connection *c);
/* What the budget of a turn is measured with. */
int64_t walk_clock_ns(void);

/* snapshot.c: part of a walk. NULL: out of memory. */
struct snapshot *snapshot_new(struct connection *c);
struct snapshot *snapshot_free(struct snapshot *s);
/* As walk_run(). */
bool snapshot_run(struct connection *c, struct snapshot *s, int64_t until_ns);
