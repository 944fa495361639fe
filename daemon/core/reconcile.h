/*
 * The reconcile core: what was observed and what is wanted go in, what is to be done comes out.
 *
 * PURE: no system call, no clock, no randomness but the seed, no logging, no writable global. One step
 * takes one event and gives a plan: actions in execution order. Same events, same seed: the same plans
 * (rule 15). It is level-triggered: an observation is a full fact with its age, a failed read is none.
 *
 * The round trip of one upgrade, each arrow one event or action:
 *   LISTED -> behind -> READ(fresh) -> FRESH -> STORE -> STORED -> UPGRADE -> CALLED
 *          -> FOLLOW … FOLLOWED (version seen) -> soak -> READ(verify) -> FRESH -> settled
 *
 * The shell must: carry out the actions in order; answer each READ, FOLLOW, LIST, STORE and UPGRADE with
 * exactly one event that repeats its ticket; step with EVENT_TICK when reconcile_deadline_ns() is reached.
 */
#pragma once

#include "model.h"
#include "record.h"
#include "settings.h"

struct reconcile;

/* ---- events: they and everything they point to belong to the caller, and are not kept ---- */

enum event_kind {
	EVENT_TICK,           /* time went on */
	EVENT_SETTINGS,       /* .settings: these hold from now on (kept by reference until the next ones) */
	EVENT_LISTED,         /* .read: a part of a complete and consistent listing */
	EVENT_LISTING_ENDED,  /* .listing: of a complete one all was delivered; or it failed, and nothing was */
	EVENT_FOLLOWED,       /* .read: answer to FOLLOW; instances asked for and absent are simply not there */
	EVENT_FRESH,          /* .read with n = 1, answer to READ; n = 0: no such instance (InvalidId) */
	EVENT_READ_FAILED,    /* .failure: FOLLOW or READ failed */
	EVENT_CATALOGUE,      /* .catalogue: what one device can run, answer to READ(catalogue) */
	EVENT_STORED,         /* .stored: the records of that STORE are durable */
	EVENT_STORE_FAILED,   /* .stored: they are not, and none of them is; nothing of it may be called */
	EVENT_RESTORED,       /* .restored: a part of what an earlier life stored; after SETTINGS, before anything else */
	EVENT_RESTORE_ENDED,  /* .restore: that was all of it; until then nothing is stored and nothing starts */
	EVENT_CALENDAR,       /* .calendar: when a policy is open; replaces what was told of it before */
	EVENT_GATE,           /* .gate: answer to GATE */
	EVENT_ACT,            /* .act: an operator's word; answered by TELL_ACT, durable with the STORE of the same plan */
	EVENT_AUTO_UPGRADE,   /* .auto_upgrade: answer to READ(auto_upgrade) */
	EVENT_AUTO_UPGRADE_SET, /* .auto_upgrade_set: what became of a SET_AUTO_UPGRADE */
	EVENT_CALLED,         /* .called: what became of an UPGRADE */
	EVENT_ACCOUNT,        /* .account: are the credentials of a scope's account usable? */
	EVENT_N,
};

enum call_outcome {
	CALL_ACCEPTED,
	CALL_REFUSED,     /* a code of the closed list: .class and .reason say what it means */
	CALL_UNCONFIRMED, /* time-out, lost reply, any other code */
	CALL_NOT_SENT,    /* it never left (too old, shutting down): as if never planned */
	CALL_OUTCOME_N,
};

struct catalogue_entry {
	const char *version;
	int64_t created_ms; /* the vendor's date */
	bool is_release;
};

/* A stretch of time, UNIX seconds: from_s <= t < to_s. */
struct stretch {
	int64_t from_s, to_s;
};

/* Operators' words (behaviour.md). */
enum act_kind {
	ACT_PAUSE,       /* everything, a policy, or a rollout */
	ACT_RESUME,      /* the same; a halted rollout counts its failures anew */
	ACT_APPROVE,     /* `count` targets of an account may have `version` as their desired one; or `wave` of a rollout may catch what it does */
	ACT_HOLD,        /* targets: compared and shown, never upgraded */
	ACT_RELEASE,     /* never undoes a hold of the configuration */
	ACT_RETRY,       /* clears attempts and failure of targets */
	ACT_UPGRADE_NOW, /* targets skip window, wave, soak, rate and gate; all other rules hold, freezes included */
	ACT_N,
};
extern const char *const act_names[ACT_N]; /* "pause", … */

/* What it is about: of what is given all must fit. NULL: not given. */
struct act {
	enum act_kind kind;
	bool is_all;            /* PAUSE, RESUME: everything; the targets of the others need an instance or a serial number */
	const char *account;    /* APPROVE; may narrow targets down */
	const char *policy;
	const char *version_type; /* as the API spells it */
	const char *version;
	const char *wave;       /* APPROVE */
	const char *instance_id, *serial_number;
	uint32_t count;         /* APPROVE: how many targets the operator saw; not for a wave */
	const char *who, *why;  /* never NULL */
};

enum act_outcome {
	ACT_DONE,
	ACT_ALREADY,    /* it was so before */
	ACT_NOT_FOUND,  /* nothing fits what was named */
	ACT_INCOMPLETE, /* something that it needs was not named */
	ACT_TOO_MANY,   /* APPROVE: more targets wait than `count`; n_affected says how many */
	ACT_HELD_BY_CONFIG, /* RELEASE, UPGRADE_NOW: the configuration holds it */
	ACT_OUTCOME_N,
};
extern const char *const act_outcome_names[ACT_OUTCOME_N];

struct event {
	enum event_kind kind;
	int64_t now_ns; /* boot-time clock; never goes back */
	int64_t wall_s; /* UNIX seconds; may jump */
	union {
		const struct settings *settings;
		struct {
			uint64_t ticket; /* of FOLLOW or READ; 0 for LISTED */
			uint32_t scope;
			int64_t read_ns; /* boot-time clock when the request left: the age of the fact */
			const struct observation *observations;
			size_t n;
		} read;
		struct {
			uint32_t scope;
			bool is_complete;
			int64_t started_ns; /* when the first page was asked for */
		} listing;
		struct {
			uint64_t ticket;
			enum error_class class;
		} failure;
		struct {
			uint64_t ticket;
			const struct catalogue_entry *entries;
			size_t n;
		} catalogue;
		struct {
			uint64_t ticket;
		} stored;
		struct {
			uint64_t intent;
			enum call_outcome outcome;
			enum error_class class; /* REFUSED: by table. UNCONFIRMED: NONE, or TERMINAL for a code that we do not know */
			enum reason reason;     /* REFUSED, class blocked, terminal or account: what the target shows */
			int64_t sent_ns;        /* when the request left; 0 when it did not */
		} called;
		struct {
			uint32_t scope;
			bool is_usable;
		} account;
		struct {
			const struct record *records; /* times moved to this boot's clock already */
			size_t n;
		} restored;
		struct {
			bool is_first_life; /* there was no earlier state: settle first (rule 11) */
		} restore;
		struct {
			uint32_t policy; /* index into the settings */
			const struct stretch *openings, *freezes; /* in order, disjoint; freezes are cut out of openings already; copied */
			size_t n_openings, n_freezes;
			int64_t from_s, until_s; /* known for from_s <= t < until_s; outside of that the policy is closed, urgent calls included */
		} calendar;
		struct {
			uint64_t ticket;
			bool is_open;      /* false also when it could not be asked */
			int64_t asked_ns;
		} gate;
		struct act act;
		struct {
			uint64_t ticket;
			bool is_known; /* false: the read failed */
			const struct auto_upgrade_policy *policy;
		} auto_upgrade;
		struct {
			uint64_t ticket;
			bool is_done;
		} auto_upgrade_set;
	};
};

/* ---- plan ---- */

enum action_kind {
	/* to do; each has one answer */
	ACTION_LIST,    /* list the whole scope                                     -> LISTED*, LISTING_ENDED */
	ACTION_FOLLOW,  /* read `n_instances` instances of one scope by id          -> FOLLOWED or READ_FAILED */
	ACTION_READ,    /* read one instance, `purpose` says for what               -> FRESH, CATALOGUE or READ_FAILED */
	ACTION_STORE,   /* make `records` durable, all or none; one at a time       -> STORED or STORE_FAILED */
	ACTION_UPGRADE, /* call the upgrade for `intent`, not after `not_after_ns`  -> CALLED */
	ACTION_GATE,    /* ask the gate of `policy`                                 -> GATE */
	ACTION_SET_AUTO_UPGRADE, /* set the cloud's own upgrader of a target to `auto_upgrade` -> AUTO_UPGRADE_SET */
	/* to tell: decisions, for log, metrics and trace; no answer */
	ACTION_TELL_INSTANCE_ADDED,
	ACTION_TELL_INSTANCE_REMOVED, /* strings still valid until the next step */
	ACTION_TELL_ODD,              /* `oddity`: something in the inventory that a person should look at, said once */
	ACTION_TELL_PHASE,            /* the target moved from `old_phase`, `old_reason` to `phase`, `reason` */
	ACTION_TELL_STARTED,          /* the intent was created: `from` to `to` */
	ACTION_TELL_SETTLED,          /* the intent ended: `outcome`, and `reason` when it failed or was refused */
	ACTION_TELL_EXTERNAL_CHANGE,  /* a version moved that we did not move: `from` to `to` */
	ACTION_TELL_ACCOUNT,          /* upgrade calls of the scope's account were paused (`is_paused`) or go on */
	ACTION_TELL_ACT,              /* answer to EVENT_ACT: `act_outcome`, `count` targets or rollouts */
	ACTION_TELL_ROLLOUT,          /* a rollout moved: `rollout_change`; see reconcile_rollout(rollout) */
	ACTION_TELL_AUTO_UPGRADE,     /* the cloud's own upgrader of a target is set otherwise, `from` to `to`: `auto_upgrade_change` */
	ACTION_TELL_APPROVAL,         /* `count` targets of the scope's account wait with approval for `to`, or (0) none does any more */
	ACTION_KIND_N,
};

enum read_purpose {
	READ_FRESH,     /* before a call: DescribeSmartAccessGatewayAttribute and DescribeSAGDeviceInfo of `serial` */
	READ_VERIFY,    /* health after an upgrade: the same two */
	READ_DPI,       /* the DPI version: DescribeSmartAccessGatewayAttribute alone */
	READ_CATALOGUE, /* DescribeSmartAccessGatewayVersions of the target's device and version type */
	READ_AUTO_UPGRADE, /* DescribeDeviceAutoUpgradePolicy of the same */
	READ_PURPOSE_N,
};

/* How an intent ended (rule 4). */
enum intent_outcome {
	INTENT_VERIFIED,
	INTENT_REFUSED,   /* by the cloud, with a code of the closed list */
	INTENT_FAILED,    /* reason deadline, unhealthy or rejected */
	INTENT_NO_EFFECT, /* online on the old version at the deadline after an unconfirmed call */
	INTENT_GONE,      /* left the inventory and the deadline passed */
	INTENT_WITHDRAWN, /* never left: not stored, too old, not sent */
	INTENT_OUTCOME_N,
};
extern const char *const intent_outcome_names[INTENT_OUTCOME_N]; /* "verified", … */

enum oddity {
	ODDITY_STATUS,    /* a status that the reference does not name */
	ODDITY_NO_SERIAL, /* a hardware instance without serial number: never upgraded */
	ODDITY_DUPLICATE, /* its serial number is also under another instance */
	ODDITY_VERSION,   /* reported and desired version cannot be compared */
	ODDITY_PAUSE,     /* a pause names a policy that is not in the settings: `from`; it holds everything that it may be about */
	ODDITY_N,
};

enum rollout_change {
	ROLLOUT_BEGAN,
	ROLLOUT_WAVE_PASSED, /* `wave` is the next one */
	ROLLOUT_AWAITING,    /* `wave` catches nothing that could go: it waits with approval, told once */
	ROLLOUT_HALTED,      /* see halt_cause */
	ROLLOUT_RESUMED,
	ROLLOUT_COMPLETED,
	ROLLOUT_REOPENED,    /* it was complete, and has targets behind again */
	ROLLOUT_ENDED,       /* nobody's desired version any more */
	ROLLOUT_CHANGE_N,
};
extern const char *const rollout_change_names[ROLLOUT_CHANGE_N];

enum auto_upgrade_change {
	AUTO_UPGRADE_CHANGED,   /* by somebody else */
	AUTO_UPGRADE_HELD,      /* by us: it leaves the device alone */
	AUTO_UPGRADE_PUT_BACK,  /* by us: as it was before */
	AUTO_UPGRADE_NOT_TAKEN, /* it was to be set, and is not; tried again, told once until it is */
	AUTO_UPGRADE_CHANGE_N,
};
extern const char *const auto_upgrade_change_names[AUTO_UPGRADE_CHANGE_N]; /* "changed", "held", "put_back", "not_taken" */

#define NONE UINT32_MAX

struct action {
	enum action_kind kind;
	uint64_t ticket;      /* LIST: 0. Never reused in the life of the core */
	uint32_t scope;
	uint32_t instance;    /* slot; NONE for LIST, FOLLOW, STORE */
	uint32_t target;      /* slot; NONE where it is about no target */
	uint64_t intent;      /* 0 where it is about none */
	enum read_purpose purpose;
	enum phase phase, old_phase;
	enum reason reason, old_reason;
	enum intent_outcome outcome;
	enum oddity oddity;
	bool is_paused;
	const char *from, *to; /* versions, types of the cloud's own upgrader; valid for the life of the core */
	int64_t not_after_ns;  /* UPGRADE, SET_AUTO_UPGRADE: boot-time clock */
	const uint32_t *instances; /* FOLLOW: slots, at most LIMIT_PAGE; valid until the next step */
	uint32_t n_instances;
	const struct record *records; /* STORE: valid until the next step */
	size_t n_records;
	uint32_t policy;       /* GATE: index into the settings */
	uint32_t rollout;      /* TELL_ROLLOUT: slot */
	const char *wave;      /* TELL_ROLLOUT: where it is by then, "last" for the last; several may pass in one step */
	enum rollout_change rollout_change;
	enum act_kind act;
	enum act_outcome act_outcome;
	uint32_t count;
	int64_t until_s;       /* TELL_ACT: wall clock, what it changed lapses then; 0: it does not */
	enum version_type version_type; /* TELL_APPROVAL */
	const struct auto_upgrade_policy *auto_upgrade; /* SET_AUTO_UPGRADE: valid until the next step */
	enum auto_upgrade_change auto_upgrade_change;
};

struct plan {
	const struct action *actions; /* owned by the core, valid until the next step */
	size_t n_actions;
};

/* ---- life ---- */

/* `seed` drives backoff jitter and nothing else. 0 or -ENOMEM. */
int reconcile_new(uint64_t seed, struct reconcile **ret_reconcile) __attribute__((warn_unused_result));
struct reconcile *reconcile_free(struct reconcile *r);

/*
 * One event in, one plan out. 0, or -ENOMEM, which is fatal (the state is then undefined).
 * The first event must be EVENT_SETTINGS, then come RESTORED and RESTORE_ENDED. Events with an unknown ticket or intent are ignored.
 */
int reconcile_step(struct reconcile *r, const struct event *ev, struct plan *ret_plan) __attribute__((warn_unused_result));

/* When EVENT_TICK is due, boot-time clock; INT64_MAX for never. Never in the past after a step at `now` (rule 10). */
int64_t reconcile_deadline_ns(const struct reconcile *r);

/* ---- the live table, read only, for exposition and views ---- */

/*
 * Slots are dense from 0, never move, and may be empty. While a reader holds the table no slot is reused;
 * `born` is the step at which the slot was filled: a reader that began at step s skips what was born later.
 */
uint32_t reconcile_instance_slots(const struct reconcile *r);
uint32_t reconcile_target_slots(const struct reconcile *r);
uint64_t reconcile_steps(const struct reconcile *r);
void reconcile_hold(struct reconcile *r);
void reconcile_unhold(struct reconcile *r);

struct instance_view {
	uint64_t born;
	uint32_t scope;
	const char *instance_id, *name, *model, *resource_group, *ccn, *city, *status_text;
	const char *serial_numbers[LIMIT_DEVICES]; /* NULL where there is none */
	const char *policy; /* of the Device version type, else of Dpi; "" when unmanaged */
	uint32_t pin;       /* PIN_NONE when unmanaged */
	bool is_online;     /* status active (main or only device) */
	bool is_observed;   /* false: stale or never */
	bool is_leaving;    /* removed by the last step: still there for its plan, and for nothing else */
};
/* False for an empty slot. Strings are borrowed until the next step. */
bool reconcile_instance(const struct reconcile *r, uint32_t slot, struct instance_view *ret_view);

struct target_view {
	uint64_t born;
	uint32_t instance; /* slot */
	uint32_t scope;
	enum version_type version_type;
	const char *instance_id, *serial_number;
	const char *reported; /* "" when unknown */
	const char *desired;  /* "" when unmanaged */
	uint32_t policy;      /* POLICY_NONE when unmanaged */
	uint32_t pin;         /* PIN_NONE when unmanaged */
	enum phase phase;
	enum reason reason;   /* the exact one, pacing included */
	bool is_in_progress;  /* an intent is unsettled; true before the call leaves */
	bool is_behind, is_ahead; /* both false while unknown, unmanaged or incomparable */
	int64_t phase_since_s;    /* wall clock; all times below too, 0 for never */
	int64_t drift_since_s;
	int64_t last_success_s, last_failure_s;
	uint64_t attempts, failures; /* lifetime counters, never cleared; no more than is committed, as the two above */
	uint32_t rollout;     /* slot, NONE when unmanaged */
	uint32_t wave;        /* of the rollout's policy; n_waves for the last */
	const char *next;     /* the version that the next call would name: desired, or a hop on the way; "" when none */
	const char *site;     /* what max_in_flight_per_site counts by */
	bool is_held;         /* by an operator */
	bool is_urgent;       /* upgrade-now */
	const char *held_by, *held_why; /* "" when not held by an operator */
	int64_t first_seen_s;
	const char *approved; /* the desired version as last approved, "" for none */
	const struct auto_upgrade_policy *auto_upgrade; /* the cloud's own, as last read; NULL: never */
	int64_t next_try_ns;  /* boot-time clock: backoff or slow recheck; 0 when none */
};
bool reconcile_target(const struct reconcile *r, uint32_t slot, struct target_view *ret_view);
/* The same without what must be worked out: phase, reason, is_behind and is_ahead are not set. For many rows at once. */
bool reconcile_target_facts(const struct reconcile *r, uint32_t slot, struct target_view *ret_view);

/* The intent of an ACTION_UPGRADE or TELL_STARTED/SETTLED, valid until the next step. */
struct intent_view {
	uint32_t target, scope;
	const char *instance_id, *serial_number, *from, *to;
	enum version_type version_type;
	uint32_t policy; /* index into the settings that held when it was created, see policy_name */
	const char *policy_name;
	int64_t created_ns, sent_ns, accepted_ns, settled_ns; /* 0: not (yet) */
};
bool reconcile_intent(const struct reconcile *r, uint64_t intent, struct intent_view *ret_view);

enum rollout_state {
	ROLLOUT_STATE_RUNNING,
	ROLLOUT_STATE_APPROVAL, /* the current wave catches nothing that could go, or all of it waits with approval */
	ROLLOUT_STATE_PAUSED,
	ROLLOUT_STATE_HALTED,
	ROLLOUT_STATE_COMPLETE, /* no countable target is behind */
	ROLLOUT_STATE_N,
};
extern const char *const rollout_state_names[ROLLOUT_STATE_N];

/* Why a rollout halted. */
enum halt_cause {
	HALT_NONE,
	HALT_FAILURES,
	HALT_PERCENT,
	HALT_BY_REASON,
	HALT_WAVE, /* its wave cannot reach its success any more */
	HALT_N,
};
extern const char *const halt_cause_names[HALT_N]; /* "none", "failures", "percent", "by_reason", "wave" */

struct rollout_view {
	const char *policy_name, *version;
	uint32_t policy; /* index into the settings, POLICY_NONE when it is gone */
	enum version_type version_type;
	enum rollout_state state;
	enum reason reason;  /* what holds all of its waiting targets back now: paused, halted, window, gate, …; REASON_NONE */
	enum halt_cause halt_cause;
	enum reason halt_reason; /* HALT_BY_REASON: which */
	int64_t halted_s, first_seen_s, last_progress_s;
	uint32_t wave, n_waves; /* current; n_waves counts the last one too */
	const char *wave_name;  /* "last" for the last */
	int64_t soak_until_ns;  /* boot-time clock: when the wave after this one may go; 0: the current one has not succeeded */
	uint32_t failed, ended; /* targets that failed, that ended at all, since the last resume */
	bool is_awaiting_approval;
};
uint32_t reconcile_rollout_slots(const struct reconcile *r);
bool reconcile_rollout(const struct reconcile *r, uint32_t slot, struct rollout_view *ret_view); /* false: an empty slot */
/* Of one wave of a rollout: how many targets are in each phase. */
struct wave_view {
	const char *name;
	uint32_t phases[PHASE_N];
	uint32_t countable; /* the denominator of its success */
};
bool reconcile_wave(const struct reconcile *r, uint32_t rollout, uint32_t wave, struct wave_view *ret_view);

/* Targets that wait with approval: one for each account, version type and version. */
struct approval_view {
	const char *account, *version;
	enum version_type version_type;
	uint32_t count;  /* that wait */
	uint32_t managed; /* of the account, of that version type */
};
uint32_t reconcile_approvals(const struct reconcile *r);
bool reconcile_approval(const struct reconcile *r, uint32_t i, struct approval_view *ret_view);

/* Catalogues of versions: one for each model and version type that was asked for. */
struct catalogue_view {
	const char *model;
	enum version_type version_type;
	int64_t read_s; /* wall clock: when it was last read; 0: never */
};
uint32_t reconcile_catalogues(const struct reconcile *r);
bool reconcile_catalogue(const struct reconcile *r, uint32_t i, struct catalogue_view *ret_view);

/* Counters that survive a restart, as committed. */
enum tally_kind {
	TALLY_STARTED,
	TALLY_SUCCEEDED,
	TALLY_FAILED, /* with a reason */
	TALLY_EXTERNAL_CHANGE,
	TALLY_KIND_N,
};
extern const char *const tally_names[TALLY_KIND_N];
struct tally_view {
	enum tally_kind kind;
	const char *account, *region_id, *policy; /* policy "" for EXTERNAL_CHANGE */
	enum version_type version_type;
	enum reason reason;
	uint64_t value;
};
uint32_t reconcile_tallies(const struct reconcile *r);
bool reconcile_tally(const struct reconcile *r, uint32_t i, struct tally_view *ret_view);

/* Pacing as it stands now. */
struct policy_view {
	uint32_t in_flight, limit; /* of unsettled intents; the limit as a number, shares resolved */
	uint32_t managed;          /* countable targets, the denominator of shares */
	uint32_t starts_last_hour;
	bool may_start;            /* in principle: enforcing, open, not paused, gate not known to be closed, below both limits */
	enum reason reason;        /* what of all that is not so: REASON_NONE when it may start */
	bool is_gate_open;         /* as last answered, and not older than it may be */
	int64_t next_open_s;       /* wall clock: the next opening that is long enough, now_s while in one; 0: none is known */
};
bool reconcile_policy(const struct reconcile *r, uint32_t policy, struct policy_view *ret_view);
uint32_t reconcile_in_flight(const struct reconcile *r);
bool reconcile_is_paused(const struct reconcile *r); /* everything: pause --all */
/* A large fleet is still being looked at by new settings: nothing starts, and who was not looked at is shown by the pin of the same name. */
bool reconcile_is_looking(const struct reconcile *r);

/* One line of trace for an action, deterministic, without newline: the golden of simulations. Returns its length. */
size_t reconcile_trace(const struct reconcile *r, const struct action *a, char *buf, size_t size);
