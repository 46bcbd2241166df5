/* noiseda models: which models can be called by their names. */
#include "cli/cli.h"
#include "base/json_out.h"
#include "weights/model.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

/* What the card of a model says is in its file too. */
static const char *const card[] = {"task", "network", "settings", "licence", "data", "figures"};

typedef struct entry {
  const char *name, *path, *problem; /* problem: why it cannot be read; NULL: it can */
  double megabytes;
  const char *card[G_N_ELEMENTS(card)]; /* NULL: it does not say */
} entry;

static const char *say(const char *text) {
  return text ? text : "-";
}

static void print_text(const entry *e) {
  if (e->problem) {
    printf("%-10s cannot be read: %s\n", e->name, e->problem);
    return;
  }
  nd_cli_line("", "%-10s %s; %s (%s); %.1f MB; licence: %s", e->name, say(e->card[0]), say(e->card[1]),
              say(e->card[2]), e->megabytes, say(e->card[3]));
  for (size_t i = 4; i < G_N_ELEMENTS(card); i++)
    if (e->card[i])
      nd_cli_line("", "%-10s %s", "", e->card[i]);
  printf("%-10s %s\n", "", e->path);
}

static void add_json(JsonBuilder *b, const entry *e) {
  json_builder_begin_object(b);
  nd_json_text(b, "name", e->name);
  nd_json_text(b, "path", e->path);
  nd_json_text(b, "problem", e->problem);
  nd_json_number(b, "megabytes", e->megabytes);
  for (size_t i = 0; i < G_N_ELEMENTS(card); i++)
    nd_json_text(b, card[i], e->card[i]);
  json_builder_end_object(b);
}

/* b NULL: as text. */
static void show(const char *name, const char *path, JsonBuilder *b) {
  nd_safetensors *file = NULL;
  GStatBuf about;
  entry e = {.name = name, .path = path};
  if (!g_stat(path, &about))
    e.megabytes = (double)about.st_size / 1e6;
  if (nd_safetensors_open(path, &file))
    e.problem = nd_error();
  for (size_t i = 0; file && i < G_N_ELEMENTS(card); i++) {
    g_autofree char *key = g_strconcat("noiseda.", card[i], NULL);
    e.card[i] = nd_safetensors_metadata(file, key);
  }
  if (b)
    add_json(b, &e);
  else
    print_text(&e);
  nd_safetensors_close(file);
}

static void print_none(void) {
  g_auto(GStrv) folders = nd_model_folders();
  g_autofree char *places = g_strjoinv(", ", folders);
  fprintf(stderr, "noiseda: there are no models; looked in %s\n", places);
}

static void show_all(char **names, JsonBuilder *b) {
  for (int i = 0; names[i]; i++) {
    g_autofree char *path = NULL;
    if (!nd_model_find(names[i], &path))
      show(names[i], path, b);
  }
}

static void print_json(char **names) {
  JsonBuilder *b = json_builder_new();
  json_builder_begin_array(b);
  show_all(names, b);
  json_builder_end_array(b);
  g_autofree char *text = nd_json_written(b, true);
  printf("%s\n", text);
}

static int run(int argc, char **argv) {
  gboolean json = FALSE;
  const GOptionEntry entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &json, "the same for programs", NULL},
                                  {0}};
  if (!nd_cli_parse(
          &argc, &argv, entries, "",
          "Lists the models that --model takes by their names: what each is for, its network, size, "
          "licence, what it learned from, what was measured, and its file. Folders that are looked "
          "in: $NOISEDA_MODELS, noiseda/models among the user's data, the installed ones; of two "
          "models of one name the first is taken. 'noiseda info NAME' says more."))
    return ND_EXIT_USAGE;
  if (argc != 1)
    return nd_cli_wrong("nothing is expected behind 'models'");
  g_auto(GStrv) names = nd_model_names();
  if (json)
    print_json(names);
  else if (names[0])
    show_all(names, NULL);
  else
    print_none();
  return ND_EXIT_DONE;
}

const nd_command nd_cmd_models = {"models", "list the models that can be called by name", run};
