/*
 * What there is, for who named something that there is not: policies, rollouts, waves, accounts, approvals. Pure but
 * for its look at the core.
 */
#include "known.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A list that ends with "…" when it does not fit. */
struct list {
	struct error *text;
	size_t n;
	bool is_cut;
};

#define MORE ", …"

static void __attribute__((format(printf, 2, 3))) list_add(struct list *l, const char *format, ...)
{
	size_t len = strlen(l->text->text), room = sizeof(l->text->text) - sizeof(MORE) - len;
	char item[2 * LIMIT_NAME + 64];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(item, sizeof(item), format, args);
	va_end(args);
	if (l->is_cut || n < 0)
		return;
	if ((size_t)n + 2 >= room) {
		memcpy(l->text->text + len, MORE, sizeof(MORE));
		l->is_cut = true;
		return;
	}
	snprintf(l->text->text + len, room, "%s%s", l->n++ ? ", " : "", item);
}

/* "no WHAT is called NAME; there are: " */
static struct list list_begin(struct error *ret_text, const char *what, const char *name)
{
	snprintf(ret_text->text, sizeof(ret_text->text), "no %s is called \"%.64s\"; there are: ", what, name);
	return (struct list){ .text = ret_text };
}

/* The first of the settings; NONE: there is none of that name. */
static uint32_t policy_named(const struct settings *settings, const char *name)
{
	for (uint32_t i = 0; i < settings->n_policies; i++)
		if (strcmp(settings->policies[i].name, name) == 0)
			return i;
	return NONE;
}

static bool is_account(const struct settings *settings, const char *name)
{
	for (uint32_t i = 0; i < settings->n_scopes; i++)
		if (strcmp(settings->scopes[i].account, name) == 0)
			return true;
	return false;
}

static void tell_policies(const struct settings *settings, const char *name, struct error *ret_text)
{
	struct list l = list_begin(ret_text, "policy", name);

	for (uint32_t i = 0; i < settings->n_policies; i++)
		list_add(&l, "%s", settings->policies[i].name);
}

/* Each once: an account stands in one scope for each of its regions, one after the other. */
static void tell_accounts(const struct settings *settings, const char *name, struct error *ret_text)
{
	struct list l = list_begin(ret_text, "account", name);

	for (uint32_t i = 0; i < settings->n_scopes; i++)
		if (i == 0 || strcmp(settings->scopes[i].account, settings->scopes[i - 1].account) != 0)
			list_add(&l, "%s", settings->scopes[i].account);
}

static void tell_waves(const struct policy *policy, const char *name, struct error *ret_text)
{
	struct list l = list_begin(ret_text, "wave of the policy that a rollout came to", name);

	for (uint32_t i = 0; i < policy->n_waves; i++)
		list_add(&l, "%s", policy->waves[i].name);
	if (l.n == 0)
		list_add(&l, "none, since the policy has no waves");
}

static void tell_rollouts(const struct reconcile *core, const char *policy, struct error *ret_text)
{
	struct list l = { .text = ret_text };
	struct rollout_view v;

	snprintf(ret_text->text, sizeof(ret_text->text), "policy %.128s has no such rollout; it has: ", policy);
	for (uint32_t i = 0; i < reconcile_rollout_slots(core); i++)
		if (reconcile_rollout(core, i, &v) && strcmp(v.policy_name, policy) == 0)
			list_add(&l, "%s %s", version_type_names[v.version_type], v.version);
	if (l.n == 0)
		list_add(&l, "none now; without --version the word is about all of the policy, also what is to come");
}

static void tell_approvals(const struct reconcile *core, struct error *ret_text)
{
	struct list l = { .text = ret_text };
	struct approval_view v;

	snprintf(ret_text->text, sizeof(ret_text->text), "what waits with approval: ");
	for (uint32_t i = 0; i < reconcile_approvals(core); i++)
		if (reconcile_approval(core, i, &v))
			list_add(&l, "%u targets of %s for %s %s", v.count, v.account, version_type_names[v.version_type], v.version);
	if (l.n == 0)
		list_add(&l, "nothing");
}

void known_text(const struct reconcile *core, const struct settings *settings, const struct act *act, struct error *ret_text)
{
	uint32_t policy = act->policy ? policy_named(settings, act->policy) : NONE;

	ret_text->text[0] = '\0';
	if (act->policy && policy == NONE)
		tell_policies(settings, act->policy, ret_text);
	else if (act->account && !is_account(settings, act->account))
		tell_accounts(settings, act->account, ret_text);
	else if (act->wave && policy != NONE && !act->version)
		tell_waves(&settings->policies[policy], act->wave, ret_text);
	else if ((act->kind == ACT_PAUSE || act->kind == ACT_RESUME || act->wave) && act->policy)
		tell_rollouts(core, act->policy, ret_text);
	else if (act->kind == ACT_APPROVE)
		tell_approvals(core, ret_text);
}
