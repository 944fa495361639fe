/*
 * Who calls, and is it true: signature methods V3 and V2 as the cloud checks them,
 * the clock, nonces and credentials. Written from the description of the two methods,
 * on purpose without a line of the daemon's signer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "map.h"
#include "request.h"

#define CHECK_SKEW_S 900       /* how far a time stamp may be off */
#define CHECK_NONCE_KEEP_S 1860 /* longer than both sides of the skew together */
#define CHECK_LIMIT_NONCES 1000000
#define CHECK_LIMIT_NONCE 64   /* bytes */

struct nonce {
	char *text;
	int64_t seen_s;
};

/* A key that the control plane adds; "" id: none. */
struct other_key {
	char id[128], secret[128], token[2100];
};

struct check {
	const char *access_key_id; /* borrowed */
	const char *access_key_secret;
	const char *security_token; /* NULL: none expected */
	struct other_key other;
	bool is_other_only; /* the first key is revoked */
	struct map nonces;
	struct nonce *ring; /* oldest first from `first` */
	size_t first, n;
};

/* What a request says about itself, before anything of it is believed. "" where it says nothing. */
struct claim {
	bool is_v3;
	const char *action;
	const char *version;
	const char *access_key_id;
	const char *date;
	const char *nonce;
	const char *security_token; /* NULL when there is none */
	const char *signature;
	char *credential;     /* owned: access key id, signed headers and signature of Authorization */
	char *signed_headers; /* points into credential */
};

/* Reads the claim. False: something required is missing or malformed. The caller calls claim_deinit() in both cases. */
bool claim_read(const struct request *request, struct claim *claim, struct refusal *refusal);
void claim_deinit(struct claim *claim);

int check_init(struct check *check);
void check_deinit(struct check *check);

/*
 * The claim against the credentials, the wall clock and the nonces seen. A nonce counts as seen only when
 * all the rest was right, so nobody can burn the nonces of others.
 */
bool check_claim(struct check *check, const struct request *request, const struct claim *claim, int64_t now_s,
                 struct refusal *refusal);
