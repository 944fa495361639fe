/*
 * The file of the control socket: opened below its permissions, never taken from a daemon that lives, and removed only
 * while it is ours.
 */
#pragma once

#include "core/model.h"
#include <sys/stat.h>
#include <sys/un.h>

struct control_socket {
	int fd; /* listens; does not block, does not outlive an exec */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
};

/*
 * 0, or a negative errno with ret_error: what is wrong with the path and what to do. A socket that nobody listens on any
 * more is replaced. Two daemons that start at once cannot take it from each other: the folder is locked meanwhile.
 */
int control_socket_open(const char *path, struct control_socket *ret_socket, struct error *ret_error) __attribute__((warn_unused_result));
/* Removes the file, unless another took its place. To be called before the descriptor is closed, which whoever listens does. */
void control_socket_remove(const struct control_socket *s);

/*
 * The name that a file like /etc/passwd has for a user, else "uid 1234". Clean. No directory service is asked: that may
 * take minutes when the network is down, and then a pause must not wait.
 */
void control_socket_user(uid_t uid, const char *passwd, char *buf, size_t size);
/* The user at the other end, by /etc/passwd. -errno when the kernel does not say. */
int control_socket_peer(int fd, char *buf, size_t size) __attribute__((warn_unused_result));
