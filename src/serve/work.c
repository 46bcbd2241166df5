/* One photo, in a process of its own. */
#include "serve/serve.h"

#include <glib.h>

/* Up to so many pixels what is shown is exact; beyond, a JPEG is near enough and much faster. */
enum { EXACT_PIXELS = 4000000, JPEG_SIDE_MAX = 65500 };

static int save_view(const nd_serve_work *w, const nd_image *image, const char *name) {
  bool exact = image->alpha || (double)image->width * image->height <= EXACT_PIXELS ||
               MAX(image->width, image->height) > JPEG_SIDE_MAX;
  g_autofree char *file = g_strconcat(name, exact ? ".png" : ".jpg", NULL),
                  *path = g_build_filename(w->folder, file, NULL);
  return nd_image_save(path, image, &(nd_save_options){.bits = 8});
}

static int restore(const nd_serve_work *w, const nd_model *model, nd_image *image, nd_tile_progress progress,
                   void *context) {
  nd_restorer_settings s = nd_restorer_defaults();
  nd_restorer *r;
  s.strength = w->strength;
  s.memory = w->memory;
  if (nd_net_check_views(model->net, false, "noiseda restore --right (this page takes one)") ||
      nd_restorer_of_model(model, s, &r))
    return -1;
  int failed = nd_restorer_run_image(r, image, NULL, progress, context);
  size_t more = nd_restorer_lacking(r);
  if (failed && more)
    nd_fail_and("noiseda serve --memory %zuM is enough", ((w->memory + more) >> 20) + 1);
  nd_restorer_free(r);
  return failed;
}

int nd_serve_work_on(const nd_serve_work *w, nd_tile_progress progress, void *context) {
  g_autofree char *in = g_build_filename(w->folder, "upload", NULL),
                  *file = g_strconcat("result", w->ending, NULL),
                  *out = g_build_filename(w->folder, file, NULL);
  nd_model *model;
  nd_image image;
  if (nd_model_load(w->model, &model))
    return -1;
  int failed = nd_image_load(in, &image);
  if (!failed) {
    failed = save_view(w, &image, "before") || restore(w, model, &image, progress, context) ||
             nd_image_save(out, &image, NULL) || save_view(w, &image, "after");
    nd_image_free(&image);
  }
  nd_model_free(model);
  return failed ? -1 : 0;
}
