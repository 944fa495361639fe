/* Shows what is wrong with a configuration: one line a message on stderr, then a count. */
#pragma once

#include "config.h"

void config_messages_print(const char *path, const struct config_messages *messages);
