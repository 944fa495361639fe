/*
 * Names to zones. A name is checked before it becomes part of a path, so that it stays below the directory (the links in
 * there are the distribution's own business), and what is opened is read only if it is a regular file, and never waited for.
 */
#include "zones.h"

#include "base/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/"
#define INSTALL "install the Debian package tzdata"
#define REINSTALL "reinstall the Debian package tzdata"

struct known {
	struct known *next;
	struct tzif *zone;
	char name[ZONES_NAME_BYTES_MAX + 1];
};

struct zones {
	struct known *first;
	char *directory;
};

static int fail(int code, struct error *error, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(int code, struct error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}

static const char *error_text(int code)
{
	const char *text = strerrordesc_np(code); /* not by the locale, unlike strerror */

	return text ? text : "unknown error";
}

int zones_new(struct zones **ret_zones)
{
	const char *directory = secure_getenv("TZDIR");
	struct zones *z = calloc(1, sizeof(*z));

	if (!z)
		return -ENOMEM;
	z->directory = strdup(directory && *directory ? directory : ZONES_DIRECTORY_DEFAULT);
	if (!z->directory) {
		free(z);
		return -ENOMEM;
	}
	*ret_zones = z;
	return 0;
}

struct zones *zones_free(struct zones *z)
{
	if (!z)
		return NULL;
	for (struct known *k = z->first, *next; k; k = next) {
		next = k->next;
		tzif_free(k->zone);
		free(k);
	}
	free(z->directory);
	free(z);
	return NULL;
}

/* No dot is in any zone's name, and so no ".." and none of the tables beside the zones. */
static bool is_name(const char *name)
{
	size_t len = strnlen(name, ZONES_NAME_BYTES_MAX + 1);

	return len > 0 && len <= ZONES_NAME_BYTES_MAX && name[strspn(name, NAME_CHARACTERS)] == '\0' && name[0] != '/' &&
	       name[len - 1] != '/' && !strstr(name, "//");
}

/* Why a file could not be opened: a wrong name, no tzdata, or something else. */
static int explain(const struct zones *z, const char *name, int code, struct error *error)
{
	struct stat st;

	if (stat(z->directory, &st) != 0 || !S_ISDIR(st.st_mode))
		return fail(ZONES_E_UNKNOWN, error, "time zone \"%s\": there is no %.256s; " INSTALL, name, z->directory);
	if (code == ENOENT || code == ENOTDIR)
		return fail(ZONES_E_UNKNOWN, error,
			    "time zone \"%s\" is not in %.256s; write an IANA name with capitals as there, such as \"Asia/Shanghai\", or \"UTC\"",
			    name, z->directory);
	return fail(ZONES_E_UNUSABLE, error, "time zone \"%s\" cannot be read in %.256s: %s; look at its permissions, or " REINSTALL, name,
		    z->directory, error_text(code));
}

/* The whole file, in memory that the caller frees. */
static int read_zone(const struct zones *z, const char *name, int fd, char **ret_bytes, size_t *ret_len, struct error *error)
{
	struct stat st;
	ssize_t n;
	char *bytes;

	if (fstat(fd, &st) != 0)
		return explain(z, name, errno, error);
	if (!S_ISREG(st.st_mode))
		return fail(ZONES_E_UNKNOWN, error, "time zone \"%s\" is no file in %.256s; write a whole name, such as \"Asia/Shanghai\"", name,
			    z->directory);
	if (st.st_size > (off_t)TZIF_BYTES_MAX)
		return fail(ZONES_E_UNUSABLE, error, "time zone \"%s\": its file in %.256s has %lld bytes, and %zu are the most; " REINSTALL, name,
			    z->directory, (long long)st.st_size, TZIF_BYTES_MAX);
	bytes = malloc(TZIF_BYTES_MAX + 1);
	if (!bytes)
		return -ENOMEM;
	n = machine_read(fd, bytes, TZIF_BYTES_MAX + 1);
	if (n < 0) {
		free(bytes);
		return explain(z, name, (int)-n, error);
	}
	*ret_bytes = bytes;
	*ret_len = (size_t)n;
	return 0;
}

static int load(const struct zones *z, const char *name, struct tzif **ret_zone, struct error *error)
{
	struct error why;
	char *path, *bytes = NULL;
	size_t len = 0;
	int fd, r;

	if (asprintf(&path, "%s/%s", z->directory, name) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	r = fd < 0 ? explain(z, name, errno, error) : 0;
	free(path);
	if (r)
		return r;
	r = read_zone(z, name, fd, &bytes, &len, error);
	close(fd);
	if (r)
		return r;
	r = tzif_new(bytes, len, ret_zone, &why);
	free(bytes);
	if (r == TZIF_E_INVALID)
		return fail(ZONES_E_UNUSABLE, error, "time zone \"%s\": its file in %.200s %.200s; take another zone, or " REINSTALL, name,
			    z->directory, why.text);
	return r;
}

int zones_get(struct zones *z, const char *name, const struct tzif **ret_zone, struct error *ret_error)
{
	struct known *k;
	int r;

	if (!is_name(name))
		return fail(ZONES_E_UNKNOWN, ret_error,
			    "this is no name of a time zone; write an IANA name of at most %d bytes, such as \"Asia/Shanghai\", or \"UTC\"",
			    ZONES_NAME_BYTES_MAX);
	for (k = z->first; k; k = k->next)
		if (strcmp(k->name, name) == 0)
			break;
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		r = load(z, name, &k->zone, ret_error);
		if (r) {
			free(k);
			return r;
		}
		strcpy(k->name, name);
		k->next = z->first;
		z->first = k;
	}
	*ret_zone = k->zone;
	return 0;
}
