/*
 * libconfig's tree to raw records, driven by the table of keys. The only user of libconfig here.
 *
 * Every error of a text is reported, not only the first; a value that is wrong leaves its default.
 */
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "civil.h"
#include "core/utf8.h"
#include "keys.h"

struct parse {
	struct raw *raw;
	const char *file;
	bool is_main;
};

/* The way to a setting, for messages only. */
struct where {
	const struct where *up;
	const char *name;
	int index; /* of a list; -1: none */
};

struct path {
	char text[200];
};

static struct path where_path(const struct where *w)
{
	const struct where *ways[SCAN_DEPTH_MAX] = { NULL };
	struct path path = { .text = "" };
	size_t n = 0, len = 0;

	for (; w && w->name && n < SCAN_DEPTH_MAX; w = w->up)
		ways[n++] = w;
	while (n-- > 0 && len < sizeof(path.text)) {
		len += (size_t)snprintf(path.text + len, sizeof(path.text) - len, "%s%s", len ? "." : "", ways[n]->name);
		if (ways[n]->index >= 0 && len < sizeof(path.text))
			len += (size_t)snprintf(path.text + len, sizeof(path.text) - len, "[%d]", ways[n]->index);
	}
	return path;
}

/* One value, whether it was written or is a default. */
enum scalar_kind { SCALAR_TEXT, SCALAR_NUMBER, SCALAR_DECIMAL, SCALAR_FLAG, SCALAR_OTHER };
struct scalar {
	enum scalar_kind kind;
	const char *text;
	int number;
	double decimal;
};

static struct scalar scalar_of(const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_STRING:
		return (struct scalar){ .kind = SCALAR_TEXT, .text = config_setting_get_string(s) };
	case CONFIG_TYPE_INT:
		return (struct scalar){ .kind = SCALAR_NUMBER, .number = config_setting_get_int(s) };
	case CONFIG_TYPE_FLOAT:
		return (struct scalar){ .kind = SCALAR_DECIMAL, .decimal = config_setting_get_float(s) };
	case CONFIG_TYPE_BOOL:
		return (struct scalar){ .kind = SCALAR_FLAG, .number = config_setting_get_bool(s) };
	default:
		return (struct scalar){ .kind = SCALAR_OTHER };
	}
}

enum take {
	TAKE_OK,
	TAKE_WRONG,        /* no such value */
	TAKE_OUT_OF_RANGE, /* min and max of the key */
	TAKE_WITHOUT_MEMORY,
};

static bool is_in_range(const struct key *key, int64_t value)
{
	return value >= key->min && value <= key->max;
}

static enum take take_text(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_text *out = dst;
	size_t len;

	if (v->kind != SCALAR_TEXT || !utf8_is_clean(v->text, strlen(v->text)))
		return TAKE_WRONG;
	len = strlen(v->text);
	if (!is_in_range(key, (int64_t)len))
		return TAKE_OUT_OF_RANGE;
	out->text = arena_text(arena, v->text, len);
	return out->text ? TAKE_OK : TAKE_WITHOUT_MEMORY;
}

static enum take take_flag(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_flag *out = dst;

	(void)arena;
	(void)key;
	if (v->kind != SCALAR_FLAG)
		return TAKE_WRONG;
	out->is_on = v->number;
	return TAKE_OK;
}

static enum take take_word(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_word *out = dst;

	(void)arena;
	if (v->kind != SCALAR_TEXT)
		return TAKE_WRONG;
	for (uint32_t i = 0; i < key->n_words; i++) {
		if (strcmp(key->words[i], v->text) == 0) {
			out->value = i;
			out->is_set = true;
			return TAKE_OK;
		}
	}
	return TAKE_WRONG;
}

static enum take take_count(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_count *out = dst;

	(void)arena;
	if (v->kind != SCALAR_NUMBER)
		return TAKE_WRONG;
	if (!is_in_range(key, v->number))
		return TAKE_OUT_OF_RANGE;
	out->n = (uint32_t)v->number;
	return TAKE_OK;
}

static enum take take_duration(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_duration *out = dst;
	int64_t ns;

	(void)arena;
	if (v->kind != SCALAR_TEXT || !units_duration(v->text, &ns))
		return TAKE_WRONG;
	if (!is_in_range(key, ns))
		return TAKE_OUT_OF_RANGE;
	out->ns = ns;
	return TAKE_OK;
}

static enum take take_rate(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_rate *out = dst;
	double rate = v->kind == SCALAR_NUMBER ? v->number : v->decimal;

	(void)arena;
	if (v->kind == SCALAR_FLAG || v->kind == SCALAR_OTHER || (v->kind == SCALAR_TEXT && !units_decimal(v->text, &rate)))
		return TAKE_WRONG;
	if (rate * 1000 < (double)key->min || rate * 1000 > (double)key->max)
		return TAKE_OUT_OF_RANGE;
	out->value = rate;
	return TAKE_OK;
}

static enum take take_limit(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_limit *out = dst;
	struct raw_count count = { 0 };
	double share;
	enum take taken;

	if (v->kind == SCALAR_TEXT && units_share(v->text, &share) && share > 0) {
		out->limit = (struct limit){ .is_share = true, .share = share };
		return TAKE_OK;
	}
	taken = take_count(arena, key, v, &count);
	if (taken == TAKE_OK)
		out->limit = (struct limit){ .count = count.n };
	return taken;
}

static enum take take_share(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_share *out = dst;
	double share;

	(void)arena;
	if (v->kind != SCALAR_TEXT || !units_share(v->text, &share))
		return TAKE_WRONG;
	if (share * 1000 < (double)key->min)
		return TAKE_OUT_OF_RANGE;
	out->share = share;
	return TAKE_OK;
}

static enum take take_number(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_number *out = dst;
	double value = v->kind == SCALAR_NUMBER ? v->number : v->decimal;

	(void)arena;
	(void)key;
	if (v->kind == SCALAR_FLAG || v->kind == SCALAR_OTHER || (v->kind == SCALAR_TEXT && !units_number(v->text, &value)))
		return TAKE_WRONG;
	out->value = value;
	return TAKE_OK;
}

static enum take take_time(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_civil *out = dst;
	int32_t s;

	(void)arena;
	(void)key;
	if (v->kind != SCALAR_TEXT || !civil_parse_time_of_day(v->text, &s))
		return TAKE_WRONG;
	out->s = s;
	out->is_set = true;
	return TAKE_OK;
}

static enum take take_datetime(struct arena *arena, const struct key *key, const struct scalar *v, void *dst)
{
	struct raw_civil *out = dst;

	(void)arena;
	(void)key;
	out->is_set = v->kind == SCALAR_TEXT && civil_parse_datetime(v->text, &out->s);
	return out->is_set ? TAKE_OK : TAKE_WRONG;
}

/* Where the line stands in each raw value is the same for all but groups: behind the value. */
static const struct {
	enum take (*take)(struct arena *arena, const struct key *key, const struct scalar *v, void *dst);
	size_t line;
	enum scalar_kind fallback_kind;
	const char *wanted;
} types[KEY_TYPE_N] = {
	[KEY_TEXT] = { take_text, offsetof(struct raw_text, line), SCALAR_TEXT, "a text in quotes, without control characters" },
	[KEY_TEXTS] = { take_text, offsetof(struct raw_texts, line), SCALAR_TEXT, "texts in square brackets, as in [ \"a\", \"b\" ]" },
	[KEY_FLAG] = { take_flag, offsetof(struct raw_flag, line), SCALAR_FLAG, "true or false, without quotes" },
	[KEY_WORD] = { take_word, offsetof(struct raw_word, line), SCALAR_TEXT, "one of" },
	[KEY_COUNT] = { take_count, offsetof(struct raw_count, line), SCALAR_NUMBER, "a whole number without quotes" },
	[KEY_DURATION] = { take_duration, offsetof(struct raw_duration, line), SCALAR_TEXT,
			   "a whole number and d, h, m, s or ms, in quotes, as in \"30m\" or \"1h30m\"" },
	[KEY_RATE] = { take_rate, offsetof(struct raw_rate, line), SCALAR_TEXT, "a number, as in \"10\" or \"0.5\"" },
	[KEY_LIMIT] = { take_limit, offsetof(struct raw_limit, line), SCALAR_NUMBER,
			"a whole number, or a share above 0 in quotes, as in \"5%\"" },
	[KEY_SHARE] = { take_share, offsetof(struct raw_share, line), SCALAR_TEXT, "a share of at most 100 % in quotes, as in \"5%\"" },
	[KEY_NUMBER] = { take_number, offsetof(struct raw_number, line), SCALAR_TEXT, "a number, as in 10 or \"-0.5\"" },
	[KEY_TIME] = { take_time, offsetof(struct raw_civil, line), SCALAR_TEXT, "a time of day from \"00:00\" to \"23:59:59\"" },
	[KEY_DATETIME] = { take_datetime, offsetof(struct raw_civil, line), SCALAR_TEXT,
			   "a date that exists, perhaps with a time of day, as in \"2026-11-09 18:30\"" },
	[KEY_GROUP] = { .wanted = "a group, as in { key = value; }" },
	[KEY_LIST] = { .wanted = "a list of groups, as in ( { name = \"a\"; }, { name = \"b\"; } )" },
	[KEY_ITEMS] = { .wanted = "a list of groups, as in ( { … }, { … } )" },
};

struct shown {
	char text[128];
};

/* A value as the file has it, cut when long. */
static struct shown show_value(const struct key *key, const struct scalar *v)
{
	struct shown out = { .text = "the value" };

	if (key->is_quiet)
		return out;
	if (v->kind == SCALAR_TEXT)
		snprintf(out.text, sizeof(out.text), "\"%.80s\"%s", v->text, strlen(v->text) > 80 ? "…" : "");
	else if (v->kind == SCALAR_NUMBER)
		snprintf(out.text, sizeof(out.text), "%d", v->number);
	else if (v->kind == SCALAR_FLAG)
		snprintf(out.text, sizeof(out.text), "%s", v->number ? "true" : "false");
	return out;
}

struct wanted {
	char text[300];
};

static struct wanted show_wanted(const struct key *key)
{
	struct wanted out;
	size_t len = (size_t)snprintf(out.text, sizeof(out.text), "%s", types[key->type].wanted);

	for (uint32_t i = 0; i < key->n_words; i++)
		len += (size_t)snprintf(out.text + len, sizeof(out.text) - len, "%s\"%s\"", i ? ", " : " ", key->words[i]);
	return out;
}

static struct wanted show_range(const struct key *key)
{
	struct wanted out;

	if (key->type == KEY_DURATION)
		snprintf(out.text, sizeof(out.text), "from %s to %s", units_print_duration(key->min).text, units_print_duration(key->max).text);
	else if (key->type == KEY_RATE)
		snprintf(out.text, sizeof(out.text), "from %lld.%03d to %lld", (long long)key->min / 1000, (int)(key->min % 1000),
			 (long long)key->max / 1000);
	else if (key->type == KEY_SHARE)
		snprintf(out.text, sizeof(out.text), "from \"%g%%\" to \"100%%\"", (double)key->min / 10);
	else
		snprintf(out.text, sizeof(out.text), "from %lld to %lld%s", (long long)key->min, (long long)key->max,
			 key->type == KEY_TEXT || key->type == KEY_TEXTS ? " bytes" : "");
	return out;
}

/* An error at a setting of this key. */
static void complain(struct parse *p, const struct where *w, const struct key *key, const struct scalar *v, enum take taken, unsigned int line)
{
	if (taken == TAKE_WITHOUT_MEMORY)
		p->raw->report->is_without_memory = true;
	else if (taken == TAKE_OUT_OF_RANGE)
		report_add(p->raw->report, CONFIG_ERROR, p->file, line, "%s: %s is out of range; it goes %s", where_path(w).text,
			   show_value(key, v).text, show_range(key).text);
	else
		report_add(p->raw->report, CONFIG_ERROR, p->file, line, "%s: %s cannot be used here; write %s", where_path(w).text,
			   show_value(key, v).text, show_wanted(key).text);
}

static void set_line(const struct key *key, void *dst, unsigned int line)
{
	memcpy((char *)dst + types[key->type].line, &line, sizeof(line));
}

static void take_scalar(struct parse *p, const struct where *w, const struct key *key, const config_setting_t *s, void *dst)
{
	struct scalar v = scalar_of(s);
	enum take taken = types[key->type].take(&p->raw->arena, key, &v, dst);

	if (taken != TAKE_OK)
		complain(p, w, key, &v, taken, config_setting_source_line(s));
	set_line(key, dst, config_setting_source_line(s));
}

static void take_texts(struct parse *p, const struct where *w, const struct key *key, const config_setting_t *s, void *dst)
{
	struct raw_texts *out = dst;
	struct raw_text *items;
	int n = config_setting_is_aggregate(s) && !config_setting_is_group(s) ? config_setting_length(s) : -1;

	out->line = config_setting_source_line(s);
	if (n < 0) {
		struct scalar v = scalar_of(s);

		complain(p, w, key, &v, TAKE_WRONG, out->line);
		out->is_bad = true;
		return;
	}
	items = arena_alloc(&p->raw->arena, (size_t)n * sizeof(*items));
	p->raw->report->is_without_memory |= !items;
	for (int i = 0; items && i < n; i++) {
		const config_setting_t *item = config_setting_get_elem(s, (unsigned int)i);
		const struct where at = { w->up, w->name, i };
		struct scalar v = scalar_of(item);
		enum take taken = take_text(&p->raw->arena, key, &v, &items[out->n]);

		out->is_bad |= taken != TAKE_OK;
		if (taken != TAKE_OK)
			complain(p, &at, key, &v, taken, config_setting_source_line(item));
		else
			items[out->n++].line = config_setting_source_line(item);
	}
	out->items = items;
}

/* Defaults go through the same code as what is written; the table is checked by that. */
static void set_defaults(struct parse *p, const struct keys *keys, void *dst)
{
	for (size_t i = 0; i < keys->n; i++) {
		const struct key *key = &keys->items[i];
		void *at = (char *)dst + key->offset;
		struct scalar v;

		if (key->type == KEY_GROUP)
			set_defaults(p, key->group, at);
		if (!key->fallback)
			continue;
		v = (struct scalar){ .kind = types[key->type].fallback_kind, .text = key->fallback };
		v.number = v.kind == SCALAR_FLAG ? strcmp(key->fallback, "true") == 0 : atoi(key->fallback);
		if (types[key->type].take(&p->raw->arena, key, &v, at) != TAKE_OK)
			p->raw->report->is_without_memory = true;
	}
}

static void unknown_key(struct parse *p, const struct where *w, const struct keys *keys, const config_setting_t *s)
{
	const char *names[SCAN_GROUP_MAX], *name = config_setting_name(s), *nearest;
	const struct where at = { w, name, -1 };
	char list[600] = "";
	size_t len = 0;

	for (size_t i = 0; i < keys->n; i++) {
		names[i] = keys->items[i].name;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", names[i]);
	}
	nearest = words_nearest(name, names, keys->n);
	if (nearest)
		report_add(p->raw->report, CONFIG_ERROR, p->file, config_setting_source_line(s),
			   "%s: unknown key; did you mean \"%s\"?", where_path(&at).text, nearest);
	else
		report_add(p->raw->report, CONFIG_ERROR, p->file, config_setting_source_line(s),
			   "%s: unknown key; this version knows here: %s", where_path(&at).text, list);
}

static void take_group(struct parse *p, const struct where *w, const struct keys *keys, const config_setting_t *s, void *dst);
static void take_list(struct parse *p, const struct where *w, const struct key *key, const config_setting_t *s, void *dst);
static void take_items(struct parse *p, const struct where *w, const struct key *key, const config_setting_t *s, void *dst);

/* An empty array is as good as an empty list. */
static bool is_list(const config_setting_t *s)
{
	return config_setting_is_list(s) || (config_setting_is_array(s) && !config_setting_length(s));
}

static void take_key(struct parse *p, const struct where *up, const struct key *key, const config_setting_t *s, void *dst)
{
	const struct where w = { up, key->name, -1 };
	const struct scalar other = { .kind = SCALAR_OTHER };

	if (key->is_main_only && !p->is_main)
		report_add(p->raw->report, CONFIG_ERROR, p->file, config_setting_source_line(s),
			   "%s: belongs into the main file; the files of include_dir hold accounts, windows, freezes, policies and pins", key->name);
	else if (key->type == KEY_GROUP && config_setting_is_group(s))
		take_group(p, &w, key->group, s, dst);
	else if (key->type == KEY_LIST && is_list(s))
		take_list(p, &w, key, s, dst);
	else if (key->type == KEY_ITEMS && is_list(s))
		take_items(p, &w, key, s, dst);
	else if (key->type == KEY_TEXTS)
		take_texts(p, &w, key, s, dst);
	else if (key->type == KEY_GROUP || key->type == KEY_LIST || key->type == KEY_ITEMS)
		complain(p, &w, key, &other, TAKE_WRONG, config_setting_source_line(s));
	else
		take_scalar(p, &w, key, s, dst);
}

static void take_group(struct parse *p, const struct where *w, const struct keys *keys, const config_setting_t *s, void *dst)
{
	int n = config_setting_length(s);
	struct raw_head *head = dst;
	uint64_t seen = 0;

	head->file = p->file;
	head->line = config_setting_source_line(s);
	for (int i = 0; i < n; i++) {
		const config_setting_t *member = config_setting_get_elem(s, (unsigned int)i);
		size_t k = 0;

		while (k < keys->n && strcmp(keys->items[k].name, config_setting_name(member)) != 0)
			k++;
		if (k == keys->n) {
			unknown_key(p, w, keys, member);
			continue;
		}
		seen |= UINT64_C(1) << k;
		take_key(p, w, &keys->items[k], member, (char *)dst + keys->items[k].offset);
	}
	for (size_t k = 0; k < keys->n; k++)
		if (keys->items[k].is_required && !(seen >> k & 1))
			report_add(p->raw->report, CONFIG_ERROR, p->file, head->line, "%s: \"%s\" is missing; write %s",
				   where_path(w).text, keys->items[k].name, show_wanted(&keys->items[k]).text);
}

/* Appends the groups of a setting; there is room for them, and it is zeroed. */
static void take_records(struct parse *p, const struct where *w, const struct key *key, const config_setting_t *s, struct raw_list *list)
{
	for (int i = 0; i < config_setting_length(s); i++) {
		const config_setting_t *item = config_setting_get_elem(s, (unsigned int)i);
		const struct where at = { w->up, w->name, i };
		char *record = (char *)list->items + list->n * key->group->size;

		if (!config_setting_is_group(item)) {
			const struct scalar v = scalar_of(item);

			complain(p, &at, key, &v, TAKE_WRONG, config_setting_source_line(item));
			continue;
		}
		set_defaults(p, key->group, record);
		take_group(p, &at, key->group, item, record);
		((struct raw_head *)(void *)record)->index = (uint32_t)i;
		list->n++;
	}
}

/* The list grows by this file's part. */
static void take_list(struct parse *p, const struct where *w, const struct key *key, const config_setting_t *s, void *dst)
{
	struct raw_list *list = dst;
	size_t size = key->group->size;
	uint32_t n = (uint32_t)config_setting_length(s);
	char *items;

	if (n > CONFIG_ITEMS_MAX - list->n) {
		report_add(p->raw->report, CONFIG_ERROR, p->file, config_setting_source_line(s), "%s: more than %d of them in all files",
			   key->name, CONFIG_ITEMS_MAX);
		return;
	}
	items = n ? realloc(list->items, (list->n + n) * size) : list->items;
	p->raw->report->is_without_memory |= n && !items;
	if (!items)
		return;
	list->items = items;
	memset(items + list->n * size, 0, n * size);
	take_records(p, w, key, s, list);
}

static void take_items(struct parse *p, const struct where *w, const struct key *key, const config_setting_t *s, void *dst)
{
	struct raw_list *list = dst;
	uint32_t n = (uint32_t)config_setting_length(s);

	if (n > key->max) {
		report_add(p->raw->report, CONFIG_ERROR, p->file, config_setting_source_line(s), "%s: has %u entries; at most %lld are allowed",
			   where_path(w).text, n, (long long)key->max);
		return;
	}
	list->items = arena_alloc(&p->raw->arena, n * key->group->size + 1);
	p->raw->report->is_without_memory |= !list->items;
	if (list->items)
		take_records(p, w, key, s, list);
}

void parse_text(struct raw *raw, const char *file, const char *text, size_t len, bool is_main)
{
	struct parse p = { .raw = raw, .file = arena_text(&raw->arena, file, strlen(file)), .is_main = is_main };
	static const struct where root = { NULL, NULL, -1 };
	config_t tree;

	if (!p.file) {
		raw->report->is_without_memory = true;
		return;
	}
	if (is_main)
		set_defaults(&p, &keys_top, raw);
	if (!scan_text(p.file, text, len, raw->report)) {
		raw->is_incomplete = true;
		return;
	}
	config_init(&tree);
	if (config_read_string(&tree, text)) {
		struct raw_head main_head = raw->head;

		take_group(&p, &root, &keys_top, config_root_setting(&tree), raw);
		if (!is_main)
			raw->head = main_head;
	} else {
		raw->is_incomplete = true;
		report_add(raw->report, CONFIG_ERROR, p.file, (unsigned int)config_error_line(&tree),
			   "cannot be parsed: %s; look at this line and the one before", config_error_text(&tree));
	}
	config_destroy(&tree);
}

struct raw_title raw_title(const char *list, const struct raw_head *head, const struct raw_text *name)
{
	struct raw_title title;

	if (name->text)
		snprintf(title.text, sizeof(title.text), "%s[%u] (\"%s\")", list, head->index, name->text);
	else
		snprintf(title.text, sizeof(title.text), "%s[%u]", list, head->index);
	return title;
}

void raw_deinit(struct raw *raw)
{
	free(raw->accounts.items);
	free(raw->windows.items);
	free(raw->freezes.items);
	free(raw->policies.items);
	free(raw->pins.items);
	zones_free(raw->zones);
	arena_deinit(&raw->arena);
}
