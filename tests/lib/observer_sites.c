/*
 * Rule 5, sites: no more in flight of one site than its policy allows.
 *
 * A site is worked out from what reads told of the instance that holds the device now.
 */
#include "observer_priv.h"

#include <stdio.h>
#include <string.h>

/* Where its device is: where it was called, as long as no read shows it elsewhere. NULL: in two, nobody knows. */
static const struct seen_box *box_of(const struct seen_intent *in)
{
	const struct seen_box *found = NULL;

	for (size_t i = 0; i < in->serial_of->n_boxes; i++) {
		const struct seen_box *box = in->serial_of->boxes[i];

		if (!box->is_live || !observer_holds(box, in->serial))
			continue;
		if (found)
			return NULL;
		found = box;
	}
	if (found && found != in->box && in->is_restored)
		return NULL; /* one that moved while it was upgraded counts where it was called, after a restart: known, and rare */
	return found ? found : in->box;
}

/* What the expression stands for, in plain words. */
static void site_by_name(uint32_t regex, const char *name, char *ret_site)
{
	const char *dash = strchr(name, '-');

	if (regex == SITE_REGEX_KIND && dash)
		snprintf(ret_site, WORLD_TEXT, "%.*s", (int)(dash - name), name);
	else if (regex == SITE_REGEX_DIGIT && strncmp(name, "shop-", 5) == 0 && name[5])
		snprintf(ret_site, WORLD_TEXT, "%c", name[5]);
	else
		snprintf(ret_site, WORLD_TEXT, "%s", name);
}

static void site_of(const struct observer *o, const struct seen_box *box, uint32_t policy, char *ret_site)
{
	switch (o->w->applied->policies[policy].site_by) {
	case SITE_BY_CITY:
		snprintf(ret_site, WORLD_TEXT, "%s", box->city);
		break;
	case SITE_BY_RESOURCE_GROUP:
		snprintf(ret_site, WORLD_TEXT, "%s", box->resource_group);
		break;
	case SITE_BY_NAME:
		site_by_name(o->w->applied->more[policy].site_regex, o->w->boxes[box->index].name, ret_site);
		break;
	case SITE_BY_INSTANCE:
	case SITE_BY_N:
		snprintf(ret_site, WORLD_TEXT, "%s", box->id);
		break;
	}
}

void observer_check_site(const struct observer *o, const struct seen_intent *in)
{
	const struct policy *p = &o->w->applied->policies[in->policy];
	char own[WORLD_TEXT], other[WORLD_TEXT];
	uint32_t n = 0;

	if (p->site_by == SITE_BY_INSTANCE)
		return; /* rule 1 is stricter */
	site_of(o, in->box, in->policy, own);
	for (size_t i = 0; i < o->n_open; i++) {
		const struct seen_box *box = o->open[i]->policy == in->policy ? box_of(o->open[i]) : NULL;

		if (!box || !box->is_named)
			continue; /* after a restart: where it was is stored, and may be old */
		site_of(o, box, in->policy, other);
		n += strcmp(own, other) == 0;
	}
	if (n > p->max_in_flight_per_site)
		break_intent(o, "rule 5", in, "%u in flight at the site %s, %u are allowed", n, own, p->max_in_flight_per_site);
}
