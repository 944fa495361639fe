/*
 * Signatures of the API's gateway: V3 (ACS3-HMAC-SHA256) and V2 (HMAC-SHA1). Pure: time and nonce come in.
 *
 * A request is a list of parameters; signing gives the request target ("/?a=b&…") and the headers to send.
 * The digest and MAC contexts are fetched once and kept, a signature then costs about a microsecond.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SIGN_PARAMS_MAX 80 /* 50 ids, the parameters of a call, and V2's own */
#define SIGN_TARGET_MAX 16384
#define SIGN_HEADERS_MAX 10

enum sign_method {
	SIGN_V3,
	SIGN_V2,
	SIGN_METHOD_N,
};
extern const char *const sign_method_names[SIGN_METHOD_N]; /* "v3", "v2" */

struct sign_param {
	const char *name;
	const char *value;
};

/* Borrowed. The access key must not show up in logs or errors; this module never prints. */
struct sign_key {
	const char *access_key_id;
	const char *access_key_secret;
	const char *security_token; /* NULL without */
};

struct sign_request {
	const char *http_method; /* "POST" */
	const char *host;        /* as the Host header will say it, with the port when it is not the default */
	const char *path;        /* "/" */
	const char *action;
	const char *version;     /* "2018-03-13" */
	const struct sign_param *params; /* in any order, without those that the method adds */
	size_t n_params;
	int64_t wall_s;          /* UNIX seconds */
	const char *nonce;
};

struct signed_request {
	char target[SIGN_TARGET_MAX];                  /* what goes on the request line */
	char headers[SIGN_HEADERS_MAX][2304];          /* "name: value", Host not among them */
	size_t n_headers;
	char signature[128];                           /* for tests */
};

struct signer;
int signer_new(struct signer **ret_signer) __attribute__((warn_unused_result));
struct signer *signer_free(struct signer *s);

#define SIGN_DATE_SIZE sizeof("YYYY-MM-DDThh:mm:ssZ")
/* `wall_s` from 0 to the end of year 9999, as the API writes times. */
void sign_date(int64_t wall_s, char ret_date[SIGN_DATE_SIZE]);
/* "a=b&c=d", percent-encoded, in the order of the names: a query or a form. Sorts `params`. 0 or -E2BIG. */
int sign_query(struct sign_param *params, size_t n, char *buf, size_t size) __attribute__((warn_unused_result));

/* 0; -E2BIG when a part exceeds its limit; -EIO when the crypto library fails. On error ret_signed is undefined. */
int signer_sign(struct signer *s, enum sign_method method, const struct sign_key *key, const struct sign_request *req,
		struct signed_request *ret_signed) __attribute__((warn_unused_result));
