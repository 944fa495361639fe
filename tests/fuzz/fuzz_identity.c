/*
 * Any bytes as an answer of those who give temporary keys. A key that gets out is whole and can be put in a header; an
 * error never holds what only a body can have told: here a marker that all secrets of the corpus begin with.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/identity_parse.h"
#include "core/utf8.h"

#define MARKER "s3cr3t"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_right)
{
	if (!is_right)
		abort();
}

static void expect_word(const char *text, size_t size)
{
	expect(*text && strlen(text) < size && credentials_is_clean(text));
}

static void read_key(const char *body, size_t len, enum identity_shape shape)
{
	struct identity_key key;
	struct error error = { "" };
	int r = identity_parse_key(body, len, shape, &key, &error);

	expect(r == 0 || r == IDENTITY_E_INVALID);
	expect((r != 0) == (error.text[0] != '\0'));
	expect(utf8_is_clean(error.text, strlen(error.text)));
	expect(!strstr(error.text, MARKER) || strncmp(error.text, "refused with code ", 18) == 0); /* a code is shown */
	if (r)
		return;
	expect_word(key.credentials.access_key_id, sizeof(key.credentials.access_key_id));
	expect_word(key.credentials.access_key_secret, sizeof(key.credentials.access_key_secret));
	expect_word(key.credentials.security_token, sizeof(key.credentials.security_token));
	expect(key.expires_s >= 0 && key.expires_s <= INT64_C(253402300800));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body = malloc(size + 1), word[CREDENTIALS_ROLE_MAX + 1];

	if (!body)
		abort();
	if (size)
		memcpy(body, data, size);
	body[size] = '\0';
	read_key(body, size, IDENTITY_SHAPE_FLAT);
	read_key(body, size, IDENTITY_SHAPE_STS);
	if (identity_parse_word(body, size, word, sizeof(word)))
		expect_word(word, sizeof(word));
	free(body);
	return 0;
}
