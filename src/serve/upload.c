/* A photo on its way in: checked before, while and after it comes. A refusal is told after the photo has
 * come and been thrown away, since browsers do not read an answer while they send. */
#include "serve/serve-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

struct nd_upload {
  const nd_serve_settings *settings;
  nd_jobs *jobs;
  nd_order order;
  char *folder, *path;
  int fd;
  size_t size, thrown_away;
  unsigned status; /* of a refusal; 0: none */
  char *refusal;
};

static void refuse(nd_upload *u, unsigned status, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void refuse(nd_upload *u, unsigned status, const char *format, ...) {
  va_list args;
  if (u->status)
    return;
  va_start(args, format);
  u->refusal = g_strdup_vprintf(format, args);
  va_end(args);
  u->status = status;
}

static void refuse_size(nd_upload *u) {
  refuse(u, MHD_HTTP_CONTENT_TOO_LARGE,
         "The photo is larger than the %.4g MB that this server takes. "
         "Whoever started it can allow more with --max-upload.",
         (double)u->settings->max_upload / 1048576);
}

/* ---- Before ---- */
static const char *argument(struct MHD_Connection *c, const char *name) {
  return MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
}

/* The last part of whatever kind of path, without what would break a line. */
static char *plain_name(const char *name) {
  const char *last = name ? name : "";
  for (const char *p = last; *p; p++)
    if (*p == '/' || *p == '\\')
      last = p + 1;
  char *plain = g_utf8_make_valid(last, -1);
  for (char *p = plain; *p; p++)
    if (g_ascii_iscntrl(*p))
      *p = '_';
  if (*plain && strlen(plain) <= 255)
    return plain;
  g_free(plain);
  return g_strdup("photo");
}

/* NULL: none of a picture's. */
static char *ending_of(const char *name) {
  static const char *const endings[] = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"};
  g_autofree char *low = g_ascii_strdown(name, -1);
  for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
    if (g_str_has_suffix(low, endings[i]))
      return g_strdup(endings[i]);
  return NULL;
}

static void read_order(nd_upload *u, struct MHD_Connection *c) {
  const char *strength = argument(c, "strength"), *model = argument(c, "model"),
             *format = argument(c, "format");
  bool asked = format && *format;
  char *end = NULL;
  u->order.name = plain_name(argument(c, "name"));
  u->order.ending = ending_of(asked ? format : u->order.name);
  u->order.strength = strength ? g_ascii_strtod(strength, &end) : 1;
  if (strength && (end == strength || *end || !(u->order.strength >= 0 && u->order.strength <= 1)))
    refuse(u, MHD_HTTP_BAD_REQUEST, "The strength goes from 0 to 1.");
  if (asked && !u->order.ending)
    refuse(u, MHD_HTTP_BAD_REQUEST, "Results are written as .png, .jpg, .tif or .webp.");
  u->order.model_name = g_strdup(model);
  u->order.model = nd_models_find(u->settings->models, model);
  if (!u->order.model)
    refuse(u, MHD_HTTP_NOT_FOUND, "The model cannot be used: %s%s", nd_error(), nd_full_stop(nd_error()));
}

static void check_length(nd_upload *u, struct MHD_Connection *c) {
  const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  if (length && g_ascii_strtoull(length, NULL, 10) > u->settings->max_upload)
    refuse_size(u);
}

static void open_file(nd_upload *u) {
  u->folder = nd_jobs_folder(u->jobs);
  if (u->folder) {
    u->path = g_build_filename(u->folder, "upload", NULL);
    u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  }
  const char *why = u->folder ? g_strerror(errno) : nd_error();
  if (u->fd < 0)
    refuse(u, MHD_HTTP_INSUFFICIENT_STORAGE, "There is no room for the photo: %s%s", why, nd_full_stop(why));
}

nd_upload *nd_upload_new(const nd_serve_settings *settings, nd_jobs *jobs, struct MHD_Connection *c) {
  nd_upload *u = g_new0(nd_upload, 1);
  u->settings = settings;
  u->jobs = jobs;
  u->fd = -1;
  read_order(u, c);
  check_length(u, c);
  if (nd_jobs_full(jobs))
    refuse(u, MHD_HTTP_SERVICE_UNAVAILABLE, "%d photos are waiting already; try again when some are done.",
           ND_JOBS_WAITING_MAX);
  if (!u->status)
    open_file(u);
  return u;
}

bool nd_upload_refused(const nd_upload *u) {
  return u->status != 0;
}

/* ---- While ---- */
int nd_upload_put(nd_upload *u, const char *bytes, size_t n) {
  if (!u->status && n > u->settings->max_upload - u->size)
    refuse_size(u);
  if (!u->status && nd_write_all(u->fd, bytes, n))
    refuse(u, MHD_HTTP_INSUFFICIENT_STORAGE, "The photo could not be stored: %s.", g_strerror(errno));
  if (u->status)
    u->thrown_away += n;
  else
    u->size += n;
  return u->thrown_away > (size_t)4 << 30 ? -1 : 0;
}

/* ---- After ---- */
static void refuse_cut_off(nd_upload *u) {
  g_autofree char *words = nd_jobs_wording(nd_error(), u->folder, u->order.name);
  refuse(u, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "It could not be restored: %s.", words);
}

static void check_picture(nd_upload *u) {
  int width, height;
  if (u->status)
    return;
  if (close(u->fd))
    refuse(u, MHD_HTTP_INSUFFICIENT_STORAGE, "The photo could not be stored: %s.", g_strerror(errno));
  u->fd = -1;
  if (!u->size)
    refuse(u, MHD_HTTP_BAD_REQUEST, "The photo is empty.");
  else if (nd_image_size(u->path, &width, &height)) {
    g_autofree char *words = nd_jobs_wording(nd_error(), u->folder, u->order.name);
    words[strcspn(words, ";")] = 0; /* what a library says further is about its insides */
    refuse(
        u, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
        "This is no photo that can be used: %s. Others than PNG, JPEG, TIFF and WebP, such as a camera's raw "
        "files or HEIC, have to be exported as one of these first.",
        words);
  } else if ((double)width * height > u->settings->max_megapixels * 1e6)
    refuse(u, MHD_HTTP_CONTENT_TOO_LARGE,
           "The photo has %d x %d pixels; this server takes up to %.4g million. Whoever started it can allow "
           "more with --max-megapixels.",
           width, height, u->settings->max_megapixels);
  else if (nd_image_check_end(u->path))
    refuse_cut_off(u);
  else {
    if (!u->order.ending) /* neither asked for nor in the name */
      u->order.ending = g_strdup(nd_image_ending(u->path));
    u->order.width = width;
    u->order.height = height;
  }
}

nd_answer nd_upload_answer(nd_upload *u, struct MHD_Connection *c) {
  check_picture(u);
  if (u->status)
    return nd_reply_error(c, u->status, "%s", u->refusal);
  nd_jobs_add(u->jobs, u->folder, u->order);
  u->order = (nd_order){0};
  g_autofree char *id = g_path_get_basename(u->folder);
  g_clear_pointer(&u->folder, g_free); /* is the job's now */
  JsonBuilder *b = nd_json_begin();
  if (!nd_jobs_describe(u->jobs, id, b))
    nd_json_text(b, "id", id);
  return nd_reply_json(c, MHD_HTTP_ACCEPTED, b);
}

void nd_upload_free(nd_upload *u) {
  if (u->fd >= 0)
    close(u->fd);
  if (u->folder)
    nd_remove_all(u->folder);
  nd_order_clear(&u->order);
  g_free(u->folder);
  g_free(u->path);
  g_free(u->refusal);
  g_free(u);
}
