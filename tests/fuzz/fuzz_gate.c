/*
 * Any bytes as an answer to a gate's question, under each way to open: what is said is clean and whole, and only a
 * success without a word of warning opens.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "gate_judge.h"

#define WALL_S INT64_C(1795401386) /* of the corpus */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_right)
{
	if (!is_right)
		abort();
}

static void read_answer(const char *body, size_t len, enum gate_open_when open_when, long http_status)
{
	const struct gate_question q = { .open_when = open_when, .value = 0.5, .max_age_ns = 60 * NS_PER_S };
	const struct gate_answer a = { .http_status = http_status, .body = body, .len = len, .wall_s = WALL_S };
	struct gate_verdict v = { .state = GATE_STATE_N };

	gate_judge(&q, &a, &v);
	expect(v.state < GATE_STATE_N);
	expect(v.why.text[0] && strlen(v.why.text) < sizeof(v.why.text) - 1 && utf8_is_clean(v.why.text, strlen(v.why.text)));
	if (v.state != GATE_OPEN)
		return;
	expect(http_status == 200 && len == strlen(body));
	expect(strstr(body, "result") || strchr(body, '\\')); /* a name may be written with escapes */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body = malloc(size + 1);

	if (!body)
		abort();
	if (size)
		memcpy(body, data, size);
	body[size] = '\0';
	for (enum gate_open_when w = 0; w < GATE_OPEN_WHEN_N; w++) {
		read_answer(body, size, w, 200);
		read_answer(body, size, w, 422);
	}
	free(body);
	return 0;
}
