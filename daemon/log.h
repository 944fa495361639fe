/*
 * Log lines on stderr: logfmt or JSON, one line an event, never a secret.
 *
 * A line is a level, a message (a constant sentence, so that it can be searched for) and fields.
 * Values are cleaned: control characters and invalid UTF-8 cannot forge a second line or break JSON.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_N,
};
extern const char *const log_level_names[LOG_LEVEL_N]; /* "debug", "info", "warn", "error" */

enum log_format {
	LOG_FORMAT_LOGFMT,
	LOG_FORMAT_JSON,
	LOG_FORMAT_N,
};
extern const char *const log_format_names[LOG_FORMAT_N]; /* "logfmt", "json" */

struct log_field {
	const char *key;
	const char *value; /* NULL or "": the field is left out */
};
#define LOG_FIELDS_MAX 20

/* Process-wide, set once in main before the first line. */
void log_setup(enum log_level level, enum log_format format, int fd);
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n);
uint64_t log_count(enum log_level level); /* lines written so far, for sagpin_log_messages_total */
uint64_t log_dropped(void);               /* lines lost because the descriptor took no more */

/* log_line(LOG_LEVEL_INFO, "listing complete", { "account", a }, { "region_id", r }); at least one field. */
#define log_line(level, message, ...)                                                                                  \
	do {                                                                                                           \
		if (log_is_on(level)) {                                                                                \
			const struct log_field log_fields_[] = { __VA_ARGS__ };                                        \
			log_write(level, message, log_fields_, sizeof(log_fields_) / sizeof(log_fields_[0]));          \
		}                                                                                                      \
	} while (0)

#define LOG_LINE_MAX 8192
#define LOG_LINE_MIN 128
/*
 * Pure: one line with its newline into buf (no NUL); returns its length. LOG_LINE_MIN <= size <= LOG_LINE_MAX.
 * What does not fit is cut between two characters, and the line, still well-formed, ends with the field cut=true.
 */
size_t log_format_line(enum log_format format, int64_t wall_ns, enum log_level level, const char *message,
		       const struct log_field *fields, size_t n, char *buf, size_t size);
