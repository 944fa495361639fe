/*
 * Deliveries: whole, cut in the middle, somebody else's page, far too much, or a connection that just ends.
 */
#include "delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HUGE_BODY_BYTES (64u << 20)
#define DEEP_LISTS 50000

/* An aborted TCP connection: the peer gets RST instead of FIN, at once. */
static void connection_reset(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (info == NULL)
		return;
	(void)setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	(void)connect(info->connect_fd, &nowhere, sizeof(nowhere));
}

/* The first half of what was promised, then an error, which closes the connection. */
static ssize_t read_half(void *data, uint64_t position, char *buffer, size_t size)
{
	const struct answer *answer = data;
	size_t half = answer->size / 2, n = half - (size_t)position;

	if (position >= half)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = n > size ? size : n;
	memcpy(buffer, answer->data + position, n);
	return (ssize_t)n;
}

static ssize_t read_huge(void *data, uint64_t position, char *buffer, size_t size)
{
	static const char head[] = "{\"RequestId\":\"", tail[] = "\"}";
	size_t left = HUGE_BODY_BYTES - (size_t)position;

	(void)data;
	size = size > left ? left : size;
	for (size_t i = 0; i < size; i++, position++) {
		if (position < sizeof(head) - 1)
			buffer[i] = head[position];
		else if (position >= HUGE_BODY_BYTES - 2)
			buffer[i] = tail[position - (HUGE_BODY_BYTES - 2)];
		else
			buffer[i] = 'x';
	}
	return (ssize_t)size;
}

static struct MHD_Response *response_deep(void)
{
	struct MHD_Response *response;
	char *body = malloc(DEEP_LISTS * 2);

	if (body == NULL)
		return NULL;
	memset(body, '[', DEEP_LISTS);
	memset(body + DEEP_LISTS, ']', DEEP_LISTS);
	response = MHD_create_response_from_buffer(DEEP_LISTS * 2, body, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(body);
	return response;
}

static struct MHD_Response *response_fixed(const char *body)
{
	return MHD_create_response_from_buffer_with_free_callback(strlen(body), (void *)(uintptr_t)body, NULL);
}

static struct MHD_Response *response_new(struct reply *reply)
{
	static const char html[] = "<html><head><title>502 Bad Gateway</title></head>"
				   "<body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
	struct answer *answer = &reply->answer;
	struct MHD_Response *response;

	switch (reply->delivery) {
	case DELIVERY_CUT:
		return MHD_create_response_from_callback(answer->size, 4096, read_half, answer, NULL);
	case DELIVERY_HTML:
		return response_fixed(html);
	case DELIVERY_EMPTY:
		return response_fixed("");
	case DELIVERY_HUGE:
		return MHD_create_response_from_callback(HUGE_BODY_BYTES, 65536, read_huge, NULL, NULL);
	case DELIVERY_DEEP:
		return response_deep();
	case DELIVERY_PLAIN:
	case DELIVERY_RESET:
	case DELIVERY_CLOSE:
		break;
	}
	if (answer->is_broken)
		return NULL;
	response = MHD_create_response_from_buffer(answer->size, answer->data, MHD_RESPMEM_MUST_FREE);
	if (response != NULL)
		answer->data = NULL; /* the response's now */
	return response;
}

static void add_date(struct MHD_Response *response, int64_t offset_s)
{
	time_t now = time(NULL) + (time_t)offset_s;
	char text[64];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	MHD_add_response_header(response, MHD_HTTP_HEADER_DATE, text);
}

enum MHD_Result reply_deliver(struct MHD_Connection *connection, struct reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	const char *type = reply->answer.is_xml ? "text/xml;charset=utf-8" : "application/json;charset=utf-8";

	if (reply->delivery == DELIVERY_RESET)
		connection_reset(connection);
	if (reply->delivery == DELIVERY_RESET || reply->delivery == DELIVERY_CLOSE)
		return MHD_NO;
	response = response_new(reply);
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
	                        reply->delivery == DELIVERY_HTML ? "text/html" : type);
	if (reply->request_id[0] != '\0')
		MHD_add_response_header(response, "x-acs-request-id", reply->request_id);
	if (reply->clock_offset_s != 0)
		add_date(response, reply->clock_offset_s);
	result = MHD_queue_response(connection, (unsigned int)reply->http_status, response);
	MHD_destroy_response(response);
	return result;
}
