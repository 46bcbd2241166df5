/* Lines of paths. */
#include "data/set-private.h"

#include <string.h>

static void line_clear(void *p) {
  g_strfreev(((nd_list_line *)p)->paths);
}

/* Where the path that begins at `at` ends: before a tab, before white space that follows a picture's ending,
 * or at the end. */
static const char *path_end(const char *at, const char *end) {
  for (const char *p = at; p < end; p++) {
    if (*p == '\t')
      return p;
    g_autofree char *so_far = *p == ' ' ? g_strndup(at, (gsize)(p - at)) : NULL;
    if (so_far && nd_image_named(so_far))
      return p;
  }
  return end;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

static char **split_line(const char *at, const char *end) {
  GPtrArray *paths = g_ptr_array_new();
  while (end > at && is_blank(end[-1]))
    end--;
  for (;;) {
    while (at < end && is_blank(*at))
      at++;
    if (at == end)
      break;
    const char *stop = path_end(at, end), *last = stop;
    while (is_blank(last[-1]))
      last--;
    g_ptr_array_add(paths, g_strndup(at, (gsize)(last - at)));
    at = stop;
  }
  g_ptr_array_add(paths, NULL);
  return (char **)g_ptr_array_free(paths, FALSE);
}

GArray *nd_list_read(const char *text, size_t size, const char *name) {
  const char *at = text, *end = text + size;
  if (memchr(text, 0, size)) {
    nd_fail("'%s' is no list: it holds bytes that no text has; a list has one path a line", name);
    return NULL;
  }
  GArray *lines = g_array_new(FALSE, FALSE, sizeof(nd_list_line));
  g_array_set_clear_func(lines, line_clear);
  if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* UTF-8's mark, which some editors put in front */
    at += 3;
  for (int number = 1; at < end; number++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    stop = stop ? stop : end;
    nd_list_line line = {number, split_line(at, stop)};
    if (line.paths[0] && line.paths[0][0] != '#')
      g_array_append_val(lines, line);
    else
      line_clear(&line);
    at = stop + 1;
  }
  return lines;
}
