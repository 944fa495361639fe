/*
 * argv to a command; the only exit path.
 */
#include "commands/commands.h"

#include <stdio.h>
#include <string.h>

#include "version_info.h"

static const struct command commands[] = {
	{ "run", "[OPTIONS]", "Watch the fleet, keep it on its pins, serve metrics.", command_run },
	{ "check-config", "FILE", "Say all that is wrong with a configuration.", command_check_config },
	{ "plan", "[OPTIONS] [FILE]", "Show what would happen and when.", command_plan },
	{ "pause", "[OPTIONS]", "Start no more upgrades of a rollout, a policy or everything.", command_act },
	{ "resume", "[OPTIONS]", "Go on with what was paused or halted.", command_act },
	{ "approve", "[OPTIONS]", "Let what waits with approval go on.", command_act },
	{ "hold", "[OPTIONS]", "Leave targets on their version.", command_act },
	{ "release", "[OPTIONS]", "Undo a hold.", command_act },
	{ "retry", "[OPTIONS]", "Try failed targets again.", command_act },
	{ "upgrade-now", "[OPTIONS]", "Upgrade targets without waiting for their turn.", command_act },
};

static void print_help(FILE *out)
{
	fprintf(out, "sagpin keeps Smart Access Gateways on the software versions that are pinned for them.\n\nUsage: sagpin COMMAND\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].arguments);
		fprintf(out, "  %-24s %s\n", left, commands[i].summary);
	}
	fprintf(out, "  %-24s %s\n  %-24s %s\n\n'sagpin COMMAND --help' says more.\n", "--version", "Show the version.", "--help",
		"Show this text.");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return 1;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("sagpin, version %s (revision: %s)\n", SAGPIN_VERSION, SAGPIN_REVISION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "sagpin: no command '%s'; try 'sagpin --help'\n", argv[1]);
	return 1;
}
