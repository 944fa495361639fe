/*
 * How the registry keeps its series: private to metrics/, for the registry and the writer.
 */
#pragma once

#include "registry.h"

/* Longer label values are cut. Histograms are written in one piece, which this keeps below EXPOSE_BLOCK_MIN. */
#define SERIES_LABEL_MAX 256

struct series {
	const struct metric *metric;
	uint64_t hash;
	double value;     /* histograms: the sum */
	uint64_t *counts; /* histograms: per bucket, not cumulative, the last for +Inf; else NULL */
	const char *labels[METRIC_LABELS_MAX];
	size_t label_lens[METRIC_LABELS_MAX];
};

/* In order of creation. */
struct family {
	struct series **series;
	size_t n, capacity;
	uint64_t generation; /* grows when series are dropped: a writer in the middle then leaves the family */
};

const struct family *registry_family(const struct registry *r, enum metric_id id);
