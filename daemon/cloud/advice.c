/* The table of what can go wrong below the API, and what to do about it. */
#include "cloud/advice.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#define ANY (-1)
#define NEXT_CA "name the authority's certificate with ca_file, or ask who intercepts TLS here"
#define NEXT_TLS "check that the endpoint speaks TLS 1.2 or later and that nothing in between interferes"
#define NEXT_NETWORK "check route, firewall and proxy"
#define NEXT_BETWEEN "look for a proxy or a load balancer in between"

/* The first row that fits: a row for a certificate error comes before the general one of its code. */
static const struct row {
	CURLcode code;
	long verify_result;
	enum call_result result;
	const char *what, *next;
} rows[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, ANY, CALL_RESULT_TRANSPORT, "the host name is unknown",
	  "check the endpoint's spelling and the name server" },
	{ CURLE_COULDNT_RESOLVE_PROXY, ANY, CALL_RESULT_TRANSPORT, "the proxy's host name is unknown",
	  "check the proxy setting and the name server" },
	{ CURLE_PROXY, ANY, CALL_RESULT_TRANSPORT, "the proxy refused the connection", "check the proxy's rules and log" },
	{ CURLE_COULDNT_CONNECT, ANY, CALL_RESULT_TRANSPORT, "no connection", NEXT_NETWORK },
	{ CURLE_OPERATION_TIMEDOUT, ANY, CALL_RESULT_TRANSPORT, "no answer in time", NEXT_NETWORK ", or raise the time-out" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_HAS_EXPIRED, CALL_RESULT_TRANSPORT,
	  "the certificate has expired", "check this machine's clock, then have the certificate renewed" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_NOT_YET_VALID, CALL_RESULT_TRANSPORT,
	  "the certificate is not valid yet", "check this machine's clock" },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, CALL_RESULT_TRANSPORT,
	  "the certificate is signed by itself and not trusted", NEXT_CA },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, CALL_RESULT_TRANSPORT,
	  "the certificate's authority is not trusted", NEXT_CA },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, CALL_RESULT_TRANSPORT,
	  "the certificate's authority is not trusted", NEXT_CA },
	{ CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_UNSPECIFIED, CALL_RESULT_TRANSPORT, "the certificate is for another host name", /* libcurl's start value: OpenSSL had no objection */
	  "check the endpoint's spelling and who answers there" },
	{ CURLE_PEER_FAILED_VERIFICATION, ANY, CALL_RESULT_TRANSPORT, "the certificate cannot be verified", NEXT_CA },
	{ CURLE_SSL_CACERT_BADFILE, ANY, CALL_RESULT_TRANSPORT, "the file of trusted authorities cannot be read",
	  "check ca_file, or install the package ca-certificates" },
	{ CURLE_SSL_CONNECT_ERROR, ANY, CALL_RESULT_TRANSPORT, "the TLS handshake failed", NEXT_TLS },
	{ CURLE_SEND_ERROR, ANY, CALL_RESULT_TRANSPORT, "the connection broke while sending", NEXT_NETWORK },
	{ CURLE_RECV_ERROR, ANY, CALL_RESULT_TRANSPORT, "the connection broke before the answer", NEXT_NETWORK },
	{ CURLE_GOT_NOTHING, ANY, CALL_RESULT_TRANSPORT, "the connection was closed without an answer", NEXT_BETWEEN },
	{ CURLE_HTTP2, ANY, CALL_RESULT_TRANSPORT, "the HTTP/2 connection broke", NEXT_BETWEEN },
	{ CURLE_HTTP2_STREAM, ANY, CALL_RESULT_TRANSPORT, "the HTTP/2 stream broke", NEXT_BETWEEN },
	{ CURLE_PARTIAL_FILE, ANY, CALL_RESULT_INVALID, "the answer was cut", NEXT_BETWEEN },
	{ CURLE_FILESIZE_EXCEEDED, ANY, CALL_RESULT_INVALID, "the answer is too large", NEXT_BETWEEN },
	{ CURLE_WRITE_ERROR, ANY, CALL_RESULT_INVALID, "the answer is too large", NEXT_BETWEEN },
	{ CURLE_WEIRD_SERVER_REPLY, ANY, CALL_RESULT_INVALID, "the answer is not HTTP", NEXT_BETWEEN },
	{ CURLE_UNSUPPORTED_PROTOCOL, ANY, CALL_RESULT_INVALID, "the answer is not HTTP", NEXT_BETWEEN },
	{ CURLE_BAD_CONTENT_ENCODING, ANY, CALL_RESULT_INVALID, "the answer is badly encoded", NEXT_BETWEEN },
	{ CURLE_ABORTED_BY_CALLBACK, ANY, CALL_RESULT_TRANSPORT, "the call was stopped before it left once more",
	  "nothing to do: what it did will show" },
};

static const struct row *find(CURLcode code, long verify_result)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code && (rows[i].verify_result == ANY || rows[i].verify_result == verify_result))
			return &rows[i];
	return NULL;
}

enum call_result advice_result(CURLcode code)
{
	const struct row *row = find(code, ANY);
	return row ? row->result : CALL_RESULT_TRANSPORT;
}

void advice_transport(const char *endpoint, const struct transfer_failure *failure, struct error *ret_advice)
{
	const struct row *row = find(failure->code, failure->verify_result);
	const char *os = failure->code == CURLE_COULDNT_CONNECT && failure->os_error != 0
				 ? strerrordesc_np((int)failure->os_error)
				 : NULL;
	/* libcurl's constant sentence for a code; its error buffer could tell a proxy's password. */
	snprintf(ret_advice->text, sizeof(ret_advice->text), "%s: %s%s%s; %s", endpoint,
		 row ? row->what : curl_easy_strerror(failure->code), os ? ": " : "", os ? os : "",
		 row ? row->next : NEXT_NETWORK);
}
