/*
 * sagpin-simulator: the Smartag API on this machine, to rehearse a rollout and to test against.
 *
 * Flags come from one table, which --help prints too. Everything that chance decides comes from --seed.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

#define LIMIT_SECRET 128
#define LIMIT_FAULTS 64
#define LIMIT_PEM_BYTES (1u << 20)

struct options {
	struct server_options server;
	const char *tls_cert, *tls_key;
	const char *regions[FLEET_LIMIT_REGIONS];
	size_t n_regions;
	size_t n_instances;
	uint64_t seed;
	const char *fleet;
	bool is_fleet_printed;
	const char *access_key_id, *access_key_secret, *security_token;
	int64_t upgrade_ns, latency_ns;
	const char *faults[LIMIT_FAULTS];
	size_t n_faults;
	double throttle;
	size_t journal_limit;
};

static bool parse_size(const char *text, size_t low, size_t high, size_t *ret_size)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < low || value > high)
		return false;
	*ret_size = value;
	return true;
}

static bool set_listen(struct options *options, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t size = colon == NULL ? 0 : (size_t)(colon - text), port;

	if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	}
	if (colon == NULL || size == 0 || size >= sizeof(options->server.host) || !parse_size(colon + 1, 0, 65535, &port))
		return false;
	memcpy(options->server.host, text, size);
	options->server.host[size] = '\0';
	options->server.port = (uint16_t)port;
	return true;
}

static bool set_region(struct options *options, const char *text)
{
	if (options->n_regions == FLEET_LIMIT_REGIONS || text[0] == '\0' || strlen(text) >= 64)
		return false;
	options->regions[options->n_regions++] = text;
	return true;
}

static bool set_instances(struct options *options, const char *text)
{
	return parse_size(text, 0, FLEET_LIMIT_INSTANCES, &options->n_instances);
}

static bool set_seed(struct options *options, const char *text)
{
	size_t seed;

	if (!parse_size(text, 0, SIZE_MAX, &seed))
		return false;
	options->seed = seed;
	return true;
}

static bool set_print_fleet(struct options *options, const char *text)
{
	(void)text;
	options->is_fleet_printed = true;
	return true;
}

static bool set_upgrade_time(struct options *options, const char *text)
{
	return duration_parse(text, &options->upgrade_ns);
}

static bool set_latency(struct options *options, const char *text)
{
	size_t ms;

	if (duration_parse(text, &options->latency_ns))
		return true;
	if (!parse_size(text, 0, 3600000, &ms))
		return false;
	options->latency_ns = (int64_t)ms * 1000000;
	return true;
}

static bool set_throttle(struct options *options, const char *text)
{
	char *end;

	options->throttle = strtod(text, &end);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && options->throttle <= 1e6;
}

static bool set_fault(struct options *options, const char *text)
{
	if (options->n_faults == LIMIT_FAULTS || strchr(text, '=') == NULL)
		return false;
	options->faults[options->n_faults++] = text;
	return true;
}

static bool set_journal(struct options *options, const char *text)
{
	return parse_size(text, 1, 10000000, &options->journal_limit);
}

static bool set_secret(const char **place, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= LIMIT_SECRET)
		return false;
	*place = text;
	return true;
}

static bool set_key_id(struct options *options, const char *text)
{
	return set_secret(&options->access_key_id, text);
}

static bool set_key_secret(struct options *options, const char *text)
{
	return set_secret(&options->access_key_secret, text);
}

static bool set_token(struct options *options, const char *text)
{
	options->security_token = text;
	return text[0] != '\0' && strlen(text) < REQUEST_LIMIT_URI / 4;
}

static bool set_fleet(struct options *options, const char *text)
{
	options->fleet = text;
	return true;
}

static bool set_cert(struct options *options, const char *text)
{
	options->tls_cert = text;
	return true;
}

static bool set_key(struct options *options, const char *text)
{
	options->tls_key = text;
	return true;
}

static const struct flag {
	const char *name, *value, *help;
	bool (*set)(struct options *options, const char *text);
} flags[] = {
	{"listen", "ADDRESS:PORT", "where to serve (127.0.0.1:8080; port 0: any free one)", set_listen},
	{"tls-cert", "FILE", "serve HTTPS with this certificate (PEM)", set_cert},
	{"tls-key", "FILE", "and this key (PEM)", set_key},
	{"region", "ID", "a region of the fleet, may be repeated (cn-shanghai)", set_region},
	{"instances", "N", "size of the generated fleet (100)", set_instances},
	{"seed", "N", "what fleet and faults come from (1)", set_seed},
	{"fleet", "FILE", "a fleet as JSON in place of a generated one", set_fleet},
	{"print-fleet", NULL, "print the fleet as JSON and stop", set_print_fleet},
	{"access-key-id", "ID", "the one key that is known (LTAI5tSimulator)", set_key_id},
	{"access-key-secret", "SECRET", "its secret (simulator-secret-not-a-real-one)", set_key_secret},
	{"security-token", "TOKEN", "make it a temporary key with this token", set_token},
	{"upgrade-time", "DURATION", "mean time of an upgrade, each takes 50 % to 150 % (5s)", set_upgrade_time},
	{"latency", "DURATION", "answer all requests late by this (0ms)", set_latency},
	{"throttle", "CALLS", "calls per second, what is above gets Throttling.User (none)", set_throttle},
	{"fault", "NAME=RATE", "let something go wrong, may be repeated; see below", set_fault},
	{"journal", "N", "requests to remember for /_sim/requests (200000)", set_journal},
};

#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

static void print_help(void)
{
	puts("Usage: sagpin-simulator [FLAG]...\n"
	     "The Smart Access Gateway API on this machine: a fleet that can be upgraded, and can misbehave.\n\nFlags:");
	for (size_t i = 0; i < N_FLAGS; i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", flags[i].name, flags[i].value == NULL ? "" : " ",
		         flags[i].value == NULL ? "" : flags[i].value);
		printf("  %-28s %s\n", left, flags[i].help);
	}
	puts("  --help                       this text\n\n"
	     "Faults: NAME=RATE[:DURATION][@ACTION], where RATE is a count (3), a share (0.25, 25%), always or off:");
	for (size_t i = 0; i < FAULT_N; i++)
		printf("  %-28s %s\n", fault_texts[i].name, fault_texts[i].help);
}

/* 0, 1: help was shown, -EINVAL. */
static int parse_flags(int argc, char **argv, struct options *options)
{
	struct option longs[N_FLAGS + 2] = {0};
	int index;

	for (size_t i = 0; i < N_FLAGS; i++)
		longs[i] = (struct option){flags[i].name, flags[i].value == NULL ? no_argument : required_argument,
		                           NULL, (int)i + 1};
	longs[N_FLAGS] = (struct option){"help", no_argument, NULL, (int)N_FLAGS + 1};
	while ((index = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (index == (int)N_FLAGS + 1) {
			print_help();
			return 1;
		}
		if (index == '?')
			return -EINVAL;
		if (!flags[index - 1].set(options, optarg)) {
			fprintf(stderr, "sagpin-simulator: --%s: cannot use \"%s\"\n", flags[index - 1].name, optarg);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sagpin-simulator: unexpected argument \"%s\"\n", argv[optind]);
		return -EINVAL;
	}
	if ((options->tls_cert == NULL) != (options->tls_key == NULL)) {
		fprintf(stderr, "sagpin-simulator: --tls-cert and --tls-key go together\n");
		return -EINVAL;
	}
	if (options->n_regions == 0)
		options->regions[options->n_regions++] = "cn-shanghai";
	return 0;
}

static char *read_pem(const char *path)
{
	FILE *stream = fopen(path, "re");
	char *data = calloc(1, LIMIT_PEM_BYTES + 1);

	if (stream == NULL || data == NULL || fread(data, 1, LIMIT_PEM_BYTES, stream) == 0) {
		fprintf(stderr, "sagpin-simulator: cannot read %s\n", path);
		free(data);
		data = NULL;
	}
	if (stream != NULL)
		fclose(stream);
	return data;
}

static int setup_fleet(struct fleet *fleet, const struct options *options)
{
	char error[256] = "out of memory";
	int r;

	for (size_t i = 0; i < options->n_regions; i++) {
		r = fleet_add_region(fleet, options->regions[i]);
		if (r < 0)
			return r;
	}
	if (options->fleet != NULL) {
		r = fleetfile_read(fleet, options->fleet, error);
		if (r < 0)
			fprintf(stderr, "sagpin-simulator: --fleet: %s\n", error);
		return r;
	}
	r = fleet_generate_catalogue(fleet);
	return r < 0 ? r : fleet_generate(fleet, options->n_instances);
}

static int setup_faults(struct faults *faults, const struct options *options)
{
	for (size_t i = 0; i < options->n_faults; i++) {
		const char *equals = strchr(options->faults[i], '=');
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)(equals - options->faults[i]), options->faults[i]);
		if (faults_set(faults, name, equals + 1) < 0) {
			fprintf(stderr, "sagpin-simulator: --fault: cannot use \"%s\"\n", options->faults[i]);
			return -EINVAL;
		}
	}
	return 0;
}

static int setup(struct sim *sim, const struct options *options)
{
	int64_t now_ns = clock_ns();
	int r;

	fleet_init(&sim->fleet, options->seed, options->upgrade_ns, now_ns, (int64_t)time(NULL));
	faults_init(&sim->faults, options->seed);
	sim->random.state = ~options->seed;
	sim->throttle_per_s = sim->throttle_tokens = options->throttle;
	sim->throttle_ns = now_ns;
	sim->latency_ns = options->latency_ns;
	sim->check.access_key_id = options->access_key_id;
	sim->check.access_key_secret = options->access_key_secret;
	sim->check.security_token = options->security_token;
	r = check_init(&sim->check);
	if (r == 0)
		r = journal_init(&sim->journal, options->journal_limit);
	if (r == 0)
		r = setup_faults(&sim->faults, options);
	return r < 0 ? r : setup_fleet(&sim->fleet, options);
}

static void teardown(struct sim *sim)
{
	check_deinit(&sim->check);
	journal_deinit(&sim->journal);
	fleet_deinit(&sim->fleet);
}

static int print_fleet(struct sim *sim)
{
	struct answer answer = {0};
	size_t n;

	fleetfile_write(&sim->fleet, &answer);
	n = fwrite(answer.data, 1, answer.size, stdout);
	putchar('\n');
	if (answer.is_broken || n < answer.size || fflush(stdout) != 0)
		n = 0;
	answer_deinit(&answer);
	return n == 0 ? -EIO : 0;
}

static int serve(struct sim *sim, const struct server_options *options)
{
	struct server *server;
	sigset_t signals;
	int stop_fd, r;

	/* Blocked before anything else may run, so that the one way to stop is the descriptor. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	stop_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (stop_fd < 0)
		return -errno;
	server = server_new(sim, options);
	if (server == NULL) {
		close(stop_fd);
		return -EIO;
	}
	printf(strchr(options->host, ':') == NULL ? "listening on %s://%s:%u/\n" : "listening on %s://[%s]:%u/\n",
	       options->tls_cert == NULL ? "http" : "https", options->host, server_port(server));
	fflush(stdout);
	r = server_run(server, stop_fd);
	server_free(server);
	close(stop_fd);
	return r;
}

static int run(struct options *options)
{
	static struct sim sim;
	char *cert = options->tls_cert == NULL ? NULL : read_pem(options->tls_cert);
	char *key = options->tls_key == NULL ? NULL : read_pem(options->tls_key);
	int r = -EIO;

	if (options->tls_cert == NULL || (cert != NULL && key != NULL)) {
		options->server.tls_cert = cert;
		options->server.tls_key = key;
		r = setup(&sim, options);
		if (r == 0)
			r = options->is_fleet_printed ? print_fleet(&sim) : serve(&sim, &options->server);
		teardown(&sim);
	}
	free(cert);
	free(key);
	return r;
}

int main(int argc, char **argv)
{
	struct options options = {
		.server = {.host = "127.0.0.1", .port = 8080},
		.n_instances = 100,
		.seed = 1,
		.access_key_id = "LTAI5tSimulator",
		.access_key_secret = "simulator-secret-not-a-real-one",
		.upgrade_ns = INT64_C(5000000000),
		.journal_limit = JOURNAL_LIMIT,
	};
	int r = parse_flags(argc, argv, &options);

	if (r == 0)
		r = run(&options);
	else if (r < 0)
		return 2;
	return r < 0 ? 1 : 0;
}
