/* The public C interface over the rooms inside. */
#include "api/api-private.h"
#include "restore/restore.h"

#include <glib.h>
#include <pthread.h>
#include <string.h>

/* A restorer serves one call at a time and keeps its compiled plan for the next one. */
typedef struct spare {
  nd_restorer *restorer;
  double strength;
  size_t memory;
  noiseda_precision precision;
  int threads; /* that its plan has buffers for */
  struct spare *next;
} spare;

struct noiseda_model {
  nd_model *model; /* never changes: any number of restorers read it */
  char *settings;
  pthread_mutex_t lock; /* of the next */
  spare *spares;        /* that no call is using */
};

noiseda_model *noiseda_model_open(const char *path_or_name) {
  nd_model *model;
  if (!path_or_name) {
    nd_fail("open a model: neither path nor name was given");
    return NULL;
  }
  if (nd_model_load(path_or_name, &model))
    return NULL;
  noiseda_model *m = g_new0(noiseda_model, 1);
  m->model = model;
  m->settings = nd_net_settings_text(model->net);
  pthread_mutex_init(&m->lock, NULL);
  return m;
}

static void drop_spares(spare *s) {
  while (s) {
    spare *next = s->next;
    nd_restorer_free(s->restorer);
    g_free(s);
    s = next;
  }
}

void noiseda_model_close(noiseda_model *m) {
  if (!m)
    return;
  drop_spares(m->spares);
  nd_model_free(m->model);
  pthread_mutex_destroy(&m->lock);
  g_free(m->settings);
  g_free(m);
}

const char *noiseda_model_network(const noiseda_model *m) {
  return nd_net_name(m->model->net);
}

const char *noiseda_model_settings(const noiseda_model *m) {
  return m->settings;
}

size_t noiseda_model_weights(const noiseda_model *m) {
  size_t n = 0;
  for (int i = 0; i < nd_params_length(m->model->params); i++) {
    const nd_param *p = nd_params_at(m->model->params, i);
    n += p->state ? 0 : p->count;
  }
  return n;
}

int noiseda_model_views(const noiseda_model *m) {
  return nd_net_channels(m->model->net) / 3;
}

const char *noiseda_model_metadata(const noiseda_model *m, const char *key) {
  return nd_st_value(m->model->metadata, m->model->n_metadata, key);
}

/* ---- One call ---- */
/* A caller compiled with an older header knows fewer fields, one with a newer header more. */
static int options_of(const noiseda_options *given, noiseda_options *out) {
  *out = (noiseda_options)NOISEDA_OPTIONS;
  if (given && given->size < offsetof(noiseda_options, memory))
    return nd_fail("restore: the options say that they are %zu bytes; begin with NOISEDA_OPTIONS",
                   given->size);
  if (given)
    memcpy(out, given, MIN(given->size, sizeof *out));
  if (!(out->strength >= 0 && out->strength <= 1))
    return nd_fail("restore: a strength of %g; it goes from 0 to 1", out->strength);
  if (out->precision != NOISEDA_FP32 && out->precision != NOISEDA_BF16)
    return nd_fail("restore: a precision of number %d; there are NOISEDA_FP32 and NOISEDA_BF16",
                   (int)out->precision);
  return 0;
}

static bool suits(const spare *s, const noiseda_options *o) {
  return s->memory == o->memory && s->precision == o->precision && s->threads == nd_threads() &&
         s->strength >= o->strength && s->strength <= o->strength;
}

/* A restorer for these options. Those that wait for other options are dropped, for each holds buffers. */
static spare *take(noiseda_model *m, const noiseda_options *o) {
  spare *unsuited = NULL;
  pthread_mutex_lock(&m->lock);
  while (m->spares && !suits(m->spares, o)) {
    spare *s = m->spares;
    m->spares = s->next;
    s->next = unsuited;
    unsuited = s;
  }
  spare *found = m->spares;
  if (found)
    m->spares = found->next;
  pthread_mutex_unlock(&m->lock);
  drop_spares(unsuited);
  if (found)
    return found;
  nd_restorer_settings settings = nd_restorer_defaults();
  settings.strength = o->strength;
  settings.memory = o->memory;
  settings.dtype = nd_precision(o->precision == NOISEDA_BF16);
  spare *s = g_new0(spare, 1);
  *s = (spare){
      .strength = o->strength, .memory = o->memory, .precision = o->precision, .threads = nd_threads()};
  if (!nd_restorer_of_model(m->model, settings, &s->restorer))
    return s;
  g_free(s);
  return NULL;
}

static void give_back(noiseda_model *m, spare *s) {
  pthread_mutex_lock(&m->lock);
  s->next = m->spares;
  m->spares = s;
  pthread_mutex_unlock(&m->lock);
}

static bool ask(int done, int tiles, void *context) {
  const noiseda_options *o = context;
  return !o->progress(done, tiles, o->context);
}

static int restore_image(noiseda_model *m, nd_image *image, const nd_image *right, noiseda_options *o) {
  int before = nd_pin_threads(); /* others may set their number meanwhile */
  spare *s = take(m, o);
  int failed = s ? nd_restorer_run_image(s->restorer, image, right, o->progress ? ask : NULL, o) : -1;
  if (s)
    give_back(m, s);
  nd_unpin_threads(before);
  return failed;
}

static int check_pictures(const noiseda_picture *from, const noiseda_picture *to,
                          const noiseda_picture *right) {
  if (nd_caller_check(from, "from") || nd_caller_check(to, "to") ||
      (right && nd_caller_check(right, "options.right")))
    return -1;
  if (from->width != to->width || from->height != to->height || from->channels != to->channels)
    return nd_fail("restore: from %d x %d x %d to %d x %d x %d; size and channels are to be the same",
                   from->width, from->height, from->channels, to->width, to->height, to->channels);
  return 0;
}

int noiseda_restore(noiseda_model *m, const noiseda_picture *from, const noiseda_picture *to,
                    const noiseda_options *options) {
  noiseda_options o;
  nd_image image, right = {0};
  if (!m)
    return nd_fail("restore: there is no model");
  if (options_of(options, &o) || check_pictures(from, to, o.right) ||
      nd_net_check_views(m->model->net, o.right, "options.right") || nd_caller_read(from, &image))
    return -1;
  int failed = o.right ? nd_caller_read(o.right, &right) : 0;
  if (!failed)
    failed = restore_image(m, &image, o.right ? &right : NULL, &o);
  if (!failed)
    nd_caller_write(&image, to);
  nd_image_free(&image);
  nd_image_free(&right);
  return failed;
}

int noiseda_restore_file(noiseda_model *m, const char *from, const char *to, const noiseda_options *options) {
  noiseda_options o;
  nd_image image, right = {0};
  if (!m || !from || !to)
    return nd_fail("restore a file: a model and two names are needed");
  if (options_of(options, &o) || nd_image_check_name(to) || nd_image_start())
    return -1;
  if (nd_net_check_views(m->model->net, o.right_file, "options.right_file"))
    return nd_fail_in("'%s'", from);
  if (nd_image_load(from, &image))
    return -1;
  int failed = o.right_file ? nd_image_load(o.right_file, &right) : 0;
  if (!failed && (failed = restore_image(m, &image, o.right_file ? &right : NULL, &o)))
    nd_fail_in("'%s'", from);
  if (!failed)
    failed = nd_image_save(to, &image, NULL);
  nd_image_free(&image);
  nd_image_free(&right);
  return failed;
}

/* ---- The rest ---- */
void noiseda_set_threads(int threads) {
  nd_set_threads(threads);
}

const char *noiseda_error(void) {
  return nd_error();
}

const char *noiseda_version(void) {
  return ND_VERSION;
}
