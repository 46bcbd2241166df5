/* The protocols by which the field reports PSNR and SSIM. */
#include "image/image.h"

#include <glib.h>
#include <string.h>

static const nd_protocol protocols[] = {
    {.name = "rgb",
     .channels = "R, G and B",
     .window = "7x7 uniform, sample covariance, each channel on its own",
     .border = "windows inside the picture only: 3 pixels left out of SSIM's mean, 0 of PSNR's",
     .source = "scikit-image: peak_signal_noise_ratio, structural_similarity(channel_axis=-1)",
     .options = {.round_to_8_bits = true}},
    {.name = "y",
     .channels = "Y of YCbCr (ITU-R BT.601, 16 to 235; MATLAB's rgb2ycbcr)",
     .window = "11x11 Gaussian, sigma 1.5, population covariance",
     .border = "windows inside the picture only: 5 pixels left out of SSIM's mean, 0 of PSNR's",
     .source = "deraining papers: rgb2ycbcr and Wang's ssim_index on uint8 in MATLAB",
     .luma = true,
     .options = {.round_to_8_bits = true, .gaussian = true}},
    {.name = "matlab",
     .channels = "R, G and B",
     .window = "11x11x11 Gaussian, sigma 1.5, population covariance, the picture taken for a volume",
     .border = "edges repeated, every pixel in SSIM's mean and PSNR's",
     .source = "SIDD: MATLAB's psnr and ssim on uint8",
     .options = {.round_to_8_bits = true, .matlab = true}},
};

const nd_protocol *nd_protocol_at(int index) {
  return index >= 0 && index < (int)G_N_ELEMENTS(protocols) ? &protocols[index] : NULL;
}

const nd_protocol *nd_protocol_find(const char *name) {
  g_autoptr(GString) names = g_string_new(NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++) {
    if (!strcmp(protocols[i].name, name))
      return &protocols[i];
    g_string_append_printf(names, "%s%s", i ? ", " : "", protocols[i].name);
  }
  nd_fail("there is no protocol '%s'; there are: %s", name, names->str);
  return NULL;
}

static int measure(const nd_protocol *p, const float *a, const float *b, int height, int width, int channels,
                   double *psnr, double *ssim) {
  *psnr = nd_psnr(a, b, height, width, channels, p->options);
  *ssim = nd_ssim(a, b, height, width, channels, p->options);
  return *ssim <= -1 ? -1 : 0;
}

int nd_protocol_measure(const nd_protocol *p, const float *a, const float *b, int height, int width,
                        double *psnr, double *ssim) {
  if (!p->luma)
    return measure(p, a, b, height, width, 3, psnr, ssim);
  size_t pixels = (size_t)height * (size_t)width;
  float *y = nd_mem_alloc(2 * pixels * sizeof *y, "brightness of two pictures");
  if (!y)
    return -1;
  nd_luma_y(a, pixels, p->options.round_to_8_bits, y);
  nd_luma_y(b, pixels, p->options.round_to_8_bits, y + pixels);
  int failed = measure(p, y, y + pixels, height, width, 1, psnr, ssim);
  nd_mem_free(y);
  return failed;
}
