/*
 * Files to configuration: the only file I/O of config/.
 *
 * Each file is read into memory whole, if it is a regular one within the limits, and never waited for: a FIFO is
 * refused, not opened for reading. The files of include_dir that count end in ".cfg" and do not begin with a dot; they
 * come in the byte order of their names.
 */
#include "internal.h"

#include "base/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct load {
	struct raw raw;
	struct report report;
	EVP_MD_CTX *digest;
	size_t bytes_left; /* of all files together */
};

static const char *error_text(int code)
{
	const char *text = strerrordesc_np(code); /* not by the locale, unlike strerror */

	return text ? text : "unknown error";
}

static void complain(struct load *l, const char *file, const char *text)
{
	report_add(&l->report, CONFIG_ERROR, file, 0, "%s", text);
}

/* The contents with a newline and a terminator behind them: libconfig wants a last line to end. */
static char *read_open_file(struct load *l, const char *file, int fd, size_t *ret_len)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) != 0) {
		complain(l, file, error_text(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		complain(l, file, S_ISDIR(st.st_mode) ? "is a folder; name a file" : "is not a regular file");
		return NULL;
	}
	if ((uint64_t)st.st_size > l->bytes_left) {
		report_add(&l->report, CONFIG_ERROR, file, 0, "is too large; all files together may have %d bytes", CONFIG_FILE_BYTES_MAX);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 3);
	if (!text) {
		l->report.is_without_memory = true;
		return NULL;
	}
	n = machine_read(fd, text, (size_t)st.st_size + 1);
	if (n < 0 || n > st.st_size) {
		complain(l, file, n < 0 ? error_text((int)-n) : "grew while it was read; try again");
		free(text);
		return NULL;
	}
	memcpy(text + n, "\n", 2);
	*ret_len = (size_t)n;
	return text;
}

static char *read_file(struct load *l, int folder, const char *name, const char *file, size_t *ret_len)
{
	int fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *text;

	if (fd < 0) {
		report_add(&l->report, CONFIG_ERROR, file, 0, "cannot be opened: %s", error_text(errno));
		return NULL;
	}
	text = read_open_file(l, file, fd, ret_len);
	close(fd);
	return text;
}

/* Names and contents with their lengths, so that no two sets of files give the same bytes. */
static void hash_part(struct load *l, const char *bytes, size_t len)
{
	uint8_t size[8];

	for (size_t i = 0; i < sizeof(size); i++)
		size[i] = (uint8_t)((uint64_t)len >> (8 * i));
	if (EVP_DigestUpdate(l->digest, size, sizeof(size)) != 1 || EVP_DigestUpdate(l->digest, bytes, len) != 1)
		l->report.is_without_memory = true;
}

static void hash_end(struct load *l, char *ret_hex)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(l->digest, bytes, &n) != 1)
		l->report.is_without_memory = true;
	for (unsigned int i = 0; i < n; i++)
		snprintf(ret_hex + (size_t)2 * i, 3, "%02x", bytes[i]);
}

/* `text` has room for nothing more: it ends with the newline and terminator that reading put there. */
static void load_text(struct load *l, const char *file, const char *name, const char *text, size_t len, bool is_main)
{
	hash_part(l, name, strlen(name));
	hash_part(l, text, len);
	parse_text(&l->raw, file, text, len + 1, is_main);
}

static void load_file(struct load *l, int folder, const char *name, const char *file, bool is_main)
{
	size_t len = 0;
	char *text = read_file(l, folder, name, file, &len);

	if (!text) {
		l->raw.is_incomplete = true;
		return;
	}
	l->bytes_left -= len;
	load_text(l, file, is_main && strrchr(name, '/') ? strrchr(name, '/') + 1 : name, text, len, is_main);
	free(text);
}

static int is_config_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".cfg") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_folder(struct load *l, int folder, const char *path)
{
	struct dirent **entries = NULL;
	int n = scandirat(folder, ".", &entries, is_config_name, by_bytes);
	char file[2 * CONFIG_PATH_MAX + 300];

	if (n < 0)
		report_add(&l->report, CONFIG_ERROR, path, 0, "cannot be read: %s", error_text(errno));
	else if (n >= CONFIG_FILES_MAX)
		report_add(&l->report, CONFIG_ERROR, path, 0, "holds %d files; with the main file %d are allowed", n, CONFIG_FILES_MAX);
	for (int i = 0; i < n; i++) {
		if (n < CONFIG_FILES_MAX) {
			snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
			load_file(l, folder, entries[i]->d_name, file, false);
		}
		free(entries[i]);
	}
	free(entries);
}

static void load_include_dir(struct load *l, const char *main_file)
{
	const char *name = l->raw.include_dir.text;
	char path[2 * CONFIG_PATH_MAX + 2];
	int folder;

	if (!l->raw.folder) {
		report_add(&l->report, CONFIG_ERROR, main_file, l->raw.include_dir.line, "include_dir: needs a main file");
		return;
	}
	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", l->raw.folder, name);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		report_add(&l->report, CONFIG_ERROR, main_file, l->raw.include_dir.line,
			   "include_dir: the folder \"%s\" cannot be opened: %s; create it or remove the key", path, error_text(errno));
		l->raw.is_incomplete = true;
		return;
	}
	load_folder(l, folder, path);
	close(folder);
}

static int load_begin(struct load *l)
{
	l->raw.report = &l->report;
	l->raw.now_s = CONFIG_TEXT_NOW_S;
	l->bytes_left = (size_t)CONFIG_FILE_BYTES_MAX;
	l->digest = EVP_MD_CTX_new();
	if (!l->digest || EVP_DigestInit_ex(l->digest, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	return zones_new(&l->raw.zones);
}

static int load_end(struct load *l, const char *main_file, struct config **ret_config, struct config_messages *ret_messages)
{
	struct config *c = NULL;
	int r = 0;

	l->raw.n_main_pins = l->raw.pins.n;
	if (l->raw.include_dir.text)
		load_include_dir(l, main_file);
	if (!l->report.is_without_memory)
		r = validate(&l->raw, &c);
	if (c)
		hash_end(l, c->hash);
	if (l->report.is_without_memory)
		r = -ENOMEM;
	else if (r == 0 && (l->report.messages.n_errors || !c))
		r = CONFIG_E_INVALID;
	report_finish(&l->report);
	*ret_messages = l->report.messages;
	if (r == 0)
		*ret_config = c;
	else
		config_free(c);
	return r;
}

static void load_deinit(struct load *l)
{
	raw_deinit(&l->raw);
	EVP_MD_CTX_free(l->digest);
}

/* The folder of a file, in ret_folder; false when the path is too long. */
static bool folder_of(const char *path, char *ret_folder, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 1;

	if (strlen(path) >= size)
		return false;
	memcpy(ret_folder, slash ? path : ".", len);
	ret_folder[len] = '\0';
	if (!len)
		memcpy(ret_folder, "/", 2);
	return true;
}

int config_load(const char *path, struct config **ret_config, struct config_messages *ret_messages)
{
	struct load l = { .digest = NULL };
	char folder[CONFIG_PATH_MAX + 1];
	int r = load_begin(&l);

	*ret_messages = (struct config_messages){ 0 };
	if (r == 0) {
		l.raw.folder = folder;
		l.raw.now_s = (int64_t)time(NULL);
		if (folder_of(path, folder, sizeof(folder))) {
			load_file(&l, AT_FDCWD, path, path, true);
		} else {
			complain(&l, path, "the path is too long");
			l.raw.is_incomplete = true;
		}
		r = load_end(&l, path, ret_config, ret_messages);
	}
	load_deinit(&l);
	return r;
}

int config_from_text(const char *name, const char *text, size_t len, struct config **ret_config, struct config_messages *ret_messages)
{
	struct load l = { .digest = NULL };
	char *copy = malloc(len + 2);
	int r = load_begin(&l);

	*ret_messages = (struct config_messages){ 0 };
	if (r == 0 && copy) {
		if (len)
			memcpy(copy, text, len);
		memcpy(copy + len, "\n", 2);
		load_text(&l, name, name, copy, len, true);
		r = load_end(&l, name, ret_config, ret_messages);
	} else {
		r = -ENOMEM;
	}
	free(copy);
	load_deinit(&l);
	return r;
}
