#include "story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

void story_fail(const struct story *s, const char *what, const char *detail)
{
	fail_msg("story \"%s\", line %d: %s: %s\nthe core told:\n%s", s->name, s->line, what, detail, s->told);
}

void story_look(struct story *s, const char *expected, const char *seen)
{
	if (s->out)
		fprintf(s->out, "= %s\n", seen);
	else if (strcmp(expected, seen) != 0)
		story_fail(s, "there is", seen);
}

int story_find_name(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* ---- words of the inventory ---- */

struct device_observation story_device(char *word)
{
	char *save = NULL, *part = strtok_r(word, ":", &save);
	struct device_observation d = { .serial_number = strcmp(part, "-") == 0 ? "" : part, .controller = HEALTH_NORMAL, .vpn = HEALTH_NORMAL };

	part = strtok_r(NULL, ":", &save);
	d.version = strcmp(part, "-") == 0 ? "" : part;
	while ((part = strtok_r(NULL, ":", &save))) {
		if (strcmp(part, "offline") == 0)
			d.status = STATUS_OFFLINE;
		else if (strcmp(part, "standby") == 0)
			d.ha_role = HA_ROLE_STANDBY;
		else if (strcmp(part, "active") == 0)
			d.ha_role = HA_ROLE_ACTIVE;
		else if (strcmp(part, "abnormal") == 0)
			d.controller = HEALTH_ABNORMAL;
		else if (strcmp(part, "novpn") == 0)
			d.vpn = HEALTH_ABNORMAL;
		else if (strncmp(part, "dpi=", 4) == 0)
			d.dpi_version = part + 4;
		else
			fail_msg("no such device word: %s", part);
	}
	return d;
}

struct observation story_observation(char *words, void (*attribute)(void *bed, char *key, char *value), void *bed)
{
	char *save = NULL, *word = strtok_r(words, " ", &save), *colon = strchr(word, ':');
	struct observation o = { .instance_id = word, .has_attributes = true, .name = "n", .model = "sag-1000", .resource_group = "",
				 .ccn = "ccn-1", .city = "", .status_text = "Active", .is_status_known = true };
	unsigned int n = 0;

	if (colon) {
		*colon = '\0';
		if (strcmp(colon + 1, "nobind") == 0)
			o.ccn = "";
		else if (strcmp(colon + 1, "strange") == 0)
			o.is_status_known = false;
		else
			o.status = (enum status)story_find_name(status_names, STATUS_N, colon + 1);
	}
	while ((word = strtok_r(NULL, " ", &save))) {
		char *equals = attribute && !strchr(word, ':') ? strchr(word, '=') : NULL;

		if (equals)
			*equals = '\0';
		if (equals)
			attribute(bed, word, equals + 1);
		else
			o.devices[n++] = story_device(word);
	}
	o.n_devices = n;
	return o;
}

/* ---- the file ---- */

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		fail_msg("cannot open %s; set TEST_DATA to the folder tests/unit/data", path);
	n = getdelim(&text, &size, '\0', f);
	fclose(f);
	assert_true(n > 0);
	return text;
}

/* What was told of the line before is complete now. */
static void check_told(struct story *s)
{
	if (!s->out && strcmp(s->expected, s->told) != 0)
		story_fail(s, "expected", s->expected);
	for (char *at = s->told, *end; s->out && (end = strchr(at, '\n')); at = end + 1)
		fprintf(s->out, "> %.*s\n", (int)(end - at), at);
	s->told[0] = s->expected[0] = '\0';
	s->n_told = 0;
}

static void take_line(struct story *s, const struct story_teller *teller, char *line, bool *is_begun)
{
	if (line[0] == '>') {
		assert_true(strlen(s->expected) + strlen(line) < sizeof(s->expected));
		strcat(strcat(s->expected, line + 2), "\n");
		return;
	}
	if (line[0] != '#' || s->out)
		check_told(s);
	if (s->out && strncmp(line, "= ", 2) != 0)
		fprintf(s->out, "%s\n", line);
	if (strncmp(line, "== ", 3) == 0) {
		if (*is_begun)
			teller->end(teller->bed);
		*is_begun = true;
		snprintf(s->name, sizeof(s->name), "%s", line + 3);
		teller->begin(teller->bed, s);
	} else if (*is_begun && line[0] && line[0] != '#') {
		teller->line(teller->bed, line);
	}
}

void stories_tell(const char *file, const struct story_teller *teller)
{
	const char *folder = getenv("TEST_DATA"), *write = getenv("STORY_WRITE");
	static struct story s;
	char path[4096], *text, *next;
	bool is_begun = false;
	int line = 0;

	snprintf(path, sizeof(path), "%s/%s", folder ? folder : ".", file);
	text = read_file(path);
	s = (struct story){ .out = write ? fopen(write, "w") : NULL };
	for (char *at = text; *at; at = next) {
		next = strchr(at, '\n');
		next = next ? (*next = '\0', next + 1) : at + strlen(at);
		line++;
		if (at[0] != '>' && at[0] != '#' && at[0])
			s.line = line; /* of what happened: `>` lines are about it */
		take_line(&s, teller, at, &is_begun);
	}
	check_told(&s);
	if (is_begun)
		teller->end(teller->bed);
	if (s.out)
		fclose(s.out);
	free(text);
}
