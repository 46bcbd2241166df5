/* Training that runs away and yet stays finite: the loss jumps to many times what it was, and what the
 * network knew is gone. Steps differ much from each other, so means over many of them are compared. */
#include "train/trainer-private.h"

enum { STEPS = 100, TIMES = 3 };

static void say(const nd_runaway *r, uint64_t step, double mean) {
  nd_log(ND_LOG_WARNING,
         "training runs away: the restoration loss was %.3g over the %d steps up to step %" G_GUINT64_FORMAT
         ", and over those up to step %" G_GUINT64_FORMAT
         " it is %.3g. Start again from a checkpoint before that (training.init_from takes one) with a "
         "smaller training.learning_rate, or with training.gradient_clip at twice the gradient_norm that "
         "log.csv has there",
         r->lowest, STEPS, r->lowest_at, step, mean);
}

void nd_runaway_step(nd_runaway *r, uint64_t step, double loss) {
  r->sum += loss;
  if (++r->steps < STEPS)
    return;
  double mean = r->sum / STEPS;
  r->steps = 0, r->sum = 0;
  if (!r->lowest_at || mean < r->lowest)
    r->lowest = mean, r->lowest_at = step;
  bool away = mean > TIMES * r->lowest;
  if (away && !r->away)
    say(r, step, mean);
  r->away = away;
}
