/* All networks: adding one is a file and a line here. */
#include "net/net-private.h"

#include <stddef.h>

extern const nd_network nd_unet, nd_dncnn, nd_nafnet, nd_swinir, nd_uformer, nd_restormer, nd_guided, nd_sr3;

const nd_network *const nd_networks[] = {&nd_unet,      &nd_dncnn,  &nd_nafnet, &nd_swinir, &nd_uformer,
                                         &nd_restormer, &nd_guided, &nd_sr3,    NULL};
