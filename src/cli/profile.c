/* --profile: the table on the terminal, the trace in a file. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

bool nd_cli_profile_wanted(const nd_cli_profile *p) {
  return p->table || p->trace;
}

static int write_trace(const char *path, const nd_profile *profile, FILE *to) {
  g_autofree char *text = nd_profile_trace(profile);
  if (nd_file_write_atomic(path, text, strlen(text)))
    return nd_fail_in("--profile-trace");
  fprintf(to, "trace: %s, for chrome://tracing or ui.perfetto.dev\n", path);
  return 0;
}

int nd_cli_profile_print(const nd_cli_profile *p, nd_profile *profile, const char *unit) {
  FILE *to = p->stdout_is_for_programs ? stderr : stdout;
  nd_profile_measure(profile);
  g_autofree char *table = nd_profile_table(profile, unit);
  fprintf(to, "\n%s\n", table);
  int failed = p->trace ? write_trace(p->trace, profile, to) : 0;
  fflush(to);
  return failed;
}
