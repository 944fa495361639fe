/* Columns by type, in both directions. See row.h. */
#include "row.h"

#include "core/utf8.h"
#include "state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A clock beyond these was never written by us, and sums with it could overflow. */
#define BOOT_MAX_NS (RECORD_SHIFT_MAX_S * NS_PER_S)
#define WALL_MAX_S (INT64_C(1) << 52)
#define NEVER INT64_MIN

/*
 * The one judge of texts, so that what was written can be read again: UTF-8, short enough, and without the controls
 * beyond ASCII; those of ASCII pass, an operator's reason may have lines.
 */
static bool is_text(const char *text, size_t len)
{
	char plain[STATE_TEXT_MAX];

	if (len > sizeof(plain))
		return false;
	for (size_t i = 0; i < len; i++)
		plain[i] = (text[i] > 0 && text[i] < ' ') || text[i] == 0x7f ? ' ' : text[i];
	return utf8_is_clean(plain, len);
}

/* ---- writing ---- */

__attribute__((format(printf, 4, 5))) static int refuse(const struct record *record, const char *column, struct row_error *ret_error,
							const char *format, ...)
{
	const char *table = record_formats[record->kind].name;
	va_list args;
	int n = snprintf(ret_error->text, sizeof(ret_error->text), "a record for table %s: column %s ", table, column);

	va_start(args, format);
	if (n > 0 && (size_t)n < sizeof(ret_error->text))
		vsnprintf(ret_error->text + n, sizeof(ret_error->text) - (size_t)n, format, args);
	va_end(args);
	return ROW_E_INVALID;
}

static int bind_texts(sqlite3_stmt *stmt, const struct record *record, unsigned int n, struct row_error *ret_error)
{
	for (unsigned int i = 0; i < n; i++) {
		size_t len = strlen(record->text[i]);

		if (!is_text(record->text[i], len))
			return refuse(record, record_formats[record->kind].texts[i], ret_error, "is no UTF-8 or longer than %d bytes",
				      STATE_TEXT_MAX);
		if (sqlite3_bind_text(stmt, (int)i + 1, record->text[i], (int)len, SQLITE_STATIC) != SQLITE_OK)
			return ROW_E_SQLITE;
	}
	return 0;
}

static int bind_number(sqlite3_stmt *stmt, int at, const struct record *record, unsigned int i, struct row_error *ret_error)
{
	const struct record_column *column = &record_formats[record->kind].numbers[i];
	int64_t number = record->number[i];
	int rc;

	if (column->type == COLUMN_NAME && (number < 0 || number >= column->n_names))
		return refuse(record, column->name, ret_error, "is %lld, which has no name", (long long)number);
	if (column->type == COLUMN_NAME)
		rc = sqlite3_bind_text(stmt, at, column->names[number], -1, SQLITE_STATIC);
	else if (column->type == COLUMN_TIME && number == NEVER)
		rc = sqlite3_bind_null(stmt, at);
	else
		rc = sqlite3_bind_int64(stmt, at, number);
	return rc == SQLITE_OK ? 0 : ROW_E_SQLITE;
}

static int bind_numbers(sqlite3_stmt *stmt, int at, const struct record *record, unsigned int n, struct row_error *ret_error)
{
	int r = 0;

	for (unsigned int i = 0; i < n && !r; i++)
		r = bind_number(stmt, at + (int)i, record, i, ret_error);
	return r;
}

int row_bind(sqlite3_stmt *stmt, const struct record *record, const struct record_stamp *stamp, struct row_error *ret_error)
{
	const struct record_format *f = &record_formats[record->kind];
	int at = (int)(f->n_texts + f->n_numbers) + 1;
	int r = bind_texts(stmt, record, f->n_texts, ret_error);

	if (!r)
		r = bind_numbers(stmt, (int)f->n_texts + 1, record, f->n_numbers, ret_error);
	if (r)
		return r;
	if (sqlite3_bind_int64(stmt, at, (sqlite3_int64)stamp->boot) != SQLITE_OK ||
	    sqlite3_bind_int64(stmt, at + 1, stamp->boot_ns) != SQLITE_OK || sqlite3_bind_int64(stmt, at + 2, stamp->wall_s) != SQLITE_OK)
		return ROW_E_SQLITE;
	return 0;
}

int row_bind_key(sqlite3_stmt *stmt, const struct record *record, struct row_error *ret_error)
{
	const struct record_format *f = &record_formats[record->kind];
	int r = bind_texts(stmt, record, f->n_key_texts, ret_error);

	return r ? r : bind_numbers(stmt, (int)f->n_key_texts + 1, record, f->n_key_numbers, ret_error);
}

/* ---- reading ---- */

/* Where a row is being read, for the words about it. */
struct reader {
	sqlite3_stmt *stmt;
	const struct record_format *format;
	struct row_error *error;
};

static void add_value(char *text, size_t size, sqlite3_stmt *stmt, int at)
{
	const unsigned char *value = sqlite3_column_text(stmt, at);
	char clean[65];

	if (value)
		utf8_clean((const char *)value, strnlen((const char *)value, 64), clean, sizeof(clean));
	snprintf(text, size, "%.*s", (int)size - 1, value ? clean : "NULL");
}

static int odd(const struct reader *r, int at, const char *column, const char *what)
{
	const struct record_format *f = r->format;
	char value[65], key[80] = "";
	size_t used = 0;

	for (unsigned int i = 0; i < f->n_key_texts + f->n_key_numbers && used < sizeof(key) - 1; i++) {
		unsigned int place = i < f->n_key_texts ? i : f->n_texts + i - f->n_key_texts;

		add_value(value, sizeof(value), r->stmt, (int)place);
		used += (size_t)snprintf(key + used, sizeof(key) - used, "%s%s", i ? ", " : "", value);
	}
	add_value(value, 41, r->stmt, at);
	snprintf(r->error->text, sizeof(r->error->text), "table %s, key %s: column %s is %s, %s", f->name, key, column, value, what);
	return ROW_E_INVALID;
}

static int read_text(const struct reader *r, int at, const char *column, char *text, size_t *ret_len)
{
	const char *value = (const char *)sqlite3_column_text(r->stmt, at);
	size_t len = (size_t)sqlite3_column_bytes(r->stmt, at);

	if (sqlite3_column_type(r->stmt, at) != SQLITE_TEXT || !value)
		return odd(r, at, column, "no text");
	if (!is_text(value, len))
		return odd(r, at, column, "which is no UTF-8 or too long");
	memcpy(text, value, len + 1);
	*ret_len = len;
	return 0;
}

static int read_name(const struct reader *r, int at, const struct record_column *column, int64_t *ret_number)
{
	const char *value = (const char *)sqlite3_column_text(r->stmt, at);

	for (unsigned int i = 0; value && i < column->n_names; i++) {
		if (strcmp(value, column->names[i]) == 0) {
			*ret_number = i;
			return 0;
		}
	}
	return odd(r, at, column->name, "which this sagpin does not know");
}

static int read_number(const struct reader *r, int at, const struct record_column *column, int64_t shift, int64_t *ret_number)
{
	int64_t number;

	if (column->type == COLUMN_NAME)
		return read_name(r, at, column, ret_number);
	if (column->type == COLUMN_TIME && sqlite3_column_type(r->stmt, at) == SQLITE_NULL) {
		*ret_number = NEVER;
		return 0;
	}
	if (sqlite3_column_type(r->stmt, at) != SQLITE_INTEGER)
		return odd(r, at, column->name, "no integer");
	number = sqlite3_column_int64(r->stmt, at);
	if (column->type == COLUMN_TIME && (__builtin_add_overflow(number, shift, &number) || number == NEVER))
		return odd(r, at, column->name, "a time that cannot be");
	*ret_number = number;
	return 0;
}

static int read_stamp(const struct reader *r, int at, struct record_stamp *ret_stamp)
{
	for (int i = 0; i < 3; i++) {
		if (sqlite3_column_type(r->stmt, at + i) != SQLITE_INTEGER)
			return odd(r, at + i, "written", "no integer");
	}
	ret_stamp->boot = (uint64_t)sqlite3_column_int64(r->stmt, at);
	ret_stamp->boot_ns = sqlite3_column_int64(r->stmt, at + 1);
	ret_stamp->wall_s = sqlite3_column_int64(r->stmt, at + 2);
	if (ret_stamp->boot_ns < 0 || ret_stamp->boot_ns > BOOT_MAX_NS)
		return odd(r, at + 1, "written_boot_ns", "a time that cannot be");
	if (ret_stamp->wall_s < 0 || ret_stamp->wall_s > WALL_MAX_S)
		return odd(r, at + 2, "written_wall_s", "a time that cannot be");
	return 0;
}

int row_read(sqlite3_stmt *stmt, enum record_kind kind, const struct record_stamp *now, char *text, struct record *ret_record,
	     size_t *ret_used, struct row_error *ret_error)
{
	const struct record_format *f = &record_formats[kind];
	const struct reader reader = { stmt, f, ret_error };
	int n_texts = (int)f->n_texts, r = 0;
	struct record_stamp written;
	size_t used = 0, len = 0;

	*ret_record = (struct record){ .kind = kind };
	for (int i = 0; i < n_texts && !r; i++) {
		ret_record->text[i] = text + used;
		r = read_text(&reader, i, f->texts[i], text + used, &len);
		if (!r)
			used += len + 1;
	}
	if (!r)
		r = read_stamp(&reader, n_texts + (int)f->n_numbers, &written);
	if (r)
		return r;
	for (unsigned int i = 0; i < f->n_numbers && !r; i++)
		r = read_number(&reader, n_texts + (int)i, &f->numbers[i], record_shift(&written, now), &ret_record->number[i]);
	*ret_used = used;
	return r;
}
