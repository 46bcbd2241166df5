/* A pool of threads that share the ranges of one job. Ranges are fixed by n and the thread count, who does
 * which is not: each is claimed, so a thread that the system keeps from running is not waited for, and
 * one that is faster than the others does more. Workers spin shortly for the next job, since in a network it
 * comes within microseconds, then sleep. */
#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_WORKERS = 255, SPINS = 2000 };

typedef struct job {
  size_t n, parts;
  int threads; /* that nd_threads tells in it */
  bool fixed;  /* a range is told which it is, not who does it */
  nd_range_fn fn;
  void *context;
} job;

static struct pool {
  pthread_mutex_t lock; /* of wake */
  pthread_cond_t wake;
  pthread_mutex_t owner; /* one caller uses the pool at a time */
  int workers;
  pid_t process;
  struct { /* a job, read by workers while it may be rewritten */
    _Atomic size_t n, parts;
    _Atomic int threads;
    _Atomic bool fixed;
    _Atomic nd_range_fn fn;
    void *_Atomic context;
  } job;
  /* Number of the job in the high half, ranges claimed of it in the low half. While job is rewritten the
   * ticket has a number of its own and nothing to claim, so a late worker cannot claim a range of a job that
   * it read half. */
  _Atomic uint64_t ticket;
  _Atomic size_t done;
  _Atomic int asleep;
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .owner = PTHREAD_MUTEX_INITIALIZER};

static _Atomic int wanted;
static _Thread_local bool inside;
static _Thread_local int pinned; /* 0: not */

int nd_threads(void) {
  static _Atomic int processors;
  if (!processors)
    processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (pinned)
    return pinned;
  int n = wanted;
  n = n ? n : processors;
  return n < 1 ? 1 : n > MAX_WORKERS + 1 ? MAX_WORKERS + 1 : n;
}

void nd_set_threads(int n) {
  wanted = n > 0 ? n : 0;
}

int nd_pin_threads(void) {
  int before = pinned;
  pinned = nd_threads();
  return before;
}

void nd_unpin_threads(int before) {
  pinned = before;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void run_range(const job *j, size_t part, int self) {
  j->fn(j->n * part / j->parts, j->n * (part + 1) / j->parts, j->fixed ? (int)part : self, j->context);
}

/* Sound only if the ticket is still of this job afterwards. */
static job read_job(void) {
  return (job){atomic_load_explicit(&pool.job.n, memory_order_relaxed),
               atomic_load_explicit(&pool.job.parts, memory_order_relaxed),
               atomic_load_explicit(&pool.job.threads, memory_order_relaxed),
               atomic_load_explicit(&pool.job.fixed, memory_order_relaxed),
               atomic_load_explicit(&pool.job.fn, memory_order_relaxed),
               atomic_load_explicit(&pool.job.context, memory_order_relaxed)};
}

static void write_job(const job *j) {
  atomic_store_explicit(&pool.job.n, j->n, memory_order_relaxed);
  atomic_store_explicit(&pool.job.parts, j->parts, memory_order_relaxed);
  atomic_store_explicit(&pool.job.threads, j->threads, memory_order_relaxed);
  atomic_store_explicit(&pool.job.fixed, j->fixed, memory_order_relaxed);
  atomic_store_explicit(&pool.job.fn, j->fn, memory_order_relaxed);
  atomic_store_explicit(&pool.job.context, j->context, memory_order_relaxed);
}

/* The caller, number 0, and workers 1, 2, ... */
static int takers(const job *j) {
  return j->parts < (size_t)j->threads ? (int)j->parts : j->threads;
}

/* Takes ranges of job `number` until none is left. */
static void work_on(uint32_t number, int self) {
  int before = pinned;
  inside = true;
  for (;;) {
    uint64_t seen = atomic_load(&pool.ticket);
    job j = read_job();
    size_t part = (uint32_t)seen;
    if ((uint32_t)(seen >> 32) != number || part >= j.parts || self >= takers(&j))
      break;
    if (!atomic_compare_exchange_weak(&pool.ticket, &seen, seen + 1))
      continue;
    pinned = j.threads;
    run_range(&j, part, self);
    atomic_fetch_add(&pool.done, 1);
  }
  inside = false;
  pinned = before;
}

static uint32_t current(void) {
  return (uint32_t)(atomic_load(&pool.ticket) >> 32);
}

static void sleep_until_next(uint32_t number) {
  pthread_mutex_lock(&pool.lock);
  atomic_fetch_add(&pool.asleep, 1);
  while (current() == number)
    pthread_cond_wait(&pool.wake, &pool.lock);
  atomic_fetch_sub(&pool.asleep, 1);
  pthread_mutex_unlock(&pool.lock);
}

static void *worker(void *number_of_it) {
  int self = (int)(intptr_t)number_of_it;
  uint32_t number = 0;
  for (;;) {
    for (int i = 0; i < SPINS && current() == number; i++)
      pause_briefly();
    if (current() == number)
      sleep_until_next(number);
    number = current();
    work_on(number, self);
  }
  return NULL;
}

/* Threads do not survive fork: a child starts its own. What the others slept on would wait for them for ever,
 * and the lock may be that of one that was about to sleep. */
static void begin_process(void) {
  if (pool.process == getpid())
    return;
  pool.process = getpid();
  pool.workers = 0;
  pool.asleep = 0;
  pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  pool.wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

static void start_workers(int n) {
  begin_process();
  for (; pool.workers < n; pool.workers++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, (void *)(intptr_t)(pool.workers + 1)))
      return; /* fewer threads: the caller does their ranges */
    pthread_detach(thread);
  }
}

static void publish(const job *j) {
  uint32_t number = current();
  atomic_store(&pool.ticket, (uint64_t)(uint32_t)(number + 1) << 32 | UINT32_MAX);
  write_job(j);
  atomic_store(&pool.done, 0);
  atomic_store(&pool.ticket, (uint64_t)(uint32_t)(number + 2) << 32);
  if (!atomic_load(&pool.asleep))
    return;
  pthread_mutex_lock(&pool.lock);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
}

static void wait_for_all(size_t parts) {
  for (int spins = 0; atomic_load(&pool.done) < parts; spins++)
    if (spins < SPINS)
      pause_briefly();
    else
      sched_yield();
}

static void run_alone(const job *j) {
  for (size_t part = 0; part < j->parts; part++)
    run_range(j, part, 0);
}

static void run(const job *j) {
  if (!j->n)
    return;
  /* Inside another job, or while another thread of the program uses the pool: the same ranges, one by one. */
  if (j->parts == 1 || inside || pthread_mutex_trylock(&pool.owner)) {
    run_alone(j);
    return;
  }
  start_workers(takers(j) - 1);
  publish(j);
  work_on(current(), 0);
  wait_for_all(j->parts);
  pthread_mutex_unlock(&pool.owner);
}

static size_t parts_of(size_t n, size_t grain, size_t most) {
  size_t parts = grain > 1 ? (n + grain - 1) / grain : n;
  return parts < most ? parts : most;
}

void nd_parallel(size_t n, size_t grain, nd_range_fn fn, void *context) {
  int threads = nd_threads();
  run(&(job){n, parts_of(n, grain, threads > 1 ? (size_t)threads * ND_RANGES_A_THREAD : 1), threads, false,
             fn, context});
}

void nd_parallel_fixed(size_t n, size_t grain, nd_range_fn fn, void *context) {
  int threads = nd_threads();
  run(&(job){n, parts_of(n, grain, (size_t)threads), threads, true, fn, context});
}
