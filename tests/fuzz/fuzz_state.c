/*
 * Any file as a state file: no crash, no endless reading, and these always hold: it is loaded to its end or refused with
 * clean words; every record that comes out of it is one that could have gone in; and then a commit holds or fails whole.
 *
 * An input of mode 0 is a list of changes to a good file, five bytes each: where (3, little endian), what, value.
 * 1: the file itself. SQLite is a library here, so only our own code guides the fuzzer.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/utf8.h"
#include "state/sqlite.h"

#define FILE_MAX (1 << 20)
#define RECORDS_MAX 10000 /* more than any such file can hold */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing here must last. */
int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int fsync(int fd)
{
	(void)fd;
	return 0;
}

static const struct record_stamp now = { .boot = 7, .boot_ns = 1000 * NS_PER_S, .wall_s = 1800000000 };
static char folder[64], path[96], wal[104];
static uint8_t base[FILE_MAX], file[FILE_MAX];
static size_t base_size;

static void demand(int is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "fuzz_state: %s\n", what);
	abort();
}

static void demand_words(const struct store_error *error)
{
	demand(error->failure > STATE_FAILURE_NONE && error->failure < STATE_FAILURE_N, "a failure has a kind");
	demand(error->error.text[0] && utf8_is_clean(error->error.text, strlen(error->error.text)), "messages are there and clean");
}

static void demand_record(const struct record *r)
{
	const struct record_format *f = &record_formats[r->kind];

	for (unsigned int i = 0; i < f->n_texts; i++)
		demand(r->text[i] && strlen(r->text[i]) <= STATE_TEXT_MAX, "texts have their limit");
	for (unsigned int i = 0; i < f->n_numbers; i++)
		demand(f->numbers[i].type != COLUMN_NAME || (r->number[i] >= 0 && r->number[i] < f->numbers[i].n_names), "names are known");
}

static struct state_history_row row_of(const char *serial)
{
	struct state_history_row row = { .wall_s = 1 };

	for (unsigned int i = 0; i < HISTORY_TEXTS; i++)
		history_set_text(&row, i, serial);
	return row;
}

static int commit(struct store *s, const char *text, struct store_error *ret_error)
{
	struct record records[RECORD_KIND_N];
	struct state_history_row row = row_of(text);
	struct state_commit all = { .stamp = now, .records = records, .n_records = RECORD_KIND_N, .rows = &row, .n_rows = 1 };

	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		records[kind] = (struct record){ .kind = (enum record_kind)kind };
		for (unsigned int i = 0; i < record_formats[kind].n_texts; i++)
			records[kind].text[i] = text;
	}
	return store_commit(s, &all, ret_error);
}

static int load(struct store *s, struct store_error *ret_error)
{
	static struct record records[100];
	static char text[STORE_PART_TEXT];
	struct store_part part = { .records = records, .max = 100, .text = text, .text_size = sizeof(text) };
	size_t n = 0;
	int r;

	do {
		r = store_load(s, &part, ret_error);
		for (size_t i = 0; !r && i < part.n; i++)
			demand_record(&part.records[i]);
		n += part.n;
		demand(n < RECORDS_MAX, "a load ends");
	} while (!r && part.n);
	return r;
}

static void use(void)
{
	static struct state_history_row rows[STATE_PART_MAX];
	static char text[1 << 20];
	struct store_options options = { .path = path, .now = now };
	struct history_page page = { .rows = rows, .text = text, .size = sizeof(text) };
	struct state_query query = { .limit = 50 };
	struct store_error error = { .failure = STATE_FAILURE_NONE };
	struct store *s = NULL;
	int r = store_open(&options, &s, &error);

	demand((r == 0) == (s != NULL), "a store exactly when there is no error");
	if (!r)
		r = load(s, &error);
	if (!r)
		r = commit(s, "after", &error);
	if (!r)
		r = store_history(s, &query, &page, &error);
	if (r)
		demand_words(&error);
	store_free(s);
}

static void make_base(void)
{
	struct store_options options = { .path = path, .now = now };
	struct store_error error;
	struct store *s;
	FILE *f;

	snprintf(folder, sizeof(folder), "%s/sagpin-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	demand(mkdtemp(folder) != NULL, "a folder");
	snprintf(path, sizeof(path), "%s/state.db", folder);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	demand(store_open(&options, &s, &error) == 0 && load(s, &error) == 0, "a new file");
	for (int i = 0; i < 20; i++) {
		char text[16];

		snprintf(text, sizeof(text), "text %d", i);
		demand(commit(s, text, &error) == 0, "a good commit");
	}
	store_free(s);
	f = fopen(path, "rb");
	demand(f != NULL, "the new file");
	base_size = fread(base, 1, sizeof(base), f);
	fclose(f);
	demand(base_size > 4096 && base_size < sizeof(base), "a small file");
}

static void remove_folder(void)
{
	unlink(path);
	unlink(wal);
	rmdir(folder);
}

/* The good file with the changes; what 0xff cuts the file there, below 8 flips a bit, else a byte is set. */
static size_t change(const uint8_t *data, size_t size)
{
	size_t file_size = base_size;

	memcpy(file, base, base_size);
	for (size_t i = 0; i + 5 <= size && file_size; i += 5) {
		size_t at = ((size_t)data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16) % file_size;

		if (data[i + 3] == 0xff)
			file_size = at;
		else if (data[i + 3] < 8)
			file[at] = (uint8_t)(file[at] ^ 1 << data[i + 3]);
		else
			file[at] = data[i + 4];
	}
	return file_size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t file_size;
	FILE *f;

	if (!base_size) {
		make_base();
		atexit(remove_folder);
	}
	if (!size || size > sizeof(file))
		return 0;
	if (data[0] == 1) {
		file_size = size - 1;
		memcpy(file, data + 1, file_size);
	} else {
		file_size = change(data + 1, size - 1);
	}
	unlink(wal);
	f = fopen(path, "wb");
	demand(f && fwrite(file, 1, file_size, f) == file_size && fclose(f) == 0, "the changed file");
	use();
	return 0;
}
