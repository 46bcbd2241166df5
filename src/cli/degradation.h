/* Degradations as commands take them: a name, --set and --then. */
#ifndef ND_CLI_DEGRADATION_H
#define ND_CLI_DEGRADATION_H

#include "cli/cli.h"
#include "data/data.h"

/* name: with settings behind it or none; settings: KEY=VALUE, then: "NAME KEY=VALUE ...", both
 * NULL-terminated or NULL. */
int nd_cli_degradation(const char *name, char **settings, char **then, nd_degrade_settings *out);
/* All there are and their settings, for --help; the caller's, g_free. */
char *nd_cli_degradations(void);

#endif
