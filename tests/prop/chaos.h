/* A random history around the core, of a size and a length. */
#pragma once

#include "observer.h"
#include "world.h"

struct shape {
	int64_t chaos_ns, calm_ns;
	bool is_whole; /* the calm lasts to its end, also when all have arrived */
	int64_t gap_ns; /* between two deeds of the chaos, at most */
	int64_t poll_min, poll_max; /* minutes between two listings */
	uint32_t least_boxes, begin_boxes, most_boxes, page_size;
	bool checks_all; /* the observer looks at all after each step */
	uint32_t crashes; /* how often the core is killed, 0: never */
};

/* To its end, or to the first rule that broke; with the same seed it is the same. The caller ends the world. */
void history_run(struct world *w, const struct shape *shape, uint64_t seed, bool has_wall_jumps, bool is_quiet, FILE *trace);

/* draw.c */
const struct shape *drawn_shape(const struct world *w);
uint32_t drawn(struct world *w, uint32_t n);       /* 0 to n - 1 */
uint32_t drawn_scale(const struct world *w);       /* limits grow with the fleet, or it would never get there */
int drawn_version(struct world *w, uint32_t odd_permille); /* odd ones cannot be compared */
void draw_policy(struct world *w, uint32_t i);
void draw_pin(struct world *w, uint32_t i);
void draw_settings(struct world *w);
void draw_catalogues(struct world *w);
