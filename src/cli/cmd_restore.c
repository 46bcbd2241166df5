/* noiseda restore: pictures in, restored pictures out. */
#include "cli/interruption.h"
#include "cli/restore_report.h"
#include "restore/restore.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The program, its libraries, and what they hold for a moment; the rest of --memory is for pictures, weights
 * and the network's values. Pictures that would take more than a part of it are kept in a file. */
enum { PROGRAM_BYTES = 112 << 20, LEAST_BYTES = PROGRAM_BYTES + ND_RESTORER_LEAST_MEMORY, PICTURE_PART = 12 };
/* Where a single picture is all there is to do, smaller buffers are not used for long enough to be in huge
 * pages. */
enum { LONG_LIVED = 128 << 20 };

typedef struct work {
  nd_restorer *restorer;
  nd_save_options save;
  const char *format;       /* as asked for, or NULL */
  nd_profile *profile;      /* or NULL */
  const char *left, *right; /* the first input; what has the right views, or NULL */
  gboolean overwrite, skip_existing, dry_run;
  bool bf16;
  size_t memory;
  nd_restore_report report;
} work;

/* ---- One picture ---- */
static bool tile_done(int done, int tiles, void *context) {
  nd_restore_report_tiles(context, done, tiles);
  return !nd_cli_interrupted();
}

static bool is_stream(const char *path) {
  return !strcmp(path, ND_STANDARD_STREAM);
}

static int read_stream(GByteArray *bytes) {
  unsigned char piece[1 << 16];
  ssize_t n;
  /* Unlike reading, waiting ends with a signal. */
  while ((n = poll(&(struct pollfd){STDIN_FILENO, POLLIN, 0}, 1, -1)) > 0 &&
         (n = read(STDIN_FILENO, piece, sizeof piece)) > 0)
    g_byte_array_append(bytes, piece, (guint)n);
  return n < 0 ? nd_fail("cannot read the standard input: %s", g_strerror(errno)) : 0;
}

static int load_part(const nd_restore_job *job, nd_raster **out) {
  nd_image image;
  *out = NULL;
  if (nd_set_load(job->set, job->index, &image))
    return -1;
  int failed = nd_raster_of(&image, out);
  nd_image_free(&image);
  return failed;
}

static int load(const work *w, const nd_restore_job *job, nd_raster **out) {
  size_t limit = w->memory / PICTURE_PART;
  if (job->set)
    return load_part(job, out);
  if (!is_stream(job->in))
    return nd_raster_load(job->in, NULL, 0, limit, out);
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  return read_stream(bytes) ||
         nd_raster_load("the standard input", bytes->data ? bytes->data : (void *)"", bytes->len, limit, out);
}

/* The name that says the format; of a stream, none does: it is that of the input. */
static const char *format_name(const work *w, const char *path, const nd_raster *in) {
  static char name[16];
  if (!is_stream(path))
    return path;
  if (!w->format)
    return nd_raster_shape_of(in)->ending;
  g_snprintf(name, sizeof name, ".%s", w->format);
  return name;
}

static int write_stream(const nd_raster *r, const char *name, const nd_save_options *save) {
  void *bytes;
  size_t size;
  if (nd_raster_encode(r, name, save, &bytes, &size))
    return -1;
  bool written = fwrite(bytes, 1, size, stdout) == size && !fflush(stdout);
  g_free(bytes);
  return written ? 0 : nd_fail("cannot write to the standard output: %s", g_strerror(errno));
}

static int save(const work *w, const char *path, const char *name, const nd_raster *r) {
  if (is_stream(path))
    return write_stream(r, name, &w->save);
  return nd_folder_make_for(path) || nd_raster_save(path, r, &w->save) ? -1 : 0;
}

/* What was transparent shows in such a result. */
static void warn_of_alpha(const nd_raster *in, const nd_raster *out, const char *path) {
  if (nd_raster_shape_of(in)->alpha && !nd_raster_shape_of(out)->alpha)
    nd_log(ND_LOG_WARNING, "'%s' has no alpha: JPEG holds none; PNG, TIFF and WebP do", path);
}

/* Which --memory the picture that failed fits into, where that is what it wants. With it pictures may stay in
 * memory that are in a file now, of four channels of 16 bits at most: input, right view, result. Large ones
 * stay there. */
static int say_memory(const work *w) {
  size_t more = nd_restorer_lacking(w->restorer), all = w->memory + more,
         pictures = (w->right ? 3 : 2) * (size_t)w->report.width * (size_t)w->report.height * 8;
  all = MIN(all + pictures, all / (PICTURE_PART - 3) * PICTURE_PART);
  return more ? nd_fail_and("--memory %zuM is enough", (all >> 20) + 1) : -1;
}

/* right: NULL, or the right view. */
static int restore_raster(work *w, const char *out_path, const nd_raster *in, const nd_raster *right) {
  nd_raster *out;
  const char *name = format_name(w, out_path, in);
  if (nd_raster_new_for(in, name, &w->save, &out))
    return -1;
  warn_of_alpha(in, out, out_path);
  nd_restorer_fit_memory(w->restorer, w->memory - PROGRAM_BYTES);
  int failed = nd_restorer_run_raster(w->restorer, in, right, out, tile_done, &w->report);
  int64_t at = nd_clock();
  if (failed)
    say_memory(w);
  else
    failed = save(w, out_path, name, out);
  nd_profile_stage(w->profile, "save the picture", at, 0);
  nd_raster_free(out);
  return failed;
}

static int restore_picture(work *w, const nd_restore_job *job) {
  nd_raster *in, *right = NULL;
  nd_profile_begin(w->profile);
  int64_t at = nd_clock();
  if (load(w, job, &in))
    return -1;
  int failed = job->right ? load(w, job->right, &right) : 0;
  nd_profile_stage(w->profile, "load the picture", at, 0);
  w->report.width = nd_raster_shape_of(in)->width;
  w->report.height = nd_raster_shape_of(in)->height;
  if (!failed)
    failed = restore_raster(w, job->out, in, right);
  nd_raster_free(in);
  nd_raster_free(right);
  if (!failed)
    nd_profile_end(w->profile);
  else if (!strstr(nd_error(), job->out))
    nd_fail_in("'%s'", job->in);
  return failed;
}

static int plan_picture(work *w, const nd_restore_job *job) {
  int tiles;
  if (is_stream(job->in))
    return nd_fail("--dry-run does not read the standard input");
  int *width = &w->report.width, *height = &w->report.height;
  if (job->set ? nd_set_size(job->set, job->index, width, height) : nd_image_size(job->in, width, height))
    return -1;
  nd_restorer_fit_memory(w->restorer, w->memory - PROGRAM_BYTES);
  if (nd_restorer_count_tiles(w->restorer, w->report.height, w->report.width, &tiles))
    return say_memory(w), nd_fail_in("'%s'", job->in);
  nd_restore_report_planned(&w->report, job, tiles);
  return 0;
}

static void restore_job(work *w, const nd_restore_job *job) {
  nd_restore_report_begin(&w->report, job);
  bool to_file = job->out && !is_stream(job->out);
  int failed = to_file ? nd_file_check_one(job->out, w->overwrite, w->skip_existing) : 0;
  if (job->error)
    failed = nd_fail("%s", job->error);
  else if (failed > 0)
    return nd_restore_report_skipped(&w->report, job);
  else if (!failed && w->dry_run)
    failed = plan_picture(w, job);
  else if (!failed && !(failed = restore_picture(w, job)))
    nd_restore_report_restored(&w->report, job);
  if (failed && !nd_cli_interrupted()) {
    w->report.full = nd_cli_ends_all(w->overwrite);
    nd_restore_report_failed(&w->report, job);
  }
}

/* ---- All of them ---- */
static int restore_all(work *w, const GPtrArray *jobs) {
  w->report.total = (int)jobs->len;
  w->report.planning = w->dry_run;
  for (guint i = 0; i < jobs->len && !nd_cli_interrupted() && !w->report.full; i++)
    restore_job(w, g_ptr_array_index(jobs, i));
  nd_restore_report_end(&w->report);
  return nd_cli_tally_status(&w->report.tally);
}

/* A model that takes two views and gets one, or the other way round, can do none of the pictures. */
static int check_views(const work *w, const nd_net *net) {
  return nd_net_check_views(net, w->right, "--right") ? nd_fail_in("'%s'", w->right ? w->right : w->left) : 0;
}

static int restore_with(const char *model_path, nd_restorer_settings s, work *w, const GPtrArray *jobs) {
  nd_model *model;
  if (nd_model_load(model_path, &model))
    return nd_cli_failed();
  nd_net_say_precision(model->net, w->bf16);
  s.dtype = nd_precision(w->bf16);
  s.profile = w->profile;
  bool failed = check_views(w, model->net) || nd_restorer_of_model(model, s, &w->restorer);
  int status = failed ? nd_cli_failed() : restore_all(w, jobs);
  nd_restorer_free(w->restorer);
  nd_model_free(model);
  return status;
}

static int restore_profiled(const char *model_path, nd_restorer_settings s, work *w, const GPtrArray *jobs,
                            const nd_cli_profile *profile) {
  w->profile = nd_cli_profile_wanted(profile) ? nd_profile_new() : NULL;
  int status = restore_with(model_path, s, w, jobs);
  if (w->profile && w->report.tally.done && nd_cli_profile_print(profile, w->profile, "picture"))
    status = nd_cli_failed();
  nd_profile_free(w->profile);
  return status;
}

static int check_numbers(const work *w, const nd_restorer_settings *s) {
  int bits = w->save.bits, quality = w->save.quality;
  if (!(s->strength >= 0 && s->strength <= 1))
    return nd_fail("--strength is %g; it goes from 0 to 1", s->strength);
  if (bits && bits != 8 && bits != 16)
    return nd_fail("--bits is %d; it is 8 or 16", bits);
  if (quality < 0 || quality > 100)
    return nd_fail("--quality is %d; it goes from 1 to 100", quality);
  if (s->tile < 0)
    return nd_fail("--tile is %d; it is a number of pixels", s->tile);
  if (nd_cli_check_existing(w->overwrite, w->skip_existing))
    return -1;
  if (w->memory <= LEAST_BYTES)
    return nd_fail("--memory is %s; the program and its libraries alone take %s: give it more than %dM",
                   nd_bytes((double)w->memory).text, nd_bytes(PROGRAM_BYTES).text, LEAST_BYTES >> 20);
  return 0;
}

static int check_precision(const char *precision, bool *bf16) {
  if (precision && strcmp(precision, "fp32") && strcmp(precision, "bf16"))
    return nd_fail("--precision is '%s'; it is fp32 or bf16", precision);
  *bf16 = precision && !strcmp(precision, "bf16");
  return 0;
}

/* Pictures on the standard output leave no place for words. */
static int check_streams(work *w, const GPtrArray *jobs) {
  const nd_restore_job *first = jobs->len ? g_ptr_array_index(jobs, 0) : NULL;
  w->report.stdout_is_taken = first && first->out && is_stream(first->out);
  if (w->report.stdout_is_taken && w->report.json)
    return nd_fail("the picture goes to the standard output; --json would as well");
  return 0;
}

typedef struct options {
  char *model, *out, *right, *memory, *trace, *precision, *format;
  nd_cli_profile profile;
  nd_restorer_settings settings;
  work work;
} options;

static void clear(options *o) {
  g_free(o->model), g_free(o->out), g_free(o->right), g_free(o->memory), g_free(o->trace);
  g_free(o->precision), g_free(o->format);
}

/* inputs: NULL at the end. */
static int restore_inputs(options *o, char **inputs) {
  work *w = &o->work;
  if (o->memory && !(w->memory = nd_cli_bytes(o->memory)))
    return nd_cli_wrong("%s", nd_error());
  w->format = o->format;
  w->left = inputs[0];
  w->right = o->right;
  o->profile.trace = o->trace;
  if (check_numbers(w, &o->settings) || check_precision(o->precision, &w->bf16))
    return nd_cli_wrong("%s", nd_error());
  g_autoptr(GPtrArray) jobs = nd_restore_jobs(&(nd_restore_wish){inputs, o->right, o->out, o->format});
  if (!jobs || check_streams(w, jobs))
    return nd_cli_wrong("%s", nd_error());
  if (jobs->len == 1)
    nd_mem_set_huge(LONG_LIVED);
  nd_cli_listen(NULL);
  o->profile.stdout_is_for_programs = w->report.stdout_is_taken || w->report.json;
  return restore_profiled(o->model ? o->model : ND_DEFAULT_MODEL, o->settings, w, jobs, &o->profile);
}

static int run_with(options *o, int argc, char **argv) {
  int threads = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model,
       "a model file or name (default denoise; see noiseda models)", "M"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o->out,
       "a folder, a file for one picture, or - (default: beside the input, NAME_restored)", "OUT"},
      {"right", 0, 0, G_OPTION_ARG_FILENAME, &o->right,
       "for a model that takes two views of a dual-pixel sensor: the right one, a file or a set; IN is the "
       "left",
       "RIGHT"},
      {"format", 'f', 0, G_OPTION_ARG_STRING, &o->format,
       "of the results (default: as the output's name says, or the input's)", ND_CLI_FORMATS},
      {"strength", 's', 0, G_OPTION_ARG_DOUBLE, &o->settings.strength,
       "how much of the correction to apply, 0 to 1 (default 1)", "X"},
      ND_CLI_OVERWRITE(&o->work.overwrite),
      ND_CLI_SKIP_EXISTING(&o->work.skip_existing),
      {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &o->work.dry_run, "only say what would become what", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &o->work.report.json, "a line of JSON for each picture", NULL},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &o->work.report.quiet, "say nothing but what failed", NULL},
      {"bits", 0, 0, G_OPTION_ARG_INT, &o->work.save.bits, "of the results (default: as the input)", "8|16"},
      {"quality", 0, 0, G_OPTION_ARG_INT, &o->work.save.quality, "of JPEG and WebP, 1 to 100 (default 95)",
       "N"},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &o->memory, "what the program may take in all (default 1G)",
       "BYTES"},
      {"tile", 0, 0, G_OPTION_ARG_INT, &o->settings.tile,
       "go in tiles of this side in pixels (default: as --memory allows)", "N"},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &o->precision,
       "fp32 (default), or bf16 where the processor can", "fp32|bf16"},
      ND_CLI_PROFILE_ENTRIES(&o->profile.table, &o->trace),
      {"threads", 't', 0, G_OPTION_ARG_INT, &threads, "threads to use (default: all processors)", "N"},
      {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "[--model M] IN... [-o OUT]",
          "Restores pictures (files, folders, patterns, or - for the standard input) with a trained "
          "model. Large pictures go part by part; the result is that of the whole. Metadata, "
          "16 bits, grey and alpha are kept."))
    return ND_EXIT_USAGE;
  if (argc < 2)
    return nd_cli_wrong("at least one input is needed");
  if (nd_cli_set_threads(threads))
    return nd_cli_wrong("%s", nd_error());
  return restore_inputs(o, argv + 1);
}

static int run(int argc, char **argv) {
  options o = {.settings = nd_restorer_defaults(), .work = {.memory = (size_t)1 << 30}};
  int status = run_with(&o, argc, argv);
  clear(&o);
  return status;
}

const nd_command nd_cmd_restore = {"restore", "restore photographs with a model", run};
