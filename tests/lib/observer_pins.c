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

/* ---- catalogues ---- */

static struct seen_catalogue *catalogue_at(struct observer *o, const char *model, enum version_type type)
{
	int i = world_model_of(model);

	return i < 0 ? NULL : &o->catalogues[i][type];
}

void observer_catalogue(struct observer *o, const struct event *ev)
{
	size_t asked = ev->catalogue.ticket % OBSERVER_ASKED;
	const struct world_box *box = world_find_box(o->w, o->asked[asked].id);
	struct seen_catalogue *c = box ? catalogue_at(o, box->model, o->asked[asked].type) : NULL;
	uint32_t offered = 0, release = 0;

	if (!c || o->asked[asked].ticket != ev->catalogue.ticket)
		return;
	for (size_t i = 0; i < ev->catalogue.n; i++) {
		int version = world_version_rank(ev->catalogue.entries[i].version);

		offered |= 1u << version;
		release |= ev->catalogue.entries[i].is_release ? 1u << version : 0;
	}
	if (offered == c->offered && release == c->release)
		return;
	*c = (struct seen_catalogue){offered, release, c->offered, c->release, ev->now_ns};
}

/* What is stored of a catalogue is what was read last. */
void observer_check_catalogue_record(const struct observer *o, const struct record *rec)
{
	int model = world_model_of(rec->text[REC_CATALOGUE_TEXT_MODEL]), version = world_version_rank(rec->text[REC_CATALOGUE_TEXT_VERSION]);
	const struct seen_catalogue *c;

	if (model < 0 || version < 0)
		return;
	c = &o->catalogues[model][rec->number[REC_CATALOGUE_VERSION_TYPE]];
	if (rec->is_removed || (rec->number[REC_CATALOGUE_IS_OFFERED] != 0) != (c->offered >> version & 1u) ||
	    (rec->number[REC_CATALOGUE_IS_OFFERED] && (rec->number[REC_CATALOGUE_IS_RELEASE] != 0) != (c->release >> version & 1u)))
		world_break(o->w, "rule 13", "the catalogue of %s is stored with another %s than was read", rec->text[REC_CATALOGUE_TEXT_MODEL],
			    rec->text[REC_CATALOGUE_TEXT_VERSION]);
}

void observer_take_catalogue(struct observer *o, const struct record *rec)
{
	struct seen_catalogue *c = catalogue_at(o, rec->text[REC_CATALOGUE_TEXT_MODEL], (enum version_type)rec->number[REC_CATALOGUE_VERSION_TYPE]);
	int version = world_version_rank(rec->text[REC_CATALOGUE_TEXT_VERSION]);

	if (!c || version < 0)
		return;
	c->offered |= rec->number[REC_CATALOGUE_IS_OFFERED] ? 1u << version : 0;
	c->release |= rec->number[REC_CATALOGUE_IS_RELEASE] ? 1u << version : 0;
}

/* ---- desired ---- */

static int newest(const struct world_pin *p, enum channel channel, unsigned int model, uint32_t offered, uint32_t release)
{
	uint32_t candidates = offered & (channel == CHANNEL_RELEASE ? release : ~release);
	int best = VERSION_ABSENT;

	for (uint32_t i = 0; i < p->n_never; i++)
		candidates &= ~(1u << p->never[i]);
	for (int version = 0; version < VERSION_RANKED; version++)
		if ((candidates >> version & 1u) && (best < 0 || world_created_ms(model, version) > world_created_ms(model, best)))
			best = version;
	return best;
}

/* After another answer all targets are looked at again, some in each step: so long both will do. */
bool observer_is_desired(const struct observer *o, const struct seen_box *box, enum version_type type, int version)
{
	uint32_t pin = observer_pin_of(o, box);
	int model = world_model_of(o->w->boxes[box->index].model);
	const struct seen_catalogue *c;
	const struct world_pin *p;

	if (pin == PIN_NONE)
		return version == VERSION_ABSENT;
	p = &o->w->applied->pins[pin];
	if (p->version[type] < 0 || p->channel[type] == CHANNEL_NONE)
		return version == p->version[type];
	c = &o->catalogues[model][type];
	if (version == newest(p, p->channel[type], (unsigned int)model, c->offered, c->release))
		return true;
	return o->w->now_ns < c->changed_ns + MINUTE && version == newest(p, p->channel[type], (unsigned int)model, c->old_offered, c->old_release);
}

/* Is there a hop of which nobody can tell whether it is on the way? It must not be passed over. */
static bool is_way_unknown(const struct world_pin *p, int have, int want)
{
	for (uint32_t i = 0; i < p->n_via; i++) {
		bool is_reached = is_ranked(have) && is_ranked(p->via[i]) && have >= p->via[i];
		bool is_beyond = is_ranked(p->via[i]) && is_ranked(want) && p->via[i] >= want;

		if (have == p->via[i] || p->via[i] == want || is_reached || is_beyond)
			continue;
		return !is_ranked(have) || !is_ranked(p->via[i]) || !is_ranked(want); /* else that is the first hop, and it is known */
	}
	return false;
}

/* The first hop above what it has, when that is on the way; VERSION_ABSENT: nobody can tell. */
int observer_next(const struct observer *o, const struct seen_box *box, enum version_type type, int have, int want)
{
	uint32_t pin = observer_pin_of(o, box);
	const struct world_pin *p;

	if (pin == PIN_NONE || type != VERSION_TYPE_DEVICE || have < 0 || want < 0)
		return want;
	p = &o->w->applied->pins[pin];
	if (is_way_unknown(p, have, want))
		return VERSION_ABSENT;
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

	if (!observer_is_desired(o, in->box, in->type, in->goal))
		break_intent(o, "rule 6", in, "is on its way to %d, which is not desired", in->goal);
	if (in->to != next)
		break_intent(o, "rule 6", in, "goes from %d to %d, %d is next on the way to %d", in->from, in->to, next, in->goal);
	for (uint32_t i = 0; pin != PIN_NONE && i < o->w->applied->pins[pin].n_never; i++)
		if (o->w->applied->pins[pin].never[i] == in->to)
			break_intent(o, "rule 6", in, "goes to %d, which must never be reached", in->to);
}
