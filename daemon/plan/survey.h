/*
 * A picture of the fleet without a daemon: from the cloud by reads alone, and from the state file, which stays as it is.
 *
 * Each scope is listed once; DPI versions are read where a pin names one, catalogues once for each model and version type
 * that is pinned. Nothing is called that could change anything, and nothing is written.
 */
#pragma once

#include "config.h"
#include "picture.h"

enum {
	SURVEY_E_FAILED = 1, /* ret_error says what, and the next step */
};

/* All that was stored becomes records; without a file, or with an empty one, it is a first life. 0, SURVEY_E_FAILED or negative errno. */
int survey_state(const struct config *config, struct picture *picture, struct error *ret_error) __attribute__((warn_unused_result));

/*
 * The fleet as the cloud tells it now, and the time. Takes as long as the cloud takes. ret_n_unread: instances whose DPI
 * version or catalogue could not be read. 0, SURVEY_E_FAILED or negative errno.
 */
int survey_cloud(const struct config *config, struct picture *picture, uint32_t *ret_n_unread, struct error *ret_error) __attribute__((warn_unused_result));
