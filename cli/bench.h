/* The benches, one file each; bench.c has their verbs. */
#ifndef ZFERRY_BENCH_H
#define ZFERRY_BENCH_H

#include "bench_disk.h"

/* Each measures with the options of the verb, or with those given, prints a row and returns an
 * exit code: not 0 if something was lost. */
int bench_queue (const cli_t *cli, uint64_t size, uint64_t count);
int bench_request (const cli_t *cli);
int bench_connections (const cli_t *cli);
int bench_memory (const cli_t *cli);
int bench_journal (const cli_t *cli);
int bench_recovery (const cli_t *cli);
int bench_pubsub (const cli_t *cli);
int bench_peers (const cli_t *cli);

/* bench queue --latency; the journal is asked for. */
int bench_latency (const cli_t *cli, bench_store_t *store);

/* The transport that --transport names, or tcp. Returns 0, or an exit code, having said why. */
int bench_transport (const cli_t *cli, bench_transport_t *transport);

/* What a worker is told to do wrong: --plant, which is not shown to people. */
uint32_t bench_plant (const cli_t *cli);

/* A row with what all benches have in common. */
json_t *bench_row (const char *bench, bench_transport_t transport);

#endif
