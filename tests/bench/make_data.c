/*
 * Makes the data of the benches: lists of the size that is asked for and questions about them whose
 * answers are known. The same options give the same bytes.
 *
 *   make_data --out DIR [--seed N] [--urls N] [--digests N] [--benign N] [--rules N]
 *             [--url-questions N] [--digest-questions N] [--hit-percent P] [--only-questions]
 *
 * DIR/urls.txt             bad URLs, one per line, with scheme
 * DIR/digests.tsv          bad digests, TAB, threat name
 * DIR/benign.txt           host names that no bad URL is on
 * DIR/rules.txt            "approved" or "blocked", TAB, "all" (site or folder) or "page", TAB,
 * URL; of hosts that no list and no question has DIR/url-questions.txt    "1" (listed) or "0", TAB,
 * URL DIR/digest-questions.txt "1" or "0", TAB, digest DIR/hosts.txt            the host names that
 * are listed as whole sites, for name servers DIR/host-questions.txt   "1" or "0", TAB, host name;
 * as many as of URLs
 *
 * Everything about item i is computed from i, so a question can be made without remembering the
 * list. Hosts and paths are shaped like those of public lists: 0.7 hosts per URL, a tenth of the
 * hosts addresses, some hosts with hundreds of pages, two fifths of the URLs with a path, one in
 * twelve with a query. Unlisted questions are sites of another name space, and one in twenty an
 * unlisted page of a host that has listed ones.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/number.h"

#define ITEM_MAX 1024 /* bytes that one item writes at most */
#define FLUSH_AT ((size_t)1 << 20)
#define PATH_SIZE 4096
#define CROWDED_HOSTS 1009 /* hosts with many pages each; never listed as a whole */

struct options {
	const char *folder;
	uint64_t seed, urls, digests, benign, rules, url_questions, digest_questions;
	unsigned hit_percent;
	bool only_questions;
};

/* Name spaces: hosts of one are never hosts of another. */
enum space { SPACE_BAD = 1, SPACE_CROWDED, SPACE_BENIGN, SPACE_RULES };

static void die(const char *what, int status)
{
	fprintf(stderr, "make_data: %s: %s\n", what, sk_strerror(status));
	exit(1);
}

/* A stream of numbers that depends on its start only (splitmix64). */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t random_start(uint64_t seed, uint64_t kind, uint64_t index)
{
	uint64_t state = seed ^ (kind << 56) ^ index * 0xd6e8feb86659fd93u;
	random_next(&state);
	return state;
}

/* ---- text ---- */

static const char *const words[] = {"account", "admin", "alert", "app", "auth", "backup", "bank",
        "billing", "blog", "cdn", "chat", "check", "claim", "cloud", "confirm", "content", "data",
        "delivery", "dev", "docs", "download", "drive", "express", "file", "forum", "free", "gift",
        "global", "group", "help", "home", "host", "image", "info", "invoice", "live", "login",
        "mail", "market", "media", "member", "mobile", "my", "net", "news", "office", "online",
        "order", "page", "parcel", "pay", "photo", "portal", "post", "prime", "profile", "promo",
        "record", "reset", "safe", "secure", "server", "service", "share", "shop", "sign", "site",
        "smart", "soft", "store", "support", "team", "tech", "token", "tools", "track", "trade",
        "travel", "update", "upload", "user", "verify", "video", "wallet", "web", "win", "work",
        "world", "wp-admin", "wp-content", "wp-includes", "zone"};
static const char *const domains[] = {"com", "com", "com", "com", "net", "org", "top", "xyz", "ru",
        "info", "online", "site", "shop", "cn", "co.uk", "com.br", "cfd", "icu", "de", "fr", "club",
        "co.jp", "in", "vip"};
static const char *const platforms[] = {
        "pages.example", "web.example", "sites.example", "apps.example.net"};
static const char *const endings[] = {".html", ".php", ".exe", ".zip", ".js", ".jpg", ".doc", ".sh",
        ".apk", ".pdf", ".aspx", ".bin", "", "", "", "/"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void add_word(struct buf *buf, uint64_t number)
{
	buf_add_text(buf, words[number % COUNT_OF(words)]);
}

/* A number in 32 letters and digits, low digit first. */
static void add_code(struct buf *buf, uint64_t number)
{
	static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789";
	do {
		buf_add_char(buf, digits[number & 31]);
		number >>= 5;
	} while (number > 0);
}

static void add_address(struct buf *buf, uint64_t index)
{
	/* 11.0.0.0 and up; another multiplication for another order, not for secrecy. */
	uint32_t value = (uint32_t)(index * 2654435761u) & 0x07ffffffu;
	buf_add_format(buf, "%u.%u.%u.%u", 11 + (value >> 24), (value >> 16) & 255,
	        (value >> 8) & 255, value & 255);
}

/* Host number `index` of a name space; its code makes it unique within the space, the letter behind
 * the code keeps the spaces apart. */
static void add_host(struct buf *buf, uint64_t seed, enum space space, uint64_t index)
{
	static const char letters[] = "-xyzw";
	uint64_t state = random_start(seed, space, index);
	uint64_t r = random_next(&state);
	if (space == SPACE_BAD && r % 10 == 0) {
		add_address(buf, index);
		return;
	}
	r /= 10;
	if (r % 4 == 0) {
		buf_add_literal(buf, "www.");
	} else if (r % 4 == 1) {
		add_word(buf, r >> 40);
		buf_add_char(buf, '.');
	}
	add_word(buf, r >> 8);
	if ((r & 4) != 0) {
		buf_add_char(buf, '-');
		add_word(buf, r >> 16);
	}
	buf_add_char(buf, '-');
	add_code(buf, index);
	buf_add_char(buf, letters[space]);
	buf_add_char(buf, '.');
	if ((r >> 24) % 16 == 0) {
		buf_add_text(buf, platforms[(r >> 28) % COUNT_OF(platforms)]);
	} else {
		buf_add_text(buf, domains[(r >> 28) % COUNT_OF(domains)]);
	}
}

/* A path of at least one name behind the slash, sometimes with a query. */
static void add_path(struct buf *buf, uint64_t state, uint64_t index)
{
	uint64_t r = random_next(&state);
	unsigned folders = (unsigned)(r % 4);
	r >>= 2;
	for (unsigned i = 0; i < folders; i++) {
		add_word(buf, r >> (8 * i));
		buf_add_char(buf, '/');
	}
	uint64_t s = random_next(&state);
	if (s % 3 == 0) {
		add_code(buf, random_next(&state) >> 20);
		buf_add_char(buf, '-');
	} else if (s % 3 == 1) {
		add_word(buf, s >> 32);
		buf_add_char(buf, '_');
	}
	add_code(buf, index);
	buf_add_text(buf, endings[(s >> 8) % COUNT_OF(endings)]);
	if ((s >> 16) % 5 == 0) {
		buf_add_format(buf, "?id=%llu&%s=", (unsigned long long)(s >> 44),
		        words[(s >> 24) % COUNT_OF(words)]);
		add_code(buf, random_next(&state));
	}
}

/* Bad URL number `index`: two fifths are a page, the rest a whole site. */
static void add_bad_url(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state = random_start(options->seed, 10, index);
	uint64_t r = random_next(&state);
	buf_add_text(buf, r % 3 == 0 ? "https://" : "http://");
	r >>= 2;
	if (r % 10 == 0) {
		add_host(buf, options->seed, SPACE_CROWDED, (r >> 8) % CROWDED_HOSTS);
		buf_add_char(buf, '/');
		add_path(buf, state, index);
		return;
	}
	bool page = r % 10 <= 3;
	/* Sites are even numbers, hosts of pages odd ones shared by up to a few. */
	uint64_t host = page ? (index / 3) * 2 + 1 : index * 2;
	add_host(buf, options->seed, SPACE_BAD, host);
	buf_add_char(buf, '/');
	if (page) {
		add_path(buf, state, index);
	}
}

/* The host of bad URL number `index` when that is a whole site with a name. */
static bool add_bad_site(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state = random_start(options->seed, 10, index);
	uint64_t r = random_next(&state) >> 2;
	uint64_t host_state = random_start(options->seed, SPACE_BAD, index * 2);
	if (r % 10 <= 3 || random_next(&host_state) % 10 == 0) {
		return false;
	}
	add_host(buf, options->seed, SPACE_BAD, index * 2);
	return true;
}

static void add_good_url(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state = random_start(options->seed, 11, index);
	uint64_t r = random_next(&state);
	buf_add_literal(buf, "https://");
	if (r % 20 == 0) {
		add_host(buf, options->seed, SPACE_CROWDED, (r >> 8) % CROWDED_HOSTS);
		buf_add_literal(buf, "/fine/");
		add_path(buf, state, index);
		return;
	}
	/* Popular sites are asked more often than others. */
	uint64_t host = (r >> 8) % 4 == 0 ? (r >> 16) % 1000 : (r >> 16) % 2000000;
	add_host(buf, options->seed, SPACE_BENIGN, host);
	buf_add_char(buf, '/');
	if ((r >> 12) % 10 < 8) {
		add_path(buf, state, index);
	}
}

static void add_digest(
        struct buf *buf, const struct options *options, unsigned kind, uint64_t index)
{
	static const unsigned sizes[] = {32, 16, 20, 32, 32, 16, 32, 20, 32, 16};
	unsigned char bytes[32];
	uint64_t state = random_start(options->seed, kind, index);
	for (unsigned i = 0; i < sizeof(bytes); i += 8) {
		uint64_t value = random_next(&state);
		for (unsigned j = 0; j < 8; j++) {
			bytes[i + j] = (unsigned char)(value >> (8 * j));
		}
	}
	buf_add_hex(buf, bytes, sizes[index % COUNT_OF(sizes)]);
}

static void add_threat_name(struct buf *buf, uint64_t number)
{
	static const char *const kinds[] = {
	        "Trojan", "Worm", "Ransom", "Backdoor", "Adware", "Virus", "Rootkit", "Downloader"};
	static const char *const systems[] = {"Win32", "Win64", "Linux", "JS", "AndroidOS"};
	buf_add_format(buf, "%s.%s.", kinds[number % COUNT_OF(kinds)],
	        systems[number / 8 % COUNT_OF(systems)]);
	add_word(buf, number / 40);
	buf_add_char(buf, '.');
	add_code(buf, number % 1024);
}

/* ---- the files ---- */

typedef void add_item_fn(struct buf *buf, const struct options *options, uint64_t index);

static void item_bad_url(struct buf *buf, const struct options *options, uint64_t index)
{
	add_bad_url(buf, options, index);
}

static void item_host(struct buf *buf, const struct options *options, uint64_t index)
{
	(void)add_bad_site(buf, options, index);
}

static void item_digest(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state = random_start(options->seed, 13, index);
	add_digest(buf, options, 12, index);
	buf_add_char(buf, '\t');
	add_threat_name(buf, random_next(&state) % 5000);
}

static void item_benign(struct buf *buf, const struct options *options, uint64_t index)
{
	add_host(buf, options->seed, SPACE_BENIGN, index);
}

static void item_rule(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state = random_start(options->seed, 14, index);
	uint64_t r = random_next(&state);
	buf_add_text(buf, r % 4 == 0 ? "approved\t" : "blocked\t");
	bool page = (r >> 8) % 3 == 0;
	buf_add_text(buf, page ? "page\t" : "all\t");
	buf_add_literal(buf, "http://");
	add_host(buf, options->seed, SPACE_RULES, index);
	buf_add_char(buf, '/');
	if (page) {
		add_path(buf, state, index);
	} else if ((r >> 16) % 4 == 0) {
		add_word(buf, r >> 20);
		buf_add_char(buf, '/');
	}
}

static bool is_hit(const struct options *options, uint64_t index, uint64_t *state)
{
	*state = random_start(options->seed, 15, index);
	return random_next(state) % 100 < options->hit_percent;
}

static void item_url_question(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state;
	if (is_hit(options, index, &state) && options->urls > 0) {
		buf_add_literal(buf, "1\t");
		add_bad_url(buf, options, random_next(&state) % options->urls);
	} else {
		buf_add_literal(buf, "0\t");
		add_good_url(buf, options, index);
	}
}

static void item_host_question(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state;
	if (is_hit(options, index, &state) && options->urls > 0) {
		buf_add_literal(buf, "1\t");
		while (!add_bad_site(buf, options, random_next(&state) % options->urls)) {
		}
		return;
	}
	buf_add_literal(buf, "0\t");
	add_host(buf, options->seed, SPACE_BENIGN, random_next(&state) % 2000000);
}

static void item_digest_question(struct buf *buf, const struct options *options, uint64_t index)
{
	uint64_t state;
	if (is_hit(options, index, &state) && options->digests > 0) {
		buf_add_literal(buf, "1\t");
		add_digest(buf, options, 12, random_next(&state) % options->digests);
	} else {
		buf_add_literal(buf, "0\t");
		add_digest(buf, options, 16, index);
	}
}

static void flush(FILE *file, struct buf *buf, const char *path)
{
	if (buf_status(buf) != 0 || fwrite(buf->data, 1, buf->length, file) != buf->length) {
		die(path, buf_status(buf) != 0 ? buf_status(buf) : -EIO);
	}
	buf_clear(buf);
}

static void write_list(
        const struct options *options, const char *name, uint64_t count, add_item_fn *add)
{
	char path[PATH_SIZE];
	int status = file_join(path, sizeof(path), options->folder, name);
	FILE *file = status == 0 ? fopen(path, "w") : NULL;
	if (file == NULL) {
		die(name, status != 0 ? status : -errno);
	}
	struct buf buf;
	buf_init(&buf, FLUSH_AT + ITEM_MAX);
	for (uint64_t i = 0; i < count; i++) {
		size_t before = buf.length;
		add(&buf, options, i);
		if (buf.length > before) {
			buf_add_char(&buf, '\n');
		}
		if (buf.length >= FLUSH_AT) {
			flush(file, &buf, path);
		}
	}
	flush(file, &buf, path);
	buf_release(&buf);
	if (fclose(file) != 0) {
		die(path, -errno);
	}
}

/* ---- start ---- */

static uint64_t number_argument(const char *text, uint64_t maximum)
{
	uint64_t value;
	if (number_parse_u64(text, strlen(text), maximum, &value) != 0) {
		fprintf(stderr, "make_data: bad number: %s\n", text);
		exit(2);
	}
	return value;
}

static void parse_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {{"out", 1, NULL, 'o'}, {"seed", 1, NULL, 's'},
	        {"urls", 1, NULL, 'u'}, {"digests", 1, NULL, 'd'}, {"benign", 1, NULL, 'b'},
	        {"rules", 1, NULL, 'r'}, {"url-questions", 1, NULL, 'q'},
	        {"digest-questions", 1, NULL, 'p'}, {"hit-percent", 1, NULL, 'h'},
	        {"only-questions", 0, NULL, 'n'}, {NULL, 0, NULL, 0}};
	const uint64_t most = (uint64_t)1 << 40;
	*options = (struct options){.seed = 1, .hit_percent = 10};
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'o':
			options->folder = optarg;
			break;
		case 's':
			options->seed = number_argument(optarg, UINT64_MAX);
			break;
		case 'u':
			options->urls = number_argument(optarg, most);
			break;
		case 'd':
			options->digests = number_argument(optarg, most);
			break;
		case 'b':
			options->benign = number_argument(optarg, most);
			break;
		case 'r':
			options->rules = number_argument(optarg, most);
			break;
		case 'q':
			options->url_questions = number_argument(optarg, most);
			break;
		case 'p':
			options->digest_questions = number_argument(optarg, most);
			break;
		case 'h':
			options->hit_percent = (unsigned)number_argument(optarg, 100);
			break;
		case 'n':
			options->only_questions = true;
			break;
		default:
			exit(2);
		}
	}
	if (options->folder == NULL) {
		fprintf(stderr, "make_data: --out is needed\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options options;
	parse_options(&options, argc, argv);
	if (!options.only_questions) {
		write_list(&options, "urls.txt", options.urls, item_bad_url);
		write_list(&options, "hosts.txt", options.urls, item_host);
		write_list(&options, "digests.tsv", options.digests, item_digest);
		write_list(&options, "benign.txt", options.benign, item_benign);
		write_list(&options, "rules.txt", options.rules, item_rule);
	}
	write_list(&options, "url-questions.txt", options.url_questions, item_url_question);
	write_list(&options, "host-questions.txt", options.url_questions, item_host_question);
	write_list(
	        &options, "digest-questions.txt", options.digest_questions, item_digest_question);
	return 0;
}
