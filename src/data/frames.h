/* Blur as a film has it: consecutive frames averaged in linear light, as in GoPro (Nah, Kim, Lee, "Deep
 * multi-scale convolutional neural network for dynamic scene deblurring", CVPR 2017). */
#ifndef ND_DATA_FRAMES_H
#define ND_DATA_FRAMES_H

#include "base/base.h"
#include "data/response.h"

typedef struct nd_frames_settings {
  const char
      *from; /* a set (data.h); frames of one folder are a film, in the order of the numbers in their names */
  const char *out; /* OUT/input and OUT/target, PNG of 8 bits, named after the middle frame */
  /* Frames averaged: an odd number, drawn uniformly from those of [least, most] that are left. */
  int least, most;
  nd_response response;
  double gamma; /* of ND_RESPONSE_POWER */
  uint64_t seed;
  bool overwrite, skip_existing; /* skip_existing: pairs that are there stay, halves of pairs are completed */
  /* After each pair (made: not skipped); false: no more of them. May be NULL. */
  bool (*progress)(const char *name, bool made, void *context);
  void *context;
} nd_frames_settings;

typedef struct nd_frames_made {
  size_t films, pairs, skipped;
  size_t unused; /* frames at the ends of films, too few for another pair */
  bool stopped;  /* progress wanted no more */
} nd_frames_made;

/* Each frame is in one pair at most. Pairs below OUT are no films, wherever OUT is. Errors:
 * `from` is where pairs go, a file of a pair's name is there and neither to be replaced nor skipped, no odd
 * number in [least, most], no film of `least` frames, frames of different sizes (named), files that cannot be
 * read or written; pairs made until then stay. */
int nd_frames_average(const nd_frames_settings *settings, nd_frames_made *out);

#endif
