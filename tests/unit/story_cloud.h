/*
 * The cloud of a story: instances, what becomes of upgrades, and what the reads show.
 *
 * Instances are called by a letter, a to t; their ids are such that the stable hash of an instance is in alphabetical
 * order, a in the first twentieth of all, t in the last. Serial numbers are any other words.
 */
#pragma once

#include "core/reconcile.h"

#define CLOUD_BOXES 40

/* What becomes of an upgrade call. */
enum fate {
	FATE_WORKS,
	FATE_SILENT,      /* accepted, and the device is not seen again */
	FATE_NOTHING,     /* accepted, and nothing changes */
	FATE_LOST,        /* the reply gets lost, and so does the call */
	FATE_UNCONFIRMED, /* the reply gets lost, the call does not */
	FATE_ILL,         /* it comes back unhealthy */
	FATE_REFUSED,     /* see class and reason */
	FATE_N,
};

struct box {
	struct observation seen; /* borrows from the board of the story */
	uint32_t scope;
	bool is_gone;
};

struct device_fate {
	enum fate fate;
	enum error_class class;
	enum reason reason;
	int64_t done_ns; /* when an upgrade under way is done; 0: none is */
	const char *to;
	enum version_type type;
};

struct cloud {
	struct box boxes[CLOUD_BOXES];
	struct device_fate fates[CLOUD_BOXES][LIMIT_DEVICES];
	size_t n;
	int64_t takes_ns;
};

const char *cloud_id(const char *letter); /* the id of an instance that the story calls so */
struct box *cloud_box(struct cloud *c, const char *id); /* a new one when there is none */
/* The device, and where to find its fate; NULL: there is none. */
struct device_observation *cloud_device(struct cloud *c, const char *serial, struct device_fate **ret_fate);
struct event cloud_call(struct cloud *c, const struct intent_view *in, uint64_t intent, int64_t now_ns);
int64_t cloud_next_ns(const struct cloud *c); /* when an upgrade is done next; INT64_MAX: none is under way */
void cloud_go_on(struct cloud *c, int64_t now_ns);
/* What a read shows: with the DPI versions, or without. */
struct observation cloud_read(const struct box *box, bool has_dpi);
