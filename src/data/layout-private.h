/* How the field publishes its sets: which files of a tree belong to which set, and to one another. */
#ifndef ND_LAYOUT_PRIVATE_H
#define ND_LAYOUT_PRIVATE_H

#include "data/prepare.h"
#include "data/tree-private.h"

/* ---- layout_table.c: the layouts, as patterns of paths ---- */
typedef enum nd_layout_kind {
  ND_LAYOUT_PAIRS,
  ND_LAYOUT_APART,   /* pairs, also where the targets were unpacked elsewhere */
  ND_LAYOUT_ORDERED, /* pairs by name or, where two folders have no name in common, by order */
  ND_LAYOUT_CLEAN,
  ND_LAYOUT_REAL,
  ND_LAYOUT_RIGHT,
  ND_LAYOUT_INPUT_FIRST, /* lists of two paths a line */
  ND_LAYOUT_TARGET_FIRST,
  ND_LAYOUT_BLOCKS /* arrays of many pictures */
} nd_layout_kind;

enum { ND_LAYOUT_TARGETS = 3 };

/* input is what a path must match (in any case of letters); the others are made of its parts. part "?x": the
 * folder train, val or test of the path, else x. For lists, targets[0] is what the paths of the inputs must
 * match, and name is made of the parts of that. */
typedef struct nd_published_layout {
  int tasks; /* bits, 1 << nd_task */
  nd_layout_kind kind;
  const char *set, *part, *name, *input, *targets[ND_LAYOUT_TARGETS];
  const char *help; /* a line for people */
} nd_published_layout;

extern const nd_published_layout nd_layouts[];
extern const size_t nd_layout_count;

/* ---- layout.c ---- */
/* A picture of a set, or a pair. */
typedef struct nd_found {
  char *folder;                       /* "gopro/train": the set and its part */
  char *name;                         /* what it will be called, without an ending; no '/' */
  const nd_tree_file *input, *target; /* target NULL: there is none, and role says what the input is */
  const char *role;                   /* "input", "right", "clean" or "real" */
  bool blocks;                        /* arrays of many pictures */
} nd_found;

/* Appends nd_found to found (which must free them: nd_found_free) in the order of the tree, and what should
 * be there and is not, or cannot be read, to missing. only: names of sets, NULL: all. */
void nd_layout_find(const nd_tree *tree, nd_task task, char *const *only, GPtrArray *found,
                    GPtrArray *missing);
void nd_found_free(void *found);
/* What is known for a task, a line each; the caller's, g_free. */
char *nd_layout_known(nd_task task);

/* ---- layout_apart.c ---- */
/* The one file whose path ends as `wanted` does, in two folders and the name; NULL: none, or several. *ends:
 * NULL at first, kept for the next call; g_hash_table_unref. */
const nd_tree_file *nd_layout_find_apart(const nd_tree *tree, const char *wanted, GHashTable **ends);

/* ---- layout_order.c: folders whose pictures share no name ---------------------------------------------
 * A picture without a partner of the name that it should have.
 */
typedef struct nd_alone {
  char *folder, *name; /* as of nd_found */
  const nd_tree_file *input;
  char *wanted;
} nd_alone;
void nd_alone_free(void *alone);
/* The partners of what is alone (nd_alone, of one folder), the pictures of the folder of what they wanted:
 * both in the order of their names, as many here as there, and numbers at their ends that are near to one
 * another. An array of nd_tree_file; NULL and an error: they are no pairs. */
GPtrArray *nd_layout_partners_in_order(const nd_tree *tree, const GPtrArray *alone);

#endif
