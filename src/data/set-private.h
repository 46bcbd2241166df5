/* What sets of pictures are made of. */
#ifndef ND_SET_PRIVATE_H
#define ND_SET_PRIVATE_H

#include "data/data.h"

#include <glib.h>

/* ---- set.c: the table of kinds ------------------------------------------------------------------------
 * A new kind is one file, set_NAME.c, and one line of that table.
 */
typedef struct nd_set_kind {
  bool ordered;                                      /* matched with another set by order, not by name */
  bool (*knows)(const char *path, const char *part); /* part: what followed the '#', NULL: nothing did */
  /* Fills in at (with nd_set_add) and state; on error nd_set_free follows. */
  int (*open)(nd_set *set, const char *path, const char *part);
  int (*load)(const nd_set *set, const nd_set_item *item, nd_image *out);
  int (*size)(const nd_set *set, const nd_set_item *item, int *width, int *height);
  void (*close)(void *state); /* NULL: there is no state */
  /* The paths of both sides, g_free, where the path names pairs; else false. NULL: it never does. */
  bool (*pairs)(const char *path, const char *part, char **input, char **target);
} nd_set_kind;

extern const nd_set_kind nd_set_pictures, nd_set_folders, nd_set_halves, nd_set_lists, nd_set_blocks;

/* Takes over the strings; label NULL: the file. */
void nd_set_add(nd_set *set, char *name, char *file, char *label, size_t part);

/* ---- match.c ------------------------------------------------------------------------------------------
 * Sides of a pair; the error names both and gives their sizes.
 */
typedef struct nd_sized {
  const char *label;
  int width, height;
} nd_sized;
/* 0: they are the same. */
int nd_compare_sizes(const nd_sized *a, const nd_sized *b);
/* The places of names (strings) in their order, numbers in them by their value; the caller's, g_free. */
size_t *nd_names_in_order(const GPtrArray *names);

/* ---- walk.c: the files below a folder -----------------------------------------------------------------
 * Appends their paths relative to root, sorted bytewise, of those that are wanted by name. Hidden ones are
 * left out, links are followed, but not into folders that they stand in. problem: as of nd_set_open_past,
 * NULL: each is an error. names: of strings, freed with it.
 */
int nd_walk(const char *root, bool (*wanted)(const char *name), nd_set_problem problem, void *context,
            GPtrArray *names);
/* The same, with those of the others that are passed_over by name in an array of their own. */
int nd_walk_past(const char *root, bool (*wanted)(const char *name), bool (*passed_over)(const char *name),
                 nd_set_problem problem, void *context, GPtrArray *names, GPtrArray *passed);

/* ---- list.c: lines of paths ---------------------------------------------------------------------------
 */
typedef struct nd_list_line {
  int number; /* from 1 */
  char **paths;
} nd_list_line;
/* Paths may contain spaces: the next one begins after a tab, or after white space that follows the ending of
 * a picture. Empty lines and those that begin with # are left out. name: for messages. Errors: no text. An
 * array of nd_list_line that frees what is in it; NULL on error. */
GArray *nd_list_read(const char *text, size_t size, const char *name);

/* ---- mat.c: pictures in arrays of MATLAB (matio) ------------------------------------------------------
 * A variable of class uint8, uint16, single or double (the last two in [0, 1]) whose dimensions are indices,
 * then height, width and 3, as SIDD's 40 x 32 x 256 x 256 x 3; or height, width, 3, indices.
 */
typedef struct nd_mat nd_mat;
bool nd_mat_named(const char *path); /* by its ending */
/* Reads what there is, but no values. variable NULL: the only one of such a shape. Error: there is none, or
 * several; they are listed. Dimensions that the file is too small for are an error too. called: the file, in
 * messages. */
int nd_mat_open(const char *file, const char *called, const char *variable, nd_mat **out);
/* The same as a set, whatever the file's own name, which must stay until the set is freed. */
int nd_set_open_array(const char *file, const char *called, nd_set *out);
void nd_mat_close(nd_mat *mat);                 /* NULL is fine */
const char *nd_mat_variable(const nd_mat *mat); /* its name */
size_t nd_mat_count(const nd_mat *mat);
/* "03_12": its indices, counted from 1 as in MATLAB; the caller's, g_free. */
char *nd_mat_name(const nd_mat *mat, size_t index);
void nd_mat_size(const nd_mat *mat, int *width, int *height);
/* Thread-safe; the first call reads all of the array. Error: it ends early; values outside [0, 1]. */
int nd_mat_block(nd_mat *mat, size_t index, nd_image *out);

#endif
