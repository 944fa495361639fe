/*
 * One request as it came over the wire, and the parameters in it.
 * Everything is borrowed from the server for the time of the call but the parameters.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_LIMIT_URI 16384   /* bytes of path and query */
#define REQUEST_LIMIT_BODY 65536  /* bytes of a form body */
#define REQUEST_LIMIT_PARAMS 256  /* parameters of query and form together */
#define REQUEST_LIMIT_HEADERS 64

struct request_header {
	const char *name;
	const char *value;
};

struct request_param {
	char *name; /* decoded, owned */
	char *value;
	bool is_form; /* from the body, which signature V3 hashes instead of listing */
};

struct request {
	const char *method;
	const char *path;
	const char *query; /* raw, behind the question mark; "" when there is none */
	const char *body;
	size_t body_size;
	struct request_header headers[REQUEST_LIMIT_HEADERS];
	size_t n_headers;
	bool has_too_many_headers; /* more than fit: the request must not be served */
	struct request_param *params; /* sorted by name */
	size_t n_params;
};

/* A refusal: what the error answer says. */
struct refusal {
	const char *code; /* static; NULL: none */
	int http_status;
	char message[256];
};

__attribute__((format(printf, 3, 4)))
void refuse(struct refusal *refusal, const char *code, const char *format, ...);

/* The HTTP status that goes with a code; 400 for the ones without a row of their own. */
int refusal_status(const char *code);

/* Decodes query and form. False: refused. The parameters are the request's until request_deinit(). */
bool request_parse(struct request *request, struct refusal *refusal);
void request_deinit(struct request *request);

/* The header's value, or NULL. Names are compared without case. */
const char *request_header(const struct request *request, const char *name);
const char *request_param(const struct request *request, const char *name);

/* RFC 3986: all but unreserved bytes as %XX. The caller frees; NULL when memory is short. */
char *percent_encode(const char *text);
