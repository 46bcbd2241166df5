/* Steps that came to nothing: their loss or gradient was not finite. */
#include "train/trainer-private.h"

#include <glib.h>
#include <math.h>

/* Each process writes its part of the batch; the message is that of one to blame. */
static int give_up(const nd_trainer *t, const char *run, const nd_step_result *s) {
  g_autofree char *name = g_strdup_printf("not-finite-%08" G_GUINT64_FORMAT, t->state.step);
  g_autofree char *folder = g_build_filename(run, name, NULL), *files = nd_bad_batch_names(s->batch);
  if (nd_bad_batch_save(folder, s->batch, nd_group_rank(t->group) * t->samples))
    nd_log(ND_LOG_WARNING, "%s", nd_error());
  nd_fail("step %" G_GUINT64_FORMAT ": the loss is %g and the gradient's norm %g, not finite for %s in a "
          "row; weights are as before them. Lower training.learning_rate or set "
          "training.gradient_clip. The last batch is in '%s'; it is from %s",
          t->state.step, fabs(s->loss), fabs(s->gradient_norm),
          nd_count((size_t)t->state.skipped_in_a_row, "step").text, folder, files);
  return nd_group_check(t->group, s->fault);
}

int nd_skipped_step(const nd_trainer *t, const char *folder, const nd_step_result *s) {
  if (!s->skipped)
    return 0;
  if (t->state.skipped_in_a_row > t->recipe->training.max_skipped_steps)
    return give_up(t, folder, s);
  nd_log(ND_LOG_WARNING, "step %" G_GUINT64_FORMAT " is skipped: the loss is %g and the gradient's norm %g",
         t->state.step, fabs(s->loss), fabs(s->gradient_norm)); /* "nan", never "-nan" */
  return 0;
}

/* Skipped steps with others in between never stop a run, nor do a few at once that are all there are. */
int nd_skipped_most(const nd_trainer *t, const char *folder) {
  uint64_t steps = t->state.step, skipped = t->state.skipped;
  if (2 * skipped <= steps)
    return 0;
  return nd_fail("%" G_GUINT64_FORMAT
                 " of %s %s skipped, their loss or gradient not being finite: the model in '%s' has learned "
                 "little, or nothing. Lower training.learning_rate or set training.gradient_clip",
                 skipped, nd_count(steps, "step").text, skipped == 1 ? "was" : "were", folder);
}
