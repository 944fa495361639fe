/*
 * Reading a state file that no daemon holds, without a trace: the file and its log are copied to a folder of our own
 * and opened there, since SQLite writes beside a file with a log even to read it. A shared lock on SQLite's own range
 * keeps a daemon from starting in the middle of the copy; it tries again for a second.
 */
#include "failure.h"
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* https://www.sqlite.org/lockingv3.html: readers hold these bytes, a writer that wants all takes them exclusively. */
#define LOCK_FIRST 0x40000000
#define LOCK_N 512

static const char *const suffixes[] = { "", "-wal", "-journal", "-shm" }; /* the last is only removed */
#define N_COPIED 3
#define N_SUFFIXES 4

struct copy {
	char folder[512];
	char path[600]; /* of the file in it */
};

static int copy_fd(int in, const char *to)
{
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r = 0;
	ssize_t n;

	if (out < 0)
		return -errno;
	do {
		n = sendfile(out, in, NULL, (size_t)16 << 20);
	} while (n > 0);
	if (n < 0)
		r = -errno;
	close(out);
	return r;
}

static int copy_beside(const char *path, const char *suffix, const struct copy *copy)
{
	char from[4096], to[640];
	int fd, r;

	if ((size_t)snprintf(from, sizeof(from), "%s%s", path, suffix) >= sizeof(from))
		return -ENAMETOOLONG;
	snprintf(to, sizeof(to), "%s%s", copy->path, suffix);
	fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = copy_fd(fd, to);
	close(fd);
	return r;
}

/* The lock lives as long as `fd`: nothing else of this process may open and close the file meanwhile. */
static int copy_all(const char *path, int fd, const struct copy *copy)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_FIRST, .l_len = LOCK_N };
	int r;

	if (fcntl(fd, F_SETLK, &lock) < 0)
		return errno == EACCES || errno == EAGAIN ? STATE_E_HELD : -errno;
	for (int i = 1; i < N_COPIED; i++) {
		r = copy_beside(path, suffixes[i], copy);
		if (r)
			return r;
	}
	return copy_fd(fd, copy->path);
}

static int make_folder(struct copy *copy)
{
	const char *tmp = getenv("TMPDIR");

	if ((size_t)snprintf(copy->folder, sizeof(copy->folder), "%s/sagpin-XXXXXX", tmp && tmp[0] ? tmp : "/tmp") >= sizeof(copy->folder))
		return -ENAMETOOLONG;
	if (!mkdtemp(copy->folder))
		return -errno;
	snprintf(copy->path, sizeof(copy->path), "%s/state.db", copy->folder);
	return 0;
}

static void remove_folder(const struct copy *copy)
{
	char path[640];

	for (int i = 0; i < N_SUFFIXES; i++) {
		snprintf(path, sizeof(path), "%s%s", copy->path, suffixes[i]);
		unlink(path);
	}
	rmdir(copy->folder);
}

static int load_all(const struct state_offline *options, struct store *store, struct store_error *ret_error)
{
	struct store_part part = { .max = STATE_PART_MAX, .text_size = STORE_PART_TEXT };
	int r;

	part.records = malloc(STATE_PART_MAX * sizeof(*part.records) + STORE_PART_TEXT);
	if (!part.records)
		return failure_set(ret_error, STATE_FAILURE_MEMORY, options->path, "%s", "");
	part.text = (char *)(part.records + STATE_PART_MAX);
	do {
		r = store_load(store, &part, ret_error);
		if (!r && part.n)
			r = options->on_records(options->ctx, part.records, part.n);
	} while (!r && part.n);
	free(part.records);
	return r;
}

static int read_copy(const struct state_offline *options, const struct copy *copy, struct error *ret_error)
{
	struct store_options open_options = { .path = copy->path, .shown_path = options->path, .now = options->now };
	struct store_error error = { .failure = STATE_FAILURE_NONE };
	struct store *store = NULL;
	int r = store_open(&open_options, &store, &error);

	if (!r)
		r = load_all(options, store, &error);
	store_free(store);
	if (r > 0)
		*ret_error = error.error;
	return r > 0 ? STATE_E_FAILED : r;
}

static int explain(int r, const char *path, struct error *ret_error)
{
	struct store_error error;

	if (r == STATE_E_HELD) {
		failure_set(&error, STATE_FAILURE_LOCKED, path, "ask that one");
	} else {
		failure_errno(-r, path, &error);
		r = r == -ENOENT ? STATE_E_MISSING : STATE_E_FAILED;
	}
	*ret_error = error.error;
	return r;
}

int state_read_offline(const struct state_offline *options, struct error *ret_error)
{
	struct copy copy = { .folder = "" };
	struct stat st;
	int fd = open(options->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : 0;

	if (!r && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		r = -EINVAL;
	if (!r)
		r = make_folder(&copy);
	if (r) {
		if (fd >= 0)
			close(fd);
		return explain(r, options->path, ret_error);
	}
	r = copy_all(options->path, fd, &copy);
	close(fd);
	r = r ? explain(r, options->path, ret_error) : read_copy(options, &copy, ret_error);
	remove_folder(&copy);
	return r;
}
