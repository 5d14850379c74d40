#include "lib/data/rating.h"

#include <string.h>

#include "lib/base/error.h"

static const char *const rating_names[RATING_COUNT] = {
        "dangerous", "highly_suspicious", "suspicious", "unrated", "safe"};

static const char *const cnc_source_names[CNC_SOURCE_COUNT] = {
        NULL, "global_intelligence", "virtual_analyzer", "user_defined"};

static const char *const threat_kind_names[THREAT_KIND_COUNT] = {
        "other", "virus", "trojan", "worm", "spyware", "rootkit"};

/* The order is part of the pattern format: only ever add at the end (docs/pattern-format.md). */
static const char *const category_names[] = {
        "malware",
        "malware_download",
        "command_and_control",
        "phishing",
        "scam",
        "spam",
        "ransomware",
        "cryptomining",
        "exploit",
        "botnet",
        "scanner",
        "compromised",
        "suspicious",
        "newly_registered",
        "dynamic_dns",
        "proxy_avoidance",
        "adware",
        "potentially_unwanted",
        "tracking",
        "advertising",
        "adult",
        "gambling",
        "drugs",
        "weapons",
        "violence",
        "hate",
        "social_network",
        "messaging",
        "file_sharing",
        "url_shortener",
        "hosting",
        "content_delivery",
        "business",
        "education",
        "government",
        "news",
        "shopping",
        "finance",
        "software",
        "search",
        "test",
};

enum rating rating_of_score(unsigned score)
{
	if (score <= 50) {
		return RATING_DANGEROUS;
	}
	if (score <= 65) {
		return RATING_HIGHLY_SUSPICIOUS;
	}
	if (score == SCORE_UNRATED) {
		return RATING_UNRATED;
	}
	return score <= 80 ? RATING_SUSPICIOUS : RATING_SAFE;
}

const char *rating_name(enum rating rating)
{
	return rating < RATING_COUNT ? rating_names[rating] : "unrated";
}

const char *cnc_source_name(enum cnc_source source)
{
	return source < CNC_SOURCE_COUNT ? cnc_source_names[source] : NULL;
}

/* Index of `name` among `names`, or SK_E_NOT_FOUND. */
static int find_name(const char *const *names, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i] != NULL && strlen(names[i]) == length &&
		        memcmp(names[i], name, length) == 0) {
			return (int)i;
		}
	}
	return SK_E_NOT_FOUND;
}

int cnc_source_parse(const char *name, enum cnc_source *ret_source)
{
	int index = find_name(cnc_source_names, CNC_SOURCE_COUNT, name, strlen(name));
	if (index < 0) {
		return index;
	}
	*ret_source = (enum cnc_source)index;
	return 0;
}

size_t category_count(void)
{
	_Static_assert(SK_COUNT(category_names) <= CATEGORY_MAX, "categories are a 64-bit set");
	return SK_COUNT(category_names);
}

const char *category_name(unsigned category)
{
	return category < SK_COUNT(category_names) ? category_names[category] : NULL;
}

int category_parse(const char *name, size_t length, unsigned *ret_category)
{
	int index = find_name(category_names, SK_COUNT(category_names), name, length);
	if (index < 0) {
		return index;
	}
	*ret_category = (unsigned)index;
	return 0;
}

const char *threat_kind_name(enum threat_kind kind)
{
	return kind < THREAT_KIND_COUNT ? threat_kind_names[kind] : "other";
}

int threat_kind_parse(const char *name, enum threat_kind *ret_kind)
{
	int index = find_name(threat_kind_names, THREAT_KIND_COUNT, name, strlen(name));
	if (index < 0) {
		return index;
	}
	*ret_kind = (enum threat_kind)index;
	return 0;
}
