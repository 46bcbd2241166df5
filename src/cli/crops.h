#ifndef ND_CLI_CROPS_H
#define ND_CLI_CROPS_H

#include "cli/cli.h"
#include "restore/restore.h"
#include "train/train.h"

/* Adds crops to a validation. On error those there are stay, the receiver's to free. */
int nd_cli_crops(nd_restorer *restorer, const nd_pairs *pairs, nd_validation *out);

#endif
