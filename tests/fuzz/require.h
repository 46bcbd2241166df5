/* What a fuzz target holds to be so, whatever the bytes are. */
#ifndef FUZZ_REQUIRE_H
#define FUZZ_REQUIRE_H

#include <stdbool.h>
#include <stdlib.h>

static inline void require(bool condition) {
  if (!condition)
    abort();
}

#endif
