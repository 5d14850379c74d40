#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/lookup_format.h"

/* Small adds are collected; a full buffer is hashed while it is in the cache, then written. */
#define WRITE_BUFFER ((size_t)256 << 10)

struct lookup_writer {
	int fd;
	int status; /* first error; sticks */
	EVP_MD_CTX *hash;
	uint64_t offset; /* of the next byte */
	unsigned chunk_count; /* as promised in the header */
	unsigned started;
	unsigned char rows[LOOKUP_CHUNKS_MAX][LOOKUP_ROW_SIZE];
	size_t held;
	unsigned char buffer[WRITE_BUFFER];
};

static int flush(struct lookup_writer *writer)
{
	if (writer->status == 0 && writer->held > 0) {
		if (EVP_DigestUpdate(writer->hash, writer->buffer, writer->held) != 1) {
			writer->status = SK_E_CRYPTO;
		} else {
			writer->status = file_write_all(writer->fd, writer->buffer, writer->held);
		}
		writer->held = 0;
	}
	return writer->status;
}

int lookup_writer_add(struct lookup_writer *writer, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	if (writer->status == 0 && size > LOOKUP_SIZE_MAX - writer->offset) {
		writer->status = SK_E_LIMIT;
	}
	while (size > 0 && writer->status == 0) {
		size_t room = WRITE_BUFFER - writer->held;
		size_t take = size < room ? size : room;
		memcpy(writer->buffer + writer->held, at, take);
		writer->held += take;
		writer->offset += take;
		at += take;
		size -= take;
		if (writer->held == WRITE_BUFFER) {
			(void)flush(writer);
		}
	}
	return writer->status;
}

static int add_padding(struct lookup_writer *writer)
{
	static const unsigned char zeros[LOOKUP_ALIGN];
	return lookup_writer_add(
	        writer, zeros, (size_t)(lookup_align(writer->offset) - writer->offset));
}

int lookup_writer_new(
        int fd, enum lookup_kind kind, unsigned chunk_count, struct lookup_writer **ret_writer)
{
	if (chunk_count > LOOKUP_CHUNKS_MAX) {
		return SK_E_LIMIT;
	}
	struct lookup_writer *writer = mem_new(1, sizeof(*writer));
	if (writer == NULL) {
		return -ENOMEM;
	}
	writer->fd = fd;
	writer->chunk_count = chunk_count;
	writer->hash = EVP_MD_CTX_new();
	if (writer->hash == NULL || EVP_DigestInit_ex(writer->hash, EVP_sha256(), NULL) != 1) {
		lookup_writer_free(writer);
		return SK_E_CRYPTO;
	}
	unsigned char header[LOOKUP_HEADER_SIZE] = {0};
	memcpy(header, LOOKUP_MAGIC, LOOKUP_MAGIC_SIZE);
	bytes_put_le32(header + 8, LOOKUP_VERSION);
	bytes_put_le32(header + 12, (uint32_t)kind);
	bytes_put_le32(header + 16, chunk_count);
	int status = lookup_writer_add(writer, header, sizeof(header));
	if (status != 0) {
		lookup_writer_free(writer);
		return status;
	}
	*ret_writer = writer;
	return 0;
}

/* Ends the chunk that is open: its row gets the length. */
static void end_chunk(struct lookup_writer *writer)
{
	if (writer->started > 0) {
		unsigned char *row = writer->rows[writer->started - 1];
		bytes_put_le64(row + 16, writer->offset - bytes_get_le64(row + 8));
	}
}

int lookup_writer_start_chunk(struct lookup_writer *writer, const char id[4])
{
	end_chunk(writer);
	if (writer->status == 0 && writer->started == writer->chunk_count) {
		writer->status = SK_E_INTERNAL;
	}
	if (add_padding(writer) != 0) {
		return writer->status;
	}
	unsigned char *row = writer->rows[writer->started++];
	memcpy(row, id, 4);
	bytes_put_le64(row + 8, writer->offset);
	return 0;
}

/* The checksum goes out by itself: it is not part of what it covers. */
static int write_checksum(struct lookup_writer *writer)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	if (flush(writer) != 0) {
		return writer->status;
	}
	if (EVP_DigestFinal_ex(writer->hash, digest, NULL) != 1) {
		return SK_E_CRYPTO;
	}
	return file_write_all(writer->fd, digest, SHA256_SIZE);
}

int lookup_writer_finish(struct lookup_writer *writer)
{
	end_chunk(writer);
	if (writer->status == 0 && writer->started != writer->chunk_count) {
		writer->status = SK_E_INTERNAL;
	}
	unsigned char total[8];
	int status = add_padding(writer);
	if (status == 0) {
		status = lookup_writer_add(
		        writer, writer->rows, (size_t)writer->started * LOOKUP_ROW_SIZE);
	}
	if (status == 0) {
		bytes_put_le64(total, writer->offset + LOOKUP_TAIL_SIZE);
		status = lookup_writer_add(writer, total, sizeof(total));
	}
	if (status == 0) {
		status = write_checksum(writer);
	}
	lookup_writer_free(writer);
	return status;
}

void lookup_writer_free(struct lookup_writer *writer)
{
	if (writer != NULL) {
		EVP_MD_CTX_free(writer->hash);
		mem_free(writer);
	}
}
