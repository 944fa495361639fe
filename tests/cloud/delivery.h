/*
 * From a reply to bytes on the wire, or to none, as its delivery says.
 */
#pragma once

#include <microhttpd.h>

#include "sim.h"

/* MHD_NO closes the connection without a byte. Takes what is in the reply's answer when it sends it. */
enum MHD_Result reply_deliver(struct MHD_Connection *connection, struct reply *reply);
