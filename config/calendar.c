/*
 * Intervals are collected, sorted and merged, once for the windows and once for the freezes, and then subtracted. Pure.
 */
#include "calendar.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "civil.h"

#define SIZE_FIRST 16

void calendar_intervals_deinit(struct calendar_intervals *list)
{
	free(list->items);
	*list = (struct calendar_intervals){ 0 };
}

/* Behind the others, cut to the range; nothing happens when nothing is left. */
static int push(struct calendar_intervals *list, struct calendar_interval range, struct calendar_interval piece)
{
	struct calendar_interval cut = {
		.from_s = piece.from_s > range.from_s ? piece.from_s : range.from_s,
		.to_s = piece.to_s < range.to_s ? piece.to_s : range.to_s,
	};

	if (cut.from_s >= cut.to_s)
		return 0;
	if (list->n == list->size) {
		size_t size = list->size ? list->size * 2 : SIZE_FIRST;
		struct calendar_interval *items = reallocarray(list->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->size = size;
	}
	list->items[list->n++] = cut;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct calendar_interval *x = a, *y = b;

	return (x->from_s > y->from_s) - (x->from_s < y->from_s);
}

/* Sorts, and makes one of those that overlap or touch. */
static void merge(struct calendar_intervals *list)
{
	size_t n = 0;

	if (list->n == 0)
		return;
	qsort(list->items, list->n, sizeof(list->items[0]), compare);
	for (size_t i = 1; i < list->n; i++) {
		struct calendar_interval *last = &list->items[n];

		if (list->items[i].from_s > last->to_s)
			list->items[++n] = list->items[i];
		else if (list->items[i].to_s > last->to_s)
			last->to_s = list->items[i].to_s;
	}
	list->n = n + 1;
}

/* On every local day whose opening may reach into the range, whatever its zone's offset is. */
static int push_window(struct calendar_intervals *list, struct calendar_interval range, const struct calendar_window *w)
{
	int64_t last = civil_day_of(range.to_s + TZIF_OFFSET_MAX_S);
	int r = 0;

	assert(w->zone && w->days && w->days <= CALENDAR_EVERY_DAY && w->start_s >= 0 && w->start_s < CIVIL_DAY_S);
	assert(w->length_s > 0 && w->length_s <= CALENDAR_LENGTH_MAX_S);
	for (int64_t day = civil_day_of(range.from_s - w->length_s - w->start_s - TZIF_OFFSET_MAX_S); day <= last && !r; day++) {
		int64_t from_s;

		if (!(w->days >> civil_weekday(day) & 1))
			continue;
		from_s = tzif_utc(w->zone, day * CIVIL_DAY_S + w->start_s);
		r = push(list, range, (struct calendar_interval){ from_s, from_s + w->length_s });
	}
	return r;
}

static int push_windows(struct calendar_intervals *list, struct calendar_interval range, const struct calendar *c)
{
	int r = c->is_always ? push(list, range, range) : 0;

	for (size_t i = 0; i < c->n_windows && !r; i++)
		r = push_window(list, range, &c->windows[i]);
	merge(list);
	return r;
}

struct calendar_interval calendar_freeze_interval(const struct calendar_freeze *freeze)
{
	return (struct calendar_interval){
		.from_s = tzif_utc(freeze->zone, freeze->from_civil_s),
		.to_s = tzif_utc(freeze->zone, freeze->to_civil_s),
	};
}

static int push_freezes(struct calendar_intervals *list, struct calendar_interval range, const struct calendar *c)
{
	int r = 0;

	for (size_t i = 0; i < c->n_freezes && !r; i++)
		r = push(list, range, calendar_freeze_interval(&c->freezes[i]));
	merge(list);
	return r;
}

/* What the merged `windows` leave outside of the merged `freezes`. */
static int push_difference(struct calendar_intervals *list, const struct calendar_intervals *windows, const struct calendar_intervals *freezes)
{
	size_t f = 0;
	int r = 0;

	for (size_t i = 0; i < windows->n && !r; i++) {
		struct calendar_interval left = windows->items[i];

		while (f < freezes->n && freezes->items[f].to_s <= left.from_s)
			f++;
		/* One that reaches beyond this window may cut the next one, too. */
		for (size_t k = f; k < freezes->n && freezes->items[k].from_s < left.to_s && !r; k++) {
			r = push(list, left, (struct calendar_interval){ left.from_s, freezes->items[k].from_s });
			left.from_s = freezes->items[k].to_s;
		}
		if (!r)
			r = push(list, left, left);
	}
	return r;
}

int calendar_openings(const struct calendar *c, struct calendar_interval range, struct calendar_intervals *openings,
		      struct calendar_intervals *freezes)
{
	struct calendar_intervals windows = { 0 }, frozen = { 0 }, open = { 0 };
	int r;

	assert(range.from_s >= -TZIF_TIME_MAX / 2 && range.from_s <= range.to_s && range.to_s <= TZIF_TIME_MAX / 2);
	assert(range.to_s - range.from_s <= CALENDAR_RANGE_MAX_S);
	r = push_windows(&windows, range, c);
	if (!r)
		r = push_freezes(&frozen, range, c);
	if (!r)
		r = push_difference(&open, &windows, &frozen);
	calendar_intervals_deinit(&windows);
	if (r) {
		calendar_intervals_deinit(&frozen);
		calendar_intervals_deinit(&open);
		return r;
	}
	calendar_intervals_deinit(openings);
	calendar_intervals_deinit(freezes);
	*openings = open;
	*freezes = frozen;
	return 0;
}

int calendar_next(const struct calendar *c, int64_t after_s, uint32_t days, struct calendar_interval *ret_opening)
{
	struct calendar_intervals openings = { 0 }, freezes = { 0 };
	struct calendar_interval range = { after_s, after_s + (int64_t)days * CIVIL_DAY_S };
	int r = calendar_openings(c, range, &openings, &freezes);

	if (r)
		return r;
	*ret_opening = openings.n ? openings.items[0] : (struct calendar_interval){ CALENDAR_NEVER, CALENDAR_NEVER };
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
	return 0;
}

struct calendar_room calendar_room(const struct calendar_intervals *openings, int64_t takes_s)
{
	struct calendar_room room = { 0 };

	assert(takes_s > 0);
	for (size_t i = 0; i < openings->n; i++) {
		int64_t length_s = openings->items[i].to_s - openings->items[i].from_s;

		room.open_s += length_s;
		if (length_s < takes_s)
			continue;
		room.usable_s += length_s - takes_s + 1;
		room.n_turns += length_s / takes_s;
		room.n_usable++;
	}
	return room;
}
