#include "lib/lookup/lookup_file.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/lookup/lookup_format.h"

/*
 * Reading goes in pieces that fit into the second-level cache: each piece is hashed right after
 * read() has put it there, so that the data comes from memory once.
 */
#define READ_PIECE ((size_t)256 << 10)

struct lookup_file {
	bool owned; /* data is from mem_map_large */
	const unsigned char *data;
	size_t size;
	const unsigned char *table;
	uint32_t chunk_count;
};

/* What the header says is checked before anything is read or hashed: a file of another kind or
 * version is to be named as such, not as damaged. */
static int check_header(
        const unsigned char *header, size_t size, enum lookup_kind kind, struct error *error)
{
	if (memcmp(header, LOOKUP_MAGIC, LOOKUP_MAGIC_SIZE) != 0) {
		return error_set(error, SK_E_CORRUPT, "it is not a lookup file");
	}
	uint32_t version = bytes_get_le32(header + 8);
	if (version != LOOKUP_VERSION) {
		return error_set(error, SK_E_VERSION,
		        "it has format version %" PRIu32 ", this program reads %d", version,
		        LOOKUP_VERSION);
	}
	uint32_t found = bytes_get_le32(header + 12);
	if (found != (uint32_t)kind) {
		return error_set(
		        error, SK_E_CORRUPT, "it is of kind %" PRIu32 ", not %d", found, (int)kind);
	}
	uint32_t count = bytes_get_le32(header + 16);
	if (count > LOOKUP_CHUNKS_MAX) {
		return error_set(error, SK_E_CORRUPT, "it claims %" PRIu32 " chunks", count);
	}
	if (size < LOOKUP_HEADER_SIZE + (size_t)count * LOOKUP_ROW_SIZE + LOOKUP_TAIL_SIZE) {
		return error_set(error, SK_E_CORRUPT, "it ends too early");
	}
	for (size_t i = 20; i < LOOKUP_HEADER_SIZE; i++) {
		if (header[i] != 0) {
			return error_set(
			        error, SK_E_CORRUPT, "byte %zu of the header is not zero", i);
		}
	}
	return 0;
}

static int check_size(uint64_t size, struct error *error)
{
	if (size < LOOKUP_HEADER_SIZE + LOOKUP_TAIL_SIZE) {
		return error_set(error, SK_E_CORRUPT,
		        "it has %" PRIu64 " bytes: too short for a lookup file", size);
	}
	if (size > LOOKUP_SIZE_MAX) {
		return error_set(error, SK_E_LIMIT, "it has %" PRIu64 " bytes, more than %" PRIu64,
		        size, LOOKUP_SIZE_MAX);
	}
	return 0;
}

/* The chunk table: rows in the order of the offsets, aligned, apart, inside, names unique. */
static int check_table(struct lookup_file *file, struct error *error)
{
	const unsigned char *data = file->data;
	size_t size = file->size;
	file->chunk_count = bytes_get_le32(data + 16);
	size_t table_offset = size - LOOKUP_TAIL_SIZE - (size_t)file->chunk_count * LOOKUP_ROW_SIZE;
	file->table = data + table_offset;
	if (bytes_get_le64(data + size - LOOKUP_TAIL_SIZE) != size) {
		return error_set(error, SK_E_CORRUPT, "the size that stands in it is not its size");
	}
	uint64_t free_from = LOOKUP_HEADER_SIZE;
	for (uint32_t i = 0; i < file->chunk_count; i++) {
		const unsigned char *row = file->table + (size_t)i * LOOKUP_ROW_SIZE;
		uint64_t offset = bytes_get_le64(row + 8);
		uint64_t length = bytes_get_le64(row + 16);
		if (offset % LOOKUP_ALIGN != 0 || offset < free_from || offset > table_offset ||
		        length > table_offset - offset || bytes_get_le32(row + 4) != 0) {
			return error_set(error, SK_E_CORRUPT,
			        "row %" PRIu32 " of the chunk table is wrong", i);
		}
		free_from = offset + length;
		for (uint32_t j = 0; j < i; j++) {
			if (memcmp(row, file->table + (size_t)j * LOOKUP_ROW_SIZE, 4) == 0) {
				return error_set(error, SK_E_CORRUPT,
				        "two chunks have the name of row %" PRIu32, i);
			}
		}
	}
	return 0;
}

/* Reads what is left of `size` bytes and hashes all but the checksum itself. */
static int read_and_hash(int fd, unsigned char *data, size_t have, size_t size, EVP_MD_CTX *hash,
        struct error *error)
{
	size_t hashed = 0;
	size_t hash_end = size - SHA256_SIZE;
	while (have < size) {
		size_t want = size - have < READ_PIECE ? size - have : READ_PIECE;
		ssize_t got = pread(fd, data + have, want, (off_t)have);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return error_set_code(error, -errno, "cannot read it");
		}
		if (got == 0) {
			return error_set(
			        error, SK_E_CORRUPT, "it became shorter while it was read");
		}
		have += (size_t)got;
		size_t upto = have < hash_end ? have : hash_end;
		if (EVP_DigestUpdate(hash, data + hashed, upto - hashed) != 1) {
			return error_set_code(error, SK_E_CRYPTO, "cannot hash it");
		}
		hashed = upto;
	}
	return 0;
}

static int read_first(int fd, unsigned char header[LOOKUP_HEADER_SIZE], struct error *error)
{
	ssize_t got;
	do {
		got = pread(fd, header, LOOKUP_HEADER_SIZE, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return error_set_code(error, -errno, "cannot read it");
	}
	if (got != LOOKUP_HEADER_SIZE) {
		return error_set(error, SK_E_CORRUPT, "it became shorter while it was read");
	}
	return 0;
}

/* Reads everything into `data`, whose header was checked already, and compares the checksum. */
static int read_checked(int fd, unsigned char *data, size_t size, struct error *error)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(hash);
		return error_set_code(error, SK_E_CRYPTO, "cannot hash it");
	}
	int status = read_and_hash(fd, data, LOOKUP_HEADER_SIZE, size, hash, error);
	if (status == 0 && EVP_DigestFinal_ex(hash, digest, NULL) != 1) {
		status = error_set_code(error, SK_E_CRYPTO, "cannot hash it");
	}
	EVP_MD_CTX_free(hash);
	if (status == 0 && memcmp(digest, data + size - SHA256_SIZE, SHA256_SIZE) != 0) {
		status = error_set(error, SK_E_CORRUPT, "its checksum is wrong");
	}
	return status;
}

static int file_new(const unsigned char *data, size_t size, bool owned,
        struct lookup_file **ret_file, struct error *error)
{
	struct lookup_file *file = mem_new(1, sizeof(*file));
	if (file == NULL) {
		return error_set_code(error, -ENOMEM, "cannot keep it");
	}
	*file = (struct lookup_file){.owned = owned, .data = data, .size = size};
	int status = check_table(file, error);
	if (status != 0) {
		mem_free(file);
		return status;
	}
	*ret_file = file;
	return 0;
}

int lookup_file_load(
        int fd, enum lookup_kind kind, struct lookup_file **ret_file, struct error *error)
{
	struct stat info;
	if (fstat(fd, &info) != 0) {
		return error_set_code(error, -errno, "cannot ask for its size");
	}
	if (!S_ISREG(info.st_mode)) {
		return error_set(error, SK_E_CORRUPT, "it is not a file");
	}
	size_t size = (size_t)info.st_size;
	unsigned char header[LOOKUP_HEADER_SIZE];
	int status = check_size(size, error);
	if (status == 0) {
		status = read_first(fd, header, error);
	}
	if (status == 0) {
		status = check_header(header, size, kind, error);
	}
	if (status != 0) {
		return status;
	}
	unsigned char *data = mem_map_large(size);
	if (data == NULL) {
		return error_set_code(error, -ENOMEM, "cannot get memory for %zu bytes", size);
	}
	memcpy(data, header, sizeof(header));
	status = read_checked(fd, data, size, error);
	if (status == 0) {
		/* From here on nobody may write to it, not even by mistake. */
		(void)mprotect(data, size, PROT_READ);
		status = file_new(data, size, true, ret_file, error);
	}
	if (status != 0) {
		mem_unmap_large(data, size);
	}
	return status;
}

int lookup_file_over(const void *data, size_t size, enum lookup_kind kind,
        struct lookup_file **ret_file, struct error *error)
{
	const unsigned char *bytes = data;
	unsigned char digest[SHA256_SIZE];
	int status = check_size(size, error);
	if (status == 0) {
		status = check_header(bytes, size, kind, error);
	}
	if (status != 0) {
		return status;
	}
	status = sha256(bytes, size - SHA256_SIZE, digest);
	if (status != 0) {
		return error_set_code(error, status, "cannot hash it");
	}
	if (memcmp(digest, bytes + size - SHA256_SIZE, SHA256_SIZE) != 0) {
		return error_set(error, SK_E_CORRUPT, "its checksum is wrong");
	}
	return file_new(bytes, size, false, ret_file, error);
}

void lookup_file_close(struct lookup_file *file)
{
	if (file != NULL) {
		if (file->owned) {
			mem_unmap_large((void *)(uintptr_t)file->data, file->size);
		}
		mem_free(file);
	}
}

size_t lookup_file_size(const struct lookup_file *file)
{
	return file->size;
}

const unsigned char *lookup_file_checksum(const struct lookup_file *file)
{
	return file->data + file->size - SHA256_SIZE;
}

const unsigned char *lookup_file_chunk(
        const struct lookup_file *file, const char id[4], size_t *ret_size)
{
	for (uint32_t i = 0; i < file->chunk_count; i++) {
		const unsigned char *row = file->table + (size_t)i * LOOKUP_ROW_SIZE;
		if (memcmp(row, id, 4) == 0) {
			*ret_size = (size_t)bytes_get_le64(row + 16);
			return file->data + bytes_get_le64(row + 8);
		}
	}
	*ret_size = 0;
	return NULL;
}
