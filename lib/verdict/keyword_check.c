#include <errno.h>
#include <hs.h>
#include <string.h>
#include <time.h>

#include "lib/base/limits.h"
#include "lib/verdict/keyword_flags.h"
#include "lib/verdict/keyword_set.h"
#include "lib/verdict/keyword_text.h"

static int refuse_compile(hs_compile_error_t *failure, struct error *error)
{
	int status = error_set(error, SK_E_UNSUPPORTED, "the expression cannot be used: %s",
	        failure != NULL ? failure->message : "out of memory");
	hs_free_compile_error(failure);
	return status;
}

/* What matches the empty text matches every URL. */
static int check_width(const char *text, struct error *error)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *failure = NULL;
	if (hs_expression_info(text, KEYWORD_FLAGS, &info, &failure) != HS_SUCCESS) {
		return refuse_compile(failure, error);
	}
	bool empty = info->min_width == 0;
	free(info); /* hs allocates with malloc as long as nobody sets another allocator */
	if (empty) {
		return error_set(error, SK_E_UNSUPPORTED,
		        "the expression also matches the empty text, so it would match every URL");
	}
	return 0;
}

static int64_t thread_ms(void)
{
	struct timespec time = {0};
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int check_cost(const char *text, struct error *error)
{
	hs_database_t *database = NULL;
	hs_compile_error_t *failure = NULL;
	size_t size = 0;
	int64_t start = thread_ms();
	if (hs_compile(text, KEYWORD_FLAGS, HS_MODE_BLOCK, NULL, &database, &failure) !=
	        HS_SUCCESS) {
		return refuse_compile(failure, error);
	}
	int64_t took = thread_ms() - start;
	(void)hs_database_size(database, &size);
	(void)hs_free_database(database);
	if (took > KEYWORD_COMPILE_MS) {
		return error_set(error, SK_E_LIMIT,
		        "the expression is too costly: it takes %lld ms to compile, %d are "
		        "possible; fewer or smaller repeats help",
		        (long long)took, KEYWORD_COMPILE_MS);
	}
	if (size > KEYWORD_DATABASE_MAX) {
		return error_set(error, SK_E_LIMIT,
		        "the expression is too costly: it takes %zu bytes when compiled, %d are "
		        "possible; fewer or smaller repeats help",
		        size, KEYWORD_DATABASE_MAX);
	}
	return 0;
}

int keyword_check(const char *expression, size_t length, struct error *error)
{
	int status = keyword_check_text(expression, length, error);
	if (status != 0) {
		return status;
	}
	if (hs_valid_platform() != HS_SUCCESS) {
		return error_set(error, SK_E_UNSUPPORTED,
		        "keyword rules need a processor with SSSE3, which this one is not");
	}
	char text[KEYWORD_REWRITTEN_SIZE];
	(void)keyword_rewrite(expression, length, text);
	status = check_width(text, error);
	return status != 0 ? status : check_cost(text, error);
}
