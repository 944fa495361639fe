/*
 * The one table of keys: what each group of the configuration may hold, its type, default and limits.
 * The parser goes by it, and documentation can.
 */
#pragma once

#include "internal.h"

enum key_type {
	KEY_TEXT,     /* raw_text; min and max are bytes */
	KEY_TEXTS,    /* raw_texts; min and max are bytes of each */
	KEY_FLAG,     /* raw_flag */
	KEY_WORD,     /* raw_word: index into words */
	KEY_COUNT,    /* raw_count; min and max */
	KEY_DURATION, /* raw_duration; min and max in ns */
	KEY_RATE,     /* raw_rate; min and max in thousandths */
	KEY_LIMIT,    /* raw_limit: a count or a share; min and max of the count */
	KEY_SHARE,    /* raw_share; min and max in thousandths of the whole */
	KEY_NUMBER,   /* raw_number: any */
	KEY_TIME,     /* raw_civil: a time of day */
	KEY_DATETIME, /* raw_civil: a date, perhaps with a time of day */
	KEY_GROUP,    /* a raw group, by its own keys */
	KEY_LIST,     /* raw_list of groups, which all files add to; at the top only */
	KEY_ITEMS,    /* raw_list of at most max groups, within a group */
	KEY_TYPE_N,
};

struct key {
	const char *name;
	enum key_type type;
	size_t offset;
	const char *fallback; /* the default as text; NULL: none */
	int64_t min, max;
	const char *const *words;
	uint32_t n_words;
	const struct keys *group;
	bool is_required;
	bool is_quiet;     /* its value may be a secret by mistake: never shown */
	bool is_main_only; /* refused in the files of include_dir */
};

struct keys {
	const struct key *items;
	size_t n;
	size_t size; /* of the raw group */
};

extern const struct keys keys_top;
