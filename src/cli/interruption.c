#include "cli/interruption.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void note_signal(int number) {
  interrupted = number;
}

void nd_cli_listen(void) {
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESETHAND};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (signal(SIGHUP, SIG_IGN) != SIG_IGN) /* as under nohup, it stays so */
    sigaction(SIGHUP, &action, NULL);
}

int nd_cli_interrupted(void) {
  return interrupted;
}
