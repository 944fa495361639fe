/*
 * Counters, gauges and histograms with label values, for what is counted rather than rendered from the table.
 *
 * A series is made once and stays (its labels are bounded by configuration and closed lists); making it at
 * start-up is what lets every counter exist at 0. Not thread-safe: the loop owns it.
 */
#pragma once

#include "catalogue.h"
#include <stdint.h>

struct registry;
struct series;

int registry_new(struct registry **ret_registry) __attribute__((warn_unused_result));
struct registry *registry_free(struct registry *r);

/*
 * Finds or makes the series with these label values (as many as the metric has labels; copied, cleaned to valid UTF-8,
 * cut at 256 bytes). NULL: out of memory.
 */
struct series *registry_series(struct registry *r, enum metric_id id, const char *const *label_values);
/* Drops all series of a metric whose label values are no longer wanted (info metrics of reloads); pointers to them end. */
void registry_clear(struct registry *r, enum metric_id id);

void series_add(struct series *s, double delta);     /* counter: delta >= 0 */
void series_set(struct series *s, double value);     /* gauge, or a counter that is read from elsewhere (CPU seconds) */
void series_observe(struct series *s, double value); /* histogram */
double series_value(const struct series *s);         /* histograms: the sum */
