/*
 * Pages to one verdict.
 *
 * What a complete listing guarantees: each entry was in the inventory when its page was read, no id stands twice,
 * and there are as many as every page told. So it is exactly the inventory if that did not change from the first
 * read to the last; and if it only grew, only shrank, or only changed its order, it is exact or inconsistent.
 * What pages cannot tell: if as many instances come as go between the same two reads, the totals stay, and one
 * that was there all the time may move from a page still to be read to one that was read. Such a listing is
 * complete and lacks it; that is why an instance leaves only after two complete listings without it (rule 8).
 *
 * Each page is kept as one block: fixed records, then the text of all. A set of ids by place finds duplicates.
 */
#include "listing.h"
#include "core/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRINGS_OF_INSTANCE 7
#define STRINGS_OF_DEVICE 3
#define STRINGS_MAX (STRINGS_OF_INSTANCE + LIMIT_DEVICES * STRINGS_OF_DEVICE)

struct device_record {
	uint8_t status, ha_role, controller, vpn;
	bool has_dpi; /* the read told: then the text is there, else the observation has NULL */
};

/* The strings stand behind each other in the order of collect(), each with its terminator; the id is the first. */
struct entry {
	uint32_t text;
	uint8_t status, n_devices;
	bool has_attributes, is_status_known;
	struct device_record devices[LIMIT_DEVICES];
};

struct block {
	int64_t read_ns;
	uint32_t n;
	struct entry records[]; /* n of them, then the text */
};

struct listing {
	int64_t started_ns;
	bool is_broken;
	uint32_t total, page_size;
	uint32_t n_pages, n_read; /* n_pages is 0 before page 1 */
	uint32_t next;            /* page to ask for */
	struct block **blocks;    /* by page number - 1 */
	uint32_t *ids;            /* open addressing: place + 1, where place = page index * page_size + index; 0 is free */
	uint32_t mask;
	struct observation taken[LIMIT_PAGE];
};

int listing_new(int64_t started_ns, struct listing **ret_listing)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->started_ns = started_ns;
	l->next = 1;
	*ret_listing = l;
	return 0;
}

struct listing *listing_free(struct listing *l)
{
	if (!l)
		return NULL;
	for (uint32_t i = 0; i < l->n_pages; i++)
		free(l->blocks[i]);
	free(l->blocks);
	free(l->ids);
	free(l);
	return NULL;
}

uint32_t listing_next_page(struct listing *l)
{
	if (l->is_broken || (l->n_pages ? l->next > l->n_pages : l->next > 1))
		return 0;
	return l->next++;
}

int64_t listing_started_ns(const struct listing *l)
{
	return l->started_ns;
}

uint32_t listing_total(const struct listing *l)
{
	return l->total;
}

/* ---- records ---- */

static const char *block_text(const struct block *b)
{
	return (const char *)&b->records[b->n];
}

/* The strings of an observation in the order of a record; returns how many. */
static size_t collect(const struct observation *o, const char *ret_strings[STRINGS_MAX])
{
	size_t n = 0;

	ret_strings[n++] = o->instance_id;
	ret_strings[n++] = o->name;
	ret_strings[n++] = o->model;
	ret_strings[n++] = o->resource_group;
	ret_strings[n++] = o->ccn;
	ret_strings[n++] = o->city;
	ret_strings[n++] = o->status_text;
	for (unsigned int i = 0; i < o->n_devices; i++) {
		ret_strings[n++] = o->devices[i].serial_number;
		ret_strings[n++] = o->devices[i].version;
		if (o->devices[i].dpi_version)
			ret_strings[n++] = o->devices[i].dpi_version;
	}
	return n;
}

static struct entry pack(const struct observation *o, uint32_t text)
{
	struct entry record = {
		.text = text,
		.status = (uint8_t)o->status,
		.n_devices = (uint8_t)o->n_devices,
		.has_attributes = o->has_attributes,
		.is_status_known = o->is_status_known,
	};

	for (unsigned int i = 0; i < o->n_devices; i++) {
		const struct device_observation *d = &o->devices[i];

		record.devices[i] = (struct device_record){
			.status = (uint8_t)d->status,
			.ha_role = (uint8_t)d->ha_role,
			.controller = (uint8_t)d->controller,
			.vpn = (uint8_t)d->vpn,
			.has_dpi = d->dpi_version != NULL,
		};
	}
	return record;
}

static const char *walk(const char **text)
{
	const char *s = *text;

	*text += strlen(s) + 1;
	return s;
}

static void unpack(const struct block *b, uint32_t index, struct observation *ret_observation)
{
	const struct entry *record = &b->records[index];
	const char *text = block_text(b) + record->text;
	struct observation *o = ret_observation;

	*o = (struct observation){
		.has_attributes = record->has_attributes,
		.is_status_known = record->is_status_known,
		.status = (enum status)record->status,
		.n_devices = record->n_devices,
	};
	o->instance_id = walk(&text);
	o->name = walk(&text);
	o->model = walk(&text);
	o->resource_group = walk(&text);
	o->ccn = walk(&text);
	o->city = walk(&text);
	o->status_text = walk(&text);
	for (unsigned int i = 0; i < o->n_devices; i++) {
		const struct device_record *d = &record->devices[i];

		o->devices[i].serial_number = walk(&text);
		o->devices[i].version = walk(&text);
		o->devices[i].dpi_version = d->has_dpi ? walk(&text) : NULL;
		o->devices[i].status = (enum status)d->status;
		o->devices[i].ha_role = (enum ha_role)d->ha_role;
		o->devices[i].controller = (enum health)d->controller;
		o->devices[i].vpn = (enum health)d->vpn;
	}
}

static struct block *block_new(const struct api_page *page, int64_t read_ns)
{
	const char *strings[STRINGS_MAX];
	size_t size = 0, at = 0;
	struct block *b;
	char *text;

	for (size_t i = 0; i < page->n; i++)
		for (size_t j = collect(&page->observations[i], strings); j-- > 0;)
			size += strlen(strings[j]) + 1;
	b = malloc(sizeof(*b) + page->n * sizeof(b->records[0]) + size);
	if (!b)
		return NULL;
	b->read_ns = read_ns;
	b->n = (uint32_t)page->n;
	text = (char *)&b->records[b->n];
	for (size_t i = 0; i < page->n; i++) {
		size_t n = collect(&page->observations[i], strings);

		b->records[i] = pack(&page->observations[i], (uint32_t)at);
		for (size_t j = 0; j < n; j++)
			at += (size_t)(stpcpy(text + at, strings[j]) - (text + at)) + 1;
	}
	return b;
}

/* ---- the set of ids ---- */

static const char *id_at(const struct listing *l, uint32_t place)
{
	const struct block *b = l->blocks[place / l->page_size];

	return block_text(b) + b->records[place % l->page_size].text;
}

/* False when the id stands somewhere already. The table is never more than half full. */
static bool put(struct listing *l, uint32_t place)
{
	const char *id = id_at(l, place);
	uint32_t slot;

	for (slot = hash_text(id) & l->mask; l->ids[slot]; slot = (slot + 1) & l->mask)
		if (!strcmp(id_at(l, l->ids[slot] - 1), id))
			return false;
	l->ids[slot] = place + 1;
	return true;
}

/* ---- pages ---- */

static int inconsistent(struct listing *l, struct error *ret_error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* For good: what of it could be repaired could as well be a page that shifted. */
static int inconsistent(struct listing *l, struct error *ret_error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_error->text, sizeof(ret_error->text), format, args);
	va_end(args);
	l->is_broken = true;
	return LISTING_E_INCONSISTENT;
}

/* Page 1 sizes everything. */
static int start(struct listing *l, const struct api_page *page)
{
	uint32_t n_pages = page->total ? (page->total - 1) / page->page_size + 1 : 1;
	uint32_t n_slots = 2;
	struct block **blocks;
	uint32_t *ids;

	while (n_slots < 2 * page->total)
		n_slots *= 2;
	blocks = calloc(n_pages, sizeof(struct block *));
	ids = calloc(n_slots, sizeof(*ids));
	if (!blocks || !ids) {
		free(blocks);
		free(ids);
		return -ENOMEM;
	}
	l->blocks = blocks;
	l->ids = ids;
	l->mask = n_slots - 1;
	l->total = page->total;
	l->page_size = page->page_size;
	l->n_pages = n_pages;
	l->next = 2;
	return 0;
}

/* How many entries a page must have: all are full but the last. */
static uint32_t expected(const struct listing *l, uint32_t page_number)
{
	return page_number < l->n_pages ? l->page_size : l->total - (l->n_pages - 1) * l->page_size;
}

static int check(struct listing *l, uint32_t page_number, const struct api_page *page, struct error *ret_error)
{
	if (page_number == 0 || page_number > l->n_pages)
		return inconsistent(l, ret_error, "page %u of %u", page_number, l->n_pages);
	if (l->blocks[page_number - 1])
		return inconsistent(l, ret_error, "page %u came twice", page_number);
	if (page->page_number != page_number)
		return inconsistent(l, ret_error, "page %u says that it is page %u", page_number, page->page_number);
	if (page->total != l->total)
		return inconsistent(l, ret_error, "page 1 told %u instances, page %u tells %u", l->total, page_number,
				    page->total);
	if (page->page_size != l->page_size)
		return inconsistent(l, ret_error, "page 1 held %u entries, page %u is for %u", l->page_size, page_number,
				    page->page_size);
	if (page->n != expected(l, page_number))
		return inconsistent(l, ret_error, "page %u has %zu entries instead of %u", page_number, page->n,
				    expected(l, page_number));
	return 0;
}

static int keep(struct listing *l, uint32_t page_number, const struct api_page *page, int64_t read_ns,
		struct error *ret_error)
{
	uint32_t first = (page_number - 1) * l->page_size;
	struct block *b = block_new(page, read_ns);

	if (!b)
		return -ENOMEM;
	l->blocks[page_number - 1] = b;
	for (uint32_t i = 0; i < b->n; i++)
		if (!put(l, first + i))
			return inconsistent(l, ret_error, "%s stands twice, the second time on page %u",
					    id_at(l, first + i), page_number);
	l->n_read++;
	return l->n_read == l->n_pages ? LISTING_COMPLETE : LISTING_MORE;
}

int listing_add(struct listing *l, uint32_t page_number, const struct api_page *page, int64_t read_ns,
		struct error *ret_error)
{
	int r;

	assert(page->page_size >= 1 && page->page_size <= LIMIT_PAGE && page->n <= LIMIT_PAGE); /* smartag.c saw to it */
	if (l->is_broken)
		return inconsistent(l, ret_error, "page %u of a listing that is inconsistent already", page_number);
	if (!l->n_pages) {
		if (page_number != 1)
			return inconsistent(l, ret_error, "page %u came before page 1", page_number);
		if (page->total > LISTING_INSTANCES_MAX)
			return inconsistent(l, ret_error, "%u instances are more than %d", page->total,
					    LISTING_INSTANCES_MAX);
		r = start(l, page);
		if (r)
			return r;
	}
	r = check(l, page_number, page, ret_error);
	if (r)
		return r;
	return keep(l, page_number, page, read_ns, ret_error);
}

size_t listing_take(struct listing *l, size_t first, const struct observation **ret_observations, int64_t *ret_read_ns)
{
	const struct block *b;
	uint32_t from, n;

	if (l->is_broken || !l->n_pages || l->n_read < l->n_pages || first >= l->total)
		return 0;
	b = l->blocks[first / l->page_size];
	from = (uint32_t)(first % l->page_size);
	n = b->n - from;
	for (uint32_t i = 0; i < n; i++)
		unpack(b, from + i, &l->taken[i]);
	*ret_observations = l->taken;
	*ret_read_ns = b->read_ns;
	return n;
}
