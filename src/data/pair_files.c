/* Opening a source of pairs. */
#include "data/loader-private.h"

#include <glib.h>
#include <string.h>

static int open_two(const char *input, const char *target, nd_pair_files *out) {
  if (nd_set_open(input, &out->input) || nd_set_open(target, &out->target))
    return -1;
  return nd_set_match(&out->input, &out->target);
}

static int open_matched(const nd_pair_source *source, nd_pair_files *out) {
  g_autofree char *input = NULL, *target = NULL;
  if (source->target_dir)
    return open_two(source->input_dir, source->target_dir, out);
  return nd_set_pair_paths(source->input_dir, &input, &target) ? -1 : open_two(input, target, out);
}

static int open_degraded(const nd_pair_source *source, nd_pair_files *out) {
  out->degradation = source->degradation;
  if (nd_degrade_check(&out->degradation))
    return nd_fail_in("clean pictures '%s'", source->clean_dir);
  return nd_set_open(source->clean_dir, &out->target);
}

int nd_pair_files_open(const nd_pair_source *source, nd_pair_files *out) {
  memset(out, 0, sizeof *out);
  int failed;
  if (source->input_dir && !source->clean_dir)
    failed = open_matched(source, out);
  else if (source->clean_dir && !source->input_dir && !source->target_dir)
    failed = open_degraded(source, out);
  else
    failed = nd_fail(
        "pairs come either from an input and a target, or from clean pictures and a degradation: give "
        "one of the two");
  if (failed)
    nd_pair_files_free(out);
  return failed;
}

void nd_pair_files_free(nd_pair_files *files) {
  nd_set_free(&files->input);
  nd_set_free(&files->target);
  memset(files, 0, sizeof *files);
}

const char *nd_pair_files_name(const nd_pair_files *files, size_t index) {
  return files->input.count ? files->input.at[index].name : files->target.at[index].name;
}
