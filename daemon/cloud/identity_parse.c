/*
 * Bytes of the givers of temporary keys to a key. With smartag.c and reply.c the only user of cJSON here: what those
 * offer keeps copies and quotes the start of a broken body, and this one may hold a secret. Each copy is wiped.
 */
#include "cloud/identity_parse.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CODE_MAX 64

__attribute__((format(printf, 2, 3))) static int invalid(struct error *ret_error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(ret_error->text, sizeof(ret_error->text), format, args);
	va_end(args);
	return IDENTITY_E_INVALID;
}

static void wipe_tree(cJSON *item)
{
	for (; item; item = item->next) {
		if (item->valuestring)
			explicit_bzero(item->valuestring, strlen(item->valuestring));
		wipe_tree(item->child);
	}
}

static bool is_word_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

bool identity_parse_word(const char *body, size_t len, char *ret_word, size_t size)
{
	while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == '\r' || body[len - 1] == ' '))
		len--;
	if (len == 0 || len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		if (body[i] <= ' ' || body[i] > '~')
			return false;
	memcpy(ret_word, body, len);
	ret_word[len] = '\0';
	return true;
}

/* Days since 1970-01-01; years are counted from March on. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400, of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t number_at(const char *text, size_t n)
{
	int64_t value = 0;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

bool identity_parse_time(const char *text, int64_t *ret_wall_s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	for (size_t i = 0; i < sizeof(form); i++) /* the terminator, too */
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	int64_t year = number_at(text, 4), month = number_at(text + 5, 2), day = number_at(text + 8, 2);
	int64_t hour = number_at(text + 11, 2), minute = number_at(text + 14, 2), second = number_at(text + 17, 2);
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days[month - 1] + (month == 2 && is_leap) || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	*ret_wall_s = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return true;
}

/* The member as it came; NULL when it is missing, null or no string. */
static const char *text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Only what a code or an id is made of gets out. */
static void copy_code(const char *text, char *ret_code, size_t size)
{
	size_t n = 0;
	for (; text && is_word_char(text[n]) && n + 1 < size; n++)
		ret_code[n] = text[n];
	ret_code[n] = '\0';
}

/* What to do about codes of STS; the first whose beginning fits. */
static const struct {
	const char *code, *next;
} nexts[] = {
	{ "NoPermission", "allow the caller sts:AssumeRole on that role, and name the caller in the role's trust policy" },
	{ "EntityNotExist", "check role_arn: there is no such role" },
	{ "InvalidParameter.RoleArn", "check role_arn" },
	{ "InvalidParameter.DurationSeconds", "lower duration, or raise the role's maximum session duration" },
	{ "AuthenticationFail.OIDCToken", "check oidc_token_file: the token has expired or is not for this provider" },
	{ "AuthenticationFail", "check oidc_provider_arn and the role's trust policy" },
	{ "InvalidTimeStamp", "check this machine's clock" },
	{ "InvalidAccessKeyId", "check the key of the base source" },
	{ "SignatureDoesNotMatch", "check the key of the base source" },
	{ "InvalidSecurityToken", "check the key of the base source" },
	{ "Throttling", "wait: it is tried again" },
	{ "ServiceUnavailable", "wait: it is tried again" },
	{ "InternalError", "wait: it is tried again" },
	{ "", "look the code up in the vendor's reference" },
};

/* Its message is left out: that of a wrong signature repeats what was signed. */
static int refused(const cJSON *root, struct error *ret_error)
{
	char code[CODE_MAX + 1], request_id[CODE_MAX + 1];
	size_t i = 0;
	copy_code(text_of(root, "Code"), code, sizeof(code));
	copy_code(text_of(root, "RequestId"), request_id, sizeof(request_id));
	while (strncmp(code, nexts[i].code, strlen(nexts[i].code)) != 0)
		i++;
	return invalid(ret_error, "refused with code %s%s%s; %s", *code ? code : "(none)", *request_id ? ", request id " : "", request_id,
		       nexts[i].next);
}

static int copy_field(const cJSON *object, const char *name, char *dest, size_t size, struct error *ret_error)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	const char *text = cJSON_GetStringValue(item);
	if (!text)
		return invalid(ret_error, "%s %s in the answer; look for a proxy in between", name,
			       item && !cJSON_IsNull(item) ? "is no string" : "is missing");
	if (!*text || !credentials_is_clean(text))
		return invalid(ret_error, "%s in the answer is empty or holds a character that none has; look for a proxy in between", name);
	if (strlen(text) >= size)
		return invalid(ret_error, "%s in the answer is longer than %zu bytes, the most that is taken", name, size - 1);
	memcpy(dest, text, strlen(text) + 1);
	return 0;
}

static int read_fields(const cJSON *object, struct identity_key *key, struct error *ret_error)
{
	struct credentials *c = &key->credentials;
	char expiration[32] = "";
	int r = copy_field(object, "AccessKeyId", c->access_key_id, sizeof(c->access_key_id), ret_error);
	r = r ? r : copy_field(object, "AccessKeySecret", c->access_key_secret, sizeof(c->access_key_secret), ret_error);
	r = r ? r : copy_field(object, "SecurityToken", c->security_token, sizeof(c->security_token), ret_error);
	r = r ? r : copy_field(object, "Expiration", expiration, sizeof(expiration), ret_error);
	if (r == 0 && !identity_parse_time(expiration, &key->expires_s))
		r = invalid(ret_error, "Expiration in the answer is no time like 2026-01-31T23:59:59Z; look for a proxy in between");
	return r;
}

static int read_root(const cJSON *root, enum identity_shape shape, struct identity_key *key, struct error *ret_error)
{
	const char *code = text_of(root, "Code");
	if (shape == IDENTITY_SHAPE_FLAT) {
		if (!code)
			return invalid(ret_error, "Code is missing in the answer; it is no metadata service, or no credentials server");
		return strcmp(code, "Success") == 0 ? read_fields(root, key, ret_error) : refused(root, ret_error);
	}
	if (code)
		return refused(root, ret_error);
	const cJSON *credentials = cJSON_GetObjectItemCaseSensitive(root, "Credentials");
	if (!cJSON_IsObject(credentials))
		return invalid(ret_error, "Credentials are missing in the answer; check sts_endpoint, and look for a proxy in between");
	return read_fields(credentials, key, ret_error);
}

int identity_parse_key(const char *body, size_t len, enum identity_shape shape, struct identity_key *ret_key, struct error *ret_error)
{
	const char *start = body + strspn(body, " \t\r\n");
	struct identity_key key = { .expires_s = 0 };
	if (len > IDENTITY_BODY_MAX)
		return invalid(ret_error, "the answer has more than %d bytes", IDENTITY_BODY_MAX);
	if (*start == '<')
		return invalid(ret_error, "the answer is a web page and no JSON; look for a proxy or a portal in between");
	if (strlen(body) < len || strstr(body, "\\u0000")) /* cJSON would end a string there */
		return invalid(ret_error, "the answer holds a NUL byte; look for a proxy in between");
	cJSON *root = cJSON_ParseWithLengthOpts(body, len + 1, NULL, true);
	int r = cJSON_IsObject(root) ? read_root(root, shape, &key, ret_error)
				     : invalid(ret_error, "the answer is no JSON object, or was cut; look for a proxy in between");
	if (r == 0)
		*ret_key = key;
	explicit_bzero(&key, sizeof(key));
	wipe_tree(root);
	cJSON_Delete(root);
	return r;
}
