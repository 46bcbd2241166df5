/* The settings of a degradation, found from photos without targets: those with which degraded clean pictures
 * look most like the photos. What is compared are statistics of patches that hardly depend on what a picture
 * shows: how fine its detail is, and whether one direction has less of it than another. */
#ifndef ND_FIT_H
#define ND_FIT_H

#include "data/data.h"

typedef struct nd_fit_settings {
  const char *clean, *real; /* sets, neither is the other's target */
  const char *const *fixed; /* settings of the degradation that stay as they are ("length" or "length_max"),
                               NULL-terminated; NULL: none */
  bool all;                 /* take over what photos of others do not tell, too */
  bool colour;              /* compare fine detail of colour too, as for degradations that say so */
  int patches, patch_size;  /* of each set; at least ND_FIT_LEAST pixels */
  int tries;                /* settings drawn at random, before the best of them are refined */
  uint64_t seed;
  void (*progress)(int tried, double distance, void *context); /* the least so far; or NULL */
  void *context;
} nd_fit_settings;
enum { ND_FIT_LEAST = 32 };
nd_fit_settings nd_fit_defaults(void); /* no sets, 200 patches of 48, 100 tries, seed 1 */

/* Distances are means over the statistics of the first Wasserstein distance between both sets' patches, in
 * standard deviations of the photos'. */
typedef struct nd_fit_result {
  double halves;   /* between two halves of the photos: what chance makes */
  double clean;    /* of clean pictures as they are */
  double standard; /* degraded with the settings given */
  double found;
  int tried;
  size_t photos; /* that were looked at, of those large enough */
} nd_fit_result;
/* From as many photos on what is found tells of others of their kind (docs/degradations.md). */
enum { ND_FIT_ENOUGH = 8 };
/* Logs a warning where there were fewer. */
void nd_fit_warn_of_few(const nd_fit_result *result);

/* Reads the sets and replaces the values of degradation->kind, but for the fixed ones and, unless they are
 * asked for, those that photos do not tell (nd_degradation.untold), which are searched with the others and
 * then stay as given; the chain after it is applied as it is. A function of the files and the settings alone,
 * whatever the number of threads. Errors: a set that cannot be read or has no picture of patch_size (clean
 * ones: and the degradation's reach around), a fixed name that the degradation does not have. */
int nd_fit(const nd_fit_settings *settings, nd_degrade_settings *degradation, nd_fit_result *out);

#endif
