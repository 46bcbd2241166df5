/* The stack machine of Python's pickle, protocols 2 to 5
 * (https://docs.python.org/3/library/pickletools.html). One function an operation; the table at the end is
 * the closed list. */
#include "weights/pickle-private.h"

#include <string.h>

/* ---- Bytes ---- */

static const guint8 *take(nd_pickle *p, size_t n) {
  if (n > (size_t)(p->end - p->at)) {
    nd_fail("%zu bytes are wanted, %td are left; was the file cut short?", n, p->end - p->at);
    return NULL;
  }
  const guint8 *bytes = p->at;
  p->at += n;
  return bytes;
}

/* A little-endian number of up to 8 bytes. */
static int take_number(nd_pickle *p, size_t width, uint64_t *out) {
  const guint8 *bytes = take(p, width);
  if (!bytes)
    return -1;
  *out = 0;
  for (size_t i = width; i-- > 0;)
    *out = *out << 8 | bytes[i];
  return 0;
}

/* A count of `width` bytes, then as many bytes. */
static const guint8 *take_counted(nd_pickle *p, size_t width, size_t *n) {
  uint64_t count;
  *n = 0;
  if (take_number(p, width, &count))
    return NULL;
  *n = count;
  return take(p, count);
}

/* ---- Stack ---- */

static int push(nd_pickle *p, nd_pickle_value *v) {
  if (!v)
    return -1;
  if (p->stack->len >= ND_PICKLE_MAX_VALUES)
    return nd_fail("its stack grows above %d values", ND_PICKLE_MAX_VALUES);
  g_ptr_array_add(p->stack, v);
  return 0;
}

/* Values under the last mark are out of reach. */
static guint height(const nd_pickle *p) {
  guint floor = p->marks->len ? g_array_index(p->marks, guint, p->marks->len - 1) : 0;
  return p->stack->len - floor;
}

static nd_pickle_value *top(nd_pickle *p) {
  if (height(p))
    return g_ptr_array_index(p->stack, p->stack->len - 1);
  nd_fail("it takes a value from an empty stack");
  return NULL;
}

static nd_pickle_value *pop(nd_pickle *p) {
  nd_pickle_value *v = top(p);
  if (v)
    g_ptr_array_set_size(p->stack, (gint)p->stack->len - 1);
  return v;
}

/* Moves the `n` topmost values to the end of a list, an even number of them to that of a dictionary. What is
 * neither does not keep them. */
static int move_items(nd_pickle *p, nd_pickle_value *to, guint n) {
  guint first = p->stack->len - n;
  if (to->kind == ND_KIND_DICT && n % 2)
    return nd_fail("a key of a dictionary has no value");
  if (to->kind == ND_KIND_LIST || to->kind == ND_KIND_DICT)
    for (guint i = 0; i < n; i++)
      g_ptr_array_add(to->items, g_ptr_array_index(p->stack, first + i));
  g_ptr_array_set_size(p->stack, (gint)first);
  return 0;
}

/* Forgets the last mark; *n: how many values stand above it. */
static int pop_mark(nd_pickle *p, guint *n) {
  *n = 0;
  if (!p->marks->len)
    return nd_fail("a mark is missing");
  *n = height(p);
  g_array_set_size(p->marks, p->marks->len - 1);
  return 0;
}

/* ---- Operations ---- */

static int op_proto(nd_pickle *p) {
  uint64_t version;
  if (take_number(p, 1, &version))
    return -1;
  return version >= 2 && version <= 5 ? 0 : nd_fail("protocol %d is not among 2 to 5", (int)version);
}

static int op_frame(nd_pickle *p) {
  return take(p, 8) ? 0 : -1;
}

static int op_stop(nd_pickle *p) {
  p->stopped = true;
  return 0;
}

static int op_mark(nd_pickle *p) {
  if (p->marks->len >= ND_PICKLE_MAX_VALUES)
    return nd_fail("it sets more than %d marks", ND_PICKLE_MAX_VALUES);
  g_array_append_val(p->marks, p->stack->len);
  return 0;
}

static int op_pop(nd_pickle *p) {
  return pop(p) ? 0 : -1;
}

static int op_pop_mark(nd_pickle *p) {
  guint n;
  if (pop_mark(p, &n))
    return -1;
  g_ptr_array_set_size(p->stack, (gint)(p->stack->len - n));
  return 0;
}

static int op_dup(nd_pickle *p) {
  return push(p, top(p));
}

static int op_none(nd_pickle *p) {
  return push(p, nd_pickle_new_value(p, ND_KIND_NONE));
}

static int push_integer(nd_pickle *p, nd_kind kind, int64_t x) {
  nd_pickle_value *v = nd_pickle_new_value(p, kind);
  if (v)
    v->integer = x;
  return push(p, v);
}

static int op_true(nd_pickle *p) {
  return push_integer(p, ND_KIND_BOOL, 1);
}

static int op_false(nd_pickle *p) {
  return push_integer(p, ND_KIND_BOOL, 0);
}

static int push_unsigned(nd_pickle *p, size_t width) {
  uint64_t x;
  return take_number(p, width, &x) ? -1 : push_integer(p, ND_KIND_INT, (int64_t)x);
}

static int op_int1(nd_pickle *p) {
  return push_unsigned(p, 1);
}

static int op_int2(nd_pickle *p) {
  return push_unsigned(p, 2);
}

static int op_int4(nd_pickle *p) {
  uint64_t x;
  return take_number(p, 4, &x) ? -1 : push_integer(p, ND_KIND_INT, (int32_t)x);
}

/* Two's complement of any length; what does not fit in 64 bits is opaque. */
static int push_long(nd_pickle *p, size_t width) {
  size_t n;
  const guint8 *bytes = take_counted(p, width, &n);
  if (!bytes)
    return -1;
  if (n > 8)
    return push(p, nd_pickle_opaque(p, "a large number"));
  uint64_t x = n && bytes[n - 1] & 0x80 ? UINT64_MAX : 0;
  for (size_t i = n; i-- > 0;)
    x = x << 8 | bytes[i];
  return push_integer(p, ND_KIND_INT, (int64_t)x);
}

static int op_long1(nd_pickle *p) {
  return push_long(p, 1);
}

static int op_long4(nd_pickle *p) {
  return push_long(p, 4);
}

static int op_real(nd_pickle *p) {
  return take(p, 8) ? push(p, nd_pickle_opaque(p, "a real number")) : -1;
}

static int push_text(nd_pickle *p, size_t width) {
  size_t n;
  const char *bytes = (const char *)take_counted(p, width, &n);
  if (!bytes)
    return -1;
  if (!g_utf8_validate_len(bytes, n, NULL))
    return push(p, nd_pickle_opaque(p, "bytes"));
  nd_pickle_value *v = nd_pickle_new_value(p, ND_KIND_TEXT);
  if (v)
    v->text = g_string_chunk_insert_len(p->strings, bytes, (gssize)n);
  return push(p, v);
}

static int op_text1(nd_pickle *p) {
  return push_text(p, 1);
}

static int op_text4(nd_pickle *p) {
  return push_text(p, 4);
}

static int op_text8(nd_pickle *p) {
  return push_text(p, 8);
}

static int push_bytes(nd_pickle *p, size_t width) {
  size_t n;
  return take_counted(p, width, &n) ? push(p, nd_pickle_opaque(p, "bytes")) : -1;
}

static int op_bytes1(nd_pickle *p) {
  return push_bytes(p, 1);
}

static int op_bytes4(nd_pickle *p) {
  return push_bytes(p, 4);
}

static int op_bytes8(nd_pickle *p) {
  return push_bytes(p, 8);
}

static int op_empty_list(nd_pickle *p) {
  return push(p, nd_pickle_new_value(p, ND_KIND_LIST));
}

static int op_empty_dict(nd_pickle *p) {
  return push(p, nd_pickle_new_value(p, ND_KIND_DICT));
}

static int op_empty_set(nd_pickle *p) {
  return push(p, nd_pickle_opaque(p, "builtins.set"));
}

/* A new value of the n topmost ones. */
static int collect(nd_pickle *p, nd_kind kind, guint n) {
  nd_pickle_value *v = nd_pickle_new_value(p, kind);
  return !v || move_items(p, v, n) ? -1 : push(p, v);
}

static int collect_marked(nd_pickle *p, nd_kind kind) {
  guint n;
  return pop_mark(p, &n) ? -1 : collect(p, kind, n);
}

static int op_list(nd_pickle *p) {
  return collect_marked(p, ND_KIND_LIST);
}

static int op_dict(nd_pickle *p) {
  return collect_marked(p, ND_KIND_DICT);
}

static int op_frozen_set(nd_pickle *p) {
  return op_pop_mark(p) ? -1 : push(p, nd_pickle_opaque(p, "builtins.frozenset"));
}

static int collect_few(nd_pickle *p, guint n) {
  if (height(p) < n)
    return nd_fail("it takes a value from an empty stack");
  return collect(p, ND_KIND_LIST, n);
}

static int op_tuple1(nd_pickle *p) {
  return collect_few(p, 1);
}

static int op_tuple2(nd_pickle *p) {
  return collect_few(p, 2);
}

static int op_tuple3(nd_pickle *p) {
  return collect_few(p, 3);
}

/* The value under the n topmost ones gets them. */
static int add_items(nd_pickle *p, guint n) {
  if (height(p) < n + 1)
    return nd_fail("it adds to a value that is not there");
  return move_items(p, g_ptr_array_index(p->stack, p->stack->len - n - 1), n);
}

static int op_append(nd_pickle *p) {
  return add_items(p, 1);
}

/* An object that takes keys is of a kind of dictionary: what it holds matters, not its class. */
static int set_items(nd_pickle *p, guint n) {
  nd_pickle_value *to = height(p) > n ? g_ptr_array_index(p->stack, p->stack->len - n - 1) : NULL;
  if (to && to->kind == ND_KIND_OPAQUE) {
    to->kind = ND_KIND_DICT;
    to->items = g_ptr_array_new();
  }
  return add_items(p, n);
}

static int op_set_item(nd_pickle *p) {
  return set_items(p, 2);
}

static int op_set_marked(nd_pickle *p) {
  guint n;
  return pop_mark(p, &n) ? -1 : set_items(p, n);
}

static int op_add_marked(nd_pickle *p) {
  guint n;
  return pop_mark(p, &n) ? -1 : add_items(p, n);
}

/* ---- Memo ---- */

static int remember(nd_pickle *p, uint64_t index) {
  nd_pickle_value *v = top(p);
  if (!v)
    return -1;
  if (index >= ND_PICKLE_MAX_VALUES)
    return nd_fail("its memo has no place %" G_GUINT64_FORMAT, index);
  if (index >= p->memo->len)
    g_ptr_array_set_size(p->memo, (gint)index + 1);
  p->memo->pdata[index] = v;
  return 0;
}

static int remember_at(nd_pickle *p, size_t width) {
  uint64_t index;
  return take_number(p, width, &index) ? -1 : remember(p, index);
}

static int recall(nd_pickle *p, size_t width) {
  uint64_t index;
  if (take_number(p, width, &index))
    return -1;
  if (index >= p->memo->len || !p->memo->pdata[index])
    return nd_fail("it recalls a value %" G_GUINT64_FORMAT " that it never kept", index);
  return push(p, p->memo->pdata[index]);
}

static int op_put1(nd_pickle *p) {
  return remember_at(p, 1);
}

static int op_put4(nd_pickle *p) {
  return remember_at(p, 4);
}

static int op_memoize(nd_pickle *p) {
  return remember(p, p->memo->len);
}

static int op_get1(nd_pickle *p) {
  return recall(p, 1);
}

static int op_get4(nd_pickle *p) {
  return recall(p, 4);
}

/* ---- Classes, functions, what they make ---- */

static int push_global(nd_pickle *p, const char *module, const char *name) {
  nd_pickle_value *v = nd_pickle_new_value(p, ND_KIND_GLOBAL);
  g_autofree char *full = g_strdup_printf("%s.%s", module, name);
  if (v)
    v->text = g_string_chunk_insert_const(p->strings, full);
  return push(p, v);
}

/* A line, without its end. */
static char *take_line(nd_pickle *p) {
  const guint8 *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
  size_t n = end ? (size_t)(end - p->at) : 0;
  if (!end || n > 1000 || !g_utf8_validate_len((const char *)p->at, n, NULL)) {
    nd_fail("the name of a class has no end, or is no text");
    return NULL;
  }
  char *line = g_strndup((const char *)p->at, n);
  p->at = end + 1;
  return line;
}

static int op_global(nd_pickle *p) {
  g_autofree char *module = take_line(p), *name = module ? take_line(p) : NULL;
  return name ? push_global(p, module, name) : -1;
}

static int op_stack_global(nd_pickle *p) {
  const nd_pickle_value *name = pop(p), *module = name ? pop(p) : NULL;
  if (!module)
    return -1;
  if (name->kind != ND_KIND_TEXT || module->kind != ND_KIND_TEXT)
    return nd_fail("the name of a class is no text");
  return push_global(p, module->text, name->text);
}

static int op_reduce(nd_pickle *p) {
  const nd_pickle_value *arguments = pop(p), *function = arguments ? pop(p) : NULL;
  return function ? push(p, nd_pickle_call(p, function, arguments)) : -1;
}

static int op_new(nd_pickle *p) {
  const nd_pickle_value *arguments = pop(p), *class_ = arguments ? pop(p) : NULL;
  return class_ ? push(p, nd_pickle_construct(p, class_, arguments)) : -1;
}

static int op_new_named(nd_pickle *p) {
  return pop(p) ? op_new(p) : -1;
}

/* The state of an object that stays as it is: of all classes only opaque ones have any that matters. */
static int op_build(nd_pickle *p) {
  return pop(p) && top(p) ? 0 : -1;
}

static int op_persistent(nd_pickle *p) {
  const nd_pickle_value *id = pop(p);
  return id ? push(p, nd_pickle_resolve(p, id)) : -1;
}

typedef int (*operation)(nd_pickle *p);
static const operation operations[256] = {
    [0x80] = op_proto,      [0x95] = op_frame,     ['.'] = op_stop,       ['('] = op_mark,
    ['0'] = op_pop,         ['1'] = op_pop_mark,   ['2'] = op_dup,        ['N'] = op_none,
    [0x88] = op_true,       [0x89] = op_false,     ['K'] = op_int1,       ['M'] = op_int2,
    ['J'] = op_int4,        [0x8a] = op_long1,     [0x8b] = op_long4,     ['G'] = op_real,
    ['U'] = op_text1,       ['T'] = op_text4,      [0x8c] = op_text1,     ['X'] = op_text4,
    [0x8d] = op_text8,      ['C'] = op_bytes1,     ['B'] = op_bytes4,     [0x8e] = op_bytes8,
    [0x96] = op_bytes8,     [']'] = op_empty_list, ['l'] = op_list,       ['a'] = op_append,
    ['e'] = op_add_marked,  [')'] = op_empty_list, ['t'] = op_list,       [0x85] = op_tuple1,
    [0x86] = op_tuple2,     [0x87] = op_tuple3,    ['}'] = op_empty_dict, ['d'] = op_dict,
    ['s'] = op_set_item,    ['u'] = op_set_marked, [0x8f] = op_empty_set, [0x90] = op_add_marked,
    [0x91] = op_frozen_set, ['q'] = op_put1,       ['r'] = op_put4,       [0x94] = op_memoize,
    ['h'] = op_get1,        ['j'] = op_get4,       ['c'] = op_global,     [0x93] = op_stack_global,
    ['R'] = op_reduce,      [0x81] = op_new,       [0x92] = op_new_named, ['b'] = op_build,
    ['Q'] = op_persistent,
};

static int step(nd_pickle *p) {
  size_t place = (size_t)(p->at - p->begin);
  const guint8 *code = take(p, 1);
  if (!code)
    return -1;
  if (!operations[*code])
    return nd_fail("operation 0x%02x at byte %zu is not on the list of those allowed", *code, place);
  return operations[*code](p) ? nd_fail_in("at byte %zu", place) : 0;
}

int nd_pickle_read(nd_pickle *p, const char *bytes, size_t n, size_t *used, const nd_pickle_value **out) {
  p->begin = p->at = (const guint8 *)bytes;
  p->end = p->begin + MIN(n, ND_PICKLE_MAX_BYTES);
  g_ptr_array_set_size(p->stack, 0);
  g_ptr_array_set_size(p->memo, 0);
  g_array_set_size(p->marks, 0);
  p->stopped = false;
  while (!p->stopped)
    if (step(p))
      return nd_fail_in("its pickle");
  *out = pop(p);
  *used = (size_t)(p->at - p->begin);
  return *out ? 0 : nd_fail_in("its pickle");
}
