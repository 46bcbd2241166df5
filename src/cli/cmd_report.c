/* noiseda report: a run as one page. */
#include "cli/cli.h"
#include "train/train.h"

#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv) {
  g_autofree char *out = NULL;
  gboolean overwrite = FALSE;
  const GOptionEntry entries[] = {{"output", 'o', 0, G_OPTION_ARG_FILENAME, &out,
                                   "file to write (default: RUN/report.html; -: standard output)", "FILE"},
                                  ND_CLI_OVERWRITE(&overwrite),
                                  {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "RUN",
          "Writes a training run as one HTML file that needs no other: figures, curves, crops of the "
          "last validation, the recipe. The run may still be going on. RUN/report.html is made anew each "
          "time."))
    return ND_EXIT_USAGE;
  if (argc != 2)
    return nd_cli_wrong("one run folder is needed");
  bool to_stream = out && !strcmp(out, "-");
  if (!to_stream && nd_cli_check_file(out, overwrite))
    return nd_cli_failed();
  g_autofree char *page = nd_train_report_page(argv[1]);
  if (!page)
    return nd_cli_failed();
  if (to_stream) {
    fputs(page, stdout);
    return fflush(stdout) ? ND_EXIT_FAILED : ND_EXIT_DONE;
  }
  g_autofree char *path = out ? g_strdup(out) : g_build_filename(argv[1], "report.html", NULL);
  if (nd_file_write_atomic(path, page, strlen(page)))
    return nd_cli_failed();
  printf("%s\n", path);
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_report = {"report", "write a training run as one HTML page", run};
