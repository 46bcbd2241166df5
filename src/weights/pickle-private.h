/* Python's pickle read as data. A pickle is a program for a stack machine; here it has a closed list of
 * operations (pickle.c) and of calls that mean something (pickle_calls.c), all of which only make values.
 * Nothing is imported or executed. What has no meaning here, such as the settings of a training program or
 * the state of its optimiser, becomes an opaque value. */
#ifndef ND_PICKLE_PRIVATE_H
#define ND_PICKLE_PRIVATE_H

#include "weights/weights.h"

#include <glib.h>

enum {
  ND_PICKLE_MAX_BYTES = 64 << 20, /* of one pickle */
  ND_PICKLE_MAX_VALUES = 2 << 20, /* made by one file; also the depth of the stack and the size of the memo */
  ND_PICKLE_MAX_STORAGES = 100000
};

typedef enum nd_kind {
  ND_KIND_NONE,
  ND_KIND_BOOL,
  ND_KIND_INT,
  ND_KIND_TEXT,
  ND_KIND_LIST, /* also a tuple */
  ND_KIND_DICT,
  ND_KIND_GLOBAL, /* a class or function by name */
  ND_KIND_STORAGE,
  ND_KIND_VIEW,   /* a tensor */
  ND_KIND_UNREAD, /* a tensor of a kind that is not read */
  ND_KIND_OPAQUE  /* anything else */
} nd_kind;

/* Numbers that are not read, but known well enough to be passed over: complex ones, quantised ones. */
typedef struct nd_foreign {
  const char *storage, *element; /* PyTorch's names */
  size_t size;                   /* bytes an element */
} nd_foreign;

/* A run of numbers that tensors look at. */
typedef struct nd_storage nd_storage;
struct nd_storage {
  const char *key;
  nd_st_type type;
  const nd_foreign *foreign; /* what they are instead; NULL: they are of that type */
  bool untyped;              /* counts bytes; the tensors know the type */
  size_t count;              /* elements of that type */
  const char *bytes;         /* NULL: not read yet */
  nd_storage *root;          /* a part of another one, from element root_offset; else NULL */
  size_t root_offset;
};

typedef struct nd_view {
  nd_storage *storage; /* all elements lie inside it */
  nd_st_type type;
  int rank;
  int64_t shape[ND_ST_MAX_RANK], stride[ND_ST_MAX_RANK], offset; /* in elements */
  size_t count;
} nd_view;

typedef struct nd_pickle_value {
  nd_kind kind;
  union {
    int64_t integer;  /* BOOL, INT */
    const char *text; /* TEXT (UTF-8); GLOBAL, OPAQUE: "module.name" of what it is, or of its class, or of
                         what made it; UNREAD: "torch.complex64" */
    GPtrArray *items; /* LIST; DICT: key, value, key, value. Values of the same pickle, possibly this one */
    nd_storage *storage;
    nd_view *view;
  };
} nd_pickle_value;

/* Owns every value and storage read through it. */
typedef struct nd_pickle nd_pickle;
nd_pickle *nd_pickle_new(void);
void nd_pickle_free(nd_pickle *p); /* NULL is fine */
/* One pickle from the front of the bytes, which must live as long as p; *used: how many it took. */
int nd_pickle_read(nd_pickle *p, const char *bytes, size_t n, size_t *used, const nd_pickle_value **out);
size_t nd_storage_element(const nd_storage *s); /* bytes */
/* NULL: there is none. */
nd_storage *nd_pickle_find_storage(nd_pickle *p, const char *key);
/* The value of a dictionary's last entry of that key; NULL: there is none. */
const nd_pickle_value *nd_dict_find(const nd_pickle_value *dict, const char *key);

/* ---- For the files of the interpreter ---- */
struct nd_pickle {
  GPtrArray *values;     /* owns all */
  GStringChunk *strings; /* owns texts */
  GHashTable *storages;  /* by key, owned */
  /* of the pickle being read: */
  const guint8 *begin, *at, *end;
  GPtrArray *stack, *memo;
  GArray *marks; /* heights of the stack */
  bool stopped;
};
nd_pickle_value *nd_pickle_new_value(nd_pickle *p, nd_kind kind); /* NULL and an error: too many */
nd_pickle_value *nd_pickle_opaque(nd_pickle *p, const char *what);
nd_pickle_value *nd_pickle_unread(nd_pickle *p, const char *type);
nd_storage *nd_pickle_add_storage(nd_pickle *p, const char *key);
/* NULL: not there, or of another kind. */
const nd_pickle_value *nd_pickle_value_at(const nd_pickle_value *list, guint i, nd_kind kind);
/* function(arguments), class.__new__(arguments), and what a persistent id stands for: NULL and an error where
 * it is one of those that only do harm, or not described as PyTorch does. */
nd_pickle_value *nd_pickle_call(nd_pickle *p, const nd_pickle_value *function,
                                const nd_pickle_value *arguments);
nd_pickle_value *nd_pickle_construct(nd_pickle *p, const nd_pickle_value *class_,
                                     const nd_pickle_value *arguments);
nd_pickle_value *nd_pickle_resolve(nd_pickle *p, const nd_pickle_value *id);
/* A tensor of storage, offset, shape and strides; element: the name of its type, NULL: as the storage. */
nd_pickle_value *nd_pickle_tensor(nd_pickle *p, const nd_pickle_value *arguments,
                                  const nd_pickle_value *element);

#endif
