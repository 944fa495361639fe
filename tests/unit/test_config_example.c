/* The example that is shipped: it passes without a word, is safe, names every key, and tells the true defaults. */
#include "config_test.h"
#include "keys.h"

static const char *path;
static char *text;

static void test_passes(void **state)
{
	struct config_messages messages;
	struct config *config = NULL;
	int r = config_load(path, &config, &messages);

	(void)state;
	show_messages(&messages);
	assert_int_equal(r, 0);
	assert_int_equal(messages.n, 0);
	assert_false(config->settings.is_enforcing);
	config_messages_deinit(&messages);
	config_free(config);
}

static bool has(const char *a, const char *b, const char *c, const char *d)
{
	char part[200];

	snprintf(part, sizeof(part), "%s%s%s%s", a, b, c, d);
	return strstr(text, part);
}

static void check_keys(const struct keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		const struct key *key = &keys->items[i];
		bool is_told = !key->fallback || has(key->name, " = ", key->fallback, ";") || has(key->name, " = \"", key->fallback, "\";") ||
			has("efault: ", key->fallback, "", "") || has("efault: \"", key->fallback, "\"", "");

		if (!has(" ", key->name, " = ", "") && !has(key->name, ": {", "", "") && !has(" ", key->name, ",", "") && !has(" ", key->name, ".", "") &&
		    !has("\n", key->name, " = ", ""))
			fail_msg("the example does not name %s", key->name);
		if (!is_told)
			fail_msg("the example does not tell that %s is %s by default", key->name, key->fallback);
		if (key->group)
			check_keys(key->group);
	}
}

static void test_names_every_key(void **state)
{
	(void)state;
	check_keys(&keys_top);
}

/* Is a setting behind the "# "? Its name and `=` or `:`. */
static bool is_setting(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz_");

	return len && (strncmp(name + len, " = ", 3) == 0 || strncmp(name + len, ": {", 3) == 0);
}

/* Each `# key = value;` taken in: still right but for the folder, which is not there. */
static void test_uncommented(void **state)
{
	struct config_messages messages;
	struct config *config = NULL;
	size_t n_taken = 0;
	char *p = text;

	(void)state;
	while (p) {
		char *hash = p + strspn(p, " "), *name = hash + 2;

		if (hash[0] == '#' && hash[1] == ' ' && is_setting(name)) {
			*hash = ' ';
			n_taken++;
		}
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	assert_true(n_taken >= 20);
	assert_int_equal(config_from_text("e.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	show_messages(&messages);
	assert_int_equal(messages.n, 1);
	assert_true(has_message(&messages, CONFIG_ERROR, "include_dir: needs a main file"));
	config_messages_deinit(&messages);
}

static char *read_whole(const char *name)
{
	FILE *f = fopen(name, "re");
	char *whole = calloc(1, 65536);

	if (!f || !whole || !fread(whole, 1, 65535, f))
		exit(1);
	fclose(f);
	return whole;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes),
		cmocka_unit_test(test_names_every_key),
		cmocka_unit_test(test_uncommented),
	};
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: %s EXAMPLE\n", argv[0]);
		return 1;
	}
	path = argv[1];
	text = read_whole(path);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	free(text);
	return r;
}
