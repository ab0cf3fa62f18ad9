#include "tests/mesh/mesh.h"

#include <stdlib.h>

#define EVASIVE_MS 5000
#define EXPIRED_MS 30000

static zpeer_t *find (node_t *node, const uint8_t *uuid)
{
    for (uint32_t i = 0; i < node->zpeer_count; i++)
        if (node->zpeers[i].is_used && memcmp (node->zpeers[i].uuid, uuid, ZF_UUID_BYTES) == 0)
            return &node->zpeers[i];
    return NULL;
}

static void send (mesh_t *mesh, node_t *node, zpeer_t *peer, zf_zre_t *message)
{
    zf_writer_t w = {0};
    message->sequence = ++peer->sent;
    zf_zre_encode (&w, message);
    mesh_trace (mesh, "%s sends %u #%u to %s", node->name, message->id, message->sequence,
                node->dealers[peer->slot].endpoint);
    net_put (mesh, node, peer->slot, mail_new (zf_bytes (w.data, w.size), 0, 0));
    zf_writer_free (&w);
}

static void send_plain (mesh_t *mesh, node_t *node, zpeer_t *peer, zf_zre_id_t id)
{
    zf_zre_t message = {.id = id};
    send (mesh, node, peer, &message);
}

static void say_hello (mesh_t *mesh, node_t *node, zpeer_t *peer)
{
    zf_writer_t groups = {0};
    zf_zre_t hello = {.id = ZF_ZRE_HELLO,
                      .status = node->zstatus,
                      .endpoint = zf_bytes_of (node->endpoint),
                      .name = zf_bytes_of (node->name)};
    for (uint32_t i = 0; i < GROUPS; i++) {
        char name[] = {'g', (char) ('0' + i), 0};
        if ((node->groups >> i & 1) == 0)
            continue;
        zf_zre_put_group (&groups, zf_bytes_of (name));
        hello.group_count++;
    }
    hello.groups = zf_bytes (groups.data, groups.size);
    send (mesh, node, peer, &hello);
    zf_writer_free (&groups);
}

static uint32_t free_slot (const node_t *node)
{
    uint32_t slot = 0;
    while (slot < node->dealer_count && node->dealers[slot].is_open)
        slot++;
    return slot;
}

static zpeer_t *add (node_t *node)
{
    for (uint32_t i = 0; i < node->zpeer_count; i++)
        if (!node->zpeers[i].is_used)
            return &node->zpeers[i];
    node->zpeers = realloc (node->zpeers, (node->zpeer_count + 1) * sizeof *node->zpeers);
    return &node->zpeers[node->zpeer_count++];
}

/* Opens a DEALER and says HELLO, if it is not known. */
static zpeer_t *require (mesh_t *mesh, node_t *node, const uint8_t *uuid, const char *endpoint)
{
    zpeer_t *peer = find (node, uuid);
    if (peer != NULL)
        return peer;
    peer = add (node);
    *peer = (zpeer_t){.is_used = true, .heard = mesh->now, .slot = free_slot (node)};
    memcpy (peer->uuid, uuid, ZF_UUID_BYTES);
    net_open (mesh, node, peer->slot, endpoint);
    say_hello (mesh, node, peer);
    return peer;
}

static void remove_peer (mesh_t *mesh, node_t *node, zpeer_t *peer, const char *why)
{
    mesh_trace (mesh, "%s (Zyre) drops %u: %s", node->name, peer->uuid[0], why);
    net_close (mesh, node, peer->slot);
    peer->is_used = false;
}

void zyre_beacon (mesh_t *mesh, node_t *node, const event_t *event)
{
    zpeer_t *peer = find (node, event->uuid);
    if (memcmp (event->uuid, node->uuid, ZF_UUID_BYTES) == 0)
        return;
    if (!event->is_farewell)
        require (mesh, node, event->uuid, event->endpoint)->heard = mesh->now;
    else if (peer != NULL)
        remove_peer (mesh, node, peer, "farewell");
}

/* It stops for good if the count is wrong. */
static void on_group (mesh_t *mesh, const node_t *node, zpeer_t *peer, const zf_zre_t *message)
{
    uint32_t bit = UINT32_C (1) << (((const char *) message->group.data)[1] - '0');
    peer->groups = message->id == ZF_ZRE_JOIN ? peer->groups | bit : peer->groups & ~bit;
    if (message->status != ++peer->status)
        mesh_fail (mesh, "%s (Zyre) has stopped: a count of groups is wrong", node->name);
}

static void on_hello (zpeer_t *peer, const zf_zre_t *hello)
{
    zf_bytes_t groups = hello->groups, group;
    peer->groups = 0;
    while (zf_zre_next_group (&groups, &group))
        peer->groups |= UINT32_C (1) << (((const char *) group.data)[1] - '0');
    peer->status = hello->status;
}

static void on_message (mesh_t *mesh, node_t *node, zpeer_t *peer, const zf_zre_t *message)
{
    peer->heard = mesh->now;
    if (message->id == ZF_ZRE_HELLO)
        on_hello (peer, message);
    else if (message->id == ZF_ZRE_PING)
        send_plain (mesh, node, peer, ZF_ZRE_PING_OK);
    else if (message->id == ZF_ZRE_JOIN || message->id == ZF_ZRE_LEAVE)
        on_group (mesh, node, peer, message);
    else if (message->id == ZF_ZRE_GOODBYE)
        remove_peer (mesh, node, peer, "goodbye");
}

/* A HELLO of a peer that is ready is a restart. */
static zpeer_t *greet (mesh_t *mesh, node_t *node, const uint8_t *uuid, const zf_zre_t *hello)
{
    char endpoint[256] = "";
    zpeer_t *peer = find (node, uuid);
    if (peer != NULL && peer->is_ready)
        remove_peer (mesh, node, peer, "restart");
    memcpy (endpoint, hello->endpoint.data, hello->endpoint.size);
    peer = require (mesh, node, uuid, endpoint);
    peer->is_ready = true;
    return peer;
}

void zyre_mail (mesh_t *mesh, node_t *node, const conn_t *conn, const mail_t *mail)
{
    zf_zre_t message;
    const uint8_t *uuid = conn->identity + 1;
    if (!zf_zre_decode (zf_bytes (mail->frame, mail->size), &message) ||
        memcmp (uuid, node->uuid, ZF_UUID_BYTES) == 0)
        return;
    zpeer_t *peer =
        message.id == ZF_ZRE_HELLO ? greet (mesh, node, uuid, &message) : find (node, uuid);
    if (peer == NULL || !peer->is_ready)
        return;
    if (++peer->want != message.sequence)
        remove_peer (mesh, node, peer, "messages were lost");
    else
        on_message (mesh, node, peer, &message);
}

void zyre_step (mesh_t *mesh, node_t *node)
{
    for (uint32_t i = 0; i < node->zpeer_count; i++) {
        zpeer_t *peer = &node->zpeers[i];
        uint64_t silence = mesh->now - peer->heard;
        if (peer->is_used && silence >= EXPIRED_MS)
            remove_peer (mesh, node, peer, "silence");
        else if (peer->is_used && silence >= EVASIVE_MS)
            send_plain (mesh, node, peer, ZF_ZRE_PING);
    }
}

/* The group is changed by the caller. */
void zyre_join (mesh_t *mesh, node_t *node, uint32_t group)
{
    char name[] = {'g', (char) ('0' + group), 0};
    node->zstatus++;
    for (uint32_t i = 0; i < node->zpeer_count; i++) {
        zf_zre_t message = {.id = (node->groups >> group & 1) != 0 ? ZF_ZRE_LEAVE : ZF_ZRE_JOIN,
                            .group = zf_bytes_of (name),
                            .status = node->zstatus};
        if (node->zpeers[i].is_used)
            send (mesh, node, &node->zpeers[i], &message);
    }
}

void zyre_bye (mesh_t *mesh, node_t *node)
{
    for (uint32_t i = 0; i < node->zpeer_count; i++)
        if (node->zpeers[i].is_used)
            send_plain (mesh, node, &node->zpeers[i], ZF_ZRE_GOODBYE);
}
