/* Zones by name, out of a folder made for the test: what is taken, what is refused, and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zone_bytes.h"
#include "zones.h"

static char folder[] = "/tmp/sagpin-zones-XXXXXX";
static struct error error;

static void write_file(const char *name, const void *bytes, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void write_zone(const char *name, const char *rule)
{
	struct zone_bytes b = zone_make(&(struct zone_plan){ .n_offsets = 1, .rule = rule });

	write_file(name, b.data, b.len);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 && mkdir("zi", 0700) == 0 && mkdir("zi/Europe", 0700) == 0 &&
			       mkdir("zi/Europe/Old", 0700) == 0 && setenv("TZDIR", "zi", 1) == 0
		       ? 0
		       : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static struct zones *open_zones(void)
{
	struct zones *z = NULL;

	assert_int_equal(zones_new(&z), 0);
	return z;
}

static void test_good_ones(void **state)
{
	const struct tzif *berlin, *link, *again, *old;
	struct zones *z = open_zones();

	(void)state;
	write_zone("zi/Europe/Berlin", RULE_BERLIN);
	write_zone("zi/Europe/Old/Town-2_a", RULE_DUBLIN);
	write_zone("zi/GMT+8", "<-08>8");
	write_zone("outside", RULE_SHANGHAI);
	assert_int_equal(symlink("Europe/Berlin", "zi/Arctic"), 0);
	assert_int_equal(symlink("../outside", "zi/localtime"), 0);
	assert_int_equal(zones_get(z, "Europe/Berlin", &berlin, &error), 0);
	assert_int_equal(tzif_offset(berlin, 0), 3600);
	assert_int_equal(zones_get(z, "Europe/Old/Town-2_a", &old, &error), 0);
	assert_int_equal(zones_get(z, "GMT+8", &old, &error), 0);
	assert_int_equal(tzif_offset(old, 0), -8 * 3600);
	assert_int_equal(zones_get(z, "Arctic", &link, &error), 0);
	assert_int_equal(zones_get(z, "localtime", &old, &error), 0);
	assert_int_equal(unlink("zi/Europe/Berlin"), 0);
	assert_int_equal(zones_get(z, "Europe/Berlin", &again, &error), 0); /* kept */
	assert_ptr_equal(again, berlin);
	assert_null(zones_free(z));
	assert_null(zones_free(NULL));
}

#define NAME_64 "N234567890123456789012345678901234567890123456789012345678901234"

static void test_names(void **state)
{
	static const char *const bad[] = {
		"", "/", "/etc/passwd", "../outside", "Europe/../../outside", "Europe/..", ".", "zone.tab", "Europe//Berlin", "Europe/", "Europe Berlin",
		"Z\xc3\xbcrich", "Europe\\Berlin", "Europe/Berlin\n", "\x1b[31m", "%s%n", NAME_64 "5",
	};
	const struct tzif *zone = NULL;
	struct zones *z = open_zones();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(zones_get(z, bad[i], &zone, &error), ZONES_E_UNKNOWN);
		assert_string_equal(error.text, "this is no name of a time zone; write an IANA name of at most 64 bytes, such as \"Asia/Shanghai\", or \"UTC\"");
	}
	assert_int_equal(zones_get(z, NAME_64, &zone, &error), ZONES_E_UNKNOWN);
	assert_non_null(strstr(error.text, NAME_64)); /* a name, only of nothing */
	assert_null(zone);
	zones_free(z);
}

static void expect_refusal(const char *name, int want, const char *text)
{
	const struct tzif *zone = NULL;
	struct zones *z = open_zones();
	int r = zones_get(z, name, &zone, &error);

	if (r != want || !strstr(error.text, text))
		print_error("%d %s\n  instead of: %d %s\n", r, error.text, want, text);
	assert_int_equal(r, want);
	assert_non_null(strstr(error.text, text));
	assert_null(zone);
	zones_free(z);
}

static void test_bad_files(void **state)
{
	struct zone_bytes b = zone_make(&(struct zone_plan){ .n_offsets = 1, .rule = RULE_BERLIN });

	(void)state;
	write_file("zi/Empty", "", 0);
	write_file("zi/Cut", b.data, b.len - 1);
	write_file("zi/Text", "not a zone\n", 11);
	write_file("zi/Large", "", 0);
	assert_int_equal(truncate("zi/Large", TZIF_BYTES_MAX + 1), 0);
	assert_int_equal(mkfifo("zi/Fifo", 0600), 0);
	assert_int_equal(symlink("Loop", "zi/Loop"), 0);
	assert_int_equal(symlink("Nowhere", "zi/Dangling"), 0);
	expect_refusal("Europe/Berlim", ZONES_E_UNKNOWN,
		       "time zone \"Europe/Berlim\" is not in zi; write an IANA name with capitals as there, such as \"Asia/Shanghai\", or \"UTC\"");
	expect_refusal("Text/Berlin", ZONES_E_UNKNOWN, "time zone \"Text/Berlin\" is not in zi;");
	expect_refusal("Dangling", ZONES_E_UNKNOWN, "time zone \"Dangling\" is not in zi;");
	expect_refusal("Europe", ZONES_E_UNKNOWN, "time zone \"Europe\" is no file in zi; write a whole name");
	expect_refusal("Fifo", ZONES_E_UNKNOWN, "time zone \"Fifo\" is no file in zi");
	expect_refusal("Loop", ZONES_E_UNUSABLE, "time zone \"Loop\" cannot be read in zi: Too many levels of symbolic links; look at its permissions");
	expect_refusal("Empty", ZONES_E_UNUSABLE, "time zone \"Empty\": its file in zi is no time zone file: ");
	expect_refusal("Cut", ZONES_E_UNUSABLE,
		       "its file in zi is cut short or damaged: no rule between two line ends at its end; take another zone, or reinstall the Debian package tzdata");
	expect_refusal("Text", ZONES_E_UNUSABLE, "its file in zi is no time zone file");
	expect_refusal("Large", ZONES_E_UNUSABLE, "its file in zi has 1048577 bytes, and 1048576 are the most");
}

static void test_a_file_that_came_right(void **state)
{
	const struct tzif *zone;
	struct zones *z = open_zones();

	(void)state;
	write_file("zi/Late", "x", 1);
	assert_int_equal(zones_get(z, "Late", &zone, &error), ZONES_E_UNUSABLE);
	write_zone("zi/Late", RULE_SHANGHAI);
	assert_int_equal(zones_get(z, "Late", &zone, &error), 0); /* failures are not kept */
	zones_free(z);
}

static void test_directories(void **state)
{
	struct zones *z;
	const struct tzif *zone;

	(void)state;
	setenv("TZDIR", "/nowhere/zoneinfo", 1);
	expect_refusal("Europe/Berlin", ZONES_E_UNKNOWN,
		       "time zone \"Europe/Berlin\": there is no /nowhere/zoneinfo; install the Debian package tzdata");
	setenv("TZDIR", "", 1); /* the system's */
	z = open_zones();
	assert_int_equal(zones_get(z, "UTC", &zone, &error), 0);
	assert_int_equal(tzif_offset(zone, 1794182400), 0);
	assert_int_equal(zones_get(z, "Asia/Shanghai", &zone, &error), 0);
	assert_int_equal(tzif_offset(zone, 1794182400), 8 * 3600);
	zones_free(z);
	unsetenv("TZDIR");
	expect_refusal("Europe/Berlim", ZONES_E_UNKNOWN, "is not in /usr/share/zoneinfo;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_ones),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_a_file_that_came_right),
		cmocka_unit_test(test_directories),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
