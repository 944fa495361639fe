/*
 * Prometheus' HTTP API, as much of it as an instant query needs. Without memory an answer is taken for none.
 *
 * Numbers come as text ("0.5", "1e+06", "+Inf"); cJSON reads them as it reads its own, whatever the locale is.
 */
#include "gate_judge.h"

#include "core/utf8.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 240 /* bytes of somebody else's text in a message */
#define WORD_MAX 40   /* of a type or a number */
#define NUMBER_TEXT_MAX 400
#define AGE_SHOWN_MAX_S 1e9

const char *const gate_state_names[GATE_STATE_N] = { "open", "closed", "unknown" };

struct shown {
	char text[SHOWN_MAX + 1];
};

__attribute__((format(printf, 3, 4))) static void judge(struct gate_verdict *v, enum gate_state state, const char *format, ...)
{
	va_list args;

	v->state = state;
	va_start(args, format);
	vsnprintf(v->why.text, sizeof(v->why.text), format, args);
	va_end(args);
}

/* Cleaned, and cut between two characters. */
static struct shown show(const char *text, size_t max)
{
	struct shown out = { "" };

	utf8_clean(text, strlen(text), out.text, max + 1);
	return out;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* "" when it is missing or no string. */
static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(member(object, name));

	return text ? text : "";
}

/* ---- answers that are none ---- */

#define NEXT_ADDRESS "check gate.prometheus, and what stands in front of the server"

static void judge_http(long status, struct gate_verdict *v)
{
	static const struct {
		long from, to;
		const char *next;
	} nexts[] = {
		{ 300, 399, "redirects are not followed: write in gate.prometheus where the server itself is" },
		{ 401, 401, "sagpin sends no credentials: let Prometheus listen on loopback, or a proxy there add them" },
		{ 403, 403, "sagpin sends no credentials: let Prometheus listen on loopback, or a proxy there add them" },
		{ 404, 404, "check gate.prometheus: api/v1/query is asked for behind it" },
		{ 0, 999, "look at the log of the server, and at what stands in front of it" },
	};
	size_t i = 0;

	while (i + 1 < sizeof(nexts) / sizeof(nexts[0]) && (status < nexts[i].from || status > nexts[i].to))
		i++;
	judge(v, GATE_UNKNOWN, "HTTP %ld without an answer of Prometheus; %s", status, nexts[i].next);
}

/* `"status": "error"`: the words are Prometheus' own. */
static void judge_error(const cJSON *root, long status, struct gate_verdict *v)
{
	static const struct {
		const char *type, *next;
	} nexts[] = {
		{ "bad_data", "check gate.query" },
		{ "execution", "check gate.query" },
		{ "timeout", "ask for less in gate.query, or raise query.timeout of the server" },
		{ "", "look at the log of the server" },
	};
	const char *type = text_of(root, "errorType");
	size_t i = 0;

	while (nexts[i].type[0] && strcmp(nexts[i].type, type) != 0)
		i++;
	judge(v, GATE_UNKNOWN, "HTTP %ld, %s: %s; %s", status, show(type, WORD_MAX).text, show(text_of(root, "error"), SHOWN_MAX).text,
	      nexts[i].next);
}

static void judge_no_json(const struct gate_answer *a, struct gate_verdict *v)
{
	bool is_page = a->body[strspn(a->body, " \t\r\n")] == '<';

	judge(v, GATE_UNKNOWN, "the answer is %s; " NEXT_ADDRESS, is_page ? "a web page and no JSON" : "no JSON, or was cut");
}

/* Thanos and remote reads warn of what they could not reach, VictoriaMetrics flags it. */
static bool is_partial(const cJSON *root, struct gate_verdict *v)
{
	const cJSON *warnings = member(root, "warnings"), *flag = member(root, "isPartial");
	const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(warnings, 0));
	bool has_warnings = warnings && !cJSON_IsNull(warnings) && !(cJSON_IsArray(warnings) && cJSON_GetArraySize(warnings) == 0);

	if (!has_warnings && (!flag || cJSON_IsFalse(flag)))
		return false;
	judge(v, GATE_UNKNOWN, "a warning came with the answer, so it may lack data: %s; see to that, or ask a server that has all of it",
	      first ? show(first, SHOWN_MAX).text : "(without a text)");
	return true;
}

/* ---- samples ---- */

/* As PromQL writes it, so that it can be found: ALERTS{alertname="HighErrors"}. */
static struct shown show_labels(const cJSON *metric)
{
	char raw[4 * SHOWN_MAX] = ""; /* what is cut here is cut once more, between two characters */
	size_t len = (size_t)snprintf(raw, sizeof(raw), "%s{", text_of(metric, "__name__"));
	const char *comma = "";
	const cJSON *label;

	cJSON_ArrayForEach(label, metric) {
		const char *value = cJSON_GetStringValue(label);

		if (len >= sizeof(raw) || !value || !label->string || strcmp(label->string, "__name__") == 0)
			continue;
		len += (size_t)snprintf(raw + len, sizeof(raw) - len, "%s%s=\"%s\"", comma, label->string, value);
		comma = ",";
	}
	if (len < sizeof(raw))
		snprintf(raw + len, sizeof(raw) - len, "}");
	return show(raw, SHOWN_MAX);
}

static bool read_number(const char *text, double *ret_value)
{
	static const struct {
		const char *text;
		double value;
	} words[] = { { "NaN", (double)NAN }, { "+Inf", (double)INFINITY }, { "Inf", (double)INFINITY }, { "-Inf", -(double)INFINITY } };
	cJSON *number;
	bool is_number;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].text, text) == 0) {
			*ret_value = words[i].value;
			return true;
		}
	if (strlen(text) > NUMBER_TEXT_MAX)
		return false;
	number = cJSON_ParseWithLengthOpts(text, strlen(text) + 1, NULL, true);
	is_number = cJSON_IsNumber(number);
	if (is_number)
		*ret_value = cJSON_GetNumberValue(number);
	cJSON_Delete(number);
	return is_number;
}

/* How far a sample is from the clock, which is in whole seconds: all within the one that runs is no age. */
static double age_s(double at_s, int64_t wall_s)
{
	double before = (double)wall_s - at_s, after = at_s - (double)(wall_s + 1);

	return before > 0.0 ? before : after > 0.0 ? after : 0.0;
}

/* One [time, "number"]; false when it keeps the gate closed, which is then judged. */
static bool is_good_sample(const struct gate_question *q, const struct gate_answer *a, const cJSON *pair, const cJSON *metric,
			   struct gate_verdict *v)
{
	const cJSON *at = cJSON_GetArrayItem(pair, 0);
	const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
	double value, age;

	if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2 || !cJSON_IsNumber(at) || !text || !read_number(text, &value)) {
		judge(v, GATE_UNKNOWN, "a sample in the answer is no time and number; " NEXT_ADDRESS);
		return false;
	}
	if (isnan(value)) {
		judge(v, GATE_UNKNOWN, "a sample is NaN, which says nothing: %s; check gate.query", show_labels(metric).text);
		return false;
	}
	age = age_s(cJSON_GetNumberValue(at), a->wall_s);
	if (!(age * NS_PER_S <= (double)q->max_age_ns)) {
		judge(v, GATE_UNKNOWN,
		      "a sample is %.0f s away from this machine's clock, and gate.max_age is less: %s; check the clocks of both machines",
		      fmin(age, AGE_SHOWN_MAX_S), show_labels(metric).text);
		return false;
	}
	if (q->open_when == GATE_OPEN_WHEN_ABOVE ? value > q->value : value < q->value)
		return true;
	judge(v, GATE_CLOSED, "a sample is %s, not %s gate.value: %s; starts go on when all are", show(text, WORD_MAX).text,
	      q->open_when == GATE_OPEN_WHEN_ABOVE ? "above" : "below", show_labels(metric).text);
	return false;
}

static void judge_vector(const struct gate_question *q, const struct gate_answer *a, const cJSON *result, struct gate_verdict *v)
{
	int n = cJSON_GetArraySize(result);
	const cJSON *item;

	if (q->open_when == GATE_OPEN_WHEN_EMPTY) {
		if (n == 0)
			judge(v, GATE_OPEN, "the query has no sample");
		else
			judge(v, GATE_CLOSED, "the query has samples (%d), the first: %s; starts go on when it has none", n,
			      show_labels(member(cJSON_GetArrayItem(result, 0), "metric")).text);
		return;
	}
	if (n == 0) {
		judge(v, GATE_UNKNOWN,
		      "the query has no sample, and absent data is no good news; check gate.query, and that its metrics are still scraped");
		return;
	}
	cJSON_ArrayForEach(item, result) {
		if (!member(item, "value") && member(item, "histogram")) {
			judge(v, GATE_UNKNOWN, "a sample is a histogram: %s; ask for a number in gate.query, as in histogram_quantile()",
			      show_labels(member(item, "metric")).text);
			return;
		}
		if (!is_good_sample(q, a, member(item, "value"), member(item, "metric"), v))
			return;
	}
	judge(v, GATE_OPEN, "all samples (%d) are %s gate.value", n, q->open_when == GATE_OPEN_WHEN_ABOVE ? "above" : "below");
}

static void judge_scalar(const struct gate_question *q, const struct gate_answer *a, const cJSON *result, struct gate_verdict *v)
{
	if (q->open_when == GATE_OPEN_WHEN_EMPTY)
		judge(v, GATE_UNKNOWN,
		      "the answer is a scalar, which is never empty; ask an instant vector, or set open_when to \"above\" or \"below\"");
	else if (is_good_sample(q, a, result, NULL, v))
		judge(v, GATE_OPEN, "the scalar is %s gate.value", q->open_when == GATE_OPEN_WHEN_ABOVE ? "above" : "below");
}

static void judge_data(const struct gate_question *q, const struct gate_answer *a, const cJSON *data, struct gate_verdict *v)
{
	const char *type = text_of(data, "resultType");
	const cJSON *result = member(data, "result");

	if (!cJSON_IsArray(result))
		judge(v, GATE_UNKNOWN, "the answer has no result; " NEXT_ADDRESS);
	else if (strcmp(type, "vector") == 0)
		judge_vector(q, a, result, v);
	else if (strcmp(type, "scalar") == 0)
		judge_scalar(q, a, result, v);
	else if (strcmp(type, "matrix") == 0)
		judge(v, GATE_UNKNOWN,
		      "the answer is a matrix; ask an instant vector: gate.query has a range, as [5m], without a function around it");
	else
		judge(v, GATE_UNKNOWN, "the answer is of the type \"%s\"; ask an instant vector in gate.query", show(type, WORD_MAX).text);
}

static cJSON *parse(const struct gate_answer *a)
{
	cJSON *root;

	if (a->len > GATE_BODY_MAX || strlen(a->body) < a->len || strstr(a->body, "\\u0000")) /* cJSON would end a string there */
		return NULL;
	root = cJSON_ParseWithLengthOpts(a->body, a->len + 1, NULL, true);
	if (cJSON_IsObject(root))
		return root;
	cJSON_Delete(root);
	return NULL;
}

void gate_judge(const struct gate_question *q, const struct gate_answer *a, struct gate_verdict *ret_verdict)
{
	cJSON *root = parse(a);
	const char *status = text_of(root, "status");

	if (strcmp(status, "error") == 0)
		judge_error(root, a->http_status, ret_verdict);
	else if (a->http_status != 200)
		judge_http(a->http_status, ret_verdict);
	else if (a->len > GATE_BODY_MAX)
		judge(ret_verdict, GATE_UNKNOWN,
		      "the answer has more than %zu bytes, the most that is read; ask for fewer samples in gate.query, as with count() or "
		      "max()",
		      GATE_BODY_MAX);
	else if (!root)
		judge_no_json(a, ret_verdict);
	else if (strcmp(status, "success") != 0)
		judge(ret_verdict, GATE_UNKNOWN, "the answer is JSON, but not of Prometheus; " NEXT_ADDRESS);
	else if (!is_partial(root, ret_verdict))
		judge_data(q, a, member(root, "data"), ret_verdict);
	cJSON_Delete(root);
}
