/* The processes of bench peers, and the board that they share with their parent. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_peers.h"

#define AWAIT_MS 65000 /* for what all are to see: longer than the nodes' own patience */

/* -- the board --------------------------------------------------------------------------------- */

/* A UDP port that nobody uses. Returns 0 if there is none. */
static uint16_t choose_port (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_ANY)};
    socklen_t size = sizeof address;
    uint16_t port = 0;
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    if (bind (fd, (struct sockaddr *) &address, size) == 0 &&
        getsockname (fd, (struct sockaddr *) &address, &size) == 0)
        port = ntohs (address.sin_port);
    close (fd);
    return port;
}

int bench_interfaces (const cli_t *cli, char *text, size_t size)
{
    const char **names = NULL;
    size_t count = cli_list (cli, "interface", &names), used = 0;
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t) snprintf (text + used, size - used, "%s%s", i > 0 ? "," : "", names[i]);
    if (count == 0)
        snprintf (text, size, "lo");
    free (names);
    return used < size ? 0 : cli_misuse (cli, "--interface is given too often");
}

static int share (bench_swarm_t *self, uint64_t bytes)
{
    self->fd = memfd_create ("zferry-bench", MFD_CLOEXEC);
    if (self->fd < 0 || ftruncate (self->fd, (off_t) bytes) != 0)
        return cli_fail (self->cli, EX_OSERR, "can't share memory: %s", strerror (errno));
    void *at = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
    if (at == MAP_FAILED)
        return cli_fail (self->cli, EX_OSERR, "can't share memory: %s", strerror (errno));
    self->board = at;
    self->board->total_bytes = bytes;
    return 0;
}

static int make_board (bench_swarm_t *self, uint32_t count)
{
    int rc = share (self, sizeof *self->board + (count + 1) * sizeof self->board->nodes[0]);
    if (rc != 0)
        return rc;
    self->board->count = count;
    self->board->hub = cli_has (self->cli, "hub");
    self->board->port = choose_port ();
    if (self->board->port == 0)
        return cli_fail (self->cli, EX_OSERR, "can't find a UDP port: %s", strerror (errno));
    return bench_interfaces (self->cli, self->board->interfaces, sizeof self->board->interfaces);
}

uint32_t bench_victim (const bench_swarm_board_t *board, bench_end_t end)
{
    return board->count - 1 - (uint32_t) end;
}

/* -- starting ---------------------------------------------------------------------------------- */

int bench_swarm_open (bench_swarm_t *self, const cli_t *cli, uint32_t count)
{
    *self = (bench_swarm_t){.cli = cli, .fd = -1};
    int rc = make_board (self, count);
    if (rc != 0)
        return rc;
    self->children = calloc (count + 1, sizeof *self->children);
    if (self->children == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    for (uint32_t i = 0; i <= count; i++)
        self->children[i].said = -1;
    if (!self->board->hub)
        return 0;
    rc = bench_swarm_start (self, count);
    while (rc == 0 && bench_time_ready (&self->board->nodes[count]) == 0) {
        bench_tick ();
        rc = bench_swarm_look (self);
    }
    return rc;
}

int bench_swarm_start (bench_swarm_t *self, uint32_t index)
{
    char name[32], text[16];
    snprintf (name, sizeof name, "node %" PRIu32, index + 1);
    snprintf (text, sizeof text, "%" PRIu32, index);
    const char *args[] = {"bench-child", bench_parent_text (), "node", text, NULL};
    bench_child_spec_t spec = {.name = name, .args = args, .pass_fd = self->fd};
    return bench_child_start (self->cli, &self->children[index], &spec);
}

/* -- watching ---------------------------------------------------------------------------------- */

static bench_state_t state_of (bench_node_t *node)
{
    return (bench_state_t) atomic_load_explicit (&node->slot.state, memory_order_acquire);
}

static int look_after (bench_swarm_t *self, uint32_t index)
{
    bench_child_t *child = &self->children[index];
    bench_node_t *node = &self->board->nodes[index];
    if (child->pid == 0)
        return 0; /* not started yet, or ended by us */
    bool running = bench_child_running (child);
    if (state_of (node) == BENCH_FAILED)
        return cli_fail (self->cli, EX_UNAVAILABLE, "%s: %s", child->name, node->slot.text);
    if (!running)
        return cli_fail (self->cli, EX_SOFTWARE, "%s died (wait status %d)", child->name,
                         child->status);
    return 0;
}

int bench_swarm_look (bench_swarm_t *self)
{
    for (uint32_t i = 0; i <= self->board->count; i++) {
        int rc = look_after (self, i);
        if (rc != 0)
            return rc;
    }
    if (cli_stopped () != 0)
        return cli_fail (self->cli, EX_TEMPFAIL, "stopped before the end");
    return 0;
}

int bench_swarm_rest (bench_swarm_t *self, uint64_t ms, const char *what)
{
    uint64_t end_ms = cli_now_ms () + ms;
    int rc = 0;
    for (uint64_t now_ms = cli_now_ms (); rc == 0 && now_ms < end_ms; now_ms = cli_now_ms ()) {
        uint64_t left_ms = end_ms - now_ms;
        cli_progress (self->cli, "%s: %" PRIu64 " s", what, left_ms / 1000);
        poll (&(struct pollfd){.fd = cli_stop_fd (), .events = POLLIN}, 1,
              left_ms < 500 ? (int) left_ms : 500);
        rc = bench_swarm_look (self);
    }
    return rc;
}

uint64_t bench_time_ready (bench_node_t *node)
{
    return state_of (node) == BENCH_READY ? node->begin_ns : 0;
}

uint64_t bench_time_full (bench_node_t *node)
{
    return atomic_load (&node->full_ns);
}

uint64_t bench_time_killed (bench_node_t *node)
{
    return atomic_load (&node->gone_ns[BENCH_KILLED]);
}

uint64_t bench_time_clean (bench_node_t *node)
{
    return atomic_load (&node->gone_ns[BENCH_CLEAN]);
}

/* How many of the first ones have that time. */
static uint32_t count_times (bench_swarm_t *self, uint32_t count, bench_time_fn *time,
                             uint64_t *last)
{
    uint32_t have = 0;
    *last = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at_ns = time (&self->board->nodes[i]);
        have += at_ns > 0 ? 1 : 0;
        *last = at_ns > *last ? at_ns : *last;
    }
    return have;
}

int bench_swarm_await (bench_swarm_t *self, uint32_t count, bench_time_fn *time, uint64_t *last)
{
    uint64_t end_ms = cli_now_ms () + AWAIT_MS;
    uint32_t have = count_times (self, count, time, last);
    for (; have < count; have = count_times (self, count, time, last)) {
        int rc = bench_swarm_look (self);
        if (rc != 0)
            return rc;
        if (cli_now_ms () > end_ms)
            return cli_fail (self->cli, EX_UNAVAILABLE,
                             "%" PRIu32 " of %" PRIu32 " nodes have not noticed after %d s",
                             count - have, count, AWAIT_MS / 1000);
        bench_tick ();
    }
    return 0;
}

/* -- the end ----------------------------------------------------------------------------------- */

void bench_swarm_close (bench_swarm_t *self)
{
    for (uint32_t i = 0; self->children != NULL && i <= self->board->count; i++)
        bench_child_kill (&self->children[i]);
    free (self->children);
    if (self->board != NULL)
        munmap (self->board, self->board->total_bytes);
    if (self->fd >= 0)
        close (self->fd);
    *self = (bench_swarm_t){.cli = self->cli, .fd = -1};
}
