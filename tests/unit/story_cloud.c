#include "story_cloud.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "story.h"

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
		fail_msg("no such device: %s", in->serial_number);
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

/* ---- words ---- */

static void box_attribute(void *bed, char *key, char *value)
{
	struct box *box = bed;
	const struct {
		const char *key;
		const char **text;
	} texts[] = { { "city", &box->seen.city }, { "group", &box->seen.resource_group }, { "name", &box->seen.name }, { "model", &box->seen.model } };

	box->scope |= strcmp(key, "region") == 0;
	for (size_t i = 0; i < 4; i++)
		if (strcmp(texts[i].key, key) == 0)
			*texts[i].text = value;
}

static struct box read_box(struct board *b, char *words)
{
	struct box told = { .scope = 0 };
	struct observation o = story_observation(board_keep(b, words), box_attribute, &told);

	o.instance_id = cloud_id(o.instance_id);
	o.city = told.seen.city ? told.seen.city : o.city;
	o.resource_group = told.seen.resource_group ? told.seen.resource_group : o.resource_group;
	o.name = told.seen.name ? told.seen.name : o.name;
	o.model = told.seen.model ? told.seen.model : o.model;
	told.seen = o;
	return told;
}

static void do_box(struct cloud *c, struct board *b, char *rest)
{
	struct box box = read_box(b, rest);

	*cloud_box(c, box.seen.instance_id) = box;
}

static void do_gone(struct cloud *c, struct board *b, char *rest)
{
	(void)b;
	cloud_box(c, cloud_id(rest))->is_gone = true;
}

static struct device_observation *device_of(struct cloud *c, const char *serial, struct device_fate **ret_fate)
{
	struct device_observation *d = cloud_device(c, serial, ret_fate);

	if (!d)
		fail_msg("no such device: %s", serial);
	return d;
}

static void do_status(struct cloud *c, struct board *b, char *rest)
{
	struct device_fate *f = NULL;
	struct device_observation *d = device_of(c, story_word(&rest), &f);

	(void)b;
	for (char *word = story_word(&rest); *word; word = story_word(&rest)) {
		if (strcmp(word, "online") == 0)
			d->status = STATUS_ACTIVE;
		else if (strcmp(word, "offline") == 0)
			d->status = STATUS_OFFLINE;
		else if (strcmp(word, "standby") == 0)
			d->ha_role = HA_ROLE_STANDBY;
		else if (strcmp(word, "active") == 0)
			d->ha_role = HA_ROLE_ACTIVE;
		else if (strcmp(word, "abnormal") == 0)
			d->controller = HEALTH_ABNORMAL;
		else if (strcmp(word, "normal") == 0)
			d->controller = HEALTH_NORMAL;
		else
			fail_msg("no such word: %s", word);
	}
}

static void do_version(struct cloud *c, struct board *b, char *rest)
{
	struct device_fate *f = NULL;
	struct device_observation *d = device_of(c, story_word(&rest), &f);
	char *version = board_keep(b, story_word(&rest));

	if (strcmp(rest, "Dpi") == 0)
		d->dpi_version = version;
	else
		d->version = version;
}

static void do_will(struct cloud *c, struct board *b, char *rest)
{
	static const char *const fates[FATE_N] = { "works", "silent", "nothing", "lost", "unconfirmed", "ill", "refused" };
	struct device_fate *f = NULL;
	int fate, reason;

	(void)b;
	device_of(c, story_word(&rest), &f);
	fate = story_find_name(fates, FATE_N, story_word(&rest));
	assert_true(fate >= 0);
	if (!f)
		return;
	f->fate = (enum fate)fate;
	if (f->fate != FATE_REFUSED)
		return;
	f->class = (enum error_class)story_find_name(error_class_names, ERROR_CLASS_N, story_word(&rest));
	reason = story_find_name(reason_names, REASON_N, story_word(&rest));
	f->reason = reason < 0 ? REASON_NONE : (enum reason)reason;
}

static void do_takes(struct cloud *c, struct board *b, char *rest)
{
	(void)b;
	c->takes_ns = strtoll(rest, NULL, 10) * NS_PER_S;
}

static void do_catalogue(struct cloud *c, struct board *b, char *rest)
{
	int type = story_find_name(version_type_names, VERSION_TYPE_N, story_word(&rest));

	assert_true(type >= 0);
	c->n_entries[type] = 0;
	for (char *word = story_word(&rest); *word && strcmp(word, "none") != 0; word = story_word(&rest)) {
		char *version = board_keep(b, word), *colon = strchr(version, ':');
		size_t n = c->n_entries[type]++;

		if (colon)
			*colon = '\0';
		c->entries[type][n] = (struct catalogue_entry){ version, (int64_t)(1000 * (n + 1)), !colon };
	}
}

bool cloud_take(struct cloud *c, struct board *b, const char *verb, char *rest)
{
	static const struct {
		const char *verb;
		void (*take)(struct cloud *c, struct board *b, char *rest);
	} verbs[] = {
		{ "box", do_box },   { "gone", do_gone },   { "status", do_status },	   { "version", do_version },
		{ "will", do_will }, { "takes", do_takes }, { "catalogue", do_catalogue },
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].verb, verb) == 0) {
			verbs[i].take(c, b, rest);
			return true;
		}
	return false;
}
