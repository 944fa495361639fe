/*
 * Any bytes as the body of an act. What gets out is what request.h promises: clean texts within their limits, and the
 * answer to it, whatever the outcome, is JSON without a control character.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/reply.h"
#include "control/request.h"
#include "core/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_right)
{
	if (!is_right)
		abort();
}

static void expect_text(const char *text, size_t limit)
{
	expect(!text || (text[0] && strlen(text) <= limit && utf8_is_clean(text, strlen(text))));
}

static void expect_answers(const struct act *act)
{
	for (int outcome = 0; outcome < 2 * ACT_OUTCOME_N; outcome++) {
		struct control_result result = { true, (enum act_outcome)(outcome / 2), 7, outcome % 2, 0 };
		unsigned int status;
		char *text = reply_result(act, &result, "", &status);

		expect(text && utf8_is_clean(text, strlen(text)) && status >= 200 && status < 500);
		free(text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct act_request request;
	static struct control_error error;
	int r = act_request_parse((const char *)data, size, &request, &error);

	expect(r >= 0);
	if (r) {
		expect_text(error.what.text, sizeof(error.what.text));
		expect_text(error.next.text, sizeof(error.next.text));
		expect(error.what.text[0] && error.next.text[0]);
		return 0;
	}
	expect(request.act.kind < ACT_N && request.act.why);
	expect_text(request.act.account, LIMIT_NAME);
	expect_text(request.act.policy, LIMIT_NAME);
	expect_text(request.act.wave, LIMIT_NAME);
	expect_text(request.act.version, LIMIT_VERSION);
	expect_text(request.act.instance_id, LIMIT_INSTANCE_ID);
	expect_text(request.act.serial_number, LIMIT_SERIAL_NUMBER);
	expect_text(request.act.why, LIMIT_WHY);
	request.act.who = "root";
	expect_answers(&request.act);
	return 0;
}
