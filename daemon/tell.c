/*
 * What was decided, told.
 *
 * One table or switch line for each kind of news. Nothing here may trust that what an action names is still there: an
 * intent may outlive its instance, its scope and its policy.
 */
#include "tell.h"

#include "log.h"

#include <stdio.h>
#include <string.h>

/* ---- commands for people ---- */

struct command {
	char text[768];
	size_t len;
	bool is_cut; /* it did not fit: half a command is none */
};

static void put(struct command *c, const char *text, size_t len)
{
	if (c->len + len >= sizeof(c->text)) {
		c->is_cut = true;
		return;
	}
	memcpy(c->text + c->len, text, len);
	c->len += len;
	c->text[c->len] = '\0';
}

static void put_text(struct command *c, const char *text)
{
	put(c, text, strlen(text));
}

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:+,/-"

/* " --name=value", such that a shell takes the value as it is, whoever chose it. */
static void put_option(struct command *c, const char *name, const char *value)
{
	put_text(c, " --");
	put_text(c, name);
	put_text(c, "=");
	if (value[0] && value[strspn(value, PLAIN)] == '\0') {
		put_text(c, value);
		return;
	}
	put_text(c, "'");
	for (const char *p = value; *p; p++)
		put(c, *p == '\'' ? "'\\''" : p, *p == '\'' ? 4 : 1);
	put_text(c, "'");
}

static const char *command_text(const struct command *c)
{
	return c->is_cut ? "" : c->text;
}

/* ---- targets ---- */

static const char *const oddity_messages[ODDITY_N] = {
	[ODDITY_STATUS] = "the cloud reports a status that is not documented; taken as offline",
	[ODDITY_NO_SERIAL] = "an instance has no serial number; it is never upgraded",
	[ODDITY_DUPLICATE] = "one serial number stands under two instances; neither is upgraded, ask the vendor's support",
	[ODDITY_VERSION] = "reported and pinned version, or one of them and a hop of via, cannot be compared; check the pin",
	[ODDITY_PAUSE] = "a pause names a policy that is not in the configuration any more; it holds every rollout until that name is resumed",
};

/* How loud a phase is: what an operator must see, what is news, what is only noise in a large fleet. */
static enum log_level phase_level(const struct action *a)
{
	if (a->phase == PHASE_FAILED)
		return LOG_LEVEL_WARN;
	if (a->phase == PHASE_UNMANAGED || (a->phase == PHASE_IN_SYNC && a->old_phase == PHASE_UNKNOWN))
		return LOG_LEVEL_DEBUG;
	return LOG_LEVEL_INFO;
}

static enum log_level outcome_level(const struct action *a)
{
	return a->outcome == INTENT_VERIFIED || a->outcome == INTENT_WITHDRAWN ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
}

/* Who an action is about; "" for what is not known (any more). */
struct subject {
	const char *account, *region_id, *instance_id, *serial_number, *version_type, *policy, *status;
	struct target_view target; /* "" where there is none */
};

static void subject_of_intent(const struct daemon *d, uint64_t id, struct subject *s)
{
	struct intent_view intent;

	if (!id || !reconcile_intent(d->core, id, &intent))
		return;
	s->instance_id = intent.instance_id;
	s->serial_number = intent.serial_number;
	s->version_type = version_type_names[intent.version_type];
	s->policy = intent.policy_name;
}

static void subject_of(const struct daemon *d, const struct action *a, struct subject *s)
{
	const struct settings *settings = &d->config->settings;
	struct instance_view instance;

	*s = (struct subject){ "", "", "", "", "", "", "", { .reported = "", .desired = "" } };
	subject_of_intent(d, a->intent, s);
	if (a->scope < settings->n_scopes) {
		s->account = settings->scopes[a->scope].account;
		s->region_id = settings->scopes[a->scope].region_id;
	}
	if (a->instance != NONE && reconcile_instance(d->core, a->instance, &instance)) {
		s->instance_id = instance.instance_id;
		s->status = instance.status_text;
	}
	if (a->target != NONE && reconcile_target(d->core, a->target, &s->target)) {
		s->serial_number = s->target.serial_number;
		s->version_type = version_type_names[s->target.version_type];
	}
}

/* The line of one decision about a target or an instance: fields without a value are left out. */
static void tell(const struct daemon *d, enum log_level level, const char *message, const struct action *a, const char *request_id,
		 const char *code)
{
	bool has_phase = a->kind == ACTION_TELL_PHASE;
	struct subject s;

	if (!log_is_on(level))
		return;
	subject_of(d, a, &s);
	log_line(level, message, { "account", s.account }, { "region_id", s.region_id }, { "instance_id", s.instance_id },
		 { "serial_number", s.serial_number }, { "version_type", s.version_type }, { "policy", s.policy },
		 { "phase", has_phase ? phase_names[a->phase] : "" }, { "reason", a->reason != REASON_NONE ? reason_names[a->reason] : "" },
		 { "old_phase", has_phase ? phase_names[a->old_phase] : "" },
		 { "outcome", a->kind == ACTION_TELL_SETTLED ? intent_outcome_names[a->outcome] : "" }, { "from", a->from }, { "to", a->to },
		 { "status", a->kind == ACTION_TELL_ODD && a->oddity == ODDITY_STATUS ? s.status : "" },
		 { "reported", has_phase ? s.target.reported : "" }, { "desired", has_phase ? s.target.desired : "" },
		 { "code", code }, { "request_id", request_id });
}

/* ---- rollouts and approvals ---- */

static const struct {
	enum log_level level;
	const char *message;
} rollout_news[ROLLOUT_CHANGE_N] = {
	[ROLLOUT_BEGAN] = { LOG_LEVEL_INFO, "a rollout began" },
	[ROLLOUT_WAVE_PASSED] = { LOG_LEVEL_INFO, "a rollout came to its next wave" },
	[ROLLOUT_AWAITING] = { LOG_LEVEL_WARN, "a wave of a rollout catches nothing that could go; it waits with approval" },
	[ROLLOUT_HALTED] = { LOG_LEVEL_WARN, "a rollout halted; it starts no more upgrades until it is resumed" },
	[ROLLOUT_RESUMED] = { LOG_LEVEL_INFO, "a rollout was resumed" },
	[ROLLOUT_COMPLETED] = { LOG_LEVEL_INFO, "a rollout is complete" },
	[ROLLOUT_REOPENED] = { LOG_LEVEL_INFO, "a rollout is not complete any more" },
	[ROLLOUT_ENDED] = { LOG_LEVEL_INFO, "a rollout ended; nobody wants its version any more" },
};

/* The rollout of an action; "" where it is not there any more: an ended one has left its slot. */
static void rollout_of(const struct daemon *d, const struct action *a, struct rollout_view *ret_rollout)
{
	const struct settings *settings = &d->config->settings;

	if (a->rollout_change != ROLLOUT_ENDED && reconcile_rollout(d->core, a->rollout, ret_rollout)) {
		ret_rollout->wave_name = a->wave;
		return;
	}
	*ret_rollout = (struct rollout_view){ .policy_name = a->policy < settings->n_policies ? settings->policies[a->policy].name : "",
					      .version = a->to, .version_type = a->version_type, .wave_name = "" };
}

static void rollout_next_step(const struct rollout_view *r, enum rollout_change change, struct command *c)
{
	bool is_awaiting = change == ROLLOUT_AWAITING;

	put_text(c, is_awaiting ? "look at its match, then: sagpin approve" : "look at the failures, then: sagpin resume");
	put_option(c, "policy", r->policy_name);
	put_option(c, "version-type", version_type_names[r->version_type]);
	put_option(c, "version", r->version);
	if (is_awaiting)
		put_option(c, "wave", r->wave_name);
	put_text(c, " --why=…");
}

static void tell_rollout(const struct daemon *d, const struct action *a)
{
	bool is_halted = a->rollout_change == ROLLOUT_HALTED;
	struct command next = { .len = 0 };
	char failed[16] = "", ended[16] = "";
	struct rollout_view r;

	rollout_of(d, a, &r);
	if (is_halted || a->rollout_change == ROLLOUT_AWAITING)
		rollout_next_step(&r, a->rollout_change, &next);
	if (is_halted) {
		snprintf(failed, sizeof(failed), "%u", r.failed);
		snprintf(ended, sizeof(ended), "%u", r.ended);
	}
	log_line(rollout_news[a->rollout_change].level, rollout_news[a->rollout_change].message, { "policy", r.policy_name },
		 { "version_type", version_type_names[r.version_type] }, { "version", r.version }, { "wave", r.wave_name },
		 { "cause", is_halted ? halt_cause_names[r.halt_cause] : "" },
		 { "reason", is_halted && r.halt_reason != REASON_NONE ? reason_names[r.halt_reason] : "" }, { "failed", failed },
		 { "ended", ended }, { "next", command_text(&next) });
}

static void tell_approval(const struct daemon *d, const struct action *a)
{
	const struct settings *settings = &d->config->settings;
	const char *account = a->scope < settings->n_scopes ? settings->scopes[a->scope].account : "";
	struct command next = { .len = 0 };
	char count[16];

	snprintf(count, sizeof(count), "%u", a->count);
	if (a->count && account[0]) {
		put_text(&next, "if this is what you want: sagpin approve");
		put_option(&next, "account", account);
		put_option(&next, "version-type", version_type_names[a->version_type]);
		put_option(&next, "version", a->to);
		put_option(&next, "count", count);
		put_text(&next, " --why=…");
	}
	log_line(a->count ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
		 a->count ? "targets wait with approval, because too many would change at once" : "no target waits with approval any more",
		 { "account", account }, { "version_type", version_type_names[a->version_type] }, { "version", a->to }, { "count", count },
		 { "next", command_text(&next) });
}

static void tell_auto_upgrade(const struct daemon *d, const struct action *a)
{
	static const struct {
		enum log_level level;
		const char *message;
	} lines[AUTO_UPGRADE_CHANGE_N] = {
		[AUTO_UPGRADE_CHANGED] = { LOG_LEVEL_WARN, "the cloud's own upgrader was set otherwise, and not by sagpin" },
		[AUTO_UPGRADE_HELD] = { LOG_LEVEL_INFO, "the cloud's own upgrader leaves the device alone now; what it was set to is kept" },
		[AUTO_UPGRADE_PUT_BACK] = { LOG_LEVEL_INFO, "the cloud's own upgrader is set as it was before" },
		[AUTO_UPGRADE_NOT_TAKEN] = { LOG_LEVEL_WARN, "the cloud's own upgrader could not be set; it is tried again, "
							     "see what ModifyDeviceAutoUpgradePolicy answers" },
	};

	tell(d, lines[a->auto_upgrade_change].level, lines[a->auto_upgrade_change].message, a, "", "");
}

/* ---- all of it ---- */

void tell_act(const struct event *ev, const struct action *a)
{
	char count[16];

	snprintf(count, sizeof(count), "%u", a->count);
	log_line(LOG_LEVEL_INFO, "an operator's act", { "act", act_names[a->act] }, { "who", ev->act.who }, { "why", ev->act.why },
		 { "outcome", act_outcome_names[a->act_outcome] }, { "count", count }, { "all", ev->act.is_all ? "yes" : "" },
		 { "account", ev->act.account }, { "policy", ev->act.policy }, { "version_type", ev->act.version_type },
		 { "version", ev->act.version }, { "wave", ev->act.wave }, { "instance_id", ev->act.instance_id },
		 { "serial_number", ev->act.serial_number });
}

static void tell_odd(const struct daemon *d, const struct action *a)
{
	if (a->oddity == ODDITY_PAUSE)
		log_line(LOG_LEVEL_WARN, oddity_messages[a->oddity], { "policy", a->from });
	else
		tell(d, LOG_LEVEL_WARN, oddity_messages[a->oddity], a, "", "");
}

void tell_action(const struct daemon *d, const struct action *a, const char *request_id, const char *code)
{
	switch (a->kind) {
	case ACTION_TELL_INSTANCE_ADDED:
		tell(d, LOG_LEVEL_DEBUG, "instance appeared", a, "", "");
		break;
	case ACTION_TELL_INSTANCE_REMOVED:
		tell(d, LOG_LEVEL_INFO, "instance left the inventory", a, "", "");
		break;
	case ACTION_TELL_ODD:
		tell_odd(d, a);
		break;
	case ACTION_TELL_PHASE:
		tell(d, phase_level(a), "phase changed", a, request_id, code);
		break;
	case ACTION_TELL_STARTED:
		tell(d, LOG_LEVEL_INFO, "upgrade started", a, "", "");
		break;
	case ACTION_TELL_SETTLED:
		tell(d, outcome_level(a), "upgrade settled", a, request_id, code);
		break;
	case ACTION_TELL_EXTERNAL_CHANGE:
		tell(d, LOG_LEVEL_WARN, "a version moved that sagpin did not move", a, "", "");
		break;
	case ACTION_TELL_ACCOUNT:
		tell(d, LOG_LEVEL_WARN, a->is_paused ? "upgrade calls of the account are paused" : "upgrade calls of the account go on", a,
		     request_id, code);
		break;
	case ACTION_TELL_ROLLOUT:
		tell_rollout(d, a);
		break;
	case ACTION_TELL_APPROVAL:
		tell_approval(d, a);
		break;
	case ACTION_TELL_AUTO_UPGRADE:
		tell_auto_upgrade(d, a);
		break;
	case ACTION_UPGRADE:
		tell(d, LOG_LEVEL_DEBUG, "upgrade is called", a, "", "");
		break;
	case ACTION_LIST:
	case ACTION_FOLLOW:
	case ACTION_READ:
	case ACTION_STORE:
	case ACTION_GATE:
	case ACTION_SET_AUTO_UPGRADE:
	case ACTION_TELL_ACT: /* tell_act() */
	case ACTION_KIND_N:
		break;
	}
}
