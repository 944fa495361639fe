/*
 * The independent observer: sees every event and every plan, knows the truth of the world, and checks the
 * rules of the contract after each step. It shares no decision with the core; it reads the core's views only
 * to learn which slot is which instance, and to check what they show.
 */
#pragma once

#include "world.h"

struct observer *observer_new(struct world *w);
struct observer *observer_free(struct observer *o);

void observer_event(struct observer *o, const struct event *ev); /* before the step */
void observer_plan(struct observer *o, const struct event *ev, const struct plan *plan);
/* What the world did with the calls. */
void observer_asked_fresh(struct observer *o, uint64_t ticket, const char *id, enum read_purpose purpose);
void observer_delivered(struct observer *o, uint64_t intent);
bool observer_was_delivered(const struct observer *o, uint64_t intent);
