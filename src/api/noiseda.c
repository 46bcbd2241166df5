/* The public C interface over the rooms inside. */
#include "noiseda/noiseda.h"

#include "restore/restore.h"

#include <glib.h>

struct noiseda_model {
  nd_model *model;
  nd_restorer *restorer;
  noiseda_options options; /* those the restorer was made for */
};

static int make_restorer(noiseda_model *m, noiseda_options o) {
  nd_restorer_settings s = nd_restorer_defaults();
  s.memory = o.memory;
  s.strength = 1 - o.less;
  nd_restorer_free(m->restorer);
  m->restorer = NULL;
  m->options = o;
  return nd_restorer_of_model(m->model, s, &m->restorer);
}

noiseda_model *noiseda_model_open(const char *path) {
  noiseda_model *m = g_new0(noiseda_model, 1);
  if (!nd_model_load(path, &m->model) && !make_restorer(m, (noiseda_options){0}))
    return m;
  noiseda_model_close(m);
  return NULL;
}

void noiseda_model_close(noiseda_model *m) {
  if (!m)
    return;
  nd_restorer_free(m->restorer);
  nd_model_free(m->model);
  g_free(m);
}

int noiseda_restore(noiseda_model *m, const float *rgb, int height, int width, float *out,
                    const noiseda_options *options) {
  noiseda_options o = options ? *options : (noiseda_options){0};
  if (height < 1 || width < 1 || !(o.less >= 0 && o.less <= 1))
    return nd_fail("restore: a picture of %d x %d, less = %g; sizes are at least 1, less goes from 0 to 1",
                   width, height, o.less);
  bool same = o.less <= m->options.less && o.less >= m->options.less && o.memory == m->options.memory;
  if (!same && make_restorer(m, o))
    return -1;
  if (nd_restorer_run(m->restorer, rgb, height, width, out, NULL, NULL))
    return -1;
  for (size_t i = 0; i < (size_t)height * (size_t)width * 3; i++)
    out[i] = CLAMP(out[i], 0, 1);
  return 0;
}

void noiseda_set_threads(int threads) {
  nd_set_threads(threads);
}

const char *noiseda_error(void) {
  return nd_error();
}

const char *noiseda_version(void) {
  return ND_VERSION;
}
