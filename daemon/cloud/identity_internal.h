/*
 * What identity.c (state, times, news) and identity_ask.c (who is asked, and what is made of the answers) share;
 * nobody else includes it.
 */
#pragma once

#include <sys/types.h>
#include <time.h>

#include "endpoint.h"
#include "fetch.h"
#include "identity.h"
#include "identity_parse.h"
#include "identity_plan.h"

#define IDENTITY_PATH_MAX 1280

/* Where a refresh stands. */
enum identity_step {
	IDENTITY_STEP_NONE,
	IDENTITY_STEP_TOKEN, /* of the metadata service */
	IDENTITY_STEP_ROLE,
	IDENTITY_STEP_METADATA_KEY,
	IDENTITY_STEP_URI,
	IDENTITY_STEP_STS,
	IDENTITY_STEP_N,
};

/* What tells that a file is another one. */
struct identity_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec modified, changed;
};

struct identity {
	struct identity_options options;
	struct identity_settings settings; /* resolved: nothing that the source needs is NULL */
	struct identity *base;             /* assume_role */
	struct credentials credentials;
	unsigned int generation; /* of the key */
	int64_t now_ns, wall_s;
	struct client *client;
	int fatal; /* negative errno met in an answer */

	/* file */
	char path[IDENTITY_PATH_MAX];
	struct identity_stamp stamp;
	int64_t check_ns;

	/* temporary keys */
	struct endpoint sts, metadata;
	struct signer *signer;
	struct fetch *fetch;
	enum identity_step step;
	struct identity_times times; /* of the last key */
	int64_t retry_ns;            /* not before */
	uint64_t seed;
	unsigned int n_failures;     /* in a row; also of a file */
	unsigned int base_generation; /* that the last try was made with */
	char role[CREDENTIALS_ROLE_MAX + 1];
	char token[IDENTITY_TOKEN_MAX + 1]; /* of the metadata service, "" for none */
	int64_t token_until_ns;
	bool is_token_renewed; /* in this refresh */
};

/* Starts a refresh: `step` is set, or the failure is told. Negative errno is fatal. */
int identity_ask(struct identity *i);
/* The ways a refresh ends. The text of a failure is for the log. */
void identity_fail(struct identity *i, const char *text);
void identity_succeed(struct identity *i, const struct identity_key *key, const char *from);
