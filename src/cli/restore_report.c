#include "cli/restore_report.h"
#include "base/json_out.h"
#include "cli/interruption.h"
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

static bool draws_bar(const nd_restore_report *r) {
  return !r->json && !r->quiet && isatty(STDERR_FILENO);
}

static void clear_bar(const nd_restore_report *r) {
  if (draws_bar(r))
    fputs("\r\033[K", stderr);
}

static double seconds_since(int64_t begun) {
  return (double)(nd_clock() - begun) / 1e9;
}

static void print_json(JsonBuilder *b) {
  json_builder_end_object(b);
  g_autofree char *text = nd_json_written(b, false);
  puts(text);
  fflush(stdout);
}

static void say_json(const nd_restore_report *r, const nd_restore_job *job, const char *status,
                     const char *error, int tiles) {
  JsonBuilder *b = nd_json_begin();
  nd_json_text(b, "input", job->in);
  nd_json_text(b, "right", job->right ? job->right->in : NULL);
  nd_json_text(b, "output", job->out);
  nd_json_text(b, "status", status);
  if (r->width) {
    nd_json_whole(b, "width", r->width);
    nd_json_whole(b, "height", r->height);
  }
  if (tiles)
    nd_json_whole(b, "tiles", tiles);
  nd_json_number(b, "seconds", seconds_since(r->begun));
  nd_json_text(b, "error", error);
  print_json(b);
}

void nd_restore_report_begin(nd_restore_report *r, const nd_restore_job *job) {
  r->begun = nd_clock();
  r->width = r->height = 0;
  r->name = job->in;
  r->index++;
}

void nd_restore_report_tiles(const nd_restore_report *r, int done, int tiles) {
  if (!draws_bar(r) || !done)
    return;
  double seconds = seconds_since(r->begun), share = (double)done / tiles;
  g_autofree char *left = nd_cli_duration(seconds / share - seconds);
  g_autofree char *head = g_strdup_printf("[%d/%d] ", r->index, r->total);
  g_autofree char *tail = g_strdup_printf(" %3.0f %%, %.2f megapixels/s, %s left", 100 * share,
                                          share * r->width * r->height / 1e6 / seconds, left);
  g_autofree char *line = nd_progress_line(nd_terminal_width(STDERR_FILENO), head, r->name, share, tail);
  fprintf(stderr, "\r\033[K%s", line);
}

void nd_restore_report_restored(nd_restore_report *r, const nd_restore_job *job) {
  clear_bar(r);
  r->tally.done++;
  if (r->json)
    say_json(r, job, "restored", NULL, 0);
  else if (!r->quiet && !r->stdout_is_taken)
    printf("%s\n", job->out);
  fflush(stdout);
}

void nd_restore_report_skipped(nd_restore_report *r, const nd_restore_job *job) {
  r->tally.skipped++;
  if (r->json)
    say_json(r, job, "skipped", "it exists already", 0);
  else if (!r->quiet && !r->stdout_is_taken)
    nd_cli_say_existing(job->out);
}

void nd_restore_report_failed(nd_restore_report *r, const nd_restore_job *job) {
  clear_bar(r);
  r->tally.failed++;
  if (r->json)
    say_json(r, job, "failed", nd_error(), 0);
  nd_cli_failed();
}

void nd_restore_report_planned(nd_restore_report *r, const nd_restore_job *job, int tiles) {
  r->tally.done++;
  if (r->json)
    say_json(r, job, "planned", NULL, tiles);
  else
    printf("%s -> %s  %d x %d, %s\n", job->in, job->out, r->width, r->height,
           nd_count((size_t)tiles, "tile").text);
}

void nd_restore_report_end(const nd_restore_report *r) {
  const nd_cli_tally *t = &r->tally;
  if (r->json) {
    JsonBuilder *b = nd_json_begin();
    nd_json_text(b, "status", nd_cli_interrupted() ? "interrupted" : r->full ? "full" : "done");
    nd_json_whole(b, "restored", (double)t->done);
    nd_json_whole(b, "skipped", (double)t->skipped);
    nd_json_whole(b, "failed", (double)t->failed);
    print_json(b);
  } else if (nd_cli_interrupted() || t->failed || (r->total > 1 && !r->quiet))
    nd_cli_say_tally(t, "picture", r->planning ? "would be restored" : "restored");
}
