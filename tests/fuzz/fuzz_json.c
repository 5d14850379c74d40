/* JSON reader and writer: what the reader takes is written again and must be read the same. */
#include <assert.h>
#include <stdint.h>

#include "tests/unit/json_copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first, second;
	if (size > 65536) {
		return 0;
	}
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	if (json_copy((const char *)data, size, &first) == 0) {
		assert(buf_status(&first) == 0);
		int status = json_copy(first.data, first.length, &second);
		assert(status == 0);
		assert(first.length == second.length);
		assert(memcmp(first.data, second.data, first.length) == 0);
	}
	buf_release(&first);
	buf_release(&second);
	return 0;
}
