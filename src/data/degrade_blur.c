/* Blur: a shaking camera, a moving one, a lens out of focus. Light adds up before the camera's response
 * curve, so the picture is blurred in linear light, as when sharp frames of a fast camera are averaged
 * through the inverse of the curve (Nah, Kim, Lee, "Deep multi-scale convolutional neural network for dynamic
 * scene deblurring", CVPR 2017). */
#include "data/degrade-private.h"

#include "data/blur-private.h"
#include "data/response.h"

#include <glib.h>
#include <math.h>

enum {
  SHAPE,
  LENGTH_MIN,
  LENGTH_MAX,
  SWINGS_MIN,
  SWINGS_MAX,
  IMPULSE_MIN,
  IMPULSE_MAX,
  RADIUS_MIN,
  RADIUS_MAX,
  ANGLE_MIN,
  ANGLE_MAX,
  RESPONSE,
  GAMMA
};
enum { SHAKE, LINE, DISC };

static const char *shape_name(int index) {
  static const char *const words[] = {"shake", "line", "disc"};
  return index >= 0 && index < 3 ? words[index] : NULL;
}

static const nd_degrade_key keys[] = {
    ND_KEY_CHOICE("shape", SHAPE, SHAKE, shape_name,
                  "shake: the path of a hand; line: steady motion; disc: out of focus"),
    ND_KEY_RANGE("length", LENGTH_MIN, 5, 30, 0, 60, "of the path or line in pixels, drawn uniformly"),
    ND_KEY_RANGE("swings", SWINGS_MIN, 0, 1, 0, 20,
                 "shake: how often the hand goes to and fro while it is exposed; 0: it drifts"),
    ND_KEY_RANGE("impulsiveness", IMPULSE_MIN, 0, 0.7, 0, 1, "shake: how often the hand jerks"),
    ND_KEY_RANGE("radius", RADIUS_MIN, 1, 6, 0, 30, "of the disc in pixels, drawn uniformly"),
    ND_KEY_RANGE("angle", ANGLE_MIN, 0, 180, -360, 360, "of the line in degrees from the row"),
    ND_KEY_CHOICE("response", RESPONSE, ND_RESPONSE_SRGB, nd_response_name,
                  "the camera's curve, undone while blurring: sRGB's, a power, or none"),
    ND_KEY_NUMBER("gamma", GAMMA, 2.2, 1, 4, "the power of response gamma; 2.2 as in GoPro"),
};

/* Every draw is made whatever the shape. */
static void draw_kernel(const double *v, nd_rng *rng, nd_blur_kernel *kernel) {
  double length = nd_rng_between(rng, v[LENGTH_MIN], v[LENGTH_MAX]),
         impulse = nd_rng_between(rng, v[IMPULSE_MIN], v[IMPULSE_MAX]),
         radius = nd_rng_between(rng, v[RADIUS_MIN], v[RADIUS_MAX]),
         angle = nd_rng_between(rng, v[ANGLE_MIN], v[ANGLE_MAX]),
         swings = nd_rng_between(rng, v[SWINGS_MIN], v[SWINGS_MAX]);
  if (v[SHAPE] == SHAKE)
    nd_blur_shake(length, swings, impulse, rng, kernel);
  else if (v[SHAPE] == LINE)
    nd_blur_line(length, angle, kernel);
  else
    nd_blur_disc(radius, kernel);
}

static int apply(const double *v, float *rgb, int height, int width, nd_rng *rng) {
  size_t n = (size_t)height * (size_t)width * 3;
  nd_response response = (nd_response)v[RESPONSE];
  nd_blur_kernel kernel;
  draw_kernel(v, rng, &kernel);
  nd_response_undo(response, v[GAMMA], rgb, n);
  if (nd_blur_apply(&kernel, rgb, height, width))
    return -1;
  nd_response_apply(response, v[GAMMA], rgb, n);
  return 0;
}

/* At constant speed, no place of a path is further than half its length from the mean; and a pixel more, as
 * light falls between pixels. */
static int reach(const double *v) {
  double furthest = v[SHAPE] == DISC ? v[RADIUS_MAX] : v[LENGTH_MAX] / 2;
  return MIN((int)ceil(furthest) + 1, ND_BLUR_RADIUS);
}

static const char *const untold[] = {"length", "radius", "angle", "response", "gamma", NULL};

const nd_degradation nd_degradation_blur = {
    .name = "blur",
    .help = "camera shake, steady motion or a lens out of focus",
    .keys = keys,
    .key_count = G_N_ELEMENTS(keys),
    .apply = apply,
    .reach = reach,
    .untold = untold,
};
