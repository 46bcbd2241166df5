/* All networks: adding one is a file and a line here. */
#include "net/net-private.h"

#include <stddef.h>

extern const nd_network nd_unet, nd_swinir, nd_uformer, nd_guided;

const nd_network *const nd_networks[] = {&nd_unet, &nd_swinir, &nd_uformer, &nd_guided, NULL};
