/*
 * What would happen, and when: the reconcile core itself, run ahead in virtual time against an ideal cloud. Pure.
 *
 * A core of its own is given the settings, the calendars, what is durable and the fleet as it stands. Then everything goes
 * well: each read is answered, each upgrade is accepted, takes `upgrade_takes` of its policy and is healthy; a gate answers
 * as it did last; who is offline or degraded stays so. It ends when nothing is left to start, or at the horizon. So the plan knows no
 * rule by itself, and cannot disagree with the daemon.
 */
#pragma once

#include "picture.h"

#define FORECAST_STEPS_MAX 20000000 /* of the core: then the horizon is where it got to */

/* When a policy is open, as in EVENT_CALENDAR; known up to the horizon and a while beyond. */
struct forecast_calendar {
	const struct stretch *openings, *freezes;
	size_t n_openings, n_freezes;
	int64_t until_s;
};

struct forecast_options {
	const struct settings *settings; /* in observe mode it is run as if it were to enforce */
	const struct forecast_calendar *calendars; /* of each policy */
	const struct picture *fleet; /* sorted; borrowed for the life of the forecast, as all above */
	int64_t horizon_s; /* how long to look ahead */
	uint64_t steps_max; /* 0: FORECAST_STEPS_MAX */
};

enum forecast_action {
	FORECAST_NOTHING, /* in sync, ahead, unmanaged, unknown */
	FORECAST_FAILED,  /* given up, the reason says until when */
	FORECAST_WAIT,    /* behind, and no time that passes changes that: the reason says what it waits for */
	FORECAST_RUNNING, /* an upgrade is under way now */
	FORECAST_UPGRADE, /* starts at start_s */
	FORECAST_LATER,   /* behind, and its turn does not come before the horizon */
	FORECAST_ACTION_N,
};
extern const char *const forecast_action_names[FORECAST_ACTION_N]; /* "nothing", "failed", … */

/* One call of a target, in order of time. */
struct forecast_call {
	int64_t at_s;
	const char *to;
	uint32_t next; /* of the same target: an index into calls, or NONE */
};

/* One target. Versions are never NULL, "" where there is none. */
struct forecast_row {
	uint32_t instance;    /* index into the fleet's */
	unsigned int device;  /* its place in there */
	enum version_type version_type;
	const char *serial_number;
	const char *from, *to; /* reported, desired */
	const char *next;      /* what the next call would name */
	uint32_t pin, policy;  /* of the settings; PIN_NONE and POLICY_NONE when unmanaged */
	const char *wave;      /* "" when unmanaged */
	uint32_t wave_index;
	enum phase phase;      /* now */
	enum reason reason;
	enum reason why;       /* … and when it was looked at last before its start: what keeps it from an earlier one */
	enum forecast_action action;
	enum reason end_reason; /* at the end: what LATER and WAIT wait for in the end */
	enum reason blocked_by; /* … and what holds its rollout back, REASON_NONE when nothing does */
	int64_t start_s;        /* wall clock: when the first call leaves; 0: none does */
	int64_t done_s;         /* when it would be in sync; 0: not before the horizon */
	uint32_t first_call, n_calls; /* first_call: an index into calls, or NONE */
};

/* Targets that wait with approval at the beginning. */
struct forecast_approval {
	const char *account, *version;
	enum version_type version_type;
	uint32_t count, managed;
};

struct forecast {
	struct forecast_row *rows; /* in order of start: what starts first, then what does not */
	size_t n_rows;
	struct forecast_call *calls;
	uint32_t n_calls;
	struct forecast_approval *approvals;
	uint32_t n_approvals;
	int64_t now_s, end_s; /* wall clock: the beginning, and how far it looked */
	bool is_cut_short;    /* by the limit on steps */
	uint64_t n_steps;
	size_t counts[FORECAST_ACTION_N];
	uint32_t n_unasked_gates; /* taken as open, since nobody knows better */
	uint32_t n_unknown_catalogues; /* of models that nothing is known of */
	struct reconcile *core;   /* owns the versions */
};

/* 0 or -ENOMEM. */
int forecast_run(const struct forecast_options *options, struct forecast *ret_forecast) __attribute__((warn_unused_result));
void forecast_deinit(struct forecast *f);

/* Is there anything that sagpin would do, sooner or later? */
bool forecast_has_changes(const struct forecast *f);
