/*
 * The live table as metric families: the rows that a scrape is written from.
 *
 * Totals (by phase, by version, by pin) are counted in one flat walk when a scrape begins, and shared while no step
 * was made since. Nothing outlives its object: what is not in the table is not in the scrape.
 */
#pragma once

#include "daemon.h"

int view_new(struct daemon *d, bool has_target_metrics, struct view **ret_view) __attribute__((warn_unused_result));
struct view *view_free(struct view *v);
const struct expose_source *view_source(const struct view *v);
