#ifndef KEEPER_STATE_H
#define KEEPER_STATE_H

#include "keeper/keeper.h"

/* The keeper's part of the state folder (docs/state.md): folders, lock, secrets, logs, sockets,
 * addresses. */

#define KEEPER_EXIT_LOCKED 3

/* Opens the state folder (makes it when it is not there) and locks it; -EWOULDBLOCK when another
 * keeper has it. */
int state_lock(struct keeper *keeper, struct error *error) SK_MUST_USE;

/* Writes this process's id into the lock, for ./run --stop. */
int state_write_lock(const struct keeper *keeper) SK_MUST_USE;

/* Finds the service users (root), makes and opens the folders, removes what a crash left. */
int state_prepare(struct keeper *keeper, struct error *error) SK_MUST_USE;

/* A memfd with the content of tls/<name>, sealed, at its start. */
int state_open_secret(const struct keeper *keeper, const char *name, int *ret_fd) SK_MUST_USE;

/* Replaces tls/<name>, mode 0600, by `data` or by all that `fd` holds (at most KEEPER_PEM_MAX). */
int state_store_secret(const struct keeper *keeper, const char *name, const void *data,
        size_t length, struct error *error) SK_MUST_USE;
int state_store_secret_from(
        const struct keeper *keeper, const char *name, int fd, struct error *error) SK_MUST_USE;

/* Opens log/<name>.log for appending; mode 0640. The descriptor, or -errno. */
int state_open_log(const struct keeper *keeper, const char *name) SK_MUST_USE;

/* Opens the RPC listener run/<name> with a mode and a group. */
int state_open_rpc(const struct keeper *keeper, const char *name, mode_t mode, gid_t group,
        int *ret_fd, struct error *error) SK_MUST_USE;

/* The name of this machine for certificates and URLs: letters, digits, '-' and '.' of it,
 * "localhost" when nothing is left. */
#define KEEPER_HOST_NAME_SIZE 256
void state_host_name(char ret_name[KEEPER_HOST_NAME_SIZE]);

/* Writes run/addresses.json. */
int state_write_addresses(const struct keeper *keeper, struct error *error) SK_MUST_USE;

/* Removes what lies in run/: at the end. */
void state_clear_run(const struct keeper *keeper);

#endif
