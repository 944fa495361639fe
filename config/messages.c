/* Messages for a person: "file:line: what is wrong, and what would be right". At most CONFIG_ERRORS_MAX are kept. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define MESSAGE_BYTES_MAX 1024

static void report_keep(struct report *r, enum config_severity severity, const char *text, size_t len)
{
	struct config_messages *m = &r->messages;
	char *clean;

	if (!m->items)
		m->items = calloc(CONFIG_ERRORS_MAX + 1, sizeof(*m->items));
	clean = malloc(len * UTF8_CLEAN_GROWTH + 1);
	if (!m->items || !clean) {
		free(clean);
		r->is_without_memory = true;
		return;
	}
	utf8_clean(text, len, clean, len * UTF8_CLEAN_GROWTH + 1);
	m->items[m->n++] = (struct config_message){ .severity = severity, .text = clean };
}

/* An error takes the place of the last warning when the list is full: warnings must not hide it. */
static bool report_make_room(struct report *r, enum config_severity severity)
{
	struct config_messages *m = &r->messages;

	if (m->n < CONFIG_ERRORS_MAX)
		return true;
	r->n_dropped++;
	if (severity != CONFIG_ERROR)
		return false;
	for (size_t i = m->n; i-- > 0;) {
		if (m->items[i].severity == CONFIG_ERROR)
			continue;
		free((void *)(uintptr_t)m->items[i].text);
		memmove(&m->items[i], &m->items[i + 1], (m->n - i - 1) * sizeof(*m->items));
		m->n--;
		return true;
	}
	return false;
}

void report_add(struct report *r, enum config_severity severity, const char *file, unsigned int line, const char *format, ...)
{
	char text[MESSAGE_BYTES_MAX];
	int head = 0, body;
	size_t len;
	va_list args;

	if (severity == CONFIG_ERROR)
		r->messages.n_errors++;
	if (!report_make_room(r, severity))
		return;
	if (file && line)
		head = snprintf(text, sizeof(text), "%.400s:%u: ", file, line);
	else if (file)
		head = snprintf(text, sizeof(text), "%.400s: ", file);
	va_start(args, format);
	body = vsnprintf(text + head, sizeof(text) - (size_t)head, format, args);
	va_end(args);
	len = body < 0 ? (size_t)head : (size_t)head + (size_t)body;
	report_keep(r, severity, text, len < sizeof(text) ? len : sizeof(text) - 1);
}

void report_finish(struct report *r)
{
	char text[64];

	if (!r->n_dropped)
		return;
	snprintf(text, sizeof(text), "and %zu more", r->n_dropped);
	report_keep(r, r->messages.n_errors ? CONFIG_ERROR : CONFIG_WARNING, text, strlen(text));
}

void config_messages_deinit(struct config_messages *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		free((void *)(uintptr_t)m->items[i].text);
	free(m->items);
	*m = (struct config_messages){ 0 };
}
