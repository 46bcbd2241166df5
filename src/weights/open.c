/* Weight files by name: mapped, and read as what they begin as. */
#include "weights/pytorch-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

typedef int (*parser)(const void *bytes, size_t n, nd_safetensors **out);

/* Of a run's folder: which file to take. */
static int not_a_file(const char *path) {
  static const char *const models[] = {"best.safetensors", "model.safetensors"};
  if (!g_file_test(path, G_FILE_TEST_IS_DIR))
    return nd_fail("cannot read weights '%s': it is not a regular file", path);
  for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
    g_autofree char *model = g_build_filename(path, models[i], NULL);
    if (g_file_test(model, G_FILE_TEST_IS_REGULAR))
      return nd_fail("cannot read weights '%s': it is a folder; in it is %s", path, model);
  }
  return nd_fail("cannot read weights '%s': it is a folder, not a file", path);
}

static int open_as(const char *path, parser parse, nd_safetensors **out) {
  *out = NULL;
  if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return not_a_file(path);
  g_autoptr(GError) error = NULL;
  if (g_access(path, R_OK))
    return nd_fail("cannot read weights '%s': %s", path, g_strerror(errno));
  g_autoptr(GMappedFile) map = g_mapped_file_new(path, FALSE, &error);
  if (!map)
    return nd_fail("cannot read weights '%s': %s", path, error->message);
  if (parse(g_mapped_file_get_contents(map), g_mapped_file_get_length(map), out))
    return nd_fail_in("cannot read weights '%s'", path);
  (*out)->map = g_steal_pointer(&map);
  return 0;
}

int nd_safetensors_open(const char *path, nd_safetensors **out) {
  return open_as(path, nd_safetensors_parse, out);
}

static int parse_named(const void *bytes, size_t n, nd_safetensors **out) {
  if (nd_pytorch_is_zip(bytes, n) || nd_pytorch_is_legacy(bytes, n))
    return nd_pytorch_parse(bytes, n, out);
  if (!nd_safetensors_parse(bytes, n, out))
    return 0;
  if (n && *(const unsigned char *)bytes == 0x80)
    return nd_fail("it is a pickle, but not of torch.save");
  return nd_safetensors_begins(bytes, n) ? -1
                                         : nd_fail("it is no safetensors file and no checkpoint of PyTorch");
}

static int parse_any(const void *bytes, size_t n, nd_safetensors **out) {
  if (parse_named(bytes, n, out))
    return -1;
  nd_safetensors_unwrap(*out);
  return 0;
}

int nd_weights_open(const char *path, nd_safetensors **out) {
  return open_as(path, parse_any, out);
}
