/* bench memory: what a queued record costs the broker process beside its payload: records are
 * posted, nobody takes them, and the broker's resident memory is compared with what it was
 * before. */
#include <inttypes.h>
#include <stdlib.h>

#include "bench.h"

#define COUNT      1000000     /* records, default */
#define SIZE       100         /* bytes of a body, default */
#define WARM_UP    1000        /* records in a queue of their own, before the first look */
#define CAP_MARGIN 1073741824u /* bytes the broker may hold beside the payload */

typedef struct {
    const cli_t *cli;
    zf_client_t *client;
    unsigned char *body;
    size_t size;           /* of body */
    uint64_t before_bytes; /* of the broker, without records */
    uint64_t after_bytes;  /* and with them */
} memory_bench_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"size", "body bytes", CLI_COLUMN_NUMBER},
    {"count", "queued records", CLI_COLUMN_NUMBER},
    {"payload_mb", "payload, MB", CLI_COLUMN_NUMBER},
    {"broker_rss_before_mb", "broker memory without, MB", CLI_COLUMN_NUMBER},
    {"broker_rss_mb", "broker memory with them, MB", CLI_COLUMN_NUMBER},
    {"overhead_mb", "beside the payload, MB", CLI_COLUMN_NUMBER},
    {"overhead_bytes_per_record", "bytes for a record", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

static int post_many (memory_bench_t *self, const char *queue, uint64_t count)
{
    zf_error_t err = {0};
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < count && cli_stopped () == 0; i++) {
        bench_body_stamp (self->body, 0, i, 0);
        rc = zf_client_post_async (self->client, queue, self->body, self->size, NULL, NULL, &err);
        if (i % 1024 == 0)
            cli_progress (self->cli, "%" PRIu64 " of %" PRIu64 " records", i, count);
    }
    if (rc == 0)
        rc = zf_client_flush (self->client, -1, &err);
    if (rc != 0)
        return cli_client_fail (self->cli, self->client, &err);
    return cli_stopped () == 0 ? 0 : cli_fail (self->cli, EX_TEMPFAIL, "stopped before the end");
}

/* All of them must be there, or the figure means nothing. */
static int check_length (memory_bench_t *self, const char *queue, uint64_t count)
{
    zf_error_t err = {0};
    zf_queue_info_t info;
    if (zf_admin_queue (self->client, queue, &info, &err) != 0)
        return cli_client_fail (self->cli, self->client, &err);
    if (info.length == count)
        return 0;
    return cli_fail (self->cli, EX_SOFTWARE,
                     "%" PRIu64 " records are queued instead of %" PRIu64 "; that is a bug",
                     info.length, count);
}

static int fill (memory_bench_t *self, const bench_crew_t *crew, uint64_t count)
{
    const char *queue = crew->board->order.queue;
    int rc = post_many (self, "bench.warm", WARM_UP);
    if (rc != 0)
        return rc;
    self->before_bytes = bench_crew_broker_bytes (crew, "VmRSS");
    rc = post_many (self, queue, count);
    self->after_bytes = bench_crew_broker_bytes (crew, "VmRSS");
    return rc == 0 ? check_length (self, queue, count) : rc;
}

static int report (const memory_bench_t *self, uint64_t count)
{
    const cli_t *cli = self->cli;
    double payload = (double) count * (double) self->size;
    double overhead = (double) self->after_bytes - (double) self->before_bytes - payload;
    json_t *row = bench_row ("memory", BENCH_TCP);
    json_object_set_new (row, "size", json_integer ((json_int_t) self->size));
    json_object_set_new (row, "count", json_integer ((json_int_t) count));
    json_object_set_new (row, "payload_mb", bench_real (cli, payload / 1e6, 1));
    json_object_set_new (row, "broker_rss_before_mb",
                         bench_real (cli, (double) self->before_bytes / 1e6, 1));
    json_object_set_new (row, "broker_rss_mb",
                         bench_real (cli, (double) self->after_bytes / 1e6, 1));
    json_object_set_new (row, "overhead_mb", bench_real (cli, overhead / 1e6, 1));
    json_object_set_new (row, "overhead_bytes_per_record",
                         bench_ratio (cli, overhead, (double) count, 1));
    return cli_print_object (cli, columns, row);
}

static int measure (memory_bench_t *self, const bench_crew_t *crew, uint64_t count)
{
    self->body = malloc (self->size);
    if (self->body == NULL)
        return cli_fail (self->cli, EX_OSERR, "out of memory");
    self->cli = crew->cli;
    bench_body_fill (self->body, self->size);
    int rc = cli_client_open (crew->cli, NULL, &self->client);
    if (rc == 0)
        rc = fill (self, crew, count);
    if (rc == 0)
        rc = report (self, count);
    zf_client_close (&self->client);
    free (self->body);
    return rc;
}

int bench_memory (const cli_t *cli)
{
    static bench_crew_t crew;
    uint64_t count = cli_number (cli, "count", COUNT);
    memory_bench_t self = {.cli = cli, .size = cli_number (cli, "size", SIZE)};
    char cap[24];
    snprintf (cap, sizeof cap, "%" PRIu64, count * self.size + CAP_MARGIN);
    const char *args[] = {"--memory", cap, NULL};
    bench_order_t order = {.size = self.size, .sample_every = 1};
    int rc = bench_crew_open (&crew, cli, &order, BENCH_TCP, args);
    if (rc == 0)
        rc = measure (&self, &crew, count);
    bench_crew_close (&crew);
    return rc;
}
