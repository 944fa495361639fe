/* Names by order instead of hash: no input makes it slow, and equal names end up side by side, the first one first. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const struct name_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

void names_sort(struct name_entry *entries, size_t n)
{
	if (n)
		qsort(entries, n, sizeof(*entries), compare);
}

/* The first entry of that name. */
const struct name_entry *names_find(const struct name_entry *entries, size_t n, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && strcmp(entries[low].name, name) == 0 ? &entries[low] : NULL;
}
