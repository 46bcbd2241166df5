#include "cli/results.h"
#include "cli/cli.h"
#include "cli/interruption.h"

#include <stdio.h>

int nd_cli_check_existing(bool overwrite, bool skip_existing) {
  return overwrite && skip_existing ? nd_fail("--overwrite and --skip-existing cannot both be") : 0;
}

void nd_cli_say_existing(const char *path) {
  printf("%s: left as it is, it exists already\n", path);
}

bool nd_cli_ends_all(bool overwrite) {
  if (!nd_error_no_room())
    return false;
  nd_fail_and("nothing more is tried%s",
              overwrite ? "" : ": once there is room, --skip-existing goes on with the rest");
  return true;
}

void nd_cli_say_tally(const nd_cli_tally *t, const char *one, const char *done) {
  fflush(stdout);
  fprintf(stderr, "noiseda: %s%s %s, %zu failed, %zu skipped\n", nd_cli_interrupted() ? "interrupted: " : "",
          nd_count(t->done, one).text, done, t->failed, t->skipped);
}

int nd_cli_tally_status(const nd_cli_tally *t) {
  return nd_cli_interrupted() ? 128 + nd_cli_interrupted() : t->failed ? ND_EXIT_FAILED : ND_EXIT_DONE;
}
