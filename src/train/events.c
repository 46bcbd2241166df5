/* What a run tells TensorBoard: one event file in the run folder, appended to, and cut back like the other
 * logs when the run is resumed. */
#include "train/events.pb-c.h"
#include "train/records-private.h"
#include "train/trainer-private.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SCALARS_MAX = 16 };
static const char FILE_NAME[] = "events.out.tfevents.noiseda";

static double now(void) {
  return (double)g_get_real_time() / 1e6;
}

static void append_event(GByteArray *out, const NdEvents__Event *event) {
  size_t n = nd_events__event__get_packed_size(event);
  g_autofree uint8_t *bytes = g_malloc(n);
  nd_events__event__pack(event, bytes);
  nd_record_append(out, bytes, n);
}

/* Every file begins with the version of the format. */
static void append_version(GByteArray *out) {
  NdEvents__Event event = ND_EVENTS__EVENT__INIT;
  event.wall_time = now();
  event.what_case = ND_EVENTS__EVENT__WHAT_FILE_VERSION;
  event.file_version = (char *)"brain.Event:2";
  append_event(out, &event);
}

static int write_event(const char *folder, uint64_t step, NdEvents__Summary *summary) {
  g_autofree char *path = g_build_filename(folder, FILE_NAME, NULL);
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    append_version(bytes);
  NdEvents__Event event = ND_EVENTS__EVENT__INIT;
  event.wall_time = now();
  event.step = (int64_t)step;
  event.what_case = ND_EVENTS__EVENT__WHAT_SUMMARY;
  event.summary = summary;
  append_event(bytes, &event);
  FILE *f = fopen(path, "ab");
  if (!f)
    return nd_fail_of(errno, "cannot write '%s'", path);
  bool failed = fwrite(bytes->data, 1, bytes->len, f) < bytes->len;
  if (fclose(f) || failed)
    return nd_fail_of(errno, "cannot write '%s'", path);
  return 0;
}

int nd_events_scalars(const char *folder, uint64_t step, const nd_scalar *scalars, int count) {
  NdEvents__Value values[SCALARS_MAX], *list[SCALARS_MAX];
  NdEvents__Summary summary = ND_EVENTS__SUMMARY__INIT;
  for (int i = 0; i < count && summary.n_value < SCALARS_MAX; i++) {
    if (!isfinite(scalars[i].value))
      continue;
    NdEvents__Value *v = list[summary.n_value] = &values[summary.n_value];
    nd_events__value__init(v);
    v->tag = (char *)scalars[i].tag;
    v->value_case = ND_EVENTS__VALUE__VALUE_SIMPLE_VALUE;
    v->simple_value = (float)scalars[i].value;
    summary.n_value++;
  }
  summary.value = list;
  return summary.n_value ? write_event(folder, step, &summary) : 0;
}

int nd_events_picture(const char *folder, uint64_t step, const char *tag, const nd_image *image,
                      const void *png, size_t size) {
  NdEvents__Image picture = ND_EVENTS__IMAGE__INIT;
  picture.height = image->height;
  picture.width = image->width;
  picture.colorspace = image->channels;
  picture.encoded = (ProtobufCBinaryData){size, (uint8_t *)png};
  NdEvents__Value value = ND_EVENTS__VALUE__INIT, *list[] = {&value};
  value.tag = (char *)tag;
  value.value_case = ND_EVENTS__VALUE__VALUE_IMAGE;
  value.image = &picture;
  NdEvents__Summary summary = ND_EVENTS__SUMMARY__INIT;
  summary.n_value = 1;
  summary.value = list;
  return write_event(folder, step, &summary);
}

/* A record that was not finished, and what follows, is dropped. */
int nd_events_rewind(const char *folder, uint64_t step) {
  g_autofree char *path = g_build_filename(folder, FILE_NAME, NULL), *file = NULL;
  gsize size, at = 0, n;
  if (!g_file_get_contents(path, &file, &size, NULL))
    return 0;
  g_autoptr(GByteArray) kept = g_byte_array_new();
  for (const void *record; (record = nd_record_at(file, size, &at, &n));) {
    NdEvents__Event *event = nd_events__event__unpack(NULL, n, record);
    if (event && event->step <= (int64_t)step)
      nd_record_append(kept, record, n);
    if (event)
      nd_events__event__free_unpacked(event, NULL);
  }
  if (!kept->len)
    append_version(kept);
  return nd_file_write_atomic(path, kept->data, kept->len);
}
