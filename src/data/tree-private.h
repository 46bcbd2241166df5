/* The files of folders and archives as one tree, as if every archive were unpacked where it stands. */
#ifndef ND_TREE_PRIVATE_H
#define ND_TREE_PRIVATE_H

#include "data/set-private.h"

typedef struct nd_archive nd_archive;

typedef struct nd_tree_file {
  char *path;                /* with the name of the folder that was given in front; no "." and ".." */
  char *disk;                /* where it is; NULL: in an archive */
  const nd_archive *archive; /* or, NULL, it is on disk */
  int64_t index;             /* in the archive */
} nd_tree_file;

typedef struct nd_tree {
  GPtrArray *files;    /* nd_tree_file, by path */
  GPtrArray *archives; /* nd_archive */
  GPtrArray *unread;   /* paths of archives of kinds that are not read */
  GHashTable *by_path; /* folded to lower case */
} nd_tree;

/* from: folders, .zip archives and single files, NULL at the end; archives within folders are looked into. */
int nd_tree_open(char *const *from, nd_tree *out);
void nd_tree_close(nd_tree *tree);
const nd_tree_file *nd_tree_find(const nd_tree *tree,
                                 const char *path); /* in any case of letters; NULL: none */
/* Thread-safe. *bytes is the caller's, nd_mem_free; up to 512 MiB. */
int nd_tree_read(const nd_tree_file *file, void **bytes, size_t *size);

#endif
