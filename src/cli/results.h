/* Commands that write many files: which are left as they are, what is counted at the end. They listen to
 * signals (interruption.h). */
#ifndef ND_CLI_RESULTS_H
#define ND_CLI_RESULTS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Beside ND_CLI_OVERWRITE; by it the same command goes on after an interruption. */
#define ND_CLI_SKIP_EXISTING(flag)                                                                           \
  { "skip-existing", 0, 0, G_OPTION_ARG_NONE, flag, "leave out what is there already", NULL }
/* Error: both were given. */
int nd_cli_check_existing(bool overwrite, bool skip_existing);
void nd_cli_say_existing(const char *path);

typedef struct nd_cli_tally {
  size_t done, failed, skipped;
} nd_cli_tally;

/* Of a picture that failed, before its message is printed: whether the next would fail as well, since the
 * disk is full; the message then says so, and how to go on. */
bool nd_cli_ends_all(bool overwrite);

/* "noiseda: interrupted: 3 pictures restored, 0 failed, 1 skipped", with one "picture" and done "restored".
 */
void nd_cli_say_tally(const nd_cli_tally *t, const char *one, const char *done);
/* The command's status. */
int nd_cli_tally_status(const nd_cli_tally *t);

#endif
