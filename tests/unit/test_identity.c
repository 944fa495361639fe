/*
 * An account's key over time, against a scripted server: each source good and bad, refreshes and expiry on a wall
 * clock of the test's own, changed files. What must hold for every news is checked in on_news.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_bed.h"
#include "cloud/identity.h"

#define TOKEN "metadata-token-s3cr3t"
#define FIELDS(id, expiration) "\"AccessKeyId\":\"" id "\",\"AccessKeySecret\":\"" SECRET "\",\"SecurityToken\":\"token-of-" id "\",\"Expiration\":\"" expiration "\""
#define IN_AN_HOUR "2026-09-21T15:13:20Z" /* WALL_S + 3600 */
#define IN_TWO_HOURS "2026-09-21T16:13:20Z"
#define FLAT(id, expiration) "{\"Code\":\"Success\"," FIELDS(id, expiration) "}"
#define STS(id, expiration) "{\"RequestId\":\"R-1\",\"Credentials\":{" FIELDS(id, expiration) "}}"

static struct {
	struct identity *identity;
	struct identity_settings settings;
	int64_t wall_s;
	unsigned int news[IDENTITY_NEWS_N], n_repeated;
	char text[512];
	char pool[64][2048]; /* replies */
	size_t n_pool;
} world;

static void on_news(void *ctx, uint32_t account, enum identity_news news, const char *text, bool is_repeated)
{
	(void)ctx;
	assert_int_equal(account, 3);
	assert_true(news < IDENTITY_NEWS_N && *text);
	assert_null(strpbrk(text, "\r\n"));
	assert_null(strstr(text, "s3cr3t"));
	assert_null(strstr(text, "oidc-token"));
	world.news[news]++;
	world.n_repeated += is_repeated;
	snprintf(world.text, sizeof(world.text), "%s", text);
}

/* A step that answers 200 with this body. */
static struct step body_of(const char *status, const char *body)
{
	char *reply = world.pool[world.n_pool++ % 64];
	snprintf(reply, sizeof(world.pool[0]), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	return (struct step){ STEP_REPLY, reply };
}
#define GOOD(body) body_of("200 OK", body)

static int open_identity(struct error *ret_error)
{
	const struct identity_options options = { .settings = &world.settings, .timeout_ns = 300 * NS_PER_MS, .random = next_random,
						  .on_news = on_news, .ctx = &bed, .account = 3 };
	return identity_new(&options, &world.identity, ret_error);
}

static void open_world(enum credentials_source source, const struct step *steps, size_t n)
{
	struct error error = { "" };
	static char uri[128];
	open_bed(steps, n);
	world.identity = NULL;
	memset(world.news, 0, sizeof(world.news));
	world.n_repeated = 0;
	world.wall_s = WALL_S;
	snprintf(uri, sizeof(uri), "%skeys?password=s3cr3t", bed.endpoint);
	world.settings = (struct identity_settings){ .source = source, .base = CREDENTIALS_ENV, .uri = uri, .role_arn = "acs:ram::1:role/r",
						     .oidc_provider_arn = "acs:ram::1:oidc-provider/p", .sts_endpoint = bed.endpoint,
						     .metadata_endpoint = bed.endpoint };
	if (open_identity(&error))
		fail_msg("%s", error.text);
}
#define OPEN(source, ...) open_world(source, (const struct step[]){ __VA_ARGS__ }, sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void close_world(void)
{
	close_bed();
	world.identity = identity_free(world.identity);
}

static void turn_world(void)
{
	assert_int_equal(identity_run(world.identity, bed.client, now_ns(), world.wall_s), 0);
	turn();
}

static void run_until_news(enum identity_news news, unsigned int n)
{
	int64_t give_up_ns = now_ns() + PATIENCE_NS;
	while (world.news[news] < n) {
		if (now_ns() > give_up_ns)
			fail_msg("news %d came %u times instead of %u; the last: %s", news, world.news[news], n, world.text);
		turn_world();
	}
	assert_int_equal(world.news[news], n);
}

/* Both clocks go on. */
static void pass(int64_t s)
{
	bed.skip_ns += s * NS_PER_S;
	world.wall_s += s;
}

static int64_t deadline_s(void)
{
	int64_t now = now_ns(), at_ns = identity_deadline_ns(world.identity, now, world.wall_s);
	return at_ns == INT64_MAX ? -1 : (at_ns - now + NS_PER_S - 1) / NS_PER_S;
}

static void assert_key(const char *id)
{
	assert_string_equal(identity_credentials(world.identity)->access_key_id, id);
	assert_int_equal(identity_is_valid(world.identity), *id != '\0');
	if (!*id)
		assert_string_equal(identity_credentials(world.identity)->access_key_secret, "");
	else
		assert_string_equal(identity_credentials(world.identity)->access_key_secret, SECRET);
}

static void assert_arrived(size_t i, const char *first_line)
{
	if (strncmp(server_request(&bed.server, i), first_line, strlen(first_line)) != 0)
		fail_msg("request %zu is not %s but %s", i, first_line, server_request(&bed.server, i));
}

static void assert_header(size_t i, const char *name, const char *value)
{
	char found[256];
	assert_true(header_of(server_request(&bed.server, i), name, found, sizeof(found)));
	assert_string_equal(found, value);
}

#define METADATA "/latest/meta-data/ram/security-credentials/"

static void test_ecs(void **state)
{
	(void)state;
	OPEN(CREDENTIALS_ECS_RAM_ROLE, GOOD(TOKEN), GOOD("the-role\n"), GOOD(FLAT("A", IN_AN_HOUR)), GOOD("the-role"), GOOD(FLAT("B", IN_TWO_HOURS)));
	assert_true(identity_credentials(world.identity)->is_awaited);
	assert_key("");
	assert_true(deadline_s() <= 0);
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	assert_key("A");
	assert_false(identity_credentials(world.identity)->is_awaited);
	assert_string_equal(identity_credentials(world.identity)->security_token, "token-of-A");
	assert_int_equal(identity_expires_s(world.identity), WALL_S + 3600);
	assert_arrived(0, "PUT /latest/api/token HTTP/1.1\r\n");
	assert_header(0, "x-aliyun-ecs-metadata-token-ttl-seconds", "21600");
	assert_arrived(1, "GET " METADATA " HTTP/1.1\r\n");
	assert_header(1, "x-aliyun-ecs-metadata-token", TOKEN);
	assert_arrived(2, "GET " METADATA "the-role HTTP/1.1\r\n");
	assert_header(2, "x-aliyun-ecs-metadata-token", TOKEN);
	/* a fifth ahead of its end, and not before */
	assert_in_range(deadline_s(), 2879, 2880);
	pass(2870);
	turn_world();
	assert_int_equal(server_requests(&bed.server), 3);
	pass(10);
	run_until_news(IDENTITY_NEWS_REFRESHED, 2);
	assert_key("B");
	assert_arrived(3, "GET " METADATA " HTTP/1.1\r\n"); /* the token still holds */
	close_world();
	assert_int_equal(world.news[IDENTITY_NEWS_FAILED], 0);
}

static void test_ecs_refused_token(void **state)
{
	(void)state;
	OPEN(CREDENTIALS_ECS_RAM_ROLE, GOOD("old"), GOOD("r"), body_of("401 No", "no"), GOOD(TOKEN), GOOD("r"), GOOD(FLAT("A", IN_AN_HOUR)),
	     body_of("403 No", ""), GOOD("newer"), body_of("403 No", ""), GOOD("newest"));
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	assert_int_equal(server_requests(&bed.server), 6);
	assert_arrived(3, "PUT ");
	assert_header(4, "x-aliyun-ecs-metadata-token", TOKEN);
	pass(3000); /* refused again and again: one new token, then it is a failure */
	run_until_news(IDENTITY_NEWS_FAILED, 1);
	assert_int_equal(server_requests(&bed.server), 9);
	assert_non_null(strstr(world.text, "HTTP 403"));
	assert_key("A"); /* it is valid for ten more minutes */
	close_world();
}

static void test_uri(void **state)
{
	(void)state;
	OPEN(CREDENTIALS_URI, GOOD(FLAT("A", IN_AN_HOUR)));
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	assert_key("A");
	assert_arrived(0, "GET /keys?password=s3cr3t HTTP/1.1\r\n");
	close_world();
}

/* Answers that are none, one after the other: each is told with its place and a next step, the key of before stays. */
static void test_bad_answers(void **state)
{
	(void)state;
	static char flood[40000], oversize[41000];
	memset(flood, ' ', sizeof(flood) - 1);
	snprintf(oversize, sizeof(oversize), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(flood), flood);
	const struct {
		struct step step;
		const char *says;
	} table[] = {
		{ GOOD("<html>" SECRET "</html>"), "web page" },
		{ GOOD("{\"Code\":\"Success\",\"AccessKeySecret\":\"" SECRET), "cut" },
		{ GOOD("{\"Code\":\"Failed\",\"Message\":\"" SECRET "\"}"), "code Failed" },
		{ GOOD("{\"Code\":\"Success\",\"AccessKeyId\":[],\"AccessKeySecret\":\"" SECRET "\"}"), "AccessKeyId is no string" },
		{ GOOD(FLAT("A", "2026-09-21T14:13:20Z")), "had expired" },
		{ GOOD(FLAT("A", "2026-09-21T13:13:20Z")), "check this machine's clock" },
		{ body_of("404 Not Found", "none"), "HTTP 404; check uri" },
		{ body_of("500 Oops", FLAT("A", IN_AN_HOUR)), "HTTP 500" },
		{ body_of("302 Found\r\nLocation: http://127.0.0.1:1/", ""), "HTTP 302" },
		{ { STEP_CUT, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{" }, "cut" },
		{ { STEP_REPLY, oversize }, "too large" },
		{ { STEP_CLOSE, NULL }, "without an answer" },
		{ { STEP_SILENT, NULL }, "no answer in time" },
	};
	for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++) {
		OPEN(CREDENTIALS_URI, table[n].step, table[n].step, GOOD(FLAT("B", IN_TWO_HOURS)));
		run_until_news(IDENTITY_NEWS_FAILED, 1);
		if (!strstr(world.text, table[n].says) || strncmp(world.text, bed.endpoint, strlen(bed.endpoint)) != 0)
			fail_msg("case %zu: \"%s\" does not say \"%s\"", n, world.text, table[n].says);
		assert_key("");
		assert_false(identity_credentials(world.identity)->is_awaited);
		assert_in_range(deadline_s(), 1, 3);
		bed.skip_ns += 3 * NS_PER_S;
		run_until_news(IDENTITY_NEWS_FAILED, 2);
		assert_int_equal(world.n_repeated, 1);
		assert_in_range(deadline_s(), 3, 5);
		bed.skip_ns += 5 * NS_PER_S;
		run_until_news(IDENTITY_NEWS_RECOVERED, 1);
		assert_key("B");
		assert_int_equal(world.news[IDENTITY_NEWS_REFRESHED], 0);
		close_world();
	}
}

static void test_bad_metadata(void **state)
{
	(void)state;
	const struct {
		struct step steps[3];
		const char *says;
	} table[] = {
		{ { body_of("404 No", "") }, "no metadata service" },
		{ { GOOD("") }, "no token" },
		{ { GOOD("two words") }, "no token" },
		{ { GOOD("<html>\n") , GOOD("<html>") }, "not the name of one role" },
		{ { GOOD(TOKEN), GOOD("one\ntwo") }, "not the name of one role; set role_name" },
		{ { GOOD(TOKEN), GOOD("../../user-data") }, "not the name of one role" },
		{ { GOOD(TOKEN), body_of("404 No", "") }, "HTTP 404 for the name of the role; attach" },
		{ { GOOD(TOKEN), body_of("500 No", "") }, "HTTP 500" },
		{ { GOOD(TOKEN), GOOD("r"), body_of("404 No", "") }, "HTTP 404 for the key of the role" },
		{ { GOOD(TOKEN), GOOD("r"), GOOD("{}") }, "Code is missing" },
	};
	for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++) {
		open_world(CREDENTIALS_ECS_RAM_ROLE, table[n].steps, 3);
		run_until_news(IDENTITY_NEWS_FAILED, 1);
		if (!strstr(world.text, table[n].says))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", n, world.text, table[n].says);
		close_world();
	}
}

/* No newer key: the old one is used until its end, and not a second longer; then calls are not sent. */
static void test_expiry(void **state)
{
	(void)state;
	OPEN(CREDENTIALS_URI, GOOD(FLAT("A", IN_AN_HOUR)), body_of("500 No", ""));
	bed.scope.credentials = identity_credentials(world.identity);
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	pass(2880);
	run_until_news(IDENTITY_NEWS_FAILED, 1);
	assert_key("A");
	pass(718);
	turn_world();
	assert_key("A");
	assert_true(deadline_s() <= 2);
	pass(2);
	run_until_news(IDENTITY_NEWS_EXPIRED, 1);
	assert_key("");
	assert_int_equal(identity_expires_s(world.identity), WALL_S + 3600); /* when it did */
	read_call(1);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_NOT_SENT);
	assert_int_equal(bed.answers[0].class, ERROR_CLASS_ACCOUNT);
	turn_world();
	assert_int_equal(world.news[IDENTITY_NEWS_EXPIRED], 1);
	close_world();
}

/* The wall clock jumps: forward past the expiry the key is dropped at once; back, it does not live longer. */
static void test_clock_jumps(void **state)
{
	(void)state;
	OPEN(CREDENTIALS_URI, GOOD(FLAT("A", IN_AN_HOUR)), { STEP_SILENT, NULL });
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	world.wall_s += 4000;
	turn_world();
	assert_key("");
	assert_int_equal(world.news[IDENTITY_NEWS_EXPIRED], 1);
	close_world();
	OPEN(CREDENTIALS_URI, GOOD(FLAT("A", IN_AN_HOUR)), { STEP_SILENT, NULL });
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	world.wall_s -= 100000;
	assert_in_range(deadline_s(), 2879, 2880);
	bed.skip_ns += 3601 * NS_PER_S;
	turn_world();
	assert_key("");
	close_world();
}

static char dir[] = "/tmp/test-identity-XXXXXX";
static char path[128];

static void write_file(const char *text)
{
	char other[160];
	snprintf(other, sizeof(other), "%s.new", path);
	FILE *f = fopen(other, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	fclose(f);
	assert_int_equal(rename(other, path), 0);
}

static void test_oidc(void **state)
{
	(void)state;
	setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", path, 1);
	write_file("oidc-token.one~/+\n");
	OPEN(CREDENTIALS_OIDC, GOOD(STS("A", IN_AN_HOUR)), GOOD(STS("B", IN_TWO_HOURS)));
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	assert_key("A");
	const char *arrived = server_request(&bed.server, 0);
	assert_arrived(0, "POST /?Action=AssumeRoleWithOIDC&Format=JSON&SignatureNonce=");
	assert_non_null(strstr(arrived, "&Timestamp=2026-09-21T14%3A13%3A20Z&Version=2015-04-01 HTTP/1.1\r\n"));
	assert_header(0, "content-type", "application/x-www-form-urlencoded");
	assert_string_equal(strstr(arrived, "\r\n\r\n") + 4,
			    "DurationSeconds=3600&OIDCProviderArn=acs%3Aram%3A%3A1%3Aoidc-provider%2Fp&OIDCToken=oidc-token.one~%2F%2B&"
			    "RoleArn=acs%3Aram%3A%3A1%3Arole%2Fr&RoleSessionName=sagpin");
	write_file("oidc-token.two");
	pass(2900);
	run_until_news(IDENTITY_NEWS_REFRESHED, 2);
	assert_key("B");
	assert_non_null(strstr(server_request(&bed.server, 1), "OIDCToken=oidc-token.two&"));
	unlink(path);
	pass(3500);
	run_until_news(IDENTITY_NEWS_FAILED, 1);
	assert_non_null(strstr(world.text, path));
	assert_non_null(strstr(world.text, "OIDC token file"));
	close_world();
	unsetenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE");
}

static void test_bad_oidc(void **state)
{
	(void)state;
	static char large[16500];
	memset(large, 'x', sizeof(large) - 1);
	static const char *const files[] = { "", "two oidc-token", "a\nb" };
	setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", path, 1);
	for (size_t n = 0; n <= 3; n++) {
		write_file(n < 3 ? files[n] : large);
		OPEN(CREDENTIALS_OIDC, ok);
		run_until_news(IDENTITY_NEWS_FAILED, 1);
		assert_non_null(strstr(world.text, path));
		assert_non_null(strstr(world.text, n < 3 ? "no token" : "larger than 16384"));
		assert_int_equal(server_requests(&bed.server), 0);
		close_world();
	}
	write_file("oidc-token");
	OPEN(CREDENTIALS_OIDC, body_of("400 No", "{\"Code\":\"AuthenticationFail.OIDCToken.Expired\",\"RequestId\":\"R-7\",\"Message\":\"" SECRET "\"}"));
	run_until_news(IDENTITY_NEWS_FAILED, 1);
	assert_non_null(strstr(world.text, "HTTP 400, refused with code AuthenticationFail.OIDCToken.Expired, request id R-7; check oidc_token_file"));
	close_world();
	OPEN(CREDENTIALS_OIDC, body_of("500 No", STS("A", IN_AN_HOUR)));
	run_until_news(IDENTITY_NEWS_FAILED, 1);
	assert_non_null(strstr(world.text, "HTTP 500 with a key"));
	assert_key("");
	close_world();
	unlink(path);
	unsetenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE");
}

static void test_assume_role(void **state)
{
	(void)state;
	setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "base-id", 1);
	setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET, 1);
	setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "base-token", 1);
	OPEN(CREDENTIALS_ASSUME_ROLE, GOOD(STS("A", IN_AN_HOUR)), body_of("403 No", "{\"Code\":\"NoPermission\",\"RequestId\":\"R-9\"}"));
	run_until_news(IDENTITY_NEWS_REFRESHED, 1);
	assert_key("A");
	char value[512];
	assert_arrived(0, "POST /?DurationSeconds=3600&RoleArn=acs%3Aram%3A%3A1%3Arole%2Fr&RoleSessionName=sagpin HTTP/1.1\r\n");
	assert_header(0, "x-acs-action", "AssumeRole");
	assert_header(0, "x-acs-version", "2015-04-01");
	assert_header(0, "x-acs-security-token", "base-token");
	assert_true(header_of(server_request(&bed.server, 0), "authorization", value, sizeof(value)));
	assert_int_equal(strncmp(value, "ACS3-HMAC-SHA256 Credential=base-id,", 36), 0);
	pass(2900);
	run_until_news(IDENTITY_NEWS_FAILED, 1);
	assert_non_null(strstr(world.text, "code NoPermission, request id R-9; allow the caller sts:AssumeRole"));
	close_world();
	unsetenv("ALIBABA_CLOUD_SECURITY_TOKEN");
}

/* The base key comes from the machine: first that, then the role; and when the machine gives none, that is said. */
static void test_assume_role_from_ecs(void **state)
{
	(void)state;
	struct error error;
	OPEN(CREDENTIALS_ASSUME_ROLE, GOOD(TOKEN), GOOD(FLAT("base", IN_AN_HOUR)), GOOD(STS("A", IN_AN_HOUR)));
	world.identity = identity_free(world.identity);
	world.settings.base = CREDENTIALS_ECS_RAM_ROLE;
	world.settings.role_name = "r";
	assert_int_equal(open_identity(&error), 0);
	assert_true(deadline_s() <= 0);
	run_until_news(IDENTITY_NEWS_REFRESHED, 2);
	assert_key("A");
	assert_arrived(1, "GET " METADATA "r ");
	assert_header(2, "x-acs-security-token", "token-of-base");
	close_world();

	OPEN(CREDENTIALS_ASSUME_ROLE, body_of("404 No", ""), body_of("404 No", ""), GOOD(TOKEN), GOOD(FLAT("base", IN_AN_HOUR)), GOOD(STS("A", IN_AN_HOUR)));
	world.identity = identity_free(world.identity);
	world.settings.base = CREDENTIALS_ECS_RAM_ROLE;
	world.settings.role_name = "r";
	assert_int_equal(open_identity(&error), 0);
	run_until_news(IDENTITY_NEWS_FAILED, 1);
	turn_world();
	assert_int_equal(world.news[IDENTITY_NEWS_FAILED], 2);
	assert_non_null(strstr(world.text, "without a key of the base source ecs_ram_role"));
	bed.skip_ns += 3 * NS_PER_S;
	run_until_news(IDENTITY_NEWS_FAILED, 4);
	bed.skip_ns += 6 * NS_PER_S;
	run_until_news(IDENTITY_NEWS_RECOVERED, 2); /* the role follows its base at once */
	assert_key("A");
	close_world();
}

#define INI(id) "[default]\ntype = access_key\naccess_key_id = " id "\naccess_key_secret = " SECRET "\n"

static void test_file(void **state)
{
	(void)state;
	setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", path, 1);
	write_file(INI("one"));
	OPEN(CREDENTIALS_FILE, ok);
	assert_key("one");
	assert_int_equal(identity_expires_s(world.identity), 0);
	assert_false(identity_credentials(world.identity)->is_awaited);
	turn_world();
	write_file(INI("two"));
	turn_world();
	assert_key("one"); /* not yet time to look */
	assert_in_range(deadline_s(), 9, 10);
	pass(10);
	turn_world();
	assert_key("two");
	assert_int_equal(world.news[IDENTITY_NEWS_READ], 1);
	write_file(INI("two")); /* another file, the same key: no news */
	pass(10);
	turn_world();
	assert_int_equal(world.news[IDENTITY_NEWS_READ], 1);
	write_file("[default]\naccess_key_id = " SECRET "\n");
	for (int i = 0; i < 3; i++) {
		pass(10);
		turn_world();
		assert_key("two");
	}
	assert_int_equal(world.news[IDENTITY_NEWS_FAILED], 3);
	assert_int_equal(world.n_repeated, 2);
	assert_non_null(strstr(world.text, "access_key_secret"));
	unlink(path);
	pass(10);
	turn_world();
	assert_key("two");
	write_file(INI("three"));
	pass(10);
	turn_world();
	assert_key("three");
	assert_int_equal(world.news[IDENTITY_NEWS_RECOVERED], 1);
	assert_int_equal(world.news[IDENTITY_NEWS_READ], 1);
	close_world();
	unlink(path);
	unsetenv("ALIBABA_CLOUD_CREDENTIALS_FILE");
}

/* A base key that was refused is replaced in its file: the role is asked for then, whatever pause it was in. */
static void test_assume_role_follows_its_file(void **state)
{
	(void)state;
	struct error error;
	const struct step no = body_of("403 No", "{\"Code\":\"InvalidAccessKeyId.Inactive\"}");
	write_file(INI("one"));
	OPEN(CREDENTIALS_ASSUME_ROLE, no, no, no, no, no, GOOD(STS("A", IN_AN_HOUR)));
	world.identity = identity_free(world.identity);
	world.settings.base = CREDENTIALS_FILE;
	world.settings.path = path;
	assert_int_equal(open_identity(&error), 0);
	for (unsigned int n = 1; n <= 5; n++) {
		run_until_news(IDENTITY_NEWS_FAILED, n);
		assert_non_null(strstr(world.text, "check the key of the base source"));
		if (n < 5)
			bed.skip_ns += 20 * NS_PER_S;
	}
	assert_in_range(deadline_s(), 1, 10);
	bed.skip_ns += 10 * NS_PER_S; /* the file is as it was: the pause goes on */
	turn_world();
	turn_world();
	assert_int_equal(server_requests(&bed.server), 5);
	write_file(INI("two"));
	bed.skip_ns += 10 * NS_PER_S;
	int64_t began_ns = now_ns();
	run_until_news(IDENTITY_NEWS_RECOVERED, 1);
	assert_true(now_ns() - began_ns < 4 * NS_PER_S); /* of a pause of 25 s at least */
	assert_key("A");
	char value[128];
	assert_true(header_of(server_request(&bed.server, 5), "authorization", value, sizeof(value)));
	assert_non_null(strstr(value, "Credential=two,"));
	close_world();
	unlink(path);
}

/* What can be known at the start is said at the start. */
static void test_settings(void **state)
{
	(void)state;
	static const struct identity_settings table[] = {
		{ .source = CREDENTIALS_URI },
		{ .source = CREDENTIALS_URI, .uri = "http://keys.example/s3cr3t" },
		{ .source = CREDENTIALS_URI, .uri = "https://u:s3cr3t@keys.example/" },
		{ .source = CREDENTIALS_OIDC },
		{ .source = CREDENTIALS_OIDC, .role_arn = "r", .oidc_provider_arn = "p" },
		{ .source = CREDENTIALS_ASSUME_ROLE },
		{ .source = CREDENTIALS_ASSUME_ROLE, .role_arn = "r", .base = CREDENTIALS_FILE, .path = "/nowhere" },
		{ .source = CREDENTIALS_ASSUME_ROLE, .role_arn = "r", .sts_endpoint = "http://sts.example/" },
		{ .source = CREDENTIALS_ECS_RAM_ROLE, .role_name = "../x" },
		{ .source = CREDENTIALS_ECS_RAM_ROLE, .metadata_endpoint = "http://metadata.example/" },
		{ .source = CREDENTIALS_FILE, .path = "/nowhere" },
	};
	static const char *const says[] = { "ALIBABA_CLOUD_CREDENTIALS_URI", "in the clear", "user or password", "ALIBABA_CLOUD_ROLE_ARN",
		"ALIBABA_CLOUD_OIDC_TOKEN_FILE", "set credentials.role_arn", "/nowhere", "sts_endpoint would send", "no role's name",
		"metadata_endpoint would send", "/nowhere" };
	for (size_t n = 0; n < sizeof(table) / sizeof(table[0]); n++) {
		struct error error = { "" };
		world.settings = table[n];
		assert_int_equal(open_identity(&error), CREDENTIALS_E_MISSING);
		if (!strstr(error.text, says[n]))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", n, error.text, says[n]);
		assert_null(strstr(error.text, "s3cr3t"));
	}
	struct error error = { "" };
	setenv("ALIBABA_CLOUD_ECS_METADATA", "x y", 1);
	world.settings = (struct identity_settings){ .source = CREDENTIALS_ECS_RAM_ROLE };
	assert_int_equal(open_identity(&error), CREDENTIALS_E_MISSING);
	unsetenv("ALIBABA_CLOUD_ECS_METADATA");
	assert_int_equal(open_identity(&error), 0);
	world.identity = identity_free(world.identity);
}

/* What is under way when all ends says nothing any more. */
static void test_closing(void **state)
{
	(void)state;
	OPEN(CREDENTIALS_URI, { STEP_SILENT, NULL });
	while (server_requests(&bed.server) == 0)
		turn_world();
	close_world();
	for (int n = 0; n < IDENTITY_NEWS_N; n++)
		assert_int_equal(world.news[n], 0);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecs),
		cmocka_unit_test(test_ecs_refused_token),
		cmocka_unit_test(test_uri),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_bad_metadata),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_clock_jumps),
		cmocka_unit_test(test_oidc),
		cmocka_unit_test(test_bad_oidc),
		cmocka_unit_test(test_assume_role),
		cmocka_unit_test(test_assume_role_from_ecs),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_assume_role_follows_its_file),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_closing),
	};
	signal(SIGPIPE, SIG_IGN);
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
