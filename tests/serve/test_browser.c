/* The page in a browser: a photo by hand, by drop and by keyboard, training runs, narrow and dark. Leaves
 * pictures of it in the build folder. Skipped where there is no Chromium. */
#include "browser.h"
#include "site.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STATUS "(document.getElementById('status') || {textContent: ''}).textContent"
#define TROUBLE "document.getElementById('trouble').textContent"
#define READY "!document.getElementById('start').disabled"
#define SHOWN(id) "document.getElementById('" id "')?.hidden === false"
#define TWO_FRAMES "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
#define TEXT(id) "document.getElementById('" id "').textContent"

static browser *open_page(const site *s, const char *where) {
  char *address = g_strdup_printf("http://127.0.0.1:%d/%s", s->port, where);
  browser *b = browser_open(address);
  g_free(address); /* before skip, which does not return */
  if (!b) {
    skip();
    g_assert_not_reached();
  }
  return b;
}

static void close_page(browser *b) {
  if (*browser_complaints(b))
    fail_msg("the browser complains: %s", browser_complaints(b));
  browser_close(b);
}

static void picture(browser *b, const char *name) {
  g_mkdir_with_parents(ND_SCREENSHOTS, 0777);
  g_autofree char *path = g_strconcat(ND_SCREENSHOTS "/", name, ".png", NULL);
  browser_picture(b, path);
}

static char *photo_file(const site *s, const char *name, int width, int height) {
  size_t n;
  g_autofree char *bytes = photo(width, height, 8, strrchr(name, '.'), &n);
  char *path = site_path(s, name);
  assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
  return path;
}

static double number(browser *b, const char *script) {
  g_autofree char *text = browser_value(b, script);
  return g_ascii_strtod(text, NULL);
}

static void run(browser *b, const char *script) {
  g_free(browser_value(b, script));
}

static void click(browser *b, const char *id) {
  g_autofree char *script = g_strdup_printf("document.getElementById('%s').click()", id);
  run(b, script);
}

static void focus(browser *b, const char *id) {
  g_autofree char *script = g_strdup_printf("document.getElementById('%s').focus()", id);
  run(b, script);
}

static void choose_model(browser *b, const char *name) {
  browser_until(b, "document.getElementById('model').options.length > 0");
  g_autofree char *script =
      g_strdup_printf("document.getElementById('model').value = '%s';"
                      "document.getElementById('model').dispatchEvent(new Event('change'))",
                      name);
  run(b, script);
}

/* The page with a photo of that size given, for that model, and not started yet. */
static browser *open_with_photo(const site *s, const char *model, const char *name, int width, int height) {
  browser *b = open_page(s, "#restore");
  g_autofree char *file = photo_file(s, name, width, height);
  choose_model(b, model);
  browser_choose_file(b, "#file", file);
  browser_until(b, READY);
  return b;
}

/* The same, with the model at work on it for some seconds. */
static browser *open_at_work(const site *s, const char *name) {
  browser *b = open_with_photo(s, "slow.safetensors", name, 1000, 1000);
  click(b, "start");
  browser_until(b, STATUS ".startsWith('Restoring')");
  return b;
}

/* The line between before and after follows the pointer and the keys. */
static void compare_by_hand(browser *b) {
  double x = number(b, "document.getElementById('handle').getBoundingClientRect().x + 22"),
         y = number(b, "document.getElementById('handle').getBoundingClientRect().y + 100");
  browser_drag(b, (int)x, (int)y, (int)x - 200, (int)y);
  assert_true(number(b, "document.getElementById('split').value") < 40);
  focus(b, "split");
  browser_key(b, "Home");
  browser_expect(b, "getComputedStyle(document.getElementById('after')).clipPath", "inset(0px)");
  browser_key(b, "End");
  browser_expect(b, "getComputedStyle(document.getElementById('before')).clipPath", "inset(0px)");
  focus(b, "view");
  browser_key(b, "1");
  browser_expect(b, TEXT("zoom-shown"), "100 %");
  browser_key(b, "+");
  browser_expect(b, TEXT("zoom-shown"), "125 %");
  double left = number(b, "document.getElementById('before').getBoundingClientRect().x");
  browser_key(b, "ArrowRight");
  assert_true(number(b, "document.getElementById('before').getBoundingClientRect().x") == left - 50);
  browser_key(b, "0");
}

static void a_photo_by_hand(void **state) {
  site *s = *state;
  browser *b = open_page(s, "");
  g_autofree char *file = photo_file(s, "holiday.png", 480, 360);
  choose_model(b, "tiny.safetensors");
  browser_until(b, TEXT("model-about") ".startsWith('Takes noise out')");
  browser_expect(b, "document.getElementById('start').disabled", "true");
  picture(b, "1-start");
  browser_choose_file(b, "#file", file);
  browser_until(b, SHOWN("before"));
  focus(b, "strength");
  browser_key(b, "ArrowLeft");
  browser_expect(b, TEXT("strength-shown"), "95 %");
  focus(b, "start");
  browser_key(b, "Enter");
  browser_until(b, STATUS ".startsWith('Done in') && " SHOWN("after"));
  browser_until(b, STATUS ".endsWith('holiday.png, 480 × 360 pixels, strength 95 %')");
  browser_expect(b, "document.getElementById('after').naturalWidth", "480");
  browser_expect(b,
                 "fetch(document.getElementById('download').href).then((r) => r.headers.get('content-type'))",
                 "image/png");
  compare_by_hand(b);
  run(b, "document.getElementById('split').value = 50;"
         "document.getElementById('split').dispatchEvent(new Event('input'))");
  picture(b, "2-done");
  g_free(browser_call(b, "Page.reload", "{}")); /* the result outlives the page */
  browser_until(b, STATUS ".startsWith('Done in') && " SHOWN("after"));
  close_page(b);
}

static void a_dropped_photo_that_is_too_large_is_refused_in_words(void **state) {
  site *s = *state;
  browser *b = open_page(s, "#restore");
  choose_model(b, "tiny.safetensors");
  run(b, "window.drop = (bytes, name) => { const data = new DataTransfer();"
         "data.items.add(new File([bytes], name));"
         "document.getElementById('view').dispatchEvent(new DragEvent('drop',"
         "{dataTransfer: data, bubbles: true, cancelable: true})); }");
  run(b, "drop(new Uint8Array(5 << 20), 'huge.png')");
  browser_until(b, STATUS ".startsWith('huge.png has 5.0 MB; this server takes up to 4.0 MB')");
  run(b, "drop(new Uint8Array(100), 'no-photo.png')");
  browser_until(b, READY);
  click(b, "start");
  browser_until(b, STATUS ".startsWith('This is no photo that can be used')");
  g_autofree char *file = photo_file(s, "wide.jpg", 1001, 1000);
  browser_choose_file(b, "#file", file);
  browser_until(b, STATUS " === 'Ready.'");
  click(b, "start");
  browser_until(b,
                STATUS ".startsWith('The photo has 1001 x 1000 pixels; this server takes up to 1 million.')");
  picture(b, "3-refused");
  browser_close(b); /* the browser itself notes refusals as complaints */
}

#define LET_FALL                                                                                             \
  "window.fall = (names, where) => { const data = new DataTransfer();"                                       \
  "for (const name of names) data.items.add(new File([new Uint8Array(100)], name));"                         \
  "where.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})); }"
#define CHOSEN "document.getElementById('file-name').textContent.split(',')[0]"

/* Anywhere on the page, and the same one again after another. */
static void a_photo_can_be_given_in_any_way(void **state) {
  site *s = *state;
  browser *b = open_page(s, "#restore");
  g_autofree char *file = photo_file(s, "first.png", 48, 36);
  choose_model(b, "tiny.safetensors");
  run(b, LET_FALL);
  browser_choose_file(b, "#file", file);
  browser_until(b, CHOSEN " === 'first.png'");
  run(b, "fall(['beside.png'], document.body)");
  browser_until(b, CHOSEN " === 'beside.png'");
  browser_choose_file(b, "#file", file);
  browser_until(b, CHOSEN " === 'first.png'");
  run(b, "fall(['a.png'], document.body)");
  browser_until(b, CHOSEN " === 'a.png'");
  click(b, "start");
  browser_until(b, STATUS ".includes('HEIC, have to be exported as one of these first')");
  browser_expect(b, "document.getElementById('empty').textContent", "There is nothing to show.");
  browser_close(b); /* the browser itself notes refusals as complaints */
}

#define LINE(n) "document.querySelectorAll('#photos li')[" n "]"
#define SAID(n) LINE(n) ".querySelector('p').textContent"

/* Each has its result or its error, and all are there again after a reload. */
static void several_photos_are_restored_one_after_the_other(void **state) {
  site *s = *state;
  browser *b = open_page(s, "#restore");
  size_t n;
  g_autofree char *one = photo_file(s, "one.png", 48, 36), *jpeg = photo(64, 48, 8, ".jpg", &n),
                  *cut = site_path(s, "cut.jpg"), *two = photo_file(s, "two.jpg", 60, 40);
  assert_true(g_file_set_contents(cut, jpeg, (gssize)n / 2, NULL));
  choose_model(b, "tiny.safetensors");
  browser_choose_files(b, "#file", (const char *const[]){one, cut, two, NULL});
  browser_until(b, TEXT("start") " === 'Restore all 3' && " READY);
  browser_expect(b, CHOSEN, "one.png");
  click(b, "start");
  browser_until(b, SAID("0") ".startsWith('Done in') && " SAID("2") ".startsWith('Done in')");
  browser_expect(
      b, SAID("1"),
      "It could not be restored: cannot read 'cut.jpg': the JPEG ends before its picture does; copy "
      "or download it again.");
  browser_expect(b,
                 "[...document.querySelectorAll('#photos li')].map((item) => item.lastChild.hidden).join()",
                 "false,true,false");
  browser_expect(b, "fetch(" LINE("2") ".lastChild.href).then((r) => r.headers.get('content-disposition'))",
                 "attachment; filename=\"two_restored.jpg\"; filename*=UTF-8''two_restored.jpg");
  run(b, LINE("1") ".firstChild.click()");
  browser_expect(b, "document.getElementById('status').classList.contains('bad')", "true");
  browser_expect(b, "document.getElementById('download').hidden", "true");
  run(b, LINE("2") ".firstChild.click()");
  browser_until(b, STATUS ".includes('two.jpg, 60 × 40 pixels') && " SHOWN("after"));
  browser_until(b, "document.getElementById('after').naturalWidth === 60");
  picture(b, "9-several");
  g_free(browser_call(b, "Page.reload", "{}"));
  browser_until(
      b, "document.querySelectorAll('#photos li').length === 2 && " SAID("0") ".startsWith('Done in')");
  browser_until(b, STATUS ".includes('two.jpg, 60 × 40 pixels') && " SHOWN("after"));
  browser_close(b); /* the browser itself notes refusals as complaints */
}

/* The server keeps 32 results. */
static void too_many_photos_at_once_are_said(void **state) {
  browser *b = open_page(*state, "#restore");
  choose_model(b, "tiny.safetensors");
  run(b, LET_FALL);
  run(b, "fall([...Array(35).keys()].map((n) => n + '.png'), document.body)");
  browser_until(b, STATUS ".startsWith('Ready. 3 more were not taken: the server keeps 32 results.')");
  browser_expect(b, "document.querySelectorAll('#photos li').length", "32");
  close_page(b);
}

/* The photo at work is found again, and others wait behind it. */
static void a_photo_at_work_is_not_lost(void **state) {
  browser *b = open_with_photo(*state, "slow.safetensors", "work.jpg", 1000, 1000);
  focus(b, "start");
  browser_key(b, "Enter");
  browser_until(b, STATUS ".startsWith('Restoring')");
  browser_expect(b, "document.activeElement.id", "cancel");
  g_autofree char *other = photo_file(*state, "other.png", 20, 20);
  browser_choose_file(b, "#file", other);
  browser_until(b, SAID("1") " === 'Waiting: 1 photo is before it' && " STATUS ".startsWith('Restoring')");
  g_autofree char *address = browser_value(b, "location.hash");
  click(b, "to-runs");
  browser_until(b, "document.querySelectorAll('#charts figure').length > 0");
  click(b, "to-restore");
  browser_expect(b, "location.hash", address);
  g_free(browser_call(b, "Page.reload", "{}"));
  browser_until(b, STATUS ".startsWith('Restoring')");
  click(b, "cancel");
  browser_until(b, STATUS " === 'Cancelled. To restore it after all, choose it again.'");
  browser_until(b, SAID("1") ".startsWith('Cancelled.')");
  close_page(b);
}

static void a_cut_off_address_still_shows_the_runs(void **state) {
  site *s = *state;
  browser *b = open_page(s, "#run/%");
  browser_until(b, TROUBLE ".startsWith('The run cannot be shown')");
  browser_expect(b, "document.querySelectorAll('#run-list a').length > 0", "true");
  browser_close(b); /* the browser itself notes refusals as complaints */
}

static void waiting_can_be_cancelled(void **state) {
  browser *b = open_at_work(*state, "slow.jpg");
  picture(b, "4-working");
  click(b, "cancel");
  browser_until(b, STATUS " === 'Cancelled.'");
  browser_until(b, READY);
  close_page(b);
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

static void narrow_and_dark(void **state) {
  browser *b = open_with_photo(*state, "tiny.safetensors", "narrow.png", 480, 360);
  click(b, "start");
  browser_until(b, STATUS ".startsWith('Done in') && " SHOWN("after"));
  browser_size(b, 360, 1300);
  browser_dark(b, TRUE);
  browser_until(b, "document.scrollingElement.scrollWidth <= 360");
  run(b, TWO_FRAMES);
  picture(b, "6-narrow-dark");
  browser_expect(b, "getComputedStyle(document.body).backgroundColor", "rgb(20, 24, 23)");
  browser_size(b, 360, 600);
  run(b, "location.hash = ''; location.hash = 'restore'");
  run(b, TWO_FRAMES);
  browser_expect(b, "scrollY", "0"); /* the header is in sight */
  browser_size(b, 360, 1300);
  run(b, "location.hash = 'run/group%2Fone'");
  browser_until(b, "document.querySelectorAll('#charts figure').length === 8");
  browser_until(b, "document.scrollingElement.scrollWidth <= 360");
  picture(b, "7-run-narrow-dark");
  browser_dark(b, FALSE);
  browser_expect(b, "getComputedStyle(document.body).backgroundColor", "rgb(246, 246, 243)");
  close_page(b);
}

/* And the page does not go on saying that it is gone. */
static void a_server_that_comes_back_knows_no_photo(void **state) {
  site *s = *state;
  browser *b = open_at_work(s, "lost.jpg");
  nd_server_stop(s->server);
  s->server = NULL;
  browser_until(b, TROUBLE ".startsWith('The server does not answer')");
  site_start(s, s->port);
  browser_until(b, STATUS ".startsWith('This photo is no longer known')");
  browser_expect(b, TROUBLE, "");
  browser_close(b); /* the browser itself notes refusals as complaints */
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
      cmocka_unit_test(a_photo_by_hand),
      cmocka_unit_test(a_dropped_photo_that_is_too_large_is_refused_in_words),
      cmocka_unit_test(a_photo_can_be_given_in_any_way),
      cmocka_unit_test(several_photos_are_restored_one_after_the_other),
      cmocka_unit_test(too_many_photos_at_once_are_said),
      cmocka_unit_test(a_photo_at_work_is_not_lost),
      cmocka_unit_test(a_cut_off_address_still_shows_the_runs),
      cmocka_unit_test(waiting_can_be_cancelled),
      cmocka_unit_test(runs_are_watched),
      cmocka_unit_test(a_narrow_scale_has_labels_that_differ),
      cmocka_unit_test(narrow_and_dark),
      cmocka_unit_test(a_server_that_comes_back_knows_no_photo),
      cmocka_unit_test(a_server_that_is_gone_is_said),
  };
  return cmocka_run_group_tests(tests, site_enter, site_leave);
}
