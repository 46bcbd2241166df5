/* A server in this process with folders of its own: models/ (tiny.safetensors, slow.safetensors, broken
 * .safetensors, out.safetensors, a link that leads out), runs/ (group/one, and links that lead out), secret/,
 * and tmp/ where photos live. */
#ifndef SITE_H
#define SITE_H

#include "serve/serve.h"

#include <glib.h>

typedef struct site {
  char *folder, *models, *runs, *tmp;
  nd_server *server;
  int port;
} site;

/* Before anything else of the program: temporary files go to a folder of this test. */
void site_prepare(void);
/* Another server after one that was stopped; 0: any port. */
void site_start(site *s, int port);
/* 4 MiB and 1 megapixel are the limits. Fixtures; *state is the site. */
int site_enter(void **state);
int site_leave(void **state);
char *site_path(const site *s, const char *below);
/* How many files and folders the server keeps at present. */
int site_kept(const site *s);

/* A picture of smooth content and noise, as a file in memory; g_free. */
char *photo(int width, int height, int bits, const char *format, size_t *size);
/* Sends a photo; query: "model=tiny.safetensors&name=a.png". The job's id, g_free. */
char *site_send(const site *s, const char *query, const void *bytes, size_t n);
/* Waits until the job is in that state; any other end of it fails. */
void site_wait(const site *s, const char *id, const char *state);

#endif
