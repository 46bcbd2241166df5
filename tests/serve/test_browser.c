/* Photos on the page: by hand, by drop and by keyboard, several, cancelled, narrow and dark. */
#include "page.h"

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

static void waiting_can_be_cancelled(void **state) {
  browser *b = open_at_work(*state, "slow.jpg");
  picture(b, "4-working");
  click(b, "cancel");
  browser_until(b, STATUS " === 'Cancelled.'");
  browser_until(b, READY);
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

int main(void) {
  site_prepare();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_photo_by_hand),
      cmocka_unit_test(a_dropped_photo_that_is_too_large_is_refused_in_words),
      cmocka_unit_test(a_photo_can_be_given_in_any_way),
      cmocka_unit_test(several_photos_are_restored_one_after_the_other),
      cmocka_unit_test(too_many_photos_at_once_are_said),
      cmocka_unit_test(a_photo_at_work_is_not_lost),
      cmocka_unit_test(waiting_can_be_cancelled),
      cmocka_unit_test(narrow_and_dark),
      cmocka_unit_test(a_server_that_comes_back_knows_no_photo),
  };
  return cmocka_run_group_tests(tests, site_enter, site_leave);
}
