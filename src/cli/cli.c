/* What all subcommands share: options, messages, units. */
#include "cli/cli.h"
#include "image/image.h"

#include <glib/gstdio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What follows "--" is no option; itself it is nothing. */
static void drop_separator(int *argc, char **argv) {
  int at = 1;
  while (at < *argc && strcmp(argv[at], "--"))
    at++;
  if (at >= *argc)
    return;
  memmove(argv + at, argv + at + 1, (size_t)(*argc - at) * sizeof *argv);
  --*argc;
}

bool nd_cli_parse(int *argc, char ***argv, const GOptionEntry *entries, const char *usage,
                  const char *about) {
  if (nd_cli_described(entries, usage, about))
    return false;
  g_autofree char *program = g_strdup_printf("noiseda %s", (*argv)[0]);
  g_set_prgname(program);
  g_autoptr(GOptionContext) context = g_option_context_new(usage);
  g_option_context_set_summary(context, about);
  g_option_context_add_main_entries(context, entries, NULL);
  g_autoptr(GError) error = NULL;
  *argv = nd_cli_detach_values(argc, *argv, entries);
  if (g_option_context_parse(context, argc, argv, &error)) {
    drop_separator(argc, *argv);
    return true;
  }
  nd_cli_wrong("%s", error->message);
  return false;
}

void nd_cli_line(const char *kept, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  nd_make_printable(text, kept);
  printf("%s\n", text);
}

int nd_cli_failed(void) {
  fprintf(stderr, "noiseda: %s\n", nd_error());
  return ND_EXIT_FAILED;
}

int nd_cli_wrong(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: ", g_get_prgname());
  vfprintf(stderr, format, args);
  fprintf(stderr, "; '%s --help' shows the usage\n", g_get_prgname());
  va_end(args);
  return ND_EXIT_USAGE;
}

const char *nd_cli_format_ending(const char *format) {
  static const char *const endings[][2] = {{"png", ".png"},  {"jpeg", ".jpg"}, {"jpg", ".jpg"},
                                           {"tiff", ".tif"}, {"tif", ".tif"},  {"webp", ".webp"}};
  for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
    if (!g_ascii_strcasecmp(format, endings[i][0]))
      return endings[i][1];
  nd_fail("--format is '%s'; png, jpeg, tiff and webp are written", format);
  return NULL;
}

char *nd_cli_duration(double seconds) {
  int s = (int)(seconds + 0.5);
  if (s >= 3600)
    return g_strdup_printf("%dh%02dm", s / 3600, s / 60 % 60);
  return s >= 60 ? g_strdup_printf("%dm%02ds", s / 60, s % 60) : g_strdup_printf("%ds", s);
}

char *nd_cli_identity(const char *path) {
  GStatBuf s;
  if (g_stat(path, &s))
    return NULL;
  return g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64)s.st_dev, (guint64)s.st_ino);
}

/* Where it is not the standard output, a file called so would be hard to get rid of. */
static int check_name(const char *path) {
  return strcmp(path, "-") ? 0 : nd_fail("'-' would be the standard output, to which this is not written");
}

int nd_cli_check_file(const char *path, bool overwrite) {
  if (!path)
    return 0;
  g_autofree char *folder = g_path_get_dirname(path);
  if (check_name(path))
    return -1;
  if (g_file_test(path, G_FILE_TEST_IS_DIR))
    return nd_fail("cannot write '%s': it is a folder", path);
  if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
    return nd_fail("cannot write '%s': there is no folder '%s'", path, folder);
  return nd_file_check_new(path, overwrite);
}

int nd_cli_check_folder(const char *path) {
  if (check_name(path))
    return -1;
  if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_DIR))
    return nd_fail("results go into a folder, and '%s' is a file", path);
  return nd_image_named(path) && !g_file_test(path, G_FILE_TEST_IS_DIR)
             ? nd_fail("results go into a folder, and '%s' is named like a picture: -o names a folder, or "
                       "one that is there already",
                       path)
             : 0;
}

size_t nd_cli_bytes(const char *text) {
  static const char units[] = "kmgt";
  char *end;
  double x = g_ascii_strtod(text, &end);
  const char *unit = *end ? strchr(units, g_ascii_tolower(*end)) : NULL;
  if (unit) {
    x *= (double)((size_t)1 << (10 * (unit - units + 1)));
    end++;
  }
  if (end == text || !(x >= 1 && x <= 1e15) || (*end && strcmp(end, "B") && strcmp(end, "iB"))) {
    nd_fail("'%s' is no amount of memory; write 512M or 2G", text);
    return 0;
  }
  return (size_t)x;
}

int nd_cli_set_threads(int threads) {
  if (threads < 0)
    return nd_fail("--threads is %d; 0 takes all processors", threads);
  nd_set_threads(threads);
  return 0;
}
