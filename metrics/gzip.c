/*
 * An exposition as gzip, block by block: zlib at level 1, because a scrape is compressed anew each time and the loop
 * pays for it. Holds one block of plain text and zlib's own quarter of a megabyte.
 */
#include "expose.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WRAPPER 16 /* zlib: added to the window bits */

struct exposition_gzip {
	struct exposition *exposition;
	z_stream stream;
	bool is_input_ended, is_ended;
	char block[2 * EXPOSE_BLOCK_MIN];
};

int exposition_gzip_new(struct exposition *e, struct exposition_gzip **ret_gzip)
{
	struct exposition_gzip *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	if (deflateInit2(&g->stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP_WRAPPER, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return -ENOMEM;
	}
	g->exposition = e;
	*ret_gzip = g;
	return 0;
}

struct exposition_gzip *exposition_gzip_free(struct exposition_gzip *g)
{
	if (!g)
		return NULL;
	deflateEnd(&g->stream);
	exposition_free(g->exposition);
	free(g);
	return NULL;
}

ssize_t exposition_gzip_write(struct exposition_gzip *g, char *buf, size_t size)
{
	z_stream *z = &g->stream;
	uInt avail = size < (size_t)1 << 30 ? (uInt)size : 1U << 30;
	int r;

	assert(size > 0);
	z->next_out = (Bytef *)buf;
	z->avail_out = avail;
	if (g->is_ended)
		return 0;
	if (z->avail_in == 0 && !g->is_input_ended) {
		z->next_in = (Bytef *)g->block;
		z->avail_in = (uInt)exposition_write(g->exposition, g->block, sizeof(g->block));
		g->is_input_ended = z->avail_in == 0 && exposition_is_ended(g->exposition);
		if (z->avail_in == 0 && !g->is_input_ended)
			return -EAGAIN;
	}
	r = deflate(z, g->is_input_ended ? Z_FINISH : Z_NO_FLUSH);
	if (r == Z_STREAM_END)
		g->is_ended = true;
	else if (r != Z_OK)
		return -EIO;
	else if (z->avail_out == avail)
		return -EAGAIN;
	return (ssize_t)(avail - z->avail_out);
}
