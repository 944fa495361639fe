/* Growing arrays, and one arena for their texts. */
#include "picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536

struct picture_chunk {
	struct picture_chunk *next;
	size_t used, size;
	char text[];
};

void picture_init(struct picture *f)
{
	*f = (struct picture){ .is_storing = true, .version = "", .config_path = "", .config_hash = "" };
}

void picture_deinit(struct picture *f)
{
	while (f->chunks) {
		struct picture_chunk *chunk = f->chunks;

		f->chunks = chunk->next;
		free(chunk);
	}
	free(f->scopes);
	free(f->gates);
	free(f->instances);
	free(f->instance_scope);
	free(f->records);
	free(f->wanted);
	picture_init(f);
}

int picture_text(struct picture *f, const char *text, const char **ret_copy)
{
	size_t size = strlen(text) + 1;
	struct picture_chunk *chunk = f->chunks;

	if (size == 1) {
		*ret_copy = "";
		return 0;
	}
	if (!chunk || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return -ENOMEM;
		*chunk = (struct picture_chunk){ .next = f->chunks, .size = room };
		f->chunks = chunk;
	}
	*ret_copy = memcpy(chunk->text + chunk->used, text, size);
	chunk->used += size;
	return 0;
}

/* NULL stays NULL. */
static int text_in_place(struct picture *f, const char **text)
{
	return *text ? picture_text(f, *text, text) : 0;
}

static int texts_in_place(struct picture *f, const char **const *texts, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = text_in_place(f, texts[i]);
	return r;
}
#define TEXTS_IN_PLACE(f, ...)                                                                                                             \
	texts_in_place(f, (const char **const[]){ __VA_ARGS__ }, sizeof((const char **const[]){ __VA_ARGS__ }) / sizeof(const char **))

/* Room for one more. */
static void *grown(void *items, size_t n, size_t *size, size_t item_bytes)
{
	size_t want = *size ? *size * 2 : 16;
	void *moved;

	if (n < *size)
		return items;
	moved = reallocarray(items, want, item_bytes);
	if (moved)
		*size = want;
	return moved;
}

static void *grown_u32(void *items, uint32_t n, uint32_t *size, size_t item_bytes)
{
	size_t wide = *size;
	void *moved = n < UINT32_MAX / 4 ? grown(items, n, &wide, item_bytes) : NULL;

	if (moved)
		*size = (uint32_t)wide;
	return moved;
}

int picture_add_scope(struct picture *f, const struct picture_scope *scope)
{
	struct picture_scope *items = grown_u32(f->scopes, f->n_scopes, &f->size_scopes, sizeof(*items)), *added;

	if (!items)
		return -ENOMEM;
	f->scopes = items;
	added = &items[f->n_scopes];
	*added = *scope;
	if (TEXTS_IN_PLACE(f, &added->account, &added->region_id) < 0)
		return -ENOMEM;
	f->n_scopes++;
	return 0;
}

int picture_add_gate(struct picture *f, const struct picture_gate *gate)
{
	struct picture_gate *items = grown_u32(f->gates, f->n_gates, &f->size_gates, sizeof(*items)), *added;

	if (!items)
		return -ENOMEM;
	f->gates = items;
	added = &items[f->n_gates];
	*added = *gate;
	if (text_in_place(f, &added->policy) < 0)
		return -ENOMEM;
	f->n_gates++;
	return 0;
}

static int device_in_place(struct picture *f, struct device_observation *d)
{
	return TEXTS_IN_PLACE(f, &d->serial_number, &d->version, &d->dpi_version);
}

int picture_add_instance(struct picture *f, uint32_t scope, const struct observation *o)
{
	struct observation *items, *added;
	uint32_t *scopes, size = f->size_instances;

	items = grown_u32(f->instances, f->n_instances, &size, sizeof(*items));
	if (!items)
		return -ENOMEM;
	f->instances = items;
	scopes = reallocarray(f->instance_scope, size, sizeof(*scopes));
	if (!scopes)
		return -ENOMEM; /* the other array is larger than its size says: harmless */
	f->instance_scope = scopes;
	f->size_instances = size;
	added = &items[f->n_instances];
	*added = *o;
	if (TEXTS_IN_PLACE(f, &added->instance_id, &added->name, &added->model, &added->resource_group, &added->ccn, &added->city,
			   &added->status_text) < 0)
		return -ENOMEM;
	for (unsigned int k = 0; k < added->n_devices; k++)
		if (device_in_place(f, &added->devices[k]) < 0)
			return -ENOMEM;
	scopes[f->n_instances++] = scope;
	return 0;
}

int picture_add_record(struct picture *f, const struct record *record)
{
	struct record *items = grown(f->records, f->n_records, &f->size_records, sizeof(*items)), *added;

	if (!items)
		return -ENOMEM;
	f->records = items;
	added = &items[f->n_records];
	*added = *record;
	for (unsigned int i = 0; i < record_formats[record->kind].n_texts; i++)
		if (text_in_place(f, &added->text[i]) < 0)
			return -ENOMEM;
	f->n_records++;
	return 0;
}

int picture_add_wanted(struct picture *f, const struct picture_wanted *wanted)
{
	struct picture_wanted *items = grown(f->wanted, f->n_wanted, &f->size_wanted, sizeof(*items)), *added;

	if (!items)
		return -ENOMEM;
	f->wanted = items;
	added = &items[f->n_wanted];
	*added = *wanted;
	if (TEXTS_IN_PLACE(f, &added->serial_number, &added->desired, &added->policy, &added->pin, &added->wave) < 0)
		return -ENOMEM;
	f->n_wanted++;
	return 0;
}

static int wanted_order(const void *a, const void *b)
{
	const struct picture_wanted *x = a, *y = b;
	int order = strcmp(x->serial_number, y->serial_number);

	return order ? order : (int)x->version_type - (int)y->version_type;
}

/* A stable one, by counting: records of one kind may follow from each other. */
static void sort_records(struct picture *f)
{
	struct record *sorted = reallocarray(NULL, f->n_records + 1, sizeof(*sorted));
	size_t at = 0;

	if (!sorted)
		return; /* whoever filled it kept the order already, unless two sources were mixed */
	for (unsigned int kind = 0; kind < RECORD_KIND_N; kind++)
		for (size_t i = 0; i < f->n_records; i++)
			if ((unsigned int)f->records[i].kind == kind)
				sorted[at++] = f->records[i];
	free(f->records);
	f->records = sorted;
	f->size_records = f->n_records + 1;
}

void picture_sort(struct picture *f)
{
	for (size_t i = 1; i < f->n_records; i++)
		if (f->records[i].kind < f->records[i - 1].kind) {
			sort_records(f);
			break;
		}
	if (f->n_wanted)
		qsort(f->wanted, f->n_wanted, sizeof(*f->wanted), wanted_order);
}

const struct picture_wanted *picture_find_wanted(const struct picture *f, const char *serial_number, enum version_type type)
{
	const struct picture_wanted key = { .serial_number = serial_number, .version_type = type };

	return f->n_wanted ? bsearch(&key, f->wanted, f->n_wanted, sizeof(key), wanted_order) : NULL;
}

uint32_t picture_find_scope(const struct picture *f, const char *account, const char *region_id)
{
	for (uint32_t i = 0; i < f->n_scopes; i++)
		if (strcmp(f->scopes[i].account, account) == 0 && strcmp(f->scopes[i].region_id, region_id) == 0)
			return i;
	return NONE;
}
