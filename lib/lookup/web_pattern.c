#include "lib/lookup/web_pattern.h"

#include <errno.h>

#include "lib/base/mem.h"
#include "lib/lookup/host_filter.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/pattern_meta.h"
#include "lib/lookup/prefix_table.h"
#include "lib/lookup/web_format.h"
#include "lib/lookup/web_values.h"

struct web_pattern {
	struct host_filter hosts;
	struct key_table urls;
	struct web_value *values;
	struct prefix_table addresses;
	struct pattern_meta meta;
	struct lookup_file *file;
};

static int open_tables(struct web_pattern *pattern, struct error *error)
{
	const struct pattern_info *info = &pattern->meta.info;
	uint32_t count;
	int status = web_values_read(pattern->file, pattern_all_origins(info->source_count),
	        &pattern->values, &count, error);
	if (status == 0) {
		status = host_filter_open(&pattern->hosts, pattern->file, WEB_HOSTS_ID, error);
	}
	if (status == 0) {
		status = key_table_open(&pattern->urls, pattern->file, WEB_URLS_ID, count, error);
	}
	if (status == 0) {
		status = prefix_table_open(
		        &pattern->addresses, pattern->file, WEB_ADDRESSES_ID, count, error);
	}
	if (status == 0 && (info->url_count != pattern->urls.count ||
	                           info->host_count != pattern->hosts.host_count ||
	                           info->v4_count != pattern->addresses.v4.count ||
	                           info->v6_count != pattern->addresses.v6.count ||
	                           pattern->urls.key_size != KEY_TABLE_EXPRESSION_SIZE)) {
		status = error_set(error, SK_E_CORRUPT, "META and the tables do not say the same");
	}
	return status;
}

int web_pattern_open(
        struct lookup_file *file, struct web_pattern **ret_pattern, struct error *error)
{
	struct web_pattern *pattern = mem_new(1, sizeof(*pattern));
	if (pattern == NULL) {
		return error_set_code(error, -ENOMEM, "cannot open the pattern");
	}
	pattern->file = file;
	int status = pattern_meta_read(&pattern->meta, file, error);
	if (status == 0) {
		status = open_tables(pattern, error);
	}
	if (status != 0) {
		mem_free(pattern->values);
		mem_free(pattern);
		return status;
	}
	*ret_pattern = pattern;
	return 0;
}

void web_pattern_close(struct web_pattern *pattern)
{
	if (pattern != NULL) {
		mem_free(pattern->values);
		lookup_file_close(pattern->file);
		mem_free(pattern);
	}
}

const struct pattern_info *web_pattern_info(const struct web_pattern *pattern)
{
	return &pattern->meta.info;
}

const struct siphash_key *web_pattern_key(const struct web_pattern *pattern)
{
	return &pattern->meta.key;
}

const struct lookup_file *web_pattern_file(const struct web_pattern *pattern)
{
	return pattern->file;
}

void web_pattern_prefetch_host(const struct web_pattern *pattern, struct siphash_value host)
{
	host_filter_prefetch(&pattern->hosts, host);
}

bool web_pattern_may_have_host(const struct web_pattern *pattern, struct siphash_value host)
{
	return host_filter_may_have(&pattern->hosts, host);
}

void web_pattern_prefetch(const struct web_pattern *pattern, struct lookup_key key)
{
	key_table_prefetch(&pattern->urls, key);
}

void web_pattern_prefetch_slot(const struct web_pattern *pattern, struct lookup_key key)
{
	key_table_prefetch_slot(&pattern->urls, key);
}

const struct web_value *web_pattern_find(const struct web_pattern *pattern, struct lookup_key key)
{
	uint32_t value = key_table_find(&pattern->urls, key);
	return value != KEY_TABLE_NONE ? &pattern->values[value] : NULL;
}

const struct web_value *web_pattern_find_address(const struct web_pattern *pattern,
        const struct address *address, const struct address_prefix *outer,
        struct address_prefix *ret_prefix)
{
	struct address_prefix prefix;
	uint32_t value = 0;
	uint32_t index = prefix_table_find(&pattern->addresses, address);
	for (; index != PREFIX_TABLE_NONE;
	        index = prefix_table_parent(&pattern->addresses, index)) {
		value = prefix_table_at(&pattern->addresses, index, &prefix);
		if (outer == NULL || prefix.length < outer->length) {
			break;
		}
	}
	if (index == PREFIX_TABLE_NONE) {
		return NULL;
	}
	if (ret_prefix != NULL) {
		*ret_prefix = prefix;
	}
	return &pattern->values[value];
}

int web_pattern_visit(const struct web_pattern *pattern,
        int (*visit)(void *context, const struct lookup_key *key,
                const struct address_prefix *prefix, const struct web_value *value),
        void *context)
{
	struct key_table_walk walk = {0};
	struct lookup_key key;
	uint32_t value;
	while (key_table_next(&pattern->urls, &walk, &key, &value)) {
		int status = visit(context, &key, NULL, &pattern->values[value]);
		if (status != 0) {
			return status;
		}
	}
	for (uint32_t i = 0; i < prefix_table_count(&pattern->addresses); i++) {
		struct address_prefix prefix;
		value = prefix_table_at(&pattern->addresses, i, &prefix);
		int status = visit(context, NULL, &prefix, &pattern->values[value]);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}
