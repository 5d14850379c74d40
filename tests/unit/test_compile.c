#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/web_pattern.h"
#include "pattern/compile.h"

#define MD5 "d41d8cd98f00b204e9800998ecf8427e"
#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* A build in a folder of its own, of lists that stand in memory. */
struct world {
	char folder[64];
	int fd;
	struct description description;
	const char *lists[16];
	size_t lengths[16]; /* 0: of the text */
	struct report report;
	struct error error;
	int status;
	char *web, *files; /* the files as bytes, or NULL */
	size_t web_length, files_length;
	struct web_pattern *web_pattern;
	struct file_pattern *file_pattern;
};

static int memory_file(const void *bytes, size_t length)
{
	int fd = memfd_create("list", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, bytes, length), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int open_list(void *context, size_t index, int *ret_fd, struct error *error)
{
	struct world *world = context;
	if (world->lists[index] == NULL) {
		return error_set(error, SK_E_NOT_FOUND, "list %zu is not there", index);
	}
	size_t length = world->lengths[index];
	*ret_fd =
	        memory_file(world->lists[index], length > 0 ? length : strlen(world->lists[index]));
	return 0;
}

static void read_output(struct world *world, const char *name, char **ret_text, size_t *ret_length)
{
	int fd = openat(world->fd, name, O_RDONLY | O_CLOEXEC);
	*ret_text = NULL;
	if (fd >= 0) {
		assert_int_equal(file_read_fd(fd, 64 * 1024 * 1024, ret_text, ret_length), 0);
		close(fd);
	}
}

static void open_patterns(struct world *world)
{
	struct lookup_file *file;
	read_output(world, "web.pattern", &world->web, &world->web_length);
	read_output(world, "files.pattern", &world->files, &world->files_length);
	if (world->web != NULL) {
		assert_int_equal(lookup_file_over(world->web, world->web_length, LOOKUP_KIND_WEB,
		                         &file, &world->error),
		        0);
		assert_int_equal(web_pattern_open(file, &world->web_pattern, &world->error), 0);
	}
	if (world->files != NULL) {
		assert_int_equal(lookup_file_over(world->files, world->files_length,
		                         LOOKUP_KIND_FILES, &file, &world->error),
		        0);
		assert_int_equal(file_pattern_open(file, &world->file_pattern, &world->error), 0);
	}
}

/* `inputs` and `safety` are JSON; lists[] has their texts in order. */
static void build_with(struct world *world, const char *inputs, const char *safety,
        const char *version, uint64_t maximum)
{
	char text[8192];
	snprintf(text, sizeof(text), "{\"name\":\"test\",\"inputs\":[%s]%s%s}", inputs,
	        safety[0] != '\0' ? ",\"safety\":" : "", safety);
	snprintf(world->folder, sizeof(world->folder), "/tmp/test_compile.XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->fd = open(world->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(world->fd >= 0);
	assert_int_equal(
	        description_parse(text, strlen(text), &world->description, &world->error), 0);
	struct compile_job job = {.description = &world->description,
	        .key = "0123456789abcdef",
	        .version = version,
	        .folder = world->fd,
	        .list_maximum = maximum,
	        .context = world,
	        .open_list = open_list};
	world->status = compile_run(&job, &world->report, &world->error);
	if (world->status == 0) {
		open_patterns(world);
	}
}

static void build(struct world *world, const char *inputs, const char *safety)
{
	build_with(world, inputs, safety, NULL, 0);
	assert_string_equal(world->error.text, "");
	assert_int_equal(world->status, 0);
}

static void remove_all(const char *folder)
{
	static const char *const names[] = {"web.pattern", "files.pattern", "report.json"};
	char path[128];
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)remove(path);
	}
	/* Inputs are called a, b, c … */
	for (int i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "%s/refused/%d-%c.txt", folder, i + 1, 'a' + i);
		(void)remove(path);
	}
	snprintf(path, sizeof(path), "%s/refused", folder);
	(void)remove(path);
	assert_int_equal(rmdir(folder), 0);
}

static void end(struct world *world)
{
	web_pattern_close(world->web_pattern);
	file_pattern_close(world->file_pattern);
	mem_free(world->web);
	mem_free(world->files);
	if (world->status == 0) {
		report_release(&world->report);
	}
	description_release(&world->description);
	close(world->fd);
	remove_all(world->folder);
}

#define INPUT(path, format, source, kind, more)                                                    \
	"{\"path\":\"" path "\",\"format\":\"" format "\",\"source\":\"" source                    \
	"\",\"kind\":\"" kind "\"" more "}"

/* The score of exactly this expression, -1 when there is none. */
static int score_of(const struct world *world, const char *expression)
{
	const struct siphash_key *key = web_pattern_key(world->web_pattern);
	const struct web_value *value = web_pattern_find(world->web_pattern,
	        lookup_key_from_hash(siphash(key, expression, strlen(expression))));
	return value != NULL ? value->score : -1;
}

static int score_of_address(const struct world *world, const char *text)
{
	struct address address;
	assert_int_equal(address_parse(text, strlen(text), &address), 0);
	const struct web_value *value =
	        web_pattern_find_address(world->web_pattern, &address, NULL, NULL);
	return value != NULL ? value->score : -1;
}

static void test_entries(void **state)
{
	(void)state;
	struct world world = {.lists = {"http://a.example/x?y\nb.example/dir/\nhttp://c.example/\n"
	                                "http://192.0.2.1/\nhttp://192.0.2.2/x\n"
	                                "http://192.0.2.3:8080\nnot a url\nhttp://a.example/x?y\n",
	                              "192.0.2.0/28\n0.0.0.0/0\n", MD5 "\tW32.Worm\n" SHA256 "\n"}};
	build(&world,
	        INPUT("a", "urls", "s", "bad", ",\"score\":20") "," INPUT("b", "ips", "t", "bad",
	                "") "," INPUT("c", "digests", "t", "bad", ",\"name\":\"Backdoor.X\""),
	        "");
	assert_int_equal(score_of(&world, "a.example/x?y"), 20);
	assert_int_equal(score_of(&world, "a.example/"), -1);
	assert_int_equal(score_of(&world, "b.example/dir/"), 20);
	assert_int_equal(score_of(&world, "c.example/"), 20);
	assert_int_equal(score_of(&world, "192.0.2.1/"), -1);
	assert_int_equal(score_of_address(&world, "192.0.2.1"), 20);
	assert_int_equal(score_of_address(&world, "192.0.2.3"), 20);
	assert_int_equal(score_of_address(&world, "192.0.2.9"), 49);
	assert_int_equal(score_of_address(&world, "198.51.100.1"), -1);
	assert_int_equal(score_of(&world, "192.0.2.2/x"), 20);
	const struct report_input *first = &world.report.inputs[0];
	assert_int_equal(first->lines, 8);
	assert_int_equal(first->accepted, 7);
	assert_int_equal(first->duplicate, 1);
	assert_int_equal(first->refused, 1);
	assert_string_equal(first->refused_file, "refused/1-a.txt");
	assert_int_equal(world.report.inputs[1].refused, 1);
	struct file_value value;
	struct digest digest;
	assert_int_equal(digest_parse(MD5, 32, &digest), 0);
	assert_true(file_pattern_find(world.file_pattern, &digest, &value));
	assert_string_equal(value.name, "W32.Worm");
	assert_int_equal(value.kind, THREAT_WORM);
	assert_int_equal(digest_parse(SHA256, 64, &digest), 0);
	assert_true(file_pattern_find(world.file_pattern, &digest, &value));
	assert_string_equal(value.name, "Backdoor.X");
	assert_int_equal(value.kind, THREAT_TROJAN);
	assert_int_equal(value.origins, 2);
	end(&world);
}

static void test_refused_lines(void **state)
{
	(void)state;
	char *text;
	size_t length;
	struct world world = {.lists = {"ok.example\nbad host\x01\n\n*\n"}};
	build(&world, INPUT("dir/a", "urls", "s", "bad", ""), "");
	read_output(&world, "refused/1-a.txt", &text, &length);
	assert_non_null(text);
	assert_string_equal(text, "2\tbyte in the host that no host has\tbad host\\x01\n"
	                          "4\twildcard in the host\t*\n");
	mem_free(text);
	read_output(&world, "report.json", &text, &length);
	assert_non_null(strstr(text, "\"refused/1-a.txt\""));
	mem_free(text);
	end(&world);
}

static const char two_inputs[] = INPUT("a", "urls", "s", "bad", "") "," INPUT(
        "b", "auto", "t", "good", "") "," INPUT("c", "digests", "s", "bad", "");
static const char two_swapped[] = INPUT("c", "digests", "s", "bad", "") "," INPUT(
        "b", "auto", "t", "good", "") "," INPUT("a", "urls", "s", "bad", "");

/* The same lists and key give the same bytes, in whatever order the inputs stand. */
static void test_same_bytes(void **state)
{
	(void)state;
	const char *urls = "http://a.example/1\nhttp://b.example/\nhttp://a.example/1\n";
	const char *good = "c.example\n" SHA1 "\n192.0.2.0/24\n";
	const char *digests = MD5 " A\n" SHA256 " B\n";
	struct world first = {.lists = {urls, good, digests}};
	struct world second = {.lists = {digests, good, urls}};
	struct world third = {.lists = {digests, good, "http://a.example/2\n"}};
	build(&first, two_inputs, "");
	build(&second, two_swapped, "");
	build(&third, two_swapped, "");
	assert_string_equal(first.report.version, second.report.version);
	assert_string_not_equal(first.report.version, third.report.version);
	assert_int_equal(first.web_length, second.web_length);
	assert_memory_equal(first.web, second.web, first.web_length);
	assert_int_equal(first.files_length, second.files_length);
	assert_memory_equal(first.files, second.files, first.files_length);
	end(&first);
	end(&second);
	end(&third);
}

static void test_version(void **state)
{
	(void)state;
	struct world world = {.lists = {"a.example\n"}};
	build_with(&world, INPUT("a", "hosts", "s", "bad", ""), "", "2026.1", 0);
	assert_int_equal(world.status, 0);
	assert_string_equal(web_pattern_info(world.web_pattern)->version, "2026.1");
	assert_string_equal(web_pattern_info(world.web_pattern)->name, "test");
	assert_null(world.files);
	end(&world);
}

static void test_conflicts(void **state)
{
	(void)state;
	struct world world = {.lists = {"http://a.example/x\n" MD5 "\n192.0.2.1\n",
	                              "a.example/x\n" MD5 "\n192.0.2.1\n"}};
	build(&world, INPUT("a", "auto", "s", "bad", "") "," INPUT("b", "auto", "t", "good", ""),
	        "");
	assert_int_equal(score_of(&world, "a.example/x"), 49);
	assert_int_equal(score_of_address(&world, "192.0.2.1"), 49);
	assert_int_equal(world.report.web.conflicts.total, 2);
	assert_string_equal(world.report.web.conflicts.items[0].text, "a.example/x");
	assert_int_equal(world.report.web.conflicts.items[0].bad, 1);
	assert_int_equal(world.report.web.conflicts.items[0].good, 2);
	assert_int_equal(world.report.files.conflicts.total, 1);
	end(&world);
}

static void test_safety(void **state)
{
	(void)state;
	struct world world = {
	        .lists = {"site.example\nhost.site.example\npages.example\nparked.example\n"
	                  "bad.example\nhttp://deep.example/kit/\n192.0.2.0/24\n198.51.100.7\n"
	                  "203.0.113.0/24\n",
	                "# benign\nwww.host.site.example\nuser.pages.example\nparked.example\n"
	                "deep.example\n1,other.example\n192.0.2.77\n",
	                "{\"type\":\"string\",\"list\":[\"third.example\",\"203.0.113.9\"]}"}};
	build(&world, INPUT("a", "auto", "s", "bad", ""),
	        "{\"benign\":[\"b\",\"c\"],\"allow_site\":[\"Parked.Example\",\"203.0.113.0/"
	        "24\"]}");
	/* Both levels above the benign name are gone, each would block it. */
	assert_int_equal(score_of(&world, "host.site.example/"), -1);
	assert_int_equal(score_of(&world, "site.example/"), -1);
	assert_int_equal(score_of(&world, "pages.example/"), -1);
	assert_int_equal(score_of(&world, "parked.example/"), 49);
	assert_int_equal(score_of(&world, "bad.example/"), 49);
	/* A folder is not the site. */
	assert_int_equal(score_of(&world, "deep.example/kit/"), 49);
	assert_int_equal(score_of_address(&world, "192.0.2.1"), -1);
	assert_int_equal(score_of_address(&world, "198.51.100.7"), 49);
	assert_int_equal(score_of_address(&world, "203.0.113.9"), 49);
	assert_int_equal(world.report.safety_asked, 6);
	assert_int_equal(world.report.safety_rounds, 2);
	assert_int_equal(world.report.left_out.total, 4);
	assert_int_equal(world.report.allowed.total, 1);
	assert_string_equal(world.report.allowed.items[0].text, "parked.example/");
	assert_int_equal(world.report.inputs[0].unsafe, 1);
	end(&world);
}

/* What was milder and covered comes back when the cover goes; a good entry shields what is above.
 */
static void test_safety_rounds(void **state)
{
	(void)state;
	struct world world = {.lists = {"c.example\nf.example\n", "b.c.example\n", "e.f.example\n",
	                              "a.b.c.example\nd.e.f.example\n"}};
	build(&world,
	        INPUT("a", "hosts", "s", "bad", ",\"score\":10") "," INPUT("b", "hosts", "s", "bad",
	                ",\"score\":60") "," INPUT("c", "hosts", "t", "good", ""),
	        "{\"benign\":[\"d\"]}");
	assert_int_equal(score_of(&world, "c.example/"), -1);
	assert_int_equal(score_of(&world, "b.c.example/"), -1);
	assert_int_equal(score_of(&world, "f.example/"), 10);
	assert_int_equal(score_of(&world, "e.f.example/"), 81);
	assert_int_equal(world.report.safety_rounds, 3);
	end(&world);
}

static void test_exclusions(void **state)
{
	(void)state;
	struct world world = {
	        .lists = {"http://a.example/\nhttp://a.example/x\nhttp://short.example/abc\n"
	                  "http://www.short.example/\nhttp://my-Sandbox.example/\n192.0.2.9\n"
	                  "198.51.100.0/24\nhttp://evil1234.example/\n" MD5 "\n" SHA1 "\n",
	                "a.example\n" MD5 "\n",
	                "{\"list\":[\"short.example\"],\"type\":\"hostname\"}",
	                "{\"list\":[\"192.0.2.0/25\",\"198.51.100.0/25\"],\"type\":\"cidr\"}",
	                "{\"list\":[\"sandbox\",\"x\"],\"type\":\"substring\"}",
	                "{\"list\":[\"/evil[0-9]{4}\\\\.EXAMPLE/i\",\"/(?=x)/"
	                "\"],\"type\":\"regex\"}"}};
	build(&world,
	        INPUT("a", "auto", "s", "bad", "") "," INPUT("b", "auto", "t", "exclude",
	                "") "," INPUT("c", "misp-warninglist", "u", "exclude", "") "," INPUT("d",
	                "misp-warninglist", "u", "exclude", "") "," INPUT("e", "misp-warninglist",
	                "u", "exclude", "") "," INPUT("f", "misp-warninglist", "u", "exclude", ""),
	        "");
	assert_int_equal(score_of(&world, "a.example/"), -1);
	assert_int_equal(score_of(&world, "a.example/x"), 49);
	assert_int_equal(score_of(&world, "short.example/abc"), -1);
	assert_int_equal(score_of(&world, "www.short.example/"), -1);
	assert_int_equal(score_of(&world, "my-sandbox.example/"), -1);
	assert_int_equal(score_of(&world, "evil1234.example/"), -1);
	assert_int_equal(score_of_address(&world, "192.0.2.9"), -1);
	/* Wider than what excludes it. */
	assert_int_equal(score_of_address(&world, "198.51.100.1"), 49);
	assert_int_equal(world.report.inputs[0].excluded, 7);
	assert_int_equal(world.report.web.excluded.total, 6);
	assert_int_equal(world.report.files.excluded.total, 1);
	assert_int_equal(world.report.inputs[4].refused, 1);
	assert_int_equal(world.report.inputs[5].refused, 1);
	end(&world);
}

/* `text` compressed by one of libarchive's filters. */
static size_t compress(int filter, const char *text, size_t length, char *space, size_t size)
{
	size_t used = 0;
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	assert_int_equal(archive_write_add_filter(archive, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_set_format_raw(archive), ARCHIVE_OK);
	assert_int_equal(archive_write_set_bytes_in_last_block(archive, 1), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(archive, space, size, &used), ARCHIVE_OK);
	archive_entry_set_pathname(entry, "x");
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(archive, text, length), length);
	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_write_free(archive);
	archive_entry_free(entry);
	return used;
}

static void test_compression(void **state)
{
	(void)state;
	static const int filters[] = {ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD};
	size_t length = 2000000, size = 4000000;
	char *text = mem_new(length, 1), *space = mem_new(size, 1);
	assert_non_null(text);
	assert_non_null(space);
	for (size_t i = 0; i + 20 <= length; i += 20) {
		char line[32];
		snprintf(line, sizeof(line), "h%010zu.exm.org\n", i / 20);
		memcpy(text + i, line, 20);
	}
	for (size_t i = 0; i < SK_COUNT(filters); i++) {
		struct world world = {.lists = {space}};
		world.lengths[0] = compress(filters[i], text, length, space, size);
		build(&world, INPUT("a", "hosts", "s", "bad", ""), "");
		assert_int_equal(world.report.inputs[0].accepted, 100000);
		assert_int_equal(world.report.inputs[0].bytes, length);
		end(&world);
		/* Cut, and larger than it may be. */
		struct world cut = {.lists = {space}, .lengths = {world.lengths[0] / 2}};
		build_with(&cut, INPUT("a", "hosts", "s", "bad", ""), "", NULL, 0);
		assert_int_equal(cut.status, SK_E_CORRUPT);
		end(&cut);
		struct world bomb = {.lists = {space}, .lengths = {world.lengths[0]}};
		build_with(&bomb, INPUT("a", "hosts", "s", "bad", ""), "", NULL, length - 1);
		assert_int_equal(bomb.status, SK_E_LIMIT);
		assert_non_null(strstr(bomb.error.text, "larger than its maximum"));
		end(&bomb);
	}
	mem_free(text);
	mem_free(space);
}

static void test_missing_list(void **state)
{
	(void)state;
	struct world world = {.lists = {"a.example\n", NULL}};
	build_with(&world,
	        INPUT("a", "hosts", "s", "bad", "") "," INPUT("b", "hosts", "s", "bad", ""), "",
	        NULL, 0);
	assert_int_equal(world.status, SK_E_NOT_FOUND);
	/* Nothing was put in place. */
	assert_int_equal(faccessat(world.fd, "web.pattern", F_OK, 0), -1);
	assert_int_equal(faccessat(world.fd, "report.json", F_OK, 0), -1);
	end(&world);
}

static void test_wrong_allow_site(void **state)
{
	(void)state;
	struct world world = {.lists = {"a.example\n"}};
	build_with(
	        &world, INPUT("a", "hosts", "s", "bad", ""), "{\"allow_site\":[\"a/b\"]}", NULL, 0);
	assert_int_equal(world.status, SK_E_SYNTAX);
	assert_string_equal(world.error.text, "/safety/allow_site/0: more than a host");
	end(&world);
}

static void test_nothing(void **state)
{
	(void)state;
	struct world world = {.lists = {"# nothing\n"}};
	build(&world, INPUT("a", "hosts", "s", "bad", ""), "");
	assert_null(world.web);
	assert_null(world.files);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_entries),
	        cmocka_unit_test(test_refused_lines),
	        cmocka_unit_test(test_same_bytes),
	        cmocka_unit_test(test_version),
	        cmocka_unit_test(test_conflicts),
	        cmocka_unit_test(test_safety),
	        cmocka_unit_test(test_safety_rounds),
	        cmocka_unit_test(test_exclusions),
	        cmocka_unit_test(test_compression),
	        cmocka_unit_test(test_missing_list),
	        cmocka_unit_test(test_wrong_allow_site),
	        cmocka_unit_test(test_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
