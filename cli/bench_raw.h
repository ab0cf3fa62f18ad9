/* The client of the raw yardstick: see bench_raw.c; its other two roles are in bench_board.h. */
#ifndef ZFERRY_BENCH_RAW_H
#define ZFERRY_BENCH_RAW_H

#include "bench_board.h"

typedef struct {
    void *context; /* a ZeroMQ context of its own */
    void *socket;  /* DEALER */
} bench_raw_t;

/* Connects to the forwarder. Returns 0, or -1 with errno set (zmq_strerror); close it in either
 * case. */
int bench_raw_open (bench_raw_t *self, const char *endpoint, int timeout_ms);

/* There and back. Returns false if that failed or something else came back. */
bool bench_raw_request (bench_raw_t *self, const void *body, size_t size);

void bench_raw_close (bench_raw_t *self);

#endif
