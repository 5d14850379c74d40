#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

/* The functions behind the table of commands (commands.c), a file for each group. */

int status_show(struct cli *cli, const struct arguments *arguments);

int lookup_url(struct cli *cli, const struct arguments *arguments);
int lookup_domain(struct cli *cli, const struct arguments *arguments);
int lookup_ip(struct cli *cli, const struct arguments *arguments);
int lookup_file(struct cli *cli, const struct arguments *arguments);

int rule_list(struct cli *cli, const struct arguments *arguments);
int rule_show(struct cli *cli, const struct arguments *arguments);
int rule_add(struct cli *cli, const struct arguments *arguments);
int rule_edit(struct cli *cli, const struct arguments *arguments);
int rule_remove(struct cli *cli, const struct arguments *arguments);
int rule_import(struct cli *cli, const struct arguments *arguments);
int rule_undo(struct cli *cli, const struct arguments *arguments);
int rule_export(struct cli *cli, const struct arguments *arguments);

int object_list(struct cli *cli, const struct arguments *arguments);
int object_add(struct cli *cli, const struct arguments *arguments);
int object_remove(struct cli *cli, const struct arguments *arguments);

int pattern_build(struct cli *cli, const struct arguments *arguments);
int pattern_import(struct cli *cli, const struct arguments *arguments);
int pattern_list(struct cli *cli, const struct arguments *arguments);
int pattern_activate(struct cli *cli, const struct arguments *arguments);
int pattern_rollback(struct cli *cli, const struct arguments *arguments);

int settings_get(struct cli *cli, const struct arguments *arguments);
int settings_set(struct cli *cli, const struct arguments *arguments);

int log_blocked(struct cli *cli, const struct arguments *arguments);
int log_access(struct cli *cli, const struct arguments *arguments);
int log_service(struct cli *cli, const struct arguments *arguments);

int job_show(struct cli *cli, const struct arguments *arguments);
int job_cancel(struct cli *cli, const struct arguments *arguments);
int clock_confirm(struct cli *cli, const struct arguments *arguments);
int service_check(struct cli *cli, const struct arguments *arguments);

/* The table. */
extern const struct cli_command commands[];
extern const size_t commands_count;

/* The command whose words begin `arguments`, or NULL. */
const struct cli_command *commands_find(const char *const *words, size_t count, size_t *ret_used);

/* Help on standard output: of all commands, of those that begin with a word, or of one. */
void commands_print_all(const char *group);
void commands_print_one(const struct cli_command *command);

#endif
