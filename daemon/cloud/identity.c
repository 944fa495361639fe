/*
 * State and times of an account's key. All decisions about times are identity_plan.h's; here they are carried out.
 * An answer arrives inside client_run, after identity_run of the same turn: `now_ns` is that turn's.
 */
#include "cloud/identity_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_PACE_NS (10 * NS_PER_S)
#define DEFAULT_STS "https://sts.aliyuncs.com/"
#define DEFAULT_METADATA "http://100.100.100.200/"
#define DEFAULT_SESSION "sagpin"
#define DEFAULT_DURATION_NS (3600 * NS_PER_S)

static bool is_temporary(const struct identity *i)
{
	return i->settings.source != CREDENTIALS_ENV && i->settings.source != CREDENTIALS_FILE;
}

bool identity_is_valid(const struct identity *i)
{
	return i->credentials.access_key_id[0] != '\0';
}

const struct credentials *identity_credentials(const struct identity *i)
{
	return &i->credentials;
}

int64_t identity_expires_s(const struct identity *i)
{
	return is_temporary(i) ? i->times.expires_s : 0;
}

static void tell(struct identity *i, enum identity_news news, const char *text, bool is_repeated)
{
	i->options.on_news(i->options.ctx, i->options.account, news, text, is_repeated);
}

static void tell_good(struct identity *i, enum identity_news news, const char *text)
{
	bool was_failing = i->n_failures > 0;
	i->n_failures = 0;
	tell(i, was_failing ? IDENTITY_NEWS_RECOVERED : news, text, false);
}

/* ---- temporary keys ---- */

void identity_fail(struct identity *i, const char *text)
{
	i->step = IDENTITY_STEP_NONE;
	i->credentials.is_awaited = false; /* calls that waited for it may fail now */
	i->n_failures++;
	i->retry_ns = i->now_ns + identity_retry_ns(&i->seed, i->n_failures);
	tell(i, IDENTITY_NEWS_FAILED, text, i->n_failures > 1);
}

void identity_succeed(struct identity *i, const struct identity_key *key, const char *from)
{
	struct error error;
	if (key->expires_s <= i->wall_s) {
		snprintf(error.text, sizeof(error.text),
			 "%s: the key had expired %lld s before it came; check this machine's clock, then who gives the keys", from,
			 (long long)(i->wall_s - key->expires_s));
		identity_fail(i, error.text);
		return;
	}
	i->step = IDENTITY_STEP_NONE;
	i->credentials = key->credentials;
	i->credentials.is_awaited = false;
	i->generation++;
	i->times = (struct identity_times){ .received_ns = i->now_ns, .received_s = i->wall_s, .expires_s = key->expires_s };
	i->retry_ns = 0;
	tell_good(i, IDENTITY_NEWS_REFRESHED, from);
}

static void drop_expired(struct identity *i)
{
	if (!identity_is_valid(i) || identity_expiry_ns(&i->times, i->now_ns, i->wall_s) > i->now_ns)
		return;
	credentials_wipe(&i->credentials);
	tell(i, IDENTITY_NEWS_EXPIRED, "the last key has expired and no newer one could be had", false);
}

/* Its base has no key yet, but will have one or say why not. */
static bool is_waiting_for_base(const struct identity *i)
{
	return i->base && i->base->credentials.is_awaited;
}

static int64_t ask_ns(const struct identity *i, int64_t now_ns, int64_t wall_s)
{
	int64_t at_ns = identity_is_valid(i) ? identity_refresh_ns(&i->times, now_ns, wall_s) : INT64_MIN;
	bool has_new_base = i->base && i->n_failures > 0 && i->base_generation != i->base->generation;
	if (is_waiting_for_base(i))
		return INT64_MAX;
	return at_ns > i->retry_ns || has_new_base ? at_ns : i->retry_ns;
}

static int run_temporary(struct identity *i)
{
	int fatal = i->fatal;
	i->fatal = 0;
	drop_expired(i);
	if (fatal < 0 || i->step != IDENTITY_STEP_NONE || ask_ns(i, i->now_ns, i->wall_s) > i->now_ns)
		return fatal;
	if (i->base)
		i->base_generation = i->base->generation;
	i->is_token_renewed = false;
	return identity_ask(i);
}

/* ---- file ---- */

static struct identity_stamp read_stamp(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return (struct identity_stamp){ .size = -1 };
	return (struct identity_stamp){ .dev = st.st_dev, .ino = st.st_ino, .size = st.st_size, .modified = st.st_mtim, .changed = st.st_ctim };
}

static bool is_same_stamp(const struct identity_stamp *a, const struct identity_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec && a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool is_same_key(const struct credentials *a, const struct credentials *b)
{
	return strcmp(a->access_key_id, b->access_key_id) == 0 && strcmp(a->access_key_secret, b->access_key_secret) == 0 &&
	       strcmp(a->security_token, b->security_token) == 0;
}

static void take_file_key(struct identity *i, const struct credentials *c)
{
	bool is_new = !is_same_key(&i->credentials, c);
	if (is_new) {
		i->credentials = *c;
		i->generation++;
	}
	if (is_new || i->n_failures > 0)
		tell_good(i, IDENTITY_NEWS_READ, i->path);
}

/* The stamp is taken before the file is read: a change after it shows the next time. A bad file is tried each time. */
static int run_file(struct identity *i)
{
	struct credentials c;
	struct error error = { "" };
	if (i->now_ns < i->check_ns)
		return 0;
	i->check_ns = i->now_ns + FILE_PACE_NS;
	struct identity_stamp stamp = read_stamp(i->path);
	if (is_same_stamp(&stamp, &i->stamp) && i->n_failures == 0)
		return 0;
	i->stamp = stamp;
	int r = credentials_load(CREDENTIALS_FILE, i->path, i->settings.profile, &c, &error);
	if (r < 0)
		return r;
	if (r == 0) {
		take_file_key(i, &c);
		credentials_wipe(&c);
		return 0;
	}
	i->n_failures++;
	tell(i, IDENTITY_NEWS_FAILED, error.text, i->n_failures > 1);
	return 0;
}

/* ---- beginning, turning, end ---- */

/* What each source needs, and the variable that gives it when the configuration does not. */
static const struct need {
	size_t offset;
	const char *key, *variable;
	unsigned int sources;  /* that look at it */
	const char *fallback;  /* NULL: required */
} needs[] = {
#define BIT(source) (1u << CREDENTIALS_##source)
#define NEED(member, variable, sources, fallback) { offsetof(struct identity_settings, member), #member, variable, sources, fallback }
	NEED(role_name, "ALIBABA_CLOUD_ECS_METADATA", BIT(ECS_RAM_ROLE), ""),
	NEED(uri, "ALIBABA_CLOUD_CREDENTIALS_URI", BIT(URI), NULL),
	NEED(role_arn, "ALIBABA_CLOUD_ROLE_ARN", BIT(OIDC) | BIT(ASSUME_ROLE), NULL),
	NEED(oidc_provider_arn, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", BIT(OIDC), NULL),
	NEED(oidc_token_file, "ALIBABA_CLOUD_OIDC_TOKEN_FILE", BIT(OIDC), NULL),
	NEED(session_name, "ALIBABA_CLOUD_ROLE_SESSION_NAME", BIT(OIDC) | BIT(ASSUME_ROLE), DEFAULT_SESSION),
};

static int resolve(struct identity *i, struct error *ret_error)
{
	for (size_t n = 0; n < sizeof(needs) / sizeof(needs[0]); n++) {
		const struct need *need = &needs[n];
		const char **place = (const char **)((char *)&i->settings + need->offset);
		if (!(need->sources & 1u << i->settings.source))
			continue;
		if (!*place || !**place)
			*place = getenv(need->variable);
		if (!*place || !**place)
			*place = need->fallback;
		if (*place)
			continue;
		snprintf(ret_error->text, sizeof(ret_error->text), "the source %s needs %s: set credentials.%s, or the environment variable %s",
			 credentials_source_names[i->settings.source], need->key, need->key, need->variable);
		return CREDENTIALS_E_MISSING;
	}
	return 0;
}

static int parse_endpoint(const char *key, const char *text, struct endpoint *ret_endpoint, struct error *ret_error)
{
	struct error why;
	int r = endpoint_parse(text, ret_endpoint, &why);
	if (r == ENDPOINT_E_INVALID)
		snprintf(ret_error->text, sizeof(ret_error->text), "%s %.400s", key, why.text);
	else if (r == 0 && !endpoint_is_private(ret_endpoint))
		snprintf(ret_error->text, sizeof(ret_error->text), "%s would send secrets in the clear; use https://", key);
	else
		return r;
	return CREDENTIALS_E_MISSING;
}

/* What came from the environment has not been seen by the configuration's checks. */
static int check_settings(struct identity *i, struct error *ret_error)
{
	const struct identity_settings *s = &i->settings;
	struct endpoint uri;
	struct error why;
	int r = parse_endpoint("sts_endpoint", s->sts_endpoint ? s->sts_endpoint : DEFAULT_STS, &i->sts, ret_error);
	r = r ? r : parse_endpoint("metadata_endpoint", s->metadata_endpoint ? s->metadata_endpoint : DEFAULT_METADATA, &i->metadata, ret_error);
	if (r)
		return r;
	if (s->source == CREDENTIALS_ECS_RAM_ROLE && *s->role_name && !credentials_is_role_name(s->role_name)) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "role_name, or ALIBABA_CLOUD_ECS_METADATA, is no role's name: letters, digits, \".\", \"_\" and \"-\", at most %d",
			 CREDENTIALS_ROLE_MAX);
		return CREDENTIALS_E_MISSING;
	}
	if (s->source != CREDENTIALS_URI)
		return 0;
	r = endpoint_parse_url(s->uri, &uri, &why);
	if (r < 0)
		return r;
	if (r == 0 && endpoint_is_private(&uri))
		return 0;
	snprintf(ret_error->text, sizeof(ret_error->text), "uri, or ALIBABA_CLOUD_CREDENTIALS_URI, %.400s",
		 r ? why.text : "would carry keys in the clear; use https:// (http:// is for loopback and the metadata address)");
	return CREDENTIALS_E_MISSING;
}

static int load_static(struct identity *i, struct error *ret_error)
{
	const struct identity_settings *s = &i->settings;
	int r = s->source == CREDENTIALS_FILE ? credentials_find_path(s->path, i->path, sizeof(i->path), ret_error) : 0;
	if (r)
		return r;
	i->stamp = read_stamp(i->path);
	return credentials_load(s->source, i->path, s->profile, &i->credentials, ret_error);
}

static int new_base(struct identity *i, struct error *ret_error)
{
	struct identity_settings settings = i->settings;
	struct identity_options options = i->options;
	if (settings.source != CREDENTIALS_ASSUME_ROLE)
		return 0;
	settings.source = settings.base;
	options.settings = &settings;
	return identity_new(&options, &i->base, ret_error);
}

static int init(struct identity *i, struct error *ret_error)
{
	int r = resolve(i, ret_error);
	if (r)
		return r;
	if (!is_temporary(i))
		return load_static(i, ret_error);
	r = check_settings(i, ret_error);
	r = r ? r : new_base(i, ret_error);
	r = r ? r : signer_new(&i->signer);
	i->seed = i->options.random(i->options.ctx);
	i->credentials.is_awaited = true;
	return r;
}

int identity_new(const struct identity_options *options, struct identity **ret_identity, struct error *ret_error)
{
	struct identity *i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	i->options = *options;
	i->settings = *options->settings;
	if (i->settings.duration_ns == 0)
		i->settings.duration_ns = DEFAULT_DURATION_NS;
	i->options.settings = NULL; /* what counts is the resolved copy */
	int r = init(i, ret_error);
	if (r) {
		identity_free(i);
		return r;
	}
	*ret_identity = i;
	return 0;
}

struct identity *identity_free(struct identity *i)
{
	if (!i)
		return NULL;
	identity_free(i->base);
	signer_free(i->signer);
	explicit_bzero(i, sizeof(*i));
	free(i);
	return NULL;
}

int identity_run(struct identity *i, struct client *c, int64_t now_ns, int64_t wall_s)
{
	i->client = c;
	i->now_ns = now_ns;
	i->wall_s = wall_s;
	int r = i->base ? identity_run(i->base, c, now_ns, wall_s) : 0;
	if (r < 0)
		return r;
	if (i->settings.source == CREDENTIALS_FILE)
		return run_file(i);
	return is_temporary(i) ? run_temporary(i) : 0;
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

int64_t identity_deadline_ns(const struct identity *i, int64_t now_ns, int64_t wall_s)
{
	int64_t at_ns = i->base ? identity_deadline_ns(i->base, now_ns, wall_s) : INT64_MAX;
	if (i->settings.source == CREDENTIALS_FILE)
		return earlier(at_ns, i->check_ns);
	if (!is_temporary(i))
		return at_ns;
	if (i->fatal < 0)
		return now_ns;
	if (i->step == IDENTITY_STEP_NONE)
		at_ns = earlier(at_ns, ask_ns(i, now_ns, wall_s));
	return identity_is_valid(i) ? earlier(at_ns, identity_expiry_ns(&i->times, now_ns, wall_s)) : at_ns;
}
