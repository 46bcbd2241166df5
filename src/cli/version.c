/* noiseda --version: what a report of a fault, or of a figure, needs to say. */
#include "built_with.h"
#include "cli/cli.h"
#include "tensor/kernels/micro.h"

#include <stdio.h>

int nd_cli_version(void) {
  printf("noiseda %s\nbuilt with %s\non this processor: %s kernels, %s\n", ND_VERSION, ND_BUILT_WITH,
         nd_micro_best()->name, nd_count((size_t)nd_threads(), "thread").text);
  return ND_EXIT_DONE;
}
