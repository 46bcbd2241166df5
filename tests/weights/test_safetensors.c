/* Weight files: a golden of the format's own library, round trips, saving that keeps the old file. */
#include "weights/weights.h"

#include <float.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static uint16_t half_at(const nd_st_tensor *t, size_t i) {
  uint16_t h;
  memcpy(&h, (const char *)t->data + 2 * i, 2);
  return h;
}

static char *temporary_file(char **folder) {
  *folder = g_dir_make_tmp("nd-XXXXXX", NULL);
  return g_build_filename(*folder, "w.safetensors", NULL);
}

static void remove_folder(const char *folder, const char *path) {
  g_unlink(path);
  assert_int_equal(g_rmdir(folder), 0); /* nothing else was left in it */
}

static void golden_has_its_structure(void **state) {
  (void)state;
  nd_safetensors *file;
  assert_int_equal(nd_safetensors_open("golden.safetensors", &file), 0);
  assert_int_equal(nd_safetensors_count(file), 8);
  static const char *const order[] = {"whole", "double", "empty", "scalar", "x", "brain", "half", "mask"};
  for (size_t i = 0; i < 8; i++)
    assert_string_equal(nd_safetensors_at(file, i)->name, order[i]);
  const nd_st_tensor *x = nd_safetensors_find(file, "x"), *empty = nd_safetensors_find(file, "empty");
  assert_int_equal(x->rank, 2);
  assert_int_equal(x->shape[0], 29);
  assert_int_equal(x->shape[1], 16);
  assert_int_equal(x->count, 464);
  assert_int_equal(empty->count, 0);
  assert_int_equal(nd_safetensors_find(file, "scalar")->rank, 0);
  assert_int_equal(nd_safetensors_find(file, "scalar")->count, 1);
  assert_int_equal(nd_safetensors_find(file, "mask")->type, ND_ST_BOOL);
  assert_null(nd_safetensors_find(file, "X"));
  assert_string_equal(nd_safetensors_metadata(file, "note"), "quotes \" and \\ and \xc3\xbc and \n and \a");
  assert_string_equal(nd_safetensors_metadata_keys(file)[0], "format");
  assert_string_equal(nd_safetensors_metadata_keys(file)[1], "note");
  assert_null(nd_safetensors_metadata_keys(file)[2]);
  assert_null(nd_safetensors_metadata(file, "none"));
  nd_safetensors_close(file);
}

static void golden_has_its_numbers(void **state) {
  (void)state;
  nd_safetensors *file;
  assert_int_equal(nd_safetensors_open("golden.safetensors", &file), 0);
  const nd_st_tensor *half = nd_safetensors_find(file, "half"), *whole = nd_safetensors_find(file, "whole");
  float x[464], h[464], b[464], d[32], scalar;
  assert_int_equal(nd_st_to_f32(nd_safetensors_find(file, "x"), x), 0);
  assert_int_equal(nd_st_to_f32(half, h), 0);
  assert_int_equal(nd_st_to_f32(nd_safetensors_find(file, "brain"), b), 0);
  assert_int_equal(nd_st_to_f32(nd_safetensors_find(file, "double"), d), 0);
  assert_int_equal(nd_st_to_f32(nd_safetensors_find(file, "scalar"), &scalar), 0);
  assert_true(scalar == 0.5f);
  for (size_t i = 0; i < 464; i++) {
    assert_int_equal(nd_f32_to_f16(x[i]), half_at(half, i));
    uint32_t bits = bits_of(x[i]); /* bfloat16: the upper half, rounded to nearest even */
    assert_int_equal(bits_of(b[i]), (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
    if (fabsf(x[i]) < 65504 && fabsf(x[i]) >= 0x1p-14f)
      assert_true(fabsf(h[i] - x[i]) <= fabsf(x[i]) * 0x1p-11f);
  }
  for (int i = 0; i < 32; i++)
    assert_true(d[i] == (float)((double)x[i] / 3));
  static const int64_t expect[] = {1, -2, 3, INT64_C(1) << 62, INT64_MIN, 0};
  assert_memory_equal(whole->data, expect, sizeof expect);
  assert_int_equal(nd_st_to_f32(whole, x), -1);
  assert_non_null(strstr(nd_error(), "'whole' holds I64"));
  nd_safetensors_close(file);
}

/* IEEE 754 says what a half means; between two neighbours the nearer wins, at the middle the even one. */
static void halves_follow_the_standard(void **state) {
  (void)state;
  for (unsigned h = 0; h < 0x7c00; h++) {
    float value =
        h < 0x400 ? ldexpf((float)h, -24) : ldexpf((float)(0x400 + (h & 0x3ff)), (int)(h >> 10) - 25);
    assert_true(nd_f16_to_f32((uint16_t)h) == value);
    assert_true(nd_f16_to_f32((uint16_t)(h | 0x8000)) == -value);
    assert_int_equal(nd_f32_to_f16(value), h);
    assert_int_equal(nd_f32_to_f16(-value), h | 0x8000);
    float next = h == 0x7bff ? 65536 : nd_f16_to_f32((uint16_t)(h + 1)), middle = (value + next) / 2;
    assert_int_equal(nd_f32_to_f16(middle), h + (h & 1));
    assert_int_equal(nd_f32_to_f16(nextafterf(middle, 0)), h);
    assert_int_equal(nd_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
  }
  assert_true(isinf(nd_f16_to_f32(0x7c00)) && nd_f16_to_f32(0xfc00) < 0);
  assert_true(isnan(nd_f16_to_f32(0x7c01)) && isnan(nd_f16_to_f32(nd_f32_to_f16(NAN))));
  assert_int_equal(nd_f32_to_f16(FLT_MAX), 0x7c00);
}

static const float numbers[6] = {1, -2.5f, 3e-20f, 4e30f, -0.0f, 6};
static const uint8_t bytes[3] = {1, 2, 255};
static const nd_st_tensor some_tensors[] = {
    {"odd", ND_ST_U8, 1, {3}, 3, bytes},
    {"conv.weight", ND_ST_F32, 4, {1, 2, 3, 1}, 6, numbers},
    {"a \"name\"\n\xc3\xbc\x01", ND_ST_F32, 0, {0}, 1, numbers},
    {"empty", ND_ST_F64, 2, {0, 5}, 0, NULL},
};
static const nd_st_metadata some_metadata[] = {{"recipe", "a: 1\nb: \"\\\"\t\x02"}, {"", ""}};

static void what_was_saved_is_read_back(void **state) {
  (void)state;
  g_autofree char *folder = NULL, *path = temporary_file(&folder);
  assert_int_equal(nd_safetensors_save(path, some_tensors, 4, some_metadata, 2), 0);
  nd_safetensors *file;
  assert_int_equal(nd_safetensors_open(path, &file), 0);
  assert_int_equal(nd_safetensors_count(file), 4);
  for (size_t i = 0; i < 4; i++) {
    const nd_st_tensor *a = &some_tensors[i], *b = nd_safetensors_at(file, i);
    assert_string_equal(a->name, b->name);
    assert_ptr_equal(b, nd_safetensors_find(file, a->name));
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->rank, b->rank);
    assert_memory_equal(a->shape, b->shape, sizeof a->shape);
    assert_int_equal(a->count, b->count);
    if (a->count)
      assert_memory_equal(a->data, b->data, a->count * nd_st_type_size(a->type));
  }
  float unaligned[6];
  assert_int_equal(nd_st_to_f32(nd_safetensors_at(file, 1), unaligned), 0);
  assert_memory_equal(unaligned, numbers, sizeof numbers);
  for (int i = 0; i < 2; i++)
    assert_string_equal(nd_safetensors_metadata(file, some_metadata[i].key), some_metadata[i].value);
  nd_safetensors_close(file);
  remove_folder(folder, path);
}

static void the_bytes_are_what_the_format_says(void **state) {
  (void)state;
  g_autofree char *folder = NULL, *path = temporary_file(&folder), *content = NULL;
  gsize size;
  static const nd_st_metadata metadata = {"k", "va"};
  assert_int_equal(nd_safetensors_save(path, some_tensors, 1, &metadata, 1), 0);
  assert_true(g_file_get_contents(path, &content, &size, NULL));
  static const char expect[] = "\x58\0\0\0\0\0\0\0"
                               "{\"__metadata__\":{\"k\":\"va\"},\"odd\":{\"dtype\":\"U8\",\"shape\":[3],"
                               "\"data_offsets\":[0,3]}}       \x01\x02\xff";
  assert_int_equal(expect[0], (sizeof expect - 1 - 8 - 3));
  assert_int_equal(size, sizeof expect - 1);
  assert_memory_equal(content, expect, size);
  assert_int_equal(nd_safetensors_save(path, NULL, 0, NULL, 0), 0);
  nd_safetensors *file;
  assert_int_equal(nd_safetensors_open(path, &file), 0);
  assert_int_equal(nd_safetensors_count(file), 0);
  assert_null(nd_safetensors_metadata_keys(file)[0]);
  nd_safetensors_close(file);
  remove_folder(folder, path);
}

/* A limit on the size of files stands in for a full disk. */
static void a_full_disk_leaves_the_old_file(void **state) {
  (void)state;
  g_autofree char *folder = NULL, *path = temporary_file(&folder), *old = NULL, *now = NULL;
  gsize old_size, now_size;
  assert_int_equal(nd_safetensors_save(path, some_tensors, 4, NULL, 0), 0);
  assert_true(g_file_get_contents(path, &old, &old_size, NULL));
  g_autofree float *large = g_new0(float, 100000);
  const nd_st_tensor tensors[] = {{"a", ND_ST_F32, 1, {100000}, 100000, large},
                                  {"b", ND_ST_U8, 1, {3}, 3, bytes}};
  struct rlimit before, tight;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  tight = before;
  tight.rlim_cur = 65536;
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
  int result = nd_safetensors_save(path, tensors, 2, NULL, 0);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(result, -1);
  assert_non_null(strstr(nd_error(), "w.safetensors': File too large"));
  assert_true(g_file_get_contents(path, &now, &now_size, NULL));
  assert_int_equal(now_size, old_size);
  assert_memory_equal(now, old, old_size);
  remove_folder(folder, path);
}

static void a_discarded_file_leaves_nothing(void **state) {
  (void)state;
  g_autofree char *folder = NULL, *path = temporary_file(&folder), *content = NULL;
  gsize size;
  nd_file_out *first = nd_file_begin(path), *second = nd_file_begin(path);
  assert_true(first && second);
  assert_int_equal(nd_file_put(first, "lost", 4), 0);
  assert_int_equal(nd_file_put(second, "ke", 2), 0);
  assert_int_equal(nd_file_put(second, "pt", 2), 0);
  assert_int_equal(access(path, F_OK), -1);
  assert_int_equal(nd_file_commit(second), 0);
  nd_file_discard(first);
  assert_true(g_file_get_contents(path, &content, &size, NULL));
  assert_string_equal(content, "kept");
  remove_folder(folder, path);
}

static void what_cannot_be_saved_is_refused(void **state) {
  (void)state;
  g_autofree char *folder = NULL, *path = temporary_file(&folder);
  const nd_st_tensor twice[] = {some_tensors[0], some_tensors[0]};
  nd_st_tensor t[] = {some_tensors[0], some_tensors[0], some_tensors[0], some_tensors[0], some_tensors[0],
                      some_tensors[0], some_tensors[0], some_tensors[0], some_tensors[0]};
  t[0].name = "__metadata__";
  t[1].name = "\xff";
  t[2].name = NULL;
  t[3].rank = 9;
  t[4].rank = -1;
  t[5].shape[0] = -3;
  t[6].count = 4;
  t[7].data = NULL;
  t[8].type = ND_ST_TYPES;
  for (size_t i = 0; i < G_N_ELEMENTS(t); i++)
    assert_int_equal(nd_safetensors_save(path, &t[i], 1, NULL, 0), -1);
  assert_int_equal(nd_safetensors_save(path, twice, 2, NULL, 0), -1);
  assert_non_null(strstr(nd_error(), "two tensors are named 'odd'"));
  const nd_st_metadata same[] = {{"k", "1"}, {"k", "2"}}, broken = {"k", "\xc3"};
  assert_int_equal(nd_safetensors_save(path, NULL, 0, same, 2), -1);
  assert_int_equal(nd_safetensors_save(path, NULL, 0, &broken, 1), -1);
  assert_int_equal(nd_safetensors_save("/none/w.safetensors", twice, 1, NULL, 0), -1);
  assert_non_null(strstr(nd_error(), "/none/w.safetensors"));
  remove_folder(folder, path);
}

static void a_folder_of_a_run_says_which_file_it_is(void **state) {
  (void)state;
  nd_safetensors *file;
  g_autofree char *folder = g_dir_make_tmp("nd-XXXXXX", NULL),
                  *model = g_build_filename(folder, "model.safetensors", NULL);
  assert_true(g_file_set_contents(model, "x", 1, NULL));
  assert_int_equal(nd_weights_open(folder, &file), -1);
  assert_non_null(strstr(nd_error(), "it is a folder; in it is"));
  assert_non_null(strstr(nd_error(), model));
  remove_folder(folder, model);
}

/* Not what its first bytes would be as a length. */
static void what_is_no_model_is_called_that(void **state) {
  (void)state;
  static const char *const others[] = {"\xff\xd8\xff\xe0\0\x10JFIF", "\x89PNG\r\n\x1a\n\0\0",
                                       "II*\0\x08\0\0\0\0\0", "hello, this is no model"};
  g_autofree char *folder = NULL, *path = temporary_file(&folder);
  for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
    nd_safetensors *file;
    assert_true(g_file_set_contents(path, others[i], 10, NULL));
    g_autofree char *any = g_strdup_printf(
                        "cannot read weights '%s': it is no safetensors file and no checkpoint of PyTorch",
                        path),
                    *own = g_strdup_printf("cannot read weights '%s': it is no safetensors file", path);
    assert_int_equal(nd_weights_open(path, &file), -1);
    assert_string_equal(nd_error(), any);
    assert_int_equal(nd_safetensors_open(path, &file), -1);
    assert_string_equal(nd_error(), own);
  }
  remove_folder(folder, path);
}

static void files_that_are_not_there_or_not_files(void **state) {
  (void)state;
  nd_safetensors *file;
  assert_int_equal(nd_safetensors_open("/none/w.safetensors", &file), -1);
  assert_null(file);
  assert_non_null(strstr(nd_error(), "/none/w.safetensors"));
  assert_int_equal(nd_safetensors_open("/", &file), -1);
  assert_non_null(strstr(nd_error(), "it is a folder, not a file"));
  assert_int_equal(nd_safetensors_open("/dev/zero", &file), -1);
  assert_non_null(strstr(nd_error(), "not a regular file"));
  nd_safetensors_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_has_its_structure),
      cmocka_unit_test(golden_has_its_numbers),
      cmocka_unit_test(halves_follow_the_standard),
      cmocka_unit_test(what_was_saved_is_read_back),
      cmocka_unit_test(the_bytes_are_what_the_format_says),
      cmocka_unit_test(a_full_disk_leaves_the_old_file),
      cmocka_unit_test(a_discarded_file_leaves_nothing),
      cmocka_unit_test(what_cannot_be_saved_is_refused),
      cmocka_unit_test(a_folder_of_a_run_says_which_file_it_is),
      cmocka_unit_test(what_is_no_model_is_called_that),
      cmocka_unit_test(files_that_are_not_there_or_not_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
