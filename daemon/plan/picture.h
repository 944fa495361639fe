/*
 * A picture of a fleet at one moment, as a plan needs it: what was observed, and what is durable. Pure.
 *
 * Made from the snapshot of a running daemon (snapshot.h) or from the cloud and the state file (survey.h). It owns all
 * that it is given: texts are copied.
 */
#pragma once

#include "core/reconcile.h"
#include "core/snapshot.h"

/* One region of one account, as whoever looked knew it. */
struct picture_scope {
	const char *account, *region_id;
	bool is_usable; /* its credentials */
};

/* What a policy's gate answered last. */
struct picture_gate {
	const char *policy;
	enum gate_answer answer;
};

/* What the daemon wants of a target now, with its own configuration; NULL: nothing is known of it. */
struct picture_wanted {
	const char *serial_number;
	enum version_type version_type;
	const char *desired, *policy, *pin, *wave; /* "" for none */
};

struct picture {
	int64_t now_ns, wall_s; /* when it was looked at; times of records are on that clock */
	bool is_of_daemon;
	bool is_first_life;     /* nothing durable is known */
	bool is_storing;        /* the daemon can store; true without one */
	bool is_enforcing;      /* the daemon's mode; without one it means nothing */
	const char *version, *config_path, *config_hash; /* the daemon's; "" without one */
	struct picture_scope *scopes;
	uint32_t n_scopes, size_scopes;
	struct picture_gate *gates;
	uint32_t n_gates, size_gates;
	struct observation *instances;
	uint32_t *instance_scope; /* of each, an index into scopes */
	uint32_t n_instances, size_instances;
	struct record *records; /* in the order of their kinds */
	size_t n_records, size_records;
	struct picture_wanted *wanted; /* sorted by picture_sort() */
	size_t n_wanted, size_wanted;
	struct picture_chunk *chunks;
};

void picture_init(struct picture *f);
void picture_deinit(struct picture *f);

/* All return 0 or -ENOMEM. */
int picture_text(struct picture *f, const char *text, const char **ret_copy) __attribute__((warn_unused_result));
int picture_add_scope(struct picture *f, const struct picture_scope *scope) __attribute__((warn_unused_result));
int picture_add_gate(struct picture *f, const struct picture_gate *gate) __attribute__((warn_unused_result));
int picture_add_instance(struct picture *f, uint32_t scope, const struct observation *o) __attribute__((warn_unused_result));
int picture_add_record(struct picture *f, const struct record *record) __attribute__((warn_unused_result));
int picture_add_wanted(struct picture *f, const struct picture_wanted *wanted) __attribute__((warn_unused_result));

/* Puts records into the order of their kinds, and what is wanted into that in which it is found. Once all was added. */
void picture_sort(struct picture *f);
/* NULL: the daemon did not tell. */
const struct picture_wanted *picture_find_wanted(const struct picture *f, const char *serial_number, enum version_type type);
uint32_t picture_find_scope(const struct picture *f, const char *account, const char *region_id); /* NONE */
