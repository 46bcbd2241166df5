/* One training run in memory. */
#ifndef ND_TRAINER_PRIVATE_H
#define ND_TRAINER_PRIVATE_H

#include "data/data.h"
#include "image/image.h"
#include "train/reduction-private.h"
#include "train/train-private.h"
#include "train/train.h"

#include <glib.h>

/* The losses of a step, or what is known of them before its end. */
typedef struct nd_losses {
  double restoration, positive, negative; /* 0 where the mode has none */
} nd_losses;

/* What is added to those (added_losses.c). */
typedef struct nd_added {
  double loss, diffusion; /* to the whole loss; to the one that is reported as the mode's own */
} nd_added;

/* Where a step stands. */
typedef struct nd_pass {
  int begun;                 /* micro-batches whose losses are in sum */
  nd_losses sum;             /* over them */
  nd_added added, added_sum; /* of the last of them; over them */
  bool finite;               /* all are */
  bool again;                /* the contrast was taken wrongly: the micro-batches have to be done again */
  int failed;                /* the group failed */
} nd_pass;

typedef struct nd_teacher nd_teacher;

typedef struct nd_trainer {
  const nd_recipe *recipe;
  nd_group *group;
  int samples, micro_batch; /* of the global batch: in this process; at once in the graph */
  nd_net *restoration, *diffusion;
  nd_params *params;
  nd_graph *graph;
  nd_plan *plan;      /* with objective: of a step whose contrast has a slope, or is at rest (step_plan.c) */
  bool planned_alone; /* in which the diffusion network learns alone */
  nd_objective objective;
  nd_teacher *teacher; /* NULL: the mode has none */
  nd_schedule *schedule;
  nd_train_state state;
  nd_adam_settings adam;
  nd_loader *loader;
  size_t cache_bytes;    /* of decoded pictures */
  char *pictures_before; /* what the checkpoint that was loaded says of them; NULL: nothing */
  nd_reduction *reduction;
  float *accumulated; /* the gradient of the micro-batches before the last; NULL: there is but one */
  float *next_state;  /* what batch norms and their like keep from this step, one after the other */
  nd_losses last;     /* of the last step, over the global batch */
  nd_pass pass;
  nd_profile *profile; /* NULL: steps are not recorded */
} nd_trainer;

typedef struct nd_step_result {
  bool skipped;          /* loss or gradient is not finite; weights are as before */
  bool fault;            /* a skipped step's cause may be this process's part of the batch */
  const nd_batch *batch; /* what the step was on; until the next */
  double loss, restoration, diffusion, positive, negative, alpha, learning_rate, gradient_norm, wait_seconds;
} nd_step_result;

/* added_losses.c: notes those of the pass that ran last; and puts their mean over all passes and processes
 * into the losses of the step, which are this process's last pass's. */
void nd_trainer_note_added(nd_trainer *t, double alpha);
int nd_trainer_mean_added(nd_trainer *t, nd_step_result *s);
/* fitted.c: does what data.fit asks for; nothing where it does not. says: one process of the group tells. */
int nd_train_fit(nd_recipe *recipe, bool says);
nd_objective_settings nd_recipe_objective(const nd_recipe *recipe);
/* Of a step, counted from 0. */
double nd_learning_rate(const nd_recipe *recipe, uint64_t step);
/* Whether the recipe puts damage of the real kind on clean pictures. */
bool nd_recipe_grafts(const nd_recipe *recipe);
/* Whether what it does with pictures can be done with two views of each. */
bool nd_recipe_takes_views(const nd_recipe *recipe);
/* What its activations are stored in on this processor. */
nd_dtype nd_recipe_dtype(const nd_recipe *r);
/* Everything but the loader and the weights: networks, graph, plan. */
int nd_trainer_new(const nd_recipe *recipe, nd_group *group, nd_trainer **out);
/* The same of a recipe that is complete: checked, and made to fit into the memory there is. */
int nd_trainer_fit(nd_recipe *recipe, nd_group *group, nd_trainer **out);
void nd_trainer_free(nd_trainer *t); /* NULL is fine */
/* The weights of step 0: drawn from the seed, or those of training.init_from. */
int nd_trainer_begin(nd_trainer *t);
/* Gives all processes the state of rank 0. */
int nd_trainer_share(nd_trainer *t);
/* Starts reading data at the state's step; pictures are decoded while weights are drawn. */
int nd_trainer_open_data(nd_trainer *t);
/* What a recipe's data are, for one process; strings are the recipe's. */
int nd_trainer_loader_settings(const nd_recipe *recipe, nd_loader_settings *out);
/* Weights to start from: a model file, a file with the prefixes of ND_SCOPE_*, or a checkpoint. */
int nd_trainer_init_from(nd_trainer *t, const char *path);

/* ---- teacher.c ----------------------------------------------------------------------------------------
 * nd_compile; or nd_lay_out, of what is measured and not run. */
typedef int (*nd_planner)(nd_graph *g, nd_plan **plan);
/* For so many samples at once; *out NULL where the mode has none. params: the trainer's, declared. */
int nd_teacher_new(const nd_recipe *recipe, const nd_net *restoration, nd_params *params, int samples,
                   nd_planner plan, nd_teacher **out);
/* Tells where the average is too slow for the run to learn anything. */
void nd_teacher_say_pace(const nd_recipe *recipe);
void nd_teacher_free(nd_teacher *t); /* NULL is fine */
/* With these weights: `count` numbers, of that many samples' pictures, from real to out. */
void nd_teacher_restore(nd_teacher *t, const float *average, const float *real, size_t count, float *out);
/* What it adds to a step: memory, operations; of NULL 0. */
size_t nd_teacher_bytes(const nd_teacher *t);
double nd_teacher_flops(const nd_teacher *t);

/* ---- memory.c ---- */
/* Raises training.accumulation_steps where training.memory asks for it, and says how much decoded pictures
 * may take. Error: there is not enough memory; which settings would fit. */
int nd_memory_fit(nd_recipe *recipe, nd_group *group, size_t *cache_bytes);
/* The same for each of so many processes with `limit` bytes; 0: unknown. */
int nd_memory_fit_in(nd_recipe *recipe, int processes, size_t limit, size_t *cache_bytes);
/* How many batches of so many samples are kept ready: 4 to 8, as many as take 64 MiB. */
int nd_train_prefetch(const nd_recipe *recipe, int samples);

/* ---- step_plan.c ---- */
/* Steps at rest after which the next one is taken to be at rest too. */
enum { ND_CONTRAST_RESTS_AFTER = 16 };
/* Makes the graph and the plan of a step, in place of those there are. */
int nd_trainer_plan(nd_trainer *t, bool contrast_at_rest);
/* First steps in which the diffusion network learns alone; 0: in none, or there is no such network. */
uint64_t nd_trainer_steps_alone(const nd_trainer *t);
/* The state's weights become those that the plan reads, its gradients those that it writes. */
void nd_trainer_bind(nd_trainer *t);
/* Gives back what a step takes, gradients included; the second has a plan again that is like the one before.
 */
void nd_trainer_drop_plan(nd_trainer *t);
int nd_trainer_plan_again(nd_trainer *t);
/* The plan that the next step probably needs. */
int nd_trainer_choose_plan(nd_trainer *t);
/* Steps are recorded in p from now on; NULL: no longer. */
void nd_trainer_record(nd_trainer *t, nd_profile *p);

/* ---- step.c ---- */
/* For a profile: what began then was spent on the other processes, of which there may be none. Returns now.
 */
int64_t nd_trainer_with_others(const nd_trainer *t, int64_t begun);
/* Buffers of a step, once the state is there. */
int nd_trainer_prepare_step(nd_trainer *t);
/* What t->plan is to tell while it runs. */
nd_watch nd_trainer_watch(nd_trainer *t);
/* One step on the next batch. A step whose loss or gradient is not finite is counted and changes nothing
 * else.
 */
int nd_trainer_step(nd_trainer *t, nd_step_result *out);

/* ---- run.c ---- */
/* From the state's step to the recipe's last, in folder: t has its weights and reads its data. */
int nd_trainer_run(nd_trainer *t, const char *folder, const nd_train_hooks *hooks);
/* start.c: the recipe that the run in folder works with. */
int nd_run_write_recipe(const nd_recipe *recipe, const char *folder);

/* ---- skipped.c ---- */
/* Warns of a step that was skipped. Error: too many were in a row; the batch is kept in folder. */
int nd_skipped_step(const nd_trainer *t, const char *folder, const nd_step_result *s);
/* Error: most steps of a run that is over were skipped. */
int nd_skipped_most(const nd_trainer *t, const char *folder);

/* ---- checkpoint.c ---- */
#define ND_RUN_MODEL "model.safetensors"
/* A checkpoint, and the average as model.safetensors; result: what was measured of that, or NULL. */
int nd_checkpoint_save(const nd_trainer *t, const char *folder, const nd_validation *result);
/* Loads the last checkpoint of folder into t. */
int nd_checkpoint_load(nd_trainer *t, const char *folder);
/* Writes the restoration network alone, with these values; result: what was measured of them, or NULL. */
int nd_checkpoint_save_model(const nd_trainer *t, const char *folder, const char *name, const float *values,
                             const nd_validation *result);

/* ---- manifest.c ---- */
/* checkpoint, a name in folder, is the last from now on. */
int nd_checkpoint_note(const nd_trainer *t, const char *folder, const char *checkpoint);
/* Path of the last checkpoint of folder: that of the manifest, or where this is gone or damaged, names what
 * is gone, or is not there yet (a process may be killed before it writes the first), the newest. NULL and an
 * error when there is none. The caller's, g_free. */
char *nd_checkpoint_last(const char *folder);
/* The same, with what else is known of it. */
typedef struct nd_last {
  char *path;     /* NULL and an error: there is none */
  char *lost;     /* why the manifest does not name it; NULL: it does */
  char *pictures; /* what it was trained on; NULL: unknown */
} nd_last;
nd_last nd_checkpoint_find_last(const char *folder);
void nd_last_clear(nd_last *last);
/* Warns when the pictures that t reads are not those of the checkpoint that it was loaded from. */
void nd_checkpoint_compare_pictures(const nd_trainer *t);

/* ---- keep.c ---- */
/* Removes the checkpoints that output.keep_last and output.keep_best let go; never `last`, which the manifest
 * names. */
void nd_checkpoints_prune(const nd_trainer *t, const char *folder, const char *last);
/* The name of the checkpoint of the largest step; NULL: there is none. The caller's, g_free. */
char *nd_checkpoints_newest(const char *folder);

/* ---- bad_batch.c ---- */
/* Writes the batch into folder: 0-synthetic.png, 0-clean.png, ...; first: the number of its first sample. */
int nd_bad_batch_save(const char *folder, const nd_batch *batch, int first);
/* "'a.png', 'b.png'": the files its patches are from; the caller's. */
char *nd_bad_batch_names(const nd_batch *batch);

/* ---- runaway.c ---- */
typedef struct nd_runaway {
  double sum;         /* of the losses since the last comparison */
  int steps;          /* of them */
  double lowest;      /* mean so far, */
  uint64_t lowest_at; /* up to this step; 0: there is none yet */
  bool away;          /* that has been said */
} nd_runaway;
/* Takes note of the restoration loss of a step, and warns, once each time, where it has become many times
 * what it was. All 0 at first. */
void nd_runaway_step(nd_runaway *r, uint64_t step, double loss);

/* ---- lock.c ---- */
/* Takes the folder for this process, until nd_run_unlock or its end, and removes what a killed process left
 * unfinished there. Error: another process has it, and which. */
int nd_run_lock(const char *folder, int *fd);
void nd_run_unlock(int fd); /* -1 is fine */

/* ---- events.c: the same for TensorBoard ---- */
typedef struct nd_scalar {
  const char *tag;
  double value; /* left out where it is not finite */
} nd_scalar;
int nd_events_scalars(const char *folder, uint64_t step, const nd_scalar *scalars, int count);
/* png: image as a file of `size` bytes. */
int nd_events_picture(const char *folder, uint64_t step, const char *tag, const nd_image *image,
                      const void *png, size_t size);
int nd_events_rewind(const char *folder, uint64_t step);

/* ---- journal.c: the CSV files, events, crops and the curve ---- */
#define ND_CROP_NAME "crop-%d.png"
/* Drops the lines past `step`, so that a resumed run continues the files. */
int nd_journal_rewind(const char *folder, uint64_t step);
int nd_journal_report(const char *folder, const nd_train_report *r);
int nd_journal_validation(const char *folder, uint64_t step, const nd_validation *v);
int nd_journal_curve(const char *folder);
bool nd_journal_has_validation(const char *folder, uint64_t step);
/* The best figure so far (by: nd_recipe_figure); -1 when nothing was validated yet. */
double nd_journal_best(const char *folder, int by);
/* That of the validation at a step; -inf when there was none. */
double nd_journal_figure(const char *folder, uint64_t step, int by);

#endif
