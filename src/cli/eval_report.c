/* The figures of `noiseda eval`, with how they were taken. */
#include "cli/eval_report.h"
#include "base/json_out.h"

#include <math.h>
#include <stdio.h>

static const char rounding[] = "clamped and rounded to the nearest of 8 bits";
static const char data_range[] = "0 to 255";

nd_eval_failure *nd_eval_failure_new(const char *name) {
  nd_eval_failure *f = g_new(nd_eval_failure, 1);
  *f = (nd_eval_failure){g_strdup(name), g_strdup(nd_error())};
  return f;
}

void nd_eval_failure_free(gpointer failure) {
  nd_eval_failure *f = failure;
  g_free(f->name);
  g_free(f->error);
  g_free(f);
}

typedef enum place { RESULT, INPUT } place;

static double value_of(const nd_score *one, nd_metric m, place p) {
  return (p == INPUT ? one->input : one->result)[m];
}

/* one NULL: the head. The first figure of the inputs says whose they are. */
static void print_row(const char *name, const nd_scores *s, const nd_eval_how *how, const nd_score *one) {
  printf("%-40s", name);
  for (int p = RESULT; p <= (how->model ? INPUT : RESULT); p++) {
    const char *first = p == INPUT ? "input" : NULL;
    printf(p == INPUT ? " " : "");
    for (nd_metric m = 0; m < ND_METRICS; m++) {
      if (!s->measured[m])
        continue;
      if (one)
        printf(" %*s", nd_metrics[m].width,
               nd_fixed(value_of(one, m, (place)p), nd_metrics[m].decimals).text);
      else
        printf(" %*s", nd_metrics[m].width, first ? first : nd_metrics[m].name);
      first = NULL;
    }
  }
  printf("\n");
}

void nd_eval_print_text(const nd_scores *s, const nd_eval_how *how) {
  const nd_protocol *p = s->protocol;
  nd_count_text count = nd_count((size_t)s->total, "picture");
  g_autofree char *part = s->count < s->total ? g_strdup_printf("%d of ", s->count) : g_strdup("");
  g_autofree char *mean = *part ? g_strdup_printf("mean of %s%d", part, s->total) : g_strdup("mean");
  print_row("picture", s, how, NULL);
  for (int i = 0; i < s->count; i++)
    print_row(s->at[i].name, s, how, &s->at[i]);
  print_row(mean, s, how, &s->mean);
  if (p)
    printf("%s%s, PSNR in dB; protocol %s (%s)\n  channels  %s\n  values    %s\n  range     %s\n"
           "  window    %s\n  border    %s\n",
           part, count.text, p->name, p->source, p->channels, rounding, data_range, p->window, p->border);
  else
    printf("%s%s, without truth\n", part, count.text);
  if (how->lpips)
    printf("  LPIPS     %s, version 0.1, on R, G and B rounded to 8 bits\n", how->lpips);
  if (how->niqe)
    printf("  NIQE      %s\n", how->niqe);
}

/* JSON has no infinity (PSNR of equal pictures), nor what is not a number. */
static void add_number(JsonBuilder *b, const char *key, double value) {
  if (isfinite(value))
    nd_json_number(b, key, value);
  else
    nd_json_null(b, key);
}

static void add_figures(JsonBuilder *b, const nd_scores *s, const nd_eval_how *how, const nd_score *one) {
  for (int p = RESULT; p <= (how->model ? INPUT : RESULT); p++)
    for (nd_metric m = 0; m < ND_METRICS; m++) {
      g_autofree char *key = g_strconcat(nd_metrics[m].key, p == INPUT ? "_input" : "", NULL);
      if (s->measured[m])
        add_number(b, key, value_of(one, m, (place)p));
    }
}

static void add_protocol(JsonBuilder *b, const nd_protocol *p, const nd_eval_how *how) {
  static const nd_protocol none;
  bool truth = p;
  p = p ? p : &none;
  const char *const texts[][2] = {{"name", p->name},
                                  {"source", p->source},
                                  {"channels", p->channels},
                                  {"rounding", rounding},
                                  {"data_range", truth ? data_range : NULL},
                                  {"ssim_window", p->window},
                                  {"border", p->border},
                                  {"lpips", how->lpips},
                                  {"niqe", how->niqe}};
  nd_json_object(b, "protocol");
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    nd_json_text(b, texts[i][0], texts[i][1]);
  json_builder_end_object(b);
}

static void add_failures(JsonBuilder *b, const GPtrArray *failures) {
  nd_json_list(b, "failures");
  for (guint i = 0; i < failures->len; i++) {
    const nd_eval_failure *f = g_ptr_array_index(failures, i);
    json_builder_begin_object(b);
    nd_json_text(b, "name", f->name);
    nd_json_text(b, "error", f->error);
    json_builder_end_object(b);
  }
  json_builder_end_array(b);
}

void nd_eval_print_json(const nd_scores *s, const nd_eval_how *how) {
  JsonBuilder *b = nd_json_begin();
  add_protocol(b, s->protocol, how);
  nd_json_whole(b, "measured", s->count);
  nd_json_whole(b, "failed", s->total - s->count);
  nd_json_object(b, "mean");
  add_figures(b, s, how, &s->mean);
  json_builder_end_object(b);
  nd_json_list(b, "pictures");
  for (int i = 0; i < s->count; i++) {
    json_builder_begin_object(b);
    nd_json_text(b, "name", s->at[i].name);
    add_figures(b, s, how, &s->at[i]);
    json_builder_end_object(b);
  }
  json_builder_end_array(b);
  add_failures(b, how->failures);
  json_builder_end_object(b);
  g_autofree char *text = nd_json_written(b, true);
  printf("%s\n", text);
}
