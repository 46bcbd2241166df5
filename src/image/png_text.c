/* The texts of a PNG file, and among them IPTC's records and Photoshop's blocks, which PNG has no chunk for:
 * as ImageMagick began it and others read it, in hexadecimal digits as the text "Raw profile type iptc".
 * libvips does not read Latin-1, writes keywords up to their first blank alone ("Creation Time"), and UTF-8
 * as if it were Latin-1; so texts are taken from it, and put behind the head of what it writes. (PNG, W3C,
 * 11.3.3) */
#include "image/vips-private.h"

#include <gio/gio.h>
#include <string.h>
#include <zlib.h>

static const char text_field[] = "png-comment-", raw_profile[] = "Raw profile type iptc";

enum {
  HEAD = 33,
  BYTES_A_LINE = 36,
  LONGEST_KEYWORD = 79,
  LONGEST_TEXT = 1 << 20
}; /* head: signature, IHDR */

/* Of "png-comment-7-Author"; NULL: the field is none. */
static const char *keyword_of(const char *field) {
  const char *number = g_str_has_prefix(field, text_field) ? field + strlen(text_field) : NULL,
             *dash = number ? strchr(number, '-') : NULL;
  return dash ? dash + 1 : NULL;
}

/* ---- Reading ---- */
/* "\niptc\n      12\n" and digits; NULL: it is not that, or not as long as it says. */
static GByteArray *raw_bytes(const char *text) {
  const char *number = strchr(text + strspn(text, "\n"), '\n');
  char *at = NULL;
  guint64 length = number ? g_ascii_strtoull(number, &at, 10) : 0;
  if (!length || length > strlen(at) / 2)
    return NULL;
  g_autoptr(GByteArray) bytes = g_byte_array_sized_new((guint)length);
  for (at += strspn(at, " \n"); g_ascii_isxdigit(at[0]) && g_ascii_isxdigit(at[1]); at += strspn(at, " \n")) {
    guint8 byte = (guint8)(g_ascii_xdigit_value(at[0]) << 4 | g_ascii_xdigit_value(at[1]));
    g_byte_array_append(bytes, &byte, 1);
    at += 2;
  }
  return bytes->len == length && !*at ? g_steal_pointer(&bytes) : NULL;
}

void nd_png_take_records(VipsImage *meta) {
  g_auto(GStrv) fields = vips_image_get_fields(meta);
  for (int i = 0; fields[i]; i++) {
    const char *text, *keyword = keyword_of(fields[i]);
    if (!keyword || strcmp(keyword, raw_profile) || vips_image_get_string(meta, fields[i], &text))
      continue;
    g_autoptr(GByteArray) bytes = raw_bytes(text);
    if (bytes && nd_iptc_put_blocks(meta, bytes))
      vips_image_remove(meta, fields[i]);
  }
}

/* Behind the keyword of a compressed text, its method and n - 1 bytes; *length: of the text, g_free. NULL: it
 * is damaged, or too long for a text. */
static char *inflated(const char *from, size_t n, size_t *length) {
  if (!n || *from)
    return NULL;
  g_autoptr(GZlibDecompressor) zlib = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
  g_autofree char *text = g_malloc(LONGEST_TEXT);
  GConverterResult result = G_CONVERTER_CONVERTED;
  gsize at = 1, read, written;
  for (*length = 0; result == G_CONVERTER_CONVERTED; at += read, *length += written) {
    if (*length == LONGEST_TEXT)
      return NULL;
    result = g_converter_convert(G_CONVERTER(zlib), from + at, n - at, text + *length, LONGEST_TEXT - *length,
                                 G_CONVERTER_INPUT_AT_END, &read, &written, NULL);
    if (result == G_CONVERTER_ERROR)
      return NULL;
  }
  return g_steal_pointer(&text);
}

/* A field of its own: libvips sets those that it read once more, when pixels are asked for. */
void nd_png_take_latin(VipsImage *image, const char *chunk, size_t n, bool compressed) {
  const char *end = memchr(chunk, 0, n), *latin = end ? end + 1 : NULL;
  size_t length = end ? n - (size_t)(latin - chunk) : 0;
  g_autofree char *whole = end && compressed ? inflated(latin, length, &length) : NULL;
  if (compressed)
    latin = whole;
  if (!latin || g_utf8_validate(latin, (gssize)length, NULL))
    return;
  g_autofree char *text = g_convert(latin, (gssize)length, "UTF-8", "ISO-8859-1", NULL, NULL, NULL);
  g_autofree char *field = g_strdup_printf("%slatin %08x-%s", text_field,
                                           (unsigned)crc32(0, (const Bytef *)chunk, (uInt)n), chunk);
  if (text)
    vips_image_set_string(image, field, text);
}

/* libvips' word for what is no UTF-8. */
static bool is_lost(const char *text) {
  return !g_utf8_validate(text, -1, NULL) || !strcmp(text, "<invalid utf-8 string>");
}

/* ---- Writing ---- */
static void append_number(GByteArray *to, uint32_t number) {
  number = GUINT32_TO_BE(number);
  g_byte_array_append(to, (const guint8 *)&number, sizeof number);
}

/* What stands in `to` from `begin` on becomes a chunk: type and data already do. */
static void close_chunk(GByteArray *to, guint begin) {
  uint32_t length = GUINT32_TO_BE(to->len - begin - 8);
  memcpy(to->data + begin, &length, sizeof length);
  append_number(to, (uint32_t)crc32(0, to->data + begin + 4, to->len - begin - 4));
}

static void append_text(GByteArray *to, const char *keyword, const char *text) {
  static const guint8 as_it_is[] = {0, 0, 0, 0}; /* not compressed, no language, no other keyword */
  bool international = !g_str_is_ascii(text);
  guint begin = to->len;
  if (!*keyword || strlen(keyword) > LONGEST_KEYWORD || is_lost(text))
    return;
  append_number(to, 0); /* the length to be */
  g_byte_array_append(to, (const guint8 *)(international ? "iTXt" : "tEXt"), 4);
  g_byte_array_append(to, (const guint8 *)keyword, (guint)strlen(keyword) + 1);
  g_byte_array_append(to, as_it_is, international ? sizeof as_it_is : 0);
  g_byte_array_append(to, (const guint8 *)text, (guint)strlen(text));
  close_chunk(to, begin);
}

static void append_records(GByteArray *to, VipsImage *image) {
  g_autoptr(GByteArray) blocks = nd_iptc_blocks(image);
  if (!blocks)
    return;
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_printf(text, "\niptc\n%8u", blocks->len);
  for (guint i = 0; i < blocks->len; i++)
    g_string_append_printf(text, "%s%02x", i % BYTES_A_LINE ? "" : "\n", blocks->data[i]);
  append_text(to, raw_profile, g_string_append_c(text, '\n')->str);
}

/* Takes all texts off the picture. */
static GByteArray *take_texts(VipsImage *image) {
  GByteArray *chunks = g_byte_array_new();
  g_auto(GStrv) fields = vips_image_get_fields(image);
  for (int i = 0; fields[i]; i++) {
    const char *text, *keyword = keyword_of(fields[i]);
    if (!keyword || vips_image_get_string(image, fields[i], &text))
      continue;
    append_text(chunks, keyword, text);
    vips_image_remove(image, fields[i]);
  }
  append_records(chunks, image);
  return chunks;
}

typedef struct passing {
  VipsTarget *to;
  const GByteArray *chunks;
  gint64 passed;
} passing;

static gint64 pass(VipsTargetCustom *from, const void *bytes, gint64 n, passing *p) {
  (void)from;
  gint64 head = CLAMP(HEAD - p->passed, 0, n);
  if (vips_target_write(p->to, bytes, (size_t)head))
    return -1;
  if (p->passed < HEAD && p->passed + n >= HEAD && vips_target_write(p->to, p->chunks->data, p->chunks->len))
    return -1;
  p->passed += n;
  return vips_target_write(p->to, (const char *)bytes + head, (size_t)(n - head)) ? -1 : n;
}

static int save(VipsImage *image, VipsTarget *to) {
  return vips_pngsave_target(image, to, "filter", VIPS_FOREIGN_PNG_FILTER_UP, NULL);
}

int nd_png_write(VipsImage *image, int quality, VipsTarget *to) {
  (void)quality;
  g_autoptr(GByteArray) chunks = take_texts(image);
  if (!chunks->len)
    return save(image, to);
  passing p = {to, chunks, 0};
  VipsTargetCustom *through = vips_target_custom_new();
  g_signal_connect(through, "write", G_CALLBACK(pass), &p);
  int failed = save(image, VIPS_TARGET(through)) || vips_target_end(to);
  g_object_unref(through);
  return failed;
}
