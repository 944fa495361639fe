/*
 * The body of /metrics, written as the client takes it.
 *
 * libmicrohttpd serves every ready connection in each turn, so the open scrapes share the time of a turn: each gets
 * its part of WEB_TURN_NS, at least one block. A reader whose part is spent returns 0, which asks for another turn at
 * once; it must never return 0 for any other reason, or the loop spins.
 */
#include "internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct scrape {
	struct web *web;
	struct exposition *plain;     /* one of these two */
	struct exposition_gzip *gzip;
	uint64_t turn;                /* the last turn in which it wrote, and for how long */
	int64_t spent_ns;
	size_t pos, len;
	char block[2 * EXPOSE_BLOCK_MIN];
};

static int64_t clock_ns(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* 1: the block is filled; 0: the end; -EAGAIN: call again; another negative errno. */
static int scrape_fill(struct scrape *s)
{
	int64_t start = clock_ns();
	ssize_t n;

	if (s->turn != s->web->turn)
		s->spent_ns = 0;
	s->turn = s->web->turn;
	if (s->gzip)
		n = exposition_gzip_write(s->gzip, s->block, sizeof(s->block));
	else
		n = (ssize_t)exposition_write(s->plain, s->block, sizeof(s->block));
	s->spent_ns += clock_ns() - start;
	if (n < 0)
		return (int)n;
	s->pos = 0;
	s->len = (size_t)n;
	if (n == 0 && s->plain && !exposition_is_ended(s->plain))
		return -EAGAIN;
	return n > 0;
}

static bool is_spent(const struct scrape *s)
{
	return s->turn == s->web->turn && s->spent_ns >= WEB_TURN_NS / (int64_t)s->web->n_scrapes;
}

static ssize_t scrape_read(void *cls, uint64_t offset, char *buf, size_t max)
{
	struct scrape *s = cls;
	size_t n;

	(void)offset;
	while (s->pos == s->len) {
		int r;

		if (is_spent(s))
			return 0;
		r = scrape_fill(s);
		if (r <= 0 && r != -EAGAIN)
			return r < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	}
	n = s->len - s->pos < max ? s->len - s->pos : max;
	memcpy(buf, s->block + s->pos, n);
	s->pos += n;
	return (ssize_t)n;
}

static void scrape_free(void *cls)
{
	struct scrape *s = cls;

	s->web->n_scrapes--;
	exposition_gzip_free(s->gzip);
	exposition_free(s->plain);
	free(s);
}

static struct scrape *scrape_new(struct web *w, enum expose_format format, bool is_gzip)
{
	struct scrape *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (exposition_new(format, w->options.registry, w->options.source, &s->plain) < 0) {
		free(s);
		return NULL;
	}
	if (is_gzip) {
		if (exposition_gzip_new(s->plain, &s->gzip) < 0) {
			exposition_free(s->plain);
			free(s);
			return NULL;
		}
		s->plain = NULL;
	}
	s->web = w;
	s->turn = w->turn - 1;
	w->n_scrapes++;
	return s;
}

struct MHD_Response *scrape_response(struct web *w, enum expose_format format, bool is_gzip)
{
	struct scrape *s = scrape_new(w, format, is_gzip);
	struct MHD_Response *response;

	if (!s)
		return NULL;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, WEB_MEMORY_MAX, scrape_read, s, scrape_free);
	if (!response)
		scrape_free(s);
	return response;
}
