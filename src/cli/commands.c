/* Every subcommand. */
#include "cli/cli.h"

const nd_command *const nd_commands[] = {
    &nd_cmd_train,  &nd_cmd_restore, &nd_cmd_eval,   &nd_cmd_info,   &nd_cmd_degrade, &nd_cmd_fit,
    &nd_cmd_probe,  &nd_cmd_sample,  &nd_cmd_serve,  &nd_cmd_recipe, &nd_cmd_import,  &nd_cmd_data,
    &nd_cmd_report, &nd_cmd_study,   &nd_cmd_export, &nd_cmd_niqe,   &nd_cmd_models,  NULL};

const nd_command *nd_command_named(const char *name) {
  for (int i = 0; nd_commands[i]; i++)
    if (!g_strcmp0(nd_commands[i]->name, name))
      return nd_commands[i];
  return NULL;
}
