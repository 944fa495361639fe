/*
 * UpdateSmartAccessGatewayVersion: who may be upgraded to what, and why not.
 *
 * The order of the refusals is ours, the reference names none: first what concerns the caller, then the
 * contract, then the device, last the version.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

static const struct {
	const char *status, *code, *message;
} refused_statuses[] = {
	{"Arrearage", "SmartAccessGatewayInArrears", "The instance has expired. Renew it first."},
	{"Ordered", "SmartAccessGatewayNotActivated", "The instance is not activated."},
	{"Delivered", "SmartAccessGatewayNotActivated", "The instance is not activated."},
	{"Received", "SmartAccessGatewayNotActivated", "The instance is not activated."},
	{"Unconfirmed", "SmartAccessGatewayNotActivated", "The instance is not activated."},
	{"Returning", "SmartAccessGatewayNotActivated", "The instance is not activated."},
	{"Init", "SmartAccessGatewayNotActivated", "The instance is not activated."},
	{"init", "SmartAccessGatewayNotActivated", "The instance is not activated."},
};

static bool check_caller(struct call *call)
{
	if (call->instance->is_forbidden)
		refuse(&call->refusal, "Forbidden", "The caller is not authorized for the instance.");
	else if (call->instance->is_not_permitted)
		refuse(&call->refusal, "PermissionError", "The caller may not operate the instance.");
	else if (instance_is_software(call->instance) || call->instance->n_devices == 0)
		refuse(&call->refusal, "InvalidId.SMARTAG", "The instance has no device.");
	return call->refusal.code == NULL;
}

static bool check_contract(struct call *call)
{
	const struct instance *instance = call->instance;

	for (size_t i = 0; i < sizeof(refused_statuses) / sizeof(refused_statuses[0]); i++)
		if (strcmp(refused_statuses[i].status, instance->status) == 0)
			refuse(&call->refusal, refused_statuses[i].code, "%s", refused_statuses[i].message);
	if (call->refusal.code == NULL && instance->ccn[0] == '\0')
		refuse(&call->refusal, "NotBoundCCN", "The instance is not bound to a Cloud Connect Network.");
	return call->refusal.code == NULL;
}

/* The device that is meant: the one named, or the main one. */
static struct device *check_device(struct call *call)
{
	const char *serial = request_param(call->request, "SerialNumber");
	unsigned int i = serial == NULL ? 0 : find_device(call->sim, call->instance, serial);

	if (i == call->instance->n_devices) {
		refuse(&call->refusal, "InvalidParameter", "SerialNumber is no device of the instance.");
		return NULL;
	}
	if (strcmp(instance_status(call->instance, i, call->now_ns), "Active") != 0) {
		refuse(&call->refusal, "SmartAccessGatewayNotOnline", "The device is not connected.");
		return NULL;
	}
	return &call->instance->devices[i];
}

static bool check_version(struct call *call, const struct device *device, enum version_kind kind, const char *version)
{
	const char *running = device->versions[kind];

	if (fleet_has_version(&call->sim->fleet, kind, version, call->instance->model) && running[0] != '\0' &&
	    version_order(version, running) > 0)
		return true;
	refuse(&call->refusal, "VersionTooOld", "The version is outdated. Choose a newer one.");
	return false;
}

static enum outcome roll_outcome(struct sim *sim, const char *action)
{
	if (faults_roll(&sim->faults, FAULT_STUCK, action))
		return OUTCOME_STUCK;
	if (faults_roll(&sim->faults, FAULT_BACK_TO_OLD, action))
		return OUTCOME_BACK_TO_OLD;
	return OUTCOME_DONE;
}

void upgrade_device(struct call *call)
{
	struct sim *sim = call->sim;
	const char *version = request_param(call->request, "VersionCode");
	enum version_kind kind = VERSION_KIND_DEVICE;
	struct device *device;

	if (!check_caller(call) || !check_contract(call))
		return;
	device = check_device(call);
	if (device == NULL)
		return;
	(void)version_kind_parse(call->entry->version_type, &kind); /* checked with the parameters */
	if (!check_version(call, device, kind, version))
		return;
	for (unsigned int i = 0; i < call->instance->n_devices; i++)
		call->entry->was_upgrading |= device_is_upgrading(&call->instance->devices[i], call->now_ns);
	version = pool_string(&sim->fleet.pool, version); /* in the catalogue, so it is there */
	fleet_upgrade(&sim->fleet, device, kind, version, roll_outcome(sim, call->entry->action), call->now_ns);
	call->entry->is_applied = true;
}
