/* Films become pairs for deblurring: the mean of some frames, and the frame in their middle. */
#include "data/frames.h"

#include "data/data.h"

#include <glib.h>
#include <string.h>

typedef struct frame {
  size_t index;     /* in the set */
  char *film, *key; /* key: sorts numbers in names by their value */
} frame;

static void free_frame(gpointer data) {
  frame *f = data;
  g_free(f->film);
  g_free(f->key);
  g_free(f);
}

static gint by_film_and_number(gconstpointer a, gconstpointer b) {
  const frame *x = *(frame *const *)a, *y = *(frame *const *)b;
  int films = strcmp(x->film, y->film);
  return films ? films : strcmp(x->key, y->key);
}

static GPtrArray *in_order(const nd_set *set) {
  GPtrArray *frames = g_ptr_array_new_with_free_func(free_frame);
  for (size_t i = 0; i < set->count; i++) {
    frame *f = g_new0(frame, 1);
    g_autofree char *base = g_path_get_basename(set->at[i].name);
    f->index = i;
    f->film = g_path_get_dirname(set->at[i].name);
    f->key = g_utf8_collate_key_for_filename(base, -1);
    g_ptr_array_add(frames, f);
  }
  g_ptr_array_sort(frames, by_film_and_number);
  return frames;
}

/* ---- One pair ---- */
static int add_frame(const nd_frames_settings *s, const nd_set *set, size_t index, nd_image *sum) {
  nd_image next;
  if (nd_set_load(set, index, &next))
    return -1;
  if (next.width != sum->width || next.height != sum->height) {
    nd_fail("'%s' is %d x %d, other frames of its film are %d x %d", set->at[index].label, next.width,
            next.height, sum->width, sum->height);
    nd_image_free(&next);
    return -1;
  }
  size_t n = (size_t)next.width * (size_t)next.height * 3;
  nd_response_undo(s->response, s->gamma, next.data, n);
  for (size_t i = 0; i < n; i++)
    sum->data[i] += next.data[i];
  nd_image_free(&next);
  return 0;
}

/* The mean of the frames from `first` on, into a black picture of their size. */
static int average(const nd_frames_settings *s, const nd_set *set, frame *const *first, int count,
                   nd_image *mean) {
  size_t n = (size_t)mean->width * (size_t)mean->height * 3;
  for (int i = 0; i < count; i++)
    if (add_frame(s, set, first[i]->index, mean))
      return -1;
  for (size_t i = 0; i < n; i++)
    mean->data[i] /= (float)count;
  nd_response_apply(s->response, s->gamma, mean->data, n);
  return 0;
}

static char *result_path(const nd_frames_settings *s, const char *part, const char *name) {
  g_autofree char *stem = g_strndup(name, (gsize)(strrchr(name, '.') - name)),
                  *png = g_strconcat(stem, ".png", NULL);
  return g_build_filename(s->out, part, png, NULL);
}

/* As nd_file_check_one. */
static int check_part(const nd_frames_settings *s, const char *part, const char *name) {
  g_autofree char *path = result_path(s, part, name);
  return nd_file_check_one(path, s->overwrite, s->skip_existing);
}

static int save(const nd_frames_settings *s, const char *part, const char *name, const nd_image *image) {
  g_autofree char *path = result_path(s, part, name);
  if (check_part(s, part, name))
    return 0; /* the half that an interruption left */
  return nd_folder_make_for(path) || nd_image_save(path, image, &(nd_save_options){.bits = 8}) ? -1 : 0;
}

/* Nothing is written before all frames were read: half a pair would be found wrong in training. */
static int write_pair(const nd_frames_settings *s, const nd_set *set, frame *const *first, int count) {
  const nd_set_item *middle = &set->at[first[count / 2]->index];
  nd_image image, mean = {0};
  if (nd_set_load(set, first[count / 2]->index, &image))
    return -1;
  int failed = nd_image_new(image.width, image.height, 3, &mean) || average(s, set, first, count, &mean) ||
               save(s, "target", middle->name, &image) || save(s, "input", middle->name, &mean);
  nd_image_free(&image);
  nd_image_free(&mean);
  return failed ? -1 : 0;
}

static int make_pair(const nd_frames_settings *s, const nd_set *set, frame *const *first, int count,
                     nd_frames_made *out) {
  const char *name = set->at[first[count / 2]->index].name;
  int target = check_part(s, "target", name), input = target < 0 ? -1 : check_part(s, "input", name);
  bool there = target > 0 && input > 0;
  if (target < 0 || input < 0 || (!there && write_pair(s, set, first, count)))
    return -1;
  out->pairs += !there;
  out->skipped += there;
  out->stopped = s->progress && !s->progress(name, !there, s->context);
  return 0;
}

/* ---- A film ---- */
/* Of so many frames that are left; 0: they are too few. */
static int draw_count(const nd_frames_settings *s, size_t left, nd_rng *rng) {
  int least = s->least | 1, most = left < (size_t)s->most ? (int)left : s->most;
  return most < least ? 0 : least + 2 * (int)nd_rng_below(rng, (uint32_t)((most - least) / 2 + 1));
}

static int average_film(const nd_frames_settings *s, const nd_set *set, frame *const *frames, size_t count,
                        nd_frames_made *out) {
  nd_rng rng = nd_rng_make(s->seed, 0, g_str_hash(frames[0]->film), ND_RANDOM_DEGRADE);
  size_t at = 0;
  out->films++;
  for (int wanted; !out->stopped && (wanted = draw_count(s, count - at, &rng)); at += (size_t)wanted)
    if (make_pair(s, set, frames + at, wanted, out))
      return -1;
  out->unused += count - at;
  return 0;
}

static int average_set(const nd_frames_settings *s, const nd_set *set, nd_frames_made *out) {
  g_autoptr(GPtrArray) frames = in_order(set);
  frame *const *at = (frame *const *)frames->pdata;
  for (size_t begin = 0, end; begin < set->count && !out->stopped; begin = end) {
    for (end = begin + 1; end < set->count && !strcmp(at[end]->film, at[begin]->film);)
      end++;
    if (average_film(s, set, at + begin, end - begin, out))
      return -1;
  }
  return out->pairs || out->skipped
             ? 0
             : nd_fail("'%s' holds no film of %s: the most in one folder have to be that many", s->from,
                       nd_count((size_t)s->least | 1, "frame").text);
}

/* Pairs made before are no films, and must not be written over by what is made of them. */
static int leave_results(const nd_frames_settings *s, nd_set *set) {
  static const char *const parts[] = {"input", "target"};
  g_autofree char *from = g_canonicalize_filename(s->from, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *results = g_build_filename(s->out, parts[i], NULL),
                    *there = g_canonicalize_filename(results, NULL);
    nd_set_drop_results(set, results);
    if (!set->count || !strcmp(from, there))
      return nd_fail("'%s' is where the pairs would go; -o names another folder", s->from);
  }
  return 0;
}

int nd_frames_average(const nd_frames_settings *s, nd_frames_made *out) {
  nd_set set;
  *out = (nd_frames_made){0};
  if (s->least < 1 || (s->least | 1) > s->most)
    return nd_fail("%d to %d frames: an odd number between them is needed, so that one is in the middle",
                   s->least, s->most);
  if (nd_set_open(s->from, &set))
    return -1;
  int failed = leave_results(s, &set) || average_set(s, &set, out) ? -1 : 0;
  nd_set_free(&set);
  return failed;
}
