/*
 * The state file: opening it, judging whose it is and how it is, loading, committing. See sqlite.h.
 *
 * Write-ahead log, full synchronisation, exclusive lock: a commit is one append to the log and one sync of it, nobody
 * else can change anything in between, and the log's index lives in our memory. What is written is made from
 * record_formats by schema.c; what is read is checked column by column, because somebody may have edited it.
 */
#include "sqlite.h"

#include "core/utf8.h"
#include "failure.h"
#include "row.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_MS 1000 /* a reader, or a daemon that is just ending, may hold it for a moment */
#define LOCK_TRY_MS 50
#define HEADER_BYTES 100
#define JOURNAL_KEPT_BYTES "67108864" /* of the log after a large commit */

struct store {
	sqlite3 *db;
	sqlite3_stmt *upsert[RECORD_KIND_N], *remove[RECORD_KIND_N];
	sqlite3_stmt *select; /* of `loading`, NULL between two kinds */
	unsigned int loading; /* a record_kind; RECORD_KIND_N: all is loaded */
	struct history history;
	struct record_stamp now;
	dev_t log_device; /* of the log, as it was opened */
	ino_t log_inode;
	bool is_new;
	char *path, *shown_path;
};

/* ---- failures ---- */

static int fail_sqlite(struct store *s, int rc, struct store_error *ret_error)
{
	return failure_sqlite(s->db, rc, s->shown_path, ret_error);
}

static int run_sql(struct store *s, const char *sql, struct store_error *ret_error)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail_sqlite(s, rc, ret_error);
}

/* ---- opening: the file ---- */

/* The name must be on the disk as well, or a crash takes the file with all that is in it. */
static int sync_folder(const char *path)
{
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	int fd, r;

	if (!slash) {
		free(folder);
		return -ENOMEM;
	}
	slash[slash == folder ? 1 : 0] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r ? r : sync_folder(path);
}

static int find_file(struct store *s, struct store_error *ret_error)
{
	struct stat st;
	int r = stat(s->path, &st) < 0 ? -errno : 0;

	if (r == -ENOENT) {
		r = make_file(s->path);
		return r == -ENOENT ? failure_set(ret_error, STATE_FAILURE_NO_FOLDER, s->shown_path, "%s", "")
				    : r ? failure_errno(-r, s->shown_path, ret_error) : 0;
	}
	if (r)
		return failure_errno(-r, s->shown_path, ret_error);
	return S_ISREG(st.st_mode) ? 0 : failure_set(ret_error, STATE_FAILURE_UNREADABLE, s->shown_path, "it is no regular file");
}

/*
 * The header as it lies on the disk, read through SQLite's own descriptor, because closing another one would give up
 * the lock. A file that has our format but no good header was damaged; one of another format is another program's.
 */
static int judge_header(struct store *s, struct store_error *ret_error)
{
	static const char magic[16] = "SQLite format 3", zeroes[16];
	unsigned char header[HEADER_BYTES] = { 0 };
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;
	uint32_t id;
	int rc = sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc == SQLITE_OK)
		rc = file->pMethods->xFileSize(file, &size);
	if (rc == SQLITE_OK && size)
		rc = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
	if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) /* short: the rest is zeroes */
		return fail_sqlite(s, rc, ret_error);
	if (!size)
		return 0;
	if (memcmp(header, magic, size < (sqlite3_int64)sizeof(magic) ? (size_t)size : sizeof(magic)) != 0) {
		if (memcmp(header, zeroes, sizeof(zeroes)) == 0)
			return failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "it begins with zeroes");
		return failure_set(ret_error, STATE_FAILURE_FOREIGN, s->shown_path, "it is no SQLite database");
	}
	if (size < HEADER_BYTES)
		return failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "it ends within its header");
	id = (uint32_t)header[68] << 24 | (uint32_t)header[69] << 16 | (uint32_t)header[70] << 8 | header[71];
	if (id && id != SCHEMA_APPLICATION_ID)
		return failure_set(ret_error, STATE_FAILURE_FOREIGN, s->shown_path, "a database with the id 0x%08x", (unsigned int)id);
	return 0;
}

static int open_database(struct store *s, struct store_error *ret_error)
{
	int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc != SQLITE_OK)
		return fail_sqlite(s, rc, ret_error);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* until all of it was read and is good */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	if (sqlite3_db_readonly(s->db, "main")) {
		int e = access(s->path, W_OK) < 0 ? errno : EROFS;

		return failure_set(ret_error, STATE_FAILURE_READ_ONLY, s->shown_path, "%s", strerror(e));
	}
	return judge_header(s, ret_error);
}

/* Exclusive before the log's mode is touched: so its index is in memory, and nobody gets in between. */
static int lock(struct store *s, struct store_error *ret_error)
{
	return run_sql(s, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; BEGIN EXCLUSIVE; COMMIT", ret_error);
}

static int open_and_lock(struct store *s, struct store_error *ret_error)
{
	static const struct timespec pause = { .tv_nsec = LOCK_TRY_MS * NS_PER_MS };

	for (int waited_ms = 0;; waited_ms += LOCK_TRY_MS) {
		int r = open_database(s, ret_error);

		if (!r)
			r = lock(s, ret_error);
		if (!r || ret_error->failure != STATE_FAILURE_LOCKED || waited_ms >= LOCK_WAIT_MS)
			return r;
		sqlite3_close(s->db); /* or two that open at once would wait for each other */
		s->db = NULL;
		nanosleep(&pause, NULL);
	}
}

/* ---- opening: what is in it ---- */

static int set_modes(struct store *s, struct store_error *ret_error)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
	bool is_wal = false;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		is_wal = sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
		rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	if (rc != SQLITE_OK)
		return fail_sqlite(s, rc, ret_error);
	if (!is_wal)
		return failure_set(ret_error, STATE_FAILURE_UNREADABLE, s->shown_path, "its file system cannot hold a write-ahead log");
	return run_sql(s, "PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF; PRAGMA journal_size_limit = " JOURNAL_KEPT_BYTES,
		       ret_error);
}

static int fail_schema(struct store *s, int r, const struct schema *schema, const struct schema_found *found,
		       struct store_error *ret_error)
{
	switch (r) {
	case SCHEMA_E_FOREIGN:
		return failure_set(ret_error, STATE_FAILURE_FOREIGN, s->shown_path, "a database with the id 0x%08x",
				   (unsigned int)found->application_id);
	case SCHEMA_E_NEWER:
		return failure_set(ret_error, STATE_FAILURE_NEWER, s->shown_path, "schema %d, this one knows %d", found->version,
				   schema->version);
	case SCHEMA_E_OLDER:
		return failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "no way leads from its schema %d to %d", found->version,
				   schema->version);
	default:
		if (found->rc == SQLITE_ERROR) /* a step found other tables than it knows */
			return failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "%s", found->text);
		return fail_sqlite(s, found->rc, ret_error);
	}
}

static int upgrade(struct store *s, const struct schema *schema, struct store_error *ret_error)
{
	struct schema_found found;
	int r = schema_identify(s->db, schema, &found);

	if (r)
		return fail_schema(s, r, schema, &found, ret_error);
	s->is_new = found.is_new;
	r = set_modes(s, ret_error);
	if (r)
		return r;
	r = schema_upgrade(s->db, schema, &found);
	return r ? fail_schema(s, r, schema, &found, ret_error) : 0;
}

/*
 * The structure of the tables of records; that their rows make sense is checked as they are loaded. Not of the history,
 * which may be a hundred times as large (a million rows took 1.6 s): nothing depends on it, and what is damaged there
 * fails the commit that meets it.
 */
static int check_table(struct store *s, const char *name, struct store_error *ret_error)
{
	sqlite3_stmt *stmt = NULL;
	char sql[96];
	int rc, r = 0;

	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA quick_check(\"%w\")", name);
	rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW) {
		r = rc == SQLITE_ERROR ? failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "%s", sqlite3_errmsg(s->db))
				       : fail_sqlite(s, rc, ret_error);
	} else {
		const unsigned char *text = sqlite3_column_text(stmt, 0);

		if (!text || strcmp((const char *)text, "ok") != 0)
			r = failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "%s", text ? (const char *)text : "?");
	}
	sqlite3_finalize(stmt);
	return r;
}

static int check(struct store *s, struct store_error *ret_error)
{
	int r = 0;

	for (unsigned int kind = 0; kind < RECORD_KIND_N && !r; kind++)
		r = check_table(s, record_formats[kind].name, ret_error);
	return r;
}

static int prepare(struct store *s, enum schema_statement statement, enum record_kind kind, sqlite3_stmt **ret_stmt)
{
	char *sql = schema_sql(statement, kind);
	int rc = sql ? sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL) : SQLITE_NOMEM;

	sqlite3_free(sql);
	return rc;
}

static int prepare_all(struct store *s, const struct store_options *options, struct store_error *ret_error)
{
	int rc = SQLITE_OK;

	for (unsigned int kind = 0; kind < RECORD_KIND_N && rc == SQLITE_OK; kind++) {
		rc = prepare(s, SCHEMA_UPSERT, (enum record_kind)kind, &s->upsert[kind]);
		if (rc == SQLITE_OK)
			rc = prepare(s, SCHEMA_DELETE, (enum record_kind)kind, &s->remove[kind]);
	}
	if (rc == SQLITE_OK)
		rc = history_init(&s->history, s->db, options->history_max, options->history_target_max);
	if (rc == SQLITE_ERROR) /* a table or a column is not there */
		return failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "%s", sqlite3_errmsg(s->db));
	return rc == SQLITE_OK ? 0 : fail_sqlite(s, rc, ret_error);
}

static const char *log_path(const struct store *s)
{
	return sqlite3_filename_wal(sqlite3_db_filename(s->db, "main"));
}

/* SQLite notices when the file is another one, not when the log is: see check_place(). */
static int note_log(struct store *s, struct store_error *ret_error)
{
	struct stat st;

	if (stat(log_path(s), &st) < 0)
		return failure_errno(errno, s->shown_path, ret_error);
	s->log_device = st.st_dev;
	s->log_inode = st.st_ino;
	return 0;
}

static int open_all(struct store *s, const struct store_options *options, struct store_error *ret_error)
{
	int r = find_file(s, ret_error);

	if (!r)
		r = open_and_lock(s, ret_error);
	if (!r)
		r = upgrade(s, options->schema ? options->schema : &schema_current, ret_error);
	if (!r && !s->is_new)
		r = check(s, ret_error);
	if (!r)
		r = prepare_all(s, options, ret_error);
	if (!r)
		r = note_log(s, ret_error);
	return r;
}

int store_open(const struct store_options *options, struct store **ret_store, struct store_error *ret_error)
{
	const char *shown = options->shown_path ? options->shown_path : options->path;
	struct store *s = calloc(1, sizeof(*s));
	int r = STORE_E_FAILED;

	if (s) {
		s->now = options->now;
		/* a leading slash or dot: SQLite takes names like ":memory:" and "file:…" for something else */
		s->path = sqlite3_mprintf("%s%s", options->path[0] == '/' ? "" : "./", options->path);
		s->shown_path = sqlite3_mprintf("%s", shown);
	}
	if (s && s->path && s->shown_path)
		r = open_all(s, options, ret_error);
	else
		failure_set(ret_error, STATE_FAILURE_MEMORY, shown, "%s", "");
	if (r) {
		store_free(s);
		return r;
	}
	*ret_store = s;
	return 0;
}

struct store *store_free(struct store *s)
{
	if (!s)
		return NULL;
	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++) {
		sqlite3_finalize(s->upsert[kind]);
		sqlite3_finalize(s->remove[kind]);
	}
	sqlite3_finalize(s->select);
	history_deinit(&s->history);
	sqlite3_close(s->db);
	sqlite3_free(s->path);
	sqlite3_free(s->shown_path);
	free(s);
	return NULL;
}

/* ---- loading ---- */

static int fail_row(struct store *s, int r, const struct row_error *error, struct store_error *ret_error)
{
	if (r == ROW_E_SQLITE)
		return fail_sqlite(s, sqlite3_extended_errcode(s->db), ret_error);
	return failure_set(ret_error, STATE_FAILURE_DAMAGED, s->shown_path, "%s", error->text);
}

/* The next row, of the next kind when one is at its end. ret_is_end: there is none. */
static int next_row(struct store *s, bool *ret_is_end, struct store_error *ret_error)
{
	int rc = SQLITE_OK;

	*ret_is_end = false;
	while (s->loading < RECORD_KIND_N) {
		if (!s->select)
			rc = prepare(s, SCHEMA_SELECT, (enum record_kind)s->loading, &s->select);
		if (rc == SQLITE_OK)
			rc = sqlite3_step(s->select);
		if (rc == SQLITE_ROW)
			return 0;
		if (rc != SQLITE_DONE)
			return fail_sqlite(s, rc, ret_error);
		rc = sqlite3_finalize(s->select);
		s->select = NULL;
		s->loading++;
	}
	*ret_is_end = true;
	return 0;
}

int store_load(struct store *s, struct store_part *part, struct store_error *ret_error)
{
	size_t used_all = 0, used = 0;
	struct row_error error;
	bool is_end;
	int r;

	for (part->n = 0; part->n < part->max && part->text_size - used_all >= (size_t)RECORD_TEXTS * (STATE_TEXT_MAX + 1); part->n++) {
		r = next_row(s, &is_end, ret_error);
		if (!r && is_end)
			sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		if (r || is_end)
			return r;
		r = row_read(s->select, (enum record_kind)s->loading, &s->now, part->text + used_all, &part->records[part->n], &used, &error);
		if (r)
			return fail_row(s, r, &error, ret_error);
		used_all += used;
	}
	return 0;
}

/* ---- committing ---- */

/* Deleted, moved or replaced: the file itself, or its log, without which the file is old. */
static int check_place(struct store *s, struct store_error *ret_error)
{
	struct stat st;
	int is_moved = 0;

	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &is_moved);
	if (is_moved)
		return failure_set(ret_error, STATE_FAILURE_MOVED, s->shown_path, "%s", "");
	if (stat(log_path(s), &st) < 0 || st.st_dev != s->log_device || st.st_ino != s->log_inode)
		return failure_set(ret_error, STATE_FAILURE_MOVED, s->shown_path, "its log, the same name with -wal, is gone");
	return 0;
}

static int write_record(struct store *s, const struct record *record, const struct record_stamp *stamp, struct store_error *ret_error)
{
	sqlite3_stmt *stmt = record->is_removed ? s->remove[record->kind] : s->upsert[record->kind];
	struct row_error error;
	int rc, r;

	r = record->is_removed ? row_bind_key(stmt, record, &error) : row_bind(stmt, record, stamp, &error);
	if (r == ROW_E_INVALID) {
		sqlite3_clear_bindings(stmt);
		return failure_set(ret_error, STATE_FAILURE_REFUSED, s->shown_path, "%s", error.text);
	}
	rc = r ? sqlite3_extended_errcode(s->db) : sqlite3_step(stmt);
	if (rc != SQLITE_DONE)
		fail_sqlite(s, rc, ret_error);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE ? 0 : STORE_E_FAILED;
}

static int write_all(struct store *s, const struct state_commit *commit, struct store_error *ret_error)
{
	int r = 0, rc;

	for (size_t i = 0; i < commit->n_records && !r; i++)
		r = write_record(s, &commit->records[i], &commit->stamp, ret_error);
	if (r)
		return r;
	rc = history_add(&s->history, s->db, commit->rows, commit->n_rows);
	return rc == SQLITE_OK ? 0 : fail_sqlite(s, rc, ret_error);
}

int store_commit(struct store *s, const struct state_commit *commit, struct store_error *ret_error)
{
	uint64_t n_rows = s->history.n_rows;
	int r = run_sql(s, "BEGIN IMMEDIATE", ret_error);

	if (!r)
		r = write_all(s, commit, ret_error);
	if (!r)
		r = check_place(s, ret_error);
	if (!r)
		r = run_sql(s, "COMMIT", ret_error);
	if (!r)
		return 0;
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->history.n_rows = n_rows;
	return r;
}

int store_history(struct store *s, const struct state_query *query, struct history_page *page, struct store_error *ret_error)
{
	int rc = history_read(s->db, query, page);

	return rc == SQLITE_OK ? 0 : fail_sqlite(s, rc, ret_error);
}
