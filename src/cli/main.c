/* noiseda: chooses the subcommand. */
#include "cli/cli.h"
#include "image/image.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

const GOptionEntry nd_program_options[] = {
    {"help", 0, 0, G_OPTION_ARG_NONE, NULL, "list the commands", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, NULL, "the version, what it was built with, the kernels in use",
     NULL},
    {"man", 0, 0, G_OPTION_ARG_STRING, NULL, "print the manual page of a command, or of noiseda", "COMMAND"},
    {"completion", 0, 0, G_OPTION_ARG_STRING, NULL, "print the completion for bash, zsh or fish", "SHELL"},
    {0}};

static void print_help(FILE *to) {
  fprintf(to,
          "noiseda %s: train, adapt, evaluate and run image restoration networks on the CPU\n\n"
          "Usage: noiseda COMMAND [OPTIONS] ...\n\nCommands:\n",
          ND_VERSION);
  for (int i = 0; nd_commands[i]; i++)
    fprintf(to, "  %-9s %s\n", nd_commands[i]->name, nd_commands[i]->summary);
  fprintf(to, "\n'noiseda COMMAND --help' says more, as does 'man noiseda-COMMAND' once installed.\n");
}

static void print_log(nd_log_level level, const char *message, void *context) {
  (void)context;
  fprintf(stderr, "noiseda: %s%s\n", level == ND_LOG_WARNING ? "warning: " : "", message);
}

static int no_command(const char *name) {
  if (*name)
    fprintf(stderr, "noiseda: there is no command '%s'\n\n", name);
  print_help(stderr);
  return ND_EXIT_USAGE;
}

/* about NULL: of all commands. */
static int help(const char *about) {
  const nd_command *command = about ? nd_command_named(about) : NULL;
  char name[32] = "", option[] = "--help", *argv[] = {name, option, NULL};
  if (about && !command)
    return no_command(about);
  if (command) {
    g_strlcpy(name, command->name, sizeof name);
    return command->run(2, argv);
  }
  print_help(stdout);
  return ND_EXIT_DONE;
}

static int print_about_itself(const char *option, const char *argument) {
  if (!strcmp(option, "--version"))
    return nd_cli_version();
  if (!strcmp(option, "--man"))
    return nd_cli_man(argument);
  if (!strcmp(option, "--completion"))
    return nd_cli_completion(argument);
  return help(argument);
}

/* A full disk must not pass for success: what was printed may be somebody's file. */
static int ended(int status) {
  int cause = fflush(stdout) ? errno : 0;
  if (!ferror(stdout))
    return status;
  fprintf(stderr, "noiseda: cannot write to the standard output: %s\n",
          cause ? g_strerror(cause) : "some of what was printed is lost");
  return status == ND_EXIT_DONE ? ND_EXIT_FAILED : status;
}

int main(int argc, char **argv) {
  static const char *const about_itself[] = {"--version", "--man", "--completion", "--help", "-h",
                                             "help",      NULL};
  setlocale(LC_ALL, "C.UTF-8");
  g_set_prgname("noiseda");
  nd_log_set_sink(print_log, NULL);
  const char *name = argc > 1 ? argv[1] : "";
  if (g_strv_contains(about_itself, name))
    return ended(print_about_itself(name, argc > 2 ? argv[2] : NULL));
  const nd_command *command = nd_command_named(name);
  if (command)
    return nd_image_start() ? nd_cli_failed() : ended(command->run(argc - 1, argv + 1));
  return no_command(name);
}
