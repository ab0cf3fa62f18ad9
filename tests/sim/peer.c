#include "tests/sim/peer.h"

#define SILENCE_MS 4000 /* of the engine: then the connection is given up */

/* -- talking ----------------------------------------------------------------------------------- */

void peer_send (peer_t *peer, zf_writer_t *control, const zf_writer_t *batch)
{
    zf_bytes_t body = batch != NULL ? zf_bytes (batch->data, batch->size) : zf_bytes (NULL, 0);
    if (peer->conn != NULL)
        net_to_engine (peer->conn, zf_bytes (control->data, control->size), body);
    peer->said_ms = peer->sim->now_ms;
    zf_writer_free (control);
}

static void send_bare (peer_t *peer, unsigned command)
{
    zf_writer_t w = {0};
    zf_control (&w, command, 1);
    peer_send (peer, &w, NULL);
}

static void send_hello (peer_t *peer)
{
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_HELLO, 4);
    zf_mp_put_uint (&w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&w, zf_bytes (peer->me->uuid, ZF_UUID_BYTES));
    zf_mp_put_map (&w, 1);
    zf_mp_put_uint (&w, ZF_OPTION_NAME);
    zf_mp_put_str (&w, zf_bytes_of (peer->role->name));
    peer_send (peer, &w, NULL);
    peer->awaiting = true;
}

/* -- connections ------------------------------------------------------------------------------- */

static void go_down (peer_t *peer)
{
    bool was_up = peer->up;
    peer->up = peer->awaiting = false;
    if (was_up && peer->role->down != NULL)
        peer->role->down (peer);
}

static void connect_again (peer_t *peer)
{
    zf_writer_t probe = {0};
    go_down (peer);
    peer->conn = net_connect (peer);
    peer->heard_ms = peer->sim->now_ms;
    peer_send (peer, &probe, NULL);
    if (peer->eager && !peer->hostile)
        send_hello (peer);
}

static void on_reconnect (void *target, uint64_t arg)
{
    peer_t *peer = target;
    (void) arg;
    if (peer->conn == NULL && !peer->away)
        connect_again (peer);
}

/* The connection is of no use any more; the peer knows. */
static void drop_connection (peer_t *peer, uint64_t pause_ms)
{
    if (peer->conn != NULL)
        net_break (peer->conn);
    peer->conn = NULL;
    go_down (peer);
    clock_set (&peer->sim->clock, peer->sim->now_ms + pause_ms, on_reconnect, peer, 0);
}

void peer_lost (peer_t *peer)
{
    if (!peer->away)
        drop_connection (peer, prng_below (&peer->sim->prng, 300));
}

static void part (peer_t *peer)
{
    if (peer->up && !prng_one_in (&peer->sim->prng, 4))
        send_bare (peer, ZF_CMD_BYE);
    if (peer->conn != NULL)
        net_close (peer->conn);
    peer->conn = NULL;
    go_down (peer);
}

void peer_leave (peer_t *peer)
{
    part (peer);
    peer->away = true;
}

/* -- listening --------------------------------------------------------------------------------- */

static void on_welcome (peer_t *peer, zf_reader_t *r)
{
    zf_mp_uint (r);
    zf_mp_bytes (r);
    uint32_t pairs = zf_mp_map (r);
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t option = zf_mp_uint (r);
        if (option == ZF_OPTION_HEARTBEAT)
            peer->heartbeat_ms = (uint32_t) zf_mp_uint (r);
        else if (option == ZF_OPTION_WINDOW)
            peer->window = zf_mp_uint (r);
        else
            zf_mp_skip (r);
    }
    if (!peer->awaiting || r->failed)
        sim_fail (peer->sim, "a WELCOME that nobody asked for");
    peer->awaiting = false;
    peer->up = true;
    if (peer->role->up != NULL)
        peer->role->up (peer);
}

static void on_message (peer_t *peer, zf_bytes_t control, zf_bytes_t body)
{
    zf_reader_t r = zf_reader (control);
    zf_mp_array (&r);
    unsigned command = (unsigned) zf_mp_uint (&r);
    peer->heard_ms = peer->sim->now_ms;
    if (command == ZF_CMD_RESET && !peer->hostile) {
        if (peer->awaiting)
            return; /* that was about something sent before HELLO */
        go_down (peer);
        send_hello (peer);
    } else if (command == ZF_CMD_WELCOME && !peer->hostile) {
        on_welcome (peer, &r);
    } else if ((peer->up || peer->hostile) && peer->role->message != NULL) {
        peer->role->message (peer, command, &r, body);
    }
}

static void on_wake (void *target, uint64_t arg)
{
    (void) arg;
    peer_read (target);
}

void peer_read (conn_t *conn)
{
    peer_t *peer = conn->peer;
    message_t *message;
    if (peer->hung_until > peer->sim->now_ms) {
        clock_set (&peer->sim->clock, peer->hung_until, on_wake, conn, 0);
        return;
    }
    while (peer->conn == conn && (message = net_arrived (conn, &conn->out)) != NULL) {
        zf_bytes_t body = message->count == 2 ? message->part[1] : zf_bytes (NULL, 0);
        on_message (peer, message->part[0], body);
        message_free (message);
    }
}

/* -- misfortune -------------------------------------------------------------------------------- */

static void crash (peer_t *peer)
{
    sim_t *sim = peer->sim;
    trace (sim, "%s %u crashes", peer->role->name, peer->index);
    drop_connection (peer, prng_below (&sim->prng, 3000));
    peer->me = book_identity (peer);
    peer->role->crash (peer);
}

/* The wire is cut, but nobody tells the peer. */
static void cut (peer_t *peer)
{
    if (peer->conn != NULL)
        net_break (peer->conn);
}

static void hang (peer_t *peer)
{
    sim_t *sim = peer->sim;
    peer->hung_until = sim->now_ms + prng_below (&sim->prng, 4000);
    trace (sim, "%s %u hangs until %" PRIu64, peer->role->name, peer->index, peer->hung_until);
}

static void suffer (peer_t *peer)
{
    sim_t *sim = peer->sim;
    if (!sim->chaos || !prng_one_in (&sim->prng, 6000 / peer->role->tick_ms + 1))
        return;
    switch (prng_below (&sim->prng, 8)) {
    case 0:
        crash (peer);
        break;
    case 1:
        cut (peer);
        break;
    case 2:
        hang (peer);
        break;
    case 3:
    case 4:
        drop_connection (peer, prng_below (&sim->prng, 50));
        break;
    case 5: /* longer than the engine keeps requests for somebody away */
        drop_connection (peer, prng_below (&sim->prng, 14000));
        break;
    case 6:
        part (peer);
        clock_set (&sim->clock, sim->now_ms + prng_below (&sim->prng, 2000), on_reconnect, peer, 0);
        break;
    default:
        break;
    }
}

/* -- time -------------------------------------------------------------------------------------- */

static void look_after_connection (peer_t *peer)
{
    uint64_t now = peer->sim->now_ms;
    if (peer->conn == NULL)
        return;
    if (now - peer->heard_ms > SILENCE_MS)
        drop_connection (peer, prng_below (&peer->sim->prng, 100));
    else if (peer->up && now - peer->said_ms >= peer->heartbeat_ms)
        send_bare (peer, ZF_CMD_PING);
}

static void on_tick (void *target, uint64_t arg)
{
    peer_t *peer = target;
    sim_t *sim = peer->sim;
    (void) arg;
    if (peer->away)
        return;
    uint64_t next = sim->now_ms + prng_between (&sim->prng, 1, 2ull * peer->role->tick_ms);
    if (peer->hung_until > sim->now_ms) {
        next = peer->hung_until;
    } else {
        suffer (peer);
        look_after_connection (peer);
        peer->role->tick (peer);
    }
    clock_set (&sim->clock, next, on_tick, peer, 0);
}

peer_t *peer_make (sim_t *sim, const role_t *role)
{
    peer_t *peer = vec_new (sizeof *peer);
    peer->sim = sim;
    peer->role = role;
    peer->index = (uint32_t) sim->peer_count;
    peer->me = book_identity (peer);
    peer->eager = prng_one_in (&sim->prng, 2);
    peer->heartbeat_ms = 500;
    sim->peers[sim->peer_count++] = peer;
    role->make (peer);
    clock_set (&sim->clock, sim->now_ms + prng_below (&sim->prng, 500), on_reconnect, peer, 0);
    clock_set (&sim->clock, sim->now_ms + prng_below (&sim->prng, 500), on_tick, peer, 0);
    return peer;
}

void peer_free (peer_t *peer)
{
    peer->role->free (peer);
    free (peer->role_state);
    free (peer);
}
