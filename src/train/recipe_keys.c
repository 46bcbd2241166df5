/* The one table that describes every key of a recipe. Keys of a section stand together; before a
 * settings key stands the one that chooses whose settings they are. */
#include "train/recipe-private.h"

#include "diffusion/diffusion.h"

#include <string.h>

#define LARGEST 1e9
#define LARGEST_SEED 9007199254740991.0 /* exact in every reader of YAML and JSON */

#define WORDS(name, ...)                                                                                     \
  static const char *const *name(void) {                                                                     \
    static const char *const words[] = {__VA_ARGS__, NULL};                                                  \
    return words;                                                                                            \
  }
WORDS(tasks, "denoise", "derain", "deblur")
WORDS(modes, "source", "paired", "unpaired", "noise2void", "graft", "translate", "dann", "teacher")
WORDS(grafts, "taken", "flat", "pile")
WORDS(precisions, "fp32", "bf16")
WORDS(recomputes, "auto", "no", "yes")
WORDS(figures, "psnr", "ssim")
WORDS(losses, "charbonnier", "l1", "mse")
WORDS(optimizers, "adam", "adamw")
WORDS(rates, "constant", "linear", "cosine", "halving")

/* A key is named like the member that holds it; the member's type is the key's. */
#define TYPE(member)                                                                                         \
  _Generic(((nd_recipe *)0)->member,                                                                           \
      int: ND_RECIPE_INT,                                                                                      \
      int64_t: ND_RECIPE_INT64,                                                                                \
      double: ND_RECIPE_REAL,                                                                                  \
      bool: ND_RECIPE_BOOL,                                                                                    \
      char *: ND_RECIPE_STRING,                                                                                \
      nd_recipe_settings: ND_RECIPE_SETTINGS)
#define KEY(member, type, standard, min, max, words, help)                                                   \
  { #member, type, offsetof(nd_recipe, member), standard, min, max, words, help }
#define NUMBER(member, standard, min, max, help) KEY(member, TYPE(member), standard, min, max, NULL, help)
#define FLAG(member, standard, help) KEY(member, TYPE(member), standard, 0, 1, NULL, help)
#define CHOICE(member, standard, words, help) KEY(member, ND_RECIPE_ENUM, standard, 0, 0, words, help)
#define STRING(member, standard, help) KEY(member, TYPE(member), standard, 0, 0, NULL, help)
#define PATH(member, help) KEY(member, ND_RECIPE_PATH, "", 0, 0, NULL, help)
#define SETTINGS(name, member, help)                                                                         \
  { name, TYPE(member), offsetof(nd_recipe, member), "", 0, 0, NULL, help }

const nd_recipe_key nd_recipe_keys[] = {
    CHOICE(task, "denoise", tasks, "what is restored; for people and reports, it changes nothing"),
    CHOICE(mode, "paired", modes,
           "source: synthetic pairs alone; paired, unpaired: adapted to real photos through a diffusion "
           "network; graft: to what it takes off them; baselines: noise2void, translate, dann, teacher"),
    NUMBER(seed, "1", 0, LARGEST_SEED, "every random number of the run follows from it"),

    STRING(restoration.network, "unet", "the network that restores, the one that is kept"),
    SETTINGS("restoration.*", restoration.settings, "settings of that network"),
    FLAG(restoration.residual, "true",
         "the network's output is added to its input; of two views (dual_pixel) it never is"),

    STRING(diffusion.network, "guided", "the network that predicts the noise; dropped after training"),
    SETTINGS("diffusion.*", diffusion.settings, "settings of that network"),

    CHOICE(schedule.kind, "linear", nd_schedule_kinds, "how beta grows from beta_start to beta_end"),
    NUMBER(schedule.steps, "1000", 2, 100000, "T, the number of noise levels"),
    NUMBER(schedule.beta_start, "1e-6", 1e-12, 0.999999, "beta of the first level"),
    NUMBER(schedule.beta_end, "0.01", 1e-12, 0.999999, "beta of the last level"),

    NUMBER(adapt.lambda, "0.2", 0, 1000,
           "weight of the diffusion loss (or of the other modes') at the end of the ramp"),
    FLAG(adapt.ramp, "true",
         "the weight grows along a sigmoid from 0; false: it is lambda from the first step"),
    NUMBER(adapt.ramp_steps, "10000", 0, LARGEST, "steps the ramp takes; 0: no ramp"),
    NUMBER(adapt.warmup_steps, "0", 0, LARGEST,
           "paired, unpaired: first steps in which the diffusion network learns alone, its loss reaching "
           "nothing else; the ramp begins after them, and a lambda that is larger for it wants "
           "training.gradient_clip"),
    FLAG(adapt.shuffle, "true", "the two conditions change places at random"),
    FLAG(adapt.contrast, "true", "mode paired: negative conditions made by swapping residuals"),
    NUMBER(adapt.margin, "0.1", 0, 1000, "by how much the loss of negatives should exceed that of positives"),
    NUMBER(adapt.t_min, "1", 1, 100000, "noise levels are drawn from [t_min, t_max]"),
    NUMBER(adapt.t_max, "999", 1, 100000, "below schedule.steps"),
    NUMBER(adapt.t_power, "1", 0.1, 10,
           "levels are drawn as a uniform number to this power: 1: evenly; more: those of little noise more "
           "often"),
    FLAG(adapt.detach_synthetic, "false",
         "no gradient of the diffusion loss through the synthetic condition"),
    FLAG(adapt.detach_real, "false", "no gradient of the diffusion loss through the real condition"),
    NUMBER(adapt.keep_means, "0", 0, 1000,
           "paired, unpaired: weight, beside the diffusion loss, of real photos keeping their brightness and "
           "colours in means over 16 x 16 pixels, as noise and blur do; 0: they need not"),
    NUMBER(adapt.graft, "0", 0, 1000,
           "paired, unpaired: the graft's loss is added to the diffusion loss, times this; 0: it is not"),
    CHOICE(adapt.graft_of, "taken", grafts,
           "what is put on clean pictures: taken: what the network takes off real photos; flat: noise as it "
           "stands over their flat places; pile: synthetic damage in layers"),
    NUMBER(adapt.graft_min, "0.5", 0, 10,
           "graft: what is put on is multiplied by a number of [graft_min, graft_max]"),
    NUMBER(adapt.graft_max, "2", 0, 10, "not below graft_min"),
    NUMBER(adapt.graft_layers, "1", 1, 64,
           "pile: 1 to so many layers: the damage of the pair, then that of other pairs"),
    NUMBER(adapt.graft_stride, "1", 1, 2, "taken: 2: what is taken off the pictures of every second pixel"),

    PATH(data.input,
         "set of degraded pictures; data.target has their clean partners, unless this set holds pairs"),
    PATH(data.right, "for networks that take two views of a dual-pixel sensor: set of right views; "
                     "data.input has the left"),
    PATH(data.target, "set of clean pictures, named like those of data.input"),
    PATH(data.clean, "instead of the two: set of clean pictures that are degraded on the fly"),
    STRING(data.degradation.kind, "none", "how: none, gaussian, camera, rain, blur, jpeg or downscale"),
    SETTINGS("data.degradation.*", data.degradation.settings, "settings of that degradation"),
    FLAG(
        data.fit, "false",
        "before training, settings of the degradation that stand at their default are replaced by those with "
        "which data.clean looks most like data.real"),
    PATH(data.real,
         "set of unlabelled real photos to adapt to; all modes but source; also what fit looks at"),
    PATH(data.real_right, "set of their right views, where data.right has those of the pairs"),
    NUMBER(data.real_fraction, "1", 1e-6, 1,
           "how much of that set is used, evenly spaced, at least one photo"),
    PATH(data.reference, "mode unpaired: set of unrelated clean photos; default: data.clean or data.target"),
    NUMBER(data.patch_size, "128", 8, 4096, "side of the square patches, in pixels"),
    NUMBER(data.batch_size, "3", 1, 4096, "patches a step, of all processes and accumulation steps together"),
    FLAG(data.augment, "true", "the eight flips and rotations"),
    NUMBER(data.workers, "1", 1, 256, "threads that prepare batches"),
    NUMBER(data.cache_mb, "1024", 0, 16777216, "decoded pictures kept in memory, in MiB"),

    NUMBER(training.steps, "100000", 1, LARGEST, "steps of the whole run"),
    CHOICE(
        training.restoration_loss, "charbonnier", losses,
        "of what is restored, against its clean partner; mse is some hundred times smaller than the others"),
    CHOICE(training.optimizer, "adam", optimizers,
           "adamw: weight_decay shrinks the weights themselves instead of going into the gradient"),
    NUMBER(training.learning_rate, "1e-4", 0, 10, "of Adam"),
    CHOICE(training.learning_rate_schedule, "constant", rates,
           "linear, cosine: falls to learning_rate_end at the last step; halving: half as large each "
           "time half of the steps left is done, four times"),
    NUMBER(training.learning_rate_end, "0", 0, 10, "below which no schedule falls"),
    NUMBER(training.warmup_steps, "0", 0, LARGEST,
           "in which the learning rate grows from nearly nothing, before its schedule begins"),
    NUMBER(training.beta1, "0.9", 0, 0.999999, "of Adam: decay of the first moment"),
    NUMBER(training.beta2, "0.999", 0, 0.999999, "of Adam: decay of the second moment"),
    NUMBER(training.eps, "1e-8", 1e-30, 1, "of Adam: added to the root of the second moment"),
    NUMBER(training.weight_decay, "0", 0, 10,
           "adam: added to the gradient, times the weight; adamw: see there"),
    NUMBER(training.ema, "0.9999", 0, 0.9999999, "decay of the moving average of the weights; 0: none"),
    NUMBER(training.ema_from_step, "0", 0, LARGEST, "until then the average equals the weights"),
    CHOICE(training.precision, "fp32", precisions,
           "of activations; fp32 is used, with a word about it, where bf16 cannot be"),
    NUMBER(training.gradient_clip, "0", 0, LARGEST, "largest norm of the gradient; 0: not clipped"),
    NUMBER(training.accumulation_steps, "1", 1, 4096,
           "parts of the batch that go through the networks one after the other, to save memory"),
    CHOICE(
        training.recompute, "auto", recomputes,
        "negatives are computed again in the backward pass instead of kept; auto: where there is not enough "
        "memory"),
    NUMBER(training.max_skipped_steps, "10", 0, LARGEST,
           "steps in a row that are skipped where loss or gradient is not finite; one more stops the run"),
    NUMBER(training.memory, "0", 0, 1 << 30,
           "MiB for each process, kept by recompute and by raising accumulation_steps; 0: what is there, and "
           "no change"),
    PATH(training.init_from, "weights file or model, by its name, to start from"),
    NUMBER(training.threads, "0", 0, 1024, "0: as many as there are processors"),

    PATH(validation.input,
         "set of degraded pictures the restored ones are measured on; it may hold pairs itself"),
    PATH(validation.right, "set of their right views, where data.right has those of the pairs"),
    PATH(validation.target, "set of their clean partners"),
    NUMBER(validation.every, "1000", 0, LARGEST, "steps between measurements; 0: never"),
    NUMBER(validation.pictures, "0", 0, 1000000, "how many of them; 0: all"),
    FLAG(validation.use_ema, "true", "measure the moving average of the weights, not the weights"),

    PATH(output.folder, "where checkpoints and logs go, where -o does not say it"),
    NUMBER(output.checkpoint_every, "1000", 0, LARGEST, "steps between checkpoints; 0: only at the end"),
    NUMBER(output.log_every, "10", 1, LARGEST, "steps between lines of the log"),
    NUMBER(output.keep_last, "3", 0, 1000000, "checkpoints kept, the newest; 0: all"),
    NUMBER(output.keep_best, "0", 0, 1000000,
           "checkpoints kept besides, those of the best validations; best.safetensors is kept in any case"),
    CHOICE(output.best_by, "psnr", figures, "which figure of a validation makes it the best"),
};
const size_t nd_recipe_key_count = G_N_ELEMENTS(nd_recipe_keys);

/* Whether name stands directly below the section of a settings key. */
static bool is_setting(const nd_recipe_key *key, const char *name) {
  size_t n = strlen(key->name) - 1; /* up to the star */
  return key->type == ND_RECIPE_SETTINGS && !strncmp(key->name, name, n) && name[n] && !strchr(name + n, '.');
}

const nd_recipe_key *nd_recipe_find(const char *name) {
  const nd_recipe_key *settings = NULL;
  for (size_t i = 0; i < nd_recipe_key_count; i++) {
    const nd_recipe_key *key = &nd_recipe_keys[i];
    if (is_setting(key, name))
      settings = key;
    else if (!strcmp(key->name, name))
      return key;
  }
  return settings;
}

bool nd_recipe_is_section(const char *name) {
  size_t n = strlen(name);
  for (size_t i = 0; n && i < nd_recipe_key_count; i++)
    if (!strncmp(nd_recipe_keys[i].name, name, n) && nd_recipe_keys[i].name[n] == '.')
      return true;
  return false;
}

const char *nd_recipe_leaf(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot ? dot + 1 : name;
}
