#include <string.h>

#include "lib/base/bytes.h"
#include "lib/lookup/policy.h"
#include "lib/lookup/policy_format.h"
#include "lib/lookup/policy_state.h"

/* Deciding an entry by its text: everything that a key cannot tell. */

struct match_text {
	const char *host;
	uint32_t host_length;
	const char *path; /* with query */
	uint32_t path_length; /* without query */
	uint32_t whole_length;
};

static struct match_text match_text_of(const struct policy *policy, const unsigned char *entry)
{
	struct match_text text;
	text.host = (const char *)policy->texts + bytes_get_le32(entry + POLICY_ENTRY_MATCH);
	text.host_length = bytes_get_le16(entry + POLICY_ENTRY_HOST_LENGTH);
	text.path = text.host + text.host_length;
	text.path_length = bytes_get_le16(entry + POLICY_ENTRY_PATH_LENGTH);
	text.whole_length = bytes_get_le16(entry + POLICY_ENTRY_WHOLE_LENGTH);
	return text;
}

static bool host_is(const struct match_text *text, const struct url *url)
{
	return url->host_length == text->host_length &&
	       memcmp(url->text + url->host_start, text->host, text->host_length) == 0;
}

static bool host_is_or_ends_in(const struct match_text *text, const struct url *url)
{
	if (url->host_length <= text->host_length) {
		return host_is(text, url);
	}
	if (url->address.family != ADDRESS_NONE) {
		return false;
	}
	const char *end = url->text + url->host_start + url->host_length;
	return end[-(ptrdiff_t)text->host_length - 1] == '.' &&
	       memcmp(end - text->host_length, text->host, text->host_length) == 0;
}

static bool whole_is(const struct match_text *text, const struct url *url)
{
	return url->path_length + url->query_length == text->whole_length &&
	       url->path_length == text->path_length &&
	       memcmp(url->text + url->path_start, text->path, text->whole_length) == 0;
}

/* The path and everything under it; with a query exactly that. */
static bool path_is_or_is_below(const struct match_text *text, const struct url *url)
{
	if (text->whole_length != text->path_length) {
		return whole_is(text, url);
	}
	const char *path = url->text + url->path_start;
	if (url->path_length < text->path_length ||
	        memcmp(path, text->path, text->path_length) != 0) {
		return false;
	}
	return url->path_length == text->path_length || text->path[text->path_length - 1] == '/' ||
	       path[text->path_length] == '/';
}

/*
 * Whether `glob` describes all of `text`, '*' standing for any run of bytes; with `open` a
 * beginning of `text` is enough. Each piece between two '*' is taken where it first occurs: linear
 * for pieces of a given length, and never a step back.
 */
static bool glob_matches(
        const char *glob, size_t glob_length, const char *text, size_t length, bool open)
{
	const char *star = memchr(glob, '*', glob_length);
	size_t piece = star != NULL ? (size_t)(star - glob) : glob_length;
	if (length < piece || memcmp(glob, text, piece) != 0) {
		return false;
	}
	text += piece;
	length -= piece;
	while (star != NULL) {
		glob_length -= piece + 1;
		glob = star + 1;
		star = memchr(glob, '*', glob_length);
		piece = star != NULL ? (size_t)(star - glob) : glob_length;
		if (star == NULL && !open) {
			return length >= piece && memcmp(text + length - piece, glob, piece) == 0;
		}
		const char *found = memmem(text, length, glob, piece);
		if (found == NULL) {
			return false;
		}
		length -= (size_t)(found - text) + piece;
		text = found + piece;
	}
	return open || length == 0;
}

/* A path that ends in "/" stands for everything below it, too. */
static bool glob_covers(const struct match_text *text, const struct url *url)
{
	bool folder =
	        text->whole_length == text->path_length && text->path[text->path_length - 1] == '/';
	return glob_matches(text->host, text->host_length, url->text + url->host_start,
	               url->host_length, false) &&
	       glob_matches(text->path, text->whole_length, url->text + url->path_start,
	               folder ? url->path_length : url->path_length + url->query_length, folder);
}

static bool address_covers(
        const struct policy *policy, const unsigned char *entry, const struct url *url)
{
	const unsigned char *text = policy->texts + bytes_get_le32(entry + POLICY_ENTRY_MATCH);
	struct address_prefix prefix = {.address.family = text[0], .length = text[1]};
	memcpy(prefix.address.bytes, text + 2, sizeof(prefix.address.bytes));
	return url->address.family != ADDRESS_NONE && address_in_prefix(&url->address, &prefix);
}

bool policy_entry_covers(const struct policy *policy, uint32_t index, const struct url *url)
{
	const unsigned char *entry = policy->entries + (size_t)index * POLICY_ENTRY_SIZE;
	struct match_text text = match_text_of(policy, entry);
	switch ((enum policy_form)entry[POLICY_ENTRY_FORM]) {
	case POLICY_FORM_SITE:
		return host_is_or_ends_in(&text, url) && path_is_or_is_below(&text, url);
	case POLICY_FORM_PAGE:
		return host_is(&text, url) && whole_is(&text, url);
	case POLICY_FORM_FOLDER:
		return host_is(&text, url) && path_is_or_is_below(&text, url);
	case POLICY_FORM_GLOB:
		return glob_covers(&text, url);
	case POLICY_FORM_ADDRESS:
		return address_covers(policy, entry, url);
	case POLICY_FORM_DIGEST:
	case POLICY_FORM_KEYWORD:
	case POLICY_FORM_COUNT:
		break;
	}
	return false;
}

bool policy_entry_covers_digest(
        const struct policy *policy, uint32_t index, const struct digest *digest)
{
	const unsigned char *entry = policy->entries + (size_t)index * POLICY_ENTRY_SIZE;
	if (entry[POLICY_ENTRY_FORM] != POLICY_FORM_DIGEST) {
		return false;
	}
	const unsigned char *text = policy->texts + bytes_get_le32(entry + POLICY_ENTRY_MATCH);
	return text[0] == digest->kind &&
	       memcmp(text + 1, digest->bytes, digest_size((enum digest_kind)digest->kind)) == 0;
}

/* A target is read from verified bytes; moves behind it. */
static bool target_applies(const unsigned char **at, const struct address *address,
        const char *computer, const char *domain)
{
	const unsigned char *target = *at;
	enum target_kind kind = (enum target_kind)target[0];
	if (kind != TARGET_ADDRESS) {
		size_t length = bytes_get_le16(target + 1);
		*at += 3 + length + 1;
		return target_name_matches(
		        kind, (const char *)target + 3, kind == TARGET_DOMAIN ? domain : computer);
	}
	struct address first = {.family = target[1]};
	struct address last = {.family = target[18]};
	memcpy(first.bytes, target + 2, sizeof(first.bytes));
	memcpy(last.bytes, target + 19, sizeof(last.bytes));
	*at += 1 + POLICY_TARGET_ADDRESS_SIZE;
	return first.family == address->family && address_compare(&first, address) <= 0 &&
	       address_compare(address, &last) <= 0;
}

bool policy_entry_applies(const struct policy *policy, uint32_t index,
        const struct address *address, const char *computer, const char *domain)
{
	const unsigned char *entry = policy->entries + (size_t)index * POLICY_ENTRY_SIZE;
	uint32_t offset = bytes_get_le32(entry + POLICY_ENTRY_TARGETS);
	if (offset == POLICY_NO_TARGETS) {
		return true;
	}
	const unsigned char *at = policy->targets + offset;
	uint32_t count = bytes_get_le32(at);
	at += 4;
	for (uint32_t i = 0; i < count; i++) {
		if (target_applies(&at, address, computer, domain)) {
			return true;
		}
	}
	return false;
}
