/*
 * Paths and permissions of the control socket. Runs before the loop starts, but for control_socket_peer().
 */
#include "socket.h"

#include "core/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 64
#define SOCKET_MODE 0660
#define LOCK_TRIES 50 /* of 20 ms each: another daemon holds the lock only while it does what we do */

static int fail(struct error *ret_error, int r, const char *path, const char *what)
{
	snprintf(ret_error->text, sizeof(ret_error->text), "control socket %.128s: %s", path, what);
	return r;
}

static int fail_errno(struct error *ret_error, int r, const char *path, const char *what)
{
	snprintf(ret_error->text, sizeof(ret_error->text), "control socket %.128s: %s: %s; choose --control.socket", path, what, strerror(-r));
	return r;
}

/* The locked folder of a path, as a descriptor. */
static int lock_folder(const char *path, struct error *ret_error)
{
	const struct timespec pause = { .tv_nsec = 20 * NS_PER_MS };
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct control_socket *)0)->path)] = ".";
	int fd;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return fail(ret_error, -ENOENT, path, "its folder does not exist; create it, or choose --control.socket");
	if (fd < 0)
		return fail_errno(ret_error, -errno, path, "its folder cannot be opened");
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (i == LOCK_TRIES || errno != EWOULDBLOCK) {
			close(fd);
			return fail(ret_error, -EADDRINUSE, path, "its folder is locked; does another sagpin start there?");
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

/* Whether somebody listens: 0 nobody does. */
static int probe(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = -EADDRINUSE;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		r = -errno;
	close(fd);
	if (r == -ECONNREFUSED || r == -ENOENT)
		return 0;
	return r == -EAGAIN ? -EADDRINUSE : r;
}

/* Makes room for a new socket, in a locked folder. */
static int clear_path(const struct sockaddr_un *address, struct error *ret_error)
{
	const char *path = address->sun_path;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail_errno(ret_error, -errno, path, "cannot be looked at");
	if (!S_ISSOCK(st.st_mode))
		return fail(ret_error, -EEXIST, path, "something else is there; remove it, or choose --control.socket");
	r = probe(address);
	if (r == -EADDRINUSE)
		return fail(ret_error, r, path, "another sagpin runs and listens there; stop it, or choose --control.socket");
	if (r < 0)
		return fail_errno(ret_error, r, path, "cannot tell whether another sagpin listens there");
	if (unlink(path) < 0 && errno != ENOENT)
		return fail_errno(ret_error, -errno, path, "the socket that a sagpin left behind cannot be removed");
	return 0;
}

static int bind_below_mode(int fd, const struct sockaddr_un *address)
{
	mode_t old = umask(0777 & ~SOCKET_MODE); /* never wider, not even for a moment */
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(old);
	return r;
}

static int listen_at(const struct sockaddr_un *address, struct control_socket *ret_socket)
{
	struct control_socket s = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
	struct stat st;
	int r;

	if (s.fd < 0)
		return -errno;
	memcpy(s.path, address->sun_path, sizeof(s.path));
	r = bind_below_mode(s.fd, address);
	if (r < 0) {
		close(s.fd);
		return r;
	}
	if (lstat(s.path, &st) < 0 || listen(s.fd, BACKLOG) < 0) {
		r = -errno;
		unlink(s.path);
		close(s.fd);
		return r;
	}
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	*ret_socket = s;
	return 0;
}

int control_socket_open(const char *path, struct control_socket *ret_socket, struct error *ret_error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int folder, r;

	if (len == 0 || len >= sizeof(address.sun_path) || path[len - 1] == '/') {
		snprintf(ret_error->text, sizeof(ret_error->text), "control socket \"%.128s\": want the path of a file, of at most %zu bytes", path,
			 sizeof(address.sun_path) - 1);
		return -EINVAL;
	}
	memcpy(address.sun_path, path, len + 1);
	folder = lock_folder(path, ret_error);
	if (folder < 0)
		return folder;
	r = clear_path(&address, ret_error);
	if (!r) {
		r = listen_at(&address, ret_socket);
		if (r < 0)
			fail_errno(ret_error, r, path, "cannot listen");
	}
	close(folder);
	return r;
}

void control_socket_remove(const struct control_socket *s)
{
	struct stat st;

	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
}

void control_socket_user(uid_t uid, const char *passwd, char *buf, size_t size)
{
	FILE *file = fopen(passwd, "re");
	struct passwd entry, *found = NULL;
	char text[4096];

	snprintf(buf, size, "uid %lu", (unsigned long)uid);
	while (file && fgetpwent_r(file, &entry, text, sizeof(text), &found) == 0)
		if (found->pw_uid == uid && found->pw_name[0]) {
			utf8_clean(found->pw_name, strlen(found->pw_name), buf, size);
			break;
		}
	if (file)
		fclose(file);
}

int control_socket_peer(int fd, char *buf, size_t size)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.uid == 0)
		snprintf(buf, size, "root");
	else
		control_socket_user(peer.uid, "/etc/passwd", buf, size);
	return 0;
}
