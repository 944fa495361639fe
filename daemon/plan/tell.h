/*
 * A plan as a person reads it (tell_text.c) and as a program does (tell_json.c).
 */
#pragma once

#include "forecast.h"

#include <stdio.h>

#define TELL_NOTES_MAX 64

struct tell {
	const struct forecast *forecast;
	const struct picture *picture;
	const struct settings *settings;
	const char *config_path, *config_hash;
	int64_t horizon_s;
	/* Only targets that fit all that is given; NULL: not given. */
	const char *account, *policy, *instance_id, *serial_number;
	bool is_all; /* each target, and those with nothing to do as well */
	/* text */
	size_t width, height; /* height: rows of targets that fit; more are told in groups */
	bool is_styled;
	/* what else there is to know, one sentence each */
	struct error notes[TELL_NOTES_MAX];
	size_t n_notes;
};

__attribute__((format(printf, 2, 3))) void tell_note(struct tell *t, const char *format, ...);

/* What is another for a target than the daemon has it now. Without a daemon nothing is. */
enum {
	CHANGE_DESIRED = 1,
	CHANGE_POLICY = 2,
	CHANGE_WAVE = 4,
};
unsigned int tell_changes(const struct tell *t, const struct forecast_row *row, const struct picture_wanted **ret_before);
size_t tell_count_changed(const struct tell *t); /* targets */

/* The row is among those that were asked for. */
bool tell_is_asked_for(const struct tell *t, const struct forecast_row *row);
const struct picture_scope *tell_scope(const struct tell *t, const struct forecast_row *row);
const char *tell_policy(const struct tell *t, const struct forecast_row *row); /* "" when unmanaged */
const char *tell_pin(const struct tell *t, const struct forecast_row *row);
/* What it waits for until its start or in the end, or why it failed. */
enum reason tell_reason(const struct forecast_row *row);
/* The next step for a person, or NULL. */
const char *tell_advice(enum forecast_action action, enum reason reason);

struct tell_time {
	char text[48];
};
struct tell_time tell_local(int64_t wall_s);  /* "2026-11-23 02:50 +08:00" */
struct tell_time tell_near(int64_t wall_s, int64_t now_s); /* the same, without the year where it is this one */
struct tell_time tell_utc(int64_t wall_s);    /* "2026-11-22T18:50:11Z" */
struct tell_time tell_span(int64_t s);        /* "3h12m", "2d4h", "40s" */

/* 0, -ENOMEM, or -EIO when it could not be written. */
int tell_text(const struct tell *t, FILE *out) __attribute__((warn_unused_result));
int tell_json(const struct tell *t, int exit_status, FILE *out) __attribute__((warn_unused_result));
