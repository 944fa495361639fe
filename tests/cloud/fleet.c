/*
 * Devices in time: who is there, what runs on it now, and what an accepted
 * upgrade does to it until it is over.
 *
 * Knows no API and no network. Never asks for the time itself.
 */
#include "fleet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES_AFTER_PERCENT 30 /* of its upgrade time a device still runs, on the old version */

const char *const version_kind_names[VERSION_KIND_N] = {
	[VERSION_KIND_DEVICE] = "Device",
	[VERSION_KIND_DPI] = "Dpi",
};

void fleet_init(struct fleet *fleet, uint64_t seed, int64_t upgrade_mean_ns, int64_t now_ns, int64_t wall_s)
{
	*fleet = (struct fleet){
		.random = {seed},
		.last_serial = "",
		.upgrade_mean_ns = upgrade_mean_ns,
		.born_ns = now_ns,
		.born_wall_s = wall_s,
	};
}

void fleet_deinit(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n_regions; i++) {
		for (size_t j = 0; j < fleet->regions[i].n; j++)
			free(fleet->regions[i].instances[j]);
		free(fleet->regions[i].instances);
	}
	map_deinit(&fleet->by_id);
	pool_deinit(&fleet->pool);
	*fleet = (struct fleet){0};
}

int fleet_add_region(struct fleet *fleet, const char *id)
{
	if (fleet_region(fleet, id) != NULL)
		return 0;
	if (fleet->n_regions == FLEET_LIMIT_REGIONS)
		return -E2BIG;
	id = pool_string(&fleet->pool, id);
	if (id == NULL)
		return -ENOMEM;
	fleet->regions[fleet->n_regions++] = (struct region){.id = id};
	return 0;
}

struct region *fleet_region(struct fleet *fleet, const char *id)
{
	for (size_t i = 0; i < fleet->n_regions; i++)
		if (strcmp(fleet->regions[i].id, id) == 0)
			return &fleet->regions[i];
	return NULL;
}

struct instance *fleet_find(const struct fleet *fleet, const char *id)
{
	return map_get(&fleet->by_id, id);
}

size_t fleet_size(const struct fleet *fleet)
{
	return fleet->by_id.n;
}

static bool region_reserve(struct region *region)
{
	size_t capacity = region->capacity == 0 ? 64 : region->capacity * 2;
	struct instance **instances;

	if (region->n < region->capacity)
		return true;
	instances = reallocarray(region->instances, capacity, sizeof(struct instance *));
	if (instances == NULL)
		return false;
	region->instances = instances;
	region->capacity = capacity;
	return true;
}

void device_reset(struct device *device, int64_t started_ns)
{
	*device = (struct device){.serial = "", .ha_state = "", .versions = {"", ""}, .started_ns = started_ns};
	for (unsigned int i = 0; i < VERSION_KIND_N; i++)
		device->policies[i] = (struct auto_policy){"manual", "", "Asia/Shanghai", 0, 0};
}

struct instance *fleet_make(struct fleet *fleet, const char *region_id, const char *id)
{
	struct region *region = fleet_region(fleet, region_id);
	struct instance *instance;

	if (region == NULL || fleet_size(fleet) >= FLEET_LIMIT_INSTANCES || !region_reserve(region))
		return NULL;
	instance = calloc(1, sizeof(*instance));
	id = pool_string(&fleet->pool, id);
	if (instance == NULL || id == NULL || map_add(&fleet->by_id, id, instance) < 0) {
		free(instance);
		return NULL;
	}
	*instance = (struct instance){
		.id = id,
		.region = region->id,
		.name = id,
		.model = "sag-100wm",
		.status = "Active",
		.resource_group = "rg-default",
		.ccn = "ccn-default",
		.city = "",
		.traffic_master = "",
		.twin_serial = fleet->last_serial,
		.n_devices = 1,
		.ordinal = fleet->n_made++,
	};
	for (unsigned int i = 0; i < 2; i++)
		device_reset(&instance->devices[i], fleet->born_ns);
	region->instances[region->n++] = instance;
	return instance;
}

void fleet_remove(struct fleet *fleet, struct instance *instance)
{
	struct region *region = fleet_region(fleet, instance->region);

	for (size_t i = 0; i < region->n; i++) {
		if (region->instances[i] != instance)
			continue;
		region->n--;
		memmove(&region->instances[i], &region->instances[i + 1],
		        (region->n - i) * sizeof(struct instance *));
		break;
	}
	map_remove(&fleet->by_id, instance->id);
	free(instance);
}

void fleet_move(struct instance *from, unsigned int device, struct instance *to)
{
	struct device moved = from->devices[device];

	from->n_devices--;
	if (device == 0)
		from->devices[0] = from->devices[1];
	device_reset(&from->devices[1], 0);
	if (from->n_devices == 0)
		device_reset(&from->devices[0], 0);
	to->devices[to->n_devices++] = moved;
}

/* The index of the entry for exactly this model; n_catalogue when there is none. */
static size_t fleet_version(const struct fleet *fleet, enum version_kind kind, const char *code, const char *model)
{
	size_t i;

	for (i = 0; i < fleet->n_catalogue; i++)
		if (fleet->catalogue[i].kind == kind && strcmp(fleet->catalogue[i].code, code) == 0 &&
		    strcmp(fleet->catalogue[i].model, model) == 0)
			break;
	return i;
}

int fleet_add_version(struct fleet *fleet, const struct catalogue_entry *entry)
{
	size_t i = fleet_version(fleet, entry->kind, entry->code, entry->model);
	struct catalogue_entry kept = {
		.kind = entry->kind,
		.code = pool_string(&fleet->pool, entry->code),
		.channel = pool_string(&fleet->pool, entry->channel),
		.model = pool_string(&fleet->pool, entry->model),
		.created_ms = entry->created_ms,
	};

	if (kept.code == NULL || kept.channel == NULL || kept.model == NULL)
		return -ENOMEM;
	if (i == FLEET_LIMIT_CATALOGUE)
		return -E2BIG;
	fleet->n_catalogue += i == fleet->n_catalogue;
	fleet->catalogue[i] = kept;
	return 0;
}

bool fleet_offers(const struct fleet *fleet, const struct catalogue_entry *entry, const char *model)
{
	if (entry->model[0] != '\0')
		return strcmp(entry->model, model) == 0;
	return fleet_version(fleet, entry->kind, entry->code, model) == fleet->n_catalogue;
}

bool fleet_offers_any(const struct fleet *fleet, enum version_kind kind, const char *model)
{
	for (size_t i = 0; i < fleet->n_catalogue; i++)
		if (fleet->catalogue[i].kind == kind && fleet_offers(fleet, &fleet->catalogue[i], model))
			return true;
	return false;
}

bool fleet_has_version(const struct fleet *fleet, enum version_kind kind, const char *code, const char *model)
{
	return fleet_version(fleet, kind, code, model) < fleet->n_catalogue ||
	       fleet_version(fleet, kind, code, "") < fleet->n_catalogue;
}

bool version_kind_parse(const char *name, enum version_kind *ret_kind)
{
	for (unsigned int i = 0; i < VERSION_KIND_N; i++) {
		if (strcmp(version_kind_names[i], name) == 0) {
			*ret_kind = (enum version_kind)i;
			return true;
		}
	}
	return false;
}

static bool is_dotted_number(const char *text)
{
	return text[strspn(text, "0123456789.")] == '\0' && text[0] != '\0';
}

int version_order(const char *a, const char *b)
{
	if (!is_dotted_number(a) || !is_dotted_number(b))
		return strcmp(a, b);
	while (*a != '\0' || *b != '\0') {
		char *a_end, *b_end;
		unsigned long left = strtoul(a, &a_end, 10), right = strtoul(b, &b_end, 10);

		if (left != right)
			return left < right ? -1 : 1;
		a = a_end + (*a_end == '.');
		b = b_end + (*b_end == '.');
	}
	return 0;
}

bool instance_is_software(const struct instance *instance)
{
	return strcmp(instance->model, "sag-software") == 0;
}

static void upgrade_settle(struct device *device, enum version_kind kind, int64_t now_ns)
{
	struct upgrade *upgrade = &device->upgrades[kind];

	if (upgrade->to == NULL || now_ns < upgrade->back_ns)
		return;
	if (upgrade->outcome == OUTCOME_STUCK && kind == VERSION_KIND_DEVICE)
		return; /* gone for good */
	if (upgrade->outcome == OUTCOME_DONE)
		device->versions[kind] = upgrade->to;
	if (kind == VERSION_KIND_DEVICE)
		device->started_ns = upgrade->back_ns;
	upgrade->to = NULL;
}

void device_settle(struct device *device, int64_t now_ns)
{
	for (unsigned int i = 0; i < VERSION_KIND_N; i++)
		upgrade_settle(device, (enum version_kind)i, now_ns);
}

bool device_has_left(const struct device *device, int64_t now_ns)
{
	const struct upgrade *upgrade = &device->upgrades[VERSION_KIND_DEVICE];

	return upgrade->to != NULL && now_ns >= upgrade->left_ns &&
	       (now_ns < upgrade->back_ns || upgrade->outcome == OUTCOME_STUCK);
}

bool device_is_upgrading(struct device *device, int64_t now_ns)
{
	device_settle(device, now_ns);
	for (unsigned int i = 0; i < VERSION_KIND_N; i++)
		if (device->upgrades[i].to != NULL)
			return true;
	return false;
}

const char *instance_status(struct instance *instance, unsigned int device, int64_t now_ns)
{
	device_settle(&instance->devices[device], now_ns);
	if (strcmp(instance->status, "Active") == 0 && device_has_left(&instance->devices[device], now_ns))
		return "Offline";
	return instance->status;
}

unsigned int instance_master(struct instance *instance, int64_t now_ns)
{
	return instance->n_devices == 2 && device_has_left(&instance->devices[0], now_ns) &&
	       !device_has_left(&instance->devices[1], now_ns);
}

void fleet_upgrade(struct fleet *fleet, struct device *device, enum version_kind kind, const char *version,
                   enum outcome outcome, int64_t now_ns)
{
	/* 50 % to 150 % of the mean, the same for a device on every run of the seed. */
	double share = 0.5 + random_unit(&(struct random){fleet->random.state ^ hash_string(device->serial)});
	int64_t whole_ns = (int64_t)((double)fleet->upgrade_mean_ns * share);

	device->upgrades[kind] = (struct upgrade){
		.to = version,
		.accepted_ns = now_ns,
		.left_ns = now_ns + whole_ns * LEAVES_AFTER_PERCENT / 100,
		.back_ns = now_ns + whole_ns,
		.outcome = outcome,
	};
}
