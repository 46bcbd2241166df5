/* Random access to a gzip file: on the first way through it places to begin again are kept, as in zlib's
 * example zran: between two blocks, with the 32 KiB before that the next ones refer to. */
#include "base/gunzip.h"

#include <glib.h>
#include <string.h>
#include <zlib.h>

enum { WINDOW = 1 << 15, GZIP = 15 + 16, RAW = -15, TRAILER = 8, FEED = 1 << 30 };
/* Bytes between two places, which become fewer as files grow: 16 MiB of memory for the first 2 GiB. */
enum { SPACING = 4 << 20, PARTS = 512 };

typedef struct place {
  uint64_t in, out;
  int bits; /* of the byte before `in` that are still to come */
  uInt size;
  unsigned char *window;
} place;

struct nd_gunzip {
  GMappedFile *file;
  const unsigned char *bytes;
  uint64_t size, in, out, known; /* known: as far as places were kept */
  z_stream z;
  bool raw, ended; /* raw: begun at a place, so that zlib passes over no header and no trailer */
  GArray *places;
};

static void place_clear(void *p) {
  g_free(((place *)p)->window);
}

static int damaged(const nd_gunzip *g) {
  return nd_fail("what it holds is damaged or cut short (%s, after %" G_GUINT64_FORMAT " bytes)",
                 g->z.msg ? g->z.msg : "it ends early", g->out);
}

int nd_gunzip_open(const char *path, nd_gunzip **out) {
  g_autoptr(GError) error = NULL;
  *out = NULL;
  GMappedFile *file = g_mapped_file_new(path, FALSE, &error);
  if (!file)
    return nd_fail("%s", error->message);
  nd_gunzip *g = g_new0(nd_gunzip, 1);
  g->file = file;
  g->bytes = (const unsigned char *)g_mapped_file_get_contents(file);
  g->size = g_mapped_file_get_length(file);
  g->places = g_array_new(FALSE, TRUE, sizeof(place));
  g_array_set_clear_func(g->places, place_clear);
  if (inflateInit2(&g->z, GZIP) != Z_OK) {
    nd_gunzip_close(g);
    return nd_fail("zlib cannot begin");
  }
  *out = g;
  return 0;
}

void nd_gunzip_close(nd_gunzip *g) {
  if (!g)
    return;
  inflateEnd(&g->z);
  g_array_unref(g->places);
  g_mapped_file_unref(g->file);
  g_free(g);
}

/* ---- Places to begin again ---- */
static void keep_place(nd_gunzip *g) {
  place p = {.in = g->in, .out = g->out, .bits = g->z.data_type & 7, .window = g_malloc(WINDOW)};
  if (inflateGetDictionary(&g->z, p.window, &p.size) != Z_OK) {
    g_free(p.window);
    return;
  }
  g_array_append_val(g->places, p);
  g->known = g->out;
}

static void keep_if_far(nd_gunzip *g) {
  bool between_blocks = (g->z.data_type & 128) && !(g->z.data_type & 64);
  if (between_blocks && !g->raw && g->out >= g->known + MAX(SPACING, g->known / PARTS))
    keep_place(g);
}

static int begin_file(nd_gunzip *g) {
  g->in = g->out = 0;
  g->raw = g->ended = false;
  return inflateReset2(&g->z, GZIP) == Z_OK ? 0 : damaged(g);
}

static int begin_place(nd_gunzip *g, const place *p) {
  g->in = p->in;
  g->out = p->out;
  g->raw = true;
  g->ended = false;
  bool good = inflateReset2(&g->z, RAW) == Z_OK;
  if (good && p->bits)
    good = inflatePrime(&g->z, p->bits, g->bytes[p->in - 1] >> (8 - p->bits)) == Z_OK;
  return good && inflateSetDictionary(&g->z, p->window, p->size) == Z_OK ? 0 : damaged(g);
}

/* To the last place before `at`, where that is nearer than what has been reached. */
static int go_near(nd_gunzip *g, uint64_t at) {
  const place *best = NULL;
  for (guint i = 0; i < g->places->len; i++) {
    const place *p = &g_array_index(g->places, place, i);
    if (p->out <= at)
      best = p;
  }
  bool back = at < g->out;
  if (best && (back || best->out > g->out))
    return begin_place(g, best);
  return back ? begin_file(g) : 0;
}

/* ---- Unpacking ---- */
/* Several gzip files one after the other are as one. What is no such file behind them is left alone, as gzip
 * does with zeros. */
static int end_part(nd_gunzip *g) {
  if (g->raw)
    g->in = MIN(g->in + TRAILER, g->size);
  bool more = g->size - g->in > 2 && g->bytes[g->in] == 0x1f && g->bytes[g->in + 1] == 0x8b;
  g->raw = false;
  g->ended = !more;
  return !more || inflateReset2(&g->z, GZIP) == Z_OK ? 0 : damaged(g);
}

/* Some bytes, at most n. */
static int step(nd_gunzip *g, unsigned char *to, size_t n, size_t *made) {
  g->z.next_in = (unsigned char *)g->bytes + g->in;
  g->z.avail_in = (uInt)MIN(g->size - g->in, FEED);
  g->z.next_out = to;
  g->z.avail_out = (uInt)MIN(n, FEED);
  uInt in = g->z.avail_in, room = g->z.avail_out;
  int status = inflate(&g->z, Z_BLOCK);
  g->in += in - g->z.avail_in;
  *made = room - g->z.avail_out;
  g->out += *made;
  if (status == Z_STREAM_END)
    return end_part(g);
  if (status != Z_OK || (!*made && in == g->z.avail_in && g->in == g->size))
    return damaged(g);
  keep_if_far(g);
  return 0;
}

static int pass_over(nd_gunzip *g, uint64_t at) {
  unsigned char rest[1 << 14];
  for (size_t made; g->out < at && !g->ended;)
    if (step(g, rest, MIN(sizeof rest, at - g->out), &made))
      return -1;
  return 0;
}

int nd_gunzip_read(nd_gunzip *g, uint64_t at, void *to, size_t n, size_t *got) {
  *got = 0;
  if (go_near(g, at) || pass_over(g, at))
    return -1;
  for (size_t made; *got < n && !g->ended; *got += made)
    if (step(g, (unsigned char *)to + *got, n - *got, &made))
      return -1;
  return 0;
}
