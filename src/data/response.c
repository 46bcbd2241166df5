/* Response curves of cameras, undone and applied. */
#include "data/response.h"

#include "data/camera-private.h"

#include <glib.h>
#include <math.h>

const char *nd_response_name(int index) {
  static const char *const words[] = {"srgb", "gamma", "none"};
  return index >= 0 && index < (int)G_N_ELEMENTS(words) ? words[index] : NULL;
}

static void to_power(float *x, size_t n, double power) {
  for (size_t i = 0; i < n; i++)
    x[i] = (float)pow((double)CLAMP(x[i], 0.0f, 1.0f), power);
}

void nd_response_undo(nd_response response, double gamma, float *x, size_t n) {
  if (response == ND_RESPONSE_SRGB)
    nd_tone_apply(nd_tone_to_linear(false), x, n);
  else if (response == ND_RESPONSE_POWER)
    to_power(x, n, gamma);
}

void nd_response_apply(nd_response response, double gamma, float *x, size_t n) {
  if (response == ND_RESPONSE_SRGB)
    nd_tone_apply(nd_tone_to_display(false), x, n);
  else if (response == ND_RESPONSE_POWER)
    to_power(x, n, 1 / gamma);
}
