/* What the files of the server share. */
#ifndef ND_SERVE_PRIVATE_H
#define ND_SERVE_PRIVATE_H

#include "base/json_out.h"
#include "serve/serve.h"

#include <gio/gio.h>
#include <glib.h>
#include <microhttpd.h>

/* ---- inside.c: a name from outside, within a folder ---- */
/* The file or folder called name ("a/b.png", "." for the folder itself) below folder, with links resolved;
 * g_free. NULL and an error when there is none, or when it is not below: "..", absolute, or through a link.
 * Hidden names are none. folder NULL: nothing is below it. */
char *nd_inside(const char *folder, const char *name);
/* Calls visit for each entry of a folder that nd_inside would find and that is UTF-8, in bytewise order. */
typedef void (*nd_entry_visit)(const char *name, const char *path, void *context);
void nd_inside_each(const char *folder, nd_entry_visit visit, void *context);
void nd_remove_all(const char *folder); /* and what is in it; links are removed, not followed */

/* ---- scratch.c: a temporary folder that only this user can read ---- */
typedef struct nd_scratch nd_scratch;
nd_scratch *nd_scratch_new(void); /* also removes what killed servers left; NULL and an error */
const char *nd_scratch_path(const nd_scratch *scratch);
void nd_scratch_free(nd_scratch *scratch); /* with all that is in it */

/* ---- guard.c: who may ask ---- */
/* host: the Host header. Addresses cannot be rebound, so any will do; names must be localhost or `also`. */
bool nd_guard_host(const char *host, const char *also);
/* The request comes from this server's own page, or from no page. Headers; NULL where missing. */
bool nd_guard_origin(const char *origin, const char *fetch_site, const char *host);

/* ---- reply.c ---- */
typedef enum MHD_Result nd_answer;
/* {"error": sentence}. */
nd_answer nd_reply_error(struct MHD_Connection *c, unsigned status, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* allowed: the methods that this address does know, "GET, HEAD". */
nd_answer nd_reply_wrong_method(struct MHD_Connection *c, const char *method, const char *allowed);
/* Takes the builder. */
nd_answer nd_reply_json(struct MHD_Connection *c, unsigned status, JsonBuilder *body);
/* text is the answer's, g_free. */
nd_answer nd_reply_text(struct MHD_Connection *c, const char *type, char *text);
nd_answer nd_reply_static(struct MHD_Connection *c, const char *type, const void *bytes, size_t n);
/* A picture; download: the name to save it under, or NULL to show it. */
nd_answer nd_reply_file(struct MHD_Connection *c, const char *path, const char *download);

/* ---- models.c: those of a folder; folder NULL: those that have names (nd_model_names) ---- */
bool nd_models_any(const char *folder); /* there is a folder, or a model that has a name */
void nd_models_describe(const char *folder, JsonBuilder *b); /* the elements of a list */
char *nd_models_find(const char *folder, const char *name);  /* its file, g_free; NULL and an error */

/* ---- jobs.c: photos waiting, worked on and done. Any thread. ---- */
enum { ND_JOBS_WAITING_MAX = 16, ND_JOBS_KEPT = 32 };
typedef struct nd_jobs nd_jobs;
typedef struct nd_order {
  char *name;                        /* of the photo, as the user knows it */
  char *model, *model_name, *ending; /* ending: of the result */
  double strength;
  int width, height;
} nd_order;
nd_jobs *nd_jobs_new(const nd_serve_settings *settings); /* NULL and an error */
void nd_jobs_free(nd_jobs *jobs);                        /* ends the one at work, removes all files */
bool nd_jobs_full(nd_jobs *jobs);
/* A new folder for a photo, g_free; NULL and an error. Its last part is the job's id. */
char *nd_jobs_folder(nd_jobs *jobs);
/* The photo in folder is complete. Takes what order holds. */
void nd_jobs_add(nd_jobs *jobs, const char *folder, nd_order order);
void nd_order_clear(nd_order *order);
/* What of it is known; false: there is no such job. */
bool nd_jobs_describe(nd_jobs *jobs, const char *id, JsonBuilder *b);
/* Ends it, or forgets its result. false: there is no such job. */
bool nd_jobs_cancel(nd_jobs *jobs, const char *id);
/* which: "before", "after", "result". The file, g_free, and for a result the name to save it under; NULL:
 * there is none (yet). */
char *nd_jobs_picture(nd_jobs *jobs, const char *id, const char *which, char **download);
/* text with the folder, and what files lie in it, replaced by the photo's name; g_free. */
char *nd_jobs_wording(const char *text, const char *folder, const char *name);

/* ---- process.c: the process that restores one photo (work.c), from outside ---- */
typedef struct nd_process {
  char *program; /* these three as in nd_serve_settings */
  size_t memory;
  int threads;
} nd_process;
/* On the photo in folder. To be unreferenced; NULL and an error. */
GSubprocess *nd_process_start(const nd_process *how, const char *folder, const nd_order *order,
                              GError **error);
/* Calls tile after each, until the process says no more. */
typedef void (*nd_process_tile)(int done, int tiles, void *context);
void nd_process_follow(GSubprocess *process, nd_process_tile tile, void *context);
/* Why it failed, for one that did and says no more; g_free. */
char *nd_process_complaint(GSubprocess *process);

/* ---- csv.c: tables that grow while they are read ---- */
/* The heading and at most `rows` lines, evenly chosen, the last complete one among them; NULL: no file. */
char *nd_csv_thinned(const char *path, size_t rows);
/* The value of a column in a line; NaN where there is none. */
double nd_csv_value(const char *heading, const char *line, const char *column);
/* The heading and the last complete line; false when there is not both. g_free both. */
bool nd_csv_ends(const char *path, char **heading, char **last);

/* ---- runs.c ---- */
void nd_runs_describe(const char *folder, JsonBuilder *b); /* the elements of a list */
/* One run with all that is known of it and the names of its pictures; -1 and an error. */
int nd_run_describe(const char *folder, const char *name, JsonBuilder *b);

/* ---- upload.c: a photo on its way in ---- */
typedef struct nd_upload nd_upload;
nd_upload *nd_upload_new(const nd_serve_settings *settings, nd_jobs *jobs, struct MHD_Connection *c);
/* The answer is already known to be a refusal; what still comes is thrown away. */
bool nd_upload_refused(const nd_upload *u);
/* -1: far too much; end the connection. */
int nd_upload_put(nd_upload *u, const char *bytes, size_t n);
nd_answer nd_upload_answer(nd_upload *u, struct MHD_Connection *c);
void nd_upload_free(nd_upload *u); /* what was not handed on is removed */

/* ---- the page, embedded (embed.sh) ---- */
typedef struct nd_page_file {
  const char *name;
  const unsigned char *bytes;
  size_t size;
} nd_page_file;
extern const nd_page_file nd_page_files[]; /* name NULL at the end */

#endif
