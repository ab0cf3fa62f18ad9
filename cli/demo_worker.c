/* A worker of the demo: takes lines, reports each to the parent, then acknowledges. One that is
 * killed in between has reported lines that will come again: that is what at least once means. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#define ROUND \
    64 /* records taken before they are reported: one write that a pipe keeps in one piece */
#define RECV_MS  50    /* signals are looked at so often */
#define DRAIN_MS 10000 /* for the last acks */
#define CREDIT   256   /* records sent ahead: more would be done twice when the broker dies */
#define NOBODY   UINT64_MAX

typedef struct {
    const cli_t *cli;
    zf_worker_t *worker;
    uint64_t skip;                /* planted: this record is not reported */
    zf_message_t messages[ROUND]; /* taken and not acknowledged */
    size_t count;                 /* of them */
} demo_worker_t;

static int open_worker (demo_worker_t *self)
{
    const char *endpoint = self->cli->args[1];
    zf_error_t err = {0};
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.name = "demo worker";
    options.credit = CREDIT;
    int rc = zf_worker_open (&self->worker, self->cli->args[2], &options, &err);
    return rc == 0 ? 0 : cli_fail_call (self->cli, &err, true);
}

/* Takes what is there and waits a little for the first one. Returns 0, also if there was none. */
static int take (demo_worker_t *self)
{
    zf_error_t err = {0};
    int rc = 0;
    for (self->count = 0; rc == 0 && self->count < ROUND; self->count += rc == 0 ? 1 : 0)
        rc = zf_worker_recv (self->worker, &self->messages[self->count],
                             self->count == 0 ? RECV_MS : 0, &err);
    if (rc == 0 || rc == ZF_E_TIMEOUT || rc == ZF_E_AGAIN)
        return 0;
    return cli_fail_call (self->cli, &err, true);
}

static demo_report_t report_of (const zf_message_t *message)
{
    demo_report_t report = {.number = NOBODY, .attempt = message->attempt};
    zf_bytes_t number = zf_message_header (message, DEMO_HEADER);
    if (number.data != NULL && number.size == sizeof report.number)
        memcpy (&report.number, number.data, sizeof report.number);
    report.checksum = demo_checksum (message->body, message->size);
    return report;
}

static int write_reports (const demo_worker_t *self)
{
    demo_report_t reports[ROUND];
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        reports[count] = report_of (&self->messages[i]);
        count += self->skip == NOBODY || reports[count].number != self->skip ? 1 : 0;
    }
    size_t size = count * sizeof reports[0];
    ssize_t n = 0;
    do
        n = size > 0 ? write (BENCH_CHILD_FD, reports, size) : 0;
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t) size)
        return 0;
    return cli_fail (self->cli, EX_IOERR, "can't report to the demo: %s", strerror (errno));
}

static int acknowledge (demo_worker_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        int rc = zf_worker_ack (self->worker, &self->messages[i]);
        if (rc != 0 && rc != ZF_E_STALE) /* stale: somebody else has it by now */
            return cli_fail (self->cli, EX_SOFTWARE, "ack: %s", zf_strerror (rc));
    }
    return 0;
}

static int work (demo_worker_t *self)
{
    zf_error_t err = {0};
    int rc = 0;
    while (rc == 0 && cli_stopped () == 0) {
        rc = take (self);
        if (rc == 0)
            rc = write_reports (self);
        if (rc == 0)
            rc = acknowledge (self);
    }
    if (rc == 0 && zf_worker_drain (self->worker, DRAIN_MS, &err) != 0)
        rc = cli_fail_call (self->cli, &err, true);
    return rc;
}

int demo_worker_main (cli_t *cli)
{
    static demo_worker_t self;
    if (bench_child_begin (cli->args[0]) != 0)
        return cli_fail (cli, EX_USAGE, "this verb is for zferry demo itself");
    self.cli = cli;
    self.skip = cli_number (cli, "skip", NOBODY);
    int rc = open_worker (&self);
    if (rc == 0)
        rc = work (&self);
    zf_worker_close (&self.worker);
    return rc;
}
