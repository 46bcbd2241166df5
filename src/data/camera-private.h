/* The stages of the simulated camera, each in its own file, apart for the tests. */
#ifndef ND_CAMERA_PRIVATE_H
#define ND_CAMERA_PRIVATE_H

#include "base/base.h"

/* ---- camera_sensor.c: how noisy a sensor is -----------------------------------------------------------
 * The variance of a raw value x (1 = white level) is shot * x + read.
 */
const char *nd_sensor_name(int index); /* NULL past the last */
/* Levels between the tabulated sensitivities are interpolated on logarithmic axes; beyond them shot grows
 * with the sensitivity and read with its square. Sensor "dnd" draws both from rng and disregards iso; others
 * draw the same numbers and drop them. */
void nd_sensor_noise(int sensor, double iso, nd_rng *rng, double *shot, double *read);
/* Replaces raw values by noisy ones: Poisson counts of mean x / shot, Gaussian read noise, clipped at the
 * white level above and, as raw files keep a black offset, not at all below. shot, read >= 0. */
void nd_sensor_expose(float *raw, size_t n, double shot, double read, nd_rng *rng);

/* ---- camera_colour.c: what the sensor's colours are ---------------------------------------------------
 */
typedef struct nd_camera_colour {
  float to_camera[3][3], from_camera[3][3]; /* linear sRGB <-> white-balanced camera RGB; rows sum to 1 */
  float gains[3];                           /* white balance: red, 1, blue */
} nd_camera_colour;
/* random_gains, random_matrix: drawn from rng; else the middle of what would be drawn. */
nd_camera_colour nd_camera_colour_draw(bool random_gains, bool random_matrix, nd_rng *rng);

/* ---- camera_tone.c: sRGB and the tone curve -----------------------------------------------------------
 * Curves on [0, 1], values outside are clamped. With `contrast` the S-curve 3x^2 - 2x^3 follows sRGB's own.
 */
typedef struct nd_tone_curve nd_tone_curve;
const nd_tone_curve *nd_tone_to_linear(bool contrast);
const nd_tone_curve *nd_tone_to_display(bool contrast);
void nd_tone_apply(const nd_tone_curve *curve, float *x, size_t n);

/* ---- demosaic.c ---------------------------------------------------------------------------------------
 * RGGB: red where row and column are even, blue where both are odd, else green.
 */
static inline int nd_bayer_channel(int row, int column) {
  return (row & 1) + (column & 1);
}
/* Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images"
 * (ICASSP 2004). raw: height x width; rgb: height x width x 3. Borders are reflected. */
int nd_demosaic(const float *raw, int height, int width, float *rgb);

/* ---- camera_develop.c: in-camera noise reduction, then sharpening -------------------------------------
 * denoise: 0..1, the share of a bilateral filter's result, which smooths differences of about `range`;
 * sharpen: how much of the fine detail is added once more; clips to [0, 1]. Each 0: left out. */
int nd_camera_retouch(float *rgb, int height, int width, double range, double denoise, double sharpen);

/* ---- camera_soften.c ----------------------------------------------------------------------------------
 * Gaussian blur of brightness and of the colour differences of Rec. 601, by deviations in pixels, 0: none;
 * the edge is repeated. Clips to [0, 1]. */
int nd_camera_soften(float *rgb, int height, int width, double brightness, double colour);
/* How far such a deviation spreads a value, in pixels: three deviations, 20 at most. */
int nd_camera_soften_reach(double sigma);

#endif
