/* Training runs on the page. */
#include "page.h"

static void a_cut_off_address_still_shows_the_runs(void **state) {
  site *s = *state;
  browser *b = open_page(s, "#run/%");
  browser_until(b, TROUBLE ".startsWith('The run cannot be shown')");
  browser_expect(b, "document.querySelectorAll('#run-list a').length > 0", "true");
  browser_close(b); /* the browser itself notes refusals as complaints */
}

static void write_plain_run(const site *s, int lines) {
  g_autofree char *folder = site_path(s, "runs/plain"), *log = site_path(s, "runs/plain/log.csv");
  g_autoptr(GString) text =
      g_string_new("step,loss,restoration,diffusion,positive,negative,alpha,gradient_norm,"
                   "images_per_second,wait_share\n");
  for (int i = 1; i <= lines; i++)
    g_string_append_printf(text, "%d,%g,%g,nan,nan,nan,0,%g,20,0.01\n", i * 10, 1.0 / i, 1.0 / i, 0.5 / i);
  g_mkdir_with_parents(folder, 0777);
  assert_true(g_file_set_contents(log, text->str, -1, NULL));
}

static void runs_are_watched(void **state) {
  site *s = *state;
  write_plain_run(s, 20);
  browser *b = open_page(s, "#run/group%2Fone");
  browser_until(b, "document.querySelectorAll('#charts figure').length === 8");
  browser_until(b, "document.querySelector('#figures').textContent.includes('26.25 dB')");
  browser_expect(b, "document.querySelectorAll('#run-list a').length", "2");
  browser_expect(b, "document.querySelector('#run-list [aria-current] b').textContent", "group/one");
  browser_until(b, "document.querySelector('#figures').textContent.includes('12.5 %')");
  browser_until(
      b, "document.querySelector('#crops img') && document.querySelector('#crops img').naturalWidth === 96");
  browser_size(b, 1280, 1500);
  picture(b, "5-run");
  run(b, "document.querySelector('#run-list a[href=\"#run/plain\"]').click()");
  browser_until(b, "document.querySelectorAll('#charts figure').length === 5");
  browser_expect(b, TROUBLE, "");
  browser_until(b, "document.querySelector('#figures').textContent.includes('Step200')");
  write_plain_run(s, 21); /* grows while it is watched */
  browser_until(b, "document.querySelector('#figures').textContent.includes('Step210')");
  close_page(b);
}

static void a_narrow_scale_has_labels_that_differ(void **state) {
  browser *b = open_page(*state, "#restore");
  browser_expect(
      b,
      "import('./chart.js').then(({Chart}) => [...new Chart({title: 't', series: [{name: 's', points: "
      "[[1, 7.64331], [2, 7.64395], [3, 7.64481]]}]}).node.querySelectorAll('[text-anchor=end]')]"
      ".map((t) => t.textContent).join(' '))",
      "7.6435 7.644 7.6445");
  close_page(b);
}

static void a_server_that_is_gone_is_said(void **state) {
  site *s = *state;
  browser *b = open_page(s, "#run/group%2Fone");
  browser_until(b, "document.querySelectorAll('#charts figure').length === 8");
  nd_server_stop(s->server);
  s->server = NULL;
  browser_until(b, TROUBLE ".startsWith('The server does not answer')");
  picture(b, "8-gone");
  browser_close(b);
}

int main(void) {
  site_prepare();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_cut_off_address_still_shows_the_runs),
      cmocka_unit_test(runs_are_watched),
      cmocka_unit_test(a_narrow_scale_has_labels_that_differ),
      cmocka_unit_test(a_server_that_is_gone_is_said),
  };
  return cmocka_run_group_tests(tests, site_enter, site_leave);
}
