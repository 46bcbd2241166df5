#include "base/base.h"

#include <string.h>

/* ESC and the like, DEL, and in UTF-8 U+0080 to U+009F, which terminals may take for ESC and a letter. */
static int length_of_control(const unsigned char *p) {
  if (*p == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
    return 2;
  return *p < 0x20 || *p == 0x7F;
}

void nd_make_printable(char *text, const char *kept) {
  char *out = text;
  for (const char *p = text; *p;) {
    int n = strchr(kept, *p) ? 0 : length_of_control((const unsigned char *)p);
    *out++ = n ? '?' : *p;
    p += n ? n : 1;
  }
  *out = 0;
}
