/* The pictures below a folder. */
#include "data/data.h"

#include "image/image.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

/* A link to a folder further up would otherwise be followed for ever. */
enum { DEPTH_MAX = 32 };

typedef struct walk {
  const char *root;
  GPtrArray *names; /* relative to root */
} walk;

static int list(walk *w, const char *below, int depth);

static int visit(walk *w, char *name, int depth) {
  g_autofree char *relative = name, *file = g_build_filename(w->root, name, NULL);
  GStatBuf status;
  if (g_stat(file, &status))
    return nd_image_named(name) ? nd_fail("cannot read '%s': %s", file, g_strerror(errno)) : 0;
  if (S_ISDIR(status.st_mode))
    return list(w, relative, depth + 1);
  if (S_ISREG(status.st_mode) && nd_image_named(name))
    g_ptr_array_add(w->names, g_steal_pointer(&relative));
  return 0;
}

static int list(walk *w, const char *below, int depth) {
  g_autofree char *folder = g_build_filename(w->root, below, NULL);
  if (depth > DEPTH_MAX)
    return nd_fail("folder '%s' is nested more than %d deep: is a link in it pointing back up?", folder,
                   DEPTH_MAX);
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
  if (!dir)
    return nd_fail("cannot list folder '%s': %s", folder, error->message);
  for (const char *entry; (entry = g_dir_read_name(dir));)
    if (entry[0] != '.' && visit(w, *below ? g_build_filename(below, entry, NULL) : g_strdup(entry), depth))
      return -1;
  return 0;
}

static int bytewise(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void take(const char *path, GPtrArray *names, nd_folder *out) {
  out->path = g_strdup(path);
  out->count = names->len;
  out->files = g_new(char *, names->len);
  for (guint i = 0; i < names->len; i++)
    out->files[i] = g_build_filename(path, names->pdata[i], NULL);
  out->names = (char **)g_ptr_array_steal(names, NULL);
}

int nd_folder_open(const char *path, nd_folder *out) {
  memset(out, 0, sizeof *out);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  walk w = {path, names};
  if (list(&w, "", 0))
    return -1;
  if (!names->len)
    return nd_fail(
        "folder '%s' holds no picture: files ending in .png, .jpg, .jpeg, .tif, .tiff or .webp are read",
        path);
  qsort(names->pdata, names->len, sizeof *names->pdata, bytewise);
  take(path, names, out);
  return 0;
}

void nd_folder_thin(nd_folder *folder, double fraction) {
  size_t n = folder->count, keep = MAX(1, (size_t)(fraction * (double)n + 0.5)), kept = 0;
  if (keep >= n)
    return;
  for (size_t i = 0; i < n; i++) {
    if (i == kept * n / keep && kept < keep) {
      folder->names[kept] = folder->names[i];
      folder->files[kept++] = folder->files[i];
      continue;
    }
    g_free(folder->names[i]);
    g_free(folder->files[i]);
  }
  folder->count = kept;
}

void nd_folder_free(nd_folder *folder) {
  for (size_t i = 0; i < folder->count; i++) {
    g_free(folder->names[i]);
    g_free(folder->files[i]);
  }
  g_free(folder->names);
  g_free(folder->files);
  g_free(folder->path);
  memset(folder, 0, sizeof *folder);
}
