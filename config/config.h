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
#include "calendar.h"
#include "cloud/identity.h"

#define CONFIG_FILE_BYTES_MAX (64 * 1024 * 1024)
#define CONFIG_FILES_MAX 1024
#define CONFIG_ERRORS_MAX 100 /* then "and N more" */
#define CONFIG_ITEMS_MAX 200000 /* of one list */
#define CONFIG_POLICY_WINDOWS_MAX 64
#define CONFIG_POLICY_FREEZES_MAX 256
#define CONFIG_SOCKET_PATH_MAX 107 /* what the kernel takes (sockaddr_un) */

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

/* Windows and freezes as policies use them: rules for calendar.h. */
struct config_window {
	const char *name;
	bool is_always;
	const char *time_zone; /* the name; NULL for `always` */
	struct calendar_window rule; /* of others than `always` */
};
struct config_freeze {
	const char *name, *time_zone;
	const char *reason; /* "" when none was written */
	struct calendar_freeze rule;
};

enum gate_open_when {
	GATE_OPEN_WHEN_EMPTY,
	GATE_OPEN_WHEN_ABOVE,
	GATE_OPEN_WHEN_BELOW,
	GATE_OPEN_WHEN_N,
};

/* What the shells need of a policy, beside what the core does. */
struct config_policy {
	const uint32_t *windows, *freezes; /* indexes, in order of the file */
	uint32_t n_windows, n_freezes;
	struct calendar calendar; /* the same as rules, without `always`, which is a flag there */
	struct {
		const char *prometheus; /* "https://host[:port]/[path/]", for "api/v1/query" behind it; NULL: no gate */
		const char *query;
		enum gate_open_when open_when;
		double value; /* for above and below: all samples of the answer must be so */
		int64_t timeout_ns;
	} gate;
};

struct config {
	struct settings settings; /* for the core; scopes are accounts x regions, in order of the files */
	const struct config_account *accounts;
	uint32_t n_accounts;
	const uint32_t *scope_account; /* of each scope, an index into accounts */
	const char *const *scope_endpoint; /* of each scope, "https://host[:port]/" */
	const struct config_window *windows; /* the first is `always` */
	uint32_t n_windows;
	const struct config_freeze *freezes;
	uint32_t n_freezes;
	const struct config_policy *policies; /* of each policy of the settings */
	const char *state_path;          /* the state file */
	const char *control_socket_path;
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
