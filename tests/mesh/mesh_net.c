#include "tests/mesh/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define REDIAL_MS     300
#define ROOM          64    /* messages that a DEALER keeps */
#define RESEND_MS     240   /* until what was not acknowledged is sent again */
#define RESEND_MAX_MS 60000 /* it gets through then */
#define SYN_MS        1000  /* the same of what begins a connection */

bool net_is_apart (const mesh_t *mesh, int a, int b)
{
    return a >= 0 && b >= 0 && (mesh->apart[a] >> b & 1) != 0;
}

/* -- mail -------------------------------------------------------------------------------------- */

mail_t *mail_new (zf_bytes_t frame, uint64_t number, uint32_t length)
{
    mail_t *mail = calloc (1, sizeof *mail + frame.size);
    mail->size = frame.size;
    mail->number = number;
    mail->length = length;
    memcpy (mail->frame, frame.data, frame.size);
    return mail;
}

mail_t *mail_new_list (zf_bytes_t frame, zf_bytes_t list)
{
    mail_t *mail = calloc (1, sizeof *mail + frame.size + list.size);
    mail->size = frame.size;
    mail->list_size = list.size;
    memcpy (mail->frame, frame.data, frame.size);
    memcpy (mail->frame + frame.size, list.data, list.size);
    return mail;
}

void mails_free (mail_t *first)
{
    while (first != NULL) {
        mail_t *next = first->next;
        free (first);
        first = next;
    }
}

static void append (mail_t **first, mail_t **last, mail_t *mail)
{
    mail->next = NULL;
    if (*first == NULL)
        *first = mail;
    else
        (*last)->next = mail;
    *last = mail;
}

static mail_t *take (mail_t **first)
{
    mail_t *mail = *first;
    *first = mail->next;
    return mail;
}

/* -- connections ------------------------------------------------------------------------------- */

static dealer_t *dealer_of (mesh_t *mesh, const conn_t *conn)
{
    return &mesh->nodes[conn->from].dealers[conn->slot];
}

static void await (mesh_t *mesh, conn_t *conn, uint64_t delay)
{
    if (conn->is_awaited)
        return;
    conn->is_awaited = true;
    mesh_event (mesh, EVENT_MAIL, delay)->conn = conn;
}

static void free_conn (mesh_t *mesh, conn_t *conn)
{
    DL_DELETE (mesh->conns, conn);
    mails_free (conn->first);
    free (conn);
}

static void free_if_done (mesh_t *mesh, conn_t *conn)
{
    if (!conn->is_awaited && !conn->is_open && (conn->is_broken || conn->first == NULL))
        free_conn (mesh, conn);
}

/* For how long it is sent in vain, as TCP does it: it waits ever longer before it tries again. */
static uint64_t retries (mesh_t *mesh, uint32_t wait_ms, uint32_t lost)
{
    uint64_t time = 0;
    while (chance (mesh, 100) < lost && time < RESEND_MAX_MS) {
        time += wait_ms;
        wait_ms *= 2;
    }
    return time;
}

/* Percent of those of which the packet or the answer is lost. */
static uint32_t round_losses (const mesh_t *mesh)
{
    return 2 * mesh->losses - mesh->losses * mesh->losses / 100;
}

/* What it takes longer because packets are lost. What comes while one is not known to have arrived
 * waits, and leaves together. */
static uint64_t delay_by_losses (mesh_t *mesh, conn_t *conn)
{
    if (mesh->losses == 0)
        return 0;
    if (conn->leaves <= mesh->now) {
        conn->leaves = conn->acked > mesh->now ? conn->acked : mesh->now;
        uint64_t tries = retries (mesh, RESEND_MS, mesh->losses);
        uint64_t more = retries (mesh, RESEND_MS + (uint32_t) tries, round_losses (mesh));
        conn->arrives = conn->leaves + tries;
        conn->acked = conn->arrives + more + 2 * mesh->mail_ms;
        conn->is_lossy |= tries + more > 0;
    }
    return conn->arrives - mesh->now;
}

void conn_put (mesh_t *mesh, conn_t *conn, mail_t *mail)
{
    mail->due = mesh->now + prng_between (&mesh->prng, 1, mesh->mail_ms);
    mail->due += delay_by_losses (mesh, conn);
    if (conn->first != NULL && conn->last->due > mail->due)
        mail->due = conn->last->due;
    append (&conn->first, &conn->last, mail);
    await (mesh, conn, mail->due - mesh->now);
}

static void slot_event (mesh_t *mesh, event_type_t type, uint64_t delay, const conn_t *conn)
{
    event_t *event = mesh_event (mesh, type, delay);
    event->node = conn->from;
    event->life = conn->from_life;
    event->slot = conn->slot;
    event->number = dealer_of (mesh, conn)->number;
}

/* Its DEALER will try again by itself, and hears about it. */
void net_break (mesh_t *mesh, conn_t *conn)
{
    if (conn->is_broken)
        return;
    conn->is_broken = true;
    if (conn->is_open && conn->from >= 0) {
        dealer_of (mesh, conn)->conn = NULL;
        dealer_of (mesh, conn)->is_cut = true;
        slot_event (mesh, EVENT_LOST, 1 + chance (mesh, 50), conn);
        slot_event (mesh, EVENT_DIAL, 1 + chance (mesh, REDIAL_MS), conn);
    }
    conn->is_open = false;
    free_if_done (mesh, conn);
}

/* Who has the same identity has to go. */
static void take_over (mesh_t *mesh, const conn_t *conn)
{
    conn_t *other, *next;
    DL_FOREACH_SAFE (mesh->conns, other, next) {
        if (other != conn && other->to == conn->to && other->to_life == conn->to_life &&
            memcmp (other->identity, conn->identity, sizeof conn->identity) == 0)
            net_break (mesh, other);
    }
}

static conn_t *connect_to (mesh_t *mesh, int from, int to, const uint8_t *uuid)
{
    conn_t *conn = calloc (1, sizeof *conn);
    identity_of (conn->identity, uuid);
    conn->from = from;
    conn->from_life = from >= 0 ? mesh->nodes[from].life : 0;
    conn->to = to;
    conn->to_life = mesh->nodes[to].life;
    conn->is_open = true;
    DL_APPEND (mesh->conns, conn);
    take_over (mesh, conn);
    return conn;
}

conn_t *net_forge (mesh_t *mesh, int to, const uint8_t *uuid)
{
    return connect_to (mesh, -1, to, uuid);
}

static void deliver (mesh_t *mesh, conn_t *conn)
{
    mail_t *mail = take (&conn->first);
    node_mail (mesh, &mesh->nodes[conn->to], conn, mail);
    free (mail);
}

/* What is under way to a node that is frozen, or cannot be reached, waits. */
void net_arrive (mesh_t *mesh, conn_t *conn)
{
    const node_t *to = &mesh->nodes[conn->to];
    conn->is_awaited = false;
    if (!to->is_there || to->life != conn->to_life)
        net_break (mesh, conn);
    else if (conn->is_broken || conn->first == NULL)
        free_if_done (mesh, conn);
    else if (to->frozen > mesh->now)
        await (mesh, conn, to->frozen - mesh->now);
    else if (net_is_apart (mesh, conn->from, conn->to)) {
        conn->is_lossy = true;
        await (mesh, conn, 200);
    } else if (conn->first->due > mesh->now)
        await (mesh, conn, conn->first->due - mesh->now);
    else {
        conn->is_awaited = true; /* it stays while it is looked at */
        deliver (mesh, conn);
        conn->is_awaited = false;
        if (conn->first != NULL && !conn->is_broken)
            await (mesh, conn, conn->first->due > mesh->now ? conn->first->due - mesh->now : 0);
        else
            free_if_done (mesh, conn);
    }
}

void net_kill (mesh_t *mesh, int node)
{
    conn_t *conn, *next;
    DL_FOREACH_SAFE (mesh->conns, conn, next) {
        if (conn->from == node)
            conn->is_open = false;
        if (conn->to == node)
            net_break (mesh, conn);
        else
            free_if_done (mesh, conn);
    }
}

void net_free (mesh_t *mesh)
{
    while (mesh->conns != NULL)
        free_conn (mesh, mesh->conns);
}

/* -- DEALERs ----------------------------------------------------------------------------------- */

static void dial_later (mesh_t *mesh, const node_t *node, uint32_t slot, uint64_t delay)
{
    uint64_t more = mesh->losses > 0 ? retries (mesh, SYN_MS, round_losses (mesh)) +
                                           retries (mesh, RESEND_MS, round_losses (mesh))
                                     : 0;
    event_t *event = mesh_event (mesh, EVENT_DIAL, delay + more);
    event->node = node_index (mesh, node);
    event->life = node->life;
    event->slot = slot;
    event->number = node->dealers[slot].number;
}

void net_open (mesh_t *mesh, node_t *node, uint32_t slot, const char *endpoint)
{
    if (slot >= node->dealer_count) {
        node->dealers = realloc (node->dealers, (slot + 1) * sizeof *node->dealers);
        memset (node->dealers + node->dealer_count, 0,
                (slot + 1 - node->dealer_count) * sizeof *node->dealers);
        node->dealer_count = slot + 1;
    }
    dealer_t *dealer = &node->dealers[slot];
    if (dealer->is_open)
        mesh_fail (mesh, "%s opens slot %u twice", node->name, slot);
    *dealer = (dealer_t){.is_open = true, .number = dealer->number + 1};
    snprintf (dealer->endpoint, sizeof dealer->endpoint, "%s", endpoint);
    dial_later (mesh, node, slot, chance (mesh, mesh->mail_ms) / 2);
}

bool net_is_open (const node_t *node, uint32_t slot)
{
    return slot < node->dealer_count && node->dealers[slot].is_open;
}

void net_close (mesh_t *mesh, node_t *node, uint32_t slot)
{
    if (!net_is_open (node, slot))
        mesh_fail (mesh, "%s closes slot %u that is not open", node->name, slot);
    dealer_t *dealer = &node->dealers[slot];
    mails_free (dealer->first);
    dealer->first = NULL;
    dealer->is_open = false;
    if (dealer->conn == NULL)
        return;
    dealer->conn->is_open = false;
    free_if_done (mesh, dealer->conn);
    dealer->conn = NULL;
}

zf_reach_t net_reach (const mesh_t *mesh, const node_t *node, uint32_t slot)
{
    conn_t *conn = node->dealers[slot].conn;
    if (node->dealers[slot].is_cut)
        return ZF_REACH_CUT;
    if (conn == NULL)
        return ZF_REACH_NOT;
    bool is_apart = net_is_apart (mesh, conn->from, conn->to);
    conn->is_through |= !is_apart && mesh->nodes[conn->to].frozen <= mesh->now;
    if (!conn->is_through)
        return ZF_REACH_NOT;
    if (!conn->is_lossy)
        return ZF_REACH_FINE;
    bool is_stuck = (is_apart && conn->first != NULL) || conn->acked > mesh->now;
    return is_stuck ? ZF_REACH_STUCK : ZF_REACH_LOSSY;
}

bool net_has_room (const mesh_t *mesh, const node_t *node, uint32_t slot)
{
    const dealer_t *dealer = &node->dealers[slot];
    return dealer->waiting < ROOM && dealer->stuck <= mesh->now;
}

static void flush (mesh_t *mesh, dealer_t *dealer)
{
    while (dealer->conn != NULL && dealer->first != NULL) {
        conn_put (mesh, dealer->conn, take (&dealer->first));
        dealer->waiting--;
    }
}

void net_put (mesh_t *mesh, node_t *node, uint32_t slot, mail_t *mail)
{
    dealer_t *dealer = &node->dealers[slot];
    append (&dealer->first, &dealer->last, mail);
    dealer->waiting++;
    flush (mesh, dealer);
}

/* Who listens there; -1: nobody does. */
static int listener (const mesh_t *mesh, const char *endpoint)
{
    for (uint32_t i = 0; i < mesh->count; i++)
        if (mesh->nodes[i].is_there && strcmp (mesh->nodes[i].endpoint, endpoint) == 0)
            return (int) i;
    return -1;
}

void net_dial (mesh_t *mesh, node_t *node, uint32_t slot)
{
    dealer_t *dealer = &node->dealers[slot];
    int from = node_index (mesh, node), to = listener (mesh, dealer->endpoint);
    if (dealer->conn != NULL)
        return;
    if (to >= 0 && !net_is_apart (mesh, from, to)) {
        dealer->conn = connect_to (mesh, from, to, node->uuid);
        dealer->conn->slot = slot;
        flush (mesh, dealer);
        node_pump (mesh, node, slot);
        return;
    }
    if (to < 0 && dealer->endpoint[6] != 'q') { /* nobody answers at q, not even by refusing */
        event_t *event = mesh_event (mesh, EVENT_LOST, 1);
        event->node = from;
        event->life = node->life;
        event->slot = slot;
        event->number = dealer->number;
    }
    dial_later (mesh, node, slot, 1 + chance (mesh, REDIAL_MS));
}
