#include "cli/interruption.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static const int asking[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
enum { ASKING = sizeof asking / sizeof *asking };
static volatile sig_atomic_t interrupted, repeated;
static const char *says;

static void set_all(void (*action)(int)) {
  for (int i = 0; i < ASKING; i++)
    if (signal(asking[i], action) == SIG_IGN) /* as under nohup, it stays so */
      signal(asking[i], SIG_IGN);
}

/* Files are written whole or not at all, so the second one may find its default. */
static void note_signal(int number) {
  int before = errno;
  interrupted = number;
  if (!repeated && number != SIGUSR1) {
    set_all(SIG_DFL);
    if (says)
      (void)!write(STDERR_FILENO, says, strlen(says));
  }
  errno = before;
}

void nd_cli_listen(const char *text) {
  says = text;
  set_all(note_signal);
}

void nd_cli_expect_repeats(void) {
  repeated = true;
}

int nd_cli_interrupted(void) {
  return interrupted;
}
