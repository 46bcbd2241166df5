#include "image/page.h"

static const char STYLE[] =
    "<style>\n"
    "body { font: 16px/1.5 sans-serif; max-width: 1500px; margin: 2em auto; padding: 0 1em; color: #222; "
    "overflow-wrap: anywhere }\n"
    ".table { overflow-x: auto; margin: 1em 0 } table { border-collapse: collapse; overflow-wrap: normal }\n"
    "td, th { padding: .3em 1em; border-bottom: 1px solid #ccc; text-align: right }\n"
    "td { white-space: nowrap } td:first-child, th:first-child { text-align: left; white-space: normal }\n"
    ".row { display: flex; gap: 8px; flex-wrap: wrap } figure { margin: 0; flex: 1 1 128px; min-width: 0 } "
    "figcaption { text-align: center }\n"
    "img { width: 100%; image-rendering: pixelated } svg { max-width: 100%; height: auto } .curve { flex: 1 "
    "1 420px; max-width: 640px } pre { overflow-x: auto }\n"
    "</style></head><body>\n";

GString *nd_page_new(const char *title) {
  GString *page = g_string_new("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                               "<title>");
  nd_page_text(page, title);
  g_string_append_printf(page, "</title>\n%s<h1>", STYLE);
  nd_page_text(page, title);
  g_string_append(page, "</h1>\n");
  return page;
}

void nd_page_text(GString *page, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1), *escaped = g_markup_escape_text(valid, -1);
  g_string_append(page, escaped);
}

int nd_page_figure(GString *page, const nd_image *image, const char *caption) {
  void *bytes;
  size_t size;
  if (nd_image_encode(image, ".png", NULL, &bytes, &size))
    return -1;
  g_autofree char *text = g_base64_encode(bytes, size);
  g_free(bytes);
  g_string_append_printf(page, "<figure><img alt=\"\" src=\"data:image/png;base64,%s\"><figcaption>", text);
  nd_page_text(page, caption);
  g_string_append(page, "</figcaption></figure>\n");
  return 0;
}

char *nd_page_end(GString *page) {
  g_string_append(page, "</body></html>\n");
  return g_string_free(page, FALSE);
}
