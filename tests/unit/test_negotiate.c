/* Accept headers: what real servers send, what the RFC allows, what nobody should send. */
#include "expose.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OM "application/openmetrics-text"

static const struct {
	const char *accept;
	enum expose_format want;
} accepts[] = {
	{ NULL, EXPOSE_TEXT },
	{ "", EXPOSE_TEXT },
	{ "*/*", EXPOSE_TEXT },
	{ "text/html", EXPOSE_TEXT },
	/* Prometheus 2.42, 3.5.3; 3.x with native histograms; a browser. */
	{ OM ";version=1.0.0," OM ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", EXPOSE_OPENMETRICS },
	{ OM ";version=1.0.0;escaping=allow-utf-8;q=0.6," OM ";version=0.0.1;q=0.5,"
	  "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", EXPOSE_OPENMETRICS },
	{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," OM
	  ";version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", EXPOSE_OPENMETRICS },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", EXPOSE_TEXT },
	/* Versions. */
	{ OM, EXPOSE_OPENMETRICS },
	{ OM "; version=1.0.0; charset=utf-8", EXPOSE_OPENMETRICS },
	{ OM ";version=\"1.0.0\"", EXPOSE_OPENMETRICS },
	{ OM ";version=0.0.1", EXPOSE_TEXT },
	{ OM ";version=0.0.1,text/plain;q=0.1", EXPOSE_TEXT },
	{ OM ";version=2.0.0", EXPOSE_TEXT },
	{ OM ";version=1.0.0;charset=latin1", EXPOSE_TEXT },
	{ "text/plain;version=1.0.0," OM ";version=1.0.0;q=0.1", EXPOSE_OPENMETRICS },
	/* Qualities, exactness, order. */
	{ OM ";q=0.5,text/plain;q=0.6", EXPOSE_TEXT },
	{ OM ";q=0.601,text/plain;q=0.6", EXPOSE_OPENMETRICS },
	{ "text/plain," OM, EXPOSE_TEXT },
	{ OM ",text/plain", EXPOSE_OPENMETRICS },
	{ "*/*," OM, EXPOSE_OPENMETRICS },
	{ "text/*," OM, EXPOSE_OPENMETRICS },
	{ "application/*", EXPOSE_OPENMETRICS },
	{ "application/*;q=0.2,text/plain;q=0.3", EXPOSE_TEXT },
	{ "*/*;q=0.9,text/plain;q=0.1", EXPOSE_OPENMETRICS },
	{ OM ";q=0", EXPOSE_TEXT },
	{ OM ";q=0,*/*", EXPOSE_TEXT },
	{ "text/plain;q=0," OM ";q=0.001", EXPOSE_OPENMETRICS },
	{ OM ";q=1.000", EXPOSE_OPENMETRICS },
	/* Space, case, empty elements and parameters. */
	{ " , ,\tAPPLICATION/OpenMetrics-Text ; Version=1.0.0 ;; Q=0.8 , text/plain;q=0.7", EXPOSE_OPENMETRICS },
	/* Quoted strings hide commas and semicolons. */
	{ "text/plain;x=\"," OM "\"", EXPOSE_TEXT },
	{ OM ";x=\"a,b;q=0\\\"\"", EXPOSE_OPENMETRICS },
	/* Malformed: that element does not count. */
	{ OM ";q=2", EXPOSE_TEXT },
	{ OM ";q=1.001", EXPOSE_TEXT },
	{ OM ";q=0.1234", EXPOSE_TEXT },
	{ OM ";q=0,5", EXPOSE_TEXT },
	{ OM ";q=", EXPOSE_TEXT },
	{ OM ";q=-1", EXPOSE_TEXT },
	{ OM ";q", EXPOSE_TEXT },
	{ OM ";=1", EXPOSE_TEXT },
	{ OM ";version=\"1.0.0", EXPOSE_TEXT },
	{ OM ";version=\"", EXPOSE_TEXT },
	{ OM ";version=\"\\", EXPOSE_TEXT },
	{ OM " text/plain", EXPOSE_TEXT },
	{ OM "x", EXPOSE_TEXT },
	{ "=;=," OM, EXPOSE_OPENMETRICS },
	{ "\"," OM, EXPOSE_TEXT },
	{ "\xff\xfe", EXPOSE_TEXT },
};

static const struct {
	const char *accept_encoding;
	bool want;
} encodings[] = {
	{ NULL, false },
	{ "", false },
	{ "gzip", true },
	{ "GZip", true },
	{ "x-gzip", true },
	{ "identity", false },
	{ "gzip;q=0", false },
	{ "gzip;q=0.000", false },
	{ "gzip; q=0.001", true },
	{ "deflate, br", false },
	{ "deflate, gzip;q=0.5, *;q=0", true },
	{ "*", true },
	{ "*;q=0", false },
	{ "*, gzip;q=0", false },
	{ "gzip;q=0, *", false },
	{ "gzip;q=x", false },
	{ "xgzip", false },
	{ "gzip, identity", true },
};

static void test_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++)
		if (expose_negotiate(accepts[i].accept) != accepts[i].want)
			fail_msg("Accept: %s", accepts[i].accept);
}

static void test_encodings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (expose_accepts_gzip(encodings[i].accept_encoding) != encodings[i].want)
			fail_msg("Accept-Encoding: %s", encodings[i].accept_encoding);
}

/* Every prefix of every header, in a buffer that ends where it ends: nothing is read past the end. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 1; i < sizeof(accepts) / sizeof(accepts[0]); i++)
		for (size_t n = strlen(accepts[i].accept); n > 0; n--) {
			char *copy = strndup(accepts[i].accept, n);

			assert_non_null(copy);
			assert_true(expose_negotiate(copy) < EXPOSE_FORMAT_N);
			expose_accepts_gzip(copy);
			free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
