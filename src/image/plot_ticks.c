/* Ticks at numbers that people would choose, with as many digits as the step needs. */
#include "image/plot-private.h"

#include <glib.h>
#include <math.h>
#include <string.h>

/* 10^k, exact where a double can be. */
static double power_of_ten(int k) {
  return k >= 0 ? pow(10, k) : 1 / pow(10, -k);
}

/* k / 10^decimals is closer to the decimal number than k * 10^-decimals. */
static double multiple(double i, int digit, int exponent) {
  return exponent < 0 ? i * digit / power_of_ten(-exponent) : i * digit * power_of_ten(exponent);
}

/* Without the locale's decimal comma, which SVG does not know. */
static void print(nd_tick *t, const char *format, double value, const char *unit) {
  g_ascii_formatd(t->label, sizeof t->label - 2, format, value);
  strcat(t->label, unit);
}

/* exponent: of the step's last digit; largest: of all the axis' labels. */
static void label(nd_tick *t, int exponent, double largest) {
  if (largest >= 1e9 || largest < 1e-3) {
    int digits = (int)floor(log10(largest)) - exponent;
    char format[] = "%.0e";
    format[2] = (char)('0' + CLAMP(digits, 0, 9));
    print(t, t->at == 0 ? "%.0f" : format, t->at, "");
  } else if (exponent >= 6) {
    print(t, "%.0f", t->at / 1e6, t->at == 0 ? "" : "M");
  } else if (exponent >= 3 && largest >= 1e4) {
    print(t, "%.0f", t->at / 1e3, t->at == 0 ? "" : "k");
  } else {
    char format[] = "%.0f";
    format[2] = (char)('0' + CLAMP(-exponent, 0, 9));
    print(t, format, t->at, "");
  }
}

int nd_ticks_linear(double low, double high, int wanted, nd_tick out[ND_MOST_TICKS]) {
  double rough = (high - low) / wanted, largest = fmax(fabs(low), fabs(high));
  int exponent = (int)floor(log10(rough)), n = 0;
  double part = rough / power_of_ten(exponent);
  int digit = part <= 1.4 ? 1 : part <= 3.2 ? 2 : part <= 7 ? 5 : 1;
  exponent += part > 7;
  double slack = (high - low) * 1e-9, first = ceil((low - slack) / multiple(1, digit, exponent));
  for (; n < ND_MOST_TICKS; n++) {
    out[n].at = multiple(first + n, digit, exponent) + 0.0; /* no -0 */
    if (out[n].at > high + slack)
      break;
    label(&out[n], exponent, largest);
  }
  return n;
}

static void label_log(nd_tick *t, int exponent) {
  if (exponent < -3 || exponent > 5)
    print(t, "%.0e", t->at, "");
  else
    print(t, "%.6g", t->at, "");
}

/* The given digits of every every-th decade. */
static int decades(double low, double high, const int *digits, int digit_count, int every, nd_tick *out) {
  int n = 0, first = (int)floor(log10(low));
  first = (int)ceil(first / (double)every) * every - every;
  for (int k = first; power_of_ten(k) <= high && n < ND_MOST_TICKS; k += every)
    for (int d = 0; d < digit_count && n < ND_MOST_TICKS; d++) {
      out[n].at = multiple(1, digits[d], k);
      if (out[n].at < low * (1 - 1e-9) || out[n].at > high * (1 + 1e-9))
        continue;
      label_log(&out[n++], k);
    }
  return n;
}

int nd_ticks_log(double low, double high, int wanted, nd_tick out[ND_MOST_TICKS]) {
  static const int digits[] = {1, 2, 5};
  double span = log10(high / low);
  if (span >= 3)
    return decades(low, high, digits, 1, (int)ceil(span / (wanted + 1)), out);
  if (span >= 0.9)
    return decades(low, high, digits, 3, 1, out);
  return nd_ticks_linear(low, high, wanted, out);
}
