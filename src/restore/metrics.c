/* All metrics: adding one is an entry here, and its name in nd_metric. */
#include "restore/restore.h"

static bool has_protocol(const nd_evaluation *e) {
  return e->protocol;
}

/* Both of what a protocol measures, so that the brightness that some compare is computed once. */
static int psnr_and_ssim(const nd_evaluation *e, const nd_pair *p, const float *rgb, double *out) {
  return nd_protocol_measure(e->protocol, rgb, p->target, p->height, p->width, &out[ND_PSNR], &out[ND_SSIM]);
}

static int ssim_check_size(const nd_evaluation *e, int height, int width) {
  return nd_ssim_check_size(height, width, e->protocol->options);
}

static bool has_lpips(const nd_evaluation *e) {
  return e->lpips;
}

static int lpips(const nd_evaluation *e, const nd_pair *p, const float *rgb, double *out) {
  return nd_lpips_measure(e->lpips, rgb, p->target, p->height, p->width, &out[ND_LPIPS]);
}

static bool has_niqe(const nd_evaluation *e) {
  return e->niqe;
}

static int niqe(const nd_evaluation *e, const nd_pair *p, const float *rgb, double *out) {
  return nd_niqe_measure(e->niqe, rgb, p->height, p->width, &out[ND_NIQE]);
}

static int niqe_check_size(const nd_evaluation *e, int height, int width) {
  (void)e;
  return nd_niqe_check_size(height, width);
}

const nd_metric_kind nd_metrics[ND_METRICS] = {
    [ND_PSNR] = {"PSNR", "psnr", "PSNR (dB)", 9, 4, 2, true, false, has_protocol, NULL, psnr_and_ssim},
    [ND_SSIM] = {"SSIM", "ssim", "SSIM", 8, 5, 4, true, false, has_protocol, ssim_check_size, NULL},
    [ND_LPIPS] = {"LPIPS", "lpips", "LPIPS, lower is better", 8, 5, 4, true, true, has_lpips, NULL, lpips},
    [ND_NIQE] = {"NIQE", "niqe", "NIQE, lower is better", 8, 4, 3, false, true, has_niqe, niqe_check_size,
                 niqe},
};
