/*
 * The simulator's parts without a network: the checker against signatures that the vendor's own library
 * made, the nonces and the clock, the hash table, the settings of faults, the life of a device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <time.h>

#include "check.h"
#include "faults.h"
#include "fleet.h"
#include "sim.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND INT64_C(1000000000)

static char *read_vectors(void)
{
	const char *path = getenv("VECTORS");
	FILE *stream = path == NULL ? NULL : fopen(path, "re");
	char *data = calloc(1, 1 << 20);

	assert_non_null(stream);
	assert_non_null(data);
	assert_true(fread(data, 1, (1 << 20) - 1, stream) > 0);
	fclose(stream);
	return data;
}

static const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static int64_t seconds_of(const char *date)
{
	struct tm tm = {0};

	assert_non_null(strptime(date, "%Y-%m-%dT%H:%M:%SZ", &tm));
	return (int64_t)timegm(&tm);
}

/* "name=value&…" of an object, encoded. */
static void put_query(char *query, size_t size, const cJSON *object)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, object) {
		char *name = percent_encode(item->string), *value = percent_encode(item->valuestring);
		size_t used = strlen(query);

		assert_non_null(name);
		assert_non_null(value);
		snprintf(query + used, size - used, "%s%s=%s", used > 0 ? "&" : "", name, value);
		free(name);
		free(value);
	}
}

static void add_header(struct request *request, const char *name, const char *value)
{
	if (value != NULL)
		request->headers[request->n_headers++] = (struct request_header){name, value};
}

static void request_v3(const cJSON *vector, struct request *request, char *query, size_t size)
{
	put_query(query, size, cJSON_GetObjectItemCaseSensitive(vector, "query"));
	add_header(request, "Host", text_of(vector, "host"));
	add_header(request, "x-acs-action", text_of(vector, "action"));
	add_header(request, "x-acs-version", text_of(vector, "version"));
	add_header(request, "x-acs-date", text_of(vector, "date"));
	add_header(request, "x-acs-signature-nonce", text_of(vector, "nonce"));
	add_header(request, "x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	add_header(request, "x-acs-security-token", text_of(vector, "security_token"));
	add_header(request, "Authorization", text_of(vector, "v3_authorization"));
	request->query = query;
}

static void request_v2(const cJSON *vector, struct request *request, char *query, size_t size)
{
	char *signature = percent_encode(text_of(vector, "v2_signature"));

	assert_non_null(signature);
	/* The signature first: its place must not matter. */
	snprintf(query, size, "Signature=%s&Action=%s", signature, text_of(vector, "action"));
	free(signature);
	put_query(query, size, cJSON_GetObjectItemCaseSensitive(vector, "query"));
	put_query(query, size, cJSON_GetObjectItemCaseSensitive(vector, "v2_common_parameters"));
	add_header(request, "Host", text_of(vector, "host"));
	request->query = query;
}

static struct request request_of(const cJSON *vector)
{
	return (struct request){.method = text_of(vector, "method"), .path = "/", .query = "", .body = ""};
}

/* The code of the refusal, or "OK". */
static const char *check_once(struct check *check, struct request *request, int64_t now_s)
{
	struct refusal refusal = {0};
	struct claim claim = {0};

	if (request_parse(request, &refusal) && claim_read(request, &claim, &refusal))
		check_claim(check, request, &claim, now_s, &refusal);
	claim_deinit(&claim);
	request_deinit(request);
	return refusal.code == NULL ? "OK" : refusal.code;
}

static struct check check_of(const cJSON *vector)
{
	struct check check = {
		.access_key_id = text_of(vector, "access_key_id"),
		.access_key_secret = text_of(vector, "access_key_secret"),
		.security_token = text_of(vector, "security_token"),
	};

	assert_int_equal(check_init(&check), 0);
	return check;
}

static void check_vector(const cJSON *vector, void (*make)(const cJSON *, struct request *, char *, size_t))
{
	struct request request = request_of(vector), again = request_of(vector), wrong = request_of(vector);
	struct check check = check_of(vector);
	int64_t now_s = seconds_of(text_of(vector, "date"));
	char query[4096] = "", wrong_query[4096] = "";

	make(vector, &request, query, sizeof(query));
	make(vector, &wrong, wrong_query, sizeof(wrong_query));
	strcat(wrong_query, "&More=1");
	again = request;
	print_message("%s\n", text_of(vector, "name"));
	assert_string_equal(check_once(&check, &wrong, now_s), "SignatureDoesNotMatch");
	assert_string_equal(check_once(&check, &request, now_s), "OK");
	assert_string_equal(check_once(&check, &again, now_s), "SignatureNonceUsed");
	check_deinit(&check);
}

static void test_vectors(void **state)
{
	char *data = read_vectors();
	cJSON *vectors = cJSON_Parse(data), *vector;

	(void)state;
	assert_int_equal(cJSON_GetArraySize(vectors), 10);
	cJSON_ArrayForEach(vector, vectors) {
		check_vector(vector, request_v3);
		check_vector(vector, request_v2);
	}
	cJSON_Delete(vectors);
	free(data);
}

static void test_clock_and_credentials(void **state)
{
	static const struct {
		const char *id, *secret, *token;
		int off_s;
		const char *code;
	} rows[] = {
		{NULL, NULL, NULL, 0, "OK"},
		{NULL, NULL, NULL, 900, "OK"},
		{NULL, NULL, NULL, -900, "OK"},
		{NULL, NULL, NULL, 901, "InvalidTimeStamp.Expired"},
		{NULL, NULL, NULL, -901, "InvalidTimeStamp.Expired"},
		{"LTAIother", NULL, NULL, 0, "InvalidAccessKeyId.NotFound"},
		{NULL, "wrong", NULL, 0, "SignatureDoesNotMatch"},
		{NULL, NULL, "token", 0, "MissingSecurityToken"},
	};
	char *data = read_vectors();
	cJSON *vectors = cJSON_Parse(data);
	const cJSON *vector = cJSON_GetArrayItem(vectors, 1);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct request request = request_of(vector);
		struct check check = check_of(vector);
		char query[4096] = "";

		request_v3(vector, &request, query, sizeof(query));
		check.access_key_id = rows[i].id == NULL ? check.access_key_id : rows[i].id;
		check.access_key_secret = rows[i].secret == NULL ? check.access_key_secret : rows[i].secret;
		check.security_token = rows[i].token;
		assert_string_equal(
			check_once(&check, &request, seconds_of(text_of(vector, "date")) + rows[i].off_s),
			rows[i].code);
		check_deinit(&check);
	}
	cJSON_Delete(vectors);
	free(data);
}

/* What is wrong with the Authorization header or the headers it names. */
static void test_authorization_is_strict(void **state)
{
#define MAC "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
#define ALL "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
	static const char *const rows[] = {
		"",
		"Basic Zm9v",
		"ACS3-HMAC-SHA1 Credential=a,SignedHeaders=" ALL ",Signature=" MAC,
		"ACS3-HMAC-SHA256  Credential=a,SignedHeaders=" ALL ",Signature=" MAC,
		"ACS3-HMAC-SHA256 Credential=a, SignedHeaders=" ALL ", Signature=" MAC,
		"ACS3-HMAC-SHA256 Credential=,SignedHeaders=" ALL ",Signature=" MAC,
		"ACS3-HMAC-SHA256 SignedHeaders=" ALL ",Credential=a,Signature=" MAC,
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=" ALL ",Signature=" MAC "0",
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=" ALL ",Signature=AB" MAC,
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host;" ALL ",Signature=" MAC,
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=" ALL ";,Signature=" MAC,
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=" ALL ";x-acs-zzz,Signature=" MAC,
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=x-acs-action;host,Signature=" MAC,
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host;x-acs-action,Signature=" MAC,
		/* all of x-acs-*, but host is not signed */
		"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=x-acs-action;x-acs-content-sha256;x-acs-date;"
		"x-acs-signature-nonce;x-acs-version,Signature=" MAC,
	};
	char *data = read_vectors();
	cJSON *vectors = cJSON_Parse(data);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const cJSON *vector = cJSON_GetArrayItem(vectors, 0);
		struct request request = request_of(vector);
		struct refusal refusal = {0};
		struct claim claim = {0};
		char query[4096] = "";

		request_v3(vector, &request, query, sizeof(query));
		request.headers[request.n_headers - 1].value = rows[i];
		assert_true(request_parse(&request, &refusal));
		assert_false(claim_read(&request, &claim, &refusal));
		assert_string_equal(refusal.code, "IncompleteSignature");
		claim_deinit(&claim);
		request_deinit(&request);
	}
	cJSON_Delete(vectors);
	free(data);
}

static void test_nonces_are_forgotten(void **state)
{
	char *data = read_vectors();
	cJSON *vectors = cJSON_Parse(data);
	const cJSON *vector = cJSON_GetArrayItem(vectors, 1);
	struct check check = check_of(vector);
	struct request request = request_of(vector), again;
	int64_t now_s = seconds_of(text_of(vector, "date"));
	char query[4096] = "";

	(void)state;
	request_v3(vector, &request, query, sizeof(query));
	again = request;
	assert_string_equal(check_once(&check, &request, now_s - CHECK_SKEW_S), "OK");
	/* As long as the time stamp may pass, the nonce must not. */
	assert_string_equal(check_once(&check, &again, now_s + CHECK_SKEW_S), "SignatureNonceUsed");
	assert_int_equal(check.n, 1);
	check_deinit(&check);
	cJSON_Delete(vectors);
	free(data);
}

static void test_parameters(void **state)
{
	static const struct {
		const char *query;
		const char *code;
	} rows[] = {
		{"", "OK"},
		{"a=1&b=2", "OK"},
		{"a", "OK"},
		{"&&a=1&", "OK"},
		{"a=1&a=2", "InvalidParameter"},
		{"=1", "InvalidParameter"},
		{"a=%", "InvalidParameter"},
		{"a=%2", "InvalidParameter"},
		{"a=%zz", "InvalidParameter"},
		{"a=%00", "InvalidParameter"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct request request = {.method = "GET", .path = "/", .query = rows[i].query, .body = ""};
		struct refusal refusal = {0};

		request_parse(&request, &refusal);
		assert_string_equal(refusal.code == NULL ? "OK" : refusal.code, rows[i].code);
		request_deinit(&request);
	}
}

/* What arrives is decoded as the gateway does it, so that a signer that left a '+' for a space is caught. */
static void test_decoding(void **state)
{
	static const struct {
		const char *query, *value;
	} rows[] = {{"a=x+y", "x y"}, {"a=x%20y", "x y"}, {"a=x%2By", "x+y"}, {"a=%e4%b8%8A", "\xe4\xb8\x8a"}, {"a==", "="}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct request request = {.method = "GET", .path = "/", .query = rows[i].query, .body = ""};
		struct refusal refusal = {0};

		assert_true(request_parse(&request, &refusal));
		assert_string_equal(request_param(&request, "a"), rows[i].value);
		request_deinit(&request);
	}
}

static void test_parameters_have_a_limit(void **state)
{
	(void)state;
	for (unsigned int over = 0; over < 2; over++) {
		char query[REQUEST_LIMIT_PARAMS * 8 + 16] = "";
		struct request request = {.method = "GET", .path = "/", .query = query, .body = ""};
		struct refusal refusal = {0};

		for (unsigned int i = 0; i < REQUEST_LIMIT_PARAMS + over; i++)
			snprintf(query + strlen(query), 16, "&p%u=", i);
		assert_int_equal(request_parse(&request, &refusal), over == 0);
		request_deinit(&request);
	}
}

/* Against the simplest thing that can be right: an array of what is in. */
static void test_map_history(void **state)
{
	enum { KEYS = 300, STEPS = 100000 };
	static char keys[KEYS][8];
	bool is_in[KEYS] = {false};
	struct random random = {42};
	struct map map = {0};
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "k%u", i);
	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int i = random_below(&random, KEYS);

		if (is_in[i])
			map_remove(&map, keys[i]);
		else
			assert_int_equal(map_add(&map, keys[i], keys[i]), 0);
		n = is_in[i] ? n - 1 : n + 1;
		is_in[i] = !is_in[i];
		i = random_below(&random, KEYS);
		assert_ptr_equal(map_get(&map, keys[i]), is_in[i] ? keys[i] : NULL);
		assert_int_equal(map.n, n);
	}
	map_deinit(&map);
}

static void test_fault_settings(void **state)
{
	static const struct {
		const char *name, *setting;
		int result;
		unsigned int fires; /* of 1000 for DescribeRegions */
	} rows[] = {
		{"reset", "3", 0, 3},
		{"reset", "0", 0, 0},
		{"reset", "1.0", 0, 1000},
		{"reset", "100%", 0, 1000},
		{"reset", "always", 0, 1000},
		{"reset", "off", 0, 0},
		{"reset", "5@DescribeRegions", 0, 5},
		{"reset", "5@DescribeSmartAccessGateways", 0, 0},
		{"latency", "2:500ms", 0, 2},
		{"reset", "2:500ms", -EINVAL, 0},
		{"latency", "2:500", -EINVAL, 0},
		{"reset", "1.1", -EINVAL, 0},
		{"reset", "101%", -EINVAL, 0},
		{"reset", "-1", -EINVAL, 0},
		{"reset", "", -EINVAL, 0},
		{"reset", "3x", -EINVAL, 0},
		{"nothing", "3", -ENOENT, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum fault fault = strcmp(rows[i].name, "latency") == 0 ? FAULT_LATENCY : FAULT_RESET;
		struct faults faults;
		unsigned int fires = 0;

		faults_init(&faults, 1);
		assert_int_equal(faults_set(&faults, rows[i].name, rows[i].setting), rows[i].result);
		for (unsigned int j = 0; j < 1000; j++)
			fires += faults_roll(&faults, fault, "DescribeRegions");
		assert_int_equal(fires, rows[i].fires);
	}
}

static void test_fault_shares(void **state)
{
	struct faults faults;
	unsigned int fires = 0, objects = 0;
	char key[16];

	(void)state;
	faults_init(&faults, 7);
	assert_int_equal(faults_set(&faults, "reset", "25%"), 0);
	assert_int_equal(faults_set(&faults, "unknown_status", "0.25"), 0);
	for (unsigned int i = 0; i < 10000; i++) {
		bool has;

		snprintf(key, sizeof(key), "sag-%u", i);
		has = faults_has(&faults, FAULT_UNKNOWN_STATUS, i, key);
		assert_int_equal(has, faults_has(&faults, FAULT_UNKNOWN_STATUS, i, key));
		objects += has;
		fires += faults_roll(&faults, FAULT_RESET, "");
	}
	assert_in_range(fires, 2300, 2700);
	assert_in_range(objects, 2300, 2700);
}

static void test_version_order(void **state)
{
	static const struct {
		const char *a, *b;
		int order;
	} rows[] = {
		{"2.9.0", "2.10.0", -1}, {"3.4.2", "3.4.2", 0}, {"3.4", "3.4.0", 0}, {"3.4.0.1", "3.4", 1},
		{"10", "9.9.9", 1},      {"3.4.02", "3.4.2", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(version_order(rows[i].a, rows[i].b), rows[i].order);
		assert_int_equal(version_order(rows[i].b, rows[i].a), -rows[i].order);
	}
}

/* One device through its upgrade, looked at in every second of its time. */
static void test_device_life(void **state)
{
	static const struct {
		enum version_kind kind;
		enum outcome outcome;
		bool leaves, comes_back;
		const char *version;
	} rows[] = {
		{VERSION_KIND_DEVICE, OUTCOME_DONE, true, true, "2"},
		{VERSION_KIND_DEVICE, OUTCOME_BACK_TO_OLD, true, true, "1"},
		{VERSION_KIND_DEVICE, OUTCOME_STUCK, true, false, "1"},
		{VERSION_KIND_DPI, OUTCOME_DONE, false, true, "2"},
		{VERSION_KIND_DPI, OUTCOME_STUCK, false, true, "1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct device device = {.serial = "sag1", .versions = {"1", "1"}};
		bool has_left = false;
		struct fleet fleet;
		int64_t back_ns;

		fleet_init(&fleet, 1, 100 * SECOND, 0, 0);
		fleet_upgrade(&fleet, &device, rows[i].kind, "2", rows[i].outcome, 0);
		back_ns = device.upgrades[rows[i].kind].back_ns;
		assert_in_range(back_ns, 50 * SECOND, 150 * SECOND);
		for (int64_t now_ns = 0; now_ns < back_ns; now_ns += SECOND) {
			assert_true(device_is_upgrading(&device, now_ns));
			assert_string_equal(device.versions[rows[i].kind], "1");
			/* Once gone it stays away until it is back. */
			assert_false(has_left && !device_has_left(&device, now_ns));
			has_left = device_has_left(&device, now_ns);
		}
		assert_int_equal(has_left, rows[i].leaves);
		device_settle(&device, back_ns);
		assert_string_equal(device.versions[rows[i].kind], rows[i].version);
		assert_int_equal(device_has_left(&device, back_ns * 1000), !rows[i].comes_back);
		fleet_deinit(&fleet);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_clock_and_credentials),
		cmocka_unit_test(test_authorization_is_strict),
		cmocka_unit_test(test_nonces_are_forgotten),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_decoding),
		cmocka_unit_test(test_parameters_have_a_limit),
		cmocka_unit_test(test_map_history),
		cmocka_unit_test(test_fault_settings),
		cmocka_unit_test(test_fault_shares),
		cmocka_unit_test(test_version_order),
		cmocka_unit_test(test_device_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
