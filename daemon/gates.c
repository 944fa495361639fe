/*
 * One request for each question. An answer's age counts from the moment that it was asked for, not from its arrival.
 */
#include "gates.h"

#include "cloud/fetch.h"
#include "gate_judge.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define ANSWER_BYTES_MAX ((size_t)1024 * 1024) /* that are taken; fewer are parsed */
#define QUERY_PATH "api/v1/query?query="

struct ask {
	LIST_ENTRY(ask) entry;
	struct gates *gates;
	struct fetch *fetch;
	uint32_t policy;
	uint64_t ticket;
	int64_t asked_ns;
};
LIST_HEAD(ask_list, ask);

struct gates {
	struct daemon *d;
	struct ask_list under_way;
	enum gate_state *told; /* of each policy, as it was last told; open at first, which is no news */
};

int gates_new(struct daemon *d, struct gates **ret_gates)
{
	struct gates *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->d = d;
	LIST_INIT(&g->under_way);
	g->told = calloc(d->config->settings.n_policies + 1, sizeof(*g->told));
	if (!g->told)
		return gates_free(g), -ENOMEM;
	*ret_gates = g;
	return 0;
}

static void ask_free(struct ask *ask)
{
	LIST_REMOVE(ask, entry);
	free(ask);
}

struct gates *gates_free(struct gates *g)
{
	struct ask *ask;

	if (!g)
		return NULL;
	while ((ask = LIST_FIRST(&g->under_way))) {
		fetch_cancel(ask->fetch);
		ask_free(ask);
	}
	free(g->told);
	free(g);
	return NULL;
}

static void tell(struct gates *g, uint32_t policy, const struct gate_verdict *v)
{
	const char *name = g->d->config->settings.policies[policy].name;

	log_line(LOG_LEVEL_DEBUG, "gate was asked", { "policy", name }, { "gate", gate_state_names[v->state] }, { "why", v->why.text });
	if (g->told[policy] == v->state)
		return;
	g->told[policy] = v->state;
	if (v->state == GATE_OPEN)
		log_line(LOG_LEVEL_INFO, "gate is open again, starts go on", { "policy", name }, { "why", v->why.text });
	else if (v->state == GATE_CLOSED)
		log_line(LOG_LEVEL_INFO, "gate is closed, nothing starts", { "policy", name }, { "why", v->why.text });
	else
		log_line(LOG_LEVEL_WARN, "gate cannot be judged, so it is closed and nothing starts", { "policy", name },
			 { "why", v->why.text });
}

static void judge(const struct ask *ask, const struct fetch_reply *reply, struct gate_verdict *ret_verdict)
{
	const struct daemon *d = ask->gates->d;
	const struct config_policy *policy = &d->config->policies[ask->policy];
	const struct gate_question question = {
		.open_when = policy->gate.open_when,
		.value = policy->gate.value,
		.max_age_ns = d->config->settings.policies[ask->policy].gate.max_age_ns,
	};
	const struct gate_answer answer = {
		.http_status = reply->http_status, .body = reply->body, .len = reply->len, .wall_s = d->wall_s
	};

	if (reply->result == FETCH_RESULT_ANSWER) {
		gate_judge(&question, &answer, ret_verdict);
		return;
	}
	ret_verdict->state = GATE_UNKNOWN;
	snprintf(ret_verdict->why.text, sizeof(ret_verdict->why.text), "%s", reply->advice);
}

static void on_answer(void *ctx, const struct fetch_reply *reply)
{
	struct ask *ask = ctx;
	struct gates *g = ask->gates;
	struct gate_verdict verdict;
	struct event ev = { .kind = EVENT_GATE, .gate = { .ticket = ask->ticket, .asked_ns = ask->asked_ns } };
	int r;

	judge(ask, reply, &verdict);
	if (reply->result != FETCH_RESULT_CLOSED) /* we go away: that is no news of the gate */
		tell(g, ask->policy, &verdict);
	ev.gate.is_open = verdict.state == GATE_OPEN;
	ask_free(ask);
	r = daemon_step(g->d, &ev);
	if (r < 0 && !g->d->error)
		g->d->error = r;
}

/* "https://host/path/api/v1/query?query=up%20%3D%3D%200"; NULL without memory. */
static char *make_url(const struct config_policy *policy)
{
	char *query = curl_easy_escape(NULL, policy->gate.query, (int)strlen(policy->gate.query)), *url = NULL;

	if (query && asprintf(&url, "%s" QUERY_PATH "%s", policy->gate.prometheus, query) < 0)
		url = NULL;
	curl_free(query);
	return url;
}

static int start(struct ask *ask, struct error *ret_error)
{
	const struct config_policy *policy = &ask->gates->d->config->policies[ask->policy];
	char *url = make_url(policy);
	const struct fetch_request request = {
		.method = "GET",
		.url = url,
		.timeout_ns = policy->gate.timeout_ns,
		.max_bytes = ANSWER_BYTES_MAX,
	};
	int r = url ? fetch_start(ask->gates->d->client, &request, on_answer, ask, &ask->fetch, ret_error) : -ENOMEM;

	free(url);
	return r;
}

int gates_ask(struct gates *g, const struct action *a, struct event *ret_answer)
{
	struct ask *ask = malloc(sizeof(*ask));
	struct gate_verdict verdict = { .state = GATE_UNKNOWN };
	int r;

	if (!ask)
		return -ENOMEM;
	*ask = (struct ask){ .gates = g, .policy = a->policy, .ticket = a->ticket, .asked_ns = g->d->now_ns };
	LIST_INSERT_HEAD(&g->under_way, ask, entry);
	r = start(ask, &verdict.why);
	if (!r)
		return 0;
	ask_free(ask);
	if (r == FETCH_E_INVALID)
		tell(g, a->policy, &verdict);
	if (r != FETCH_E_INVALID && r != -ECANCELED) /* ECANCELED: the client goes away */
		return r;
	*ret_answer = (struct event){ .kind = EVENT_GATE, .gate = { .ticket = a->ticket, .asked_ns = g->d->now_ns } };
	return GATES_E_ANSWERED;
}
