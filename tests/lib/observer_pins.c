/*
 * What a pin wants: the desired version of a target, the next one on the way to it, and what must never be reached;
 * worked out from the world's settings.
 */
#include "observer_priv.h"

static bool is_ranked(int version)
{
	return version >= 0 && version < VERSION_RANKED;
}

bool observer_is_pinned(const struct observer *o, const struct seen_box *box, enum version_type type)
{
	uint32_t pin = observer_pin_of(o, box);

	return pin != PIN_NONE && o->w->applied->pins[pin].version[type] >= 0;
}

int observer_desired(const struct observer *o, const struct seen_box *box, enum version_type type)
{
	uint32_t pin = observer_pin_of(o, box);

	return pin == PIN_NONE ? VERSION_ABSENT : o->w->applied->pins[pin].version[type];
}

/* The first hop above what it has, when that is on the way. */
int observer_next(const struct observer *o, const struct seen_box *box, enum version_type type, int have, int want)
{
	uint32_t pin = observer_pin_of(o, box);
	const struct world_pin *p;

	if (pin == PIN_NONE || type != VERSION_TYPE_DEVICE || !is_ranked(have) || !is_ranked(want))
		return want;
	p = &o->w->applied->pins[pin];
	for (uint32_t i = 0; i < p->n_via; i++)
		if (p->via[i] > have && p->via[i] < want)
			return p->via[i];
	return want;
}

/* At its start: to where the pin leads from there, and to nothing that it forbids. */
void observer_check_way(const struct observer *o, const struct seen_intent *in)
{
	uint32_t pin = observer_pin_of(o, in->box);
	int next = observer_next(o, in->box, in->type, in->from, in->goal);

	if (in->to != next)
		break_intent(o, "rule 6", in, "goes from %d to %d, %d is next on the way to %d", in->from, in->to, next, in->goal);
	for (uint32_t i = 0; pin != PIN_NONE && i < o->w->applied->pins[pin].n_never; i++)
		if (o->w->applied->pins[pin].never[i] == in->to)
			break_intent(o, "rule 6", in, "goes to %d, which must never be reached", in->to);
}
