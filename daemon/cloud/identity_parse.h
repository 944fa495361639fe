/*
 * What the givers of temporary keys answer: JSON of the metadata service and of a credentials URL (the key's fields at
 * the top, Code = "Success"), and of STS (the fields in Credentials, or an error with a Code). Private to cloud/. Pure.
 *
 * No error text holds a part of a body: a broken answer may still hold a key. Codes and request ids are shown.
 */
#pragma once

#include "cloud/credentials.h"

#define IDENTITY_BODY_MAX 32768
#define IDENTITY_TOKEN_MAX 1024 /* of the metadata service */

enum identity_shape {
	IDENTITY_SHAPE_FLAT,
	IDENTITY_SHAPE_STS,
};

struct identity_key {
	struct credentials credentials;
	int64_t expires_s; /* UNIX seconds */
};

enum {
	IDENTITY_OK = 0,
	IDENTITY_E_INVALID = 1, /* no key in there: ret_error says what is wrong and the next step, to stand behind "http://host/: " */
};
/* `body` has `len` bytes and a terminator. 0, IDENTITY_E_INVALID or -ENOMEM. On success ret_key is to be wiped. */
int identity_parse_key(const char *body, size_t len, enum identity_shape shape, struct identity_key *ret_key, struct error *ret_error)
	__attribute__((warn_unused_result));
/* One word and perhaps a line break behind it, as the metadata service answers a token or a role's name; false when it is none. */
bool identity_parse_word(const char *body, size_t len, char *ret_word, size_t size);
/* "2026-01-31T23:59:59Z", nothing else. */
bool identity_parse_time(const char *text, int64_t *ret_wall_s);
