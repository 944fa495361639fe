/* See machine.h. */
#include "machine.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

int64_t machine_clock_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

uint64_t machine_random(void *ctx)
{
	uint64_t value;

	(void)ctx;
	while (getrandom(&value, sizeof(value), 0) != sizeof(value))
		;
	return value;
}

ssize_t machine_read(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}
