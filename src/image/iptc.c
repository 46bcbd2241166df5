/* IPTC's records (captions, keywords) and Photoshop's resource blocks, which formats hold differently:
 * libvips hands over what stands in the file. A JPEG segment is "Photoshop 3.0", then blocks, of which one is
 * the records (Adobe Photoshop File Formats, "Image Resource Blocks"); PNG has the blocks as a text
 * (png_text.c); TIFF has a tag for the records alone
 * and another for the blocks. libvips mistakes the length of the former, in both directions, so it is read
 * and written with EXIF (exif-private.h). */
#include "image/vips-private.h"

#include <string.h>

static const char front[] = "Photoshop 3.0"; /* and its 0 */

enum { RECORDS = 0x0404, OLD_THUMBNAIL = 0x0409, THUMBNAIL = 0x040c };
enum { LARGEST_SEGMENT = 65533, RECORD_MARK = 0x1c };

typedef struct bytes {
  const guint8 *at;
  size_t n;
} bytes;

static bytes blob(VipsImage *image, const char *field) {
  const void *at;
  size_t n;
  if (!vips_image_get_typeof(image, field) || vips_image_get_blob(image, field, &at, &n))
    return (bytes){NULL, 0};
  return (bytes){at, n};
}

/* Takes the next block off: its name, and what it holds, without the padding. False: there is none. */
static bool next_block(bytes *rest, unsigned *id, bytes *whole, bytes *data) {
  enum { SIGNATURE = 4, ID = 2, SIZE = 4 };
  if (rest->n < SIGNATURE + ID + 2 + SIZE || memcmp(rest->at, "8BIM", SIGNATURE))
    return false;
  size_t name = (size_t)(rest->at[SIGNATURE + ID] + 2) / 2 * 2, head = SIGNATURE + ID + name + SIZE;
  if (rest->n < head)
    return false;
  *id = (unsigned)nd_number_in(rest->at + SIGNATURE, ID, true);
  *data = (bytes){rest->at + head, nd_number_in(rest->at + head - SIZE, SIZE, true)};
  if (data->n > rest->n - head)
    return false;
  *whole = (bytes){rest->at, MIN(head + data->n + data->n % 2, rest->n)};
  rest->at += whole->n;
  rest->n -= whole->n;
  return true;
}

static bool is_segment(bytes b) {
  return b.n >= sizeof front && !memcmp(b.at, front, sizeof front);
}

static bytes behind_front(bytes b) {
  return (bytes){b.at + sizeof front, b.n - sizeof front};
}

static bytes records_of(bytes blocks) {
  unsigned id;
  bytes whole, data;
  while (next_block(&blocks, &id, &whole, &data))
    if (id == RECORDS)
      return data;
  return (bytes){NULL, 0};
}

/* To an even length. */
static void add_padded(bytes b, GByteArray *to) {
  g_byte_array_append(to, b.at, (guint)b.n);
  if (b.n % 2)
    g_byte_array_append(to, (const guint8 *)"", 1);
}

/* All but the records, and but thumbnails, which show the picture as it was. */
static void add_others(bytes blocks, GByteArray *to) {
  unsigned id;
  bytes whole, data;
  while (next_block(&blocks, &id, &whole, &data)) {
    if (id == RECORDS || id == THUMBNAIL || id == OLD_THUMBNAIL)
      continue;
    add_padded(whole, to);
  }
}

static void add_records(bytes records, GByteArray *to) {
  guint8 head[] = {'8', 'B', 'I', 'M', RECORDS >> 8, RECORDS & 255, 0, 0, 0, 0, 0, 0};
  for (size_t i = 0; i < 4; i++)
    head[8 + i] = (guint8)(records.n >> (24 - 8 * i));
  g_byte_array_append(to, head, sizeof head);
  add_padded(records, to);
}

static void set(VipsImage *image, const char *field, const GByteArray *b, guint empty) {
  if (b->len > empty)
    vips_image_set_blob_copy(image, field, b->data, b->len);
  else
    vips_image_remove(image, field);
}

static void set_segment(VipsImage *image, bytes records, const GByteArray *others) {
  g_autoptr(GByteArray) segment = g_byte_array_new();
  g_byte_array_append(segment, (const guint8 *)front, sizeof front);
  if (records.n)
    add_records(records, segment);
  if (segment->len + others->len <= LARGEST_SEGMENT)
    g_byte_array_append(segment, others->data, others->len);
  set(image, VIPS_META_IPTC_NAME, segment, sizeof front);
  vips_image_remove(image, VIPS_META_PHOTOSHOP_NAME);
}

/* The records, as TIFF has them; in one of the other two places, or both. */
static bytes find_records(VipsImage *image, bytes *blocks) {
  bytes iptc = blob(image, VIPS_META_IPTC_NAME);
  *blocks = is_segment(iptc) ? behind_front(iptc) : blob(image, VIPS_META_PHOTOSHOP_NAME);
  return iptc.n && !is_segment(iptc) ? iptc : records_of(*blocks);
}

GByteArray *nd_iptc_records(void *meta) {
  bytes blocks, records = meta ? find_records(meta, &blocks) : (bytes){NULL, 0};
  return records.n ? g_byte_array_append(g_byte_array_new(), records.at, (guint)records.n) : NULL;
}

void nd_iptc_fit(VipsImage *image, bool jpeg) {
  bytes blocks, records = find_records(image, &blocks);
  g_autoptr(GByteArray) others = g_byte_array_new();
  add_others(blocks, others);
  if (jpeg) {
    set_segment(image, records, others);
    return;
  }
  set(image, VIPS_META_PHOTOSHOP_NAME, others, 0);
  vips_image_remove(image, VIPS_META_IPTC_NAME);
}

GByteArray *nd_iptc_blocks(VipsImage *image) {
  nd_iptc_fit(image, true);
  bytes segment = blob(image, VIPS_META_IPTC_NAME),
        blocks = is_segment(segment) ? behind_front(segment) : segment;
  return blocks.n ? g_byte_array_append(g_byte_array_new(), blocks.at, (guint)blocks.n) : NULL;
}

bool nd_iptc_put_blocks(VipsImage *image, const GByteArray *blocks) {
  g_autoptr(GByteArray) segment = g_byte_array_new();
  if (blocks->len >= 4 && !memcmp(blocks->data, "8BIM", 4))
    g_byte_array_append(segment, (const guint8 *)front, sizeof front);
  else if (!blocks->len || *blocks->data != RECORD_MARK)
    return false;
  g_byte_array_append(segment, blocks->data, blocks->len);
  set(image, VIPS_META_IPTC_NAME, segment, 0);
  return true;
}
