/* Pages of HTML that need no other file: reports of runs and of whatever compares pictures. */
#ifndef ND_PAGE_H
#define ND_PAGE_H

#include "image/image.h"

#include <glib.h>

/* Head, style and title; what follows is the body. */
GString *nd_page_new(const char *title);
/* Around the rows of a table, which is scrolled in a box of its own where the screen is too narrow for it. */
#define ND_PAGE_TABLE "<div class=\"table\"><table>\n"
#define ND_PAGE_TABLE_END "</table></div>\n"
/* Text, escaped; bytes that are no UTF-8, as names of files may hold, become U+FFFD. */
void nd_page_text(GString *page, const char *text);
/* <figure> with the picture inside as a PNG, width as its row allows. Figures stand in a <div class="row">.
 */
int nd_page_figure(GString *page, const nd_image *image, const char *caption);
/* Closes the page; its text, g_free. */
char *nd_page_end(GString *page);

#endif
