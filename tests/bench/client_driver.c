/*
 * Signed calls by the daemon's own client, for their cost: the same work as peer.go does.
 *
 * Reads "instance serial" lines from stdin, makes COUNT calls of DescribeSAGDeviceInfo after a warm-up, at most
 * CONCURRENCY at a time, reads each reply, and prints the CPU time that they took as JSON. Any call that does not
 * succeed ends it with status 1.
 *
 * usage: bench_client URL COUNT CONCURRENCY WARM_UP <pairs
 */
#include "cloud/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#define PAIRS_MAX 100000
#define CALLS_MAX 10000000
#define CONCURRENCY_MAX 256

struct pair {
	char instance_id[LIMIT_INSTANCE_ID + 1];
	char serial_number[LIMIT_SERIAL_NUMBER + 1];
};

struct driver {
	struct client *client;
	struct pair *pairs;
	size_t n_pairs;
	size_t n_left; /* to be called */
	size_t n_open; /* called, not answered */
	bool has_failed;
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static uint64_t random_u64(void *ctx)
{
	uint64_t value;

	(void)ctx;
	while (getrandom(&value, sizeof(value), 0) != sizeof(value))
		;
	return value;
}

static void call_next(struct driver *d)
{
	const struct pair *pair = &d->pairs[d->n_left % d->n_pairs];
	const struct call call = {
		.priority = CALL_PRIORITY_FRESH,
		.request = {
			.action = API_DESCRIBE_SAG_DEVICE_INFO,
			.region_id = "cn-shanghai",
			.instance_id = pair->instance_id,
			.serial_number = pair->serial_number,
		},
	};

	d->n_left--;
	if (client_call(d->client, &call) < 0)
		d->has_failed = true;
	else
		d->n_open++;
}

static void on_reply(void *ctx, const struct call_reply *reply)
{
	struct driver *d = ctx;
	struct api_device_info info;
	struct error error = { .text = "" };

	d->n_open--;
	if (reply->result != CALL_RESULT_OK || smartag_read_device_info(reply->reply, &info, &error) || !info.version[0]) {
		fprintf(stderr, "bench_client: %s: %s %s %s%s\n", call_result_names[reply->result], reply->envelope->code,
			reply->envelope->message, reply->advice, error.text);
		d->has_failed = true;
	} else if (d->n_left) {
		call_next(d);
	}
}

static bool run(struct driver *d, size_t count, size_t concurrency)
{
	d->n_left = count;
	while (d->n_left && d->n_open < concurrency && !d->has_failed)
		call_next(d);
	while (d->n_open && !d->has_failed) {
		int64_t now = clock_ns(CLOCK_BOOTTIME);
		int64_t next;

		if (client_run(d->client, now, clock_ns(CLOCK_REALTIME) / NS_PER_S) < 0)
			return false;
		next = client_deadline_ns(d->client, now);
		if (d->n_open && client_wait(d->client, NULL, 0, next <= now ? 0 : 1000) < 0)
			return false;
	}
	return !d->has_failed;
}

static bool read_pairs(struct driver *d)
{
	char line[256];

	d->pairs = calloc(PAIRS_MAX, sizeof(*d->pairs));
	while (d->pairs && d->n_pairs < PAIRS_MAX && fgets(line, sizeof(line), stdin)) {
		char *save = NULL;
		const char *instance_id = strtok_r(line, " \n", &save);
		const char *serial_number = strtok_r(NULL, " \n", &save);
		struct pair *pair = &d->pairs[d->n_pairs];

		if (!instance_id || !serial_number || strlen(instance_id) > LIMIT_INSTANCE_ID || strlen(serial_number) > LIMIT_SERIAL_NUMBER)
			continue;
		strcpy(pair->instance_id, instance_id);
		strcpy(pair->serial_number, serial_number);
		d->n_pairs++;
	}
	return d->n_pairs != 0;
}

static bool read_number(const char *text, unsigned long max, unsigned long *ret_number)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (end == text || *end || !number || number > max)
		return false;
	*ret_number = number;
	return true;
}

static int measure(struct driver *d, size_t count, size_t concurrency, size_t warm_up)
{
	int64_t cpu, began;

	if (!run(d, warm_up, concurrency))
		return 1;
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	began = clock_ns(CLOCK_MONOTONIC);
	if (!run(d, count, concurrency))
		return 1;
	printf("{\"calls\": %zu, \"cpu_s\": %.6f, \"wall_s\": %.6f}\n", count,
	       (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / NS_PER_S,
	       (double)(clock_ns(CLOCK_MONOTONIC) - began) / NS_PER_S);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long count, concurrency, warm_up;
	struct driver d = { .n_pairs = 0 };
	struct credentials credentials;
	struct error error = { .text = "" };
	struct client_scope scope = {
		.account = "test", .region_id = "cn-shanghai", .signature = SIGN_V3, .credentials = &credentials,
		.calls_per_second = 1e6, .burst = 1e4, .timeout_ns = 30 * NS_PER_S,
	};
	struct client_options options = {
		.scopes = &scope, .n_scopes = 1, .on_reply = on_reply, .ctx = &d, .user_agent = "sagpin-bench", .random = random_u64,
	};
	int status = 1;

	if (argc != 5 || !read_number(argv[2], CALLS_MAX, &count) || !read_number(argv[3], CONCURRENCY_MAX, &concurrency) ||
	    !read_number(argv[4], CALLS_MAX, &warm_up)) {
		fprintf(stderr, "usage: bench_client URL COUNT CONCURRENCY WARM_UP <pairs\n");
		return 2;
	}
	scope.endpoint = argv[1];
	scope.concurrency = (uint32_t)concurrency;
	if (credentials_load(CREDENTIALS_ENV, NULL, NULL, &credentials, &error) || client_new(&options, &d.client, &error))
		fprintf(stderr, "bench_client: %s\n", error.text);
	else if (!read_pairs(&d))
		fprintf(stderr, "bench_client: no instances on stdin\n");
	else
		status = measure(&d, count, concurrency, warm_up);
	d.client = client_free(d.client);
	credentials_wipe(&credentials);
	free(d.pairs);
	return status;
}
