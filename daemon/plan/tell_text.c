/*
 * The plan as text: what it is a plan of, a table, what waits for a person, and notes.
 *
 * Each target has a line when all of them fit or were asked for; else those that share action, version, policy, wave and
 * reason are one line.
 */
#include "table.h"
#include "tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Cells as they are made. */
struct sheet {
	const char **cells;
	const char **styles;
	size_t n_columns, n_cells, size, n_rows;
	bool is_bad; /* out of memory */
};

static void row_begin(struct sheet *s, const char *style)
{
	if (s->n_cells + s->n_columns > s->size) {
		size_t size = s->size ? 2 * s->size : 64 * s->n_columns;
		const char **cells = reallocarray(s->cells, size, sizeof(const char *));
		const char **styles = cells ? reallocarray(s->styles, size / s->n_columns, sizeof(const char *)) : NULL;

		if (cells)
			s->cells = cells;
		if (styles)
			s->styles = styles;
		s->is_bad |= !styles;
		s->size = styles ? size : s->size;
	} // cppcheck-suppress memleak ; their owner is the sheet
	if (s->is_bad)
		return;
	s->styles[s->n_rows++] = style;
	for (size_t i = 0; i < s->n_columns; i++)
		s->cells[s->n_cells++] = NULL; /* nothing, until it is put */
}

__attribute__((format(printf, 3, 4))) static void put(struct sheet *s, size_t column, const char *format, ...)
{
	va_list args;
	char *text;

	if (s->is_bad)
		return;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		s->is_bad = true;
	else
		s->cells[s->n_cells - s->n_columns + column] = text;
	va_end(args);
}

static void free_text(const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { text };

	free(u.out);
}

/* Prints it, unless memory ran out, and frees it. */
static int sheet_end(struct sheet *s, const struct table_column *columns, const struct tell *t, FILE *out)
{
	const struct table table = { columns, s->n_columns, s->cells, s->styles, s->n_rows };

	for (size_t i = 0; i < s->n_cells; i++)
		if (!s->cells[i])
			s->is_bad |= !(s->cells[i] = strdup(""));
	if (!s->is_bad && s->n_rows)
		table_print(&table, t->width, t->is_styled, out);
	for (size_t i = 0; i < s->n_cells; i++)
		free_text(s->cells[i]);
	free(s->cells);
	free(s->styles);
	return s->is_bad ? -ENOMEM : 0;
}

static const char *style_of(enum forecast_action action)
{
	static const char *const styles[FORECAST_ACTION_N] = {
		[FORECAST_FAILED] = "\033[31m",
		[FORECAST_WAIT] = "\033[33m",
	};

	return styles[action];
}

/* ---- what is shown ---- */

static bool is_filtered(const struct tell *t)
{
	return t->account || t->policy || t->instance_id || t->serial_number;
}

static bool is_shown(const struct tell *t, const struct forecast_row *row)
{
	const struct picture_wanted *before;

	return tell_is_asked_for(t, row) &&
	       (t->is_all || is_filtered(t) || row->action != FORECAST_NOTHING || tell_changes(t, row, &before) != 0);
}

/* Columns that say the same of every target are left empty, and so out. */
struct columns_used {
	bool has_types, has_scopes;
	size_t n_shown;
};

static struct columns_used columns_used(const struct tell *t)
{
	struct columns_used used = { .has_scopes = t->picture->n_scopes > 1 };

	for (size_t i = 0; i < t->forecast->n_rows; i++) {
		used.n_shown += is_shown(t, &t->forecast->rows[i]);
		used.has_types |= t->forecast->rows[i].version_type != VERSION_TYPE_DEVICE;
	}
	return used;
}

/* Without waves all are in the last, which says nothing. */
static bool has_waves(const struct tell *t, const struct forecast_row *row)
{
	return row->policy != POLICY_NONE && t->settings->policies[row->policy].n_waves > 0;
}

static void put_times(const struct tell *t, struct sheet *s, size_t in, size_t at, const struct forecast_row *row)
{
	int64_t s_from_now = row->start_s - t->forecast->now_s;

	switch ((int)row->action) {
	case FORECAST_RUNNING:
		put(s, in, "now");
		put(s, at, "under way");
		break;
	case FORECAST_UPGRADE:
		put(s, in, s_from_now <= 1 ? "now" : "in %s", tell_span(s_from_now).text);
		put(s, at, "%s", tell_near(row->start_s, t->forecast->now_s).text);
		break;
	case FORECAST_LATER:
		put(s, in, "> %s", tell_span(t->forecast->end_s - t->forecast->now_s).text);
		put(s, at, "> %s", tell_near(t->forecast->end_s, t->forecast->now_s).text);
		break;
	default: /* the word stands also where there is no room for the action */
		put(s, in, "%s", row->action == FORECAST_NOTHING ? "-" : forecast_action_names[row->action]);
		put(s, at, "-");
	}
}

static void put_why(struct sheet *s, size_t column, const struct forecast_row *row)
{
	enum reason reason = tell_reason(row);

	if (row->action == FORECAST_WAIT && row->blocked_by != REASON_NONE && row->blocked_by != reason)
		put(s, column, "%s (rollout: %s)", reason_names[reason], reason_names[row->blocked_by]);
	else if (row->action == FORECAST_NOTHING)
		put(s, column, reason == REASON_NONE ? "%s" : "%s: %s", phase_names[row->phase], reason_names[reason]);
	else
		put(s, column, "%s", reason == REASON_NONE ? "-" : reason_names[reason]);
}

/* "3.3.0 → 3.3.9 → 3.4.2" */
static void put_versions(const struct tell *t, struct sheet *s, size_t column, const struct forecast_row *row)
{
	char text[(LIMIT_VIA + 2) * (LIMIT_VERSION + 8)];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s", row->from[0] ? row->from : "?");

	for (uint32_t i = row->first_call; row->n_calls && i != NONE && len < sizeof(text); i = t->forecast->calls[i].next)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " \xe2\x86\x92 %s", t->forecast->calls[i].to);
	if (!row->n_calls && row->to[0] && strcmp(row->from, row->to) != 0)
		snprintf(text + len, sizeof(text) - len, row->action == FORECAST_NOTHING ? " (pinned %s)" : " \xe2\x86\x92 %s", row->to);
	put(s, column, "%s", text);
}

static void put_change(const struct tell *t, struct sheet *s, size_t column, const struct forecast_row *row)
{
	const struct picture_wanted *before;
	unsigned int changes = tell_changes(t, row, &before);
	char text[512] = "";
	size_t len = 0;
	const struct {
		unsigned int change;
		const char *name, *old, *new;
	} kinds[] = {
		{ CHANGE_DESIRED, "version", before ? before->desired : "", row->to },
		{ CHANGE_POLICY, "policy", before ? before->policy : "", tell_policy(t, row) },
		{ CHANGE_WAVE, "wave", before ? before->wave : "", row->wave },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && len < sizeof(text); i++)
		if (changes & kinds[i].change)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s \xe2\x86\x92 %s", len ? ", " : "", kinds[i].name,
						kinds[i].old[0] ? kinds[i].old : "none", kinds[i].new[0] ? kinds[i].new : "none");
	put(s, column, "%s", text);
}

/* ---- each target ---- */

enum { EACH_IN, EACH_AT, EACH_ACTION, EACH_SCOPE, EACH_INSTANCE, EACH_SERIAL, EACH_TYPE, EACH_VERSION, EACH_POLICY, EACH_WAVE, EACH_CHANGE, EACH_WHY, EACH_N };
static const struct table_column each_columns[EACH_N] = {
	[EACH_IN] = { "IN", 8, 0, false },	[EACH_AT] = { "AT", 18, 6, false },	  [EACH_ACTION] = { "ACTION", 7, 11, false },
	[EACH_SCOPE] = { "WHERE", 10, 10, false }, [EACH_INSTANCE] = { "INSTANCE", 12, 0, false }, [EACH_SERIAL] = { "SERIAL", 10, 8, false },
	[EACH_TYPE] = { "TYPE", 6, 5, false },	[EACH_VERSION] = { "VERSION", 14, 0, false }, [EACH_POLICY] = { "POLICY", 6, 9, false },
	[EACH_WAVE] = { "WAVE", 5, 7, false },	[EACH_CHANGE] = { "CHANGE", 14, 3, false },  [EACH_WHY] = { "WHY", 10, 2, false },
};

static void put_each(const struct tell *t, const struct columns_used *used, struct sheet *s, const struct forecast_row *row)
{
	const struct picture_scope *scope = tell_scope(t, row);

	row_begin(s, style_of(row->action));
	put_times(t, s, EACH_IN, EACH_AT, row);
	put(s, EACH_ACTION, "%s", forecast_action_names[row->action]);
	if (used->has_scopes)
		put(s, EACH_SCOPE, "%s/%s", scope->account, scope->region_id);
	put(s, EACH_INSTANCE, "%s", t->picture->instances[row->instance].instance_id);
	put(s, EACH_SERIAL, "%s", row->serial_number);
	put(s, EACH_TYPE, "%s", used->has_types ? version_type_names[row->version_type] : "");
	put_versions(t, s, EACH_VERSION, row);
	put(s, EACH_POLICY, "%s", tell_policy(t, row));
	put(s, EACH_WAVE, "%s", has_waves(t, row) ? row->wave : "");
	put_change(t, s, EACH_CHANGE, row);
	put_why(s, EACH_WHY, row);
}

static int tell_each(const struct tell *t, const struct columns_used *used, FILE *out)
{
	struct sheet s = { .n_columns = EACH_N };

	for (size_t i = 0; i < t->forecast->n_rows; i++)
		if (is_shown(t, &t->forecast->rows[i]))
			put_each(t, used, &s, &t->forecast->rows[i]);
	return sheet_end(&s, each_columns, t, out);
}

/* ---- groups ---- */

struct group {
	const struct forecast_row *first, *last; /* in order of start */
	size_t n;
	unsigned int changes;
};

static bool is_alike(const struct tell *t, const struct group *g, const struct forecast_row *row, unsigned int changes)
{
	const struct forecast_row *other = g->first;

	return other->action == row->action && other->version_type == row->version_type && other->policy == row->policy &&
	       other->to == row->to && (row->action == FORECAST_FAILED || strcmp(other->wave, row->wave) == 0) && tell_reason(other) == tell_reason(row) &&
	       other->blocked_by == row->blocked_by && g->changes == changes && tell_scope(t, other) == tell_scope(t, row);
}

static int group_rows(const struct tell *t, struct group **ret_groups, size_t *ret_n)
{
	struct group *groups = NULL;
	size_t n = 0, size = 0, at;

	for (size_t i = 0; i < t->forecast->n_rows; i++) {
		const struct forecast_row *row = &t->forecast->rows[i];
		const struct picture_wanted *before;
		unsigned int changes = tell_changes(t, row, &before);

		if (!is_shown(t, row))
			continue;
		for (at = n; at > 0 && !is_alike(t, &groups[at - 1], row, changes); at--)
			;
		if (at > 0) {
			groups[at - 1].n++;
			groups[at - 1].last = row;
			continue;
		}
		if (n == size) {
			struct group *grown = reallocarray(groups, size ? 2 * size : 32, sizeof(*grown));

			if (!grown) {
				free(groups);
				return -ENOMEM;
			}
			groups = grown;
			size = size ? 2 * size : 32;
		}
		groups[n++] = (struct group){ row, row, 1, changes };
	}
	*ret_groups = groups;
	*ret_n = n;
	return 0;
}

enum { GROUP_IN, GROUP_AT, GROUP_LAST, GROUP_COUNT, GROUP_ACTION, GROUP_SCOPE, GROUP_TYPE, GROUP_VERSION, GROUP_POLICY, GROUP_WAVE, GROUP_CHANGE, GROUP_WHY, GROUP_N };
static const struct table_column group_columns[GROUP_N] = {
	[GROUP_IN] = { "FIRST", 8, 0, false },	   [GROUP_AT] = { "AT", 18, 8, false },	      [GROUP_LAST] = { "LAST", 8, 5, false },
	[GROUP_COUNT] = { "TARGETS", 7, 0, true }, [GROUP_ACTION] = { "ACTION", 7, 0, false }, [GROUP_SCOPE] = { "WHERE", 10, 9, false },
	[GROUP_TYPE] = { "TYPE", 6, 4, false },	   [GROUP_VERSION] = { "VERSION", 8, 1, false }, [GROUP_POLICY] = { "POLICY", 6, 6, false },
	[GROUP_WAVE] = { "WAVE", 5, 3, false },	   [GROUP_CHANGE] = { "CHANGE", 7, 7, false }, [GROUP_WHY] = { "WHY", 10, 2, false },
};

static void put_group(const struct tell *t, const struct columns_used *used, struct sheet *s, const struct group *g)
{
	static const char *const changes[] = { "", "version", "policy", "version, policy", "wave", "version, wave", "policy, wave", "version, policy, wave" };
	const struct forecast_row *row = g->first;
	const struct picture_scope *scope = tell_scope(t, row);
	int64_t last_s = g->last->start_s - t->forecast->now_s;

	row_begin(s, style_of(row->action));
	put_times(t, s, GROUP_IN, GROUP_AT, row);
	if (row->action == FORECAST_UPGRADE && g->n > 1)
		put(s, GROUP_LAST, last_s <= 1 ? "now" : "in %s", tell_span(last_s).text);
	put(s, GROUP_COUNT, "%zu", g->n);
	put(s, GROUP_ACTION, "%s", forecast_action_names[row->action]);
	if (used->has_scopes)
		put(s, GROUP_SCOPE, "%s/%s", scope->account, scope->region_id);
	put(s, GROUP_TYPE, "%s", used->has_types ? version_type_names[row->version_type] : "");
	put(s, GROUP_VERSION, "%s", row->to);
	put(s, GROUP_POLICY, "%s", tell_policy(t, row));
	put(s, GROUP_WAVE, "%s", has_waves(t, row) && row->action != FORECAST_FAILED ? row->wave : "");
	put(s, GROUP_CHANGE, "%s", changes[g->changes]);
	put_why(s, GROUP_WHY, row);
}

static int tell_groups(const struct tell *t, const struct columns_used *used, FILE *out)
{
	struct sheet s = { .n_columns = GROUP_N };
	struct group *groups;
	size_t n;
	int r = group_rows(t, &groups, &n);

	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		put_group(t, used, &s, &groups[i]);
	free(groups);
	r = sheet_end(&s, group_columns, t, out);
	if (!r)
		fprintf(out, "%zu targets in %zu group%s; --all shows each, --instance, --serial-number, --policy or --account some.\n", used->n_shown, n,
			n == 1 ? "" : "s");
	return r;
}

/* ---- around the table ---- */

static void tell_head(const struct tell *t, FILE *out)
{
	const struct picture *p = t->picture;

	fprintf(out, "Plan at %s, %s ahead, for %s, with %s (mode %s).\n", tell_local(t->forecast->now_s).text, tell_span(t->horizon_s).text,
		p->is_of_daemon ? "the fleet of the running daemon" : "the fleet as the cloud tells it", t->config_path,
		t->settings->is_enforcing ? "enforce" : "observe");
	if (!t->settings->is_enforcing)
		fprintf(out, "In observe mode nothing of this happens: it is what would, if the mode were enforce.\n");
}

static void tell_counts(const struct tell *t, FILE *out)
{
	static const struct {
		enum forecast_action action;
		const char *text;
	} parts[] = {
		{ FORECAST_RUNNING, "under way" }, { FORECAST_UPGRADE, "to upgrade" }, { FORECAST_LATER, "later" },
		{ FORECAST_WAIT, "waiting" },	   { FORECAST_FAILED, "failed" },      { FORECAST_NOTHING, "with nothing to do" },
	};
	size_t n_changed = tell_count_changed(t);
	bool is_first = true;

	fprintf(out, "%zu target%s", t->forecast->n_rows, t->forecast->n_rows == 1 ? "" : "s");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!t->forecast->counts[parts[i].action])
			continue;
		fprintf(out, "%s%zu %s", is_first ? ": " : ", ", t->forecast->counts[parts[i].action], parts[i].text);
		is_first = false;
	}
	fprintf(out, ".\n");
	if (n_changed)
		fprintf(out, "%zu target%s would change version, policy or wave.\n", n_changed, n_changed == 1 ? "" : "s");
	if (!forecast_has_changes(t->forecast) && !n_changed)
		fprintf(out, "Nothing to do.\n");
}

static bool is_plain(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-")] == '\0' && text[0];
}

/* As a shell takes it. */
static void print_option(FILE *out, const char *option, const char *value)
{
	fprintf(out, is_plain(value) ? " --%s=%s" : " --%s='%s'", option, strchr(value, '\'') ? "…" : value);
}

static void tell_approvals(const struct tell *t, FILE *out)
{
	for (uint32_t i = 0; i < t->forecast->n_approvals; i++) {
		const struct forecast_approval *a = &t->forecast->approvals[i];

		fprintf(out, "approval: %u of %u managed targets of account %s get another version, %s %s: more than blast_radius allows in a day\n",
			a->count, a->managed, a->account, version_type_names[a->version_type], a->version);
		fprintf(out, "next: if it is right%s: sagpin approve", t->picture->is_of_daemon ? ", once the daemon shows it" : "");
		print_option(out, "account", a->account);
		print_option(out, "version-type", version_type_names[a->version_type]);
		print_option(out, "version", a->version);
		fprintf(out, " --count=%u --why=…\n", a->count);
	}
}

/* What waits for a person, by reason. */
static void tell_waiting(const struct tell *t, FILE *out)
{
	uint32_t counts[FORECAST_ACTION_N][REASON_N] = { 0 };

	for (size_t i = 0; i < t->forecast->n_rows; i++) {
		const struct forecast_row *row = &t->forecast->rows[i];
		enum reason reason = row->action == FORECAST_WAIT && row->blocked_by != REASON_NONE ? row->blocked_by : tell_reason(row);

		counts[row->action][reason]++;
	}
	for (int action = FORECAST_WAIT; action >= FORECAST_FAILED; action--)
		for (int reason = 0; reason < REASON_N; reason++)
			if (counts[action][reason] && tell_advice((enum forecast_action)action, (enum reason)reason))
				fprintf(out, "%s: %u with %s; next: %s\n", forecast_action_names[action], counts[action][reason], reason_names[reason],
					tell_advice((enum forecast_action)action, (enum reason)reason));
}

int tell_text(const struct tell *t, FILE *out)
{
	struct columns_used used = columns_used(t);
	bool is_each = t->is_all || is_filtered(t) || used.n_shown <= t->height;
	int r;

	tell_head(t, out);
	for (size_t i = 0; i < t->n_notes; i++)
		fprintf(out, "note: %s\n", t->notes[i].text);
	r = is_each ? tell_each(t, &used, out) : tell_groups(t, &used, out);
	if (r)
		return r;
	if (is_filtered(t) && !used.n_shown)
		fprintf(out, "No target fits the filter.\n");
	tell_counts(t, out);
	tell_approvals(t, out);
	tell_waiting(t, out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
