#include "tensor/kernels/data.h"

#include "base/base.h"

ND_KERNEL static void widen(const uint16_t *restrict from, float *restrict to, size_t count) {
  for (size_t i = 0; i < count; i++)
    to[i] = nd_from_bf16(from[i]);
}

ND_KERNEL static void narrow(const float *restrict from, uint16_t *restrict to, size_t count) {
  for (size_t i = 0; i < count; i++)
    to[i] = nd_to_bf16(from[i]);
}

void nd_widen(const uint16_t *from, float *to, size_t count) {
  widen(from, to, count);
}

void nd_narrow(const float *from, uint16_t *to, size_t count) {
  narrow(from, to, count);
}

void nd_copy_numbers(nd_data to, size_t to_first, nd_data from, size_t from_first, size_t count) {
  const void *source = nd_number_at(from.at, from.type, (ptrdiff_t)from_first);
  void *target = (void *)nd_number_at(to.at, to.type, (ptrdiff_t)to_first);
  if (to.type == from.type)
    memcpy(target, source, count * nd_dtype_size(to.type));
  else if (to.type == ND_F32)
    nd_widen(source, target, count);
  else
    nd_narrow(source, target, count);
}

void nd_clear_numbers(nd_data to, size_t first, size_t count) {
  memset((void *)nd_number_at(to.at, to.type, (ptrdiff_t)first), 0, count * nd_dtype_size(to.type));
}
