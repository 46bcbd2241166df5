/* Loaded before the C library: a disk with room for $ND_ROOM bytes in ordinary files. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool there_is_room(long long n, long long room) {
  static _Atomic long long written;
  long long before = atomic_load(&written);
  do
    if (before + n > room)
      return false;
  while (!atomic_compare_exchange_weak(&written, &before, before + n));
  return true;
}

ssize_t write(int fd, const void *bytes, size_t n) {
  ssize_t (*next)(int, const void *, size_t) =
      (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  const char *room = getenv("ND_ROOM");
  struct stat s;
  if (!room || fstat(fd, &s) || !S_ISREG(s.st_mode) || there_is_room((long long)n, atoll(room)))
    return next(fd, bytes, n);
  errno = ENOSPC;
  return -1;
}
