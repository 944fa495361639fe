/*
 * sagpin run: the daemon in the foreground, until SIGTERM or SIGINT.
 */
#include "commands.h"
#include "daemon.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_ADDRESSES_MAX 16

struct run_options {
	const char *config_file;
	const char *listen_addresses[LISTEN_ADDRESSES_MAX];
	size_t n_listen_addresses;
	const char *control_socket;
	bool has_target_metrics;
	enum log_level level;
	enum log_format format;
};

static bool take_config_file(void *ctx, const char *value)
{
	((struct run_options *)ctx)->config_file = value;
	return true;
}

static bool take_listen_address(void *ctx, const char *value)
{
	struct run_options *o = ctx;

	if (o->n_listen_addresses == LISTEN_ADDRESSES_MAX) {
		fprintf(stderr, "sagpin: --web.listen-address can be given %d times at most\n", LISTEN_ADDRESSES_MAX);
		return false;
	}
	o->listen_addresses[o->n_listen_addresses++] = value;
	return true;
}

static bool take_control_socket(void *ctx, const char *value)
{
	((struct run_options *)ctx)->control_socket = value;
	return true;
}

static bool take_word(const char *option, const char *value, const char *const *words, size_t n, size_t *ret_index)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], value) == 0) {
			*ret_index = i;
			return true;
		}
	}
	fprintf(stderr, "sagpin: --%s=%s is none of:", option, value);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %s", words[i]);
	fputc('\n', stderr);
	return false;
}

static bool take_targets(void *ctx, const char *value)
{
	static const char *const words[] = { "none", "full" };
	size_t i;

	if (!take_word("metrics.targets", value, words, 2, &i))
		return false;
	((struct run_options *)ctx)->has_target_metrics = i == 1;
	return true;
}

static bool take_level(void *ctx, const char *value)
{
	size_t i;

	if (!take_word("log.level", value, log_level_names, LOG_LEVEL_N, &i))
		return false;
	((struct run_options *)ctx)->level = (enum log_level)i;
	return true;
}

static bool take_format(void *ctx, const char *value)
{
	size_t i;

	if (!take_word("log.format", value, log_format_names, LOG_FORMAT_N, &i))
		return false;
	((struct run_options *)ctx)->format = (enum log_format)i;
	return true;
}

static const struct option_spec options[] = {
	{ "config.file", "FILE", "The configuration (/etc/sagpin/sagpin.cfg).", take_config_file },
	{ "web.listen-address", "HOST:PORT", "Where to serve metrics; may be repeated (127.0.0.1:10917).", take_listen_address },
	{ "control.socket", "PATH", "Where commands reach it (" CONTROL_SOCKET_DEFAULT ").", take_control_socket },
	{ "metrics.targets", "full|none", "Whether /metrics shows each target or totals only (full).", take_targets },
	{ "log.level", "LEVEL", "debug, info, warn or error (info).", take_level },
	{ "log.format", "FORMAT", "logfmt or json (logfmt).", take_format },
};

static int load_and_run(const struct run_options *o)
{
	struct daemon_options daemon = {
		.listen_addresses = o->listen_addresses,
		.n_listen_addresses = o->n_listen_addresses,
		.control_socket = o->control_socket,
		.has_target_metrics = o->has_target_metrics,
	};
	struct config_messages messages;
	struct config *config;
	char *path = realpath(o->config_file, NULL); /* NULL: the message of the load says why */
	int r = config_load(o->config_file, &config, &messages);

	for (size_t i = 0; i < messages.n; i++)
		log_line(messages.items[i].severity == CONFIG_WARNING ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "configuration",
			 { "error", messages.items[i].text });
	config_messages_deinit(&messages);
	daemon.config_path = path;
	if (r) {
		log_line(LOG_LEVEL_ERROR, "cannot start with this configuration", { "file", o->config_file },
			 { "error", r < 0 ? strerror(-r) : "see above" });
		free(path);
		return r;
	}
	daemon.config = config;
	r = daemon_run(&daemon);
	config_free(config);
	free(path);
	return r;
}

int command_run(int argc, char **argv)
{
	struct run_options o = {
		.config_file = "/etc/sagpin/sagpin.cfg",
		.has_target_metrics = true,
		.level = LOG_LEVEL_INFO,
		.format = LOG_FORMAT_LOGFMT,
	};
	int first = options_parse(options, sizeof(options) / sizeof(options[0]), "sagpin run [OPTIONS]", argc, argv, &o);

	if (first < 0)
		return first == -2 ? 0 : 1;
	if (first != argc) {
		fprintf(stderr, "sagpin: run takes no argument %s; try --help\n", argv[first]);
		return 1;
	}
	if (!o.n_listen_addresses)
		o.listen_addresses[o.n_listen_addresses++] = "127.0.0.1:10917";
	log_setup(o.level, o.format, STDERR_FILENO);
	return load_and_run(&o) ? 1 : 0;
}
