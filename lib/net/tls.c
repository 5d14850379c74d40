#include "lib/net/tls.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

/* AES-128 before AES-256: as safe for all we know, and cheaper per answer. */
static const char ciphers_tls12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_tls13[] =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

#define SESSION_SECONDS (4 * 3600)

/* The first of OpenSSL's queued errors as text; empties the queue. */
static int crypto_error(struct error *error, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	ERR_clear_error();
	return error_set(error, SK_E_CRYPTO, "%s: %s", what, reason != NULL ? reason : "failed");
}

int tls_start(struct error *error)
{
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
	                             OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
	            NULL) != 1) {
		return crypto_error(error, "OpenSSL");
	}
	return 0;
}

static int select_http11(SSL *ssl, const unsigned char **ret_out, unsigned char *ret_length,
        const unsigned char *offered, unsigned length, void *context)
{
	static const unsigned char ours[] = "\x08http/1.1";
	(void)ssl;
	(void)context;
	unsigned char *chosen;
	if (SSL_select_next_proto(&chosen, ret_length, ours, sizeof(ours) - 1, offered, length) !=
	        OPENSSL_NPN_NEGOTIATED) {
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	*ret_out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int use_key(SSL_CTX *context, BIO *bio, struct error *error)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	if (key == NULL) {
		return crypto_error(error, "private key");
	}
	int used = SSL_CTX_use_PrivateKey(context, key);
	EVP_PKEY_free(key);
	return used == 1 ? 0 : crypto_error(error, "private key");
}

#define CHAIN_MAX 10

static int use_chain(SSL_CTX *context, BIO *bio, struct error *error)
{
	unsigned count = 0;
	X509 *certificate;
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		int used = count == 0 ? SSL_CTX_use_certificate(context, certificate)
		                      : SSL_CTX_add1_chain_cert(context, certificate);
		X509_free(certificate);
		if (used != 1 || ++count > CHAIN_MAX) {
			return crypto_error(error, "certificate chain");
		}
	}
	ERR_clear_error(); /* the end of the file counts as an error there */
	return count > 0 ? 0 : error_set(error, SK_E_CRYPTO, "no certificate");
}

static int set_up(SSL_CTX *context, const char *pem, size_t length,
        const unsigned char ticket_keys[TLS_TICKET_KEYS_SIZE], struct error *error)
{
	static const unsigned char session_id_context[] = "sekisho-queryd";
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
	                                     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_timeout(context, SESSION_SECONDS);
	SSL_CTX_set_alpn_select_cb(context, select_http11, NULL);
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	        SSL_CTX_set_cipher_list(context, ciphers_tls12) != 1 ||
	        SSL_CTX_set_ciphersuites(context, ciphers_tls13) != 1 ||
	        SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1 ||
	        SSL_CTX_set_session_id_context(
	                context, session_id_context, sizeof(session_id_context) - 1) != 1) {
		return crypto_error(error, "TLS settings");
	}
	unsigned char keys[TLS_TICKET_KEYS_SIZE];
	memcpy(keys, ticket_keys, sizeof(keys));
	long set = SSL_CTX_set_tlsext_ticket_keys(context, keys, sizeof(keys));
	OPENSSL_cleanse(keys, sizeof(keys));
	if (set != 1) {
		return crypto_error(error, "session ticket keys");
	}
	BIO *bio = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
	if (bio == NULL) {
		return crypto_error(error, "PEM");
	}
	int status = use_key(context, bio, error);
	if (status == 0) {
		(void)BIO_reset(bio); /* of a read-only memory BIO: back to the start */
		status = use_chain(context, bio, error);
	}
	BIO_free(bio);
	if (status == 0 && SSL_CTX_check_private_key(context) != 1) {
		return crypto_error(error, "private key and certificate");
	}
	return status;
}

int tls_context_new(const char *pem, size_t length,
        const unsigned char ticket_keys[TLS_TICKET_KEYS_SIZE], SSL_CTX **ret_context,
        struct error *error)
{
	ERR_clear_error();
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (context == NULL) {
		return crypto_error(error, "TLS context");
	}
	int status = set_up(context, pem, length, ticket_keys, error);
	if (status != 0) {
		SSL_CTX_free(context);
		return status;
	}
	*ret_context = context;
	return 0;
}

SSL *tls_accept(SSL_CTX *context, int fd)
{
	SSL *ssl = SSL_new(context);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}

/* The queue of errors is per thread: it must be empty before the next operation. */
static int wants_of(SSL *ssl, int result)
{
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANTS_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		ERR_clear_error();
		return TLS_FAILED;
	}
}

int tls_handshake(SSL *ssl)
{
	int result = SSL_do_handshake(ssl);
	return result == 1 ? 0 : wants_of(ssl, result);
}

ssize_t tls_read(SSL *ssl, void *space, size_t size)
{
	int result = SSL_read(ssl, space, size < INT_MAX ? (int)size : INT_MAX);
	return result > 0 ? result : wants_of(ssl, result);
}

ssize_t tls_write(SSL *ssl, const void *data, size_t size)
{
	int result = SSL_write(ssl, data, size < INT_MAX ? (int)size : INT_MAX);
	return result > 0 ? result : wants_of(ssl, result);
}

void tls_say_goodbye(SSL *ssl)
{
	if (SSL_is_init_finished(ssl) && SSL_shutdown(ssl) < 0) {
		ERR_clear_error();
	}
}
