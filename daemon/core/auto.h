/*
 * The cloud's own upgrader: what it is set to, and keeping it from moving what a pin holds. See auto.c.
 */
#pragma once

#include "record.h"
#include "table.h"

struct event;
struct reconcile;
struct target;

#define AUTO_AGAIN_NS (24 * HOUR_NS) /* who sets it back by hand is overruled once in that time */

/* In which list of its scope a target stands: whose turn comes first. */
enum auto_list {
	AUTO_LIST_NONE,
	AUTO_LIST_SET,     /* was just read, and is to be set: before that is old */
	AUTO_LIST_ACT,     /* something is to be set, or what was set is to be seen */
	AUTO_LIST_FIRST,   /* never read */
	AUTO_LIST_REGULAR, /* spread over the interval */
	AUTO_LIST_N,
};

enum auto_wish {
	AUTO_WISH_NONE,
	AUTO_WISH_MANUAL, /* the upgrader shall leave it alone */
	AUTO_WISH_FORMER, /* the pin is gone: as it was before */
};

/* Of one scope. One call is under way at a time, and no faster than the pace: this is never urgent. */
struct auto_upgrader {
	struct list lists[AUTO_LIST_N];
	uint32_t n;           /* targets in the lists */
	uint64_t ticket;      /* of the READ or SET that is under way, 0: none */
	uint64_t target_id;   /* whom it is about, */
	uint64_t asked_step;  /* and since when */
	uint32_t target;
	bool is_setting;
	uint32_t failures;    /* in a row */
	int64_t asked_ns, regular_ns; /* the last call of any kind; the last of the regular ones */
	struct auto_upgrade_policy policy; /* what is being set */
	struct timer timer;
};

/* A policy as it was told, shared by all that have the same. */
struct auto_policy {
	struct auto_upgrade_policy policy;
	uint32_t hash, refs; /* refs 0: empty slot */
};

/* One that was set to manual, or is about to be: what is to be put back. Outlives its target. */
struct auto_hold {
	char *serial_number; /* NULL: empty slot */
	char *instance_id;
	uint32_t hash, target; /* NONE: it is in no inventory now, since left_ns */
	uint32_t former;       /* policy, as a target keeps it */
	uint32_t n_sets;       /* since it was last as wished */
	uint32_t n_waits;      /* looks in a row at which it could not be set */
	int64_t held_since_s;  /* wall clock: when it was set, once that was seen; 0: not yet */
	int64_t left_ns, read_ns, set_ns, not_before_ns;
	uint8_t version_type;
	uint8_t wish;          /* enum auto_wish: the one that the counts are of */
	bool is_dirty, is_stored;
	bool is_sent;          /* it may have been set by us */
	bool is_confirming;    /* … since it was read last */
	bool is_taken;         /* … and was seen so */
	bool is_kept_back;     /* it waits for what stood in the way at its last turn */
	struct timer timer;
};

/* ---- auto.c ---- */
/* At each update of a target: is it to be read, and when? */
void auto_look(struct reconcile *r, uint32_t target);
void auto_leave(struct reconcile *r, uint32_t target); /* it is read no more, and nothing is known of it */
void auto_give(struct reconcile *r, uint32_t target);  /* a new target finds what was held of it */
void auto_gone(struct reconcile *r, uint32_t target);  /* it is about to go */
void auto_scope_init(struct auto_upgrader *s);
void auto_scope(struct reconcile *r, uint32_t scope); /* at new settings: other intervals */
void auto_settings(struct reconcile *r, const uint32_t *moved); /* scopes have other numbers, or are gone (NONE) */
void auto_turn(struct reconcile *r, uint32_t scope);
void auto_hold_turn(struct reconcile *r, uint32_t hold);
void auto_read(struct reconcile *r, const struct event *ev);
void auto_read_failed(struct reconcile *r, uint64_t ticket);
void auto_set(struct reconcile *r, const struct event *ev);

/* ---- auto_hold.c: a target or a hold keeps a policy, and a target its hold, by its place from 1; 0 is none ---- */
const struct auto_upgrade_policy *auto_policy_text(const struct reconcile *r, uint32_t policy); /* NULL: none */
const struct auto_upgrade_policy *auto_policy_of(const struct reconcile *r, const struct target *t);
void auto_policy_set(struct reconcile *r, uint32_t *place, const struct auto_upgrade_policy *policy);
void auto_policy_release(struct reconcile *r, uint32_t *place);
struct auto_hold *auto_hold_at(const struct reconcile *r, uint32_t slot);
struct auto_hold *auto_hold_of(const struct reconcile *r, const struct target *t); /* NULL: none */
bool auto_is_held(const struct reconcile *r, uint32_t device, enum version_type type); /* also without a target */
uint32_t auto_hold_find(const struct reconcile *r, const char *serial, enum version_type type); /* slot or NONE */
/* NONE when memory is out. */
uint32_t auto_hold_new(struct reconcile *r, const char *serial, enum version_type type, const char *instance_id,
		       const struct auto_upgrade_policy *former);
void auto_hold_touch(struct reconcile *r, struct auto_hold *h); /* it is to be stored: until then nothing is set */
void auto_hold_drop(struct reconcile *r, uint32_t slot); /* nothing is to be put back any more */
bool auto_record(const struct reconcile *r, const char *serial, enum version_type type, struct record *rec); /* false: it is gone */
void auto_stored(struct reconcile *r, const char *serial, enum version_type type);
bool auto_dirty_again(const struct reconcile *r, const char *serial, enum version_type type); /* false: it is dirty already */
void auto_restore(struct reconcile *r, const struct record *rec);
void auto_forget(struct reconcile *r); /* what left long ago */
void auto_deinit(struct reconcile *r);
