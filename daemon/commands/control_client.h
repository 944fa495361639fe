/*
 * What the commands that talk to a running daemon share: one request over the control socket.
 */
#pragma once

#include <stddef.h>

struct control_reply {
	long status;       /* HTTP */
	char *body;        /* JSON, with a terminator; to be freed by control_reply_deinit() */
	size_t n_body;
	char version[64];  /* of the daemon; "" when it does not say */
};

/*
 * `body` NULL: GET, else POST. Waits for the answer, at most CONTROL_PATIENCE_S. 0, or 1 after one message on stderr:
 * no daemon, no permission, no answer in time, or what answers is no sagpin.
 */
int control_ask(const char *socket, const char *path, const char *body, struct control_reply *ret_reply) __attribute__((warn_unused_result));
void control_reply_deinit(struct control_reply *r);
/* Says on stderr what the daemon refused and what to do; and when it is of another version, that. */
void control_tell_error(const char *socket, const struct control_reply *r);

#define CONTROL_PATIENCE_S 45 /* more than the daemon's own, so that its word is heard */
