/*
 * A table for a terminal: columns as wide as they need, narrower where they must be, and left out where even that does not
 * fit. No line is wider than what was given. Pure but for writing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12
#define TABLE_WIDTH_MIN 20 /* narrower is taken as this */

struct table_column {
	const char *title;
	unsigned int min;  /* how narrow it may become; what is cut ends in … */
	unsigned int drop; /* the one with the highest goes first; 0: stays */
	bool is_right;
};

struct table {
	const struct table_column *columns;
	size_t n_columns;          /* at most TABLE_COLUMNS_MAX */
	const char *const *cells;  /* n_rows * n_columns, row by row; borrowed */
	const char *const *styles; /* of each row an escape sequence, or NULL; NULL: none has */
	size_t n_rows;
};

/* How many columns of a terminal UTF-8 text takes: two for most East Asian characters, none for marks. */
size_t text_width(const char *text);

/* The width of each column, 0 for one that is left out; a column without any content is. */
void table_layout(const struct table *t, size_t width, size_t ret_widths[TABLE_COLUMNS_MAX]);

/* `is_styled`: titles in bold, rows as they say. */
void table_print(const struct table *t, size_t width, bool is_styled, FILE *out);
