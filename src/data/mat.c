/* Pictures in arrays of MATLAB, through matio. */
#include "data/mat-private.h"

#include <glib/gstdio.h>
#include <limits.h>
#include <matio.h>
#include <string.h>

/* zlib makes nothing smaller than to 1/1032; the slack is for headers. */
enum { RANK_MAX = 8, RATIO_MAX = 1032, SLACK = 4096, SIDE_MAX = 1 << 16 };

struct nd_mat {
  char *file, *path, *variable; /* path: what file is called in messages */
  enum matio_classes class;
  size_t rank, dims[RANK_MAX], steps[RANK_MAX]; /* steps: values from one to the next along each */
  size_t y, x, c;                               /* which dimension is what; the others are indices */
  size_t count, total;                          /* pictures; values */
  GMutex lock;
  void *values; /* NULL: not read yet */
};

static size_t value_bytes(enum matio_classes class) {
  switch (class) {
  case MAT_C_UINT8:
    return 1;
  case MAT_C_UINT16:
    return 2;
  case MAT_C_SINGLE:
    return 4;
  case MAT_C_DOUBLE:
    return 8;
  default:
    return 0;
  }
}

/* Which dimensions are height, width and colour; false: the array holds no pictures. Logical values are bytes
 * of 0 and 1, of which a picture would be black. */
static bool find_shape(const matvar_t *v, nd_mat *m) {
  if (v->rank < 3 || v->rank > RANK_MAX || v->isComplex || v->isLogical || !value_bytes(v->class_type))
    return false;
  m->rank = (size_t)v->rank;
  m->class = v->class_type;
  bool first = m->rank == 4 && v->dims[2] == 3 && v->dims[3] != 3;
  m->y = first ? 0 : m->rank - 3;
  m->x = m->y + 1;
  m->c = m->y + 2;
  m->count = m->total = 1;
  for (size_t d = 0; d < m->rank; d++) {
    m->dims[d] = v->dims[d];
    m->steps[d] = m->total;
    if (!v->dims[d] || __builtin_mul_overflow(m->total, v->dims[d], &m->total))
      return false;
    if (d < m->y || d > m->c)
      m->count *= v->dims[d];
  }
  return m->dims[m->c] == 3 && m->dims[m->y] <= SIDE_MAX && m->dims[m->x] <= SIDE_MAX;
}

static void append_shape(GString *s, const matvar_t *v) {
  g_string_append_printf(s, "%s%s", s->len ? ", " : "", v->name ? v->name : "?");
  for (int d = 0; d < v->rank && v->dims; d++)
    g_string_append_printf(s, "%s%zu", d ? " x " : " (", v->dims[d]);
  g_string_append(s, v->rank > 0 && v->dims ? v->isLogical ? ", logical)" : ")" : "");
}

/* Looks at one variable after the other; *fitting: how many hold pictures, and m is of the first of them. */
static void survey(mat_t *file, const char *wanted, nd_mat *m, size_t *fitting, GString *seen) {
  matvar_t *v;
  while ((v = Mat_VarReadNextInfo(file))) {
    nd_mat found = {0};
    append_shape(seen, v);
    bool fits = v->name && (!wanted || !strcmp(wanted, v->name)) && find_shape(v, &found);
    if (fits && !(*fitting)++) {
      found.variable = g_strdup(v->name);
      found.file = m->file;
      found.path = m->path;
      *m = found;
    }
    Mat_VarFree(v);
  }
}

static int choose(nd_mat *m, const char *wanted) {
  mat_t *file = Mat_Open(m->file, MAT_ACC_RDONLY);
  if (!file)
    return nd_fail("cannot read '%s': matio does not take it for a MATLAB file", m->path);
  g_autoptr(GString) seen = g_string_new(NULL);
  size_t fitting = 0;
  survey(file, wanted, m, &fitting, seen);
  Mat_Close(file);
  if (fitting == 1)
    return 0;
  const char *list = seen->len ? seen->str : "no variable";
  if (fitting > 1)
    return nd_fail("'%s' has more than one array of pictures: %s; add # and the name of one", m->path, list);
  return nd_fail(
      "'%s' has no array of pictures%s%s: they are uint8, uint16, single or double of ... x height x "
      "width x 3; it has %s",
      m->path, wanted ? " named " : "", wanted ? wanted : "", list);
}

/* Dimensions that the file could not fill, before memory is taken for them. */
static int check_room(const nd_mat *m) {
  GStatBuf status;
  if (g_stat(m->file, &status))
    return nd_fail("cannot read '%s'", m->path);
  size_t bytes, most = (size_t)status.st_size * RATIO_MAX + SLACK;
  if (__builtin_mul_overflow(m->total, value_bytes(m->class), &bytes) || bytes > most)
    return nd_fail("'%s' claims %s of %zu x %zu, more than a file of %zu bytes can hold: it is damaged",
                   m->path, nd_count(m->count, "picture").text, m->dims[m->x], m->dims[m->y],
                   (size_t)status.st_size);
  return m->total <= INT_MAX ? 0
                             : nd_fail("'%s' has %zu values; up to %d are read", m->path, m->total, INT_MAX);
}

bool nd_mat_named(const char *path) {
  g_autofree char *low = g_ascii_strdown(path, -1);
  return g_str_has_suffix(low, ".mat");
}

int nd_mat_open(const char *file, const char *called, const char *variable, nd_mat **out) {
  *out = NULL;
  nd_mat *m = g_new0(nd_mat, 1);
  m->file = g_strdup(file);
  m->path = g_strdup(called);
  int failed = nd_mat_check(file, called, false) || choose(m, variable) || check_room(m);
  g_mutex_init(&m->lock);
  if (failed)
    nd_mat_close(m);
  else
    *out = m;
  return failed ? -1 : 0;
}

void nd_mat_close(nd_mat *mat) {
  if (!mat)
    return;
  g_mutex_clear(&mat->lock);
  nd_mem_free(mat->values);
  g_free(mat->variable);
  g_free(mat->path);
  g_free(mat->file);
  g_free(mat);
}

const char *nd_mat_variable(const nd_mat *mat) {
  return mat->variable;
}

size_t nd_mat_count(const nd_mat *mat) {
  return mat->count;
}

void nd_mat_size(const nd_mat *mat, int *width, int *height) {
  *width = (int)mat->dims[mat->x];
  *height = (int)mat->dims[mat->y];
}

/* The picture's place along each dimension that counts pictures, the last one fastest. */
static void find_indices(const nd_mat *m, size_t index, size_t *indices) {
  for (size_t d = m->rank; d--;)
    if (d < m->y || d > m->c) {
      indices[d] = index % m->dims[d];
      index /= m->dims[d];
    }
}

static int digits(size_t n) {
  return n < 10 ? 1 : 1 + digits(n / 10);
}

char *nd_mat_name(const nd_mat *mat, size_t index) {
  size_t indices[RANK_MAX];
  GString *name = g_string_new(NULL);
  find_indices(mat, index, indices);
  for (size_t d = 0; d < mat->rank; d++)
    if (d < mat->y || d > mat->c)
      g_string_append_printf(name, "%s%0*zu", name->len ? "_" : "", digits(mat->dims[d]), indices[d] + 1);
  if (!name->len)
    g_string_append_c(name, '1');
  return g_string_free(name, FALSE);
}

/* matio says nothing where an array ends before its dimensions do, but leaves alone what it was to fill. */
static bool reaches_end(mat_t *file, matvar_t *v, const nd_mat *m, size_t bytes) {
  unsigned char last[2][8];
  for (int fill = 0; fill < 2; fill++) {
    memset(last[fill], fill ? 0xff : 0, sizeof last[fill]);
    if (Mat_VarReadDataLinear(file, v, last[fill], (int)(m->total - 1), 1, 1))
      return false;
  }
  return !memcmp(last[0], last[1], bytes);
}

static int read_from(mat_t *file, nd_mat *m) {
  size_t bytes = value_bytes(m->class);
  nd_mat now = {0};
  matvar_t *v = Mat_VarReadInfo(file, m->variable);
  int failed = 0;
  if (!v || !find_shape(v, &now) || now.class != m->class || memcmp(now.dims, m->dims, sizeof m->dims))
    failed = nd_fail("'%s' has changed since it was opened", m->path);
  else if (!(m->values = nd_mem_alloc(m->total * bytes, m->path)))
    failed = -1;
  else if (Mat_VarReadDataLinear(file, v, m->values, 0, 1, (int)m->total) || !reaches_end(file, v, m, bytes))
    failed = nd_fail("'%s' is damaged: %s has fewer values than its dimensions say", m->path, m->variable);
  if (v)
    Mat_VarFree(v);
  return failed;
}

static int read_values(nd_mat *m) {
  mat_t *file = nd_mat_check(m->file, m->path, true) ? NULL : Mat_Open(m->file, MAT_ACC_RDONLY);
  if (!file)
    return -1;
  int failed = read_from(file, m);
  Mat_Close(file);
  if (failed) {
    nd_mem_free(m->values);
    m->values = NULL;
  }
  return failed;
}

static float value_at(const nd_mat *m, size_t at) {
  switch (m->class) {
  case MAT_C_UINT8:
    return (float)((const uint8_t *)m->values)[at] / 255.0f;
  case MAT_C_UINT16:
    return (float)((const uint16_t *)m->values)[at] / 65535.0f;
  case MAT_C_SINGLE:
    return ((const float *)m->values)[at];
  default:
    return (float)((const double *)m->values)[at];
  }
}

static int copy_block(const nd_mat *m, size_t first, nd_image *out) {
  float *to = out->data;
  for (size_t y = 0; y < m->dims[m->y]; y++)
    for (size_t x = 0; x < m->dims[m->x]; x++)
      for (size_t c = 0; c < 3; c++) {
        *to = value_at(m, first + y * m->steps[m->y] + x * m->steps[m->x] + c * m->steps[m->c]);
        if (!(*to >= 0 && *to <= 1))
          return nd_fail(
              "'%s': %s holds the value %g; single and double are read as 0 for black to 1 for white",
              m->path, m->variable, *to);
        to++;
      }
  return 0;
}

int nd_mat_block(nd_mat *mat, size_t index, nd_image *out) {
  size_t indices[RANK_MAX], first = 0;
  int width, height;
  *out = (nd_image){0};
  g_mutex_lock(&mat->lock);
  int failed = mat->values ? 0 : read_values(mat);
  g_mutex_unlock(&mat->lock);
  nd_mat_size(mat, &width, &height);
  if (failed || nd_image_new(width, height, 3, out))
    return -1;
  out->bits = mat->class == MAT_C_UINT8 ? 8 : 16;
  find_indices(mat, index, indices);
  for (size_t d = 0; d < mat->rank; d++)
    if (d < mat->y || d > mat->c)
      first += indices[d] * mat->steps[d];
  if (!copy_block(mat, first, out))
    return 0;
  nd_image_free(out);
  return -1;
}
