/* What the tests of config/ share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* One account in one region, one policy, as single lines, so that line 3 is the first of a case. */
#define ACCOUNT "accounts = ( { name = \"prod\"; credentials: { source = \"env\"; }; regions = [ \"cn-shanghai\" ]; } );\n"
#define POLICY "policies = ( { name = \"p\"; windows = [ \"always\" ]; } );\n"
#define BASE ACCOUNT POLICY
#define RULE(inside) ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\" ];\n" inside " } );\n"
#define GOOD_PIN "match: { id = \"*\"; }; device = \"1.0\"; policy = \"p\";"
#define PIN(inside) "pins = ( { name = \"x\"; " inside " } );"

static inline void show_messages(const struct config_messages *m)
{
	for (size_t i = 0; i < m->n; i++)
		print_error("  %s %s\n", m->items[i].severity == CONFIG_ERROR ? "error" : "warning", m->items[i].text);
}

/* Is there a message of that severity that contains the text? */
static inline bool has_message(const struct config_messages *m, enum config_severity severity, const char *text)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->items[i].severity == severity && strstr(m->items[i].text, text))
			return true;
	return false;
}

/* A text that gives one message of that severity, and no other. */
struct config_case {
	const char *text;
	enum config_severity severity;
	const char *want;
};
#define ERROR_AT(text, want) { text, CONFIG_ERROR, want }
#define WARNING_AT(text, want) { text, CONFIG_WARNING, want }

static inline bool is_as_wanted(const struct config_case *c)
{
	struct config_messages messages;
	struct config *config = NULL;
	int r = config_from_text("t.cfg", c->text, strlen(c->text), &config, &messages);
	bool is_right = r == (c->severity == CONFIG_ERROR ? CONFIG_E_INVALID : 0) && messages.n == 1 &&
		messages.n_errors == (c->severity == CONFIG_ERROR) && has_message(&messages, c->severity, c->want);

	if (!is_right) {
		print_error("for:\n%s\nwanted: %s\ngot %d:\n", c->text, c->want, r);
		show_messages(&messages);
	}
	config_messages_deinit(&messages);
	config_free(config);
	return is_right;
}

static inline void check_cases(const struct config_case *cases, size_t n)
{
	size_t n_wrong = 0;

	for (size_t i = 0; i < n; i++)
		n_wrong += !is_as_wanted(&cases[i]);
	assert_int_equal(n_wrong, 0);
}

/* Texts that give a configuration and not a word. */
static inline void check_accepted(const char *const *accepted, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config_messages messages;
		struct config *config = NULL;
		int r = config_from_text("t.cfg", accepted[i], strlen(accepted[i]), &config, &messages);

		if (r || messages.n) {
			print_error("for:\n%s\n", accepted[i]);
			show_messages(&messages);
		}
		assert_int_equal(r, 0);
		assert_int_equal(messages.n, 0);
		config_messages_deinit(&messages);
		assert_null(config_free(config));
	}
}

static inline struct config *load(const char *text)
{
	struct config_messages messages;
	struct config *config = NULL;
	int r = config_from_text("t.cfg", text, strlen(text), &config, &messages);

	show_messages(&messages);
	config_messages_deinit(&messages);
	assert_int_equal(r, 0);
	return config;
}

/* A text with one part repeated. */
static inline char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
	char *text = malloc(strlen(head) + n * strlen(part) + strlen(tail) + 1), *p;

	assert_non_null(text);
	p = stpcpy(text, head);
	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, part);
	strcpy(p, tail);
	return text;
}
