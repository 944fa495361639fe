/* What the files of the validation share; nobody else includes it. */
#pragma once

#include "internal.h"

#include <regex.h>

/* An index over the names of one list: sorted, each of them once. */
struct names {
	struct name_entry *entries;
	uint32_t n;
};

/* A compiled expression; the memory is the arena's, what regcomp() took is not. */
struct held_regex {
	struct held_regex *next;
	regex_t regex;
};

struct held_config {
	struct config config; /* first: config_free gets its address */
	struct arena arena;
	struct zones *zones;
	struct held_regex *regexes;
};

struct validate {
	struct raw *raw;
	struct report *report;
	struct config *config;
	struct held_config *held;
	struct names windows, freezes, policies;
	bool *is_window_used, *is_freeze_used, *is_policy_used; /* by index into raw's lists */
};

#define ERROR(v, head, at_line, ...) report_add((v)->report, CONFIG_ERROR, (head)->file, (at_line) ? (at_line) : (head)->line, __VA_ARGS__)
#define WARNING(v, head, at_line, ...)                                                                                                     \
	report_add((v)->report, CONFIG_WARNING, (head)->file, (at_line) ? (at_line) : (head)->line, __VA_ARGS__)

/* Zeroed memory of the configuration; NULL was noted. */
void *take(struct validate *v, size_t n, size_t size);

/* What the records of all lists have in common: a head, then a name. */
struct raw_named {
	struct raw_head head;
	struct raw_text name;
};
/* A name that comes twice is an error. The result is to be freed; it is empty without memory. */
struct names names_of(struct validate *v, const char *title, const struct raw_list *list, size_t size);
/*
 * Where a text names one of them: its index, or UINT32_MAX after an error, "<title>: <key> "<name>", which <what> …". No
 * error when a file is missing, which may hold it.
 */
struct reference {
	const struct raw_head *head;
	const char *title, *key;
	const char *what;     /* "window", "freeze", "policy" */
	const char *built_in; /* another name that would be right, for the guess; or NULL */
};
uint32_t names_resolve(struct validate *v, const struct names *names, const struct reference *from, const struct raw_text *name);
/* A warning for each that is not used. */
void warn_unused(struct validate *v, const char *list_name, const struct raw_list *list, size_t size, const bool *is_used, const char *by);

/* False with an error to show, which is empty without memory: then all ends soon. */
struct endpoint;
bool parse_endpoint(struct validate *v, const char *text, struct endpoint *ret_endpoint, struct error *ret_error);

void make_windows(struct validate *v);
void make_freezes(struct validate *v);
void make_policies(struct validate *v);
void make_pins(struct validate *v);
/* Warns of waves that no pin of their policy can have an instance for. */
void check_waves_reached(struct validate *v);
