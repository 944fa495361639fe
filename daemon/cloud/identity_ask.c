/*
 * Who is asked for a temporary key, and what is made of the answers.
 *
 *   ecs_ram_role  PUT a token (kept for its time), GET the role's name unless it is configured, GET the key; a token that
 *                 is refused is replaced once. The older way without a token is not tried: who closed it had reasons.
 *   uri           GET
 *   oidc          POST AssumeRoleWithOIDC, unsigned, the token read from its file each time
 *   assume_role   POST AssumeRole, signed with the key of the base source
 */
#include "cloud/identity_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STS_VERSION "2015-04-01"
#define TOKEN_TTL_S 21600
#define TOKEN_TTL "21600"
#define TOKEN_SPARE_S 300
#define TOKEN_PATH "latest/api/token"
#define ROLE_PATH "latest/meta-data/ram/security-credentials/"
#define OIDC_TOKEN_BYTES_MAX 16384
#define URL_MAX (SIGN_TARGET_MAX + 320)

__attribute__((format(printf, 2, 3))) static void fail(struct identity *i, const char *format, ...)
{
	struct error error;
	va_list args;
	va_start(args, format);
	vsnprintf(error.text, sizeof(error.text), format, args);
	va_end(args);
	identity_fail(i, error.text);
}

static void on_reply(void *ctx, const struct fetch_reply *reply);

static int start(struct identity *i, enum identity_step step, struct fetch_request *request)
{
	struct error error = { "" };
	request->timeout_ns = i->options.timeout_ns;
	request->ca_file = i->options.ca_file;
	request->proxy = i->options.proxy;
	request->max_bytes = IDENTITY_BODY_MAX;
	int r = fetch_start(i->client, request, on_reply, i, &i->fetch, &error);
	if (r == 0)
		i->step = step;
	if (r == FETCH_E_INVALID)
		identity_fail(i, error.text);
	return r == -ECANCELED || r == FETCH_E_INVALID ? 0 : r;
}

/* ---- the metadata service ---- */

static int ask_token(struct identity *i)
{
	char url[400];
	const char *const headers[] = { "X-aliyun-ecs-metadata-token-ttl-seconds: " TOKEN_TTL };
	struct fetch_request request = { .method = "PUT", .url = url, .headers = headers, .n_headers = 1 };
	i->token[0] = '\0';
	snprintf(url, sizeof(url), "%s" TOKEN_PATH, i->metadata.url);
	return start(i, IDENTITY_STEP_TOKEN, &request);
}

static int ask_metadata(struct identity *i, enum identity_step step, const char *role)
{
	char url[500], header[IDENTITY_TOKEN_MAX + 64];
	const char *const headers[] = { header };
	struct fetch_request request = { .method = "GET", .url = url, .headers = headers, .n_headers = 1 };
	snprintf(url, sizeof(url), "%s" ROLE_PATH "%s", i->metadata.url, role);
	snprintf(header, sizeof(header), "X-aliyun-ecs-metadata-token: %s", i->token);
	int r = start(i, step, &request);
	explicit_bzero(header, sizeof(header));
	return r;
}

static int ask_role_or_key(struct identity *i)
{
	if (!*i->settings.role_name)
		return ask_metadata(i, IDENTITY_STEP_ROLE, "");
	return ask_metadata(i, IDENTITY_STEP_METADATA_KEY, i->settings.role_name);
}

static int ask_ecs(struct identity *i)
{
	return *i->token && i->now_ns < i->token_until_ns ? ask_role_or_key(i) : ask_token(i);
}

static int end_token(struct identity *i, const struct fetch_reply *reply)
{
	if (reply->http_status != 200 || !identity_parse_word(reply->body, reply->len, i->token, sizeof(i->token))) {
		fail(i, "%s: HTTP %ld and no token; it is no metadata service (version 2): check that this is an ECS instance, and metadata_endpoint",
		     i->metadata.url, reply->http_status);
		return 0;
	}
	i->token_until_ns = i->now_ns + (TOKEN_TTL_S - TOKEN_SPARE_S) * NS_PER_S;
	return ask_role_or_key(i);
}

/* True when the answer is no 200, and that was dealt with. */
static bool is_metadata_refused(struct identity *i, const struct fetch_reply *reply, const char *what, int *ret_r)
{
	bool is_token_refused = reply->http_status == 401 || reply->http_status == 403;
	*ret_r = 0;
	if (reply->http_status == 200)
		return false;
	i->token[0] = '\0'; /* whatever it was, a new one cannot hurt */
	if (is_token_refused && !i->is_token_renewed) {
		i->is_token_renewed = true;
		*ret_r = ask_token(i);
	} else if (reply->http_status == 404) {
		fail(i, "%s: HTTP 404 for %s; attach a RAM role to this machine, and check role_name", i->metadata.url, what);
	} else {
		fail(i, "%s: HTTP %ld for %s; look at the metadata service's settings of this machine", i->metadata.url, reply->http_status, what);
	}
	return true;
}

static int end_role(struct identity *i, const struct fetch_reply *reply)
{
	int r;
	if (is_metadata_refused(i, reply, "the name of the role", &r))
		return r;
	if (!identity_parse_word(reply->body, reply->len, i->role, sizeof(i->role)) || !credentials_is_role_name(i->role)) {
		fail(i, "%s: the answer is not the name of one role; set role_name", i->metadata.url);
		return 0;
	}
	return ask_metadata(i, IDENTITY_STEP_METADATA_KEY, i->role);
}

/* ---- keys ---- */

static int take_key(struct identity *i, const struct fetch_reply *reply, enum identity_shape shape, const char *from)
{
	struct identity_key key;
	struct error error = { "" };
	int r = identity_parse_key(reply->body, reply->len, shape, &key, &error);
	if (r == IDENTITY_E_INVALID)
		fail(i, "%s: HTTP %ld, %.400s", from, reply->http_status, error.text);
	if (r)
		return r < 0 ? r : 0;
	if (reply->http_status == 200)
		identity_succeed(i, &key, from);
	else
		fail(i, "%s: HTTP %ld with a key; look for a proxy in between", from, reply->http_status);
	explicit_bzero(&key, sizeof(key));
	return 0;
}

static int end_metadata_key(struct identity *i, const struct fetch_reply *reply)
{
	int r;
	return is_metadata_refused(i, reply, "the key of the role", &r) ? r : take_key(i, reply, IDENTITY_SHAPE_FLAT, i->metadata.url);
}

static int ask_uri(struct identity *i)
{
	struct fetch_request request = { .method = "GET", .url = i->settings.uri };
	return start(i, IDENTITY_STEP_URI, &request);
}

static int end_uri(struct identity *i, const struct fetch_reply *reply)
{
	struct endpoint endpoint;
	struct error error = { "" };
	int r = endpoint_parse_url(i->settings.uri, &endpoint, &error); /* was taken at the start */
	if (r < 0)
		return r;
	if (reply->http_status == 200)
		return take_key(i, reply, IDENTITY_SHAPE_FLAT, endpoint.url);
	fail(i, "%s: HTTP %ld; check uri and the server there", endpoint.url, reply->http_status);
	return 0;
}

static int end_sts(struct identity *i, const struct fetch_reply *reply)
{
	return take_key(i, reply, IDENTITY_SHAPE_STS, i->sts.url);
}

/* ---- STS ---- */

static void make_nonce(struct identity *i, char ret_nonce[33])
{
	uint64_t high = i->options.random(i->options.ctx), low = i->options.random(i->options.ctx);
	snprintf(ret_nonce, 33, "%016llx%016llx", (unsigned long long)high, (unsigned long long)low);
}

/* "https://host/" and "/?a=b" to one URL. */
static int start_sts(struct identity *i, const char *target, struct fetch_request *request)
{
	char *url = malloc(URL_MAX);
	if (!url)
		return -ENOMEM;
	snprintf(url, URL_MAX, "%s%s", i->sts.url, target + 1);
	request->url = url;
	request->method = "POST";
	int r = start(i, IDENTITY_STEP_STS, request);
	explicit_bzero(url, URL_MAX); /* V2 has the security token in it */
	free(url);
	return r;
}

static int send_assume_role(struct identity *i, struct signed_request *signed_request)
{
	char duration[24], nonce[33];
	const struct sign_key key = credentials_key(&i->base->credentials);
	const struct sign_param params[] = { { "RoleArn", i->settings.role_arn },
					     { "RoleSessionName", i->settings.session_name },
					     { "DurationSeconds", duration } };
	const struct sign_request request = { .http_method = "POST", .host = i->sts.host, .path = "/", .action = "AssumeRole",
					      .version = STS_VERSION, .params = params, .n_params = 3, .wall_s = i->wall_s, .nonce = nonce };
	const char *headers[SIGN_HEADERS_MAX + 1] = { "Content-Type:" }; /* none: no body */
	snprintf(duration, sizeof(duration), "%lld", (long long)(i->settings.duration_ns / NS_PER_S));
	make_nonce(i, nonce);
	if (signer_sign(i->signer, i->options.signature, &key, &request, signed_request) < 0) {
		fail(i, "%s: AssumeRole cannot be signed; check the base key, the clock and the crypto library", i->sts.url);
		return 0;
	}
	for (size_t n = 0; n < signed_request->n_headers; n++)
		headers[n + 1] = signed_request->headers[n];
	struct fetch_request fetch = { .headers = headers, .n_headers = signed_request->n_headers + 1 };
	return start_sts(i, signed_request->target, &fetch);
}

static int ask_assume_role(struct identity *i)
{
	if (!identity_is_valid(i->base)) {
		fail(i, "%s: no role without a key of the base source %s; see the error about that", i->sts.url,
		     credentials_source_names[i->base->settings.source]);
		return 0;
	}
	struct signed_request *signed_request = malloc(sizeof(*signed_request));
	if (!signed_request)
		return -ENOMEM;
	int r = send_assume_role(i, signed_request);
	explicit_bzero(signed_request, sizeof(*signed_request));
	free(signed_request);
	return r;
}

/* The token goes in the body: URLs get into logs of what is in between. */
static int send_oidc(struct identity *i, const char *token, char *form, size_t size)
{
	char duration[24], nonce[33], date[SIGN_DATE_SIZE], target[512] = "/?";
	struct sign_param query[] = { { "Action", "AssumeRoleWithOIDC" }, { "Format", "JSON" }, { "Version", STS_VERSION },
				      { "Timestamp", date }, { "SignatureNonce", nonce } };
	struct sign_param fields[] = { { "RoleArn", i->settings.role_arn }, { "OIDCProviderArn", i->settings.oidc_provider_arn },
				       { "OIDCToken", token }, { "RoleSessionName", i->settings.session_name },
				       { "DurationSeconds", duration } };
	struct fetch_request request = { .body = form };
	sign_date(i->wall_s > 0 ? i->wall_s : 0, date);
	make_nonce(i, nonce);
	snprintf(duration, sizeof(duration), "%lld", (long long)(i->settings.duration_ns / NS_PER_S));
	if (sign_query(query, sizeof(query) / sizeof(query[0]), target + 2, sizeof(target) - 2) < 0 ||
	    sign_query(fields, sizeof(fields) / sizeof(fields[0]), form, size) < 0) {
		fail(i, "%s: the request is too long; check role_arn, oidc_provider_arn and session_name", i->sts.url);
		return 0;
	}
	return start_sts(i, target, &request);
}

static int ask_oidc(struct identity *i)
{
	struct {
		char text[OIDC_TOKEN_BYTES_MAX + 1], token[OIDC_TOKEN_BYTES_MAX + 1], form[3 * OIDC_TOKEN_BYTES_MAX + 4096];
	} *oidc = malloc(sizeof(*oidc));
	struct error error = { "" };
	if (!oidc)
		return -ENOMEM;
	int r = credentials_read_file(i->settings.oidc_token_file, "OIDC token file", oidc->text, sizeof(oidc->text), &error);
	if (r) {
		identity_fail(i, error.text);
		r = 0;
	} else if (!identity_parse_word(oidc->text, strlen(oidc->text), oidc->token, sizeof(oidc->token))) {
		fail(i, "%.300s holds no token, or more than one word: check oidc_token_file", i->settings.oidc_token_file);
	} else {
		r = send_oidc(i, oidc->token, oidc->form, sizeof(oidc->form));
	}
	explicit_bzero(oidc, sizeof(*oidc));
	free(oidc);
	return r;
}

/* ---- both ways ---- */

int identity_ask(struct identity *i)
{
	static int (*const asks[CREDENTIALS_SOURCE_N])(struct identity *) = {
		[CREDENTIALS_ECS_RAM_ROLE] = ask_ecs,
		[CREDENTIALS_URI] = ask_uri,
		[CREDENTIALS_OIDC] = ask_oidc,
		[CREDENTIALS_ASSUME_ROLE] = ask_assume_role,
	};
	return asks[i->settings.source](i);
}

static void on_reply(void *ctx, const struct fetch_reply *reply)
{
	static int (*const ends[IDENTITY_STEP_N])(struct identity *, const struct fetch_reply *) = {
		[IDENTITY_STEP_TOKEN] = end_token,
		[IDENTITY_STEP_ROLE] = end_role,
		[IDENTITY_STEP_METADATA_KEY] = end_metadata_key,
		[IDENTITY_STEP_URI] = end_uri,
		[IDENTITY_STEP_STS] = end_sts,
	};
	struct identity *i = ctx;
	enum identity_step step = i->step;
	i->fetch = NULL;
	i->step = IDENTITY_STEP_NONE;
	if (reply->result == FETCH_RESULT_CLOSED)
		return;
	if (reply->result != FETCH_RESULT_ANSWER) {
		identity_fail(i, reply->advice);
		return;
	}
	int r = ends[step](i, reply);
	if (r < 0)
		i->fatal = r;
}
