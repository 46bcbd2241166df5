/* What a pickle may call and construct: the closed list of names. Those that make dictionaries and tensors
 * are understood; those that make harmless things of other kinds make opaque values. */
#include "weights/pickle-private.h"

#include <string.h>

typedef struct call {
  const char *name;
  nd_value *(*make)(nd_pickle *p, const char *name, const nd_value *arguments);
} call;

static bool is_negated(const nd_value *arguments) {
  for (guint i = 0; i < arguments->items->len; i++) {
    const nd_value *about = nd_value_at(arguments, i, ND_KIND_DICT);
    const nd_value *negated = about ? nd_dict_find(about, "neg") : NULL;
    if (negated && (negated->kind != ND_KIND_BOOL || negated->integer))
      return true;
  }
  return false;
}

/* storage, offset, shape, strides, whether it wants a gradient, hooks, and what its numbers stand for */
static nd_value *rebuild_tensor(nd_pickle *p, const char *name, const nd_value *arguments) {
  (void)name;
  if (!is_negated(arguments))
    return nd_pickle_tensor(p, arguments, NULL);
  nd_fail("a tensor stands there as the negative of its numbers (torch.is_neg); save x.resolve_neg()");
  return NULL;
}

static nd_value *rebuild_typed_tensor(nd_pickle *p, const char *name, const nd_value *arguments) {
  (void)name;
  const nd_value *element = nd_value_at(arguments, 6, ND_KIND_GLOBAL);
  if (element)
    return nd_pickle_tensor(p, arguments, element);
  nd_fail("a tensor has no type");
  return NULL;
}

static nd_value *first_argument(nd_pickle *p, const char *name, const nd_value *arguments) {
  (void)p;
  if (arguments->items->len)
    return g_ptr_array_index(arguments->items, 0);
  nd_fail("'%s' is called without arguments", name);
  return NULL;
}

static nd_value *make_opaque(nd_pickle *p, const char *name, const nd_value *arguments) {
  (void)arguments;
  return nd_pickle_opaque(p, name);
}

/* Empty, or from a list of pairs, as Python 2 wrote it. */
static nd_value *make_dict(nd_pickle *p, const char *name, const nd_value *arguments) {
  (void)name;
  nd_value *dict = nd_pickle_value(p, ND_KIND_DICT);
  const nd_value *pairs = nd_value_at(arguments, 0, ND_KIND_LIST);
  for (guint i = 0; dict && pairs && i < pairs->items->len; i++) {
    const nd_value *pair = nd_value_at(pairs, i, ND_KIND_LIST);
    if (!pair || pair->items->len != 2) {
      nd_fail("a dictionary is made of something else than pairs");
      return NULL;
    }
    g_ptr_array_add(dict->items, g_ptr_array_index(pair->items, 0));
    g_ptr_array_add(dict->items, g_ptr_array_index(pair->items, 1));
  }
  return dict;
}

/* function, class, arguments of the function, state */
static nd_value *rebuild_from_type(nd_pickle *p, const char *name, const nd_value *arguments) {
  const nd_value *function = nd_value_at(arguments, 0, ND_KIND_GLOBAL),
                 *inner = nd_value_at(arguments, 2, ND_KIND_LIST);
  if (function && inner && strcmp(function->text, name))
    return nd_pickle_call(p, function, inner);
  nd_fail("a tensor is not described as PyTorch does");
  return NULL;
}

static const call calls[] = {
    {"torch._utils._rebuild_tensor", rebuild_tensor},
    {"torch._utils._rebuild_tensor_v2", rebuild_tensor},
    {"torch._utils._rebuild_tensor_v3", rebuild_typed_tensor},
    {"torch._utils._rebuild_parameter", first_argument},
    {"torch._utils._rebuild_parameter_with_state", first_argument},
    {"torch._tensor._rebuild_from_type_v2", rebuild_from_type},
    {"collections.OrderedDict", make_dict},
    {"torch.Size", first_argument},
    {"collections.defaultdict", make_opaque},
    {"collections.Counter", make_opaque},
    {"collections.deque", make_opaque},
    {"functools.partial", make_opaque},
    {"types.SimpleNamespace", make_opaque},
    {"torch.device", make_opaque},
    {"torch.serialization._get_layout", make_opaque},
    {"torch._utils._rebuild_sparse_tensor", make_opaque},
    {"torch._utils._rebuild_meta_tensor_no_storage", make_opaque},
    {"torch._C.Generator", make_opaque},
    {"_codecs.encode", make_opaque},
    {"numpy.core.multiarray.scalar", make_opaque},
    {"numpy._core.multiarray.scalar", make_opaque},
    {"numpy.core.multiarray._reconstruct", make_opaque},
    {"numpy._core.multiarray._reconstruct", make_opaque},
    {"numpy.random._pickle.__bit_generator_ctor", make_opaque},
    {"numpy.random._pickle.__generator_ctor", make_opaque},
    {"numpy.random._pickle.__randomstate_ctor", make_opaque},
    {"numpy.random.bit_generator.__pyx_unpickle_SeedSequence", make_opaque},
    {"numpy.dtype", make_opaque},
    {"numpy.ndarray", make_opaque},
    {"copy_reg._reconstructor", make_opaque},
    {"copyreg._reconstructor", make_opaque},
    {"__builtin__.set", make_opaque},
    {"builtins.set", make_opaque},
    {"builtins.frozenset", make_opaque},
    {"builtins.bytearray", make_opaque},
    {"builtins.complex", make_opaque},
    {"builtins.range", make_opaque},
    {"builtins.slice", make_opaque},
    {"__builtin__.frozenset", make_opaque}, /* torch.save writes the names of Python 2 */
    {"__builtin__.bytearray", make_opaque},
    {"__builtin__.complex", make_opaque},
    {"__builtin__.xrange", make_opaque},
    {"__builtin__.slice", make_opaque},
    {"_operator.getitem", make_opaque}, /* types such as Dict[str, int] */
    {"operator.getitem", make_opaque},
    {"datetime.date", make_opaque},
    {"datetime.datetime", make_opaque},
    {"datetime.time", make_opaque},
    {"datetime.timedelta", make_opaque},
    {"datetime.timezone", make_opaque},
    {"decimal.Decimal", make_opaque},
    {"uuid.UUID", make_opaque},
    {"pathlib.PosixPath", make_opaque},
    {"pathlib.WindowsPath", make_opaque},
    {"pathlib._local.PosixPath", make_opaque},
    {"pathlib._local.WindowsPath", make_opaque},
};

nd_value *nd_pickle_call(nd_pickle *p, const nd_value *function, const nd_value *arguments) {
  if (function->kind == ND_KIND_GLOBAL && arguments->kind == ND_KIND_LIST)
    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
      if (!strcmp(calls[i].name, function->text))
        return calls[i].make(p, calls[i].name, arguments);
  if (function->kind == ND_KIND_GLOBAL)
    nd_fail(
        "it wants to call '%s', which is not on the list of what checkpoints need; nothing was executed; a "
        "file of model.state_dict() alone does without",
        function->text);
  else
    nd_fail("it calls what is no function");
  return NULL;
}

/* An object of a class: without running any of its code there is nothing to it but the name. */
nd_value *nd_pickle_construct(nd_pickle *p, const nd_value *class_, const nd_value *arguments) {
  if (class_->kind != ND_KIND_GLOBAL) {
    nd_fail("it makes an object of what is no class");
    return NULL;
  }
  if (!strcmp(class_->text, "collections.OrderedDict"))
    return make_dict(p, class_->text, arguments);
  return nd_pickle_opaque(p, class_->text);
}
