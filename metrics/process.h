/*
 * The standard process_* metrics, read from /proc and set in the registry. Leaves out what cannot be had.
 */
#pragma once

#include "registry.h"

void process_update(struct registry *r);
