/* The file format of ONNX: one protobuf message (onnx.proto). */
#include "weights/onnx.pb-c.h"
#include "weights/onnx-private.h"

#include <glib.h>
#include <string.h>

enum { IR_VERSION = 8, FLOAT = 1, INT64 = 7 };
static const size_t LARGEST = INT32_MAX; /* of a protobuf message */

typedef NdOnnxFile__Attribute attribute;
typedef NdOnnxFile__Node node;
typedef NdOnnxFile__Tensor tensor;

/* Arrays that the messages point to; freed with the list. Texts stay where they are. */
static void *take(GPtrArray *owned, size_t n, size_t size) {
  void *p = g_malloc0_n(MAX(n, 1), size);
  g_ptr_array_add(owned, p);
  return p;
}

/* ---- Nodes ---- */

static void fill_attribute(attribute *to, const nd_onnx_attribute *from) {
  static const int32_t types[] = {
      [ND_ONNX_KIND_INT] = 2, [ND_ONNX_KIND_REAL] = 1, [ND_ONNX_KIND_LIST] = 7, [ND_ONNX_KIND_TEXT] = 3};
  nd_onnx_file__attribute__init(to);
  to->name = (char *)from->name;
  to->has_type = TRUE;
  to->type = types[from->kind];
  to->has_i = from->kind == ND_ONNX_KIND_INT;
  to->i = from->ints[0];
  to->has_f = from->kind == ND_ONNX_KIND_REAL;
  to->f = from->real;
  to->has_s = from->kind == ND_ONNX_KIND_TEXT;
  if (from->text)
    to->s = (ProtobufCBinaryData){strlen(from->text), (uint8_t *)from->text};
  if (from->kind == ND_ONNX_KIND_LIST) {
    to->n_ints = (size_t)from->count;
    to->ints = (int64_t *)from->ints;
  }
}

static void fill_node(node *to, const nd_onnx_node_record *from, GPtrArray *owned) {
  nd_onnx_file__node__init(to);
  to->name = (char *)from->name;
  to->op_type = (char *)from->type;
  to->n_input = g_strv_length(from->inputs);
  to->input = from->inputs;
  to->n_output = 1;
  to->output = take(owned, 1, sizeof *to->output);
  to->output[0] = (char *)from->name;
  while (from->attributes[to->n_attribute].name)
    to->n_attribute++;
  attribute *a = take(owned, to->n_attribute, sizeof *a);
  to->attribute = take(owned, to->n_attribute, sizeof *to->attribute);
  for (size_t i = 0; i < to->n_attribute; i++) {
    fill_attribute(&a[i], &from->attributes[i]);
    to->attribute[i] = &a[i];
  }
}

static void fill_nodes(NdOnnxFile__Graph *g, const nd_onnx *o, GPtrArray *owned) {
  g->n_node = nd_onnx_nodes(o);
  node *nodes = take(owned, g->n_node, sizeof *nodes);
  g->node = take(owned, g->n_node, sizeof *g->node);
  for (size_t i = 0; i < g->n_node; i++) {
    fill_node(&nodes[i], nd_onnx_node_at(o, i), owned);
    g->node[i] = &nodes[i];
  }
}

/* ---- Constants, inputs, outputs ---- */

static void fill_constants(NdOnnxFile__Graph *g, const nd_onnx *o, GPtrArray *owned) {
  g->n_initializer = nd_onnx_constants(o);
  tensor *tensors = take(owned, g->n_initializer, sizeof *tensors);
  g->initializer = take(owned, g->n_initializer, sizeof *g->initializer);
  for (size_t i = 0; i < g->n_initializer; i++) {
    const nd_onnx_constant *c = nd_onnx_constant_at(o, i);
    tensor *t = g->initializer[i] = &tensors[i];
    nd_onnx_file__tensor__init(t);
    t->name = (char *)c->name;
    t->n_dims = (size_t)c->rank;
    t->dims = (int64_t *)c->dims;
    t->has_data_type = t->has_raw_data = TRUE;
    t->data_type = c->type == ND_ONNX_F32 ? FLOAT : INT64;
    t->raw_data = (ProtobufCBinaryData){c->bytes, (uint8_t *)c->data};
  }
}

static NdOnnxFile__ValueInfo **picture(const char *name, int channels, GPtrArray *owned) {
  static const char *const axes[] = {"batch", NULL, "height", "width"};
  NdOnnxFile__Dimension *d = take(owned, 4, sizeof *d), **dims = take(owned, 4, sizeof *dims);
  NdOnnxFile__Shape *shape = take(owned, 1, sizeof *shape);
  NdOnnxFile__TensorType *array = take(owned, 1, sizeof *array);
  NdOnnxFile__Type *type = take(owned, 1, sizeof *type);
  NdOnnxFile__ValueInfo *value = take(owned, 1, sizeof *value), **list = take(owned, 1, sizeof *list);
  for (int i = 0; i < 4; i++) {
    nd_onnx_file__dimension__init(dims[i] = &d[i]);
    d[i].dim_param = (char *)axes[i];
    d[i].has_dim_value = !axes[i];
    d[i].dim_value = channels;
  }
  nd_onnx_file__shape__init(shape);
  shape->n_dim = 4;
  shape->dim = dims;
  nd_onnx_file__tensor_type__init(array);
  array->has_elem_type = TRUE;
  array->elem_type = FLOAT;
  array->shape = shape;
  nd_onnx_file__type__init(type);
  type->tensor_type = array;
  nd_onnx_file__value_info__init(list[0] = value);
  value->name = (char *)name;
  value->type = type;
  return list;
}

static void fill_properties(NdOnnxFile__Model *m, const nd_onnx_header *h, GPtrArray *owned) {
  NdOnnxFile__Property *p = take(owned, h->n_metadata, sizeof *p);
  m->n_metadata_props = h->n_metadata;
  m->metadata_props = take(owned, h->n_metadata, sizeof *m->metadata_props);
  for (size_t i = 0; i < h->n_metadata; i++) {
    nd_onnx_file__property__init(m->metadata_props[i] = &p[i]);
    p[i].key = (char *)h->metadata[i].key;
    p[i].value = (char *)h->metadata[i].value;
  }
}

/* ---- The file ---- */

/* Where protobuf-c puts the bytes. */
typedef struct stream {
  ProtobufCBuffer base; /* first: a pointer to it is one to the stream */
  nd_file_out *file;
} stream;

static void put(ProtobufCBuffer *buffer, size_t n, const uint8_t *bytes) {
  nd_file_put(((stream *)(void *)buffer)->file, bytes, n);
}

static int write_model(const char *path, const NdOnnxFile__Model *m) {
  size_t bytes = nd_onnx_file__model__get_packed_size(m);
  if (bytes > LARGEST)
    return nd_fail("the network takes %s, and one ONNX file holds no more than %s",
                   nd_bytes((double)bytes).text, nd_bytes((double)LARGEST).text);
  stream s = {.base = {.append = put}, .file = nd_file_begin(path)};
  if (!s.file)
    return -1;
  nd_onnx_file__model__pack_to_buffer(m, &s.base);
  return nd_file_commit(s.file);
}

int nd_onnx_write(const char *path, const nd_onnx *o, const nd_onnx_header *h) {
  g_autoptr(GPtrArray) owned = g_ptr_array_new_with_free_func(g_free);
  NdOnnxFile__Model m = ND_ONNX_FILE__MODEL__INIT;
  NdOnnxFile__Graph g = ND_ONNX_FILE__GRAPH__INIT;
  NdOnnxFile__OperatorSet set = ND_ONNX_FILE__OPERATOR_SET__INIT, *sets[] = {&set};
  if (nd_onnx_check(o))
    return -1;
  fill_nodes(&g, o, owned);
  fill_constants(&g, o, owned);
  g.name = (char *)h->graph;
  g.n_input = g.n_output = 1;
  g.input = picture(h->input, h->channels, owned);
  g.output = picture(h->output, 3, owned);
  set.domain = (char *)"";
  set.has_version = m.has_ir_version = TRUE;
  set.version = ND_ONNX_OPSET;
  m.ir_version = IR_VERSION;
  m.producer_name = (char *)"noiseda";
  m.producer_version = (char *)ND_VERSION;
  m.graph = &g;
  m.n_opset_import = 1;
  m.opset_import = sets;
  fill_properties(&m, h, owned);
  return write_model(path, &m);
}
