/* Models by name: the folders in which they are looked for. */
#include "weights/model.h"

#include <glib.h>
#include <string.h>

static const char ending[] = ".safetensors";

/* A word, which no path with a folder or an ending is. */
static bool is_name(const char *text) {
  for (const char *c = text; *c; c++)
    if (!g_ascii_isalnum(*c) && *c != '-' && *c != '_')
      return false;
  return *text;
}

/* Where meson puts the models of the sources, if the program runs out of a build folder. */
static char *beside_the_build(void) {
  g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
  if (!program)
    return NULL;
  g_autofree char *folder = g_path_get_dirname(program), *build = g_canonicalize_filename("../..", folder),
                  *mark = g_build_filename(build, "build.ninja", NULL);
  return g_file_test(mark, G_FILE_TEST_EXISTS) ? g_build_filename(build, "models", NULL) : NULL;
}

char **nd_model_folders(void) {
  g_autoptr(GPtrArray) folders = g_ptr_array_new();
  g_auto(GStrv) own = g_strsplit(g_getenv("NOISEDA_MODELS") ? g_getenv("NOISEDA_MODELS") : "", ":", -1);
  for (int i = 0; own[i]; i++)
    if (*own[i])
      g_ptr_array_add(folders, g_strdup(own[i]));
  g_ptr_array_add(folders, g_build_filename(g_get_user_data_dir(), "noiseda", "models", NULL));
  g_ptr_array_add(folders, g_strdup(ND_MODELS));
  char *build = beside_the_build();
  if (build)
    g_ptr_array_add(folders, build);
  g_ptr_array_add(folders, NULL);
  return (char **)g_ptr_array_free(g_steal_pointer(&folders), FALSE);
}

/* NULL: none of that name. */
static char *find(const char *name) {
  g_auto(GStrv) folders = nd_model_folders();
  g_autofree char *file = g_strconcat(name, ending, NULL);
  for (int i = 0; folders[i]; i++) {
    char *path = g_build_filename(folders[i], file, NULL);
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
      return path;
    g_free(path);
  }
  return NULL;
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_names(const char *folder, GHashTable *names) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *entry; dir && (entry = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(folder, entry, NULL);
    if (!g_str_has_suffix(entry, ending) || !g_file_test(path, G_FILE_TEST_IS_REGULAR))
      continue;
    char *name = g_strndup(entry, strlen(entry) - strlen(ending));
    if (is_name(name))
      g_hash_table_add(names, name);
    else
      g_free(name);
  }
}

char **nd_model_names(void) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  g_auto(GStrv) folders = nd_model_folders();
  for (int i = 0; folders[i]; i++)
    add_names(folders[i], names);
  guint count;
  char **list = (char **)g_hash_table_get_keys_as_array(names, &count);
  if (count)
    qsort(list, count, sizeof *list, by_bytes);
  return list;
}

/* What a run leaves in its folder, from its beginning on. */
static bool holds_run(const char *folder) {
  static const char *const files[] = {"recipe.yaml", "manifest.json", "model.safetensors",
                                      "best.safetensors"};
  for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(folder, files[i], NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return true;
  }
  return false;
}

static int not_found(const char *name) {
  const char *folder =
      g_file_test(name, G_FILE_TEST_IS_DIR) ? ", and the folder of that name here is no run's" : "";
  g_auto(GStrv) names = nd_model_names(), folders = nd_model_folders();
  g_autofree char *there = g_strjoinv(", ", names), *places = g_strjoinv(", ", folders);
  return nd_fail("there is no model '%s'%s; by name there %s %s (looked in %s); a file is given by its path",
                 name, folder, names[0] && names[1] ? "are" : "is", *there ? there : "none", places);
}

int nd_model_find(const char *name, char **path) {
  *path = is_name(name) ? find(name) : g_strdup(name);
  if (!*path && g_file_test(name, G_FILE_TEST_EXISTS) &&
      (!g_file_test(name, G_FILE_TEST_IS_DIR) || holds_run(name)))
    *path = g_strdup(name);
  return *path ? 0 : not_found(name);
}
