/* The degradations' descriptions, one a file, and what their key tables share. */
#ifndef ND_DEGRADE_PRIVATE_H
#define ND_DEGRADE_PRIVATE_H

#include "data/data.h"

extern const nd_degradation nd_degradation_gaussian, nd_degradation_camera, nd_degradation_rain,
    nd_degradation_blur, nd_degradation_jpeg, nd_degradation_downscale;

/* Entries of a key table. place: the number of its (first) value. */
#define ND_KEY_RANGE(name, place, low, high, min, max, help)                                                 \
  { name, help, place, 2, {low, high}, min, max, NULL, false }
#define ND_KEY_NUMBER(name, place, standard, min, max, help)                                                 \
  { name, help, place, 1, {standard}, min, max, NULL, false }
#define ND_KEY_WHOLE(name, place, standard, min, max, help)                                                  \
  { name, help, place, 1, {standard}, min, max, NULL, true }
#define ND_KEY_CHOICE(name, place, standard, words, help)                                                    \
  { name, help, place, 1, {standard}, 0, 0, words, false }

/* A key's words for a switch: false, true. */
const char *nd_choice_switch(int index);

/* rain_drops.c: drops on the lens, `density` of them in 100 x 100 pixels. */
int nd_rain_drops(double density, double radius_min, double radius_max, float *rgb, int height, int width,
                  nd_rng *rng);

/* degrade_jpeg.c: to a JPEG of that quality and back; a whole quality, uniform over [low, high]. */
int nd_jpeg_round_trip(float *rgb, int height, int width, int quality);
int nd_jpeg_draw_quality(double low, double high, nd_rng *rng);

#endif
