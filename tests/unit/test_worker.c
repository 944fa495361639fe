/* The worker: order, whose thread runs what, the limit on memory, signals, and the clean end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker.h"

#define N_JOBS 1000

struct job {
	struct worker_job job;
	struct worker *again; /* done() adds the job once more */
	pthread_t ran_by, done_by;
	int ran_at, done_at; /* 1 is the first */
	bool is_masked;      /* no signal could come while it ran */
};

static int n_ran, n_done; /* the first is the worker's thread's, read when it is known to rest */
static atomic_int gate = 1;

static void run(struct worker_job *job)
{
	struct job *j = (struct job *)job;
	sigset_t mask;

	while (!gate)
		usleep(100);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	j->is_masked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGALRM) == 1 && sigismember(&mask, SIGUSR1) == 1;
	j->ran_by = pthread_self();
	j->ran_at = ++n_ran;
}

static void done(struct worker_job *job)
{
	struct job *j = (struct job *)job;
	struct worker *again = j->again;

	j->done_by = pthread_self();
	j->done_at = ++n_done;
	j->again = NULL;
	if (again)
		assert_int_equal(worker_add(again, job), 0);
}

static int start(void **state)
{
	struct worker *w;

	n_ran = n_done = 0;
	gate = 1;
	assert_int_equal(worker_new("test", 1000, &w), 0);
	*state = w;
	return 0;
}

static int stop(void **state)
{
	assert_null(worker_free(*state));
	return 0;
}

static void test_order_and_threads(void **state)
{
	static struct job jobs[N_JOBS];
	struct worker *w = *state;
	struct pollfd fd = { .fd = worker_fd(w), .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 0), 0);
	for (int i = 0; i < N_JOBS; i++) {
		jobs[i].job = (struct worker_job){ .run = run, .done = done };
		assert_int_equal(worker_add(w, &jobs[i].job), 0);
	}
	while (n_done < N_JOBS) {
		assert_int_equal(poll(&fd, 1, 10000), 1);
		worker_run(w);
	}
	for (int i = 0; i < N_JOBS; i++) {
		assert_int_equal(jobs[i].ran_at, i + 1);
		assert_int_equal(jobs[i].done_at, i + 1);
		assert_true(jobs[i].is_masked);
		assert_false(pthread_equal(jobs[i].ran_by, pthread_self()));
		assert_true(pthread_equal(jobs[i].done_by, pthread_self()));
	}
	worker_run(w);
	assert_int_equal(poll(&fd, 1, 0), 0);
	worker_wake(w);
	assert_int_equal(poll(&fd, 1, 0), 1);
	worker_run(w);
	assert_int_equal(poll(&fd, 1, 0), 0);
}

static void test_memory(void **state)
{
	struct worker *w = *state;
	struct pollfd fd = { .fd = worker_fd(w), .events = POLLIN };
	struct job jobs[4] = { 0 };
	static const size_t sizes[] = { 5000, 1, 600, 401 };

	for (int i = 0; i < 4; i++)
		jobs[i].job = (struct worker_job){ .run = run, .done = done, .size_bytes = sizes[i] };
	gate = 0;
	assert_int_equal(worker_add(w, &jobs[0].job), 0); /* larger than all, but alone */
	assert_int_equal(worker_add(w, &jobs[1].job), WORKER_E_FULL);
	gate = 1;
	while (n_done < 1) {
		poll(&fd, 1, 10000);
		worker_run(w);
	}
	gate = 0;
	assert_int_equal(worker_add(w, &jobs[2].job), 0);
	assert_int_equal(worker_add(w, &jobs[3].job), WORKER_E_FULL); /* 600 + 401 > 1000 */
	jobs[3].job.size_bytes = 400;
	assert_int_equal(worker_add(w, &jobs[3].job), 0);
	gate = 1;
	while (n_done < 3) {
		poll(&fd, 1, 10000);
		worker_run(w);
	}
	assert_int_equal(jobs[1].ran_at, 0);
}

/* What was taken is run and given back, what done() adds meanwhile too. */
static void test_free_finishes(void **state)
{
	static struct job jobs[100];
	struct worker *w;

	(void)state;
	n_ran = n_done = 0;
	assert_int_equal(worker_new("test", 1000, &w), 0);
	gate = 0;
	for (int i = 0; i < 100; i++) {
		jobs[i] = (struct job){ .job = { .run = run, .done = done } };
		jobs[i].again = i == 99 ? w : NULL;
		assert_int_equal(worker_add(w, &jobs[i].job), 0);
	}
	gate = 1;
	assert_null(worker_free(w));
	assert_int_equal(n_ran, 101);
	assert_int_equal(n_done, 101);
	assert_null(worker_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_threads, start, stop),
		cmocka_unit_test_setup_teardown(test_memory, start, stop),
		cmocka_unit_test(test_free_finishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
