/*
 * Settings that a story makes, word by word.
 *
 * daemon   max=N mode=enforce|observe blast=SHARE scopes=1|2 calls=N (a second)
 * policy P limit=N|SHARE rate=N attempts=N first=S max=S deadline=S takes=S soak=S site=city|group|name per_site=N
 *          windows=yes gate=S failures=N percent=SHARE min_sample=N unhealthy=N rejected=N silent=N waves=none
 *          name=NAME (the policy is called so from now on)
 * wave P NAME match=GLOB|percent=SHARE success=SHARE soak=S
 * pin NAME match=GLOB device=V dpi=V policy=P dpi_policy=P via=V,V never=V,V held=yes|no gone=yes
 *
 * SHARE is like 10%, S are seconds, V is a version, @release, @beta or none. What is not said stays as it was.
 */
#pragma once

#include "core/settings.h"

struct board; /* what was said so far */

struct board *board_new(void);
struct board *board_free(struct board *b);
/* One line of the above; false when it is none. Fails the test when there are words that it does not know. */
bool board_take(struct board *b, const char *verb, char *rest);
/* As said so far; lives until others were asked for and the old ones dropped. */
const struct settings *board_settings(struct board *b);
void board_drop_old(struct board *b);
/* A copy of the text that lives as long as the board. */
char *board_keep(struct board *b, const char *text);
/* Memory for what an event points to, until all that is lent is taken back. */
void *board_lend(struct board *b, size_t size);
void board_lent(struct board *b);
