/*
 * The access key of one account over time: read from the environment or a file, or asked for and refreshed.
 *
 * A file is looked at every 10 s and read again when it changed; what cannot be used leaves the key of before. Temporary
 * keys (role of the machine, credentials URL, OIDC, AssumeRole) are asked for ahead of their expiry, again and again
 * after failures, and not used any more once expired: calls are then NOT_SENT, as there is no key. All of it runs on
 * the client's handle and never blocks but for reading a small file. Secrets stay in here: no error and no news tells one.
 */
#pragma once

#include "client.h"
#include "credentials.h"

/* From the configuration; strings are borrowed for the life of the identity. NULL: the environment variable, or the default. */
struct identity_settings {
	enum credentials_source source;
	enum credentials_source base; /* assume_role: whose key asks for the role; any but assume_role */
	const char *path, *profile;   /* file: see credentials.h */
	const char *role_name;        /* ecs_ram_role: ALIBABA_CLOUD_ECS_METADATA, else the machine is asked */
	const char *uri;              /* uri: ALIBABA_CLOUD_CREDENTIALS_URI */
	const char *role_arn;         /* oidc, assume_role: ALIBABA_CLOUD_ROLE_ARN */
	const char *oidc_provider_arn; /* ALIBABA_CLOUD_OIDC_PROVIDER_ARN */
	const char *oidc_token_file;   /* ALIBABA_CLOUD_OIDC_TOKEN_FILE; read each time */
	const char *session_name;      /* ALIBABA_CLOUD_ROLE_SESSION_NAME, else "sagpin" */
	int64_t duration_ns;           /* that STS is asked for; 0: an hour */
	const char *sts_endpoint;      /* https://sts.aliyuncs.com/ */
	const char *metadata_endpoint; /* http://100.100.100.200/ */
};

enum identity_news {
	IDENTITY_NEWS_READ,      /* a changed file gave another key */
	IDENTITY_NEWS_REFRESHED, /* there is a new temporary key */
	IDENTITY_NEWS_FAILED,    /* no new key; the text says why and what to do */
	IDENTITY_NEWS_RECOVERED, /* the first success after that */
	IDENTITY_NEWS_EXPIRED,   /* the key is used no more */
	IDENTITY_NEWS_N,
};
/* `is_repeated`: failed as before, no news for the log. */
typedef void (*identity_news_fn)(void *ctx, uint32_t account, enum identity_news news, const char *text, bool is_repeated);

struct identity_options {
	const struct identity_settings *settings;
	enum sign_method signature; /* for STS */
	const char *ca_file, *proxy; /* NULL: as in client_scope. The metadata service and loopback are never asked by a proxy */
	int64_t timeout_ns;          /* of each request */
	uint64_t (*random)(void *ctx);
	identity_news_fn on_news;
	void *ctx;        /* of both */
	uint32_t account; /* for on_news */
};
struct identity;

/*
 * Reads what env or file give now. 0; CREDENTIALS_E_MISSING when that or a setting is missing or cannot be used, with
 * ret_error; or negative errno.
 */
int identity_new(const struct identity_options *options, struct identity **ret_identity, struct error *ret_error) __attribute__((warn_unused_result));
/* After the client, which may still answer it. NULL is fine. */
struct identity *identity_free(struct identity *i);

/* Before each client_run: looks at the file, asks for keys, drops an expired one. 0 or negative errno. */
int identity_run(struct identity *i, struct client *c, int64_t now_ns, int64_t wall_s) __attribute__((warn_unused_result));
/* When identity_run has something to do next besides answers; INT64_MAX for never. */
int64_t identity_deadline_ns(const struct identity *i, int64_t now_ns, int64_t wall_s);

/* For client_scope: stays where it is; empty while there is no key. */
const struct credentials *identity_credentials(const struct identity *i);
bool identity_is_valid(const struct identity *i);
/* When the last temporary key expires or did, UNIX seconds; 0 for none. */
int64_t identity_expires_s(const struct identity *i);
