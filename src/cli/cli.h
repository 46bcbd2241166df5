/* The command line: one file a subcommand, one table that names them all (main.c). Only this room prints.
 * Exit status: 0 done, 1 failed, 2 wrong usage. */
#ifndef ND_CLI_H
#define ND_CLI_H

#include "base/base.h"

#include <glib.h>

enum { ND_EXIT_DONE, ND_EXIT_FAILED, ND_EXIT_USAGE };

typedef struct nd_command {
  const char *name, *summary;
  int (*run)(int argc, char **argv); /* argv[0] is the subcommand */
} nd_command;

extern const nd_command nd_cmd_train, nd_cmd_restore, nd_cmd_eval, nd_cmd_info, nd_cmd_degrade, nd_cmd_probe,
    nd_cmd_sample, nd_cmd_recipe;

/* Parses options; usage: what follows the options ("RECIPE.yaml -o RUN"), about: a sentence or two. false:
 * the mistake has been printed, the command returns ND_EXIT_USAGE. */
bool nd_cli_parse(int *argc, char ***argv, const GOptionEntry *entries, const char *usage, const char *about);
/* Prints "noiseda: <nd_error()>"; returns ND_EXIT_FAILED. */
int nd_cli_failed(void);
/* Prints a message about the command line; returns ND_EXIT_USAGE. */
int nd_cli_wrong(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* "1h02m", "3m20s", "12s"; the caller's. */
char *nd_cli_duration(double seconds);
/* "2G", "512M", "1048576": bytes; 0 and an error when it is none. */
size_t nd_cli_bytes(const char *text);

#endif
