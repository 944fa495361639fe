/* Windows and freezes: names, zones and times. */
#include "validate.h"
#include "civil.h"

#include <stdlib.h>
#include <string.h>

/* NULL after an error. */
static const struct tzif *find_zone(struct validate *v, const struct raw_head *head, const char *title, const struct raw_text *name)
{
	const struct tzif *zone = NULL;
	struct error error;
	int r;

	if (!name->text)
		return NULL;
	r = zones_get(v->raw->zones, name->text, &zone, &error);
	if (r < 0)
		v->report->is_without_memory = true;
	else if (r)
		ERROR(v, head, name->line, "%s: %s", title, error.text);
	return zone;
}

static uint8_t check_days(struct validate *v, const struct raw_window *w, const char *title)
{
	uint8_t days = 0;

	if (!w->days.n && w->days.line && !w->days.is_bad)
		ERROR(v, &w->head, w->days.line, "%s: days is empty, so it never opens; write them, as in [ \"Mon\", \"Tue\" ]", title);
	for (uint32_t i = 0; i < w->days.n; i++) {
		const struct raw_text *day = &w->days.items[i];
		int weekday;

		if (!civil_parse_weekday(day->text, &weekday)) {
			ERROR(v, &w->head, day->line,
			      "%s: days: \"%s\" is no day; write \"Mon\", \"Tue\", \"Wed\", \"Thu\", \"Fri\", \"Sat\" or \"Sun\"", title,
			      day->text);
			continue;
		}
		if (days >> weekday & 1)
			ERROR(v, &w->head, day->line, "%s: days names \"%s\" twice; remove one", title, day->text);
		days |= (uint8_t)(1u << weekday);
	}
	return days;
}

static void check_window(struct validate *v, const struct raw_window *w, struct config_window *out)
{
	struct raw_title title = raw_title("windows", &w->head, &w->name);

	*out = (struct config_window){ .name = w->name.text, .time_zone = w->time_zone.text };
	out->rule = (struct calendar_window){ .zone = find_zone(v, &w->head, title.text, &w->time_zone),
					      .days = check_days(v, w, title.text),
					      .start_s = (int32_t)w->start.s,
					      .length_s = w->length.ns / NS_PER_S };
	if (w->name.text && strcmp(w->name.text, "always") == 0)
		ERROR(v, &w->head, w->name.line, "%s: \"always\" is built in and open at all times; choose another name", title.text);
	if (w->length.ns % NS_PER_S)
		ERROR(v, &w->head, w->length.line, "%s: length %s is no whole number of seconds", title.text,
		      units_print_duration(w->length.ns).text);
}

void make_windows(struct validate *v)
{
	const struct raw_window *raw = v->raw->windows.items;
	uint32_t n = v->raw->windows.n;
	struct config_window *windows = take(v, (size_t)n + 1, sizeof(*windows));

	v->windows = names_of(v, "windows", &v->raw->windows, sizeof(*raw));
	if (!windows)
		return;
	windows[0] = (struct config_window){ .name = "always", .is_always = true };
	for (uint32_t i = 0; i < n; i++)
		check_window(v, &raw[i], &windows[i + 1]);
	v->config->windows = windows;
	v->config->n_windows = n + 1;
}

static void check_freeze(struct validate *v, const struct raw_freeze *f, struct config_freeze *out)
{
	struct raw_title title = raw_title("freezes", &f->head, &f->name);
	struct calendar_interval interval;

	*out =
	    (struct config_freeze){ .name = f->name.text, .time_zone = f->time_zone.text, .reason = f->reason.text ? f->reason.text : "" };
	out->rule = (struct calendar_freeze){ .zone = find_zone(v, &f->head, title.text, &f->time_zone),
					      .from_civil_s = f->from.s,
					      .to_civil_s = f->to.s };
	if (!out->rule.zone || !f->from.is_set || !f->to.is_set)
		return;
	interval = calendar_freeze_interval(&out->rule);
	if (interval.from_s >= interval.to_s)
		ERROR(v, &f->head, f->to.line, "%s: ends before it begins: from %s to %s; swap or change them", title.text,
		      civil_print(f->from.s).text, civil_print(f->to.s).text);
	else if (interval.to_s <= v->raw->now_s)
		WARNING(v, &f->head, f->to.line, "%s: is over since %s; remove it, or change its dates", title.text,
			civil_print(f->to.s).text);
}

void make_freezes(struct validate *v)
{
	const struct raw_freeze *raw = v->raw->freezes.items;
	uint32_t n = v->raw->freezes.n;
	struct config_freeze *freezes = take(v, n, sizeof(*freezes));

	v->freezes = names_of(v, "freezes", &v->raw->freezes, sizeof(*raw));
	for (uint32_t i = 0; freezes && i < n; i++)
		check_freeze(v, &raw[i], &freezes[i]);
	v->config->freezes = freezes;
	v->config->n_freezes = freezes ? n : 0;
}
