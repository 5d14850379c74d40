#ifndef LIB_DATA_RATING_H
#define LIB_DATA_RATING_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/* Scores, ratings, categories and command-and-control levels: the words of the query API. */

#define SCORE_MAX 100
#define SCORE_UNRATED 71 /* what an unknown URL has */
#define SCORE_LISTED_BAD 49 /* a blocking rule, a suspicious object, a bad feed without scores */
#define SCORE_LISTED_GOOD 81 /* an approving rule, a good feed without scores */
#define SCORE_LOGGED_MAX 65 /* default of query.log_score_max: at most this is logged as bad */
#define BLOCK_BELOW_DEFAULT 66

enum rating {
	RATING_DANGEROUS, /* 0–50 */
	RATING_HIGHLY_SUSPICIOUS, /* 51–65 */
	RATING_SUSPICIOUS, /* 66–80 but 71 */
	RATING_UNRATED, /* 71 */
	RATING_SAFE, /* 81–100 */
	RATING_COUNT
};

enum rating rating_of_score(unsigned score);
const char *rating_name(enum rating rating); /* "dangerous" … */

/* Command and control: how sure, and who says so. */
enum cnc_level { CNC_NONE, CNC_LOW, CNC_MEDIUM, CNC_HIGH, CNC_LEVEL_COUNT };
enum cnc_source {
	CNC_SOURCE_NONE,
	CNC_SOURCE_GLOBAL_INTELLIGENCE,
	CNC_SOURCE_VIRTUAL_ANALYZER,
	CNC_SOURCE_USER_DEFINED,
	CNC_SOURCE_COUNT
};
const char *cnc_source_name(enum cnc_source source); /* "global_intelligence" …; NULL for NONE */
int cnc_source_parse(const char *name, enum cnc_source *ret_source) SK_MUST_USE;

/* Categories: bit numbers of a 64-bit set; the table in rating.c is the documented list. */
#define CATEGORY_MAX 64
size_t category_count(void);
const char *category_name(unsigned category); /* NULL beyond category_count() */
int category_parse(const char *name, size_t length, unsigned *ret_category) SK_MUST_USE;

/* What a file is when it is malicious. */
enum threat_kind {
	THREAT_OTHER,
	THREAT_VIRUS,
	THREAT_TROJAN,
	THREAT_WORM,
	THREAT_SPYWARE,
	THREAT_ROOTKIT,
	THREAT_KIND_COUNT
};
const char *threat_kind_name(enum threat_kind kind); /* "other", "virus" … */
int threat_kind_parse(const char *name, enum threat_kind *ret_kind) SK_MUST_USE;

#endif
