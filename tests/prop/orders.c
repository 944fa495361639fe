/*
 * Properties of the order of versions (rule 7) and of globs and pins, over random texts, against slow and
 * plain oracles.
 *
 *     orders [--seed S]
 */
#include "core/pin.h"
#include "core/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static unsigned int upto(unsigned int n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(state >> 33) % n;
}

static int failures;

static void broke(const char *what, const char *a, const char *b, const char *c)
{
	failures++;
	fprintf(stderr, "%s: \"%s\" \"%s\" \"%s\"\n", what, a, b, c);
}

/* ---- versions: made from numbers that the oracle keeps ---- */

struct made {
	char text[64];
	unsigned int parts[4];
	int candidate; /* 0: a release; else -rcN */
};

static struct made make(void)
{
	struct made v = {.candidate = upto(3) ? 0 : 1 + (int)upto(12)};
	unsigned int n = 1 + upto(4);

	snprintf(v.text, sizeof(v.text), "%s", upto(8) ? "" : "v");
	for (unsigned int i = 0; i < n; i++) {
		v.parts[i] = upto(4) ? upto(13) : upto(2) * 100;
		snprintf(v.text + strlen(v.text), 16, i ? ".%s%u" : "%s%u", upto(9) ? "" : "00", v.parts[i]);
	}
	if (v.candidate)
		snprintf(v.text + strlen(v.text), 16, "-rc%d", v.candidate);
	if (upto(10) == 0)
		snprintf(v.text + strlen(v.text), 16, "+b%u", upto(5));
	return v;
}

static int oracle(const struct made *a, const struct made *b)
{
	int x = a->candidate ? a->candidate : 1000, y = b->candidate ? b->candidate : 1000;

	for (unsigned int i = 0; i < 4; i++)
		if (a->parts[i] != b->parts[i])
			return a->parts[i] < b->parts[i] ? -1 : 1;
	return (x > y) - (x < y);
}

static void check_versions(void)
{
	static const enum version_order orders[] = {VERSION_ORDER_OLDER, VERSION_ORDER_SAME, VERSION_ORDER_NEWER};
	static const char *const odd[] = {"", "blue", "1..2", "1.", ".1", "v", "1.2 ", "1_2", "-rc1", "1.0-", "\xc3\xa9"};

	for (int i = 0; i < 100000 && failures < 5; i++) {
		struct made a = make(), b = make();
		const char *bad = odd[upto(sizeof(odd) / sizeof(odd[0]))];

		if (version_compare(a.text, b.text) != orders[oracle(&a, &b) + 1])
			broke("order", a.text, b.text, "");
		if (version_compare(a.text, bad) != VERSION_ORDER_INCOMPARABLE || version_compare(bad, a.text) != VERSION_ORDER_INCOMPARABLE)
			broke("an odd one has an order", a.text, bad, "");
		if (version_compare(bad, bad) != VERSION_ORDER_SAME)
			broke("an odd one is not itself", bad, bad, "");
	}
}

/* Any bytes: never two answers, and no cycle. */
static void check_axioms(void)
{
	static const char alphabet[] = "0019.-+vrc";
	char t[3][12];

	for (int i = 0; i < 300000 && failures < 5; i++) {
		enum version_order ab, ba, bc, ac;

		for (int k = 0; k < 3; k++) {
			unsigned int n = upto(11);

			for (unsigned int j = 0; j < n; j++)
				t[k][j] = alphabet[upto(sizeof(alphabet) - 1)];
			t[k][n] = '\0';
		}
		ab = version_compare(t[0], t[1]);
		ba = version_compare(t[1], t[0]);
		bc = version_compare(t[1], t[2]);
		ac = version_compare(t[0], t[2]);
		if (ab == VERSION_ORDER_INCOMPARABLE ? ba != ab : ba != VERSION_ORDER_NEWER - ab)
			broke("one way and back", t[0], t[1], "");
		if (ab == VERSION_ORDER_OLDER && bc == VERSION_ORDER_OLDER && ac != VERSION_ORDER_OLDER)
			broke("a cycle", t[0], t[1], t[2]);
	}
}

/* ---- globs and pins ---- */

static bool slow_glob(const char *glob, const char *text)
{
	if (*glob == '*')
		return slow_glob(glob + 1, text) || (*text && slow_glob(glob, text + 1));
	if (!*text)
		return !*glob;
	return (*glob == '?' || *glob == *text) && slow_glob(glob + 1, text + 1);
}

static void draw_text(char *text, const char *alphabet, unsigned int max)
{
	unsigned int n = upto(max + 1);

	for (unsigned int i = 0; i < n; i++)
		text[i] = alphabet[upto((unsigned int)strlen(alphabet))];
	text[n] = '\0';
}

static void check_globs(void)
{
	char glob[16], text[16];

	for (int i = 0; i < 200000 && failures < 5; i++) {
		draw_text(glob, "ab*?*", 8);
		draw_text(text, "aab", 10);
		if (glob_match(glob, text) != slow_glob(glob, text))
			broke("glob", glob, text, "");
	}
}

#define PINS 40

static void check_pins(void)
{
	static struct pin pins[PINS];
	static char ids[PINS][8], names[PINS][8];
	struct settings s = {.pins = pins};
	struct pin_index *index;
	char id[8], name[8];

	s.n_pins = upto(PINS + 1);
	for (uint32_t i = 0; i < s.n_pins; i++) {
		pins[i] = (struct pin){0};
		draw_text(ids[i], upto(4) ? "ab" : "ab*", 3);
		draw_text(names[i], "ab*", 3);
		if (upto(5))
			pins[i].match.glob[SELECTOR_ID] = ids[i];
		if (upto(2) || !pins[i].match.glob[SELECTOR_ID])
			pins[i].match.glob[SELECTOR_NAME] = names[i];
	}
	if (pin_index_new(&s, &index) != 0)
		abort();
	for (int k = 0; k < 50; k++) {
		struct pin_subject subject = {.attribute = {[SELECTOR_ID] = id, [SELECTOR_NAME] = name}};
		uint32_t want = 0;

		draw_text(id, "ab", 3);
		draw_text(name, "ab", 3);
		while (want < s.n_pins && !selector_match(&pins[want].match, &subject))
			want++;
		if (pin_index_find(index, &subject) != (want < s.n_pins ? want : PIN_NONE))
			broke("not the first pin that matches", id, name, "");
	}
	pin_index_free(index);
}

int main(int argc, char **argv)
{
	state = argc == 3 && strcmp(argv[1], "--seed") == 0 ? strtoull(argv[2], NULL, 10) : 1;
	fprintf(stderr, "seed %llu\n", (unsigned long long)state);
	check_versions();
	check_axioms();
	check_globs();
	for (int i = 0; i < 2000 && failures < 5; i++)
		check_pins();
	return failures != 0;
}
