/* From YAML to the members of a recipe, event by event, so that every message has its line. */
#include "train/recipe-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { LONGEST_NAME = 200 };

typedef struct reader {
  yaml_parser_t parser;
  yaml_event_t event; /* the last one read */
  nd_recipe *recipe;
} reader;

static int line_of(const reader *r) {
  return (int)r->event.start_mark.line + 1;
}

/* Puts file and line in front of the message. */
static int at_line(const reader *r, int line) {
  return nd_fail_in("%s:%d", r->recipe->path, line);
}

static int fail_yaml(const reader *r) {
  const yaml_parser_t *p = &r->parser;
  int line = (int)p->problem_mark.line + 1;
  if (p->error == YAML_READER_ERROR) { /* this kind knows the byte, not the line */
    line = 1;
    for (size_t i = 0; i < p->problem_offset && r->recipe->text[i]; i++)
      line += r->recipe->text[i] == '\n';
  }
  nd_fail("not valid YAML: %s", p->problem ? p->problem : "out of memory");
  return at_line(r, line);
}

/* The event's anchor and tag, where its kind has them. */
static bool has_extras(const yaml_event_t *e) {
  switch (e->type) {
  case YAML_SCALAR_EVENT:
    return e->data.scalar.anchor || e->data.scalar.tag;
  case YAML_SEQUENCE_START_EVENT:
    return e->data.sequence_start.anchor || e->data.sequence_start.tag;
  case YAML_MAPPING_START_EVENT:
    return e->data.mapping_start.anchor || e->data.mapping_start.tag;
  default:
    return e->type == YAML_ALIAS_EVENT;
  }
}

static int next(reader *r) {
  yaml_event_delete(&r->event);
  if (!yaml_parser_parse(&r->parser, &r->event))
    return fail_yaml(r);
  if (has_extras(&r->event)) {
    nd_fail("anchors (&), aliases (*) and tags (!) are not understood in a recipe");
    return at_line(r, line_of(r));
  }
  return 0;
}

static const char *scalar(const reader *r) {
  return (const char *)r->event.data.scalar.value;
}

static bool is_quoted(const reader *r) {
  return r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
}

/* Nothing, "null" and "~" are YAML's ways to give no value. */
static bool is_null(const reader *r) {
  static const char *const words[] = {"", "~", "null", NULL};
  return r->event.type == YAML_SCALAR_EVENT && !is_quoted(r) && g_strv_contains(words, scalar(r));
}

static int check_nul(const reader *r) {
  return strlen(scalar(r)) == r->event.data.scalar.length ? 0 : nd_fail("a text holds a NUL character");
}

/* The items of a list, with commas between them. */
static int read_items(reader *r, const char *name, GString *items) {
  while (!next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
    int line = line_of(r);
    if (r->event.type != YAML_SCALAR_EVENT) {
      nd_fail("%s is a list of lists; it must be a list of values", name);
      return at_line(r, line);
    }
    if (check_nul(r))
      return at_line(r, line);
    g_string_append_printf(items, "%s%s", items->len ? "," : "", scalar(r));
  }
  return r->event.type == YAML_SEQUENCE_END_EVENT ? 0 : -1;
}

static int assign(reader *r, const char *name, nd_recipe_text value, int line) {
  const nd_recipe_key *key = nd_recipe_find(name);
  if (!key)
    nd_recipe_unknown(name, NULL);
  if (!key || nd_recipe_assign(r->recipe, key, name, value))
    return at_line(r, line);
  return 0;
}

static int not_a_value(reader *r, const char *section, int line) {
  nd_fail("%s is a section; its keys belong below it, indented", section);
  return at_line(r, line);
}

static int read_list(reader *r, const char *name, int line) {
  g_autoptr(GString) items = g_string_new(NULL);
  if (nd_recipe_is_section(name))
    return not_a_value(r, name, line);
  if (read_items(r, name, items))
    return -1;
  return assign(r, name, (nd_recipe_text){items->str, false, true}, line);
}

static int read_scalar(reader *r, const char *name, int line) {
  if (nd_recipe_is_section(name)) {
    if (is_null(r))
      return 0; /* all its keys are commented out */
    return not_a_value(r, name, line);
  }
  if (check_nul(r))
    return at_line(r, line);
  return assign(r, name, (nd_recipe_text){is_null(r) ? "" : scalar(r), is_quoted(r), false}, line);
}

static int read_mapping(reader *r, const char *section);

static int read_section(reader *r, const char *name, int line) {
  if (nd_recipe_is_section(name))
    return read_mapping(r, name);
  const nd_recipe_key *key = nd_recipe_find(name);
  if (key) {
    g_autofree char *allowed = nd_recipe_allowed(key);
    nd_fail("%s has keys below it; it must be %s", name, allowed);
  } else
    nd_recipe_unknown(name, NULL);
  return at_line(r, line);
}

/* Takes a key's name in full and makes sure it is the first of that name. */
static int read_name(reader *r, const char *section, char **name, int *line) {
  *line = line_of(r);
  if (r->event.type != YAML_SCALAR_EVENT) {
    nd_fail("a key must be a word");
    return at_line(r, *line);
  }
  if (check_nul(r))
    return at_line(r, *line);
  *name = g_strdup_printf("%s%s%s", section, *section ? "." : "", scalar(r));
  if (strlen(*name) > LONGEST_NAME)
    nd_fail("the key '%.40s...' is too long", *name);
  else if (nd_recipe_origin(r->recipe, *name))
    nd_fail("'%s' was given before, at %s", *name, nd_recipe_origin(r->recipe, *name));
  else {
    g_autofree char *where = g_strdup_printf("%s:%d", r->recipe->path, *line);
    nd_recipe_set_origin(r->recipe, *name, where);
    return 0;
  }
  return at_line(r, *line);
}

static int read_pair(reader *r, const char *section) {
  g_autofree char *name = NULL;
  int line;
  if (read_name(r, section, &name, &line) || next(r))
    return -1;
  switch (r->event.type) {
  case YAML_SCALAR_EVENT:
    return read_scalar(r, name, line);
  case YAML_SEQUENCE_START_EVENT:
    return read_list(r, name, line);
  default:
    return read_section(r, name, line);
  }
}

/* Its depth is that of the sections there are: an unknown one is refused before it is entered. */
static int read_mapping(reader *r, const char *section) {
  int result;
  while (!(result = next(r)) && r->event.type != YAML_MAPPING_END_EVENT)
    if (read_pair(r, section))
      return -1;
  return result;
}

static int read_document(reader *r) {
  if (next(r) || next(r)) /* the stream begins, the document begins */
    return -1;
  if (r->event.type == YAML_STREAM_END_EVENT)
    return nd_fail("%s: the recipe is empty", r->recipe->path);
  if (next(r))
    return -1;
  if (is_null(r))
    return nd_fail("%s: the recipe is empty", r->recipe->path);
  if (r->event.type != YAML_MAPPING_START_EVENT) {
    nd_fail("a recipe consists of lines 'key: value'");
    return at_line(r, line_of(r));
  }
  if (read_mapping(r, "") || next(r) || next(r)) /* the document ends, the stream ends */
    return -1;
  if (r->event.type == YAML_STREAM_END_EVENT)
    return 0;
  nd_fail("a second document begins; a recipe is one");
  return at_line(r, line_of(r));
}

static void remember(nd_recipe *recipe, const char *text, const char *name) {
  g_free(recipe->text);
  g_free(recipe->path);
  recipe->text = g_strdup(text);
  recipe->path = g_strdup(name);
  g_hash_table_remove_all(recipe->origins);
}

int nd_recipe_parse(nd_recipe *recipe, const char *text, const char *name) {
  static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a file with it */
  reader r = {.recipe = recipe};
  size_t n = strlen(text), skip = g_str_has_prefix(text, mark) ? sizeof mark - 1 : 0;
  if (n > ND_RECIPE_MAX_BYTES)
    return nd_fail("%s: a recipe of more than %d bytes is none", name, ND_RECIPE_MAX_BYTES);
  remember(recipe, text, name);
  if (!yaml_parser_initialize(&r.parser))
    return nd_fail("%s: out of memory", name);
  yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text + skip, n - skip);
  int result = read_document(&r);
  yaml_event_delete(&r.event);
  yaml_parser_delete(&r.parser);
  return result;
}

/* Up to one byte more than a recipe may have; bytes has room for that and a NUL. */
static int read_file(const char *path, char *bytes, size_t *n) {
  FILE *file = fopen(path, "re");
  if (!file)
    return nd_fail("cannot read the recipe '%s': %s", path, strerror(errno));
  *n = fread(bytes, 1, ND_RECIPE_MAX_BYTES + 1, file);
  int cause = ferror(file) ? errno : 0;
  fclose(file);
  if (cause)
    return nd_fail("cannot read the recipe '%s': %s", path, strerror(cause));
  bytes[*n] = 0;
  if (memchr(bytes, 0, *n))
    return nd_fail("cannot read the recipe '%s': it holds a NUL character, so it is no text", path);
  return 0;
}

int nd_recipe_load(nd_recipe *recipe, const char *path) {
  g_autofree char *bytes = g_malloc(ND_RECIPE_MAX_BYTES + 2);
  size_t n;
  return read_file(path, bytes, &n) ? -1 : nd_recipe_parse(recipe, bytes, path);
}
