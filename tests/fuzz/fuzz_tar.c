/* Any bytes as a tar archive, packed or not: refused with a message, or every entry has a name and can be
 * read or is refused.
 *
 *   fuzz_tar -max_len=8192 NEW_CORPUS
 *
 * corpus/fuzz_tar.tar.gz is a start. */
#include "base/tar_archive.h"
#include "require.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  enum { LIMIT = 1 << 24 };
  char path[64];
  nd_tar *tar;
  int fd = memfd_create("archive", MFD_CLOEXEC);
  require(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  nd_error_clear();
  int failed = nd_tar_open(path, &tar);
  require(failed ? !tar && *nd_error() : tar != NULL);
  for (int64_t i = 0; !failed && i < nd_tar_count(tar); i++) {
    void *entry;
    size_t size;
    require(*nd_tar_name(tar, i) != 0);
    if (!nd_tar_read(tar, i, LIMIT, &entry, &size))
      require(size == nd_tar_size(tar, i) && size <= LIMIT);
    else
      require(!entry);
    if (entry)
      nd_mem_free(entry);
  }
  nd_tar_close(tar);
  close(fd);
  return 0;
}
