/* Widths first, then lines. Text is cut between characters, never within one. */
#include "table.h"

#include <stdint.h>
#include <string.h>

#define GAP 2 /* between columns */
#define ELLIPSIS "\xe2\x80\xa6"

/* ---- text ---- */

/* The character at *text, which moves behind it. Bytes that are no UTF-8 stand for themselves. */
static uint32_t next_character(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	uint32_t c = p[0];
	unsigned int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	c = more == 3 ? c & 0x07 : more == 2 ? c & 0x0f : more == 1 ? c & 0x1f : c;
	for (unsigned int i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			(*text)++;
			return p[0];
		}
		c = c << 6 | (p[i] & 0x3fU);
	}
	*text += more + 1;
	return c;
}

static size_t width_of(uint32_t c)
{
	static const struct {
		uint32_t first, last;
		size_t width;
	} ranges[] = {
		{ 0x0300, 0x036f, 0 }, { 0x1100, 0x115f, 2 }, { 0x200b, 0x200f, 0 }, { 0x2e80, 0x303e, 2 }, { 0x3041, 0xa4cf, 2 }, { 0xac00, 0xd7a3, 2 },
		{ 0xf900, 0xfaff, 2 }, { 0xfe00, 0xfe0f, 0 }, { 0xfe30, 0xfe6f, 2 }, { 0xff00, 0xff60, 2 }, { 0xffe0, 0xffe6, 2 },
		{ 0x1f300, 0x1f64f, 2 }, { 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].width;
	return 1;
}

size_t text_width(const char *text)
{
	size_t width = 0;

	while (*text)
		width += width_of(next_character(&text));
	return width;
}

/* Bytes of as much of the text as fits. */
static size_t bytes_within(const char *text, size_t width, size_t *ret_width)
{
	const char *at = text;

	*ret_width = 0;
	while (*at) {
		const char *next = at;
		size_t one = width_of(next_character(&next));

		if (*ret_width + one > width)
			break;
		*ret_width += one;
		at = next;
	}
	return (size_t)(at - text);
}

static void pad(FILE *out, size_t n)
{
	while (n-- > 0)
		fputc(' ', out);
}

/* The last one of a line needs no room behind it. */
static void print_cell(const char *text, size_t width, bool is_right, bool is_last, FILE *out)
{
	size_t need = text_width(text), got = need, bytes = strlen(text);
	bool is_cut = need > width;

	if (is_cut)
		bytes = bytes_within(text, width - 1, &got);
	got += is_cut;
	if (is_right)
		pad(out, width - got);
	fprintf(out, "%.*s%s", (int)bytes, text, is_cut ? ELLIPSIS : "");
	if (!is_right && !is_last)
		pad(out, width - got);
}

/* ---- layout ---- */

static const char *cell(const struct table *t, size_t row, size_t column)
{
	return t->cells[row * t->n_columns + column];
}

static size_t total(const struct table *t, const size_t *widths)
{
	size_t sum = 0;

	for (size_t i = 0; i < t->n_columns; i++)
		sum += widths[i] ? widths[i] + (sum ? GAP : 0) : 0;
	return sum;
}

/* The column that gives most easily: the widest of those above their least. t->n_columns: none is. */
static size_t find_widest(const struct table *t, const size_t *widths, bool is_forced)
{
	size_t found = t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++)
		if (widths[i] > (is_forced ? 1 : t->columns[i].min) && (found == t->n_columns || widths[i] > widths[found]))
			found = i;
	return found;
}

static void shrink(const struct table *t, size_t width, size_t *widths, bool is_forced)
{
	size_t i;

	while (total(t, widths) > width && (i = find_widest(t, widths, is_forced)) < t->n_columns)
		widths[i]--;
}

/* False: all that is left stays. */
static bool drop_one(const struct table *t, size_t *natural)
{
	size_t found = t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++)
		if (natural[i] && t->columns[i].drop && (found == t->n_columns || t->columns[i].drop > t->columns[found].drop))
			found = i;
	if (found < t->n_columns)
		natural[found] = 0;
	return found < t->n_columns;
}

void table_layout(const struct table *t, size_t width, size_t ret_widths[TABLE_COLUMNS_MAX])
{
	size_t natural[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t row = 0; row < t->n_rows; row++)
		for (size_t i = 0; i < t->n_columns; i++) {
			size_t need = text_width(cell(t, row, i));

			natural[i] = need > natural[i] ? need : natural[i];
		}
	for (size_t i = 0; i < t->n_columns; i++)
		if (natural[i] && natural[i] < text_width(t->columns[i].title))
			natural[i] = text_width(t->columns[i].title);
	do {
		memcpy(ret_widths, natural, sizeof(natural));
		shrink(t, width, ret_widths, false);
	} while (total(t, ret_widths) > width && drop_one(t, natural));
	shrink(t, width, ret_widths, true);
}

static size_t last_column(const struct table *t, const size_t *widths)
{
	size_t last = 0;

	for (size_t i = 0; i < t->n_columns; i++)
		last = widths[i] ? i : last;
	return last;
}

void table_print(const struct table *t, size_t width, bool is_styled, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 }, last;

	table_layout(t, width < TABLE_WIDTH_MIN ? TABLE_WIDTH_MIN : width, widths);
	last = last_column(t, widths);
	for (size_t row = 0; row <= t->n_rows; row++) { /* the first line is the titles */
		const char *style = !is_styled ? NULL : row == 0 ? "\033[1m" : t->styles ? t->styles[row - 1] : NULL;
		bool is_first = true;

		fputs(style ? style : "", out);
		for (size_t i = 0; i < t->n_columns; i++) {
			if (!widths[i])
				continue;
			pad(out, is_first ? 0 : GAP);
			is_first = false;
			print_cell(row == 0 ? t->columns[i].title : cell(t, row - 1, i), widths[i], t->columns[i].is_right, i == last, out);
		}
		fputs(style ? "\033[0m\n" : "\n", out);
	}
}
