/* Any bytes as a weight file: refused with a message, or every tensor can be read in full, and the file is
 * then opened as a model too.
 *
 *   fuzz_safetensors -max_len=8192 -dict=safetensors.dict NEW_CORPUS
 *
 * corpus/fuzz_safetensors.tar.gz is a start. */
#include "fuzz.h"
#include "weights/safetensors-private.h"

static void read_tensor(const nd_safetensors *file, const nd_st_tensor *t) {
  float *numbers = malloc((t->count + 1) * sizeof *numbers);
  copy_tensor(file, t);
  nd_st_to_f32(t, numbers);
  free(numbers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  nd_safetensors *file;
  nd_error_clear();
  if (nd_safetensors_parse(bytes, n, &file)) {
    require(!file && *nd_error());
    return 0;
  }
  for (size_t i = 0; i < nd_safetensors_count(file); i++)
    read_tensor(file, nd_safetensors_at(file, i));
  for (const char *const *key = nd_safetensors_metadata_keys(file); *key; key++)
    require(nd_safetensors_metadata(file, *key) != NULL);
  nd_safetensors_close(file);
  open_model(bytes, n);
  return 0;
}
