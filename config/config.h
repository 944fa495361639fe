/*
 * Configuration text to one immutable, validated struct.
 *
 * load.c reads files (the only file I/O here), parse.c turns libconfig's tree into raw settings, validate.c
 * resolves names and checks values. All errors come in one go, each with file, line, the key, and what would be
 * right. Nothing in a file can end, hang or corrupt the process: files are read into memory (regular files, size
 * limit, no NUL, valid UTF-8), `@include` is refused, and only then parsed.
 */
#pragma once

#include "core/settings.h"
#include "cloud/identity.h"

#define CONFIG_FILE_BYTES_MAX (64 * 1024 * 1024)
#define CONFIG_FILES_MAX 1024
#define CONFIG_ERRORS_MAX 100 /* then "and N more" */
#define CONFIG_ITEMS_MAX 200000 /* of one list */

/* One account, as far as the daemon's shells need it. */
struct config_account {
	const char *name;
	struct identity_settings credentials;
	const char *endpoint; /* NULL: https://smartag.<region>.aliyuncs.com/ */
	enum sign_method signature;
	struct {
		double calls_per_second;
		double burst;
		uint32_t concurrency;
		int64_t timeout_ns;
		const char *ca_file; /* NULL: the system's */
		const char *proxy;   /* NULL: the environment's */
	} api;
};

struct config {
	struct settings settings; /* for the core; scopes are accounts x regions, in order of the files */
	const struct config_account *accounts;
	uint32_t n_accounts;
	const uint32_t *scope_account; /* of each scope, an index into accounts */
	const char *const *scope_endpoint; /* of each scope, "https://host[:port]/" */
	char hash[65]; /* hex SHA-256 over names and contents of all files, for sagpin_config_info */
};

enum config_severity {
	CONFIG_WARNING,
	CONFIG_ERROR,
};
struct config_message {
	enum config_severity severity;
	const char *text; /* "sagpin.cfg:12: policies[0].deadline: "5x" is no duration; write a number and s, m, h or d, as in "30m"" */
};
struct config_messages {
	struct config_message *items;
	size_t n, n_errors; /* n_errors may exceed what is kept */
};

enum {
	CONFIG_OK = 0,
	CONFIG_E_INVALID = 1, /* ret_messages says all of it */
};

/*
 * Loads and validates `path` and what its include_dir holds. 0 (messages may hold warnings), CONFIG_E_INVALID, or
 * -ENOMEM. ret_messages is always set and always to be freed; it never holds a secret.
 */
int config_load(const char *path, struct config **ret_config, struct config_messages *ret_messages) __attribute__((warn_unused_result));
struct config *config_free(struct config *c);
void config_messages_deinit(struct config_messages *m);
