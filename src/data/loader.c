/* Threads that prepare batches ahead of the training. */
#include "data/loader-private.h"

#include <glib.h>

enum { WORKERS_MAX = 256, PREFETCH_MAX = 1024 };

typedef struct slot {
  nd_batch batch;
  bool ready;
  char *error; /* instead of a batch */
} slot;

/* Step s lives in slot s % count. A worker may start step s once step s - count has been given back. */
struct nd_loader {
  nd_sampler sampler;
  GMutex lock;
  GCond room, ready;
  slot *slots;
  uint64_t count;
  uint64_t started;  /* the next step to be started */
  uint64_t returned; /* the first step not given back */
  uint64_t next;     /* the next step to hand out: returned, or one more while the caller has a batch */
  GThread **threads;
  int workers;
  bool stop;
};

nd_loader_settings nd_loader_defaults(void) {
  return (nd_loader_settings){.patch_size = 128,
                              .batch_size = 4,
                              .augment = true,
                              .workers = 2,
                              .prefetch = 8,
                              .cache_bytes = (size_t)1 << 30};
}

/* Takes a step to prepare; false: the loader closes. The lock is held. */
static bool take_step(nd_loader *loader, uint64_t *step) {
  while (!loader->stop && loader->started >= loader->returned + loader->count)
    g_cond_wait(&loader->room, &loader->lock);
  *step = loader->started++;
  return !loader->stop;
}

static void *work(void *data) {
  nd_loader *loader = data;
  uint64_t step;
  g_mutex_lock(&loader->lock);
  while (take_step(loader, &step)) {
    slot *s = &loader->slots[step % loader->count];
    g_mutex_unlock(&loader->lock);
    int failed = nd_sampler_fill(&loader->sampler, step, &s->batch);
    g_mutex_lock(&loader->lock);
    s->error = failed ? g_strdup(nd_error()) : NULL;
    s->ready = true;
    g_cond_broadcast(&loader->ready);
  }
  g_mutex_unlock(&loader->lock);
  return NULL;
}

static int start(nd_loader *loader, int workers) {
  loader->threads = g_new0(GThread *, workers);
  for (; loader->workers < workers; loader->workers++) {
    g_autoptr(GError) error = NULL;
    GThread *thread = g_thread_try_new("nd-loader", work, loader, &error);
    if (!thread)
      return nd_fail("cannot start thread %d of %d that read pictures: %s", loader->workers + 1, workers,
                     error->message);
    loader->threads[loader->workers] = thread;
  }
  return 0;
}

static int alloc_slots(nd_loader *loader) {
  loader->slots = g_new0(slot, loader->count);
  for (uint64_t i = 0; i < loader->count; i++)
    if (nd_batch_alloc(&loader->sampler, &loader->slots[i].batch))
      return nd_fail_in("room for %d batches ahead", (int)loader->count);
  return 0;
}

int nd_loader_open(const nd_loader_settings *settings, uint64_t first_step, nd_loader **out) {
  *out = NULL;
  if (settings->workers < 1 || settings->workers > WORKERS_MAX)
    return nd_fail("%d workers: 1 to %d can read pictures", settings->workers, WORKERS_MAX);
  if (settings->prefetch < 2 || settings->prefetch > PREFETCH_MAX)
    return nd_fail("prefetch %d is outside 2 to %d", settings->prefetch, PREFETCH_MAX);
  nd_loader *loader = g_new0(nd_loader, 1);
  g_mutex_init(&loader->lock);
  g_cond_init(&loader->room);
  g_cond_init(&loader->ready);
  loader->count = (uint64_t)settings->prefetch;
  loader->started = loader->returned = loader->next = first_step;
  if (nd_sampler_open(settings, &loader->sampler) || alloc_slots(loader) ||
      start(loader, settings->workers)) {
    nd_loader_close(loader);
    return -1;
  }
  *out = loader;
  return 0;
}

/* Gives back the batch the caller had. The lock is held. */
static void give_back(nd_loader *loader) {
  if (loader->returned == loader->next)
    return;
  loader->slots[loader->returned % loader->count].ready = false;
  loader->returned++;
  g_cond_signal(&loader->room);
}

int nd_loader_next(nd_loader *loader, const nd_batch **batch, double *wait_seconds) {
  gint64 begin = g_get_monotonic_time();
  g_mutex_lock(&loader->lock);
  give_back(loader);
  slot *s = &loader->slots[loader->next % loader->count];
  while (!s->ready)
    g_cond_wait(&loader->ready, &loader->lock);
  if (!s->error)
    loader->next++; /* after a failure the loader stays at its step */
  g_mutex_unlock(&loader->lock);
  if (wait_seconds)
    *wait_seconds = (double)(g_get_monotonic_time() - begin) * 1e-6;
  *batch = s->error ? NULL : &s->batch;
  return s->error ? nd_fail("%s", s->error) : 0;
}

uint64_t nd_loader_fingerprint(const nd_loader *loader) {
  return loader->sampler.fingerprint;
}

size_t nd_loader_pictures(const nd_loader *loader) {
  return loader->sampler.pairs.target.count;
}

void nd_loader_close(nd_loader *loader) {
  if (!loader)
    return;
  g_mutex_lock(&loader->lock);
  loader->stop = true;
  g_cond_broadcast(&loader->room);
  g_mutex_unlock(&loader->lock);
  for (int i = 0; i < loader->workers; i++)
    g_thread_join(loader->threads[i]);
  for (uint64_t i = 0; loader->slots && i < loader->count; i++) {
    nd_batch_free(&loader->slots[i].batch);
    g_free(loader->slots[i].error);
  }
  nd_sampler_close(&loader->sampler);
  g_free(loader->slots);
  g_free(loader->threads);
  g_cond_clear(&loader->room);
  g_cond_clear(&loader->ready);
  g_mutex_clear(&loader->lock);
  g_free(loader);
}
