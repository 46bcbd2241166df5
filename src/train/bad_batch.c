/* The batch that a run stopped at, as pictures to look at. */
#include "image/image.h"
#include "train/trainer-private.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

/* Three of a patch's channels, from `first` on. Values outside [0, 1] are clamped by the file; 16 bits show
 * the rest as it was. */
static int save_patch(const char *path, const float *patch, int size, int channels, int first) {
  nd_image image;
  if (nd_image_new(size, size, 3, &image))
    return -1;
  for (size_t i = 0; i < (size_t)size * (size_t)size; i++)
    memcpy(image.data + 3 * i, patch + i * (size_t)channels + first, 3 * sizeof *patch);
  int failed = nd_image_save(path, &image, &(nd_save_options){.bits = 16});
  nd_image_free(&image);
  return failed;
}

/* Of two views each is a file. */
static int save_sample(const char *folder, int sample, const char *what, const float *patch, int size,
                       int channels) {
  for (int first = 0; first < channels; first += 3) {
    g_autofree char *name = g_strdup_printf("%d-%s%s.png", sample, what, first ? "-right" : "");
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (save_patch(path, patch, size, channels, first))
      return -1;
  }
  return 0;
}

int nd_bad_batch_save(const char *folder, const nd_batch *b, int first) {
  const struct {
    const char *what;
    const float *patches;
    int channels;
  } kinds[] = {{"synthetic", b->synthetic, b->channels},
               {"clean", b->clean, 3},
               {"real", b->real, b->channels},
               {"reference", b->reference, 3},
               {"damage", b->damage, 3}};
  size_t pixels = (size_t)b->patch_size * (size_t)b->patch_size;
  if (nd_folder_make(folder))
    return -1;
  for (int i = 0; i < b->samples; i++)
    for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++)
      if (kinds[k].patches && save_sample(folder, first + i, kinds[k].what,
                                          kinds[k].patches + (size_t)i * pixels * (size_t)kinds[k].channels,
                                          b->patch_size, kinds[k].channels))
        return -1;
  return 0;
}

static void append_names(GString *out, const char *const *names, int n) {
  for (int i = 0; names && i < n; i++)
    g_string_append_printf(out, "%s'%s'", out->len ? ", " : "", names[i]);
}

char *nd_bad_batch_names(const nd_batch *b) {
  GString *out = g_string_new(NULL);
  append_names(out, b->pair_names, b->samples);
  append_names(out, b->real_names, b->samples);
  append_names(out, b->reference_names, b->samples);
  return g_string_free(out, FALSE);
}
