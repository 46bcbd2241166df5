/* Opening a source of pairs. */
#include "data/loader-private.h"

#include <glib.h>
#include <string.h>

static int open_two(const char *input, const char *target, bool sizes_later, nd_pair_files *out) {
  if (nd_set_open(input, &out->input) || nd_set_open(target, &out->target))
    return -1;
  return (sizes_later ? nd_set_match_names : nd_set_match)(&out->input, &out->target);
}

static int open_views(const char *left, const char *right, const char *target, nd_pair_files *out) {
  return nd_set_open(left, &out->input) || nd_set_open(target, &out->target) ||
                 nd_set_match_views(&out->input, &out->target) ||
                 nd_set_open_right(right, &out->input, &out->right)
             ? -1
             : 0;
}

static int open_matched(const nd_pair_source *source, nd_pair_files *out) {
  g_autofree char *held = NULL, *held_target = NULL;
  const char *input = source->input_dir, *target = source->target_dir;
  if (!target) {
    if (nd_set_pair_paths(input, &held, &held_target))
      return -1;
    input = held, target = held_target;
  }
  return source->right_dir ? open_views(input, source->right_dir, target, out)
                           : open_two(input, target, source->sizes_later, out);
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
  else if (source->clean_dir && !source->input_dir && !source->target_dir && !source->right_dir)
    failed = open_degraded(source, out);
  else
    failed = nd_fail(
        "pairs come either from an input and a target, or from clean pictures and a degradation: give "
        "one of the two");
  if (failed)
    nd_pair_files_free(out);
  return failed;
}

int nd_pair_files_open_photos(const char *photos, const char *right, nd_pair_files *out) {
  memset(out, 0, sizeof *out);
  if (!nd_set_open(photos, &out->input) && (!right || !nd_set_open_right(right, &out->input, &out->right)))
    return 0;
  nd_pair_files_free(out);
  return -1;
}

void nd_pair_files_free(nd_pair_files *files) {
  nd_set_free(&files->input);
  nd_set_free(&files->right);
  nd_set_free(&files->target);
  memset(files, 0, sizeof *files);
}

int nd_pair_files_channels(const nd_pair_files *files) {
  return files->right.count ? 6 : 3;
}

const char *nd_pair_files_name(const nd_pair_files *files, size_t index) {
  return files->input.count ? files->input.at[index].name : files->target.at[index].name;
}
