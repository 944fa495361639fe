/*
 * Windows and freezes, told to the core as plain stretches of UTC some days ahead, and again before they run out.
 */
#pragma once

#include "daemon.h"

/* Tells the core the calendar of every policy that has one, if that is due: at first, each day, and when the wall clock jumped. */
int calendars_run(struct daemon *d) __attribute__((warn_unused_result));
