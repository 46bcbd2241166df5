/* noiseda: chooses the subcommand. */
#include "cli/cli.h"
#include "image/image.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const nd_command *const commands[] = {&nd_cmd_train,   &nd_cmd_restore, &nd_cmd_eval,   &nd_cmd_info,
                                             &nd_cmd_degrade, &nd_cmd_probe,   &nd_cmd_sample, &nd_cmd_serve,
                                             &nd_cmd_recipe,  &nd_cmd_import,  &nd_cmd_data,   &nd_cmd_report,
                                             &nd_cmd_study,   &nd_cmd_export};

static void print_help(FILE *to) {
  fprintf(to,
          "noiseda %s: train, adapt, evaluate and run image restoration networks on the CPU\n\n"
          "Usage: noiseda COMMAND [OPTIONS] ...\n\nCommands:\n",
          ND_VERSION);
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    fprintf(to, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
  fprintf(to, "\n'noiseda COMMAND --help' says more.\n");
}

static void print_log(nd_log_level level, const char *message, void *context) {
  (void)context;
  fprintf(stderr, "noiseda: %s%s\n", level == ND_LOG_WARNING ? "warning: " : "", message);
}

int main(int argc, char **argv) {
  setlocale(LC_ALL, "C.UTF-8");
  nd_log_set_sink(print_log, NULL);
  const char *name = argc > 1 ? argv[1] : "";
  if (!strcmp(name, "--version")) {
    printf("noiseda %s\n", ND_VERSION);
    return ND_EXIT_DONE;
  }
  if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
    print_help(stdout);
    return ND_EXIT_DONE;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    if (!strcmp(name, commands[i]->name))
      return nd_image_start() ? nd_cli_failed() : commands[i]->run(argc - 1, argv + 1);
  if (*name)
    fprintf(stderr, "noiseda: there is no command '%s'\n\n", name);
  print_help(stderr);
  return ND_EXIT_USAGE;
}
