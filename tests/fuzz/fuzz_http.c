/* What clients and the cloud may send to the web server and the log: Accept headers and values of any bytes. */
#include "core/utf8.h"
#include "expose.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(enum log_format format, const char *value, size_t size)
{
	const struct log_field fields[] = { { "key", value }, { "last", "x" } };
	char buf[LOG_LINE_MAX];
	size_t len = log_format_line(format, 0, LOG_LEVEL_INFO, value, fields, 2, buf, size);

	if (len == 0 || len > size || buf[len - 1] != '\n' || !utf8_is_clean(buf, len - 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (expose_negotiate(text) >= EXPOSE_FORMAT_N)
		abort();
	expose_accepts_gzip(text);
	for (int f = 0; f < LOG_FORMAT_N; f++) {
		check_line((enum log_format)f, text, LOG_LINE_MAX);
		check_line((enum log_format)f, text, LOG_LINE_MIN + size % 300);
	}
	free(text);
	return 0;
}
