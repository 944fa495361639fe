/*
 * What is durable: the records that the core asks to have stored, and is given back after a restart.
 *
 * A record is a row of texts and numbers under a key; one table says what each kind holds. So the store knows no
 * more of the core than this header, and another store can take the place of the first. All records of one
 * ACTION_STORE are made durable together or not at all (rule 2). They are given back in the order of the kinds. Pure.
 *
 * Times marked as such are on the boot-time clock of whoever holds the record; the store keeps with each record when
 * it was written (boot id, boot time, wall time) and moves its times by record_shift() when it gives it back
 * (rule 12). All other times are wall clock, UNIX seconds, 0 for never.
 */
#pragma once

#include "model.h"

enum record_kind {
	RECORD_TARGET,    /* what is known of one target for good */
	RECORD_ATTEMPTS,  /* what was tried on one target for one version */
	RECORD_ROLLOUT,   /* progress, failures and halt of one rollout */
	RECORD_START,     /* one start of the last hour */
	RECORD_PAUSE,     /* everything, a policy or a rollout is paused */
	RECORD_SCOPE,     /* a scope that is settled (rule 11) */
	RECORD_CATALOGUE, /* one version of the catalogue of a model; "" stands for the read itself */
	RECORD_TALLY,     /* one counter */
	RECORD_AUTO_UPGRADE, /* the cloud's own policy as it was before it was set to manual */
	RECORD_INTENT,    /* one unsettled intent */
	RECORD_KIND_N,
};

#define RECORD_TEXTS 12
#define RECORD_NUMBERS 32

struct record {
	enum record_kind kind;
	bool is_removed;                   /* only the key is told */
	const char *text[RECORD_TEXTS];    /* never NULL up to the number of texts of the kind; borrowed */
	int64_t number[RECORD_NUMBERS];
};

/* Places in text[] and number[], by kind. The first texts, and the first numbers, are the key: see record_formats. */
enum {
	REC_INTENT_TEXT_ACCOUNT, REC_INTENT_TEXT_REGION, REC_INTENT_TEXT_INSTANCE, REC_INTENT_TEXT_SERIAL, REC_INTENT_TEXT_FROM, REC_INTENT_TEXT_TO,
	REC_INTENT_TEXT_GOAL,    /* what was desired: TO may be a hop on the way */
	REC_INTENT_TEXT_POLICY, REC_INTENT_TEXT_SITE, REC_INTENT_TEXTS,
	REC_INTENT_ID = 0, REC_INTENT_VERSION_TYPE, REC_INTENT_STATE, REC_INTENT_POSITION, REC_INTENT_IS_CODE_UNKNOWN, REC_INTENT_IS_SEEN, REC_INTENT_IS_VPN_VERIFIED,
	REC_INTENT_DEADLINE_LENGTH, REC_INTENT_SOAK_LENGTH, REC_INTENT_CREATED, REC_INTENT_SENT, REC_INTENT_ACCEPTED, REC_INTENT_SEEN, REC_INTENT_NUMBERS,
};
enum {
	REC_TARGET_TEXT_SERIAL, REC_TARGET_TEXT_APPROVED, /* the desired version that was approved last, "" for none */
	REC_TARGET_TEXT_HELD_BY, REC_TARGET_TEXT_HELD_WHY, /* HELD_BY "": not held by an operator */
	REC_TARGET_TEXT_URGENT,                        /* upgrade-now to this desired version, "" for none */
	REC_TARGET_TEXT_ENDED_POLICY, REC_TARGET_TEXT_ENDED_VERSION, /* the rollout that it ended in last: counts for halts once */
	REC_TARGET_TEXT_ACCOUNT,                       /* where its change of APPROVED_AT counts; "" for none */
	REC_TARGET_TEXT_POLICY,                        /* the last one that it had: a halt of it goes along to the next */
	REC_TARGET_TEXTS,
	REC_TARGET_VERSION_TYPE = 0, REC_TARGET_FIRST_SEEN, REC_TARGET_DRIFT_SINCE, REC_TARGET_LEFT, /* time; NEVER while it is in the inventory */
	REC_TARGET_APPROVED_AT,              /* time: of the last change without an operator's word; NEVER */
	REC_TARGET_HELD_SINCE, REC_TARGET_ATTEMPTS, REC_TARGET_FAILURES, REC_TARGET_LAST_SUCCESS, REC_TARGET_LAST_FAILURE,
	REC_TARGET_WAIT, REC_TARGET_WAIT_REASON, REC_TARGET_N_WAITS, REC_TARGET_WAIT_UNTIL, /* time */
	REC_TARGET_CHANGED_1, REC_TARGET_CHANGED_2, REC_TARGET_CHANGED_3, /* times: the last three external changes, oldest first; NEVER */
	REC_TARGET_ENDED_EPOCH, REC_TARGET_ENDED_REASON, /* REASON_NONE: verified */
	REC_TARGET_URGENT_UNTIL, /* time; NEVER when URGENT is none */
	REC_TARGET_NUMBERS,
};
enum {
	REC_ATTEMPTS_TEXT_SERIAL, REC_ATTEMPTS_TEXT_VERSION, REC_ATTEMPTS_TEXTS,
	REC_ATTEMPTS_VERSION_TYPE = 0, REC_ATTEMPTS_MADE, REC_ATTEMPTS_REASON, REC_ATTEMPTS_IS_TERMINAL, REC_ATTEMPTS_NUMBERS,
};
enum {
	REC_ROLLOUT_TEXT_POLICY, REC_ROLLOUT_TEXT_VERSION,
	REC_ROLLOUT_TEXT_WAVE,       /* the name of the current one, "" for the last */
	REC_ROLLOUT_TEXT_PASSED,     /* the names of those that have passed, a line each */
	REC_ROLLOUT_TEXT_APPROVED,   /* the match wave of which an operator said yes to what it catches, "" for none */
	REC_ROLLOUT_TEXTS,
	REC_ROLLOUT_VERSION_TYPE = 0, REC_ROLLOUT_EPOCH, REC_ROLLOUT_HALT_CAUSE, REC_ROLLOUT_HALT_REASON, REC_ROLLOUT_HALTED_AT, REC_ROLLOUT_FIRST_SEEN, REC_ROLLOUT_LAST_PROGRESS,
	REC_ROLLOUT_SOAK_START,      /* time; NEVER while the wave has not succeeded */
	REC_ROLLOUT_ENDED, REC_ROLLOUT_FAILED, REC_ROLLOUT_FAILED_DEADLINE, REC_ROLLOUT_FAILED_UNHEALTHY, REC_ROLLOUT_FAILED_REJECTED,
	REC_ROLLOUT_NUMBERS,
};
enum {
	REC_START_TEXT_POLICY, REC_START_TEXTS,
	REC_START_INTENT = 0, REC_START_TIME, /* time */ REC_START_NUMBERS,
};
enum {
	REC_PAUSE_TEXT_POLICY, REC_PAUSE_TEXT_VERSION, REC_PAUSE_TEXT_WHO, REC_PAUSE_TEXT_WHY, REC_PAUSE_TEXTS, /* "": all policies; all versions */
	REC_PAUSE_VERSION_TYPE = 0, /* -1: of both */ REC_PAUSE_SINCE, REC_PAUSE_NUMBERS,
};
enum {
	REC_SCOPE_TEXT_ACCOUNT, REC_SCOPE_TEXT_REGION, REC_SCOPE_TEXTS,
	REC_SCOPE_SETTLED_AT = 0, REC_SCOPE_NUMBERS,
};
enum {
	REC_CATALOGUE_TEXT_MODEL, REC_CATALOGUE_TEXT_VERSION, REC_CATALOGUE_TEXTS,
	REC_CATALOGUE_VERSION_TYPE = 0, REC_CATALOGUE_CREATED_MS, REC_CATALOGUE_IS_RELEASE, REC_CATALOGUE_IS_OFFERED, REC_CATALOGUE_READ, /* time */ REC_CATALOGUE_NUMBERS,
};
enum {
	REC_TALLY_TEXT_ACCOUNT, REC_TALLY_TEXT_REGION, REC_TALLY_TEXT_POLICY, REC_TALLY_TEXTS,
	REC_TALLY_KIND = 0, REC_TALLY_VERSION_TYPE, REC_TALLY_REASON, REC_TALLY_VALUE, REC_TALLY_NUMBERS,
};
enum {
	REC_AUTO_TEXT_SERIAL, REC_AUTO_TEXT_INSTANCE, REC_AUTO_TEXT_TYPE, REC_AUTO_TEXT_CRON, REC_AUTO_TEXT_ZONE, REC_AUTO_TEXTS,
	REC_AUTO_VERSION_TYPE = 0, REC_AUTO_DURATION_MIN, REC_AUTO_JITTER_MIN, REC_AUTO_HELD_SINCE, REC_AUTO_NUMBERS,
};

/* Of an unsettled intent: REQUESTED is unconfirmed to whoever finds it after a crash, since the call may have left. */
enum record_intent_state {
	RECORD_INTENT_REQUESTED,
	RECORD_INTENT_ACCEPTED,
	RECORD_INTENT_UNCONFIRMED,
	RECORD_INTENT_STATE_N,
};
extern const char *const record_intent_states[RECORD_INTENT_STATE_N];

/* How a column is kept. Enums of the core are kept by name, so that a number may change its meaning. */
enum record_column_type {
	COLUMN_NUMBER,
	COLUMN_TIME, /* boot-time ns; INT64_MIN is never, and stays so */
	COLUMN_NAME, /* a number that is an index into `names` */
};
struct record_column {
	const char *name;
	enum record_column_type type;
	const char *const *names;
	unsigned int n_names;
};
struct record_format {
	const char *name; /* of the kind: "intent" */
	const char *const *texts;
	unsigned int n_texts, n_key_texts; /* the first are the key */
	const struct record_column *numbers;
	unsigned int n_numbers, n_key_numbers;
};
extern const struct record_format record_formats[RECORD_KIND_N];

/* When a record was written. */
struct record_stamp {
	uint64_t boot; /* names one boot of the machine */
	int64_t boot_ns, wall_s;
};
/*
 * What to add to the times of a record that was written at `written`, so that they hold on the clock of `now`: nothing
 * in the same boot; else what passed is taken from the wall clock, and is nothing if that went backwards (rule 12).
 */
#define RECORD_SHIFT_MAX_S (INT64_C(100) * 366 * 86400) /* a wall clock that was nonsense once overflows nothing */
int64_t record_shift(const struct record_stamp *written, const struct record_stamp *now);
