/* What a pickle calls and constructs. What makes dictionaries and tensors is understood; anything else makes
 * an opaque value of its name, whatever it would do in Python: nothing is executed. */
#include "weights/pickle-private.h"

#include <string.h>

typedef struct call {
  const char *name;
  nd_pickle_value *(*make)(nd_pickle *p, const char *name, const nd_pickle_value *arguments);
} call;

static bool is_negated(const nd_pickle_value *arguments) {
  for (guint i = 0; i < arguments->items->len; i++) {
    const nd_pickle_value *about = nd_pickle_value_at(arguments, i, ND_KIND_DICT);
    const nd_pickle_value *negated = about ? nd_dict_find(about, "neg") : NULL;
    if (negated && (negated->kind != ND_KIND_BOOL || negated->integer))
      return true;
  }
  return false;
}

/* storage, offset, shape, strides, whether it wants a gradient, hooks, and what its numbers stand for */
static nd_pickle_value *rebuild_tensor(nd_pickle *p, const char *name, const nd_pickle_value *arguments) {
  (void)name;
  if (!is_negated(arguments))
    return nd_pickle_tensor(p, arguments, NULL);
  nd_fail("a tensor stands there as the negative of its numbers (torch.is_neg); save x.resolve_neg()");
  return NULL;
}

static nd_pickle_value *rebuild_typed_tensor(nd_pickle *p, const char *name,
                                             const nd_pickle_value *arguments) {
  (void)name;
  const nd_pickle_value *element = nd_pickle_value_at(arguments, 6, ND_KIND_GLOBAL);
  if (element)
    return nd_pickle_tensor(p, arguments, element);
  nd_fail("a tensor has no type");
  return NULL;
}

static nd_pickle_value *first_argument(nd_pickle *p, const char *name, const nd_pickle_value *arguments) {
  (void)p;
  if (arguments->items->len)
    return g_ptr_array_index(arguments->items, 0);
  nd_fail("'%s' is called without arguments", name);
  return NULL;
}

/* Empty, or from a list of pairs, as Python 2 wrote it. */
static nd_pickle_value *make_dict(nd_pickle *p, const char *name, const nd_pickle_value *arguments) {
  (void)name;
  nd_pickle_value *dict = nd_pickle_new_value(p, ND_KIND_DICT);
  const nd_pickle_value *pairs = nd_pickle_value_at(arguments, 0, ND_KIND_LIST);
  for (guint i = 0; dict && pairs && i < pairs->items->len; i++) {
    const nd_pickle_value *pair = nd_pickle_value_at(pairs, i, ND_KIND_LIST);
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
static nd_pickle_value *rebuild_from_type(nd_pickle *p, const char *name, const nd_pickle_value *arguments) {
  const nd_pickle_value *function = nd_pickle_value_at(arguments, 0, ND_KIND_GLOBAL),
                        *inner = nd_pickle_value_at(arguments, 2, ND_KIND_LIST);
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
};

/* A tensor of some other kind: sparse, quantised, without numbers. */
static bool makes_tensor(const char *name) {
  return g_str_has_prefix(name, "torch._utils._rebuild_");
}

/* What Python has to run programs and code by. A checkpoint that calls it is made to do harm where it is
 * loaded by others, so that it is named. */
static bool does_harm(const char *name) {
  static const char *const modules[] = {"builtins",   "__builtin__", "posix",  "nt",   "os",
                                        "subprocess", "commands",    "sys",    "pty",  "runpy",
                                        "importlib",  "shutil",      "socket", "code", "ctypes"};
  static const char *const harmless[] = {"set",   "frozenset", "bytearray", "complex",
                                         "range", "xrange",    "slice",     "getattr"};
  size_t n = strcspn(name, ".");
  bool harm = false;
  for (size_t i = 0; i < G_N_ELEMENTS(modules); i++)
    harm |= strlen(modules[i]) == n && !strncmp(modules[i], name, n);
  for (size_t i = 0; i < G_N_ELEMENTS(harmless); i++)
    harm &= strcmp(strrchr(name, '.') + 1, harmless[i]) != 0;
  return harm;
}

nd_pickle_value *nd_pickle_call(nd_pickle *p, const nd_pickle_value *function,
                                const nd_pickle_value *arguments) {
  if (function->kind != ND_KIND_GLOBAL || arguments->kind != ND_KIND_LIST) {
    nd_fail("it calls what is no function");
    return NULL;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
    if (!strcmp(calls[i].name, function->text))
      return calls[i].make(p, calls[i].name, arguments);
  if (makes_tensor(function->text))
    return nd_pickle_unread(p, function->text);
  if (!does_harm(function->text))
    return nd_pickle_opaque(p, function->text);
  nd_fail("it wants to call '%s', which no checkpoint needs and which may do harm elsewhere; nothing was "
          "executed; a file of model.state_dict() alone does without",
          function->text);
  return NULL;
}

/* An object of a class: without running any of its code there is nothing to it but the name. */
nd_pickle_value *nd_pickle_construct(nd_pickle *p, const nd_pickle_value *class_,
                                     const nd_pickle_value *arguments) {
  if (class_->kind != ND_KIND_GLOBAL) {
    nd_fail("it makes an object of what is no class");
    return NULL;
  }
  if (!strcmp(class_->text, "collections.OrderedDict"))
    return make_dict(p, class_->text, arguments);
  return nd_pickle_opaque(p, class_->text);
}
