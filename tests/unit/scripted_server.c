/* The scripted server: poll, read a head, record it, do what the step says. Nothing in it waits for time. */
#include "scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static void put(struct connection *c, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t r = c->ssl ? SSL_write(c->ssl, data, (int)n) : send(c->fd, data, n, MSG_NOSIGNAL);
		if (r <= 0)
			return; /* the client went away: what it says about it is what is tested */
		data += r;
		n -= (size_t)r;
	}
}

static void drop(struct connection *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	c->ssl = NULL;
	c->held = NULL;
	c->fd = -1;
}

static void put_flood(struct connection *c)
{
	static char spaces[65536];
	memset(spaces, ' ', sizeof(spaces));
	for (int i = 0; i < 80; i++)
		put(c, spaces, sizeof(spaces));
}

static void act(struct connection *c, const struct step *step)
{
	switch (step->kind) {
	case STEP_REPLY:
		put(c, step->text, strlen(step->text));
		break;
	case STEP_CUT:
		put(c, step->text, strlen(step->text));
		drop(c);
		break;
	case STEP_CLOSE:
		drop(c);
		break;
	case STEP_SILENT:
		break;
	case STEP_HOLD:
		c->held = step;
		break;
	case STEP_FLOOD:
		put(c, step->text, strlen(step->text));
		put_flood(c);
		drop(c);
		break;
	}
}

/* How long the request is that stands first, or 0 when not all of it is there. */
static size_t request_len(struct connection *c)
{
	char *end = memmem(c->in, c->n_in, "\r\n\r\n", 4);
	if (!end)
		return 0;
	*end = '\0';
	const char *length = strcasestr(c->in, "\r\nContent-Length:");
	size_t n = (size_t)(end + 4 - c->in) + (length ? strtoul(length + 17, NULL, 10) : 0);
	*end = '\r';
	return n <= c->n_in ? n : 0;
}

static void take_requests(struct server *s, struct connection *c)
{
	size_t n;
	while (c->fd >= 0 && (n = request_len(c)) > 0) {
		pthread_mutex_lock(&s->lock);
		must(s->n_requests < SERVER_REQUESTS_MAX, "more requests than a test may make");
		const struct step *step = &s->steps[s->n_requests < s->n_steps ? s->n_requests : s->n_steps - 1];
		s->requests[s->n_requests] = strndup(c->in, n);
		s->n_requests++;
		pthread_mutex_unlock(&s->lock);
		memmove(c->in, c->in + n, c->n_in - n);
		c->n_in -= n;
		act(c, step);
	}
}

static void receive(struct server *s, struct connection *c)
{
	size_t room = sizeof(c->in) - c->n_in;
	ssize_t n = c->ssl ? SSL_read(c->ssl, c->in + c->n_in, (int)room) : recv(c->fd, c->in + c->n_in, room, 0);
	if (n <= 0) {
		drop(c);
		return;
	}
	c->n_in += (size_t)n;
	take_requests(s, c);
}

static void welcome(struct server *s)
{
	struct connection *c = s->connections;
	while (c < s->connections + SERVER_CONNECTIONS_MAX && c->fd >= 0)
		c++;
	must(c < s->connections + SERVER_CONNECTIONS_MAX, "more connections than a test may make");
	c->fd = accept(s->listener, NULL, NULL);
	c->n_in = 0;
	if (c->fd < 0)
		return;
	pthread_mutex_lock(&s->lock);
	s->n_connections++;
	pthread_mutex_unlock(&s->lock);
	if (!s->tls)
		return;
	c->ssl = SSL_new(s->tls);
	SSL_set_fd(c->ssl, c->fd);
	if (SSL_accept(c->ssl) != 1)
		drop(c);
}

static void release_held(struct server *s)
{
	for (struct connection *c = s->connections; c < s->connections + SERVER_CONNECTIONS_MAX; c++)
		if (c->fd >= 0 && c->held) {
			put(c, c->held->text, strlen(c->held->text));
			c->held = NULL;
		}
	pthread_mutex_lock(&s->lock);
	s->n_releases++;
	pthread_mutex_unlock(&s->lock);
}

/* False when it is to end. */
static bool heed_wake(struct server *s)
{
	char byte;
	if (read(s->wake[0], &byte, 1) != 1)
		return true;
	pthread_mutex_lock(&s->lock);
	bool is_stopping = s->is_stopping, is_released = s->is_released;
	s->is_released = false;
	pthread_mutex_unlock(&s->lock);
	if (is_released)
		release_held(s);
	return !is_stopping;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	struct pollfd fds[SERVER_CONNECTIONS_MAX + 2];
	for (;;) {
		fds[0] = (struct pollfd){ s->wake[0], POLLIN, 0 };
		fds[1] = (struct pollfd){ s->listener, POLLIN, 0 };
		for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++)
			fds[i + 2] = (struct pollfd){ s->connections[i].fd, POLLIN, 0 };
		if (poll(fds, SERVER_CONNECTIONS_MAX + 2, -1) < 0)
			continue;
		if (fds[0].revents && !heed_wake(s))
			return NULL;
		for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++)
			if (fds[i + 2].revents)
				receive(s, &s->connections[i]);
		if (fds[1].revents)
			welcome(s);
	}
}

void server_start(struct server *s, const struct step *steps, size_t n_steps, SSL_CTX *tls)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	memset(s, 0, sizeof(*s));
	s->steps = steps;
	s->n_steps = n_steps;
	s->tls = tls;
	for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		s->connections[i].fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(s->listener >= 0 && pipe(s->wake) == 0, "socket");
	must(bind(s->listener, (struct sockaddr *)&address, size) == 0 && listen(s->listener, 64) == 0, "listen");
	must(getsockname(s->listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
	s->port = ntohs(address.sin_port);
	must(pthread_create(&s->thread, NULL, serve, s) == 0, "pthread_create");
}

static void wake(struct server *s)
{
	must(write(s->wake[1], "", 1) == 1, "write");
}

void server_release(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_released = true;
	pthread_mutex_unlock(&s->lock);
	wake(s);
}

size_t server_releases(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->n_releases;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void server_stop(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_mutex_unlock(&s->lock);
	wake(s);
	pthread_join(s->thread, NULL);
	for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		if (s->connections[i].fd >= 0)
			drop(&s->connections[i]);
	for (size_t i = 0; i < s->n_requests; i++)
		free(s->requests[i]);
	close(s->listener);
	close(s->wake[0]);
	close(s->wake[1]);
	SSL_CTX_free(s->tls);
	pthread_mutex_destroy(&s->lock);
}

size_t server_requests(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->n_requests;
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t server_connections(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->n_connections;
	pthread_mutex_unlock(&s->lock);
	return n;
}

const char *server_request(struct server *s, size_t i)
{
	pthread_mutex_lock(&s->lock);
	const char *text = i < s->n_requests ? s->requests[i] : "";
	pthread_mutex_unlock(&s->lock);
	return text;
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, long from_s, long to_s)
{
	char alt[128];
	X509 *cert = X509_new();
	snprintf(alt, sizeof(alt), "%s:%s", name[0] >= '0' && name[0] <= '9' ? "IP" : "DNS", name);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert), to_s);
	X509_set_pubkey(cert, key);
	X509_NAME *subject = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	must(X509_sign(cert, key, EVP_sha256()) > 0, "X509_sign");
	return cert;
}

SSL_CTX *server_tls(const char *name, long valid_from_s, long valid_to_s, const char *pem_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_certificate(key, name, valid_from_s, valid_to_s);
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	must(tls && SSL_CTX_use_certificate(tls, cert) == 1 && SSL_CTX_use_PrivateKey(tls, key) == 1, "SSL_CTX");
	FILE *f = fopen(pem_path, "w");
	must(f && PEM_write_X509(f, cert) == 1, pem_path);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
	return tls;
}
