/*
 * Reads a text before libconfig does, and refuses what libconfig would take silently (integers that wrap or begin with
 * 0, unknown escapes, unfinished comments, two strings side by side), what would end the process (@include of a
 * folder), what would be slow (long strings, groups with many settings, deep nesting), and what it would only call a
 * "syntax error". Pure but for the report. A text that passes gives no error in libconfig.
 *
 * It goes on after a bad number or string, and stops at the first error of syntax.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

#define SHOWN_MAX 80

enum token {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_STRING,
	TOKEN_INTEGER,
	TOKEN_DECIMAL,
	TOKEN_BOOL,
	TOKEN_MARK, /* one of = : ; , { } [ ] ( ) */
};

struct scan {
	const char *file, *begin, *end, *p;
	struct report *report;
	unsigned int line;
	bool is_bad; /* an error that did not stop the scan */
	uint32_t n_settings;
	struct {
		enum token kind;
		const char *text;
		size_t len;
		unsigned int line;
	} token;
	unsigned int last_line; /* of the token before */
	const char *name;       /* of the latest setting */
	size_t name_len;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_part(char c)
{
	return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '*';
}

static bool is_mark(char c)
{
	return c && strchr("=:;,{}[]()", c);
}

/* Such a name may stand before a secret that someone put here by mistake. */
static bool is_secretive(const char *text, size_t len)
{
	static const char *const words[] = { "secret", "key", "token", "pass" };

	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		size_t n = strlen(words[w]);

		for (size_t i = 0; i + n <= len; i++)
			if (strncasecmp(text + i, words[w], n) == 0)
				return true;
	}
	return false;
}

/* Reports with the line on which the current token stands, unless it may hold a secret. Always false. */
__attribute__((format(printf, 3, 4)))
static bool fail(struct scan *s, unsigned int line, const char *format, ...)
{
	const char *begin = s->token.text, *end = s->token.text;
	char what[400];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	while (end < s->end && *end != '\n' && end - begin < SHOWN_MAX)
		end++;
	while (begin > s->begin && begin[-1] != '\n' && end - begin < SHOWN_MAX)
		begin--;
	while (begin < end && (*begin == ' ' || *begin == '\t'))
		begin++;
	while (begin < end && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	if (begin == end || is_secretive(begin, (size_t)(end - begin)) || (s->name && is_secretive(s->name, s->name_len)))
		report_add(s->report, CONFIG_ERROR, s->file, line, "%s", what);
	else
		report_add(s->report, CONFIG_ERROR, s->file, line, "%s, near: %.*s", what, (int)(end - begin), begin);
	return false;
}

static bool skip_comment(struct scan *s)
{
	unsigned int first = s->line;

	if (s->p[0] == '#' || s->p[1] == '/') {
		while (*s->p != '\n')
			s->p++;
		return true;
	}
	for (s->p += 2; s->p < s->end; s->p++) {
		if (s->p[0] == '*' && s->p[1] == '/') {
			s->p += 2;
			return true;
		}
		s->line += *s->p == '\n';
	}
	s->token.kind = TOKEN_END;
	return fail(s, first, "the comment that begins here never ends; close it with */");
}

static bool skip_blank(struct scan *s)
{
	while (s->p < s->end) {
		if (*s->p == '\n')
			s->line++;
		if (*s->p == '#' || (*s->p == '/' && (s->p[1] == '/' || s->p[1] == '*'))) {
			if (!skip_comment(s))
				return false;
		} else if (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n') {
			s->p++;
		} else {
			break;
		}
	}
	return true;
}

static bool take_string(struct scan *s)
{
	s->token.kind = TOKEN_STRING;
	for (s->p++; *s->p != '"'; s->p++) {
		if (*s->p == '\n')
			return fail(s, s->line, "the string is not closed on its line; add the missing quote");
		if (*s->p != '\\')
			continue;
		if (s->p[1] == '\n')
			continue;
		if (s->p[1] != '"' && s->p[1] != '\\') {
			s->is_bad = true;
			fail(s, s->line, "a backslash in a string stands before \" or another backslash only; write \\\\ for one backslash");
		}
		s->p++;
	}
	s->p++;
	s->token.len = (size_t)(s->p - s->token.text);
	if (s->token.len - 2 > SCAN_STRING_MAX) {
		s->is_bad = true;
		report_add(s->report, CONFIG_ERROR, s->file, s->line, "a string has %zu bytes; at most %d are allowed",
			   s->token.len - 2, SCAN_STRING_MAX);
	}
	return true;
}

/* Plain decimal numbers only: libconfig's other forms wrap, or mean something else than they look like. */
static const char *number_error(const char *text, size_t len, bool *ret_is_decimal)
{
	size_t i = text[0] == '-', first = i, n_whole;
	bool is_decimal = false;
	int64_t value = 0;

	while (i < len && is_digit(text[i]))
		i++;
	n_whole = i - first;
	if (i + 1 < len && text[i] == '.' && is_digit(text[i + 1])) {
		is_decimal = true;
		for (i++; i < len && is_digit(text[i]); i++)
			;
	}
	if (!n_whole || i < len)
		return "is no plain decimal number (durations, shares and other texts need quotes, as in \"30m\")";
	if (n_whole > 1 && text[first] == '0')
		return "begins with 0; write the plain decimal number";
	if (len > SCAN_NUMBER_MAX)
		return "is too large";
	for (i = first; !is_decimal && i < len && n_whole <= 11; i++)
		value = value * 10 + (text[i] - '0');
	if (!is_decimal && (n_whole > 11 || (first ? -value < INT32_MIN : value > INT32_MAX)))
		return "is too large; numbers go from -2147483648 to 2147483647";
	*ret_is_decimal = is_decimal;
	return NULL;
}

static void take_number(struct scan *s)
{
	bool is_decimal = false;
	const char *error;

	while (is_name_part(*s->p) || *s->p == '.' || *s->p == '+' || *s->p == '%')
		s->p++;
	s->token.len = (size_t)(s->p - s->token.text);
	error = number_error(s->token.text, s->token.len, &is_decimal);
	s->token.kind = is_decimal ? TOKEN_DECIMAL : TOKEN_INTEGER;
	if (!error)
		return;
	s->is_bad = true;
	if (s->name && is_secretive(s->name, s->name_len))
		report_add(s->report, CONFIG_ERROR, s->file, s->line, "the value %s", error);
	else
		report_add(s->report, CONFIG_ERROR, s->file, s->line, "%.*s: %.*s %s", (int)s->name_len, s->name ? s->name : "",
			   (int)(s->token.len < SHOWN_MAX ? s->token.len : SHOWN_MAX), s->token.text, error);
}

static void take_word(struct scan *s)
{
	while (is_name_part(*s->p))
		s->p++;
	s->token.len = (size_t)(s->p - s->token.text);
	s->token.kind = TOKEN_NAME;
	if ((s->token.len == 4 && strncasecmp(s->token.text, "true", 4) == 0) ||
	    (s->token.len == 5 && strncasecmp(s->token.text, "false", 5) == 0))
		s->token.kind = TOKEN_BOOL;
}

static bool next(struct scan *s)
{
	char c;

	s->last_line = s->token.line;
	if (!skip_blank(s))
		return false;
	s->token.text = s->p;
	s->token.line = s->line;
	s->token.len = 1;
	s->token.kind = TOKEN_MARK;
	if (s->p == s->end) {
		s->token.kind = TOKEN_END;
		return true;
	}
	c = *s->p;
	if (c == '"')
		return take_string(s);
	if (is_digit(c) || c == '-' || c == '+' || c == '.')
		take_number(s);
	else if (is_letter(c) || c == '*')
		take_word(s);
	else if (is_mark(c))
		s->p++;
	else if (c == '@')
		return fail(s, s->line, "@include is not allowed; put the other files into the folder that include_dir names");
	else
		return fail(s, s->line, "a character that has no meaning outside of quotes");
	return true;
}

static bool is_at(const struct scan *s, char mark)
{
	return mark ? s->token.kind == TOKEN_MARK && *s->token.text == mark : s->token.kind == TOKEN_END;
}

struct shown_token {
	char text[SCAN_NAME_MAX + 3];
};

/* The current token in quotes; strings are not repeated, and nothing is that may be a secret. */
static struct shown_token show_token(const struct scan *s)
{
	struct shown_token out = { .text = "a text" };
	size_t len = s->token.len < SCAN_NAME_MAX ? s->token.len : SCAN_NAME_MAX;

	if (s->token.kind == TOKEN_END)
		strcpy(out.text, "the end of the file");
	else if (s->token.kind == TOKEN_STRING)
		strcpy(out.text, "a string");
	else if (s->token.kind == TOKEN_MARK || !s->name || !is_secretive(s->name, s->name_len))
		snprintf(out.text, sizeof(out.text), "\"%.*s\"", (int)len, s->token.text);
	return out;
}

/* `wanted` names what would be right here. */
static bool unexpected(struct scan *s, const char *wanted)
{
	bool is_end = s->token.kind == TOKEN_END; /* where that is, nobody wants to know */
	char before[64] = "";

	if (!is_end && s->last_line && s->last_line != s->token.line)
		snprintf(before, sizeof(before), "; is something missing at the end of line %u?", s->last_line);
	return fail(s, is_end && s->last_line ? s->last_line : s->token.line, "expected %s, found %s%s", wanted, show_token(s).text, before);
}

static bool scan_value(struct scan *s, int depth);

static bool scan_list(struct scan *s, int depth, char close)
{
	enum token kind = TOKEN_END;
	uint32_t n = 0;

	while (!is_at(s, close)) {
		if (close == ']' && s->token.kind == TOKEN_MARK)
			return unexpected(s, "a string, number, true or false (lists of groups stand in round brackets)");
		if (close == ']' && n && s->token.kind != kind)
			return fail(s, s->token.line, "the values in [ ] must all be of one kind");
		kind = s->token.kind;
		if (++n > CONFIG_ITEMS_MAX)
			return fail(s, s->token.line, "more than %d entries in one list", CONFIG_ITEMS_MAX);
		if (!scan_value(s, depth))
			return false;
		if (is_at(s, close))
			break;
		if (!is_at(s, ','))
			return unexpected(s, close == ']' ? "\",\" or \"]\" after the value" : "\",\" or \")\" after the value");
		if (!next(s))
			return false;
		if (is_at(s, close))
			return fail(s, s->last_line, "a comma after the last value; remove it (it stands before \"%c\")", close);
	}
	return next(s);
}

struct scan_name {
	const char *text;
	size_t len;
	unsigned int line;
};

/* The name of a setting and its "=". */
static bool scan_name(struct scan *s, struct scan_name *names, size_t n)
{
	if (s->token.kind != TOKEN_NAME)
		return unexpected(s, "the name of a setting");
	if (s->token.len > SCAN_NAME_MAX)
		return fail(s, s->token.line, "a name of more than %d bytes", SCAN_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		if (names[i].len == s->token.len && memcmp(names[i].text, s->token.text, s->token.len) == 0)
			return fail(s, s->token.line, "%.*s is set twice here, first on line %u; remove one", (int)s->token.len,
				    s->token.text, names[i].line);
	if (n >= SCAN_GROUP_MAX)
		return fail(s, s->token.line, "more than %d settings in one group", SCAN_GROUP_MAX);
	names[n] = (struct scan_name){ s->token.text, s->token.len, s->token.line };
	s->name = s->token.text;
	s->name_len = s->token.len;
	if (!next(s))
		return false;
	if (!is_at(s, '=') && !is_at(s, ':'))
		return unexpected(s, "\"=\" after the name of a setting");
	return next(s);
}

/* Up to `close`, which stays the current token; 0 is the end of the file. */
static bool scan_settings(struct scan *s, int depth, char close)
{
	struct scan_name names[SCAN_GROUP_MAX];

	for (size_t n = 0; !is_at(s, close); n++) {
		if (!scan_name(s, names, n) || !scan_value(s, depth))
			return false;
		if ((is_at(s, ';') || is_at(s, ',')) && !next(s))
			return false;
	}
	return true;
}

static bool scan_scalar(struct scan *s)
{
	enum token kind = s->token.kind;

	if (!next(s))
		return false;
	if (kind == TOKEN_STRING && s->token.kind == TOKEN_STRING)
		return fail(s, s->token.line, "two strings side by side; a comma or a quote is missing");
	return true;
}

static bool scan_value(struct scan *s, int depth)
{
	char open = *s->token.text;

	if (++s->n_settings > SCAN_SETTINGS_MAX)
		return fail(s, s->token.line, "more than %d values in one file", SCAN_SETTINGS_MAX);
	if (s->token.kind == TOKEN_NAME)
		return fail(s, s->token.line, "a text without quotes; write %s in quotes", show_token(s).text);
	if (s->token.kind != TOKEN_MARK && s->token.kind != TOKEN_END)
		return scan_scalar(s);
	if (s->token.kind == TOKEN_END || !strchr("{[(", open))
		return unexpected(s, "a value");
	if (depth >= SCAN_DEPTH_MAX)
		return fail(s, s->token.line, "brackets within brackets more than %d deep", SCAN_DEPTH_MAX);
	if (!next(s))
		return false;
	if (open == '{')
		return scan_settings(s, depth + 1, '}') && next(s);
	return scan_list(s, depth + 1, open == '[' ? ']' : ')');
}

/* Bytes that no text of ours has, with the line they stand on. */
static bool scan_bytes(const char *file, const char *text, size_t len, struct report *report)
{
	const char *end = text + len;
	unsigned int line = 1;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		report_add(report, CONFIG_ERROR, file, 1, "begins with a byte order mark; save the file as UTF-8 without it");
		return false;
	}
	for (const char *p = text; p < end;) {
		const char *stop = p;

		while (stop < end && *stop != '\n' && *stop != '\t' && *stop != '\r')
			stop++;
		if (!utf8_is_clean(p, (size_t)(stop - p))) {
			report_add(report, CONFIG_ERROR, file, line, "%s; save the file as plain UTF-8 text",
				   memchr(p, '\0', (size_t)(stop - p)) ? "a NUL byte" :
				   "a control character, or bytes that are no UTF-8");
			return false;
		}
		if (stop < end && *stop == '\n')
			line++;
		p = stop + 1;
	}
	return true;
}

bool scan_text(const char *file, const char *text, size_t len, struct report *report)
{
	struct scan s = { .file = file, .report = report, .begin = text, .p = text, .end = text + len, .line = 1, .token.text = text };

	if (!scan_bytes(file, text, len, report))
		return false;
	return next(&s) && scan_settings(&s, 0, '\0') && !s.is_bad;
}
