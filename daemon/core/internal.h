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
#define FLAP_NS (7 * (24 * HOUR_NS))

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
#define REMEMBER_NS (30 * (24 * HOUR_NS))

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

#include "parts.h"
