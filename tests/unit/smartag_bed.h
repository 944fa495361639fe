/*
 * What the tests of the Smartag API share: one golden reply for each read, all reads behind one shape, and a way to
 * replace any field of a golden reply.
 */
#pragma once

#include "cloud/smartag.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define TEN "0123456789"
#define SIXTY_FOUR TEN TEN TEN TEN TEN TEN "0123"

enum { PAGE, ATTRIBUTE, LONER, DEVICE_INFO, CATALOGUE, HA, AUTO_UPGRADE, READS_N };

struct golden_read {
	const char *body;
	int (*read)(struct api_reply *reply); /* what it reads is thrown away */
};
extern const struct golden_read reads[READS_N];

/* What the last failed read said. */
extern struct error bed_error;

/* A parsed reply; the test fails when the body is none. The caller frees it. */
struct api_reply *reply_of(const char *body);

void check_device(const struct device_observation *d, const char *serial_number, const char *version,
		  const char *dpi_version, enum status status);

enum kind {
	TEXT,   /* only shown: cut when too long */
	WORD,   /* an id, serial number or version: 64 bytes, else invalid */
	NUMBER, /* a whole number from 0 */
	COUNT,  /* a number that must be there */
	ID,     /* a word that must be there */
	GROUP,  /* an object that may be missing */
	LIST,   /* an array that may be missing */
};

struct field {
	int read;
	const char *path; /* from the root, by dots; a digit is an index */
	const char *key;
	enum kind kind;
};

/* The golden body with the field replaced by JSON as it stands; NULL takes it away. The caller frees it. */
char *replaced(const struct field *f, const char *value);
