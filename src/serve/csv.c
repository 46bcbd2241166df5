/* Tables that grow while they are read: a last line without its end is not there yet. */
#include "serve/serve-private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Lines that are complete; NULL: no file. */
static char **complete_lines(const char *path, size_t *count) {
  g_autofree char *text = NULL;
  gsize n;
  if (!g_file_get_contents(path, &text, &n, NULL))
    return NULL;
  char *end = memrchr(text, '\n', n);
  if (end)
    *end = 0;
  else
    *text = 0;
  char **lines = g_strsplit(text, "\n", -1);
  *count = g_strv_length(lines);
  return lines;
}

char *nd_csv_thinned(const char *path, size_t rows) {
  size_t count;
  g_auto(GStrv) lines = complete_lines(path, &count);
  if (!lines)
    return NULL;
  GString *out = g_string_new(count ? lines[0] : "");
  size_t body = count ? count - 1 : 0, kept = MIN(body, rows);
  for (size_t i = 0; i < kept; i++)
    g_string_append_printf(out, "\n%s", lines[1 + (i + 1) * body / kept - 1]);
  g_string_append_c(out, '\n');
  char *valid = g_utf8_make_valid(out->str, (gssize)out->len);
  g_string_free(out, TRUE);
  return valid;
}

double nd_csv_value(const char *heading, const char *line, const char *column) {
  g_auto(GStrv) names = g_strsplit(heading, ",", -1);
  g_auto(GStrv) cells = g_strsplit(line, ",", -1);
  for (int i = 0; names[i] && cells[i]; i++)
    if (!strcmp(names[i], column) && *cells[i])
      return g_ascii_strtod(cells[i], NULL);
  return NAN;
}

/* Reads a line of at most a few hundred bytes. */
static bool first_line(FILE *f, char *to, size_t size) {
  if (!fgets(to, (int)size, f) || !strchr(to, '\n'))
    return false;
  *strchr(to, '\n') = 0;
  return true;
}

bool nd_csv_ends(const char *path, char **heading, char **last) {
  char head[1024], tail[4096];
  FILE *f = fopen(path, "re");
  if (!f)
    return false;
  bool found = first_line(f, head, sizeof head);
  if (fseek(f, -(long)(sizeof tail - 1), SEEK_END))
    rewind(f);
  size_t n = found ? fread(tail, 1, sizeof tail - 1, f) : 0;
  fclose(f);
  char *end = n ? memrchr(tail, '\n', n) : NULL,
       *begin = end ? memrchr(tail, '\n', (size_t)(end - tail)) : NULL;
  if (!begin)
    return false;
  *end = 0;
  *heading = g_strdup(head);
  *last = g_strdup(begin + 1);
  return true;
}
