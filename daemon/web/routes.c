/*
 * Routes: which path answers what. Two tables, of routes and of plain answers, and the landing page.
 *
 * Every answer is counted by handler and code, from closed lists, each pair that can occur at 0 from the start.
 * Must not keep a response: libmicrohttpd holds its own reference once it is queued.
 */
#include "internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct answer {
	enum web_code code;
	const char *content_type;
	const char *body;
};

#define TEXT "text/plain; charset=utf-8"

static const struct answer answer_healthy = { WEB_CODE_200, TEXT, "sagpin is Healthy.\n" };
static const struct answer answer_ready = { WEB_CODE_200, TEXT, "sagpin is Ready.\n" };
static const struct answer answer_not_ready = { WEB_CODE_503, TEXT, "sagpin is not Ready: it has not finished starting.\n" };
static const struct answer answer_not_found = { WEB_CODE_404, TEXT, "404 page not found\n" };
static const struct answer answer_not_allowed = { WEB_CODE_405, TEXT, "Method Not Allowed\n" };
static const struct answer answer_no_memory = { WEB_CODE_500, TEXT, "Out of memory.\n" };
#define STRING_(x) #x
#define STRING(x) STRING_(x)
static const struct answer answer_too_many = {
	WEB_CODE_503, TEXT, "Limit of concurrent requests reached (" STRING(WEB_SCRAPES_MAX) "), try again later.\n"
};

static const unsigned int code_numbers[WEB_CODE_N] = { 200, 404, 405, 500, 503 };

static enum MHD_Result serve_landing(struct web *w, struct MHD_Connection *c);
static enum MHD_Result serve_metrics(struct web *w, struct MHD_Connection *c);
static enum MHD_Result serve_healthy(struct web *w, struct MHD_Connection *c);
static enum MHD_Result serve_ready(struct web *w, struct MHD_Connection *c);

static const struct route {
	const char *path; /* NULL: all others */
	enum MHD_Result (*serve)(struct web *w, struct MHD_Connection *c);
	unsigned int codes; /* bits of web_code: what it can answer */
} routes[WEB_HANDLER_N] = {
	[WEB_HANDLER_LANDING] = { "/", serve_landing, 1U << WEB_CODE_200 | 1U << WEB_CODE_405 },
	[WEB_HANDLER_METRICS] = { "/metrics", serve_metrics,
				  1U << WEB_CODE_200 | 1U << WEB_CODE_405 | 1U << WEB_CODE_500 | 1U << WEB_CODE_503 },
	[WEB_HANDLER_HEALTHY] = { "/-/healthy", serve_healthy, 1U << WEB_CODE_200 | 1U << WEB_CODE_405 },
	[WEB_HANDLER_READY] = { "/-/ready", serve_ready, 1U << WEB_CODE_200 | 1U << WEB_CODE_405 | 1U << WEB_CODE_503 },
	[WEB_HANDLER_OTHER] = { NULL, NULL, 1U << WEB_CODE_404 },
};

/* Version and revision come from the build, so they need no escaping. */
static const char landing_page[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<title>sagpin</title>\n"
	"</head>\n"
	"<body>\n"
	"<h1>sagpin</h1>\n"
	"<h2>Keeps Smart Access Gateways on pinned software versions</h2>\n"
	"<p>Version: %s (revision %s)</p>\n"
	"<ul>\n"
	"<li><a href=\"/metrics\">Metrics</a>: the fleet and the daemon, for Prometheus</li>\n"
	"<li><a href=\"/-/healthy\">Healthy</a>: whether the daemon runs</li>\n"
	"<li><a href=\"/-/ready\">Ready</a>: whether it has finished starting</li>\n"
	"</ul>\n"
	"</body>\n"
	"</html>\n";

#define LANDING_CSP "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static int seed_counters(struct web *w, enum web_handler handler)
{
	for (size_t code = 0; code < WEB_CODE_N; code++) {
		char number[16];

		if (!(routes[handler].codes & 1U << code))
			continue;
		snprintf(number, sizeof(number), "%u", code_numbers[code]);
		w->requests[handler][code] = registry_series(
			w->options.registry, METRIC_HTTP_REQUESTS,
			(const char *const[]){ routes[handler].path ? routes[handler].path : "other", number });
		if (!w->requests[handler][code])
			return -ENOMEM;
	}
	return 0;
}

int routes_init(struct web *w)
{
	for (size_t i = 0; i < WEB_HANDLER_N; i++) {
		if (seed_counters(w, (enum web_handler)i) < 0)
			return -ENOMEM;
	}
	snprintf(w->landing, sizeof(w->landing), landing_page, w->options.version, w->options.revision);
	return 0;
}

/* Takes the response. */
static enum MHD_Result queue(struct web *w, struct MHD_Connection *c, enum web_handler handler, enum web_code code,
			     struct MHD_Response *response)
{
	enum MHD_Result r;

	if (!response)
		return MHD_NO; /* out of memory: the connection ends */
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	r = MHD_queue_response(c, code_numbers[code], response);
	MHD_destroy_response(response);
	if (r == MHD_YES)
		series_add(w->requests[handler][code], 1);
	return r;
}

static struct MHD_Response *answer_response(const struct answer *a)
{
	/* libmicrohttpd's parameter is not const, but PERSISTENT promises to leave the bytes alone. */
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(a->body), (void *)(uintptr_t)a->body,
									MHD_RESPMEM_PERSISTENT);

	if (response)
		MHD_add_response_header(response, "Content-Type", a->content_type);
	return response;
}

static enum MHD_Result serve_answer(struct web *w, struct MHD_Connection *c, enum web_handler handler, const struct answer *a)
{
	return queue(w, c, handler, a->code, answer_response(a));
}

static enum MHD_Result serve_landing(struct web *w, struct MHD_Connection *c)
{
	const struct answer a = { WEB_CODE_200, "text/html; charset=utf-8", w->landing };
	struct MHD_Response *response = answer_response(&a);

	if (response)
		MHD_add_response_header(response, "Content-Security-Policy", LANDING_CSP);
	return queue(w, c, WEB_HANDLER_LANDING, a.code, response);
}

static enum MHD_Result serve_healthy(struct web *w, struct MHD_Connection *c)
{
	return serve_answer(w, c, WEB_HANDLER_HEALTHY, &answer_healthy);
}

static enum MHD_Result serve_ready(struct web *w, struct MHD_Connection *c)
{
	return serve_answer(w, c, WEB_HANDLER_READY,
			    w->options.is_ready(w->options.ctx) ? &answer_ready : &answer_not_ready);
}

static enum MHD_Result serve_metrics(struct web *w, struct MHD_Connection *c)
{
	enum expose_format format = expose_negotiate(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept"));
	bool is_gzip = expose_accepts_gzip(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept-Encoding"));
	struct MHD_Response *response;

	if (w->n_scrapes >= WEB_SCRAPES_MAX)
		return serve_answer(w, c, WEB_HANDLER_METRICS, &answer_too_many);
	if (w->options.before_scrape)
		w->options.before_scrape(w->options.ctx);
	response = scrape_response(w, format, is_gzip);
	if (!response)
		return serve_answer(w, c, WEB_HANDLER_METRICS, &answer_no_memory);
	MHD_add_response_header(response, "Content-Type", expose_content_types[format]);
	MHD_add_response_header(response, "Vary", "Accept, Accept-Encoding");
	if (is_gzip)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	return queue(w, c, WEB_HANDLER_METRICS, WEB_CODE_200, response);
}

static enum MHD_Result serve_not_allowed(struct web *w, struct MHD_Connection *c, enum web_handler handler)
{
	struct MHD_Response *response = answer_response(&answer_not_allowed);

	if (response)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	return queue(w, c, handler, WEB_CODE_405, response);
}

static enum web_handler find_handler(const char *url)
{
	size_t i = 0;

	while (routes[i].path && strcmp(url, routes[i].path) != 0)
		i++;
	return (enum web_handler)i;
}

static enum MHD_Result serve(struct web *w, struct MHD_Connection *c, const char *url, bool is_read)
{
	enum web_handler handler = find_handler(url);

	if (handler == WEB_HANDLER_OTHER)
		return serve_answer(w, c, handler, &answer_not_found);
	return is_read ? routes[handler].serve(w, c) : serve_not_allowed(w, c, handler);
}

enum MHD_Result routes_handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
			      const char *version, const char *upload_data, size_t *upload_data_size, void **request)
{
	static char seen; /* its address marks a request whose header was seen */
	bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	const union MHD_ConnectionInfo *info;

	(void)version;
	(void)upload_data;
	if (!*request) {
		*request = &seen;
		info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
		if (info && info->socket_context)
			web_connection_renew(info->socket_context);
		/* The header alone has come: what cannot be read is refused before its body. */
		return is_read ? MHD_YES : serve(cls, c, url, false);
	}
	if (*upload_data_size > 0) {
		*upload_data_size = 0; /* a body means nothing here; WEB_REQUEST_S bounds it */
		return MHD_YES;
	}
	return serve(cls, c, url, is_read);
}
