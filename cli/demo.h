/* zferry demo: a broker with a journal, some workers and a producer with a file, each checked by
 * the parent, and two of them killed.
 *
 *   demo.c         the verb, and the verdict     demo_start.c   processes: beginning and end
 *   demo_run.c     posting and watching          demo_worker.c  what a worker process does
 *   demo_kill.c    killing                       demo_book.c    what is known of each line
 *   demo_file.c    the lines to post */
#ifndef ZFERRY_DEMO_H
#define ZFERRY_DEMO_H

#include "bench_disk.h"

#define DEMO_HEADER "demo-number" /* of a record: its number, 8 bytes as they lie in memory */

/* -- the lines --------------------------------------------------------------------------------- */

typedef struct {
    const char *data;  /* without its newline */
    size_t size;       /* of data */
    uint64_t checksum; /* of data */
} demo_line_t;

typedef struct {
    const char *name;   /* where the lines come from, for people */
    char *text;         /* all of them; owned */
    demo_line_t *lines; /* owned */
    size_t count;       /* of lines, at least one */
} demo_file_t;

/* Reads the file (NULL: the default one, "-": standard input). Returns 0, or an exit code, having
 * said why; close it in either case. */
int demo_file_open (const cli_t *cli, demo_file_t *file, const char *path);
void demo_file_close (demo_file_t *file);

uint64_t demo_checksum (const void *data, size_t size);

/* -- the book ---------------------------------------------------------------------------------- */

/* What a worker writes into its pipe for each record, before it acknowledges it. */
typedef struct {
    uint64_t number;   /* of the record, from 0 on */
    uint64_t checksum; /* of the body as it arrived */
    uint64_t attempt;  /* of this delivery */
} demo_report_t;

/* What is known of each record. Record n is line n modulo the number of lines. */
typedef struct {
    const demo_file_t *file; /* the lines */
    unsigned char *sights;   /* how often each record was reported, 255 at most; owned */
    uint64_t total;          /* records in all */
    uint64_t processed;      /* of them reported, once each */
    uint64_t repeated;       /* further reports */
    uint64_t redelivered;    /* reports of deliveries that were not the first */
    uint64_t damaged;        /* reports with a wrong number or checksum */
} demo_book_t;

/* Returns false if there is no memory. */
bool demo_book_open (demo_book_t *book, const demo_file_t *file, uint64_t total);
void demo_book_close (demo_book_t *book);
void demo_book_enter (demo_book_t *book, const demo_report_t *report);

/* Goes through all records posted and counts those that nobody has reported. */
uint64_t demo_book_missing (const demo_book_t *book, uint64_t posted);

/* -- the worker -------------------------------------------------------------------------------- */

/* In a child: "demo-worker PARENT ENDPOINT QUEUE". */
int demo_worker_main (cli_t *cli);

/* -- the parent -------------------------------------------------------------------------------- */

#define DEMO_WORKERS_MAX 32
#define DEMO_QUEUE       "lines"

typedef struct {
    bench_child_t child; /* the process */
    int reports;         /* our end of its pipe; -1: closed */
} demo_hand_t;

typedef struct {
    const cli_t *cli;                    /* the command line, */
    cli_t own_cli;                       /* with our broker's endpoint, */
    const char *endpoint;                /* which is this */
    demo_file_t file;                    /* what is posted */
    demo_book_t book;                    /* what became of it */
    bench_broker_t broker;               /* a process, */
    char root[BENCH_DIR_MAX];            /* a directory of ours, "": none, */
    char journal[BENCH_DIR_MAX + 16];    /* and in it the broker's journal */
    demo_hand_t hands[DEMO_WORKERS_MAX]; /* the workers; the first is the one to be killed */
    size_t hand_count;                   /* of them */
    zf_client_t *client;                 /* the producer */
    uint64_t posted;                     /* records taken by a post call */
    uint64_t confirmed;                  /* of those */
    uint64_t dead;                       /* as the broker says */
    uint64_t start_ms;                   /* when posting began */
    uint64_t pace_ms;                    /* how long it is to take */
    uint64_t moved_ms;                   /* when something last moved */
    uint64_t progress;                   /* what had moved by then */
    uint64_t last_ms;                    /* when the last record was processed */
    uint64_t plain_next_ms;              /* a line is printed then */
    uint64_t broker_next_ms;             /* the broker is asked then */
    uint64_t frozen_ms;                  /* when the worker to be killed was stopped; 0: not yet */
    bool killed;                         /* it was */
    uint64_t paused_ms;                  /* when the workers were stopped; 0: not yet */
    bool broker_killed;                  /* the broker was killed after that, */
    bool recovered;                      /* and the new one has told what it found in its journal */
} demo_t;

/* Starts broker and workers and connects. Returns 0, or an exit code, having said why; clean up
 * in either case. */
int demo_start (demo_t *self);

/* Starts the broker with its journal, or starts it again where it was. */
int demo_start_broker (demo_t *self, bool again);

/* Kills whom it is time to kill. Returns 0, or an exit code, having said why. */
int demo_kill (demo_t *self);

/* Is there somebody who is to be killed but is not yet? */
bool demo_is_killing (const demo_t *self);

/* Posts, kills, watches until all is processed, nothing moves any more, or a signal has ended the
 * posting and the rest is done. Returns 0, or an exit code, having said why. */
int demo_run (demo_t *self);

/* Lets the workers finish what they hold, and reads their last words. */
void demo_dismiss (demo_t *self);

/* Enters all that a worker has reported so far. */
void demo_read_reports (demo_t *self, demo_hand_t *hand);

/* Ends all processes that are left and frees everything. */
void demo_clean_up (demo_t *self);

#endif
