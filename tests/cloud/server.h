/*
 * HTTP: libmicrohttpd on one thread, and the ways in which a connection can fail.
 */
#pragma once

#include <stdint.h>

#include "sim.h"

struct server_options {
	char host[64]; /* an IPv4 or IPv6 address */
	uint16_t port; /* 0: any */
	const char *tls_cert; /* PEM, with tls_key; NULL: plain HTTP */
	const char *tls_key;
};

struct server;

/* NULL: could not, and said why on stderr. The simulator is borrowed. */
struct server *server_new(struct sim *sim, const struct server_options *options);
struct server *server_free(struct server *server);
uint16_t server_port(const struct server *server);
/* Serves until the descriptor becomes readable (a signalfd). Returns 0 or negative errno. */
__attribute__((warn_unused_result)) int server_run(struct server *server, int stop_fd);

int64_t clock_ns(void);
