/* The failures of a state file as a table, and the way from errno and SQLite's codes to them. See failure.h. */
#include "failure.h"

#include "core/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SEEN_MAX 200
#define PATH_SHOWN 160

const char *const state_failure_names[STATE_FAILURE_N] = { "none",	 "locked",    "newer", "foreign", "no_folder", "damaged",
							    "unreadable", "read_only", "full",	"moved",   "busy",	"refused",	"memory" };

bool state_failure_is_fatal(enum state_failure failure)
{
	return failure == STATE_FAILURE_LOCKED || failure == STATE_FAILURE_NEWER || failure == STATE_FAILURE_FOREIGN;
}

/* "the state file PATH <what> (seen): <next>" */
static const struct {
	const char *what, *next;
} texts[STATE_FAILURE_N] = {
	[STATE_FAILURE_NONE] = { "is good", "there is nothing to do" },
	[STATE_FAILURE_LOCKED] = { "is held by another sagpin", "stop that one, or name another file as state" },
	[STATE_FAILURE_NEWER] = { "was written by a newer sagpin", "install that version again, or restore a copy of the file from before it" },
	[STATE_FAILURE_FOREIGN] = { "belongs to another program", "name another file as state" },
	[STATE_FAILURE_NO_FOLDER] = { "cannot be made, because its folder is missing", "make the folder, owned by the user of sagpin, and restart sagpin" },
	[STATE_FAILURE_DAMAGED] = { "is damaged", "stop sagpin, keep a copy of the file, and restore a backup; or move it away: without it sagpin settles first, then starts anew" },
	[STATE_FAILURE_UNREADABLE] = { "cannot be used", "see to its permissions and its disk, then restart sagpin" },
	[STATE_FAILURE_READ_ONLY] = { "cannot be written", "make it and its folder writable for the user of sagpin, then restart sagpin" },
	[STATE_FAILURE_FULL] = { "has no room to grow", "make room on its disk, or raise the quota or the limit on file sizes" },
	[STATE_FAILURE_MOVED] = { "was deleted, moved or replaced under the running sagpin", "put it back, or restart sagpin: without it sagpin settles first, then starts anew" },
	[STATE_FAILURE_BUSY] = { "cannot take this now", "it is tried again" },
	[STATE_FAILURE_REFUSED] = { "was given a record that cannot be one", "this is a fault of sagpin: report it" },
	[STATE_FAILURE_MEMORY] = { "needs more memory than there is", "free some, or raise the limit of sagpin" },
};

int failure_set(struct store_error *ret_error, enum state_failure failure, const char *path, const char *format, ...)
{
	char raw[SEEN_MAX], seen[SEEN_MAX * UTF8_CLEAN_GROWTH], file[PATH_SHOWN + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	utf8_clean(raw, strlen(raw), seen, sizeof(seen));
	utf8_clean(path, strlen(path), file, sizeof(file));
	ret_error->failure = failure;
	snprintf(ret_error->error.text, sizeof(ret_error->error.text), "the state file %s %s%s%.*s%s: %s", file, texts[failure].what,
		 seen[0] ? " (" : "", SEEN_MAX, seen, seen[0] ? ")" : "", texts[failure].next);
	return STORE_E_FAILED;
}

int failure_errno(int error, const char *path, struct store_error *ret_error)
{
	static const struct {
		int error;
		enum state_failure failure;
	} table[] = {
		{ ENOSPC, STATE_FAILURE_FULL },	    { EDQUOT, STATE_FAILURE_FULL },   { EFBIG, STATE_FAILURE_FULL },
		{ EROFS, STATE_FAILURE_READ_ONLY }, { ENOMEM, STATE_FAILURE_MEMORY },
	};
	enum state_failure failure = STATE_FAILURE_UNREADABLE;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].error == error)
			failure = table[i].failure;
	}
	return failure_set(ret_error, failure, path, "%s", strerror(error));
}

/* A failed COMMIT does not tell the connection why; the file that failed knows: the log, or the database itself. */
static int system_error(sqlite3 *db)
{
	static const int which[] = { SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER };
	int error = db ? sqlite3_system_errno(db) : 0;

	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]) && db && !error; i++) {
		sqlite3_file *file = NULL;

		if (sqlite3_file_control(db, "main", which[i], &file) == SQLITE_OK && file && file->pMethods)
			file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
	}
	return error;
}

int failure_sqlite(sqlite3 *db, int rc, const char *path, struct store_error *ret_error)
{
	int error = system_error(db);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return failure_set(ret_error, STATE_FAILURE_LOCKED, path, "%s", "");
	case SQLITE_NOMEM:
		return failure_set(ret_error, STATE_FAILURE_MEMORY, path, "%s", "");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
		return failure_set(ret_error, STATE_FAILURE_DAMAGED, path, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	case SQLITE_FULL:
		return failure_set(ret_error, STATE_FAILURE_FULL, path, "%s", sqlite3_errstr(rc));
	case SQLITE_READONLY:
		return failure_set(ret_error, STATE_FAILURE_READ_ONLY, path, "%s", sqlite3_errstr(rc));
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (rc == SQLITE_IOERR_SHORT_READ)
			return failure_set(ret_error, STATE_FAILURE_DAMAGED, path, "it ends too early");
		if (error)
			return failure_errno(error, path, ret_error);
		return failure_set(ret_error, STATE_FAILURE_UNREADABLE, path, "%s", sqlite3_errstr(rc));
	default:
		return failure_set(ret_error, STATE_FAILURE_UNREADABLE, path, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	}
}
