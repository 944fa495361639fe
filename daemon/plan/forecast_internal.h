/* What the files of the forecast share: the ideal cloud (ideal.c) and the run (forecast.c). Private to daemon/plan/. */
#pragma once

#include "forecast.h"

#define FORECAST_NEVER INT64_MIN
#define FORECAST_LATENCY_NS NS_PER_MS
#define FORECAST_SAMPLE_NS NS_PER_S /* what leaves within so much of the beginning leaves now */

enum job_kind {
	JOB_LIST,
	JOB_FOLLOW,
	JOB_READ,
	JOB_STORED,
	JOB_CALLED,
	JOB_GATE,
	JOB_LANDED, /* no answer: a device runs its new version from now on */
	JOB_AUTO_UPGRADE,
	JOB_AUTO_UPGRADE_SET,
};

/* What the ideal cloud owes the core, or itself. */
struct job {
	int64_t due_ns;
	uint64_t order; /* of those that are due at once */
	enum job_kind kind;
	uint64_t ticket, intent;
	uint32_t scope, instance, policy; /* scope, policy: of the settings; instance: of the fleet */
	uint32_t target; /* slot; READ */
	unsigned int device;
	enum version_type version_type;
	enum read_purpose purpose;
	const char *version;
	int64_t sent_ns;
	uint32_t *instances; /* FOLLOW: of the fleet; owned */
	uint32_t n_instances;
};

struct jobs {
	struct job *items; /* a heap */
	size_t n, size;
	uint64_t order;
};

/* What is noted of a target while it runs. */
struct track {
	uint32_t row; /* NONE: not met at the beginning */
	uint32_t first_call, last_call, n_calls;
	int64_t done_ns;
};

struct run {
	const struct forecast_options *options;
	struct forecast *out;
	struct settings settings; /* what the core is given */
	struct scope *scopes;
	struct policy *policies;
	struct reconcile *core;
	int64_t now_ns, end_ns;
	struct observation *truth; /* of each instance of the fleet, as it is at now_ns */
	uint32_t *fleet_scope;     /* of each scope of the settings, the fleet's, or NONE */
	uint32_t *by_id;           /* instances in order of scope and id */
	uint32_t *slot_instance;   /* of each slot of the core, an instance of the fleet, or NONE */
	uint32_t n_slots;
	struct track *tracks;      /* of each target slot of the core */
	uint32_t n_tracks;
	struct jobs jobs;
	uint32_t n_phases[PHASE_N];
	bool is_sampled;
	const struct record **catalogues; /* the fleet's records of that kind */
	size_t n_catalogues;
	struct {
		const char *model;
		enum version_type version_type;
	} *unknown; /* catalogues that were asked for and are not there */
	uint32_t n_unknown;
	bool *is_gate_unasked;     /* of each policy */
	uint32_t size_calls;
};

/* forecast.c: one step of the core, and all that its plan asks for. 0 or -ENOMEM. */
int run_step(struct run *w, struct event *ev) __attribute__((warn_unused_result));

/* ideal.c; all 0 or -ENOMEM. */
int ideal_init(struct run *w) __attribute__((warn_unused_result));
void ideal_deinit(struct run *w);
/* Upgrades that are under way at the beginning land, too. */
int ideal_resume(struct run *w) __attribute__((warn_unused_result));
/* Takes an action that has an answer. */
int ideal_take(struct run *w, const struct action *a) __attribute__((warn_unused_result));
/* When the next answer is due; INT64_MAX: none is. */
int64_t ideal_due_ns(const struct run *w);
/* Gives the next answer. */
int ideal_answer(struct run *w) __attribute__((warn_unused_result));
/* The instance of the fleet that a slot stands for, or NONE. */
int ideal_instance(struct run *w, uint32_t slot, uint32_t *ret_instance) __attribute__((warn_unused_result));
