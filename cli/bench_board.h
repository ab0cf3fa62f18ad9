/* The board: memory that a bench shares with its roles (producers, workers, idle clients), which
 * are processes of their own or, for inproc, threads.
 *
 * The parent writes the order before any role starts and the flags while they run; each role
 * writes its own slot, and its ledger if it is a worker. A slot is read by the parent at any
 * time. Times are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
 * Errors: -1 or NULL with errno set, or words in a slot. */
#ifndef ZFERRY_BENCH_BOARD_H
#define ZFERRY_BENCH_BOARD_H

#include <stdalign.h>
#include <stdatomic.h>

#include "bench_child.h"

#define BENCH_ROLES_MAX 64      /* producers, workers or other roles of one bench */
#define BENCH_BODY_MIN  16      /* bytes: a record's number and its time */
#define BENCH_SAMPLES   1048576 /* latencies a worker keeps at most */

/* What a role is doing. */
typedef enum { BENCH_STARTING, BENCH_READY, BENCH_DONE, BENCH_FAILED } bench_state_t;

/* Mistakes that a worker makes when it is told to: they prove that the check finds them. */
typedef enum {
    BENCH_PLANT_LOST = 1,       /* does not see the record with number 3 */
    BENCH_PLANT_DUPLICATED = 2, /* sees number 5 twice */
    BENCH_PLANT_REORDERED = 4   /* sees number 9 before number 8 */
} bench_plant_t;

/* What a role has to tell. */
typedef struct {
    alignas (64) _Atomic int state; /* bench_state_t; written last */
    char text[252];                 /* what went wrong, if it failed */
    _Atomic uint64_t posted;        /* producer: records taken by a post call */
    _Atomic uint64_t confirmed;     /* of those, confirmed */
    _Atomic uint64_t refused;       /* of those, refused */
    _Atomic uint64_t
        received;          /* worker: deliveries, acknowledged too; idle role: connected clients */
    uint64_t first_ns;     /* producer: before its first post */
    uint64_t last_ns;      /* producer: its last confirm; worker: its last ack */
    uint64_t cpu_ns;       /* processor time between go and end */
    uint64_t duplicated;   /* worker: records it saw a second time */
    uint64_t reordered;    /* worker: first sights with a lower number than one seen before */
    uint64_t damaged;      /* worker: bodies that are not what was posted */
    uint64_t sample_count; /* worker: latencies in its ledger */
    uint64_t missed;       /* subscriber: records in gaps that it was told of */
    uint64_t refills;      /* subscriber: times that what was lost on the way came again */
} bench_slot_t;

/* What is to be done; the same for all roles. */
typedef struct {
    char endpoint[BENCH_ENDPOINT_MAX]; /* of the broker */
    char queue[64];                    /* of this bench alone */
    uint64_t count;                    /* records of all producers, or idle clients */
    uint64_t size;                     /* bytes of a body */
    uint64_t rate;         /* records a second of all producers; 0: as fast as it goes */
    uint64_t sample_every; /* a power of two; every so many-th record carries its time */
    uint32_t producers;    /* roles with a share of the count */
    uint32_t workers;      /* roles with a ledger */
    uint32_t plant;        /* bench_plant_t */
    bool threads;          /* roles are threads of one process */
    uint32_t topics;       /* publisher: so many, in turn */
    uint64_t window;       /* publisher: messages ahead of the slowest reader; 0: as many as it
                              likes */
    uint32_t stalled;      /* the last so many subscribers stop reading when it begins */
    bool direct;           /* the publisher has the forwarder inside: its endpoint is raw_front; or
                              the echo worker has the broker inside: it binds to endpoint, and
                              writes there what the system chose */
    bool group;            /* subscribers share the records as a group, and acknowledge them */
    bool replay;           /* subscribers begin with the first record, once they are told to go */
} bench_order_t;

typedef struct {
    bench_order_t order;
    uint64_t total_bytes;               /* of the board, ledgers included */
    char raw_front[BENCH_ENDPOINT_MAX]; /* of the raw forwarder or echo, for its client */
    char raw_back[BENCH_ENDPOINT_MAX];  /* of the raw forwarder, for its worker */
    alignas (64) _Atomic bool go;       /* producers may begin */
    _Atomic bool halt;                  /* producers are to stop early */
    _Atomic bool finish;                /* workers are to end */
    bench_slot_t producer[BENCH_ROLES_MAX];
    bench_slot_t worker[BENCH_ROLES_MAX];
    alignas (64) unsigned char ledgers[]; /* of each worker: bitmaps by producer, then samples */
} bench_board_t;

/* *fd is what a child needs to attach; close it. Returns NULL with errno set if there is no
 * memory. */
bench_board_t *bench_board_create (const bench_order_t *order, int *fd);

/* In a child: maps the board of its parent. Returns NULL with errno set. */
bench_board_t *bench_board_attach (int fd);
void bench_board_destroy (bench_board_t **board);

/* How many of the count are the producer's. */
uint64_t bench_board_share (const bench_order_t *order, uint32_t producer);

/* The bits of the records of a producer that a worker has seen, and its latencies. */
_Atomic uint64_t *bench_board_bits (bench_board_t *board, uint32_t worker, uint32_t producer);
uint64_t *bench_board_samples (bench_board_t *board, uint32_t worker);
uint64_t bench_board_sample_room (const bench_order_t *order);

/* Records of all producers that some worker has seen; *shared (may be NULL): sights of a record
 * that another worker has seen too. */
uint64_t bench_board_seen (bench_board_t *board, uint64_t *shared);

/* Records of all producers that this worker has seen. */
uint64_t bench_board_seen_by (bench_board_t *board, uint32_t worker);

/* -- bodies ------------------------------------------------------------------------------------ */

/* Writes number and time into a body that bench_body_fill has filled. */
void bench_body_fill (unsigned char *body, size_t size);
void bench_body_stamp (unsigned char *body, uint32_t producer, uint64_t number, uint64_t ns);

/* A worker's book of what it has received. */
typedef struct {
    bench_board_t *board;
    bench_slot_t *slot;                      /* the worker's own */
    uint64_t *samples;                       /* its latencies */
    _Atomic uint64_t *bits[BENCH_ROLES_MAX]; /* records seen, for each producer */
    uint64_t share[BENCH_ROLES_MAX];         /* records that each producer posts */
    uint64_t next[BENCH_ROLES_MAX];          /* 1 + the highest number seen, for each producer */
    unsigned char *expected;                 /* a filled body, to compare with; owned */
} bench_ledger_t;

/* Returns false if there is no memory. */
bool bench_ledger_open (bench_ledger_t *ledger, bench_board_t *board, uint32_t worker);
void bench_ledger_close (bench_ledger_t *ledger);

/* Books a body. Returns true if its time of arrival matters: it carries its time of departure, or
 * is one of the last of its producer. */
bool bench_ledger_book (bench_ledger_t *ledger, const void *body, size_t size);

/* -- roles ------------------------------------------------------------------------------------- */

/* Run a role to its end; what went wrong is in its slot: producer[index] of producer, forwarder,
 * publisher, raw_pub and raw_proxy, worker[index] of the others. */
void bench_producer_run (bench_board_t *board, uint32_t index);
void bench_forwarder_run (bench_board_t *board, uint32_t index);
void bench_worker_run (bench_board_t *board, uint32_t index);
void bench_echo_run (bench_board_t *board, uint32_t index);
void bench_idle_run (bench_board_t *board, uint32_t index);
void bench_raw_worker_run (bench_board_t *board, uint32_t index);
void bench_raw_echo_run (bench_board_t *board, uint32_t index);
void bench_publisher_run (bench_board_t *board, uint32_t index);
void bench_subscriber_run (bench_board_t *board, uint32_t index);
void bench_raw_pub_run (bench_board_t *board, uint32_t index);
void bench_raw_sub_run (bench_board_t *board, uint32_t index);
void bench_raw_proxy_run (bench_board_t *board, uint32_t index);
void bench_peer_echo_run (bench_board_t *board, uint32_t index);
void bench_raw_sink_run (bench_board_t *board, uint32_t index);

/* For roles: tell the parent. */
void bench_slot_ready (bench_slot_t *slot);
void bench_slot_done (bench_slot_t *slot);
void bench_slot_fail (bench_slot_t *slot, const char *format, ...) ZF_PRINTF (2, 3);

/* For roles: wait until the parent says go, or finish. Returns false for finish. */
bool bench_board_await_go (bench_board_t *board);

/* For roles: processor time of this one, of its process or of its thread if it shares one. */
uint64_t bench_role_cpu_ns (const bench_board_t *board);

/* For roles that are paced: sleep until a record is due and return that time, so that a delay of
 * ours counts as latency. */
uint64_t bench_await_turn (uint64_t first_ns, uint64_t interval_ns, uint64_t number);

/* Sleeps for as short as makes sense: somebody is to get on meanwhile. */
void bench_pause (void);

/* For publishers: waits until the slowest subscriber that reads is no more than the window behind
 * that number, or the parent says halt. */
void bench_await_room (bench_board_t *board, uint64_t number);

/* For them: the time between two records of a role (0: as fast as it goes), and exact sleeps. */
uint64_t bench_interval_ns (const bench_order_t *order);

/* -- figures ----------------------------------------------------------------------------------- */

uint64_t bench_now_ns (void);

/* Processor time of a process (0: this one), all threads; 0 when it is gone. */
uint64_t bench_cpu_ns (pid_t pid);

/* A line of /proc/PID/status in bytes: "VmRSS", "VmHWM"; 0 when it is gone. */
uint64_t bench_memory_bytes (pid_t pid, const char *field);

/* The p-th part (0..1) of the samples, which are sorted by this, in microseconds; 0 without
 * samples. */
double bench_percentile_us (uint64_t *ns, size_t count, double p);

/* A number with so many digits behind the point, in JSON or for people; a quotient, unknown
 * without a whole; and what is not known. */
json_t *bench_real (const cli_t *cli, double value, int digits);
json_t *bench_ratio (const cli_t *cli, double part, double whole, int digits);
json_t *bench_unknown (const cli_t *cli);

uint64_t bench_per_second (uint64_t count, uint64_t ns);

#endif
