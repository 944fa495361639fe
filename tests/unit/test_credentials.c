/* Access keys from the environment and from INI files: what is taken, what is refused, and that no message tells a key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloud/credentials.h"

#define SECRET "s3cr3tOfTheTest"

static char dir[] = "/tmp/test-credentials-XXXXXX";
static char path[128];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/credentials", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void write_bytes(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static char *long_text(const char *before, size_t n, const char *after)
{
	char *s = malloc(strlen(before) + n + strlen(after) + 1);
	assert_non_null(s);
	strcpy(s, before);
	memset(s + strlen(before), 'k', n);
	strcpy(s + strlen(before) + n, after);
	return s;
}

static void test_env(void **state)
{
	(void)state;
	struct credentials c;
	struct error error;
	setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "id", 1);
	setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET, 1);
	unsetenv("ALIBABA_CLOUD_SECURITY_TOKEN");
	assert_int_equal(credentials_load(CREDENTIALS_ENV, NULL, NULL, &c, &error), 0);
	assert_string_equal(credentials_key(&c).access_key_id, "id");
	assert_string_equal(credentials_key(&c).access_key_secret, SECRET);
	assert_null(credentials_key(&c).security_token);
	setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "token", 1);
	assert_int_equal(credentials_load(CREDENTIALS_ENV, NULL, NULL, &c, &error), 0);
	assert_string_equal(credentials_key(&c).security_token, "token");
	credentials_wipe(&c);
	static const struct credentials zero;
	assert_memory_equal(&c, &zero, sizeof(c));
}

static void test_env_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
					     "ALIBABA_CLOUD_SECURITY_TOKEN" };
	static const size_t sizes[] = { 256, 256, 2049 };
	for (size_t i = 0; i < 3; i++) {
		char *fits = long_text("", sizes[i] - 1, ""), *too_long = long_text("", sizes[i], "");
		const struct {
			const char *value, *says; /* NULL says: taken */
		} table[] = {
			{ NULL, i < 2 ? "is not set" : NULL },
			{ "", i < 2 ? "is not set" : NULL },
			{ SECRET "\n", "line break" },
			{ SECRET "\r\nx-evil: 1", "line break" },
			{ "two words", "space" },
			{ "\xc3\xa9", "another character" },
			{ fits, NULL },
			{ too_long, "is longer than" },
		};
		for (size_t j = 0; j < sizeof(table) / sizeof(table[0]); j++) {
			struct credentials c = { .access_key_id = "before" };
			struct error error = { "" };
			for (size_t k = 0; k < 3; k++)
				setenv(names[k], "x", 1);
			if (table[j].value)
				setenv(names[i], table[j].value, 1);
			else
				unsetenv(names[i]);
			int r = credentials_load(CREDENTIALS_ENV, NULL, NULL, &c, &error);
			assert_int_equal(r, table[j].says ? CREDENTIALS_E_MISSING : 0);
			if (!table[j].says)
				continue;
			assert_non_null(strstr(error.text, names[i]));
			assert_non_null(strstr(error.text, table[j].says));
			assert_null(strstr(error.text, SECRET));
			assert_string_equal(c.access_key_id, "before"); /* as it was */
		}
		free(fits);
		free(too_long);
	}
}

#define KEYS "access_key_id = id\naccess_key_secret = " SECRET "\n"

static void test_file(void **state)
{
	(void)state;
	static const struct {
		const char *text, *profile;
		const char *token; /* when taken */
		const char *says;  /* when refused */
	} table[] = {
		{ "[default]\ntype = access_key\n" KEYS, NULL, "", NULL },
		{ "[default]\n" KEYS, NULL, "", NULL },
		{ "# c\n; c\n\n[default]\r\ntype=access_key\r\naccess_key_id=id\r\naccess_key_secret=" SECRET "\r\n", NULL, "", NULL },
		{ "[default]\ntype = ecs_ram_role\n[other]\ntype = sts\n" KEYS "sts_token = t0k\n", "other", "t0k", NULL },
		{ "[default]\ntype = access_key\n" KEYS "sts_token = old\n", NULL, "", NULL },
		{ "[default]\n" KEYS "region = x\n[default2]\naccess_key_id = no\n", "default", "", NULL },
		{ "[default]\ntype = sts\n" KEYS, NULL, NULL, "key sts_token of section [default]" },
		{ "[default]\ntype = sts\n" KEYS "sts_token =\n", NULL, NULL, "key sts_token of section [default]" },
		{ "[default]\ntype = ecs_ram_role\nrole_name = x\n", NULL, NULL, "not supported" },
		{ "[default]\ntype = " SECRET "\n", NULL, NULL, "not supported" },
		{ "[default]\ntype = " SECRET SECRET SECRET "\n", NULL, NULL, "key type of section [default]" },
		{ "[default]\naccess_key_id = id\n", NULL, NULL, "key access_key_secret of section [default]" },
		{ "[default]\naccess_key_secret = " SECRET "\n", NULL, NULL, "key access_key_id of section [default]" },
		{ "[default]\n" KEYS "access_key_secret = x\n", NULL, NULL, "stands there twice" },
		{ "[default]\n" KEYS, "other", NULL, "has no section [other]" },
		{ KEYS, NULL, NULL, "has no section [default]" },
		{ "", NULL, NULL, "has no section [default]" },
		{ "[default]\n" SECRET "\n" KEYS, NULL, NULL, "line 2" },
		{ "[default\n" KEYS, NULL, NULL, "line 1" },
		{ "[default]\naccess_key_id = id\naccess_key_secret = " SECRET " x\n", NULL, NULL, "space" },
		{ "<html>" SECRET "</html>", NULL, NULL, "line 1" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct credentials c = { .access_key_id = "before" };
		struct error error = { "" };
		write_bytes(table[i].text, strlen(table[i].text));
		int r = credentials_load(CREDENTIALS_FILE, path, table[i].profile, &c, &error);
		if (!table[i].says) {
			assert_int_equal(r, 0);
			assert_string_equal(c.access_key_id, "id");
			assert_string_equal(c.access_key_secret, SECRET);
			assert_string_equal(c.security_token, table[i].token);
			continue;
		}
		assert_int_equal(r, CREDENTIALS_E_MISSING);
		if (!strstr(error.text, table[i].says) || !strstr(error.text, path))
			fail_msg("row %zu: %s", i, error.text);
		assert_null(strstr(error.text, SECRET));
		assert_string_equal(c.access_key_id, "before");
	}
}

static int load(struct error *error)
{
	struct credentials c;
	return credentials_load(CREDENTIALS_FILE, path, NULL, &c, error);
}

/* One past each limit; and a long line is one line, never a second key. */
static void test_file_limits(void **state)
{
	(void)state;
	static const struct {
		const char *before;
		size_t n;
		const char *after, *says;
	} table[] = {
		{ "[default]\naccess_key_id = id\naccess_key_secret = ", 255, "\n", NULL },
		{ "[default]\naccess_key_id = id\naccess_key_secret = ", 256, "\n", "key access_key_secret" },
		{ "[default]\ntype = sts\n" KEYS "sts_token = ", 1199, "\n", NULL },
		{ "[default]\ntype = sts\n" KEYS "sts_token = ", 2049, "\n", "key sts_token" },
		{ "[default]\n" KEYS "# ", 65536 - 12 - sizeof(KEYS), "\n", NULL },
		{ "[default]\n" KEYS "# ", 65536 - 12 - sizeof(KEYS) + 1, "\n", "larger than 65536 bytes" },
		{ "[default]\n" KEYS "other = ", 60000, "access_key_id=no\n", NULL },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct error error = { "" };
		char *text = long_text(table[i].before, table[i].n, table[i].after);
		write_bytes(text, strlen(text));
		assert_int_equal(load(&error), table[i].says ? CREDENTIALS_E_MISSING : 0);
		if (table[i].says)
			assert_non_null(strstr(error.text, table[i].says));
		free(text);
	}
}

static void test_file_kinds(void **state)
{
	(void)state;
	struct error error = { "" };
	write_bytes("[default]\n\0", 11);
	assert_int_equal(load(&error), CREDENTIALS_E_MISSING);
	assert_non_null(strstr(error.text, "NUL"));
	unlink(path);
	assert_int_equal(load(&error), CREDENTIALS_E_MISSING);
	assert_non_null(strstr(error.text, "No such file"));
	assert_int_equal(mkfifo(path, 0600), 0); /* must not block */
	assert_int_equal(load(&error), CREDENTIALS_E_MISSING);
	assert_non_null(strstr(error.text, "not a regular file"));
	unlink(path);
	struct credentials c;
	assert_int_equal(credentials_load(CREDENTIALS_FILE, dir, NULL, &c, &error), CREDENTIALS_E_MISSING);
	assert_non_null(strstr(error.text, "not a regular file"));
}

static void test_file_places(void **state)
{
	(void)state;
	struct credentials c;
	struct error error = { "" };
	write_bytes("[default]\n" KEYS, strlen("[default]\n" KEYS));
	setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", path, 1);
	assert_int_equal(credentials_load(CREDENTIALS_FILE, NULL, NULL, &c, &error), 0);
	unsetenv("ALIBABA_CLOUD_CREDENTIALS_FILE");
	setenv("HOME", dir, 1);
	assert_int_equal(credentials_load(CREDENTIALS_FILE, NULL, NULL, &c, &error), CREDENTIALS_E_MISSING);
	assert_non_null(strstr(error.text, "/.alibabacloud/credentials"));
	unsetenv("HOME");
	assert_int_equal(credentials_load(CREDENTIALS_FILE, NULL, NULL, &c, &error), CREDENTIALS_E_MISSING);
	assert_non_null(strstr(error.text, "HOME"));
	char *too_long = long_text("/", 300, "");
	assert_int_equal(credentials_load(CREDENTIALS_FILE, too_long, NULL, &c, &error), CREDENTIALS_E_MISSING);
	assert_non_null(strstr(error.text, "longer than 255"));
	free(too_long);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_env_refused),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_limits),
		cmocka_unit_test(test_file_kinds),
		cmocka_unit_test(test_file_places),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
