/*
 * What there is, for who named something that there is not.
 */
#pragma once

#include "core/reconcile.h"

/* One line of what could have been meant by an act that fits nothing; "" where a list would be of no use. */
void known_text(const struct reconcile *core, const struct settings *settings, const struct act *act, struct error *ret_text);
