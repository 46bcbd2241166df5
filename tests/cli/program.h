/* Running the program on small pictures in a folder of its own. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "image/image.h"

#include <glib.h>
#include <sys/resource.h>
#include <sys/types.h>

typedef struct outcome {
  int status; /* exit status; -1: killed by a signal */
  char *out, *err;
} outcome;

/* Makes a temporary folder and goes there; the second removes it. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* The program with these arguments, NULL at the end. g_free both texts: outcome_clear. */
outcome run_program(const char *first, ...) G_GNUC_NULL_TERMINATED;
void outcome_clear(outcome *o);
/* The same in the background, its messages in the file "said". */
pid_t start_program(const char *first, ...) G_GNUC_NULL_TERMINATED;
/* Waits for a file to appear, for a minute at most. */
void await_file(const char *path);
/* Sends the signal (0: none) and waits for the end; the status as waitpid has it. */
int end_program(pid_t child, int signal_number);
/* Waits for its end, which must be a good one; the most memory that it took, in MiB. */
long peak_of(pid_t child);
#ifdef __SANITIZE_ADDRESS__ /* keeps what was freed, and shadows all */
enum { SANITIZER_MEGABYTES = 4096 };
#else
enum { SANITIZER_MEGABYTES = 0 };
#endif
/* A full disk: no file may grow beyond this, neither ours nor those of programs we start. */
void limit_file_size(rlim_t bytes);
int files_in(const char *folder); /* 0 too where there is none */
void expect_same_files(const char *a, const char *b);
void expect_run(const char *folder); /* all files of a run that was validated */
/* Fails unless the status is as given. */
void expect_status(int status, const char *first, ...) G_GNUC_NULL_TERMINATED;
/* Fails unless the program exits 1 and says one line that has both texts. */
void expect_failure(const char *text, const char *other, const char *first, ...) G_GNUC_NULL_TERMINATED;

/* What a Python program prints, with the folder of oracles to import from and these arguments (NULL: none;
 * NULL at their end); g_free. NULL: no Python is there that has all modules ("torch, numpy"). Looked
 * for are $ND_PYTHON, python3 and .peer/bin/python in the sources, which the benches take too. Fails when the
 * program does. */
char *run_python(const char *modules, const char *program, char **arguments);

/* The first example in that language ("python", "yaml") on a page of docs/; g_free. */
char *page_example(const char *page, const char *language);

/* A smooth picture with noise of the given deviation; which chooses the content. */
void make_picture(const char *path, int width, int height, int which, double deviation);
/* clean/ and noisy/ with four pictures of 40 x 36. */
void make_pairs(void);
void write_text(const char *path, const char *text);
/* Keeps the first `keep` bytes. */
void truncate_file(const char *path, size_t keep);
/* Makes this the last number of a file of float32 weights. A finite one of which the loss is not is
 * BOUNDLESS. */
#define BOUNDLESS 3e38f
void poison_file(const char *path, float value);
/* A recipe of tiny networks; mode: source, paired, unpaired. */
void write_recipe(const char *path, const char *mode, int steps);
/* The same with these sections' contents: "network: unet, width: 4". */
void write_recipe_of(const char *path, const char *mode, int steps, const char *restoration,
                     const char *diffusion);

#endif
