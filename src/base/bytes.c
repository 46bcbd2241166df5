/* Amounts of memory for people. */
#include "base/base.h"

#include <stdio.h>

nd_bytes_text nd_bytes(double n) {
  static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  nd_bytes_text out;
  size_t unit = 0;
  for (; n >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
    n /= 1024;
  snprintf(out.text, sizeof out.text, "%.*f %s", !unit || n >= 100 ? 0 : n >= 10 ? 1 : 2, n, units[unit]);
  return out;
}
