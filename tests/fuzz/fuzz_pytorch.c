/* Any bytes as a checkpoint of PyTorch (zip, or the old format): refused with a message, or every tensor can
 * be read in full, and the file is then opened as a model too.
 *
 *   fuzz_pytorch -max_len=8192 -dict=pickle.dict NEW_CORPUS ../weights/checkpoints
 *
 * corpus/fuzz_pytorch.tar.gz is a start. */
#include "fuzz.h"
#include "weights/model.h"
#include "weights/pytorch-private.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Recognition, settings, parameters. */
static void open_model(const uint8_t *bytes, size_t n) {
  char path[64];
  int fd = memfd_create("model", MFD_CLOEXEC);
  require(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  nd_model *m;
  for (int role = ND_RESTORATION; role <= ND_DIFFUSION; role++) {
    nd_error_clear();
    require((nd_model_load_as(path, (nd_role)role, NULL, &m) == 0) == (*nd_error() == 0));
    nd_model_free(m);
  }
  close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  nd_safetensors *file;
  if (!nd_pytorch_is_zip((const char *)bytes, n) && !nd_pytorch_is_legacy((const char *)bytes, n))
    return 0;
  nd_error_clear();
  if (nd_pytorch_parse(bytes, n, &file)) {
    require(!file && *nd_error());
    return 0;
  }
  for (size_t i = 0; i < nd_safetensors_count(file); i++)
    copy_tensor(file, nd_safetensors_at(file, i));
  nd_safetensors_close(file);
  open_model(bytes, n);
  return 0;
}
