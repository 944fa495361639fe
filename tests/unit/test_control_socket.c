/*
 * The file of the control socket, on a real file system: permissions, stale and living sockets, two daemons at once,
 * and whose file is removed at the end.
 */
#include "control/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64], path[96];
static struct error error;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/sagpin-socket-XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/control.sock", folder);
	error.text[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static struct control_socket open_socket(void)
{
	struct control_socket s = { .fd = -1 };

	if (control_socket_open(path, &s, &error) < 0)
		fail_msg("%s", error.text);
	return s;
}

static void expect_error(const char *where, int want, const char *what)
{
	struct control_socket s;
	int r = control_socket_open(where, &s, &error);

	assert_int_equal(r, want);
	if (!strstr(error.text, what))
		fail_msg("\"%s\", want \"%s\"", error.text, what);
}

static bool exists(void)
{
	return access(path, F_OK) == 0;
}

static int connect_to(const char *where)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static void test_mode_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };

	(void)state;
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		mode_t old = umask(masks[i]);
		struct control_socket s = open_socket();
		struct stat st;

		assert_int_equal(umask(old), masks[i]); /* put back */
		assert_int_equal(lstat(path, &st), 0);
		assert_true(S_ISSOCK(st.st_mode));
		assert_int_equal(st.st_mode & 07777, 0660);
		assert_true(fcntl(s.fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
		control_socket_remove(&s);
		assert_false(exists());
		close(s.fd);
	}
}

static void test_bad_paths(void **state)
{
	char longest[200], text[300];
	struct control_socket s;

	(void)state;
	expect_error("", -EINVAL, "want the path of a file");
	expect_error("/tmp/", -EINVAL, "want the path of a file");
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	expect_error(longest, -EINVAL, "at most 107 bytes");
	snprintf(text, sizeof(text), "%s/no/control.sock", folder);
	expect_error(text, -ENOENT, "its folder does not exist; create it");
	snprintf(text, sizeof(text), "%s/control.sock", "/etc/passwd");
	expect_error(text, -ENOTDIR, "its folder cannot be opened");
	snprintf(text, sizeof(text), "%s/%.*s", folder, 107 - (int)strlen(folder) - 1, longest);
	assert_int_equal(control_socket_open(text, &s, &error), 0);
	assert_int_equal(access(text, F_OK), 0);
	control_socket_remove(&s);
	close(s.fd);
	assert_int_equal(access(text, F_OK), -1);
}

static void test_what_is_no_socket(void **state)
{
	int fd;

	(void)state;
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	expect_error(path, -EEXIST, "something else is there; remove it");
	assert_true(exists());
	unlink(path);
	assert_int_equal(symlink("/nowhere", path), 0); /* not followed */
	expect_error(path, -EEXIST, "something else is there");
}

static void test_a_dead_one_is_replaced(void **state)
{
	struct control_socket dead, s;
	int client;

	(void)state;
	dead = open_socket();
	close(dead.fd); /* as after kill -9 */
	assert_true(exists());
	assert_int_equal(connect_to(path), -ECONNREFUSED);
	s = open_socket();
	client = connect_to(path);
	assert_true(client >= 0);
	close(client);
	control_socket_remove(&s);
	close(s.fd);
}

static void test_a_living_one_is_not(void **state)
{
	struct control_socket s;
	struct stat before, after;
	int clients[300], n = 0;

	(void)state;
	s = open_socket();
	assert_int_equal(lstat(path, &before), 0);
	expect_error(path, -EADDRINUSE, "another sagpin runs and listens there; stop it");
	/* Nor one that is too busy to take a connection. */
	for (; n < 300; n++) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
		clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(clients[n], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	}
	assert_int_equal(errno, EAGAIN);
	expect_error(path, -EADDRINUSE, "another sagpin runs");
	for (; n >= 0; n--)
		close(clients[n]);
	assert_int_equal(lstat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	control_socket_remove(&s);
	close(s.fd);
}

static void test_anothers_is_not_removed(void **state)
{
	struct control_socket ours, theirs;

	(void)state;
	ours = open_socket();
	unlink(path); /* somebody cleaned up, and another daemon started */
	theirs = open_socket();
	control_socket_remove(&ours);
	assert_true(exists());
	control_socket_remove(&theirs);
	assert_false(exists());
	close(ours.fd);
	close(theirs.fd);
}

static void test_a_locked_folder(void **state)
{
	int lock;

	(void)state;
	lock = open(folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	expect_error(path, -EADDRINUSE, "its folder is locked");
	close(lock);
	assert_false(exists());
}

static void *open_one(void *ret)
{
	struct control_socket *s = ret;
	struct error e;

	if (control_socket_open(path, s, &e) < 0)
		s->fd = -1;
	return NULL;
}

/* Many daemons start at once over a dead socket: one gets it, and it is the one that answers. */
static void test_starting_at_once(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		struct control_socket sockets[6], dead = open_socket();
		pthread_t threads[6];
		int winners = 0, client;

		close(dead.fd);
		for (int i = 0; i < 6; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, open_one, &sockets[i]), 0);
		for (int i = 0; i < 6; i++)
			pthread_join(threads[i], NULL);
		for (int i = 0; i < 6; i++)
			winners += sockets[i].fd >= 0;
		assert_int_equal(winners, 1);
		client = connect_to(path);
		assert_true(client >= 0);
		close(client);
		for (int i = 0; i < 6; i++) {
			if (sockets[i].fd < 0)
				continue;
			control_socket_remove(&sockets[i]);
			close(sockets[i].fd);
		}
		assert_false(exists());
	}
}

/* What the kernel says of a client of that user; the exit status of a child. */
static void expect_peer(uid_t uid, const char *want)
{
	struct control_socket s = open_socket();
	char who[64];
	pid_t child;
	int fd, status;

	assert_int_equal(chmod(path, 0666), 0);
	child = fork();
	if (child == 0)
		_exit(setresuid(uid, uid, uid) < 0 || connect_to(path) < 0);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	fd = accept(s.fd, NULL, NULL);
	assert_int_equal(control_socket_peer(fd, who, sizeof(who)), 0);
	assert_string_equal(who, want);
	close(fd);
	control_socket_remove(&s);
	close(s.fd);
}

static void test_peer(void **state)
{
	char who[8];

	(void)state;
	assert_true(control_socket_peer(-1, who, sizeof(who)) < 0);
	if (geteuid() != 0)
		return; /* only root can be somebody else */
	expect_peer(0, "root");
	expect_peer(65534, "nobody");
	expect_peer(4242424, "uid 4242424");
}

static void expect_user(uid_t uid, const char *want)
{
	char who[16];

	control_socket_user(uid, path, who, sizeof(who));
	assert_string_equal(who, want);
}

/* From a file and from nowhere else: 0 is root in every directory service, and here it is nobody. */
static void test_user(void **state)
{
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	fputs("# people\nnonsense\nann:x:1001:1001::/:/bin/sh\n:x:1002:1002::/:/\nb\033b:x:1003:1003::/:/\n"
	      "a-name-that-is-too-long:x:1004:1004::/:/\nann2:x:1001:1::/:/\n", file);
	for (int i = 0; i < 8192; i++)
		fputc('x', file);
	fputs(":x:1005:1005::/:/\nlate:x:1006:1006::/:/\n", file);
	assert_int_equal(fclose(file), 0);
	expect_user(1001, "ann");
	expect_user(1002, "uid 1002");
	expect_user(1003, "b b");
	expect_user(1004, "a-name-that-is-");
	expect_user(1005, "uid 1005");
	expect_user(0, "uid 0");
	unlink(path);
	expect_user(1001, "uid 1001");
}

static void test_permission(void **state)
{
	struct control_socket s = open_socket();
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (child == 0) {
		/* Root is never refused, so become nobody where that is possible; another user could not even look. */
		if (geteuid() != 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(geteuid() == 0);
		_exit(connect_to(path) != -EACCES);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	control_socket_remove(&s);
	close(s.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mode_whatever_the_umask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_dead_one_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_living_one_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_anothers_is_not_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_locked_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_starting_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permission, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
