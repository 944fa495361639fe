/*
 * process_*: names, meaning and help as the client libraries of Prometheus have them.
 *
 * What cannot be read is left out: its series is not made. Must not fail the scrape, and must not let the start time
 * move: it is derived from two clocks, so it is taken once.
 */
#include "process.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void set(struct registry *r, enum metric_id id, double value)
{
	struct series *s = registry_series(r, id, NULL);

	if (s)
		series_set(s, value);
}

static double seconds(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The text of a small file of /proc, or "". */
static void read_text(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = 0;

	if (f) {
		n = fread(buf, 1, size - 1, f);
		fclose(f);
	}
	buf[n] = '\0';
}

static void update_memory(struct registry *r)
{
	char buf[256], *end;
	double page = (double)sysconf(_SC_PAGESIZE);
	unsigned long total, resident;

	read_text("/proc/self/statm", buf, sizeof(buf));
	total = strtoul(buf, &end, 10);
	if (end == buf)
		return;
	resident = strtoul(end, NULL, 10);
	set(r, METRIC_PROCESS_VIRTUAL_MEMORY, (double)total * page);
	set(r, METRIC_PROCESS_RESIDENT_MEMORY, (double)resident * page);
}

static void update_fds(struct registry *r)
{
	struct rlimit limit;
	DIR *dir = opendir("/proc/self/fd");
	double n = 0;

	if (dir) {
		for (struct dirent *d; (d = readdir(dir));)
			n += d->d_name[0] != '.';
		closedir(dir);
		set(r, METRIC_PROCESS_OPEN_FDS, n - 1); /* without the directory itself */
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		set(r, METRIC_PROCESS_MAX_FDS, (double)limit.rlim_cur);
}

/* Field 22 of proc_pid_stat(5), in ticks since the boot; the command before it may hold spaces and parentheses. */
#define STARTTIME_FIELD 22

static void update_start_time(struct registry *r)
{
	char buf[1024], *p;
	double ticks = (double)sysconf(_SC_CLK_TCK), age;
	struct series *s;

	read_text("/proc/self/stat", buf, sizeof(buf));
	p = strrchr(buf, ')');
	for (int field = 2; p && field < STARTTIME_FIELD; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return;
	s = registry_series(r, METRIC_PROCESS_START_TIME, NULL);
	if (!s || series_value(s) > 0)
		return;
	age = seconds(CLOCK_BOOTTIME) - (double)strtoull(p + 1, NULL, 10) / ticks;
	series_set(s, seconds(CLOCK_REALTIME) - age);
}

void process_update(struct registry *r)
{
	set(r, METRIC_PROCESS_CPU_SECONDS, seconds(CLOCK_PROCESS_CPUTIME_ID));
	update_memory(r);
	update_fds(r);
	update_start_time(r);
}
