/* Messages around one state file: tasks that go to the worker, and come back with what they have to tell. See state.h. */
#include "state.h"

#include "failure.h"
#include "sqlite.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define N_LOAD_TASKS 3 /* one is read, one waits, one is being used */
#define QUEUE_MAX_BYTES ((size_t)64 << 20)
#define HISTORY_TEXT ((size_t)1 << 20)

enum task_kind {
	TASK_LOAD, /* opens first; comes back until all is loaded */
	TASK_COMMIT,
	TASK_HISTORY,
};

/* One job and its one message. What it points to lies behind it in the same memory. */
struct task {
	struct worker_job job; /* first: a job is its task */
	struct state *s;
	enum task_kind kind;
	struct state_message message;
	struct store_error error;
	bool is_silent; /* nothing to tell */
	struct task *next;
	struct store_part part;     /* LOAD */
	struct state_commit commit; /* COMMIT */
	struct state_query query;   /* HISTORY */
	struct history_page page;
};

struct state {
	struct worker *worker;
	char *path;
	struct state_options options;
	/* the worker's alone until it has ended */
	struct store *store;
	struct store_error failed; /* to open or to load */
	bool is_opened, is_loaded, has_records;
	/* the loop's alone */
	struct task *ready, **last; /* have run, to be told */
	struct task *told;          /* its message is in the caller's hands */
};

/* ---- memory: a task and all that it points to in one piece ---- */

struct piece {
	char *next;
};

static char *take_text(struct piece *piece, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = piece->next;

	memcpy(copy, text, size);
	piece->next += size;
	return copy;
}

/* ---- on the worker's thread ---- */

static void fail_open(struct state *s, struct task *t)
{
	s->failed = t->error;
	s->store = store_free(s->store);
	t->message = (struct state_message){ .kind = STATE_OPEN_FAILED, .failure = t->error.failure, .error = t->error.error.text };
}

static void run_load(struct state *s, struct task *t)
{
	int r = 0;

	t->is_silent = s->is_loaded || s->failed.failure != STATE_FAILURE_NONE;
	if (t->is_silent)
		return;
	if (!s->is_opened) {
		struct store_options options = { .path = s->path,
						 .now = s->options.now,
						 .history_max = s->options.history_max,
						 .history_target_max = s->options.history_target_max };

		s->is_opened = true;
		r = store_open(&options, &s->store, &t->error);
	}
	if (!r)
		r = store_load(s->store, &t->part, &t->error);
	if (r) {
		fail_open(s, t);
	} else if (t->part.n) {
		s->has_records = true;
		t->message = (struct state_message){ .kind = STATE_LOADED, .records = t->part.records, .n_records = t->part.n };
	} else {
		s->is_loaded = true;
		t->message = (struct state_message){ .kind = STATE_LOAD_ENDED, .is_first_life = !s->has_records };
	}
}

/* Why nothing can be asked of the store now; false: it can. */
static bool is_refused(struct state *s, struct task *t)
{
	if (s->failed.failure != STATE_FAILURE_NONE)
		t->error = s->failed;
	else if (!s->is_loaded)
		failure_set(&t->error, STATE_FAILURE_BUSY, s->path, "it is still being read");
	else
		return false;
	return true;
}

static void run_commit(struct state *s, struct task *t)
{
	bool is_failed = is_refused(s, t) || store_commit(s->store, &t->commit, &t->error) != 0;

	t->message.kind = is_failed ? STATE_FAILED : STATE_COMMITTED;
}

static void run_history(struct state *s, struct task *t)
{
	if (is_refused(s, t) || store_history(s->store, &t->query, &t->page, &t->error) != 0)
		t->page.n_rows = 0;
	t->message.kind = STATE_HISTORY;
	t->message.rows = t->page.rows;
	t->message.n_rows = t->page.n_rows;
	t->message.has_more = t->page.has_more;
}

static int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void run(struct worker_job *job)
{
	static void (*const runs[])(struct state *s, struct task *t) = {
		[TASK_LOAD] = run_load,
		[TASK_COMMIT] = run_commit,
		[TASK_HISTORY] = run_history,
	};
	struct task *t = (struct task *)job;
	int64_t began = clock_ns();

	t->error = (struct store_error){ .failure = STATE_FAILURE_NONE };
	runs[t->kind](t->s, t);
	t->message.duration_ns = clock_ns() - began;
	t->message.failure = t->error.failure;
	t->message.error = t->error.error.text;
}

/* ---- on the loop's thread ---- */

static void add_ready(struct task *t)
{
	t->next = NULL;
	*t->s->last = t;
	t->s->last = &t->next;
}

static void done(struct worker_job *job)
{
	struct task *t = (struct task *)job;

	if (t->is_silent)
		free(t);
	else
		add_ready(t);
}

static struct task *new_task(struct state *s, enum task_kind kind, size_t more_bytes)
{
	struct task *t = malloc(sizeof(*t) + more_bytes);

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->job = (struct worker_job){ .run = run, .done = done, .size_bytes = sizeof(*t) + more_bytes };
	t->s = s;
	t->kind = kind;
	return t;
}

/* To the worker, or, when that holds too much, straight back with what it would say. */
static void send(struct task *t)
{
	if (worker_add(t->s->worker, &t->job) == 0)
		return;
	failure_set(&t->error, STATE_FAILURE_BUSY, t->s->path, "too much is waiting for it");
	t->message.kind = t->kind == TASK_HISTORY ? STATE_HISTORY : STATE_FAILED;
	t->message.failure = t->error.failure;
	t->message.error = t->error.error.text;
	add_ready(t);
	worker_wake(t->s->worker);
}

static int start_loading(struct state *s)
{
	for (int i = 0; i < N_LOAD_TASKS; i++) {
		struct task *t = new_task(s, TASK_LOAD, STATE_PART_MAX * sizeof(struct record) + STORE_PART_TEXT);

		if (!t)
			return -ENOMEM;
		t->job.size_bytes = 0; /* it must never be too much */
		t->part.records = (struct record *)(t + 1);
		t->part.max = STATE_PART_MAX;
		t->part.text = (char *)(t->part.records + STATE_PART_MAX);
		t->part.text_size = STORE_PART_TEXT;
		send(t);
	}
	return 0;
}

int state_new(const struct state_options *options, struct state **ret_state)
{
	struct state *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return -ENOMEM;
	signal(SIGXFSZ, SIG_IGN);
	s->last = &s->ready;
	s->options = *options;
	s->path = strdup(options->path);
	if (s->path)
		r = worker_new("state", QUEUE_MAX_BYTES, &s->worker);
	if (!r)
		r = start_loading(s);
	if (r) {
		state_free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

struct state *state_free(struct state *s)
{
	struct task *t;

	if (!s)
		return NULL;
	s->worker = worker_free(s->worker);
	while ((t = s->ready)) {
		s->ready = t->next;
		free(t);
	}
	free(s->told);
	store_free(s->store);
	free(s->path);
	free(s);
	return NULL;
}

int state_fd(const struct state *s)
{
	return worker_fd(s->worker);
}

bool state_take(struct state *s, struct state_message *ret_message)
{
	struct task *t = s->told;

	s->told = NULL;
	if (t && t->message.kind == STATE_LOADED)
		send(t); /* the same memory for a part further on */
	else
		free(t);
	worker_run(s->worker);
	t = s->ready;
	if (!t)
		return false;
	s->ready = t->next;
	if (!s->ready)
		s->last = &s->ready;
	else
		worker_wake(s->worker); /* for who takes one at a time */
	s->told = t;
	*ret_message = t->message;
	return true;
}

/* ---- asking ---- */

static size_t commit_bytes(const struct state_commit *commit)
{
	size_t bytes = commit->n_records * sizeof(struct record) + commit->n_rows * sizeof(struct state_history_row);

	for (size_t i = 0; i < commit->n_records; i++) {
		for (unsigned int j = 0; j < record_formats[commit->records[i].kind].n_texts; j++)
			bytes += commit->records[i].text[j] ? strlen(commit->records[i].text[j]) + 1 : 0;
	}
	for (size_t i = 0; i < commit->n_rows; i++) {
		for (unsigned int j = 0; j < HISTORY_TEXTS; j++)
			bytes += strlen(history_text(&commit->rows[i], j)) + 1;
	}
	return bytes;
}

/* Of a removed record only the key is told: the other texts may be NULL, and stay so. */
static void copy_record(struct piece *piece, struct record *copy, const struct record *record)
{
	*copy = *record;
	for (unsigned int i = 0; i < record_formats[record->kind].n_texts; i++) {
		if (record->text[i])
			copy->text[i] = take_text(piece, record->text[i]);
	}
}

int state_commit(struct state *s, const struct state_commit *commit)
{
	struct task *t = new_task(s, TASK_COMMIT, commit_bytes(commit));
	struct record *records;
	struct state_history_row *rows;
	struct piece piece;

	if (!t)
		return -ENOMEM;
	records = (struct record *)(t + 1);
	rows = (struct state_history_row *)(records + commit->n_records);
	piece.next = (char *)(rows + commit->n_rows);
	for (size_t i = 0; i < commit->n_records; i++)
		copy_record(&piece, &records[i], &commit->records[i]);
	for (size_t i = 0; i < commit->n_rows; i++) {
		rows[i] = commit->rows[i];
		for (unsigned int j = 0; j < HISTORY_TEXTS; j++)
			history_set_text(&rows[i], j, take_text(&piece, history_text(&commit->rows[i], j)));
	}
	t->commit = *commit;
	t->commit.records = records;
	t->commit.rows = rows;
	t->message.ticket = commit->ticket;
	send(t);
	return 0;
}

int state_history(struct state *s, const struct state_query *query, uint64_t ticket)
{
	const char *from[] = { query->account, query->instance_id, query->serial_number, query->version_type };
	size_t bytes = STATE_PART_MAX * sizeof(struct state_history_row) + HISTORY_TEXT;
	struct piece piece;
	struct task *t;

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		bytes += from[i] ? strlen(from[i]) + 1 : 0;
	t = new_task(s, TASK_HISTORY, bytes);
	if (!t)
		return -ENOMEM;
	t->page.rows = (struct state_history_row *)(t + 1);
	t->page.text = (char *)(t->page.rows + STATE_PART_MAX);
	t->page.size = HISTORY_TEXT;
	piece.next = t->page.text + HISTORY_TEXT;
	t->query = *query;
	t->query.account = from[0] ? take_text(&piece, from[0]) : NULL;
	t->query.instance_id = from[1] ? take_text(&piece, from[1]) : NULL;
	t->query.serial_number = from[2] ? take_text(&piece, from[2]) : NULL;
	t->query.version_type = from[3] ? take_text(&piece, from[3]) : NULL;
	t->message.ticket = ticket;
	send(t);
	return 0;
}

int state_boot(uint64_t *ret_boot)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	char id[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, id, sizeof(id));
	if (n <= 0) {
		int e = n < 0 ? errno : EIO;

		close(fd);
		return -e;
	}
	close(fd);
	for (ssize_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)id[i]) * UINT64_C(1099511628211);
	*ret_boot = hash;
	return 0;
}
