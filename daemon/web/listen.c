/*
 * Listen addresses to sockets. An address without a host means every interface, IPv4 and IPv6, on one port.
 *
 * Guarantees sockets that do not block and do not outlive an exec, and errors that say which address and what to do.
 * Must run before the loop starts: names are resolved by the system, which may block.
 */
#include "internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

struct parts {
	char host[256];
	char port[8];
};

/* "host:port", ":port", "[v6]:port" */
static bool split(const char *address, struct parts *ret_parts)
{
	const char *colon = strrchr(address, ':'), *host = address;
	size_t host_len, port_len;

	if (!colon)
		return false;
	host_len = (size_t)(colon - address);
	port_len = strlen(colon + 1);
	if (port_len == 0 || port_len > 5 || strspn(colon + 1, "0123456789") != port_len || atoi(colon + 1) > 65535)
		return false;
	if (host[0] == '[') {
		if (host_len < 3 || host[host_len - 1] != ']')
			return false;
		host++;
		host_len -= 2;
	} else if (memchr(host, ':', host_len)) {
		return false;
	}
	if (host_len >= sizeof(ret_parts->host))
		return false;
	memcpy(ret_parts->host, host, host_len);
	ret_parts->host[host_len] = '\0';
	memcpy(ret_parts->port, colon + 1, port_len + 1);
	return true;
}

static const char *next_step(int error)
{
	switch (error) {
	case EADDRINUSE:
		return ": another sagpin? choose --web.listen-address";
	case EADDRNOTAVAIL:
		return ": no interface has it; choose --web.listen-address";
	case EACCES:
		return ": ports below 1024 need CAP_NET_BIND_SERVICE; choose --web.listen-address";
	default:
		return "";
	}
}

static int open_socket(const struct addrinfo *ai)
{
	const int one = 1;
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol), r;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (ai->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static in_port_t *port_of(struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)sa)->sin6_port :
					   &((struct sockaddr_in *)(void *)sa)->sin_port;
}

/* The port that the kernel chose for the first socket, so that the second family gets the same one. */
static void share_port(int fd, struct addrinfo *rest)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return;
	for (; rest; rest = rest->ai_next)
		*port_of(rest->ai_addr) = *port_of((struct sockaddr *)&sa); // NOLINT(clang-analyzer-core.uninitialized.Assign): set above
}

/* A machine may lack one of the two families; that is an error only when it was asked for by its address. */
static bool is_missing_family(int r)
{
	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL || r == -EPROTONOSUPPORT;
}

static int listen_all(struct addrinfo *list, int *fds, size_t size, size_t *n)
{
	size_t opened = *n;
	int failed = -EADDRNOTAVAIL;

	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		int r = opened < size ? open_socket(ai) : -E2BIG;

		if (r >= 0) {
			fds[opened++] = r;
			share_port(r, ai->ai_next);
		} else if (is_missing_family(r)) {
			failed = r;
		} else {
			failed = r;
			goto undo;
		}
	}
	if (opened == *n)
		return failed;
	*n = opened;
	return 0;
undo:
	while (opened > *n)
		close(fds[--opened]);
	return failed;
}

int web_listen(const char *address, int *fds, size_t size, size_t *n, struct error *ret_error)
{
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	struct parts parts;
	int r;

	if (!split(address, &parts)) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "listen address \"%.128s\": want host:port, :port or [IPv6]:port, with a port of 0 to 65535", address);
		return -EINVAL;
	}
	r = getaddrinfo(parts.host[0] != '\0' ? parts.host : NULL, parts.port, &hints, &list);
	if (r != 0) {
		snprintf(ret_error->text, sizeof(ret_error->text), "listen address \"%.128s\": %s", address, gai_strerror(r));
		return -EINVAL;
	}
	r = listen_all(list, fds, size, n);
	freeaddrinfo(list);
	if (r < 0)
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot listen on %.128s: %s%s", address, strerror(-r),
			 next_step(-r));
	return r;
}

void web_describe_socket(int fd, char *buf, size_t size)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";

	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
		getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port, sizeof(port),
			    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(buf, size, sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
