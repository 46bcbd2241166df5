/* What every room stands on: errors, log, counter-based random numbers, accounted memory, threads. */
#ifndef ND_BASE_H
#define ND_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Errors -------------------------------------------------------------------------------------------
 * Functions that can fail return 0, or -1 after leaving a message in a thread-local place. They never print
 * and never exit. A message says what was attempted, on which file or node, what was found, what would help.
 */

/* Each control character of text but those of kept becomes a question mark: what a stranger's file says of
 * itself must not break a message in two, or steer the terminal. Of messages and the log this is done to all.
 */
void nd_make_printable(char *text, const char *kept);

/* Sets this thread's error message; always returns -1, so that `return nd_fail(...)` reads well. */
int nd_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same of a call of the system that failed with errno `cause`: "what: No space left on device". */
int nd_fail_of(int cause, const char *what, ...) __attribute__((format(printf, 2, 3)));
/* Whether the last failure on this thread was one of nd_fail_of for want of room: whoever writes many files
 * need not try the next. */
bool nd_error_no_room(void);
/* Puts context in front of the message already there ("context: message"); returns -1. */
int nd_fail_in(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Adds what follows from it, or would help, to the message already there: "message; more" or, where that ends
 * as a sentence does, "Message? More"; returns -1. Arguments may not be nd_error(). */
int nd_fail_and(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What a sentence that ends in text still needs: "." or "". */
const char *nd_full_stop(const char *text);
/* The message of the last failure on this thread; "" when there was none. Valid until the next failure. */
const char *nd_error(void);
void nd_error_clear(void);

/* ---- Log ----------------------------------------------------------------------------------------------
 * Library code says things worth knowing through nd_log; nothing is printed unless a sink is set.
 */
typedef enum nd_log_level { ND_LOG_INFO, ND_LOG_WARNING } nd_log_level;
typedef void (*nd_log_sink)(nd_log_level level, const char *message, void *context);
void nd_log_set_sink(nd_log_sink sink, void *context);
void nd_log(nd_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Random numbers -----------------------------------------------------------------------------------
 * A number is a function of (seed, step, sample, purpose, index) and of nothing else: Philox4x32-10, Salmon
 * et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). The key is the seed; the counter is
 * {index / 4, sample, step, purpose}.
 */
typedef enum nd_purpose {
  ND_RANDOM_WEIGHTS = 1, /* initial weights */
  ND_RANDOM_PICK,        /* which picture, which patch, which flip: the pair */
  ND_RANDOM_PICK_REAL,   /* the same for the real photo */
  ND_RANDOM_PICK_CLEAN,  /* the same for the unpaired clean photo */
  ND_RANDOM_DEGRADE,     /* synthetic degradation of a patch */
  ND_RANDOM_NOISE,       /* epsilon of the forward process */
  ND_RANDOM_LEVEL,       /* t and gamma */
  ND_RANDOM_SHUFFLE,     /* channel shuffling, positive condition */
  ND_RANDOM_SHUFFLE_NEGATIVE,
  ND_RANDOM_DROPOUT,
  ND_RANDOM_SAMPLER,
  ND_RANDOM_TEST,
  ND_RANDOM_BOOTSTRAP, /* pictures drawn again, for confidence intervals */
  ND_RANDOM_FLAT,      /* which squares of a real photo are looked at for its noise */
  ND_RANDOM_DAMAGE,    /* what is put on a clean patch in place of its own degradation */
  ND_RANDOM_FIT        /* settings of a degradation that are tried */
} nd_purpose;

typedef struct nd_rng {
  uint32_t key[2], counter[4], block[4];
  int used; /* numbers of block already handed out */
} nd_rng;

void nd_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);
nd_rng nd_rng_make(uint64_t seed, uint64_t step, uint32_t sample, nd_purpose purpose);
/* Another stream for the same seed, step, sample and purpose, whatever was drawn from r; 1 <= branch < 65536.
 */
nd_rng nd_rng_branch(const nd_rng *r, uint32_t branch);
uint32_t nd_rng_u32(nd_rng *r);
uint32_t nd_rng_below(nd_rng *r, uint32_t n); /* uniform in {0 .. n-1}, unbiased; n >= 1 */
double nd_rng_uniform(nd_rng *r);             /* uniform in (0, 1), 32 random bits */
double nd_rng_between(nd_rng *r, double a, double b);
double nd_rng_normal(nd_rng *r);               /* N(0, 1), Box-Muller */
double nd_rng_poisson(nd_rng *r, double mean); /* exact below 30, normal approximation above */
void nd_rng_fill_normal(nd_rng *r, float *out, size_t n);

/* ---- Memory -------------------------------------------------------------------------------------------
 * Large buffers, 64-byte aligned, zeroed, and counted.
 */
/* From how many bytes on a buffer is to be in huge pages; at first, from 4 MB on. They pay in the long run: a
 * virtual machine that gives back what is not used has to fetch each anew, which takes ten times as long as
 * to clear it. */
void nd_mem_set_huge(size_t bytes);
void *nd_mem_alloc(size_t bytes, const char *what); /* NULL and an error when there is not that much */
void nd_mem_free(void *p);
size_t nd_mem_used(void);
size_t nd_mem_peak(void);
/* Bytes that can still be taken: what the system has left, or less where control groups limit this process.
 * root: "/", or where a test keeps its proc and sys. 0: nothing is known. */
size_t nd_mem_available(const char *root);

/* "16 bytes", "1.50 MiB", "96.0 MiB", "2.00 GiB": for messages, as nd_bytes(n).text. */
typedef struct nd_bytes_text {
  char text[24];
} nd_bytes_text;
nd_bytes_text nd_bytes(double n);

/* "1 picture", "0 pictures", "3 patches": for messages, as nd_count(n, "patch").text. */
typedef struct nd_count_text {
  char text[64];
} nd_count_text;
nd_count_text nd_count(size_t n, const char *one);

/* "1.50", "-0.25", and "0.00" where rounding would leave "-0.00": for people, as nd_fixed(x, 2).text. */
typedef struct nd_fixed_text {
  char text[344]; /* the largest double has 309 digits before the point */
} nd_fixed_text;
nd_fixed_text nd_fixed(double x, int decimals); /* up to 32 of them */

/* ---- Threads ------------------------------------------------------------------------------------------
 * Work is cut in a way that depends on n and the thread count alone, so sums are the same in every run.
 */
int nd_threads(void);       /* how many nd_parallel uses; at first the processors at hand */
void nd_set_threads(int n); /* n >= 1; 0: the processors at hand */
/* From here on nd_threads stays what it is for this thread and what helps it, whatever nd_set_threads says
 * meanwhile: plans have buffers for each thread. What nd_unpin_threads is to be given, so pins may nest. */
int nd_pin_threads(void);
void nd_unpin_threads(int before);
typedef void (*nd_range_fn)(size_t begin, size_t end, int thread, void *context);
enum { ND_RANGES_A_THREAD = 8 }; /* of nd_parallel, at most */
/* Calls fn on disjoint ranges that cover [0, n), several for each thread, none shorter than grain but the
 * last: a processor that is slower than the others, or shared with another program, does fewer of them.
 * `thread`: who does it, below nd_threads() and the number of ranges; no two at once have the same. Runs in
 * the caller inside another nd_parallel. A range whose thread does not get a processor is done by another: on
 * a busy machine nobody waits for a thread that has not started. */
void nd_parallel(size_t n, size_t grain, nd_range_fn fn, void *context);
/* The same with at most one range for each thread, and `thread` the range's number: for sums that are kept
 * apart by it. */
void nd_parallel_fixed(size_t n, size_t grain, nd_range_fn fn, void *context);

/* ---- Clock --------------------------------------------------------------------------------------------
 */
int64_t nd_clock(void); /* nanoseconds since some fixed moment; never goes back */

/* ---- Files --------------------------------------------------------------------------------------------
 */
/* Writes bytes to a temporary file beside path, syncs, renames: path holds the old content or the new. The
 * temporary file has no name, where the file system can: nothing is left of it, however the program ends.
 * What is there and no ordinary file (a folder, a device) is refused. */
int nd_file_write_atomic(const char *path, const void *bytes, size_t n);

/* A folder with those that it lies in; the same for the one that a file is to lie in. What is there is fine.
 */
int nd_folder_make(const char *path);
int nd_folder_make_for(const char *file);

/* Before path is written: an error when something is there that may not be replaced. path NULL: fine. */
int nd_file_check_new(const char *path, bool overwrite);
/* The same of one of many files, which may also be left as it is: 0: to be written, 1: there, and to be left
 * (skip_existing). */
int nd_file_check_one(const char *path, bool overwrite, bool skip_existing);

/* The same for content too large to be held in one piece: begin, put any number of times, then commit. A put
 * that failed makes commit fail likewise, so its result may be ignored. Until commit path is untouched. */
typedef struct nd_file_out nd_file_out;
nd_file_out *nd_file_begin(const char *path); /* NULL on error */
int nd_file_put(nd_file_out *file, const void *bytes, size_t n);
/* For whoever writes by itself, instead of put; the file's own, open for reading too. */
int nd_file_descriptor(const nd_file_out *file);
int nd_file_commit(nd_file_out *file);   /* file is gone in any case; on error path is as it was */
void nd_file_discard(nd_file_out *file); /* instead of commit */

/* All n bytes to an open file, however often the system takes but a part; -1 with errno set. */
int nd_write_all(int fd, const char *bytes, size_t n);

/* ---- Spools -------------------------------------------------------------------------------------------
 * `bytes` bytes in memory, or where that is more than `limit` in a temporary file (in TMPDIR, else /var/tmp).
 * Errors say which folder and how to choose another. NULL: there is none.
 */
typedef struct nd_spool nd_spool;
nd_spool *nd_spool_new(size_t bytes, size_t limit);
void nd_spool_free(nd_spool *s);                /* NULL is fine */
const void *nd_spool_memory(const nd_spool *s); /* NULL: in the file of ... */
int nd_spool_descriptor(const nd_spool *s);     /* ... this descriptor, -1: in memory; both the spool's */
int nd_spool_read(const nd_spool *s, size_t at, void *to, size_t n);
int nd_spool_write(nd_spool *s, size_t at, const void *from, size_t n);

/* A function compiled for several instruction sets, the best chosen when the program starts. It must not
 * itself open a parallel region: the compiler outlines those before it clones. GCC alone: Clang 14 gives the
 * resolvers of static functions global names, so that two files with a function of one name do not link. */
#if defined(ND_NO_CLONES) || !defined(__x86_64__) || defined(__clang__)
#define ND_KERNEL
#else
#define ND_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

/* A function that such ones are made of. A plain inline one may be left outside of them, and then it is
 * compiled for the oldest instruction set alone. */
#define ND_KERNEL_PART static inline __attribute__((always_inline))

#endif
