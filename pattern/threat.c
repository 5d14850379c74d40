#include "pattern/threat.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/attribute.h"
#include "lib/base/utf8.h"

/* In the order in which they are looked for. */
static const struct {
	const char *word;
	size_t length;
	enum threat_kind kind;
} threat_words[] = {
        {"rootkit", 7, THREAT_ROOTKIT},
        {"bootkit", 7, THREAT_ROOTKIT},
        {"worm", 4, THREAT_WORM},
        {"spyware", 7, THREAT_SPYWARE},
        {"adware", 6, THREAT_SPYWARE},
        {"stealer", 7, THREAT_SPYWARE},
        {"infostealer", 11, THREAT_SPYWARE},
        {"keylogger", 9, THREAT_SPYWARE},
        {"spy", 3, THREAT_SPYWARE},
        {"riskware", 8, THREAT_SPYWARE},
        {"pua", 3, THREAT_SPYWARE},
        {"pup", 3, THREAT_SPYWARE},
        {"virus", 5, THREAT_VIRUS},
        {"eicar", 5, THREAT_VIRUS}, /* the test file stands for one */
        {"fileinfector", 12, THREAT_VIRUS},
        {"infector", 8, THREAT_VIRUS},
        {"trojan", 6, THREAT_TROJAN},
        {"troj", 4, THREAT_TROJAN},
        {"backdoor", 8, THREAT_TROJAN},
        {"rat", 3, THREAT_TROJAN},
        {"ransomware", 10, THREAT_TROJAN},
        {"ransom", 6, THREAT_TROJAN},
        {"dropper", 7, THREAT_TROJAN},
        {"downloader", 10, THREAT_TROJAN},
        {"loader", 6, THREAT_TROJAN},
        {"banker", 6, THREAT_TROJAN},
        {"bot", 3, THREAT_TROJAN},
        {"botnet", 6, THREAT_TROJAN},
};

static bool threat_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The words that begin at `at` and end at the end of its letters: index of the first, or how many
 * there are. */
static size_t threat_word_at(const char *at, size_t length)
{
	size_t i = 0;
	for (; i < SK_COUNT(threat_words); i++) {
		size_t same = 0;
		if (threat_words[i].length != length) {
			continue;
		}
		while (same < length && (at[same] | 0x20) == threat_words[i].word[same]) {
			same++;
		}
		if (same == length) {
			break;
		}
	}
	return i;
}

enum threat_kind threat_kind_of_name(const char *name, size_t length)
{
	size_t best = SK_COUNT(threat_words);
	for (size_t start = 0; start < length;) {
		size_t end = start;
		while (end < length && threat_is_letter(name[end])) {
			end++;
		}
		if (end > start) {
			size_t found = threat_word_at(name + start, end - start);
			best = found < best ? found : best;
		}
		start = end + 1;
	}
	return best < SK_COUNT(threat_words) ? threat_words[best].kind : THREAT_OTHER;
}

/* Bytes of the character at the beginning, 0 when it is none of UTF-8 or a control character. */
static size_t threat_character(const char *at, size_t left)
{
	unsigned char first = (unsigned char)at[0];
	return first < ' ' || first == 0x7f ? 0 : utf8_check(at, left);
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
		size_t size = threat_character(name + i, length - i);
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
