/* What the two halves of the observer share: its own memory of what was seen and what was planned. */
#pragma once

#include "observer.h"

#define OBSERVER_TARGETS 512
#define OBSERVER_BOXES (WORLD_BOXES * WORLD_SCOPES)
#define OBSERVER_ASKED 4096
#define OBSERVER_DEVICES 24 /* serial numbers that one instance ever had */

/* The newest facts that any read delivered about one device of one instance. */
struct seen_device {
	char serial[WORLD_TEXT];
	int64_t listed_ns;               /* the newest list or follow that showed it */
	int64_t read_ns[VERSION_TYPE_N]; /* 0: never told */
	int version[VERSION_TYPE_N];
};

struct seen_box {
	char id[WORLD_TEXT];
	const struct world_box *box;
	uint32_t scope, slot;
	bool is_live; /* between TELL_INSTANCE_ADDED and TELL_INSTANCE_REMOVED */
	bool is_in_listing;
	uint64_t left_step; /* when it was removed */
	int64_t read_ns, listed_ns; /* the newest read of it; of which the newest by list or follow */
	uint32_t absences; /* complete listings in a row without it */
	uint32_t unseen;   /* … since any read showed it */
	struct seen_device devices[OBSERVER_DEVICES];
	size_t n_devices;
	/* as the newest FRESH showed it */
	int64_t fresh_ns;
	unsigned int n_fresh;
	char fresh_serials[LIMIT_DEVICES][WORLD_TEXT];
	enum ha_role fresh_roles[LIMIT_DEVICES];
	int fresh_versions[LIMIT_DEVICES][VERSION_TYPE_N];
	enum status fresh_statuses[LIMIT_DEVICES];
	enum health fresh_controllers[LIMIT_DEVICES], fresh_vpns[LIMIT_DEVICES];
};

struct seen_intent {
	uint64_t id, store;
	uint32_t target, scope, policy;
	struct seen_box *box;
	char serial[WORLD_TEXT];
	enum version_type type;
	int from, to;
	int64_t created_ns, sent_ns, deadline_ns, soak_ns;
	int64_t late_ns; /* when something was first seen of it after soak and deadline of verifying */
	int64_t there_ns, overdue_ns; /* when the new version was first seen; when it was first seen without it after the deadline */
	uint64_t attempts, failures; /* of the target before it */
	bool is_stored, is_delivered, is_settled, is_withdrawn;
	unsigned int n_upgrades;
	bool is_called, is_probe;
	enum call_outcome outcome;
	enum error_class class;
	bool was_there, was_beyond, was_healthy, was_back; /* what reads since showed: to; newer; to and healthy; from and online */
	bool was_removed;
};

struct seen_target {
	bool is_live, is_told;
	struct target_view view; /* strings not to be used */
	enum phase phase;        /* as last told */
	enum reason reason;
};

struct observer {
	struct world *w;
	struct seen_box boxes[OBSERVER_BOXES];
	size_t n_boxes;
	struct seen_intent *intents;
	size_t n_intents, intents_size, first_open; /* all before first_open are settled */
	struct seen_target targets[OBSERVER_TARGETS];
	struct {
		uint64_t ticket;
		char id[WORLD_TEXT];
		enum read_purpose purpose;
	} asked[OBSERVER_ASKED];
	int64_t first_listing_ns[WORLD_SCOPES];
	int64_t shortest_deadline_ns[WORLD_POLICIES];
	bool is_usable[WORLD_SCOPES], is_paused[WORLD_SCOPES];
	int64_t probed_ns[WORLD_SCOPES];
	uint64_t last_store;
	uint64_t last_ticket, new_ticket; /* the highest before this step, and with it */
};

struct seen_box *observer_box(struct observer *o, uint32_t scope, const char *id);
struct seen_box *observer_box_at(struct observer *o, uint32_t slot);
struct seen_device *observer_device(struct seen_box *box, const char *serial);
struct seen_intent *observer_unsettled(struct observer *o, uint32_t target);
bool observer_is_shared(const struct observer *o, const char *serial); /* was ever seen under two instances */
bool observer_is_same_account(const struct observer *o, uint32_t a, uint32_t b);

/* observer_views.c */
void observer_views(struct observer *o, const struct event *ev);
void observer_told_phase(struct observer *o, const struct action *a);
