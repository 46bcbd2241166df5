#include "cli/progress.h"
#include "base/base.h"

#include <glib.h>
#include <sys/ioctl.h>

enum { BAR_MOST = 30, BAR_LEAST = 5, NAME_LEAST = 8 };

int nd_terminal_width(int descriptor) {
  struct winsize size;
  return !ioctl(descriptor, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

static int width_of(gunichar c) {
  return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

static int columns_of(const char *text) {
  int columns = 0;
  for (; *text; text = g_utf8_next_char(text))
    columns += width_of(g_utf8_get_char(text));
  return columns;
}

/* Bytes that are no text, and characters that would move the cursor, are shown as marks. */
static char *printable(const char *name) {
  char *text = g_filename_display_name(name);
  nd_make_printable(text, "");
  return text;
}

/* Its end, for that tells files of a folder apart. */
static char *shortened(const char *name, int columns) {
  const char *from = name;
  int width = columns_of(name);
  if (width <= columns)
    return g_strdup(name);
  for (; *from && width > columns - 3; from = g_utf8_next_char(from))
    width -= width_of(g_utf8_get_char(from));
  return g_strconcat("...", from, NULL);
}

static void append_bar(GString *line, int columns, double share) {
  int done = (int)(share * columns + 0.5);
  g_string_append_c(line, '[');
  for (int i = 0; i < columns; i++)
    g_string_append_c(line, i < done ? '#' : '.');
  g_string_append_c(line, ']');
}

char *nd_progress_line(int columns, const char *head, const char *name, double share, const char *tail) {
  g_autofree char *plain = printable(name);
  int room = columns - 1 - columns_of(head) - columns_of(tail), wanted = columns_of(plain);
  int bar = CLAMP(room - 3 - wanted, BAR_LEAST, BAR_MOST);
  if (room - 3 - bar < MIN(wanted, NAME_LEAST))
    bar = 0;
  int left = bar ? room - 3 - bar : room;
  GString *line = g_string_new(head);
  if (left >= MIN(wanted, NAME_LEAST)) {
    g_autofree char *end = shortened(plain, left);
    g_string_append(line, end);
  }
  if (bar) {
    g_string_append_c(line, ' ');
    append_bar(line, bar, share);
  }
  g_string_append(line, tail);
  while (columns_of(line->str) >= columns && line->len)
    g_string_truncate(line, (gsize)(g_utf8_prev_char(line->str + line->len) - line->str));
  return g_string_free(line, FALSE);
}
