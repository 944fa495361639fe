/*
 * Rule 5, sites: no more in flight of one site than its policy allows.
 *
 * A site is worked out from what reads told of the instance that holds the device now.
 */
#include "observer_priv.h"

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
	return found ? found : in->box;
}

static bool is_same_site(const struct observer *o, const struct seen_box *a, const struct seen_box *b)
{
	return strcmp(o->w->boxes[a->index].city, o->w->boxes[b->index].city) == 0;
}

void observer_check_site(const struct observer *o, const struct seen_intent *in)
{
	const struct policy *p = &o->w->applied->policies[in->policy];
	uint32_t n = 0;

	if (p->site_by != SITE_BY_CITY)
		return;
	for (size_t i = 0; i < o->n_open; i++) {
		const struct seen_box *box = o->open[i]->policy == in->policy ? box_of(o->open[i]) : NULL;

		n += box && is_same_site(o, box, in->box);
	}
	if (n > p->max_in_flight_per_site)
		break_intent(o, "rule 5", in, "%u in flight at one site, %u are allowed", n, p->max_in_flight_per_site);
}
