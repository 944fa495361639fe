/*
 * The one table of metrics: name, type, help, unit, labels, and where the values come from.
 * README's table is checked against it. A metric that is not in here cannot be exported.
 */
#pragma once

#include <stddef.h>

#define METRIC_LABELS_MAX 9

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE, /* info and state series too: typed gauge in both formats */
	METRIC_HISTOGRAM,
	METRIC_TYPE_N,
};

/* Where the samples come from. */
enum metric_source {
	METRIC_SOURCE_REGISTRY, /* counted in metrics/registry */
	METRIC_SOURCE_LIVE,     /* rendered from the live table at each scrape, by the row function of expose.h */
	METRIC_SOURCE_N,
};

enum metric_id {
#define METRIC(id, ...) METRIC_##id,
#include "catalogue.def"
#undef METRIC
	METRIC_N,
};

struct metric {
	const char *name; /* counters with _total */
	enum metric_type type;
	enum metric_source source;
	const char *unit; /* OpenMetrics UNIT, a suffix of the name (without _total), or "" */
	const char *labels[METRIC_LABELS_MAX + 1]; /* NULL-terminated */
	const double *buckets; /* histograms: ascending upper bounds without +Inf */
	size_t n_buckets;
	const char *help;
};
extern const struct metric metric_catalogue[METRIC_N];

size_t metric_n_labels(enum metric_id id);
