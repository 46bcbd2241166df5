/* The zip format of torch.save. Entries are stored as they are; compressed ones, as other programs may write
 * them, are read too, up to a total that is in proportion to the file. */
#include "base/zip_archive.h"
#include "weights/pytorch-private.h"

#include <string.h>

enum { MAX_ENTRIES = 200000, MAX_RATIO = 20, FREE_BYTES = 16 << 20 };

struct nd_pytorch_zip {
  nd_zip *zip;
  char *root;    /* what stands before "data.pkl" */
  size_t budget; /* bytes that may still be unpacked */
  bool swapped;  /* numbers are big-endian */
};

bool nd_pytorch_is_zip(const char *bytes, size_t n) {
  return n >= 4 && !memcmp(bytes, "PK\3\4", 4);
}

static int open_archive(nd_pytorch_zip *z, const char *bytes, size_t n) {
  if (!nd_zip_open_bytes(bytes, n, &z->zip))
    return 0;
  nd_fail_in("it begins as a zip archive, but");
  return nd_fail_and("was it cut short?");
}

/* The one folder that holds everything has the name of the file that was written. */
static int find_root(nd_pytorch_zip *z) {
  int64_t entries = nd_zip_count(z->zip);
  if (entries > MAX_ENTRIES)
    return nd_fail("it has %" G_GINT64_FORMAT " entries, more than %d", entries, MAX_ENTRIES);
  for (int64_t i = 0; i < entries && !z->root; i++) {
    const char *name = nd_zip_name(z->zip, i);
    if (name && (!strcmp(name, "data.pkl") || g_str_has_suffix(name, "/data.pkl")))
      z->root = g_strndup(name, strlen(name) - strlen("data.pkl"));
  }
  return z->root ? 0 : nd_fail("it is a zip archive without data.pkl, so torch.save did not write it");
}

static int64_t locate(nd_pytorch_zip *z, const char *name) {
  g_autofree char *full = g_strconcat(z->root, name, NULL);
  return nd_zip_find(z->zip, full);
}

static int read_entry(nd_pytorch_zip *z, const char *name, char **bytes, size_t *n) {
  int64_t index = locate(z, name);
  uint64_t size;
  void *read;
  *bytes = NULL;
  if (index < 0)
    return nd_fail("it has no entry '%s%s'", z->root, name);
  if (nd_zip_size(z->zip, index, &size))
    return -1;
  if (size > z->budget)
    return nd_fail("entry '%s' has %" G_GUINT64_FORMAT
                   " bytes when unpacked, far more than the file suggests",
                   name, size);
  if (nd_zip_read(z->zip, index, z->budget, &read, n))
    return -1;
  z->budget -= *n;
  *bytes = read;
  return 0;
}

static int check_kind(nd_pytorch_zip *z) {
  char *order;
  size_t n;
  if (locate(z, "constants.pkl") >= 0)
    return nd_fail("it is a TorchScript program; save the model's state_dict() instead");
  if (locate(z, "byteorder") < 0)
    return 0;
  if (read_entry(z, "byteorder", &order, &n))
    return -1;
  bool little = n == 6 && !memcmp(order, "little", n), big = n == 3 && !memcmp(order, "big", n);
  nd_mem_free(order);
  z->swapped = big;
  return little || big ? 0 : nd_fail("its entry 'byteorder' is neither little nor big");
}

int nd_pytorch_zip_open(const char *bytes, size_t n, nd_pytorch_zip **out) {
  nd_pytorch_zip *z = g_new0(nd_pytorch_zip, 1);
  z->budget = n > SIZE_MAX / 2 / MAX_RATIO ? SIZE_MAX / 2 : n * MAX_RATIO + FREE_BYTES;
  *out = NULL;
  if (open_archive(z, bytes, n) || find_root(z) || check_kind(z)) {
    nd_pytorch_zip_close(z);
    return -1;
  }
  *out = z;
  return 0;
}

void nd_pytorch_zip_close(nd_pytorch_zip *z) {
  if (!z)
    return;
  nd_zip_close(z->zip);
  g_free(z->root);
  g_free(z);
}

int nd_pytorch_zip_pickle(nd_pytorch_zip *z, char **bytes, size_t *n) {
  return read_entry(z, "data.pkl", bytes, n);
}

static void swap(char *bytes, size_t count, size_t size) {
  for (char *at = bytes; count--; at += size)
    for (size_t i = 0; i < size / 2; i++) {
      char byte = at[i];
      at[i] = at[size - 1 - i];
      at[size - 1 - i] = byte;
    }
}

int nd_pytorch_zip_storage(nd_pytorch_zip *z, const nd_storage *s, char **bytes) {
  g_autofree char *name = g_strconcat("data/", s->key, NULL);
  size_t n, size = nd_st_type_size(s->type), wanted = s->count * size;
  if (z->swapped && s->untyped)
    return nd_fail("storage '%s' is big-endian and does not say of what; load and save it on another machine",
                   s->key);
  if (read_entry(z, name, bytes, &n))
    return -1;
  if (n == wanted && z->swapped)
    swap(*bytes, s->count, size);
  if (n == wanted)
    return 0;
  nd_mem_free(*bytes);
  *bytes = NULL;
  return nd_fail("storage '%s' has %zu bytes, its tensors need %zu", s->key, n, wanted);
}
