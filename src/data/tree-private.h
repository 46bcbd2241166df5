/* The files of folders and archives as one tree, as if every archive were unpacked where it stands. */
#ifndef ND_TREE_PRIVATE_H
#define ND_TREE_PRIVATE_H

#include "data/archive-private.h"
#include "data/set-private.h"

typedef struct nd_tree_file {
  /* With the name of the folder that was given in front; no "." and "..". UTF-8: bytes of a name that are
   * none stand as %E9, so that names can be told apart and taken for those of results. Where a folder or an
   * archive has other pictures at paths that are taken, "source-2" or the like stands before all of its. */
  char *path;
  char *disk;                /* where it is; NULL: in an archive */
  const nd_archive *archive; /* or, NULL, it is on disk */
  int64_t index;             /* in the archive */
  int source;                /* folders and archives in the order in which they were given */
} nd_tree_file;

typedef struct nd_tree {
  GPtrArray *files;    /* nd_tree_file, by path */
  GPtrArray *archives; /* nd_archive */
  GPtrArray *problems; /* what could not be looked into, a line each: archives, folders */
  GHashTable *by_path; /* folded to lower case */
  int sources;         /* folders and archives */
} nd_tree;

/* from: folders, archives (.zip, .tar, .tar.gz) and single files, NULL at the end; archives within folders
 * are looked into. One that is broken, or has an entry that leads out of it, is left out whole: a problem.
 * Error: one of `from` is not there. */
int nd_tree_open(char *const *from, nd_tree *out);
void nd_tree_close(nd_tree *tree);
const nd_tree_file *nd_tree_find(const nd_tree *tree,
                                 const char *path); /* in any case of letters; NULL: none */
/* The archive that it is in, or the folder; the caller's, g_free. */
char *nd_tree_place(const nd_tree_file *file);
/* Its bytes; false: that cannot be told. */
bool nd_tree_size(const nd_tree_file *file, uint64_t *size);
/* Whether two files hold the same, as when a set was given twice. compared: how many of their sets were
 * before; what is in a few is read, of the others sizes must do: two versions of a set differ somewhere
 * there, and one given twice is not read for hours. */
bool nd_tree_same(const nd_tree_file *a, const nd_tree_file *b, int compared);
/* Thread-safe. *bytes is the caller's, nd_mem_free; up to 512 MiB. */
int nd_tree_read(const nd_tree_file *file, void **bytes, size_t *size);

#endif
