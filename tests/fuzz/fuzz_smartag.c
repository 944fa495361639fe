/*
 * Any bytes as a reply of the API, given to every read. What gets out must be what smartag.h promises: clean text
 * within its limits, no more entries than there is room for, enums in range.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/smartag.h"
#include "core/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error error;

static void expect(bool is_right)
{
	if (!is_right)
		abort();
}

static void expect_text(const char *text, size_t limit)
{
	size_t len = strlen(text);

	expect(len <= limit && utf8_is_clean(text, len));
}

static void expect_observation(const struct observation *o)
{
	const char *const shown[] = { o->name, o->model, o->resource_group, o->ccn, o->city, o->status_text };

	expect_text(o->instance_id, LIMIT_INSTANCE_ID);
	expect(*o->instance_id);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		expect_text(shown[i], LIMIT_NAME);
	expect(o->status < STATUS_N && o->n_devices <= LIMIT_DEVICES);
	for (unsigned int i = 0; i < o->n_devices; i++) {
		const struct device_observation *d = &o->devices[i];

		expect_text(d->serial_number, LIMIT_SERIAL_NUMBER);
		expect_text(d->version, LIMIT_VERSION);
		if (d->dpi_version)
			expect_text(d->dpi_version, LIMIT_VERSION);
		expect(d->status < STATUS_N && d->ha_role < HA_ROLE_N && d->controller < HEALTH_N && d->vpn < HEALTH_N);
	}
}

static void read_page(struct api_reply *reply)
{
	static struct api_page page;

	if (smartag_read_page(reply, &page, &error))
		return;
	expect(page.page_number >= 1 && page.page_size >= 1 && page.page_size <= LIMIT_PAGE && page.n <= LIMIT_PAGE);
	for (size_t i = 0; i < page.n; i++)
		expect_observation(&page.observations[i]);
}

static void read_attribute(struct api_reply *reply)
{
	struct observation o;

	if (!smartag_read_attribute(reply, &o, &error))
		expect_observation(&o);
}

static void read_catalogue(struct api_reply *reply)
{
	static struct api_catalogue catalogue;

	if (smartag_read_catalogue(reply, &catalogue, &error))
		return;
	expect(catalogue.n <= LIMIT_CATALOGUE);
	for (size_t i = 0; i < catalogue.n; i++) {
		expect_text(catalogue.entries[i].version, LIMIT_VERSION);
		expect(*catalogue.entries[i].version && catalogue.entries[i].created_ms >= 0);
	}
}

static void read_devices(struct api_reply *reply)
{
	struct api_device_info info;
	struct api_ha ha;

	if (!smartag_read_device_info(reply, &info, &error))
		expect_text(info.version, LIMIT_VERSION);
	if (smartag_read_ha(reply, &ha, &error))
		return;
	expect_text(ha.main_serial, LIMIT_SERIAL_NUMBER);
	expect_text(ha.backup_serial, LIMIT_SERIAL_NUMBER);
}

static void read_auto_upgrade(struct api_reply *reply)
{
	struct api_auto_upgrade told;

	if (smartag_read_auto_upgrade(reply, &told, &error))
		return;
	expect(told.type < AUTO_UPGRADE_TYPE_N);
	expect_text(told.policy.upgrade_type, LIMIT_UPGRADE_TYPE);
	expect_text(told.policy.cron, LIMIT_CRON);
	expect_text(told.policy.time_zone, LIMIT_TIME_ZONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct api_envelope *envelope;
	struct api_reply *reply;

	if (smartag_reply_new((const char *)data, size, &reply, &error)) {
		expect_text(error.text, sizeof(error.text) - 1);
		return 0;
	}
	envelope = smartag_reply_envelope(reply);
	expect_text(envelope->request_id, LIMIT_REQUEST_ID);
	expect_text(envelope->code, LIMIT_CODE);
	expect_text(envelope->message, LIMIT_MESSAGE);
	read_page(reply);
	read_attribute(reply);
	read_catalogue(reply);
	read_devices(reply);
	read_auto_upgrade(reply);
	smartag_reply_free(reply);
	return 0;
}
