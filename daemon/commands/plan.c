/*
 * sagpin plan: what would happen, and when.
 *
 * Asks the running daemon for a snapshot and looks ahead from there; --offline takes cloud and state file instead. Whatever
 * the way, nothing is changed by it.
 */
#include "commands.h"
#include "config_messages.h"
#include "control/control.h"
#include "control_client.h"
#include "plan/snapshot_read.h"
#include "plan/survey.h"
#include "plan/tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONFIG_DEFAULT "/etc/sagpin/sagpin.cfg"
#define DAY_S INT64_C(86400)
#define BACK_S (8 * DAY_S)          /* longer than any window: an opening that is under way begins where it did */
#define HORIZON_S (14 * DAY_S)
#define HORIZON_MAX_S (400 * DAY_S)
#define WIDTH_DEFAULT 80
#define HEIGHT_DEFAULT 40  /* without a terminal */
#define HEIGHT_AROUND 12   /* lines beside the table */

enum { EXIT_NOTHING = 0, EXIT_ERROR = 1, EXIT_CHANGES = 2 };

struct plan_options {
	const char *config_file, *socket;
	const char *account, *policy, *instance_id, *serial_number;
	int64_t horizon_s;
	bool is_offline, is_json, is_all;
};

/* All that a plan is made of. */
struct planning {
	const struct plan_options *options;
	struct config *config;
	const char *config_path;
	struct picture picture;
	struct calendar_intervals *intervals; /* of each policy two: openings and freezes */
	struct stretch **stretches;           /* the same as the core takes them */
	struct forecast_calendar *calendars;
	struct forecast forecast;
	struct tell tell;
};

/* ---- options ---- */

static bool take_config_file(void *ctx, const char *value)
{
	((struct plan_options *)ctx)->config_file = value;
	return true;
}

static bool take_socket(void *ctx, const char *value)
{
	((struct plan_options *)ctx)->socket = value;
	return true;
}

static bool take_offline(void *ctx, const char *value)
{
	(void)value;
	((struct plan_options *)ctx)->is_offline = true;
	return true;
}

static bool take_json(void *ctx, const char *value)
{
	(void)value;
	((struct plan_options *)ctx)->is_json = true;
	return true;
}

static bool take_all(void *ctx, const char *value)
{
	(void)value;
	((struct plan_options *)ctx)->is_all = true;
	return true;
}

static bool take_account(void *ctx, const char *value)
{
	((struct plan_options *)ctx)->account = value;
	return true;
}

static bool take_policy(void *ctx, const char *value)
{
	((struct plan_options *)ctx)->policy = value;
	return true;
}

static bool take_instance(void *ctx, const char *value)
{
	((struct plan_options *)ctx)->instance_id = value;
	return true;
}

static bool take_serial_number(void *ctx, const char *value)
{
	((struct plan_options *)ctx)->serial_number = value;
	return true;
}

/* "14d", "36h", "90m" */
static bool take_horizon(void *ctx, const char *value)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 'd', DAY_S }, { 'h', 3600 }, { 'm', 60 } };
	size_t digits = strspn(value, "0123456789");

	for (size_t i = 0; digits > 0 && digits < 7 && i < sizeof(units) / sizeof(units[0]); i++)
		if (value[digits] == units[i].unit && !value[digits + 1]) {
			((struct plan_options *)ctx)->horizon_s = atol(value) * units[i].s;
			if (atol(value) > 0 && atol(value) * units[i].s <= HORIZON_MAX_S)
				return true;
		}
	fprintf(stderr, "sagpin: --horizon=%s is no time ahead; write a number and d, h or m, at most %" PRId64 "d, as in 14d\n", value,
		HORIZON_MAX_S / DAY_S);
	return false;
}

static const struct option_spec options[] = {
	{ "config.file", "FILE", "Plan with this configuration; the same as FILE (the daemon's own).", take_config_file },
	{ "offline", NULL, "Without a daemon: read cloud and state file, write nothing.", take_offline },
	{ "horizon", "TIME", "How far to look ahead (14d).", take_horizon },
	{ "json", NULL, "One JSON object, with every target.", take_json },
	{ "all", NULL, "A line for every target, with nothing to do or not.", take_all },
	{ "account", "NAME", "Only targets of this account.", take_account },
	{ "policy", "NAME", "Only targets of this policy.", take_policy },
	{ "instance", "ID", "Only the targets of this instance.", take_instance },
	{ "serial-number", "SERIAL", "Only the targets of this device.", take_serial_number },
	{ "control.socket", "PATH", "Where the daemon listens (as FILE says, or " CONTROL_SOCKET_DEFAULT ").", take_socket },
};

static int parse(int argc, char **argv, struct plan_options *o)
{
	static const char usage[] = "sagpin plan [OPTIONS] [FILE]\n\nShows what would happen and when, and changes nothing. With FILE: what that "
				    "configuration would change.\nExits with 0 when there is nothing to do, 2 when there is, 1 after an error.";
	int first = options_parse(options, sizeof(options) / sizeof(options[0]), usage, argc, argv, o);

	if (first < 0)
		return first;
	if (argc - first > 1 || (argc - first == 1 && o->config_file)) {
		fprintf(stderr, "sagpin: plan takes one configuration; try --help\n");
		return -1;
	}
	if (argc - first == 1)
		o->config_file = argv[first];
	if (o->is_offline && o->socket) {
		fprintf(stderr, "sagpin: --offline asks no daemon, so --control.socket has no meaning with it; leave one out\n");
		return -1;
	}
	return 0;
}

/* ---- where it comes from ---- */

static int load_config(struct planning *p, const char *path)
{
	struct config_messages messages;
	int r = config_load(path, &p->config, &messages);

	if (r > 0)
		config_messages_print(path, &messages);
	else if (r < 0)
		fprintf(stderr, "sagpin: %s: %s\n", path, strerror(-r));
	config_messages_deinit(&messages);
	p->config_path = path;
	return r ? EXIT_ERROR : 0;
}

static int read_reply(struct planning *p, const char *socket, const struct control_reply *reply)
{
	struct error error = { .text = "" };
	int r;

	if (reply->status != 200) {
		control_tell_error(socket, reply);
		return EXIT_ERROR;
	}
	r = snapshot_read(reply->body, &p->picture, &error);
	if (r)
		fprintf(stderr, "sagpin: %s\n", r < 0 ? strerror(-r) : error.text);
	return r ? EXIT_ERROR : 0;
}

static int ask_daemon(struct planning *p)
{
	const char *given = p->options->config_file, *socket = p->options->socket;
	struct control_reply reply;
	int r = given ? load_config(p, given) : 0;

	if (r)
		return r;
	if (!socket)
		socket = p->config && p->config->control_socket_path[0] ? p->config->control_socket_path : CONTROL_SOCKET_DEFAULT;
	if (control_ask(socket, "/v1/snapshot", NULL, &reply)) {
		fprintf(stderr, "next: without a daemon, sagpin plan --offline asks the cloud itself\n");
		return EXIT_ERROR;
	}
	r = read_reply(p, socket, &reply);
	control_reply_deinit(&reply);
	if (r || given)
		return r;
	if (!p->picture.config_path[0]) {
		fprintf(stderr, "sagpin: the daemon does not tell its configuration; name it: sagpin plan FILE\n");
		return EXIT_ERROR;
	}
	return load_config(p, p->picture.config_path);
}

static int go_offline(struct planning *p)
{
	struct error error = { .text = "" };
	uint32_t n_unread = 0;
	int r = load_config(p, p->options->config_file ? p->options->config_file : CONFIG_DEFAULT);

	if (r)
		return r;
	r = survey_state(p->config, &p->picture, &error);
	if (!r)
		r = survey_cloud(p->config, &p->picture, &n_unread, &error);
	if (r) {
		fprintf(stderr, "sagpin: %s\n", error.text[0] ? error.text : strerror(-r));
		return EXIT_ERROR;
	}
	if (p->picture.is_first_life)
		tell_note(&p->tell, "there is no state in %s: a daemon that starts so waits for one deadline before anything starts (settling), and "
				    "whatever was approved, held or paused before is not known",
			  p->config->state_path);
	if (n_unread)
		tell_note(&p->tell, "%u DPI versions or catalogues could not be read and stay unknown", n_unread);
	return 0;
}

/* ---- looking ahead ---- */

static struct stretch *stretches_of(const struct calendar_intervals *list)
{
	struct stretch *s = calloc(list->n + 1, sizeof(*s));

	for (size_t i = 0; s && i < list->n; i++)
		s[i] = (struct stretch){ list->items[i].from_s, list->items[i].to_s };
	return s;
}

static int make_calendars(struct planning *p)
{
	const struct calendar_interval range = { p->picture.wall_s - BACK_S, p->picture.wall_s + p->options->horizon_s + BACK_S };
	size_t n = p->config->settings.n_policies;
	int r = 0;

	p->intervals = calloc(2 * n + 1, sizeof(*p->intervals));
	p->stretches = calloc(2 * n + 1, sizeof(struct stretch *));
	p->calendars = calloc(n + 1, sizeof(*p->calendars));
	if (!p->intervals || !p->stretches || !p->calendars)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = calendar_openings(&p->config->policies[i].calendar, range, &p->intervals[2 * i], &p->intervals[2 * i + 1]);
		p->stretches[2 * i] = stretches_of(&p->intervals[2 * i]);
		p->stretches[2 * i + 1] = stretches_of(&p->intervals[2 * i + 1]);
		if (!p->stretches[2 * i] || !p->stretches[2 * i + 1])
			return -ENOMEM;
		p->calendars[i] = (struct forecast_calendar){ p->stretches[2 * i], p->stretches[2 * i + 1], p->intervals[2 * i].n, p->intervals[2 * i + 1].n,
							      range.to_s };
	}
	return r;
}

static int look_ahead(struct planning *p)
{
	const struct forecast_options forecast = { .settings = &p->config->settings, .calendars = p->calendars, .fleet = &p->picture,
						   .horizon_s = p->options->horizon_s };

	return forecast_run(&forecast, &p->forecast);
}

/* ---- what else there is to know ---- */

static void note_scopes(struct planning *p)
{
	const struct settings *settings = &p->config->settings;

	for (uint32_t i = 0; i < settings->n_scopes; i++)
		if (picture_find_scope(&p->picture, settings->scopes[i].account, settings->scopes[i].region_id) == NONE)
			tell_note(&p->tell, "the daemon does not look into account %s, region %s: what is in there is not in this plan", settings->scopes[i].account,
				  settings->scopes[i].region_id);
	for (uint32_t i = 0; i < p->picture.n_scopes; i++)
		if (!p->picture.scopes[i].is_usable)
			tell_note(&p->tell, "the credentials of account %s cannot be used now (region %s)", p->picture.scopes[i].account,
				  p->picture.scopes[i].region_id);
}

static void note_all(struct planning *p)
{
	if (p->picture.is_of_daemon && !p->options->config_file && strcmp(p->picture.config_hash, p->config->hash) != 0)
		tell_note(&p->tell, "%s has changed since the daemon read it: this is the plan with the file as it is now", p->config_path);
	if (p->picture.is_of_daemon && p->options->config_file && strcmp(p->picture.config_hash, p->config->hash) != 0)
		tell_note(&p->tell, "the daemon runs with %s: this is what would happen if it were started with %s",
			  p->picture.config_path[0] ? p->picture.config_path : "another configuration", p->config_path);
	if (!p->picture.is_storing)
		tell_note(&p->tell, "the daemon cannot store its state now: nothing starts until it can; its log says what is wrong");
	note_scopes(p);
	if (p->forecast.n_unasked_gates)
		tell_note(&p->tell, "%u gate%s not asked: taken as open", p->forecast.n_unasked_gates, p->forecast.n_unasked_gates == 1 ? " was" : "s were");
	if (p->forecast.n_unknown_catalogues)
		tell_note(&p->tell, "%u catalogue%s not read yet: whether what is pinned is offered, and what channels stand for, is left open",
			  p->forecast.n_unknown_catalogues, p->forecast.n_unknown_catalogues == 1 ? " was" : "s were");
	if (p->forecast.is_cut_short)
		tell_note(&p->tell, "it is cut short at %s, after %" PRIu64 " steps; a shorter --horizon ends sooner", tell_local(p->forecast.end_s).text,
			  p->forecast.n_steps);
}

/* ---- telling ---- */

static size_t number_in_environment(const char *name)
{
	const char *value = getenv(name);
	size_t n = value && value[0] && strspn(value, "0123456789") == strlen(value) && strlen(value) < 6 ? (size_t)atol(value) : 0;

	return n;
}

static void measure_terminal(struct tell *t)
{
	struct winsize size = { 0 };
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool is_terminal = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
	size_t width = number_in_environment("COLUMNS"), height = number_in_environment("LINES");

	t->width = width ? width : is_terminal && size.ws_col ? size.ws_col : WIDTH_DEFAULT;
	height = height ? height : is_terminal && size.ws_row ? size.ws_row : HEIGHT_DEFAULT + HEIGHT_AROUND;
	t->height = height > HEIGHT_AROUND + 4 ? height - HEIGHT_AROUND : 4;
	t->is_styled = is_terminal && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}

static int tell(struct planning *p)
{
	const struct plan_options *o = p->options;
	struct tell *t = &p->tell;
	int status, r;

	t->forecast = &p->forecast;
	t->picture = &p->picture;
	t->settings = &p->config->settings;
	t->config_path = p->config_path;
	t->config_hash = p->config->hash;
	t->horizon_s = o->horizon_s;
	t->account = o->account;
	t->policy = o->policy;
	t->instance_id = o->instance_id;
	t->serial_number = o->serial_number;
	t->is_all = o->is_all;
	measure_terminal(t);
	note_all(p);
	status = forecast_has_changes(&p->forecast) || tell_count_changed(t) ? EXIT_CHANGES : EXIT_NOTHING;
	r = o->is_json ? tell_json(t, status, stdout) : tell_text(t, stdout);
	if (r)
		fprintf(stderr, "sagpin: the plan cannot be written: %s\n", strerror(-r));
	return r ? EXIT_ERROR : status;
}

static int make(struct planning *p)
{
	int r = p->options->is_offline ? go_offline(p) : ask_daemon(p);

	if (r)
		return r;
	r = make_calendars(p);
	if (!r)
		r = look_ahead(p);
	if (!r)
		return tell(p);
	fprintf(stderr, "sagpin: no plan: %s\n", strerror(-r));
	return EXIT_ERROR;
}

static void planning_deinit(struct planning *p)
{
	size_t n = p->config ? 2 * (size_t)p->config->settings.n_policies : 0;

	forecast_deinit(&p->forecast);
	for (size_t i = 0; p->stretches && p->intervals && i < n; i++) {
		calendar_intervals_deinit(&p->intervals[i]);
		free(p->stretches[i]);
	}
	free(p->intervals);
	free(p->stretches);
	free(p->calendars);
	picture_deinit(&p->picture);
	config_free(p->config);
}

int command_plan(int argc, char **argv)
{
	struct plan_options o = { .horizon_s = HORIZON_S };
	struct planning *p;
	int r = parse(argc, argv, &o);

	if (r)
		return r == -2 ? EXIT_NOTHING : EXIT_ERROR;
	p = calloc(1, sizeof(*p));
	if (!p) {
		fprintf(stderr, "sagpin: out of memory\n");
		return EXIT_ERROR;
	}
	p->options = &o;
	picture_init(&p->picture);
	r = make(p);
	planning_deinit(p);
	free(p);
	return r;
}
