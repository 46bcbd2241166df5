/* Colours of real sensors: white balance gains and colour matrices. */
#include "data/camera-private.h"

#include <glib.h>

/* XYZ to camera, from the DNG colour matrices of the four cameras of the Darmstadt Noise Dataset. */
enum { CAMERAS = 4 };
static const double cameras[CAMERAS][3][3] = {
    /* Huawei Nexus 6P */
    {{1.0234, -0.2969, -0.2266}, {-0.5625, 1.6328, -0.0469}, {-0.0703, 0.2188, 0.6406}},
    /* Sony ILCE-7R */
    {{0.4913, -0.0541, -0.0202}, {-0.6130, 1.3513, 0.2906}, {-0.1564, 0.2151, 0.7183}},
    /* Olympus E-M10 */
    {{0.8380, -0.2630, -0.0639}, {-0.2887, 1.0725, 0.2496}, {-0.0627, 0.1427, 0.5438}},
    /* Sony DSC-RX100M4 */
    {{0.6596, -0.2079, -0.0562}, {-0.4782, 1.3016, 0.1933}, {-0.0970, 0.1581, 0.5181}},
};

/* Linear sRGB to XYZ, D65: IEC 61966-2-1. */
static const double srgb_to_xyz[3][3] = {
    {0.4124564, 0.3575761, 0.1804375}, {0.2126729, 0.7151522, 0.0721750}, {0.0193339, 0.1191920, 0.9503041}};

static void multiply(double a[3][3], const double b[3][3], double out[3][3]) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      out[i][j] = a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j];
}

/* White in sRGB is to be white in the white-balanced camera. */
static void normalize_rows(double m[3][3]) {
  for (int i = 0; i < 3; i++) {
    double sum = m[i][0] + m[i][1] + m[i][2];
    for (int j = 0; j < 3; j++)
      m[i][j] /= sum;
  }
}

/* By cofactors; mixtures of the four cameras are far from singular. */
static void invert(double m[3][3], double out[3][3]) {
  double determinant = 0;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      int r = (j + 1) % 3, s = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
      out[i][j] = m[r][c] * m[s][d] - m[r][d] * m[s][c];
    }
  for (int j = 0; j < 3; j++)
    determinant += m[0][j] * out[j][0];
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      out[i][j] /= determinant;
}

static void mix(const double weights[CAMERAS], double out[3][3]) {
  double sum = 0;
  for (int c = 0; c < CAMERAS; c++)
    sum += weights[c];
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      out[i][j] = 0;
      for (int c = 0; c < CAMERAS; c++)
        out[i][j] += weights[c] / sum * cameras[c][i][j];
    }
}

static void set_matrices(const double weights[CAMERAS], nd_camera_colour *colour) {
  double camera[3][3], forward[3][3], backward[3][3];
  mix(weights, camera);
  multiply(camera, srgb_to_xyz, forward);
  normalize_rows(forward);
  invert(forward, backward);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      colour->to_camera[i][j] = (float)forward[i][j];
      colour->from_camera[i][j] = (float)backward[i][j];
    }
}

/* Ranges and mixing as in Brooks et al., "Unprocessing images for learned raw denoising" (CVPR 2019). */
nd_camera_colour nd_camera_colour_draw(bool random_gains, bool random_matrix, nd_rng *rng) {
  nd_camera_colour colour;
  double red = nd_rng_between(rng, 1.9, 2.4), blue = nd_rng_between(rng, 1.5, 1.9), weights[CAMERAS];
  for (int c = 0; c < CAMERAS; c++) {
    double drawn = nd_rng_uniform(rng);
    weights[c] = random_matrix ? drawn : 1;
  }
  set_matrices(weights, &colour);
  colour.gains[0] = random_gains ? (float)red : 2.15f;
  colour.gains[1] = 1;
  colour.gains[2] = random_gains ? (float)blue : 1.7f;
  return colour;
}
