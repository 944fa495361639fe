/*
 * What only the machine knows, for the shells: its clocks, chance, and what is in a file. Never for what decides.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

int64_t machine_clock_ns(clockid_t id);
uint64_t machine_random(void *ctx); /* `ctx` is not looked at: callers of callbacks have one */
/* From where `fd` stands to the end of the file, at most `size` bytes. The length, or negative errno. */
ssize_t machine_read(int fd, char *buf, size_t size) __attribute__((warn_unused_result));
