/* What the library does for a program: a model is opened once, pictures in memory or in files are restored.
 *
 *   cc restore.c -o restore $(pkg-config --cflags --libs noiseda)
 *   ./restore model.safetensors photo.jpg better.jpg
 */
#include <noiseda/noiseda.h>

#include <stdio.h>

static int show(int done, int tiles, void *context) {
  (void)context;
  fprintf(stderr, "\r%d of %d tiles%s", done, tiles, done == tiles ? "\n" : "");
  return 0; /* anything else stops */
}

/* Pixels as a camera, a decoder or a window may hold them: here 8-bit RGB. */
static int restore_pixels(noiseda_model *model) {
  static unsigned char rgb[48][64][3];
  for (int y = 0; y < 48; y++)
    for (int x = 0; x < 64; x++)
      for (int c = 0; c < 3; c++)
        rgb[y][x][c] = (unsigned char)(2 * x + 2 * y + (x * 7 + y * 13 + c * 5) % 31);
  noiseda_picture picture = {rgb, 64, 48, 3, NOISEDA_UINT8, 0};
  noiseda_options options = NOISEDA_OPTIONS;
  options.strength = 0.8;
  return noiseda_restore(model, &picture, &picture, &options);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s MODEL IN OUT\n", argv[0]);
    return 2;
  }
  noiseda_options options = NOISEDA_OPTIONS;
  options.progress = show;
  noiseda_model *model = noiseda_model_open(argv[1]);
  int failed = !model || restore_pixels(model) || noiseda_restore_file(model, argv[2], argv[3], &options);
  if (failed)
    fprintf(stderr, "%s\n", noiseda_error());
  else
    printf("%s by %s, %zu weights; noiseda %s\n", argv[3], noiseda_model_network(model),
           noiseda_model_weights(model), noiseda_version());
  noiseda_model_close(model);
  return failed ? 1 : 0;
}
