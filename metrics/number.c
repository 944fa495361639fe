/*
 * Numbers to text. printf is asked for digits only, in a form whose decimal point is skipped whatever the locale
 * makes of it; layout is done here. Must stay exact: what is written reads back as the same double.
 */
#include "number.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17 /* always enough to tell two doubles apart */
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

struct decimal {
	char digits[DIGITS_MAX];
	int n;
	int exponent; /* of the first digit */
};

char *number_put_integer(char *p, uint64_t n)
{
	char buf[20], *d = buf + sizeof(buf);
	size_t len;

	do {
		*--d = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	len = (size_t)(buf + sizeof(buf) - d);
	memcpy(p, d, len);
	return p + len;
}

/* The fewest digits that read back as the positive value. */
static void decimal_init(struct decimal *d, double value)
{
	char buf[64];
	const char *s = buf;

	for (int precision = 0; precision < DIGITS_MAX; precision++) {
		snprintf(buf, sizeof(buf), "%.*e", precision, value);
		if (strtod(buf, NULL) == value)
			break;
	}
	d->n = 0;
	for (; *s != 'e'; s++) {
		if (*s >= '0' && *s <= '9')
			d->digits[d->n++] = *s;
	}
	d->exponent = atoi(s + 1);
}

static char *put_exponent(char *p, int exponent)
{
	*p++ = 'e';
	*p++ = exponent < 0 ? '-' : '+';
	exponent = abs(exponent);
	if (exponent < 10)
		*p++ = '0';
	return number_put_integer(p, (uint64_t)exponent);
}

/* d.ddde+XX */
static char *put_scientific(char *p, const struct decimal *d)
{
	for (int i = 0; i < d->n; i++) {
		if (i == 1)
			*p++ = '.';
		*p++ = d->digits[i];
	}
	return put_exponent(p, d->exponent);
}

/* ddd.ddd, with zeros where the digits do not reach; has_point: "1.0" instead of "1". */
static char *put_plain(char *p, const struct decimal *d, bool has_point)
{
	int last = d->n - 1 - d->exponent; /* digits after the point */

	if (last < (has_point ? 1 : 0))
		last = has_point ? 1 : 0;
	for (int i = d->exponent < 0 ? d->exponent : 0; i <= d->exponent + last; i++) {
		*p++ = i >= 0 && i < d->n ? d->digits[i] : '0';
		if (i == d->exponent && last > 0)
			*p++ = '.';
	}
	return p;
}

static char *put_special(char *p, double value)
{
	memcpy(p, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", 4);
	return p + (isnan(value) ? 3 : 4);
}

/* Scientific from 10^limit up and below 10^-4, as printf's %g. */
static char *put_decimal(char *p, double value, int limit, bool has_point)
{
	struct decimal d;

	if (!isfinite(value))
		return put_special(p, value);
	if (value < 0)
		*p++ = '-';
	decimal_init(&d, fabs(value));
	if (d.exponent < -4 || d.exponent >= limit)
		return put_scientific(p, &d);
	return put_plain(p, &d, has_point);
}

char *number_put_value(char *p, double value)
{
	if (value > -EXACT_MAX && value < EXACT_MAX && value == trunc(value)) {
		if (value < 0)
			*p++ = '-';
		return number_put_integer(p, (uint64_t)fabs(value));
	}
	return put_decimal(p, value, DIGITS_MAX, false);
}

char *number_put_bound(char *p, double value)
{
	return put_decimal(p, value, 6, true);
}
