/*
 * Reads an access key from the environment or from the vendor's INI file.
 *
 * Messages name the variable, file, section or key and the next step, never what stood there. Every copy that
 * this file makes is wiped; what cannot be used is an error, never a shorter key.
 */
#include "cloud/credentials.h"

#include "base/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX 65536
#define DEFAULT_PROFILE "default"

const char *const credentials_source_names[CREDENTIALS_SOURCE_N] = {
	[CREDENTIALS_ENV] = "env",
	[CREDENTIALS_FILE] = "file",
	[CREDENTIALS_ECS_RAM_ROLE] = "ecs_ram_role",
	[CREDENTIALS_URI] = "uri",
	[CREDENTIALS_OIDC] = "oidc",
	[CREDENTIALS_ASSUME_ROLE] = "assume_role",
};

__attribute__((format(printf, 2, 3))) static int missing(struct error *ret_error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(ret_error->text, sizeof(ret_error->text), format, args);
	va_end(args);
	return CREDENTIALS_E_MISSING;
}

bool credentials_is_clean(const char *value)
{
	for (; *value; value++)
		if (*value <= ' ' || *value > '~')
			return false;
	return true;
}

bool credentials_is_role_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	/* "." and ".." are no names but ways in a path */
	return n > 0 && n <= CREDENTIALS_ROLE_MAX && !name[n] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* `what` names the place: "the variable X" or "key X of section [Y] in FILE". */
static int store(const char *what, const char *value, char *dest, size_t size, struct error *ret_error)
{
	if (strlen(value) >= size)
		return missing(ret_error, "%s is longer than %zu bytes: put the access key itself there", what, size - 1);
	if (!credentials_is_clean(value))
		return missing(ret_error, "%s holds a space, a line break or another character that no key has: remove it",
			       what);
	memcpy(dest, value, strlen(value) + 1);
	return 0;
}

static int load_env(struct credentials *c, struct error *ret_error)
{
	const struct {
		const char *name;
		char *dest;
		size_t size;
		bool is_required;
	} table[] = {
		{ "ALIBABA_CLOUD_ACCESS_KEY_ID", c->access_key_id, sizeof(c->access_key_id), true },
		{ "ALIBABA_CLOUD_ACCESS_KEY_SECRET", c->access_key_secret, sizeof(c->access_key_secret), true },
		{ "ALIBABA_CLOUD_SECURITY_TOKEN", c->security_token, sizeof(c->security_token), false },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *value = getenv(table[i].name);
		char what[128];
		if (value && *value) {
			snprintf(what, sizeof(what), "the environment variable %s", table[i].name);
			int r = store(what, value, table[i].dest, table[i].size, ret_error);
			if (r)
				return r;
		} else if (table[i].is_required) {
			return missing(ret_error, "the environment variable %s is not set: set it, or use a credentials file",
				       table[i].name);
		}
	}
	return 0;
}

/* As given, from the environment, or the vendor's place in the home directory. */
int credentials_find_path(const char *path, char *ret_path, size_t size, struct error *ret_error)
{
	if (!path)
		path = getenv("ALIBABA_CLOUD_CREDENTIALS_FILE");
	const char *home = getenv("HOME");
	int n;
	if (path && *path)
		n = snprintf(ret_path, size, "%s", path);
	else if (home && *home)
		n = snprintf(ret_path, size, "%s/.alibabacloud/credentials", home);
	else
		return missing(ret_error, "no credentials file is named and HOME is not set: "
					  "set a path, or ALIBABA_CLOUD_CREDENTIALS_FILE");
	if (n < 0 || (size_t)n >= size)
		return missing(ret_error, "the path of the credentials file is longer than %zu bytes", size - 1);
	return 0;
}

int credentials_read_file(const char *path, const char *what, char *buf, size_t size, struct error *ret_error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not block */
	if (fd < 0)
		return missing(ret_error, "%s: %s: create the %s or let the daemon's user read it", path, strerror(errno), what);
	struct stat st;
	ssize_t n = 0;
	int r = 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		r = missing(ret_error, "%s is not a regular file: name the %s itself", path, what);
	else
		n = machine_read(fd, buf, size); /* the last byte shows a file that is too large */
	close(fd);
	if (r)
		return r;
	if (n < 0)
		return missing(ret_error, "%s: %s: let the daemon's user read it", path, strerror((int)-n));
	if ((size_t)n == size)
		return missing(ret_error, "%s is larger than %zu bytes: it is no %s", path, size - 1, what);
	if (memchr(buf, '\0', (size_t)n))
		return missing(ret_error, "%s holds a NUL byte: it is no text file", path);
	buf[n] = '\0';
	return 0;
}

enum key {
	KEY_TYPE,
	KEY_ID,
	KEY_SECRET,
	KEY_TOKEN,
	KEY_N,
};
static const char *const key_names[KEY_N] = { "type", "access_key_id", "access_key_secret", "sts_token" };

struct profile {
	const char *path, *name;
	bool is_seen;           /* the section has at least one key */
	bool is_key_seen[KEY_N];
	char type[32];
	struct credentials *credentials;
	struct error *error;
	int result;
};

static void name_key(const struct profile *p, enum key key, char *buf, size_t size)
{
	snprintf(buf, size, "key %s of section [%s] in %s", key_names[key], p->name, p->path);
}

/* inih's handler: non-zero goes on. The first problem is the one that is told. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct profile *p = user;
	if (p->result || strcmp(section, p->name) != 0)
		return 1;
	const struct {
		char *dest;
		size_t size;
	} places[KEY_N] = {
		[KEY_TYPE] = { p->type, sizeof(p->type) },
		[KEY_ID] = { p->credentials->access_key_id, sizeof(p->credentials->access_key_id) },
		[KEY_SECRET] = { p->credentials->access_key_secret, sizeof(p->credentials->access_key_secret) },
		[KEY_TOKEN] = { p->credentials->security_token, sizeof(p->credentials->security_token) },
	};
	p->is_seen = true;
	for (enum key key = 0; key < KEY_N; key++) {
		char what[400];
		if (strcmp(name, key_names[key]) != 0)
			continue;
		name_key(p, key, what, sizeof(what));
		if (p->is_key_seen[key])
			p->result = missing(p->error, "%s stands there twice: remove one", what);
		else
			p->result = store(what, value, places[key].dest, places[key].size, p->error);
		p->is_key_seen[key] = *value != '\0';
	}
	return 1;
}

/* What a complete profile of either type has. */
static int check_profile(const struct profile *p)
{
	bool is_sts = strcmp(p->type, "sts") == 0;
	if (!p->is_seen)
		return missing(p->error, "%s has no section [%s]: add it, or name another profile", p->path, p->name);
	if (p->is_key_seen[KEY_TYPE] && !is_sts && strcmp(p->type, "access_key") != 0)
		return missing(p->error,
			       "key type of section [%s] in %s is not supported: use access_key or sts there, or another source", p->name,
			       p->path);
	for (enum key key = KEY_ID; key <= (is_sts ? KEY_TOKEN : KEY_SECRET); key++) {
		char what[400];
		name_key(p, key, what, sizeof(what));
		if (!p->is_key_seen[key])
			return missing(p->error, "%s is missing: add it", what);
	}
	return 0;
}

static int parse_file(char *text, struct profile *p)
{
	/* Room for the whole file as one line: a longer line would be cut in two, and its rest read as another key. */
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_initial_alloc = FILE_BYTES_MAX + 4;
	ini_max_line = FILE_BYTES_MAX + 4;
	ini_allow_multiline = false;
	int line = ini_parse_string(text, on_key, p);
	if (line < 0)
		return -ENOMEM;
	if (p->result)
		return p->result;
	if (line > 0)
		return missing(p->error, "%s, line %d: neither a [section] nor a key = value: correct that line", p->path,
			       line);
	return check_profile(p);
}

static int load_file(const char *path, const char *profile, struct credentials *c, struct error *ret_error)
{
	char found[256];
	int r = credentials_find_path(path, found, sizeof(found), ret_error);
	if (r)
		return r;
	char *text = malloc(FILE_BYTES_MAX + 1);
	if (!text)
		return -ENOMEM;
	struct profile p = {
		.path = found,
		.name = profile && *profile ? profile : DEFAULT_PROFILE,
		.credentials = c,
		.error = ret_error,
	};
	r = credentials_read_file(found, "credentials file", text, FILE_BYTES_MAX + 1, ret_error);
	if (r == 0)
		r = parse_file(text, &p);
	if (r == 0 && strcmp(p.type, "sts") != 0)
		explicit_bzero(c->security_token, sizeof(c->security_token)); /* a left-over of another type */
	explicit_bzero(text, FILE_BYTES_MAX + 1);
	free(text);
	return r;
}

int credentials_load(enum credentials_source source, const char *path, const char *profile,
		     struct credentials *ret_credentials, struct error *ret_error)
{
	struct credentials c = { 0 };
	int r = source == CREDENTIALS_ENV ? load_env(&c, ret_error) : load_file(path, profile, &c, ret_error);
	if (r == 0)
		*ret_credentials = c;
	credentials_wipe(&c);
	return r;
}

void credentials_wipe(struct credentials *c)
{
	explicit_bzero(c, sizeof(*c));
}

struct sign_key credentials_key(const struct credentials *c)
{
	return (struct sign_key){
		.access_key_id = c->access_key_id,
		.access_key_secret = c->access_key_secret,
		.security_token = c->security_token[0] ? c->security_token : NULL,
	};
}
