/*
 * One request of the API from check to reply, with everything that may go wrong on the way.
 *
 * The order is the gateway's: what the request says, who says it, how often he said it, what it asks for.
 * A fault in place of the action leaves the fleet as it was; a fault of the delivery comes after the effect.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim.h"

#define UPGRADE "UpdateSmartAccessGatewayVersion"

/* In the journal everything is printable ASCII, so that it can be shown and read as JSON. */
static void copy_printable(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; text != NULL && text[i] != '\0' && i + 1 < size; i++)
		out[i] = (text[i] >= ' ' && text[i] <= '~') ? text[i] : '?';
	out[i] = '\0';
}

static void request_id(struct random *random, char ret_id[static 40])
{
	uint64_t a = random_next(random), b = random_next(random);

	snprintf(ret_id, 40, "%08X-%04X-4%03X-%04X-%012llX", (unsigned int)(a >> 32), (unsigned int)(a >> 16) & 0xffff,
	         (unsigned int)a & 0xfff, ((unsigned int)(b >> 48) & 0x3fff) | 0x8000,
	         (unsigned long long)(b & 0xffffffffffff));
}

static void fill_entry(struct call *call)
{
	struct journal_entry *entry = call->entry;
	const struct request *request = call->request;
	const char *serial = request_param(request, "SerialNumber"), *type = request_param(request, "VersionType");
	const char *id = request_param(request, "SmartAGId");
	struct instance *instance = id == NULL ? NULL : fleet_find(&call->sim->fleet, id);

	if (serial == NULL)
		serial = request_param(request, "SmartAGSn");
	if (strcmp(call->claim->action, UPGRADE) == 0) {
		/* What the call means when it does not say it: the main device, and its operating system. */
		serial = serial == NULL && instance != NULL ? instance->devices[0].serial : serial;
		type = type == NULL ? version_kind_names[VERSION_KIND_DEVICE] : type;
	}
	entry->is_v3 = call->claim->is_v3;
	copy_printable(entry->action, sizeof(entry->action), call->claim->action);
	copy_printable(entry->nonce, sizeof(entry->nonce), call->claim->nonce);
	copy_printable(entry->access_key_id, sizeof(entry->access_key_id), call->claim->access_key_id);
	copy_printable(entry->region, sizeof(entry->region), request_param(request, "RegionId"));
	copy_printable(entry->instance, sizeof(entry->instance), id);
	copy_printable(entry->serial, sizeof(entry->serial), serial);
	copy_printable(entry->version_type, sizeof(entry->version_type), type);
	copy_printable(entry->version, sizeof(entry->version), request_param(request, "VersionCode"));
	copy_printable(entry->upgrade_type, sizeof(entry->upgrade_type), request_param(request, "UpgradeType"));
}

static bool check_line(struct call *call)
{
	const struct request *request = call->request;
	const char *host = request_header(request, "host");

	if (strcmp(request->method, "POST") != 0 && strcmp(request->method, "GET") != 0)
		refuse(&call->refusal, "UnsupportedHTTPMethod", "Use POST or GET.");
	else if (strcmp(request->path, "/") != 0)
		refuse(&call->refusal, "InvalidParameter", "The path is / and nothing else.");
	else if (host == NULL || host[0] == '\0' || strpbrk(host, "/ \t@?#") != NULL)
		refuse(&call->refusal, "InvalidParameter", "The Host header is missing or malformed.");
	return call->refusal.code == NULL;
}

static bool wants_xml(const struct call *call)
{
	const char *format = request_param(call->request, "Format");
	const char *accept = request_header(call->request, "accept"), *json, *xml;

	if (!call->claim->is_v3)
		return format != NULL && strcmp(format, "XML") == 0;
	/* Of method V3 the gateway answers XML unless JSON is asked for by name. */
	json = accept == NULL ? NULL : strcasestr(accept, "json");
	xml = accept == NULL ? NULL : strcasestr(accept, "xml");
	return json == NULL || (xml != NULL && xml < json);
}

static bool throttle(struct sim *sim, int64_t now_ns)
{
	double burst = sim->throttle_per_s < 1 ? 1 : sim->throttle_per_s;

	if (sim->throttle_per_s <= 0)
		return true;
	sim->throttle_tokens += (double)(now_ns - sim->throttle_ns) / 1e9 * sim->throttle_per_s;
	sim->throttle_ns = now_ns;
	if (sim->throttle_tokens > burst)
		sim->throttle_tokens = burst;
	if (sim->throttle_tokens < 1)
		return false;
	sim->throttle_tokens -= 1;
	return true;
}

/* Faults with a code, from first to last. version_error and state_error are answers to an upgrade only. */
static bool fault_codes(struct call *call, enum fault first, enum fault last)
{
	for (unsigned int i = first; i <= last; i++) {
		bool is_for_upgrades = i == FAULT_VERSION_ERROR || i == FAULT_STATE_ERROR;

		if (is_for_upgrades && strcmp(call->entry->action, UPGRADE) != 0)
			continue;
		if (!faults_roll(&call->sim->faults, (enum fault)i, call->entry->action))
			continue;
		refuse(&call->refusal, fault_texts[i].code, "A fault of the simulator: %s.", fault_texts[i].name);
		return true;
	}
	return false;
}

static void answer_start(struct call *call)
{
	struct faults *faults = &call->sim->faults;
	const char *action = call->entry->action;

	call->answer.has_wrong_types = faults_roll(faults, FAULT_WRONG_TYPES, action);
	call->answer.has_missing_fields = faults_roll(faults, FAULT_MISSING_FIELDS, action);
	call->answer.has_invalid_utf8 = faults_roll(faults, FAULT_INVALID_UTF8, action);
	call->answer.random = (struct random){random_next(&faults->random)};
	snprintf(call->root, sizeof(call->root), "%sResponse", action);
	answer_begin(&call->answer, call->root);
	answer_string(&call->answer, "RequestId", call->request_id);
}

static void run_action(const struct action *action, struct call *call)
{
	answer_start(call);
	action_run(action, call);
	if (call->refusal.code == NULL)
		fault_codes(call, FAULT_UNKNOWN_CODE_APPLIED, FAULT_INTERNAL_ERROR_APPLIED);
	answer_end(&call->answer);
}

static void answer_refusal(struct call *call)
{
	struct answer *answer = &call->answer;
	bool is_xml = answer->is_xml;
	const char *host = request_header(call->request, "host");
	char recommend[128];

	answer_deinit(answer);
	answer->is_xml = is_xml;
	snprintf(recommend, sizeof(recommend), "https://api.aliyun.com/troubleshoot?q=%s&product=Smartag",
	         call->refusal.code);
	answer_begin(answer, "Error");
	answer_string(answer, "RequestId", call->request_id);
	answer_string(answer, "HostId", host == NULL ? "" : host);
	answer_string(answer, "Code", call->refusal.code);
	answer_string(answer, "Message", call->refusal.message);
	answer_string(answer, "Recommend", recommend);
	answer_end(answer);
}

/* Everything up to the refusal or the effect. */
static void serve_claim(struct call *call, struct reply *reply)
{
	struct sim *sim = call->sim;
	struct faults *faults = &sim->faults;
	const char *name = call->claim->action;
	const struct action *action = action_find(name);

	if (faults_roll(faults, FAULT_WRONG_CLOCK, name))
		reply->clock_offset_s = faults->settings[FAULT_WRONG_CLOCK].duration_ns / INT64_C(1000000000);
	call->wall_s += reply->clock_offset_s;
	if (strcmp(call->claim->version, API_VERSION) != 0) {
		refuse(&call->refusal, "InvalidVersion", "The version is " API_VERSION ".");
		return;
	}
	if (action == NULL) {
		refuse(&call->refusal, "InvalidAction.NotFound", "Specified action is not found.");
		return;
	}
	if (!check_claim(&sim->check, call->request, call->claim, call->wall_s, &call->refusal))
		return;
	if (!throttle(sim, call->now_ns)) {
		refuse(&call->refusal, "Throttling.User", "Request was denied due to user flow control.");
		return;
	}
	if (faults_roll(faults, FAULT_RESET, name))
		reply->delivery = DELIVERY_RESET;
	else if (!fault_codes(call, FAULT_THROTTLING, FAULT_EXPIRED_TOKEN))
		run_action(action, call);
}

static void roll_delivery(struct call *call, struct reply *reply)
{
	static const struct {
		enum fault fault;
		enum delivery delivery;
	} deliveries[] = {
		{FAULT_LOST_REPLY, DELIVERY_CLOSE}, {FAULT_CLOSE_ON_REUSE, DELIVERY_CLOSE},
		{FAULT_CUT_BODY, DELIVERY_CUT},     {FAULT_HTML_BODY, DELIVERY_HTML},
		{FAULT_EMPTY_BODY, DELIVERY_EMPTY}, {FAULT_HUGE_BODY, DELIVERY_HUGE},
		{FAULT_DEEP_JSON, DELIVERY_DEEP},
	};
	struct faults *faults = &call->sim->faults;
	const char *action = call->entry->action;

	for (size_t i = 0; i < sizeof(deliveries) / sizeof(deliveries[0]) && reply->delivery == DELIVERY_PLAIN; i++) {
		if (deliveries[i].fault == FAULT_CLOSE_ON_REUSE && call->entry->use < 2)
			continue;
		if (faults_roll(faults, deliveries[i].fault, action))
			reply->delivery = deliveries[i].delivery;
	}
	reply->delay_ns = call->sim->latency_ns;
	if (faults_roll(faults, FAULT_LATENCY, action))
		reply->delay_ns += faults->settings[FAULT_LATENCY].duration_ns;
	if (reply->delivery == DELIVERY_HTML)
		reply->http_status = random_below(&faults->random, 2) == 0 ? 200 : 502;
	if (reply->delivery == DELIVERY_EMPTY || reply->delivery == DELIVERY_HUGE ||
	    reply->delivery == DELIVERY_DEEP)
		reply->http_status = 200;
}

static void finish_entry(struct call *call, const struct reply *reply)
{
	struct journal_entry *entry = call->entry;

	copy_printable(entry->code, sizeof(entry->code), call->refusal.code == NULL ? "OK" : call->refusal.code);
	if (reply->delivery == DELIVERY_RESET)
		copy_printable(entry->code, sizeof(entry->code), "reset");
	entry->http_status = reply->http_status;
	entry->is_lost = reply->delivery == DELIVERY_RESET || reply->delivery == DELIVERY_CLOSE;
	journal_add(&call->sim->journal, entry);
}

void api_serve(struct sim *sim, const struct request *request, struct journal_entry *entry, int64_t now_ns,
               int64_t wall_s, struct reply *ret_reply)
{
	struct claim claim = {.action = "", .nonce = ""};
	struct call call = {.sim = sim, .request = request, .claim = &claim, .entry = entry, .now_ns = now_ns,
	                    .wall_s = wall_s};
	bool has_claim;

	*ret_reply = (struct reply){.http_status = 200};
	request_id(&sim->random, call.request_id);
	memcpy(ret_reply->request_id, call.request_id, sizeof(call.request_id));
	memcpy(entry->request_id, call.request_id, sizeof(call.request_id));
	if (check_line(&call)) {
		has_claim = claim_read(request, &claim, &call.refusal);
		fill_entry(&call);
		call.answer.is_xml = wants_xml(&call);
		if (has_claim)
			serve_claim(&call, ret_reply);
	}
	if (call.refusal.code != NULL) {
		answer_refusal(&call);
		ret_reply->http_status = call.refusal.http_status;
	}
	roll_delivery(&call, ret_reply);
	finish_entry(&call, ret_reply);
	ret_reply->answer = call.answer;
	claim_deinit(&claim);
}
