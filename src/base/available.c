/* How much memory there is to take: what the system says is left, and what the control groups that this
 * process is in allow (containers, batch systems). */
#include "base/base.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* The number behind `key` of a file of lines like "MemAvailable:   123 kB" or "inactive_file 123". */
static bool read_entry(const char *path, const char *key, uint64_t *out) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return false;
  for (const char *line = text; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (!strncmp(line, key, strlen(key)) && g_ascii_isspace(line[strlen(key)])) {
      *out = g_ascii_strtoull(line + strlen(key), NULL, 10);
      return true;
    }
  }
  return false;
}

static bool read_number(const char *folder, const char *name, uint64_t *out) {
  g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
  char *end;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return false;
  *out = g_ascii_strtoull(text, &end, 10);
  return end != text; /* "max": no limit */
}

/* Pages of files that nobody used lately are given up before a limit is felt. */
static size_t left_in_group(const char *folder, const char *limit_name, const char *used_name,
                            const char *reclaimable) {
  uint64_t limit, used, files = 0;
  if (!read_number(folder, limit_name, &limit) || !read_number(folder, used_name, &used) ||
      limit >= 1ull << 60)
    return SIZE_MAX;
  g_autofree char *stat = g_build_filename(folder, "memory.stat", NULL);
  read_entry(stat, reclaimable, &files);
  used -= MIN(files, used);
  return limit > used ? limit - used : 0;
}

/* A group is limited by those around it as well. The path need not exist here: a container sees its own
 * group at the top. */
static size_t left_up_from(const char *top, const char *path, bool unified) {
  g_autofree char *at = g_build_filename(top, path, NULL);
  size_t left = SIZE_MAX;
  while (strlen(at) >= strlen(top)) {
    size_t here =
        unified ? left_in_group(at, "memory.max", "memory.current", "inactive_file")
                : left_in_group(at, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
    left = MIN(left, here);
    char *up = g_path_get_dirname(at);
    bool stuck = !strcmp(up, at);
    g_free(at);
    at = up;
    if (stuck)
      break;
  }
  return left;
}

/* Lines "0::/path" (version 2) and "4:memory:/path" (version 1). */
static size_t left_in_groups(const char *root) {
  g_autofree char *path = g_build_filename(root, "proc/self/cgroup", NULL), *text = NULL,
                  *top = g_build_filename(root, "sys/fs/cgroup", NULL),
                  *old_top = g_build_filename(top, "memory", NULL);
  size_t left = SIZE_MAX;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return left;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) parts = g_strsplit(*line, ":", 3);
    if (g_strv_length(parts) != 3)
      continue;
    g_auto(GStrv) controllers = g_strsplit(parts[1], ",", -1);
    if (!*parts[1])
      left = MIN(left, left_up_from(top, parts[2], true));
    else if (g_strv_contains((const char *const *)controllers, "memory"))
      left = MIN(left, left_up_from(old_top, parts[2], false));
  }
  return left;
}

size_t nd_mem_available(const char *root) {
  uint64_t kilobytes;
  g_autofree char *path = g_build_filename(root, "proc/meminfo", NULL);
  size_t system = read_entry(path, "MemAvailable:", &kilobytes) ? (size_t)kilobytes << 10 : SIZE_MAX,
         left = MIN(system, left_in_groups(root));
  return left == SIZE_MAX ? 0 : left;
}
