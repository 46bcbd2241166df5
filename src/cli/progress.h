/* A line of progress on a terminal. */
#ifndef ND_PROGRESS_H
#define ND_PROGRESS_H

/* In columns; 80 where nothing is known. */
int nd_terminal_width(int descriptor);
/* head, the end of name that fits, a bar of `share` (0 to 1), tail: less than `columns` columns, whatever the
 * name holds. Where it is tight the bar goes first, then the name, then the end of the tail. The caller's:
 * g_free. */
char *nd_progress_line(int columns, const char *head, const char *name, double share, const char *tail);

#endif
