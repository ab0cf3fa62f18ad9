#include "core/frame.h"
#include "tests/mesh/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

int node_index (const mesh_t *mesh, const node_t *node)
{
    return (int) (node - mesh->nodes);
}

uint8_t *identity_of (uint8_t identity[1 + ZF_UUID_BYTES], const uint8_t *uuid)
{
    identity[0] = 1;
    memcpy (identity + 1, uuid, ZF_UUID_BYTES);
    return identity;
}

seen_t *node_seen (node_t *node, const uint8_t *uuid)
{
    for (uint32_t i = 0; i < node->seen_count; i++)
        if (memcmp (node->seen[i].uuid, uuid, ZF_UUID_BYTES) == 0)
            return &node->seen[i];
    node->seen = realloc (node->seen, (node->seen_count + 1) * sizeof *node->seen);
    seen_t *seen = &node->seen[node->seen_count++];
    memset (seen, 0, sizeof *seen);
    memcpy (seen->uuid, uuid, ZF_UUID_BYTES);
    return seen;
}

/* -- content ----------------------------------------------------------------------------------- */

/* A frame that the mesh knows of as long as anybody holds it. */
typedef struct {
    zf_frame_t frame;
    mesh_t *mesh;
    uint8_t data[];
} counted_t;

static void release (zf_frame_t *frame)
{
    counted_t *counted = (counted_t *) (void *) frame;
    counted->mesh->content_bytes -= frame->size;
    free (counted);
}

static zf_frame_t *content_of (mesh_t *mesh, uint64_t number, uint32_t length)
{
    counted_t *counted = calloc (1, sizeof *counted + length);
    counted->frame = (zf_frame_t){counted->data, length, 1, release};
    counted->mesh = mesh;
    memcpy (counted->data, &number, sizeof number);
    mesh->content_bytes += length;
    return &counted->frame;
}

/* -- what it sends ----------------------------------------------------------------------------- */

static mail_t *copy (zf_bytes_t frame, zf_frame_t *const *content, size_t count)
{
    uint64_t number = 0;
    if (count > 0)
        memcpy (&number, content[0]->data, sizeof number);
    return mail_new (frame, number, count > 0 ? (uint32_t) content[0]->size : 0);
}

static void check_sent (mesh_t *mesh, const node_t *node, dealer_t *dealer, zf_bytes_t frame)
{
    zf_zre_t message;
    if (!zf_zre_decode (frame, &message))
        mesh_fail (mesh, "%s sends what is malformed", node->name);
    if (message.sequence != ++dealer->sent)
        mesh_fail (mesh, "%s sends %u after %u", node->name, message.sequence, dealer->sent - 1u);
    if ((message.id == ZF_ZRE_HELLO) != (dealer->sent == 1))
        mesh_fail (mesh, "%s says HELLO in the wrong place", node->name);
    mesh_trace (mesh, "%s sends %u #%u to %s", node->name, message.id, message.sequence,
                dealer->endpoint);
}

void node_pump (mesh_t *mesh, node_t *node, uint32_t slot)
{
    dealer_t *dealer = &node->dealers[slot];
    zf_bytes_t frame;
    zf_frame_t *const *content;
    size_t count;
    while (!node->is_zyre && dealer->is_told) {
        if (!zf_roster_peek (node->roster, slot, &frame, &content, &count)) {
            dealer->is_told = false;
            return;
        }
        if (!net_has_room (mesh, node, slot))
            return;
        check_sent (mesh, node, dealer, frame);
        net_put (mesh, node, slot, copy (frame, content, count));
        zf_roster_pop (node->roster, slot);
    }
}

static void pump_all (mesh_t *mesh, node_t *node)
{
    for (uint32_t slot = 0; slot < node->dealer_count; slot++)
        if (node->dealers[slot].is_open)
            node_pump (mesh, node, slot);
}

static void on_effect (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect)
{
    dealer_t *dealer;
    switch (effect->type) {
    case ZF_ROSTER_OPEN:
        net_open (mesh, node, effect->slot, effect->text);
        break;
    case ZF_ROSTER_CLOSE:
        net_close (mesh, node, effect->slot);
        break;
    case ZF_ROSTER_SEND:
        dealer = effect->slot < node->dealer_count ? &node->dealers[effect->slot] : NULL;
        if (dealer == NULL || !dealer->is_open || dealer->is_told)
            mesh_fail (mesh, "%s: SEND at the wrong time", node->name);
        dealer->is_told = true;
        break;
    case ZF_ROSTER_ENTER:
    case ZF_ROSTER_EVASIVE:
    case ZF_ROSTER_BACK:
    case ZF_ROSTER_EXIT:
    case ZF_ROSTER_JOIN:
    case ZF_ROSTER_LEAVE:
    case ZF_ROSTER_WHISPER:
    case ZF_ROSTER_SHOUT:
    case ZF_ROSTER_NOTE:
        check_effect (mesh, node, effect);
        break;
    }
}

void node_turn (mesh_t *mesh, node_t *node)
{
    zf_roster_effect_t effect;
    bool again = true;
    node->due = zf_roster_tick (node->roster, mesh->now);
    if (node->due <= mesh->now)
        mesh_fail (mesh, "%s wants to be ticked for ever", node->name);
    while (again) {
        again = false;
        while (zf_roster_next (node->roster, &effect)) {
            on_effect (mesh, node, &effect);
            again = true;
        }
        pump_all (mesh, node);
    }
    check_node (mesh, node);
}

/* -- what comes -------------------------------------------------------------------------------- */

void node_tick (mesh_t *mesh, node_t *node)
{
    node_turn (mesh, node);
}

void node_beacon (mesh_t *mesh, node_t *node, const event_t *event)
{
    if (node->is_zyre) {
        zyre_beacon (mesh, node, event);
        return;
    }
    if (event->is_farewell)
        zf_roster_farewell (node->roster, event->uuid, mesh->now);
    else
        zf_roster_sighted (node->roster, event->uuid, zf_bytes_of (event->endpoint),
                           zf_bytes_of (node->endpoint), zf_bytes_of (event->host), mesh->now);
    node_turn (mesh, node);
}

void node_mail (mesh_t *mesh, node_t *node, const conn_t *conn, const mail_t *mail)
{
    mesh_trace (mesh, "%s hears %u of n%u", node->name, mail->frame[2], conn->identity[1]);
    if (node->is_zyre) {
        zyre_mail (mesh, node, conn, mail);
        return;
    }
    zf_frame_t *content = mail->length > 0 ? content_of (mesh, mail->number, mail->length) : NULL;
    zf_roster_received (node->roster, zf_bytes (conn->identity, sizeof conn->identity),
                        zf_bytes (mail->frame, mail->size), &content, content != NULL,
                        zf_bytes_of (node->endpoint), mesh->now);
    zf_frame_drop (content);
    node_turn (mesh, node);
}

void node_lost (mesh_t *mesh, node_t *node, uint32_t slot)
{
    if (node->is_zyre)
        return;
    zf_roster_lost (node->roster, slot, mesh->now);
    node_turn (mesh, node);
}

/* -- what it does by itself -------------------------------------------------------------------- */

static void beacon_to (mesh_t *mesh, const node_t *node, uint32_t to, bool farewell)
{
    bool other = mesh->has_other && prng_one_in (&mesh->prng, 2);
    event_t *event = mesh_event (mesh, EVENT_BEACON, 1 + chance (mesh, mesh->beacon_ms));
    event->node = (int) to;
    event->life = mesh->nodes[to].life;
    event->is_farewell = farewell;
    memcpy (event->uuid, node->uuid, sizeof event->uuid);
    snprintf (event->endpoint, sizeof event->endpoint, "%s", other ? node->other : node->endpoint);
    snprintf (event->host, sizeof event->host, "%s", node->host);
}

static void beacons (mesh_t *mesh, const node_t *node, bool farewell)
{
    int self = node_index (mesh, node);
    for (uint32_t to = 0; to < mesh->count; to++) {
        if ((int) to == self || !mesh->nodes[to].is_there || net_is_apart (mesh, self, (int) to))
            continue;
        if (!prng_one_in (&mesh->prng, mesh->loss))
            beacon_to (mesh, node, to, farewell);
        if (prng_one_in (&mesh->prng, 20))
            beacon_to (mesh, node, to, farewell);
    }
}

static void change_group (mesh_t *mesh, node_t *node)
{
    uint32_t group = (uint32_t) chance (mesh, GROUPS);
    char name[] = {'g', (char) ('0' + group), 0};
    if (node->is_zyre)
        zyre_join (mesh, node, group);
    else if ((node->groups >> group & 1) != 0)
        zf_roster_leave (node->roster, zf_bytes_of (name));
    else
        zf_roster_join (node->roster, zf_bytes_of (name));
    node->groups ^= UINT32_C (1) << group;
}

static void talk (mesh_t *mesh, node_t *node)
{
    char name[] = {'g', (char) ('0' + chance (mesh, GROUPS)), 0};
    uint32_t length =
        (uint32_t) prng_between (&mesh->prng, 8, prng_one_in (&mesh->prng, 9) ? 12000 : 600);
    zf_frame_t *content = content_of (mesh, ++mesh->numbers, length);
    const seen_t *to = node->seen_count > 0 ? &node->seen[chance (mesh, node->seen_count)] : NULL;
    int rc = 0;
    if (to != NULL && prng_one_in (&mesh->prng, 2)) {
        rc = zf_roster_whisper (node->roster, to->uuid, &content, 1);
        if ((rc == ZF_E_NOT_FOUND) == to->is_there)
            mesh_fail (mesh, "%s cannot whisper to who is there, or the reverse", node->name);
    } else {
        rc = zf_roster_shout (node->roster, zf_bytes_of (name), &content, 1);
    }
    if (rc == ZF_E_NOMEM || rc == ZF_E_INVAL)
        mesh_fail (mesh, "%s: %s", node->name, zf_strerror (rc));
    zf_frame_drop (content);
}

void node_step (mesh_t *mesh, node_t *node)
{
    event_t *event = mesh_event (mesh, EVENT_STEP, prng_between (&mesh->prng, 900, 1100));
    event->node = node_index (mesh, node);
    event->life = node->life;
    beacons (mesh, node, false);
    if (mesh->end - mesh->now > 10000 && prng_one_in (&mesh->prng, 5))
        change_group (mesh, node);
    if (node->is_zyre) {
        zyre_step (mesh, node);
        return;
    }
    for (uint64_t i = chance (mesh, 4); i > 0; i--)
        talk (mesh, node);
    node_turn (mesh, node);
}

/* -- its life ---------------------------------------------------------------------------------- */

static void make_roster (mesh_t *mesh, node_t *node)
{
    zf_roster_options_t options = {.name = node->name,
                                   .space = node->space,
                                   .evasive_ms = 5000,
                                   .expired_ms = 30000,
                                   .line_bytes = LINE_BYTES,
                                   .max_peers = PEERS_MAX};
    memcpy (options.uuid, node->uuid, sizeof options.uuid);
    node->roster = zf_roster_new (&options, mesh->now);
    node->due = UINT64_MAX;
}

void node_start (mesh_t *mesh, int index, bool same_port)
{
    node_t *node = &mesh->nodes[index];
    node->is_there = true;
    node->life++;
    node->frozen = 0;
    node->groups = 0;
    for (int i = 0; i < ZF_UUID_BYTES; i++)
        node->uuid[i] = (uint8_t) chance (mesh, 256);
    node->uuid[0] = (uint8_t) index;
    snprintf (node->name, sizeof node->name, "n%d", index);
    snprintf (node->host, sizeof node->host, "h%d", index / 3);
    if (!same_port)
        snprintf (node->endpoint, sizeof node->endpoint, "tcp://p%d:%u", index, node->life);
    snprintf (node->other, sizeof node->other, "tcp://q%d:%u", index, node->life);
    mesh_trace (mesh, "%s%s starts at %s in \"%s\"", node->name, node->is_zyre ? " (Zyre)" : "",
                node->endpoint, node->space);
    if (!node->is_zyre)
        make_roster (mesh, node);
    node->zstatus = 0;
    event_t *event = mesh_event (mesh, EVENT_STEP, chance (mesh, 300));
    event->node = index;
    event->life = node->life;
}

void node_free (node_t *node)
{
    zf_roster_free (&node->roster);
    for (uint32_t slot = 0; slot < node->dealer_count; slot++)
        if (node->dealers[slot].is_open)
            mails_free (node->dealers[slot].first);
    free (node->dealers);
    free (node->seen);
    free (node->zpeers);
    node->dealers = NULL;
    node->seen = NULL;
    node->zpeers = NULL;
    node->dealer_count = node->seen_count = node->zpeer_count = 0;
}

void node_stop (mesh_t *mesh, int index, bool clean)
{
    node_t *node = &mesh->nodes[index];
    mesh_trace (mesh, "%s stops%s", node->name, clean ? "" : " dead");
    if (clean) {
        if (node->is_zyre) {
            zyre_bye (mesh, node);
        } else {
            zf_roster_bye (node->roster);
            node_turn (mesh, node);
        }
        beacons (mesh, node, true);
    }
    node->is_there = false;
    net_kill (mesh, index);
    node_free (node);
}
