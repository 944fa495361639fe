/*
 * The web server: what Prometheus, orchestrators and people ask of the daemon over HTTP/1.1. Only reads.
 *
 * libmicrohttpd with external epoll: it lives in the loop's one wait. /metrics is written block by block from
 * the live table; content readers share a time budget per turn so that no scraper keeps the loop from its wait.
 * Routes are a table: / (landing page), /metrics, /-/healthy, /-/ready; GET and HEAD; else 404, 405 with Allow.
 */
#pragma once

#include "core/model.h"
#include "expose.h"

struct web;

struct web_options {
	const char *const *listen_addresses; /* "host:port", ":port", "[::1]:port"; port 0 lets the kernel choose */
	size_t n_listen_addresses;
	struct registry *registry;
	const struct expose_source *source;
	void (*before_scrape)(void *ctx); /* refresh process_* and the like; may be NULL */
	bool (*is_ready)(void *ctx);
	void *ctx;
	const char *version, *revision;
};

/* 0, -ENOMEM, or another negative errno with ret_error: which address, why, and what to do. */
int web_new(const struct web_options *options, struct web **ret_web, struct error *ret_error) __attribute__((warn_unused_result));
/* Stops listening, ends connections. NULL is fine. */
struct web *web_free(struct web *w);

/* The descriptors to wait on (readable), at most `size`; returns how many. They do not change in the life of the server. */
size_t web_fds(const struct web *w, int *ret_fds, size_t size);
/* When web_run is due besides the descriptors, relative, in ms; -1 for never. 0 only if there is work now. */
int web_timeout_ms(const struct web *w);
void web_run(struct web *w, int64_t now_ns);
/* "127.0.0.1:10917", of listener i (the kernel's port when 0 was asked for); NULL past the end. */
const char *web_address(const struct web *w, size_t i);
