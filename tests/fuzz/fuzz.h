/* What the fuzz targets share. */
#ifndef FUZZ_H
#define FUZZ_H

#include "require.h"
#include "weights/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Every byte that a tensor claims is touched. */
static inline void copy_tensor(const nd_safetensors *file, const nd_st_tensor *t) {
  require(nd_safetensors_find(file, t->name) == t);
  size_t size = t->count * nd_st_type_size(t->type);
  unsigned char *copy = malloc(size + 1);
  if (size)
    memcpy(copy, t->data, size);
  free(copy);
}

/* The bytes as a model file: metadata or recognition, settings, parameters. */
static inline void open_model(const uint8_t *bytes, size_t n) {
  char path[64];
  int fd = memfd_create("model", MFD_CLOEXEC);
  require(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  nd_model *m;
  for (int role = ND_RESTORATION; role <= ND_DIFFUSION; role++) {
    nd_error_clear();
    require((nd_model_load_as(path, (nd_role)role, NULL, NULL, &m) == 0) == (*nd_error() == 0));
    nd_model_free(m);
  }
  close(fd);
}

#endif
