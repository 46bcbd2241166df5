/* What the machine can do at best, by the measure that everything else is given as a share of: multiply-adds
 * in registers, fp32 and bf16, and the triad through memory. One JSON line.
 *
 *   peak [--threads T]
 */
#include "tensor/kernels/micro.h"
#include "tensor/kernels/peak.h"

#include "base/base.h"

#include <glib.h>
#include <stdio.h>

int main(int argc, char **argv) {
  int threads = 0;
  const GOptionEntry entries[] = {{"threads", 0, 0, G_OPTION_ARG_INT, &threads, "threads", NULL}, {0}};
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, NULL))
    return 2;
  nd_set_threads(threads);
  printf("{\"instructions\": \"%s\", \"threads\": %d, \"fp32_gflops\": %.0f, \"bf16_gflops\": %.0f, "
         "\"memory_gb\": %.1f}\n",
         nd_micro_best()->name, nd_threads(), nd_peak_flops() * 1e-9, nd_peak_bf16_flops() * 1e-9,
         nd_peak_bandwidth() * 1e-9);
  return 0;
}
