/* The manifest of prepared data: a line for each file, written once the file is there. */
#include "data/manifest-private.h"
#include "data/set-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "manifest.tsv"
static const char header[] = "output\tsource\tx\ty\twidth\theight\tpieces\tbytes\tsha256\n";
enum { OUTPUT, SOURCE, X, Y, WIDTH, HEIGHT, PIECES, BYTES, SHA256, FIELDS };

struct nd_manifest {
  char *out;
  GHashTable *done;    /* key of a source and its unit, when all of its pieces are there */
  GHashTable *outputs; /* made_of, as it was taken up */
  int fd;
  GMutex lock;
};

/* A source may serve several sets, as GoPro's sharp frames do, and several pairs of one, as a truth of
 * SPA-Data does: what counts is what it becomes under one name. */
static char *key_of(const char *source, const char *unit) {
  return g_strconcat(source, "\t", unit, NULL);
}

/* The last place of c below the folder; NULL: none. */
static char *last_of_name(char *path, char c) {
  char *at = strrchr(path, c);
  return at && !strchr(at, '/') ? at : NULL;
}

/* What the pieces of a source share: arrays a folder, patches all before -00000-00000.png, a whole picture
 * all but its ending. */
static char *unit_of(const char *source, const char *output, bool whole) {
  if (nd_mat_named(source))
    return g_path_get_dirname(output);
  char *unit = g_strdup(output), *end = last_of_name(unit, '.');
  for (int cuts = whole ? 1 : 3; cuts-- && end; end = last_of_name(unit, '-'))
    *end = 0;
  return unit;
}

typedef struct made_of {
  char *source;
  uint64_t bytes;
} made_of;

static void made_of_free(void *p) {
  g_free(((made_of *)p)->source);
  g_free(p);
}

/* Only what would break a line is escaped. */
static char *escaped(const char *text) {
  GString *high = g_string_new("\"");
  for (int c = 0x80; c < 0x100; c++)
    g_string_append_c(high, (char)c);
  char *s = g_strescape(text, high->str);
  g_string_free(high, TRUE);
  return s;
}

static bool is_there(const nd_manifest *m, char **fields) {
  g_autofree char *name = g_strcompress(fields[OUTPUT]), *path = g_build_filename(m->out, name, NULL);
  GStatBuf s;
  return !g_stat(path, &s) && (guint64)s.st_size == g_ascii_strtoull(fields[BYTES], NULL, 10);
}

typedef struct tally {
  guint64 pieces, there;
} tally;

static char *key_of_line(char **fields) {
  g_autofree char *source = g_strcompress(fields[SOURCE]), *output = g_strcompress(fields[OUTPUT]),
                  *unit = unit_of(source, output, !strcmp(fields[PIECES], "1"));
  return key_of(source, unit);
}

static void count_line(const nd_manifest *m, GHashTable *tallies, char **fields) {
  char *key = key_of_line(fields);
  tally *t = g_hash_table_lookup(tallies, key);
  if (!t)
    g_hash_table_insert(tallies, g_strdup(key), t = g_new0(tally, 1));
  g_free(key);
  t->pieces = g_ascii_strtoull(fields[PIECES], NULL, 10);
  t->there += is_there(m, fields);
}

static char **split_line(const char *line) {
  char **fields = g_strsplit(line, "\t", -1);
  if (g_strv_length(fields) == FIELDS)
    return fields;
  g_strfreev(fields);
  return NULL;
}

/* Lines of sources that are complete stay; those of others will be written again. */
static void sift(nd_manifest *m, char **lines, GHashTable *tallies, GString *kept) {
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) fields = split_line(*line);
    if (!fields)
      continue;
    char *key = key_of_line(fields);
    const tally *t = g_hash_table_lookup(tallies, key);
    if (!t || t->there != t->pieces) {
      g_free(key);
      continue;
    }
    g_string_append_printf(kept, "%s\n", *line);
    made_of *made = g_new(made_of, 1);
    *made = (made_of){g_strcompress(fields[SOURCE]), g_ascii_strtoull(fields[BYTES], NULL, 10)};
    g_hash_table_insert(m->outputs, g_strcompress(fields[OUTPUT]), made);
    g_hash_table_add(m->done, key);
  }
}

/* The last line may have been cut by whatever ended the program. */
static int take_up(nd_manifest *m, const char *path) {
  g_autofree char *text = NULL;
  g_autoptr(GString) kept = g_string_new(header);
  if (g_file_get_contents(path, &text, NULL, NULL)) {
    char *end = strrchr(text, '\n');
    *(end ? end : text) = 0;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GHashTable) tallies = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (char **line = *lines ? lines + 1 : lines; *line; line++) {
      g_auto(GStrv) fields = split_line(*line);
      if (fields)
        count_line(m, tallies, fields);
    }
    sift(m, *lines ? lines + 1 : lines, tallies, kept);
  }
  return nd_file_write_atomic(path, kept->str, kept->len);
}

int nd_manifest_open(const char *out, nd_manifest **result) {
  g_autofree char *path = g_build_filename(out, NAME, NULL);
  nd_manifest *m = g_new0(nd_manifest, 1);
  m->out = g_strdup(out);
  m->done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  m->outputs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, made_of_free);
  m->fd = -1;
  g_mutex_init(&m->lock);
  *result = NULL;
  int failed = take_up(m, path);
  if (!failed && (m->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)) < 0)
    failed = nd_fail_of(errno, "cannot write '%s'", path);
  if (failed)
    nd_manifest_close(m);
  else
    *result = m;
  return failed;
}

void nd_manifest_close(nd_manifest *m) {
  if (!m)
    return;
  if (m->fd >= 0)
    close(m->fd);
  g_mutex_clear(&m->lock);
  g_hash_table_unref(m->done);
  g_hash_table_unref(m->outputs);
  g_free(m->out);
  g_free(m);
}

bool nd_manifest_has(const nd_manifest *m, const char *source, const char *unit) {
  g_autofree char *key = key_of(source, unit);
  return g_hash_table_contains(m->done, key);
}

const char *nd_manifest_source_of(const nd_manifest *m, const char *output, uint64_t *bytes) {
  const made_of *made = g_hash_table_lookup(m->outputs, output);
  *bytes = made ? made->bytes : 0;
  return made ? made->source : NULL;
}

const char *nd_manifest_other_source(const nd_manifest *m, const char *folder, const char *source) {
  GHashTableIter at;
  gpointer output, made;
  for (g_hash_table_iter_init(&at, m->outputs); g_hash_table_iter_next(&at, &output, &made);) {
    g_autofree char *there = g_path_get_dirname(output);
    if (!strcmp(there, folder) && strcmp(((made_of *)made)->source, source) != 0)
      return ((made_of *)made)->source;
  }
  return NULL;
}

int nd_manifest_write(nd_manifest *m, const nd_manifest_line *l, const void *bytes, size_t size) {
  g_autofree char *path = g_build_filename(m->out, l->output, NULL);
  if (nd_folder_make_for(path) || nd_file_write_atomic(path, bytes, size))
    return -1;
  g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, size),
                  *output = escaped(l->output), *source = escaped(l->source),
                  *line = g_strdup_printf("%s\t%s\t%d\t%d\t%d\t%d\t%d\t%zu\t%s\n", output, source, l->x, l->y,
                                          l->width, l->height, l->pieces, size, sum);
  g_mutex_lock(&m->lock);
  int failed = nd_write_all(m->fd, line, strlen(line));
  g_mutex_unlock(&m->lock);
  return failed ? nd_fail_of(errno, "cannot write '%s/" NAME "'", m->out) : 0;
}
