/* The tables of names: what label values, log fields and JSON say. */
#include "model.h"

#include "reconcile.h"

const char *const version_type_names[VERSION_TYPE_N] = {
	[VERSION_TYPE_DEVICE] = "Device",
	[VERSION_TYPE_DPI] = "Dpi",
};

const char *const phase_names[PHASE_N] = {
	[PHASE_UPGRADING] = "upgrading",
	[PHASE_VERIFYING] = "verifying",
	[PHASE_UNMANAGED] = "unmanaged",
	[PHASE_UNKNOWN] = "unknown",
	[PHASE_IN_SYNC] = "in_sync",
	[PHASE_AHEAD] = "ahead",
	[PHASE_FAILED] = "failed",
	[PHASE_WAITING] = "waiting",
};

const char *const reason_names[REASON_N] = {
	[REASON_NONE] = "none",
	[REASON_REQUESTED] = "requested",
	[REASON_ACCEPTED] = "accepted",
	[REASON_UNCONFIRMED] = "unconfirmed",
	[REASON_NO_PIN] = "no_pin",
	[REASON_NEVER_OBSERVED] = "never_observed",
	[REASON_STALE] = "stale",
	[REASON_DUPLICATE] = "duplicate",
	[REASON_INVALID_INSTANCE] = "invalid_instance",
	[REASON_IN_ARREARS] = "in_arrears",
	[REASON_NOT_ACTIVATED] = "not_activated",
	[REASON_NOT_BOUND] = "not_bound",
	[REASON_FORBIDDEN] = "forbidden",
	[REASON_VERSION_TOO_OLD] = "version_too_old",
	[REASON_VERSION_NOT_AVAILABLE] = "version_not_available",
	[REASON_INCOMPARABLE] = "incomparable",
	[REASON_FLAPPING] = "flapping",
	[REASON_UNHEALTHY] = "unhealthy",
	[REASON_DEADLINE] = "deadline",
	[REASON_NO_EFFECT] = "no_effect",
	[REASON_REJECTED] = "rejected",
	[REASON_RETRIES] = "retries",
	[REASON_STATE_STORE] = "state_store",
	[REASON_SETTLING] = "settling",
	[REASON_CREDENTIALS] = "credentials",
	[REASON_HELD] = "held",
	[REASON_PAUSED] = "paused",
	[REASON_HALTED] = "halted",
	[REASON_APPROVAL] = "approval",
	[REASON_OFFLINE] = "offline",
	[REASON_DEGRADED] = "degraded",
	[REASON_BACKOFF] = "backoff",
	[REASON_FREEZE] = "freeze",
	[REASON_WINDOW] = "window",
	[REASON_WINDOW_TOO_SHORT] = "window_too_short",
	[REASON_GATE] = "gate",
	[REASON_WAVE] = "wave",
	[REASON_SOAK] = "soak",
	[REASON_PAIR] = "pair",
	[REASON_SITE] = "site",
	[REASON_MAX_IN_FLIGHT] = "max_in_flight",
	[REASON_RATE] = "rate",
	[REASON_THROTTLED] = "throttled",
	[REASON_PRECHECK] = "precheck",
	[REASON_OBSERVE_MODE] = "observe_mode",
};

const char *const status_names[STATUS_N] = {
	[STATUS_ACTIVE] = "active",
	[STATUS_OFFLINE] = "offline",
	[STATUS_IN_ARREARS] = "in_arrears",
	[STATUS_NOT_ACTIVATED] = "not_activated",
};

const char *const error_class_names[ERROR_CLASS_N] = {
	[ERROR_CLASS_NONE] = "none",
	[ERROR_CLASS_TRANSIENT] = "transient",
	[ERROR_CLASS_THROTTLED] = "throttled",
	[ERROR_CLASS_OFFLINE] = "offline",
	[ERROR_CLASS_ACCOUNT] = "account",
	[ERROR_CLASS_BLOCKED] = "blocked",
	[ERROR_CLASS_TERMINAL] = "terminal",
	[ERROR_CLASS_UNCONFIRMED] = "unconfirmed",
};

enum phase reason_phase(enum reason reason)
{
	if (reason == REASON_NONE || reason == REASON_SOAK || reason >= REASON_N)
		return PHASE_N;
	if (reason <= REASON_UNCONFIRMED)
		return PHASE_UPGRADING;
	if (reason == REASON_NO_PIN)
		return PHASE_UNMANAGED;
	if (reason <= REASON_STALE)
		return PHASE_UNKNOWN;
	return reason <= REASON_RETRIES ? PHASE_FAILED : PHASE_WAITING;
}

const char *const halt_cause_names[HALT_N] = {
	[HALT_NONE] = "none", [HALT_FAILURES] = "failures", [HALT_PERCENT] = "percent", [HALT_BY_REASON] = "by_reason", [HALT_WAVE] = "wave",
};
const char *const tally_names[TALLY_KIND_N] = {
	[TALLY_STARTED] = "started", [TALLY_SUCCEEDED] = "succeeded", [TALLY_FAILED] = "failed", [TALLY_EXTERNAL_CHANGE] = "external_change",
};
const char *const act_names[ACT_N] = {
	[ACT_PAUSE] = "pause", [ACT_RESUME] = "resume", [ACT_APPROVE] = "approve", [ACT_HOLD] = "hold",
	[ACT_RELEASE] = "release", [ACT_RETRY] = "retry", [ACT_UPGRADE_NOW] = "upgrade-now",
};
const char *const act_outcome_names[ACT_OUTCOME_N] = {
	[ACT_DONE] = "done", [ACT_ALREADY] = "already", [ACT_NOT_FOUND] = "not_found", [ACT_INCOMPLETE] = "incomplete",
	[ACT_TOO_MANY] = "too_many", [ACT_HELD_BY_CONFIG] = "held_by_config",
};
const char *const rollout_change_names[ROLLOUT_CHANGE_N] = {
	[ROLLOUT_BEGAN] = "began", [ROLLOUT_WAVE_PASSED] = "wave_passed", [ROLLOUT_AWAITING] = "awaiting_approval", [ROLLOUT_HALTED] = "halted", [ROLLOUT_RESUMED] = "resumed",
	[ROLLOUT_COMPLETED] = "completed", [ROLLOUT_REOPENED] = "reopened", [ROLLOUT_ENDED] = "ended",
};
const char *const rollout_state_names[ROLLOUT_STATE_N] = {
	[ROLLOUT_STATE_RUNNING] = "running", [ROLLOUT_STATE_APPROVAL] = "approval", [ROLLOUT_STATE_PAUSED] = "paused",
	[ROLLOUT_STATE_HALTED] = "halted", [ROLLOUT_STATE_COMPLETE] = "complete",
};
