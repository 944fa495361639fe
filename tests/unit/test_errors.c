/* What each code of the API reference means for a read and for the upgrade, spelt out once more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cloud/errors.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *code;
	bool is_documented;
	enum error_class on_read, on_upgrade;
	enum reason reason;
} cases[] = {
	{ "Forbidden", true, ERROR_CLASS_BLOCKED, ERROR_CLASS_BLOCKED, REASON_FORBIDDEN },
	{ "PermissionError", true, ERROR_CLASS_BLOCKED, ERROR_CLASS_BLOCKED, REASON_FORBIDDEN },
	{ "SmartAccessGatewayInArrears", true, ERROR_CLASS_BLOCKED, ERROR_CLASS_BLOCKED, REASON_IN_ARREARS },
	{ "SmartAccessGatewayNotActivated", true, ERROR_CLASS_BLOCKED, ERROR_CLASS_BLOCKED, REASON_NOT_ACTIVATED },
	{ "InvalidId.SMARTAG", true, ERROR_CLASS_BLOCKED, ERROR_CLASS_BLOCKED, REASON_INVALID_INSTANCE },
	{ "NotBoundCCN", true, ERROR_CLASS_BLOCKED, ERROR_CLASS_BLOCKED, REASON_NOT_BOUND },
	{ "SmartAccessGatewayNotOnline", true, ERROR_CLASS_OFFLINE, ERROR_CLASS_OFFLINE, REASON_OFFLINE },
	{ "GetSmartAccessGatewayVersionError", true, ERROR_CLASS_TRANSIENT, ERROR_CLASS_TRANSIENT, REASON_BACKOFF },
	{ "GetSmartAccessGatewayStateError", true, ERROR_CLASS_TRANSIENT, ERROR_CLASS_TRANSIENT, REASON_BACKOFF },
	{ "VersionTooOld", true, ERROR_CLASS_TRANSIENT, ERROR_CLASS_TERMINAL, REASON_VERSION_TOO_OLD },
	{ "VersionNotExist", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_UNCONFIRMED, REASON_VERSION_NOT_AVAILABLE },
	{ "Throttling", false, ERROR_CLASS_THROTTLED, ERROR_CLASS_THROTTLED, REASON_THROTTLED },
	{ "Throttling.User", false, ERROR_CLASS_THROTTLED, ERROR_CLASS_THROTTLED, REASON_THROTTLED },
	{ "Throttling.Api", false, ERROR_CLASS_THROTTLED, ERROR_CLASS_THROTTLED, REASON_THROTTLED },
	{ "ThrottlingNew", false, ERROR_CLASS_THROTTLED, ERROR_CLASS_THROTTLED, REASON_THROTTLED },
	{ "ServiceUnavailable", false, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, REASON_UNCONFIRMED },
	{ "ServiceUnavailableTemporary", false, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, REASON_UNCONFIRMED },
	{ "InternalError", false, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, REASON_UNCONFIRMED },
	{ "InternalFailure", false, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, REASON_UNCONFIRMED },
	{ "InvalidAccessKeyId.NotFound", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "InvalidAccessKeyId.Inactive", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "InvalidSecurityToken.Expired", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "InvalidSecurityToken.MismatchWithAccessKey", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT,
	  REASON_CREDENTIALS },
	{ "SignatureDoesNotMatch", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "IncompleteSignature", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "InvalidTimeStamp.Expired", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "InvalidTimeStamp.Format", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "SignatureNonceUsed", false, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, REASON_UNCONFIRMED },
	{ "MissingSecurityToken", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "MissingAccessKeyId", false, ERROR_CLASS_ACCOUNT, ERROR_CLASS_ACCOUNT, REASON_CREDENTIALS },
	{ "MissingCronExpression", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
	{ "MissingDuration", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
	{ "MissingTimeZone", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
	{ "MissingRegionId", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
	{ "MissingVersionCode", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
	{ "InvalidParameter", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
	{ "InvalidAction.NotFound", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
	{ "InvalidVersion", false, ERROR_CLASS_BLOCKED, ERROR_CLASS_TERMINAL, REASON_REJECTED },
};

/* Codes that we do not know; some look like one that we do. An upgrade with them is unconfirmed. */
static const char *const unknown[] = {
	"", "forbidden", "Forbidden ", "Forbidden.RAM", "Forbidde", "throttling", "XThrottling", "VersionTooOld2",
	"InvalidId.SMARTAGX", "InvalidSecurityToken", "InternalError.Foo", "InvalidParameter.Foo", "InvalidVersionX",
	"SomethingNew",
};

static void test_every_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		const struct error_code *e = error_code_find(cases[i].code);

		if (!e)
			fail_msg("%s is not in the table", cases[i].code);
		if (e->on_read != cases[i].on_read || e->on_upgrade != cases[i].on_upgrade ||
		    e->reason != cases[i].reason || e->is_documented != cases[i].is_documented)
			fail_msg("%s: on read %s, on upgrade %s, reason %s, documented %d", cases[i].code,
				 error_class_names[e->on_read], error_class_names[e->on_upgrade],
				 reason_names[e->reason], e->is_documented);
	}
}

static void test_unknown_codes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(unknown); i++)
		if (error_code_find(unknown[i]))
			fail_msg("\"%s\" is taken for %s", unknown[i], error_code_find(unknown[i])->code);
}

/* The table itself: each row is found under its own code, is covered above, and can be read by a person. */
static void test_table(void **state)
{
	size_t n_documented = 0;

	(void)state;
	for (size_t i = 0; i < error_codes_n; i++) {
		const struct error_code *e = &error_codes[i];
		bool is_covered = false;

		assert_ptr_equal(error_code_find(e->code), e);
		assert_true(strlen(e->code) <= LIMIT_CODE);
		assert_true(strlen(e->advice) > 10);
		assert_int_equal(e->advice[strlen(e->advice) - 1], '.');
		n_documented += e->is_documented;
		for (size_t j = 0; j < N(cases); j++)
			is_covered |= error_code_find(cases[j].code) == e;
		if (!is_covered)
			fail_msg("no case for %s", e->code);
	}
	assert_int_equal(n_documented, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code),
		cmocka_unit_test(test_unknown_codes),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
