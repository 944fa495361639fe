/* What each kind of record holds, and how its times move to another boot. One table; see record.h. */
#include "record.h"

#include "reconcile.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define TYPE_COLUMN { "version_type", COLUMN_NAME, version_type_names, VERSION_TYPE_N }
#define NAMES(name, names, n) { name, COLUMN_NAME, names, n }
#define NUMBER(name) { name, COLUMN_NUMBER, NULL, 0 }
#define TIME(name) { name, COLUMN_TIME, NULL, 0 }

const char *const record_intent_states[RECORD_INTENT_STATE_N] = { "requested", "accepted", "unconfirmed" };

static const char *const intent_texts[REC_INTENT_TEXTS] = { "account", "region_id", "instance_id", "serial_number", "from_version",
							     "to_version", "goal", "policy", "site" };
static const struct record_column intent_numbers[REC_INTENT_NUMBERS] = {
	NUMBER("id"), TYPE_COLUMN, NAMES("state", record_intent_states, RECORD_INTENT_STATE_N), NUMBER("position"), NUMBER("is_code_unknown"),
	NUMBER("is_seen"), NUMBER("is_vpn_verified"), NUMBER("deadline_ns"), NUMBER("soak_ns"), TIME("created"), TIME("sent"),
	TIME("accepted"), TIME("seen"),
};

static const char *const target_texts[REC_TARGET_TEXTS] = { "serial_number", "approved", "held_by", "held_why", "urgent",
							     "ended_policy", "ended_version", "account", "policy" };
static const struct record_column target_numbers[REC_TARGET_NUMBERS] = {
	TYPE_COLUMN, NUMBER("first_seen_s"), NUMBER("drift_since_s"), TIME("left_at"), TIME("approved_at"), NUMBER("held_since_s"),
	NUMBER("attempts"), NUMBER("failures"), NUMBER("last_success_s"), NUMBER("last_failure_s"), NUMBER("wait"),
	NAMES("wait_reason", reason_names, REASON_N), NUMBER("n_waits"), TIME("wait_until"), TIME("changed_1"), TIME("changed_2"),
	TIME("changed_3"), NUMBER("ended_epoch"), NAMES("ended_reason", reason_names, REASON_N),
	TIME("urgent_until"),
};

static const char *const attempts_texts[REC_ATTEMPTS_TEXTS] = { "serial_number", "version" };
static const struct record_column attempts_numbers[REC_ATTEMPTS_NUMBERS] = {
	TYPE_COLUMN, NUMBER("made"), NAMES("reason", reason_names, REASON_N), NUMBER("is_terminal"),
};

static const char *const rollout_texts[REC_ROLLOUT_TEXTS] = { "policy", "version", "wave", "passed_waves", "approved_wave" };
static const struct record_column rollout_numbers[REC_ROLLOUT_NUMBERS] = {
	TYPE_COLUMN, NUMBER("epoch"), NAMES("halt_cause", halt_cause_names, HALT_N), NAMES("halt_reason", reason_names, REASON_N),
	NUMBER("halted_s"), NUMBER("first_seen_s"), NUMBER("last_progress_s"), TIME("soak_start"), NUMBER("ended"), NUMBER("failed"),
	NUMBER("failed_deadline"), NUMBER("failed_unhealthy"), NUMBER("failed_rejected"),
};

static const char *const start_texts[REC_START_TEXTS] = { "policy" };
static const struct record_column start_numbers[REC_START_NUMBERS] = { NUMBER("intent"), TIME("time") };

static const char *const pause_texts[REC_PAUSE_TEXTS] = { "policy", "version", "who", "why" };
static const struct record_column pause_numbers[REC_PAUSE_NUMBERS] = { NUMBER("version_type"), NUMBER("since_s") };

static const char *const scope_texts[REC_SCOPE_TEXTS] = { "account", "region_id" };
static const struct record_column scope_numbers[REC_SCOPE_NUMBERS] = { NUMBER("settled_s") };

static const char *const catalogue_texts[REC_CATALOGUE_TEXTS] = { "model", "version" };
static const struct record_column catalogue_numbers[REC_CATALOGUE_NUMBERS] = {
	TYPE_COLUMN, NUMBER("created_ms"), NUMBER("is_release"), NUMBER("is_offered"), TIME("read"),
};

static const char *const tally_texts[REC_TALLY_TEXTS] = { "account", "region_id", "policy" };
static const struct record_column tally_numbers[REC_TALLY_NUMBERS] = {
	NAMES("kind", tally_names, TALLY_KIND_N), TYPE_COLUMN, NAMES("reason", reason_names, REASON_N), NUMBER("value"),
};

static const char *const auto_texts[REC_AUTO_TEXTS] = { "serial_number", "instance_id", "upgrade_type", "cron", "time_zone" };
static const struct record_column auto_numbers[REC_AUTO_NUMBERS] = {
	TYPE_COLUMN, NUMBER("duration_min"), NUMBER("jitter_min"), NUMBER("held_since_s"),
};

#define FORMAT(name, texts, n_key_texts, numbers, n_key_numbers) \
	{ name, texts, LENGTH(texts), n_key_texts, numbers, LENGTH(numbers), n_key_numbers }

const struct record_format record_formats[RECORD_KIND_N] = {
	[RECORD_INTENT] = FORMAT("intent", intent_texts, 0, intent_numbers, 1),
	[RECORD_TARGET] = FORMAT("target", target_texts, 1, target_numbers, 1),
	[RECORD_ATTEMPTS] = FORMAT("attempts", attempts_texts, 2, attempts_numbers, 1),
	[RECORD_ROLLOUT] = FORMAT("rollout", rollout_texts, 2, rollout_numbers, 1),
	[RECORD_START] = FORMAT("start", start_texts, 0, start_numbers, 1),
	[RECORD_PAUSE] = FORMAT("pause", pause_texts, 2, pause_numbers, 1),
	[RECORD_SCOPE] = FORMAT("scope", scope_texts, 2, scope_numbers, 0),
	[RECORD_CATALOGUE] = FORMAT("catalogue", catalogue_texts, 2, catalogue_numbers, 1),
	[RECORD_TALLY] = FORMAT("tally", tally_texts, 3, tally_numbers, 3),
	[RECORD_AUTO_UPGRADE] = FORMAT("auto_upgrade", auto_texts, 1, auto_numbers, 1),
};

int64_t record_shift(const struct record_stamp *written, const struct record_stamp *now)
{
	int64_t passed_s = now->wall_s - written->wall_s;

	if (written->boot == now->boot)
		return 0;
	if (passed_s < 0)
		passed_s = 0;
	if (passed_s > RECORD_SHIFT_MAX_S)
		passed_s = RECORD_SHIFT_MAX_S;
	return now->boot_ns - passed_s * NS_PER_S - written->boot_ns;
}
