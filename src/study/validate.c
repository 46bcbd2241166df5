/* How a network in training does on the validation pictures of its recipe. */
#include "study/study-private.h"

static nd_evaluation measures_of(const nd_recipe *recipe) {
  return (nd_evaluation){.protocol = nd_protocol_at(0),
                         .limit = (size_t)recipe->validation.pictures,
                         .memory = nd_train_room(recipe)};
}

int nd_validator_open(const nd_recipe *recipe, nd_validator *out) {
  *out = (nd_validator){.recipe = recipe};
  if (!*recipe->validation.input)
    return 0;
  const char *right = recipe->validation.right, *target = recipe->validation.target;
  nd_pair_source source = {.input_dir = recipe->validation.input,
                           .right_dir = *right ? right : NULL,
                           .target_dir = *target ? target : NULL};
  nd_evaluation how = measures_of(recipe);
  if (!nd_pairs_open(&source, (uint64_t)recipe->seed, &out->pairs) && !nd_evaluation_check(&how, out->pairs))
    return 0;
  nd_validator_close(out);
  return nd_fail_in("validation");
}

void nd_validator_close(nd_validator *v) {
  nd_pairs_close(v->pairs);
  v->pairs = NULL;
}

/* Once, unless it becomes more. */
static void say_beyond(nd_validator *v, size_t bytes) {
  if (bytes <= v->beyond)
    return;
  v->beyond = bytes;
  nd_log(ND_LOG_WARNING, "the validation takes %s more than training.memory: its pictures need that",
         nd_bytes((double)bytes).text);
}

int nd_validator_run(const nd_net *net, nd_params *params, const float *values, nd_validation *out,
                     void *validator) {
  nd_validator *v = validator;
  nd_restorer_settings settings = nd_restorer_defaults();
  settings.residual = v->recipe->restoration.residual;
  nd_restorer *restorer;
  nd_scores scores;
  if (nd_restorer_new(net, params, ND_SCOPE_RESTORATION, values, settings, &restorer))
    return -1;
  nd_evaluation how = measures_of(v->recipe);
  int failed = nd_evaluate(restorer, &how, v->pairs, &scores);
  if (!failed) {
    *out = (nd_validation){
        .psnr = scores.mean.result[ND_PSNR], .ssim = scores.mean.result[ND_SSIM], .pictures = scores.count};
    say_beyond(v, scores.beyond);
    nd_scores_free(&scores);
    failed = nd_validator_crops(restorer, v->pairs, out);
  }
  nd_restorer_free(restorer);
  return failed;
}
