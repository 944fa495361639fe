/*
 * A model cloud in virtual time around the reconcile core.
 *
 * The world holds the truth (instances, devices, versions), does the shell's duties for the core (answers
 * every LIST, FOLLOW, READ, STORE and UPGRADE exactly once, late, wrongly or not as the faults say) and
 * hands every event and every plan to the observer, which checks the rules of the contract after each step.
 * One seed gives one history, byte for byte; nothing here sleeps, and hours of fleet life take milliseconds.
 *
 * The core may be killed at any step and around any commit (life.c): the truth of the cloud and the committed records
 * go on, everything else of that life is lost, and a new core is given what the store holds. The world's time is one
 * for all lives; the core's clock is the time since the machine's boot, and starts anew with each of those.
 *
 * Strings that the core is given live only for that one step, in memory of their own: what it keeps by
 * mistake is a use after free that AddressSanitizer sees.
 */
#pragma once

#include "core/reconcile.h"
#include "store.h"

#include <stdio.h>

#define WORLD_SCOPES 3
#define WORLD_POLICIES 3
#define WORLD_PINS 10
#define WORLD_VIAS 3
#define WORLD_MODELS 2
#define WORLD_NEVERS 3
#define WORLD_TEXT 40
#define MINUTE (60 * NS_PER_S)
#define HOUR (60 * MINUTE)

/* All versions that this world knows, oldest first; an index above another is a newer version. */
extern const char *const world_versions[];
enum {
	VERSION_FIRST = 0,
	VERSION_NEWEST = 11,  /* what the calm at the end of a history pins */
	VERSION_RANKED = 12,  /* from here on: cannot be compared with anything */
	VERSION_COUNT = 14,
	VERSION_ABSENT = -1, /* the device reports none */
};
enum {
	SITE_REGEX_KIND,  /* shop-07 is at "shop" */
	SITE_REGEX_DIGIT, /* shop-07 is at "0", all others at their own name */
	SITE_REGEX_N,
};
extern const char *const world_site_regexes[SITE_REGEX_N];
extern const char *const world_models[WORLD_MODELS];
int world_model_of(const char *model); /* an index into these, -1 for another */
int64_t world_created_ms(unsigned int model, int version); /* the vendor's date: mostly in the order of the versions */
int world_version_rank(const char *version); /* an index above, VERSION_ABSENT for "" or an unknown one */

/* What becomes of an upgrade that the cloud took. */
enum fate {
	FATE_GOOD,
	FATE_OLD,       /* comes back on the old version */
	FATE_STUCK,     /* never comes back */
	FATE_UNHEALTHY, /* comes back on the new version, and its controller stays abnormal */
	FATE_BEYOND,    /* comes back on a version newer than asked for */
	FATE_SLOW,      /* takes several deadlines */
	FATE_N,
};

/* How often things go wrong, in 1/1000. */
struct world_faults {
	uint32_t read, listing, listing_miss, store, store_slow, not_sent, late_tick;
	uint32_t lost_request, lost_reply, throttled, refused, unknown_code;
	uint32_t catalogue_gap;
	uint32_t gate_slow, gate_error, gate_old; /* minutes late; nobody answers; by data that is minutes old */
	uint32_t fate[FATE_N]; /* of FATE_OLD and up; the rest is good */
	int64_t latency_ns;    /* at most, one way */
};

/* What the cloud's own upgrader is set to: indexes into the words below. */
struct world_auto {
	uint8_t type, cron;
};
enum { WORLD_AUTO_MANUAL = 2, WORLD_AUTO_TYPES = 4, WORLD_AUTO_CRONS = 2 };
extern const char *const world_auto_types[WORLD_AUTO_TYPES], *const world_auto_crons[WORLD_AUTO_CRONS];

struct world_device {
	char serial[WORLD_TEXT];
	int version[VERSION_TYPE_N];
	bool is_online;
	enum ha_role role;
	enum health controller, vpn;
	bool is_upgrading;
	uint64_t upgrade_seq; /* which upgrade; jobs of an earlier one are void */
	unsigned int external_changes;
	unsigned int deliveries; /* upgrade calls that reached the cloud */
	uint64_t ours;    /* the intent that its upgrade came from, as observer_handle() names it; 0: none */
	struct world_auto autos[VERSION_TYPE_N], formers[VERSION_TYPE_N]; /* … and to what before it was set to manual by us */
	bool is_auto_ours[VERSION_TYPE_N]; /* we set it to manual, nobody touched it since, and what it was is stored */
	bool is_meddled;  /* somebody else changed what it is or runs since that began */
};

struct world_box {
	char id[WORLD_TEXT], name[WORLD_TEXT], model[WORLD_TEXT], city[WORLD_TEXT], resource_group[WORLD_TEXT];
	bool exists, is_bound;
	uint32_t scope;
	enum status status; /* of the contract; offline is told by the devices */
	unsigned int n_devices;
	struct world_device devices[LIMIT_DEVICES];
};

struct world_pin {
	char name[WORLD_TEXT], name_glob[WORLD_TEXT];
	int version[VERSION_TYPE_N]; /* VERSION_ABSENT: not pinned */
	enum channel channel[VERSION_TYPE_N]; /* unless NONE the version above says only that it is pinned */
	uint32_t policy[VERSION_TYPE_N];
	bool is_held;
	uint32_t n_via, n_never;
	int via[WORLD_VIAS], never[WORLD_NEVERS];
};

/* What the vendor offers for a model and version type: all that is ranked, but what is hidden; one bit a version. */
struct world_catalogue {
	uint32_t hidden, beta;
};

/* What of a policy is behind pointers, or comes from beside the settings. */
#define WORLD_WAVES 2
struct world_policy {
	uint32_t n_waves;
	struct wave waves[WORLD_WAVES]; /* without name and selector */
	char wave_names[WORLD_WAVES][WORLD_TEXT], wave_globs[WORLD_WAVES][WORLD_TEXT]; /* of the name, where is_match */
	struct halt_reason by_reason;   /* failures 0: none */
	int64_t open_from_s, open_length_s; /* each day, UTC; of a policy that is not always open; length 0: never */
	struct stretch freeze;          /* empty: none */
	uint32_t site_regex;            /* of SITE_BY_NAME: an index into world_site_regexes */
};

/* Settings as a value: edit `world.draft`, then world_apply() gives the core a copy of its own. */
struct world_settings {
	bool is_enforcing;
	uint32_t max_in_flight, n_scopes, n_policies, n_pins;
	struct scope scopes[WORLD_SCOPES];
	struct policy policies[WORLD_POLICIES];
	struct world_policy more[WORLD_POLICIES];
	struct world_pin pins[WORLD_PINS];
	char account_names[WORLD_SCOPES][WORLD_TEXT], region_names[WORLD_SCOPES][WORLD_TEXT], policy_names[WORLD_POLICIES][WORLD_TEXT];
	struct pin core_pins[WORLD_PINS];
	const char *via_texts[WORLD_PINS][WORLD_VIAS], *never_texts[WORLD_PINS][WORLD_NEVERS];
	struct settings core;
};

/* How often the core is killed, and what is otherwise afterwards. */
struct world_crashes {
	uint32_t step;   /* after any step, in 100,000 */
	uint32_t commit; /* after a step about a STORE or a call, in 1000 */
	uint32_t reboot, lost; /* of those, in 1000: the machine starts anew; the state file is lost */
};

struct observer;
struct job;
struct world;

struct world_hooks {
	void (*chaos)(struct world *w); /* runs when its time has come; plans the next one itself */
	void (*storing)(struct world *w); /* NULL, or runs when intents are about to be stored */
	void (*restarting)(struct world *w); /* NULL, or runs when a new life is about to begin */
	const void *context; /* whose hooks these are */
};

struct world {
	uint64_t seed, rng, wall_rng;
	int64_t now_ns, wall_offset_s;
	bool has_wall_jumps; /* false: the jumps are drawn and not made */
	struct reconcile *core; /* NULL between two lives */
	int64_t boot_ns; /* when the machine booted: the core's clock is the time since then */
	uint64_t boot, life; /* how many there were */
	struct store store;
	struct world_crashes crashes;
	uint64_t crash_rng;
	bool is_killed; /* in this turn; nothing is delivered or done any more */
	bool is_disk_full;
	bool is_gate_closed[WORLD_POLICIES], is_gate_dead[WORLD_POLICIES]; /* what the gate says; nobody answers */
	struct observer *observer;
	struct world_settings draft, *applied;
	struct world_box *boxes; /* they move when one is added */
	uint32_t n_boxes, boxes_size, page_size;
	struct world_faults faults;
	struct world_catalogue catalogues[WORLD_MODELS][VERSION_TYPE_N];
	bool is_usable[WORLD_SCOPES];   /* the truth about the credentials of the scope's account */
	bool is_told_bad[WORLD_SCOPES]; /* what the core was told of it */
	bool is_down[WORLD_SCOPES];     /* the whole region fails */
	int64_t upgrade_min_ns, upgrade_max_ns;
	bool fresh_has_attributes;
	struct job **jobs, *spare_jobs;
	size_t n_jobs, jobs_size;
	uint64_t job_seq, steps, burst;
	uint64_t trace_hash;
	bool is_quiet;   /* no trace at all: for speed; the same seed tells it later */
	bool is_unobserved; /* nobody looks, and the fleet stays as it is: for speed */
	bool checks_all; /* the observer looks at all that is shown after each step, not only at what was touched */
	uint64_t held_step; /* since when a reader holds the table; 0: none does */
	FILE *trace; /* every line of the trace, or NULL */
	bool hides_reads; /* … but LIST, FOLLOW and READ */
	char ring[64][320];
	uint64_t n_lines;
	struct world_hooks hooks;
	const char *failure; /* set by the first rule that broke; the run ends */
	char failure_text[512];
};

void world_init(struct world *w, uint64_t seed);
void world_deinit(struct world *w);

/* Random numbers of the history: 0 to n - 1; true with n in a thousand; a time between two. */
uint64_t world_draw(struct world *w, uint64_t n);
bool world_chance(struct world *w, uint32_t permille);
uint64_t world_draw_of(uint64_t *state, uint64_t n);
int64_t world_between(struct world *w, int64_t low_ns, int64_t high_ns);

struct world_box *world_add_box(struct world *w, uint32_t scope, unsigned int n_devices, int version, int dpi);
struct world_box *world_find_box(struct world *w, const char *id);
struct world_device *world_find_device(struct world *w, const char *id, const char *serial);
bool world_glob(const char *glob, const char *name); /* a prefix with one star at its end, or the whole name */
uint32_t world_pin_of(const struct world_settings *s, const struct world_box *box); /* the first that matches, or PIN_NONE */

void world_apply(struct world *w);                               /* the draft becomes the settings; the first time it is the first life's begin */
void world_act(struct world *w, const struct act *act);          /* an operator's word; who and why are filled in */
void world_help(struct world *w);                                /* an operator who says yes to everything */
void world_tell_calendars(struct world *w);
bool world_is_open(const struct world *w, uint32_t policy, bool *ret_is_frozen, int64_t *ret_left_s); /* of one that is not always open */
void world_kill(struct world *w);                                /* now: for scenarios */
void world_revive(struct world *w);                              /* if it was killed, it starts now */
int64_t world_wall_s(const struct world *w);
void world_set_account(struct world *w, uint32_t scope, bool is_usable);  /* … without a word to the core */
void world_tell_account(struct world *w, uint32_t scope, bool is_usable);
void world_external_change(struct world *w, struct world_box *box, unsigned int device, enum version_type type, int version);
void world_hold(struct world *w, int is_held); /* a reader holds the table, or is done */
void world_wall_jump(struct world *w, int64_t by_s);
void world_plan_chaos(struct world *w, int64_t at_ns);
void world_script(struct world *w, int64_t at_ns, void (*script)(struct world *w, int arg), int arg);
void world_run(struct world *w, int64_t until_ns);               /* ends early when a rule broke */
bool world_settled(const struct world *w);                       /* every target that can be in sync is */

__attribute__((format(printf, 2, 3))) void world_say(struct world *w, const char *format, ...);
__attribute__((format(printf, 3, 4))) void world_break(struct world *w, const char *rule, const char *format, ...);
void world_report(const struct world *w, FILE *out);             /* what broke, and the last lines before it */
