/* bench recovery: a broker with a journal is filled, killed and started again; how long it takes
 * until it answers with all records there, what memory that takes, and how fast they can be had
 * then. */
#include <inttypes.h>

#include "bench.h"

#define COUNT        1000000 /* records, default */
#define SIZE         100     /* of a body, default */
#define MEMORY       "1GiB"  /* for records, default */
#define STALL_MS     45000   /* no progress for so long: given up */
#define RECORD_BYTES 64      /* what the journal may hold of a record beside its body */
#define DISK_MARGIN  (UINT64_C (2) << 30) /* of its cap, beside twice the records */
#define NUMBER_TEXT  24

typedef struct {
    const cli_t *cli; /* the crew's */
    bench_crew_t crew;
    bench_store_t store;
    uint64_t fill_ns;      /* from the first post to the last confirm */
    uint64_t recover_ns;   /* from its start until all are known to be there */
    uint64_t filled_bytes; /* the broker's peak memory until then */
    uint64_t rss_bytes;    /* of the new broker when all are there, */
    uint64_t peak_bytes;   /* and at most until the end */
    uint64_t drain_ns;     /* from the go to the last ack */
    uint64_t seen;         /* records that arrived, once each */
    uint64_t duplicated;   /* and further times */
    uint64_t damaged;      /* not as they were posted */
} recovery_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"sync", "sync", CLI_COLUMN_TEXT},
    {"size", "body bytes", CLI_COLUMN_NUMBER},
    {"count", "records", CLI_COLUMN_NUMBER},
    {"memory_mb", "memory for records, MB", CLI_COLUMN_NUMBER},
    {"filled_per_s", "confirmed/s", CLI_COLUMN_NUMBER},
    {"filled_rss_mb", "broker peak memory meanwhile, MB", CLI_COLUMN_NUMBER},
    {"recovery_s", "killed and back with all, s", CLI_COLUMN_NUMBER},
    {"broker_rss_mb", "broker memory then, MB", CLI_COLUMN_NUMBER},
    {"broker_peak_rss_mb", "its peak until the end, MB", CLI_COLUMN_NUMBER},
    {"drained_per_s", "taken and acknowledged/s", CLI_COLUMN_NUMBER},
    {"lost", "lost", CLI_COLUMN_NUMBER},
    {"duplicated", "duplicated", CLI_COLUMN_NUMBER},
    {"damaged", "damaged", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- waiting ----------------------------------------------------------------------------------- */

/* Waits until the figure reaches the count. Fails when it stands still, or when it is to stop. */
static int await (recovery_t *self, const char *what, uint64_t (*now) (const bench_board_t *board))
{
    const bench_board_t *board = self->crew.board;
    uint64_t count = board->order.count, last = 0, moved_ms = cli_now_ms ();
    for (uint64_t at = now (board); at < count; at = now (board)) {
        if (at != last)
            moved_ms = cli_now_ms ();
        last = at;
        if (cli_now_ms () - moved_ms > STALL_MS)
            return cli_fail (self->cli, EX_SOFTWARE,
                             "only %" PRIu64 " of %" PRIu64 " records were %s; that is a bug", at,
                             count, what);
        if (cli_stopped () != 0)
            return cli_fail (self->cli, EX_TEMPFAIL, "stopped before the end");
        cli_progress (self->cli, "%" PRIu64 " of %" PRIu64 " records %s", at, count, what);
        bench_tick ();
        int rc = bench_crew_look (&self->crew);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static uint64_t confirmed_now (const bench_board_t *board)
{
    return atomic_load (&board->producer[0].confirmed);
}

static uint64_t received_now (const bench_board_t *board)
{
    return atomic_load (&board->worker[0].received);
}

/* -- the three acts ---------------------------------------------------------------------------- */

static int fill (recovery_t *self)
{
    bench_board_t *board = self->crew.board;
    int rc = bench_crew_hire (&self->crew, "producer", 0);
    if (rc == 0)
        rc = bench_crew_await_ready (&self->crew);
    if (rc != 0)
        return rc;
    atomic_store (&board->go, true);
    rc = await (self, "confirmed", confirmed_now);
    self->fill_ns = board->producer[0].last_ns - board->producer[0].first_ns;
    return rc;
}

/* All must be there, or the figure means nothing. */
static int check_length (recovery_t *self)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    zf_queue_info_t info = {0};
    const bench_order_t *order = &self->crew.board->order;
    int rc = cli_client_open (self->cli, NULL, &client);
    if (rc == 0 && zf_admin_queue (client, order->queue, &info, &err) != 0)
        rc = cli_client_fail (self->cli, client, &err);
    zf_client_close (&client);
    if (rc != 0 || info.length == order->count)
        return rc;
    return cli_fail (self->cli, EX_SOFTWARE,
                     "%" PRIu64 " records came back of %" PRIu64 "; that is a bug", info.length,
                     order->count);
}

static int kill_and_start (recovery_t *self)
{
    self->filled_bytes = bench_crew_broker_bytes (&self->crew, "VmHWM");
    bench_broker_kill (&self->crew.broker);
    cli_progress (self->cli, "the broker was killed and starts again");
    uint64_t before_ns = bench_now_ns ();
    int rc = bench_broker_restart (self->cli, &self->crew.broker, self->store.args);
    if (rc == 0)
        rc = check_length (self);
    self->recover_ns = bench_now_ns () - before_ns;
    self->rss_bytes = bench_crew_broker_bytes (&self->crew, "VmRSS");
    return rc;
}

static int drain (recovery_t *self)
{
    bench_board_t *board = self->crew.board;
    int rc = bench_crew_hire (&self->crew, "worker", 0);
    uint64_t before_ns = bench_now_ns ();
    if (rc == 0)
        rc = await (self, "taken", received_now);
    if (rc == 0)
        rc = bench_crew_finish (&self->crew);
    const bench_slot_t *slot = &board->worker[0];
    self->drain_ns = slot->last_ns > before_ns ? slot->last_ns - before_ns : 0;
    self->peak_bytes = bench_crew_broker_bytes (&self->crew, "VmHWM");
    self->seen = bench_board_seen (board, NULL);
    self->duplicated = slot->duplicated;
    self->damaged = slot->damaged;
    return rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

static void set_mb (const recovery_t *self, json_t *row, const char *key, uint64_t bytes)
{
    json_object_set_new (row, key, bench_real (self->cli, (double) bytes / 1e6, 1));
}

static int report (const recovery_t *self, uint64_t memory)
{
    const bench_order_t *order = &self->crew.board->order;
    uint64_t lost = order->count > self->seen ? order->count - self->seen : 0;
    json_t *row = bench_row ("recovery", BENCH_TCP);
    json_object_set_new (row, "sync", json_string (cli_text (self->cli, "sync", "always")));
    json_object_set_new (row, "size", json_integer ((json_int_t) order->size));
    json_object_set_new (row, "count", json_integer ((json_int_t) order->count));
    set_mb (self, row, "memory_mb", memory);
    uint64_t filled = bench_per_second (order->count, self->fill_ns);
    uint64_t drained = bench_per_second (self->seen, self->drain_ns);
    json_object_set_new (row, "filled_per_s", json_integer ((json_int_t) filled));
    json_object_set_new (row, "recovery_s",
                         bench_real (self->cli, (double) self->recover_ns / 1e9, 3));
    set_mb (self, row, "filled_rss_mb", self->filled_bytes);
    set_mb (self, row, "broker_rss_mb", self->rss_bytes);
    set_mb (self, row, "broker_peak_rss_mb", self->peak_bytes);
    json_object_set_new (row, "drained_per_s", json_integer ((json_int_t) drained));
    json_object_set_new (row, "lost", json_integer ((json_int_t) lost));
    json_object_set_new (row, "duplicated", json_integer ((json_int_t) self->duplicated));
    json_object_set_new (row, "damaged", json_integer ((json_int_t) self->damaged));
    int rc = cli_print_object (self->cli, columns, row);
    if (lost + self->duplicated + self->damaged > 0)
        return cli_fail (self->cli, EX_SOFTWARE,
                         "%" PRIu64 " records lost, %" PRIu64 " duplicated, %" PRIu64
                         " damaged; that is a bug",
                         lost, self->duplicated, self->damaged);
    return rc;
}

static int run_acts (recovery_t *self, uint64_t memory)
{
    self->cli = self->crew.cli;
    int rc = fill (self);
    if (rc == 0)
        rc = kill_and_start (self);
    if (rc == 0)
        rc = drain (self);
    return rc == 0 ? report (self, memory) : rc;
}

int bench_recovery (const cli_t *cli)
{
    static recovery_t self;
    char memory_text[NUMBER_TEXT], disk_text[NUMBER_TEXT];
    uint64_t memory = 0;
    cli_parse_number (CLI_SIZE, MEMORY, &memory);
    memory = cli_number (cli, "memory", memory);
    bench_order_t order = {.size = cli_number (cli, "size", SIZE),
                           .count = cli_number (cli, "records", COUNT),
                           .sample_every = 1024,
                           .producers = 1,
                           .workers = 1,
                           .plant = bench_plant (cli)};
    if (!cli_has (cli, "journal"))
        return cli_misuse (cli, "name a place on a disk with --journal");
    snprintf (memory_text, sizeof memory_text, "%" PRIu64, memory);
    snprintf (disk_text, sizeof disk_text, "%" PRIu64,
              2 * order.count * (order.size + RECORD_BYTES) + DISK_MARGIN);
    int rc = bench_store_open (cli, &self.store);
    bench_store_add (&self.store, "--memory");
    bench_store_add (&self.store, memory_text);
    bench_store_add (&self.store, "--disk");
    bench_store_add (&self.store, disk_text);
    if (rc == 0)
        rc = bench_crew_open (&self.crew, cli, &order, BENCH_TCP, self.store.args);
    if (rc == 0)
        rc = run_acts (&self, memory);
    bench_crew_close (&self.crew);
    bench_store_close (&self.store);
    return rc;
}
