/* Pins: what they match, the versions that they name, and the policies that lead there. */
#include "validate.h"
#include "core/version.h"

#include <stdlib.h>
#include <string.h>

static const char *const channel_words[CHANNEL_N] = { [CHANNEL_RELEASE] = "@release", [CHANNEL_BETA] = "@beta" };

static enum channel channel_of(const char *text)
{
	for (unsigned int c = CHANNEL_NONE + 1; c < CHANNEL_N; c++)
		if (strcmp(channel_words[c], text) == 0)
			return (enum channel)c;
	return CHANNEL_NONE;
}

static void check_comparable(struct validate *v, const struct raw_pin *p, const char *key, const struct raw_text *version)
{
	if (!version_is_comparable(version->text))
		ERROR(v, &p->head, version->line,
		      "%s: %s \"%s\" is no version that can be compared; write numbers and dots, as in \"3.4.2\"",
		      raw_title("pins", &p->head, &p->name).text, key, version->text);
}

static void check_version(struct validate *v, const struct raw_pin *p, enum version_type type, const struct raw_text *version,
			  struct pin *out)
{
	static const char *const keys[VERSION_TYPE_N] = { "device =", "dpi =" };

	out->version[type] = version->text;
	if (!version->text)
		return;
	out->channel[type] = channel_of(version->text);
	if (out->channel[type] != CHANNEL_NONE)
		return;
	if (version->text[0] == '@')
		ERROR(v, &p->head, version->line, "%s: %s \"%s\" is unknown; write \"@release\", \"@beta\" or a version, as in \"3.4.2\"",
		      raw_title("pins", &p->head, &p->name).text, keys[type], version->text);
	else
		check_comparable(v, p, keys[type], version);
}

/* The texts alone, for the core. At most `max`. */
static const char *const *texts_of(struct validate *v, const struct raw_pin *p, const char *key, const struct raw_texts *texts,
				   uint32_t max, uint32_t *ret_n)
{
	const char **out;

	if (texts->n > max) {
		ERROR(v, &p->head, texts->line, "%s: %s has %u versions; at most %u are allowed",
		      raw_title("pins", &p->head, &p->name).text, key, texts->n, max);
		return NULL;
	}
	out = take(v, texts->n, sizeof(*out));
	for (uint32_t i = 0; out && i < texts->n; i++)
		out[i] = texts->items[i].text;
	*ret_n = out ? texts->n : 0;
	return out;
}

/* Hops lead upwards, to the pinned version. */
static void check_via(struct validate *v, const struct raw_pin *p, struct pin *out)
{
	struct raw_title title = raw_title("pins", &p->head, &p->name);
	const char *goal = out->version[VERSION_TYPE_DEVICE];

	out->via = texts_of(v, p, "via", &p->via, LIMIT_VIA, &out->n_via);
	if (p->via.n && !p->device.line)
		ERROR(v, &p->head, p->via.line, "%s: via needs device: it names versions on the way to it", title.text);
	for (uint32_t i = 0; i < out->n_via; i++) {
		const struct raw_text *hop = &p->via.items[i];
		enum version_order before = i ? version_compare(out->via[i - 1], hop->text) : VERSION_ORDER_INCOMPARABLE;
		enum version_order after = goal ? version_compare(hop->text, goal) : VERSION_ORDER_INCOMPARABLE;

		check_comparable(v, p, "via", hop);
		if (before == VERSION_ORDER_NEWER || before == VERSION_ORDER_SAME)
			ERROR(v, &p->head, hop->line, "%s: via names \"%s\" behind \"%s\"; each must be newer than the one before it",
			      title.text, hop->text, out->via[i - 1]);
		if (after == VERSION_ORDER_NEWER || after == VERSION_ORDER_SAME)
			ERROR(v, &p->head, hop->line, "%s: via names \"%s\", which is not older than device = \"%s\"; remove it",
			      title.text, hop->text, goal);
	}
}

static bool is_same_version(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || version_compare(a, b) == VERSION_ORDER_SAME;
}

/* What must not be reached can be neither goal nor hop. */
static void check_never(struct validate *v, const struct raw_pin *p, struct pin *out)
{
	struct raw_title title = raw_title("pins", &p->head, &p->name);

	out->never = texts_of(v, p, "never", &p->never, LIMIT_NEVER, &out->n_never);
	for (uint32_t i = 0; i < out->n_never; i++) {
		const struct raw_text *never = &p->never.items[i];

		if (never->text[0] == '@') {
			ERROR(v, &p->head, never->line, "%s: never \"%s\" is no version; write one as the catalogue does, as in \"3.3.7\"",
			      title.text, never->text);
			continue;
		}
		for (int type = 0; type < VERSION_TYPE_N; type++)
			if (out->version[type] && is_same_version(never->text, out->version[type]))
				ERROR(v, &p->head, never->line, "%s: never names \"%s\", which %s pins; remove one of them", title.text,
				      never->text, type == VERSION_TYPE_DEVICE ? "device" : "dpi");
		for (uint32_t k = 0; k < out->n_via; k++)
			if (is_same_version(never->text, out->via[k]))
				ERROR(v, &p->head, never->line, "%s: never names \"%s\", which via leads through; remove one of them",
				      title.text, never->text);
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(never->text, p->never.items[k].text) == 0)
				ERROR(v, &p->head, never->line, "%s: never names \"%s\" twice; remove one", title.text, never->text);
	}
}

static uint32_t find_policy(struct validate *v, const struct raw_pin *p, const char *key, const struct raw_text *policy)
{
	struct raw_title title = raw_title("pins", &p->head, &p->name);
	const struct reference from = { .head = &p->head, .title = title.text, .key = key, .what = "policy" };
	uint32_t index = names_resolve(v, &v->policies, &from, policy);

	if (index == UINT32_MAX)
		return POLICY_NONE;
	v->is_policy_used[index] = true;
	return index;
}

static void check_pin_policies(struct validate *v, const struct raw_pin *p, struct pin *out)
{
	uint32_t policy = p->policy.text ? find_policy(v, p, "policy =", &p->policy) : POLICY_NONE;
	uint32_t dpi_policy = p->dpi_policy.text ? find_policy(v, p, "dpi_policy =", &p->dpi_policy) : policy;

	if (p->device.text && !p->policy.line)
		ERROR(v, &p->head, 0, "%s: \"policy\" is missing; write the name of the policy that device upgrades follow",
		      raw_title("pins", &p->head, &p->name).text);
	else if (p->dpi.text && !p->policy.line && !p->dpi_policy.line)
		ERROR(v, &p->head, 0, "%s: \"policy\" is missing; write the name of the policy that DPI upgrades follow",
		      raw_title("pins", &p->head, &p->name).text);
	if (p->dpi_policy.line && !p->dpi.line)
		WARNING(v, &p->head, p->dpi_policy.line, "%s: dpi_policy has no effect without dpi",
			raw_title("pins", &p->head, &p->name).text);
	out->policy[VERSION_TYPE_DEVICE] = p->device.text ? policy : POLICY_NONE;
	out->policy[VERSION_TYPE_DPI] = p->dpi.text ? dpi_policy : POLICY_NONE;
}

static void check_pin(struct validate *v, const struct raw_pin *p, struct pin *out)
{
	bool has_glob = false;

	*out = (struct pin){ .name = p->name.text, .is_held = p->hold.is_on };
	for (int k = 0; k < SELECTOR_N; k++) {
		out->match.glob[k] = p->match.glob[k].text;
		has_glob |= p->match.glob[k].line != 0;
	}
	if (!has_glob)
		ERROR(v, &p->head, p->match.head.line,
		      "%s: \"match\" %s; write what to match, or match: { id = \"*\"; } for every instance",
		      raw_title("pins", &p->head, &p->name).text, p->match.head.line ? "is empty" : "is missing");
	if (!p->device.line && !p->dpi.line)
		ERROR(v, &p->head, 0, "%s: pins nothing; write device, dpi or both, as in device = \"3.4.2\"",
		      raw_title("pins", &p->head, &p->name).text);
	check_version(v, p, VERSION_TYPE_DEVICE, &p->device, out);
	check_version(v, p, VERSION_TYPE_DPI, &p->dpi, out);
	check_via(v, p, out);
	check_never(v, p, out);
	check_pin_policies(v, p, out);
}

void make_pins(struct validate *v)
{
	const struct raw_pin *raw = v->raw->pins.items;
	uint32_t n = v->raw->pins.n, n_main = v->raw->n_main_pins;
	const struct raw_pin **order = calloc((size_t)n + 1, sizeof(*order));
	struct pin *pins = take(v, n, sizeof(*pins));

	free(names_of(v, "pins", &v->raw->pins, sizeof(*raw)).entries);
	v->report->is_without_memory |= !order;
	v->config->settings.pins = pins;
	v->config->settings.n_pins = n;
	for (uint32_t i = 0; order && pins && i < n; i++) {
		order[i] = &raw[i < n - n_main ? i + n_main : i - (n - n_main)];
		check_pin(v, order[i], &pins[i]);
	}
	if (order && pins && shadow_check(v->report, &v->config->settings, order) < 0)
		v->report->is_without_memory = true;
	free(order);
}
