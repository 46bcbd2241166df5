/* TensorBoard's event files: records against bytes of another writer, events read back, cut back, mended. */
#include "../data/pictures.h"
#include "train/events.pb-c.h"
#include "train/records-private.h"
#include "train/trainer-private.h"

#include <math.h>

#define EVENTS "events.out.tfevents.noiseda"

/* RFC 3720, B.4, and the usual check value. */
static void the_checksum_is_that_of_the_standard(void **state) {
  (void)state;
  static const unsigned char zeros[32];
  assert_int_equal(nd_crc32c(zeros, sizeof zeros), 0x8a9136aau);
  assert_int_equal(nd_crc32c("123456789", 9), 0xe3069283u);
}

/* Written by TensorBoard 2's RecordWriter. */
static const unsigned char golden[] = {0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xbb, 0xd7, 0x9f, 0x11,
                                       0x6e, 0x6f, 0x69, 0x73, 0x65, 0x64, 0x61, 0xab, 0x84, 0x28, 0x92};

static void records_are_those_of_tensorboard(void **state) {
  (void)state;
  g_autoptr(GByteArray) out = g_byte_array_new();
  nd_record_append(out, "noiseda", 7);
  assert_int_equal(out->len, sizeof golden);
  assert_memory_equal(out->data, golden, sizeof golden);
}

static void damaged_records_are_noticed(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof golden; i++) {
    unsigned char copy[sizeof golden];
    size_t at = 0, n;
    memcpy(copy, golden, sizeof golden);
    copy[i] ^= 1;
    assert_null(nd_record_at(copy, sizeof copy, &at, &n));
    assert_null(nd_record_at(golden, i, &at, &n));
    assert_int_equal(at, 0);
  }
}

/* All events of the file, in order; to be freed. */
static GPtrArray *read_events(void) {
  GPtrArray *events = g_ptr_array_new();
  g_autofree char *file = NULL;
  gsize size, at = 0, n;
  assert_true(g_file_get_contents(EVENTS, &file, &size, NULL));
  for (const void *record; (record = nd_record_at(file, size, &at, &n));)
    g_ptr_array_add(events, nd_events__event__unpack(NULL, n, record));
  return events;
}

static void free_events(GPtrArray *events) {
  for (guint i = 0; i < events->len; i++)
    nd_events__event__free_unpacked(g_ptr_array_index(events, i), NULL);
  g_ptr_array_free(events, TRUE);
}

static void write_steps(void) {
  nd_scalar scalars[] = {{"a", 0.5}, {"missing", NAN}, {"b", -2}};
  nd_image image;
  assert_int_equal(nd_image_new(4, 3, 3, &image), 0);
  assert_int_equal(nd_events_scalars(".", 5, scalars, 3), 0);
  assert_int_equal(nd_events_picture(".", 10, "picture", &image, "PNG", 3), 0);
  assert_int_equal(nd_events_scalars(".", 15, scalars, 1), 0);
  nd_image_free(&image);
}

static void events_read_back(void **state) {
  (void)state;
  write_steps();
  GPtrArray *events = read_events();
  assert_int_equal(events->len, 4);
  NdEvents__Event *version = events->pdata[0], *first = events->pdata[1], *second = events->pdata[2];
  assert_string_equal(version->file_version, "brain.Event:2");
  assert_int_equal(first->step, 5);
  assert_true(fabs(first->wall_time - (double)g_get_real_time() / 1e6) < 60);
  assert_int_equal(first->summary->n_value, 2);
  assert_string_equal(first->summary->value[1]->tag, "b");
  assert_true(first->summary->value[1]->simple_value == -2.0f);
  const NdEvents__Image *picture = second->summary->value[0]->image;
  assert_int_equal(picture->width, 4);
  assert_int_equal(picture->height, 3);
  assert_int_equal(picture->encoded.len, 3);
  free_events(events);
}

/* A killed process leaves half an event; a resumed run writes the steps past its checkpoint again. */
static void files_are_cut_back_and_mended(void **state) {
  (void)state;
  write_steps();
  g_autofree char *file = NULL;
  gsize size;
  assert_true(g_file_get_contents(EVENTS, &file, &size, NULL));
  assert_true(g_file_set_contents(EVENTS, file, (gssize)size - 3, NULL));
  assert_int_equal(nd_events_rewind(".", 20), 0);
  GPtrArray *events = read_events();
  assert_int_equal(events->len, 3);
  free_events(events);
  assert_int_equal(nd_events_rewind(".", 7), 0);
  write_steps();
  events = read_events();
  assert_int_equal(events->len, 2 + 3);
  assert_int_equal(((NdEvents__Event *)events->pdata[4])->step, 15);
  free_events(events);
  assert_true(g_file_set_contents(EVENTS, "no records", -1, NULL));
  assert_int_equal(nd_events_rewind(".", 7), 0);
  events = read_events();
  assert_int_equal(events->len, 1);
  free_events(events);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter_folder, leave_folder)
  const struct CMUnitTest tests[] = {
      TEST(the_checksum_is_that_of_the_standard), TEST(records_are_those_of_tensorboard),
      TEST(damaged_records_are_noticed), TEST(events_read_back), TEST(files_are_cut_back_and_mended)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
