#include "pattern/threat.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/attribute.h"

/* In the order in which they are looked for. */
static const struct {
	const char *word;
	enum threat_kind kind;
} threat_words[] = {
        {"rootkit", THREAT_ROOTKIT},
        {"bootkit", THREAT_ROOTKIT},
        {"worm", THREAT_WORM},
        {"spyware", THREAT_SPYWARE},
        {"adware", THREAT_SPYWARE},
        {"stealer", THREAT_SPYWARE},
        {"infostealer", THREAT_SPYWARE},
        {"keylogger", THREAT_SPYWARE},
        {"spy", THREAT_SPYWARE},
        {"riskware", THREAT_SPYWARE},
        {"pua", THREAT_SPYWARE},
        {"pup", THREAT_SPYWARE},
        {"virus", THREAT_VIRUS},
        {"fileinfector", THREAT_VIRUS},
        {"infector", THREAT_VIRUS},
        {"trojan", THREAT_TROJAN},
        {"troj", THREAT_TROJAN},
        {"backdoor", THREAT_TROJAN},
        {"rat", THREAT_TROJAN},
        {"ransomware", THREAT_TROJAN},
        {"ransom", THREAT_TROJAN},
        {"dropper", THREAT_TROJAN},
        {"downloader", THREAT_TROJAN},
        {"loader", THREAT_TROJAN},
        {"banker", THREAT_TROJAN},
        {"bot", THREAT_TROJAN},
        {"botnet", THREAT_TROJAN},
};

static bool threat_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool threat_has_word(const char *name, size_t length, const char *word)
{
	size_t size = strlen(word);
	for (size_t i = 0; i + size <= length; i++) {
		if ((i > 0 && threat_is_letter(name[i - 1])) ||
		        (i + size < length && threat_is_letter(name[i + size]))) {
			continue;
		}
		size_t same = 0;
		while (same < size && (name[i + same] | 0x20) == word[same]) {
			same++;
		}
		if (same == size) {
			return true;
		}
	}
	return false;
}

enum threat_kind threat_kind_of_name(const char *name, size_t length)
{
	for (size_t i = 0; i < SK_COUNT(threat_words); i++) {
		if (threat_has_word(name, length, threat_words[i].word)) {
			return threat_words[i].kind;
		}
	}
	return THREAT_OTHER;
}

/* Bytes of the character at the beginning, 0 when it is none of UTF-8. */
static size_t threat_character(const unsigned char *at, size_t left)
{
	unsigned char first = at[0];
	if (first < 0x80) {
		return first >= ' ' && first != 0x7f ? 1 : 0;
	}
	size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first < 0xc2 || first > 0xf4 || size > left) {
		return 0;
	}
	for (size_t i = 1; i < size; i++) {
		if (at[i] < low || at[i] > high) {
			return 0;
		}
		low = 0x80;
		high = 0xbf;
	}
	return size;
}

void threat_clean_name(const char *name, size_t length, char ret_name[LIMIT_THREAT_NAME + 1])
{
	size_t written = 0;
	while (length > 0 && (unsigned char)name[0] <= ' ') {
		name++;
		length--;
	}
	while (length > 0 && (unsigned char)name[length - 1] <= ' ') {
		length--;
	}
	for (size_t i = 0; i < length;) {
		size_t size = threat_character((const unsigned char *)name + i, length - i);
		size_t used = size > 0 ? size : 1;
		if (written + used > LIMIT_THREAT_NAME) {
			break;
		}
		if (size > 0) {
			memcpy(ret_name + written, name + i, size);
		} else {
			ret_name[written] = '?';
		}
		written += used;
		i += used;
	}
	ret_name[written] = '\0';
}
