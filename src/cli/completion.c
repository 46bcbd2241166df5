/* Completion scripts for shells. Options are completed by name, their arguments and what follows by files,
 * folders or the words there are. */
#include "cli/describe-private.h"

#include <stdio.h>
#include <string.h>

/* text with a backslash before each of these characters; within single quotes of a shell, too, where a quote
 * itself becomes '\''. The caller's. */
static char *quoted(const char *text, const char *special) {
  GString *s = g_string_new(NULL);
  for (const char *p = text; *p; p++) {
    if (*p == '\'')
      g_string_append(s, "'\\'");
    else if (strchr(special, *p))
      g_string_append_c(s, '\\');
    g_string_append_c(s, *p);
  }
  return g_string_free(s, FALSE);
}

/* What a shell completes an option's argument by: from a list by nd_wants, at whose end stands what comes
 * before and after the words. The caller's. */
static char *action_for(const GOptionEntry *e, const char *const list[ND_WANTS_WORD + 2]) {
  nd_wants wants = nd_option_wants(e);
  if (wants != ND_WANTS_WORD)
    return g_strdup(list[wants]);
  g_autofree char *words = nd_option_words(e);
  return g_strconcat(list[wants], words, list[wants + 1], NULL);
}

/* ---- bash ---- */
/* " --model -m" for all options that want this. */
static void bash_list(const nd_description *d, const char *variable, nd_wants wants) {
  printf("      %s='", variable);
  for (const GOptionEntry *e = d->entries; e->long_name; e++)
    if (nd_option_shown(e) && nd_option_wants(e) == wants) {
      printf(" --%s", e->long_name);
      if (e->short_name)
        printf(" -%c", e->short_name);
    }
  puts(" '");
}

/* What stands after an option that takes one of some words. */
static void bash_choices(const nd_description *d) {
  puts("      case $before in");
  for (const GOptionEntry *e = d->entries; e->long_name; e++)
    if (nd_option_shown(e) && nd_option_wants(e) == ND_WANTS_WORD) {
      g_autofree char *choices = nd_option_words(e);
      printf("        --%s", e->long_name);
      if (e->short_name)
        printf("|-%c", e->short_name);
      printf(") choices='%s' ;;\n", choices);
    }
  puts("      esac");
}

static void bash_command(const nd_description *d, void *context) {
  (void)context;
  g_auto(GStrv) words = nd_usage_words(d);
  g_autofree char *joined = g_strjoinv(" ", words);
  printf("    %s)\n", d->command->name);
  bash_list(d, "plain", ND_WANTS_NOTHING);
  bash_list(d, "text", ND_WANTS_TEXT);
  bash_list(d, "choice", ND_WANTS_WORD);
  bash_choices(d);
  bash_list(d, "file", ND_WANTS_FILE);
  bash_list(d, "folder", ND_WANTS_FOLDER);
  printf("      words='%s' ;;\n", joined);
}

/* Bash splits at "=": "--model=a" is three words. */
static void bash(void) {
  puts("# bash completion for noiseda; written by 'noiseda --completion bash'.\n"
       "_noiseda() {\n"
       "  local now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
       "  local plain= text= file= folder= words= choice= choices=\n"
       "  COMPREPLY=()\n"
       "  if [[ $now == '=' ]]; then now=\n"
       "  elif [[ $before == '=' ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
       "  if ((COMP_CWORD == 1)); then");
  printf("    COMPREPLY=($(compgen -W '");
  for (int i = 0; nd_commands[i]; i++)
    printf("%s ", nd_commands[i]->name);
  for (const GOptionEntry *e = nd_program_options; e->long_name; e++)
    printf("--%s%s", e->long_name, e[1].long_name ? " " : "");
  puts("' -- \"$now\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in");
  for (int i = 0; nd_commands[i]; i++)
    nd_describe(nd_commands[i], bash_command, NULL);
  puts("    *) return ;;\n  esac\n"
       "  if [[ $folder == *\" $before \"* ]]; then\n"
       "    compopt -o filenames 2>/dev/null\n"
       "    mapfile -t COMPREPLY < <(compgen -d -- \"$now\")\n"
       "  elif [[ $choices ]]; then\n"
       "    COMPREPLY=($(compgen -W \"$choices\" -- \"$now\"))\n"
       "  elif [[ $text == *\" $before \"* ]]; then return\n"
       "  elif [[ $now == -* ]]; then\n"
       "    COMPREPLY=($(compgen -W \"$plain $text $choice $file $folder --help\" -- \"$now\"))\n"
       "  elif [[ $words && $file != *\" $before \"* && $COMP_CWORD == 2 ]]; then\n"
       "    COMPREPLY=($(compgen -W \"$words\" -- \"$now\"))\n"
       "  else\n"
       "    compopt -o filenames 2>/dev/null\n"
       "    mapfile -t COMPREPLY < <(compgen -f -- \"$now\")\n"
       "  fi\n}\ncomplete -F _noiseda noiseda");
}

/* ---- zsh ---- */
static void zsh_option(const GOptionEntry *e) {
  static const char *const actions[] = {"", "", "_files", "_files -/", "(", ")"};
  g_autofree char *action = action_for(e, actions);
  g_autofree char *about = quoted(e->description, "[]:\\"),
                  *what = quoted(e->arg_description ? e->arg_description : "", ":\\");
  nd_wants wants = nd_option_wants(e);
  bool again = e->arg == G_OPTION_ARG_STRING_ARRAY || e->arg == G_OPTION_ARG_FILENAME_ARRAY;
  printf("        ");
  if (again)
    printf("'*'");
  else if (e->short_name)
    printf("'(-%c --%s)'", e->short_name, e->long_name);
  if (e->short_name)
    printf("{-%c%s,--%s%s}", e->short_name, wants ? "+" : "", e->long_name, wants ? "=" : "");
  else
    printf("--%s%s", e->long_name, wants ? "=" : "");
  printf("'[%s]", about);
  if (wants)
    printf(":%s:%s", what, action);
  puts("' \\");
}

static void zsh_command(const nd_description *d, void *context) {
  (void)context;
  g_auto(GStrv) words = nd_usage_words(d);
  g_autofree char *joined = g_strjoinv(" ", words);
  printf("    %s)\n      _arguments -s \\\n", d->command->name);
  for (const GOptionEntry *e = d->entries; e->long_name; e++)
    if (nd_option_shown(e))
      zsh_option(e);
  puts("        '(-h --help)'{-h,--help}'[show the usage]' \\");
  if (*joined)
    printf("        '1:what:(%s)' \\\n", joined);
  puts("        '*:file:_files' ;;");
}

static void zsh(void) {
  puts("#compdef noiseda\n# zsh completion for noiseda; written by 'noiseda --completion zsh'.\n"
       "_noiseda() {\n  local -a commands=(");
  for (int i = 0; nd_commands[i]; i++) {
    g_autofree char *summary = quoted(nd_commands[i]->summary, ":\\");
    printf("    '%s:%s'\n", nd_commands[i]->name, summary);
  }
  for (const GOptionEntry *e = nd_program_options; e->long_name; e++) {
    g_autofree char *about = quoted(e->description, ":\\");
    printf("    '--%s:%s'\n", e->long_name, about);
  }
  puts("  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n"
       "  local command=$words[2]\n  shift words\n  ((CURRENT--))\n  case $command in");
  for (int i = 0; nd_commands[i]; i++)
    nd_describe(nd_commands[i], zsh_command, NULL);
  puts("  esac\n}\n_noiseda \"$@\"");
}

/* ---- fish ---- */
static void fish_command(const nd_description *d, void *context) {
  (void)context;
  static const char *const actions[] = {"",       " -x", " -rF", " -xa '(__fish_complete_directories)'",
                                        " -xa '", "'"};
  const char *name = d->command->name;
  g_auto(GStrv) words = nd_usage_words(d);
  for (const GOptionEntry *e = d->entries; e->long_name; e++) {
    if (!nd_option_shown(e)) /* these have no text */
      continue;
    g_autofree char *about = quoted(e->description, "\\"), *action = action_for(e, actions);
    printf("complete -c noiseda -n '__fish_seen_subcommand_from %s' -l %s", name, e->long_name);
    if (e->short_name)
      printf(" -s %c", e->short_name);
    printf("%s -d '%s'\n", action, about);
  }
  printf("complete -c noiseda -n '__fish_seen_subcommand_from %s' -s h -l help -d 'show the usage'\n", name);
  for (int i = 0; words[i]; i++)
    printf("complete -c noiseda -n '__fish_seen_subcommand_from %s' -a %s\n", name, words[i]);
}

static void fish(void) {
  puts("# fish completion for noiseda; written by 'noiseda --completion fish'.");
  for (int i = 0; nd_commands[i]; i++) {
    g_autofree char *summary = quoted(nd_commands[i]->summary, "\\");
    printf("complete -c noiseda -n __fish_use_subcommand -f -a %s -d '%s'\n", nd_commands[i]->name, summary);
  }
  for (const GOptionEntry *e = nd_program_options; e->long_name; e++) {
    g_autofree char *about = quoted(e->description, "\\");
    printf("complete -c noiseda -n __fish_use_subcommand -f -l %s -d '%s'\n", e->long_name, about);
  }
  for (int i = 0; nd_commands[i]; i++)
    nd_describe(nd_commands[i], fish_command, NULL);
}

int nd_cli_completion(const char *shell) {
  static const struct {
    const char *name;
    void (*print)(void);
  } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
  for (size_t i = 0; i < G_N_ELEMENTS(shells); i++)
    if (!g_strcmp0(shells[i].name, shell)) {
      shells[i].print();
      return ND_EXIT_DONE;
    }
  return nd_cli_wrong("--completion is for bash, zsh or fish");
}
