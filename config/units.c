/* Durations, shares and rates as people write them. Pure; the locale has no say here. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define DECIMAL_DIGITS_MAX 15 /* all of them fit a double */

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{ "d", 86400 * NS_PER_S }, { "h", 3600 * NS_PER_S }, { "m", 60 * NS_PER_S }, { "s", NS_PER_S }, { "ms", NS_PER_MS },
};
#define UNITS_N (sizeof(units) / sizeof(units[0]))

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits from *text on, which moves behind them. */
static bool take_number(const char **text, int64_t *ret_value)
{
	const char *p = *text;
	int64_t value = 0;

	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value))
			return false;
	if (p == *text)
		return false;
	*text = p;
	*ret_value = value;
	return true;
}

bool units_duration(const char *text, int64_t *ret_ns)
{
	int64_t sum = 0, value;
	size_t unit = 0, len;

	/* Units come from large to small, each once: "30m1h" is more likely a slip than a wish. */
	do {
		if (!take_number(&text, &value))
			return false;
		len = strspn(text, "dhms");
		if (len > 1 && text[1] != 's')
			return false;
		while (unit < UNITS_N && (strlen(units[unit].name) != len || strncmp(units[unit].name, text, len) != 0))
			unit++;
		if (unit == UNITS_N || __builtin_mul_overflow(value, units[unit].ns, &value) ||
		    __builtin_add_overflow(sum, value, &sum))
			return false;
		unit++;
		text += len;
	} while (*text);
	*ret_ns = sum;
	return true;
}

bool units_decimal(const char *text, double *ret_value)
{
	double value = 0, scale = 1;
	const char *p = text;
	int n_digits = 0;

	for (; is_digit(*p); p++, n_digits++)
		value = value * 10 + (*p - '0');
	if (p == text || (p[0] == '.' && !is_digit(p[1])))
		return false;
	if (*p == '.')
		for (p++; is_digit(*p); p++, n_digits++) {
			value = value * 10 + (*p - '0');
			scale *= 10;
		}
	if (*p || n_digits > DECIMAL_DIGITS_MAX)
		return false;
	*ret_value = value / scale;
	return true;
}

bool units_share(const char *text, double *ret_share)
{
	char number[DECIMAL_DIGITS_MAX + 2];
	size_t len = strlen(text);
	double percent;

	if (len < 2 || len > sizeof(number) || text[len - 1] != '%')
		return false;
	memcpy(number, text, len - 1);
	number[len - 1] = '\0';
	if (!units_decimal(number, &percent) || percent > 100)
		return false;
	*ret_share = percent / 100;
	return true;
}

bool units_number(const char *text, double *ret_value)
{
	bool is_negative = text[0] == '-';
	double value;

	if (!units_decimal(text + is_negative, &value))
		return false;
	*ret_value = is_negative ? -value : value;
	return true;
}

struct units_text units_print_duration(int64_t ns)
{
	struct units_text out = { .text = "" };
	size_t len = 0;

	for (size_t i = 0; i < UNITS_N && ns > 0; i++) {
		if (ns < units[i].ns)
			continue;
		len += (size_t)snprintf(out.text + len, sizeof(out.text) - len, "%lld%s", (long long)(ns / units[i].ns), units[i].name);
		ns %= units[i].ns;
	}
	if (!len)
		memcpy(out.text, "0s", 3);
	return out;
}
