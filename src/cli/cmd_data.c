/* noiseda data: looks after sets of pictures. */
#include "cli/cli.h"
#include "data/check.h"

#include <stdio.h>
#include <string.h>

static void print_check(const char *path, const nd_check *c, const char *other) {
  for (char **line = c->findings; *line; line++)
    printf("%s\n", *line);
  printf(
      "%s: %zu pictures read, %d x %d to %d x %d; %zu pairs, %zu unreadable, %zu grey, %zu smaller than 64 "
      "pixels, %zu of a scene seen before\n",
      path, c->pictures, c->least_width, c->least_height, c->most_width, c->most_height, c->pairs,
      c->unreadable, c->grey, c->small, c->repeated);
  if (other)
    printf("%zu of its scenes are in %s as well%s\n", c->leaked, other,
           c->leaked ? ": take them out of one of the two, or figures on it mean little" : "");
}

static int run(int argc, char **argv) {
  g_autofree char *against = NULL;
  const GOptionEntry entries[] = {{"against", 0, 0, G_OPTION_ARG_FILENAME, &against,
                                   "a test set that should share no scene with it", "DIR"},
                                  {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "check DIR",
          "Reads every picture of a set (a folder, or one with input/ and target/): pairs, sizes, colour,\n"
          "unreadable files, near-duplicates. Status 1: unreadable files, broken pairs or shared scenes."))
    return ND_EXIT_USAGE;
  if (argc != 3 || strcmp(argv[1], "check"))
    return nd_cli_wrong("'check' and one folder are needed");
  nd_check check;
  if (nd_data_check(argv[2], against, &check))
    return nd_cli_failed();
  print_check(argv[2], &check, against);
  bool bad = check.unreadable || check.unpaired || check.leaked;
  nd_check_free(&check);
  return bad ? ND_EXIT_FAILED : ND_EXIT_DONE;
}

const nd_command nd_cmd_data = {"data", "check a set of pictures", run};
