#ifndef KEEPER_PROGRAMS_H
#define KEEPER_PROGRAMS_H

#include "keeper/keeper.h"

/* Starting programs with exactly the descriptors they are to have, and turning their logs. */

#define LOG_TURN_SIZE (8 * 1024 * 1024)

const char *program_name(enum keeper_program program);

/* Starts one of the two lasting programs; it gets its descriptors under the numbers of enum
 * keeper_fd, its user, and an empty environment. The process id, or -errno. */
pid_t program_start(struct keeper *keeper, enum keeper_program program);

/* Starts `sekisho-job <kind>` with descriptors[0] as 0 and the others as 3, 4, …; they stay the
 * caller's. The process id, or a negative error. */
pid_t program_start_job(struct keeper *keeper, uint32_t kind, const int *descriptors, size_t count);

/* Copies every log that is larger than `size` to "<log>.1" and empties it. The programs hold them
 * open for appending, so they go on writing at the new end. */
void program_turn_logs(const struct keeper *keeper, off_t size);

/* Sends a signal to a process that is known by its id; failures mean that it has ended. */
void program_signal(pid_t pid, int number);

#endif
