/* Files and folders: what is read, in which order, and that no file can end or hang the process. */
#include "config_test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char root[] = "/tmp/sagpin-test-config-XXXXXX";

/* In the folder of the test. Valid until the fourth call from here. */
static const char *in_root(const char *name)
{
	static char paths[4][400];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_root(name), "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void remove_all(const char *path)
{
	DIR *folder = opendir(path);
	char name[800];

	for (struct dirent *e; folder && (e = readdir(folder));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR)
			remove_all(name);
		else
			unlink(name);
	}
	if (folder)
		closedir(folder);
	rmdir(path);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root + sizeof(root) - 7, "XXXXXX");
	return mkdtemp(root) && mkdir(in_root("conf.d"), 0700) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	remove_all(root);
	return 0;
}

static struct config *load_good(void)
{
	struct config_messages messages;
	struct config *config = NULL;
	int r = config_load(in_root("main.cfg"), &config, &messages);

	show_messages(&messages);
	assert_int_equal(r, 0);
	assert_int_equal(messages.n, 0);
	config_messages_deinit(&messages);
	return config;
}

/* The only error has that text. */
static void check_bad(const char *path, const char *want)
{
	struct config_messages messages;
	struct config *config = NULL;
	int r = config_load(path, &config, &messages);
	bool is_right = r == CONFIG_E_INVALID && messages.n == 1 && has_message(&messages, CONFIG_ERROR, want);

	if (!is_right) {
		print_error("wanted: %s\n", want);
		show_messages(&messages);
	}
	config_messages_deinit(&messages);
	config_free(config);
	assert_true(is_right);
}

#define INCLUDE "include_dir = \"conf.d\";\n"
#define PIN_NAMED(name, id) "pins = ( { name = \"" name "\"; match: { id = \"" id "\"; }; device = \"1\"; policy = \"p\"; } );\n"

static void test_order(void **state)
{
	struct config *c;

	(void)state;
	put("main.cfg", BASE INCLUDE PIN_NAMED("last", "z*"));
	put("conf.d/b.cfg", PIN_NAMED("third", "b*"));
	put("conf.d/a.cfg", PIN_NAMED("second", "a*"));
	put("conf.d/B.cfg", PIN_NAMED("first", "B*") "accounts = ( { name = \"two\"; credentials: { source = \"env\"; }; regions = [ \"cn-hongkong\" ]; } );");
	put("conf.d/c.cfg.bak", "broken");
	put("conf.d/.hidden.cfg", "broken");
	put("conf.d/.cfg", "broken");
	put("conf.d/README", "broken");
	c = load_good();
	assert_int_equal(c->settings.n_pins, 4);
	assert_string_equal(c->settings.pins[0].name, "first");
	assert_string_equal(c->settings.pins[1].name, "second");
	assert_string_equal(c->settings.pins[2].name, "third");
	assert_string_equal(c->settings.pins[3].name, "last");
	assert_int_equal(c->settings.n_scopes, 2);
	assert_string_equal(c->settings.scopes[0].account, "prod");
	assert_string_equal(c->settings.scopes[1].account, "two");
	config_free(c);
}

#define WINDOW_NAMED(name) "windows = ( { name = \"" name "\"; time_zone = \"UTC\"; days = [ \"Mon\" ]; start = \"01:00\"; length = \"1h\"; } );\n"
#define FREEZE_NAMED(name, year) "freezes = ( { name = \"" name "\"; time_zone = \"UTC\"; from = \"" year "-01-01\"; to = \"" year "-01-02\"; } );\n"
#define USING(window, freeze) "policies = ( { name = \"" window "\"; windows = [ \"" window "\" ]; freezes = [ \"" freeze "\" ]; } );\n"

/* Windows and freezes of any file can be used in any file, and are in order of the files. */
static void test_windows_of_all_files(void **state)
{
	struct config *c;

	(void)state;
	put("main.cfg", ACCOUNT INCLUDE WINDOW_NAMED("w1") FREEZE_NAMED("f1", "9998") USING("w2", "f2"));
	put("conf.d/a.cfg", WINDOW_NAMED("w2") FREEZE_NAMED("f2", "9999") USING("w1", "f1"));
	c = load_good();
	assert_int_equal(c->n_windows, 3);
	assert_string_equal(c->windows[1].name, "w1");
	assert_string_equal(c->windows[2].name, "w2");
	assert_int_equal(c->n_freezes, 2);
	assert_int_equal(c->policies[0].windows[0], 2);
	assert_int_equal(c->policies[0].freezes[0], 1);
	assert_int_equal(c->policies[1].windows[0], 1);
	assert_int_equal(c->policies[1].freezes[0], 0);
	config_free(c);

	put("conf.d/b.cfg", WINDOW_NAMED("w2"));
	check_bad(in_root("main.cfg"), "conf.d/b.cfg:1: windows[0].name: \"w2\" is taken by ");
	put("conf.d/b.cfg", FREEZE_NAMED("f1", "9999"));
	check_bad(in_root("main.cfg"), "conf.d/b.cfg:1: freezes[0].name: \"f1\" is taken by ");
	/* what is in a file that cannot be used is not missed, and nothing is called unused */
	assert_int_equal(unlink(in_root("conf.d/b.cfg")), 0);
	put("conf.d/a.cfg", "windows = ( {");
	check_bad(in_root("main.cfg"), "conf.d/a.cfg:1: expected ");
}

/* Files are judged by the clock of the machine. */
static void test_freeze_of_the_past(void **state)
{
	struct config_messages messages;
	struct config *config = NULL;

	(void)state;
	put("main.cfg", ACCOUNT FREEZE_NAMED("f", "2026") USING("always", "f"));
	if (time(NULL) < 1767312000) /* 2026-01-02 */
		fail_msg("the clock of this machine is wrong");
	assert_int_equal(config_load(in_root("main.cfg"), &config, &messages), 0);
	assert_true(messages.n == 1 && has_message(&messages, CONFIG_WARNING, "main.cfg:2: freezes[0] (\"f\"): is over since Fri 2026-01-02 00:00"));
	config_messages_deinit(&messages);
	config_free(config);
}

static void test_symlinks(void **state)
{
	struct config *c;

	(void)state;
	put("elsewhere", PIN_NAMED("x", "x"));
	put("main.cfg", BASE INCLUDE);
	assert_int_equal(symlink("../elsewhere", in_root("conf.d/x.cfg")), 0);
	c = load_good();
	assert_int_equal(c->settings.n_pins, 1);
	config_free(c);
	assert_int_equal(symlink("loop.cfg", in_root("conf.d/loop.cfg")), 0);
	check_bad(in_root("main.cfg"), "conf.d/loop.cfg: cannot be opened: Too many levels of symbolic links");
}

static void test_paths_start_from_the_main_file(void **state)
{
	char want[500];
	struct config *c;

	(void)state;
	put("main.cfg", "accounts = ( { name = \"a\"; credentials: { source = \"file\"; path = \"k.ini\"; }; regions = [ \"cn-shanghai\" ];\n"
	    "api: { ca_file = \"/abs/ca.pem\"; }; } );\nstate = \"s.db\"; control_socket = \"run/c.sock\";");
	c = load_good();
	snprintf(want, sizeof(want), "%s/s.db", root);
	assert_string_equal(c->state_path, want);
	snprintf(want, sizeof(want), "%s/run/c.sock", root);
	assert_string_equal(c->control_socket_path, want);
	snprintf(want, sizeof(want), "%s/k.ini", root);
	assert_string_equal(c->accounts[0].credentials.path, want);
	assert_string_equal(c->accounts[0].api.ca_file, "/abs/ca.pem");
	config_free(c);
	/* short in the file, and too long behind its folder */
	put("main.cfg", ACCOUNT "control_socket = \"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\";");
	check_bad(in_root("main.cfg"), "is too long for a socket, 107 bytes are the most");
}

static void test_bad_main_files(void **state)
{
	char path[CONFIG_PATH_MAX + 10];

	(void)state;
	check_bad(in_root("nothing.cfg"), "nothing.cfg: cannot be opened: No such file or directory");
	check_bad(in_root("conf.d"), "conf.d: is a folder; name a file");
	check_bad("", ": cannot be opened: No such file or directory");
	check_bad("/dev/zero", "/dev/zero: is not a regular file");
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	check_bad(path, "the path is too long");
	assert_int_equal(mkfifo(in_root("fifo.cfg"), 0600), 0);
	check_bad(in_root("fifo.cfg"), "fifo.cfg: is not a regular file");
	put("huge.cfg", "");
	assert_int_equal(truncate(in_root("huge.cfg"), CONFIG_FILE_BYTES_MAX + 1), 0);
	check_bad(in_root("huge.cfg"), "huge.cfg: is too large");
	assert_int_equal(truncate(in_root("huge.cfg"), CONFIG_FILE_BYTES_MAX), 0);
	check_bad(in_root("huge.cfg"), "huge.cfg:1: a NUL byte");
	put("dir.cfg", "@include \"/tmp\"\n");
	check_bad(in_root("dir.cfg"), "dir.cfg:1: @include is not allowed");
	put("empty.cfg", "");
	check_bad(in_root("empty.cfg"), "empty.cfg: accounts: there is none");
}

static void test_bad_included_files(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "mode.cfg", "mode = \"enforce\";", "conf.d/mode.cfg:1: mode: belongs into the main file" },
		{ "limit.cfg", "\nmax_in_flight = 5;", "conf.d/limit.cfg:2: max_in_flight: belongs into the main file" },
		{ "nest.cfg", "include_dir = \"/tmp\";", "conf.d/nest.cfg:1: include_dir: belongs into the main file" },
		{ "include.cfg", "@include \"/tmp\"", "conf.d/include.cfg:1: @include is not allowed" },
		{ "syntax.cfg", "pins = (\n", "conf.d/syntax.cfg:1: expected a value, found the end of the file" },
		{ "twice.cfg", "policies = ( { name = \"p\"; windows = [ \"always\" ]; } );", "conf.d/twice.cfg:1: policies[0].name: \"p\" is taken by " },
		{ "same.cfg", PIN_NAMED("same", "m"), "main.cfg:4: pins[0] (\"main\"): identical pins: pins[0] (\"same\") (" },
		{ "a\nb\x1b.cfg", "x = 5;", "conf.d/a b .cfg:1: x: unknown key" },
	};

	(void)state;
	put("main.cfg", BASE INCLUDE PIN_NAMED("main", "m"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "conf.d/%s", cases[i].name);
		put(name, cases[i].text);
		check_bad(in_root("main.cfg"), cases[i].want);
		assert_int_equal(unlink(in_root(name)), 0);
	}
	assert_int_equal(mkfifo(in_root("conf.d/fifo.cfg"), 0600), 0);
	check_bad(in_root("main.cfg"), "conf.d/fifo.cfg: is not a regular file");
	assert_int_equal(unlink(in_root("conf.d/fifo.cfg")), 0);
	assert_int_equal(mkdir(in_root("conf.d/dir.cfg"), 0700), 0);
	check_bad(in_root("main.cfg"), "conf.d/dir.cfg: is a folder");
	assert_int_equal(rmdir(in_root("conf.d/dir.cfg")), 0);
	config_free(load_good());
}

/* The limit is for all files together. */
static void test_bytes_of_all_files(void **state)
{
	(void)state;
	put("main.cfg", BASE INCLUDE);
	put("conf.d/a.cfg", "");
	assert_int_equal(truncate(in_root("conf.d/a.cfg"), CONFIG_FILE_BYTES_MAX - 10), 0);
	check_bad(in_root("main.cfg"), "conf.d/a.cfg: is too large; all files together");
}

static void test_include_dir_itself(void **state)
{
	(void)state;
	put("main.cfg", BASE "include_dir = \"missing.d\";");
	check_bad(in_root("main.cfg"), "missing.d\" cannot be opened: No such file or directory; create it or remove the key");
	put("main.cfg", BASE "include_dir = \"main.cfg\";");
	check_bad(in_root("main.cfg"), "main.cfg:3: include_dir: the folder ");
	/* what a folder that cannot be read may hold is not missed, all else is said */
	put("main.cfg", "include_dir = \"missing.d\";\n" PIN_NAMED("x", "m"));
	check_bad(in_root("main.cfg"), "main.cfg:1: include_dir: the folder ");
}

static void test_number_of_files(void **state)
{
	char name[64];

	(void)state;
	put("main.cfg", BASE INCLUDE);
	for (int i = 0; i < CONFIG_FILES_MAX - 1; i++) {
		snprintf(name, sizeof(name), "conf.d/%d.cfg", i);
		put(name, "");
	}
	config_free(load_good());
	put("conf.d/more.cfg", "");
	check_bad(in_root("main.cfg"), "conf.d: holds 1024 files; with the main file 1024 are allowed");
}

static void test_hash(void **state)
{
	char first[65], second[65];
	struct config *c;

	(void)state;
	put("main.cfg", BASE INCLUDE);
	put("conf.d/a.cfg", "# a");
	c = load_good();
	strcpy(first, c->hash);
	config_free(c);
	assert_int_equal(strlen(first), 64);
	assert_int_equal(strspn(first, "0123456789abcdef"), 64);

	c = load_good();
	assert_string_equal(first, c->hash);
	config_free(c);

	assert_int_equal(rename(in_root("conf.d/a.cfg"), in_root("conf.d/b.cfg")), 0);
	c = load_good();
	strcpy(second, c->hash);
	config_free(c);
	assert_string_not_equal(first, second); /* a name counts */

	put("conf.d/b.cfg", "# b");
	c = load_good();
	assert_string_not_equal(second, c->hash); /* a comment counts */
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_windows_of_all_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freeze_of_the_past, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_symlinks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_paths_start_from_the_main_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_main_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_included_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bytes_of_all_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_include_dir_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number_of_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hash, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
