#ifndef LIB_VERDICT_KEYWORD_FLAGS_H
#define LIB_VERDICT_KEYWORD_FLAGS_H

#include <hs.h>

/* How every keyword is compiled, alone and in a set. Not UTF-8: canonical URLs are ASCII. */
#define KEYWORD_FLAGS (HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH)

/* The chunks of a keyword file (docs/policy-format.md). */
#define KEYWORD_CHUNK_HEAD "KWHD"
#define KEYWORD_CHUNK_INDEX "KWIX"
#define KEYWORD_CHUNK_DATABASE "KWDB"
#define KEYWORD_HEAD_SIZE 40 /* count, zero, SHA-256 of the policy file */

/* Above what LIMIT_KEYWORD_RULES expressions need; larger is taken for damage. */
#define KEYWORD_SET_MAX ((size_t)512 << 20)

#endif
