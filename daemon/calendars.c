/*
 * Windows and freezes, told to the core some days ahead.
 *
 * What was told begins some days back, so that an opening that is under way begins where it did, and is told anew long
 * before its end. A wall clock that left what was told is answered by telling what holds around it (rule 12).
 */
#include "calendars.h"

#include "calendar.h"

#include <errno.h>
#include <stdlib.h>

#define DAY_S INT64_C(86400)
#define BACK_S (8 * DAY_S)   /* longer than any window */
#define AHEAD_S (21 * DAY_S)
#define AGAIN_S DAY_S

static struct stretch *stretches(const struct calendar_intervals *list)
{
	struct stretch *s = calloc(list->n + 1, sizeof(*s));

	for (size_t i = 0; s && i < list->n; i++)
		s[i] = (struct stretch){ list->items[i].from_s, list->items[i].to_s };
	return s;
}

static int tell(struct daemon *d, uint32_t policy, struct calendar_interval range)
{
	struct calendar_intervals openings = { 0 }, freezes = { 0 };
	struct event ev = { .kind = EVENT_CALENDAR, .calendar = { .policy = policy, .from_s = range.from_s, .until_s = range.to_s } };
	struct stretch *open = NULL, *frozen = NULL;
	int r = calendar_openings(&d->config->policies[policy].calendar, range, &openings, &freezes);

	if (!r) {
		open = stretches(&openings);
		frozen = stretches(&freezes);
		r = open && frozen ? 0 : -ENOMEM;
	}
	if (!r) {
		ev.calendar.openings = open;
		ev.calendar.n_openings = openings.n;
		ev.calendar.freezes = frozen;
		ev.calendar.n_freezes = freezes.n;
		r = daemon_step(d, &ev);
	}
	free(open);
	free(frozen);
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
	return r;
}

int calendars_run(struct daemon *d)
{
	const struct settings *settings = &d->config->settings;
	struct calendar_interval range = { d->wall_s - BACK_S, d->wall_s + AHEAD_S };
	int r = 0;

	if (d->calendars_s != 0 && d->wall_s >= d->calendars_s && d->wall_s < d->calendars_s + AGAIN_S)
		return 0;
	d->calendars_s = d->wall_s;
	for (uint32_t i = 0; i < settings->n_policies && r >= 0; i++)
		if (!settings->policies[i].is_always_open)
			r = tell(d, i, range);
	return r;
}
