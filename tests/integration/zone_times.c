/*
 * The zones as the daemon reads them, line by line, for zones_check.py:
 *
 *     zone NAME    takes the zone; answers "ok", or "error" and why
 *     u TIME       answers the offset in seconds at a time in UTC
 *     l TIME       answers the time in UTC of a civil time on the zone's wall clock
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zones.h"

static const char *take_zone(struct zones *zones, const char *name, const struct tzif **zone)
{
	static struct error error;
	int r = zones_get(zones, name, zone, &error);

	if (r < 0)
		abort();
	return r ? error.text : NULL;
}

int main(void)
{
	const struct tzif *zone = NULL;
	struct zones *zones;
	char line[256];

	if (zones_new(&zones) != 0)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "zone ", 5) == 0) {
			const char *problem = take_zone(zones, line + 5, &zone);

			printf(problem ? "error %s\n" : "ok\n", problem);
		} else if (zone && strncmp(line, "u ", 2) == 0) {
			printf("%d\n", (int)tzif_offset(zone, strtoll(line + 2, NULL, 10)));
		} else if (zone && strncmp(line, "l ", 2) == 0) {
			printf("%lld\n", (long long)tzif_utc(zone, strtoll(line + 2, NULL, 10)));
		} else {
			fprintf(stderr, "a line that means nothing: %s\n", line);
			return 1;
		}
	}
	zones_free(zones);
	return 0;
}
