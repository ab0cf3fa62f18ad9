/* One run of bench pubsub: a crew publishes and receives, and every message is checked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench_pubsub.h"

#define STALL_MS         30000 /* no progress for so long: given up */
#define PLANTED_STALL_MS 2000  /* when a record is known to be missing */

#define FOR_PUBLISHERS  " for plain publishers"
#define FOR_SUBSCRIBERS " for plain subscribers"

/* -- the crew ---------------------------------------------------------------------------------- */

static bench_host_t host_of (const bench_plan_t *plan)
{
    if (plan->proxy || plan->via == BENCH_VIA_DIRECT)
        return BENCH_HOST_NONE;
    return plan->via == BENCH_VIA_STREAM ? BENCH_HOST_BROKER : BENCH_HOST_FORWARDER;
}

/* A broker is told that this is a stream; with a forwarder everything is one. */
static int make_stream (const bench_crew_t *crew)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    int rc = cli_client_open (crew->cli, NULL, &client);
    if (rc == 0 && zf_admin_stream (client, crew->board->order.queue, &err) != 0)
        rc = cli_client_fail (crew->cli, client, &err);
    zf_client_close (&client);
    return rc;
}

static int hire_some (bench_crew_t *crew, const char *role, uint32_t count)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = bench_crew_hire (crew, role, i);
    return rc;
}

/* Whatever plain sockets go through must be there first. */
static int hire_plain (bench_crew_t *crew, const bench_plan_t *plan)
{
    bench_board_t *board = crew->board;
    int rc = 0;
    if (plan->proxy) {
        rc = bench_crew_hire (crew, "raw-proxy", 1);
        if (rc == 0)
            rc = bench_crew_await_ready (crew);
    } else {
        rc = bench_broker_await (crew->cli, &crew->broker, FOR_PUBLISHERS, board->raw_front);
        if (rc == 0)
            rc = bench_broker_await (crew->cli, &crew->broker, FOR_SUBSCRIBERS, board->raw_back);
    }
    if (rc == 0)
        rc = hire_some (crew, "raw-sub", plan->order.workers);
    return rc == 0 ? hire_some (crew, "raw-pub", 1) : rc;
}

/* The publisher first: with a forwarder inside, it is what the subscribers connect to. */
static int hire_native (bench_crew_t *crew, const bench_plan_t *plan)
{
    bench_board_t *board = crew->board;
    int rc = plan->via == BENCH_VIA_STREAM ? make_stream (crew) : 0;
    if (rc == 0)
        rc = hire_some (crew, "publisher", 1);
    if (rc == 0)
        rc = bench_crew_await_ready (crew);
    if (rc == 0 && plan->via == BENCH_VIA_DIRECT)
        memcpy (board->order.endpoint, board->raw_front, sizeof board->order.endpoint);
    if (rc == 0 && !plan->order.replay)
        rc = hire_some (crew, "subscriber", plan->order.workers);
    return rc;
}

/* -- watching ---------------------------------------------------------------------------------- */

/* Subscribers that read. */
static uint32_t reader_count (const bench_board_t *board)
{
    return board->order.workers - board->order.stalled;
}

static uint64_t sum_received (const bench_board_t *board)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < reader_count (board); i++)
        sum += atomic_load_explicit (&board->worker[i].received, memory_order_acquire);
    return sum;
}

/* Deliveries that are still to come before all have what was published until now. */
static uint64_t left_now (const bench_board_t *board)
{
    const bench_slot_t *slot = &board->producer[0];
    uint64_t published = atomic_load (&slot->posted) - atomic_load (&slot->refused);
    uint64_t expected = board->order.group ? published : published * reader_count (board);
    uint64_t received = sum_received (board);
    return received < expected ? expected - received : 0;
}

/* The publisher has said its last. A plain one, and one with the forwarder inside, stays there. */
static bool all_published (const bench_board_t *board)
{
    const bench_slot_t *slot = &board->producer[0];
    if (atomic_load (&slot->state) == BENCH_DONE)
        return true;
    uint64_t settled = atomic_load (&slot->confirmed) + atomic_load (&slot->refused);
    bool halted = atomic_load (&board->halt);
    uint64_t posted = atomic_load (&slot->posted);
    return (posted == board->order.count || halted) && settled >= posted && posted > 0;
}

/* Waits for the publisher's end, and with deliveries for theirs, or until nothing moves. */
static int watch (bench_crew_t *crew, bool deliveries)
{
    bench_board_t *board = crew->board;
    uint64_t patience_ms = board->order.plant != 0 ? PLANTED_STALL_MS : STALL_MS;
    uint64_t moved_ms = cli_now_ms ();
    uint64_t before = UINT64_MAX;
    while (!all_published (board) || (deliveries && left_now (board) > 0)) {
        uint64_t received = sum_received (board);
        uint64_t progress = received + atomic_load (&board->producer[0].confirmed) +
                            atomic_load (&board->producer[0].posted);
        if (progress != before)
            moved_ms = cli_now_ms ();
        before = progress;
        if (cli_now_ms () - moved_ms > patience_ms)
            return 0;
        if (cli_stopped () != 0)
            atomic_store (&board->halt, true);
        cli_progress (crew->cli, "%" PRIu64 " of %" PRIu64 " published, %" PRIu64 " received",
                      (uint64_t) atomic_load (&board->producer[0].posted), board->order.count,
                      received);
        bench_tick ();
        int rc = bench_crew_look (crew);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* -- the result -------------------------------------------------------------------------------- */

static void collect_publisher (const bench_board_t *board, bench_pub_result_t *r)
{
    const bench_slot_t *slot = &board->producer[0];
    r->posted = atomic_load (&slot->posted);
    r->confirmed = atomic_load (&slot->confirmed);
    r->refused = atomic_load (&slot->refused);
    r->first_ns = slot->first_ns;
    r->confirm_ns = slot->last_ns;
    r->pub_cpu_ns = slot->cpu_ns;
}

static void collect_subscribers (bench_board_t *board, bench_pub_result_t *r)
{
    uint64_t expected = r->posted - r->refused;
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < reader_count (board); i++) {
        const bench_slot_t *slot = &board->worker[i];
        uint64_t seen = bench_board_seen_by (board, i);
        r->received += atomic_load (&slot->received);
        r->lost += !board->order.group && seen < expected ? expected - seen : 0;
        r->duplicated += slot->duplicated;
        r->reordered += slot->reordered;
        r->damaged += slot->damaged;
        r->missed += slot->missed;
        r->refills += slot->refills;
        r->sub_cpu_ns += slot->cpu_ns;
        r->receive_ns = slot->last_ns > r->receive_ns ? slot->last_ns : r->receive_ns;
        first_ns = slot->first_ns < first_ns ? slot->first_ns : first_ns;
    }
    if (board->order.replay)
        r->first_ns = first_ns;
    uint64_t shared = 0;
    if (!board->order.group)
        return;
    uint64_t seen = bench_board_seen (board, &shared);
    r->lost = seen < expected ? expected - seen : 0;
    r->duplicated += shared;
}

static int collect_latency (bench_board_t *board, bench_pub_result_t *r)
{
    size_t count = 0, at = 0;
    for (uint32_t i = 0; i < reader_count (board); i++)
        count += board->worker[i].sample_count;
    uint64_t *all = malloc ((count + 1) * sizeof *all);
    if (all == NULL)
        return EX_OSERR;
    for (uint32_t i = 0; i < reader_count (board); i++) {
        size_t mine = board->worker[i].sample_count;
        memcpy (all + at, bench_board_samples (board, i), mine * sizeof *all);
        at += mine;
    }
    r->p50_us = bench_percentile_us (all, count, 0.5);
    r->p99_us = bench_percentile_us (all, count, 0.99);
    free (all);
    return 0;
}

/* -- the run ----------------------------------------------------------------------------------- */

/* Publishes all, then kills the host and starts it again: what it has is on the disk. */
static int fill_and_restart (bench_crew_t *crew, const bench_plan_t *plan)
{
    atomic_store (&crew->board->go, true);
    int rc = watch (crew, false);
    if (rc != 0)
        return rc;
    if (cli_stopped () != 0)
        return cli_fail (crew->cli, EX_TEMPFAIL, "stopped before the end");
    atomic_store (&crew->board->go, false);
    bench_broker_kill (&crew->broker);
    rc = bench_broker_restart (crew->cli, &crew->broker, plan->args);
    if (rc == 0)
        rc = hire_some (crew, "subscriber", plan->order.workers);
    return rc;
}

static int run_crew (bench_crew_t *crew, const bench_plan_t *plan, bench_pub_result_t *r)
{
    int rc = plan->raw ? hire_plain (crew, plan) : hire_native (crew, plan);
    if (rc == 0 && plan->order.replay)
        rc = fill_and_restart (crew, plan);
    if (rc == 0)
        rc = bench_crew_await_ready (crew);
    if (rc != 0)
        return rc;
    uint64_t before_ns = bench_crew_broker_cpu_ns (crew);
    atomic_store (&crew->board->go, true);
    rc = watch (crew, true);
    r->host_known = bench_crew_has_broker (crew);
    r->host_cpu_ns = bench_crew_broker_cpu_ns (crew) - before_ns;
    r->host_bytes = bench_crew_broker_bytes (crew, "VmHWM");
    return rc == 0 ? bench_crew_finish (crew) : rc;
}

int bench_plan_run (const bench_plan_t *plan, bench_pub_result_t *r)
{
    static bench_crew_t crew;
    bench_order_t order = plan->order;
    *r = (bench_pub_result_t){0};
    int rc = bench_crew_open_host (&crew, plan->cli, &order, plan->transport, plan->args,
                                   host_of (plan));
    if (rc == 0)
        rc = run_crew (&crew, plan, r);
    if (rc == 0) {
        collect_publisher (crew.board, r);
        collect_subscribers (crew.board, r);
        if (collect_latency (crew.board, r) != 0)
            rc = cli_fail (plan->cli, EX_OSERR, "out of memory");
    }
    bench_crew_close (&crew);
    return rc;
}

/* -- what modes say ---------------------------------------------------------------------------- */

int bench_plan_check (const cli_t *cli, const bench_pub_result_t *r)
{
    if (r->lost + r->damaged == 0)
        return 0;
    return cli_fail (cli, EX_SOFTWARE,
                     "%" PRIu64 " messages lost, %" PRIu64 " damaged; that is a bug", r->lost,
                     r->damaged);
}

uint64_t bench_plan_rate (const bench_pub_result_t *r)
{
    uint64_t ns = r->receive_ns > r->first_ns ? r->receive_ns - r->first_ns : 0;
    return bench_per_second (r->posted - r->refused, ns);
}

json_t *bench_plan_row (const char *bench, const bench_plan_t *plan)
{
    static const char *const vias[] = {"forwarder", "direct", "stream"};
    json_t *row = bench_row (bench, plan->transport);
    json_object_set_new (row, "via", json_string (vias[plan->via]));
    json_object_set_new (row, "size", json_integer ((json_int_t) plan->order.size));
    json_object_set_new (row, "rate", json_integer ((json_int_t) plan->order.rate));
    json_object_set_new (row, "subscribers",
                         json_integer ((json_int_t) (plan->order.workers - plan->order.stalled)));
    return row;
}
