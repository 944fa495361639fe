/* Log lines: both formats, values that try to break out, cuts, and descriptors that take little or nothing. */
#include "core/model.h"
#include "core/utf8.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define WALL_NS (INT64_C(1795384800) * NS_PER_S + 123 * NS_PER_MS) /* 2026-11-22T22:00:00.123Z */

struct golden {
	int64_t wall_ns;
	enum log_level level;
	const char *message;
	struct log_field fields[3];
	size_t n;
	const char *logfmt, *json;
};

static const struct golden goldens[] = {
	{ WALL_NS, LOG_LEVEL_INFO, "listing complete", { { "account", "prod" }, { "n", "12" } }, 2,
	  "ts=2026-11-22T22:00:00.123Z level=info msg=\"listing complete\" account=prod n=12\n",
	  "{\"ts\":\"2026-11-22T22:00:00.123Z\",\"level\":\"info\",\"msg\":\"listing complete\",\"account\":\"prod\","
	  "\"n\":\"12\"}\n" },
	{ 0, LOG_LEVEL_DEBUG, "x", { { "empty", "" }, { "null", NULL }, { "a", "b" } }, 3,
	  "ts=1970-01-01T00:00:00.000Z level=debug msg=\"x\" a=b\n",
	  "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"debug\",\"msg\":\"x\",\"a\":\"b\"}\n" },
	{ -1, LOG_LEVEL_WARN, "", { { "q", "say \"no\"" }, { "b", "a\\b" }, { "e", "a=b" } }, 3,
	  "ts=1969-12-31T23:59:59.999Z level=warn msg=\"\" q=\"say \\\"no\\\"\" b=\"a\\\\b\" e=\"a=b\"\n",
	  "{\"ts\":\"1969-12-31T23:59:59.999Z\",\"level\":\"warn\",\"msg\":\"\",\"q\":\"say \\\"no\\\"\",\"b\":\"a\\\\b\","
	  "\"e\":\"a=b\"}\n" },
	/* No value forges a second line or breaks the encoding. */
	{ 0, LOG_LEVEL_ERROR, "a\nb", { { "v", "1\nlevel=info\x1b[2J" }, { "u", "\xff" "Gr\xc3\xb6\xc3\x9f" "e\xe2\x82" } }, 2,
	  "ts=1970-01-01T00:00:00.000Z level=error msg=\"a b\" v=\"1 level=info [2J\" "
	  "u=\xef\xbf\xbdGr\xc3\xb6\xc3\x9f" "e\xef\xbf\xbd\n",
	  "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"error\",\"msg\":\"a b\",\"v\":\"1 level=info [2J\","
	  "\"u\":\"\xef\xbf\xbdGr\xc3\xb6\xc3\x9f" "e\xef\xbf\xbd\"}\n" },
};

static void test_goldens(void **state)
{
	char buf[LOG_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		const struct golden *g = &goldens[i];
		const char *wants[LOG_FORMAT_N] = { [LOG_FORMAT_LOGFMT] = g->logfmt, [LOG_FORMAT_JSON] = g->json };

		for (int f = 0; f < LOG_FORMAT_N; f++) {
			size_t len = log_format_line((enum log_format)f, g->wall_ns, g->level, g->message, g->fields, g->n,
						     buf, sizeof(buf) - 1);

			buf[len] = '\0';
			assert_string_equal(buf, wants[f]);
		}
	}
}

/* Still one well-formed line: whole characters, quotes in pairs, the end in place, and the mark unless all fitted. */
static void check_cut(enum log_format format, size_t size, const char *character, size_t count)
{
	static const char *const tails[LOG_FORMAT_N] = { " cut=true\n", ",\"cut\":true}\n" };
	char value[512], buf[LOG_LINE_MAX];
	size_t n = strlen(character), len, quotes = 0, tail = strlen(tails[format]);
	struct log_field fields[] = { { "key", value }, { "z", "last, and longer than what is kept back for the end" } };

	for (size_t i = 0; i < count; i++)
		memcpy(value + i * n, character, n);
	value[count * n] = '\0';
	memset(buf, '#', sizeof(buf));
	len = log_format_line(format, 0, LOG_LEVEL_INFO, "m", fields, 2, buf, size);
	assert_true(len <= size && buf[len] == '#');
	assert_int_equal(buf[len - 1], '\n');
	assert_true(utf8_is_clean(buf, len - 1));
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '\\')
			i++;
		else if (buf[i] == '"')
			quotes++;
	}
	assert_int_equal(quotes % 2, 0);
	if (!memmem(buf, len, "last", 4))
		assert_memory_equal(buf + len - tail, tails[format], tail);
}

static void test_cut(void **state)
{
	static const char *const characters[] = { "a", "\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x90\xa7", "\"" };

	(void)state;
	for (int f = 0; f < LOG_FORMAT_N; f++)
		for (size_t c = 0; c < sizeof(characters) / sizeof(characters[0]); c++)
			for (size_t size = LOG_LINE_MIN; size < LOG_LINE_MIN + 40; size++)
				for (size_t count = 1; count < 120; count++)
					check_cut((enum log_format)f, size, characters[c], count);
}

/* One past the limit of a line, and far past it. */
static void test_line_limit(void **state)
{
	static const size_t lengths[] = { LOG_LINE_MAX, 10 * LOG_LINE_MAX };
	char buf[LOG_LINE_MAX], golden[] = "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"msg\":\"m\",\"k\":\"aaa";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *value = malloc(lengths[i] + 1);
		size_t len;

		assert_non_null(value);
		memset(value, 'a', lengths[i]);
		value[lengths[i]] = '\0';
		len = log_format_line(LOG_FORMAT_JSON, 0, LOG_LEVEL_INFO, "m", &(struct log_field){ "k", value }, 1, buf,
				      sizeof(buf));
		assert_int_equal(len, LOG_LINE_MAX);
		assert_memory_equal(buf, golden, strlen(golden));
		assert_memory_equal(buf + len - 16, "aa\",\"cut\":true}\n", 16);
		free(value);
	}
}

static size_t drain(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size && (r = read(fd, buf + n, size - n)) > 0)
		n += (size_t)r;
	return n;
}

static void make_pipe(int fds[2])
{
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 16384) == 16384);
}

static void test_write(void **state)
{
	int fds[2];
	char buf[4096];
	uint64_t before = log_count(LOG_LEVEL_WARN);

	(void)state;
	make_pipe(fds);
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, fds[1]);
	log_line(LOG_LEVEL_DEBUG, "not this", { "a", "b" });
	errno = ENOENT;
	log_line(LOG_LEVEL_WARN, "but this", { "a", "b" }, { "c", "d e" });
	assert_int_equal(errno, ENOENT);
	buf[drain(fds[0], buf, sizeof(buf) - 1)] = '\0';
	assert_string_equal(buf + strlen("ts=2026-11-22T22:00:00.123Z"), " level=warn msg=\"but this\" a=b c=\"d e\"\n");
	assert_int_equal(log_count(LOG_LEVEL_WARN), before + 1);
	close(fds[0]);
	close(fds[1]);
}

/* A full descriptor costs lines, not time; the line after a torn one begins on a line of its own. */
static void full_descriptor(bool is_blocking)
{
	int fds[2];
	char buf[32768], big[LOG_LINE_MAX], filler[12288];
	uint64_t lost = log_dropped(), written = log_count(LOG_LEVEL_INFO);
	size_t n;

	make_pipe(fds);
	if (is_blocking)
		assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
	memset(filler, '\n', sizeof(filler));
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, fds[1]);
	assert_int_equal(write(fds[1], filler, sizeof(filler)), sizeof(filler));
	log_line(LOG_LEVEL_INFO, "torn", { "k", big });
	log_line(LOG_LEVEL_INFO, "lost", { "k", "v" });
	assert_int_equal(log_dropped(), lost + 2);
	assert_int_equal(log_count(LOG_LEVEL_INFO), written);
	assert_int_equal(drain(fds[0], buf, sizeof(buf)), 16384);
	log_line(LOG_LEVEL_INFO, "next", { "k", "v" });
	log_line(LOG_LEVEL_INFO, "after", { "k", "v" });
	n = drain(fds[0], buf, sizeof(buf) - 1);
	buf[n] = '\0';
	assert_memory_equal(buf, "\nts=", 4);
	assert_non_null(strstr(buf, "msg=\"next\" k=v\nts="));
	assert_int_equal(log_count(LOG_LEVEL_INFO), written + 2);
	close(fds[0]);
	close(fds[1]);
}

static void test_full_descriptor(void **state)
{
	(void)state;
	full_descriptor(false);
}

/* stderr is a pipe that somebody stopped reading, and not ours to make non-blocking. */
static void test_full_blocking_descriptor(void **state)
{
	(void)state;
	alarm(30);
	full_descriptor(true);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goldens),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_full_descriptor),
		cmocka_unit_test(test_full_blocking_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
