/*
 * A small daemon's life: keys, listings, single reads, then the end.
 *
 * A listing that is inconsistent is asked for again; one that fails ends all of it, since half a fleet makes no plan. What
 * a single read does not tell stays unknown.
 */
#include "survey.h"

#include "base/machine.h"
#include "cloud/client.h"
#include "cloud/identity.h"
#include "cloud/listing.h"
#include "core/pin.h"
#include "state/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MAX_CALLS 64 /* that wait or run at once, of single reads */
#define LIST_CALLS_MAX 16 /* … of one listing */
#define LIST_TRIES 3
#define PAGE_TRIES 3
#define WAIT_MAX_MS 1000

struct survey_scope {
	struct listing *listing;
	uint32_t tries, failures, n_open;
	bool is_spoilt, is_done;
};

/* A single read: of an instance's attributes, or (is_catalogue) of what its first device can run. */
struct single {
	uint32_t instance; /* of the picture */
	enum version_type version_type;
	bool is_catalogue;
};

struct survey {
	const struct config *config;
	struct picture *picture;
	struct identity **identities;
	struct client_scope *client_scopes;
	struct client *client;
	struct survey_scope *scopes;
	uint32_t n_listing;
	struct single *singles;
	size_t n_singles, size_singles, next_single, n_done;
	uint32_t n_unread;
	int64_t now_ns, wall_s;
	int result; /* why it ends */
	struct error error;
};

__attribute__((format(printf, 2, 3))) static void give_up(struct survey *s, const char *format, ...)
{
	va_list args;

	if (s->result)
		return;
	s->result = SURVEY_E_FAILED;
	va_start(args, format);
	vsnprintf(s->error.text, sizeof(s->error.text), format, args);
	va_end(args);
}

static void fail(struct survey *s, int r)
{
	if (r < 0 && !s->result)
		s->result = r;
}

static const struct scope *scope_of(const struct survey *s, uint32_t scope)
{
	return &s->config->settings.scopes[scope];
}

/* ---- listings ---- */

static void list_pages(struct survey *s, uint32_t scope)
{
	struct survey_scope *at = &s->scopes[scope];

	while (!s->result && at->n_open < LIST_CALLS_MAX) {
		struct call call = { .scope = scope, .priority = CALL_PRIORITY_LIST,
				     .request = { .action = API_DESCRIBE_SMART_ACCESS_GATEWAYS, .region_id = scope_of(s, scope)->region_id,
						  .page_size = LIMIT_PAGE, .page_number = listing_next_page(at->listing) } };

		if (!call.request.page_number)
			return;
		call.tag = call.request.page_number;
		at->n_open++;
		fail(s, client_call(s->client, &call));
	}
}

static void list_begin(struct survey *s, uint32_t scope)
{
	struct survey_scope *at = &s->scopes[scope];

	at->listing = listing_free(at->listing);
	at->is_spoilt = false;
	at->tries++;
	fail(s, listing_new(s->now_ns, &at->listing));
	list_pages(s, scope);
}

static void list_taken(struct survey *s, uint32_t scope)
{
	const struct observation *observations;
	size_t n, at = 0;
	int64_t read_ns;

	while (!s->result && (n = listing_take(s->scopes[scope].listing, at, &observations, &read_ns)) > 0) {
		for (size_t i = 0; !s->result && i < n; i++)
			fail(s, picture_add_instance(s->picture, scope, &observations[i]));
		at += n;
	}
	s->scopes[scope].listing = listing_free(s->scopes[scope].listing);
	s->scopes[scope].is_done = true;
	s->n_listing--;
}

static void page_failed(struct survey *s, const struct call_reply *reply)
{
	struct survey_scope *at = &s->scopes[reply->scope];
	struct call call = { .scope = reply->scope, .priority = CALL_PRIORITY_LIST, .tag = reply->tag,
			     .request = { .action = API_DESCRIBE_SMART_ACCESS_GATEWAYS, .region_id = scope_of(s, reply->scope)->region_id,
					  .page_size = LIMIT_PAGE, .page_number = (uint32_t)reply->tag } };

	if (reply->class != ERROR_CLASS_TRANSIENT || ++at->failures >= PAGE_TRIES) {
		give_up(s, "account %s, region %s cannot be listed: %s", scope_of(s, reply->scope)->account, scope_of(s, reply->scope)->region_id,
			reply->advice[0] ? reply->advice : "the cloud does not say why");
		return;
	}
	at->n_open++;
	fail(s, client_call(s->client, &call));
}

static void take_page(struct survey *s, const struct call_reply *reply)
{
	struct survey_scope *at = &s->scopes[reply->scope];
	struct error error = { .text = "" };
	struct api_page page;
	int r;

	at->n_open--;
	if (reply->result != CALL_RESULT_OK) {
		page_failed(s, reply);
		return;
	}
	r = at->is_spoilt ? LISTING_E_INCONSISTENT : smartag_read_page(reply->reply, &page, &error);
	if (r == 0)
		r = listing_add(at->listing, (uint32_t)reply->tag, &page, reply->sent_ns, &error);
	else if (r == SMARTAG_E_INVALID && !at->is_spoilt)
		r = LISTING_E_INCONSISTENT;
	fail(s, r);
	if (r == LISTING_COMPLETE) {
		list_taken(s, reply->scope);
	} else if (r == LISTING_E_INCONSISTENT) {
		at->is_spoilt = true;
		if (at->n_open == 0 && at->tries < LIST_TRIES)
			list_begin(s, reply->scope);
		else if (at->n_open == 0)
			give_up(s, "account %s, region %s cannot be listed: %s; try again in a minute", scope_of(s, reply->scope)->account,
				scope_of(s, reply->scope)->region_id, error.text[0] ? error.text : "its pages do not fit together");
	} else if (r == LISTING_MORE) {
		list_pages(s, reply->scope);
	}
}

/* ---- single reads ---- */

static void single_add(struct survey *s, struct single single)
{
	if (s->n_singles == s->size_singles) {
		size_t size = s->size_singles ? 2 * s->size_singles : 64;
		struct single *grown = reallocarray(s->singles, size, sizeof(*grown));

		if (!grown) {
			fail(s, -ENOMEM);
			return;
		}
		s->singles = grown;
		s->size_singles = size;
	}
	s->singles[s->n_singles++] = single;
}

static bool has_catalogue(const struct survey *s, uint32_t instance, enum version_type type)
{
	for (size_t i = 0; i < s->n_singles; i++)
		if (s->singles[i].is_catalogue && s->singles[i].version_type == type &&
		    strcmp(s->picture->instances[s->singles[i].instance].model, s->picture->instances[instance].model) == 0)
			return true;
	return false;
}

/* Catalogues are told for a device that is there, so one that is online does. */
static void need_of(struct survey *s, const struct pin_index *pins, uint32_t instance, bool is_for_catalogues)
{
	const struct observation *o = &s->picture->instances[instance];
	const struct scope *scope = scope_of(s, s->picture->instance_scope[instance]);
	struct pin_subject subject = { .attribute = { [SELECTOR_ACCOUNT] = scope->account, [SELECTOR_REGION] = scope->region_id,
						      [SELECTOR_ID] = o->instance_id, [SELECTOR_NAME] = o->name, [SELECTOR_MODEL] = o->model,
						      [SELECTOR_RESOURCE_GROUP] = o->resource_group, [SELECTOR_CCN] = o->ccn, [SELECTOR_CITY] = o->city } };
	const struct pin *pin;
	uint32_t found;

	for (unsigned int k = 0; k < o->n_devices; k++)
		subject.serial_numbers[k] = o->devices[k].serial_number;
	found = pin_index_find(pins, &subject);
	if (found == PIN_NONE || o->n_devices == 0 || !o->devices[0].serial_number[0])
		return;
	pin = &s->config->settings.pins[found];
	if (!is_for_catalogues) {
		if (pin->version[VERSION_TYPE_DPI])
			single_add(s, (struct single){ instance, VERSION_TYPE_DPI, false });
		return;
	}
	for (int type = 0; type < VERSION_TYPE_N; type++)
		if (pin->version[type] && o->status == STATUS_ACTIVE && !has_catalogue(s, instance, (enum version_type)type))
			single_add(s, (struct single){ instance, (enum version_type)type, true });
}

/* Few catalogues come first, so that looking for one among them stays short. */
static void need_singles(struct survey *s)
{
	struct pin_index *pins = NULL;
	int r = pin_index_new(&s->config->settings, &pins);

	fail(s, r);
	for (int pass = 0; pass < 2 && !s->result; pass++)
		for (uint32_t i = 0; i < s->picture->n_instances && !s->result; i++)
			need_of(s, pins, i, pass == 0);
	pin_index_free(pins);
}

static void ask_singles(struct survey *s)
{
	while (!s->result && s->next_single < s->n_singles && s->next_single - s->n_done < OPEN_MAX_CALLS) {
		const struct single *single = &s->singles[s->next_single];
		const struct observation *o = &s->picture->instances[single->instance];
		uint32_t scope = s->picture->instance_scope[single->instance];
		struct call call = { .scope = scope, .priority = single->is_catalogue ? CALL_PRIORITY_CATALOGUE : CALL_PRIORITY_DPI, .tag = s->next_single,
				     .request = { .action = API_DESCRIBE_SMART_ACCESS_GATEWAY_ATTRIBUTE, .region_id = scope_of(s, scope)->region_id,
						  .instance_id = o->instance_id } };

		if (single->is_catalogue) {
			call.request.action = API_DESCRIBE_SMART_ACCESS_GATEWAY_VERSIONS;
			call.request.serial_number = o->devices[0].serial_number;
			call.request.version_type = single->version_type;
		}
		s->next_single++;
		fail(s, client_call(s->client, &call));
	}
}

/* What the state file had of it is older. */
static void forget_catalogue(struct picture *p, const char *model, enum version_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_records; i++) {
		const struct record *rec = &p->records[i];

		if (rec->kind != RECORD_CATALOGUE || rec->number[REC_CATALOGUE_VERSION_TYPE] != type || strcmp(rec->text[REC_CATALOGUE_TEXT_MODEL], model) != 0)
			p->records[n++] = *rec;
	}
	p->n_records = n;
}

static bool take_catalogue(struct survey *s, const struct single *single, const struct call_reply *reply)
{
	const char *model = s->picture->instances[single->instance].model;
	struct record rec = { .kind = RECORD_CATALOGUE, .text = { [REC_CATALOGUE_TEXT_MODEL] = model, [REC_CATALOGUE_TEXT_VERSION] = "" } };
	struct api_catalogue *catalogue = malloc(sizeof(*catalogue));
	struct error error;
	int r = catalogue ? smartag_read_catalogue(reply->reply, catalogue, &error) : -ENOMEM;

	rec.number[REC_CATALOGUE_VERSION_TYPE] = single->version_type;
	rec.number[REC_CATALOGUE_READ] = s->now_ns;
	if (r == 0) {
		forget_catalogue(s->picture, model, single->version_type);
		fail(s, picture_add_record(s->picture, &rec));
	}
	for (size_t i = 0; r == 0 && i < catalogue->n; i++) {
		rec.text[REC_CATALOGUE_TEXT_VERSION] = catalogue->entries[i].version;
		rec.number[REC_CATALOGUE_CREATED_MS] = catalogue->entries[i].created_ms;
		rec.number[REC_CATALOGUE_IS_RELEASE] = catalogue->entries[i].is_release;
		rec.number[REC_CATALOGUE_IS_OFFERED] = 1;
		fail(s, picture_add_record(s->picture, &rec));
	}
	free(catalogue);
	fail(s, r);
	return r == 0;
}

static bool take_attribute(struct survey *s, const struct single *single, const struct call_reply *reply)
{
	struct observation *o = &s->picture->instances[single->instance], read;
	struct error error;
	int r = smartag_read_attribute(reply->reply, &read, &error);

	fail(s, r);
	for (unsigned int k = 0; r == 0 && k < o->n_devices; k++)
		for (unsigned int i = 0; i < read.n_devices; i++) {
			if (strcmp(o->devices[k].serial_number, read.devices[i].serial_number) != 0)
				continue;
			o->devices[k].ha_role = read.devices[i].ha_role;
			if (read.devices[i].dpi_version)
				fail(s, picture_text(s->picture, read.devices[i].dpi_version, &o->devices[k].dpi_version));
		}
	return r == 0;
}

static void take_single(struct survey *s, const struct call_reply *reply)
{
	const struct single *single = &s->singles[reply->tag];
	bool is_read = false;

	s->n_done++;
	if (reply->class == ERROR_CLASS_ACCOUNT)
		give_up(s, "account %s cannot be read: %s", scope_of(s, reply->scope)->account, reply->advice);
	else if (reply->result == CALL_RESULT_OK)
		is_read = single->is_catalogue ? take_catalogue(s, single, reply) : take_attribute(s, single, reply);
	s->n_unread += !is_read;
	ask_singles(s);
}

/* ---- life ---- */

static void on_reply(void *ctx, const struct call_reply *reply)
{
	struct survey *s = ctx;

	if (s->result)
		return; /* it ends */
	if (reply->action == API_DESCRIBE_SMART_ACCESS_GATEWAYS)
		take_page(s, reply);
	else
		take_single(s, reply);
}

static void on_news(void *ctx, uint32_t account, enum identity_news news, const char *text, bool is_repeated)
{
	struct survey *s = ctx;

	(void)is_repeated;
	if (news == IDENTITY_NEWS_FAILED && !identity_is_valid(s->identities[account]))
		give_up(s, "account %s has no credentials: %s", s->config->accounts[account].name, text);
}

static int new_identities(struct survey *s)
{
	int r = 0;

	s->identities = calloc((size_t)s->config->n_accounts + 1, sizeof(struct identity *));
	if (!s->identities)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < s->config->n_accounts; i++) {
		const struct config_account *account = &s->config->accounts[i];
		const struct identity_options options = {
			.settings = &account->credentials, .signature = account->signature, .ca_file = account->api.ca_file, .proxy = account->api.proxy,
			.timeout_ns = account->api.timeout_ns, .random = machine_random, .on_news = on_news, .ctx = s, .account = i,
		};
		struct error error = { .text = "" };

		r = identity_new(&options, &s->identities[i], &error);
		if (r > 0)
			give_up(s, "account %s has no credentials: %s", account->name, error.text);
	}
	return r > 0 ? SURVEY_E_FAILED : r;
}

static int new_client(struct survey *s)
{
	const struct settings *settings = &s->config->settings;
	struct client_options options = { .n_scopes = settings->n_scopes, .on_reply = on_reply, .ctx = s, .user_agent = "sagpin/" SAGPIN_VERSION,
					  .random = machine_random };
	int r;

	options.scopes = s->client_scopes = calloc((size_t)settings->n_scopes + 1, sizeof(*s->client_scopes));
	if (!s->client_scopes)
		return -ENOMEM;
	for (uint32_t i = 0; i < settings->n_scopes; i++) {
		const struct config_account *account = &s->config->accounts[s->config->scope_account[i]];

		s->client_scopes[i] = (struct client_scope){
			.account = account->name, .region_id = settings->scopes[i].region_id, .endpoint = s->config->scope_endpoint[i],
			.signature = account->signature, .credentials = identity_credentials(s->identities[s->config->scope_account[i]]),
			.calls_per_second = account->api.calls_per_second, .burst = account->api.burst, .concurrency = account->api.concurrency,
			.timeout_ns = account->api.timeout_ns, .ca_file = account->api.ca_file, .proxy = account->api.proxy,
		};
	}
	r = client_new(&options, &s->client, &s->error);
	return r == -EINVAL ? SURVEY_E_FAILED : r;
}

static int survey_begin(struct survey *s)
{
	int r = new_identities(s);

	if (!r)
		r = new_client(s);
	s->scopes = calloc((size_t)s->config->settings.n_scopes + 1, sizeof(*s->scopes));
	if (!r && !s->scopes)
		r = -ENOMEM;
	for (uint32_t i = 0; !r && i < s->config->settings.n_scopes; i++) {
		const struct picture_scope scope = { scope_of(s, i)->account, scope_of(s, i)->region_id, true };

		r = picture_add_scope(s->picture, &scope);
	}
	return r;
}

static int turn(struct survey *s)
{
	int64_t next_ns;
	int r = 0, ms = WAIT_MAX_MS;

	s->now_ns = machine_clock_ns(CLOCK_BOOTTIME);
	s->wall_s = machine_clock_ns(CLOCK_REALTIME) / NS_PER_S;
	for (uint32_t i = 0; !r && i < s->config->n_accounts; i++)
		r = identity_run(s->identities[i], s->client, s->now_ns, s->wall_s);
	if (!r)
		r = client_run(s->client, s->now_ns, s->wall_s);
	if (r || s->result)
		return r;
	next_ns = client_deadline_ns(s->client, s->now_ns);
	for (uint32_t i = 0; i < s->config->n_accounts; i++) {
		int64_t identity_ns = identity_deadline_ns(s->identities[i], s->now_ns, s->wall_s);

		next_ns = identity_ns < next_ns ? identity_ns : next_ns;
	}
	if (next_ns <= s->now_ns)
		ms = 0;
	else if ((next_ns - s->now_ns) / NS_PER_MS < WAIT_MAX_MS)
		ms = (int)((next_ns - s->now_ns) / NS_PER_MS) + 1;
	return client_wait(s->client, NULL, 0, ms);
}

static int survey_run(struct survey *s)
{
	int r = 0;

	s->now_ns = machine_clock_ns(CLOCK_BOOTTIME);
	s->n_listing = s->config->settings.n_scopes;
	for (uint32_t i = 0; i < s->config->settings.n_scopes; i++)
		list_begin(s, i);
	while (!r && !s->result && s->n_listing > 0)
		r = turn(s);
	if (!r && !s->result)
		need_singles(s);
	ask_singles(s);
	while (!r && !s->result && s->n_done < s->n_singles)
		r = turn(s);
	return r ? r : s->result;
}

static void survey_end(struct survey *s)
{
	if (!s->result)
		s->result = -ECANCELED; /* what is still answered is nobody's */
	s->client = client_free(s->client);
	for (uint32_t i = 0; s->identities && i < s->config->n_accounts; i++)
		identity_free(s->identities[i]);
	for (uint32_t i = 0; s->scopes && i < s->config->settings.n_scopes; i++)
		listing_free(s->scopes[i].listing);
	free(s->identities);
	free(s->client_scopes);
	free(s->scopes);
	free(s->singles);
}

int survey_cloud(const struct config *config, struct picture *picture, uint32_t *ret_n_unread, struct error *ret_error)
{
	struct survey s = { .config = config, .picture = picture };
	int r = survey_begin(&s);

	if (!r)
		r = survey_run(&s);
	picture->now_ns = machine_clock_ns(CLOCK_BOOTTIME);
	picture->wall_s = machine_clock_ns(CLOCK_REALTIME) / NS_PER_S;
	*ret_error = s.error;
	*ret_n_unread = s.n_unread;
	survey_end(&s);
	if (!r)
		picture_sort(picture);
	return r;
}

/* ---- the state file ---- */

static int take_records(void *ctx, const struct record *records, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = picture_add_record(ctx, &records[i]);
	return r;
}

int survey_state(const struct config *config, struct picture *picture, struct error *ret_error)
{
	struct state_offline options = { .path = config->state_path, .on_records = take_records, .ctx = picture };
	int r = state_boot(&options.now.boot);

	if (r < 0)
		return r;
	options.now.boot_ns = machine_clock_ns(CLOCK_BOOTTIME);
	options.now.wall_s = machine_clock_ns(CLOCK_REALTIME) / NS_PER_S;
	r = state_read_offline(&options, ret_error);
	picture->is_first_life = r == STATE_E_MISSING || (r == 0 && picture->n_records == 0);
	if (r == STATE_E_MISSING)
		return 0;
	return r > 0 ? SURVEY_E_FAILED : r;
}
