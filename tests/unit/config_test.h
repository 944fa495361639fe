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
