#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct nd_file_out {
  char *path;
  char *temporary; /* NULL: the file has no name yet, and goes with its descriptor */
  int fd;
  int cause; /* errno of the first failure */
};

int nd_write_all(int fd, const char *bytes, size_t n) {
  while (n) {
    ssize_t done = write(fd, bytes, n);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return -1;
    bytes += done;
    n -= (size_t)done;
  }
  return 0;
}

/* Makes the rename itself durable; file systems without directory sync are no reason to fail. */
static void sync_folder(const char *path) {
  g_autofree char *folder = g_path_get_dirname(path);
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    (void)!fsync(fd);
    close(fd);
  }
}

/* A short name, for that of path may be as long as names can be. */
static char *temporary_name(const char *path) {
  g_autofree char *folder = g_path_get_dirname(path);
  return g_strdup_printf("%s/.noiseda-%08x%08x.tmp", folder, g_random_int(), g_random_int());
}

static void file_free(nd_file_out *file) {
  g_free(file->path);
  g_free(file->temporary);
  g_free(file);
}

/* /proc/self/fd/N, by which a file without a name gets one; the caller's. */
static char *descriptor_name(int fd) {
  return g_strdup_printf("/proc/self/fd/%d", fd);
}

/* A process that is killed leaves nothing of such a file; -1: the file system knows none. */
static int open_nameless(const char *path) {
  g_autofree char *folder = g_path_get_dirname(path);
  int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  g_autofree char *name = descriptor_name(fd);
  if (fd < 0 || !access(name, F_OK))
    return fd;
  close(fd);
  return -1;
}

/* Renamed to, a device or a socket would be gone. */
static int check_kind(const char *path) {
  struct stat s;
  if (stat(path, &s) || S_ISREG(s.st_mode))
    return 0;
  return nd_fail("cannot write '%s': it is %s", path, S_ISDIR(s.st_mode) ? "a folder" : "no ordinary file");
}

nd_file_out *nd_file_begin(const char *path) {
  if (check_kind(path))
    return NULL;
  nd_file_out *file = g_new0(nd_file_out, 1);
  file->path = g_strdup(path);
  file->fd = open_nameless(path);
  if (file->fd < 0) {
    file->temporary = temporary_name(path);
    file->fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  if (file->fd >= 0)
    return file;
  nd_fail_of(errno, "cannot write '%s'", path);
  file_free(file);
  return NULL;
}

int nd_file_put(nd_file_out *file, const void *bytes, size_t n) {
  if (!file->cause && nd_write_all(file->fd, bytes, n))
    file->cause = errno ? errno : EIO;
  if (!file->cause)
    return 0;
  return nd_fail_of(file->cause, "cannot write '%s'", file->path);
}

int nd_file_descriptor(const nd_file_out *file) {
  return file->fd;
}

void nd_file_discard(nd_file_out *file) {
  if (file->fd >= 0)
    close(file->fd);
  if (file->temporary)
    unlink(file->temporary);
  file_free(file);
}

/* For a moment, since only what has a name can take the place of another file. */
static int give_name(nd_file_out *file) {
  g_autofree char *from = descriptor_name(file->fd), *to = temporary_name(file->path);
  if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW))
    return -1;
  file->temporary = g_steal_pointer(&to);
  return 0;
}

int nd_file_commit(nd_file_out *file) {
  if (!file->cause && fsync(file->fd))
    file->cause = errno;
  if (!file->cause && !file->temporary && give_name(file))
    file->cause = errno;
  if (close(file->fd) && !file->cause)
    file->cause = errno;
  file->fd = -1;
  if (!file->cause && rename(file->temporary, file->path))
    file->cause = errno;
  if (file->cause) {
    nd_fail_of(file->cause, "cannot write '%s'", file->path);
    nd_file_discard(file);
    return -1;
  }
  sync_folder(file->path);
  file_free(file);
  return 0;
}

int nd_file_write_atomic(const char *path, const void *bytes, size_t n) {
  nd_file_out *file = nd_file_begin(path);
  if (!file)
    return -1;
  nd_file_put(file, bytes, n);
  return nd_file_commit(file);
}

int nd_folder_make(const char *path) {
  return g_mkdir_with_parents(path, 0777) ? nd_fail_of(errno, "cannot make the folder '%s'", path) : 0;
}

int nd_folder_make_for(const char *file) {
  g_autofree char *folder = g_path_get_dirname(file);
  return nd_folder_make(folder);
}

int nd_file_check_new(const char *path, bool overwrite) {
  return path && !overwrite && g_file_test(path, G_FILE_TEST_EXISTS)
             ? nd_fail("'%s' exists already; --overwrite replaces it", path)
             : 0;
}

int nd_file_check_one(const char *path, bool overwrite, bool skip_existing) {
  if (!nd_file_check_new(path, overwrite))
    return 0;
  return skip_existing ? 1 : nd_fail_and("--skip-existing leaves it");
}
