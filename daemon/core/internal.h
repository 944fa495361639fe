/*
 * The state of the core, shared by its files and by nobody else.
 *
 * fleet.c owns instances, devices and targets; phase.c only looks; intent.c owns intents; pacing.c owns queues,
 * limits and the pauses of accounts and scopes; schedule.c owns the reads, catalogue.c the vendor's dates;
 * reconcile.c dispatches; view.c and trace.c only look.
 *
 * Running out of memory is fatal and sticky: `is_out_of_memory` is set where it happens, nothing is undone, and
 * the step returns -ENOMEM.
 */
#pragma once

#include "auto.h"
#include "backoff.h"
#include "pin.h"
#include "reconcile.h"
#include "table.h"
#include "version.h"

#define NEVER INT64_MIN /* a time that lies before all others */

#define FRESH_MAX_AGE_NS (30 * NS_PER_S)        /* rule 2 */
#define HOUR_NS (3600 * NS_PER_S)
#define STALE_INTERVALS 3                       /* rule 8 */
#define ABSENCES_TO_LEAVE 2                     /* rule 8 */
#define LIST_RETRY_NS (5 * NS_PER_S)
#define LIST_DURATION_MAX_NS (24 * HOUR_NS)
#define STORE_RETRY_NS (5 * NS_PER_S)
#define STORE_RETRY_MAX_NS (300 * NS_PER_S)
#define THROTTLE_NS (5 * NS_PER_S)
#define THROTTLE_MAX_NS (120 * NS_PER_S)
#define PROBE_NS (60 * NS_PER_S)
#define CATALOGUE_AGE_NS HOUR_NS
#define FOLLOW_MIN_NS NS_PER_S
#define FOLLOW_MAX_NS (15 * NS_PER_S)
#define FORBIDDEN_IN_A_ROW 3 /* rule 9 */
#define DPI_RETRY_MAX_NS (60 * NS_PER_S)
#define DPI_SHARE_OF_CALLS 4 /* first DPI reads take at most a quarter of the calls */
#define LIMIT_CATALOGUES 1024
#ifndef SLICE /* a test makes it small, and the time between long */
#define SLICE 512        /* targets of one step, of what touches many: 1 to 10 us each */
#define SLICE_PAUSE_NS 1 /* then the next: with the next turn of the loop */
#endif
#define SCOPE_GIVEN_UP 3 /* listings of a scope that failed in a row, before anybody stops waiting for its first */
#define LIMIT_CATALOGUE_ENTRIES 512

/* One place of an instance for a device. Its number is instance * LIMIT_DEVICES + position. */
struct claim {
	uint32_t device;    /* NONE: no device, or one without serial number */
	struct link others; /* other claims of the same device */
};

struct instance {
	uint64_t born; /* 0: empty slot */
	char *text;    /* id, name, model, resource group, CCN, city, status text: one block, each with its NUL */
	int64_t read_ns; /* NEVER, or when the newest applied read left */
	struct intent *intent;
	uint32_t hash;
	uint32_t scope; /* NONE: its scope left the settings */
	uint32_t pin;
	uint32_t pins;  /* number of the last look at its pin, its wave and its site: of no other instance */
	uint32_t model; /* interned */
	uint32_t listing;       /* the listing that showed it last */
	uint32_t precheck;      /* target whose fresh read is on its way, or NONE */
	uint32_t precheck_policy; /* state that counts it */
	uint32_t precheck_probe;  /* account that it probes, or NONE */
	uint32_t precheck_site;   /* that it counts in, or NONE */
	struct link seen;       /* of its scope, the one seen longest ago first; only while not stale */
	struct link dpi;        /* of its scope, in order of DPI reads */
	struct claim claims[LIMIT_DEVICES];
	uint8_t n_devices;
	uint8_t absences;
	uint8_t status; /* enum status */
	uint8_t device_status[LIMIT_DEVICES];
	uint8_t role[LIMIT_DEVICES]; /* enum ha_role, of the last fresh read */
	uint8_t dpi_list; /* enum dpi_list */
	bool is_leaving : 1; /* removed in this step */
	bool is_stale : 1;
	bool is_reading : 1;      /* a FOLLOW or READ of it is under way */
	bool is_fresh_wanted : 1; /* its fresh read waits for that */
	bool is_watched : 1;      /* even an unchanged observation of it may matter */
	bool is_overtaken : 1;    /* not looked at since the settings changed: its pin is the one of the same name */
	bool is_status_told : 1, is_serial_told : 1;
	bool is_bound : 1; /* to a CCN, as its text says */
};

enum dpi_list {
	DPI_LIST_NONE,
	DPI_LIST_FIRST,   /* never read, or stale: as soon as a gentle pace allows */
	DPI_LIST_REGULAR, /* spread over the interval */
};

struct device {
	char *serial_number; /* NULL: empty slot */
	uint32_t hash;
	uint32_t claims;   /* the first claim, NONE: orphan, kept for an unsettled intent */
	uint32_t n_claims; /* more than one: duplicate */
	uint32_t instance; /* the one whose facts count */
	uint32_t targets[VERSION_TYPE_N];
	int64_t dpi_read_ns; /* NEVER, or when the newest read that tells its DPI version left: that comes along when it moves */
	bool is_dpi_stale : 1;
	bool is_duplicate_pending : 1, is_duplicate_told : 1;
};

/*
 * Why a target is not to be tried before a time. The last three are facts that only a fresh read or a call can tell
 * and take back: they show on while the target is tried again, and come back later and later.
 */
enum wait {
	WAIT_NONE,
	WAIT_UNSENT, /* nothing came of its fresh read, or the call did not leave */
	WAIT_BACKOFF,
	WAIT_OFFLINE,  /* refused as offline */
	WAIT_DEGRADED, /* not healthy at the fresh read */
	WAIT_BLOCKED,  /* refused until a person acts: failed */
	WAIT_N,
};

struct attempts {
	uint32_t version;
	uint32_t n;
	uint8_t reason;   /* enum reason: what it shows when none is left */
	bool is_terminal; /* none is left, whatever n says */
	bool is_dirty;
};

struct counts {
	int64_t last_success_s, last_failure_s;
	uint64_t attempts, failures;
};

#define FLAPS 3 /* external changes within FLAP_NS */
#define FLAP_NS (7 * 24 * HOUR_NS)

/* Only targets that were acted upon, or that moved by themselves, have one. */
struct history {
	struct counts counts;
	struct counts committed; /* what others are shown (rule 14) */
	struct attempts *versions;
	uint32_t n_versions, cap_versions;
	char *held_by, *held_why; /* by an operator; NULL: not held */
	int64_t held_since_s;
	uint32_t urgent;          /* interned desired version that an operator wants now, 0: none */
	int64_t urgent_until_ns;  /* … unless it could not be started by then */
	int64_t changed_ns[FLAPS]; /* external changes, oldest first; NEVER */
	struct ended {
		uint32_t policy, version; /* interned: the rollout that it ended in last, 0: none */
		uint32_t epoch;
		enum reason reason;       /* REASON_NONE: verified */
	} ended;
};

/* What is durable of a target whose device is in no instance now. */
struct remembered {
	char *serial_number; /* NULL: empty slot */
	struct history *history;
	int64_t first_seen_s, drift_since_s, left_ns, approved_ns, wait_ns;
	uint32_t hash, approved, account; /* account: where its change counts; interned */
	uint32_t aimed_policy;
	uint8_t version_type, wait, wait_reason, n_waits;
};
#define REMEMBER_NS (30 * 24 * HOUR_NS)

/*
 * What is to be stored: the thing itself is looked up when the STORE is made; one that is gone is removed. A START is stored
 * as it was told: one that an hour's worth of others would have to be searched for.
 */
struct dirty {
	enum record_kind kind;
	enum version_type version_type;
	uint32_t slot;            /* of what has one */
	uint32_t version, name;   /* interned: version; policy, model. START: name 0 when it is gone */
	uint64_t id;              /* of the intent of INTENT and START; of the target */
	char *serial_number;      /* owned: of a target that is gone; NULL: not about one */
	struct counts counts;     /* TARGET: what was written; shown once it is stored */
	uint64_t value;           /* TALLY: the same */
	int64_t time_ns;          /* START */
};

struct tally {
	enum tally_kind kind;
	enum version_type version_type;
	enum reason reason;
	uint32_t account, region, policy; /* interned */
	uint64_t value, committed;
	bool is_dirty;
};

enum target_place {
	PLACE_NOWHERE,
	PLACE_QUEUE,     /* of its wave and scope: placed_in is the rollout */
	PLACE_URGENT,    /* upgrade-now: the queue of its scope that skips most */
	PLACE_SITE,      /* its turn came, and its site was full: placed_in is the site */
	PLACE_CATALOGUE, /* with those that the catalogue must tell about: placed_in is the catalogue */
	PLACE_APPROVAL,  /* with those that wait for an approval: placed_in is the change */
};

/* What of a target counts in its wave. */
struct counted {
	uint32_t rollout; /* NONE: nowhere */
	uint8_t wave, phase;
	bool is_countable, is_in_sync, is_down, is_lost, is_unapproved;
};

struct target {
	uint64_t born; /* 0: empty slot */
	uint64_t id;   /* of this target and no other, whatever slot it has */
	struct intent *intent;
	struct history *history;
	struct timer timer;
	int64_t wait_ns;
	int64_t phase_since_s, drift_since_s, first_seen_s;
	int64_t approved_ns;  /* when its desired version changed without an operator's word; NEVER */
	uint32_t approved;    /* interned: the desired version as last approved, 0: none */
	uint32_t device;
	uint32_t reported; /* interned; 0: unknown */
	uint32_t desired;  /* interned; 0: unmanaged, or nobody knows what a channel stands for */
	uint32_t next;     /* of the next call: desired, or a hop on the way */
	struct link place; /* in a queue: `prev` is its place in the heap; at a site: `next` is the line */
	uint32_t placed_in;
	uint32_t placed_scope;
	uint32_t counted_policy; /* policy state that counts it as managed, or NONE */
	uint32_t counted_account; /* account that does, or NONE */
	struct counted counted;
	uint32_t rollout;        /* NONE: unmanaged, or its version is not known yet */
	uint32_t aimed_policy;   /* interned name: of the last one that it had; 0: none */
	uint32_t site;           /* interned name; 0: its instance alone */
	struct link auto_link;   /* of its scope's lists for the cloud's own upgrader */
	uint32_t auto_scope;     /* whose list that is */
	uint32_t auto_policy;    /* what the upgrader is set to, 0: not known */
	uint32_t auto_hold;      /* place from 1, 0: none */
	uint32_t aimed_pins;     /* the look of its instance that wave and site are of */
	uint8_t wave, placed_wave;
	uint8_t version_type;
	uint8_t phase, reason; /* as last told */
	uint8_t wait;          /* enum wait */
	uint8_t wait_reason;   /* what it shows */
	uint8_t n_waits;       /* of this kind in a row before this one */
	uint8_t place_kind;    /* enum target_place */
	uint8_t auto_list;     /* enum auto_list */
	uint8_t auto_failures; /* reads of its upgrader that failed in a row */
	bool is_absent : 1;    /* the device reports none of this type; the slot keeps its history */
	bool is_version_odd : 1;
	bool is_wait_over : 1; /* it shows on, and stands in nobody's way */
	bool is_dirty : 1;
	bool is_lacking : 1; /* the catalogue does not offer `next`, or the pin forbids it */
	bool is_way_unknown : 1; /* whether the hop `next` is on the way cannot be told */
};

enum intent_state {
	INTENT_STORING,
	INTENT_CALLING,
	INTENT_ACCEPTED,
	INTENT_UNCONFIRMED,
	INTENT_SETTLED,
};

struct intent {
	uint64_t id;
	uint64_t store_ticket; /* of the STORE that it is part of, 0: not yet */
	enum intent_state state;
	uint32_t target, instance, scope;
	uint32_t policy;       /* state */
	uint32_t policy_index; /* in the settings of its creation */
	uint32_t site; /* it counts in, or NONE */
	uint32_t from, to, goal; /* goal: desired, `to` may be a hop on the way */
	bool is_dirty;
	bool is_code_unknown;
	bool is_seen;      /* the new version was seen: verifying */
	bool is_vpn_verified;
	bool is_verifying;     /* its verify read is under way, */
	bool is_verify_wanted; /* or waits for another read of the instance */
	uint32_t probe;        /* account that it probes, or NONE */
	int64_t created_ns, sent_ns, accepted_ns, settled_ns, fresh_ns;
	int64_t deadline_length_ns, deadline_ns, soak_ns;
	int64_t seen_ns, soak_start_ns; /* NEVER: not healthy now */
	int64_t next_follow_ns, next_verify_ns;
	/* copies that outlive device and instance for the view */
	char instance_id[LIMIT_INSTANCE_ID + 1], serial_number[LIMIT_SERIAL_NUMBER + 1];
	enum version_type version_type;
};

struct start {
	int64_t time_ns;
	uint64_t intent;
};

/* Targets by the stable hash of their instance: the order in which they start. A heap. */
struct queue {
	uint32_t *slots;
	uint32_t n, cap;
};

struct wave_state {
	struct queue *queues; /* by scope */
	uint32_t n_queues, n_queued;
	uint32_t phases[PHASE_N];
	uint32_t countable, in_sync, lost; /* lost: failed for good */
	uint32_t down;                     /* of in_sync: verified here, and offline since */
	uint32_t unapproved;               /* wait with approval: not countable, but caught */
};

enum halt_count { /* the reasons that may halt by themselves */
	HALT_COUNT_DEADLINE,
	HALT_COUNT_UNHEALTHY,
	HALT_COUNT_REJECTED,
	HALT_COUNT_N,
};

/* One policy moving its targets to one version of one version type. */
struct rollout {
	bool is_used;
	uint32_t policy;  /* state */
	uint32_t version; /* interned */
	enum version_type version_type;
	uint32_t epoch;   /* counts resumes: failures before the last one do not count */
	uint32_t wave;    /* current: the first that has not passed */
	uint32_t wave_name; /* interned, 0: the last; the soak is of this one */
	uint32_t passed;  /* interned: names of the waves that have passed, see passed.c */
	uint32_t approved; /* interned: the wave of which an operator said yes to what it catches; 0: none */
	enum halt_cause halt_cause;
	enum reason halt_reason;
	int64_t halted_s, first_seen_s, last_progress_s;
	int64_t born_ns;        /* in this life */
	int64_t empty_since_ns; /* NEVER: it has targets */
	int64_t soak_start_ns; /* NEVER: the wave has not succeeded */
	uint32_t ended, failed, failed_by[HALT_COUNT_N];
	struct wave_state *waves;
	uint32_t n_waves, n_waves_next; /* with the last; by the settings that come */
	uint32_t n_targets, n_behind, n_queued, n_at_sites; /* members; countable and not in sync; in its queues; waiting at sites */
	bool is_dirty, is_to_check;
	bool is_awaiting;   /* its match wave catches nothing that could go */
	uint32_t told_awaiting; /* interned: the wave of which that was told; 0: none */
	bool is_ended;      /* in this step: nobody's any more, and still to be looked at */
	bool is_of_earlier_life; /* and not looked at in this one */
	bool is_judged;     /* it was looked at with the whole inventory */
	bool is_complete;   /* … and had nothing behind */
	struct timer timer;
};

struct pause {
	uint32_t policy, version; /* interned; 0: all */
	int version_type;         /* -1: both */
	bool is_orphan;           /* its policy is not in the settings: nobody can tell what took its place, so it is about all of them */
	char *who, *why;
	int64_t since_s;
};

/* Targets of an account that want the same version, and no leave to have it (rule 13). */
struct change {
	uint32_t account, version;
	enum version_type version_type;
	uint32_t n;
	bool is_told;
	struct list waiting;
};

/* A policy by its name: survives other settings. */
struct policy_state {
	uint32_t name;
	uint32_t index; /* in the settings, POLICY_NONE: gone */
	uint32_t in_flight, prechecks, managed;
	struct start *starts; /* of the last hour, oldest first */
	uint32_t n_starts, cap_starts, n_left_hour; /* the first ones count no more */
	struct stretch *openings, *freezes;
	uint32_t n_openings, n_freezes;
	int64_t known_from_s, known_until_s; /* where the calendar is known */
	int64_t spread_from_s, spread_to_s; /* the opening that starts were spread over last */
	int64_t spread_s;                   /* … and how much of it they need */
	struct {
		int64_t asked_ns; /* when the last answer was asked for; NEVER */
		bool is_open;
		uint64_t ticket; /* of the question that is under way, or 0 */
	} gate;
	uint64_t reason_step; /* when `reason` was worked out */
	enum reason reason;   /* freeze, window or window_too_short */
	struct timer timer;
};

struct account_state {
	uint32_t name;
	bool is_unusable; /* reads are refused */
	bool is_paused;   /* upgrade calls are */
	bool is_told;     /* that it is either */
	uint32_t probes;      /* prechecks and intents under way as probes: 0 or 1 */
	uint32_t pauses;      /* in a row, for the backoff */
	int64_t probe_ns;
	uint32_t managed; /* targets with a desired version */
	int64_t *changes; /* when desired versions changed without an operator's word, in the last day */
	bool is_changes_sorted;
	uint32_t n_changes, cap_changes;
	uint32_t forbidden[FORBIDDEN_IN_A_ROW]; /* instances of the last refusals in a row */
	uint32_t n_forbidden;
	struct timer timer;
};

struct scope_state {
	uint32_t account;
	uint32_t account_name, region_name;
	bool is_settled; /* as stored; else it settles for a deadline (rule 11) */
	bool is_listing;
	uint32_t listing; /* number of the one under way or next */
	uint32_t list_failures;
	int64_t list_asked_ns, first_complete_ns, list_duration_ns;
	uint32_t throttles;
	int64_t throttled_until_ns;
	uint32_t n_dpi;
	int64_t dpi_asked_ns, dpi_regular_ns; /* the last DPI read of any kind, of the regular ones */
	uint32_t dpi_failures; /* first reads in a row that brought nothing */
	bool is_dpi_turn_regular;
	struct list seen, dpi_first, dpi_regular;
	struct auto_upgrader auto_upgrader;
	struct timer list_timer, stale_timer, dpi_timer, follow_timer, wake_timer;
};

struct catalogue {
	uint32_t model;
	enum version_type version_type;
	bool is_asking, is_answered; /* is_answered: also by an error */
	uint32_t failures;
	int64_t next_ask_ns;
	int64_t read_ns; /* when it was read last; NEVER */
	int64_t interval_ns; /* how long an answer does */
	struct catalogue_known {
		uint32_t version;
		bool is_release;
		bool is_offered; /* by the last read: what is not keeps its date */
		int64_t created_ms;
	} *entries;
	uint32_t n, cap;
	struct list targets;
	struct timer timer;
};

struct request {
	uint64_t ticket;
	bool is_follow;
	enum read_purpose purpose;
	uint32_t target, catalogue;
	uint64_t intent;
	uint32_t n;
	uint32_t slots[LIMIT_PAGE]; /* FOLLOW */
	uint64_t born[LIMIT_PAGE];
};

/* An order once worked out: interned versions never change, so it holds for good. */
struct known_order {
	uint32_t a, b; /* 0: empty */
	enum version_order order;
};
#define KNOWN_ORDERS 256 /* a power of 2; a fleet has few versions, and a later pair takes the place of one before */

struct reconcile {
	const struct settings *settings; /* NULL before the first */
	struct pin_index *pins;
	uint32_t (*pin_versions)[VERSION_TYPE_N]; /* interned, 0: not pinned */
	uint32_t (*pin_vias)[LIMIT_VIA];          /* interned */
	uint32_t *policy_of;                      /* state of each policy of the settings */
	int64_t longest_deadline_ns;
	uint64_t steps, seed, tickets, intents_made, targets_made;
	uint32_t repins;
	int64_t now_ns, wall_s;
	bool is_out_of_memory;

	struct slab instances, devices, targets;
	struct map instance_map, device_map;
	struct strings strings; /* versions and names of policies, accounts, regions, models */
	struct known_order *orders; /* what order_of() remembers; changes no answer, so looking may write it */
	struct timers timers;

	struct scope_state **scopes;
	uint32_t n_scopes;
	struct policy_state **policies;
	uint32_t n_policies, cap_policies;
	struct rollout **rollouts;
	uint32_t n_rollouts, cap_rollouts, next_rollout;
	bool is_rollout_to_check, is_rollout_ended;
	struct slab sites;
	struct map site_map;
	struct pause *pauses;
	uint32_t n_pauses, cap_pauses;
	struct change *changes;
	uint32_t n_changes, cap_changes;
	bool is_change_to_check;
	struct queue *urgent; /* by scope */
	uint32_t n_urgent;
	uint32_t overtaken;   /* the first instance that may be, nobody starts before all were looked at; NONE: none is */
	uint32_t sweep;       /* device to look at next; NONE: nothing is to be looked at */
	struct timer sweep_timer;
	struct account_state **accounts;
	uint32_t n_accounts, cap_accounts;
	struct catalogue **catalogues;
	uint32_t n_catalogues, cap_catalogues;

	struct intent **intents; /* unsettled, by id */
	uint32_t n_intents, cap_intents;
	struct intent **settled; /* in this step */
	uint32_t n_settled, cap_settled;
	uint32_t in_flight, prechecks;
	uint32_t pump_left; /* starts, and looks at full sites, that this step may still do */
	struct timer pump_timer;

	bool is_restored;
	struct dirty *dirty, *storing; /* to be stored; under way */
	uint32_t n_dirty, cap_dirty, n_storing, cap_storing;
	struct record *records; /* of the STORE of this step */
	uint32_t n_records, cap_records;
	uint64_t store_tickets;
	bool is_storing;
	struct slab remembered;
	struct map remembered_map;
	struct slab auto_holds, auto_policies;
	struct map auto_hold_map, auto_policy_map;
	int64_t forget_ns; /* when to look for what may be forgotten */
	struct tally *tallies;
	uint32_t n_tallies, cap_tallies;
	uint32_t store_failures;
	int64_t store_retry_ns;
	struct timer store_timer;

	struct request **requests; /* unanswered, by ticket */
	uint32_t n_requests, cap_requests;
	uint32_t *leaving; /* instances removed in this step: freed at the next */
	uint32_t n_leaving, cap_leaving;
	uint32_t *gone; /* targets removed in this step: their slots are free with the next, so that no action means another */
	uint32_t n_gone, cap_gone;
	uint32_t *duplicates; /* devices to tell about at the end of a listing */
	uint32_t n_duplicates, cap_duplicates;

	struct action *actions;
	uint32_t n_actions, cap_actions;
	struct action spare; /* what is written to when memory is out */
};

/* ---- reconcile.c ---- */
/* A new action with everything set to none; never NULL (a dummy when memory is out). */
struct action *plan_add(struct reconcile *r, enum action_kind kind);
void set_timer(struct reconcile *r, struct timer *t, int64_t due_ns);
void earlier_timer(struct reconcile *r, struct timer *t, int64_t due_ns); /* sets it only when that is earlier */
uint32_t intern(struct reconcile *r, const char *text);
uint32_t policy_ensure(struct reconcile *r, const char *name); /* state */
uint32_t scope_find(const struct reconcile *r, const char *account, const char *region_id); /* NONE: not in the settings */
bool grow(struct reconcile *r, void *items, uint32_t n, uint32_t *cap, size_t item_bytes);

/* ---- fleet.c ---- */
static inline struct instance *instance_at(const struct reconcile *r, uint32_t slot)
{
	return slab_at(&r->instances, slot);
}
static inline struct device *device_at(const struct reconcile *r, uint32_t slot)
{
	return slab_at(&r->devices, slot);
}
static inline struct target *target_at(const struct reconcile *r, uint32_t slot)
{
	return slab_at(&r->targets, slot);
}
enum instance_text {
	TEXT_ID,
	TEXT_NAME,
	TEXT_MODEL,
	TEXT_RESOURCE_GROUP,
	TEXT_CCN,
	TEXT_CITY,
	TEXT_STATUS,
	TEXT_N,
};
const char *instance_text(const struct instance *inst, enum instance_text what);
uint32_t instance_find(const struct reconcile *r, uint32_t scope, const char *id);
/* Applies one observation of a list or follow; ret may be new. */
void fleet_observe(struct reconcile *r, uint32_t scope, const struct observation *o, int64_t read_ns, bool is_listing);
/* Applies a single read: its devices are only those that are known already. */
void fleet_observe_one(struct reconcile *r, uint32_t slot, const struct observation *o, int64_t read_ns);
/* The end of a complete listing: who was absent twice leaves. */
void fleet_sweep(struct reconcile *r, uint32_t scope, uint32_t listing, int64_t started_ns);
/* Everything of it again: targets that should exist, phases, queues, timers. */
void instance_update(struct reconcile *r, uint32_t slot);
void instance_repin(struct reconcile *r, uint32_t slot);
void instance_remove(struct reconcile *r, uint32_t slot);
void device_update(struct reconcile *r, uint32_t device); /* its instance; removes it when it is nobody's */
void fleet_free_leaving(struct reconcile *r);
void fleet_deinit(struct reconcile *r);
void list_append(struct slab *s, struct list *l, uint32_t slot, size_t link_offset);
void list_remove(struct slab *s, struct list *l, uint32_t slot, size_t link_offset);

/* ---- target.c ---- */
struct history *target_history(struct reconcile *r, struct target *t); /* NULL only when memory is out */
struct attempts *target_attempts(struct reconcile *r, struct target *t, uint32_t version); /* made when new; NULL as above */
const struct attempts *target_attempts_of(const struct target *t, uint32_t version);       /* NULL: none yet */
uint32_t target_ensure(struct reconcile *r, uint32_t device, enum version_type type); /* NONE only when memory is out */
void target_update(struct reconcile *r, uint32_t target); /* phase, place, count, timer, and tells */
/* True when it changed. */
bool target_report(struct reconcile *r, uint32_t target, const char *version);
void target_wait(const struct reconcile *r, struct target *t, enum wait wait, enum reason reason); /* for how long says a table */
void target_back_off(struct target *t, int64_t until_ns);
void target_end_wait(const struct reconcile *r, struct target *t); /* if it is over */
void target_clear_wait(struct target *t);
void target_remove(struct reconcile *r, uint32_t target);

/* ---- phase.c ---- */
/* Where a target stands, and whether it would start if pacing let it. */
struct stand {
	enum phase phase;
	enum reason reason;
	bool is_ready;
};
struct stand stand_of(const struct reconcile *r, uint32_t target);
/* The same with the causes that many targets share (store, settling, credentials, limits). */
struct stand stand_exact(const struct reconcile *r, uint32_t target);
/* Ready but for the intent that it has: may that call still leave? */
bool stand_may_call(const struct reconcile *r, uint32_t target);
uint32_t target_pin(const struct reconcile *r, const struct target *t);
/* What its pin and the catalogue want of it, looked up anew whenever its instance is. */
void target_look_up(const struct reconcile *r, struct target *t);
uint32_t target_desired(const struct target *t); /* interned, 0: unmanaged */
uint32_t target_policy(const struct reconcile *r, const struct target *t);  /* state, NONE: unmanaged */
enum version_order order_of(const struct reconcile *r, const struct target *t, uint32_t a, uint32_t b);
/* Of reported and desired; incomparable, too, when a hop on the way is. Both must be known. */
enum version_order target_order(const struct reconcile *r, const struct target *t);
uint32_t target_next(const struct target *t);  /* the version of the next call: desired or a hop; 0: none */
bool target_is_urgent(const struct target *t);
bool target_needs_approval(const struct reconcile *r, const struct target *t);
bool target_is_flapping(const struct reconcile *r, const struct target *t);
bool target_is_operator_held(const struct target *t);
bool target_is_online(const struct reconcile *r, const struct target *t);
bool target_is_held(const struct reconcile *r, const struct target *t); /* by the settings or an operator */
int64_t target_read_ns(const struct reconcile *r, const struct target *t); /* the age of its version; NEVER */
struct instance *target_instance(const struct reconcile *r, const struct target *t);
uint32_t device_find(const struct reconcile *r, const char *serial);
void device_look_up(const struct reconcile *r, const struct device *d); /* desired and next versions, by the pin of its owner */
/* An instance that only an intent of an earlier life tells of: it is there, and nothing is known of it. */
uint32_t fleet_restore(struct reconcile *r, uint32_t scope, const char *id, const char *serial, unsigned int position);
/* Not to be shown, counted or started: there is no such version, or the device is in no instance. */
bool target_is_hidden(const struct reconcile *r, const struct target *t);
bool instance_has_intent(const struct reconcile *r, const struct instance *inst);
bool reason_is_pacing(enum reason reason);

/* ---- intent.c ---- */
struct intent *intent_find(const struct reconcile *r, uint64_t id);
uint32_t intents_storing(const struct reconcile *r); /* the first that is not stored yet: all behind it are not, either */
void intent_restore(struct reconcile *r, const struct record *rec);
void intent_create(struct reconcile *r, uint32_t target, int64_t fresh_ns, uint32_t probe);
void intents_check_of(struct reconcile *r, uint32_t instance);
void intent_move_site(struct reconcile *r, struct intent *in, uint32_t name);
void intent_verify_failed(struct reconcile *r, struct intent *in);
void intent_stored(struct reconcile *r, uint64_t ticket, bool is_stored);
void intent_called(struct reconcile *r, const struct event *ev);
/* Looks at the facts and at the clock: may settle it. */
void intent_check(struct reconcile *r, struct intent *in);
void intent_verified(struct reconcile *r, struct intent *in, const struct observation *o);
bool intent_explains(const struct reconcile *r, const struct target *t, uint32_t to);
int64_t intent_follow_interval(const struct intent *in);
bool intent_is_sent(const struct intent *in);

/* ---- pacing.c ---- */
uint32_t pacing_limit(const struct reconcile *r, const struct policy_state *p);
uint32_t pacing_starts(const struct reconcile *r, const struct policy_state *p); /* in the last hour */
enum reason pacing_ready_reason(const struct reconcile *r, uint32_t target);
bool pacing_has_room(const struct reconcile *r, uint32_t target);
bool pacing_allows(const struct reconcile *r, uint32_t target);
bool pacing_is_settled(const struct reconcile *r, const struct scope_state *s);
/* When the calendar lets a policy start: none, or freeze, window, window_too_short. */
enum reason pacing_calendar_reason(const struct reconcile *r, struct policy_state *p);
bool pacing_calendar_is_known(const struct reconcile *r, const struct policy_state *p); /* for the time being */
int64_t pacing_next_open_s(const struct reconcile *r, const struct policy_state *p); /* 0: none is known */
void pacing_calendar(struct reconcile *r, const struct event *ev);
void pacing_gate(struct reconcile *r, const struct event *ev);
/* What holds all ready targets of a policy back: max_in_flight, rate, or none. */
enum reason pacing_policy_reason(const struct reconcile *r, const struct policy_state *p);
/* What holds all targets of a scope back: state_store, settling, credentials, throttled, or none. */
enum reason pacing_scope_reason(const struct reconcile *r, uint32_t scope);
void pacing_enqueue(struct reconcile *r, uint32_t target);
void pacing_leave(struct reconcile *r, uint32_t target); /* wherever it stands */
void pacing_pump(struct reconcile *r);
bool queue_add(struct reconcile *r, struct queue *q, uint32_t target); /* false: no memory */
void queue_remove(const struct reconcile *r, struct queue *q, uint32_t place);
void pacing_count(struct reconcile *r, struct policy_state *p, const struct intent *in);   /* one more in flight, one more start */
void pacing_moved(struct reconcile *r, struct policy_state *p, const struct intent *in);   /* its start is the call */
void pacing_uncount(struct reconcile *r, struct policy_state *p, const struct intent *in, bool is_start_returned);
void pacing_throttled(struct reconcile *r, uint32_t scope);
/* May a target of the scope start? As a probe of its account, if ret_probe is not NONE. */
bool pacing_may_start(const struct reconcile *r, uint32_t scope, uint32_t *ret_probe);
void pacing_refused_account(struct reconcile *r, uint32_t scope, bool is_probe);
void pacing_refused_forbidden(struct reconcile *r, uint32_t scope, uint32_t instance, bool is_probe);
void pacing_call_passed(struct reconcile *r, uint32_t scope, bool is_accepted, bool is_probe);
void pacing_probe_called(struct reconcile *r, uint32_t account); /* an intent of it was made */
void pacing_probe_ended(struct reconcile *r, uint32_t account); /* NONE: it was none */
void pacing_account_usable(struct reconcile *r, uint32_t scope, bool is_usable);
void pacing_store_result(struct reconcile *r, bool is_stored);
void pacing_restore_start(struct reconcile *r, const struct record *rec);
void pacing_restore_intent(struct reconcile *r, const struct intent *in); /* it counts as in flight; its start is restored by itself */
void precheck_end(struct reconcile *r, uint32_t instance); /* gives its place back */

/* ---- opening.c ---- */
void opening_wake(struct reconcile *r, struct policy_state *p); /* somebody waits: a step when it may be open */
int64_t opening_due_s(const struct reconcile *r, const struct policy_state *p, uint32_t hash); /* wall clock; INT64_MIN: at once */
bool opening_is_due(struct reconcile *r, struct policy_state *p, uint32_t hash);
bool opening_gate(struct reconcile *r, struct policy_state *p);
bool opening_gate_is_closed(const struct reconcile *r, const struct policy_state *p); /* as last answered */
bool opening_gate_holds(const struct reconcile *r, const struct policy_state *p);

/* ---- site.c: no more than so many of a site at once (rule 5) ---- */
/* The name of the site of an instance under a policy; 0: it is a site of its own, and rule 1 is limit enough. */
uint32_t site_name(struct reconcile *r, const struct instance *inst, const struct policy *policy);
bool site_has(const struct reconcile *r, uint32_t site, uint32_t name); /* is it called so? */
bool site_is_over(const struct reconcile *r, uint32_t site); /* more are under way than may be; NONE: no */
bool site_is_full(const struct reconcile *r, uint32_t policy, uint32_t name);
/* Counts one more; NONE when there is nothing to count. */
uint32_t site_take(struct reconcile *r, uint32_t policy, uint32_t name);
void site_give(struct reconcile *r, uint32_t site);
void site_wait(struct reconcile *r, uint32_t target);   /* … until one is done there */
bool site_keeps(const struct reconcile *r, uint32_t target); /* it waits, and where and for what it should */
void site_leave(struct reconcile *r, uint32_t target);
void site_next(struct reconcile *r, const struct target *t); /* one of its site left its queue: another may take its turn */
uint32_t site_text(const struct reconcile *r, uint32_t site); /* interned name; NONE: "" */
void sites_settings(struct reconcile *r); /* nobody waits anywhere any more */
void site_init(struct reconcile *r);
void site_deinit(struct reconcile *r);

/* ---- rollout.c: waves, success, halt ---- */
/* Sets rollout, wave and site of the target as its pin wants. */
void rollout_aim(struct reconcile *r, uint32_t target);
void rollout_count(struct reconcile *r, uint32_t target, struct stand s, bool is_countable);
void rollout_uncount(struct reconcile *r, uint32_t target);
/* What holds all of a wave back, whatever single targets do: paused, halted, approval, freeze, window, …, wave, soak; or none. */
enum reason rollout_reason(const struct reconcile *r, const struct rollout *ro, uint32_t wave, bool is_urgent);
enum reason rollout_reason_but_gate(const struct reconcile *r, const struct rollout *ro, uint32_t wave, bool is_urgent);
uint32_t rollout_unapproved(const struct rollout *ro); /* how many of its targets wait with approval */
bool rollout_stands_still(const struct reconcile *r, const struct rollout *ro, uint32_t wave); /* until a person acts, for its targets of this wave */
bool rollout_is_paused(const struct reconcile *r, const struct rollout *ro);
/* A target of it was verified or failed: counts for halts, once since the last resume. */
void rollout_ended(struct reconcile *r, const struct intent *in, bool is_failed, enum reason reason);
void rollout_resume(struct reconcile *r, uint32_t rollout);
void rollouts_free_ended(struct reconcile *r); /* at the beginning of a step */
void rollouts_check(struct reconcile *r); /* at the end of a step */
/* Other settings: waves that are more or fewer now lose their members, all lose who is queued. Before and after they hold. */
void rollouts_settings_come(struct reconcile *r, const struct settings *settings);
void rollouts_settings(struct reconcile *r);
struct rollout *rollout_find(const struct reconcile *r, uint32_t policy, enum version_type type, uint32_t version);
void rollout_touch(struct reconcile *r, struct rollout *ro); /* it is to be stored */
void rollout_restore(struct reconcile *r, const struct record *rec);
bool rollout_record(const struct reconcile *r, uint32_t slot, struct record *rec);
bool scope_is_seen(const struct scope_state *s);
bool inventory_is_complete(const struct reconcile *r); /* every scope was listed once in this life, or cannot be */
void rollout_deinit(struct reconcile *r);

/* ---- passed.c: progress by the names of waves; `passed` is interned ---- */
/* `before` without what the policy does not have any more, and with its wave `more`, if that is not NONE. */
uint32_t passed_names(struct reconcile *r, uint32_t before, const struct policy *policy, uint32_t more);
/* The first from `from` on that has not passed; n_waves: the last one. */
uint32_t passed_next(const struct reconcile *r, uint32_t passed, const struct policy *policy, uint32_t from);

/* ---- approval.c: a mistake does not spread (rule 13) ---- */
void approval_look(struct reconcile *r, uint32_t target, bool is_behind); /* at each update: is its desired version approved? */
void approval_leave(struct reconcile *r, uint32_t target);
void approvals_check(struct reconcile *r); /* at the end of a step */
/* Up to `count` of them; returns how many waited: above `count` nothing was done. */
uint32_t approval_grant(struct reconcile *r, uint32_t account, enum version_type type, uint32_t version, uint32_t count);
uint32_t approval_account(const struct reconcile *r, const struct target *t); /* its account's name, interned; 0: none */
void approval_restored(struct reconcile *r, const struct remembered *m); /* its change of the last day counts again, wherever it is now */
void approval_deinit(struct reconcile *r);

/* ---- act.c: operators' words ---- */
void act_take(struct reconcile *r, const struct event *ev);
void pause_restore(struct reconcile *r, const struct record *rec);
void pauses_settings(struct reconcile *r); /* there are other policies */
void act_deinit(struct reconcile *r);

/* ---- schedule.c ---- */
void schedule_scope(struct reconcile *r, uint32_t scope); /* at new settings */
void schedule_listed(struct reconcile *r, const struct event *ev);
void schedule_seen(struct reconcile *r, uint32_t instance);
void schedule_unlink(struct reconcile *r, uint32_t instance);
void schedule_dpi(struct reconcile *r, uint32_t instance); /* joins or leaves the DPI reads, as its pin wants */
void schedule_dpi_read(struct reconcile *r, uint32_t instance);
int64_t schedule_dpi_round_ns(const struct reconcile *r, uint32_t scope); /* all DPI versions of a scope are read once */
int64_t schedule_dpi_stale_ns(const struct reconcile *r, const struct device *d); /* INT64_MAX: not while nobody reads it */
void schedule_timer(struct reconcile *r, enum timer_kind kind, uint32_t scope);
void schedule_follow(struct reconcile *r, const struct intent *in);
void schedule_verify(struct reconcile *r, struct intent *in);
void schedule_precheck(struct reconcile *r, uint32_t target);
void schedule_answer(struct reconcile *r, const struct event *ev);
void schedule_unasked(struct reconcile *r, uint64_t ticket); /* it was taken out of the plan with its target, so nobody answers */
void schedule_catalogue(struct reconcile *r, uint32_t target, uint32_t catalogue); /* asks for it through that target */
void schedule_deinit(struct reconcile *r);

/* ---- memory.c: what is to be stored ---- */
void memory_target(struct reconcile *r, uint32_t target);
void memory_attempts(struct reconcile *r, uint32_t target, struct attempts *tried);
void memory_forget_attempts(struct reconcile *r, uint32_t target, uint32_t version);
void memory_intent(struct reconcile *r, struct intent *in); /* as it is when the STORE is made: gone, if it is settled then */
void memory_start(struct reconcile *r, const struct policy_state *p, struct start start, bool is_there);
void memory_remembered(struct reconcile *r, const struct remembered *m);
void memory_forget_remembered(struct reconcile *r, const struct remembered *m); /* before it goes */
void memory_scope(struct reconcile *r, uint32_t scope);
void memory_rollout(struct reconcile *r, uint32_t rollout);
void memory_forget_rollout(struct reconcile *r, const struct rollout *ro);
void memory_pause(struct reconcile *r, const struct pause *p); /* also when it is about to go */
void memory_catalogue(struct reconcile *r, uint32_t catalogue, uint32_t version); /* version 0: the read itself */
void memory_auto(struct reconcile *r, const struct auto_hold *h); /* also when it is about to go */
void memory_tally(struct reconcile *r, uint32_t scope, enum tally_kind kind, enum version_type type, uint32_t policy_name, enum reason reason);
/* One STORE of all that is dirty, unless one is under way or failed just now. */
void memory_store(struct reconcile *r);
void memory_stored(struct reconcile *r, uint64_t ticket, bool is_stored);
uint64_t memory_next_ticket(const struct reconcile *r); /* of the STORE that will hold what is dirty now */
void memory_deinit(struct reconcile *r);

/* ---- remember.c: what outlives the inventory, and the process ---- */
/* What is known of the serial number from before goes to the new target. */
void remember_give(struct reconcile *r, uint32_t target);
/* The target is about to go: keeps what is durable of it. Takes its history. */
void remember_take(struct reconcile *r, uint32_t target);
void remember_forget(struct reconcile *r); /* what left long ago */
struct remembered *remember_find(const struct reconcile *r, const char *serial, enum version_type type);
void history_free(struct history *h);
void restore_records(struct reconcile *r, const struct event *ev);
void restore_end(struct reconcile *r, const struct event *ev);
void remember_deinit(struct reconcile *r);

/* ---- catalogue.c ---- */
void catalogue_join(struct reconcile *r, uint32_t target);
void catalogue_leave(struct reconcile *r, uint32_t target);
void catalogues_ask(struct reconcile *r); /* all that are old */
void catalogue_ask(struct reconcile *r, uint32_t catalogue); /* unless it is being asked for, or nobody waits for it */
/* May the target be upgraded as far as the catalogue is concerned? Asks for it when it is missing or old. */
bool catalogue_is_known(struct reconcile *r, uint32_t target);
/* The newest of a channel that is not in `never`; 0: none is known. */
uint32_t catalogue_newest(const struct reconcile *r, const struct catalogue *c, enum channel channel, const struct pin *pin);
bool version_is_never(const struct reconcile *r, const struct pin *pin, uint32_t version); /* its pin forbids it */
bool catalogue_lacks(const struct catalogue *c, uint32_t version); /* it was read, and does not offer it */
void catalogue_restore(struct reconcile *r, const struct record *rec);
bool catalogue_record(const struct reconcile *r, uint32_t model, enum version_type type, uint32_t version, struct record *rec);
/* Every device is looked at again, some in each step. */
void sweep_begin(struct reconcile *r);
void sweep_go_on(struct reconcile *r);
void settings_go_on(struct reconcile *r); /* reconcile.c: the same with every instance, by settings that are new */
void catalogue_answer(struct reconcile *r, uint32_t catalogue, const struct event *ev);
void catalogue_unasked(struct reconcile *r, uint32_t catalogue);
const struct catalogue *catalogue_find(const struct reconcile *r, uint32_t model, enum version_type type);
void catalogue_deinit(struct reconcile *r);
