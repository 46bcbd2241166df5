/* Decoded pictures kept in memory; the least recently used one leaves first. */
#include "data/loader-private.h"

#include <glib.h>
#include <stdatomic.h>

/* The public part comes first, so that one pointer serves for both. */
typedef struct entry {
  nd_cached picture;
  atomic_int users; /* the cache counts as one */
  size_t bytes;
  char *label;
  GList link; /* in the cache's list, most recently used first */
} entry;

struct nd_cache {
  GMutex lock;
  GHashTable *entries; /* label to entry */
  GQueue recent;
  size_t bytes, limit, misses;
};

nd_cache *nd_cache_new(size_t limit_bytes) {
  nd_cache *cache = g_new0(nd_cache, 1);
  g_mutex_init(&cache->lock);
  cache->entries = g_hash_table_new(g_str_hash, g_str_equal);
  cache->limit = limit_bytes;
  return cache;
}

void nd_cached_release(const nd_cached *picture) {
  entry *e = (entry *)picture;
  if (!e || atomic_fetch_sub(&e->users, 1) > 1)
    return;
  nd_mem_free((void *)e->picture.pixels);
  g_free(e->label);
  g_free(e);
}

static void to_integers(const float *from, size_t n, int bits, void *to) {
  if (bits == 8)
    for (size_t i = 0; i < n; i++)
      ((uint8_t *)to)[i] = (uint8_t)(CLAMP(from[i], 0.0f, 1.0f) * 255 + 0.5f);
  else
    for (size_t i = 0; i < n; i++)
      ((uint16_t *)to)[i] = (uint16_t)(CLAMP(from[i], 0.0f, 1.0f) * 65535 + 0.5f);
}

/* Room for the pixels; NULL: there is none. */
static entry *entry_new(const char *label, int width, int height, int bits) {
  size_t bytes = (size_t)width * (size_t)height * 3 * (size_t)bits / 8;
  void *pixels = nd_mem_alloc(bytes, label);
  if (!pixels)
    return NULL;
  entry *e = g_new0(entry, 1);
  e->picture = (nd_cached){width, height, bits, pixels};
  e->bytes = bytes;
  e->label = g_strdup(label);
  e->link.data = e;
  atomic_init(&e->users, 1);
  return e;
}

/* The samples of a file are what is kept: without becoming floats on the way. */
static entry *read_file(const nd_set_item *item) {
  nd_raster *r;
  if (nd_raster_load(item->file, NULL, 0, SIZE_MAX, &r))
    return NULL;
  const nd_raster_shape *s = nd_raster_shape_of(r);
  entry *e = entry_new(item->label, s->width, s->height, s->bits);
  size_t row = (size_t)s->width * 3 * (size_t)s->bits / 8;
  for (int y = 0; y < s->height && e; y++)
    if (nd_raster_get_samples(r, y, (char *)e->picture.pixels + (size_t)y * row))
      nd_cached_release(&e->picture), e = NULL;
  nd_raster_free(r);
  return e;
}

static entry *read_part(const nd_set *set, size_t index) {
  nd_image image;
  if (nd_set_load(set, index, &image))
    return NULL;
  int bits = image.bits > 8 ? 16 : 8;
  entry *e = entry_new(set->at[index].label, image.width, image.height, bits);
  if (e)
    to_integers(image.data, (size_t)image.width * (size_t)image.height * 3, bits, (void *)e->picture.pixels);
  nd_image_free(&image);
  return e;
}

static entry *read_entry(const nd_set *set, size_t index) {
  const nd_set_item *item = &set->at[index];
  return nd_set_whole_file(item) ? read_file(item) : read_part(set, index);
}

/* The lock is held. */
static entry *find(nd_cache *cache, const char *label) {
  entry *e = g_hash_table_lookup(cache->entries, label);
  if (!e)
    return NULL;
  g_queue_unlink(&cache->recent, &e->link);
  g_queue_push_head_link(&cache->recent, &e->link);
  atomic_fetch_add(&e->users, 1);
  return e;
}

static void drop_oldest(nd_cache *cache) {
  entry *e = g_queue_peek_tail(&cache->recent);
  g_queue_unlink(&cache->recent, &e->link);
  g_hash_table_remove(cache->entries, e->label);
  cache->bytes -= e->bytes;
  nd_cached_release(&e->picture);
}

/* The lock is held. A picture larger than the whole cache is not kept. */
static void keep(nd_cache *cache, entry *e) {
  if (e->bytes > cache->limit)
    return;
  while (cache->bytes > cache->limit - e->bytes)
    drop_oldest(cache);
  g_hash_table_insert(cache->entries, e->label, e);
  g_queue_push_head_link(&cache->recent, &e->link);
  cache->bytes += e->bytes;
  atomic_fetch_add(&e->users, 1);
}

const nd_cached *nd_cache_get(nd_cache *cache, const nd_set *set, size_t index) {
  const char *label = set->at[index].label;
  g_mutex_lock(&cache->lock);
  entry *e = find(cache, label);
  cache->misses += !e;
  g_mutex_unlock(&cache->lock);
  if (e)
    return &e->picture;
  e = read_entry(set, index); /* without the lock: others go on meanwhile */
  if (!e)
    return NULL;
  g_mutex_lock(&cache->lock);
  entry *other = find(cache, label); /* another thread may have been quicker */
  if (!other)
    keep(cache, e);
  g_mutex_unlock(&cache->lock);
  if (!other)
    return &e->picture;
  nd_cached_release(&e->picture);
  return &other->picture;
}

size_t nd_cache_bytes(nd_cache *cache) {
  g_mutex_lock(&cache->lock);
  size_t bytes = cache->bytes;
  g_mutex_unlock(&cache->lock);
  return bytes;
}

size_t nd_cache_misses(nd_cache *cache) {
  g_mutex_lock(&cache->lock);
  size_t misses = cache->misses;
  g_mutex_unlock(&cache->lock);
  return misses;
}

void nd_cache_free(nd_cache *cache) {
  if (!cache)
    return;
  while (cache->recent.length)
    drop_oldest(cache);
  g_hash_table_destroy(cache->entries);
  g_mutex_clear(&cache->lock);
  g_free(cache);
}
