/*
 * All that another core needs to go on from here: what is durable, and what is known of the fleet. Only looks.
 *
 * Whoever asks may do so in slices, with the table held (reconcile_hold()): each part is then as it is when it is met.
 */
#pragma once

#include "reconcile.h"

/* Zeroes: from the beginning. */
struct record_cursor {
	uint32_t kind, index, part;
};
/*
 * The next record, in the order in which EVENT_RESTORED wants them; false: that was all. It tells how things are now, stored
 * or not; what left the inventory is left out. Texts are borrowed until the next step, times are on this core's clock.
 */
bool reconcile_records(const struct reconcile *r, struct record_cursor *cursor, struct record *ret_record);

/*
 * What was last read of an instance, as one observation with attributes; false: an empty slot, or it was never read. DPI
 * versions that no read told yet are NULL. Strings are borrowed until the next step.
 */
bool reconcile_observation(const struct reconcile *r, uint32_t slot, struct observation *ret_observation, uint32_t *ret_scope);

extern const char *const ha_role_names[HA_ROLE_N]; /* "unknown", "active", "standby" */

enum gate_answer {
	GATE_ANSWER_NONE, /* never asked under these settings, or it has no gate */
	GATE_ANSWER_CLOSED,
	GATE_ANSWER_OPEN,
	GATE_ANSWER_N,
};
extern const char *const gate_answer_names[GATE_ANSWER_N]; /* "none", "closed", "open" */
/* The last answer, however old. */
enum gate_answer reconcile_gate(const struct reconcile *r, uint32_t policy);

/* May the account of the scope be called, as far as its credentials go? */
bool reconcile_is_usable(const struct reconcile *r, uint32_t scope);
/* Did the last STORE succeed? */
bool reconcile_is_storing(const struct reconcile *r);
