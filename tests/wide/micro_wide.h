/* The sets of kernels that a test runs through. */
#ifndef ND_MICRO_WIDE_H
#define ND_MICRO_WIDE_H

#include "tensor/kernels/micro.h"

extern const nd_micro nd_micro_wide;

/* The portable one, and what the program was started with: the machine's, or what stands in for it. To be
 * asked before a test forces any other. */
enum { ND_TESTED_MICROS = 2 };
static inline const nd_micro *nd_tested_micro(int i) {
  static const nd_micro *started_with;
  if (!started_with)
    started_with = nd_micro_best();
  return i ? started_with : &nd_micro_portable;
}

/* After a test that forced others. */
static inline void nd_micro_as_started(void) {
  nd_micro_force(nd_tested_micro(1));
}

#endif
