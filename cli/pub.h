/* What zferry pub and its plain side share: what became of the messages. */
#ifndef ZFERRY_CLI_PUB_H
#define ZFERRY_CLI_PUB_H

#include "input.h"

/* Confirms come on the main thread or on the library's keeper, never two at once. */
typedef struct {
    const cli_t *cli;
    atomic_uint_fast64_t published; /* taken by the library, or by ZeroMQ */
    atomic_uint_fast64_t confirmed; /* by the other side; plain: all that ZeroMQ took */
    atomic_uint_fast64_t refused;   /* by the other side */
    atomic_int code;                /* why the first one was refused */
    uint64_t start_ms;
    zf_sync_t sync; /* what confirmed means */
} pub_tally_t;

/* Publishes one message. Returns 0 or an exit code, having said why. */
typedef int pub_fn (void *arg, zf_bytes_t body);

/* Publishes what the input holds: a message for each line, or one. Returns 0 or an exit code. */
int pub_input (pub_tally_t *tally, input_t *input, pub_fn *publish, void *arg);

/* Says what was done, when somebody wants to know. Returns 0 or an exit code. */
int pub_summary (const pub_tally_t *tally);

/* zferry pub --raw. */
int pub_raw (pub_tally_t *tally, input_t *input);

#endif
