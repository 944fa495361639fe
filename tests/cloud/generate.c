/*
 * The fleet that a seed gives: a chain of shops, most of them plain, and a
 * few of every kind that a rollout has to cope with.
 *
 * The rare kinds come by position and not by chance, so that a fleet of forty
 * shops already holds each of them and one of ten thousand holds them in proportion.
 */
#include "fleet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define PERIOD 40 /* instances after which the rare kinds come again */

static const struct {
	enum version_kind kind;
	const char *code, *channel;
	int64_t created_ms;
} versions[] = {
	{VERSION_KIND_DEVICE, "2.1.0", "release", INT64_C(1583020800000)},
	{VERSION_KIND_DEVICE, "2.3.1", "release", INT64_C(1606780800000)},
	{VERSION_KIND_DEVICE, "3.0.0", "release", INT64_C(1630454400000)},
	{VERSION_KIND_DEVICE, "3.1.0", "release", INT64_C(1648771200000)},
	{VERSION_KIND_DEVICE, "3.3.0", "release", INT64_C(1677628800000)},
	{VERSION_KIND_DEVICE, "3.3.7", "release", INT64_C(1693526400000)},
	{VERSION_KIND_DEVICE, "3.4.0", "release", INT64_C(1709251200000)},
	{VERSION_KIND_DEVICE, "3.4.2", "release", INT64_C(1727740800000)},
	{VERSION_KIND_DEVICE, "3.5.0", "beta", INT64_C(1740787200000)},
	{VERSION_KIND_DPI, "1.0.1", "release", INT64_C(1648771200000)},
	{VERSION_KIND_DPI, "1.2.0", "release", INT64_C(1693526400000)},
	{VERSION_KIND_DPI, "1.3.5", "release", INT64_C(1727740800000)},
};

#define OLD_DEVICE_VERSIONS 8 /* of the table above, the ones that an ordinary shop runs */
#define FIRST_DPI_VERSION 9
#define DPI_VERSIONS 3

/* What stands at some places of every period; the other places are plain. */
static const struct kind {
	unsigned int place;
	const char *status; /* NULL: Active */
	bool is_unbound, is_ahead, is_degraded, is_scheduled;
} kinds[] = {
	{.place = 5, .is_scheduled = true},
	{.place = 7, .status = "Offline"},
	{.place = 17, .status = "Arrearage"},
	{.place = 27, .status = "Ordered"},
	{.place = 29, .is_degraded = true},
	{.place = 35, .is_ahead = true},
	{.place = 37, .is_unbound = true},
};

static const char *const models[] = {"sag-100wm", "sag-1000", "sag-100wm", "sag-vcpe"};
static const char *const cities[] = {"Shanghai", "Beijing", "Hangzhou", "Shenzhen", "Chengdu", "Wuhan", "Xi'an"};
static const char *const groups[] = {"rg-retail-east", "rg-retail-west", "rg-depots"};

int fleet_generate_catalogue(struct fleet *fleet)
{
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		const struct catalogue_entry entry = {.kind = versions[i].kind, .code = versions[i].code,
		                                      .channel = versions[i].channel, .model = "",
		                                      .created_ms = versions[i].created_ms};
		int r = fleet_add_version(fleet, &entry);

		if (r < 0)
			return r;
	}
	return 0;
}

static void generate_id(struct random *random, char ret_id[static 32])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char *out = ret_id;

	for (const char *c = "sag-"; *c != '\0'; c++)
		*out++ = *c;
	for (unsigned int i = 0; i < 18; i++)
		*out++ = digits[random_below(random, 36)];
	*out = '\0';
}

static bool generate_device(struct fleet *fleet, struct instance *instance, size_t number, const struct kind *kind)
{
	struct device *device = &instance->devices[instance->n_devices++];
	unsigned int chance = random_below(&fleet->random, OLD_DEVICE_VERSIONS);
	unsigned int dpi = random_below(&fleet->random, DPI_VERSIONS * 2);
	char serial[32];

	snprintf(serial, sizeof(serial), "sag23%06zu%c", number, instance->n_devices == 1 ? 'a' : 'b');
	device->serial = pool_string(&fleet->pool, serial);
	if (device->serial == NULL)
		return false;
	device->versions[VERSION_KIND_DEVICE] = kind->is_ahead ? "3.5.0" : versions[chance].code;
	if (strcmp(instance->model, "sag-100wm") != 0 && dpi < DPI_VERSIONS)
		device->versions[VERSION_KIND_DPI] = versions[FIRST_DPI_VERSION + dpi].code;
	device->started_ns = fleet->born_ns - (int64_t)random_below(&fleet->random, 86400 * 90) * INT64_C(1000000000);
	return true;
}

static void generate_kind(struct instance *instance, const struct kind *kind)
{
	if (kind->status != NULL)
		instance->status = kind->status;
	instance->ccn = kind->is_unbound ? "" : "ccn-retail";
	instance->is_degraded = kind->is_degraded;
	for (unsigned int i = 0; i < COUNT_OF(instance->devices) && kind->is_scheduled; i++)
		instance->devices[i].policies[VERSION_KIND_DEVICE] =
			(struct auto_policy){"scheduled", "0 0 4 ? * 1", "Asia/Shanghai", 60, 10};
}

static const struct kind *kind_at(size_t place)
{
	static const struct kind plain;

	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].place == place)
			return &kinds[i];
	return &plain;
}

static bool generate_instance(struct fleet *fleet, size_t number, size_t place)
{
	const struct kind *kind = kind_at(place);
	struct instance *instance;
	char id[32], name[32];

	generate_id(&fleet->random, id);
	snprintf(name, sizeof(name), "shop-%04zu", number);
	instance = fleet_make(fleet, fleet->regions[number % fleet->n_regions].id, id);
	if (instance == NULL)
		return false;
	instance->name = pool_string(&fleet->pool, name);
	instance->model = models[random_below(&fleet->random, COUNT_OF(models))];
	instance->city = cities[random_below(&fleet->random, COUNT_OF(cities))];
	instance->resource_group = groups[random_below(&fleet->random, COUNT_OF(groups))];
	instance->n_devices = 0;
	if (place % 10 == 3)
		instance->model = "sag-1000"; /* the only one that comes as a pair */
	if (number == 11 || number == 31)
		instance->model = "sag-software";
	generate_kind(instance, kind);
	if (instance->name == NULL)
		return false;
	if (instance_is_software(instance))
		return true;
	if (!generate_device(fleet, instance, number, kind) ||
	    (place % 10 == 3 && !generate_device(fleet, instance, number, kind)))
		return false;
	if (number == 21) {
		instance->devices[0].serial = "";
		instance->n_devices = 1;
	}
	fleet->last_serial = instance->devices[0].serial;
	return true;
}

int fleet_generate(struct fleet *fleet, size_t n_instances)
{
	size_t offset = random_below(&fleet->random, PERIOD);

	for (size_t i = 1; i <= n_instances; i++)
		if (!generate_instance(fleet, i, (i + offset) % PERIOD))
			return -ENOMEM;
	return 0;
}
