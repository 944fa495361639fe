/*
 * The commands of the one binary. Each gets its own arguments (argv[0] is its name) and returns the exit status:
 * 0 good, 1 error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int command_run(int argc, char **argv);
int command_check_config(int argc, char **argv);
int command_plan(int argc, char **argv); /* 2: there is something to do */
int command_act(int argc, char **argv); /* all of the operators' words: argv[0] says which */

/*
 * Command line options, one table a command: the parser and --help are made from it.
 * `take` gets the value ("" for a flag without one) and says in at most one line on stderr what is wrong; false ends
 * the command.
 */
struct option_spec {
	const char *name;     /* without the dashes */
	const char *argument; /* NULL: takes none */
	const char *help;
	bool (*take)(void *ctx, const char *value);
};
/*
 * Parses `--name=value`, `--name value` and `--name`. Returns the index of the first argument that is no option, or
 * -1 after a message for an unknown option, a missing or a refused value; -2 after --help was answered.
 */
int options_parse(const struct option_spec *specs, size_t n, const char *usage, int argc, char **argv, void *ctx);
