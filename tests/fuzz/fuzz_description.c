/* The pattern description: any bytes are refused with a reason, or give a description that holds
 * together. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pattern/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct description description;
	struct error error = {0};
	int status = description_parse((const char *)data, size, &description, &error);
	if (status != 0) {
		if (error.code != status || error.text[0] == '\0') {
			abort();
		}
		return 0;
	}
	if (description.input_count == 0 || description.source_count == 0) {
		abort();
	}
	for (size_t i = 0; i < description.input_count; i++) {
		const struct description_input *input = &description.inputs[i];
		if (input->format == NULL || input->value.score > 100 ||
		        input->value.origins != UINT64_C(1) << input->source_index ||
		        strcmp(description.sources[input->source_index], input->source) != 0) {
			abort();
		}
	}
	description_release(&description);
	return 0;
}
