/*
 * What a commit costs the disk: one sync, however many intents and rows of history are in it. The sync functions of the C
 * library are counted on their way from SQLite.
 */
#include "state_bed.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/reconcile.h"

#define N_INTENTS 1000
#define N_STEPS 20

static atomic_uint n_syncs;

static int sync_counted(const char *name, int fd)
{
	void *found = dlsym(RTLD_NEXT, name);
	int (*real)(int);

	memcpy(&real, &found, sizeof(real));
	n_syncs++;
	return real ? real(fd) : -1;
}

int fsync(int fd)
{
	return sync_counted("fsync", fd);
}

int fdatasync(int fd)
{
	return sync_counted("fdatasync", fd);
}

/* What one step stores: for each target its intent, its start and itself, and a row of history. */
static unsigned int syncs_of(struct state *s, unsigned int n_intents, unsigned int turn)
{
	static const enum record_kind kinds[] = { RECORD_TARGET, RECORD_START, RECORD_INTENT };
	static struct record records[3 * N_INTENTS];
	static struct state_history_row rows[N_INTENTS];
	static char serials[N_INTENTS][24];
	unsigned int before, n = 0;

	for (unsigned int i = 0; i < n_intents; i++) {
		snprintf(serials[i], sizeof(serials[i]), "sn%06u", i);
		for (unsigned int k = 0; k < 3; k++) {
			struct record *r = &records[n++];

			*r = bed_record(kinds[k], 0, turn);
			if (kinds[k] == RECORD_TARGET)
				r->text[REC_TARGET_TEXT_SERIAL] = serials[i];
			else
				r->number[0] = (int64_t)i + 1; /* the intent */
		}
		rows[i] = (struct state_history_row){ 0, bed_now.wall_s, "main", "cn-shanghai", "sag-1", serials[i], "Device", "started",
						      "3.3.0", "3.4.2", "", "", "branches", "", "", "", "" };
	}
	before = n_syncs;
	assert_int_equal(bed_commit_rows(s, records, n, rows, n_intents).kind, STATE_COMMITTED);
	return n_syncs - before;
}

static void test_one_sync(void **state)
{
	struct bed *b = *state;
	struct state *s = bed_open(b->path, NULL);
	unsigned int before;

	(void)syncs_of(s, 1, 0); /* the first makes the log */
	assert_int_equal(syncs_of(s, 1, 1), 1);
	assert_int_equal(syncs_of(s, 100, 2), 1);
	before = n_syncs;
	for (unsigned int i = 0; i < N_STEPS; i++)
		(void)syncs_of(s, 10, 3 + i);
	assert_int_equal(n_syncs - before, N_STEPS);
	assert_in_range(syncs_of(s, N_INTENTS, 3 + N_STEPS), 1, 4); /* it is larger than the log may be: moved to the file, once */
	state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_one_sync, bed_setup, bed_teardown) };

	return cmocka_run_group_tests_name("state_syncs", tests, NULL, NULL);
}
