#include "site.h"
#include "http.h"

#include "image/image.h"
#include "serve/serve-private.h"
#include "weights/model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char *base;

void site_prepare(void) {
  const char *tmp_dir = g_getenv("TMPDIR");
  base = g_build_filename(tmp_dir ? tmp_dir : "/tmp", "nd-serve-XXXXXX", NULL);
  if (!g_mkdtemp(base))
    g_error("no folder for the test");
  g_autofree char *tmp = g_build_filename(base, "tmp", NULL);
  g_mkdir(tmp, 0700);
  g_setenv("TMPDIR", tmp, TRUE);
  nd_image_start();
}

char *site_path(const site *s, const char *below) {
  return g_build_filename(s->folder, below, NULL);
}

static void write_model(const site *s, const char *name, const char *settings) {
  nd_net *net;
  g_autofree char *path = g_build_filename(s->models, name, NULL);
  assert_int_equal(nd_net_from_text("unet", ND_RESTORATION, settings, &net), 0);
  nd_params *params = nd_params_new();
  nd_graph *g = nd_graph_new(params);
  nd_net_restore(g, net, nd_input(g, "x", 1, 16, 16, 3));
  nd_graph_free(g);
  float *values = nd_mem_alloc(nd_params_size(params) * sizeof(float), "test");
  nd_rng r = nd_rng_make(3, 0, 0, ND_RANDOM_TEST);
  for (size_t i = 0; i < nd_params_size(params); i++)
    values[i] = (float)(0.05 * nd_rng_normal(&r));
  const nd_st_metadata task = {"noiseda.task", "denoise"};
  assert_int_equal(nd_model_save(path, net, true, params, "", values, &task, 1), 0);
  nd_mem_free(values);
  nd_params_free(params);
  nd_net_free(net);
}

static void write_text(const site *s, const char *below, const char *text) {
  g_autofree char *path = site_path(s, below), *folder = g_path_get_dirname(path);
  g_mkdir_with_parents(folder, 0777);
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void link_to(const site *s, const char *to, const char *below) {
  g_autofree char *path = site_path(s, below), *target = site_path(s, to);
  assert_int_equal(symlink(target, path), 0);
}

static void write_run(const site *s) {
  write_text(
      s, "runs/group/one/log.csv",
      "step,loss,restoration,diffusion,positive,negative,alpha,gradient_norm,images_per_second,wait_share\n"
      "10,0.5,0.25,0.1,0.8,0.9,1,0.4,12.5,0.25\n20,0.4,0.2,0.1,0.7,0.9,1,0.3,12.5,0.125\n");
  write_text(s, "runs/group/one/validation.csv", "step,psnr,ssim,pictures\n10,24.5,0.7,4\n20,26.25,0.8,4\n");
  write_text(s, "runs/group/one/recipe.yaml",
             "mode: source\nrestoration: {network: unet, width: 4}\ndata: {clean: clean}\n"
             "training: {steps: 40}\noutput: {log_every: 10}\n");
  size_t n;
  g_autofree char *picture = photo(96, 64, 8, ".png", &n),
                  *path = site_path(s, "runs/group/one/validation/step-20.png");
  write_text(s, "runs/group/one/validation/notes.txt", "not a picture");
  assert_true(g_file_set_contents(path, picture, (gssize)n, NULL));
}

static void write_folders(site *s) {
  s->models = site_path(s, "models");
  s->runs = site_path(s, "runs");
  s->tmp = site_path(s, "tmp");
  g_mkdir(s->models, 0777);
  write_model(s, "tiny.safetensors", "width=4;depth=2");
  write_model(s, "slow.safetensors", "width=64;depth=4");
  write_text(s, "models/broken.safetensors", "this is no model");
  write_text(s, "secret/log.csv", "step,secret\n1,1\n2,2\n");
  write_text(s, "secret/secret.png", "secret");
  write_text(s, "secret/out.safetensors", "secret");
  link_to(s, "secret/out.safetensors", "models/out.safetensors");
  write_run(s);
  link_to(s, "secret", "runs/elsewhere");
  link_to(s, "secret/secret.png", "runs/group/one/link.png");
  g_autofree char *linked = site_path(s, "runs/linked");
  g_mkdir(linked, 0777);
  link_to(s, "secret/log.csv", "runs/linked/log.csv");
}

void site_start(site *s, int port) {
  nd_serve_settings settings = nd_serve_defaults();
  settings.port = port;
  settings.models = s->models;
  settings.runs = s->runs;
  settings.program = ND_PROGRAM;
  settings.max_upload = 4 << 20;
  settings.max_megapixels = 1;
  if (nd_server_start(&settings, &s->server))
    fail_msg("%s", nd_error());
  s->port = nd_server_port(s->server);
}

int site_enter(void **state) {
  site *s = g_new0(site, 1);
  s->folder = g_strdup(base);
  write_folders(s);
  site_start(s, 0);
  *state = s;
  return 0;
}

int site_leave(void **state) {
  site *s = *state;
  if (s->server)
    nd_server_stop(s->server);
  nd_remove_all(s->folder);
  g_free(s->folder);
  g_free(s->models);
  g_free(s->runs);
  g_free(s->tmp);
  g_free(s);
  return 0;
}

static int count_below(const char *path) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  int n = 0;
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    n += 1 + count_below(below);
  }
  return n;
}

int site_kept(const site *s) {
  int n = 0;
  g_autoptr(GDir) dir = g_dir_open(s->tmp, 0, NULL);
  for (const char *name; (name = g_dir_read_name(dir));) {
    g_autofree char *below = g_build_filename(s->tmp, name, NULL);
    n += count_below(below) - 1; /* its lock */
  }
  return n;
}

char *photo(int width, int height, int bits, const char *format, size_t *size) {
  nd_image image;
  void *bytes;
  nd_rng r = nd_rng_make(9, 0, 0, ND_RANDOM_TEST);
  assert_int_equal(nd_image_new(width, height, 3, &image), 0);
  for (int i = 0; i < width * height * 3; i++) {
    int x = i / 3 % width, y = i / 3 / width;
    image.data[i] = (float)(0.5 + 0.3 * sin(0.03 * x) * cos(0.045 * y + i % 3) + 0.08 * nd_rng_normal(&r));
  }
  image.bits = bits;
  if (nd_image_encode(&image, format, NULL, &bytes, size))
    fail_msg("%s", nd_error());
  nd_image_free(&image);
  return bytes;
}

/* The text of a key in a flat JSON object. */
static char *text_of(const char *json, const char *key) {
  g_autofree char *begins = g_strdup_printf("\"%s\":\"", key);
  const char *at = strstr(json, begins), *end = at ? strchr(at + strlen(begins), '"') : NULL;
  return end ? g_strndup(at + strlen(begins), (gsize)(end - at - (long)strlen(begins))) : NULL;
}

char *site_send(const site *s, const char *query, const void *bytes, size_t n) {
  g_autofree char *target = g_strdup_printf("/api/restore?%s", query);
  reply r = http(s->port, "POST", target, NULL, bytes, n);
  char *id = r.status == 202 ? text_of(r.body, "id") : NULL;
  if (!id)
    fail_msg("%d %s", r.status, r.body);
  reply_clear(&r);
  return id;
}

void site_wait(const site *s, const char *id, const char *state) {
  g_autofree char *target = g_strdup_printf("/api/job?id=%s", id);
  for (int i = 0; i < 6000; i++) {
    reply r = http_get(s->port, target);
    g_autofree char *now = r.body ? text_of(r.body, "state") : NULL;
    bool there = now && !strcmp(now, state),
         more = now && (!strcmp(now, "waiting") || !strcmp(now, "working"));
    if (!there && !more)
      fail_msg("waiting for %s: %d %s", state, r.status, r.body);
    reply_clear(&r);
    if (there)
      return;
    g_usleep(20000);
  }
  fail_msg("waited too long for %s", state);
}
