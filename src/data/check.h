/* What may be wrong with sets of pictures, found before a training run finds it. */
#ifndef ND_DATA_CHECK_H
#define ND_DATA_CHECK_H

#include "base/base.h"

/* 128 bits that stay nearly the same when a picture is resized, compressed or made noisy: whether each of 8 x
 * 8 places is brighter than the next to its right, and than the next below (Krawetz's difference hash, both
 * ways). flat: too little contrast to be told from another flat picture. */
typedef struct nd_fingerprint {
  uint64_t right, down;
  bool flat;
} nd_fingerprint;
enum {
  ND_FINGERPRINT_TURNS = 8, /* as the picture stands first, then mirrored and rotated */
  ND_FINGERPRINT_SAME = 16  /* distance up to which two pictures are taken for the same scene */
};
/* rgb: height x width x 3. */
void nd_fingerprint_of(const float *rgb, int height, int width, nd_fingerprint out[ND_FINGERPRINT_TURNS]);
int nd_fingerprint_distance(nd_fingerprint a, nd_fingerprint b); /* bits that differ, 0..128 */

typedef struct nd_check {
  size_t pictures, unreadable, grey, small; /* small: a side below 64 pixels */
  size_t pairs;                             /* where the set holds pairs, those that match */
  size_t unpaired;                          /* what does not: a picture without partner, sizes that differ */
  size_t repeated;                          /* pictures of it that are near-duplicates of another one in it */
  size_t leaked;           /* pictures of it that are near-duplicates of one of the other set */
  size_t unreadable_there; /* of the other set, so not compared */
  int least_width, least_height, most_width, most_height;
  char **findings; /* a line each, NULL at the end */
} nd_check;
/* Called from any thread, by one at a time; total is of the set that is being read. */
typedef void (*nd_check_progress)(size_t done, size_t total, void *context);
/* Reads every picture of the set; where the path holds pairs they are matched, and only the targets are
 * searched for near-duplicates. other: a set with which it should share no scene; NULL: none. progress: may
 * be NULL. Error, before anything is read: no such set, no picture. */
int nd_data_check(const char *path, const char *other, nd_check_progress progress, void *context,
                  nd_check *out);
void nd_check_free(nd_check *check);

#endif
