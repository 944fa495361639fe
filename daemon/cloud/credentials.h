/*
 * An access key from the environment, or from the vendor's INI file (section [default] or another,
 * type = access_key, access_key_id, access_key_secret; type = sts adds sts_token). What is asked for over the
 * network, and when either is looked at again, is identity.h's.
 *
 * Secrets stay in this struct: they are never logged, never part of an error, and wiped when it goes.
 */
#pragma once

#include "core/model.h"
#include "sign.h"

enum credentials_source {
	CREDENTIALS_ENV,  /* ALIBABA_CLOUD_ACCESS_KEY_ID, …_SECRET, ALIBABA_CLOUD_SECURITY_TOKEN */
	CREDENTIALS_FILE, /* path, profile; without path ALIBABA_CLOUD_CREDENTIALS_FILE, else ~/.alibabacloud/credentials */
	CREDENTIALS_ECS_RAM_ROLE,
	CREDENTIALS_URI,
	CREDENTIALS_OIDC,
	CREDENTIALS_ASSUME_ROLE,
	CREDENTIALS_SOURCE_N,
};
extern const char *const credentials_source_names[CREDENTIALS_SOURCE_N]; /* "env", "file", "ecs_ram_role", … */

#define CREDENTIALS_ROLE_MAX 64

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
/* CREDENTIALS_ENV or _FILE. `path` and `profile` may be NULL. 0, CREDENTIALS_E_MISSING, or negative errno. */
int credentials_load(enum credentials_source source, const char *path, const char *profile,
		     struct credentials *ret_credentials, struct error *ret_error) __attribute__((warn_unused_result));
/* Where CREDENTIALS_FILE reads. 0 or CREDENTIALS_E_MISSING. */
int credentials_find_path(const char *path, char *ret_path, size_t size, struct error *ret_error) __attribute__((warn_unused_result));
/*
 * All of a regular file of text, at most `size` - 1 bytes, terminated; `what` names it in errors ("credentials file").
 * Does not block on a FIFO. 0 or CREDENTIALS_E_MISSING.
 */
int credentials_read_file(const char *path, const char *what, char *buf, size_t size, struct error *ret_error) __attribute__((warn_unused_result));
/* Printable ASCII without spaces: anything else could forge a header, and no key has it. */
bool credentials_is_clean(const char *value);
/* Letters, digits, ".", "_", "-"; at most CREDENTIALS_ROLE_MAX: it becomes a part of a path. */
bool credentials_is_role_name(const char *name);
void credentials_wipe(struct credentials *c);
/* Borrowed view for the signer. */
struct sign_key credentials_key(const struct credentials *c);
