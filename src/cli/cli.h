/* The command line: one file a subcommand, one table that names them all (commands.c). Only this room prints.
 * Exit status: 0 done, 1 failed, 2 wrong usage. */
#ifndef ND_CLI_H
#define ND_CLI_H

#include "tensor/tensor.h"

#include <glib.h>

enum { ND_EXIT_DONE, ND_EXIT_FAILED, ND_EXIT_USAGE };

typedef struct nd_command {
  const char *name, *summary;
  int (*run)(int argc, char **argv); /* argv[0] is the subcommand */
} nd_command;

extern const nd_command nd_cmd_train, nd_cmd_restore, nd_cmd_eval, nd_cmd_info, nd_cmd_degrade, nd_cmd_probe,
    nd_cmd_sample, nd_cmd_serve, nd_cmd_recipe, nd_cmd_import, nd_cmd_data, nd_cmd_report, nd_cmd_study,
    nd_cmd_export, nd_cmd_niqe, nd_cmd_models, nd_cmd_fit;

/* ---- commands.c ---- */
extern const nd_command *const nd_commands[];         /* NULL at the end */
const nd_command *nd_command_named(const char *name); /* NULL: none */

/* Parses options; usage: what follows the options ("RECIPE.yaml -o RUN"), about: a sentence or two. false:
 * the mistake has been printed, the command returns ND_EXIT_USAGE. */
bool nd_cli_parse(int *argc, char ***argv, const GOptionEntry *entries, const char *usage, const char *about);
/* "-t2" as "-t", "2"; for nd_cli_parse. What is returned stays, and is used, to the end of the program. */
char **nd_cli_detach_values(int *argc, char *const *argv, const GOptionEntry *entries);
/* A line on the standard output of what a file may say of itself: control characters but those of kept are
 * marks. */
void nd_cli_line(const char *kept, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints "noiseda: <nd_error()>"; returns ND_EXIT_FAILED. */
int nd_cli_failed(void);
/* Prints a message about the command line; returns ND_EXIT_USAGE. */
int nd_cli_wrong(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* "1h02m", "3m20s", "12s"; the caller's. */
char *nd_cli_duration(double seconds);
/* The same text for all names of a file, the caller's; NULL: there is no such file. */
char *nd_cli_identity(const char *path);
/* Of every command that writes files, which asks nd_cli_check_file or nd_file_check_new before it works for
 * minutes. */
#define ND_CLI_OVERWRITE(flag)                                                                               \
  { "overwrite", 0, 0, G_OPTION_ARG_NONE, flag, "replace files that exist", NULL }
/* Error: a folder for results that is named like a picture and not there, or "-", which is no folder. */
int nd_cli_check_folder(const char *path);
/* Error: a file for a result that is there and may not be replaced, is a folder, lies in none, or is "-".
 * path NULL: fine. */
int nd_cli_check_file(const char *path, bool overwrite);
/* "2G", "512M", "1048576": bytes; 0 and an error when it is none. */
size_t nd_cli_bytes(const char *text);
/* What --format takes, and the ending of such files: ".jpg" of "jpeg", "JPG". NULL and an error: it is none.
 */
#define ND_CLI_FORMATS "png|jpeg|tiff|webp"
const char *nd_cli_format_ending(const char *format);
/* Does what --threads says. Error: a negative number. */
int nd_cli_set_threads(int threads);

/* ---- What the program says of itself (main.c, version.c, man.c, completion.c, describe.c) ---- */
extern const GOptionEntry nd_program_options[]; /* without a command; a zeroed one at the end */
int nd_cli_version(void);
int nd_cli_man(const char *command); /* NULL: of noiseda itself */
int nd_cli_completion(const char *shell);
/* True while nd_describe asks for it: the tables were handed over, and the command is to end. */
bool nd_cli_described(const GOptionEntry *entries, const char *usage, const char *about);

/* ---- profile.c: --profile of the commands that run networks ---- */
typedef struct nd_cli_profile {
  gboolean table;
  const char *trace;           /* file to write, or NULL */
  bool stdout_is_for_programs; /* so that the table goes to the standard error */
} nd_cli_profile;
/* Two of a command's options; a gboolean and a char *, to be freed. */
#define ND_CLI_PROFILE_ENTRIES(table, trace)                                                                 \
  {"profile", 0, 0, G_OPTION_ARG_NONE, table, "print where the time goes", NULL}, {                          \
    "profile-trace", 0, 0, G_OPTION_ARG_FILENAME, trace,                                                     \
        "the same, and a trace for chrome://tracing or Perfetto", "FILE.json"                                \
  }
bool nd_cli_profile_wanted(const nd_cli_profile *p);
/* Prints the table and writes the trace. unit: "step", "picture". */
int nd_cli_profile_print(const nd_cli_profile *p, nd_profile *profile, const char *unit);

#endif
