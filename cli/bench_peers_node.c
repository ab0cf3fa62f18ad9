/* A process of bench peers: one node, which tells when it sees all others, and when one goes. It
 * does nothing else, so that what it costs is what a node costs. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bench_peers.h"

#define MESH_MS 60000 /* to see all others */

typedef struct {
    bench_swarm_board_t *board;
    bench_node_t *node; /* its own part */
    uint32_t index;     /* among the nodes; the hub's is their number */
    zf_peer_t *peer;
} role_t;

/* -- being a node ------------------------------------------------------------------------------ */

static int start_with (role_t *self, const char *const *interfaces, size_t count, zf_error_t *err)
{
    char name[32];
    const char *seed = self->board->seed;
    bool is_hub = self->index == self->board->count;
    zf_peer_options_t options;
    zf_peer_defaults (&options);
    snprintf (name, sizeof name, "bench-%" PRIu32, self->index);
    options.name = name;
    options.interfaces = interfaces;
    options.interface_count = count;
    options.port = self->board->port;
    options.beacon = !self->board->hub;
    options.hub = is_hub ? "tcp://127.0.0.1:*" : NULL;
    options.seeds = &seed;
    options.seed_count = self->board->hub && !is_hub ? 1 : 0;
    return zf_peer_start (&self->peer, &options, err);
}

static int start (role_t *self, zf_error_t *err)
{
    const char **interfaces = NULL;
    char text[sizeof self->board->interfaces];
    memcpy (text, self->board->interfaces, sizeof text);
    size_t count = cli_split (text, &interfaces);
    if (interfaces == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->node->begin_ns = bench_now_ns ();
    int rc = start_with (self, interfaces, count, err);
    free (interfaces);
    return rc;
}

static void book_exit (role_t *self, const char *name)
{
    uint64_t now_ns = bench_now_ns ();
    atomic_fetch_add (&self->node->exits, 1);
    for (int end = 0; end < BENCH_ENDS; end++) {
        char victim[32];
        snprintf (victim, sizeof victim, "bench-%" PRIu32,
                  bench_victim (self->board, (bench_end_t) end));
        if (strcmp (name, victim) == 0)
            atomic_store (&self->node->gone_ns[end], now_ns);
    }
}

/* Until a signal asks to stop. */
static void watch (role_t *self)
{
    struct pollfd fds[] = {{.fd = cli_stop_fd (), .events = POLLIN},
                           {.fd = zf_peer_fd (self->peer), .events = POLLIN}};
    while (cli_stopped () == 0) {
        zf_peer_event_t event;
        while (zf_peer_next (self->peer, &event, 0) == 0) {
            if (event.type == ZF_PEER_EXIT)
                book_exit (self, event.name);
            zf_peer_event_release (&event);
        }
        poll (fds, 2, -1);
    }
}

/* The hub is a node too: with it there is one more to see. */
static void live (role_t *self)
{
    bench_swarm_board_t *board = self->board;
    uint32_t others = board->count - 1 + (board->hub ? 1 : 0);
    zf_peer_listen (self->peer, 1u << ZF_PEER_EXIT);
    if (self->index == board->count)
        snprintf (board->seed, sizeof board->seed, "%s", zf_peer_hub (self->peer));
    bench_slot_ready (&self->node->slot);
    if (zf_peer_wait (self->peer, others, MESH_MS) != 0) {
        zf_peer_stats_t stats;
        zf_peer_stats (self->peer, &stats);
        bench_slot_fail (&self->node->slot, "it sees %" PRIu32 " of %" PRIu32 " nodes after %d s",
                         stats.peers, others, MESH_MS / 1000);
        return;
    }
    atomic_store (&self->node->full_ns, bench_now_ns ());
    watch (self);
}

/* -- in a child -------------------------------------------------------------------------------- */

static bench_swarm_board_t *attach (void)
{
    struct stat info;
    if (fstat (BENCH_CHILD_FD, &info) != 0)
        return NULL;
    if ((size_t) info.st_size < sizeof (bench_swarm_board_t)) {
        errno = EINVAL;
        return NULL;
    }
    void *at =
        mmap (NULL, (size_t) info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, BENCH_CHILD_FD, 0);
    return at != MAP_FAILED ? at : NULL;
}

int bench_node_main (const cli_t *cli, const char *index_text)
{
    zf_error_t err = {0};
    uint64_t index = 0;
    role_t self = {.board = attach ()};
    if (self.board == NULL)
        return cli_fail (cli, EX_OSERR, "can't map the board: %s", strerror (errno));
    if (!cli_parse_number (CLI_COUNT, index_text, &index) || index > self.board->count)
        return cli_misuse (cli, "there is no node %s", index_text);
    self.index = (uint32_t) index;
    self.node = &self.board->nodes[index];
    int rc = start (&self, &err);
    if (rc == 0)
        live (&self);
    else
        bench_slot_fail (&self.node->slot, "%s", err.text);
    zf_peer_stop (&self.peer);
    munmap (self.board, self.board->total_bytes);
    return rc == 0 ? 0 : EX_SOFTWARE;
}
