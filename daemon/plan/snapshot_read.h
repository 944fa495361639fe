/*
 * The snapshot of a running daemon (control/snapshot.c) to a picture of its fleet. Pure but for cJSON.
 */
#pragma once

#include "picture.h"

enum {
	SNAPSHOT_E_INVALID = 1, /* it is none, is cut, or another sagpin's: ret_error says where and what to do */
};
/* `body` has a terminator. 0, SNAPSHOT_E_INVALID, or -ENOMEM. The picture is to be freed in any case. */
int snapshot_read(const char *body, struct picture *picture, struct error *ret_error) __attribute__((warn_unused_result));
