#include "pattern/input.h"

#include <archive.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"

/* Expanded bytes at hand; several lines of the largest size. */
#define INPUT_BLOCK (1024 * 1024)
/* Compressed bytes read at once. */
#define INPUT_READ 65536
_Static_assert(INPUT_BLOCK >= 2 * LIMIT_FEED_LINE, "a line of any allowed length fits");

struct input {
	char *block;
	size_t start, end; /* unread bytes of the block */
	int fd; /* -1: over memory */
	bool ended; /* nothing comes after the block */
	bool skipping; /* within a line above its maximum */
	int status; /* an error stays */
	uint64_t maximum;
	uint64_t bytes;
	uint64_t line;
	struct archive *archive; /* NULL: not compressed */
	char *raw; /* compressed bytes for libarchive */
	size_t raw_first; /* of them read before libarchive asked */
	EVP_MD_CTX *digest;
	char reason[ERROR_TEXT_MAX];
};

static int input_fail(struct input *input, int status, const char *reason)
{
	struct error error = {0};
	error_set(&error, status, "%s", reason);
	memcpy(input->reason, error.text, sizeof(error.text));
	input->status = status;
	return status;
}

/* read() over EINTR; bytes, 0 at the end, -errno. */
static ssize_t input_read_fd(int fd, void *space, size_t size)
{
	for (;;) {
		ssize_t got = read(fd, space, size);
		if (got >= 0) {
			return got;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

/* libarchive's read callback: first the bytes that told the kind, then the descriptor. */
static la_ssize_t input_archive_read(struct archive *archive, void *context, const void **ret_bytes)
{
	struct input *input = context;
	*ret_bytes = input->raw;
	if (input->raw_first > 0) {
		size_t first = input->raw_first;
		input->raw_first = 0;
		return (la_ssize_t)first;
	}
	ssize_t got = input_read_fd(input->fd, input->raw, INPUT_READ);
	if (got < 0) {
		archive_set_error(archive, (int)-got, "cannot be read");
		return -1;
	}
	return (la_ssize_t)got;
}

static bool input_is_compressed(const char *bytes, size_t size)
{
	static const struct {
		unsigned char bytes[6];
		size_t size;
	} magics[] = {
	        {{0xfd, '7', 'z', 'X', 'Z', 0}, 6},
	        {{0x1f, 0x8b, 8}, 3},
	        {{0x28, 0xb5, 0x2f, 0xfd}, 4},
	};
	for (size_t i = 0; i < SK_COUNT(magics); i++) {
		if (size >= magics[i].size && memcmp(bytes, magics[i].bytes, magics[i].size) == 0) {
			return true;
		}
	}
	return false;
}

/* ARCHIVE_WARN would mean that libarchive runs an external program: not wanted. */
static int input_start_archive(struct input *input)
{
	struct archive_entry *entry;
	input->archive = archive_read_new();
	if (input->archive == NULL) {
		return input_fail(input, -ENOMEM, "no memory");
	}
	if (archive_read_support_filter_xz(input->archive) != ARCHIVE_OK ||
	        archive_read_support_filter_gzip(input->archive) != ARCHIVE_OK ||
	        archive_read_support_filter_zstd(input->archive) != ARCHIVE_OK ||
	        archive_read_support_format_raw(input->archive) != ARCHIVE_OK) {
		return input_fail(input, SK_E_UNSUPPORTED, "compression that is not built in");
	}
	if (archive_read_open(input->archive, input, NULL, input_archive_read, NULL) !=
	                ARCHIVE_OK ||
	        archive_read_next_header(input->archive, &entry) != ARCHIVE_OK) {
		return input_fail(input, SK_E_CORRUPT, "damaged compression");
	}
	return 0;
}

/* Reads the first bytes and decides whether they are compressed. */
static int input_start(struct input *input)
{
	size_t have = 0;
	while (have < INPUT_READ) {
		ssize_t got = input_read_fd(input->fd, input->block + have, INPUT_READ - have);
		if (got < 0) {
			return input_fail(input, (int)got, sk_strerror((int)got));
		}
		if (got == 0) {
			break;
		}
		have += (size_t)got;
	}
	if (input_is_compressed(input->block, have)) {
		input->raw = mem_new(INPUT_READ, 1);
		if (input->raw == NULL) {
			return input_fail(input, -ENOMEM, "no memory");
		}
		memcpy(input->raw, input->block, have);
		input->raw_first = have;
		return input_start_archive(input);
	}
	input->end = have;
	input->bytes = have;
	if (EVP_DigestUpdate(input->digest, input->block, have) != 1) {
		return input_fail(input, SK_E_CRYPTO, "SHA-256 failed");
	}
	return input->bytes > input->maximum
	               ? input_fail(input, SK_E_LIMIT, "larger than its maximum")
	               : 0;
}

/* Space for a block, and the digest when there is something to read. */
static struct input *input_new(size_t block)
{
	struct input *input = mem_new(1, sizeof(*input));
	if (input == NULL) {
		return NULL;
	}
	input->fd = -1;
	input->block = mem_new(block > 0 ? block : 1, 1);
	input->digest = EVP_MD_CTX_new();
	if (input->block == NULL || input->digest == NULL ||
	        EVP_DigestInit_ex(input->digest, EVP_sha256(), NULL) != 1) {
		input_close(input);
		return NULL;
	}
	return input;
}

int input_open(int fd, uint64_t maximum, struct input **ret_input, struct error *error)
{
	struct input *input = input_new(INPUT_BLOCK);
	if (input == NULL) {
		return error_set_code(error, -ENOMEM, "cannot read a list");
	}
	input->fd = fd;
	input->maximum = maximum;
	int status = input_start(input);
	if (status != 0) {
		error_set(error, status, "%s", input->reason);
		input_close(input);
		return status;
	}
	*ret_input = input;
	return 0;
}

int input_over(const void *bytes, size_t size, struct input **ret_input)
{
	struct input *input = input_new(size);
	if (input == NULL) {
		return -ENOMEM;
	}
	if (size > 0) {
		memcpy(input->block, bytes, size);
	}
	input->end = size;
	input->bytes = size;
	input->ended = true;
	if (EVP_DigestUpdate(input->digest, input->block, size) != 1) {
		input_close(input);
		return SK_E_CRYPTO;
	}
	*ret_input = input;
	return 0;
}

void input_close(struct input *input)
{
	if (input == NULL) {
		return;
	}
	if (input->archive != NULL) {
		(void)archive_read_free(input->archive);
	}
	EVP_MD_CTX_free(input->digest);
	mem_free(input->raw);
	mem_free(input->block);
	mem_free(input);
}

/* Moves what is unread to the front and reads more behind it. */
static int input_fill(struct input *input)
{
	if (input->start > 0) {
		memmove(input->block, input->block + input->start, input->end - input->start);
		input->end -= input->start;
		input->start = 0;
	}
	char *room = input->block + input->end;
	size_t size = INPUT_BLOCK - input->end;
	ssize_t got;
	if (input->archive != NULL) {
		got = (ssize_t)archive_read_data(input->archive, room, size);
		if (got < 0) {
			return input_fail(input, SK_E_CORRUPT, "damaged compression");
		}
	} else {
		got = input_read_fd(input->fd, room, size);
		if (got < 0) {
			return input_fail(input, (int)got, sk_strerror((int)got));
		}
	}
	if (got == 0) {
		input->ended = true;
		return 0;
	}
	input->end += (size_t)got;
	input->bytes += (size_t)got;
	if (input->bytes > input->maximum) {
		return input_fail(input, SK_E_LIMIT, "larger than its maximum");
	}
	if (EVP_DigestUpdate(input->digest, room, (size_t)got) != 1) {
		return input_fail(input, SK_E_CRYPTO, "SHA-256 failed");
	}
	return 0;
}

int input_peek(struct input *input, const char **ret_bytes, size_t *ret_size)
{
	while (input->status == 0 && input->start == input->end && !input->ended) {
		(void)input_fill(input);
	}
	if (input->status != 0) {
		return input->status;
	}
	*ret_bytes = input->block + input->start;
	*ret_size = input->end - input->start;
	return 0;
}

void input_consume(struct input *input, size_t size)
{
	input->start += size;
}

/* A line of `length` bytes at the start of what is unread, `behind` of them with its end. */
static int input_give_line(struct input *input, size_t length, size_t behind, const char **ret_line,
        size_t *ret_length)
{
	const char *line = input->block + input->start;
	input->start += behind;
	input->line++;
	bool skipped = input->skipping;
	input->skipping = false;
	if (skipped || length > LIMIT_FEED_LINE) {
		*ret_line = NULL;
		*ret_length = 0;
		return 1;
	}
	if (length > 0 && line[length - 1] == '\r') {
		length--;
	}
	if (input->line == 1 && length >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		length -= 3;
	}
	*ret_line = line;
	*ret_length = length;
	return 1;
}

int input_line(struct input *input, const char **ret_line, size_t *ret_length)
{
	for (;;) {
		size_t size = input->end - input->start;
		const char *lf = memchr(input->block + input->start, '\n', size);
		if (lf != NULL) {
			size_t length = (size_t)(lf - (input->block + input->start));
			return input_give_line(input, length, length + 1, ret_line, ret_length);
		}
		if (input->status != 0) {
			return input->status;
		}
		if (input->ended) {
			if (size == 0 && !input->skipping) {
				return 0;
			}
			return input_give_line(input, size, size, ret_line, ret_length);
		}
		if (size > LIMIT_FEED_LINE + 1) {
			input->skipping = true;
			input->start = input->end;
		}
		int status = input_fill(input);
		if (status != 0) {
			return status;
		}
	}
}

uint64_t input_line_number(const struct input *input)
{
	return input->line;
}

uint64_t input_bytes(const struct input *input)
{
	return input->bytes;
}

const char *input_reason(const struct input *input)
{
	return input->reason;
}

int input_digest(struct input *input, unsigned char ret_digest[SHA256_SIZE])
{
	while (!input->ended) {
		input->start = input->end;
		if (input->status != 0) {
			return input->status;
		}
		int status = input_fill(input);
		if (status != 0) {
			return status;
		}
	}
	return EVP_DigestFinal_ex(input->digest, ret_digest, NULL) == 1 ? 0 : SK_E_CRYPTO;
}
