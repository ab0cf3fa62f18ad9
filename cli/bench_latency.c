/* bench queue --latency: what a lone durable post costs, from the call to its confirm, beside what
 * it cannot do without: the disk's own write and fdatasync of as many bytes, and the way to another
 * process and back on bare libzmq. The three take turns. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zmq.h>

#include "bench.h"
#include "bench_raw.h"

#define COUNT      2000 /* of each kind, default */
#define ROUND      20   /* of a kind in a row */
#define WARM_UP    200  /* not counted */
#define TIMEOUT_MS 10000
#define GUESS      256  /* bytes of an entry beside its body, when the broker does not say */
#define BODY_ROOM  4096 /* bytes of an entry beside its body at most */

typedef struct {
    bench_crew_t *crew;
    const cli_t *cli;    /* the crew's */
    const char *dir;     /* the file's */
    uint64_t size;       /* of a body */
    uint64_t count;      /* of each kind */
    uint64_t entry_size; /* what a post takes in the journal */
    bench_file_t file;
    bench_raw_t raw;
    zf_client_t *client;
    unsigned char *body;  /* large enough to be written as an entry, too */
    uint64_t *post_ns;    /* each count of them: post to confirm, */
    uint64_t *disk_ns;    /* write and fdatasync, */
    uint64_t *network_ns; /* there and back */
} latency_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"transport", "transport", CLI_COLUMN_TEXT},
    {"sync", "sync", CLI_COLUMN_TEXT},
    {"size", "body bytes", CLI_COLUMN_NUMBER},
    {"entry_size", "bytes in the journal", CLI_COLUMN_NUMBER},
    {"count", "posts", CLI_COLUMN_NUMBER},
    {"confirm_p50_us", "post to confirm, p50 us", CLI_COLUMN_NUMBER},
    {"confirm_p99_us", "p99 us", CLI_COLUMN_NUMBER},
    {"disk_p50_us", "write and fdatasync, p50 us", CLI_COLUMN_NUMBER},
    {"disk_p99_us", "p99 us", CLI_COLUMN_NUMBER},
    {"raw_p50_us", "bare libzmq there and back, p50 us", CLI_COLUMN_NUMBER},
    {"raw_p99_us", "p99 us", CLI_COLUMN_NUMBER},
    {"beyond_p50_us", "confirm beyond disk and way, p50 us", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- one of each kind -------------------------------------------------------------------------- */

static int post_once (latency_t *self, uint64_t *ns)
{
    zf_error_t err = {0};
    const char *queue = self->crew->board->order.queue;
    uint64_t before = bench_now_ns ();
    int rc = zf_client_post (self->client, queue, self->body, self->size, NULL, &err);
    *ns = bench_now_ns () - before;
    return rc == 0 ? 0 : cli_client_fail (self->cli, self->client, &err);
}

static int sync_once (latency_t *self, uint64_t *ns)
{
    return bench_file_write (&self->file, self->body, self->entry_size, ns);
}

static int travel_once (latency_t *self, uint64_t *ns)
{
    uint64_t before = bench_now_ns ();
    bool back = bench_raw_request (&self->raw, self->body, self->size);
    *ns = bench_now_ns () - before;
    return back ? 0
                : cli_fail (self->cli, EX_UNAVAILABLE, "the bare libzmq side did not answer: %s",
                            zmq_strerror (errno));
}

/* -- rounds ------------------------------------------------------------------------------------ */

typedef int once_fn (latency_t *self, uint64_t *ns);

static int go_round (latency_t *self, once_fn *once, uint64_t *times, uint64_t count)
{
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        rc = once (self, &times[i]);
        if (cli_stopped () != 0)
            return cli_fail (self->cli, EX_TEMPFAIL, "stopped before the end");
    }
    return rc;
}

static int go_rounds (latency_t *self)
{
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < self->count; at += ROUND) {
        uint64_t some = self->count - at < ROUND ? self->count - at : ROUND;
        cli_progress (self->cli, "%" PRIu64 " of %" PRIu64 " posts", at, self->count);
        rc = go_round (self, sync_once, self->disk_ns + at, some);
        if (rc == 0)
            rc = go_round (self, travel_once, self->network_ns + at, some);
        if (rc == 0)
            rc = go_round (self, post_once, self->post_ns + at, some);
        if (rc == 0)
            rc = bench_crew_look (self->crew);
    }
    return rc;
}

/* Posts that are not counted, and how many bytes each of them took in the journal. */
static int warm_up (latency_t *self)
{
    uint64_t before = 0, after = 0, times[WARM_UP];
    int rc = bench_store_written (self->cli, &before);
    if (rc == 0)
        rc = go_round (self, post_once, times, WARM_UP);
    if (rc == 0)
        rc = bench_store_written (self->cli, &after);
    uint64_t each = (after - before) / WARM_UP;
    if (each > 0 && each <= self->size + BODY_ROOM)
        self->entry_size = each;
    return rc;
}

/* -- beginning, end, and figures --------------------------------------------------------------- */

static int make_room (latency_t *self)
{
    self->body = malloc (self->size + BODY_ROOM);
    self->post_ns = malloc (self->count * sizeof *self->post_ns);
    self->disk_ns = malloc (self->count * sizeof *self->disk_ns);
    self->network_ns = malloc (self->count * sizeof *self->network_ns);
    if (self->body == NULL || self->post_ns == NULL || self->disk_ns == NULL ||
        self->network_ns == NULL)
        return cli_fail (self->cli, EX_OSERR, "out of memory");
    bench_body_fill (self->body, self->size + BODY_ROOM);
    return 0;
}

static int open_sides (latency_t *self)
{
    bench_board_t *board = self->crew->board;
    self->cli = self->crew->cli;
    snprintf (board->raw_front, sizeof board->raw_front, "tcp://127.0.0.1:*");
    int rc = bench_crew_hire (self->crew, "raw-echo", 0);
    if (rc == 0)
        rc = bench_crew_await_ready (self->crew);
    if (rc == 0)
        rc = cli_client_open (self->cli, NULL, &self->client);
    if (rc == 0 && bench_raw_open (&self->raw, board->raw_front, TIMEOUT_MS) != 0)
        rc = cli_fail (self->cli, EX_UNAVAILABLE, "can't connect bare libzmq: %s",
                       zmq_strerror (errno));
    return rc;
}

static int report (latency_t *self)
{
    const cli_t *cli = self->cli;
    double post = bench_percentile_us (self->post_ns, self->count, 0.5);
    double disk = bench_percentile_us (self->disk_ns, self->count, 0.5);
    double way = bench_percentile_us (self->network_ns, self->count, 0.5);
    double post_99 = bench_percentile_us (self->post_ns, self->count, 0.99);
    double disk_99 = bench_percentile_us (self->disk_ns, self->count, 0.99);
    double way_99 = bench_percentile_us (self->network_ns, self->count, 0.99);
    json_t *row = bench_row ("queue latency", BENCH_TCP);
    json_object_set_new (row, "sync", json_string (cli_text (cli, "sync", "always")));
    json_object_set_new (row, "size", json_integer ((json_int_t) self->size));
    json_object_set_new (row, "entry_size", json_integer ((json_int_t) self->entry_size));
    json_object_set_new (row, "count", json_integer ((json_int_t) self->count));
    json_object_set_new (row, "confirm_p50_us", bench_real (cli, post, 1));
    json_object_set_new (row, "confirm_p99_us", bench_real (cli, post_99, 1));
    json_object_set_new (row, "disk_p50_us", bench_real (cli, disk, 1));
    json_object_set_new (row, "disk_p99_us", bench_real (cli, disk_99, 1));
    json_object_set_new (row, "raw_p50_us", bench_real (cli, way, 1));
    json_object_set_new (row, "raw_p99_us", bench_real (cli, way_99, 1));
    json_object_set_new (row, "beyond_p50_us", bench_real (cli, post - disk - way, 1));
    return cli_print_object (cli, columns, row);
}

static int measure (latency_t *self)
{
    self->entry_size = self->size + GUESS;
    int rc = open_sides (self);
    if (rc == 0)
        rc = make_room (self);
    if (rc == 0)
        rc = warm_up (self);
    if (rc == 0)
        rc = bench_file_open (self->cli, &self->file, self->dir, self->entry_size);
    if (rc == 0)
        rc = go_rounds (self);
    if (rc == 0)
        rc = bench_crew_finish (self->crew);
    return rc == 0 ? report (self) : rc;
}

int bench_latency (const cli_t *cli, bench_store_t *store)
{
    static bench_crew_t crew;
    latency_t self = {.crew = &crew,
                      .cli = cli,
                      .dir = store->root,
                      .size = cli_number (cli, "size", 100),
                      .count = cli_number (cli, "count", COUNT),
                      .file = {.fd = -1}};
    bench_order_t order = {.size = self.size, .sample_every = 1, .workers = 1};
    int rc = bench_crew_open (&crew, cli, &order, BENCH_TCP, store->args);
    if (rc == 0)
        rc = measure (&self);
    zf_client_close (&self.client);
    bench_raw_close (&self.raw);
    bench_file_close (&self.file);
    bench_crew_close (&crew);
    free (self.body);
    free (self.post_ns);
    free (self.disk_ns);
    free (self.network_ns);
    return rc;
}
