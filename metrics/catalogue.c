/*
 * The table of catalogue.def as data. Guarantees nothing by itself: test_catalogue holds it to the naming rules.
 */
#include "catalogue.h"

static const double upgrade_buckets[] = { 60, 120, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200 };
static const double request_buckets[] = { 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30 };
static const double step_buckets[] = { 0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1 };
static const double commit_buckets[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };

#define L(...) { __VA_ARGS__ }
#define NO_LABELS NULL
#define B(table) .buckets = (table), .n_buckets = sizeof(table) / sizeof((table)[0])
#define NO_BUCKETS .buckets = NULL
#define METRIC(id, name_, type_, source_, unit_, labels_, buckets_, help_)                                             \
	[METRIC_##id] = { .name = name_,                                                                               \
			  .type = METRIC_##type_,                                                                      \
			  .source = METRIC_SOURCE_##source_,                                                           \
			  .unit = unit_,                                                                               \
			  .labels = labels_,                                                                           \
			  buckets_,                                                                                    \
			  .help = help_ },

const struct metric metric_catalogue[METRIC_N] = {
#include "catalogue.def"
};

size_t metric_n_labels(enum metric_id id)
{
	size_t n = 0;

	while (metric_catalogue[id].labels[n])
		n++;
	return n;
}
