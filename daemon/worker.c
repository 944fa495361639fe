/* A queue in, a list out, one mutex around both, an eventfd to wake the loop. See worker.h. */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
	struct worker_job *first, **last;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct queue todo, ran;
	size_t held_bytes, memory_max_bytes;
	size_t n_held; /* jobs that were not given back yet */
	int fd;
	bool is_ending;
};

static void queue_add(struct queue *q, struct worker_job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static struct worker_job *queue_take(struct queue *q)
{
	struct worker_job *job = q->first;

	if (!job)
		return NULL;
	q->first = job->next;
	if (!q->first)
		q->last = &q->first;
	return job;
}

void worker_wake(struct worker *w)
{
	static const uint64_t one = 1;

	if (write(w->fd, &one, sizeof(one)) < 0) {
		/* full: then it is readable, which is all that is wanted */
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct worker_job *job;

	pthread_mutex_lock(&w->mutex);
	for (;;) {
		while (!(job = queue_take(&w->todo))) {
			if (w->is_ending) {
				pthread_mutex_unlock(&w->mutex);
				return NULL;
			}
			pthread_cond_wait(&w->wake, &w->mutex);
		}
		pthread_mutex_unlock(&w->mutex);
		job->run(job);
		pthread_mutex_lock(&w->mutex);
		queue_add(&w->ran, job);
		worker_wake(w);
	}
}

/* Threads inherit the mask: with all signals blocked here, the new one never sees any. */
static int start_thread(struct worker *w, const char *name)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r)
		return -r;
	r = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!r)
		pthread_setname_np(w->thread, name); /* for people only */
	return -r;
}

int worker_new(const char *name, size_t memory_max_bytes, struct worker **ret_worker)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->memory_max_bytes = memory_max_bytes;
	w->todo.last = &w->todo.first;
	w->ran.last = &w->ran.first;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->fd < 0 ? -errno : start_thread(w, name);
	if (r < 0) {
		if (w->fd >= 0)
			close(w->fd);
		pthread_cond_destroy(&w->wake);
		pthread_mutex_destroy(&w->mutex);
		free(w);
		return r;
	}
	*ret_worker = w;
	return 0;
}

int worker_add(struct worker *w, struct worker_job *job)
{
	int r = 0;

	pthread_mutex_lock(&w->mutex);
	if (w->n_held && (job->size_bytes > w->memory_max_bytes || w->held_bytes > w->memory_max_bytes - job->size_bytes)) {
		r = WORKER_E_FULL;
	} else {
		w->n_held++;
		w->held_bytes += job->size_bytes;
		queue_add(&w->todo, job);
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->mutex);
	return r;
}

int worker_fd(const struct worker *w)
{
	return w->fd;
}

void worker_run(struct worker *w)
{
	uint64_t n;

	if (read(w->fd, &n, sizeof(n)) < 0) {
		/* nothing was said since the last time; what is there is taken all the same */
	}
	for (;;) {
		struct worker_job *job;

		pthread_mutex_lock(&w->mutex);
		job = queue_take(&w->ran);
		if (job) {
			w->n_held--;
			w->held_bytes -= job->size_bytes;
		}
		pthread_mutex_unlock(&w->mutex);
		if (!job)
			return;
		job->done(job);
	}
}

/* What a `done` adds while the worker ends is run, too. */
static void finish(struct worker *w)
{
	struct pollfd ready = { .fd = w->fd, .events = POLLIN };
	size_t n_held;

	for (;;) {
		worker_run(w);
		pthread_mutex_lock(&w->mutex);
		n_held = w->n_held;
		pthread_mutex_unlock(&w->mutex);
		if (!n_held)
			return;
		poll(&ready, 1, -1);
	}
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	finish(w);
	pthread_mutex_lock(&w->mutex);
	w->is_ending = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	close(w->fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->mutex);
	free(w);
	return NULL;
}
