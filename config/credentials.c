/*
 * The group credentials of an account: which keys go with which source, and that no secret would travel in the clear.
 * What may also come from the environment is not missed here; the daemon says so at its start. Messages never show a value.
 */
#include "cloud/endpoint.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define BIT(source) (1u << CREDENTIALS_##source)

struct check {
	struct report *report;
	const struct raw_account *account;
	const char *title;
	bool is_without_memory;
};

#define ERROR(c, at_line, ...) \
	report_add((c)->report, CONFIG_ERROR, (c)->account->head.file, (at_line) ? (at_line) : (c)->account->head.line, __VA_ARGS__)

/* `"a", "b" or "c"` */
static void name_sources(unsigned int sources, char *text, size_t size)
{
	size_t len = 0;

	for (unsigned int i = 0; i < CREDENTIALS_SOURCE_N && len < size; i++) {
		bool is_last = !(sources >> i >> 1);

		if (sources >> i & 1)
			len += (size_t)snprintf(text + len, size - len, "%s\"%s\"", !len ? "" : is_last ? " or " : ", ", credentials_source_names[i]);
	}
}

/* Each given key must mean something to the source, or to the base of it. */
static void check_keys(struct check *c)
{
	const __typeof__(c->account->credentials) *raw = &c->account->credentials;
	const struct {
		const char *key;
		unsigned int line; /* 0: not given */
		unsigned int sources;
	} keys[] = {
		{ "path", raw->path.line, BIT(FILE) },
		{ "profile", raw->profile.line, BIT(FILE) },
		{ "role_name", raw->role_name.line, BIT(ECS_RAM_ROLE) },
		{ "metadata_endpoint", raw->metadata_endpoint.line, BIT(ECS_RAM_ROLE) },
		{ "uri", raw->uri.line, BIT(URI) },
		{ "role_arn", raw->role_arn.line, BIT(OIDC) | BIT(ASSUME_ROLE) },
		{ "session_name", raw->session_name.line, BIT(OIDC) | BIT(ASSUME_ROLE) },
		{ "duration", raw->duration.line, BIT(OIDC) | BIT(ASSUME_ROLE) },
		{ "sts_endpoint", raw->sts_endpoint.line, BIT(OIDC) | BIT(ASSUME_ROLE) },
		{ "oidc_provider_arn", raw->oidc_provider_arn.line, BIT(OIDC) },
		{ "oidc_token_file", raw->oidc_token_file.line, BIT(OIDC) },
		{ "base", raw->base.line, BIT(ASSUME_ROLE) },
	};
	unsigned int has = 1u << raw->source.value;
	char names[120];

	if (has & BIT(ASSUME_ROLE))
		has |= 1u << raw->base.value;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!keys[i].line || keys[i].sources & has)
			continue;
		name_sources(keys[i].sources, names, sizeof(names));
		ERROR(c, keys[i].line, "%s: credentials.%s needs source = %s; remove it or change source", c->title, keys[i].key, names);
	}
}

/* Of an endpoint, or of a URL with a path. */
static void check_place(struct check *c, const char *key, const struct raw_text *place, bool is_url)
{
	struct endpoint e;
	struct error error;
	int r;

	if (!place->text)
		return;
	r = is_url ? endpoint_parse_url(place->text, &e, &error) : endpoint_parse(place->text, &e, &error);
	c->is_without_memory |= r < 0;
	if (r == ENDPOINT_E_INVALID)
		ERROR(c, place->line, "%s: credentials.%s %s", c->title, key, error.text);
	else if (r == 0 && !endpoint_is_private(&e))
		ERROR(c, place->line, "%s: credentials.%s would carry secrets in the clear; use https:// (http:// is for loopback and the metadata address only)",
		      c->title, key);
}

static void check_arn(struct check *c, const char *key, const struct raw_text *arn, const char *part)
{
	if (arn->text && (strncmp(arn->text, "acs:ram::", 9) != 0 || !strstr(arn->text, part)))
		ERROR(c, arn->line, "%s: credentials.%s is no resource name; write it as in \"acs:ram::1234567890123456%sname\"", c->title, key, part);
}

bool credentials_check(struct report *report, const struct raw_account *a, const char *title, struct identity_settings *out)
{
	struct check c = { .report = report, .account = a, .title = title };

	out->source = (enum credentials_source)a->credentials.source.value;
	out->base = (enum credentials_source)a->credentials.base.value;
	out->profile = a->credentials.profile.text;
	out->role_name = a->credentials.role_name.text;
	out->uri = a->credentials.uri.text;
	out->role_arn = a->credentials.role_arn.text;
	out->oidc_provider_arn = a->credentials.oidc_provider_arn.text;
	out->session_name = a->credentials.session_name.text;
	out->duration_ns = a->credentials.duration.ns;
	out->sts_endpoint = a->credentials.sts_endpoint.text;
	out->metadata_endpoint = a->credentials.metadata_endpoint.text;
	if (a->credentials.source.line)
		check_keys(&c);
	check_place(&c, "uri", &a->credentials.uri, true);
	check_place(&c, "sts_endpoint", &a->credentials.sts_endpoint, false);
	check_place(&c, "metadata_endpoint", &a->credentials.metadata_endpoint, false);
	check_arn(&c, "role_arn", &a->credentials.role_arn, ":role/");
	check_arn(&c, "oidc_provider_arn", &a->credentials.oidc_provider_arn, ":oidc-provider/");
	if (a->credentials.role_name.text && !credentials_is_role_name(a->credentials.role_name.text))
		ERROR(&c, a->credentials.role_name.line, "%s: credentials.role_name is no role's name; use letters, digits, \".\", \"_\" and \"-\"", title);
	return !c.is_without_memory;
}
