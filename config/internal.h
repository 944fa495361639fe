/*
 * What the parts of config/ share; nobody else includes it.
 *
 * The way of a text: scan.c (is it clean and well-formed?), parse.c (libconfig's tree -> raw records, by the table of
 * keys), validate.c (raw records -> struct config). Raw values keep their line, so that each error can name it.
 */
#pragma once

#include "config.h"
#include "zones.h"

#define SCAN_DEPTH_MAX 32
#define SCAN_STRING_MAX 4096 /* libconfig grows strings in small steps: a long one takes quadratic time */
#define SCAN_NAME_MAX 64
#define SCAN_NUMBER_MAX 20
#define SCAN_GROUP_MAX 64 /* settings of one group: libconfig looks them up one by one */
#define SCAN_SETTINGS_MAX 3000000
#define CONFIG_SCOPES_MAX 256
#define CONFIG_REGION_MAX 63 /* it becomes a part of a host name */
#define CONFIG_PATH_MAX 1024
#define SITE_REGEX_BYTES_MAX 128
#define SITE_BY_BYTES_MAX (SITE_REGEX_BYTES_MAX + 5) /* and "name:" */
#define SITE_REGEX_PLUS_MAX 8 /* glibc doubles what a `+` stands behind: nested ones take memory by powers of two */

/* Memory that goes in one piece. */
struct arena {
	struct arena_chunk *chunks;
};
void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for anything; NULL without memory */
char *arena_text(struct arena *a, const char *text, size_t len);
void arena_deinit(struct arena *a);

/* Collects messages: the first CONFIG_ERRORS_MAX, then a count. */
struct report {
	struct config_messages messages;
	size_t n_dropped;
	bool is_without_memory;
};
/* `file` NULL: no position; line 0: no line. Each message becomes clean UTF-8. */
__attribute__((format(printf, 5, 6)))
void report_add(struct report *r, enum config_severity severity, const char *file, unsigned int line, const char *format, ...);
void report_finish(struct report *r); /* says how many more there were */

/* units.c: independent of the locale; false when the text is none. */
bool units_duration(const char *text, int64_t *ret_ns); /* "1h30m", "500ms" */
bool units_decimal(const char *text, double *ret_value); /* "10", "0.5" */
bool units_share(const char *text, double *ret_share);   /* "5%", from 0 to 100 % */
bool units_number(const char *text, double *ret_value);  /* a decimal that may have a minus before it */
struct units_text {
	char text[64];
};
struct units_text units_print_duration(int64_t ns);

/* glob.c: does `wide` match all that `narrow`, text or glob, matches? False when that is not certain. */
bool glob_covers(const char *wide, const char *narrow);
/* Is there certainly no text that both match? */
bool glob_excludes(const char *a, const char *b);

/* words.c: the candidate that `text` was likely meant to be, or NULL. */
const char *words_nearest(const char *text, const char *const *candidates, size_t n);

/* scan.c: true when libconfig can be given the text. `text` ends with a newline and a terminator. */
bool scan_text(const char *file, const char *text, size_t len, struct report *report);

/* Raw values: what was written, or the default with line 0. */
struct raw_head {
	const char *file;
	unsigned int line;
	uint32_t index; /* in its list, in its file */
};
struct raw_text {
	const char *text; /* NULL: not given */
	unsigned int line;
};
struct raw_texts {
	const struct raw_text *items;
	uint32_t n;
	unsigned int line;
	bool is_bad; /* some of them could not be used, and that was said */
};
struct raw_flag {
	bool is_on;
	unsigned int line;
};
struct raw_word {
	uint32_t value;
	bool is_set; /* by a default, too; else what was written could not be used */
	unsigned int line;
};
struct raw_count {
	uint32_t n;
	unsigned int line;
};
struct raw_duration {
	int64_t ns;
	unsigned int line;
};
struct raw_rate {
	double value;
	unsigned int line;
};
struct raw_limit {
	struct limit limit;
	unsigned int line;
};
struct raw_share {
	double share;
	unsigned int line;
};
struct raw_number {
	double value;
	unsigned int line;
};
struct raw_civil {
	int64_t s; /* of a day, or a civil time (civil.h) */
	bool is_set; /* else what was written could not be used */
	unsigned int line;
};
struct raw_list {
	void *items;
	uint32_t n;
};

/* Raw groups begin with their head: a line of 0 means that the group was not given. */
struct raw_account {
	struct raw_head head;
	struct raw_text name, endpoint;
	struct {
		struct raw_head head;
		struct raw_word source, base;
		struct raw_text path, profile, role_name, uri, role_arn, oidc_provider_arn, oidc_token_file, session_name;
		struct raw_text sts_endpoint, metadata_endpoint;
		struct raw_duration duration;
	} credentials;
	struct raw_texts regions;
	struct raw_word signature;
	struct raw_duration poll_interval, dpi_poll_interval, catalogue_interval, auto_upgrade_interval;
	struct raw_share blast_radius;
	struct {
		struct raw_head head;
		struct raw_rate calls_per_second;
		struct raw_count burst, concurrency;
		struct raw_duration timeout;
		struct raw_text ca_file, proxy;
	} api;
};
struct raw_window {
	struct raw_head head;
	struct raw_text name, time_zone;
	struct raw_texts days;
	struct raw_civil start;
	struct raw_duration length;
};
struct raw_freeze {
	struct raw_head head;
	struct raw_text name, time_zone, reason;
	struct raw_civil from, to;
};
struct raw_match {
	struct raw_head head;
	struct raw_text glob[SELECTOR_N];
};
struct raw_wave {
	struct raw_head head;
	struct raw_text name;
	struct raw_match match;
	struct raw_share percent, success;
	struct raw_duration soak;
};
struct raw_halt_reason {
	struct raw_head head;
	struct raw_word reason;
	struct raw_count failures;
};
struct raw_policy {
	struct raw_head head;
	struct raw_text name;
	struct raw_texts windows, freezes;
	struct raw_limit max_in_flight;
	struct raw_count max_starts_per_hour, max_in_flight_per_site;
	struct raw_text site_by;
	struct raw_duration deadline, upgrade_takes;
	struct raw_list waves;
	struct raw_word auto_upgrade;
	struct {
		struct raw_head head;
		struct raw_count failures, min_sample;
		struct raw_share percent;
		struct raw_list by_reason;
	} halt;
	struct {
		struct raw_head head;
		struct raw_text prometheus, query;
		struct raw_word open_when;
		struct raw_number value;
		struct raw_duration max_age, timeout;
	} gate;
	struct {
		struct raw_head head;
		struct raw_count attempts;
		struct raw_duration first, max;
	} retry;
	struct {
		struct raw_head head;
		struct raw_duration soak;
		struct raw_flag vpn;
	} verify;
};
struct raw_pin {
	struct raw_head head;
	struct raw_text name;
	struct raw_match match;
	struct raw_text device, dpi, policy, dpi_policy;
	struct raw_texts via, never;
	struct raw_flag hold;
};

struct raw {
	struct raw_head head; /* of the main file */
	struct raw_word mode;
	struct raw_count max_in_flight;
	struct raw_text include_dir, state, control_socket;
	struct raw_list accounts, windows, freezes, policies, pins;
	uint32_t n_main_pins; /* they come first in the list, and last in the result */
	const char *folder;   /* that relative paths start from; NULL: they stay as they are */
	bool is_incomplete;   /* a file could not be read or parsed: its names are missing */
	struct arena arena;   /* of the strings; becomes the configuration's */
	struct zones *zones;  /* becomes the configuration's, too */
	int64_t now_s;        /* UTC: what is over is worth a warning */
	struct report *report;
};
/* parse.c: one text into raw; the report says what is wrong. */
void parse_text(struct raw *raw, const char *file, const char *text, size_t len, bool is_main);
void raw_deinit(struct raw *raw);

/* For the head of a message: `pins[3] ("shops")`. */
struct raw_title {
	char text[400];
};
struct raw_title raw_title(const char *list, const struct raw_head *head, const struct raw_text *name);

/* validate.c: takes raw's arena and zones on success. 0, CONFIG_E_INVALID or -ENOMEM. */
int validate(struct raw *raw, struct config **ret_config);

/* credentials.c: all but the paths, which are resolved already. False without memory. */
bool credentials_check(struct report *report, const struct raw_account *a, const char *title, struct identity_settings *out);

/* shadow.c: warnings and errors about pins among themselves and about pins that no scope fits. 0 or -ENOMEM. */
int shadow_check(struct report *report, const struct settings *settings, const struct raw_pin *const *raw_pins);

/* names.c: an index over the names of a list, for duplicates and look-ups. */
struct name_entry {
	const char *name;
	uint32_t index;
};
void names_sort(struct name_entry *entries, size_t n);
const struct name_entry *names_find(const struct name_entry *entries, size_t n, const char *name);

/* load.c: a configuration from one text and no file, as if at CONFIG_TEXT_NOW_S; include_dir is refused. For tests. */
#define CONFIG_TEXT_NOW_S INT64_C(1767225600) /* 2026-01-01 00:00 UTC */
int config_from_text(const char *name, const char *text, size_t len, struct config **ret_config, struct config_messages *ret_messages)
	__attribute__((warn_unused_result));
