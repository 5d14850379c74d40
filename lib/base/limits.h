#ifndef LIB_BASE_LIMITS_H
#define LIB_BASE_LIMITS_H

/* Every maximum that more than one module must agree on, with its reason. */

/* Query API (docs/query-api.md). 8 KiB is what common servers and proxies let through. */
#define LIMIT_URL 8192
#define LIMIT_HTTP_BODY (1024 * 1024)
#define LIMIT_HTTP_HEADERS 100
#define LIMIT_HTTP_HEADER_BYTES (16 * 1024)
#define LIMIT_BULK_URLS 500
#define LIMIT_BULK_DIGESTS 1000

/* A client's words about itself (X-Client-GUID …): what the log columns keep. */
#define LIMIT_CLIENT_WORD 128

/* User-defined rules and suspicious objects. */
#define LIMIT_RULES 1000000
#define LIMIT_RULE_PATTERN 8192 /* as long as a URL */
#define LIMIT_RULE_COMMENT 512
#define LIMIT_RULE_TARGETS 100 /* entries of one rule's target list */
#define LIMIT_KEYWORD_RULES 5000 /* compile time of the whole set stays below 10 s */
#define LIMIT_KEYWORD_BYTES 512
#define LIMIT_KEYWORD_REPEAT 255
#define LIMIT_OVERLAY_CHANGES 10000

/* Names in patterns. */
#define LIMIT_THREAT_NAME 255
#define LIMIT_SOURCE_NAME 64
#define LIMIT_PATTERN_VALUES 65535 /* distinct value tuples of a web pattern: a 16-bit index */
#define LIMIT_FEED_LINE 65536

/* RPC (docs/rpc.md). */
#define LIMIT_RPC_MESSAGE (1024 * 1024)
#define LIMIT_RPC_IN_FLIGHT 32

#endif
