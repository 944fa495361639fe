/*
 * One thread for what may block: jobs go in on the loop's thread, run one after the other on the worker's, and come
 * back on the loop's, which waits for worker_fd() beside its other descriptors.
 *
 * The thread takes no signal: all are blocked before it exists. Nothing that was taken is lost: worker_free() ends
 * when every job has run and was given back, so what was to be committed at SIGTERM is.
 */
#pragma once

#include <stddef.h>

struct worker;

/* Embedded in what the job is about; belongs to the worker from worker_add() on until `done` is called. */
struct worker_job {
	void (*run)(struct worker_job *job);  /* on the worker's thread */
	void (*done)(struct worker_job *job); /* on the thread of worker_run() or worker_free(); may free the job, may add others */
	size_t size_bytes;                    /* what it holds in memory */
	struct worker_job *next;              /* the worker's */
};

/* The jobs that were not given back yet hold more than the worker may: this one was not taken. */
#define WORKER_E_FULL 1

/* `name` is shown by the system's tools, at most 15 bytes. 0 or a negative errno. */
int worker_new(const char *name, size_t memory_max_bytes, struct worker **ret_worker) __attribute__((warn_unused_result));
struct worker *worker_free(struct worker *w);

/* 0 or WORKER_E_FULL. A worker with nothing to do takes a job of any size. */
int worker_add(struct worker *w, struct worker_job *job) __attribute__((warn_unused_result));
int worker_fd(const struct worker *w); /* readable: worker_run() has something to give back */
void worker_wake(struct worker *w);    /* makes worker_fd() readable until the next worker_run() */
void worker_run(struct worker *w);     /* calls `done` of what has run, in the order of worker_add(); never blocks */
