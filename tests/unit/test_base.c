#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/cursor.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/base/sha256.h"
#include "lib/base/siphash.h"

static void test_error_keeps_cause_and_prefix(void **state)
{
	(void)state;
	struct error error = {0};
	assert_int_equal(error_set(&error, SK_E_LIMIT, "%d bytes", 9), SK_E_LIMIT);
	assert_int_equal(error_prefix(&error, "rule %d", 3), SK_E_LIMIT);
	assert_string_equal(error.text, "rule 3: 9 bytes");
	assert_int_equal(error_set_code(&error, -ENOSPC, "x"), -ENOSPC);
	assert_string_equal(error.text, "x: No space left on device");
	assert_string_equal(sk_error_name(-ENOSPC), "ENOSPC");
	assert_string_equal(sk_error_name(SK_E_LIMIT), "limit");
}

static void test_buf_grows_to_maximum_and_sticks(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 1000);
	for (int i = 0; i < 1000; i++) {
		buf_add_char(&buf, 'a');
	}
	assert_int_equal(buf_status(&buf), 0);
	assert_int_equal(buf.length, 1000);
	buf_add_char(&buf, 'b');
	assert_int_equal(buf_status(&buf), SK_E_LIMIT);
	assert_int_equal(buf.length, 1000);
	buf_add_text(&buf, "");
	assert_int_equal(buf_status(&buf), SK_E_LIMIT);
	buf_release(&buf);
}

static void test_buf_formats(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 4096);
	buf_add_u64(&buf, UINT64_MAX);
	buf_add_char(&buf, ' ');
	buf_add_i64(&buf, INT64_MIN);
	buf_add_char(&buf, ' ');
	buf_add_hex(&buf, "\x00\xfe", 2);
	buf_add_format(&buf, " %s", "x");
	assert_string_equal(buf_text(&buf), "18446744073709551615 -9223372036854775808 00fe x");
	buf_consume(&buf, 21);
	assert_string_equal(buf_text(&buf), "-9223372036854775808 00fe x");
	char *taken = buf_take(&buf, NULL);
	assert_non_null(taken);
	assert_int_equal(buf.length, 0);
	mem_free(taken);
}

static void test_buf_fixed_never_allocates(void **state)
{
	(void)state;
	char space[4];
	struct buf buf;
	size_t before = mem_allocation_count();
	buf_init_fixed(&buf, space, sizeof(space));
	buf_add_text(&buf, "abcd");
	assert_int_equal(buf_status(&buf), 0);
	buf_add_char(&buf, 'e');
	assert_int_equal(buf_status(&buf), SK_E_LIMIT);
	assert_null(buf_text(&buf));
	assert_int_equal(mem_allocation_count(), before);
}

static void test_cursor_error_sticks(void **state)
{
	(void)state;
	static const unsigned char bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));
	assert_int_equal(cursor_u8(&cursor), 1);
	assert_int_equal(cursor_le16(&cursor), 0x0302);
	assert_int_equal(cursor_le32(&cursor), 0x07060504);
	assert_int_equal(cursor_finish(&cursor), 0);
	assert_int_equal(cursor_u8(&cursor), 0);
	assert_int_equal(cursor_finish(&cursor), SK_E_CORRUPT);
	cursor = cursor_over(bytes, 3);
	assert_int_equal(cursor_le32(&cursor), 0);
	assert_int_equal(cursor_u8(&cursor), 0);
	assert_int_equal(cursor_left(&cursor), 0);
}

static void test_number_parses_whole_text_only(void **state)
{
	(void)state;
	uint64_t value = 7;
	assert_int_equal(number_parse_u64("18446744073709551615", 20, UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(
	        number_parse_u64("18446744073709551616", 20, UINT64_MAX, &value), SK_E_RANGE);
	assert_int_equal(number_parse_u64("99x", 3, 10, &value), SK_E_SYNTAX);
	assert_int_equal(number_parse_u64("", 0, 10, &value), SK_E_SYNTAX);
	assert_int_equal(number_parse_u64("+1", 2, 10, &value), SK_E_SYNTAX);
	assert_int_equal(number_parse_u64("11", 2, 10, &value), SK_E_RANGE);
	int64_t number;
	assert_int_equal(
	        number_parse_i64("-9223372036854775808", 20, INT64_MIN, INT64_MAX, &number), 0);
	assert_true(number == INT64_MIN);
	assert_int_equal(number_parse_i64("-", 1, INT64_MIN, INT64_MAX, &number), SK_E_SYNTAX);
	unsigned char bytes[2];
	assert_int_equal(number_parse_hex("aBcD", 4, bytes, 2), 0);
	assert_int_equal(bytes[0], 0xab);
	assert_int_equal(bytes[1], 0xcd);
	assert_int_equal(number_parse_hex("aBcg", 4, bytes, 2), SK_E_SYNTAX);
	assert_int_equal(number_parse_hex("aBc", 3, bytes, 2), SK_E_SYNTAX);
}

/* Vectors of the reference implementation: key 00..0f, message of n bytes 00..n-1. */
static void test_siphash_reference_vectors(void **state)
{
	(void)state;
	static const struct {
		size_t length;
		const char *hex;
	} vectors[] = {
	        {0, "a3817f04ba25a8e66df67214c7550293"},
	        {1, "da87c1d86b99af44347659119b22fc45"},
	        {15, "5493e99933b0a8117e08ec0f97cfc3d9"},
	};
	unsigned char key[16];
	unsigned char message[64];
	for (size_t i = 0; i < sizeof(message); i++) {
		message[i] = (unsigned char)i;
		key[i & 15] = (unsigned char)(i & 15);
	}
	struct siphash_key k = siphash_key_from(key);
	for (size_t i = 0; i < 3; i++) {
		struct siphash_value value = siphash(&k, message, vectors[i].length);
		unsigned char bytes[16];
		bytes_put_le64(bytes, value.low);
		bytes_put_le64(bytes + 8, value.high);
		char hex[33];
		for (size_t j = 0; j < 16; j++) {
			snprintf(hex + 2 * j, 3, "%02x", bytes[j]);
		}
		assert_string_equal(hex, vectors[i].hex);
	}
}

static void test_siphash_in_pieces(void **state)
{
	(void)state;
	struct siphash_key key = {1, 2};
	unsigned char message[64];
	for (size_t i = 0; i < sizeof(message); i++) {
		message[i] = (unsigned char)(i * 7);
	}
	for (size_t length = 0; length <= sizeof(message); length++) {
		struct siphash_value whole = siphash(&key, message, length);
		for (size_t cut = 0; cut <= length; cut++) {
			struct siphash pieces;
			siphash_init(&pieces, &key);
			siphash_update(&pieces, message, cut);
			siphash_update(&pieces, message + cut, length - cut);
			struct siphash_value value = siphash_finish(&pieces);
			assert_true(value.low == whole.low && value.high == whole.high);
		}
	}
}

static void test_sha256_of_abc(void **state)
{
	(void)state;
	unsigned char digest[SHA256_SIZE];
	assert_int_equal(sha256("abc", 3, digest), 0);
	assert_int_equal(digest[0], 0xba);
	assert_int_equal(digest[31], 0xad);
}

struct hands {
	int64_t wall, monotonic;
};

static int64_t hands_wall(void *context)
{
	return ((struct hands *)context)->wall;
}

static int64_t hands_monotonic(void *context)
{
	return ((struct hands *)context)->monotonic;
}

static void test_clock_guard_distrusts_jumps(void **state)
{
	(void)state;
	struct hands hands = {1000000, 500};
	struct clock clock = {hands_wall, hands_monotonic, &hands};
	struct clock_guard guard;
	clock_guard_init(&guard, &clock, 600000);
	hands.wall += 600000 + 10;
	hands.monotonic += 10;
	assert_true(clock_guard_check(&guard, &clock));
	hands.wall += 600001;
	assert_false(clock_guard_check(&guard, &clock));
	hands.monotonic += 50;
	hands.wall += 50;
	assert_true(clock_guard_time(&guard, &clock) == 1600060);
	clock_guard_confirm(&guard, &clock);
	assert_true(clock_guard_check(&guard, &clock));
	hands.wall -= 700000;
	assert_false(clock_guard_check(&guard, &clock));
}

static void test_clock_text(void **state)
{
	(void)state;
	char text[CLOCK_TEXT_SIZE];
	int64_t wall;
	clock_format(1795395723456, text);
	assert_string_equal(text, "2026-11-23T01:02:03Z");
	assert_int_equal(clock_parse("2026-11-23T01:02:03.456Z", &wall), 0);
	assert_true(wall == 1795395723456);
	assert_int_equal(clock_parse("2026-11-23", &wall), 0);
	assert_int_equal(clock_parse("2026-02-30", &wall), SK_E_SYNTAX);
	assert_int_equal(clock_parse("2026-11-23T01:42:03", &wall), SK_E_SYNTAX);
	clock_format(INT64_MIN / 2, text);
	assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void test_file_replace_is_whole(void **state)
{
	(void)state;
	char folder[] = "/tmp/sekisho-test-XXXXXX";
	assert_non_null(mkdtemp(folder));
	char path[PATH_MAX];
	assert_int_equal(file_join(path, sizeof(path), folder, "f"), 0);
	struct error error = {0};
	assert_int_equal(file_replace(path, "one", 3, 0640, &error), 0);
	assert_int_equal(file_replace(path, "second", 6, 0640, &error), 0);
	char *data;
	size_t length;
	assert_int_equal(file_read(path, 6, &data, &length), 0);
	assert_int_equal(length, 6);
	assert_string_equal(data, "second");
	mem_free(data);
	assert_int_equal(file_read(path, 5, &data, &length), SK_E_LIMIT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0); /* no temporary was left */
	assert_true(file_replace(path, "x", 1, 0640, &error) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_error_keeps_cause_and_prefix),
	        cmocka_unit_test(test_buf_grows_to_maximum_and_sticks),
	        cmocka_unit_test(test_buf_formats),
	        cmocka_unit_test(test_buf_fixed_never_allocates),
	        cmocka_unit_test(test_cursor_error_sticks),
	        cmocka_unit_test(test_number_parses_whole_text_only),
	        cmocka_unit_test(test_siphash_reference_vectors),
	        cmocka_unit_test(test_siphash_in_pieces),
	        cmocka_unit_test(test_sha256_of_abc),
	        cmocka_unit_test(test_clock_guard_distrusts_jumps),
	        cmocka_unit_test(test_clock_text),
	        cmocka_unit_test(test_file_replace_is_whole),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
