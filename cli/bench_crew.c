#include "bench_crew.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READY_MS  60000 /* for all hired to be ready */
#define FINISH_MS 20000 /* for all hired to end */
#define INPROC    "inproc://zferry-bench"

typedef struct {
    const char *name;                                   /* NULL ends the table */
    bool posts;                                         /* its slot is among the producers' */
    bool endless;                                       /* is killed at the end */
    void (*run) (bench_board_t *board, uint32_t index); /* sees it through */
} role_t;

static const role_t roles[] = {
    {"producer", true, false, bench_producer_run},
    {"forwarder", true, true, bench_forwarder_run},
    {"worker", false, false, bench_worker_run},
    {"echo", false, false, bench_echo_run},
    {"idle", false, false, bench_idle_run},
    {"raw-worker", false, true, bench_raw_worker_run},
    {"raw-echo", false, true, bench_raw_echo_run},
    {"publisher", true, false, bench_publisher_run},
    {"subscriber", false, false, bench_subscriber_run},
    {"raw-pub", true, false, bench_raw_pub_run},
    {"raw-sub", false, false, bench_raw_sub_run},
    {"raw-proxy", true, true, bench_raw_proxy_run},
    {"peer-echo", false, false, bench_peer_echo_run},
    {"raw-sink", false, true, bench_raw_sink_run},
    {NULL, false, false, NULL},
};

static const role_t *find_role (const char *name)
{
    for (const role_t *role = roles; role->name != NULL; role++)
        if (strcmp (role->name, name) == 0)
            return role;
    return NULL;
}

static bench_slot_t *slot_of (bench_board_t *board, const role_t *role, uint32_t index)
{
    return role->posts ? &board->producer[index] : &board->worker[index];
}

/* -- in a child -------------------------------------------------------------------------------- */

int bench_role_main (const cli_t *cli, const char *name, const char *index_text)
{
    const role_t *role = find_role (name);
    uint64_t index = 0;
    if (role == NULL || !cli_parse_number (CLI_COUNT, index_text, &index) ||
        index >= BENCH_ROLES_MAX)
        return cli_misuse (cli, "there is no role %s %s", name, index_text);
    bench_board_t *board = bench_board_attach (BENCH_CHILD_FD);
    if (board == NULL)
        return cli_fail (cli, EX_OSERR, "can't map the board: %s", strerror (errno));
    bench_slot_t *slot = slot_of (board, role, (uint32_t) index);
    role->run (board, (uint32_t) index);
    int state = atomic_load (&slot->state);
    bench_board_destroy (&board);
    return state == BENCH_DONE ? 0 : EX_SOFTWARE;
}

/* -- opening ----------------------------------------------------------------------------------- */

static int start_embedded (bench_crew_t *crew)
{
    const char *endpoint = INPROC;
    zf_error_t err = {0};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    int rc = zf_broker_start (&crew->device, &options, &err);
    return rc == 0 ? 0 : cli_fail (crew->cli, cli_exit_code (rc), "%s", err.text);
}

/* Is there a broker where --connect says? */
static int ask_broker (const bench_crew_t *crew, const char *queue)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    zf_queue_info_t info;
    int rc = cli_client_open (crew->cli, NULL, &client);
    if (rc != 0)
        return rc;
    int answer = zf_admin_queue (client, queue, &info, &err);
    if (answer != 0 && answer != ZF_E_NOT_FOUND)
        rc = cli_client_fail (crew->cli, client, &err);
    zf_client_close (&client);
    return rc;
}

static int start_host (bench_crew_t *crew, bench_order_t *order, bench_transport_t transport,
                       const char *const *args, bench_host_t host)
{
    const char *endpoint = INPROC;
    int rc = 0;
    snprintf (order->queue, sizeof order->queue, "bench.%ld.%" PRIu64, (long) getpid (),
              cli_now_us ());
    if (host == BENCH_HOST_NONE) {
        endpoint = "";
    } else if (host == BENCH_HOST_FORWARDER) {
        rc = bench_forwarder_start (crew->cli, &crew->broker, transport, args);
        endpoint = crew->broker.endpoint;
    } else if (cli_has (crew->cli, "connect")) {
        endpoint = crew->cli->endpoints[0];
        rc = ask_broker (crew, order->queue);
    } else if (transport == BENCH_INPROC) {
        order->threads = true;
        rc = start_embedded (crew);
    } else {
        rc = bench_broker_start (crew->cli, &crew->broker, transport, args);
        endpoint = crew->broker.endpoint;
    }
    snprintf (order->endpoint, sizeof order->endpoint, "%s", endpoint);
    return rc;
}

int bench_crew_open (bench_crew_t *crew, const cli_t *cli, bench_order_t *order,
                     bench_transport_t transport, const char *const *broker_args)
{
    return bench_crew_open_host (crew, cli, order, transport, broker_args, BENCH_HOST_BROKER);
}

int bench_crew_open_host (bench_crew_t *crew, const cli_t *cli, bench_order_t *order,
                          bench_transport_t transport, const char *const *args, bench_host_t host)
{
    memset (crew, 0, sizeof *crew);
    crew->cli = cli;
    crew->fd = -1;
    crew->broker.child.said = -1;
    int rc = start_host (crew, order, transport, args, host);
    if (rc != 0)
        return rc;
    crew->board = bench_board_create (order, &crew->fd);
    if (crew->board == NULL)
        return cli_fail (cli, EX_OSERR, "can't share memory: %s", strerror (errno));
    crew->endpoint = crew->board->order.endpoint;
    crew->own_cli = bench_cli_at (cli, &crew->endpoint);
    crew->cli = &crew->own_cli;
    return 0;
}

/* -- hiring ------------------------------------------------------------------------------------ */

/* What a thread needs to know. */
typedef struct {
    const role_t *role;
    bench_board_t *board;
    uint32_t index;
} thread_order_t;

static void *thread_main (void *arg)
{
    thread_order_t order = *(thread_order_t *) arg;
    free (arg);
    order.role->run (order.board, order.index);
    return NULL;
}

static int hire_thread (bench_crew_t *crew, bench_hired_t *hired, const role_t *role)
{
    thread_order_t *order = malloc (sizeof *order);
    if (order == NULL)
        return cli_fail (crew->cli, EX_OSERR, "out of memory");
    *order = (thread_order_t){.role = role, .board = crew->board, .index = hired->index};
    int rc = pthread_create (&hired->thread, NULL, thread_main, order);
    if (rc == 0)
        return 0;
    free (order);
    return cli_fail (crew->cli, EX_OSERR, "can't start a thread: %s", strerror (rc));
}

static int hire_process (bench_crew_t *crew, bench_hired_t *hired)
{
    char name[48], index[16];
    snprintf (name, sizeof name, "%.30s %" PRIu32, hired->role, hired->index + 1);
    snprintf (index, sizeof index, "%" PRIu32, hired->index);
    const char *args[] = {
        "bench-child", bench_parent_text (), "role", hired->role, index, NULL,
    };
    bench_child_spec_t spec = {.name = name, .args = args, .pass_fd = crew->fd};
    return bench_child_start (crew->cli, &hired->child, &spec);
}

int bench_crew_hire (bench_crew_t *crew, const char *name, uint32_t index)
{
    const role_t *role = find_role (name);
    bench_hired_t *hired = &crew->hired[crew->hired_count];
    *hired = (bench_hired_t){.role = role->name, .index = index, .child = {.said = -1}};
    hired->slot = slot_of (crew->board, role, index);
    bool thread = crew->board->order.threads;
    int rc = thread ? hire_thread (crew, hired, role) : hire_process (crew, hired);
    if (rc == 0)
        crew->hired_count++;
    return rc;
}

/* -- looking after them ------------------------------------------------------------------------ */

static bench_state_t state_of (const bench_hired_t *hired)
{
    return (bench_state_t) atomic_load_explicit (&hired->slot->state, memory_order_acquire);
}

static int look_after (bench_crew_t *crew, bench_hired_t *hired)
{
    /* The order matters: one that has ended was done or has failed before. */
    bool running = crew->board->order.threads || bench_child_running (&hired->child);
    bench_state_t state = state_of (hired);
    if (state == BENCH_FAILED)
        return cli_fail (crew->cli, EX_UNAVAILABLE, "%s %" PRIu32 ": %s", hired->role,
                         hired->index + 1, hired->slot->text);
    if (!running && state != BENCH_DONE)
        return cli_fail (crew->cli, EX_SOFTWARE, "%s %" PRIu32 " died (wait status %d)",
                         hired->role, hired->index + 1, hired->child.status);
    return 0;
}

int bench_crew_look (bench_crew_t *crew)
{
    for (size_t i = 0; i < crew->hired_count; i++) {
        int rc = look_after (crew, &crew->hired[i]);
        if (rc != 0)
            return rc;
    }
    bool ours = crew->broker.child.pid != 0;
    bench_child_hear (&crew->broker.child);
    if (ours && !bench_child_running (&crew->broker.child))
        return cli_fail (crew->cli, EX_SOFTWARE, "the %s died (wait status %d): %s",
                         crew->broker.verb, crew->broker.child.status, crew->broker.child.text);
    return 0;
}

static bool all_reached (const bench_crew_t *crew, bench_state_t state)
{
    for (size_t i = 0; i < crew->hired_count; i++)
        if (state_of (&crew->hired[i]) < state)
            return false;
    return true;
}

int bench_crew_await_ready (bench_crew_t *crew)
{
    uint64_t end = cli_now_ms () + READY_MS;
    while (!all_reached (crew, BENCH_READY)) {
        int rc = bench_crew_look (crew);
        if (rc != 0)
            return rc;
        if (cli_stopped () != 0)
            return cli_fail (crew->cli, EX_TEMPFAIL, "stopped before it began");
        if (cli_now_ms () > end)
            return cli_fail (crew->cli, EX_UNAVAILABLE, "not everybody was ready after %d s",
                             READY_MS / 1000);
        bench_tick ();
    }
    return bench_crew_look (crew);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void kill_endless (bench_crew_t *crew)
{
    for (size_t i = 0; i < crew->hired_count; i++) {
        bench_hired_t *hired = &crew->hired[i];
        if (find_role (hired->role)->endless) {
            bench_child_kill (&hired->child);
            bench_slot_done (hired->slot);
        }
    }
}

int bench_crew_finish (bench_crew_t *crew)
{
    uint64_t end = cli_now_ms () + FINISH_MS;
    atomic_store (&crew->board->halt, true);
    atomic_store (&crew->board->finish, true);
    kill_endless (crew);
    while (!all_reached (crew, BENCH_DONE)) {
        int rc = bench_crew_look (crew);
        if (rc != 0)
            return rc;
        if (cli_now_ms () > end)
            return cli_fail (crew->cli, EX_SOFTWARE, "not everybody ended in %d s",
                             FINISH_MS / 1000);
        bench_tick ();
    }
    return bench_crew_look (crew);
}

static void end_hired (bench_crew_t *crew, bench_hired_t *hired)
{
    if (crew->board->order.threads)
        pthread_join (hired->thread, NULL);
    else if (find_role (hired->role)->endless || state_of (hired) < BENCH_DONE)
        bench_child_kill (&hired->child);
    else
        bench_child_await (&hired->child);
}

static void end_all (bench_crew_t *crew)
{
    atomic_store (&crew->board->halt, true);
    atomic_store (&crew->board->finish, true);
    for (size_t i = 0; i < crew->hired_count; i++)
        end_hired (crew, &crew->hired[i]);
}

void bench_crew_close (bench_crew_t *crew)
{
    if (crew->board != NULL)
        end_all (crew);
    zf_device_stop (&crew->device);
    bench_broker_stop (&crew->broker);
    bench_board_destroy (&crew->board);
    if (crew->fd >= 0)
        close (crew->fd);
    crew->fd = -1;
}

/* -- the broker's figures ---------------------------------------------------------------------- */

bool bench_crew_has_broker (const bench_crew_t *crew)
{
    return crew->device != NULL || crew->broker.child.pid != 0;
}

uint64_t bench_crew_broker_cpu_ns (const bench_crew_t *crew)
{
    return bench_crew_has_broker (crew) ? bench_cpu_ns (crew->broker.child.pid) : 0;
}

uint64_t bench_crew_broker_bytes (const bench_crew_t *crew, const char *field)
{
    pid_t pid = crew->device != NULL ? getpid () : crew->broker.child.pid;
    return bench_crew_has_broker (crew) ? bench_memory_bytes (pid, field) : 0;
}
