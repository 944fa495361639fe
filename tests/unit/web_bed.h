/*
 * A real web server on a port that the kernel chose, driven by this program's own wait. The clock of deadlines is ours,
 * and so is the table: as many rows as a test wants, as slow as it wants.
 */
#pragma once

#include "web/web.h"

#define PATIENCE_S 60 /* a test that waits longer has failed; valgrind needs it */
#define OM_ACCEPT "Accept: application/openmetrics-text;version=1.0.0\r\n"

struct world {
	struct web *web;
	struct registry *registry;
	int64_t now_ns;
	uint64_t rows, rendered;
	double row_s; /* how long a row takes at least */
	bool is_ready;
	int holds;
	int refreshed;
	unsigned int slices;
};

struct reply {
	char *text; /* all bytes, with a terminator */
	size_t len;
	char *body; /* past the empty line, chunks put together */
	size_t body_len;
	int status;
};

double now_s(void);
int try_listen(struct world *w, const char *const *addresses, size_t n, struct error *ret_error);
void world_start(struct world *w, uint64_t rows);
void world_stop(struct world *w);
void turn(struct world *w, int fd, short events); /* of the loop: waits for the server, or for `fd` (-1: none) */
void settle(struct world *w); /* turns until the server has nothing to do any more without us */
int dial(const struct world *w);
void say(int fd, const char *text);
struct reply hear(struct world *w, int fd); /* reads until the server closes */
struct reply ask(struct world *w, const char *method, const char *path, const char *headers);
