/*
 * What an error code of the API means: one table, by code and never by HTTP status (API reference, "Errors";
 * rule 3: only what this table calls refused is refused). Pure.
 */
#pragma once

#include "core/model.h"

struct error_code {
	const char *code;        /* exact, or a prefix when is_prefix */
	bool is_prefix;
	bool is_documented;      /* one of the ten of UpdateSmartAccessGatewayVersion: a label value of its own */
	enum error_class on_read;    /* for every read */
	enum error_class on_upgrade; /* UNCONFIRMED unless the upgrade was surely refused */
	enum reason reason;      /* what the target shows when the upgrade was refused */
	const char *advice;      /* the next step for an operator, one sentence */
};

extern const struct error_code error_codes[];
extern const size_t error_codes_n;

/* The entry for a code, or NULL for one that we do not know (an upgrade is then unconfirmed, a read transient). */
const struct error_code *error_code_find(const char *code);
