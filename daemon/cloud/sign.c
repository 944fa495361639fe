/*
 * Signatures V3 and V2, as the API reference describes them.
 *
 * What is signed is streamed into the digest piece by piece, so that no length but those of the result can
 * overflow. Pure: no clock, no randomness, no printing. Copies of a secret are wiped before a return.
 */
#include "cloud/sign.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define SHA256_BYTES 32
#define SHA256_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SECRET_MAX 255
#define WALL_S_MAX INT64_C(253402300799) /* the last second of year 9999: the date has four digits for it */

const char *const sign_method_names[SIGN_METHOD_N] = {
	[SIGN_V3] = "v3",
	[SIGN_V2] = "v2",
};

struct signer {
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
	EVP_MAC *hmac;
	EVP_MAC_CTX *mac[SIGN_METHOD_N]; /* knows its digest; the key is set per signature */
};

static EVP_MAC_CTX *mac_new(EVP_MAC *hmac, const char *digest)
{
	char name[16];
	snprintf(name, sizeof(name), "%s", digest);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
	if (ctx && !EVP_MAC_CTX_set_params(ctx, params)) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int signer_new(struct signer **ret_signer)
{
	struct signer *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->digest = EVP_MD_CTX_new();
	s->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (s->hmac) {
		s->mac[SIGN_V3] = mac_new(s->hmac, "SHA256");
		s->mac[SIGN_V2] = mac_new(s->hmac, "SHA1");
	}
	if (!s->sha256 || !s->digest || !s->mac[SIGN_V3] || !s->mac[SIGN_V2]) {
		signer_free(s);
		return -EIO;
	}
	*ret_signer = s;
	return 0;
}

struct signer *signer_free(struct signer *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < SIGN_METHOD_N; i++)
		EVP_MAC_CTX_free(s->mac[i]);
	EVP_MAC_free(s->hmac);
	EVP_MD_CTX_free(s->digest);
	EVP_MD_free(s->sha256);
	free(s);
	return NULL;
}

/* Text of bounded size that remembers an overflow instead of failing at each step. */
struct text {
	char *buf;
	size_t size, len;
	bool is_full;
};

static void text_add_n(struct text *t, const char *s, size_t n)
{
	if (t->is_full || n >= t->size - t->len) {
		t->is_full = true;
		return;
	}
	memcpy(t->buf + t->len, s, n);
	t->len += n;
	t->buf[t->len] = '\0';
}

static void text_add(struct text *t, const char *s)
{
	text_add_n(t, s, strlen(s));
}

/* RFC 3986, section 2.3. */
static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '.' || c == '~';
}

static size_t encode_byte(unsigned char c, char out[3])
{
	static const char hex[] = "0123456789ABCDEF";
	if (is_unreserved(c)) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = '%';
	out[1] = hex[c >> 4];
	out[2] = hex[c & 15];
	return 3;
}

static void text_add_encoded(struct text *t, const char *s)
{
	char out[3];
	while (*s) {
		size_t n = 0;
		while (is_unreserved((unsigned char)s[n]))
			n++;
		text_add_n(t, s, n); /* nearly all of a name or a value is such a run */
		s += n;
		if (*s)
			text_add_n(t, out, encode_byte((unsigned char)*s++, out));
	}
}

static int param_order(const void *a, const void *b)
{
	const struct sign_param *x = a, *y = b;
	return strcmp(x->name, y->name);
}

/* Adds the canonical query to the target; sorts `params`. */
static void text_add_query(struct text *t, struct sign_param *params, size_t n)
{
	qsort(params, n, sizeof(*params), param_order);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			text_add(t, "&");
		text_add_encoded(t, params[i].name);
		text_add(t, "=");
		text_add_encoded(t, params[i].value);
	}
}

int sign_query(struct sign_param *params, size_t n, char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };
	text_add_query(&t, params, n);
	return t.is_full ? -E2BIG : 0;
}

static void hex_encode(const unsigned char *bytes, size_t n, char *out)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex[bytes[i] >> 4];
		out[2 * i + 1] = hex[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

/* UTC by arithmetic, as gmtime_r may look for zone files. Counts years from March on, so that a leap day is the last. */
void sign_date(int64_t wall_s, char out[SIGN_DATE_SIZE])
{
	unsigned int second = (unsigned int)(wall_s % 86400);
	unsigned int days = (unsigned int)(wall_s / 86400) + 719468; /* since 0000-03-01 */
	unsigned int era = days / 146097, day_of_era = days % 146097;
	unsigned int year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned int day = day_of_era - (365 * year + year / 4 - year / 100);
	unsigned int month = (5 * day + 2) / 153; /* 0 is March */
	day = day - (153 * month + 2) / 5 + 1;
	year += era * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	snprintf(out, SIGN_DATE_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ", year % 10000, month % 100, day % 100, second / 3600 % 24,
		 second / 60 % 60, second % 60);
}

/* Joined by hand: with printf a signature took a third longer. */
static int add_header(struct signed_request *out, const char *const *pieces, size_t n)
{
	if (out->n_headers == SIGN_HEADERS_MAX)
		return -E2BIG;
	struct text t = { .buf = out->headers[out->n_headers], .size = sizeof(out->headers[0]) };
	for (size_t i = 0; i < n; i++)
		text_add(&t, pieces[i]);
	if (t.is_full)
		return -E2BIG;
	out->n_headers++;
	return 0;
}

#define ADD_HEADER(out, ...)                                                                                           \
	add_header(out, (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* The signed headers of V3 in the order that is signed; `value` NULL is left out. */
struct v3_header {
	const char *name;
	const char *value;
};
#define V3_HEADERS 7

static bool digest_add(struct signer *s, const char *text)
{
	return EVP_DigestUpdate(s->digest, text, strlen(text)) == 1;
}

static bool digest_add_headers(struct signer *s, const struct v3_header *headers)
{
	bool ok = true;
	for (size_t i = 0; i < V3_HEADERS; i++)
		if (headers[i].value)
			ok = ok && digest_add(s, headers[i].name) && digest_add(s, ":") &&
			     digest_add(s, headers[i].value) && digest_add(s, "\n");
	return ok;
}

/* hex(SHA256(CanonicalRequest)) */
static int v3_hash(struct signer *s, const struct sign_request *req, const char *query, const struct v3_header *headers,
		   const char *names, char ret_hex[2 * SHA256_BYTES + 1])
{
	unsigned char hash[SHA256_BYTES];
	bool ok = EVP_DigestInit_ex2(s->digest, s->sha256, NULL) == 1 && digest_add(s, req->http_method) &&
		  digest_add(s, "\n") && digest_add(s, req->path) && digest_add(s, "\n") && digest_add(s, query) &&
		  digest_add(s, "\n") && digest_add_headers(s, headers) && digest_add(s, "\n") &&
		  digest_add(s, names) && digest_add(s, "\n" SHA256_EMPTY) &&
		  EVP_DigestFinal_ex(s->digest, hash, NULL) == 1;
	if (!ok)
		return -EIO;
	hex_encode(hash, sizeof(hash), ret_hex);
	return 0;
}

static bool mac_begin(EVP_MAC_CTX *mac, const char *key)
{
	/* An empty key would mean "the key of before" to EVP_MAC_init(NULL), so it is never passed as NULL. */
	return EVP_MAC_init(mac, (const unsigned char *)key, strlen(key), NULL) == 1;
}

static bool mac_add(EVP_MAC_CTX *mac, const char *text, size_t n)
{
	return EVP_MAC_update(mac, (const unsigned char *)text, n) == 1;
}

static int v3_signature(struct signer *s, const char *secret, const char *hash, char ret_hex[2 * SHA256_BYTES + 1])
{
	static const char head[] = "ACS3-HMAC-SHA256\n";
	unsigned char result[SHA256_BYTES];
	size_t n;
	EVP_MAC_CTX *mac = s->mac[SIGN_V3];
	if (!mac_begin(mac, secret) || !mac_add(mac, head, sizeof(head) - 1) || !mac_add(mac, hash, strlen(hash)) ||
	    EVP_MAC_final(mac, result, &n, sizeof(result)) != 1)
		return -EIO;
	hex_encode(result, n, ret_hex);
	return 0;
}

static int v3_add_headers(struct signed_request *out, const struct sign_key *key, const struct v3_header *headers,
			  const char *names)
{
	int r = 0;
	for (size_t i = 1; r == 0 && i < V3_HEADERS; i++) /* the first is Host */
		if (headers[i].value)
			r = ADD_HEADER(out, headers[i].name, ": ", headers[i].value);
	if (r == 0)
		r = ADD_HEADER(out, "accept: application/json"); /* else the answer is XML */
	if (r == 0)
		r = ADD_HEADER(out, "Authorization: ACS3-HMAC-SHA256 Credential=", key->access_key_id,
			       ",SignedHeaders=", names, ",Signature=", out->signature);
	return r;
}

static int sign_v3(struct signer *s, const struct sign_key *key, const struct sign_request *req, const char *date,
		   struct signed_request *out)
{
	struct sign_param params[SIGN_PARAMS_MAX] = { { 0 } };
	struct text target = { .buf = out->target, .size = sizeof(out->target) };
	if (req->n_params > 0)
		memcpy(params, req->params, req->n_params * sizeof(*params));
	text_add(&target, req->path);
	text_add(&target, "?");
	size_t query = target.len;
	text_add_query(&target, params, req->n_params);
	if (target.is_full)
		return -E2BIG;

	const struct v3_header headers[V3_HEADERS] = {
		{ "host", req->host },
		{ "x-acs-action", req->action },
		{ "x-acs-content-sha256", SHA256_EMPTY },
		{ "x-acs-date", date },
		{ "x-acs-security-token", key->security_token },
		{ "x-acs-signature-nonce", req->nonce },
		{ "x-acs-version", req->version },
	};
	const char *names = key->security_token
				    ? "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-security-token;"
				      "x-acs-signature-nonce;x-acs-version"
				    : "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;"
				      "x-acs-version";
	char hash[2 * SHA256_BYTES + 1];
	int r = v3_hash(s, req, out->target + query, headers, names, hash);
	if (r == 0)
		r = v3_signature(s, key->access_key_secret, hash, out->signature);
	return r < 0 ? r : v3_add_headers(out, key, headers, names);
}

/* base64(HMAC-SHA1(secret + "&", METHOD & %2F & percentEncode(query))); the query is encoded as it goes in. */
static int v2_signature(struct signer *s, const char *secret, const struct sign_request *req, const char *query,
			char *ret_base64)
{
	char key[SECRET_MAX + 2], chunk[3 * 64];
	unsigned char result[20];
	size_t n = 0;
	EVP_MAC_CTX *mac = s->mac[SIGN_V2];
	snprintf(key, sizeof(key), "%s&", secret);
	bool ok = mac_begin(mac, key);
	explicit_bzero(key, sizeof(key));
	ok = ok && mac_add(mac, req->http_method, strlen(req->http_method)) && mac_add(mac, "&", 1);
	for (const char *p = req->path; ok && *p; p++)
		ok = mac_add(mac, chunk, encode_byte((unsigned char)*p, chunk));
	ok = ok && mac_add(mac, "&", 1);
	for (const char *p = query; ok && *p;) {
		for (n = 0; *p && n + 3 <= sizeof(chunk); p++)
			n += encode_byte((unsigned char)*p, chunk + n);
		ok = mac_add(mac, chunk, n);
	}
	if (!ok || EVP_MAC_final(mac, result, &n, sizeof(result)) != 1)
		return -EIO;
	EVP_EncodeBlock((unsigned char *)ret_base64, result, (int)n);
	return 0;
}

static int sign_v2(struct signer *s, const struct sign_key *key, const struct sign_request *req, const char *date,
		   struct signed_request *out)
{
	const struct sign_param common[] = {
		{ "Format", "JSON" },
		{ "Version", req->version },
		{ "AccessKeyId", key->access_key_id },
		{ "SignatureMethod", "HMAC-SHA1" },
		{ "SignatureVersion", "1.0" },
		{ "SignatureNonce", req->nonce },
		{ "Timestamp", date },
		{ "Action", req->action },
		{ "SecurityToken", key->security_token }, /* last: left out without one */
	};
	size_t n_common = sizeof(common) / sizeof(common[0]) - (key->security_token ? 0 : 1);
	struct sign_param params[SIGN_PARAMS_MAX];
	size_t n = req->n_params;
	if (n + n_common > SIGN_PARAMS_MAX)
		return -E2BIG;
	if (n > 0)
		memcpy(params, req->params, n * sizeof(*params));
	memcpy(params + n, common, n_common * sizeof(*params));

	struct text target = { .buf = out->target, .size = sizeof(out->target) };
	text_add(&target, req->path);
	text_add(&target, "?");
	size_t query = target.len;
	text_add_query(&target, params, n + n_common);
	if (target.is_full)
		return -E2BIG;
	int r = v2_signature(s, key->access_key_secret, req, out->target + query, out->signature);
	if (r < 0)
		return r;
	text_add(&target, "&Signature=");
	text_add_encoded(&target, out->signature);
	return target.is_full ? -E2BIG : 0;
}

int signer_sign(struct signer *s, enum sign_method method, const struct sign_key *key, const struct sign_request *req,
		struct signed_request *ret_signed)
{
	char date[SIGN_DATE_SIZE];
	if (req->n_params > SIGN_PARAMS_MAX || strlen(key->access_key_secret) > SECRET_MAX || req->wall_s < 0 ||
	    req->wall_s > WALL_S_MAX)
		return -E2BIG;
	sign_date(req->wall_s, date);
	ret_signed->n_headers = 0;
	ret_signed->target[0] = '\0';
	return method == SIGN_V3 ? sign_v3(s, key, req, date, ret_signed) : sign_v2(s, key, req, date, ret_signed);
}
