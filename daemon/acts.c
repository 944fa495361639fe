/* Requests that wait for their STORE, in the order in which they came; the store answers each ticket, so each leaves. */
#include "acts.h"

#include <errno.h>
#include <stdlib.h>

struct waiting {
	struct waiting *next;
	uint64_t request, ticket;
	struct control_result result;
};

struct acts {
	struct daemon *d;
	uint64_t request; /* of the act that is being stepped; 0: none */
	struct waiting *waiting;
};

int acts_new(struct daemon *d, struct acts **ret_acts)
{
	struct acts *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->d = d;
	*ret_acts = a;
	return 0;
}

struct acts *acts_free(struct acts *a)
{
	while (a && a->waiting) {
		struct waiting *w = a->waiting;

		a->waiting = w->next;
		free(w);
	}
	free(a);
	return NULL;
}

void acts_take(void *ctx, const struct act *act, uint64_t request)
{
	struct acts *a = ctx;
	struct event ev = { .kind = EVENT_ACT, .act = *act };
	int r;

	a->request = request;
	r = daemon_step(a->d, &ev);
	if (r < 0 && !a->d->error)
		a->d->error = r;
}

static void answer(const struct acts *a, uint64_t request, const struct control_result *result)
{
	if (a->d->control)
		control_answer(a->d->control, request, result);
}

static int wait_for(struct acts *a, uint64_t request, uint64_t ticket, const struct control_result *result)
{
	struct waiting *w = calloc(1, sizeof(*w)), **last = &a->waiting;

	if (!w)
		return -ENOMEM;
	*w = (struct waiting){ .request = request, .ticket = ticket, .result = *result };
	while (*last)
		last = &(*last)->next;
	*last = w;
	return 0;
}

static int told(struct acts *a, const struct plan *plan)
{
	uint64_t request = a->request;
	struct control_result result = { .is_supported = false };
	uint64_t ticket = 0;

	if (!request)
		return 0;
	a->request = 0;
	for (size_t i = 0; i < plan->n_actions && !result.is_supported; i++) {
		const struct action *action = &plan->actions[i];

		if (action->kind != ACTION_TELL_ACT)
			continue;
		result = (struct control_result){ .is_supported = true, .outcome = action->act_outcome, .count = action->count,
						   .until_s = action->until_s, .is_durable = true };
		ticket = action->ticket;
	}
	if (ticket)
		return wait_for(a, request, ticket, &result);
	answer(a, request, &result);
	return 0;
}

static void stored(struct acts *a, uint64_t ticket, bool is_durable)
{
	struct waiting **at = &a->waiting;

	while (*at) {
		struct waiting *w = *at;

		if (w->ticket != ticket) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->result.is_durable = is_durable;
		answer(a, w->request, &w->result);
		free(w);
	}
}

int acts_watch(struct acts *a, const struct event *ev, const struct plan *plan)
{
	if (!a)
		return 0;
	if (ev->kind == EVENT_ACT)
		return told(a, plan);
	if (ev->kind == EVENT_STORED || ev->kind == EVENT_STORE_FAILED)
		stored(a, ev->stored.ticket, ev->kind == EVENT_STORED);
	return 0;
}
