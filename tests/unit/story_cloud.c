#include "story_cloud.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

const char *cloud_id(const char *letter)
{
	static const char *const ids[] = { "a2", "b13", "c66", "d35", "e5", "f59", "g30", "h39", "i73", "j54",
					   "k53", "l65", "m55", "n35", "o48", "p78", "q31", "r31", "s39", "t92" };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (letter[0] == ids[i][0] && letter[1] == '\0')
			return ids[i];
	return letter;
}

struct box *cloud_box(struct cloud *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->boxes[i].seen.instance_id, id) == 0)
			return &c->boxes[i];
	assert_true(c->n < CLOUD_BOXES);
	return &c->boxes[c->n++];
}

struct device_observation *cloud_device(struct cloud *c, const char *serial, struct device_fate **ret_fate)
{
	for (size_t i = 0; i < c->n; i++)
		for (unsigned int k = 0; k < c->boxes[i].seen.n_devices; k++)
			if (strcmp(c->boxes[i].seen.devices[k].serial_number, serial) == 0) {
				*ret_fate = &c->fates[i][k];
				return &c->boxes[i].seen.devices[k];
			}
	return NULL;
}

struct event cloud_call(struct cloud *c, const struct intent_view *in, uint64_t intent, int64_t now_ns)
{
	struct event ev = { .kind = EVENT_CALLED, .called = { .intent = intent, .outcome = CALL_ACCEPTED } };
	struct device_fate *f = NULL;
	struct device_observation *d = cloud_device(c, in->serial_number, &f);

	if (!d || !f) {
		fail_msg("there is no device %s", in->serial_number);
		return ev;
	}
	if (f->fate == FATE_REFUSED) {
		ev.called.outcome = CALL_REFUSED;
		ev.called.class = f->class;
		ev.called.reason = f->reason;
		return ev;
	}
	if (f->fate == FATE_LOST || f->fate == FATE_UNCONFIRMED)
		ev.called.outcome = CALL_UNCONFIRMED;
	if (f->fate == FATE_SILENT)
		d->status = STATUS_OFFLINE;
	if (f->fate != FATE_WORKS && f->fate != FATE_ILL && f->fate != FATE_UNCONFIRMED)
		return ev;
	f->done_ns = now_ns + c->takes_ns;
	f->to = in->to; /* the core keeps it for its life, and after a restart the board does */
	f->type = in->version_type;
	return ev;
}

int64_t cloud_next_ns(const struct cloud *c)
{
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < LIMIT_DEVICES; k++)
			if (c->fates[i][k].done_ns && c->fates[i][k].done_ns < next_ns)
				next_ns = c->fates[i][k].done_ns;
	return next_ns;
}

static void upgrade_done(struct device_observation *d, struct device_fate *f)
{
	f->done_ns = 0;
	if (f->type == VERSION_TYPE_DPI)
		d->dpi_version = f->to;
	else
		d->version = f->to;
	if (f->fate == FATE_ILL)
		d->controller = HEALTH_ABNORMAL;
}

void cloud_go_on(struct cloud *c, int64_t now_ns)
{
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < LIMIT_DEVICES; k++)
			if (c->fates[i][k].done_ns && c->fates[i][k].done_ns <= now_ns)
				upgrade_done(&c->boxes[i].seen.devices[k], &c->fates[i][k]);
}

struct observation cloud_read(const struct box *box, bool has_dpi)
{
	struct observation o = box->seen;

	for (unsigned int k = 0; k < o.n_devices; k++)
		o.devices[k].dpi_version = !has_dpi ? NULL : o.devices[k].dpi_version ? o.devices[k].dpi_version : "";
	return o;
}
