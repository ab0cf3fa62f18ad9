#include "tests/mesh/mesh.h"

#include <stdio.h>
#include <utlist.h>

static node_t *any_node (mesh_t *mesh)
{
    node_t *node = &mesh->nodes[chance (mesh, mesh->count)];
    return node->is_there ? node : NULL;
}

/* -- the network ------------------------------------------------------------------------------- */

static void break_one (mesh_t *mesh)
{
    conn_t *conn;
    DL_FOREACH (mesh->conns, conn) {
        if (prng_one_in (&mesh->prng, 5)) {
            mesh_trace (mesh, "a connection of %d to %d breaks", conn->from, conn->to);
            net_break (mesh, conn);
            return;
        }
    }
}

static void part (mesh_t *mesh)
{
    uint32_t side = (uint32_t) chance (mesh, UINT32_C (1) << mesh->count);
    mesh_trace (mesh, "the network parts: %x", side);
    for (uint32_t i = 0; i < mesh->count; i++)
        mesh->apart[i] = (side >> i & 1) != 0 ? ~side : side;
}

static void part_two (mesh_t *mesh)
{
    uint32_t a = (uint32_t) chance (mesh, mesh->count), b = (uint32_t) chance (mesh, mesh->count);
    mesh_trace (mesh, "n%u does not reach n%u", a, b);
    mesh->apart[a] |= UINT32_C (1) << b;
    if (prng_one_in (&mesh->prng, 2))
        mesh->apart[b] |= UINT32_C (1) << a;
}

static void heal (mesh_t *mesh)
{
    mesh_trace (mesh, "the network heals");
    memset (mesh->apart, 0, sizeof mesh->apart);
}

/* -- nodes ------------------------------------------------------------------------------------- */

static void restart (mesh_t *mesh)
{
    int index = (int) chance (mesh, mesh->count);
    if (mesh->nodes[index].is_there)
        node_stop (mesh, index, prng_one_in (&mesh->prng, 2));
    if (prng_one_in (&mesh->prng, 4))
        return;
    node_start (mesh, index, !mesh->is_honest && prng_one_in (&mesh->prng, 3));
}

static void freeze (mesh_t *mesh)
{
    node_t *node = any_node (mesh);
    if (node == NULL)
        return;
    node->frozen = mesh->now + prng_between (&mesh->prng, 100, 50000);
    mesh_trace (mesh, "%s freezes until %llu", node->name, (unsigned long long) node->frozen);
}

static void freeze_all (mesh_t *mesh)
{
    uint64_t time = prng_between (&mesh->prng, 1000, 100000);
    if (mesh->end - mesh->now < time + 10000)
        return;
    mesh_trace (mesh, "all freeze for %llu ms", (unsigned long long) time);
    for (uint32_t i = 0; i < mesh->count; i++)
        mesh->nodes[i].frozen = mesh->now + time;
}

/* Nobody reads at the other end. */
static void stick (mesh_t *mesh)
{
    node_t *node = any_node (mesh);
    if (node == NULL || node->dealer_count == 0)
        return;
    uint32_t slot = (uint32_t) chance (mesh, node->dealer_count);
    node->dealers[slot].stuck = mesh->now + prng_between (&mesh->prng, 1000, 30000);
}

/* -- who forges -------------------------------------------------------------------------------- */

static void forge_uuid (mesh_t *mesh, uint8_t *uuid)
{
    const node_t *node = any_node (mesh);
    for (int i = 0; i < ZF_UUID_BYTES; i++)
        uuid[i] = (uint8_t) chance (mesh, 256);
    uuid[0] = 0xff;
    if (node != NULL && prng_one_in (&mesh->prng, 2))
        memcpy (uuid, node->uuid, ZF_UUID_BYTES);
}

static void forge_beacon (mesh_t *mesh, const node_t *to)
{
    const node_t *victim = any_node (mesh);
    event_t *event = mesh_event (mesh, EVENT_BEACON, 1);
    event->node = node_index (mesh, to);
    event->life = to->life;
    event->is_farewell = prng_one_in (&mesh->prng, 3);
    forge_uuid (mesh, event->uuid);
    snprintf (event->host, sizeof event->host, "f%u", (unsigned) chance (mesh, 3));
    if (victim != NULL && prng_one_in (&mesh->prng, 2))
        snprintf (event->endpoint, sizeof event->endpoint, "%s", victim->endpoint);
    else
        snprintf (event->endpoint, sizeof event->endpoint, "tcp://%c:%u", "xq"[chance (mesh, 2)],
                  (unsigned) chance (mesh, 65536));
}

static void forge_beacons (mesh_t *mesh)
{
    const node_t *to = any_node (mesh);
    uint64_t count = prng_one_in (&mesh->prng, 30) ? 2000 : 1 + chance (mesh, 10);
    for (uint64_t i = 0; to != NULL && i < count && !mesh->is_honest; i++)
        forge_beacon (mesh, to);
}

/* The name of who has that uuid, maybe. */
static const char *forge_name (mesh_t *mesh, const uint8_t *uuid)
{
    bool known = uuid[0] < mesh->count && prng_one_in (&mesh->prng, 2);
    return known ? mesh->nodes[uuid[0]].name : "forged";
}

/* As if it were one of ours, and offered something, maybe. */
static void forge_headers (mesh_t *mesh, zf_writer_t *headers)
{
    if (prng_one_in (&mesh->prng, 2))
        return;
    zf_zre_put_header (headers, zf_bytes_of (ZF_HEADER_VERSION), zf_bytes_of ("1"));
    zf_zre_put_header (headers, zf_bytes_of (ZF_HEADER_OFFER "1"),
                       zf_bytes_of ("service/s254 tcp://*:255"));
}

static void forge_mail (mesh_t *mesh)
{
    static const zf_zre_id_t ids[] = {ZF_ZRE_HELLO,   ZF_ZRE_HELLO, ZF_ZRE_HELLO,
                                      ZF_ZRE_GOODBYE, ZF_ZRE_PING,  ZF_ZRE_JOIN};
    const node_t *to = any_node (mesh), *victim = any_node (mesh);
    uint8_t uuid[ZF_UUID_BYTES];
    zf_writer_t w = {0}, groups = {0}, headers = {0};
    if (to == NULL || victim == NULL || to->is_zyre || mesh->is_honest)
        return;
    forge_uuid (mesh, uuid);
    zf_zre_put_group (&groups, zf_bytes_of ("g1"));
    forge_headers (mesh, &headers);
    zf_zre_encode (&w, &(zf_zre_t){.id = PRNG_PICK (&mesh->prng, ids),
                                   .sequence = (uint16_t) (1 + chance (mesh, 3)),
                                   .name = zf_bytes_of (forge_name (mesh, uuid)),
                                   .endpoint = zf_bytes_of (victim->endpoint),
                                   .groups = zf_bytes (groups.data, groups.size),
                                   .group_count = 1,
                                   .headers = zf_bytes (headers.data, headers.size),
                                   .header_count = headers.size > 0 ? 2 : 0,
                                   .group = zf_bytes_of ("g1")});
    mesh_trace (mesh, "somebody says %d to %s as %x", w.data[2], to->name, uuid[0]);
    conn_t *conn = net_forge (mesh, node_index (mesh, to), uuid);
    conn_put (mesh, conn, mail_new (zf_bytes (w.data, w.size), 0, 0));
    conn->is_open = false;
    zf_writer_free (&w);
    zf_writer_free (&groups);
    zf_writer_free (&headers);
}

/* Somebody who was seen is said to have left, or another one to be where he is. */
static void slander (mesh_t *mesh)
{
    const node_t *victim = any_node (mesh), *to = any_node (mesh);
    if (victim == NULL || to == NULL || to->is_zyre) /* Zyre believes everything */
        return;
    event_t *event = mesh_event (mesh, EVENT_BEACON, 1);
    event->node = node_index (mesh, to);
    event->life = to->life;
    event->is_farewell = prng_one_in (&mesh->prng, 2);
    forge_uuid (mesh, event->uuid);
    if (event->is_farewell)
        memcpy (event->uuid, victim->uuid, ZF_UUID_BYTES);
    else
        event->uuid[0] = 0xff;
    snprintf (event->host, sizeof event->host, "f");
    snprintf (event->endpoint, sizeof event->endpoint, "%s", victim->endpoint);
}

/* -- when -------------------------------------------------------------------------------------- */

void evil_step (mesh_t *mesh)
{
    static void (*const deeds[]) (mesh_t *) = {break_one, break_one,     part,       part_two,
                                               heal,      heal,          restart,    restart,
                                               freeze,    forge_beacons, forge_mail, stick};
    if (mesh->mode == MODE_SLEEPY) {
        freeze_all (mesh);
        mesh_event (mesh, EVENT_EVIL, 120000);
        return;
    }
    if (mesh->mode == MODE_CALM) {
        slander (mesh);
        mesh_event (mesh, EVENT_EVIL, 1 + chance (mesh, 4000));
        return;
    }
    if (mesh->now >= mesh->calm_from)
        return;
    PRNG_PICK (&mesh->prng, deeds) (mesh);
    mesh_event (mesh, EVENT_EVIL, 1 + chance (mesh, 2 * mesh->evil_ms));
}

void evil_end (mesh_t *mesh)
{
    mesh_trace (mesh, "calm");
    heal (mesh);
    mesh->losses = 0;
    for (uint32_t i = 0; i < mesh->count; i++) {
        node_t *node = &mesh->nodes[i];
        if (node->frozen > mesh->now)
            node->frozen = mesh->now + 1;
        for (uint32_t slot = 0; slot < node->dealer_count; slot++)
            node->dealers[slot].stuck = 0;
    }
}
