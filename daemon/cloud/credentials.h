/*
 * Where the access key comes from: the environment, or the vendor's INI file (section [default] or another,
 * type = access_key, access_key_id, access_key_secret; type = sts adds sts_token).
 *
 * Secrets stay in this struct: they are never logged, never part of an error, and wiped when it goes.
 */
#pragma once

#include "core/model.h"
#include "sign.h"

enum credentials_source {
	CREDENTIALS_ENV,  /* ALIBABA_CLOUD_ACCESS_KEY_ID, …_SECRET, ALIBABA_CLOUD_SECURITY_TOKEN */
	CREDENTIALS_FILE, /* path, profile; without path ALIBABA_CLOUD_CREDENTIALS_FILE, else ~/.alibabacloud/credentials */
	CREDENTIALS_SOURCE_N,
};
extern const char *const credentials_source_names[CREDENTIALS_SOURCE_N]; /* "env", "file" */

struct credentials {
	char access_key_id[256];
	char access_key_secret[256];
	char security_token[2049]; /* "" without */
	bool is_awaited;           /* there is none yet, and one is being asked for */
};

enum {
	CREDENTIALS_OK = 0,
	CREDENTIALS_E_MISSING = 1, /* ret_error says which variable, file, section or key, and what to do */
};
/* `path` and `profile` may be NULL. 0, CREDENTIALS_E_MISSING, or negative errno. */
int credentials_load(enum credentials_source source, const char *path, const char *profile,
		     struct credentials *ret_credentials, struct error *ret_error) __attribute__((warn_unused_result));
void credentials_wipe(struct credentials *c);
/* Borrowed view for the signer. */
struct sign_key credentials_key(const struct credentials *c);
