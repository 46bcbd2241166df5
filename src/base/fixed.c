/* Figures for people. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

nd_fixed_text nd_fixed(double x, int decimals) {
  nd_fixed_text out;
  int n = snprintf(out.text, sizeof out.text, "%.*f", decimals, x);
  if (out.text[0] == '-' && !out.text[1 + strspn(out.text + 1, "0.,")])
    memmove(out.text, out.text + 1, (size_t)n);
  return out;
}
