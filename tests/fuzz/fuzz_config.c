/*
 * Any text as a configuration: no crash, no leak, and these always hold:
 * the result and the messages agree, messages are clean, and a text that passes our scan is never refused by libconfig.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "fuzz_config: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_messages messages;
	struct config *config = NULL;
	int r = config_from_text("fuzz.cfg", (const char *)data, size, &config, &messages);

	demand(r == 0 || r == CONFIG_E_INVALID, "no other result without an error of memory");
	demand((r == 0) == (config != NULL), "a configuration exactly when there is no error");
	demand((r == 0) == (messages.n_errors == 0), "an error exactly when there is no configuration");
	demand(messages.n <= CONFIG_ERRORS_MAX + 1, "messages are limited");
	for (size_t i = 0; i < messages.n; i++) {
		const char *text = messages.items[i].text, *what = strchr(text, ' ');

		demand(utf8_is_clean(text, strlen(text)), "messages are clean");
		demand(!what || strncmp(what, " cannot be parsed: ", 19) != 0, "libconfig takes what the scan lets through");
	}
	config_messages_deinit(&messages);
	config_free(config);
	return 0;
}
