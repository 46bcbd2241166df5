/* Bytes that may not fit memory: kept there, or in a temporary file that has no name and goes with its
 * descriptor. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct nd_spool {
  char *memory; /* or, NULL, in the file */
  int descriptor;
};

static int open_file(void) {
  const char *chosen = g_getenv("TMPDIR"), *folder = chosen ? chosen : "/var/tmp";
  int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) { /* a file system that knows no files without a name */
    g_autofree char *path = g_build_filename(folder, "noiseda-XXXXXX", NULL);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
      unlink(path);
  }
  if (fd < 0)
    nd_fail("a picture this large is kept in a temporary file, and '%s' takes none: %s; TMPDIR names another "
            "folder",
            folder, g_strerror(errno));
  return fd;
}

nd_spool *nd_spool_new(size_t bytes, size_t limit) {
  nd_spool s = {.descriptor = -1};
  if (bytes <= limit && !(s.memory = nd_mem_alloc(bytes, "the picture")))
    return NULL;
  if (bytes > limit && (s.descriptor = open_file()) < 0)
    return NULL;
  return g_memdup2(&s, sizeof s);
}

void nd_spool_free(nd_spool *s) {
  if (!s)
    return;
  nd_mem_free(s->memory);
  if (s->descriptor >= 0)
    close(s->descriptor);
  g_free(s);
}

const void *nd_spool_memory(const nd_spool *s) {
  return s->memory;
}

int nd_spool_descriptor(const nd_spool *s) {
  return s->descriptor;
}

static int in_file(ssize_t done, const char *what) {
  return nd_fail(
      "cannot %s the temporary file that a large picture is kept in: %s; TMPDIR names another folder", what,
      done < 0 ? g_strerror(errno) : "it ends early");
}

int nd_spool_read(const nd_spool *s, size_t at, void *to, size_t n) {
  if (s->memory) {
    memcpy(to, s->memory + at, n);
    return 0;
  }
  for (ssize_t done; n; at += (size_t)done, to = (char *)to + done, n -= (size_t)done)
    if ((done = pread(s->descriptor, to, n, (off_t)at)) <= 0)
      return in_file(done, "read");
  return 0;
}

int nd_spool_write(nd_spool *s, size_t at, const void *from, size_t n) {
  if (s->memory) {
    memcpy(s->memory + at, from, n);
    return 0;
  }
  for (ssize_t done; n; at += (size_t)done, from = (const char *)from + done, n -= (size_t)done)
    if ((done = pwrite(s->descriptor, from, n, (off_t)at)) <= 0)
      return in_file(done, "write");
  return 0;
}
