/*
 * A bed of devices that all run what is wanted (but where said) in virtual time, for tests of the cloud's own upgrader;
 * every action is answered at once, from a cloud that is an array of policies. What was asked is counted and kept, in order.
 */
#pragma once

#include "core/reconcile.h"

#define DEVICES 12
#define HOUR (3600 * NS_PER_S)
#define DAY (24 * HOUR)
#define INTERVAL (6 * HOUR)
#define MARKS 4096

extern const struct auto_upgrade_policy nightly, weekly;
/* What the configuration says: of the upgrader, of the mode, of the pin. */
extern const struct settings hold, observe, report, ignore, unpinned, observe_unpinned, held_pin;

struct bed_device {
	char id[16], serial[16];
	const char *version;
	bool is_offline, is_gone;
	struct auto_upgrade_policy policy;
};

enum mark_kind { MARK_READ, MARK_SET, MARK_STORE, MARK_REMOVE, MARK_TELL };
struct mark { /* something that the core asked for or told */
	enum mark_kind kind;
	int64_t at_ns;
	unsigned int device;
	enum auto_upgrade_change change;
	struct auto_upgrade_policy policy; /* SET, STORE */
	char from[LIMIT_UPGRADE_TYPE + 1], to[LIMIT_UPGRADE_TYPE + 1];
};

struct bed {
	struct reconcile *r;
	int64_t now_ns;
	int64_t wall_offset_s;
	struct bed_device devices[DEVICES];
	unsigned int n;
	struct mark marks[MARKS];
	size_t n_marks;
	struct event queue[64];
	size_t n_queue;
	struct record kept[DEVICES]; /* the store: of each device */
	char kept_text[DEVICES][REC_AUTO_TEXTS][160];
	bool is_kept[DEVICES];
	bool is_store_failing, is_store_silent, is_cloud_refusing, is_cloud_lying, is_read_failing, is_cloud_silent;
	uint64_t silent_ticket, store_ticket; /* what was not answered */
};
extern struct bed bed;

size_t count(enum mark_kind kind);
const struct mark *last(enum mark_kind kind); /* the last of its kind */
bool is_told(enum auto_upgrade_change change, const char *from, const char *to);
void step(const struct event *ev); /* the event, then what came of it */
void run_for(int64_t ns);
void use(const struct settings *settings);
void begin(const struct settings *settings); /* a core that begins with what is kept; the clock goes on */
void open_bed(unsigned int n, const struct auto_upgrade_policy *policy, const struct settings *settings);
int close_bed(void **state);
void assert_policy(const struct auto_upgrade_policy *p, const char *type, const char *cron, const char *zone, uint32_t duration, uint32_t jitter);
bool view(unsigned int device, struct target_view *v);
void act(enum act_kind kind, bool is_all, const char *policy, const char *serial);
