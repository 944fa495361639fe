/*
 * Instances and devices: what an observation may change, and who leaves.
 *
 * Only a list or a follow may change which devices an instance has; a single read may not (its list of devices
 * can be missing, and that is no fact). A device is known by its serial number: when it moves to another
 * instance its targets go with it. A fact that is older than what is known changes nothing. An instance leaves
 * after two complete listings without it, and not while an intent of it is unsettled (rules 4 and 8).
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define CLAIMS_TO_UPDATE 8

/* ---- lists of slots, linked inside their items ---- */

static struct link *link_at(struct slab *s, uint32_t slot, size_t offset)
{
	return (struct link *)(void *)((char *)slab_at(s, slot) + offset);
}

void list_append(struct slab *s, struct list *l, uint32_t slot, size_t link_offset)
{
	*link_at(s, slot, link_offset) = (struct link){ l->tail, NONE };
	if (l->tail != NONE)
		link_at(s, l->tail, link_offset)->next = slot;
	else
		l->head = slot;
	l->tail = slot;
}

void list_remove(struct slab *s, struct list *l, uint32_t slot, size_t link_offset)
{
	struct link *link = link_at(s, slot, link_offset);

	if (link->prev != NONE)
		link_at(s, link->prev, link_offset)->next = link->next;
	else
		l->head = link->next;
	if (link->next != NONE)
		link_at(s, link->next, link_offset)->prev = link->prev;
	else
		l->tail = link->prev;
	*link = (struct link){ NONE, NONE };
}

/* ---- texts ---- */

const char *instance_text(const struct instance *inst, enum instance_text what)
{
	const char *text = inst->text;

	for (unsigned int i = 0; i < (unsigned int)what; i++)
		text += strlen(text) + 1;
	return text;
}

/* What the block would hold after this observation; borrows from both. */
static void texts_of(const struct instance *inst, const struct observation *o, const char *ret[TEXT_N])
{
	const char *told[TEXT_N] = {
		[TEXT_ID] = o->instance_id,	  [TEXT_NAME] = o->name, [TEXT_MODEL] = o->model,
		[TEXT_RESOURCE_GROUP] = o->resource_group, [TEXT_CCN] = o->ccn,	 [TEXT_CITY] = o->city,
		[TEXT_STATUS] = o->status_text,
	};

	for (unsigned int i = 0; i < TEXT_N; i++) {
		bool is_kept = inst->text && !o->has_attributes && i != TEXT_ID && i != TEXT_STATUS;

		ret[i] = is_kept ? instance_text(inst, i) : told[i] ? told[i] : "";
	}
}

static bool texts_are(const struct instance *inst, const char *const texts[TEXT_N])
{
	const char *at = inst->text;

	for (unsigned int i = 0; i < TEXT_N; i++) {
		if (strcmp(at, texts[i]) != 0)
			return false;
		at += strlen(at) + 1;
	}
	return true;
}

/* True when it changed. */
static bool instance_set_texts(struct reconcile *r, struct instance *inst, const struct observation *o)
{
	const char *texts[TEXT_N];
	size_t size = 0;
	char *block, *at;

	texts_of(inst, o, texts);
	if (inst->text && texts_are(inst, texts))
		return false;
	for (unsigned int i = 0; i < TEXT_N; i++)
		size += strlen(texts[i]) + 1;
	at = block = malloc(size);
	if (!block) {
		r->is_out_of_memory = true;
		return false;
	}
	for (unsigned int i = 0; i < TEXT_N; i++)
		at = stpcpy(at, texts[i]) + 1;
	inst->is_bound = texts[TEXT_CCN][0] != '\0'; /* before the text that it may come from goes */
	free(inst->text);
	inst->text = block;
	inst->model = intern(r, instance_text(inst, TEXT_MODEL));
	return true;
}

/* ---- devices ---- */

static struct claim *claim_at(const struct reconcile *r, uint32_t claim)
{
	return &instance_at(r, claim / LIMIT_DEVICES)->claims[claim % LIMIT_DEVICES];
}

static bool device_has_intent(const struct reconcile *r, const struct device *d)
{
	for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
		if (d->targets[type] != NONE && target_at(r, d->targets[type])->intent)
			return true;
	return false;
}

bool instance_has_intent(const struct reconcile *r, const struct instance *inst)
{
	if (inst->intent)
		return true;
	for (unsigned int k = 0; k < inst->n_devices; k++)
		if (inst->claims[k].device != NONE && device_has_intent(r, device_at(r, inst->claims[k].device)))
			return true;
	return false;
}

uint32_t device_find(const struct reconcile *r, const char *serial)
{
	uint32_t hash = hash_text(serial), cursor = hash, slot;

	while ((slot = map_next(&r->device_map, hash, &cursor)) != NONE)
		if (strcmp(device_at(r, slot)->serial_number, serial) == 0)
			return slot;
	return NONE;
}

static uint32_t device_ensure(struct reconcile *r, const char *serial)
{
	uint32_t slot = device_find(r, serial);
	struct device *d;

	if (slot != NONE)
		return slot;
	if (slab_take(&r->devices, &slot) < 0)
		goto out_of_memory;
	d = device_at(r, slot);
	*d = (struct device){ .serial_number = strdup(serial), .hash = hash_text(serial), .claims = NONE,
			      .dpi_read_ns = NEVER, .instance = NONE, .targets = { NONE, NONE } };
	if (!d->serial_number || map_insert(&r->device_map, d->hash, slot) < 0)
		goto out_of_memory;
	return slot;
out_of_memory:
	r->is_out_of_memory = true;
	return NONE;
}

static void device_note_duplicate(struct reconcile *r, uint32_t slot)
{
	struct device *d = device_at(r, slot);

	if (d->is_duplicate_pending || d->is_duplicate_told)
		return;
	if (!grow(r, &r->duplicates, r->n_duplicates, &r->cap_duplicates, sizeof(*r->duplicates)))
		return;
	d->is_duplicate_pending = true;
	r->duplicates[r->n_duplicates++] = slot;
}

static void device_claim(struct reconcile *r, uint32_t slot, uint32_t claim)
{
	struct device *d = device_at(r, slot);

	*claim_at(r, claim) = (struct claim){ slot, { NONE, d->claims } };
	if (d->claims != NONE) {
		claim_at(r, d->claims)->others.prev = claim;
	} else {
		d->instance = claim / LIMIT_DEVICES;
		for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
			if (d->targets[type] != NONE && !target_at(r, d->targets[type])->intent)
				target_at(r, d->targets[type])->born = r->steps; /* it was hidden */
	}
	d->claims = claim;
	if (++d->n_claims > 1)
		device_note_duplicate(r, slot);
}

void device_look_up(const struct reconcile *r, const struct device *d)
{
	for (unsigned int type = 0; d->serial_number && type < VERSION_TYPE_N; type++)
		if (d->targets[type] != NONE)
			target_look_up(r, target_at(r, d->targets[type]));
}

/* Who else claims it owns it now; with nobody left but an intent, where that was called. */
static void device_find_owner(struct reconcile *r, struct device *d)
{
	for (uint32_t claim = d->claims; claim != NONE; claim = claim_at(r, claim)->others.next)
		if (claim / LIMIT_DEVICES == d->instance)
			return;
	if (d->claims != NONE)
		d->instance = d->claims / LIMIT_DEVICES;
	for (unsigned int type = 0; d->claims == NONE && type < VERSION_TYPE_N; type++)
		if (d->targets[type] != NONE && target_at(r, d->targets[type])->intent)
			d->instance = target_at(r, d->targets[type])->intent->instance;
}

static void device_release(struct reconcile *r, uint32_t claim)
{
	struct claim *c = claim_at(r, claim);
	struct device *d = device_at(r, c->device);

	if (c->others.prev != NONE)
		claim_at(r, c->others.prev)->others.next = c->others.next;
	else
		d->claims = c->others.next;
	if (c->others.next != NONE)
		claim_at(r, c->others.next)->others.prev = c->others.prev;
	for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
		if (d->targets[type] != NONE && instance_at(r, claim / LIMIT_DEVICES)->precheck == d->targets[type])
			precheck_end(r, claim / LIMIT_DEVICES);
	*c = (struct claim){ NONE, { NONE, NONE } };
	if (--d->n_claims < 2)
		d->is_duplicate_told = false;
	device_find_owner(r, d);
	device_look_up(r, d); /* another owner may have another pin */
}

static void device_drop_if_orphan(struct reconcile *r, uint32_t slot)
{
	struct device *d = device_at(r, slot);

	if (!d->serial_number || d->claims != NONE || device_has_intent(r, d))
		return;
	for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
		if (d->targets[type] != NONE)
			target_remove(r, d->targets[type]);
	for (uint32_t i = 0; i < r->n_duplicates; i++)
		if (r->duplicates[i] == slot)
			r->duplicates[i] = NONE;
	map_remove(&r->device_map, d->hash, slot);
	free(d->serial_number);
	*d = (struct device){ 0 };
	slab_give(&r->devices, slot);
}

void device_update(struct reconcile *r, uint32_t slot)
{
	const struct device *d = device_at(r, slot);

	if (!d->serial_number)
		return;
	if (d->claims != NONE) {
		uint32_t n = 0;

		/* Others than the owner only wait for it; with a serial number that stands for none they are too many. */
		instance_update(r, d->instance);
		for (uint32_t claim = d->claims; claim != NONE && n < CLAIMS_TO_UPDATE; n++) {
			if (claim / LIMIT_DEVICES != d->instance)
				instance_update(r, claim / LIMIT_DEVICES);
			claim = claim_at(r, claim)->others.next;
		}
		return;
	}
	/* nobody's: what an intent still holds may be over now */
	for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
		if (d->serial_number && d->targets[type] != NONE && target_at(r, d->targets[type])->intent)
			intent_check(r, target_at(r, d->targets[type])->intent);
	device_drop_if_orphan(r, slot);
	for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
		if (d->serial_number && d->targets[type] != NONE)
			target_update(r, d->targets[type]);
}

/* ---- instances ---- */

uint32_t instance_find(const struct reconcile *r, uint32_t scope, const char *id)
{
	uint32_t hash = hash_text(id), cursor = hash, slot;

	while ((slot = map_next(&r->instance_map, hash, &cursor)) != NONE)
		if (instance_at(r, slot)->scope == scope && strcmp(instance_at(r, slot)->text, id) == 0)
			return slot;
	return NONE;
}

static uint32_t instance_add(struct reconcile *r, uint32_t scope, const struct observation *o)
{
	struct instance *inst;
	uint32_t slot;

	if (slab_take(&r->instances, &slot) < 0 || map_insert(&r->instance_map, hash_text(o->instance_id), slot) < 0) {
		r->is_out_of_memory = true;
		return NONE;
	}
	inst = instance_at(r, slot);
	*inst = (struct instance){ .born = r->steps, .read_ns = NEVER, .scope = scope,
				   .hash = hash_text(o->instance_id), .pin = PIN_NONE, .precheck = NONE, .precheck_probe = NONE, .precheck_site = NONE,
				   .seen = { NONE, NONE }, .dpi = { NONE, NONE }, .is_stale = true, .status = STATUS_OFFLINE };
	for (unsigned int k = 0; k < LIMIT_DEVICES; k++)
		inst->claims[k] = (struct claim){ NONE, { NONE, NONE } };
	instance_set_texts(r, inst, o);
	if (r->is_out_of_memory)
		return NONE;
	struct action *a = plan_add(r, ACTION_TELL_INSTANCE_ADDED);
	a->scope = scope;
	a->instance = slot;
	return slot;
}

/* Of all targets that the instance owns. */
static void look_up(const struct reconcile *r, uint32_t slot)
{
	const struct instance *inst = instance_at(r, slot);

	for (unsigned int k = 0; k < inst->n_devices; k++) {
		const struct device *d = inst->claims[k].device == NONE ? NULL : device_at(r, inst->claims[k].device);

		if (d && d->instance == slot)
			device_look_up(r, d);
	}
}

uint32_t fleet_restore(struct reconcile *r, uint32_t scope, const char *id, const char *serial, unsigned int position)
{
	struct observation o = { .instance_id = id, .has_attributes = true };
	uint32_t slot = instance_find(r, scope, id), device;

	if (slot == NONE)
		slot = instance_add(r, scope, &o);
	device = slot == NONE ? NONE : device_ensure(r, serial);
	if (device == NONE)
		return NONE;
	if (instance_at(r, slot)->n_devices <= position)
		instance_at(r, slot)->n_devices = (uint8_t)(position + 1);
	if (instance_at(r, slot)->claims[position].device == NONE)
		device_claim(r, device, slot * LIMIT_DEVICES + position);
	return slot;
}

void instance_repin(struct reconcile *r, uint32_t slot)
{
	struct instance *inst = instance_at(r, slot);
	struct pin_subject subject = { 0 };

	inst->is_overtaken = false;
	inst->pins = ++r->repins;
	if (inst->scope == NONE) {
		inst->pin = PIN_NONE;
		look_up(r, slot);
		return;
	}
	subject.attribute[SELECTOR_ACCOUNT] = r->settings->scopes[inst->scope].account;
	subject.attribute[SELECTOR_REGION] = r->settings->scopes[inst->scope].region_id;
	subject.attribute[SELECTOR_ID] = inst->text;
	subject.attribute[SELECTOR_NAME] = instance_text(inst, TEXT_NAME);
	subject.attribute[SELECTOR_MODEL] = instance_text(inst, TEXT_MODEL);
	subject.attribute[SELECTOR_RESOURCE_GROUP] = instance_text(inst, TEXT_RESOURCE_GROUP);
	subject.attribute[SELECTOR_CCN] = instance_text(inst, TEXT_CCN);
	subject.attribute[SELECTOR_CITY] = instance_text(inst, TEXT_CITY);
	for (unsigned int k = 0; k < inst->n_devices; k++)
		if (inst->claims[k].device != NONE)
			subject.serial_numbers[k] = device_at(r, inst->claims[k].device)->serial_number;
	inst->pin = pin_index_find(r->pins, &subject);
	look_up(r, slot);
	schedule_dpi(r, slot);
}

static void tell_odd(struct reconcile *r, uint32_t slot, enum oddity oddity)
{
	struct action *a = plan_add(r, ACTION_TELL_ODD);

	a->scope = instance_at(r, slot)->scope;
	a->instance = slot;
	a->oddity = oddity;
}

/* Each is told once, and again only after it was gone. */
static void instance_tell_oddities(struct reconcile *r, uint32_t slot, const struct observation *o)
{
	struct instance *inst = instance_at(r, slot);
	bool is_serial_missing = o->n_devices == 0;

	for (unsigned int k = 0; k < o->n_devices; k++)
		is_serial_missing |= o->devices[k].serial_number[0] == '\0';
	is_serial_missing = is_serial_missing && strcmp(instance_text(inst, TEXT_MODEL), "sag-software") != 0;
	if (!o->is_status_known && !inst->is_status_told)
		tell_odd(r, slot, ODDITY_STATUS);
	inst->is_status_told = !o->is_status_known;
	if (is_serial_missing && !inst->is_serial_told)
		tell_odd(r, slot, ODDITY_NO_SERIAL);
	inst->is_serial_told = is_serial_missing;
}

static const char *claimed_serial(const struct reconcile *r, const struct instance *inst, unsigned int k)
{
	return inst->claims[k].device == NONE ? "" : device_at(r, inst->claims[k].device)->serial_number;
}

/* True when the instance has other devices now. */
static bool instance_set_devices(struct reconcile *r, uint32_t slot, const struct observation *o)
{
	struct instance *inst = instance_at(r, slot);
	uint32_t released[LIMIT_DEVICES] = { NONE, NONE };
	bool is_changed = inst->n_devices != o->n_devices;

	for (unsigned int k = 0; k < LIMIT_DEVICES; k++) {
		const char *serial = k < o->n_devices ? o->devices[k].serial_number : "";

		if (strcmp(claimed_serial(r, inst, k), serial) == 0)
			continue;
		is_changed = true;
		inst->role[k] = HA_ROLE_UNKNOWN;
		released[k] = inst->claims[k].device;
		if (released[k] != NONE)
			device_release(r, slot * LIMIT_DEVICES + k);
	}
	inst->n_devices = (uint8_t)o->n_devices;
	for (unsigned int k = 0; k < o->n_devices; k++) {
		uint32_t device;

		if (inst->claims[k].device != NONE || !o->devices[k].serial_number[0])
			continue;
		device = device_ensure(r, o->devices[k].serial_number);
		if (device == NONE)
			return true;
		device_claim(r, device, slot * LIMIT_DEVICES + k);
		if (device_at(r, device)->n_claims == 2)
			device_update(r, device);
	}
	for (unsigned int k = 0; k < LIMIT_DEVICES; k++)
		if (released[k] != NONE)
			device_update(r, released[k]);
	for (unsigned int k = 0; k < LIMIT_DEVICES; k++)
		if (inst->claims[k].device != NONE && device_at(r, inst->claims[k].device)->instance != slot)
			device_update(r, inst->claims[k].device);
	return is_changed;
}

/* The versions of one device; true when something changed. */
static bool device_set_versions(struct reconcile *r, uint32_t slot, const struct device_observation *o, bool is_newer, int64_t read_ns)
{
	struct device *d = device_at(r, slot);
	bool is_changed = d->targets[VERSION_TYPE_DEVICE] == NONE;
	uint32_t target = target_ensure(r, slot, VERSION_TYPE_DEVICE);

	is_changed |= is_newer && target != NONE && target_report(r, target, o->version);

	if (!o->dpi_version || read_ns <= d->dpi_read_ns)
		return is_changed;
	is_changed |= d->is_dpi_stale || d->dpi_read_ns == NEVER;
	d->dpi_read_ns = read_ns;
	if (o->dpi_version[0] != '\0' || d->targets[VERSION_TYPE_DPI] != NONE) {
		target = target_ensure(r, slot, VERSION_TYPE_DPI);
		is_changed |= target != NONE && target_report(r, target, o->dpi_version);
	}
	return is_changed;
}

/* A read may show one serial number twice: then its first place counts, or the two would take turns. */
static bool is_told_before(const struct observation *o, unsigned int i)
{
	for (unsigned int earlier = 0; earlier < i; earlier++)
		if (strcmp(o->devices[earlier].serial_number, o->devices[i].serial_number) == 0)
			return true;
	return false;
}

/* Status and versions of the devices that the instance owns; true when something changed. */
static bool instance_set_facts(struct reconcile *r, uint32_t slot, const struct observation *o, int64_t read_ns)
{
	struct instance *inst = instance_at(r, slot);
	bool is_newer = read_ns > inst->read_ns;
	bool is_changed = is_newer && inst->status != o->status, has_dpi = false;

	if (is_newer)
		inst->status = (uint8_t)o->status;
	for (unsigned int i = 0; i < o->n_devices; i++)
		for (unsigned int k = 0; k < inst->n_devices && !is_told_before(o, i); k++) {
			const struct device_observation *seen = &o->devices[i];

			if (!seen->serial_number[0] || strcmp(claimed_serial(r, inst, k), seen->serial_number) != 0)
				continue;
			is_changed |= is_newer && inst->device_status[k] != seen->status;
			if (is_newer)
				inst->device_status[k] = (uint8_t)seen->status;
			has_dpi |= seen->dpi_version != NULL;
			if (device_at(r, inst->claims[k].device)->instance == slot)
				is_changed |= device_set_versions(r, inst->claims[k].device, seen, is_newer, read_ns);
		}
	if (has_dpi)
		schedule_dpi_read(r, slot);
	return is_changed;
}

static void instance_seen(struct reconcile *r, uint32_t slot, int64_t read_ns, bool is_changed)
{
	struct instance *inst = instance_at(r, slot);

	if (read_ns > inst->read_ns) {
		is_changed |= inst->is_stale;
		inst->read_ns = read_ns;
		schedule_seen(r, slot);
	}
	if (!is_changed && !inst->is_watched)
		return;
	intents_check_of(r, slot);
	instance_update(r, slot);
}

void fleet_observe(struct reconcile *r, uint32_t scope, const struct observation *o, int64_t read_ns, bool is_listing)
{
	uint32_t slot = instance_find(r, scope, o->instance_id);
	bool is_changed = false;
	struct instance *inst;

	if (slot == NONE && is_listing) {
		slot = instance_add(r, scope, o);
		is_changed = true;
	}
	if (slot == NONE || r->is_out_of_memory)
		return;
	inst = instance_at(r, slot);
	inst->absences = 0;
	if (is_listing)
		inst->listing = r->scopes[scope]->listing;
	if (read_ns <= inst->read_ns)
		return;
	is_changed |= instance_set_texts(r, inst, o);
	is_changed |= instance_set_devices(r, slot, o);
	instance_tell_oddities(r, slot, o);
	if (r->is_out_of_memory)
		return;
	if (is_changed)
		instance_repin(r, slot);
	is_changed |= instance_set_facts(r, slot, o, read_ns);
	instance_seen(r, slot, read_ns, is_changed);
}

void fleet_observe_one(struct reconcile *r, uint32_t slot, const struct observation *o, int64_t read_ns)
{
	struct instance *inst = instance_at(r, slot);
	bool is_changed;

	is_changed = read_ns > inst->read_ns && instance_set_texts(r, inst, o);
	if (r->is_out_of_memory)
		return;
	if (is_changed)
		instance_repin(r, slot);
	is_changed |= instance_set_facts(r, slot, o, read_ns);
	inst->absences = 0;
	instance_seen(r, slot, read_ns, is_changed);
}

/* Makes the targets that should exist, ends waits, sees what is stale: what each target sees of the others when it is its turn. */
static uint32_t instance_targets(struct reconcile *r, uint32_t slot, uint32_t *targets)
{
	const struct instance *inst = instance_at(r, slot);
	bool is_dpi_pinned = inst->pin != PIN_NONE && r->pin_versions[inst->pin][VERSION_TYPE_DPI];
	uint32_t n = 0;

	for (unsigned int k = 0; k < inst->n_devices; k++) {
		uint32_t device = inst->claims[k].device;

		if (device == NONE || device_at(r, device)->instance != slot)
			continue;
		if (device_at(r, device)->dpi_read_ns == NEVER && (is_dpi_pinned || auto_is_held(r, device, VERSION_TYPE_DPI)))
			target_ensure(r, device, VERSION_TYPE_DPI);
		for (unsigned int type = 0; type < VERSION_TYPE_N; type++)
			if (device_at(r, device)->targets[type] != NONE)
				targets[n++] = device_at(r, device)->targets[type];
	}
	look_up(r, slot);
	for (uint32_t i = 0; i < n; i++) {
		struct device *d = device_at(r, target_at(r, targets[i])->device);

		d->is_dpi_stale = r->now_ns >= schedule_dpi_stale_ns(r, d);
		target_end_wait(r, target_at(r, targets[i]));
	}
	return n;
}

void instance_update(struct reconcile *r, uint32_t slot)
{
	struct instance *inst = instance_at(r, slot);
	uint32_t targets[LIMIT_DEVICES * VERSION_TYPE_N], n;
	bool is_watched = false;

	if (inst->born == 0 || inst->is_leaving || r->is_out_of_memory)
		return;
	if (inst->is_overtaken)
		instance_repin(r, slot);
	n = instance_targets(r, slot, targets);
	for (uint32_t i = 0; i < n && !r->is_out_of_memory; i++) {
		target_update(r, targets[i]);
		is_watched |= target_at(r, targets[i])->intent != NULL;
	}
	inst->is_watched = is_watched;
}

void instance_remove(struct reconcile *r, uint32_t slot)
{
	struct instance *inst = instance_at(r, slot);
	struct action *a = plan_add(r, ACTION_TELL_INSTANCE_REMOVED);

	a->scope = inst->scope;
	a->instance = slot;
	precheck_end(r, slot);
	inst->is_leaving = true;
	schedule_unlink(r, slot);
	map_remove(&r->instance_map, inst->hash, slot);
	for (unsigned int k = 0; k < LIMIT_DEVICES; k++) {
		uint32_t device = inst->claims[k].device;

		if (device == NONE)
			continue;
		device_release(r, slot * LIMIT_DEVICES + k);
		device_update(r, device);
	}
	if (grow(r, &r->leaving, r->n_leaving, &r->cap_leaving, sizeof(*r->leaving)))
		r->leaving[r->n_leaving++] = slot;
}

void fleet_free_leaving(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_leaving; i++) {
		struct instance *inst = instance_at(r, r->leaving[i]);

		free(inst->text);
		*inst = (struct instance){ 0 };
		slab_give(&r->instances, r->leaving[i]);
	}
	r->n_leaving = 0;
	for (uint32_t i = 0; i < r->n_gone; i++)
		slab_give(&r->targets, r->gone[i]);
	r->n_gone = 0;
}

static void tell_duplicates(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->n_duplicates; i++) {
		struct device *d = r->duplicates[i] == NONE ? NULL : device_at(r, r->duplicates[i]);

		if (!d)
			continue;
		d->is_duplicate_pending = false;
		if (d->n_claims < 2)
			continue;
		d->is_duplicate_told = true;
		tell_odd(r, d->instance, ODDITY_DUPLICATE);
		r->actions[r->n_actions ? r->n_actions - 1 : 0].target = d->targets[VERSION_TYPE_DEVICE];
	}
	r->n_duplicates = 0;
}

void fleet_sweep(struct reconcile *r, uint32_t scope, uint32_t listing, int64_t started_ns)
{
	for (uint32_t slot = 0; slot < r->instances.n; slot++) {
		struct instance *inst = instance_at(r, slot);

		if (inst->scope != scope || inst->born == 0 || inst->is_leaving || inst->listing == listing ||
		    inst->read_ns >= started_ns)
			continue;
		if (inst->absences < ABSENCES_TO_LEAVE)
			inst->absences++;
		if (inst->absences < ABSENCES_TO_LEAVE)
			continue;
		if (inst->intent)
			intent_check(r, inst->intent);
		intents_check_of(r, slot); /* and those of its devices, when they began under another instance */
		if (!instance_has_intent(r, inst) && !inst->is_leaving)
			instance_remove(r, slot);
	}
	tell_duplicates(r);
	remember_forget(r);
}

void fleet_deinit(struct reconcile *r)
{
	for (uint32_t slot = 0; slot < r->instances.n; slot++)
		free(instance_at(r, slot)->text);
	for (uint32_t slot = 0; slot < r->devices.n; slot++)
		free(device_at(r, slot)->serial_number);
	for (uint32_t slot = 0; slot < r->targets.n; slot++)
		history_free(target_at(r, slot)->history);
	slab_deinit(&r->instances);
	slab_deinit(&r->devices);
	slab_deinit(&r->targets);
	map_deinit(&r->instance_map);
	map_deinit(&r->device_map);
	free(r->leaving);
	free(r->gone);
	free(r->duplicates);
}
