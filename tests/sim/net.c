#include "tests/sim/net.h"

#include "tests/sim/peer.h"

#define NEVER_NOTICED 5 /* one break in so many is not heard of by the shell */

conn_t *net_connect (peer_t *peer)
{
    sim_t *sim = peer->sim;
    conn_t *conn = vec_new (sizeof *conn);
    conn->sim = sim;
    conn->peer = peer;
    conn->number = ++sim->conn_count;
    conn->next = sim->conns;
    sim->conns = conn;
    return conn;
}

static void on_arrival_in (void *target, uint64_t arg)
{
    (void) arg;
    shell_read (target);
}

static void on_arrival_out (void *target, uint64_t arg)
{
    (void) arg;
    peer_read (target);
}

static zf_bytes_t copy (zf_bytes_t bytes)
{
    uint8_t *data = vec_new (bytes.size + 1);
    if (bytes.size > 0)
        memcpy (data, bytes.data, bytes.size);
    return zf_bytes (data, bytes.size);
}

/* Now and then the network holds its breath. */
static uint64_t latency (sim_t *sim)
{
    if (sim->chaos && prng_one_in (&sim->prng, 500))
        return prng_below (&sim->prng, 3000);
    return prng_below (&sim->prng, sim->latency_ms + 1);
}

static void push (conn_t *conn, pipe_t *pipe, zf_bytes_t control, zf_bytes_t body, event_fn *fn)
{
    sim_t *sim = conn->sim;
    message_t *message = vec_new (sizeof *message);
    message->count = body.data != NULL ? 2 : 1;
    message->part[0] = copy (control);
    if (body.data != NULL)
        message->part[1] = copy (body);
    message->arrival_ms = sim->now_ms + latency (sim);
    if (message->arrival_ms < pipe->arrival_ms)
        message->arrival_ms = pipe->arrival_ms;
    pipe->arrival_ms = message->arrival_ms;
    if (pipe->last != NULL)
        pipe->last->next = message;
    else
        pipe->first = message;
    pipe->last = message;
    clock_set (&sim->clock, message->arrival_ms, fn, conn, 0);
}

void net_to_engine (conn_t *conn, zf_bytes_t control, zf_bytes_t body)
{
    if (!conn->broken)
        push (conn, &conn->in, control, body, on_arrival_in);
}

void net_to_peer (conn_t *conn, zf_bytes_t control, zf_bytes_t body)
{
    if (!conn->broken && !conn->left)
        push (conn, &conn->out, control, body, on_arrival_out);
}

message_t *net_arrived (conn_t *conn, pipe_t *pipe)
{
    message_t *message = pipe->first;
    if (message == NULL || message->arrival_ms > conn->sim->now_ms)
        return NULL;
    pipe->first = message->next;
    if (pipe->first == NULL)
        pipe->last = NULL;
    return message;
}

void message_free (message_t *message)
{
    for (size_t i = 0; i < message->count; i++)
        free ((void *) (uintptr_t) message->part[i].data);
    free (message);
}

static void clear (pipe_t *pipe)
{
    while (pipe->first != NULL) {
        message_t *message = pipe->first;
        pipe->first = message->next;
        message_free (message);
    }
    pipe->last = NULL;
}

static void on_noticed (void *target, uint64_t arg)
{
    (void) arg;
    shell_detach (target);
}

void net_break (conn_t *conn)
{
    sim_t *sim = conn->sim;
    if (conn->broken)
        return;
    trace (sim, "connection %u breaks", conn->number);
    conn->broken = true;
    clear (&conn->in);
    clear (&conn->out);
    if (!sim->chaos || !prng_one_in (&sim->prng, NEVER_NOTICED))
        clock_set (&sim->clock, sim->now_ms + prng_below (&sim->prng, 200), on_noticed, conn, 0);
}

void net_close (conn_t *conn)
{
    sim_t *sim = conn->sim;
    conn->left = true;
    clear (&conn->out);
    uint64_t when = conn->in.arrival_ms > sim->now_ms ? conn->in.arrival_ms : sim->now_ms;
    clock_set (&sim->clock, when + prng_below (&sim->prng, 20), on_noticed, conn, 0);
}

void net_free (sim_t *sim)
{
    while (sim->conns != NULL) {
        conn_t *conn = sim->conns;
        sim->conns = conn->next;
        clear (&conn->in);
        clear (&conn->out);
        free (conn);
    }
}
