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
	EVENT_STORED,         /* .stored: the intents of that STORE are durable */
	EVENT_STORE_FAILED,   /* .stored: they are not; nothing of it may be called */
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
	};
};

/* ---- plan ---- */

enum action_kind {
	/* to do; each has one answer */
	ACTION_LIST,    /* list the whole scope                                     -> LISTED*, LISTING_ENDED */
	ACTION_FOLLOW,  /* read `n_instances` instances of one scope by id          -> FOLLOWED or READ_FAILED */
	ACTION_READ,    /* read one instance, `purpose` says for what               -> FRESH, CATALOGUE or READ_FAILED */
	ACTION_STORE,   /* make all intents created since the last STORE durable    -> STORED or STORE_FAILED */
	ACTION_UPGRADE, /* call the upgrade for `intent`, not after `not_after_ns`  -> CALLED */
	/* to tell: decisions, for log, metrics and trace; no answer */
	ACTION_TELL_INSTANCE_ADDED,
	ACTION_TELL_INSTANCE_REMOVED, /* strings still valid until the next step */
	ACTION_TELL_ODD,              /* `oddity`: something in the inventory that a person should look at, said once */
	ACTION_TELL_PHASE,            /* the target moved from `old_phase`, `old_reason` to `phase`, `reason` */
	ACTION_TELL_STARTED,          /* the intent was created: `from` to `to` */
	ACTION_TELL_SETTLED,          /* the intent ended: `outcome`, and `reason` when it failed or was refused */
	ACTION_TELL_EXTERNAL_CHANGE,  /* a version moved that we did not move: `from` to `to` */
	ACTION_TELL_ACCOUNT,          /* upgrade calls of the scope's account were paused (`is_paused`) or go on */
	ACTION_KIND_N,
};

enum read_purpose {
	READ_FRESH,     /* before a call: DescribeSmartAccessGatewayAttribute and DescribeSAGDeviceInfo of `serial` */
	READ_VERIFY,    /* health after an upgrade: the same two */
	READ_DPI,       /* the DPI version: DescribeSmartAccessGatewayAttribute alone */
	READ_CATALOGUE, /* DescribeSmartAccessGatewayVersions of the target's device and version type */
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
	ODDITY_N,
};

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
	const char *from, *to; /* versions; valid for the life of the core */
	int64_t not_after_ns;  /* UPGRADE: boot-time clock */
	const uint32_t *instances; /* FOLLOW: slots, at most LIMIT_PAGE; valid until the next step */
	uint32_t n_instances;
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
 * The first event must be EVENT_SETTINGS. Events with an unknown ticket or intent are ignored.
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
	uint64_t attempts, failures; /* lifetime counters, never cleared */
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

/* Pacing as it stands now. */
struct policy_view {
	uint32_t in_flight, limit; /* of unsettled intents; the limit as a number, shares resolved */
	uint32_t managed;          /* countable targets, the denominator of shares */
	uint32_t starts_last_hour;
	bool may_start;            /* in principle: enforcing, open, below both limits */
};
bool reconcile_policy(const struct reconcile *r, uint32_t policy, struct policy_view *ret_view);
uint32_t reconcile_in_flight(const struct reconcile *r);

/* One line of trace for an action, deterministic, without newline: the golden of simulations. Returns its length. */
size_t reconcile_trace(const struct reconcile *r, const struct action *a, char *buf, size_t size);
