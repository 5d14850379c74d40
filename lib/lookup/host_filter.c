#include "lib/lookup/host_filter.h"

#include <errno.h>

#include "lib/base/mem.h"

#define HEADER_SIZE 64

static bool rest_is_zero(const unsigned char *header)
{
	for (size_t i = 17; i < HEADER_SIZE; i++) {
		if (header[i] != 0) {
			return false;
		}
	}
	return true;
}

int host_filter_open(struct host_filter *filter, const struct lookup_file *file, const char id[4],
        struct error *error)
{
	size_t size;
	const unsigned char *chunk = lookup_file_chunk(file, id, &size);
	if (chunk == NULL) {
		return error_set(error, SK_E_CORRUPT, "the chunk %.4s is missing", id);
	}
	if (size < HEADER_SIZE + HOST_FILTER_BLOCK_SIZE) {
		return error_set(error, SK_E_CORRUPT, "the host filter %.4s is too short", id);
	}
	uint64_t block_count = bytes_get_le64(chunk);
	uint64_t blocks_size = size - HEADER_SIZE;
	if (blocks_size % HOST_FILTER_BLOCK_SIZE != 0 ||
	        block_count != blocks_size / HOST_FILTER_BLOCK_SIZE ||
	        chunk[16] != HOST_FILTER_PROBES || !rest_is_zero(chunk)) {
		return error_set(
		        error, SK_E_CORRUPT, "the header of the host filter %.4s is wrong", id);
	}
	*filter = (struct host_filter){
	        .blocks = chunk + HEADER_SIZE,
	        .block_count = block_count,
	        .host_count = bytes_get_le64(chunk + 8),
	};
	return 0;
}

int host_filter_builder_init(
        struct host_filter_builder *builder, uint64_t host_count, unsigned bits_per_host)
{
	if (host_count > UINT32_MAX || bits_per_host > 64) {
		return SK_E_LIMIT;
	}
	uint64_t bits = host_count * bits_per_host;
	uint64_t per_block = HOST_FILTER_BLOCK_SIZE * 8;
	uint64_t blocks = bits > 0 ? (bits + per_block - 1) / per_block : 1;
	unsigned char *memory = mem_map_large((size_t)blocks * HOST_FILTER_BLOCK_SIZE);
	if (memory == NULL) {
		return -ENOMEM;
	}
	*builder = (struct host_filter_builder){memory, blocks, host_count};
	return 0;
}

void host_filter_builder_release(struct host_filter_builder *builder)
{
	mem_unmap_large(builder->blocks, (size_t)builder->block_count * HOST_FILTER_BLOCK_SIZE);
	builder->blocks = NULL;
}

void host_filter_builder_add(struct host_filter_builder *builder, uint64_t hash)
{
	unsigned char *block =
	        builder->blocks +
	        HOST_FILTER_BLOCK_SIZE * host_filter_block(builder->block_count, hash);
	uint64_t bits = host_filter_bits(hash);
	for (unsigned i = 0; i < HOST_FILTER_PROBES; i++) {
		unsigned bit = (unsigned)(bits >> (9 * i)) & 511;
		block[bit / 8] |= (unsigned char)(1u << (bit % 8));
	}
}

struct host_filter host_filter_builder_view(const struct host_filter_builder *builder)
{
	return (struct host_filter){builder->blocks, builder->block_count, builder->host_count};
}

int host_filter_builder_write(
        const struct host_filter_builder *builder, struct lookup_writer *writer, const char id[4])
{
	unsigned char header[HEADER_SIZE] = {0};
	bytes_put_le64(header, builder->block_count);
	bytes_put_le64(header + 8, builder->host_count);
	header[16] = HOST_FILTER_PROBES;
	int status = lookup_writer_start_chunk(writer, id);
	if (status == 0) {
		status = lookup_writer_add(writer, header, sizeof(header));
	}
	if (status == 0) {
		status = lookup_writer_add(writer, builder->blocks,
		        (size_t)builder->block_count * HOST_FILTER_BLOCK_SIZE);
	}
	return status;
}
