/*
 * What a Prometheus server answered, and what it means for a gate. Pure: bytes in, a verdict out.
 *
 * A gate is open only when a whole and present answer says so. All else keeps it closed (rule 6): an error, a partial
 * answer, another kind of answer than an instant vector or a scalar, no data where data is compared, NaN, old data.
 */
#pragma once

#include "config.h"

#define GATE_BODY_MAX ((size_t)128 * 1024) /* of what is parsed, on the loop: about 1,000 samples in 6 ms */

struct gate_question {
	enum gate_open_when open_when;
	double value;	    /* of above and below */
	int64_t max_age_ns; /* how far a sample's time may be from the wall clock */
};

struct gate_answer {
	long http_status;
	const char *body; /* `len` bytes and a terminator */
	size_t len;
	int64_t wall_s; /* now */
};

enum gate_state {
	GATE_OPEN,
	GATE_CLOSED,  /* the query says so */
	GATE_UNKNOWN, /* no answer that says anything: closed, too */
	GATE_STATE_N,
};
extern const char *const gate_state_names[GATE_STATE_N]; /* "open", "closed", "unknown" */

struct gate_verdict {
	enum gate_state state;
	struct error why; /* clean, one line: why and the next step; what an open gate's query answered */
};

void gate_judge(const struct gate_question *q, const struct gate_answer *a, struct gate_verdict *ret_verdict);
