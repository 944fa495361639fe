/*
 * The independent observer: sees every event and every plan, knows the truth of the world, and checks the
 * rules of the contract after each step. It shares no decision with the core; it reads the core's views only
 * to learn which slot is which instance, and to check what they show. It outlives the core, and looks into the
 * store by itself: what is durable it takes from there and from nowhere else.
 */
#pragma once

#include "world.h"

struct observer *observer_new(struct world *w);
struct observer *observer_free(struct observer *o);

void observer_event(struct observer *o, const struct event *ev); /* before the step */
void observer_plan(struct observer *o, const struct event *ev, const struct plan *plan);
void observer_all(struct observer *o); /* looks at everything that is shown, and into the store */
/* What the world did with the calls. */
void observer_asked(struct observer *o, uint64_t ticket, const char *id, enum read_purpose purpose, enum version_type type, const char *serial);
uint64_t observer_handle(struct observer *o, uint64_t intent); /* names it across lives, which use numbers again; 0: unknown */
void observer_leaves(struct observer *o, uint64_t handle);
void observer_put_back(struct observer *o, const struct world_device *device, enum version_type type, struct world_auto to);
void observer_delivered(struct observer *o, uint64_t handle, const struct world_box *box, const struct world_device *device);
/* Lives: one ended; the next is about to be given the settings; it has been given all that is stored. */
void observer_crashed(struct observer *o, bool is_lost);
void observer_begins(struct observer *o);
void observer_begun(struct observer *o);
