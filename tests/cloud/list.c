/*
 * The list call. Without a filter a page costs the same wherever it lies; a filter looks at each instance.
 */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include "sim.h"

#define DEFAULT_PAGE_SIZE 10

struct filter {
	const char *id, *status, *name, *group, *type, *hardware;
	bool has_ids;
};

static size_t number_param(const struct call *call, const char *name, size_t otherwise)
{
	const char *text = request_param(call->request, name);

	return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

static bool filter_read(const struct call *call, struct filter *filter)
{
	const struct request *request = call->request;

	*filter = (struct filter){
		.id = request_param(request, "SmartAGId"),
		.status = request_param(request, "Status"),
		.name = request_param(request, "Name"),
		.group = request_param(request, "ResourceGroupId"),
		.type = request_param(request, "InstanceType"),
		.hardware = request_param(request, "HardwareType"),
	};
	for (size_t i = 0; i < request->n_params; i++)
		filter->has_ids |= strncmp(request->params[i].name, "SmartAGIds.", 11) == 0;
	return filter->id != NULL || filter->status != NULL || filter->name != NULL || filter->group != NULL ||
	       filter->type != NULL || filter->hardware != NULL || filter->has_ids;
}

static bool is_in_ids(const struct call *call, const char *id)
{
	for (size_t i = 0; i < call->request->n_params; i++)
		if (strncmp(call->request->params[i].name, "SmartAGIds.", 11) == 0 &&
		    strcmp(call->request->params[i].value, id) == 0)
			return true;
	return false;
}

/* An empty filter is none, as the reference has it for optional texts. */
static bool differs(const char *wanted, const char *value)
{
	return wanted != NULL && wanted[0] != '\0' && strcmp(wanted, value) != 0;
}

static bool filter_takes(const struct call *call, const struct filter *filter, struct instance *instance)
{
	return !differs(filter->id, instance->id) && !differs(filter->name, instance->name) &&
	       !differs(filter->group, instance->resource_group) &&
	       !differs(filter->type, instance_is_software(instance) ? "software" : "hardware") &&
	       !differs(filter->hardware, instance->model) &&
	       !differs(filter->status, instance_status(instance, 0, call->now_ns)) &&
	       (!filter->has_ids || is_in_ids(call, instance->id));
}

static void answer_serials(struct call *call, const struct instance *instance)
{
	char serials[FLEET_LIMIT_TEXT * 2 + 2] = "";

	if (instance->n_devices == 1)
		snprintf(serials, sizeof(serials), "%s", shown_serial(call->sim, instance, 0));
	else if (instance->n_devices == 2)
		snprintf(serials, sizeof(serials), "%s,%s", shown_serial(call->sim, instance, 0),
		         instance->devices[1].serial);
	answer_string(&call->answer, "SerialNumber", serials);
}

static void answer_instance(struct call *call, struct instance *instance)
{
	struct answer *answer = &call->answer;
	const char *status = instance_status(instance, 0, call->now_ns);

	if (faults_has(&call->sim->faults, FAULT_UNKNOWN_STATUS, instance->ordinal, instance->id))
		status = "Migrating";
	answer_begin_item(answer, "SmartAccessGateway");
	answer_string(answer, "SmartAGId", instance->id);
	answer_text(answer, "Name", instance->name);
	answer_string(answer, "Status", status);
	answer_string(answer, "HardwareVersion", instance->model);
	answer_serials(call, instance);
	answer_string(answer, "SoftwareVersion", instance->devices[0].versions[VERSION_KIND_DEVICE]);
	if (instance->n_devices == 2) {
		answer_string(answer, "BackupStatus", instance_status(instance, 1, call->now_ns));
		answer_string(answer, "BackupSoftwareVersion",
		              instance->devices[1].versions[VERSION_KIND_DEVICE]);
	}
	answer_string(answer, "AssociatedCcnId", instance->ccn);
	answer_string(answer, "ResourceGroupId", instance->resource_group);
	answer_text(answer, "City", instance->city);
	answer_number(answer, "EndTime", (call->sim->fleet.born_wall_s + INT64_C(86400) * 365) * 1000);
	answer_end(answer);
}

static void list_all(struct call *call, const struct region *region, int64_t start, size_t size)
{
	for (size_t i = start < 0 ? 0 : (size_t)start, n = 0; i < region->n && n < size; i++, n++)
		answer_instance(call, region->instances[i]);
}

static size_t list_filtered(struct call *call, const struct region *region, const struct filter *filter, size_t start,
                            size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < region->n; i++) {
		if (!filter_takes(call, filter, region->instances[i]))
			continue;
		if (n >= start && n < start + size)
			answer_instance(call, region->instances[i]);
		n++;
	}
	return n;
}

/* One instance in front of this page has gone (the rest moves up) or has come (the rest moves down). */
static void shift_pages(struct call *call, struct region *region, size_t page)
{
	struct faults *faults = &call->sim->faults;

	if (page == 1)
		region->shift = 0;
	else if (faults_roll(faults, FAULT_PAGE_SHIFT, call->entry->action))
		region->shift += random_below(&faults->random, 2) == 0 ? 1 : -1;
}

void list_instances(struct call *call)
{
	struct region *region = fleet_region(&call->sim->fleet, call->region);
	size_t page = number_param(call, "PageNumber", 1);
	size_t size = number_param(call, "PageSize", DEFAULT_PAGE_SIZE);
	size_t start = (page - 1) * size, total = region->n, back = 0;
	struct filter filter;

	shift_pages(call, region, page);
	if (page > 1)
		back = faults_roll(&call->sim->faults, FAULT_DUPLICATE_IDS, call->entry->action) ? 1 : 0;
	answer_begin_list(&call->answer, "SmartAccessGateways", "SmartAccessGateway");
	if (filter_read(call, &filter)) {
		total = list_filtered(call, region, &filter, start, size);
	} else {
		/* What has gone in front makes the page begin one later, and the total one less. */
		list_all(call, region, (int64_t)(start - back) + region->shift, size);
		total = (size_t)((int64_t)region->n - region->shift);
	}
	answer_end_list(&call->answer);
	answer_number(&call->answer, "TotalCount", (int64_t)total);
	answer_number(&call->answer, "PageNumber", (int64_t)page);
	answer_number(&call->answer, "PageSize", (int64_t)size);
}
