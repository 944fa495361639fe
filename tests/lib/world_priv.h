/* What the parts of the world share: the queue of jobs, and the way into the core. */
#pragma once

#include "observer.h"
#include "world.h"

enum job_kind {
	JOB_CHAOS,
	JOB_RESTART,     /* a new life begins */
	JOB_CALENDAR,    /* calendars are told anew */
	JOB_GATE_ASKED,
	JOB_SCRIPT,      /* a line of a scenario */
	JOB_LIST_PAGE,   /* one page of a listing is read */
	JOB_PART,        /* an event that points to nothing is delivered */
	JOB_FOLLOW_READ,
	JOB_ONE_READ,
	JOB_OBSERVED,    /* a page of a complete listing, or an answer to FOLLOW or READ is delivered */
	JOB_STORE_DONE,
	JOB_CALL_LEAVES,
	JOB_CALL_ARRIVES,
	JOB_AUTO_LEAVES,
	JOB_AUTO_ARRIVES,
	JOB_DEVICE_DROPS,
	JOB_DEVICE_DONE,
	JOB_KIND_N,
};

/* One instance as a read saw it, with text of its own. */
struct snapshot {
	struct observation o;
	uint32_t box;
	int64_t read_ns;
	char id[WORLD_TEXT], name[WORLD_TEXT], model[WORLD_TEXT], city[WORLD_TEXT], resource_group[WORLD_TEXT], serials[LIMIT_DEVICES][WORLD_TEXT];
};

struct reading {
	size_t n, size;
	struct snapshot *snapshots;
};

struct job {
	int64_t at_ns;
	uint64_t seq; /* ties: first planned, first done */
	enum job_kind kind;
	struct event ev; /* without what it points to */
	uint32_t scope, page, total;
	enum read_purpose purpose;
	char id[WORLD_TEXT], serial[WORLD_TEXT];
	enum version_type type;
	int version;
	enum fate fate;
	uint64_t upgrade_seq;
	int64_t started_ns, not_after_ns;
	bool is_ok;
	bool is_orphan;     /* CALL_ARRIVES: nobody waits for the answer */
	uint64_t handle;    /* the observer's name of the intent */
	struct batch *batch; /* STORE_DONE: owned */
	struct reading *reading; /* owned */
	char (*ids)[WORLD_TEXT]; /* FOLLOW: owned */
	uint32_t n_ids;
	void (*script)(struct world *w, int arg);
	int arg;
	struct world_auto auto_policy;
	struct job *next_spare;
};

struct job *world_plan(struct world *w, int64_t at_ns, enum job_kind kind); /* valid until it has run */
void world_job_done(struct world *w, struct job *job);
void world_sort_jobs(struct world *w); /* after some were taken out */
void world_hash_line(struct world *w, const char *line);
struct record_stamp world_stamp(const struct world *w);
void world_use_settings(struct world *w);
void world_step(struct world *w, struct event *ev); /* into the core, and out to the shell's duties */

/* life.c: the end of one life of the core, and the begin of the next. */
size_t life_cut(struct world *w, const struct event *ev, const struct plan *plan); /* how many actions are done: all, or it is killed then */
void life_crash(struct world *w);
void life_begin(struct world *w, bool is_reboot); /* the first, or the next */

/* shell.c: what is to be done for an action, and the jobs that came of it. */
void shell_do(struct world *w, const struct action *a);
bool shell_run(struct world *w, struct job *job); /* false: not a job of the shell */
int64_t shell_soon(struct world *w);

/* upgrader.c: the cloud's own upgrader */
void upgrader_read(struct world *w, struct job *job);
void upgrader_deliver(struct world *w, struct job *job);
void upgrader_set(struct world *w, const struct action *a);
void upgrader_leaves(struct world *w, struct job *job);
void upgrader_arrives(struct world *w, struct job *job);
void world_start_upgrade(struct world *w, struct world_device *d, enum version_type type, int to, enum fate fate);
