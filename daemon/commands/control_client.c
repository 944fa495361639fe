/*
 * One request over the control socket, by libcurl, and what went wrong with it in words.
 */
#include "control_client.h"
#include "control/control.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define REPLY_BYTES_MAX ((size_t)1 << 30) /* a snapshot of a large fleet */

static size_t take_body(char *data, size_t one, size_t n, void *ctx)
{
	struct control_reply *r = ctx;
	char *grown = r->n_body + n <= REPLY_BYTES_MAX ? realloc(r->body, r->n_body + n + 1) : NULL;

	(void)one;
	if (!grown)
		return 0;
	memcpy(grown + r->n_body, data, n);
	r->body = grown;
	r->n_body += n;
	r->body[r->n_body] = '\0';
	return n;
}

static size_t take_header(char *data, size_t one, size_t n, void *ctx)
{
	static const char name[] = CONTROL_VERSION_HEADER ":";
	struct control_reply *r = ctx;
	size_t len = sizeof(name) - 1;

	(void)one;
	if (n <= len || strncasecmp(data, name, len) != 0)
		return n;
	while (len < n && data[len] == ' ')
		len++;
	snprintf(r->version, sizeof(r->version), "%.*s", (int)strcspn(data + len, "\r\n"), data + len);
	return n;
}

/* Why there was no answer. */
static void tell_failure(const char *socket, CURLcode code, long os_errno, const char *detail)
{
	if (code == CURLE_COULDNT_CONNECT && os_errno == EACCES)
		fprintf(stderr, "sagpin: no permission to use %s; you need to be in the group that owns it (ls -l %s), or root\n", socket, socket);
	else if (code == CURLE_COULDNT_CONNECT && (os_errno == ENOENT || os_errno == ENOTDIR || os_errno == ECONNREFUSED))
		fprintf(stderr, "sagpin: no sagpin listens at %s; is it running? --control.socket names another place\n", socket);
	else if (code == CURLE_COULDNT_CONNECT)
		fprintf(stderr, "sagpin: cannot connect to %s: %s\n", socket, os_errno ? strerror((int)os_errno) : detail);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		fprintf(stderr, "sagpin: the sagpin at %s did not answer within %d s, and whether it did what was asked is not known; look at its log\n", socket,
			CONTROL_PATIENCE_S);
	else
		fprintf(stderr, "sagpin: what listens at %s does not answer as a sagpin does (%s); --control.socket names another place\n", socket,
			detail[0] ? detail : curl_easy_strerror(code));
}

static CURLcode perform(CURL *curl, const char *socket, const char *path, const char *body, struct control_reply *r)
{
	char url[1024];

	snprintf(url, sizeof(url), "http://localhost%s", path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)CONTROL_PATIENCE_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	}
	return curl_easy_perform(curl);
}

int control_ask(const char *socket, const char *path, const char *body, struct control_reply *ret_reply)
{
	char detail[CURL_ERROR_SIZE] = "";
	struct control_reply r = { 0 };
	struct curl_slist *headers = NULL;
	long os_errno = 0;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	CURL *curl;

	if (strlen(socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		fprintf(stderr, "sagpin: %s is too long for a socket; --control.socket names another place\n", socket);
		return 1;
	}
	curl = curl_easy_init();
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (curl && headers) {
		curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		code = perform(curl, socket, path, body, &r);
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r.status);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (code == CURLE_OK && r.body && r.version[0]) {
		*ret_reply = r;
		return 0;
	}
	tell_failure(socket, code, os_errno, code == CURLE_OK ? "it names no version" : detail);
	control_reply_deinit(&r);
	return 1;
}

void control_reply_deinit(struct control_reply *r)
{
	free(r->body);
	*r = (struct control_reply){ 0 };
}

void control_tell_error(const char *socket, const struct control_reply *r)
{
	cJSON *object = cJSON_Parse(r->body);
	const char *what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "error"));
	const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "next"));

	if (what)
		fprintf(stderr, "sagpin: %s\n", what);
	else
		fprintf(stderr, "sagpin: the sagpin at %s answered with HTTP status %ld and no word that this one understands\n", socket, r->status);
	if (next)
		fprintf(stderr, "next: %s\n", next);
	if (strcmp(r->version, SAGPIN_VERSION) != 0)
		fprintf(stderr, "note: the daemon is sagpin %s, this command is %s: use the command that came with the daemon\n", r->version, SAGPIN_VERSION);
	cJSON_Delete(object);
}
