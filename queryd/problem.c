#include "queryd/problem.h"

static const struct problem_info infos[PROBLEM_COUNT] = {
#define PROBLEM_INFO(name, status, title, code, closes)                                            \
	[PROBLEM_##name] = {status, closes, title, code},
        PROBLEMS(PROBLEM_INFO)
#undef PROBLEM_INFO
};

const struct problem_info *problem_info(enum problem problem)
{
	return &infos[problem];
}
