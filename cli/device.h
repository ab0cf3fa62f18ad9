/* Running a device until a signal asks to stop: what broker and balancer share. */
#ifndef ZFERRY_CLI_DEVICE_H
#define ZFERRY_CLI_DEVICE_H

#include "cli.h"

#define DEVICE_LINE_MAX 600 /* bytes of a line; the rest is cut off */

/* What the device's thread tells the main one. */
typedef struct {
    const cli_t *cli;
    int pipe[2];        /* whole lines, never waited for */
    bool verbose;       /* tell of workers and dead letters too */
    atomic_bool failed; /* the device has stopped by itself */
    atomic_uint lost;   /* lines that found the pipe full */
    uint64_t start_ms;  /* when it was started */
    char lines[8192];   /* what came out of the pipe; */
    size_t line_bytes;  /* so much of it is the beginning of a line */
} device_run_t;

#define DEVICE_OPTIONS                                                                           \
    {                                                                                            \
        .name = "verbose", .letter = 'v',                                                        \
        .help = "tell of workers and subscribers that come and go, dead letters, and interfaces" \
    }

/* Prepares. Returns 0 or an exit code, having said why. */
int device_prepare (device_run_t *run, const cli_t *cli);

/* The device's callback; arg is the device_run_t. */
void device_event (void *arg, zf_event_t event, const char *text);

/* The same for a line of any device, a zf_log_fn: does not block. device: may be "". */
void device_log (void *arg, zf_log_level_t level, const char *device, const char *text);

/* Prints what these two have written. */
void device_print_events (device_run_t *run);

/* Tells where the device listens, waits, stops it and says what it did. role: text behind the
 * i-th endpoint, or NULL. Returns the exit code. */
int device_run (device_run_t *run, zf_device_t **device,
                const char *(*role) (const cli_t *cli, size_t i));

/* Says why a device could not be started and returns the exit code. */
int device_fail (const cli_t *cli, const zf_error_t *err);

#endif
