/* noiseda serve: the local web page. */
#include "cli/cli.h"
#include "serve/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- The process that works on one photo ---- */
static bool print_tile(int done, int tiles, void *context) {
  (void)context;
  printf("tile %d %d\n", done, tiles);
  return !fflush(stdout);
}

/* The server may be killed in a way that leaves it no time to end this process. */
static int work(const nd_serve_work *w) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  return nd_serve_work_on(w, print_tile, NULL) ? nd_cli_failed() : ND_EXIT_DONE;
}

/* ---- The server ---- */
static void print_address(const nd_serve_settings *s, int port) {
  bool v6 = strchr(s->listen, ':') != NULL;
  printf("http://%s%s%s:%d/\n", v6 ? "[" : "", s->listen, v6 ? "]" : "", port);
  fflush(stdout);
  fprintf(stderr, "noiseda: open this address in a browser; Ctrl-C ends\n");
}

/* Blocked before any thread starts, so that all threads leave them to sigwait. */
static void wait_for_signal(const sigset_t *signals) {
  int which;
  while (sigwait(signals, &which))
    ;
}

static int serve(const nd_serve_settings *s) {
  nd_server *server;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  if (nd_server_start(s, &server))
    return nd_cli_failed();
  print_address(s, nd_server_port(server));
  wait_for_signal(&signals);
  nd_server_stop(server);
  return ND_EXIT_DONE;
}

/* What no photo could be restored in. */
static int check_memory(size_t bytes) {
  return bytes < ND_RESTORER_LEAST_MEMORY
             ? nd_fail("--memory is %s; no network has its buffers in less than %dM: give it that or more",
                       nd_bytes((double)bytes).text, ND_RESTORER_LEAST_MEMORY >> 20)
             : 0;
}

static int run(int argc, char **argv) {
  nd_serve_settings s = nd_serve_defaults();
  nd_serve_work w = {.strength = 1};
  g_autofree char *listen = NULL, *host = NULL, *models = NULL, *runs = NULL, *upload = NULL, *memory = NULL,
                  *folder = NULL, *model = NULL, *ending = NULL,
                  *program = g_file_read_link("/proc/self/exe", NULL);
  const GOptionEntry entries[] = {
      {"models", 'm', 0, G_OPTION_ARG_FILENAME, &models,
       "the .safetensors to choose from (default: those of 'noiseda models')", "DIR"},
      {"runs", 'r', 0, G_OPTION_ARG_FILENAME, &runs, "training runs to watch, or one", "DIR"},
      {"listen", 0, 0, G_OPTION_ARG_STRING, &listen,
       "numeric address (default 127.0.0.1: this machine alone)", "ADDRESS"},
      {"port", 'p', 0, G_OPTION_ARG_INT, &s.port, "default 8080; 0: any that is free", "N"},
      {"host", 0, 0, G_OPTION_ARG_STRING, &host, "one more name that browsers may call it by", "NAME"},
      {"max-upload", 0, 0, G_OPTION_ARG_STRING, &upload, "largest photo file (default 256M)", "BYTES"},
      {"max-megapixels", 0, 0, G_OPTION_ARG_DOUBLE, &s.max_megapixels, "largest photo (default 50)", "X"},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &memory, "for the network's buffers (default 1G)", "BYTES"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &s.threads, "threads to use (default: all processors)", "N"},
      {"work", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &folder, NULL, NULL},
      {"model", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &model, NULL, NULL},
      {"ending", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &ending, NULL, NULL},
      {"strength", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_DOUBLE, &w.strength, NULL, NULL},
      {0}};
  if (!nd_cli_parse(&argc, &argv, entries, "[--models DIR] [--runs DIR]",
                    "A web page on this machine: restores photos that are dropped on it, shows before and "
                    "after, and how training runs are doing. Nothing leaves the machine."))
    return ND_EXIT_USAGE;
  if (memory && (!(s.memory = nd_cli_bytes(memory)) || check_memory(s.memory)))
    return nd_cli_wrong("%s", nd_error());
  if (upload && !(s.max_upload = nd_cli_bytes(upload)))
    return nd_cli_wrong("%s", nd_error());
  if (nd_cli_set_threads(s.threads))
    return nd_cli_wrong("%s", nd_error());
  if (folder && model && ending) {
    w.folder = folder, w.model = model, w.ending = ending, w.memory = s.memory;
    return work(&w);
  }
  if (argc != 1)
    return nd_cli_wrong("nothing is expected behind the options");
  if (s.port < 0 || s.port > 65535 || !(s.max_megapixels > 0))
    return nd_cli_wrong("--port goes from 0 to 65535, --max-megapixels is positive");
  s.listen = listen ? listen : s.listen;
  s.host = host, s.models = models, s.runs = runs, s.program = program;
  return serve(&s);
}

const nd_command nd_cmd_serve = {"serve", "a local web page for photos and training runs", run};
