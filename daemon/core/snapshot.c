/* What is known of the fleet, for another core. The durable part is in memory.c, where the records are written. */
#include "snapshot.h"
#include "internal.h"

const char *const gate_answer_names[GATE_ANSWER_N] = {
	[GATE_ANSWER_NONE] = "none",
	[GATE_ANSWER_CLOSED] = "closed",
	[GATE_ANSWER_OPEN] = "open",
};

const char *const ha_role_names[HA_ROLE_N] = {
	[HA_ROLE_UNKNOWN] = "unknown",
	[HA_ROLE_ACTIVE] = "active",
	[HA_ROLE_STANDBY] = "standby",
};

static const char *reported_of(const struct reconcile *r, const struct device *d, enum version_type type)
{
	const struct target *t = d->targets[type] == NONE ? NULL : target_at(r, d->targets[type]);

	return t && !t->is_absent ? strings_text(&r->strings, t->reported) : "";
}

static struct device_observation device_seen(const struct reconcile *r, const struct instance *inst, unsigned int k)
{
	const struct device *d = inst->claims[k].device == NONE ? NULL : device_at(r, inst->claims[k].device);
	struct device_observation seen = { .serial_number = "", .version = "", .status = (enum status)inst->device_status[k],
					   .ha_role = (enum ha_role)inst->role[k] };

	if (!d)
		return seen;
	seen.serial_number = d->serial_number;
	seen.version = reported_of(r, d, VERSION_TYPE_DEVICE);
	seen.dpi_version = d->dpi_read_ns == NEVER ? NULL : reported_of(r, d, VERSION_TYPE_DPI);
	return seen;
}

bool reconcile_observation(const struct reconcile *r, uint32_t slot, struct observation *ret_observation, uint32_t *ret_scope)
{
	const struct instance *inst = slot < r->instances.n ? instance_at(r, slot) : NULL;

	if (!inst || !inst->born || inst->is_leaving || inst->scope == NONE || inst->read_ns == NEVER)
		return false;
	*ret_observation = (struct observation){
		.instance_id = inst->text,
		.has_attributes = true,
		.name = instance_text(inst, TEXT_NAME),
		.model = instance_text(inst, TEXT_MODEL),
		.resource_group = instance_text(inst, TEXT_RESOURCE_GROUP),
		.ccn = instance_text(inst, TEXT_CCN),
		.city = instance_text(inst, TEXT_CITY),
		.status_text = instance_text(inst, TEXT_STATUS),
		.is_status_known = !inst->is_status_told,
		.status = (enum status)inst->status,
		.n_devices = inst->n_devices,
	};
	for (unsigned int k = 0; k < inst->n_devices; k++)
		ret_observation->devices[k] = device_seen(r, inst, k);
	*ret_scope = inst->scope;
	return true;
}

enum gate_answer reconcile_gate(const struct reconcile *r, uint32_t policy)
{
	const struct policy_state *p = r->settings && policy < r->settings->n_policies ? r->policies[r->policy_of[policy]] : NULL;

	if (!p || !r->settings->policies[policy].gate.is_set || p->gate.asked_ns == NEVER)
		return GATE_ANSWER_NONE;
	return p->gate.is_open ? GATE_ANSWER_OPEN : GATE_ANSWER_CLOSED;
}

bool reconcile_is_usable(const struct reconcile *r, uint32_t scope)
{
	const struct account_state *a = scope < r->n_scopes ? r->accounts[r->scopes[scope]->account] : NULL;

	return a && !a->is_unusable && !a->is_paused;
}

bool reconcile_is_storing(const struct reconcile *r)
{
	return r->is_restored && r->store_failures == 0;
}
