/* Numbers of things for people. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

nd_count_text nd_count(size_t n, const char *one) {
  nd_count_text out;
  const char last = one[strlen(one) - 1], *many = last == 'h' || last == 's' ? "es" : "s";
  snprintf(out.text, sizeof out.text, "%zu %s%s", n, one, n == 1 ? "" : many);
  return out;
}
