#ifndef LIB_LOOKUP_POLICY_FORMAT_H
#define LIB_LOOKUP_POLICY_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/data/address.h"
#include "lib/data/digest.h"

/* The numbers of the policy file that reader and builder share; docs/policy-format.md is the text.
 */

#define POLICY_CHUNK_HEAD "PLHD"
#define POLICY_CHUNK_ENTRIES "PLEN"
#define POLICY_CHUNK_TEXTS "PLTX"
#define POLICY_CHUNK_TARGETS "PLTG"
#define POLICY_CHUNK_RUNS "PLRN"
#define POLICY_CHUNK_HOSTS "PLHO"
#define POLICY_CHUNK_KEYS "PLKY"
#define POLICY_CHUNK_DIGESTS "PLDG"
#define POLICY_CHUNK_ADDRESSES "PLAD"
#define POLICY_CHUNK_REMOVED "PLRM"
#define POLICY_CHUNK_COUNT 10

/* Header: key, entries, content, entries of the base, zero, SHA-256 of the base. */
#define POLICY_HEAD_SIZE 64
#define POLICY_HEAD_ENTRIES 16
#define POLICY_HEAD_CONTENT 20
#define POLICY_HEAD_BASE_ENTRIES 24
#define POLICY_HEAD_BASE 32

#define POLICY_ENTRIES_MAX (4 * 1000 * 1000) /* rules and objects together */

/* An entry record. Offsets of texts are in PLTX, of targets in PLTG. */
#define POLICY_ENTRY_SIZE 48
enum policy_field {
	POLICY_ENTRY_ID = 0,
	POLICY_ENTRY_EXPIRES = 8,
	POLICY_ENTRY_TEXT = 16,
	POLICY_ENTRY_MATCH = 20,
	POLICY_ENTRY_TARGETS = 24,
	POLICY_ENTRY_SPECIFICITY = 28,
	POLICY_ENTRY_TEXT_LENGTH = 32, /* u16 */
	POLICY_ENTRY_HOST_LENGTH = 34, /* u16 */
	POLICY_ENTRY_PATH_LENGTH = 36, /* u16, without the query */
	POLICY_ENTRY_WHOLE_LENGTH = 38, /* u16, path with query */
	POLICY_ENTRY_LIST = 40, /* u8 … */
	POLICY_ENTRY_FORM = 41,
	POLICY_ENTRY_ACTION = 42,
	POLICY_ENTRY_CNC_LEVEL = 43,
	POLICY_ENTRY_ZERO = 44,
};
#define POLICY_NO_TARGETS UINT32_MAX

/* How an entry is matched; its match text is "host" "path" for the first four, else as below. */
enum policy_form {
	POLICY_FORM_SITE, /* host and sub-domains, path and below */
	POLICY_FORM_PAGE, /* exactly this host, path and query */
	POLICY_FORM_FOLDER, /* exactly this host, path and below */
	POLICY_FORM_GLOB, /* '*' in host, path or query */
	POLICY_FORM_ADDRESS, /* match text: family, prefix length, 16 bytes */
	POLICY_FORM_DIGEST, /* match text: kind, DIGEST_SIZE_MAX bytes */
	POLICY_FORM_KEYWORD, /* no match text */
	POLICY_FORM_COUNT
};
#define POLICY_ADDRESS_SIZE (2 + 16)
#define POLICY_DIGEST_SIZE (1 + DIGEST_SIZE_MAX)

/* A set of targets: count, then per target its kind and either two addresses (family and bytes
 * each) or the length and bytes of a name and a NUL; padded to a multiple of 4. */
#define POLICY_TARGET_ADDRESS_SIZE (2 * 17)

/* Specificity: host, then path, then page before site; keywords have 0. Within the host's 8 bits a
 * name counts its components (≤ 127), an address prefix its bits as of IPv6 plus 1 (1–129), and a
 * URL whose host is an address 130. */
#define POLICY_SPECIFICITY_PATH_MAX ((UINT32_C(1) << 23) - 1)
static inline uint32_t policy_specificity(uint32_t host, uint32_t path, uint32_t page)
{
	if (path > POLICY_SPECIFICITY_PATH_MAX) {
		path = POLICY_SPECIFICITY_PATH_MAX;
	}
	return host << 24 | path << 1 | page;
}

static inline uint32_t policy_prefix_specificity(const struct address_prefix *prefix)
{
	uint32_t bits = prefix->length;
	return policy_specificity(
	        prefix->address.family == ADDRESS_V4 ? bits + 97 : bits + 1, 0, 0);
}
#define POLICY_ADDRESS_HOST_RANK 130

#endif
