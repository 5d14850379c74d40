#include <stddef.h>
#include <stdint.h>

#include "tests/unit/url_properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes as a URL and as a host. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	url_properties_check((const char *)data, size);
	url_properties_check_host((const char *)data, size);
	return 0;
}
