/*
 * A preload library that measures the daemon's loop from outside: the CPU and wall time of each turn, which is what
 * lies between the end of one curl_multi_poll() and the begin of the next on the thread that called it first.
 *
 * The daemon's own histogram is of wall time; on a shared machine that also counts the times at which others ran.
 * The numbers go into the file $BENCH_TURNS, which is mapped, so that the benchmark reads and clears them at any time.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* As bench.py reads it. */
struct turns {
	uint64_t n;
	uint64_t cpu_ns;
	uint64_t cpu_max_ns;
	uint64_t wall_max_ns;
	uint64_t over[5]; /* turns that took more CPU than 1, 2, 5, 10 and 20 ms */
};

typedef CURLMcode (*poll_fn)(CURLM *, struct curl_waitfd[], unsigned int, int, int *);

static struct turns *turns;
static poll_fn real_poll;

static uint64_t clock_now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void begin(void)
{
	const char *path = getenv("BENCH_TURNS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	*(void **)&real_poll = dlsym(RTLD_NEXT, "curl_multi_poll");
	if (fd < 0 || !real_poll)
		abort();
	turns = mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (turns == MAP_FAILED)
		abort();
}

static void count(uint64_t cpu_ns, uint64_t wall_ns)
{
	static const uint64_t bounds_ms[] = { 1, 2, 5, 10, 20 };

	turns->n++;
	turns->cpu_ns += cpu_ns;
	if (cpu_ns > turns->cpu_max_ns)
		turns->cpu_max_ns = cpu_ns;
	if (wall_ns > turns->wall_max_ns)
		turns->wall_max_ns = wall_ns;
	for (size_t i = 0; i < sizeof(bounds_ms) / sizeof(bounds_ms[0]); i++)
		turns->over[i] += cpu_ns > bounds_ms[i] * 1000000;
}

CURLMcode curl_multi_poll(CURLM *multi, struct curl_waitfd extra[], unsigned int n_extra, int timeout_ms, int *ret_n)
{
	static uint64_t cpu_ns, wall_ns;
	CURLMcode code;

	if (!turns)
		begin(); /* what came before the first wait is the start, not a turn */
	else
		count(clock_now(CLOCK_THREAD_CPUTIME_ID) - cpu_ns, clock_now(CLOCK_MONOTONIC) - wall_ns);
	code = real_poll(multi, extra, n_extra, timeout_ms, ret_n);
	cpu_ns = clock_now(CLOCK_THREAD_CPUTIME_ID);
	wall_ns = clock_now(CLOCK_MONOTONIC);
	return code;
}
