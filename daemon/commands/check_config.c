/*
 * sagpin check-config FILE: says all that is wrong with a configuration, and when its policies are open, without touching
 * the cloud.
 */
#include "commands.h"
#include "config_messages.h"
#include "openings.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void config_messages_print(const char *path, const struct config_messages *messages)
{
	size_t n_warnings = 0;

	for (size_t i = 0; i < messages->n; i++) {
		bool is_warning = messages->items[i].severity == CONFIG_WARNING;

		n_warnings += is_warning;
		fprintf(stderr, "%s: %s\n", is_warning ? "warning" : "error", messages->items[i].text);
	}
	if (messages->n_errors)
		fprintf(stderr, "%s: %zu error%s, %zu warning%s; nothing was changed\n", path, messages->n_errors,
			messages->n_errors == 1 ? "" : "s", n_warnings, n_warnings == 1 ? "" : "s");
}

static void print_summary(const char *path, const struct config *config)
{
	const struct settings *s = &config->settings;

	printf("%s: good (mode %s, %u account%s, %u region%s, %u polic%s, %u pin%s)\n", path, s->is_enforcing ? "enforce" : "observe",
	       config->n_accounts, config->n_accounts == 1 ? "" : "s", s->n_scopes, s->n_scopes == 1 ? "" : "s", s->n_policies,
	       s->n_policies == 1 ? "y" : "ies", s->n_pins, s->n_pins == 1 ? "" : "s");
}

int command_check_config(int argc, char **argv)
{
	static const char usage[] = "sagpin check-config FILE\n\nChecks a configuration and tells when its policies are open; exits with 1 when it has errors.";
	struct config_messages messages;
	struct config *config;
	int first = options_parse(NULL, 0, usage, argc, argv, NULL);
	int r;

	if (first < 0)
		return first == -2 ? 0 : 1;
	if (argc - first != 1) {
		fprintf(stderr, "sagpin: check-config takes one file; try --help\n");
		return 1;
	}
	r = config_load(argv[first], &config, &messages);
	config_messages_print(argv[first], &messages);
	if (!r) {
		print_summary(argv[first], config);
		r = openings_print(config, (int64_t)time(NULL), stdout, stderr);
		config_free(config);
	}
	if (r < 0)
		fprintf(stderr, "sagpin: %s: %s\n", argv[first], strerror(-r));
	config_messages_deinit(&messages);
	return r ? 1 : 0;
}
