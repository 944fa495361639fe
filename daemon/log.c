/*
 * Log lines: a pure formatter for logfmt and JSON, and the one place that writes them.
 *
 * A line is one write(2) of at most LOG_LINE_MAX bytes. Whatever a value holds, it stays inside its field: it is
 * cleaned by utf8_clean() and its quotes are escaped. It must never block or fail its caller: a descriptor that takes
 * no more costs the line, and is counted.
 */
#include "log.h"
#include "core/model.h"
#include "core/utf8.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *const log_level_names[LOG_LEVEL_N] = { "debug", "info", "warn", "error" };
const char *const log_format_names[LOG_FORMAT_N] = { "logfmt", "json" };

static enum log_level log_threshold = LOG_LEVEL_INFO;
static enum log_format log_style = LOG_FORMAT_LOGFMT;
static int log_fd = STDERR_FILENO;
static atomic_uint_fast64_t log_written[LOG_LEVEL_N];
static atomic_uint_fast64_t log_lost;
static atomic_bool log_is_torn; /* the last line went out in part: the next one begins on a line of its own */

void log_setup(enum log_level level, enum log_format format, int fd)
{
	assert(level < LOG_LEVEL_N && format < LOG_FORMAT_N);
	log_threshold = level;
	log_style = format;
	log_fd = fd;
}

bool log_is_on(enum log_level level)
{
	return level >= log_threshold;
}

uint64_t log_count(enum log_level level)
{
	return atomic_load(&log_written[level]);
}

uint64_t log_dropped(void)
{
	return atomic_load(&log_lost);
}

/* What differs between the formats around keys and values. */
static const struct syntax {
	const char *open;        /* before the first key */
	const char *next;        /* before every other key */
	const char *key_suffix;  /* between key and value */
	const char *cut;         /* after the last value of a line that was cut */
	const char *end;
	bool always_quoted;
} syntaxes[LOG_FORMAT_N] = {
	[LOG_FORMAT_LOGFMT] = { "", " ", "=", " cut=true", "\n", false },
	[LOG_FORMAT_JSON] = { "{\"", ",\"", "\":", ",\"cut\":true", "}\n", true },
};

/* The room kept back so that a line can always be closed: a quote, the mark of a cut, the end. */
#define TAIL_MAX (sizeof("\",\"cut\":true}\n") - 1)

struct line {
	const struct syntax *syntax;
	char *buf;
	size_t len;
	size_t limit;
	bool is_cut;
};

/* What may still be written before the tail. A closing quote may have used the tail's first byte. */
static size_t line_room(const struct line *l)
{
	return l->len < l->limit ? l->limit - l->len : 0;
}

static void line_put(struct line *l, const char *s, size_t n)
{
	if (l->is_cut || n > line_room(l)) {
		l->is_cut = true;
		return;
	}
	memcpy(l->buf + l->len, s, n);
	l->len += n;
}

/* For the reserved tail: the caller knows that it fits. */
static void line_close(struct line *l, const char *s)
{
	size_t n = strlen(s);

	memcpy(l->buf + l->len, s, n);
	l->len += n;
}

/* How many bytes the character at s takes, in text that utf8_clean() left. */
static size_t char_len(const char *s)
{
	unsigned char c = (unsigned char)s[0];

	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static void line_value(struct line *l, const char *value, bool is_quoted)
{
	char clean[LOG_LINE_MAX]; /* what this cuts, the line would have cut */
	size_t n = utf8_clean(value, strlen(value), clean, sizeof(clean)), len;

	is_quoted = is_quoted || l->syntax->always_quoted || strcspn(clean, " =\"\\") < n;
	if (is_quoted)
		line_put(l, "\"", 1);
	for (size_t i = 0; i < n && !l->is_cut; i += len) {
		len = char_len(clean + i);
		if (clean[i] == '"')
			line_put(l, "\\\"", 2);
		else if (clean[i] == '\\')
			line_put(l, "\\\\", 2);
		else
			line_put(l, clean + i, len);
	}
	if (is_quoted)
		line_close(l, "\"");
}

static void line_field(struct line *l, const char *key, const char *value, bool is_quoted)
{
	const char *before = l->len > 0 ? l->syntax->next : l->syntax->open;
	size_t need = strlen(before) + strlen(key) + strlen(l->syntax->key_suffix) + 1;

	/* A key is written with the quote after it or not at all, so that a cut falls into values only. */
	if (l->is_cut || need > line_room(l)) {
		l->is_cut = true;
		return;
	}
	line_put(l, before, strlen(before));
	line_put(l, key, strlen(key));
	line_put(l, l->syntax->key_suffix, strlen(l->syntax->key_suffix));
	line_value(l, value, is_quoted);
}

/* RFC 3339 in UTC with milliseconds. */
static void format_time(int64_t wall_ns, char *buf, size_t size)
{
	int64_t seconds = wall_ns / NS_PER_S, rest = wall_ns % NS_PER_S;
	time_t t;
	struct tm tm;

	if (rest < 0) {
		rest += NS_PER_S;
		seconds--;
	}
	t = (time_t)seconds;
	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(rest / NS_PER_MS));
}

size_t log_format_line(enum log_format format, int64_t wall_ns, enum log_level level, const char *message,
		       const struct log_field *fields, size_t n, char *buf, size_t size)
{
	struct line l = { .syntax = &syntaxes[format], .buf = buf, .limit = size - TAIL_MAX };
	char ts[80];

	assert(size >= LOG_LINE_MIN && size <= LOG_LINE_MAX && level < LOG_LEVEL_N);
	format_time(wall_ns, ts, sizeof(ts));
	line_field(&l, "ts", ts, false);
	line_field(&l, "level", log_level_names[level], false);
	line_field(&l, "msg", message, true);
	for (size_t i = 0; i < n; i++) {
		if (fields[i].value && fields[i].value[0] != '\0')
			line_field(&l, fields[i].key, fields[i].value, false);
	}
	if (l.is_cut)
		line_close(&l, l.syntax->cut);
	line_close(&l, l.syntax->end);
	return l.len;
}

/* The descriptor is often not ours alone, so it stays blocking: it is asked before each write instead. */
static bool takes_more(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) != 0;
}

/* Returns how many bytes went out before the descriptor took no more. A pipe that takes any takes PIPE_BUF. */
static size_t write_all(int fd, const char *buf, size_t n)
{
	size_t done = 0;

	while (done < n && takes_more(fd)) {
		ssize_t w = write(fd, buf + done, n - done < PIPE_BUF ? n - done : PIPE_BUF);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			break;
		done += (size_t)w;
	}
	return done;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
	char buf[1 + LOG_LINE_MAX];
	struct timespec now = { 0 };
	int saved_errno = errno;
	size_t len, skip, done;

	if (!log_is_on(level))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	buf[0] = '\n';
	len = 1 + log_format_line(log_style, now.tv_sec * NS_PER_S + now.tv_nsec, level, message, fields, n, buf + 1,
				  LOG_LINE_MAX);
	skip = atomic_load(&log_is_torn) ? 0 : 1;
	done = skip + write_all(log_fd, buf + skip, len - skip);
	if (done > skip)
		atomic_store(&log_is_torn, done > 1 && done < len);
	atomic_fetch_add(done == len ? &log_written[level] : &log_lost, 1);
	errno = saved_errno;
}
