#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/attribute.h"
#include "lib/net/buffer_pool.h"
#include "lib/net/deadline.h"

static struct deadline_wheel wheel;
static struct deadline deadlines[1000];
static int64_t expected[1000], fired[1000];
static int64_t now;

static void on_expired(void *context, struct deadline *deadline)
{
	(void)context;
	size_t i = (size_t)(deadline - deadlines);
	assert_true(fired[i] == 0);
	fired[i] = now;
}

static void start(int64_t at)
{
	memset(deadlines, 0, sizeof(deadlines));
	memset(fired, 0, sizeof(fired));
	now = at;
	deadline_wheel_init(&wheel, now);
}

/* Every deadline fires once, never early, and at most two slots and a step late. */
static void test_each_fires_once_and_in_time(void **state)
{
	(void)state;
	start(1000000);
	srandom(7);
	for (size_t i = 0; i < SK_COUNT(deadlines); i++) {
		expected[i] = now + random() % 100000;
		deadline_set(&wheel, &deadlines[i], expected[i]);
	}
	for (; now < 1000000 + 101000; now += 20) {
		deadline_wheel_run(&wheel, now, on_expired, NULL);
		/* Some are moved, as connections do with each request. */
		size_t i = (size_t)random() % SK_COUNT(deadlines);
		if (fired[i] == 0) {
			expected[i] = now + random() % 5000;
			deadline_set(&wheel, &deadlines[i], expected[i]);
		}
	}
	for (size_t i = 0; i < SK_COUNT(deadlines); i++) {
		assert_true(fired[i] >= expected[i]);
		assert_true(fired[i] <= expected[i] + 2 * DEADLINE_TICK + 20);
	}
}

static void test_cleared_ones_do_not_fire(void **state)
{
	(void)state;
	start(5000);
	for (size_t i = 0; i < 10; i++) {
		deadline_set(&wheel, &deadlines[i], now + 100);
	}
	for (size_t i = 0; i < 10; i += 2) {
		deadline_clear(&deadlines[i]);
		deadline_clear(&deadlines[i]);
	}
	now += 1000;
	deadline_wheel_run(&wheel, now, on_expired, NULL);
	for (size_t i = 0; i < 10; i++) {
		assert_true((fired[i] != 0) == (i % 2 == 1));
	}
}

static void test_a_long_pause(void **state)
{
	(void)state;
	start(0);
	deadline_set(&wheel, &deadlines[0], 10);
	deadline_set(&wheel, &deadlines[1], 10000000);
	now = 9000000; /* the machine slept */
	deadline_wheel_run(&wheel, now, on_expired, NULL);
	assert_true(fired[0] != 0 && fired[1] == 0);
	now = 10000100;
	deadline_wheel_run(&wheel, now, on_expired, NULL);
	assert_true(fired[1] != 0);
}

static void test_pool_reuses_and_bounds(void **state)
{
	(void)state;
	struct buffer_pool pool;
	size_t capacity, first_capacity;
	buffer_pool_init(&pool, 64 << 10);
	void *first = buffer_pool_take(&pool, BUFFER_FOR_REQUEST, 100, &first_capacity);
	assert_non_null(first);
	assert_int_equal(first_capacity, 4096);
	memset(first, 1, first_capacity);
	buffer_pool_give(&pool, first, first_capacity);
	assert_ptr_equal(buffer_pool_take(&pool, BUFFER_FOR_REQUEST, 4096, &capacity), first);
	assert_null(buffer_pool_take(
	        &pool, BUFFER_FOR_REQUEST, 64 << 10, &capacity)); /* above the maximum together */
	void *second = buffer_pool_take(&pool, BUFFER_FOR_REQUEST, 5000, &capacity);
	assert_non_null(second);
	assert_int_equal(capacity, 16 << 10);
	/* Answers may have three quarters only. */
	size_t third_capacity;
	void *third = buffer_pool_take(&pool, BUFFER_FOR_ANSWER, 10000, &third_capacity);
	assert_non_null(third);
	assert_null(buffer_pool_take(&pool, BUFFER_FOR_ANSWER, 16384, &third_capacity));
	void *fourth = buffer_pool_take(&pool, BUFFER_FOR_REQUEST, 16384, &third_capacity);
	assert_non_null(fourth);
	buffer_pool_give(&pool, third, third_capacity);
	buffer_pool_give(&pool, fourth, third_capacity);
	assert_null(buffer_pool_take(&pool, BUFFER_FOR_REQUEST, BUFFER_SIZE_MAX + 1, &capacity));
	buffer_pool_give(&pool, second, capacity);
	buffer_pool_give(&pool, first, first_capacity);
	buffer_pool_give(&pool, NULL, 0);
	assert_int_equal(pool.out, 0);
	buffer_pool_release(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_each_fires_once_and_in_time),
	        cmocka_unit_test(test_cleared_ones_do_not_fire),
	        cmocka_unit_test(test_a_long_pause),
	        cmocka_unit_test(test_pool_reuses_and_bounds),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
