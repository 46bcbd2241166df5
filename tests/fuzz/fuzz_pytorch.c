/* Any bytes as a checkpoint of PyTorch (zip, or the old format): refused with a message, or every tensor can
 * be read in full, and the file is then opened as a model too.
 *
 *   fuzz_pytorch -max_len=8192 -dict=pickle.dict NEW_CORPUS ../weights/checkpoints
 *
 * corpus/fuzz_pytorch.tar.gz is a start. */
#include "fuzz.h"
#include "weights/pytorch-private.h"

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
