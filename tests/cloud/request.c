/*
 * Requests: percent-decoding, parameters, headers, and the table of refusals.
 *
 * The gateway's table of HTTP statuses is here because every part that refuses
 * needs it. The status says nothing about what may be repeated; the code does.
 */
#include "request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *code;
	int status;
} statuses[] = {
	{"Forbidden", 403},
	{"PermissionError", 500},
	{"SmartAccessGatewayInArrears", 500},
	{"SmartAccessGatewayNotActivated", 500},
	{"InvalidId.SMARTAG", 403},
	{"NotBoundCCN", 403},
	{"SmartAccessGatewayNotOnline", 403},
	{"GetSmartAccessGatewayVersionError", 403},
	{"GetSmartAccessGatewayStateError", 403},
	{"VersionTooOld", 403},
	{"VersionNotExist", 400},
	{"InvalidAccessKeyId.NotFound", 404},
	{"InvalidAction.NotFound", 404},
	{"UnsupportedHTTPMethod", 405},
	{"InternalError", 500},
	{"InternalFailure", 500},
	{"ServiceUnavailable", 503},
	{"ServiceUnavailableTemporary", 503},
};

int refusal_status(const char *code)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(statuses[i].code, code) == 0)
			return statuses[i].status;
	return 400;
}

void refuse(struct refusal *refusal, const char *code, const char *format, ...)
{
	va_list args;

	refusal->code = code;
	refusal->http_status = refusal_status(code);
	va_start(args, format);
	vsnprintf(refusal->message, sizeof(refusal->message), format, args);
	va_end(args);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Decodes in place, '+' as a space as form encoding has it. False: bad escape, or a NUL. */
static bool percent_decode(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		int high, low;

		if (*in != '%') {
			*out++ = *in == '+' ? ' ' : *in;
			continue;
		}
		high = hex_digit(in[1]);
		low = high < 0 ? -1 : hex_digit(in[2]);
		if (low < 0 || (high == 0 && low == 0))
			return false;
		*out++ = (char)(unsigned char)(high * 16 + low);
		in += 2;
	}
	*out = '\0';
	return true;
}

char *percent_encode(const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
	char *encoded = malloc(strlen(text) * 3 + 1), *out = encoded;

	if (encoded == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr(unreserved, c) != NULL) {
			*out++ = *text;
		} else {
			*out++ = '%';
			*out++ = digits[c >> 4];
			*out++ = digits[c & 15];
		}
	}
	*out = '\0';
	return encoded;
}

static int param_compare(const void *a, const void *b)
{
	const struct request_param *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static bool request_add(struct request *request, const char *pair, size_t size, bool is_form)
{
	struct request_param *param = &request->params[request->n_params];
	const char *equals = memchr(pair, '=', size);
	size_t name_size = equals == NULL ? size : (size_t)(equals - pair);

	param->is_form = is_form;
	param->name = strndup(pair, name_size);
	param->value = equals == NULL ? strdup("") : strndup(equals + 1, size - name_size - 1);
	request->n_params++; /* so that request_deinit() sees it, whatever comes */
	return param->name != NULL && param->value != NULL && percent_decode(param->name) &&
	       percent_decode(param->value) && param->name[0] != '\0';
}

static bool request_split(struct request *request, const char *text, size_t size, bool is_form)
{
	const char *end = text + size;

	while (text < end) {
		const char *stop = memchr(text, '&', (size_t)(end - text));
		size_t pair_size = (size_t)((stop == NULL ? end : stop) - text);

		if (request->n_params == REQUEST_LIMIT_PARAMS)
			return false;
		if (pair_size > 0 && !request_add(request, text, pair_size, is_form))
			return false;
		text += pair_size + 1;
	}
	return true;
}

static bool request_has_form(const struct request *request)
{
	static const char form[] = "application/x-www-form-urlencoded";
	const char *type = request_header(request, "content-type");

	/* curl -d names every body a form, and the control plane takes JSON whatever its name. */
	if (strncmp(request->path, "/_sim/", 6) == 0)
		return false;
	return request->body_size > 0 && type != NULL && strncasecmp(type, form, sizeof(form) - 1) == 0;
}

bool request_parse(struct request *request, struct refusal *refusal)
{
	request->params = calloc(REQUEST_LIMIT_PARAMS, sizeof(*request->params));
	if (request->params == NULL ||
	    !request_split(request, request->query, strlen(request->query), false) ||
	    (request_has_form(request) &&
	     (memchr(request->body, '\0', request->body_size) != NULL ||
	      !request_split(request, request->body, request->body_size, true)))) {
		refuse(refusal, "InvalidParameter", "The parameters cannot be decoded.");
		return false;
	}
	qsort(request->params, request->n_params, sizeof(*request->params), param_compare);
	for (size_t i = 1; i < request->n_params; i++) {
		if (strcmp(request->params[i - 1].name, request->params[i].name) == 0) {
			refuse(refusal, "InvalidParameter", "The parameter %.64s is there twice.",
			       request->params[i].name);
			return false;
		}
	}
	return true;
}

void request_deinit(struct request *request)
{
	for (size_t i = 0; i < request->n_params; i++) {
		free(request->params[i].name);
		free(request->params[i].value);
	}
	free(request->params);
	request->params = NULL;
	request->n_params = 0;
}

const char *request_header(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

const char *request_param(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->n_params; i++)
		if (strcmp(request->params[i].name, name) == 0)
			return request->params[i].value;
	return NULL;
}
