/* Models of pristine photos as text files, one of which is part of the program. */
#include "image/niqe.h"

#include "image/niqe-private.h"

#include "base/base.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { N = ND_NIQE_FEATURES };

/* Written by `noiseda niqe`, as a list that C reads too. docs/metrics.md tells how. */
static const double standard[N * (N + 1)] = {
#include "image/niqe_standard.txt"
};

static void take(const double values[N * (N + 1)], nd_niqe_model *out) {
  memcpy(out->mean, values, sizeof out->mean);
  memcpy(out->covariance, values + N, sizeof out->covariance);
}

void nd_niqe_standard(nd_niqe_model *out) {
  take(standard, out);
}

/* Adds the numbers of a line; -1: there is something else on it, or too many. */
static int read_line(const char *line, double *values, size_t *count) {
  for (;;) {
    line += strspn(line, " \t\r,");
    if (!*line)
      return 0;
    char *end;
    double value = g_ascii_strtod(line, &end);
    if (end == line || !isfinite(value))
      return nd_fail("'%.20s' is not a number", line);
    if (*count == N * (N + 1))
      return nd_fail("it holds more than %d numbers", N * (N + 1));
    values[(*count)++] = value;
    line = end;
  }
}

static int read_numbers(const char *text, double *values) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  size_t count = 0;
  for (int i = 0; lines[i]; i++)
    if (!g_str_has_prefix(lines[i], "#") && !g_str_has_prefix(lines[i], "//") &&
        read_line(lines[i], values, &count))
      return nd_fail_in("line %d", i + 1);
  if (count < N * (N + 1))
    return nd_fail("it holds %zu numbers, not the mean and the covariance of %d: %d", count, N, N * (N + 1));
  return 0;
}

static int check(const nd_niqe_model *model) {
  double factor[N][N];
  memcpy(factor, model->covariance, sizeof factor);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < i; j++)
      if (fabs(factor[i][j] - factor[j][i]) > 1e-6 * sqrt(fabs(factor[i][i] * factor[j][j])))
        return nd_fail("the covariance is not symmetric: row %d, column %d is %g, row %d, column %d is %g",
                       i + 1, j + 1, factor[i][j], j + 1, i + 1, factor[j][i]);
  return nd_niqe_factor(factor) ? nd_fail("the covariance is not positive definite") : 0;
}

int nd_niqe_model_read(const char *path, nd_niqe_model *out) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  double values[N * (N + 1)];
  if (!g_file_get_contents(path, &text, NULL, &error))
    return nd_fail("cannot read the model of pristine photos: %s", error->message);
  if (read_numbers(text, values))
    return nd_fail_in("model of pristine photos '%s'", path);
  take(values, out);
  return check(out) ? nd_fail_in("model of pristine photos '%s'", path) : 0;
}

static void append_row(GString *text, const double row[N]) {
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  for (int i = 0; i < N; i++)
    g_string_append_printf(text, "%s,%s", g_ascii_formatd(number, sizeof number, "%.10g", row[i]),
                           i < N - 1 ? " " : "\n");
}

int nd_niqe_model_write(const char *path, const nd_niqe_model *model, const char *text) {
  g_autoptr(GString) out = g_string_new(NULL);
  g_string_append_printf(out, "// %s\n", text);
  append_row(out, model->mean);
  for (int i = 0; i < N; i++)
    append_row(out, model->covariance[i]);
  return nd_file_write_atomic(path, out->str, out->len);
}
