/*
 * What the parts of the core do for each other: the functions behind the structures of internal.h, which includes this
 * at its end. By file; each says in its head what it is about.
 */
#pragma once

#include "internal.h"

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
void rollout_to_check(struct reconcile *r, struct rollout *ro); /* it is judged at the end of the step */
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

/* ---- counted.c ---- */
void rollout_count(struct reconcile *r, uint32_t target, struct stand s, bool is_countable);
void rollout_uncount(struct reconcile *r, uint32_t target);
