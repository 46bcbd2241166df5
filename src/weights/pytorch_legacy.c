/* The old format of torch.save. */
#include "weights/pytorch-private.h"

#include <string.h>

/* A pickle of 0x1950a86a20f9469cfc6c: protocol, from 4 on a frame (its opcode and length), the number, stop.
 */
static const char MAGIC[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
enum { MAGIC_SIZE = sizeof MAGIC - 1, VERSION = 1001, PROTOCOL_SIZE = 2, FRAME_SIZE = 9 };

bool nd_pytorch_is_legacy(const char *bytes, size_t n) {
  size_t at = PROTOCOL_SIZE;
  if (n > at && bytes[at] == '\x95')
    at += FRAME_SIZE;
  return n >= at + MAGIC_SIZE && bytes[0] == '\x80' && !memcmp(bytes + at, MAGIC, MAGIC_SIZE);
}

typedef struct stream {
  nd_pickle *pickle;
  const char *at, *end;
} stream;

static int next(stream *s, const nd_pickle_value **out) {
  size_t used;
  if (nd_pickle_read(s->pickle, s->at, (size_t)(s->end - s->at), &used, out))
    return -1;
  s->at += used;
  return 0;
}

static int read_head(stream *s) {
  const nd_pickle_value *magic, *version, *machine;
  if (next(s, &magic) || next(s, &version) || next(s, &machine))
    return -1;
  if (version->kind != ND_KIND_INT || version->integer != VERSION)
    return nd_fail("its version is not %d, the only one there is", VERSION);
  const nd_pickle_value *little =
      machine->kind == ND_KIND_DICT ? nd_dict_find(machine, "little_endian") : NULL;
  if (!little || little->kind != ND_KIND_BOOL || !little->integer)
    return nd_fail("its numbers are big-endian; load and save it on another machine");
  return 0;
}

static int place_storage(stream *s, const char *key) {
  nd_storage *storage = nd_pickle_find_storage(s->pickle, key);
  uint64_t count;
  if (!storage || storage->bytes || storage->root)
    return nd_fail("storage '%s' is unknown or occurs twice", key);
  if ((size_t)(s->end - s->at) < sizeof count)
    return nd_fail("it ends before storage '%s'; was it cut short?", key);
  memcpy(&count, s->at, sizeof count);
  s->at += sizeof count;
  size_t left = (size_t)(s->end - s->at), size = nd_storage_element(storage);
  if (count != storage->count)
    return nd_fail("storage '%s' has %" G_GUINT64_FORMAT " elements in one place and %zu in another", key,
                   count, storage->count);
  if (count > left / size)
    return nd_fail("storage '%s' needs %zu bytes, %zu are left; was it cut short?", key,
                   storage->count * size, left);
  storage->bytes = s->at;
  s->at += count * size;
  return 0;
}

int nd_pytorch_read_legacy(nd_pickle *p, const char *bytes, size_t n, const nd_pickle_value **out) {
  stream s = {p, bytes, bytes + n};
  const nd_pickle_value *keys;
  if (read_head(&s) || next(&s, out) || next(&s, &keys))
    return -1;
  if (keys->kind != ND_KIND_LIST)
    return nd_fail("its storages are not listed");
  for (guint i = 0; i < keys->items->len; i++) {
    const nd_pickle_value *key = nd_pickle_value_at(keys, i, ND_KIND_TEXT);
    if (!key)
      return nd_fail("the name of a storage is no text");
    if (place_storage(&s, key->text))
      return -1;
  }
  return 0;
}
