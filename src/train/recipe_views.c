/* Networks that take two views of a picture: what a recipe has to give them. */
#include "train/recipe-private.h"
#include "train/trainer-private.h"

/* A set of right views belongs to each set that the network sees, or to none. */
static int check_right(const nd_recipe *r, const nd_net *net, const char *left_key, const char *left,
                       const char *right_key, const char *right) {
  const char *at = *right ? right_key : left_key;
  if (!*left && *right)
    return nd_recipe_fail(r, at, "%s belongs to %s, which is missing", right_key, left_key);
  if (*left && nd_net_check_views(net, *right, right_key))
    return nd_recipe_fail(r, at, "%s '%s': %s", left_key, left, nd_error());
  return 0;
}

static int check_with(nd_recipe *r, const nd_net *net) {
  if (check_right(r, net, "data.input", r->data.input, "data.right", r->data.right) ||
      check_right(r, net, "data.real", r->data.real, "data.real_right", r->data.real_right) ||
      check_right(r, net, "validation.input", r->validation.input, "validation.right", r->validation.right))
    return -1;
  if (nd_net_channels(net) == 3)
    return 0;
  if (*r->data.clean)
    return nd_recipe_fail(r, "data.clean",
                          "two views are not made from clean pictures; give data.input, data.right and "
                          "data.target");
  if (!nd_recipe_takes_views(r))
    return nd_recipe_fail(r, "mode",
                          "a network of two views is trained in mode source, paired, unpaired or dann, and "
                          "without a graft");
  if (r->restoration.residual && nd_recipe_origin(r, "restoration.residual"))
    return nd_recipe_fail(r, "restoration.residual",
                          "of two views network %s makes the picture itself, which is not added to either: "
                          "restoration.residual is false",
                          nd_net_name(net));
  r->restoration.residual = false;
  return 0;
}

int nd_recipe_check_views(nd_recipe *r) {
  nd_net *net;
  if (nd_recipe_network(r, ND_RESTORATION, &net))
    return -1;
  int failed = check_with(r, net);
  nd_net_free(net);
  return failed;
}
