/* bench pubsub: what its modes share. A plan is one run with a crew of its own: a host, one
 * publisher, subscribers; a mode makes plans, runs them and prints a row. */
#ifndef ZFERRY_BENCH_PUBSUB_H
#define ZFERRY_BENCH_PUBSUB_H

#include "bench.h"

/* What the messages go through. */
typedef enum { BENCH_VIA_FORWARDER, BENCH_VIA_DIRECT, BENCH_VIA_STREAM } bench_via_t;

typedef struct {
    const cli_t *cli;
    bench_order_t order;
    bench_transport_t transport;
    bench_via_t via;
    bool raw;                /* plain sockets */
    bool proxy;              /* raw: through bare zmq_proxy instead of a forwarder */
    const char *const *args; /* for the host, ended by NULL */
} bench_plan_t;

/* Sums over all subscribers that read. */
typedef struct {
    uint64_t posted;
    uint64_t confirmed;
    uint64_t refused;
    uint64_t received;
    uint64_t lost;       /* that a subscriber (a group: all of it) has not seen */
    uint64_t duplicated; /* seen more than once */
    uint64_t reordered;
    uint64_t damaged;
    uint64_t missed;      /* in gaps that subscribers were told of */
    uint64_t refills;     /* times that what was lost on the way was fetched again */
    uint64_t first_ns;    /* the first publish, or of a replay the first subscription */
    uint64_t confirm_ns;  /* the last confirm */
    uint64_t receive_ns;  /* the last arrival */
    uint64_t pub_cpu_ns;  /* processor time of the publisher, */
    uint64_t sub_cpu_ns;  /* of all subscribers, */
    uint64_t host_cpu_ns; /* and of the host */
    bool host_known;      /* there is one that can be measured */
    uint64_t host_bytes;  /* its peak memory */
    double p50_us, p99_us;
} bench_pub_result_t;

/* Runs a plan from the first message to the last. Returns 0 or an exit code, having said why. */
int bench_plan_run (const bench_plan_t *plan, bench_pub_result_t *result);

/* Adds to *sum what must be 0 in *result, and returns an exit code if it was not: says so. */
int bench_plan_check (const cli_t *cli, const bench_pub_result_t *result);

/* The messages a second from the first to the last. */
uint64_t bench_plan_rate (const bench_pub_result_t *result);

/* A row with what all modes have in common. */
json_t *bench_plan_row (const char *bench, const bench_plan_t *plan);

/* The modes that run two plans in turns, and the one that reads again. Each returns an exit
 * code. */
int bench_pubsub_raw (const bench_plan_t *plan);
int bench_pubsub_slow (const bench_plan_t *plan);
int bench_pubsub_replay (const bench_plan_t *plan);

#endif
