/* The process that restores one photo (work.c), from outside: how it is started, and what it says. */
#include "serve/serve-private.h"

#include <stdio.h>
#include <string.h>

GSubprocess *nd_process_start(const nd_process *how, const char *folder, const nd_order *order,
                              GError **error) {
  char strength[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_dtostr(strength, sizeof strength, order->strength);
  g_autofree char *memory = g_strdup_printf("%zu", how->memory),
                  *threads = g_strdup_printf("%d", how->threads);
  const char *argv[] = {how->program, "serve",    "--work",      folder,       "--model",
                        order->model, "--ending", order->ending, "--strength", strength,
                        "--memory",   memory,     "--threads",   threads,      NULL};
  return g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error);
}

/* "tile 3 12" a line. */
void nd_process_follow(GSubprocess *process, nd_process_tile tile, void *context) {
  g_autoptr(GDataInputStream) lines = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
  for (char *line; (line = g_data_input_stream_read_line(lines, NULL, NULL, NULL));) {
    int done, tiles;
    if (sscanf(line, "tile %d %d", &done, &tiles) == 2)
      tile(done, tiles, context);
    g_free(line);
  }
}

/* Warnings may stand before the last that it said. */
char *nd_process_complaint(GSubprocess *process) {
  char text[4096];
  gsize n = 0;
  g_input_stream_read_all(g_subprocess_get_stderr_pipe(process), text, sizeof text - 1, &n, NULL, NULL);
  text[n] = 0;
  const char *last = g_strrstr(text, "\nnoiseda: "), *said = last ? last + 1 : text;
  if (g_str_has_prefix(said, "noiseda: "))
    said += strlen("noiseda: ");
  if (!*said)
    return g_strdup("The restoring process ended without a word; perhaps the memory ran out. "
                    "A smaller --memory may help.");
  return g_strdup(said);
}
