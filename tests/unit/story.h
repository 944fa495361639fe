/*
 * Stories: a file of what happens to the core, and of what it is to answer.
 *
 * Each story begins with `== NAME`. A line is one thing that happens, in words that its test knows; the lines with `>`
 * after it are all that the core told of it. A line with `=` looks at something. `#` is a remark.
 * With STORY_WRITE=PATH in the environment nothing fails; the file is written to PATH with what is told and seen in
 * fact: to be read by a person before it takes the place of the file.
 */
#pragma once

#include "core/reconcile.h"

#include <stdio.h>

struct story {
	char name[128];
	int line;
	char told[16384]; /* by the core since the last line, a line each */
	size_t n_told;
	char expected[16384];
	FILE *out; /* STORY_WRITE, else NULL */
};

struct story_teller {
	void *bed; /* what the functions get */
	void (*begin)(void *bed, struct story *s);
	void (*line)(void *bed, char *line); /* of what happens, or of `=` */
	void (*end)(void *bed);
};

/* All stories of a file in TEST_DATA. */
void stories_tell(const char *file, const struct story_teller *teller);

void story_fail(const struct story *s, const char *what, const char *detail);
/* A look: `seen` is there, `expected` should be. */
void story_look(struct story *s, const char *expected, const char *seen);

int story_find_name(const char *const *names, int n, const char *name); /* -1: it is none of them */

/* SERIAL:VERSION with any of :offline :standby :active :abnormal :novpn :dpi=VERSION; borrows the word. */
struct device_observation story_device(char *word);
/* INSTANCE DEVICE… where INSTANCE is ID or ID:STATUS; borrows the words. Words with `=` go to `attribute`, which may be NULL. */
struct observation story_observation(char *words, void (*attribute)(void *bed, char *key, char *value), void *bed);
