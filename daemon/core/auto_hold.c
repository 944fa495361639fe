/*
 * What is known of the cloud's own upgrader: its policies, each kept once, and those that are to be put back one day.
 *
 * A hold is stored before anything is set (memory.c asks for it), and outlives its target and the process.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- policies, each kept once; a target or hold keeps a place from 1, 0 is none ---- */

static uint32_t policy_hash(const struct auto_upgrade_policy *p)
{
	return hash_text(p->upgrade_type) + 31 * hash_text(p->cron) + 961 * hash_text(p->time_zone) + 7 * p->duration_min + p->jitter_min;
}

static bool is_same(const struct auto_upgrade_policy *a, const struct auto_upgrade_policy *b)
{
	return strcmp(a->upgrade_type, b->upgrade_type) == 0 && strcmp(a->cron, b->cron) == 0 && strcmp(a->time_zone, b->time_zone) == 0 &&
	       a->duration_min == b->duration_min && a->jitter_min == b->jitter_min;
}

static struct auto_policy *policy_at(const struct reconcile *r, uint32_t policy)
{
	return slab_at(&r->auto_policies, policy - 1);
}

const struct auto_upgrade_policy *auto_policy_text(const struct reconcile *r, uint32_t policy)
{
	return policy == 0 ? NULL : &policy_at(r, policy)->policy;
}

const struct auto_upgrade_policy *auto_policy_of(const struct reconcile *r, const struct target *t)
{
	return auto_policy_text(r, t->auto_policy);
}

void auto_policy_release(struct reconcile *r, uint32_t *policy)
{
	struct auto_policy *p = *policy ? policy_at(r, *policy) : NULL;

	if (p && --p->refs == 0) {
		map_remove(&r->auto_policy_map, p->hash, *policy - 1);
		slab_give(&r->auto_policies, *policy - 1);
	}
	*policy = 0;
}

static uint32_t policy_find(const struct reconcile *r, const struct auto_upgrade_policy *policy, uint32_t hash)
{
	uint32_t cursor = hash, slot;

	while ((slot = map_next(&r->auto_policy_map, hash, &cursor)) != NONE)
		if (is_same(&policy_at(r, slot + 1)->policy, policy))
			break;
	return slot;
}

void auto_policy_set(struct reconcile *r, uint32_t *place, const struct auto_upgrade_policy *policy)
{
	uint32_t hash = policy_hash(policy), slot = policy_find(r, policy, hash);

	if (slot == NONE) {
		if (slab_take(&r->auto_policies, &slot) < 0 || map_insert(&r->auto_policy_map, hash, slot) < 0) {
			r->is_out_of_memory = true;
			return;
		}
		*policy_at(r, slot + 1) = (struct auto_policy){ .policy = *policy, .hash = hash };
	}
	policy_at(r, slot + 1)->refs++;
	auto_policy_release(r, place);
	*place = slot + 1;
}

/* ---- holds ---- */

struct auto_hold *auto_hold_at(const struct reconcile *r, uint32_t slot)
{
	return slab_at(&r->auto_holds, slot);
}

struct auto_hold *auto_hold_of(const struct reconcile *r, const struct target *t)
{
	return t->auto_hold ? auto_hold_at(r, t->auto_hold - 1) : NULL;
}

uint32_t auto_hold_find(const struct reconcile *r, const char *serial, enum version_type type)
{
	uint32_t hash = hash_text(serial) ^ (uint32_t)type, cursor = hash, slot;

	while ((slot = map_next(&r->auto_hold_map, hash, &cursor)) != NONE)
		if (auto_hold_at(r, slot)->version_type == type && strcmp(auto_hold_at(r, slot)->serial_number, serial) == 0)
			break;
	return slot;
}

void auto_hold_touch(struct reconcile *r, struct auto_hold *h)
{
	h->is_stored = false;
	if (!h->is_dirty)
		memory_auto(r, h);
	h->is_dirty = true;
}

/* NONE when memory is out. */
uint32_t auto_hold_new(struct reconcile *r, const char *serial, enum version_type type, const char *instance_id,
			 const struct auto_upgrade_policy *former)
{
	struct auto_hold *h;
	uint32_t slot;

	if (slab_take(&r->auto_holds, &slot) < 0)
		goto out_of_memory;
	h = auto_hold_at(r, slot);
	*h = (struct auto_hold){ .serial_number = strdup(serial), .instance_id = strdup(instance_id), .hash = hash_text(serial) ^ (uint32_t)type,
				 .target = NONE, .left_ns = r->now_ns, .read_ns = NEVER, .set_ns = NEVER,
				 .not_before_ns = NEVER, .version_type = (uint8_t)type };
	timer_init(&h->timer, TIMER_AUTO_HOLD, slot);
	auto_policy_set(r, &h->former, former);
	if (h->serial_number && h->instance_id && map_insert(&r->auto_hold_map, h->hash, slot) == 0)
		return slot;
out_of_memory:
	r->is_out_of_memory = true;
	return NONE;
}

bool auto_is_held(const struct reconcile *r, uint32_t device, enum version_type type)
{
	return r->auto_hold_map.n > 0 && auto_hold_find(r, device_at(r, device)->serial_number, type) != NONE;
}

/* A Dpi target whose version nobody reads was only there to be put back. */
static void hold_release(const struct reconcile *r, struct target *t)
{
	t->auto_hold = 0;
	t->is_absent |= t->version_type == VERSION_TYPE_DPI && !t->reported && target_pin(r, t) == PIN_NONE;
}

/* Nothing is to be put back any more. */
void auto_hold_drop(struct reconcile *r, uint32_t slot)
{
	struct auto_hold *h = auto_hold_at(r, slot);

	auto_hold_touch(r, h); /* by then it is found no more, and so removed */
	if (h->target != NONE)
		hold_release(r, target_at(r, h->target));
	timers_cancel(&r->timers, &h->timer);
	map_remove(&r->auto_hold_map, h->hash, slot);
	auto_policy_release(r, &h->former);
	free(h->serial_number);
	free(h->instance_id);
	*h = (struct auto_hold){ 0 };
	slab_give(&r->auto_holds, slot);
}

/* ---- store, restart ---- */

bool auto_record(const struct reconcile *r, const char *serial, enum version_type type, struct record *rec)
{
	uint32_t slot = auto_hold_find(r, serial, type);
	struct auto_hold *h = slot == NONE ? NULL : auto_hold_at(r, slot);
	const struct auto_upgrade_policy *former = h ? auto_policy_text(r, h->former) : NULL;

	rec->text[REC_AUTO_TEXT_SERIAL] = serial;
	rec->number[REC_AUTO_VERSION_TYPE] = type;
	if (!former)
		return false;
	h->is_dirty = false;
	rec->text[REC_AUTO_TEXT_INSTANCE] = h->instance_id;
	rec->text[REC_AUTO_TEXT_TYPE] = former->upgrade_type;
	rec->text[REC_AUTO_TEXT_CRON] = former->cron;
	rec->text[REC_AUTO_TEXT_ZONE] = former->time_zone;
	rec->number[REC_AUTO_DURATION_MIN] = former->duration_min;
	rec->number[REC_AUTO_JITTER_MIN] = former->jitter_min;
	rec->number[REC_AUTO_HELD_SINCE] = h->held_since_s;
	return true;
}

void auto_stored(struct reconcile *r, const char *serial, enum version_type type)
{
	uint32_t slot = auto_hold_find(r, serial, type);
	struct auto_hold *h = slot == NONE ? NULL : auto_hold_at(r, slot);

	if (!h || h->is_dirty)
		return;
	h->is_stored = true;
	if (h->timer.place == 0)
		auto_hold_turn(r, slot);
}

bool auto_dirty_again(const struct reconcile *r, const char *serial, enum version_type type)
{
	uint32_t slot = auto_hold_find(r, serial, type);
	bool was_dirty = slot != NONE && auto_hold_at(r, slot)->is_dirty;

	if (slot != NONE)
		auto_hold_at(r, slot)->is_dirty = true;
	return !was_dirty;
}

static uint32_t minutes(int64_t n)
{
	return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void put(char *to, size_t size, const char *text)
{
	size_t n = strnlen(text, size - 1);

	memcpy(to, text, n);
	to[n] = '\0';
}

void auto_restore(struct reconcile *r, const struct record *rec)
{
	struct auto_upgrade_policy former = { .duration_min = minutes(rec->number[REC_AUTO_DURATION_MIN]),
					      .jitter_min = minutes(rec->number[REC_AUTO_JITTER_MIN]) };
	enum version_type type = (enum version_type)rec->number[REC_AUTO_VERSION_TYPE];
	struct auto_hold *h;
	int64_t passed_s;
	uint32_t slot;

	put(former.upgrade_type, sizeof(former.upgrade_type), rec->text[REC_AUTO_TEXT_TYPE]);
	put(former.cron, sizeof(former.cron), rec->text[REC_AUTO_TEXT_CRON]);
	put(former.time_zone, sizeof(former.time_zone), rec->text[REC_AUTO_TEXT_ZONE]);
	if (auto_hold_find(r, rec->text[REC_AUTO_TEXT_SERIAL], type) != NONE)
		return;
	slot = auto_hold_new(r, rec->text[REC_AUTO_TEXT_SERIAL], type, rec->text[REC_AUTO_TEXT_INSTANCE], &former);
	if (slot == NONE)
		return;
	h = auto_hold_at(r, slot);
	h->is_stored = h->is_sent = true; /* it may have been */
	h->held_since_s = rec->number[REC_AUTO_HELD_SINCE];
	h->is_taken = h->held_since_s != 0;
	if (!h->is_taken)
		return;
	passed_s = r->wall_s > h->held_since_s ? r->wall_s - h->held_since_s : 0;
	h->set_ns = passed_s < AUTO_AGAIN_NS / NS_PER_S ? r->now_ns - passed_s * NS_PER_S : r->now_ns - AUTO_AGAIN_NS;
	h->not_before_ns = h->set_ns + AUTO_AGAIN_NS;
}

void auto_forget(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->auto_holds.n; i++) {
		const struct auto_hold *h = auto_hold_at(r, i);

		if (h->serial_number && h->target == NONE && r->now_ns - h->left_ns >= REMEMBER_NS)
			auto_hold_drop(r, i);
	}
}

void auto_deinit(struct reconcile *r)
{
	for (uint32_t i = 0; i < r->auto_holds.n; i++) {
		free(auto_hold_at(r, i)->serial_number);
		free(auto_hold_at(r, i)->instance_id);
	}
	slab_deinit(&r->auto_holds);
	slab_deinit(&r->auto_policies);
	map_deinit(&r->auto_hold_map);
	map_deinit(&r->auto_policy_map);
}
