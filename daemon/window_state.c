/* A window recurs every week, so what lies beyond two weeks need not be looked at. */
#include "window_state.h"

#include "civil.h"

#define LOOK_S (INT64_C(16) * CIVIL_DAY_S) /* an opening of a week, the pause after it, and a day for changes of DST */

/* From the openings of LOOK_S from now on. */
static struct window_state judge(const struct calendar_intervals *openings, int64_t now_s)
{
	struct window_state s = { .from_s = now_s, .until_s = now_s + CIVIL_DAY_S };

	s.is_open = openings->n && openings->items[0].from_s == now_s;
	if (openings->n > s.is_open)
		s.next_open_s = openings->items[s.is_open].from_s;
	if (s.is_open && openings->items[0].to_s < s.until_s)
		s.until_s = openings->items[0].to_s;
	if (s.next_open_s && s.next_open_s < s.until_s)
		s.until_s = s.next_open_s;
	return s;
}

int window_state_look(const struct calendar_window *w, int64_t now_s, struct window_state *s)
{
	const struct calendar calendar = { .windows = w, .n_windows = 1 };
	struct calendar_intervals openings = { 0 }, freezes = { 0 };
	int r;

	if (now_s >= s->from_s && now_s < s->until_s)
		return 0;
	r = calendar_openings(&calendar, (struct calendar_interval){ now_s, now_s + LOOK_S }, &openings, &freezes);
	if (r)
		return r;
	*s = judge(&openings, now_s);
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
	return 0;
}
