/*
 * Families of series, found by a hash over all label values.
 *
 * A series never moves, so callers keep pointers and count without a lookup. A failed call changes nothing.
 * Must not read a clock or write anything: the values are the callers', the text is expose.c's.
 */
#include "registry.h"
#include "core/utf8.h"
#include "series.h"
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct registry {
	struct family families[METRIC_N];
	struct series **slots; /* open addressing, at most half full; a power of two */
	size_t n_slots;
	size_t n_series;
};

#define SLOTS_MIN 256

int registry_new(struct registry **ret_registry)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->slots = calloc(SLOTS_MIN, sizeof(*r->slots));
	if (!r->slots) {
		free(r);
		return -ENOMEM;
	}
	r->n_slots = SLOTS_MIN;
	*ret_registry = r;
	return 0;
}

struct registry *registry_free(struct registry *r)
{
	if (!r)
		return NULL;
	for (size_t id = 0; id < METRIC_N; id++) {
		for (size_t i = 0; i < r->families[id].n; i++)
			free(r->families[id].series[i]);
		free(r->families[id].series);
	}
	free(r->slots);
	free(r);
	return NULL;
}

const struct family *registry_family(const struct registry *r, enum metric_id id)
{
	return &r->families[id];
}

/* Label values as the series will hold them. */
struct key {
	const struct metric *metric;
	size_t n;
	uint64_t hash;
	size_t lens[METRIC_LABELS_MAX];
	char values[METRIC_LABELS_MAX][SERIES_LABEL_MAX + 1];
};

/* FNV-1a: the values are bounded and our own or the operator's, so nobody can aim at collisions. */
static uint64_t hash_bytes(uint64_t hash, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void key_init(struct key *k, enum metric_id id, const char *const *label_values)
{
	const char id_byte = (char)id;

	static_assert(METRIC_N <= 256, "the id is hashed as one byte");
	k->metric = &metric_catalogue[id];
	k->n = metric_n_labels(id);
	k->hash = hash_bytes(UINT64_C(0xcbf29ce484222325), &id_byte, 1);
	for (size_t i = 0; i < k->n; i++) {
		k->lens[i] = utf8_clean(label_values[i], strlen(label_values[i]), k->values[i], sizeof(k->values[i]));
		k->hash = hash_bytes(k->hash, k->values[i], k->lens[i] + 1);
	}
}

static bool key_matches(const struct key *k, const struct series *s)
{
	if (s->hash != k->hash || s->metric != k->metric)
		return false;
	for (size_t i = 0; i < k->n; i++) {
		if (strcmp(s->labels[i], k->values[i]) != 0)
			return false;
	}
	return true;
}

static struct series *series_new(const struct key *k)
{
	size_t n_counts = k->metric->type == METRIC_HISTOGRAM ? k->metric->n_buckets + 1 : 0;
	size_t size = sizeof(struct series) + n_counts * sizeof(uint64_t);
	struct series *s;
	char *text;

	for (size_t i = 0; i < k->n; i++)
		size += k->lens[i] + 1;
	s = calloc(1, size);
	if (!s)
		return NULL;
	s->metric = k->metric;
	s->hash = k->hash;
	s->counts = n_counts > 0 ? (uint64_t *)(s + 1) : NULL;
	text = (char *)(s + 1) + n_counts * sizeof(uint64_t);
	for (size_t i = 0; i < k->n; i++) {
		memcpy(text, k->values[i], k->lens[i] + 1);
		s->labels[i] = text;
		s->label_lens[i] = k->lens[i];
		text += k->lens[i] + 1;
	}
	return s;
}

static void slots_put(struct series **slots, size_t n_slots, struct series *s)
{
	size_t i = s->hash & (n_slots - 1);

	while (slots[i])
		i = (i + 1) & (n_slots - 1);
	slots[i] = s;
}

/* Makes room for one more in the table and in the family. */
static int reserve(struct registry *r, struct family *f)
{
	if (2 * (r->n_series + 1) > r->n_slots) {
		struct series **slots = calloc(2 * r->n_slots, sizeof(struct series *));

		if (!slots)
			return -ENOMEM;
		for (size_t i = 0; i < r->n_slots; i++) {
			if (r->slots[i])
				slots_put(slots, 2 * r->n_slots, r->slots[i]);
		}
		free(r->slots);
		r->slots = slots;
		r->n_slots *= 2;
	}
	if (f->n == f->capacity) {
		size_t capacity = f->capacity > 0 ? 2 * f->capacity : 4;
		struct series **series = reallocarray(f->series, capacity, sizeof(struct series *));

		if (!series)
			return -ENOMEM;
		f->series = series;
		f->capacity = capacity;
	}
	return 0;
}

struct series *registry_series(struct registry *r, enum metric_id id, const char *const *label_values)
{
	struct family *f = &r->families[id];
	struct series *s;
	struct key k;

	assert(metric_catalogue[id].source == METRIC_SOURCE_REGISTRY);
	key_init(&k, id, label_values);
	for (size_t i = k.hash & (r->n_slots - 1); r->slots[i]; i = (i + 1) & (r->n_slots - 1)) {
		if (key_matches(&k, r->slots[i]))
			return r->slots[i];
	}
	if (reserve(r, f) < 0)
		return NULL;
	s = series_new(&k);
	if (!s)
		return NULL;
	slots_put(r->slots, r->n_slots, s);
	f->series[f->n++] = s;
	r->n_series++;
	return s;
}

void registry_clear(struct registry *r, enum metric_id id)
{
	struct family *f = &r->families[id];

	/* Rare and small (info metrics of a reload): the table is filled again instead of leaving tombstones. */
	memset(r->slots, 0, r->n_slots * sizeof(struct series *));
	for (size_t i = 0; i < f->n; i++)
		free(f->series[i]);
	r->n_series -= f->n;
	f->n = 0;
	f->generation++;
	for (size_t j = 0; j < METRIC_N; j++) {
		for (size_t i = 0; i < r->families[j].n; i++)
			slots_put(r->slots, r->n_slots, r->families[j].series[i]);
	}
}

void series_add(struct series *s, double delta)
{
	assert(s->metric->type == METRIC_GAUGE || (s->metric->type == METRIC_COUNTER && delta >= 0));
	s->value += delta;
}

void series_set(struct series *s, double value)
{
	assert(s->metric->type != METRIC_HISTOGRAM);
	s->value = value;
}

void series_observe(struct series *s, double value)
{
	size_t i = 0;

	assert(s->metric->type == METRIC_HISTOGRAM && !isnan(value));
	while (i < s->metric->n_buckets && value > s->metric->buckets[i])
		i++;
	s->counts[i]++;
	s->value += value;
}

double series_value(const struct series *s)
{
	return s->value;
}
