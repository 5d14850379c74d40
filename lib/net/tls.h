#ifndef LIB_NET_TLS_H
#define LIB_NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/error.h"

/*
 * Server side TLS on nonblocking sockets: TLS 1.2 and 1.3, ECDHE with AEAD ciphers, session tickets
 * under keys that all workers and all certificates share, no renegotiation, no early data, ALPN
 * http/1.1. A context belongs to one worker (OpenSSL's locks are then never contended); connections
 * hold a reference, so it may be replaced while they go on.
 */
#define TLS_TICKET_KEYS_SIZE 80 /* name 16, HMAC key 32, AES key 32 */

/* Loads OpenSSL without its configuration file; before any other call, and before the sandbox. */
int tls_start(struct error *error) SK_MUST_USE;

/* A context from a private key and a certificate chain (leaf first) in PEM, in any order. The bytes
 * stay the caller's. SK_E_CRYPTO with the reason. */
int tls_context_new(const char *pem, size_t length,
        const unsigned char ticket_keys[TLS_TICKET_KEYS_SIZE], SSL_CTX **ret_context,
        struct error *error) SK_MUST_USE;

/* The server's side of a connection over `fd`, which stays the caller's. NULL on failure. */
SSL *tls_accept(SSL_CTX *context, int fd);

/* What an operation needs before it can go on. */
enum tls_wants { TLS_WANTS_READ = -11, TLS_WANTS_WRITE = -12, TLS_CLOSED = -13, TLS_FAILED = -14 };

/* 0 when done, or enum tls_wants. */
int tls_handshake(SSL *ssl);

/* Bytes (> 0), or enum tls_wants. */
ssize_t tls_read(SSL *ssl, void *space, size_t size);
ssize_t tls_write(SSL *ssl, const void *data, size_t size);

/* Sends close_notify as far as that goes without waiting. */
void tls_say_goodbye(SSL *ssl);

#endif
