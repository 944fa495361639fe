/*
 * A server of one thread on loopback that follows a script: what arrives n-th is treated as the n-th step says
 * (the last step repeats). It records each request and counts connections. With a certificate it speaks TLS.
 */
#pragma once

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum step_kind {
	STEP_REPLY,  /* `text` goes out as it is; the connection stays open */
	STEP_CUT,    /* `text`, then the connection is closed */
	STEP_CLOSE,  /* the request took effect, the connection is closed without a byte */
	STEP_SILENT, /* no answer, ever */
	STEP_HOLD,   /* as REPLY, but only after server_release */
	STEP_FLOOD,  /* `text`, then 5 MiB of spaces */
};

struct step {
	enum step_kind kind;
	const char *text;
};

#define SERVER_REQUESTS_MAX 4096
#define SERVER_CONNECTIONS_MAX 64

struct connection {
	int fd;
	SSL *ssl;
	char in[32768];
	size_t n_in;
	const struct step *held;
};

struct server {
	int listener, wake[2];
	unsigned short port;
	SSL_CTX *tls;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	const struct step *steps;
	size_t n_steps;
	bool is_stopping, is_released;
	size_t n_connections, n_requests, n_releases;
	char *requests[SERVER_REQUESTS_MAX]; /* each as it came, with its body */
	struct connection connections[SERVER_CONNECTIONS_MAX];
};

/* `tls` may be NULL; it is taken. Aborts when the machine gives no socket: a test cannot go on then. */
void server_start(struct server *s, const struct step *steps, size_t n_steps, SSL_CTX *tls);
void server_stop(struct server *s);
void server_release(struct server *s);
size_t server_releases(struct server *s); /* that are done: what was held is in the sockets */
size_t server_requests(struct server *s);
size_t server_connections(struct server *s);
/* Borrowed until server_stop. */
const char *server_request(struct server *s, size_t i);

/* A certificate for `name` (DNS name or 127.0.0.1), signed by itself, written to `pem_path` for a client to trust. */
SSL_CTX *server_tls(const char *name, long valid_from_s, long valid_to_s, const char *pem_path);
