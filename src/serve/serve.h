/* A local web page: restores photos that are dropped on it and shows how training runs are doing. */
#ifndef ND_SERVE_H
#define ND_SERVE_H

#include "restore/restore.h"

typedef struct nd_serve_settings {
  const char *listen;    /* a numeric address: "127.0.0.1", "::1", "0.0.0.0" */
  int port;              /* 0: any that is free */
  const char *host;      /* one more name by which browsers may call the server; NULL: none */
  const char *models;    /* folder of .safetensors; NULL: the models that have names */
  const char *runs;      /* folder with run folders, or a run folder; NULL: none are shown */
  const char *program;   /* is started as "PROGRAM serve --work ..." for each photo */
  size_t max_upload;     /* bytes */
  double max_megapixels; /* of a photo */
  size_t memory;         /* as of nd_restorer_settings */
  int threads;           /* of the restoring process; 0: all processors */
} nd_serve_settings;
nd_serve_settings nd_serve_defaults(void); /* 127.0.0.1:8080, 256 MiB, 50 megapixels, 1 GiB */

typedef struct nd_server nd_server;
/* Listens, in threads of its own, until stopped. Photos and results live in a temporary folder that only this
 * user can read. Error: the address is taken or none of this machine's, a folder is missing. The settings'
 * texts are copied. */
int nd_server_start(const nd_serve_settings *settings, nd_server **out);
int nd_server_port(const nd_server *server);
/* Ends what is being restored and removes the temporary folder. */
void nd_server_stop(nd_server *server);

/* ---- One photo: what the process of its own does, so that it can be ended at any moment and a photo that
 * is too large or malicious takes nothing else with it. ---- */
typedef struct nd_serve_work {
  const char *model;  /* a file */
  const char *folder; /* holds "upload"; gets "result<ending>", and "before" and "after" to look at */
  const char *ending; /* ".png", ".jpg", ... */
  double strength;
  size_t memory;
} nd_serve_work;
int nd_serve_work_on(const nd_serve_work *work, nd_tile_progress progress, void *context);

#endif
