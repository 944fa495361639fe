/*
 * The checker: rebuilds what the caller must have signed from what arrived.
 *
 * Strict where the cloud is: the signed headers must name host and every
 * x-acs-* header that was sent, the Authorization header has exactly one
 * form, and the query is decoded and encoded again, so a signer that encodes
 * in its own way is caught.
 */
#include "check.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define V3_ALGORITHM "ACS3-HMAC-SHA256"
#define SHA256_HEX_SIZE 64

/* A text that grows; out of memory is remembered and makes the signature a mismatch. */
struct text {
	char *data;
	size_t size;
	FILE *stream;
};

static bool text_open(struct text *text)
{
	*text = (struct text){0};
	text->stream = open_memstream(&text->data, &text->size);
	return text->stream != NULL;
}

static bool text_close(struct text *text)
{
	bool ok = ferror(text->stream) == 0;

	return fclose(text->stream) == 0 && ok;
}

static void put_encoded(FILE *stream, const char *text)
{
	char *encoded = percent_encode(text);

	if (encoded != NULL)
		fputs(encoded, stream);
	free(encoded);
}

static void put_pairs(FILE *stream, const struct request *request, bool is_v3)
{
	const char *separator = "";

	for (size_t i = 0; i < request->n_params; i++) {
		const struct request_param *param = &request->params[i];

		if (is_v3 ? param->is_form : strcmp(param->name, "Signature") == 0)
			continue;
		fputs(separator, stream);
		put_encoded(stream, param->name);
		fputc('=', stream);
		put_encoded(stream, param->value);
		separator = "&";
	}
}

static void hex(const unsigned char *bytes, size_t size, char *ret_text)
{
	for (size_t i = 0; i < size; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

static bool sha256_hex(const char *data, size_t size, char ret_text[static SHA256_HEX_SIZE + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	hex(digest, 32, ret_text);
	return true;
}

static const char *trimmed(const char *value, int *ret_size)
{
	size_t size;

	value += strspn(value, " \t");
	size = strlen(value);
	while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
		size--;
	*ret_size = (int)size;
	return value;
}

static void put_headers(FILE *stream, const struct request *request, const char *signed_headers)
{
	char name[128];

	while (*signed_headers != '\0') {
		size_t size = strcspn(signed_headers, ";");
		const char *value;
		int value_size;

		snprintf(name, sizeof(name), "%.*s", (int)size, signed_headers);
		value = request_header(request, name);
		value = trimmed(value == NULL ? "" : value, &value_size);
		fprintf(stream, "%s:%.*s\n", name, value_size, value);
		signed_headers += size + (signed_headers[size] == ';');
	}
}

static bool v3_signature(const struct request *request, const struct claim *claim, const char *secret,
                         char ret_signature[static SHA256_HEX_SIZE + 1])
{
	char canonical_hash[SHA256_HEX_SIZE + 1], body_hash[SHA256_HEX_SIZE + 1], to_sign[128];
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct text text;
	bool ok;

	if (!sha256_hex(request->body, request->body_size, body_hash) || !text_open(&text))
		return false;
	fprintf(text.stream, "%s\n%s\n", request->method, request->path);
	put_pairs(text.stream, request, true);
	fputc('\n', text.stream);
	put_headers(text.stream, request, claim->signed_headers);
	fprintf(text.stream, "\n%s\n%s", claim->signed_headers, body_hash);
	ok = text_close(&text) && sha256_hex(text.data, text.size, canonical_hash);
	free(text.data);
	if (!ok)
		return false;
	snprintf(to_sign, sizeof(to_sign), V3_ALGORITHM "\n%s", canonical_hash);
	if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)to_sign, strlen(to_sign), mac, NULL) ==
	    NULL)
		return false;
	hex(mac, 32, ret_signature);
	return true;
}

static bool v2_signature(const struct request *request, const char *secret, char ret_signature[static 32])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct text pairs, text;
	char key[256];
	bool ok;

	if (!text_open(&pairs))
		return false;
	put_pairs(pairs.stream, request, false);
	if (!text_close(&pairs) || !text_open(&text)) {
		free(pairs.data);
		return false;
	}
	fprintf(text.stream, "%s&%%2F&", request->method);
	put_encoded(text.stream, pairs.data);
	snprintf(key, sizeof(key), "%s&", secret);
	ok = text_close(&text) && HMAC(EVP_sha1(), key, (int)strlen(key), (unsigned char *)text.data, text.size, mac,
	                               NULL) != NULL;
	if (ok)
		EVP_EncodeBlock((unsigned char *)ret_signature, mac, 20);
	free(pairs.data);
	free(text.data);
	return ok;
}

static bool is_signed(const char *signed_headers, const char *name)
{
	size_t name_size = strlen(name);

	while (*signed_headers != '\0') {
		size_t size = strcspn(signed_headers, ";");

		if (size == name_size && strncasecmp(signed_headers, name, size) == 0)
			return true;
		signed_headers += size + (signed_headers[size] == ';');
	}
	return false;
}

/* Lower case, sorted, each once, and each of them sent. */
static bool are_signed_headers_sound(const struct request *request, const char *list)
{
	char last[128] = "", name[128];

	do {
		size_t size = strcspn(list, ";");

		if (size == 0 || size >= sizeof(name))
			return false;
		snprintf(name, sizeof(name), "%.*s", (int)size, list);
		for (const char *c = name; *c != '\0'; c++)
			if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
				return false;
		if (strcmp(last, name) >= 0 || request_header(request, name) == NULL)
			return false;
		memcpy(last, name, sizeof(last));
		list += size;
	} while (*list++ == ';');
	return true;
}

/* Every x-acs-* header that was sent, and host, is signed, and sent once. */
static const char *first_unsigned_header(const struct request *request, const char *signed_headers)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		const char *name = request->headers[i].name;

		if (strcasecmp(name, "host") != 0 && strncasecmp(name, "x-acs-", 6) != 0)
			continue;
		if (!is_signed(signed_headers, name))
			return name;
		for (size_t j = i + 1; j < request->n_headers; j++)
			if (strcasecmp(request->headers[j].name, name) == 0)
				return name;
	}
	return is_signed(signed_headers, "host") ? NULL : "host";
}

/* "Credential=…,SignedHeaders=…,Signature=<64 hex>", nothing more, in this order. */
static bool v3_authorization(const char *value, struct claim *claim)
{
	static const char start[] = V3_ALGORITHM " Credential=", headers[] = ",SignedHeaders=",
			  signature[] = ",Signature=";
	char *id, *list, *mac;

	if (strncmp(value, start, sizeof(start) - 1) != 0)
		return false;
	claim->credential = strdup(value + sizeof(start) - 1);
	if (claim->credential == NULL)
		return false;
	id = claim->credential;
	list = strstr(id, headers);
	mac = list == NULL ? NULL : strstr(list, signature);
	if (mac == NULL || list == id)
		return false;
	*list = *mac = '\0';
	list += sizeof(headers) - 1;
	mac += sizeof(signature) - 1;
	if (strlen(mac) != SHA256_HEX_SIZE || strspn(mac, "0123456789abcdef") != SHA256_HEX_SIZE)
		return false;
	claim->access_key_id = id;
	claim->signed_headers = list;
	claim->signature = mac;
	return true;
}

static const char *or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

static bool claim_read_v3(const struct request *request, struct claim *claim, struct refusal *refusal)
{
	const struct {
		const char *header, *code, **value;
	} required[] = {
		{"x-acs-action", "MissingAction", &claim->action},
		{"x-acs-version", "MissingVersion", &claim->version},
		{"x-acs-date", "MissingTimestamp", &claim->date},
		{"x-acs-signature-nonce", "MissingSignatureNonce", &claim->nonce},
	};
	const char *authorization = request_header(request, "authorization"), *missing;

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		*required[i].value = or_empty(request_header(request, required[i].header));
		if (**required[i].value == '\0') {
			refuse(refusal, required[i].code, "The header %s is missing.", required[i].header);
			return false;
		}
	}
	claim->security_token = request_header(request, "x-acs-security-token");
	if (authorization == NULL || !v3_authorization(authorization, claim) ||
	    !are_signed_headers_sound(request, claim->signed_headers)) {
		refuse(refusal, "IncompleteSignature", "The Authorization header is missing or malformed.");
		return false;
	}
	missing = request_header(request, "x-acs-content-sha256") == NULL
	                  ? "x-acs-content-sha256"
	                  : first_unsigned_header(request, claim->signed_headers);
	if (missing != NULL) {
		refuse(refusal, "IncompleteSignature", "The header %.64s is not signed exactly once.", missing);
		return false;
	}
	return true;
}

static bool claim_read_v2(const struct request *request, struct claim *claim, struct refusal *refusal)
{
	const char *method = "", *signature_version = "";
	const struct {
		const char *name, *code, **value;
	} required[] = {
		{"Action", "MissingAction", &claim->action},
		{"Version", "MissingVersion", &claim->version},
		{"AccessKeyId", "MissingAccessKeyId", &claim->access_key_id},
		{"Timestamp", "MissingTimestamp", &claim->date},
		{"SignatureNonce", "MissingSignatureNonce", &claim->nonce},
		{"SignatureMethod", "MissingSignatureMethod", &method},
		{"SignatureVersion", "MissingSignatureVersion", &signature_version},
		{"Signature", "IncompleteSignature", &claim->signature},
	};

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		*required[i].value = or_empty(request_param(request, required[i].name));
		if (**required[i].value == '\0') {
			refuse(refusal, required[i].code, "The parameter %s is missing.", required[i].name);
			return false;
		}
	}
	claim->security_token = request_param(request, "SecurityToken");
	if (strcmp(method, "HMAC-SHA1") != 0 || strcmp(signature_version, "1.0") != 0) {
		refuse(refusal, "InvalidParameter", "SignatureMethod is HMAC-SHA1 and SignatureVersion 1.0.");
		return false;
	}
	return true;
}

bool claim_read(const struct request *request, struct claim *claim, struct refusal *refusal)
{
	*claim = (struct claim){.action = "", .version = "", .access_key_id = "", .date = "", .nonce = "",
	                        .signature = ""};
	claim->is_v3 = request_header(request, "x-acs-action") != NULL ||
	               request_header(request, "authorization") != NULL;
	return claim->is_v3 ? claim_read_v3(request, claim, refusal) : claim_read_v2(request, claim, refusal);
}

void claim_deinit(struct claim *claim)
{
	free(claim->credential);
	*claim = (struct claim){0};
}

int check_init(struct check *check)
{
	check->ring = calloc(CHECK_LIMIT_NONCES, sizeof(*check->ring));
	return check->ring == NULL ? -ENOMEM : 0;
}

static void nonce_forget_oldest(struct check *check)
{
	struct nonce *oldest = &check->ring[check->first];

	map_remove(&check->nonces, oldest->text);
	free(oldest->text);
	*oldest = (struct nonce){0};
	check->first = (check->first + 1) % CHECK_LIMIT_NONCES;
	check->n--;
}

void check_deinit(struct check *check)
{
	while (check->n > 0)
		nonce_forget_oldest(check);
	free(check->ring);
	map_deinit(&check->nonces);
	*check = (struct check){0};
}

static bool nonce_use(struct check *check, const char *nonce, int64_t now_s, struct refusal *refusal)
{
	struct nonce *slot;

	while (check->n > 0 && (check->n == CHECK_LIMIT_NONCES ||
	                        now_s - check->ring[check->first].seen_s > CHECK_NONCE_KEEP_S))
		nonce_forget_oldest(check);
	if (strlen(nonce) > CHECK_LIMIT_NONCE) {
		refuse(refusal, "InvalidParameter", "The nonce is longer than %d bytes.", CHECK_LIMIT_NONCE);
		return false;
	}
	if (map_get(&check->nonces, nonce) != NULL) {
		refuse(refusal, "SignatureNonceUsed", "Specified signature nonce was used already.");
		return false;
	}
	slot = &check->ring[(check->first + check->n) % CHECK_LIMIT_NONCES];
	*slot = (struct nonce){strdup(nonce), now_s};
	if (slot->text == NULL || map_add(&check->nonces, slot->text, slot) < 0) {
		free(slot->text);
		refuse(refusal, "InternalError", "Out of memory.");
		return false;
	}
	check->n++;
	return true;
}

/* "YYYY-MM-DDThh:mm:ssZ" exactly. */
static bool date_parse(const char *date, int64_t *ret_s)
{
	struct tm tm = {0};
	const char *end;
	char again[32];
	time_t time;

	end = strptime(date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end == NULL || *end != '\0')
		return false;
	time = timegm(&tm);
	/* strptime() takes 2026-3-1 and the 31st of February: only the one true spelling comes back. */
	strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (strcmp(again, date) != 0)
		return false;
	*ret_s = (int64_t)time;
	return true;
}

static bool check_date(const char *date, int64_t now_s, struct refusal *refusal)
{
	int64_t date_s = 0;

	if (!date_parse(date, &date_s)) {
		refuse(refusal, "InvalidTimeStamp.Format", "Specified time stamp is not YYYY-MM-DDThh:mm:ssZ.");
		return false;
	}
	if (llabs(now_s - date_s) > CHECK_SKEW_S) {
		refuse(refusal, "InvalidTimeStamp.Expired", "Specified time stamp is more than 15 minutes off.");
		return false;
	}
	return true;
}

static bool check_signature(const char *secret, const struct request *request, const struct claim *claim,
                            struct refusal *refusal)
{
	char expected[SHA256_HEX_SIZE + 1] = "", body_hash[SHA256_HEX_SIZE + 1] = "";
	bool ok = claim->is_v3 ? v3_signature(request, claim, secret, expected)
	                       : v2_signature(request, secret, expected);

	if (ok && claim->is_v3)
		ok = sha256_hex(request->body, request->body_size, body_hash) &&
		     strcmp(or_empty(request_header(request, "x-acs-content-sha256")), body_hash) == 0;
	if (ok && strlen(claim->signature) == strlen(expected) &&
	    CRYPTO_memcmp(claim->signature, expected, strlen(expected)) == 0)
		return true;
	refuse(refusal, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.");
	return false;
}

static bool check_token(const char *expected, const struct claim *claim, struct refusal *refusal)
{
	const char *token = or_empty(claim->security_token);

	if (strcmp(expected, token) == 0)
		return true;
	if (token[0] == '\0')
		refuse(refusal, "MissingSecurityToken", "These credentials are temporary: SecurityToken is missing.");
	else if (expected[0] == '\0')
		refuse(refusal, "InvalidSecurityToken.Malformed", "These credentials have no security token.");
	else
		refuse(refusal, "InvalidSecurityToken.MismatchWithAccessKey", "The token is not of this access key.");
	return false;
}

bool check_claim(struct check *check, const struct request *request, const struct claim *claim, int64_t now_s,
                 struct refusal *refusal)
{
	bool is_other = check->other.id[0] != '\0' && strcmp(claim->access_key_id, check->other.id) == 0;
	const char *secret = is_other ? check->other.secret : check->access_key_secret;
	const char *token = is_other ? check->other.token : or_empty(check->security_token);

	if (!is_other && (check->is_other_only || strcmp(claim->access_key_id, check->access_key_id) != 0)) {
		refuse(refusal, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
		return false;
	}
	return check_date(claim->date, now_s, refusal) && check_signature(secret, request, claim, refusal) &&
	       check_token(token, claim, refusal) && nonce_use(check, claim->nonce, now_s, refusal);
}
