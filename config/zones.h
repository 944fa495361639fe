/*
 * The system's time zones by their IANA names: reads the files (tzif.h parses them) and keeps each zone that was asked for.
 */
#pragma once

#include "tzif.h"

#define ZONES_NAME_BYTES_MAX 64
#define ZONES_DIRECTORY_DEFAULT "/usr/share/zoneinfo"

enum {
	ZONES_OK = 0,
	ZONES_E_UNKNOWN = 1, /* no such zone, no name of one, or no tzdata at all */
	ZONES_E_UNUSABLE = 2, /* the file is there, and cannot be read or is damaged */
};

struct zones;

/* Zones are those of $TZDIR, as for other programs, or else of ZONES_DIRECTORY_DEFAULT. 0 or -ENOMEM. */
int zones_new(struct zones **ret_zones) __attribute__((warn_unused_result));
/* And every zone that it gave. */
struct zones *zones_free(struct zones *z);
/* 0, ZONES_E_X with a text that says what to do, or -ENOMEM. The zone is borrowed and lives as long as `z`. */
int zones_get(struct zones *z, const char *name, const struct tzif **ret_zone, struct error *ret_error) __attribute__((warn_unused_result));
