/*
 * The devices and their life in time.
 *
 * Nothing happens by timers: an upgrade is a record with three times (accepted, left, back), and every
 * read says what the device looks like at that moment. All times are CLOCK_MONOTONIC nanoseconds given by
 * the caller; all strings are kept by the fleet's pool and live as long as the fleet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "map.h"
#include "random.h"

#define FLEET_LIMIT_INSTANCES 1000000
#define FLEET_LIMIT_REGIONS 16
#define FLEET_LIMIT_CATALOGUE 128
#define FLEET_LIMIT_TEXT 256 /* bytes of an id, a name, a version, … */

enum version_kind {
	VERSION_KIND_DEVICE,
	VERSION_KIND_DPI,
	VERSION_KIND_N,
};

extern const char *const version_kind_names[VERSION_KIND_N];

enum outcome {
	OUTCOME_DONE,        /* comes back with the new version */
	OUTCOME_STUCK,       /* never comes back; a Dpi upgrade just does nothing */
	OUTCOME_BACK_TO_OLD, /* comes back as it was */
};

struct upgrade {
	const char *to; /* NULL: none under way */
	int64_t accepted_ns, left_ns, back_ns;
	enum outcome outcome;
};

/* What the cloud's own upgrader would do; it acts when the control plane says so. */
struct auto_policy {
	const char *type, *cron, *time_zone;
	unsigned int duration_min;
	unsigned int jitter_min;
};

struct device {
	const char *serial; /* "": has none */
	const char *ha_state; /* what the cloud calls its role; "": what its place and state give */
	const char *versions[VERSION_KIND_N]; /* "": reports none */
	struct upgrade upgrades[VERSION_KIND_N];
	struct auto_policy policies[VERSION_KIND_N];
	int64_t started_ns; /* last start, relative to the fleet's birth */
};

struct instance {
	const char *id, *region, *name, *model, *status, *resource_group, *ccn, *city;
	const char *traffic_master; /* serial number; "": what the devices' state gives */
	const char *twin_serial; /* serial of the instance made before this one, for duplicate_serial; or "" */
	struct device devices[2]; /* main, backup */
	unsigned int n_devices;
	unsigned int ordinal; /* in the order of making, from 0 */
	bool is_forbidden, is_not_permitted, is_degraded;
};

struct catalogue_entry {
	enum version_kind kind;
	const char *code, *channel; /* "release" or "beta" */
	const char *model; /* that can run it; "": all of which no entry of the same code speaks by name */
	int64_t created_ms;
};

struct region {
	const char *id;
	struct instance **instances; /* in listing order */
	size_t n, capacity;
	int shift; /* page_shift: by how much the listing under way has moved */
};

struct fleet {
	struct pool pool;
	struct map by_id;
	struct region regions[FLEET_LIMIT_REGIONS];
	size_t n_regions;
	struct catalogue_entry catalogue[FLEET_LIMIT_CATALOGUE];
	size_t n_catalogue;
	struct random random;
	const char *last_serial;
	unsigned int n_made;
	int64_t upgrade_mean_ns;
	int64_t born_ns, born_wall_s;
};

void fleet_init(struct fleet *fleet, uint64_t seed, int64_t upgrade_mean_ns, int64_t now_ns, int64_t wall_s);
void fleet_deinit(struct fleet *fleet);

/* 0, -ENOMEM, or -E2BIG at the limit. */
__attribute__((warn_unused_result)) int fleet_add_region(struct fleet *fleet, const char *id);
struct region *fleet_region(struct fleet *fleet, const char *id);
struct instance *fleet_find(const struct fleet *fleet, const char *id);
/* A new Active instance with one device, no serial number and no version. NULL: no memory, or the limit. */
struct instance *fleet_make(struct fleet *fleet, const char *region, const char *id);
void fleet_remove(struct fleet *fleet, struct instance *instance);
/* A device without anything, in whatever state it was. */
void device_reset(struct device *device, int64_t started_ns);
/* Takes a device out of one instance, with all that is under way on it, and into another that has one or none. */
void fleet_move(struct instance *from, unsigned int device, struct instance *to);
size_t fleet_size(const struct fleet *fleet);

/* The catalogue holds each code once per kind and model; adding it again changes channel and date. */
__attribute__((warn_unused_result)) int fleet_add_version(struct fleet *fleet, const struct catalogue_entry *entry);
/* Is this the entry that a device of that model sees of its code? */
bool fleet_offers(const struct fleet *fleet, const struct catalogue_entry *entry, const char *model);
bool fleet_offers_any(const struct fleet *fleet, enum version_kind kind, const char *model);
bool fleet_has_version(const struct fleet *fleet, enum version_kind kind, const char *code, const char *model);
bool version_kind_parse(const char *name, enum version_kind *ret_kind);
/* Dotted numbers, missing parts are 0, other text by strcmp(). */
int version_order(const char *a, const char *b);

bool instance_is_software(const struct instance *instance);
/* Status as the list shows it for one of its devices. */
const char *instance_status(struct instance *instance, unsigned int device, int64_t now_ns);
/* Index of the device that carries the traffic. */
unsigned int instance_master(struct instance *instance, int64_t now_ns);

/* Brings upgrades that are over to their end; every read of a device goes through here first. */
void device_settle(struct device *device, int64_t now_ns);
bool device_has_left(const struct device *device, int64_t now_ns);
bool device_is_upgrading(struct device *device, int64_t now_ns);
/* Starts the upgrade, or starts it again when one is under way. */
void fleet_upgrade(struct fleet *fleet, struct device *device, enum version_kind kind, const char *version,
                   enum outcome outcome, int64_t now_ns);

/* generate.c: the fleet that a seed gives; the catalogue alone. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int fleet_generate(struct fleet *fleet, size_t n_instances);
__attribute__((warn_unused_result)) int fleet_generate_catalogue(struct fleet *fleet);
