/*
 * The table of error codes. It guarantees that an upgrade counts as refused only for a code that says so
 * (rule 3); every other code, known or not, leaves an upgrade unconfirmed. It must not look at HTTP statuses.
 */
#include "errors.h"

#include <string.h>

#define DOCUMENTED(code_, read_, upgrade_, reason_, advice_)                                                           \
	{ .code = code_, .is_documented = true, .on_read = ERROR_CLASS_##read_, .on_upgrade = ERROR_CLASS_##upgrade_,  \
	  .reason = REASON_##reason_, .advice = advice_ }
#define GATEWAY(code_, read_, upgrade_, reason_, advice_)                                                              \
	{ .code = code_, .on_read = ERROR_CLASS_##read_, .on_upgrade = ERROR_CLASS_##upgrade_,                         \
	  .reason = REASON_##reason_, .advice = advice_ }
#define PREFIX(code_, read_, upgrade_, reason_, advice_)                                                               \
	{ .code = code_, .is_prefix = true, .on_read = ERROR_CLASS_##read_, .on_upgrade = ERROR_CLASS_##upgrade_,      \
	  .reason = REASON_##reason_, .advice = advice_ }

#define ADVICE_SERVICE "The cloud has trouble of its own; nothing to do unless it lasts."
#define ADVICE_KEY "Check that the access key exists, is enabled, and belongs to this account."
#define ADVICE_CLOCK "Set the clock of this machine: the cloud refuses requests more than 15 minutes off."
#define ADVICE_GATEWAY "Check the endpoint: it does not serve this call of the Smartag API 2018-03-13; else report a bug."
#define ADVICE_PARAMETER "Check the instance, serial number and version of the pin; else report a bug."
#define ADVICE_SCHEDULE "This endpoint wants a schedule even for manual upgrades: give the device one, or set it to manual, in the console."

/*
 * A refusal for a parameter or an action is terminal and not blocked: it would meet every target of the
 * rollout alike, and only failures halt one.
 */
const struct error_code error_codes[] = {
	DOCUMENTED("Forbidden", BLOCKED, BLOCKED, FORBIDDEN,
		   "Grant the RAM user or role the smartag actions on this instance."),
	DOCUMENTED("PermissionError", BLOCKED, BLOCKED, FORBIDDEN,
		   "Grant the RAM user or role the right to operate this instance."),
	DOCUMENTED("SmartAccessGatewayInArrears", BLOCKED, BLOCKED, IN_ARREARS, "Renew the instance: it has expired."),
	DOCUMENTED("SmartAccessGatewayNotActivated", BLOCKED, BLOCKED, NOT_ACTIVATED, "Activate the instance."),
	DOCUMENTED("InvalidId.SMARTAG", BLOCKED, BLOCKED, INVALID_INSTANCE,
		   "Check the pin: no such instance for this account and region."),
	DOCUMENTED("NotBoundCCN", BLOCKED, BLOCKED, NOT_BOUND, "Bind the instance to a Cloud Connect Network."),
	DOCUMENTED("SmartAccessGatewayNotOnline", OFFLINE, OFFLINE, OFFLINE,
		   "Connect the device; the upgrade follows by itself."),
	DOCUMENTED("GetSmartAccessGatewayVersionError", TRANSIENT, TRANSIENT, BACKOFF, ADVICE_SERVICE),
	DOCUMENTED("GetSmartAccessGatewayStateError", TRANSIENT, TRANSIENT, BACKOFF, ADVICE_SERVICE),
	DOCUMENTED("VersionTooOld", TRANSIENT, TERMINAL, VERSION_TOO_OLD, "Pin a newer version."),

	GATEWAY("VersionNotExist", BLOCKED, UNCONFIRMED, VERSION_NOT_AVAILABLE,
		"Check the pin: the cloud has no version of this type for the device."),
	PREFIX("Throttling", THROTTLED, THROTTLED, THROTTLED,
	       "Nothing to do: calls slow down; lower calls_per_second if other tools share the account."),
	GATEWAY("ServiceUnavailable", TRANSIENT, UNCONFIRMED, UNCONFIRMED, ADVICE_SERVICE),
	GATEWAY("ServiceUnavailableTemporary", TRANSIENT, UNCONFIRMED, UNCONFIRMED, ADVICE_SERVICE),
	GATEWAY("InternalError", TRANSIENT, UNCONFIRMED, UNCONFIRMED, ADVICE_SERVICE),
	GATEWAY("InternalFailure", TRANSIENT, UNCONFIRMED, UNCONFIRMED, ADVICE_SERVICE),
	GATEWAY("InvalidAccessKeyId.NotFound", ACCOUNT, ACCOUNT, CREDENTIALS, ADVICE_KEY),
	GATEWAY("InvalidAccessKeyId.Inactive", ACCOUNT, ACCOUNT, CREDENTIALS, ADVICE_KEY),
	PREFIX("InvalidSecurityToken.", ACCOUNT, ACCOUNT, CREDENTIALS,
	       "Check the source of the temporary credentials: the token is expired or of another key."),
	GATEWAY("SignatureDoesNotMatch", ACCOUNT, ACCOUNT, CREDENTIALS,
		"Check the access key secret, and the signature method of the endpoint."),
	GATEWAY("IncompleteSignature", ACCOUNT, ACCOUNT, CREDENTIALS,
		"Check the signature method of the endpoint, and proxies that drop headers."),
	GATEWAY("InvalidTimeStamp.Expired", ACCOUNT, ACCOUNT, CREDENTIALS, ADVICE_CLOCK),
	GATEWAY("InvalidTimeStamp.Format", ACCOUNT, ACCOUNT, CREDENTIALS, ADVICE_CLOCK),
	GATEWAY("SignatureNonceUsed", TRANSIENT, UNCONFIRMED, UNCONFIRMED,
		"Check for a proxy that repeats requests: the cloud saw this one before."),
	GATEWAY("MissingSecurityToken", ACCOUNT, ACCOUNT, CREDENTIALS, ADVICE_KEY),
	GATEWAY("MissingAccessKeyId", ACCOUNT, ACCOUNT, CREDENTIALS, ADVICE_KEY),
	GATEWAY("MissingCronExpression", BLOCKED, TERMINAL, REJECTED, ADVICE_SCHEDULE),
	GATEWAY("MissingDuration", BLOCKED, TERMINAL, REJECTED, ADVICE_SCHEDULE),
	GATEWAY("MissingTimeZone", BLOCKED, TERMINAL, REJECTED, ADVICE_SCHEDULE),
	PREFIX("Missing", BLOCKED, TERMINAL, REJECTED, ADVICE_PARAMETER),
	GATEWAY("InvalidParameter", BLOCKED, TERMINAL, REJECTED, ADVICE_PARAMETER),
	GATEWAY("InvalidAction.NotFound", BLOCKED, TERMINAL, REJECTED, ADVICE_GATEWAY),
	GATEWAY("InvalidVersion", BLOCKED, TERMINAL, REJECTED, ADVICE_GATEWAY),
};
const size_t error_codes_n = sizeof(error_codes) / sizeof(error_codes[0]);

/* The first row that fits: what is exact stands before the prefix that would fit, too. */
const struct error_code *error_code_find(const char *code)
{
	for (size_t i = 0; i < error_codes_n; i++) {
		const struct error_code *e = &error_codes[i];

		if (e->is_prefix ? !strncmp(code, e->code, strlen(e->code)) : !strcmp(code, e->code))
			return e;
	}
	return NULL;
}
