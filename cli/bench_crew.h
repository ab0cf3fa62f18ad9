/* The crew of a bench: a broker, a board, and the roles around it.
 *
 * Roles are processes; for inproc they are threads of this one, and so is the broker. The crew
 * watches them: a role that fails or dies ends the bench with an error in words.
 * Threads: the main one only. */
#ifndef ZFERRY_BENCH_CREW_H
#define ZFERRY_BENCH_CREW_H

#include <pthread.h>

#include "bench_board.h"

#define BENCH_HIRED_MAX (2 * BENCH_ROLES_MAX)

/* One that was hired. */
typedef struct {
    const char *role;    /* its name, see bench_crew_hire */
    uint32_t index;      /* among those of its kind */
    bench_slot_t *slot;  /* its own */
    bench_child_t child; /* its process; */
    pthread_t thread;    /* or its thread */
} bench_hired_t;

typedef struct {
    const cli_t *cli;      /* the command line, */
    cli_t own_cli;         /* with the broker's endpoint, */
    const char *endpoint;  /* which is this */
    bench_board_t *board;  /* what all roles see */
    int fd;                /* of the board; -1: none */
    bench_broker_t broker; /* our own broker in a process, */
    zf_device_t *device;   /* or embedded for inproc; neither with --connect */
    bench_hired_t hired[BENCH_HIRED_MAX];
    size_t hired_count;
} bench_crew_t;

/* Starts the broker, unless --connect names one, and makes the board; endpoint, queue and threads
 * of the order are filled in. Returns 0, or an exit code, having said why; close the crew in
 * either case. */
int bench_crew_open (bench_crew_t *crew, const cli_t *cli, bench_order_t *order,
                     bench_transport_t transport, const char *const *broker_args);

/* What the roles talk through. */
typedef enum {
    BENCH_HOST_BROKER,
    BENCH_HOST_FORWARDER,
    BENCH_HOST_NONE /* nothing that the crew starts: the order's endpoint stays empty */
} bench_host_t;

/* The same with another host than a broker. */
int bench_crew_open_host (bench_crew_t *crew, const cli_t *cli, bench_order_t *order,
                          bench_transport_t transport, const char *const *args, bench_host_t host);

/* Adds a role: "producer", "forwarder", "worker", "echo", "idle", "raw-worker", "raw-echo",
 * "publisher", "subscriber", "raw-pub", "raw-sub", "raw-proxy", "peer-echo", "raw-sink". */
int bench_crew_hire (bench_crew_t *crew, const char *role, uint32_t index);

/* Waits until all hired are ready. */
int bench_crew_await_ready (bench_crew_t *crew);

/* Looks after them. Returns 0, or an exit code when something failed or a signal asks to stop;
 * says why. */
int bench_crew_look (bench_crew_t *crew);

/* Tells all roles to finish and waits for their ends; those that only know how to be killed are. */
int bench_crew_finish (bench_crew_t *crew);

/* Ends whatever is still there. */
void bench_crew_close (bench_crew_t *crew);

/* Processor time of the broker so far, and its memory; 0 when it is not ours to measure. With an
 * embedded broker the time is that of the whole process, and so is the memory. */
uint64_t bench_crew_broker_cpu_ns (const bench_crew_t *crew);
uint64_t bench_crew_broker_bytes (const bench_crew_t *crew, const char *field);
bool bench_crew_has_broker (const bench_crew_t *crew);

/* In a child: runs the role of that name. Returns an exit code. */
int bench_role_main (const cli_t *cli, const char *role, const char *index);

#endif
