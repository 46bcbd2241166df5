/* Manual pages in roff's man macros. */
#include "cli/describe-private.h"

#include <stdio.h>
#include <string.h>

#define DATE "2026-11-25" /* of what the pages say */

/* Text as it is meant: hyphens that can be copied, backslashes, no line taken for a request. */
static char *roff(const char *text) {
  GString *s = g_string_new(strchr(".'", *text) && *text ? "\\&" : "");
  for (const char *p = text; *p; p++)
    if (*p == '-')
      g_string_append(s, "\\-");
    else if (*p == '\\')
      g_string_append(s, "\\e");
    else
      g_string_append_c(s, *p);
  return g_string_free(s, FALSE);
}

static void print_roff(const char *text) {
  g_autofree char *escaped = roff(text);
  printf("%s\n", escaped);
}

/* Lines that are indented are a table and stay as they are. */
static void print_about(const char *about) {
  g_auto(GStrv) lines = g_strsplit(about, "\n", -1);
  bool table = false;
  for (int i = 0; lines[i]; i++) {
    if (*lines[i] && (*lines[i] == ' ') != table)
      puts((table = !table) ? ".PP\n.nf" : ".fi\n.PP");
    if (*lines[i])
      print_roff(lines[i]);
  }
  if (table)
    puts(".fi");
}

static void print_heading(const char *name, const char *summary) {
  g_autofree char *upper = g_ascii_strup(name, -1);
  g_autofree char *title = roff(upper), *plain = roff(name), *what = roff(summary);
  printf(".TH %s 1 " DATE " \"noiseda %s\" \"User Commands\"\n.SH NAME\n%s \\- %s\n", title, ND_VERSION,
         plain, what);
}

/* Upper-case words are what the reader puts something in place of. */
static void print_usage(const char *command, const char *usage) {
  g_auto(GStrv) forms = g_strsplit(usage, "  |  ", -1);
  puts(".SH SYNOPSIS");
  for (int i = 0; forms[i]; i++) {
    g_autofree char *form = roff(forms[i]);
    printf("%s.B noiseda %s\n[\\fIOPTION\\fR]... %s\n", i ? ".br\n" : "", command, form);
  }
}

static void print_option(const GOptionEntry *e) {
  g_autofree char *name = roff(e->long_name),
                  *argument = e->arg_description ? roff(e->arg_description) : NULL;
  puts(".TP");
  if (e->short_name)
    printf("\\fB\\-%c\\fR, ", e->short_name);
  printf("\\fB\\-\\-%s\\fR", name);
  if (argument)
    printf("=\\fI%s\\fR", argument);
  putchar('\n');
  print_roff(e->description);
}

static void print_end(const char *self) {
  puts(".SH EXIT STATUS\n0: done. 1: failed, with one line that says why. 2: wrong usage.\n"
       "128 + n: stopped by signal n, what was done is saved.\n.SH SEE ALSO");
  GString *s = g_string_new(*self ? ".BR noiseda (1)" : "");
  for (int i = 0; nd_commands[i]; i++)
    if (strcmp(nd_commands[i]->name, self))
      g_string_append_printf(s, "%s.BR noiseda\\-%s (1)", s->len ? ",\n" : "", nd_commands[i]->name);
  puts(s->str);
  g_string_free(s, TRUE);
}

static void print_command(const nd_description *d, void *context) {
  (void)context;
  const char *name = d->command->name;
  static const GOptionEntry help = {.long_name = "help", .short_name = 'h', .description = "show the usage"};
  g_autofree char *page = g_strconcat("noiseda-", name, NULL);
  print_heading(page, d->command->summary);
  print_usage(name, d->usage);
  puts(".SH DESCRIPTION");
  print_about(d->about);
  puts(".SH OPTIONS");
  for (const GOptionEntry *e = d->entries; e->long_name; e++)
    if (nd_option_shown(e))
      print_option(e);
  print_option(&help);
  print_end(name);
}

static void print_program(void) {
  print_heading("noiseda", "train, adapt, evaluate and run image restoration networks on the CPU");
  puts(".SH SYNOPSIS\n.B noiseda\n\\fICOMMAND\\fR [\\fIOPTION\\fR]... \\fIARGUMENT\\fR...\n.SH DESCRIPTION\n"
       "Networks that remove noise, rain or blur learn from synthetic damage and fail on real photographs.\n"
       "noiseda trains such a network, adapts it to real photographs of which no clean version exists\n"
       "(Denoising as Adaptation, ICLR 2025), measures it and uses it, on ordinary processors.\n"
       ".SH COMMANDS");
  for (int i = 0; nd_commands[i]; i++) {
    printf(".TP\n.BR noiseda\\-%s (1)\n", nd_commands[i]->name);
    print_roff(nd_commands[i]->summary);
  }
  puts(".SH OPTIONS");
  for (const GOptionEntry *e = nd_program_options; e->long_name; e++)
    print_option(e);
  print_end("");
}

int nd_cli_man(const char *name) {
  const nd_command *command = nd_command_named(name);
  if (name && !command)
    return nd_cli_wrong("there is no command '%s'", name);
  if (command)
    nd_describe(command, print_command, NULL);
  else
    print_program();
  return ND_EXIT_DONE;
}
