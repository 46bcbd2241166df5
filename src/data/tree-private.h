/* The files of folders and archives as one tree, as if every archive were unpacked where it stands. */
#ifndef ND_TREE_PRIVATE_H
#define ND_TREE_PRIVATE_H

#include "data/set-private.h"

/* ---- zip.c: archives (libzip) -------------------------------------------------------------------------
 * Nothing is unpacked to a disk; an entry is read into memory, up to 512 MiB.
 */
typedef struct nd_zip nd_zip;
int nd_zip_open(const char *path, nd_zip **out);
void nd_zip_close(nd_zip *zip);
/* Calls fn for each file in it, with its path, number and size; hidden files and folders are left out. Error:
 * a path that leads out of the archive, besides what fn says. */
int nd_zip_list(nd_zip *zip, int (*fn)(void *context, const char *path, guint64 index), void *context);
/* Thread-safe. *bytes is the caller's, nd_mem_free. Error: it is damaged, encrypted, or too large. */
int nd_zip_read(nd_zip *zip, guint64 index, void **bytes, size_t *size);

/* ---- tree.c ------------------------------------------------------------------------------------------- */
typedef struct nd_tree_file {
  char *path;    /* with the name of the folder that was given in front; no "." and ".." */
  char *disk;    /* where it is; NULL: in an archive */
  nd_zip *zip;   /* or, NULL, it is on disk */
  guint64 index; /* in the archive */
} nd_tree_file;

typedef struct nd_tree {
  GPtrArray *files;    /* nd_tree_file, by path */
  GPtrArray *zips;     /* nd_zip */
  GPtrArray *unread;   /* paths of archives of kinds that are not read */
  GHashTable *by_path; /* folded to lower case */
} nd_tree;

/* from: folders, .zip archives and single files, NULL at the end; archives within folders are looked into. */
int nd_tree_open(char *const *from, nd_tree *out);
void nd_tree_close(nd_tree *tree);
const nd_tree_file *nd_tree_find(const nd_tree *tree,
                                 const char *path); /* in any case of letters; NULL: none */
/* Thread-safe. *bytes is the caller's, nd_mem_free. */
int nd_tree_read(const nd_tree_file *file, void **bytes, size_t *size);

#endif
