/* libvips: started once, quiet, single-threaded, without a cache of files that may change. */
#include "image/vips-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static GRWLock inside;
static _Thread_local char *warning;

/* In place of printing. */
static void keep_warning(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {
  (void)domain, (void)data;
  if (!(level & G_LOG_LEVEL_WARNING))
    return;
  char *longer = warning ? g_strconcat(warning, "; ", message, NULL) : g_strdup(message);
  g_free(warning);
  warning = longer;
}

char *nd_vips_take_warning(void) {
  char *text = warning;
  warning = NULL;
  return text;
}

static void listen_to_libvips(void) {
  g_log_set_handler("VIPS", G_LOG_LEVEL_MASK & ~G_LOG_LEVEL_ERROR, keep_warning, NULL);
}

/* Where libvips looks for its modules, for formats that are not ours (PDF, HEIF, slides): nowhere, since
 * loading them takes 20 ms of every run, and code that is not there cannot fail. libvips sets this variable
 * itself, too. */
static int start_without_modules(void) {
  static const char home[] = "VIPSHOME";
  bool given = g_getenv(home) != NULL;
  if (!given)
    g_setenv(home, "/dev/null", TRUE);
  int failed = VIPS_INIT("noiseda");
  if (!given)
    g_unsetenv(home);
  return failed;
}

/* libvips keeps threads for a while and would wait for them for ever in a child, where they are not. */
static int check_process(pid_t started) {
  return started == getpid() ? 0
                             : nd_fail("files cannot be read or written in this process: it was forked from "
                                       "one that had begun to, and libvips' threads stay behind. Fork before "
                                       "the first file, or start a program");
}

int nd_image_start(void) {
  static gsize once;
  static int failed;
  static pid_t process;
  if (g_once_init_enter(&once)) {
    process = getpid();
    listen_to_libvips();
    failed = start_without_modules();
    listen_to_libvips(); /* libvips may have set a handler of its own; the last one set is asked first */
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    g_free(nd_vips_take_warning()); /* modules of a VIPSHOME that cannot be loaded */
    g_once_init_leave(&once, 1);
  }
  return failed ? nd_fail("libvips could not be started: %s", vips_error_buffer()) : check_process(process);
}

int nd_vips_run(nd_vips_attempt attempt, void *context) {
  g_rw_lock_reader_lock(&inside);
  int failed = attempt(context, false);
  g_rw_lock_reader_unlock(&inside);
  if (!failed)
    return 0;
  g_rw_lock_writer_lock(&inside);
  vips_error_clear();
  failed = attempt(context, true);
  vips_error_clear();
  g_rw_lock_writer_unlock(&inside);
  return failed;
}

/* One line, no doubled separators, no blanks around, nothing said twice. */
static char *one_line(char *text) {
  g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
  GString *line = g_string_new(NULL);
  for (int i = 0; lines[i]; i++)
    if (*g_strstrip(lines[i]) && !strstr(line->str, lines[i]))
      g_string_append_printf(line, "%s%s", line->len ? "; " : "", lines[i]);
  return g_string_free(line, FALSE);
}

/* What the system said of a call that failed, such as a full disk; the rest only tells where libvips noticed.
 * The caller's; NULL: it said nothing. */
static char *system_error(const char *text) {
  static const char mark[] = "unix error: ";
  const char *at = strstr(text, mark);
  if (!at || g_str_has_prefix(at + strlen(mark), "Unknown error"))
    return NULL;
  at += strlen(mark);
  return g_strndup(at, strcspn(at, "\r\n"));
}

/* libvips keeps the words of it alone. */
static int error_number(const char *words) {
  static const int of_room[] = {ENOSPC, EDQUOT};
  for (size_t i = 0; i < G_N_ELEMENTS(of_room); i++)
    if (!g_strcmp0(words, g_strerror(of_room[i])))
      return of_room[i];
  return 0;
}

int nd_vips_fail(const char *what, const char *name) {
  g_autofree char *text = vips_error_buffer_copy();
  char *cause = system_error(text);
  g_autofree char *line = cause ? cause : one_line(text);
  int number = error_number(line);
  if (number)
    return nd_fail_of(number, "cannot %s '%s'", what, name);
  const char *reason = *line ? line : "libvips gives no reason";
  if (!cause && !strcmp(what, "read"))
    return nd_fail("cannot read '%s': it may be damaged or cut off, copy or download it again (%s)", name,
                   reason);
  return nd_fail("cannot %s '%s': %s", what, name, reason);
}
