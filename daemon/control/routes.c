/*
 * Requests of the control socket: which path answers what.
 *
 * Must not keep a response: libmicrohttpd holds its own reference once it is queued.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void serve_act(struct connection *c);

static const struct route {
	const char *path, *method;
	void (*serve)(struct connection *c);
} routes[] = {
	{ "/v1/acts", "POST", serve_act },
	{ "/v1/status", "GET", view_status },
	{ "/v1/rollouts", "GET", view_rollouts },
	{ "/v1/approvals", "GET", view_approvals },
	{ "/v1/targets", "GET", view_targets },
	{ "/v1/snapshot", "GET", view_snapshot },
};

static const struct route *find(const char *url)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(url, routes[i].path) == 0)
			return &routes[i];
	return NULL;
}

static void serve_act(struct connection *c)
{
	struct control *control = c->control;
	struct control_error error;
	int r;

	c->act = malloc(sizeof(*c->act));
	r = c->act ? act_request_parse(c->body ? c->body : "", c->n_body, c->act, &error) : -ENOMEM;
	if (r < 0) {
		connection_answer(c, 500, NULL);
	} else if (r) {
		connection_answer_error(c, 400, error.what.text, error.next.text);
	} else if (control_socket_peer(c->fd, c->who, sizeof(c->who)) < 0) {
		connection_answer_error(c, 500, "the kernel does not say who asks", "ask from a process of this machine");
	} else {
		c->act->act.who = c->who;
		c->request = ++control->last_request;
		control->options.take_act(control->options.ctx, &c->act->act, c->request);
	}
}

/* Takes the answer that the connection has. */
static enum MHD_Result queue(struct connection *c)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(c->answer), c->answer, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result r;

	if (!response)
		return MHD_NO; /* out of memory: the connection ends */
	c->answer = NULL;
	MHD_add_response_header(response, "Content-Type", "application/json");
	MHD_add_response_header(response, CONTROL_VERSION_HEADER, c->control->options.version);
	if (c->allow)
		MHD_add_response_header(response, "Allow", c->allow);
	r = MHD_queue_response(c->mhd, c->status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result refuse(struct connection *c, unsigned int status, const char *what, const char *next)
{
	connection_answer_error(c, status, what, next);
	return c->answer ? queue(c) : MHD_NO;
}

/* The header alone has come: what cannot be right is refused before its body. */
static enum MHD_Result check_header(struct connection *c, const char *url, const char *method)
{
	const struct route *route = find(url);
	const char *length = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Content-Length");

	if (c->control->is_ending)
		return refuse(c, 503, "the daemon ends", "say it again when the daemon runs again");
	if (!route)
		return refuse(c, 404, "there is no such path", "there are: /v1/acts, /v1/status, /v1/rollouts, /v1/approvals, /v1/targets, /v1/snapshot");
	if (strcmp(method, route->method) != 0) {
		c->allow = route->method;
		return refuse(c, 405, "that method is not for this path", "the header Allow names the one that is");
	}
	if (length && strtoull(length, NULL, 10) > CONTROL_BODY_TAKEN_MAX)
		return refuse(c, 413, "the body is too large", "send one JSON object of at most 64 KiB");
	return MHD_YES;
}

static bool take_body(struct connection *c, const char *data, size_t size)
{
	char *grown;

	if (c->n_body > CONTROL_BODY_MAX)
		return true; /* the rest does not matter any more; CONTROL_REQUEST_S bounds it */
	grown = realloc(c->body, c->n_body + size);
	if (!grown)
		return false;
	memcpy(grown + c->n_body, data, size);
	c->body = grown;
	c->n_body += size;
	return true;
}

/* The whole request is there, or its result is. */
static enum MHD_Result serve(struct connection *c, const char *url)
{
	const struct route *route = find(url);

	if (c->answer)
		return queue(c);
	if (c->n_body > CONTROL_BODY_MAX)
		return refuse(c, 413, "the body is too large", "send one JSON object of at most 64 KiB");
	if (!route || c->control->is_ending)
		return MHD_NO;
	if (!c->is_begun) {
		c->is_begun = true;
		c->until_ns = c->control->now_ns + CONTROL_RESULT_S * NS_PER_S;
		route->serve(c);
		if (c->answer)
			return queue(c);
	}
	if (!c->request && !c->walk)
		return MHD_NO; /* out of memory: there will be no answer */
	c->is_suspended = true;
	MHD_suspend_connection(c->mhd);
	return MHD_YES;
}

enum MHD_Result control_handle(void *cls, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
			       const char *upload_data, size_t *upload_data_size, void **request)
{
	struct connection *c = *request;

	(void)cls;
	(void)version;
	if (!c) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

		if (!info || !info->socket_context)
			return MHD_NO;
		*request = c = info->socket_context;
		return check_header(c, url, method);
	}
	if (*upload_data_size > 0) {
		if (!take_body(c, upload_data, *upload_data_size))
			return MHD_NO;
		*upload_data_size = 0;
		return MHD_YES;
	}
	return serve(c, url);
}
