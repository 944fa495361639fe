/* What the parts of the observer share: its own memory of what was seen and what was planned. */
#pragma once

#include "observer.h"

#define OBSERVER_ASKED 4096
#define BOX_SLOTS 8
#define SLACK (10 * NS_PER_S) /* ticks and latencies on top of the contract's bounds */
#define FRESH_AGE (30 * NS_PER_S)

/* The newest facts that any read delivered about one device of one instance. */
struct seen_device {
	char serial[WORLD_TEXT];
	int64_t listed_ns;               /* the newest list or follow that showed it */
	int64_t read_ns[VERSION_TYPE_N]; /* 0: never told */
	int version[VERSION_TYPE_N];
};

struct seen_box {
	char id[WORLD_TEXT];
	uint32_t index; /* of the world's boxes */
	uint32_t scope, slot;
	uint32_t slots[BOX_SLOTS], n_slots; /* of targets that were seen on it */
	bool is_live; /* between TELL_INSTANCE_ADDED and TELL_INSTANCE_REMOVED */
	bool is_in_listing;
	bool is_named; /* a read told its name in this life: pins can be known */
	uint64_t left_step; /* when it was removed */
	int64_t read_ns, listed_ns; /* the newest read of it; of which the newest by list or follow */
	char city[WORLD_TEXT], resource_group[WORLD_TEXT]; /* as the newest read with attributes told */
	uint32_t absences; /* complete listings in a row without it */
	uint32_t unseen;   /* … since any read showed it */
	struct seen_device *devices;
	size_t n_devices, devices_size;
	/* as the newest FRESH showed it */
	int64_t fresh_ns;
	unsigned int n_fresh;
	char fresh_serials[LIMIT_DEVICES][WORLD_TEXT];
	enum ha_role fresh_roles[LIMIT_DEVICES];
	int fresh_versions[LIMIT_DEVICES][VERSION_TYPE_N];
	enum status fresh_statuses[LIMIT_DEVICES];
	enum health fresh_controllers[LIMIT_DEVICES], fresh_vpns[LIMIT_DEVICES];
};

/* What was tried on one target, as counted here. */
struct seen_counts {
	uint64_t attempts, failures;
	uint32_t made[VERSION_COUNT]; /* attempts that count for a version */
	uint32_t terminal;            /* versions that were refused for good, one bit each */
	int64_t next_ns;              /* not before this time again */
	struct seen_written {
		int64_t made_ns, next_ns;
		bool is_stored;
	} written[2]; /* what next_ns was in the last STORE of it, and in the last that succeeded before */
	uint64_t shown_attempts, shown_failures; /* what was said to be stored */
	bool is_held;              /* by an operator */
	int urgent, approved;      /* version + 1; 0: none */
	int64_t urgent_until_ns;   /* … if it was not started by then */
	int64_t changed_ns;        /* when the approved version changed without a word */
	uint32_t ended_policy;     /* + 1; the rollout that it ended in last */
	int ended_version;
	uint32_t ended_epoch;
	bool ended_failed;
};

struct seen_serial {
	char serial[WORLD_TEXT];
	struct seen_box **boxes; /* that ever had it */
	size_t n_boxes, boxes_size;
	struct seen_counts counts[VERSION_TYPE_N];
	struct auto_upgrade_policy autos[VERSION_TYPE_N]; /* the cloud's own upgrader, as last read */
};

struct seen_intent {
	uint64_t id, store;
	uint32_t target, scope, policy;
	struct seen_box *box;
	struct seen_serial *serial_of;
	char serial[WORLD_TEXT];
	enum version_type type;
	int from, to, goal;
	int64_t created_ns, sent_ns, deadline_ns, soak_ns;
	int64_t start_ns; /* as it counts for the sliding hour */
	int64_t left_ns;  /* when the call really left; 0: it did not */
	int64_t late_ns; /* when something was first seen of it after soak and deadline of verifying */
	int64_t later_ns; /* … and after as much again */
	int64_t there_ns, overdue_ns; /* when the new version was first seen; when it was first seen without it after the deadline */
	uint64_t called_life;
	bool is_stored, is_delivered, is_settled, is_withdrawn;
	bool is_restored;  /* an earlier life made it */
	bool is_away;      /* it is durable, and the new life has not taken it up yet */
	bool is_forgotten; /* the state file was lost */
	bool is_start_stored; /* at the begin of this life */
	enum intent_outcome ended;
	unsigned int n_upgrades;
	bool is_called, is_probe;
	enum call_outcome outcome;
	enum error_class class;
	bool was_there, was_beyond, was_healthy, was_back; /* what reads since showed: to; newer; to and healthy; from and online */
	bool was_removed;
	bool was_late; /* its instance was read after soak and deadline of verifying */
};

struct seen_target {
	bool is_live, is_told;
	struct target_view view; /* strings not to be used */
	enum phase phase;        /* as last told */
	enum reason reason;
};

struct seen_rollout {
	uint32_t policy, wave;
	enum version_type type;
	int version;
	bool is_halted;
	uint32_t failed, ended, unhealthy, epoch; /* since the last resume */
	int approved_wave;
	int64_t verified_ns[WORLD_WAVES + 1]; /* when a target of the wave was verified last, */
	uint64_t verified_boot[WORLD_WAVES + 1]; /* and in which boot */
};

/* What the last read of a catalogue offered; and the one before, which all targets have left once they were looked at. */
struct seen_catalogue {
	uint32_t offered, release; /* one bit a version */
	uint32_t old_offered, old_release;
	int64_t changed_ns;
};

struct seen_pause {
	char policy[WORLD_TEXT]; /* "": all */
	int version, type;       /* VERSION_ABSENT, -1: all */
};

struct seen_change {
	struct seen_serial *of;
	enum version_type type;
	uint32_t scope; /* where it was then; NONE: in an earlier life */
	int64_t at_ns;
};

struct seen_shown {
	struct seen_counts *of;
	uint64_t attempts, failures;
};

/* A counter that survives, by the key of its record. */
struct seen_tally {
	uint64_t key, value;
};

struct observer {
	bool is_word; /* the step is about an operator's word */
	struct world *w;
	struct seen_box **boxes; /* by box and scope; NULL: never seen */
	size_t boxes_size;
	struct seen_box **known; /* the same, dense */
	size_t n_known, known_size;
	struct seen_box **at_slot;
	size_t at_slot_size, n_live;
	struct seen_serial **serials;
	size_t n_serials, serials_size;
	struct index serial_index, intent_index, tally_index;
	struct seen_tally *tallies;
	size_t n_tallies, tallies_size;
	struct seen_intent **intents;
	size_t n_intents, intents_size, first_recent; /* all before it left the sliding hour */
	struct seen_intent **open; /* unsettled, oldest first */
	size_t n_open, open_size;
	struct seen_target *targets;
	size_t targets_size;
	struct {
		uint64_t ticket;
		char id[WORLD_TEXT];
		enum read_purpose purpose;
		enum version_type type;
		char serial[WORLD_TEXT];
	} asked[OBSERVER_ASKED];
	struct seen_catalogue catalogues[WORLD_MODELS][VERSION_TYPE_N];
	int64_t first_listing_ns[WORLD_SCOPES];
	int64_t shortest_deadline_ns[WORLD_POLICIES];
	int64_t shortest_settling_ns; /* over all settings that held, the longest deadline */
	bool is_usable[WORLD_SCOPES], is_paused[WORLD_SCOPES];
	bool is_settled[WORLD_SCOPES]; /* by the store, at the begin of this life */
	int64_t probed_ns[WORLD_SCOPES];
	uint64_t last_store, storing; /* under way, 0: none */
	uint64_t last_ticket, new_ticket; /* the highest before this step, and with it */
	struct seen_shown *shown; /* counters of the STORE under way: shown once it is done */
	size_t n_shown, shown_size;
	bool is_store_behind; /* the last STORE failed */
	struct seen_rollout *rollouts;
	size_t n_rollouts, rollouts_size;
	struct seen_pause *pauses;
	size_t n_pauses, pauses_size;
	uint64_t *grants; /* what operators approved: hashes of account, version, version type */
	size_t n_grants, grants_size;
	struct seen_change *changes; /* desired versions that changed without a word */
	size_t n_changes, changes_size;
	struct {
		uint32_t n;
		int64_t at_ns;
	} most_managed[WORLD_SCOPES]; /* targets of the scope's account, of late */
	struct {
		uint64_t ticket;
		bool is_open;
		int64_t asked_ns;
	} gates[WORLD_POLICIES];
	uint64_t countdown;  /* steps until all is looked at again */
	uint32_t turn;       /* the target slot that is looked at next, whatever happens */
};

/* observer.c: memory */
struct seen_box *observer_box(struct observer *o, uint32_t scope, const char *id);
struct seen_box *observer_box_at(const struct observer *o, uint32_t slot);
struct seen_device *observer_device(struct observer *o, struct seen_box *box, const char *serial);
struct seen_serial *observer_serial(struct observer *o, const char *serial);
struct seen_target *observer_target(struct observer *o, uint32_t slot);
struct seen_intent *observer_intent(const struct observer *o, uint64_t id);
struct seen_intent *observer_unsettled(const struct observer *o, uint32_t target);
bool observer_is_shared(struct observer *o, const char *serial); /* was ever seen under two instances */
bool observer_holds(const struct seen_box *box, const char *serial); /* as its newest list or follow shows it */
bool observer_is_same_account(const struct observer *o, uint32_t a, uint32_t b);
uint32_t observer_pin_of(const struct observer *o, const struct seen_box *box);
void observer_open(struct observer *o, struct seen_intent *in);
void *observer_grow(void *items, size_t *size, size_t wanted, size_t item_bytes); /* zeroes what is new */
__attribute__((format(printf, 4, 5))) void break_intent(const struct observer *o, const char *rule, const struct seen_intent *in, const char *format, ...);

/* observer_auto.c */
void observer_auto_read(struct observer *o, const struct event *ev);
void observer_auto_set(struct observer *o, const struct action *a);

/* observer_gates.c */
void observer_gate(struct observer *o, const struct event *ev);
void observer_check_gate(const struct observer *o, const struct seen_intent *in, const char *what);
void observer_check_gate_of_read(const struct observer *o, const struct event *ev, const struct action *a);

/* observer_sites.c */
void observer_check_site(const struct observer *o, const struct seen_intent *in);

/* observer_pins.c */
bool observer_is_pinned(const struct observer *o, const struct seen_box *box, enum version_type type);
bool observer_is_desired(const struct observer *o, const struct seen_box *box, enum version_type type, int version); /* VERSION_ABSENT: none, or nobody knows */
void observer_catalogue(struct observer *o, const struct event *ev);
void observer_check_catalogue_record(const struct observer *o, const struct record *rec);
void observer_take_catalogue(struct observer *o, const struct record *rec);
int observer_next(const struct observer *o, const struct seen_box *box, enum version_type type, int have, int want);
void observer_check_way(const struct observer *o, const struct seen_intent *in);

/* observer_start.c: rules at the start of an intent, and at its call */
void observer_started(struct observer *o, const struct action *a);
void observer_upgrading(struct observer *o, const struct action *a);

/* observer_end.c: what follows from the answers, and rules at the end of an intent */
void observer_reads(struct observer *o, const struct event *ev, const struct seen_box *box, const struct device_observation *d);
void observer_read_of(struct observer *o, const struct event *ev, const struct seen_box *box);
void observer_called(struct observer *o, const struct event *ev);
void observer_settled(struct observer *o, const struct action *a);
void observer_lifetimes(struct observer *o);
bool observer_is_attempt(const struct seen_intent *in);
uint64_t *observer_tally(struct observer *o, const struct record *record);

/* observer_store.c: what is stored is true, and what is true is stored */
void observer_store(struct observer *o, const struct action *a);
void observer_store_ended(struct observer *o, const struct event *ev);
void observer_store_all(struct observer *o);

/* observer_rollouts.c */
struct seen_rollout *observer_rollout(struct observer *o, uint32_t policy, enum version_type type, int version);
void observer_may_go(struct observer *o, const struct seen_intent *in, const char *what);
void observer_check_leave(const struct observer *o, const struct seen_intent *in);
void observer_told_rollout(struct observer *o, const struct action *a);
void observer_told_act(struct observer *o, const struct event *ev, const struct action *a);
void observer_rollout_settings(struct observer *o);
void observer_rollout_ended(struct observer *o, const struct seen_intent *in, enum reason reason);
void observer_pause(struct observer *o, const char *policy, int version, int type);
void observer_check_words(struct observer *o, const struct record *rec);
void observer_note_managed(struct observer *o, uint32_t scope);
void observer_check_rollout_record(struct observer *o, const struct record *rec);
void observer_check_pause_record(struct observer *o, const struct record *rec);
void observer_rollouts_begin(struct observer *o);
void observer_take_rollout(struct observer *o, const struct record *rec);
void observer_take_pause(struct observer *o, const struct record *rec);
void observer_take_words(struct observer *o, const struct record *rec, int64_t approved_ns, int64_t urgent_until_ns);

/* observer_lives.c */
void observer_taken_up(struct observer *o);

/* observer_views.c */
void observer_views(struct observer *o, const struct event *ev, const struct plan *plan);
void observer_told_phase(struct observer *o, const struct action *a);
