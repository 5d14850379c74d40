#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/data/rating.h"
#include "lib/lookup/lookup_file.h"
#include "pattern/command.h"

/* inspect, verify and dump. */

static void checksum_text(const struct lookup_file *file, char ret_text[2 * SHA256_SIZE + 1])
{
	struct buf text;
	buf_init_fixed(&text, ret_text, 2 * SHA256_SIZE + 1);
	buf_add_hex(&text, lookup_file_checksum(file), SHA256_SIZE);
	(void)buf_text(&text);
}

static void inspect_json(const struct command_pattern *pattern, const char *checksum)
{
	const struct pattern_info *info = pattern->info;
	fputs("{\"path\":", stdout);
	command_print_text(stdout, pattern->path);
	printf(",\"kind\":\"%s\",\"name\":", pattern->web != NULL ? "web" : "files");
	command_print_text(stdout, info->name);
	fputs(",\"version\":", stdout);
	command_print_text(stdout, info->version);
	printf(",\"bytes\":%zu,\"sha256\":\"%s\",\"sources\":", lookup_file_size(pattern->file),
	        checksum);
	command_print_sources(stdout, info, UINT64_MAX);
	if (pattern->web != NULL) {
		printf(",\"urls\":%llu,\"hosts\":%llu,\"v4\":%llu,\"v6\":%llu}\n",
		        (unsigned long long)info->url_count, (unsigned long long)info->host_count,
		        (unsigned long long)info->v4_count, (unsigned long long)info->v6_count);
	} else {
		printf(",\"md5\":%llu,\"sha1\":%llu,\"sha256_digests\":%llu}\n",
		        (unsigned long long)info->digest_counts[DIGEST_MD5],
		        (unsigned long long)info->digest_counts[DIGEST_SHA1],
		        (unsigned long long)info->digest_counts[DIGEST_SHA256]);
	}
}

static void inspect_text(const struct command_pattern *pattern, const char *checksum)
{
	const struct pattern_info *info = pattern->info;
	printf("%s: %s\nname:     %s\nversion:  %s\nsize:     %zu bytes\nchecksum: %s\n",
	        pattern->path, pattern->web != NULL ? "Web Blocking Pattern" : "Smart Scan Pattern",
	        info->name, info->version, lookup_file_size(pattern->file), checksum);
	if (pattern->web != NULL) {
		printf("URLs:     %llu of %llu hosts\nIPv4:     %llu\nIPv6:     %llu\n",
		        (unsigned long long)info->url_count, (unsigned long long)info->host_count,
		        (unsigned long long)info->v4_count, (unsigned long long)info->v6_count);
	} else {
		for (unsigned kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
			printf("%-9s %llu\n", digest_kind_name((enum digest_kind)kind),
			        (unsigned long long)info->digest_counts[kind]);
		}
	}
	fputs("sources:  ", stdout);
	command_print_source_names(stdout, info, UINT64_MAX);
	putchar('\n');
}

int command_inspect(const struct command_options *options, int count, char **arguments)
{
	struct command_pattern pattern;
	char checksum[2 * SHA256_SIZE + 1];
	if (count != 1) {
		return command_fail(COMMAND_USAGE, "inspect needs one file");
	}
	int status = command_open(arguments[0], &pattern);
	if (status != COMMAND_DONE) {
		return status;
	}
	checksum_text(pattern.file, checksum);
	if (options->json) {
		inspect_json(&pattern, checksum);
	} else {
		inspect_text(&pattern, checksum);
	}
	command_close(&pattern);
	return command_finish(COMMAND_DONE);
}

int command_verify(const struct command_options *options, int count, char **arguments)
{
	struct command_pattern pattern;
	char checksum[2 * SHA256_SIZE + 1];
	if (count != 1) {
		return command_fail(COMMAND_USAGE, "verify needs one file");
	}
	int status = command_open(arguments[0], &pattern);
	if (status != COMMAND_DONE) {
		if (options->json && status == COMMAND_DAMAGED) {
			puts("{\"good\":false}");
		}
		return command_finish(status);
	}
	checksum_text(pattern.file, checksum);
	if (options->json) {
		printf("{\"good\":true,\"sha256\":\"%s\"}\n", checksum);
	} else {
		printf("%s: good, %s\n", arguments[0], checksum);
	}
	command_close(&pattern);
	return command_finish(COMMAND_DONE);
}

/* --- dump --- */

struct dump {
	const struct pattern_info *info;
	bool json;
};

static void dump_value(const struct dump *dump, const struct web_value *value)
{
	if (dump->json) {
		command_print_web_value(stdout, value);
		fputs(",\"sources\":", stdout);
		command_print_sources(stdout, dump->info, value->origins);
		fputs("}\n", stdout);
		return;
	}
	const char *between = "";
	printf("\t%u\t%u\t", value->score, value->cnc_level);
	for (unsigned i = 0; i < category_count(); i++) {
		if (value->categories >> i & 1) {
			printf("%s%s", between, category_name(i));
			between = ",";
		}
	}
	putchar('\t');
	command_print_source_names(stdout, dump->info, value->origins);
	putchar('\n');
}

static int dump_web(void *context, const struct lookup_key *key,
        const struct address_prefix *prefix, const struct web_value *value)
{
	const struct dump *dump = context;
	char text[ADDRESS_PREFIX_TEXT_SIZE];
	if (prefix != NULL) {
		address_prefix_format(prefix, text);
		printf(dump->json ? "{\"prefix\":\"%s\"," : "prefix\t%s", text);
	} else {
		printf(dump->json ? "{\"key\":\"%016llx%016llx\"," : "key\t%016llx%016llx",
		        (unsigned long long)key->high, (unsigned long long)key->low);
	}
	dump_value(dump, value);
	return ferror(stdout);
}

static int dump_file(void *context, const struct digest *digest, const struct file_value *value)
{
	const struct dump *dump = context;
	char text[DIGEST_TEXT_SIZE];
	size_t length = digest_format(digest, text);
	const char *verdict = value->malicious ? "malicious" : "known_good";
	const char *kind = threat_kind_name((enum threat_kind)value->kind);
	/* Only the first 16 bytes are in the file. */
	text[length < 32 ? length : 32] = '\0';
	if (!dump->json) {
		printf("%s\t%s\t%s\t%s\t%s\t", digest_kind_name((enum digest_kind)digest->kind),
		        text, verdict, kind, value->name);
		command_print_source_names(stdout, dump->info, value->origins);
		putchar('\n');
		return ferror(stdout);
	}
	printf("{\"%s\":\"%s\",\"verdict\":\"%s\",\"kind\":\"%s\",\"name\":",
	        digest_kind_name((enum digest_kind)digest->kind), text, verdict, kind);
	command_print_text(stdout, value->name);
	fputs(",\"sources\":", stdout);
	command_print_sources(stdout, dump->info, value->origins);
	fputs("}\n", stdout);
	return ferror(stdout);
}

int command_dump(const struct command_options *options, int count, char **arguments)
{
	struct command_pattern pattern;
	if (count != 1) {
		return command_fail(COMMAND_USAGE, "dump needs one file");
	}
	int status = command_open(arguments[0], &pattern);
	if (status != COMMAND_DONE) {
		return status;
	}
	struct dump dump = {pattern.info, options->json};
	if (pattern.web != NULL) {
		(void)web_pattern_visit(pattern.web, dump_web, &dump);
	} else {
		(void)file_pattern_visit(pattern.files, dump_file, &dump);
	}
	command_close(&pattern);
	return command_finish(COMMAND_DONE);
}
