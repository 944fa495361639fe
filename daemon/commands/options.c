/*
 * Command line options, made from a table. Prints help to stdout and complaints to stderr.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

static void print_help(const struct option_spec *specs, size_t n, const char *usage)
{
	printf("Usage: %s\n\n", usage);
	for (size_t i = 0; i < n; i++) {
		char left[80];

		snprintf(left, sizeof(left), "--%s%s%s", specs[i].name, specs[i].argument ? "=" : "", specs[i].argument ? specs[i].argument : "");
		printf("  %-36s %s\n", left, specs[i].help);
	}
	printf("  %-36s %s\n", "--help", "Show this text.");
}

static const struct option_spec *find(const struct option_spec *specs, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(specs[i].name) == len && memcmp(specs[i].name, name, len) == 0)
			return &specs[i];
	return NULL;
}

int options_parse(const struct option_spec *specs, size_t n, const char *usage, int argc, char **argv, void *ctx)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *name = argv[i] + 2;
		const char *equals = strchr(argv[i], '=');
		const char *value = equals ? equals + 1 : "";
		const struct option_spec *spec;

		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help(specs, n, usage);
			return -2;
		}
		spec = argv[i][1] == '-' ? find(specs, n, name, equals ? (size_t)(equals - name) : strlen(name)) : NULL;
		if (!spec) {
			fprintf(stderr, "sagpin: unknown option %s; try --help\n", argv[i]);
			return -1;
		}
		if (!spec->argument && equals) {
			fprintf(stderr, "sagpin: --%s takes no value\n", spec->name);
			return -1;
		}
		if (spec->argument && !equals) {
			if (i + 1 == argc) {
				fprintf(stderr, "sagpin: --%s needs a value: --%s=%s\n", spec->name, spec->name, spec->argument);
				return -1;
			}
			value = argv[++i];
		}
		if (!spec->take(ctx, value))
			return -1;
	}
	return i;
}
