/*
 * The exposition writer: a cursor over families and rows, and the text of one piece at a time.
 *
 * A piece is one sample, or one histogram, with the header of its family before the first. It is written only where
 * its bound fits, so a block ends between pieces and every block size gives the same bytes. A family without samples
 * leaves no trace, as in the client libraries of Prometheus. Must not print per line: a fleet has a million of them.
 */
#include "expose.h"
#include "number.h"
#include "series.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const expose_content_types[EXPOSE_FORMAT_N] = {
	[EXPOSE_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
	[EXPOSE_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/* Catalogue strings are ours; test_catalogue holds them to these. */
#define NAME_MAX_LEN 64
#define PART_MAX (NAME_MAX_LEN + 40) /* a name or a closing quote, and the next label's name */
#define LINE_END_MAX (3 + NUMBER_MAX + 1) /* `"} `, value, newline */

/* What does not change between the samples of a family. */
struct shape {
	const struct metric *metric;
	size_t n_labels;
	size_t name_len;                                /* without _total */
	size_t piece_max;                               /* bound of a piece with its header */
	size_t part_lens[METRIC_LABELS_MAX + 1];
	char parts[METRIC_LABELS_MAX + 1][PART_MAX];    /* what stands before each label value, and after the last */
};

struct exposition {
	enum expose_format format;
	const struct registry *registry;
	const struct expose_source *source;
	uint64_t mark;
	enum metric_id family; /* METRIC_N: all are written */
	uint64_t row, n_rows;
	uint64_t generation;
	bool is_prepared, is_begun, has_header, is_ended;
	struct shape shape;
};

static char *put(char *p, const char *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}

static char *put_string(char *p, const char *s)
{
	return put(p, s, strlen(s));
}

/* What the formats escape in help and label values. */
static const char *escape(char c)
{
	return c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '"' ? "\\\"" : NULL;
}

static char *put_escaped(char *p, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *instead = escape(s[i]);

		p = instead ? put(p, instead, 2) : put(p, s + i, 1);
	}
	return p;
}

#define WORD sizeof(uint64_t)
#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (unsigned char)(c))

/* Non-zero when one of eight bytes is zero. */
static uint64_t zero_byte(uint64_t v)
{
	return (v - EACH_BYTE(1)) & ~v & EACH_BYTE(0x80);
}

static uint64_t needs_escape(uint64_t v)
{
	return zero_byte(v ^ EACH_BYTE('"')) | zero_byte(v ^ EACH_BYTE('\\')) | zero_byte(v ^ EACH_BYTE('\n'));
}

/* Eight bytes at a time while there is nothing to escape, which is nearly always. */
static char *put_value(char *p, const struct expose_text *t)
{
	size_t n = t->len, i = 0;
	uint64_t v;

	if (n > EXPOSE_LABEL_MAX) {
		n = EXPOSE_LABEL_MAX;
		while (n > 0 && ((unsigned char)t->data[n] & 0xc0) == 0x80)
			n--;
	}
	for (; n >= WORD && i < n; i += WORD) {
		size_t at = i + WORD <= n ? i : n - WORD; /* the last word overlaps the one before */

		memcpy(&v, t->data + at, WORD);
		if (needs_escape(v))
			break;
		memcpy(p + at, &v, WORD);
	}
	return i < n ? put_escaped(p + i, t->data + i, n - i) : p + n;
}

static size_t label_max(const struct metric *m)
{
	return 2 * (m->source == METRIC_SOURCE_LIVE ? (size_t)EXPOSE_LABEL_MAX : (size_t)SERIES_LABEL_MAX);
}

static size_t header_max(const struct metric *m)
{
	return 3 * (strlen("# HELP ") + NAME_MAX_LEN + 2) + strlen("histogram") + 2 * strlen(m->help) + strlen(m->unit);
}

static size_t piece_max(const struct metric *m, size_t n_labels)
{
	size_t line = NAME_MAX_LEN + n_labels * (PART_MAX + label_max(m)) + LINE_END_MAX;

	if (m->type == METRIC_HISTOGRAM)
		line = (m->n_buckets + 3) * (line + strlen("_bucket{,le=\"\"") + NUMBER_MAX);
	return line + header_max(m);
}

static void shape_init(struct shape *s, enum metric_id id)
{
	const struct metric *m = &metric_catalogue[id];
	bool is_histogram = m->type == METRIC_HISTOGRAM;
	char *p = s->parts[0];

	s->metric = m;
	s->n_labels = metric_n_labels(id);
	s->name_len = strlen(m->name) - (m->type == METRIC_COUNTER ? strlen("_total") : 0);
	s->piece_max = piece_max(m, s->n_labels);
	assert(s->piece_max <= EXPOSE_BLOCK_MIN && strlen(m->name) <= NAME_MAX_LEN);
	/* A histogram's lines have different names and an `le` at the end: its parts hold the labels only. */
	if (!is_histogram)
		p = put_string(p, m->name);
	for (size_t i = 0; i < s->n_labels; i++) {
		p = put_string(p, i > 0 ? "\"," : is_histogram ? "" : "{");
		p = put_string(p, m->labels[i]);
		p = put_string(p, "=\"");
		s->part_lens[i] = (size_t)(p - s->parts[i]);
		p = s->parts[i + 1];
	}
	if (s->n_labels > 0)
		p = put_string(p, is_histogram ? "\"" : "\"}");
	if (!is_histogram)
		*p++ = ' ';
	s->part_lens[s->n_labels] = (size_t)(p - s->parts[s->n_labels]);
}

int exposition_new(enum expose_format format, const struct registry *registry, const struct expose_source *source,
		   struct exposition **ret_exposition)
{
	struct exposition *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->format = format;
	e->registry = registry;
	e->source = source;
	if (source)
		e->mark = source->begin(source->ctx);
	*ret_exposition = e;
	return 0;
}

struct exposition *exposition_free(struct exposition *e)
{
	if (e && e->source)
		e->source->end(e->source->ctx, e->mark);
	free(e);
	return NULL;
}

static char *put_line(char *p, const char *keyword, const char *name, size_t name_len)
{
	p = put_string(p, keyword);
	p = put(p, name, name_len);
	*p++ = ' ';
	return p;
}

/* OpenMetrics names the family without _total, has the unit, and escapes quotes in help; the text format does not. */
static char *put_header(char *p, const struct exposition *e)
{
	static const char *const types[METRIC_TYPE_N] = { "counter", "gauge", "histogram" };
	const struct metric *m = e->shape.metric;
	bool is_text = e->format == EXPOSE_TEXT;
	size_t name_len = is_text ? strlen(m->name) : e->shape.name_len;
	char type[2 * NAME_MAX_LEN], *t = type;

	t = put_line(t, "# TYPE ", m->name, name_len);
	t = put_string(t, types[m->type]);
	*t++ = '\n';
	if (!is_text) {
		p = put(p, type, (size_t)(t - type));
		if (m->unit[0] != '\0') {
			p = put_line(p, "# UNIT ", m->name, name_len);
			p = put_string(p, m->unit);
			*p++ = '\n';
		}
	}
	p = put_line(p, "# HELP ", m->name, name_len);
	for (const char *h = m->help; *h; h++)
		p = is_text && *h == '"' ? put(p, h, 1) : put_escaped(p, h, 1);
	*p++ = '\n';
	return is_text ? put(p, type, (size_t)(t - type)) : p;
}

static char *put_labels(char *p, const struct shape *s, const struct expose_text *labels)
{
	for (size_t i = 0; i < s->n_labels; i++) {
		p = put(p, s->parts[i], s->part_lens[i]);
		p = put_value(p, &labels[i]);
	}
	return put(p, s->parts[s->n_labels], s->part_lens[s->n_labels]);
}

static char *put_sample(char *p, const struct shape *s, const struct expose_row *row)
{
	p = put_labels(p, s, row->labels);
	p = number_put_value(p, row->value);
	*p++ = '\n';
	return p;
}

/* The start of a histogram's line up to its labels; le: an upper bound, or NULL for _sum and _count. */
static char *put_histogram_name(char *p, const struct shape *s, const char *suffix, const struct expose_text *labels,
				const double *le)
{
	p = put(p, s->metric->name, s->name_len);
	p = put_string(p, suffix);
	if (s->n_labels > 0 || le)
		*p++ = '{';
	p = put_labels(p, s, labels);
	if (le) {
		p = put_string(p, s->n_labels > 0 ? ",le=\"" : "le=\"");
		p = number_put_bound(p, *le);
		*p++ = '"';
	}
	if (s->n_labels > 0 || le)
		*p++ = '}';
	*p++ = ' ';
	return p;
}

static char *put_histogram(char *p, const struct shape *s, const struct expose_text *labels, const struct series *series)
{
	const struct metric *m = s->metric;
	const double inf = __builtin_inf();
	uint64_t count = 0;

	for (size_t i = 0; i <= m->n_buckets; i++) {
		count += series->counts[i];
		p = put_histogram_name(p, s, "_bucket", labels, i < m->n_buckets ? &m->buckets[i] : &inf);
		p = number_put_integer(p, count);
		*p++ = '\n';
	}
	p = put_histogram_name(p, s, "_sum", labels, NULL);
	p = number_put_value(p, series->value);
	*p++ = '\n';
	p = put_histogram_name(p, s, "_count", labels, NULL);
	p = number_put_integer(p, count);
	*p++ = '\n';
	return p;
}

static void family_begin(struct exposition *e)
{
	const struct expose_source *source = e->source;

	e->is_begun = true;
	e->has_header = false;
	e->row = 0;
	e->n_rows = 0;
	shape_init(&e->shape, e->family);
	if (e->shape.metric->source == METRIC_SOURCE_REGISTRY) {
		const struct family *f = registry_family(e->registry, e->family);

		e->n_rows = f->n;
		e->generation = f->generation;
	} else if (source && source->is_shown(source->ctx, e->family)) {
		e->n_rows = source->rows(source->ctx, e->mark, e->family);
	}
}

/* The series of the current row, NULL where its family was dropped since the family began. */
static const struct series *row_series(const struct exposition *e)
{
	const struct family *f = registry_family(e->registry, e->family);

	return f->generation == e->generation && e->row < f->n ? f->series[e->row] : NULL;
}

static char *put_piece(char *p, struct exposition *e)
{
	const struct shape *s = &e->shape;
	const struct series *series = NULL;
	struct expose_row row;

	if (s->metric->source == METRIC_SOURCE_LIVE) {
		if (!e->source->row(e->source->ctx, e->mark, e->family, e->row, &row))
			return p;
	} else {
		series = row_series(e);
		if (!series)
			return p;
		for (size_t i = 0; i < s->n_labels; i++)
			row.labels[i] = (struct expose_text){ series->labels[i], series->label_lens[i] };
		row.value = series->value;
	}
	if (!e->has_header)
		p = put_header(p, e);
	e->has_header = true;
	return series && series->counts ? put_histogram(p, s, row.labels, series) : put_sample(p, s, &row);
}

bool exposition_is_ended(const struct exposition *e)
{
	return e->is_ended;
}

static bool prepare(struct exposition *e)
{
	if (!e->is_prepared)
		e->is_prepared = !e->source || !e->source->prepare || e->source->prepare(e->source->ctx, e->mark);
	return e->is_prepared;
}

size_t exposition_write(struct exposition *e, char *buf, size_t size)
{
	unsigned int n_looked = 0;
	char *p = buf;

	assert(size >= EXPOSE_BLOCK_MIN);
	if (!prepare(e))
		return 0;
	for (; e->family < METRIC_N; e->family++, e->is_begun = false) {
		if (!e->is_begun)
			family_begin(e);
		for (; e->row < e->n_rows; e->row++) {
			if (size - (size_t)(p - buf) < e->shape.piece_max || n_looked++ == EXPOSE_ROWS_MAX)
				return (size_t)(p - buf);
			p = put_piece(p, e);
		}
	}
	if (!e->is_ended && size - (size_t)(p - buf) >= strlen("# EOF\n")) {
		if (e->format == EXPOSE_OPENMETRICS)
			p = put_string(p, "# EOF\n");
		e->is_ended = true;
	}
	return (size_t)(p - buf);
}
