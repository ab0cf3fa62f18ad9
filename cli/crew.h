/* The threads of work and serve: they receive from one worker handle and let a function settle
 * what came.
 *
 * The main thread waits for the signal that asks to stop, for the count to be reached, or for
 * nothing having come for a while; then it drains the worker, which ends the threads, and says
 * what was done. */
#ifndef ZFERRY_CREW_H
#define ZFERRY_CREW_H

#include "cli.h"

typedef struct crew crew_t;

/* Settles all the messages. Returns 0, or an exit code (having said why) that ends the crew. */
typedef int crew_fn (crew_t *crew, zf_message_t *messages, size_t count);

enum { CREW_BATCH_MAX = 512 };

struct crew {
    /* set by the caller: */
    const cli_t *cli;
    crew_fn *handle;  /* called by any of the threads */
    void *arg;        /* for handle */
    uint32_t threads; /* 1 .. 1,024 */
    size_t batch;     /* messages handed to handle at once at most; up to CREW_BATCH_MAX */
    uint64_t limit;   /* messages in all; 0: no limit */
    uint64_t idle_ms; /* ends when nothing has come for so long; 0: never */
    uint32_t credit;  /* 0: as the library sees fit */
    uint64_t hold_ms; /* how long a job may take; 0: the library's default */
    bool direct;      /* --direct, with a broker inside; see announce.h */
    bool on_screen;   /* handle prints on the terminal: no progress line */

    /* private: */
    zf_worker_t *worker;
    atomic_uint_fast64_t taken;     /* of limit, by threads that have or wait for a message */
    atomic_uint_fast64_t active_ms; /* when something came or was settled last */
    atomic_uint running;            /* threads that have not left */
    atomic_int code;                /* what the first of them that failed has returned */
    int wake[2];                    /* a pipe: a thread has left */
    uint64_t start_ms;              /* of the run */
};

/* Options for verbs with a crew. */
#define CREW_OPTIONS                                                                    \
    {.name = "concurrency",                                                             \
     .letter = 'n',                                                                     \
     .kind = CLI_COUNT,                                                                 \
     .value = "N",                                                                      \
     .min = 1,                                                                          \
     .max = 1024,                                                                       \
     .help = "run so many commands at once (default 1)"},                               \
        {.name = "count",                                                               \
         .kind = CLI_COUNT,                                                             \
         .value = "N",                                                                  \
         .min = 1,                                                                      \
         .help = "stop after N messages"},                                              \
        {.name = "idle",                                                                \
         .kind = CLI_TIME,                                                              \
         .value = "TIME",                                                               \
         .min = 1,                                                                      \
         .help = "stop when nothing has come for so long"},                             \
        {.name = "credit",                                                              \
         .kind = CLI_COUNT,                                                             \
         .value = "N",                                                                  \
         .min = 1,                                                                      \
         .max = 1000000,                                                                \
         .help = "messages held here at most (default: measured)"},                     \
    {                                                                                   \
        .name = "hold", .kind = CLI_TIME, .value = "TIME", .min = 1, .max = UINT32_MAX, \
        .help = "a command that takes longer loses its message to others (default 30m)" \
    }

/* Fills in what the options say. */
void crew_from_options (crew_t *crew, const cli_t *cli);

/* Opens a worker on the queue or service cli->args[0], runs, drains, closes. Returns the exit
 * code. */
int crew_run (crew_t *crew);

#endif
