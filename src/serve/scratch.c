/* The temporary folder. One that was killed leaves its own behind; the next one to start removes it. */
#include "serve/serve-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "noiseda-"
enum { YOUNG_SECONDS = 60 }; /* may not be locked yet */

struct nd_scratch {
  char *folder;
  int lock; /* held as long as the folder is used */
};

static int lock_file(const char *folder, int flags) {
  g_autofree char *path = g_build_filename(folder, "lock", NULL);
  int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
  if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB))
    return fd;
  close(fd);
  return -1;
}

static bool is_old_and_own(const char *folder) {
  GStatBuf s;
  return !g_lstat(folder, &s) && S_ISDIR(s.st_mode) && s.st_uid == getuid() &&
         difftime(time(NULL), s.st_mtime) > YOUNG_SECONDS;
}

static void remove_abandoned(const char *folder) {
  int lock = is_old_and_own(folder) ? lock_file(folder, 0) : -1;
  if (lock < 0)
    return;
  nd_remove_all(folder);
  close(lock);
}

static void sweep(void) {
  g_autoptr(GDir) dir = g_dir_open(g_get_tmp_dir(), 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *folder = g_build_filename(g_get_tmp_dir(), name, NULL);
    if (g_str_has_prefix(name, PREFIX))
      remove_abandoned(folder);
  }
}

nd_scratch *nd_scratch_new(void) {
  g_autoptr(GError) error = NULL;
  sweep();
  char *folder = g_dir_make_tmp(PREFIX "XXXXXX", &error);
  if (!folder) {
    nd_fail("cannot make a temporary folder for photos: %s", error->message);
    return NULL;
  }
  nd_scratch *s = g_new0(nd_scratch, 1);
  *s = (nd_scratch){folder, lock_file(folder, O_CREAT)};
  if (s->lock >= 0)
    return s;
  nd_fail("cannot use the temporary folder '%s': %s", folder, g_strerror(errno));
  nd_scratch_free(s);
  return NULL;
}

const char *nd_scratch_path(const nd_scratch *s) {
  return s->folder;
}

void nd_scratch_free(nd_scratch *s) {
  nd_remove_all(s->folder);
  if (s->lock >= 0)
    close(s->lock);
  g_free(s->folder);
  g_free(s);
}
