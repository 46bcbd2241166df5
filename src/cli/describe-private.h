/* What manual pages and completions are written from: the tables that --help prints. */
#ifndef ND_CLI_DESCRIBE_PRIVATE_H
#define ND_CLI_DESCRIBE_PRIVATE_H

#include "cli/cli.h"

typedef struct nd_description {
  const nd_command *command;
  const GOptionEntry *entries; /* a zeroed one at the end; hidden ones are to be left out */
  const char *usage, *about;
} nd_description;
/* Calls fn with what the command says of itself; nothing in the description outlives the call. */
typedef void (*nd_describe_fn)(const nd_description *d, void *context);
void nd_describe(const nd_command *command, nd_describe_fn fn, void *context);

/* What an option wants after it. */
typedef enum nd_wants {
  ND_WANTS_NOTHING,
  ND_WANTS_TEXT,
  ND_WANTS_FILE,
  ND_WANTS_FOLDER,
  ND_WANTS_WORD
} nd_wants;
nd_wants nd_option_wants(const GOptionEntry *e);
/* The words that an option takes, from its "png|jpeg": as they stand there, between blanks. The caller's. */
char *nd_option_words(const GOptionEntry *e);
bool nd_option_shown(const GOptionEntry *e);
/* What the command's first argument may be: the lower-case words of its usage, or the degradations. NULL at
 * the end; g_strfreev. */
char **nd_usage_words(const nd_description *d);

#endif
