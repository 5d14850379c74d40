#ifndef LIB_BASE_ATTRIBUTE_H
#define LIB_BASE_ATTRIBUTE_H

/* Compiler attributes under names of our own; gcc and clang know all of them. */
#define SK_PRINTF(text_index, first_index) __attribute__((format(printf, text_index, first_index)))
#define SK_MUST_USE __attribute__((warn_unused_result))
#define SK_HOT __attribute__((hot))
#define SK_COLD __attribute__((cold))
#define SK_LIKELY(x) __builtin_expect(!!(x), 1)
#define SK_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SK_PREFETCH(p) __builtin_prefetch((p), 0, 3)

#define SK_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
