/* The zip format of torch.save, through libzip. Entries are stored as they are; compressed ones, as other
 * programs may write them, are read too, up to a total that is in proportion to the file. */
#include "weights/pytorch-private.h"

#include <string.h>
#include <zip.h>

enum { MAX_ENTRIES = 200000, MAX_RATIO = 20, FREE_BYTES = 16 << 20 };

struct nd_pytorch_zip {
  zip_t *zip;
  char *root;    /* what stands before "data.pkl" */
  size_t budget; /* bytes that may still be unpacked */
};

bool nd_pytorch_is_zip(const char *bytes, size_t n) {
  return n >= 4 && !memcmp(bytes, "PK\3\4", 4);
}

static int open_archive(nd_pytorch_zip *z, const char *bytes, size_t n) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(bytes, n, 0, &error);
  z->zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
  int failed =
      z->zip ? 0
             : nd_fail("it begins as a zip archive, but: %s; was it cut short?", zip_error_strerror(&error));
  if (failed)
    zip_source_free(source);
  zip_error_fini(&error);
  return failed;
}

/* The one folder that holds everything has the name of the file that was written. */
static int find_root(nd_pytorch_zip *z) {
  zip_int64_t entries = zip_get_num_entries(z->zip, 0);
  if (entries > MAX_ENTRIES)
    return nd_fail("it has %" G_GINT64_FORMAT " entries, more than %d", (gint64)entries, MAX_ENTRIES);
  for (zip_int64_t i = 0; i < entries && !z->root; i++) {
    const char *name = zip_get_name(z->zip, (zip_uint64_t)i, 0);
    if (name && (!strcmp(name, "data.pkl") || g_str_has_suffix(name, "/data.pkl")))
      z->root = g_strndup(name, strlen(name) - strlen("data.pkl"));
  }
  return z->root ? 0 : nd_fail("it is a zip archive without data.pkl, so torch.save did not write it");
}

static zip_int64_t locate(nd_pytorch_zip *z, const char *name) {
  g_autofree char *full = g_strconcat(z->root, name, NULL);
  return zip_name_locate(z->zip, full, 0);
}

static int check_entry(nd_pytorch_zip *z, const zip_stat_t *stat, const char *name) {
  if (!(stat->valid & ZIP_STAT_SIZE) || !(stat->valid & ZIP_STAT_COMP_METHOD) ||
      ((stat->valid & ZIP_STAT_ENCRYPTION_METHOD) && stat->encryption_method != ZIP_EM_NONE))
    return nd_fail("entry '%s' is encrypted or damaged", name);
  if (stat->comp_method != ZIP_CM_STORE && stat->comp_method != ZIP_CM_DEFLATE)
    return nd_fail("entry '%s' is compressed in a way that is not read here (method %d)", name,
                   stat->comp_method);
  if (stat->size > z->budget)
    return nd_fail("entry '%s' has %" G_GUINT64_FORMAT
                   " bytes when unpacked, far more than the file suggests",
                   name, (guint64)stat->size);
  return 0;
}

/* All of it, to the end, where libzip compares the checksum. */
static int read_whole(zip_file_t *entry, char *out, size_t n) {
  size_t done = 0;
  while (done < n) {
    zip_int64_t got = zip_fread(entry, out + done, n - done);
    if (got <= 0)
      return -1;
    done += (size_t)got;
  }
  char more;
  return zip_fread(entry, &more, 1) == 0 ? 0 : -1;
}

static int read_entry(nd_pytorch_zip *z, const char *name, char **bytes, size_t *n) {
  zip_stat_t stat;
  zip_int64_t index = locate(z, name);
  if (index < 0 || zip_stat_index(z->zip, (zip_uint64_t)index, 0, &stat))
    return nd_fail("it has no entry '%s%s'", z->root, name);
  if (check_entry(z, &stat, name))
    return -1;
  *n = stat.size;
  *bytes = nd_mem_alloc(*n + 1, "an entry of the archive");
  if (!*bytes)
    return -1;
  z->budget -= *n;
  zip_file_t *entry = zip_fopen_index(z->zip, (zip_uint64_t)index, 0);
  int failed = entry ? read_whole(entry, *bytes, *n) : -1;
  if (entry)
    zip_fclose(entry);
  if (!failed)
    return 0;
  nd_mem_free(*bytes);
  *bytes = NULL;
  return nd_fail("entry '%s' cannot be unpacked: it is cut short or damaged", name);
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
  bool little = n == 6 && !memcmp(order, "little", n);
  nd_mem_free(order);
  return little ? 0 : nd_fail("its numbers are big-endian; load and save it on another machine");
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
  if (z->zip)
    zip_discard(z->zip);
  g_free(z->root);
  g_free(z);
}

int nd_pytorch_zip_pickle(nd_pytorch_zip *z, char **bytes, size_t *n) {
  return read_entry(z, "data.pkl", bytes, n);
}

int nd_pytorch_zip_storage(nd_pytorch_zip *z, const nd_storage *s, char **bytes) {
  g_autofree char *name = g_strconcat("data/", s->key, NULL);
  size_t n, wanted = s->count * nd_st_type_size(s->type);
  if (read_entry(z, name, bytes, &n))
    return -1;
  if (n == wanted)
    return 0;
  nd_mem_free(*bytes);
  *bytes = NULL;
  return nd_fail("storage '%s' has %zu bytes, its tensors need %zu", s->key, n, wanted);
}
